"""Bulk assignments of 100 people and more: a job that judges everybody afresh, with what was fixed beforehand."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.foundation.access import Principal
from domain.foundation.jobs.running import run_job
from domain.mandatory_tasks.bulk import creation as bulk_creation
from domain.mandatory_tasks.task_creation import create_tasks
from domain.reactions import CHUNKS
from tests.api.mandatory_tasks.bulk import Json, Training, members, named, person_id
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.jobs import waiting_jobs

DEACTIVATE = "mutation ($input: DeactivateLearnerInput!) { deactivateLearner(input: $input) { errors { code } } }"
REACTIVATE = "mutation ($input: ReactivateLearnerInput!) { reactivateLearner(input: $input) { errors { code } } }"
UPDATE = "mutation ($input: UpdateLearnerInput!) { updateLearner(input: $input) { errors { code } } }"
UPDATE_TENANT = "mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { errors { code } } }"
CANCEL = "mutation ($id: ID!) { cancelBackgroundJob(input: {id: $id}) { job { status } errors { code } } }"
RESUME = "mutation ($id: ID!) { resumeBackgroundJob(input: {id: $id}) { job { status } errors { code } } }"


def learner(person: Principal | int) -> Json:
    """Return the input that names a person."""
    return {"learner": {"id": person_id(person)}}


async def test_99_people_are_assigned_to_at_once_and_100_by_a_job(training: Training) -> None:
    """The number of people in the audience counts, whatever becomes of them."""
    few, ids_of_few = await training.crowd(99)
    assert (await training.assign(members(few)))["job"]["status"] == "SUCCEEDED"
    one = await factories.create_person(training.tenant.id)
    bulk = await training.assign([*members(few), *named(one)])
    assert (bulk["job"]["status"], bulk["job"]["totalCount"], bulk["job"]["processedCount"]) == ("QUEUED", 100, 0)
    assert (bulk["createdCount"], bulk["skippedCount"], bulk["results"]["totalCount"]) == (0, 0, 0)
    assert await training.run_jobs() == 1
    after = await training.results(bulk)
    assert after["job"] == {"status": "SUCCEEDED", "processedCount": 100, "failedCount": 0, "totalCount": 100}
    assert (after["createdCount"], after["skippedCount"], after["failedCount"]) == (1, len(ids_of_few), 0)
    assert (after["results"]["totalCount"], after["results"]["pageInfo"]["hasNextPage"]) == (100, False)
    created = await training.results(bulk, outcomes=["CREATED"])
    assert [node["learner"]["id"] for node in created["results"]["nodes"]] == [person_id(one)]


async def test_everybody_is_judged_as_they_are_when_it_is_their_turn(training: Training) -> None:
    """Who has become inactive fails, who has got a task is skipped, who is active again gets one."""
    place, learner_ids = await training.crowd(100)
    back = await factories.create_person(training.tenant.id, is_active=False)
    bulk = await training.assign([*members(place), *named(back)])
    await training.client.run(DEACTIVATE, input=learner(learner_ids[0]))
    await training.client.run(REACTIVATE, input=learner(back))
    [own] = (await training.assign(named(learner_ids[1])))["results"]["nodes"]
    await training.run_jobs()
    after = await training.results(bulk, outcomes=["FAILED", "SKIPPED"])
    assert (after["createdCount"], after["skippedCount"], after["failedCount"]) == (99, 1, 1)
    assert after["job"] == {"status": "SUCCEEDED", "processedCount": 101, "failedCount": 1, "totalCount": 101}
    found = {node["learner"]["id"]: node for node in after["results"]["nodes"]}
    failed, skipped = found[person_id(learner_ids[0])], found[person_id(learner_ids[1])]
    assert (failed["outcome"], failed["error"]["code"], failed["mandatoryTask"]) == ("FAILED", "LEARNER_INACTIVE", None)
    assert (skipped["outcome"], skipped["mandatoryTask"]) == ("SKIPPED", own["mandatoryTask"])


async def test_audience_and_earliest_dates_are_those_of_the_confirmation(
    training: Training, superuser: Connection
) -> None:
    """Who joins or leaves the place meanwhile changes nothing, nor do another day, zone or minimum."""
    place, learner_ids = await training.crowd(100)
    bulk = await training.assign(members(place), dueOn="2026-03-05")
    await superuser.execute("DELETE FROM learner_place WHERE learner_id = $1", learner_ids[0])
    await factories.place_learners(training.tenant.id, place, await factories.create_learners(training.tenant.id, 1))
    await training.client.run(UPDATE, input=learner(learner_ids[1]) | {"changes": {"timeZone": "Pacific/Kiritimati"}})
    await training.client.run(UPDATE_TENANT, input={"changes": {"minimumLeadDays": 30}})
    training.api.advance(days=2)
    await training.run_jobs()
    after = await training.results(bulk)
    assert (after["createdCount"], after["failedCount"], after["job"]["totalCount"]) == (100, 0, 100)
    tasks = await superuser.fetch(
        "SELECT t.learner_id, t.first_lead_days, t.due_at, c.opened_on FROM mandatory_task t"
        " JOIN task_cycle c ON c.task_id = t.id ORDER BY t.learner_id"
    )
    assert [row["learner_id"] for row in tasks] == learner_ids
    # Days from the confirmation, when it was 23:00 of the same day on the other side of the world.
    assert {(row["first_lead_days"], row["opened_on"].isoformat()) for row in tasks} == {(3, "2026-03-02")}
    assert {row["due_at"].isoformat() for row in tasks} == {"2026-03-05T23:00:00+00:00", "2026-03-05T10:00:00+00:00"}


async def test_no_cycle_opens_after_it_is_due(training: Training, superuser: Connection) -> None:
    """Due today as it was confirmed, it was tomorrow already where somebody has moved to meanwhile."""
    await training.client.run(UPDATE_TENANT, input={"changes": {"minimumLeadDays": 0}})
    place, learner_ids = await training.crowd(100)
    training.api.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    await training.assign(members(place), dueOn="2026-03-02", repeatEveryWeeks=1)
    await training.client.run(UPDATE, input=learner(learner_ids[0]) | {"changes": {"timeZone": "Pacific/Kiritimati"}})
    await training.run_jobs()
    cycles = await superuser.fetch(
        "SELECT DISTINCT t.first_lead_days, c.opened_on FROM mandatory_task t JOIN task_cycle c ON c.task_id = t.id"
    )
    assert [(row["first_lead_days"], row["opened_on"].isoformat()) for row in cycles] == [(0, "2026-03-02")]


async def test_a_cancelled_job_keeps_what_it_has_done_and_goes_on_when_resumed(
    training: Training, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers add up at every moment, and nobody has two tasks."""
    monkeypatch.setattr(bulk_creation, "CHUNK", 40)
    place, learner_ids = await training.crowd(130)
    bulk = await training.assign(members(place))
    [job_id] = await waiting_jobs(training.tenant)
    turns = iter([False, True])
    await run_job(training.tenant.id, job_id, CHUNKS, lambda: training.now, should_stop=lambda: next(turns))
    half = await training.results(bulk)
    assert half["job"] == {"status": "RUNNING", "processedCount": 80, "failedCount": 0, "totalCount": 130}
    assert (half["createdCount"], half["results"]["totalCount"]) == (80, 80)
    assert (await training.client.value(CANCEL, id=bulk["job"]["id"]))["job"]["status"] == "CANCELLED"
    await training.run_jobs()
    assert (await training.results(bulk))["createdCount"] == 80
    assert await superuser.fetchval("SELECT count(*) FROM mandatory_task") == 80
    # Whom another assignment reaches meanwhile is skipped in this one.
    await training.assign(named(*learner_ids[100:110]))
    training.api.advance(days=1)
    assert (await training.client.value(RESUME, id=bulk["job"]["id"]))["job"]["status"] == "QUEUED"
    await training.run_jobs()
    after = await training.results(bulk)
    assert after["job"] == {"status": "SUCCEEDED", "processedCount": 130, "failedCount": 0, "totalCount": 130}
    assert (after["createdCount"], after["skippedCount"], after["results"]["totalCount"]) == (120, 10, 130)
    owners = await superuser.fetch("SELECT learner_id FROM mandatory_task ORDER BY learner_id")
    assert [row["learner_id"] for row in owners] == learner_ids


