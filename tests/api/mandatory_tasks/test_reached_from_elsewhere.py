"""Tasks that are reached from what somebody sees: how much of them shows, and in how many statements."""

from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Scope
from domain.foundation.database.sessions import ReadScope
from tests.support import factories
from tests.support.assigning import ERRORS, Assigning, reminder
from tests.support.company import Company, key_of, learner_id, mutation

DUE = "2026-03-16"
TASK = "id status note completedAt recurrence { everyWeeks nextDueOn }"
REPORT = mutation("recordCourseProgress", f"changedMandatoryTasks {{ {TASK} }}", ERRORS)
LOGGED = f"""query($filter: ContentActionFilterInput) {{
  contentActions(first: 100, filter: $filter) {{ nodes {{ action mandatoryTask {{ {TASK} }} }} }} }}"""
EVERYTHING = """
  id status target { id title } learner { id name department { name } } assignedBy { id name } bulkAssignment { id }
  enrollment { id status reasons { source mandatoryTask { id } } mandatoryTasks { id status } }
  requiredCourses { course { id title } status }
  cycles { nodes { number reminders { id deliveries { status } template { name } } } }
  reminderSettings { daysBeforeDue template { name createdBy { id name } } }
  reminders { id deliveries { status email } template { name createdBy { id } } }
"""
NODES = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ id ... on MandatoryTask {{ {EVERYTHING} }} }} }}"
REMINDERS = """query($ids: [ID!]!) { nodes(ids: $ids) { id ... on TaskReminder {
  dueOn status template { name } deliveries { status email } } } }"""
IDS = "query($id: ID!) { mandatoryTask(id: $id) { reminders { id } } }"
INBOX = f"""{{ viewer {{ notifications(first: 20) {{ nodes {{
  title content {{ id title }} mandatoryTask {{ {EVERYTHING} }} }} }} }} }}"""


async def test_a_report_tells_of_the_tasks_that_its_reporter_may_see(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal
) -> None:
    """A trainer of one course is not told who has to complete a path of somebody else's."""
    course = await assigning.trained_by(trainer, "A")
    path = await company.path("P", course)
    own = await assigning.assign(learner, course, DUE)
    others = await assigning.assign(learner, path, DUE, note="Secret")
    said = {"learner": {"id": learner_id(learner)}, "course": key_of(course)}

    async def told(principal: Principal, **report: Any) -> list[tuple[str, str, str | None]]:
        payload = await assigning.acting_as(principal).client.value(REPORT, input={**said, **report})
        return sorted((task["id"], task["status"], task["note"]) for task in payload["changedMandatoryTasks"])

    assert await told(trainer, lessonsDone=0, score=1) == [(own["id"], "IN_PROGRESS", None)]
    # A tool that reads nothing is told of what it has done.
    tool = await factories.create_service_account(company.tenant.id, scopes=[Scope.WRITE_ENROLLMENTS])
    both = sorted([(own["id"], "COMPLETED", None), (others["id"], "COMPLETED", "Secret")])
    assert await told(tool, isFinished=True) == both


async def test_what_cannot_be_looked_up_shows_its_short_form(
    company: Company, assigning: Assigning, trainer: Principal, learner: Principal
) -> None:
    """The log of a course names the task that brought it; how often it comes and when it was done is not told."""
    course = await assigning.trained_by(trainer, "A")
    task = await assigning.assign(learner, await company.path("P", course), DUE, note="Secret", repeatEveryWeeks=4)
    await assigning.finish(learner, course)
    logged = await assigning.acting_as(trainer).client.value(LOGGED, filter={"actions": ["ENROLLED"]})
    short = {"id": task["id"], "status": "COMPLETED", "note": None, "completedAt": None, "recurrence": None}
    assert logged["nodes"] == [{"action": "ENROLLED", "mandatoryTask": short}]
    logged = await assigning.client.value(LOGGED, filter={"actions": ["ENROLLED"]})
    shown = [node["mandatoryTask"] for node in logged["nodes"]]
    assert [(one["note"], one["recurrence"]["nextDueOn"]) for one in shown] == [("Secret", "2026-04-13")] * 2


@pytest.fixture
async def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read, as it is read."""
    seen: list[str] = []
    fetch = ReadScope.fetch

    async def counting(self: ReadScope, sql: str, *args: Any) -> Any:
        seen.append(sql)
        return await fetch(self, sql, *args)

    monkeypatch.setattr(ReadScope, "fetch", counting)
    return seen


async def _tasks(
    company: Company, assigning: Assigning, learner: Principal, trainer: Principal, numbers: range, due_on: str
) -> list[str]:
    """Give somebody tasks for paths, each with a course of its own, and remind of all."""
    template = await assigning.template(f"T{numbers}", "S", "B")
    made = []
    for number in numbers:
        courses = [await company.course(f"C{number}.{place}") for place in range(3)]
        path = await factories.create_path(
            company.tenant.id, title=f"P{number}", courses=courses, trainers=[trainer.learner_id or 0]
        )
        wanted = [reminder(3, template=template), reminder(1)]
        made.append((await assigning.assign(learner, path, due_on, reminders=wanted))["id"])
    return made


@pytest.mark.parametrize("role", ["admin", "learner", "trainer"])
async def test_many_tasks_cost_as_many_statements_as_one(
    company: Company,
    assigning: Assigning,
    learner: Principal,
    trainer: Principal,
    admin: Principal,
    statements: list[str],
    role: str,
) -> None:
    """By their IDs, and from the inbox, with all that hangs on them; and their reminders by their IDs."""
    viewer = {"admin": admin, "learner": learner, "trainer": trainer}[role]
    first = await _tasks(company, assigning, learner, trainer, range(1), DUE)
    await assigning.pass_time(days=12)
    client = assigning.acting_as(viewer).client

    async def costs(tasks: list[str]) -> list[int]:
        found = []
        ledger = [entry["id"] for id in tasks for entry in (await assigning.client.value(IDS, id=id))["reminders"]]
        for document, variables in ((NODES, {"ids": tasks}), (REMINDERS, {"ids": ledger}), (INBOX, {})):
            statements.clear()
            await client.value(document, **variables)
            found.append(len(statements))
        return found

    one = await costs(first)
    more = await _tasks(company, assigning, learner, trainer, range(1, 9), "2026-03-28")
    await assigning.pass_time(days=12)
    assert await costs(first + more) == one


async def test_a_path_of_many_courses_costs_as_much_as_one_of_few(
    company: Company, assigning: Assigning, learner: Principal, statements: list[str]
) -> None:
    """And so does a report that completes many tasks."""
    document = "query($id: ID!) { mandatoryTask(id: $id) { requiredCourses { course { title } } } }"
    counts = []
    for size in (1, 10):
        courses: list[Content] = [await company.course(f"{size}.{number}") for number in range(size)]
        task = await assigning.assign(learner, await company.path(f"P{size}", *courses), DUE)
        statements.clear()
        assert len((await assigning.client.value(document, id=task["id"]))["requiredCourses"]) == size
        counts.append(len(statements))
    assert counts[0] == counts[1]
    counts = []
    for size in (1, 10):
        course = await company.course(f"Of {size}")
        for number in range(size):
            await assigning.assign(learner, await company.path(f"{number} of {size}", course), DUE)
        said = {"learner": {"id": learner_id(learner)}, "course": key_of(course), "isFinished": True}
        statements.clear()
        assert len((await assigning.client.value(REPORT, input=said))["changedMandatoryTasks"]) == size
        counts.append(len(statements))
    assert counts[0] == counts[1]
