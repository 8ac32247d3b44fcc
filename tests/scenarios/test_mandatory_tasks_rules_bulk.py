"""Rules of mandatory tasks: who is in the audience of a bulk assignment, what is foreseen, and what then happens."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.people.models import PlaceKind
from tests.support.assigning import BULK_ASSIGN, PREVIEW, Assigning, codes, just, members_of, outcomes, reminder
from tests.support.company import JOB, Company, key_of, learner_id, mutation

DUE = "2026-03-16"
CANCEL = mutation("cancelBackgroundJob", f"job {{ {JOB} }}")
RESUME = mutation("resumeBackgroundJob", f"job {{ {JOB} }}")
LIST = """
{ bulkAssignments { totalCount nodes { id createdBy { name } target { title } createdCount } } }
"""
ONE = f"""
query($id: ID!) {{ node(id: $id) {{ ... on BulkAssignment {{
  createdCount skippedCount failedCount job {{ {JOB} subject {{ id }} startedBy {{ name }} }}
  results(first: 1) {{ totalCount }} }} }} }}
"""


@pytest.fixture
async def course(company: Company, trainer: Principal) -> Content:
    """A course that the trainer trains."""
    return await company.course("A", trainers=[trainer.learner_id])


def fields(target: Content, *audience: Mapping[str, Any], due_on: str = DUE, **more: Any) -> dict[str, Any]:
    """Return the input of a bulk assignment."""
    return {"target": key_of(target), "audience": list(audience), "dueOn": due_on, **more}


async def test_the_result_is_what_the_preview_said(company: Company, assigning: Assigning, course: Content) -> None:
    """Number by number and person by person: new, skipped, and failing for each reason, in the order of the rules."""
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    group = await company.place(PlaceKind.LEARNING_GROUP, "Group", owner_id=company.admin.learner_id)
    east = "Pacific/Kiritimati"
    old, gone, had_gone, east_gone = [
        await assigning.person(name, time_zone=zone)
        for name, zone in (("Old", None), ("Gone", None), ("Had and gone", None), ("East and gone", east))
    ]
    await assigning.person("New", places=[department])
    await assigning.person("Both", places=[department, group])
    await assigning.person("East", places=[group], time_zone=east)
    old_east = await assigning.person("Old east", places=[group], time_zone=east)
    away = await assigning.person("Away", places=[department])
    for person in (old, had_gone, old_east):
        await assigning.assign(person, course, DUE)
    for person in (gone, had_gone, east_gone, away):
        await assigning.deactivate(person)
    # In Kiritimati it is tomorrow already.
    company.api.advance(hours=1)
    audience = [*map(just, (old, gone, had_gone, east_gone, old)), members_of(department), members_of(group)]
    preview = await assigning.preview(course, audience, "2026-03-05")
    assert [preview[name] for name in ("learnerCount", "newTaskCount", "skippedCount", "failingCount")] == [8, 2, 3, 3]
    assert outcomes(preview["results"]) == {
        "Both": "CREATED",
        "East": "FAILED DUE_DATE_TOO_SOON",
        "East and gone": "FAILED LEARNER_INACTIVE",
        "Gone": "FAILED LEARNER_INACTIVE",
        "Had and gone": "SKIPPED",
        "New": "CREATED",
        "Old": "SKIPPED",
        "Old east": "SKIPPED",
    }
    names = [node["learner"]["name"] for node in preview["results"]["nodes"]]
    assert names == sorted(names, key=str.lower)
    assert [person["name"] for person in preview["learners"]["nodes"]] == names
    bulk = await assigning.bulk(course, audience, "2026-03-05")
    assert (bulk["createdCount"], bulk["skippedCount"], bulk["failedCount"]) == (2, 3, 3)
    assert outcomes(bulk["results"]) == outcomes(preview["results"])
    assert bulk["results"]["totalCount"] == 8
    tasks = {node["learner"]["name"]: node["mandatoryTask"] is not None for node in bulk["results"]["nodes"]}
    assert tasks == {name: not text.startswith("FAILED") for name, text in outcomes(bulk["results"]).items()}
    assert await assigning.names(bulkAssignmentId=bulk["id"]) == ["Both", "New"]


async def test_results_are_listed_by_outcome(company: Company, assigning: Assigning, course: Content) -> None:
    """In the preview and afterwards; the preview has no task for a new one, and judges no date that is not chosen."""
    new, old = await assigning.person("New"), await assigning.person("Old")
    existing = await assigning.assign(old, course, DUE)
    document = """query($input: BulkAssignmentPreviewInput!) { bulkAssignmentPreview(input: $input) {
      failingCount results(outcomes: [SKIPPED]) { totalCount nodes { learner { name } mandatoryTask { id } } } } }"""
    input = {"target": key_of(course), "audience": [just(new), just(old)]}
    preview = await company.client.value(document, input=input)
    assert preview["failingCount"] == 0
    assert preview["results"] == {
        "totalCount": 1,
        "nodes": [{"learner": {"name": "Old"}, "mandatoryTask": {"id": existing["id"]}}],
    }
    whole = await assigning.preview(course, [just(new), just(old)])
    assert [node["mandatoryTask"] for node in whole["results"]["nodes"]] == [None, {"id": existing["id"]}]


async def test_unknown_parts_and_too_early_dates_are_errors_of_the_call(
    company: Company, assigning: Assigning, course: Content, another_admin: Principal
) -> None:
    """Nothing is done for anybody; the preview fails with the same codes, but shows for whom a date is too early."""
    person = await assigning.person("Pia")
    place = await company.place(PlaceKind.DEPARTMENT, "Empty")
    missing = {"departmentId": "dep_0000000000000"}
    cases: list[tuple[dict[str, Any], str]] = [
        (fields(course, just(person), just(another_admin)), "NOT_FOUND"),
        (fields(course, just(person), missing), "NOT_FOUND"),
        (fields(course, just(person), {"learningGroupId": "grp_0000000000000"}), "NOT_FOUND"),
        (fields(course, just(person)) | {"target": {"externalId": "nothing"}}, "NOT_FOUND"),
        (fields(course, just(person), due_on="2026-03-04"), "DUE_DATE_TOO_SOON"),
        (fields(course), "INVALID"),
    ]
    for input, code in cases:
        assert codes(await company.client.user_errors(BULK_ASSIGN, input=input)) == [code], input
        if code != "DUE_DATE_TOO_SOON":
            assert await company.client.errors(PREVIEW, input=input) == [code], input
    assert await company.client.user_errors(BULK_ASSIGN, input=fields(course, members_of(place)))
    (fault,) = await assigning.faults(BULK_ASSIGN, **fields(course, just(person), due_on="2026-03-04"))
    assert (fault["path"], fault["earliestDueOn"]) == (["input", "dueOn"], "2026-03-05")
    assert await assigning.tasks() == []
    assert (await company.client.value(LIST))["totalCount"] == 0


async def test_an_audience_has_at_most_a_thousand_parts(assigning: Assigning, course: Content) -> None:
    """A thousand are accepted, and one person in all of them is one person."""
    person = await assigning.person("Pia")
    (fault,) = await assigning.faults(BULK_ASSIGN, **fields(course, *[just(person)] * 1_001))
    assert (fault["code"], fault["limit"]) == ("TOO_MANY_ITEMS", 1_000)
    assert (await assigning.bulk(course, [just(person)] * 1_000, DUE))["createdCount"] == 1


async def test_one_person_by_several_keys_counts_once(company: Company, assigning: Assigning, course: Content) -> None:
    """ID, external ID and email name the same learner."""
    person = await assigning.person("Pia", external_id="P-1")
    keys = [{"id": learner_id(person)}, {"externalId": "P-1"}, {"email": "PIA@acme.test"}]
    bulk = await assigning.bulk(course, [{"learner": key} for key in keys], DUE)
    assert (bulk["createdCount"], bulk["skippedCount"], bulk["failedCount"]) == (1, 0, 0)


async def test_trainers_assign_to_everybody_what_they_train(
    company: Company, assigning: Assigning, course: Content, trainer: Principal, learner: Principal
) -> None:
    """Whole departments too; what they do not train is NOT_PERMITTED, also to preview."""
    as_trainer = assigning.acting_as(trainer)
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    await assigning.person("Seller", places=[department])
    bulk = await as_trainer.bulk(course, [members_of(department), just(learner)], DUE)
    assert outcomes(bulk["results"]) == {"Lea Learner": "CREATED", "Seller": "CREATED"}
    foreign = fields(await company.course("Foreign"), just(learner))
    assert codes(await as_trainer.client.user_errors(BULK_ASSIGN, input=foreign)) == ["NOT_PERMITTED"]
    assert await as_trainer.client.errors(PREVIEW, input=foreign) == ["NOT_PERMITTED"]


async def test_the_same_key_assigns_once(company: Company, assigning: Assigning, course: Content) -> None:
    """The first result is answered again, also after somebody joined; another input with the key is refused."""
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    await assigning.person("First", places=[department])
    input = fields(course, members_of(department), idempotencyKey="wave-1")
    first = (await company.client.value(BULK_ASSIGN, input=input))["bulkAssignment"]
    await assigning.person("Second", places=[department])
    again = (await company.client.value(BULK_ASSIGN, input=input))["bulkAssignment"]
    assert (again["id"], again["createdCount"], again["skippedCount"]) == (first["id"], 1, 0)
    assert await assigning.names() == ["First"]
    other = input | {"dueOn": "2026-03-17"}
    assert codes(await company.client.user_errors(BULK_ASSIGN, input=other)) == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await company.client.value(LIST))["totalCount"] == 1


@pytest.mark.parametrize("count", [99, 100])
async def test_100_people_are_a_background_job_with_progress(
    company: Company, assigning: Assigning, course: Content, count: int
) -> None:
    """99 have their tasks when the mutation answers; 100 when the job has run, once, whoever asks for what it does."""
    people = await company.crowd(count)
    is_many = count >= 100
    bulk = await assigning.bulk(course, map(just, people), DUE, reminders=[reminder(3)])
    done = 0 if is_many else count
    assert bulk["job"]["kind"] == "BULK_ASSIGNMENT"
    assert (bulk["job"]["status"], bulk["job"]["processedCount"]) == ("QUEUED" if is_many else "SUCCEEDED", done)
    assert bulk["createdCount"] == done
    assert await assigning.counts() == (done, 0, 0, 0)
    assert await company.run_jobs() == is_many
    seen = await company.client.value(ONE, id=bulk["id"])
    job = seen["job"]
    assert (job["status"], job["totalCount"], job["processedCount"], job["failedCount"]) == (
        "SUCCEEDED",
        count,
        count,
        0,
    )
    assert (job["subject"], job["startedBy"]) == ({"id": bulk["id"]}, {"name": "Ada Admin"})
    assert (seen["createdCount"], seen["skippedCount"], seen["failedCount"]) == (count, 0, 0)
    assert seen["results"]["totalCount"] == count
    assert await assigning.counts(bulkAssignmentId=bulk["id"]) == (count, 0, 0, 0)
    assert await company.count_enrolled(course) == count
    log = await company.client.value(
        "{ contentActions(first: 1, filter: { actions: [TASK_ASSIGNED] }) { totalCount nodes { actor { name } } } }"
    )
    assert log == {"totalCount": count, "nodes": [{"actor": {"name": "Ada Admin"}}]}


async def test_audience_and_dates_are_fixed_at_confirmation(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Who joins while the job waits is not in it, who leaves is, and days that pass make no date too early."""
    department = await company.place(PlaceKind.DEPARTMENT, "Sales")
    stays = await assigning.person("Leaver", places=[department])
    people = await company.crowd(120)
    bulk = await assigning.bulk(course, [members_of(department), *map(just, people)], "2026-03-05")
    await company.change(stays, departmentId=None)
    await assigning.person("Joiner", places=[department])
    company.api.advance(days=1)
    await company.run_jobs()
    seen = await company.client.value(ONE, id=bulk["id"])
    assert (seen["createdCount"], seen["skippedCount"], seen["failedCount"]) == (121, 0, 0)
    assert await assigning.names(search="Leaver") == ["Leaver"]
    assert await assigning.names(search="Joiner") == []


