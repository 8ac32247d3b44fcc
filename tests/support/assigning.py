"""Mandatory tasks through the API: what people do with them, and what one sees of them.

`assigning` does things as the administrator of the company; `assigning.acting_as(somebody)` does them as somebody else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.people.models import Place, PlaceKind
from gql.contract import ids
from tests.support import factories
from tests.support.api import ApiClient
from tests.support.company import DEACTIVATE, JOB, REACTIVATE, Company, Json, key_of, learner_id, mutation, place_id
from tests.support.passing_time import ZONE, Mailbox, pass_time, sweep

#: Errors with the data that they carry.
ERRORS = """errors { code path message
  ... on DueDateTooSoonError { earliestDueOn } ... on TaskAlreadyAssignedError { existingTask { id } }
  ... on LimitExceededError { limit } ... on VersionConflictError { currentVersion } }"""
TASK = """
id status dueOn dueAt note withdrawnAt isSuspended completedAt createdAt canUpdate canWithdraw version
target { id title } learner { id name } assignedBy { id name } recurrence { everyWeeks nextDueOn nextOpensOn }
"""
REMINDER = """
dueOn daysBeforeDue recipients scheduledAt status reason template { name }
deliveries { recipient email status attemptedAt failureReason }
"""
RESULTS = "totalCount nodes { learner { id name } outcome mandatoryTask { id } error { code } }"
BULK = f"id dueOn createdCount skippedCount failedCount job {{ {JOB} }} results(first: 100) {{ {RESULTS} }}"
TEMPLATE = "emailTemplate { id name subject body version }"

ASSIGN = mutation("assignMandatoryTask", f"mandatoryTask {{ {TASK} }}", ERRORS)
EDIT = mutation("updateMandatoryTask", f"mandatoryTask {{ {TASK} }}", ERRORS)
WITHDRAW = mutation("withdrawMandatoryTask", "withdrawnMandatoryTaskId", ERRORS)
BULK_ASSIGN = mutation("bulkAssignMandatoryTasks", f"bulkAssignment {{ {BULK} }}", ERRORS)
REPORT = mutation(
    "recordCourseProgress", "enrollment { id status } changedMandatoryTasks { id status completedAt }", ERRORS
)
CREATE_TEMPLATE = mutation("createEmailTemplate", TEMPLATE, ERRORS)
UPDATE_TEMPLATE = mutation("updateEmailTemplate", TEMPLATE, ERRORS)
DELETE_TEMPLATE = mutation("deleteEmailTemplate", "deletedEmailTemplateId", ERRORS)
SET_PREFERENCE = mutation("setNotificationPreference", "preference { category isEmailEnabled }", ERRORS)
MARK_READ = mutation("markNotificationsRead", "notifications { id isRead }", ERRORS)
RENEW_CALENDAR = mutation("renewCalendarUrl", "calendarUrl", ERRORS)
UNENROLL_SELF = mutation("unenrollSelf", "enrollment { isActive }", ERRORS)
UPDATE_TENANT = mutation(
    "updateTenant", f"tenant {{ timeZone limits {{ minimumLeadDays }} }} rescheduling {{ {JOB} }}", ERRORS
)

ONE_TASK = f"query($id: ID!) {{ mandatoryTask(id: $id) {{ {TASK} }} }}"
LIST = f"""
query($filter: MandatoryTaskFilterInput, $first: Int! = 100, $after: String,
      $orderBy: MandatoryTaskOrderInput! = {{ field: DUE_ON, direction: ASC }}) {{
  mandatoryTasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
    totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {TASK} }} }} }}
"""
LEDGER = f"query($id: ID!) {{ mandatoryTask(id: $id) {{ reminders {{ {REMINDER} }} }} }}"
SETTINGS = """
query($id: ID!) { mandatoryTask(id: $id) { reminderSettings { daysBeforeDue template { name } recipients } } }
"""
CYCLES = f"""
query($id: ID!) {{ mandatoryTask(id: $id) {{ cycles(first: 20) {{ nodes {{
  number openedOn dueOn completedAt reminders {{ {REMINDER} }} }} }} }} }}
"""
REQUIRED = "query($id: ID!) { mandatoryTask(id: $id) { requiredCourses { course { title } status } } }"
ENROLLMENT = """
query($id: ID!) { mandatoryTask(id: $id) { enrollment {
  isActive status progressPercent score lessonsDone content { title } } } }
"""
COUNTS = """
query($filter: MandatoryTaskFilterInput) {
  mandatoryTaskCounts(filter: $filter) { assigned inProgress completed overdue } }
