"""Editing, copying, deleting and backfilling rules; cancelling their jobs; switching them off and on."""

from functools import partial
from typing import Any

import pytest

from domain.auto_assignment.errors import FeatureDisabled, RuleLocked
from domain.auto_assignment.evaluation import backfill
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules import deletion as rule_deletion
from domain.auto_assignment.rules.deletion import RuleDeleted, backfill_rule, delete_rule
from domain.auto_assignment.rules.editing import RuleChanges, RuleSaved, duplicate_rule, update_rule
from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.foundation.errors import Invalid, NotFound, NotPermitted, Problems, VersionConflict
from domain.foundation.jobs.control import cancel_job, resume_job
from domain.foundation.jobs.running import run_job
from domain.reactions import CHUNKS
from domain.tenants.operations import set_auto_assignment
from tests.domain.auto_assignment.conftest import Company, ref_is
from tests.support import factories
from tests.support.jobs import run_all_jobs


async def _edit(company: Company, rule_id: int, *, backfills: bool = True, **changes: Any) -> RuleSaved:
    saved: RuleSaved = (
        await company.do(
            lambda work: update_rule(
                work,
                rule_id=rule_id,
                changes=RuleChanges(**changes),
                expected_version=None,
                backfills_existing_learners=backfills,
            )
        )
    ).result
    return saved


async def _delete(company: Company, rule_id: int, *, revokes: bool = False) -> RuleDeleted:
    deleted: RuleDeleted = (
        await company.do(lambda work: delete_rule(work, rule_id=rule_id, revokes_access=revokes))
    ).result
    return deleted


async def _run(company: Company, job_id: int | None) -> None:
    assert job_id is not None
    await run_job(company.tenant.id, job_id, CHUNKS, lambda: company.now)


async def _status(company: Company, job_id: int | None) -> tuple[str, int | None, int]:
    [row] = await company.fetch("SELECT status, total_count, processed_count FROM background_job WHERE id = $1", job_id)
    return (row[0], row[1], row[2])


async def _enrolled(company: Company, content: Content) -> int:
    [row] = await company.fetch("SELECT count(*) FROM enrollment WHERE content_id = $1 AND is_active", content.id)
    return int(row[0])


def _keys(*contents: Content) -> list[ContentKey]:
    return [ContentKey(id=content.id) for content in contents]


async def test_an_unused_rule_can_be_changed_in_every_part(company: Company) -> None:
    """Nobody enrolled yet: everything can change, and who meets the new conditions is enrolled."""
    old, new = [await factories.create_course(company.tenant.id) for _ in range(2)]
    developer = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    seller = await factories.create_learner(company.tenant.id, refs={1: "Sales"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[old], backfills=False)
    saved = await _edit(
        company,
        rule.rule_id,
        name="Sellers",
        add_contents=_keys(new),
        remove_contents=_keys(old),
        match=ConditionMatch.ANY,
        conditions=[ref_is(1, "Sales")],
        when_unmet=UnmetPolicy.RELEASE,
    )
    assert await company.members_of(rule.rule_id) == {seller.id}
    assert (await _enrolled(company, old), await _enrolled(company, new)) == (0, 1)
    assert await _status(company, saved.backfill_id) == ("SUCCEEDED", 1, 1)
    await company.set_ref(seller.id, 1, None)
    await company.set_ref(developer.id, 1, "Sales")
    assert await company.members_of(rule.rule_id) == {developer.id}
    assert await _enrolled(company, new) == 1


async def test_a_used_rule_is_locked_but_for_its_name_its_option_and_more_contents(company: Company) -> None:
    """One refused part refuses the whole edit, and says what can still be changed."""
    one, two = [await factories.create_course(company.tenant.id) for _ in range(2)]
    await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[one], name="Before")
    with pytest.raises(Problems) as caught:
        await _edit(
            company,
            rule.rule_id,
            name="After",
            remove_contents=_keys(one),
            add_contents=_keys(two),
            match=ConditionMatch.ANY,
            conditions=[ref_is(1, "Sales")],
        )
    assert [type(error) for error in caught.value.errors] == [RuleLocked] * 3
    assert [error.path[-1] for error in caught.value.errors] == ["removeContents", "conditions", "match"]
    assert await company.fetch("SELECT name, version FROM rule WHERE id = $1", rule.rule_id) == [("Before", 2)]
    saved = await _edit(company, rule.rule_id, name="After", add_contents=_keys(two), when_unmet=UnmetPolicy.UNENROLL)
    assert await _status(company, saved.backfill_id) == ("SUCCEEDED", 1, 1)
    assert await _enrolled(company, two) == 1
    assert await company.fetch("SELECT name, when_unmet FROM rule WHERE id = $1", rule.rule_id) == [
        ("After", "UNENROLL")
    ]


