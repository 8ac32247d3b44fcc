"""Replay of what rules do, and of what is done to them: streams of rules, of jobs, and of whom rules enroll."""

from typing import Any

import pytest

from domain.foundation.jobs.running import MAX_ATTEMPTS, Job, run_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.reactions import CHUNKS
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.realtime.replayed import Plot, Story, begin, replay
from tests.support.api import Api
from tests.support.jobs import waiting_jobs
from tests.support.live import LiveServer

RULES_PLOT = Plot()
step = RULES_PLOT.step


def has_ref(value: str) -> dict[str, Any]:
    """Return the condition that the first reference value is this one."""
    return {"refValue": {"fieldNumber": 1, "operator": "EQUALS", "values": [value]}}


async def set_ref(story: Story, name: str, value: str | None) -> None:
    """Change somebody's first reference value."""
    await story.change(name, refValues=[{"number": 1, "value": value}])


async def job_of(story: Story) -> str:
    """Return the ID of the one job that waits."""
    (job_id,) = await waiting_jobs(story.tenant)
    return ids.encode(ids.BACKGROUND_JOB, job_id)


@step("createAutoAssignmentRule", moves="rj")
async def a_rule_is_created_that_nobody_meets(story: Story) -> None:
    story.ids["release"] = await story.rule("Release", "tools", "yoga", condition=has_ref("release"))
    story.ids["unenroll"] = await story.rule(
        "Unenroll", "tools", "tour", condition=has_ref("unenroll"), whenUnmet="UNENROLL"
    )
    story.ids["keep"] = await story.rule("Keep", "yoga", condition=has_ref("keep"), whenUnmet="KEEP")


@step("createAutoAssignmentRule", moves="relj")
async def a_rule_is_created_that_somebody_meets(story: Story) -> None:
    offices = {"departmentIds": [story.where("sales"), story.where("office")]}
    story.ids["offices"] = await story.rule("Offices", "ladder", condition=offices)


@step("updateLearner", moves="rel")
async def somebody_enters_for_the_first_time(story: Story) -> None:
    await set_ref(story, "lea", "release")


@step("updateLearner", moves="rel")
async def somebody_leaves_and_enters_another(story: Story) -> None:
    await set_ref(story, "lea", "unenroll")


@step("updateLearner", moves="rel")
async def somebody_is_unenrolled(story: Story) -> None:
    await set_ref(story, "lea", "keep")
    await set_ref(story, "lea", None)


@step("updateLearner", moves="re")
async def somebody_keeps_and_enters_again(story: Story) -> None:
    await set_ref(story, "lea", "keep")


@step("updateAutoAssignmentRule", moves="r")
async def a_rule_gets_another_name(story: Story) -> None:
    await story.do("updateAutoAssignmentRule", id=story.ids["keep"], changes={"name": "Keeping"})


@step("updateAutoAssignmentRule", moves="relj")
async def a_rule_gives_more(story: Story) -> None:
    changes = {"addContents": [story.what("first aid")], "whenUnmet": "UNENROLL"}
    await story.do("updateAutoAssignmentRule", id=story.ids["keep"], changes=changes)


@step("duplicateAutoAssignmentRule", moves="rj")
async def a_rule_is_copied_without_backfill(story: Story) -> None:
    payload = await story.do(
        "duplicateAutoAssignmentRule",
        "rule { id }",
        id=story.ids["offices"],
        name="Offices 2",
        changes={"addContents": [story.what("fire")]},
        backfillsExistingLearners=False,
    )
    story.ids["copy"] = payload["rule"]["id"]
    await story.do("duplicateAutoAssignmentRule", id=story.ids["copy"], name="Offices 3")


@step("updateAutoAssignmentRule", moves="r")
async def an_unused_rule_gets_other_conditions(story: Story) -> None:
    changes = {"match": "ANY", "conditions": [has_ref("keep"), {"learningGroupIds": [story.where("day")]}]}
    await story.do("updateAutoAssignmentRule", id=story.ids["copy"], changes=changes, backfillsExistingLearners=False)


@step("backfillAutoAssignmentRule", moves="relj")
async def a_rule_is_backfilled(story: Story) -> None:
    await story.do("backfillAutoAssignmentRule", id=story.ids["copy"])


@step("deleteAutoAssignmentRule", moves="r")
async def a_rule_is_deleted(story: Story) -> None:
    await story.do("deleteAutoAssignmentRule", id=story.ids["rule"])


@step("deleteAutoAssignmentRule", moves="rej")
async def a_rule_is_deleted_with_what_it_gave(story: Story) -> None:
    await story.do("deleteAutoAssignmentRule", id=story.ids["copy"], revokesAccess=True)


@step("enrollLearner", "unenrollLearner", moves="rel")
async def what_a_rule_gave_is_given_by_hand_too_and_taken(story: Story) -> None:
    # First nothing would be lost with the rule any more, then nobody has it.
    await story.do("enrollLearner", learner=story.who("bob"), content=story.what("ladder"))
    await story.gallery.catch_up()
    await story.gallery.compare("an enrollment beside a rule's")
    await story.do("unenrollLearner", learner=story.who("bob"), content=story.what("ladder"))


@step("createAutoAssignmentRule", moves="rj")
async def a_rule_is_to_enroll_many(story: Story) -> None:
    story.let_jobs_begin_at(2)
    everybody = {"refValue": {"fieldNumber": 2, "operator": "NOT_EQUALS", "values": ["x"]}}
    story.ids["everybody"] = await story.rule("Everybody", "fire", condition=everybody)