"""
BREAKDOWN = """
query($by: MandatoryTaskGrouping!, $filter: MandatoryTaskFilterInput) {
  mandatoryTaskBreakdown(by: $by, filter: $filter) {
    key label counts { assigned inProgress completed overdue } } }
"""
PREVIEW = f"""
query($input: BulkAssignmentPreviewInput!) {{ bulkAssignmentPreview(input: $input) {{
  learnerCount newTaskCount skippedCount failingCount
  learners(first: 100) {{ totalCount nodes {{ id name }} }} results(first: 100) {{ {RESULTS} }} }} }}
"""
NOTIFICATIONS = """
{ viewer { notifications(first: 100) { nodes {
  id kind category title isRead content { title } mandatoryTask { id } } } } }
"""
EMAIL_PREVIEW = "query($input: EmailPreviewInput!) { emailPreview(input: $input) { subject html text } }"
CALENDAR = "{ viewer { calendarUrl } }"
LOG = """
query($filter: ContentActionFilterInput) { contentActions(first: 100, filter: $filter) { nodes {
  action source content { title } actor { name } mandatoryTask { id } resultingStatus occurredAt } } }
"""


def reminder(days: int, *recipients: str, template: Json | None = None) -> Json:
    """Return the input of a reminder; without recipients the default of the schema counts."""
    fields: Json = {"daysBeforeDue": days}
    if recipients:
        fields["recipients"] = list(recipients)
    if template is not None:
        fields["emailTemplateId"] = template["id"]
    return fields


def just(person: Principal | int) -> Json:
    """Return the part of an audience that is one person."""
    return {"learner": {"id": learner_id(person)}}


def members_of(place: Place) -> Json:
    """Return the part of an audience that a department or a learning group is."""
    field = "departmentId" if place.kind is PlaceKind.DEPARTMENT else "learningGroupId"
    return {field: place_id(place)}


def account_id(account: Principal) -> str:
    """Return a service account's ID in the API."""
    assert account.service_account_id is not None
    return ids.encode(ids.SERVICE_ACCOUNT, account.service_account_id)


def codes(errors: Iterable[tuple[str, str]]) -> list[str]:
    """Return the codes of errors."""
    return [code for code, _ in errors]


def in_lines(reminders: Iterable[Json]) -> list[str]:
    """Return reminders in a line each: due date, days before it, status, and the reason if there is one."""
    return [
        " ".join(str(word) for word in (r["dueOn"], r["daysBeforeDue"], r["status"], r["reason"]) if word is not None)
        for r in reminders
    ]


def outcomes(results: Json) -> dict[str, str]:
    """Return what became of each person by name, with the code of what failed."""
    return {
        node["learner"]["name"]: " ".join([node["outcome"], *([node["error"]["code"]] if node["error"] else [])])
        for node in results["nodes"]
    }