async def test_saying_what_is_so_already_is_no_change(company: Company) -> None:
    """The same conditions again are not refused by the lock, and raise no version."""
    course = await factories.create_course(company.tenant.id)
    await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], name="Same")
    before = await company.fetch("SELECT version FROM rule WHERE id = $1", rule.rule_id)
    saved = await _edit(company, rule.rule_id, name="Same", conditions=[ref_is(1, "Developer")])
    assert (saved.backfill_id, saved.preparation_id) == (None, None)
    assert await company.fetch("SELECT version FROM rule WHERE id = $1", rule.rule_id) == before


async def test_content_added_without_backfill_is_only_for_who_newly_meets_the_rule(company: Company) -> None:
    """Who met the rule before stays out of the added content; who enters later gets it."""
    one, two = [await factories.create_course(company.tenant.id) for _ in range(2)]
    await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    newcomer = await factories.create_learner(company.tenant.id)
    rule = await company.rule(ref_is(1, "Developer"), gives=[one])
    saved = await _edit(company, rule.rule_id, add_contents=_keys(two), backfills=False)
    assert saved.backfill_id is None
    assert await _enrolled(company, two) == 0
    await company.set_ref(newcomer.id, 1, "Developer")
    assert (await _enrolled(company, one), await _enrolled(company, two)) == (2, 1)


async def test_an_edit_based_on_an_old_version_is_refused_but_use_raises_no_conflict(company: Company) -> None:
    """The first enrollment grows the version; only edits conflict."""
    course = await factories.create_course(company.tenant.id)
    learner = await factories.create_learner(company.tenant.id)
    rule = await company.rule(ref_is(1, "Developer"), gives=[course])
    await company.set_ref(learner.id, 1, "Developer")

    async def edit(name: str, version: int) -> None:
        await company.do(
            lambda work: update_rule(
                work,
                rule_id=rule.rule_id,
                changes=RuleChanges(name=name),
                expected_version=version,
                backfills_existing_learners=True,
            )
        )

    await edit("First", 1)
    with pytest.raises(VersionConflict):
        await edit("Second", 1)


async def test_the_last_content_cannot_be_removed(company: Company) -> None:
    """A rule gives 1 to 100 contents."""
    course = await factories.create_course(company.tenant.id)
    rule = await company.rule(ref_is(1, "x"), gives=[course])
    with pytest.raises(Invalid):
        await _edit(company, rule.rule_id, remove_contents=_keys(course))


async def test_backfilling_later_enrolls_who_was_never_enrolled_and_never_whom_somebody_unenrolled(
    company: Company,
) -> None:
    """Three members: one never enrolled, one enrolled by the rule, one unenrolled by hand since they met it."""
    course = await factories.create_course(company.tenant.id, title="Security")
    never, removed = [await factories.create_learner(company.tenant.id, refs={1: "Developer"}) for _ in range(2)]
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], backfills=False)
    entered = await factories.create_learner(company.tenant.id)
    await company.set_ref(entered.id, 1, "Developer")
    await company.enroll(removed.id, course)
    await company.unenroll(removed.id, course)
    job_id = (await company.do(lambda work: backfill_rule(work, rule_id=rule.rule_id))).result
    assert await _status(company, job_id) == ("SUCCEEDED", 1, 1)
    assert await company.contents_of(never.id) == ["Security"]
    assert await company.contents_of(removed.id) == []
    assert len(await company.log_of(entered.id)) == 1


async def test_no_backfill_gives_its_reason_where_somebody_was_unenrolled_and_enrolled_again_by_hand(
    company: Company,
) -> None:
    """What holds the place now was decided by hand; the rule has no part in it until it is entered again."""
    course = await factories.create_course(company.tenant.id)
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], backfills=False)
    await company.enroll(learner.id, course)
    await company.unenroll(learner.id, course)
    await company.enroll(learner.id, course)
    job_id = (await company.do(lambda work: backfill_rule(work, rule_id=rule.rule_id))).result
    assert await _status(company, job_id) == ("SUCCEEDED", 0, 0)
    assert await company.reasons_of(learner.id, course) == [("MANAGER", False)]


