"""Confirming a bulk assignment: small ones at once, what each person gets, what is refused, and doing it twice."""

from typing import Any

import pytest

from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Scope
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.mandatory_tasks.bulk import (
    ASSIGN,
    IN_TIME,
    TASK,
    TOMORROW,
    Training,
    members,
    named,
    person_id,
    told,
)
from tests.security.footprint import footprint
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection


async def test_a_small_audience_has_its_tasks_when_the_mutation_answers(
    training: Training, superuser: Connection
) -> None:
    """With a job that has succeeded already, and whatever a single assignment would bring."""
    group = await factories.create_place(training.tenant.id, kind=PlaceKind.LEARNING_GROUP)
    ann = await factories.create_person(training.tenant.id, name="Ann", places=[group])
    bob = await factories.create_person(training.tenant.id, name="Bob")
    bulk = await training.assign(
        [*members(group), *named(bob)],
        note="  Before the audit. ",
        repeatEveryWeeks=52,
        reminders=[{"daysBeforeDue": 7, "recipients": ["ASSIGNER", "LEARNER"]}, {"daysBeforeDue": -1}],
    )
    job = bulk.pop("job")
    results = bulk.pop("results")
    assert job.pop("id").startswith("job_")
    assert job == {
        "kind": "BULK_ASSIGNMENT",
        "status": "SUCCEEDED",
        "totalCount": 2,
        "processedCount": 2,
        "failedCount": 0,
        "subject": {"id": bulk["id"]},
        "subjectName": "Fire Safety",
        "startedBy": {"name": "Ada Admin"},
    }
    assert bulk == {
        "id": bulk["id"],
        "dueOn": IN_TIME,
        "createdCount": 2,
        "skippedCount": 0,
        "failedCount": 0,
        "createdAt": "2026-03-02T09:00:00Z",
        "target": {"id": ids.encode(ids.CONTENT, training.course.id), "title": "Fire Safety"},
        "createdBy": {"name": "Ada Admin"},
    }
    assert [node["learner"] for node in results["nodes"]] == [
        {"id": person_id(ann), "name": "Ann"},
        {"id": person_id(bob), "name": "Bob"},
    ]
    for node in results["nodes"]:
        assert await training.client.value(TASK, id=node["mandatoryTask"]["id"]) == {
            "dueOn": IN_TIME,
            "note": "Before the audit.",
            "status": "ASSIGNED",
            "recurrence": {"everyWeeks": 52},
            "bulkAssignment": {"id": bulk["id"]},
            "assignedBy": {"name": "Ada Admin"},
            "enrollment": {"isActive": True, "reasons": [{"source": "MANDATORY_TASK"}]},
            "reminderSettings": [
                {"daysBeforeDue": 7, "recipients": ["ASSIGNER", "LEARNER"]},
                {"daysBeforeDue": -1, "recipients": ["LEARNER"]},
            ],
            "cycles": {"nodes": [{"number": 1, "openedOn": "2026-03-02", "dueOn": IN_TIME}]},
        }
    told_of = await superuser.fetch("SELECT learner_id, kind, title FROM notification ORDER BY learner_id")
    title = "New mandatory task: Fire Safety"
    assert [tuple(row) for row in told_of] == [(person.learner_id, "TASK_ASSIGNED", title) for person in (ann, bob)]


@pytest.mark.parametrize(("given", "expected"), [(None, [3]), ([], [])], ids=["left out", "empty"])
async def test_reminders_are_the_default_one_or_none(
    training: Training, given: list[Any] | None, expected: list[int]
) -> None:
    """As for a single task."""
    person = await factories.create_person(training.tenant.id)
    [result] = (await training.assign(named(person), reminders=given))["results"]["nodes"]
    task = await training.client.value(TASK, id=result["mandatoryTask"]["id"])
    assert [one["daysBeforeDue"] for one in task["reminderSettings"]] == expected