async def test_a_job_that_fails_tells_why_and_goes_on_when_resumed(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done before the failure stays, and the failed chunk leaves nothing behind."""
    monkeypatch.setattr(bulk_creation, "CHUNK", 60)
    place, _ = await training.crowd(100)
    bulk = await training.assign(members(place))
    [job_id] = await waiting_jobs(training.tenant)
    calls = 0

    async def fail(*args: object, **named: object) -> dict[int, int]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ValueError("no")
        return await create_tasks(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("domain.mandatory_tasks.bulk.creation.create_tasks", fail)
    for _ in range(5):
        with pytest.raises(ValueError, match="no"):
            await run_job(training.tenant.id, job_id, CHUNKS, lambda: training.now)
    after = await training.results(bulk)
    assert (after["job"]["status"], after["job"]["processedCount"], after["createdCount"]) == ("FAILED", 60, 60)
    monkeypatch.setattr("domain.mandatory_tasks.bulk.creation.create_tasks", create_tasks)
    assert (await training.client.value(RESUME, id=bulk["job"]["id"]))["job"]["status"] == "QUEUED"
    await training.run_jobs()
    assert (await training.results(bulk))["createdCount"] == 100


async def test_the_starter_may_lose_their_role_meanwhile(
    training: Training, trainer: Principal, superuser: Connection
) -> None:
    """What was confirmed is done, in their name; they only see it no more."""
    await superuser.execute(
        "INSERT INTO content_trainer (content_id, learner_id, tenant_id) VALUES ($1, $2, $3)",
        training.course.id,
        trainer.learner_id,
        training.tenant.id,
    )
    training.client = training.api.acting_as(trainer)
    place, _ = await training.crowd(100)
    bulk = await training.assign(members(place))
    await superuser.execute("UPDATE learner SET role = 'LEARNER' WHERE id = $1", trainer.learner_id)
    await training.run_jobs()
    assert await superuser.fetchval("SELECT count(*) FROM mandatory_task WHERE assigner_learner_id = $1",
                                    trainer.learner_id) == 100  # fmt: skip
    assert await training.client.value("query ($id: ID!) { node(id: $id) { id } }", id=bulk["id"]) is None


async def test_reminders_whose_time_has_passed_by_then_are_skipped(training: Training, superuser: Connection) -> None:
    """A task that comes into being late begins with what lies ahead of it."""
    place, _ = await training.crowd(100)
    await training.assign(members(place), dueOn="2026-03-12", reminders=[{"daysBeforeDue": 7}, {"daysBeforeDue": 1}])
    training.api.now += timedelta(days=4)
    await training.run_jobs()
    states = await superuser.fetch("SELECT status, reason, count(*) FROM task_reminder GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row) for row in states] == [("SCHEDULED", None, 100), ("SKIPPED", "TIME_PASSED", 100)]