async def test_a_copy_is_a_new_rule_that_has_enrolled_nobody(company: Company) -> None:
    """Duplicating a used rule with other conditions leaves the original as it is."""
    course = await factories.create_course(company.tenant.id)
    await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    seller = await factories.create_learner(company.tenant.id, refs={1: "Sales"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.RELEASE)
    copy = (
        await company.do(
            lambda work: duplicate_rule(
                work,
                rule_id=rule.rule_id,
                name="Copy",
                changes=RuleChanges(conditions=[ref_is(1, "Sales")]),
                backfills_existing_learners=True,
            )
        )
    ).result
    assert await company.members_of(copy.rule_id) == {seller.id}
    assert await company.fetch("SELECT name, when_unmet FROM rule WHERE id = $1", copy.rule_id) == [("Copy", "RELEASE")]
    assert len(await company.members_of(rule.rule_id)) == 1


async def test_deleting_without_revoking_unenrolls_nobody_now_or_later(company: Company) -> None:
    """The enrollment stays, also when the learner's facts change afterwards."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Gone")
    assert (await _delete(company, rule.rule_id)).revocation_id is None
    await company.set_ref(learner.id, 1, "Sales")
    assert await company.contents_of(learner.id) == ["Security"]
    with pytest.raises(NotFound):
        await _edit(company, rule.rule_id, name="x")
    await company.rule(ref_is(1, "Sales"), gives=[course], name="Gone")


async def test_revoking_takes_only_what_the_rule_alone_gave(company: Company) -> None:
    """Also a permanent reason goes; who was enrolled otherwise, or by another rule, keeps it."""
    course = await factories.create_course(company.tenant.id, title="Security")
    alone, kept, by_hand = [await factories.create_learner(company.tenant.id, refs={1: "Developer"}) for _ in range(3)]
    by_other = await factories.create_learner(company.tenant.id, refs={1: "Developer", 2: "DE"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], name="Gone")
    await company.rule(ref_is(2, "DE"), gives=[course])
    await company.set_ref(kept.id, 1, None)
    await company.enroll(by_hand.id, course)
    deleted = await _delete(company, rule.rule_id, revokes=True)
    assert await _status(company, deleted.revocation_id) == ("SUCCEEDED", 4, 4)
    assert [await company.contents_of(one.id) for one in (alone, kept, by_hand, by_other)] == [
        [], [], ["Security"], ["Security"],
    ]  # fmt: skip
    assert (await company.log_of(alone.id))[-1] == ("Security", "UNENROLLED", "AUTO_UNENROLLMENT", "Gone")
    assert (await company.log_of(kept.id))[-1] == ("Security", "UNENROLLED", "AUTO_UNENROLLMENT", "Gone")


async def test_revoking_from_100_people_is_a_job(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is gone at once, its enrollments with the job, each logged once."""
    monkeypatch.setattr(rule_deletion, "CHUNK", 40)
    course = await factories.create_course(company.tenant.id)
    await factories.create_learners(company.tenant.id, 110, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course])
    await _run(company, rule.backfill_id)
    deleted = await _delete(company, rule.rule_id, revokes=True)
    assert await _status(company, deleted.revocation_id) == ("QUEUED", None, 0)
    assert await _enrolled(company, course) == 110
    await _run(company, deleted.revocation_id)
    assert await _status(company, deleted.revocation_id) == ("SUCCEEDED", 110, 110)
    assert await _enrolled(company, course) == 0
    [row] = await company.fetch("SELECT count(*) FROM content_action WHERE action = 'UNENROLLED'")
    assert row[0] == 110


async def test_deleting_a_rule_while_its_backfill_runs_ends_the_backfill(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is cancelled; what it had done is revoked if that is asked for."""
    monkeypatch.setattr(backfill, "CHUNK", 30)
    course = await factories.create_course(company.tenant.id)
    await factories.create_learners(company.tenant.id, 120, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course])
    await run_job(company.tenant.id, rule.backfill_id or 0, CHUNKS, lambda: company.now, should_stop=lambda: True)
    done = await _enrolled(company, course)
    assert 0 < done < 120
    deleted = await _delete(company, rule.rule_id, revokes=True)
    assert (await _status(company, rule.backfill_id))[0] == "CANCELLED"
    assert await _status(company, deleted.revocation_id) == ("SUCCEEDED", done, done)
    await _run(company, rule.backfill_id)
    assert await _enrolled(company, course) == 0


async def test_a_cancelled_backfill_leaves_the_rest_as_members_who_were_not_enrolled(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled after its first chunk: the rest is laid down; going on later enrolls them after all."""
    monkeypatch.setattr(backfill, "CHUNK", 30)
    course = await factories.create_course(company.tenant.id)
    people = await factories.create_learners(company.tenant.id, 150, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course])
    job_id = rule.backfill_id or 0
    await run_job(company.tenant.id, job_id, CHUNKS, lambda: company.now, should_stop=lambda: True)
    done = await _enrolled(company, course)
    await company.do(lambda work: cancel_job(work, job_id=job_id))
    await company.do(lambda work: cancel_job(work, job_id=job_id))
    assert (await _status(company, job_id))[0] == "CANCELLED"
    [preparation] = await company.fetch("SELECT id, status FROM background_job WHERE kind = 'RULE_PREPARATION'")
    assert preparation[1] == "QUEUED"
    with pytest.raises(NotPermitted):
        await company.do(lambda work: cancel_job(work, job_id=preparation[0]))
    await _run(company, preparation[0])
    assert await company.members_of(rule.rule_id) == set(people)
    assert await _enrolled(company, course) == done
    await company.set_ref(people[-1], 2, "anything")
    assert await _enrolled(company, course) == done
    await company.do(lambda work: resume_job(work, job_id=job_id))
    await _run(company, job_id)
    assert await _enrolled(company, course) == 150
    assert await _status(company, job_id) == ("SUCCEEDED", 150, 150)
    [row] = await company.fetch("SELECT count(*) FROM content_action")
    assert row[0] == 150