async def test_a_path_brings_its_courses_and_what_is_completed_fulfils_the_task(
    training: Training, superuser: Connection
) -> None:
    """The target may be a path, named by the partner's ID; nobody is enrolled twice."""
    item = await factories.create_course(training.tenant.id)
    await factories.create_path(training.tenant.id, courses=[item], external_id="P-1")
    new = await factories.create_person(training.tenant.id, name="New")
    done = await factories.create_person(training.tenant.id, name="Veteran")
    bulk = await training.assign(named(new), target={"externalId": "P-1"})
    assert bulk["createdCount"] == 1
    assert await superuser.fetchval("SELECT count(*) FROM enrollment WHERE learner_id = $1", new.learner_id) == 2
    await factories.create_enrollment(
        training.tenant.id,
        done.learner_id or 0,
        training.course.id,
        status=EnrollmentStatus.COMPLETED,
        completed_at=training.now,
    )
    [result] = (await training.assign(named(done)))["results"]["nodes"]
    task = await training.client.value(TASK, id=result["mandatoryTask"]["id"])
    assert (task["status"], len(task["enrollment"]["reasons"])) == ("COMPLETED", 2)


async def test_what_is_wrong_with_the_call_is_told_together(
    training: Training, tenant: Tenant, superuser: Connection
) -> None:
    """Target, parts, note, repetition, reminders and date; and nothing is written."""
    empty, _ = await training.crowd(0)
    before = await footprint(superuser)

    async def refused(audience: list[Any], **fields: Any) -> list[tuple[str, str]]:
        return await training.client.user_errors(ASSIGN, input=training.wanted(audience, **fields))

    assert await refused(
        [*members(empty), {"departmentId": "dep_nothing"}, {"learner": {"externalId": "nobody"}}],
        target={"externalId": "nothing"},
        dueOn="9999-12-31",
        note="x" * 501,
        repeatEveryWeeks=521,
        reminders=[{"daysBeforeDue": 1, "recipients": []}],
    ) == [
        ("NOT_FOUND", "input.target"),
        ("NOT_FOUND", "input.audience.2.learner"),
        ("NOT_FOUND", "input.audience.1.departmentId"),
        ("INVALID", "input.dueOn"),
        ("INVALID", "input.repeatEveryWeeks"),
        ("INVALID", "input.note"),
        ("INVALID", "input.reminders.0.recipients"),
    ]
    assert await refused([]) == [("INVALID", "input.audience")]
    assert await refused(members(empty) * 1_001) == [("TOO_MANY_ITEMS", "input.audience")]
    # A place in which there is nobody.
    assert await refused(members(empty)) == [("INVALID", "input.audience")]
    assert await footprint(superuser) == before


async def test_a_date_too_soon_for_everyone_is_an_error_of_the_call(training: Training, superuser: Connection) -> None:
    """It says the first date that would be accepted for somebody; too soon for some is their own failure."""
    here = await factories.create_person(training.tenant.id, name="Here")
    there = await factories.create_person(training.tenant.id, name="There", time_zone="Pacific/Pago_Pago")
    before = await footprint(superuser)
    payload = await training.client.execute(ASSIGN, input=training.wanted(named(here, there), dueOn=TOMORROW))
    assert payload["data"]["bulkAssignMandatoryTasks"]["errors"] == [
        {
            "code": "DUE_DATE_TOO_SOON",
            "path": ["input", "dueOn"],
            "message": payload["data"]["bulkAssignMandatoryTasks"]["errors"][0]["message"],
            "earliestDueOn": "2026-03-04",
        }
    ]
    assert await footprint(superuser) == before
    bulk = await training.assign(named(here, there), dueOn="2026-03-04")
    assert told(bulk["results"]) == {"Here": "FAILED DUE_DATE_TOO_SOON", "There": "CREATED"}
    assert (bulk["job"]["status"], bulk["job"]["processedCount"], bulk["job"]["failedCount"]) == ("SUCCEEDED", 2, 1)


async def test_who_has_a_task_keeps_it_as_it_is(training: Training) -> None:
    """Whatever the second assignment asks for, and also when it is completed; a withdrawn one does not count."""
    person = await factories.create_person(training.tenant.id, name="Ann")
    first = await training.assign(named(person), note="First")
    second = await training.assign(named(person), note="Second", dueOn="2026-04-30")
    [task] = [node["mandatoryTask"]["id"] for node in first["results"]["nodes"]]
    assert [node["mandatoryTask"]["id"] for node in second["results"]["nodes"]] == [task]
    assert (second["skippedCount"], second["createdCount"], second["job"]["processedCount"]) == (1, 0, 1)
    kept = await training.client.value(TASK, id=task)
    assert (kept["note"], kept["dueOn"], kept["bulkAssignment"]["id"]) == ("First", IN_TIME, first["id"])
    await training.client.run(
        "mutation ($id: ID!) { withdrawMandatoryTask(input: {id: $id}) { errors { code } } }", id=task
    )
    third = await training.assign(named(person))
    assert told(third["results"]) == {"Ann": "CREATED"}