@step("cancelBackgroundJob", moves="rj")
async def its_backfill_is_cancelled(story: Story) -> None:
    # Many are laid down then, which is a job too.
    story.ids["backfill"] = await job_of(story)
    await story.do("cancelBackgroundJob", id=story.ids["backfill"])


@step("resumeBackgroundJob", moves="rj")
async def its_backfill_goes_on(story: Story) -> None:
    await story.do("resumeBackgroundJob", id=story.ids["backfill"])


@step(JobKind.RULE_BACKFILL, moves="relj")
async def many_are_enrolled(story: Story) -> None:
    assert await story.run_jobs() == 1


@step("createAutoAssignmentRule", JobKind.RULE_PREPARATION, moves="rj")
async def many_are_laid_down(story: Story) -> None:
    everybody = {"refValue": {"fieldNumber": 3, "operator": "NOT_EQUALS", "values": ["x"]}}
    story.ids["prepared"] = await story.rule(
        "Prepared", "fire", "tour", condition=everybody, backfillsExistingLearners=False
    )
    await story.gallery.catch_up()
    await story.gallery.compare("the beginning of a preparation")
    assert await story.run_jobs() == 1


@step("backfillAutoAssignmentRule", JobKind.RULE_BACKFILL, moves="rj")
async def a_backfill_fails(story: Story) -> None:
    await story.do("backfillAutoAssignmentRule", id=story.ids["prepared"])

    async def fail(work: UnitOfWork, job: Job) -> bool:
        raise RuntimeError("no luck")

    (job_id,) = await waiting_jobs(story.tenant)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(RuntimeError, match="no luck"):
            await run_job(story.tenant.id, job_id, {JobKind.RULE_BACKFILL: fail}, lambda: story.api.now)
    story.ids["failed"] = ids.encode(ids.BACKGROUND_JOB, job_id)


@step("resumeBackgroundJob", JobKind.RULE_BACKFILL, moves="relj")
async def it_is_resumed(story: Story) -> None:
    await story.do("resumeBackgroundJob", id=story.ids["failed"])
    (job_id,) = await waiting_jobs(story.tenant)
    await run_job(story.tenant.id, job_id, CHUNKS, lambda: story.api.now)


@step("updateAutoAssignmentRule", moves="rj")
async def a_used_rule_is_to_give_more(story: Story) -> None:
    changes = {"addContents": [story.what("yoga")]}
    await story.do("updateAutoAssignmentRule", id=story.ids["prepared"], changes=changes)


@step(JobKind.RULE_BACKFILL, moves="relj")
async def it_gives_more(story: Story) -> None:
    assert await story.run_jobs() == 1


@step("bulkUpsertLearners", JobKind.RULE_REEVALUATION, moves="elj")
async def many_get_other_facts(story: Story) -> None:
    rows = [
        {"externalId": name, "refValues": [{"number": 1, "value": "release"}, {"number": 3, "value": value}]}
        for name, value in (("lea", "x"), ("bob", None), ("cleo", "x"))
    ]
    await story.do("bulkUpsertLearners", rows=rows)
    assert await story.run_jobs() == 1


@step("deleteAutoAssignmentRule", JobKind.RULE_REVOCATION, moves="relj")
async def a_rule_goes_that_many_hold(story: Story) -> None:
    await story.do("deleteAutoAssignmentRule", id=story.ids["everybody"], revokesAccess=True)
    assert await story.run_jobs() == 1


@step("setTenantFeature", "createAutoAssignmentRule", moves="rj")
async def the_feature_is_switched_off(story: Story) -> None:
    everybody = {"refValue": {"fieldNumber": 2, "operator": "NOT_EQUALS", "values": ["x"]}}
    await story.rule("Everybody", "fire", condition=everybody)
    await story.do("setTenantFeature", feature="AUTO_ASSIGNMENT", isEnabled=False)
    await set_ref(story, "lea", None)


@step("deactivateLearner", moves="r")
async def a_member_is_deactivated_meanwhile(story: Story) -> None:
    # A rule counts active members, and none leaves while the feature is off.
    await story.do("deactivateLearner", learner=story.who("bob"))


@step("reactivateLearner", moves="r")
async def a_member_is_reactivated_meanwhile(story: Story) -> None:
    await story.do("reactivateLearner", learner=story.who("bob"))


@step("setTenantFeature", JobKind.RULE_REEVALUATION, moves="elj")
async def the_feature_is_switched_on_again(story: Story) -> None:
    await story.do("setTenantFeature", feature="AUTO_ASSIGNMENT", isEnabled=True)
    assert await story.run_jobs()


@step("recordCourseProgress", "createAutoAssignmentRule", moves="relj")
async def a_status_is_a_fact(story: Story) -> None:
    story.let_jobs_begin_at(100)
    status = {"contentStatus": {"contents": [story.what("tools")], "status": "COMPLETED"}}
    await story.rule("Next", "ladder", condition=status)
    await story.report("bob", "tools", isFinished=True)


@step("assignMandatoryTask", "updateLearner", moves="teln")
async def a_task_keeps_what_a_rule_would_take(story: Story) -> None:
    await set_ref(story, "lea", "unenroll")
    await story.assign("lea", "tour", "2026-04-20")
    await set_ref(story, "lea", None)


async def test_replay(api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to rules and by them."""
    story = await begin(api, live, tenant, monkeypatch, filtered="e")
    await replay(story, RULES_PLOT)