@pytest.mark.parametrize("is_backfilled", [False, True])
async def test_a_backfill_of_added_content_that_goes_on_leaves_the_preparation_of_the_rule_alone(
    company: Company, is_backfilled: bool
) -> None:
    """Who was not to be enrolled when the rule was created gets what the edit added, and nothing else."""
    first, added = [await factories.create_course(company.tenant.id) for _ in range(2)]
    people = await factories.create_learners(company.tenant.id, 120, refs={1: "Sales"})
    rule = await company.rule(ref_is(1, "Sales"), gives=[first], backfills=is_backfilled)
    job_id = (await _edit(company, rule.rule_id, add_contents=[ContentKey(id=added.id)])).backfill_id
    assert job_id is not None
    await company.do(lambda work: cancel_job(work, job_id=job_id))
    if rule.backfill_id is not None:
        await company.do(partial(cancel_job, job_id=rule.backfill_id))
    await company.do(lambda work: resume_job(work, job_id=job_id))
    await _run(company, job_id)
    await run_all_jobs(company.tenant, lambda: company.now)
    assert (await _enrolled(company, first), await _enrolled(company, added)) == (0, 120)
    assert await company.members_of(rule.rule_id) == set(people)
    assert await company.fetch("SELECT status FROM background_job WHERE kind = 'RULE_PREPARATION'") == [("SUCCEEDED",)]
    assert await company.fetch("SELECT state FROM rule") == [("ACTIVE",)]


async def test_switching_off_unenrolls_nobody_and_switching_on_reconciles(company: Company) -> None:
    """Off: nothing runs. On: who came to meet the rule enters, who no longer does leaves."""
    course = await factories.create_course(company.tenant.id, title="Security")
    stays, leaves = [await factories.create_learner(company.tenant.id, refs={1: "Developer"}) for _ in range(2)]
    enters = await factories.create_learner(company.tenant.id)
    rule = await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.RELEASE)
    await company.do(lambda work: set_auto_assignment(work, is_enabled=False))
    await company.set_ref(leaves.id, 1, "Sales")
    await company.set_ref(enters.id, 1, "Developer")
    assert await _enrolled(company, course) == 2
    with pytest.raises(FeatureDisabled):
        await _edit(company, rule.rule_id, name="x")
    with pytest.raises(FeatureDisabled):
        await company.do(lambda work: backfill_rule(work, rule_id=rule.rule_id))
    done = await company.do(lambda work: set_auto_assignment(work, is_enabled=True))
    assert done.reevaluation_job_id is None
    assert await company.members_of(rule.rule_id) == {stays.id, enters.id}
    assert [await company.contents_of(one.id) for one in (stays, leaves, enters)] == [
        ["Security"], [], ["Security"],
    ]  # fmt: skip


async def test_switching_on_with_100_people_is_a_job(company: Company) -> None:
    """The re-evaluation looks at everybody."""
    course = await factories.create_course(company.tenant.id)
    people = await factories.create_learners(company.tenant.id, 130)
    await company.rule(ref_is(1, "Developer"), gives=[course])
    await company.do(lambda work: set_auto_assignment(work, is_enabled=False))
    for learner_id in people[:5]:
        await company.set_ref(learner_id, 1, "Developer")
    done = await company.do(lambda work: set_auto_assignment(work, is_enabled=True))
    await _run(company, done.reevaluation_job_id)
    assert await _status(company, done.reevaluation_job_id) == ("SUCCEEDED", 131, 131)
    assert await _enrolled(company, course) == 5


async def test_deleting_works_while_the_feature_is_off(company: Company) -> None:
    """Listing, explaining and deleting (with revoking) work without the feature."""
    course = await factories.create_course(company.tenant.id)
    await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[course])
    await company.do(lambda work: set_auto_assignment(work, is_enabled=False))
    deleted = await _delete(company, rule.rule_id, revokes=True)
    assert await _status(company, deleted.revocation_id) == ("SUCCEEDED", 1, 1)
    assert await _enrolled(company, course) == 0