async def test_the_same_key_never_assigns_twice(training: Training, superuser: Connection) -> None:
    """The first result comes again; the same key for something else is refused."""
    place, learner_ids = await training.crowd(3)
    first = await training.assign(members(place), idempotencyKey="q1")
    await factories.place_learners(training.tenant.id, place, await factories.create_learners(training.tenant.id, 1))
    assert await training.assign(members(place), idempotencyKey="q1") == first
    assert await superuser.fetchval("SELECT count(*) FROM bulk_assignment") == 1
    assert await superuser.fetchval("SELECT count(*) FROM mandatory_task") == len(learner_ids)
    other = training.wanted(members(place), idempotencyKey="q1", dueOn="2026-04-30")
    assert await training.client.user_errors(ASSIGN, input=other) == [
        ("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")
    ]


async def test_who_may_assign_what_to_whom(
    api: Api, training: Training, trainer: Principal, learner: Principal
) -> None:
    """Trainers what they train, to anybody and to their own groups; tools with the scope, even without READ."""
    target = {"id": ids.encode(ids.CONTENT, training.course.id)}
    own = await factories.create_course(training.tenant.id, trainers=[trainer.learner_id or 0])
    foreign = await factories.create_place(training.tenant.id, kind=PlaceKind.LEARNING_GROUP)
    as_trainer = api.acting_as(trainer)
    mine = {"target": {"id": ids.encode(ids.CONTENT, own.id)}}
    assert await as_trainer.user_errors(ASSIGN, input=training.wanted(named(learner))) == [
        ("NOT_PERMITTED", "input.target")
    ]
    assert await as_trainer.user_errors(ASSIGN, input=training.wanted(members(foreign), **mine)) == [
        ("NOT_FOUND", "input.audience.0.learningGroupId")
    ]
    await as_trainer.run(ASSIGN, input=training.wanted(named(learner), **mine))
    tool = await factories.create_service_account(training.tenant.id, scopes=[Scope.WRITE_MANDATORY_TASKS], name="HR")
    given = training.wanted(named(learner, trainer), target=target)
    bulk = (await api.acting_as(tool).value(ASSIGN, input=given))["bulkAssignment"]
    assert (bulk["createdCount"], bulk["dueOn"], bulk["createdBy"]["name"]) == (2, IN_TIME, "HR")
    # What is reached from it is empty for a tool that may not read.
    assert (bulk["results"]["nodes"], bulk["results"]["totalCount"], bulk["target"]["title"]) == ([], 0, "Fire Safety")
    assigner = training.wanted(named(learner), reminders=[{"daysBeforeDue": 1, "recipients": ["ASSIGNER"]}])
    assert await api.acting_as(tool).user_errors(ASSIGN, input=assigner) == [
        ("INVALID", "input.reminders.0.recipients")
    ]
    for refused in (learner, await factories.create_service_account(training.tenant.id)):
        assert await api.acting_as(refused).errors(ASSIGN, input=given) == ["FORBIDDEN"]


async def test_rules_react_to_who_is_enrolled(training: Training, superuser: Connection) -> None:
    """Being enrolled is a fact, for few people as for many."""
    given = await factories.create_course(training.tenant.id)
    await training.client.run(
        "mutation ($input: CreateAutoAssignmentRuleInput!) {"
        " createAutoAssignmentRule(input: $input) { errors { code } } }",
        input={
            "name": "Whoever must know about fire",
            "match": "ALL",
            "conditions": [
                {
                    "contentStatus": {
                        "contents": [{"id": ids.encode(ids.CONTENT, training.course.id)}],
                        "status": "NOT_STARTED",
                    }
                }
            ],
            "contents": [{"id": ids.encode(ids.CONTENT, given.id)}],
        },
    )

    async def enrolled() -> int:
        count: int = await superuser.fetchval(
            "SELECT count(*) FROM enrollment WHERE content_id = $1 AND is_active", given.id
        )
        return count

    _, few = await training.crowd(3)
    await training.assign(named(*few))
    assert await enrolled() == 3
    many, _ = await training.crowd(120)
    await training.assign(members(many))
    assert await enrolled() == 3
    # The one job that assigns, and none for the rules.
    assert await training.run_jobs() == 1
    assert await enrolled() == 123
