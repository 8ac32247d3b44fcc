"""Changes of rules that wait for what takes the ground from under them, and then see it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.errors import FeatureDisabled
from domain.auto_assignment.models import UnmetPolicy
from domain.auto_assignment.rules.deletion import backfill_rule
from domain.auto_assignment.rules.editing import RuleChanges, duplicate_rule, update_rule
from domain.content.queries import ContentKey
from domain.foundation.errors import NotFound
from domain.foundation.jobs.control import cancel_job
from domain.foundation.jobs.running import run_job
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.models import PlaceKind
from domain.people.operations import bulk_upsert_learners, delete_place
from domain.reactions import CHUNKS
from domain.tenants.operations import set_auto_assignment
from tests.domain.auto_assignment.conftest import Company, ref_is
from tests.support import factories
from tests.support.jobs import run_all_jobs

Act = Callable[[UnitOfWork], Awaitable[Any]]


async def _while_uncommitted(company: Company, first: Act, *then: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Do something, begin the others before it is committed, and return what became of them."""
    has_acted, may_commit = asyncio.Event(), asyncio.Event()

    async def act_and_wait(work: UnitOfWork) -> None:
        await first(work)
        has_acted.set()
        await may_commit.wait()

    acting = asyncio.create_task(company.do(act_and_wait))
    await has_acted.wait()
    waiting = [asyncio.ensure_future(one()) for one in then]
    while True:
        [(count,)] = await company.fetch(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        )
        if count == len(waiting):
            break
        await asyncio.sleep(0.01)
    may_commit.set()
    await acting
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_waits_while_the_feature_is_switched_off_does_not_run(company: Company) -> None:
    """Neither an edit, nor a copy, nor a new rule, nor a backfill."""
    one, other = [await factories.create_course(company.tenant.id) for _ in range(2)]
    learner = await factories.create_learner(company.tenant.id, refs={1: "Sales"})
    rule_id = (await company.rule(ref_is(1, "Sales"), gives=[one], backfills=False)).rule_id
    edit = RuleChanges(add_contents=[ContentKey(id=other.id)], when_unmet=UnmetPolicy.RELEASE)
    outcomes = await _while_uncommitted(
        company,
        lambda work: set_auto_assignment(work, is_enabled=False),
        lambda: company.do(
            lambda work: update_rule(
                work, rule_id=rule_id, changes=edit, expected_version=None, backfills_existing_learners=True
            )
        ),
        lambda: company.do(
            lambda work: duplicate_rule(
                work, rule_id=rule_id, name="Copy", changes=edit, backfills_existing_learners=True
            )
        ),
        lambda: company.rule(ref_is(1, "Sales"), gives=[other]),
        lambda: company.do(lambda work: backfill_rule(work, rule_id=rule_id)),
    )
    assert [type(outcome) for outcome in outcomes] == [FeatureDisabled] * 4
    assert await company.contents_of(learner.id) == []
    assert await company.fetch("SELECT when_unmet, version FROM rule") == [("KEEP", 1)]


async def test_a_new_rule_cannot_name_a_place_that_is_just_being_deleted(company: Company) -> None:
    """Or its condition would name nothing for ever."""
    course = await factories.create_course(company.tenant.id)
    place = await factories.create_place(company.tenant.id, kind=PlaceKind.CLIENT)
    [outcome] = await _while_uncommitted(
        company,
        lambda work: delete_place(work, kind=PlaceKind.CLIENT, place=place.id),
        lambda: company.rule(ConditionInput(ConditionKind.CLIENT, places=[place.id]), gives=[course]),
    )
    with pytest.raises(NotFound) as caught:
        raise outcome
    assert caught.value.path == ["conditions", "0", "clientIds", "0"]
    assert await company.fetch("SELECT id FROM rule") == []


