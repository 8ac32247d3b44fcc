"""A rule explains itself: verdict and deciding fact per condition, what would follow, and what looks wrong."""

from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.evaluation.explanation import explain_rule
from domain.auto_assignment.evaluation.preview import RulePreview, preview_rule
from domain.auto_assignment.evaluation.simulation import Simulation, SupposedFacts, SupposedStatus, simulate
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.warnings import RuleWarningCode, is_always_met, is_never_met
from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Forbidden, NotFound
from domain.people.models import PlaceKind
from domain.people.queries import LearnerKey
from tests.domain.auto_assignment.conftest import Company, ref_is, ref_is_not, status_is
from tests.support import factories


async def _facts(company: Company, rule_id: int, learner_id: int) -> tuple[bool, list[tuple[bool, str]]]:
    async with ReadScope(company.tenant.id) as reads:
        explanation = await explain_rule(reads, company.admin, rule_id=rule_id, learner=LearnerKey(id=learner_id))
    return explanation.is_met, [(one.is_met, one.fact) for one in explanation.conditions]


async def test_each_condition_is_explained_by_the_fact_that_decided(company: Company) -> None:
    """Refs with and without value, places, statuses by hand and by a rule."""
    by_hand = await factories.create_course(company.tenant.id, title="Fire Safety")
    by_rule = await factories.create_course(company.tenant.id, title="Hygiene")
    target = await factories.create_course(company.tenant.id, title="Target")
    berlin = await factories.create_place(company.tenant.id, kind=PlaceKind.CLIENT, name="Berlin")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Sales"}, places=[berlin])
    await company.rule(ref_is(1, "Sales"), gives=[by_rule])
    await company.enroll(learner.id, by_hand)
    rule = await company.rule(
        ref_is(1, "Developer"),
        ref_is_not(2, "X"),
        ConditionInput(ConditionKind.CLIENT, places=[berlin.id]),
        status_is(EnrollmentStatus.NOT_STARTED, by_hand),
        status_is(EnrollmentStatus.NOT_STARTED, by_rule),
        status_is(EnrollmentStatus.COMPLETED, target),
        gives=[target],
    )
    assert await _facts(company, rule.rule_id, learner.id) == (
        False,
        [
            (False, 'ref 1 is "Sales"'),
            (True, "ref 2 has no value"),
            (True, "belongs to Berlin"),
            (True, "status on Fire Safety is NOT_STARTED"),
            (False, "status on Hygiene was caused by a rule, or ended before it began"),
            (False, "never enrolled in Target"),
        ],
    )


async def test_who_may_not_see_rules_gets_no_explanation(company: Company, learner: Principal) -> None:
    """Learners are refused; a rule that is not there is not found."""
    course = await factories.create_course(company.tenant.id)
    rule = await company.rule(ref_is(1, "x"), gives=[course])
    async with ReadScope(company.tenant.id) as reads:
        with pytest.raises(Forbidden):
            await explain_rule(reads, learner, rule_id=rule.rule_id, learner=LearnerKey(id=learner.learner_id))
        with pytest.raises(NotFound):
            await explain_rule(reads, company.admin, rule_id=1, learner=LearnerKey(id=learner.learner_id))


async def _simulate(company: Company, learner_id: int, **facts: Any) -> Simulation:
    return await simulate(company.admin, company.now, learner=LearnerKey(id=learner_id), facts=SupposedFacts(**facts))


async def _everything(company: Company) -> dict[str, list[Any]]:
    tables = [
        "learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action", "rule_member",
        "change_pending", "rule",
    ]  # fmt: skip
    return {table: sorted(await company.fetch(f"SELECT * FROM {table}"), key=str) for table in tables}


