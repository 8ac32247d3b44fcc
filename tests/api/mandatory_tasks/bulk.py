"""Bulk assignments through the API: documents, and a company in which they are made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient
from tests.support.jobs import run_all_jobs

Json: TypeAlias = dict[str, Any]

#: Well after the minimum lead time of three days; today is 2026-03-02.
IN_TIME = "2026-03-31"
TOMORROW = "2026-03-03"

ERROR = "error { __typename code path ... on DueDateTooSoonError { earliestDueOn } }"
RESULTS = f"""
totalCount pageInfo {{ hasNextPage endCursor }}
nodes {{ outcome learner {{ id name }} mandatoryTask {{ id }} {ERROR} }}
"""
JOB = "id kind status totalCount processedCount failedCount subject { id } subjectName startedBy { name }"
BULK = f"""
id dueOn createdCount skippedCount failedCount createdAt target {{ id title }} createdBy {{ name }} job {{ {JOB} }}
results(first: 100) {{ {RESULTS} }}
"""
MORE = "message ... on DueDateTooSoonError { earliestDueOn } ... on LimitExceededError { limit }"
ASSIGN = f"""
mutation ($input: BulkAssignMandatoryTasksInput!) {{
  bulkAssignMandatoryTasks(input: $input) {{ bulkAssignment {{ {BULK} }} {ERRORS.replace("message", MORE)} }} }}
"""
PREVIEW = f"""
query ($input: BulkAssignmentPreviewInput!) {{
  bulkAssignmentPreview(input: $input) {{
    learnerCount newTaskCount skippedCount failingCount
    learners(first: 100) {{ totalCount nodes {{ id name email }} }} results(first: 100) {{ {RESULTS} }} }} }}
"""
PREVIEWED_RESULTS = f"""
query ($input: BulkAssignmentPreviewInput!, $first: Int! = 100, $after: String, $outcomes: [BulkAssignmentOutcome!]) {{
  bulkAssignmentPreview(input: $input) {{
    results(first: $first, after: $after, outcomes: $outcomes) {{ {RESULTS} }} }} }}
"""
RESULTS_OF = f"""
query ($id: ID!, $first: Int! = 100, $after: String, $outcomes: [BulkAssignmentOutcome!]) {{
  node(id: $id) {{ ... on BulkAssignment {{
    createdCount skippedCount failedCount job {{ status processedCount failedCount totalCount }}
    results(first: $first, after: $after, outcomes: $outcomes) {{ {RESULTS} }} }} }} }}
"""
LIST = f"""
query ($first: Int! = 25, $after: String) {{
  bulkAssignments(first: $first, after: $after) {{
    totalCount pageInfo {{ hasNextPage endCursor }}
    nodes {{ id createdCount results(first: 2) {{ {RESULTS} }} }} }} }}
"""
TASK = """
query ($id: ID!) { mandatoryTask(id: $id) {
  dueOn note status recurrence { everyWeeks } bulkAssignment { id } assignedBy { name }
  enrollment { isActive reasons { source } } reminderSettings { daysBeforeDue recipients }
  cycles { nodes { number openedOn dueOn } } } }
"""


def person_id(person: Principal | int) -> str:
    """Return a person's ID in the API."""
    return ids.encode(ids.LEARNER, person if isinstance(person, int) else person.learner_id or 0)


def named(*people: Principal | int) -> list[Json]:
    """Return the audience of these people."""
    return [{"learner": {"id": person_id(one)}} for one in people]


def members(*places: Place) -> list[Json]:
    """Return the audience of the members of departments and groups."""
    prefixes = {
        PlaceKind.DEPARTMENT: ("departmentId", ids.DEPARTMENT),
        PlaceKind.LEARNING_GROUP: ("learningGroupId", ids.LEARNING_GROUP),
    }
    return [{prefixes[place.kind][0]: ids.encode(prefixes[place.kind][1], place.id)} for place in places]


def told(results: Json) -> dict[str, str]:
    """Return the outcome of each person by name, with the code where there is one."""
    return {
        node["learner"]["name"]: " ".join(filter(None, [node["outcome"], (node["error"] or {}).get("code")]))
        for node in results["nodes"]
    }


@dataclass(slots=True)
class Training:
    """A company with a course to assign and somebody who assigns it."""

    api: Api
    tenant: Tenant
    course: Content
    client: ApiClient

    def wanted(self, audience: list[Json], **fields: Any) -> Json:
        """Return the input that assigns the course to an audience."""
        target = {"id": ids.encode(ids.CONTENT, self.course.id)}
        return {"target": target, "audience": audience, "dueOn": IN_TIME} | fields

    def asked(self, audience: list[Json], due_on: str | None = IN_TIME) -> Json:
        """Return the input that previews the course for an audience."""
        return self.wanted(audience, dueOn=due_on)

    async def preview(self, audience: list[Json], due_on: str | None = IN_TIME) -> Json:
        """Return a preview."""
        previewed: Json = await self.client.value(PREVIEW, input=self.asked(audience, due_on))
        return previewed

    async def assign(self, audience: list[Json], **fields: Any) -> Json:
        """Assign the course to an audience and return the bulk assignment."""
        payload = await self.client.value(ASSIGN, input=self.wanted(audience, **fields))
        bulk: Json = payload["bulkAssignment"]
        return bulk

    async def results(self, bulk: Json, **asked: Any) -> Json:
        """Return counts, job and results of a bulk assignment as they are now."""
        found: Json = await self.client.value(RESULTS_OF, id=bulk["id"], **asked)
        return found

    async def run_jobs(self) -> int:
        """Do what waits in the background."""
        return await run_all_jobs(self.tenant, lambda: self.now)

    @property
    def now(self) -> datetime:
        """What time it is."""
        return self.api.now

    async def crowd(self, count: int) -> tuple[Place, list[int]]:
        """Make a department with this many people."""
        place = await factories.create_place(self.tenant.id)
        learner_ids = await factories.create_learners(self.tenant.id, count)
        await factories.place_learners(self.tenant.id, place, learner_ids)
        return place, learner_ids
