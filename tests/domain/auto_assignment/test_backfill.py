"""Who meets a new rule already: enrolled or laid down, at once below 100 people and by a job from 100 on."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.auto_assignment.errors import FeatureDisabled, RuleLimitReached
from domain.auto_assignment.evaluation import backfill
from domain.auto_assignment.evaluation import preview as preview_module
from domain.auto_assignment.evaluation.preview import preview_rule
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.deletion import backfill_rule
from domain.content.queries import ContentKey
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import AlreadyExists, Invalid, NotFound, Problems, TooManyItems
from domain.foundation.jobs.running import Job, run_job
from domain.foundation.models import JobKind
from domain.foundation.unit_of_work import UnitOfWork
from domain.reactions import CHUNKS
from tests.domain.auto_assignment.conftest import Company, ref_is, ref_is_not
from tests.support import factories


async def _run(company: Company, job_id: int | None) -> None:
    assert job_id is not None
    await run_job(company.tenant.id, job_id, CHUNKS, lambda: company.now)


async def _job(company: Company, job_id: int | None) -> tuple[Any, ...]:
    [row] = await company.fetch(
        "SELECT kind, status, total_count, processed_count, failed_count FROM background_job WHERE id = $1", job_id
    )
    return tuple(row)


async def _counts(company: Company, rule_id: int) -> dict[str, int]:
    """Return how many rows a rule has, each counted apart."""
    [row] = await company.fetch(
        """
        SELECT (SELECT count(*) FROM rule_member WHERE rule_id = $1),
               (SELECT count(*) FROM enrollment_reason WHERE rule_id = $1 AND until_at IS NULL),
               (SELECT count(*) FROM content_action WHERE rule_id = $1),
               (SELECT count(DISTINCT (learner_id, content_id)) FROM content_action WHERE rule_id = $1),
               (SELECT count(*) FROM enrollment WHERE is_active)
        """,
        rule_id,
    )
    return dict(zip(("members", "reasons", "log", "distinct log", "enrollments"), row, strict=True))


async def test_below_100_people_everything_is_done_when_the_rule_is_created(company: Company) -> None:
    """99 people who meet the rule are enrolled at once, and the backfill has already succeeded."""
    course = await factories.create_course(company.tenant.id)
    await factories.create_learners(company.tenant.id, 99, refs={1: "Developer"})
    await factories.create_learners(company.tenant.id, 20, refs={1: "Sales"})
    saved = await company.rule(ref_is(1, "Developer"), gives=[course])
    assert await _job(company, saved.backfill_id) == ("RULE_BACKFILL", "SUCCEEDED", 99, 99, 0)
    assert saved.preparation_id is None
    assert await _counts(company, saved.rule_id) == {
        "members": 99, "reasons": 99, "log": 99, "distinct log": 99, "enrollments": 99,
    }  # fmt: skip


async def test_from_100_people_on_a_job_enrolls_them(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 people: nobody is enrolled before the job has run, everybody exactly once after it."""
    monkeypatch.setattr(backfill, "CHUNK", 30)
    courses = [await factories.create_course(company.tenant.id) for _ in range(2)]
    await factories.create_learners(company.tenant.id, 100, refs={1: "Developer"})
    saved = await company.rule(ref_is(1, "Developer"), gives=courses)
    assert await _job(company, saved.backfill_id) == ("RULE_BACKFILL", "QUEUED", None, 0, 0)
    assert (await _counts(company, saved.rule_id))["enrollments"] == 0
    await _run(company, saved.backfill_id)
    assert await _job(company, saved.backfill_id) == ("RULE_BACKFILL", "SUCCEEDED", 100, 100, 0)
    expected = {"members": 100, "reasons": 200, "log": 200, "distinct log": 200, "enrollments": 200}
    assert await _counts(company, saved.rule_id) == expected
    await _run(company, saved.backfill_id)
    assert await _counts(company, saved.rule_id) == expected