async def test_a_simulation_says_what_the_change_then_does_and_writes_nothing(company: Company) -> None:
    """The document's Developer who becomes Sales, first supposed, then done: the same log entries."""
    a, b = [await factories.create_course(company.tenant.id, title=title) for title in "AB"]
    path = await factories.create_path(company.tenant.id, title="Path", courses=[b])
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    leaving = await company.rule(ref_is(1, "Developer"), gives=[a], when_unmet=UnmetPolicy.UNENROLL, name="Out")
    entering = await company.rule(ref_is(1, "Sales"), gives=[path], name="In")
    before = await _everything(company)
    simulation = await _simulate(company, learner.id, ref_values={1: "Sales"})
    assert await _everything(company) == before
    assert (simulation.entered_rule_ids, simulation.left_rule_ids) == ([entering.rule_id], [leaving.rule_id])
    assert [(one.action, one.content_id, one.rule_id) for one in simulation.effects] == [
        ("UNENROLLED", a.id, leaving.rule_id),
        ("ENROLLED", path.id, entering.rule_id),
        ("ENROLLED", b.id, entering.rule_id),
    ]
    logged = len(await company.log_of(learner.id))
    await company.set_ref(learner.id, 1, "Sales")
    assert [(action, rule) for _, action, _, rule in (await company.log_of(learner.id))[logged:]] == [
        ("UNENROLLED", "Out"),
        ("ENROLLED", "In"),
        ("ENROLLED", "In"),
    ]


async def test_a_simulation_leaves_nothing_out(company: Company) -> None:
    """Payloads list 1,000 entries at most; what is simulated has no other place to be looked up."""
    courses = [await factories.create_course(company.tenant.id) for _ in range(100)]
    learner = await factories.create_learner(company.tenant.id)
    for _ in range(11):
        await company.rule(ref_is(1, "Sales"), gives=courses)
    simulation = await _simulate(company, learner.id, ref_values={1: "Sales"})
    assert len(simulation.effects) == 1_100


async def test_places_statuses_and_activity_can_be_supposed(company: Company) -> None:
    """A department, a completed course, an inactive learner."""
    course, target = [await factories.create_course(company.tenant.id) for _ in range(2)]
    place = await factories.create_place(company.tenant.id)
    learner = await factories.create_learner(company.tenant.id)
    of_place = await company.rule(ConditionInput(ConditionKind.DEPARTMENT, places=[place.id]), gives=[target])
    of_status = await company.rule(status_is(EnrollmentStatus.COMPLETED, course), gives=[target])
    simulation = await _simulate(company, learner.id, places={PlaceKind.DEPARTMENT: [place.id]})
    assert simulation.entered_rule_ids == [of_place.rule_id]
    supposed = SupposedStatus([ContentKey(id=course.id)], EnrollmentStatus.COMPLETED)
    simulation = await _simulate(company, learner.id, statuses=[supposed])
    assert simulation.entered_rule_ids == [of_status.rule_id]
    await company.do(lambda work: work.sql.execute("SELECT 1"))
    by_default = await company.rule(ref_is_not(1, "x"), gives=[target])
    simulation = await _simulate(company, learner.id, is_active=False)
    assert simulation.left_rule_ids == [by_default.rule_id]


def _ref(operator: RefOperator, *values: str, number: int = 1) -> Condition:
    return Condition(ConditionKind.REF_VALUE, field_number=number, operator=operator, ref_values=values)


EQUALS, NOT_EQUALS = RefOperator.EQUALS, RefOperator.NOT_EQUALS


@pytest.mark.parametrize(
    ("conditions", "is_never"),
    [
        ([_ref(EQUALS, "a"), _ref(NOT_EQUALS, "a")], True),
        ([_ref(EQUALS, "a", "b"), _ref(NOT_EQUALS, "a")], False),
        ([_ref(EQUALS, "a"), _ref(EQUALS, "b")], True),
        ([_ref(EQUALS, "a"), _ref(EQUALS, "b", number=2)], False),
        ([Condition(ConditionKind.DEPARTMENT, (1, 2)), Condition(ConditionKind.DEPARTMENT, (3,))], True),
        ([Condition(ConditionKind.CLIENT, (1, 2)), Condition(ConditionKind.CLIENT, (3,))], False),
    ],
)
def test_conditions_that_exclude_each_other_are_never_met(conditions: list[Condition], is_never: bool) -> None:
    """Under ALL; under ANY nothing excludes anything."""
    assert is_never_met(ConditionMatch.ALL, conditions) is is_never
    assert is_never_met(ConditionMatch.ANY, conditions) is False