async def test_who_gets_a_task_while_the_job_waits_is_skipped(
    company: Company, assigning: Assigning, course: Content
) -> None:
    """Nobody gets two."""
    people = await company.crowd(120)
    person = await assigning.person("Pia")
    bulk = await assigning.bulk(course, [*map(just, people), just(person)], DUE)
    task = await assigning.assign(person, course, "2026-03-20")
    await company.run_jobs()
    seen = await company.client.value(ONE, id=bulk["id"])
    assert (seen["createdCount"], seen["skippedCount"], seen["failedCount"]) == (120, 1, 0)
    assert [found["id"] for found in await assigning.tasks(learnerIds=[learner_id(person)])] == [task["id"]]


async def test_a_job_is_cancelled_and_resumed(company: Company, assigning: Assigning, course: Content) -> None:
    """Cancelled before it begins it creates nothing; resumed it does the rest."""
    bulk = await assigning.bulk(course, map(just, await company.crowd(120)), DUE)
    assert bulk["job"]["canCancel"] is True
    cancelled = await company.do(CANCEL, id=bulk["job"]["id"])
    assert cancelled["job"]["status"] == "CANCELLED"
    assert await company.run_jobs() == 0
    assert await assigning.counts() == (0, 0, 0, 0)
    await company.do(RESUME, id=bulk["job"]["id"])
    assert await company.run_jobs() == 1
    assert await assigning.counts() == (120, 0, 0, 0)