async def test_two_workers_on_one_backfill_enroll_nobody_twice(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers that got the same message share the chunks."""
    monkeypatch.setattr(backfill, "CHUNK", 25)
    course = await factories.create_course(company.tenant.id)
    await factories.create_learners(company.tenant.id, 150, refs={1: "Developer"})
    saved = await company.rule(ref_is(1, "Developer"), gives=[course])
    await asyncio.gather(_run(company, saved.backfill_id), _run(company, saved.backfill_id))
    assert await _counts(company, saved.rule_id) == {
        "members": 150, "reasons": 150, "log": 150, "distinct log": 150, "enrollments": 150,
    }  # fmt: skip
    assert await _job(company, saved.backfill_id) == ("RULE_BACKFILL", "SUCCEEDED", 150, 150, 0)


async def test_the_number_of_people_to_work_on_is_right_from_the_second_chunk_on(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted are those who get something: of a new rule all who meet it, later those whom it has never enrolled."""
    monkeypatch.setattr(backfill, "CHUNK", 30)
    course = await factories.create_course(company.tenant.id)
    people = await factories.create_learners(company.tenant.id, 130, refs={1: "Developer"})
    await company.enroll(people[0], course)
    saved = await company.rule(ref_is(1, "Developer"), gives=[course])
    assert await _totals(company, saved.backfill_id) == {130}
    laid_down = await company.rule(ref_is(1, "Developer"), gives=[course], backfills=False)
    await _run(company, laid_down.preparation_id)
    for learner_id in people[100:110]:
        await company.unenroll(learner_id, course)
    for learner_id in people[110:115]:
        await company.set_ref(learner_id, 1, None)
        await company.set_ref(learner_id, 1, "Developer")
    later = (await company.do(lambda work: backfill_rule(work, rule_id=laid_down.rule_id))).result
    assert await _totals(company, later) == {130 - 10 - 5}


async def _totals(company: Company, job_id: int | None) -> set[int | None]:
    """Run a backfill and return what it says after its second chunk and every later one that there is to do."""
    totals: list[int | None] = []

    async def chunk(work: UnitOfWork, job: Job) -> bool:
        is_finished = await CHUNKS[JobKind.RULE_BACKFILL](work, job)
        totals.append(job.total_count)
        return is_finished

    assert job_id is not None
    await run_job(company.tenant.id, job_id, {**CHUNKS, JobKind.RULE_BACKFILL: chunk}, lambda: company.now)
    assert len(totals) > 3
    return set(totals[1:])


async def test_facts_that_change_while_a_backfill_runs_end_in_the_right_enrollments(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who leave or enter the rule during its backfill: the memberships agree with the facts in the end."""
    monkeypatch.setattr(backfill, "CHUNK", 20)
    course = await factories.create_course(company.tenant.id)
    developers = await factories.create_learners(company.tenant.id, 160, refs={1: "Developer"})
    sellers = await factories.create_learners(company.tenant.id, 40, refs={1: "Sales"})
    saved = await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.RELEASE)

    async def change(learner_ids: list[int], value: str) -> None:
        for learner_id in learner_ids:
            await company.set_ref(learner_id, 1, value)

    await asyncio.gather(
        _run(company, saved.backfill_id),
        change(developers[::4], "Sales"),
        change(sellers[::2], "Developer"),
        change(list(reversed(developers))[::8], "Support"),
    )
    facts = {
        row[0]
        for row in await company.fetch("SELECT learner_id FROM learner_ref WHERE number = 1 AND value = 'Developer'")
    }
    enrolled = {row[0] for row in await company.fetch("SELECT learner_id FROM enrollment WHERE is_active")}
    assert await company.members_of(saved.rule_id) == facts
    assert enrolled == facts
    # The log of everybody alternates: in, out, in.
    for learner_id in [*developers, *sellers]:
        actions = [action for _, action, _, _ in await company.log_of(learner_id)]
        assert actions == (["ENROLLED", "UNENROLLED"] * 5)[: len(actions)]
        assert (len(actions) % 2 == 1) == (learner_id in facts)


async def test_without_backfill_only_who_newly_meets_the_rule_is_enrolled(company: Company) -> None:
    """Off: who meets the rule already becomes a member and stays out; who leaves and enters comes in."""
    course = await factories.create_course(company.tenant.id, title="Security")
    old = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    new = await factories.create_learner(company.tenant.id)
    saved = await company.rule(ref_is(1, "Developer"), gives=[course], backfills=False)
    assert (saved.backfill_id, saved.preparation_id) == (None, None)
    await company.set_ref(old.id, 2, "anything")
    await company.set_ref(new.id, 1, "Developer")
    assert await company.contents_of(old.id) == []
    assert await company.contents_of(new.id) == ["Security"]
    await company.set_ref(old.id, 1, None)
    await company.set_ref(old.id, 1, "Developer")
    assert await company.contents_of(old.id) == ["Security"]


async def test_while_a_rule_is_prepared_who_comes_to_meet_it_counts_as_having_met_it(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PREPARING: nobody is enrolled until everybody is laid down, then newcomers are."""
    monkeypatch.setattr(backfill, "CHUNK", 40)
    course = await factories.create_course(company.tenant.id)
    await factories.create_learners(company.tenant.id, 120, refs={1: "Developer"})
    newcomer = await factories.create_learner(company.tenant.id)
    later = await factories.create_learner(company.tenant.id)
    saved = await company.rule(ref_is(1, "Developer"), gives=[course], backfills=False)
    assert await _job(company, saved.preparation_id) == ("RULE_PREPARATION", "QUEUED", None, 0, 0)
    await company.set_ref(newcomer.id, 1, "Developer")
    await _run(company, saved.preparation_id)
    assert await _job(company, saved.preparation_id) == ("RULE_PREPARATION", "SUCCEEDED", 120, 120, 0)
    assert (await _counts(company, saved.rule_id)) == {
        "members": 121, "reasons": 0, "log": 0, "distinct log": 0, "enrollments": 0,
    }  # fmt: skip
    await company.set_ref(later.id, 1, "Developer")
    assert (await _counts(company, saved.rule_id))["enrollments"] == 1


async def test_inactive_people_are_not_enrolled(company: Company) -> None:
    """A rule that everybody meets leaves the inactive out."""
    course = await factories.create_course(company.tenant.id)
    await factories.create_learner(company.tenant.id, is_active=False)
    active = await factories.create_learner(company.tenant.id)
    saved = await company.rule(ref_is_not(1, "Nobody"), gives=[course])
    assert await company.members_of(saved.rule_id) == {active.id, company.admin.learner_id}


@pytest.mark.parametrize("few", [20_000, 8, 7], ids=["of few people", "by content", "of too many enrollments"])
async def test_what_the_preview_says_is_what_creating_does(
    company: Company, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview's numbers, one by one, against the rows after saving, whoever is asked for enrollments."""
    monkeypatch.setattr(preview_module, "FEW", few)
    one, two = [await factories.create_course(company.tenant.id) for _ in range(2)]
    people = await factories.create_learners(company.tenant.id, 60, refs={1: "Developer"})
    stranger = await factories.create_learner(company.tenant.id)
    for learner_id in [*people[:7], stranger.id]:
        await company.enroll(learner_id, one)
    async with ReadScope(company.tenant.id) as reads:
        preview = await preview_rule(
            reads,
            company.admin,
            match=ConditionMatch.ALL,
            conditions=[ref_is(1, "Developer")],
            contents=[ContentKey(id=one.id), ContentKey(id=two.id)],
        )
    assert preview.matching_learner_count == 60
    assert (preview.can_backfill, preview.backfills_in_background) == (True, False)
    assert len(set(preview.sample_ids)) == 60
    assert [(e.content_id, e.newly_enrolled_count, e.already_enrolled_count) for e in preview.effects] == [
        (one.id, 53, 7),
        (two.id, 60, 0),
    ]
    saved = await company.rule(ref_is(1, "Developer"), gives=[one, two])
    assert await _counts(company, saved.rule_id) == {
        "members": 60, "reasons": 120, "log": 120, "distinct log": 120, "enrollments": 121,
    }  # fmt: skip


async def test_the_sample_is_drawn_at_random_and_has_100_people_at_most(company: Company) -> None:
    """Two previews of 300 people show 100 each, and not the same ones."""
    await factories.create_learners(company.tenant.id, 300, refs={1: "Developer"})
    samples = []
    for _ in range(2):
        async with ReadScope(company.tenant.id) as reads:
            preview = await preview_rule(
                reads, company.admin, match=ConditionMatch.ALL, conditions=[ref_is(1, "Developer")], contents=[]
            )
        samples.append(set(preview.sample_ids))
    assert [len(sample) for sample in samples] == [100, 100]
    assert samples[0] != samples[1]


async def _refused(company: Company, error: type[Exception], *conditions: Any, gives: list[Any], **more: Any) -> Any:
    before = await company.fetch("SELECT count(*) FROM rule")
    with pytest.raises(error) as caught:
        await company.rule(*conditions, gives=gives, **more)
    assert await company.fetch("SELECT count(*) FROM rule") == before
    return caught.value


async def test_bad_rules_are_refused_and_nothing_is_written(company: Company, another_tenant: Any) -> None:
    """No condition, 21 conditions, no content, another tenant's content, a field that is not there, a name taken."""
    course = await factories.create_course(company.tenant.id)
    foreign = await factories.create_course(another_tenant.id)
    assert (await _refused(company, Invalid, gives=[course])).path == ["conditions"]
    error = await _refused(company, TooManyItems, *[ref_is(1, "x")] * 21, gives=[course])
    assert (error.path, error.limit) == (["conditions"], 20)
    assert (await _refused(company, Invalid, ref_is(1, "x"), gives=[])).path == ["contents"]
    assert (await _refused(company, NotFound, ref_is(1, "x"), gives=[foreign])).path == ["contents", "0"]
    assert (await _refused(company, Invalid, ref_is(11, "x"), gives=[course])).path == [
        "conditions", "0", "refValue", "fieldNumber",
    ]  # fmt: skip
    several = await _refused(company, Problems, ref_is(1), gives=[foreign], name=" ")
    assert [one.path for one in several.errors] == [
        ["name"], ["contents", "0"], ["conditions", "0", "refValue", "values"],
    ]  # fmt: skip
    await company.rule(ref_is(1, "x"), gives=[course], name="Taken")
    assert (await _refused(company, AlreadyExists, ref_is(1, "y"), gives=[course], name="Taken")).path == ["name"]


async def test_the_51st_rule_is_refused(company: Company) -> None:
    """A tenant has 50 rules by default; an operator can raise that."""
    course = await factories.create_course(company.tenant.id)
    await company.fetch("UPDATE tenant SET rule_limit = 2 RETURNING id")
    for _ in range(2):
        await company.rule(ref_is(1, "x"), gives=[course])
    assert (await _refused(company, RuleLimitReached, ref_is(1, "x"), gives=[course])).limit == 2
    await company.fetch("UPDATE tenant SET rule_limit = 50 RETURNING id")
    for _ in range(48):
        await company.rule(ref_is(1, "x"), gives=[course])
    assert (await _refused(company, RuleLimitReached, ref_is(1, "x"), gives=[course])).limit == 50


async def test_switched_off_no_rule_can_be_created(company: Company) -> None:
    """FEATURE_DISABLED before anything else is judged."""
    await company.fetch("UPDATE tenant SET is_auto_assignment_enabled = false RETURNING id")
    await _refused(company, FeatureDisabled, gives=[])


async def test_a_rule_created_while_facts_change_misses_nobody(company: Company) -> None:
    """30 changes under way while the rule is created: each is either backfilled or evaluated, none is lost."""
    course = await factories.create_course(company.tenant.id)
    people = await factories.create_learners(company.tenant.id, 30)
    company.now += timedelta(seconds=1)
    before, rule, after = await asyncio.gather(
        asyncio.gather(*(company.set_ref(learner_id, 1, "Developer") for learner_id in people[:15])),
        company.rule(ref_is(1, "Developer"), gives=[course]),
        asyncio.gather(*(company.set_ref(learner_id, 1, "Developer") for learner_id in people[15:])),
    )
    assert len(before) == len(after) == 15
    assert await company.members_of(rule.rule_id) == set(people)
    enrolled = {row[0] for row in await company.fetch("SELECT learner_id FROM enrollment WHERE is_active")}
    assert enrolled == set(people)