@dataclass(slots=True)
class Assigning:
    """Deals with mandatory tasks as somebody."""

    company: Company
    client: ApiClient
    mailbox: Mailbox

    def acting_as(self, principal: Principal) -> "Assigning":
        """Return the same company with somebody else who acts."""
        return replace(self, client=self.company.api.acting_as(principal))

    # Who is there.

    async def person(self, name: str, *, places: Iterable[Place] = (), **columns: Any) -> Principal:
        """Make somebody who has been there for long and has an email address, unless it is given as None."""
        email = f"{name.lower().replace(' ', '.')}@acme.test"
        values = {"email": email} | columns
        return await factories.create_person(self.company.tenant.id, name=name, places=places, **values)

    async def trained_by(self, trainer: Principal, title: str, **columns: Any) -> Content:
        """Make a course that somebody trains."""
        return await self.company.course(title, trainers=[trainer.learner_id], **columns)

    # What somebody does.

    async def assign(self, person: Principal, target: Content, due_on: str, **fields: Any) -> Json:
        """Give somebody a task and return it."""
        task: Json = (await self._do(ASSIGN, self.assignment(person, target, due_on, **fields)))["mandatoryTask"]
        return task

    @staticmethod
    def assignment(person: Principal, target: Content, due_on: str, **fields: Any) -> Json:
        """Return the input that gives somebody a task."""
        return {"learner": {"id": learner_id(person)}, "target": key_of(target), "dueOn": due_on, **fields}

    async def cannot_assign(self, person: Principal, target: Content, due_on: str, **fields: Any) -> list[Json]:
        """Return why somebody cannot be given a task."""
        return await self.faults(ASSIGN, **self.assignment(person, target, due_on, **fields))

    async def edit(self, task: Json, **changes: Any) -> Json:
        """Change a task and return it."""
        changed: Json = (await self._do(EDIT, {"id": task["id"], "changes": changes}))["mandatoryTask"]
        return changed

    async def cannot_edit(self, task: Json, **changes: Any) -> list[Json]:
        """Return why a task cannot be changed so."""
        return await self.faults(EDIT, id=task["id"], changes=changes)

    async def withdraw(self, task: Json, *, keeps_enrollment: bool | None = None) -> str:
        """Withdraw a task and return the ID that the answer names; without the option the schema's default counts."""
        options = {} if keeps_enrollment is None else {"keepsEnrollment": keeps_enrollment}
        withdrawn: str = (await self._do(WITHDRAW, {"id": task["id"], **options}))["withdrawnMandatoryTaskId"]
        return withdrawn

    async def cannot_withdraw(self, task: Json) -> list[Json]:
        """Return why a task cannot be withdrawn."""
        return await self.faults(WITHDRAW, id=task["id"])

    async def bulk(self, target: Content, audience: Iterable[Json], due_on: str, **fields: Any) -> Json:
        """Give an audience a task and return the bulk assignment."""
        input = {"target": key_of(target), "audience": list(audience), "dueOn": due_on, **fields}
        assigned: Json = (await self._do(BULK_ASSIGN, input))["bulkAssignment"]
        return assigned

    async def report(self, person: Principal, course: Content, **said: Any) -> Json:
        """Report progress and return the payload with the tasks that changed by it."""
        fields = {"learner": {"id": learner_id(person)}, "course": key_of(course), **said}
        payload: Json = await self._do(REPORT, fields)
        return payload

    async def finish(self, person: Principal, *courses: Content, **said: Any) -> None:
        """Report that somebody has finished courses."""
        for course in courses:
            await self.report(person, course, isFinished=True, **said)

    async def deactivate(self, person: Principal) -> None:
        """Deactivate somebody."""
        await self._do(DEACTIVATE, {"learner": {"id": learner_id(person)}})

    async def reactivate(self, person: Principal) -> None:
        """Reactivate somebody."""
        await self._do(REACTIVATE, {"learner": {"id": learner_id(person)}})

    async def template(self, name: str, subject: str, body: str) -> Json:
        """Create an email template and return it."""
        fields = {"name": name, "subject": subject, "body": body}
        created: Json = (await self._do(CREATE_TEMPLATE, fields))["emailTemplate"]
        return created

    async def switch_email(self, is_on: bool) -> None:
        """Switch one's own email about mandatory tasks."""
        await self._do(SET_PREFERENCE, {"category": "MANDATORY_TASKS", "isEmailEnabled": is_on})

    async def change_tenant(self, **changes: Any) -> Json:
        """Change settings of the tenant and return the payload."""
        payload: Json = await self._do(UPDATE_TENANT, {"changes": changes})
        return payload

    async def _do(self, document: str, input: Mapping[str, Any]) -> Any:
        return await self.client.value(document, input=input)

    async def faults(self, document: str, **fields: Any) -> list[Json]:
        """Return the errors of a mutation that is refused, with the data that they carry and without the message."""
        result = await self.client.execute(document, input=fields)
        assert "errors" not in result, result["errors"]
        (payload,) = result["data"].values()
        assert payload["errors"], f"nothing was refused: {payload}"
        return [{name: value for name, value in e.items() if name != "message"} for e in payload["errors"]]

    # What time does.

    async def pass_time(
        self, *, until: datetime | None = None, zones: Iterable[str] = (ZONE,), **duration: float
    ) -> None:
        """Let time pass with everything at work, to an instant or for a duration given as for `timedelta`."""
        await pass_time(self.company.api, self.mailbox, until=until, zones=zones, **duration)

    def outage(self, *, until: datetime | None = None, **duration: float) -> None:
        """Let time pass while nothing is at work."""
        api = self.company.api
        api.now = until or api.now + timedelta(**duration)

    async def sweep(self) -> None:
        """Do what is due now."""
        await sweep(self.company.api.now, self.mailbox.transport)

    # What one sees.

    async def look_at(self, task: Json) -> Any:
        """Return a task as it is now, or None where it cannot be seen."""
        return await self.client.value(ONE_TASK, id=task["id"])

    async def status(self, task: Json) -> str:
        """Return the status of a task now."""
        status: str = (await self.look_at(task))["status"]
        return status

    async def tasks(self, *, order_by: Json | None = None, **filter: Any) -> list[Json]:
        """Return the tasks that the caller sees, by due date unless told otherwise."""
        order = {} if order_by is None else {"orderBy": order_by}
        page = await self.client.value(LIST, filter=filter, **order)
        nodes: list[Json] = page["nodes"]
        assert page["totalCount"] == len(nodes)
        return nodes

    async def tasks_of(self, person: Principal, **filter: Any) -> list[str]:
        """Return the tasks of somebody that the caller sees, a line each: title, due date and status."""
        tasks = await self.tasks(learnerIds=[learner_id(person)], **filter)
        return [f"{task['target']['title']} {task['dueOn']} {task['status']}" for task in tasks]

    async def names(self, **filter: Any) -> list[str]:
        """Return the names of the people of the tasks that the caller sees, sorted."""
        return sorted(task["learner"]["name"] for task in await self.tasks(**filter))

    async def counts(self, **filter: Any) -> tuple[int, int, int, int]:
        """Return how many tasks are assigned, in progress, completed and overdue."""
        counts = await self.client.value(COUNTS, filter=filter)
        return counts["assigned"], counts["inProgress"], counts["completed"], counts["overdue"]

    async def breakdown(self, by: str, **filter: Any) -> list[tuple[str, tuple[int, int, int, int]]]:
        """Return the same numbers for each group, by label, in the order of the answer."""
        groups = await self.client.value(BREAKDOWN, by=by, filter=filter)
        names = ("assigned", "inProgress", "completed", "overdue")
        return [(group["label"], tuple(group["counts"][name] for name in names)) for group in groups]

    async def ledger(self, task: Json) -> list[Json]:
        """Return the reminders of the current cycle with all that is known of them."""
        reminders: list[Json] = (await self.client.value(LEDGER, id=task["id"]))["reminders"]
        return reminders

    async def reminders(self, task: Json) -> list[str]:
        """Return the reminders of the current cycle in a line each."""
        return in_lines(await self.ledger(task))

    async def reminder_settings(self, task: Json) -> list[Json]:
        """Return the reminders that a task is set up with."""
        settings: list[Json] = (await self.client.value(SETTINGS, id=task["id"]))["reminderSettings"]
        return settings

    async def cycles(self, task: Json) -> list[Json]:
        """Return the cycles of a task, newest first."""
        nodes: list[Json] = (await self.client.value(CYCLES, id=task["id"]))["cycles"]["nodes"]
        return nodes

    async def rounds(self, task: Json) -> list[tuple[int, str, str, bool]]:
        """Return number, opening, due date and whether it is completed of each cycle, oldest first."""
        return [
            (cycle["number"], cycle["openedOn"], cycle["dueOn"], cycle["completedAt"] is not None)
            for cycle in reversed(await self.cycles(task))
        ]

    async def required_courses(self, task: Json) -> list[tuple[str, str]]:
        """Return title and status of the courses that a path still requires or has had completed, in order."""
        courses = (await self.client.value(REQUIRED, id=task["id"]))["requiredCourses"]
        return [(entry["course"]["title"], entry["status"]) for entry in courses]

    async def enrollment(self, task: Json) -> Json:
        """Return the enrollment that a task follows."""
        enrollment: Json = (await self.client.value(ENROLLMENT, id=task["id"]))["enrollment"]
        return enrollment

    async def log(self, person: Principal, **filter: Any) -> list[Json]:
        """Return the log entries of somebody in the order of recording."""
        nodes: list[Json] = (await self.client.value(LOG, filter={"learnerIds": [learner_id(person)], **filter}))[
            "nodes"
        ]
        return nodes[::-1]

    async def preview(self, target: Content, audience: Iterable[Json], due_on: str | None = None) -> Json:
        """Return whom a bulk assignment would reach."""
        fields: Json = {"target": key_of(target), "audience": list(audience)}
        if due_on is not None:
            fields["dueOn"] = due_on
        preview: Json = await self.client.value(PREVIEW, input=fields)
        return preview

    async def received(self, person: Principal) -> list[Json]:
        """Return the notifications of somebody in the platform, oldest first."""
        nodes: list[Json] = (await self.company.api.acting_as(person).value(NOTIFICATIONS))["notifications"]["nodes"]
        return nodes[::-1]

    async def notifications(self, person: Principal) -> list[str]:
        """Return the notifications of somebody in a line each: kind, and title of the content."""
        return [f"{entry['kind']} {entry['content']['title']}" for entry in await self.received(person)]

    async def email_preview(self, **fields: Any) -> Json:
        """Return what an email would be."""
        preview: Json = await self.client.value(EMAIL_PREVIEW, input=fields)
        return preview