async def test_bulk_assignments_are_listed_newest_first_to_who_started_them(
    company: Company, assigning: Assigning, course: Content, trainer: Principal, learner: Principal
) -> None:
    """An administrator sees all of them, a learner may not ask; a task names the one it came from."""
    other = await company.person("Other", role=Role.TRAINER)
    first = await assigning.bulk(course, [just(learner)], DUE)
    company.api.advance(minutes=1)
    second = await assigning.acting_as(trainer).bulk(course, [just(trainer)], DUE)

    async def listed(who: Principal) -> list[str]:
        return [node["id"] for node in (await assigning.acting_as(who).client.value(LIST))["nodes"]]

    assert await listed(company.admin) == [second["id"], first["id"]]
    assert await listed(trainer) == [second["id"]]
    assert await listed(other) == []
    assert await assigning.acting_as(learner).client.errors(LIST) == ["FORBIDDEN"]
    document = "query($id: ID!) { mandatoryTask(id: $id) { bulkAssignment { id } } }"
    (task,) = await assigning.tasks(bulkAssignmentId=first["id"])
    assert await company.client.value(document, id=task["id"]) == {"bulkAssignment": {"id": first["id"]}}
    for who in (trainer, learner):
        seen = await assigning.acting_as(who).client.value(document, id=task["id"])
        assert seen == {"bulkAssignment": None}


async def test_inputs_of_tasks_are_checked_for_all(assigning: Assigning, learner: Principal, course: Content) -> None:
    """As for one person, and all problems together."""
    bad = fields(course, just(learner), note="x" * 501, repeatEveryWeeks=521, reminders=[reminder(400)])
    refused = await assigning.client.user_errors(BULK_ASSIGN, input=bad)
    assert sorted(refused) == [
        ("INVALID", "input.note"),
        ("INVALID", "input.reminders.0.daysBeforeDue"),
        ("INVALID", "input.repeatEveryWeeks"),
    ]
    assert await assigning.tasks() == []