@pytest.mark.parametrize(
    ("conditions", "is_always"),
    [
        ([_ref(EQUALS, "a"), _ref(NOT_EQUALS, "a")], True),
        ([_ref(EQUALS, "a"), _ref(NOT_EQUALS, "a", "b")], False),
        ([_ref(NOT_EQUALS, "a"), _ref(NOT_EQUALS, "b")], True),
        ([_ref(NOT_EQUALS, "a"), _ref(NOT_EQUALS, "a", "b")], False),
        ([_ref(NOT_EQUALS, "a")], False),
    ],
)
def test_conditions_that_complete_each_other_are_always_met(conditions: list[Condition], is_always: bool) -> None:
    """Under ANY; under ALL no rule is met by everybody."""
    assert is_always_met(ConditionMatch.ANY, conditions) is is_always
    assert is_always_met(ConditionMatch.ALL, conditions) is False


async def _preview(
    company: Company, *conditions: ConditionInput, gives: list[Content], edited: int | None = None, **more: Any
) -> RulePreview:
    async with ReadScope(company.tenant.id) as reads:
        return await preview_rule(
            reads,
            company.admin,
            match=ConditionMatch.ALL,
            conditions=conditions,
            contents=[ContentKey(id=content.id) for content in gives],
            edited_rule_id=edited,
            **more,
        )


async def test_a_preview_warns_of_twins_opponents_and_statuses_that_only_rules_cause(company: Company) -> None:
    """DUPLICATE, OPPOSED and STATUS_ONLY_FROM_RULES name what they are about; an edit is not compared with itself."""
    a, b = [await factories.create_course(company.tenant.id) for _ in range(2)]
    twin = await company.rule(ref_is(1, "Developer"), gives=[a])
    assert [
        (one.code, one.rule_id) for one in (await _preview(company, ref_is(1, "Developer"), gives=[a])).warnings
    ] == [(RuleWarningCode.DUPLICATE, twin.rule_id)]
    assert (await _preview(company, ref_is(1, "Developer"), gives=[a], edited=twin.rule_id)).warnings == []
    both = await _preview(company, ref_is(1, "Developer"), gives=[a], when_unmet=UnmetPolicy.UNENROLL)
    assert [one.code for one in both.warnings] == [RuleWarningCode.DUPLICATE, RuleWarningCode.OPPOSED]
    opposed = await _preview(company, ref_is(1, "Sales"), gives=[a, b], when_unmet=UnmetPolicy.UNENROLL)
    assert [(one.code, one.rule_id) for one in opposed.warnings] == [(RuleWarningCode.OPPOSED, twin.rule_id)]
    waiting = await _preview(company, status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b])
    assert [one.code for one in waiting.warnings] == [RuleWarningCode.STATUS_ONLY_FROM_RULES]
    of_itself = await _preview(company, status_is(EnrollmentStatus.NOT_STARTED, b), gives=[b])
    assert [one.code for one in of_itself.warnings] == [RuleWarningCode.STATUS_ONLY_FROM_RULES]
    learner = await factories.create_learner(company.tenant.id)
    await company.enroll(learner.id, a)
    assert (await _preview(company, status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b])).warnings == []


async def test_the_preview_of_an_edit_tells_what_saving_it_would_do(company: Company) -> None:
    """Only the added content enrolls anybody; an edit that adds nothing has nothing to backfill."""
    one, two = [await factories.create_course(company.tenant.id) for _ in range(2)]
    await factories.create_learners(company.tenant.id, 3, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer"), gives=[one])
    preview = await _preview(company, ref_is(1, "Developer"), gives=[one, two], edited=rule.rule_id)
    assert [(e.newly_enrolled_count, e.already_enrolled_count) for e in preview.effects] == [(0, 3), (3, 0)]
    assert preview.can_backfill is True
    preview = await _preview(company, ref_is(1, "Developer"), gives=[one], edited=rule.rule_id)
    assert preview.can_backfill is False