@pytest.mark.parametrize("fitting", [3, 120])
async def test_content_is_added_while_people_wait_for_their_evaluation(company: Company, fitting: int) -> None:
    """Whoever newly meets the rule gets everything that it gives, whether evaluation or backfill comes first."""
    one, other = [await factories.create_course(company.tenant.id, title=title) for title in ("One", "Other")]
    rule_id = (await company.rule(ref_is(1, "Sales"), gives=[one])).rule_id
    rows = [
        LearnerChanges(external_id=str(n), name="N", ref_values=[RefChange(1, "Sales" if n < fitting else "Service")])
        for n in range(120)
    ]
    waiting = await company.do(lambda work: bulk_upsert_learners(work, rows=rows))
    assert waiting.reevaluation_job_id is not None
    added = RuleChanges(add_contents=[ContentKey(id=other.id)])
    job_id = (
        await company.do(
            lambda work: update_rule(
                work, rule_id=rule_id, changes=added, expected_version=None, backfills_existing_learners=True
            )
        )
    ).result.backfill_id
    await run_job(company.tenant.id, job_id, CHUNKS, lambda: company.now)
    await run_all_jobs(company.tenant, lambda: company.now)
    counts = await company.fetch(
        "SELECT c.title, count(*) FROM content_action a JOIN content c ON c.id = a.content_id GROUP BY 1 ORDER BY 1"
    )
    assert counts == [("One", fitting), ("Other", fitting)]
    jobs = await company.fetch("SELECT processed_count, total_count FROM background_job WHERE id = $1", job_id)
    assert jobs == [(fitting, fitting)]


@pytest.mark.parametrize("when_unmet", UnmetPolicy)
@pytest.mark.parametrize("fitting", [3, 120])
async def test_a_rule_is_backfilled_while_people_wait_who_meet_it_again(
    company: Company, fitting: int, when_unmet: UnmetPolicy
) -> None:
    """They enter again, whether evaluation or backfill comes first: it is no matter that they had been enrolled."""
    course = await factories.create_course(company.tenant.id)
    rule_id = (await company.rule(ref_is(1, "Sales"), gives=[course], when_unmet=when_unmet)).rule_id
    for value in ("Sales", "Service", "Sales"):
        await run_all_jobs(company.tenant, lambda: company.now)
        rows = [
            LearnerChanges(external_id=str(n), name="N", ref_values=[RefChange(1 if n < fitting else 2, value)])
            for n in range(120)
        ]
        await company.do(partial(bulk_upsert_learners, rows=rows))
    job_id = (await company.do(lambda work: backfill_rule(work, rule_id=rule_id))).result
    await run_job(company.tenant.id, job_id, CHUNKS, lambda: company.now)
    await run_all_jobs(company.tenant, lambda: company.now)
    assert await company.fetch(
        "SELECT count(*), count(DISTINCT learner_id) FROM content_action WHERE action = 'ENROLLED'"
    ) == [(2 * fitting, fitting)]
    assert await company.fetch(
        "SELECT count(*), bool_or(is_permanent) FROM enrollment_reason WHERE until_at IS NULL"
    ) == [(fitting, False)]
    jobs = await company.fetch("SELECT processed_count, total_count FROM background_job WHERE id = $1", job_id)
    assert jobs == [(fitting, fitting)]


async def test_a_backfill_is_cancelled_while_people_wait_who_newly_meet_the_rule(company: Company) -> None:
    """They are none of those whom it leaves as members who were not enrolled: their evaluation enrolls them."""
    one, other = [await factories.create_course(company.tenant.id, title=title) for title in ("One", "Other")]
    await factories.create_learners(company.tenant.id, 120, refs={1: "Sales"})
    saved = await company.rule(ref_is(1, "Sales"), gives=[one])
    await run_all_jobs(company.tenant, lambda: company.now)
    rows = [LearnerChanges(external_id=str(n), name="N", ref_values=[RefChange(1, "Sales")]) for n in range(120)]
    await company.do(partial(bulk_upsert_learners, rows=rows))
    added = RuleChanges(add_contents=[ContentKey(id=other.id)])
    job_id = (
        await company.do(
            lambda work: update_rule(
                work, rule_id=saved.rule_id, changes=added, expected_version=None, backfills_existing_learners=True
            )
        )
    ).result.backfill_id
    await company.do(lambda work: cancel_job(work, job_id=job_id))
    await run_all_jobs(company.tenant, lambda: company.now)
    counts = await company.fetch(
        "SELECT c.title, count(*) FROM content_action a JOIN content c ON c.id = a.content_id GROUP BY 1 ORDER BY 1"
    )
    assert counts == [("One", 240), ("Other", 120)]
