"""One transaction in which rules are left, still met and entered: what is taken and given, and logged once."""

from domain.auto_assignment.models import UnmetPolicy
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.operations import bulk_upsert_learners
from tests.domain.auto_assignment.conftest import Company, ref_is
from tests.support import factories


async def test_a_rule_that_is_entered_as_another_takes_its_permanent_reason_is_logged_once(company: Company) -> None:
    """Left with KEEP before, it is not still met: it enters, and that is all."""
    course = await factories.create_course(company.tenant.id, title="Course")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Sales"})
    await company.rule(ref_is(1, "Sales"), gives=[course], name="Keeps")
    await company.rule(ref_is(1, "Service"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Takes")
    await company.set_ref(learner.id, 1, "Service")
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", True), ("AUTO_ENROLLMENT", False)]
    logged = len(await company.log_of(learner.id))
    await company.set_ref(learner.id, 1, "Sales")
    assert (await company.log_of(learner.id))[logged:] == [
        ("Course", "UNENROLLED", "AUTO_UNENROLLMENT", "Takes"),
        ("Course", "ENROLLED", "AUTO_ENROLLMENT", "Keeps"),
    ]
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", False)]


async def test_a_course_given_back_directly_and_through_a_path_begins_once(company: Company) -> None:
    """As when the rule first gave both: its own reason is logged, the path's is there."""
    course = await factories.create_course(company.tenant.id, title="Course")
    path = await factories.create_path(company.tenant.id, title="Path", courses=[course])
    learner = await factories.create_learner(company.tenant.id, refs={1: "Sales", 2: "Berlin"})
    await company.rule(ref_is(1, "Sales"), gives=[path, course], name="Gives")
    await company.rule(ref_is(2, "Berlin"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Takes")
    logged = len(await company.log_of(learner.id))
    await company.set_ref(learner.id, 2, None)
    assert (await company.log_of(learner.id))[logged:] == [
        ("Course", "UNENROLLED", "AUTO_UNENROLLMENT", "Takes"),
        ("Course", "ENROLLED", "AUTO_ENROLLMENT", "Gives"),
    ]
    assert sorted(await company.reasons_of(learner.id, course)) == [
        ("AUTO_ENROLLMENT", False),
        ("LEARNING_PATH", False),
    ]


async def test_all_unenrollments_of_a_transaction_come_before_all_enrollments(company: Company) -> None:
    """Also where some people are new, for whom every rule is looked at, and others have changed."""
    course = await factories.create_course(company.tenant.id, title="Course")
    await factories.create_learner(company.tenant.id, external_id="old", refs={1: "Berlin"})
    await factories.create_learner(company.tenant.id, external_id="resting", refs={1: "Berlin"})
    await company.rule(ref_is(1, "Berlin"), gives=[course], when_unmet=UnmetPolicy.UNENROLL)
    await company.rule(ref_is(1, "Sales"), gives=[course])

    async def upsert(work: UnitOfWork) -> None:
        rows = [
            LearnerChanges(external_id="old", ref_values=[RefChange(1, "Sales")]),
            LearnerChanges(external_id="resting", is_active=False),
        ]
        await bulk_upsert_learners(work, rows=rows)

    await company.do(upsert)
    logged = await company.fetch("SELECT action FROM content_action ORDER BY id OFFSET 2")
    assert [action for (action,) in logged] == ["UNENROLLED", "UNENROLLED", "ENROLLED"]
