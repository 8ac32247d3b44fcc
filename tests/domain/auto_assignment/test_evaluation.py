"""What a change of facts does: entering, leaving with each option, giving back, and rules that never trigger rules."""

from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.enrollments.models import EnrollmentStatus
from tests.domain.auto_assignment.conftest import Company, ref_is, ref_is_not, status_is
from tests.support import factories


async def test_who_comes_to_meet_a_rule_is_enrolled_with_a_log_row_that_names_it(company: Company) -> None:
    """Given a rule for developers, a learner whose ref 1 becomes Developer is enrolled in the same transaction."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Sales"})
    await company.rule(ref_is(1, "Developer"), gives=[course], name="Developers")
    done = await company.set_ref(learner.id, 1, "Developer")
    assert done.rule_action_count == 1
    assert await company.contents_of(learner.id) == ["Security"]
    assert await company.log_of(learner.id) == [("Security", "ENROLLED", "AUTO_ENROLLMENT", "Developers")]
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", False)]


async def test_case_counts(company: Company) -> None:
    """`developer` does not meet `Developer`, as the guide's tip says."""
    course = await factories.create_course(company.tenant.id)
    learner = await factories.create_learner(company.tenant.id)
    await company.rule(ref_is(1, "Developer"), gives=[course])
    await company.set_ref(learner.id, 1, "developer")
    assert await company.contents_of(learner.id) == []


async def test_entering_adds_a_reason_and_a_log_row_where_the_learner_is_enrolled_already(company: Company) -> None:
    """Nobody is enrolled twice, and the log still says that the rule fired."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id)
    await company.enroll(learner.id, course)
    await company.rule(ref_is(1, "Developer"), gives=[course], name="Developers")
    await company.set_ref(learner.id, 1, "Developer")
    assert await company.log_of(learner.id) == [
        ("Security", "ENROLLED", "MANAGER", None),
        ("Security", "ENROLLED", "AUTO_ENROLLMENT", "Developers"),
    ]
    assert await company.reasons_of(learner.id, course) == [("MANAGER", False), ("AUTO_ENROLLMENT", False)]


async def test_keep_leaves_the_enrollment_and_makes_the_reason_permanent_until_the_learner_enters_again(
    company: Company,
) -> None:
    """KEEP, left and entered again: one open reason all along, permanent in between."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.KEEP)
    done = await company.set_ref(learner.id, 1, "Sales")
    assert done.rule_action_count == 0
    assert await company.contents_of(learner.id) == ["Security"]
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", True)]
    done = await company.set_ref(learner.id, 1, "Developer")
    assert done.rule_action_count == 1
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", False)]


async def test_unenroll_ends_every_reason_however_the_learner_had_been_enrolled(company: Company) -> None:
    """UNENROLL takes a manager's enrollment too, as the document says, and logs it once."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.enroll(learner.id, course)
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Developers")
    await company.set_ref(learner.id, 1, "Sales")
    assert await company.contents_of(learner.id) == []
    assert (await company.log_of(learner.id))[-1] == ("Security", "UNENROLLED", "AUTO_UNENROLLMENT", "Developers")
    assert await company.reasons_of(learner.id, course) == []


async def test_release_ends_only_its_own_reason(company: Company) -> None:
    """RELEASE with a manager's reason beside it: nothing ends, nothing is logged."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.enroll(learner.id, course)
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.RELEASE)
    done = await company.set_ref(learner.id, 1, "Sales")
    assert done.rule_action_count == 0
    assert await company.reasons_of(learner.id, course) == [("MANAGER", False)]


async def test_release_ends_the_enrollment_with_its_last_reason(company: Company) -> None:
    """RELEASE alone: the learner is unenrolled, and the log says by which rule."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.RELEASE, name="Developers")
    await company.set_ref(learner.id, 1, None)
    assert await company.contents_of(learner.id) == []
    assert (await company.log_of(learner.id))[-1] == ("Security", "UNENROLLED", "AUTO_UNENROLLMENT", "Developers")


async def test_the_documents_example_of_two_rules_on_one_course(company: Company) -> None:
    """Ref 1 is changed: the UNENROLL rule takes course A, and the other rule, which is still met, gives it back."""
    cyber = await factories.create_course(company.tenant.id, title="Understanding Cyber Security")
    course = await factories.create_course(company.tenant.id, title="Course A")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await factories.create_enrollment(company.tenant.id, learner.id, cyber.id, status=EnrollmentStatus.COMPLETED)
    await company.rule(status_is(EnrollmentStatus.COMPLETED, cyber), gives=[course], name="Completed")
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Developers")
    done = await company.set_ref(learner.id, 1, "Sales")
    assert done.rule_action_count == 2
    assert (await company.log_of(learner.id))[-2:] == [
        ("Course A", "UNENROLLED", "AUTO_UNENROLLMENT", "Developers"),
        ("Course A", "ENROLLED", "AUTO_ENROLLMENT", "Completed"),
    ]
    assert await company.reasons_of(learner.id, course) == [("AUTO_ENROLLMENT", False)]


async def test_unenrollments_come_before_enrollments_whatever_the_order_of_the_rules(company: Company) -> None:
    """One change that enters an older rule and leaves a younger one: out first, then in."""
    first = await factories.create_course(company.tenant.id, title="A")
    second = await factories.create_course(company.tenant.id, title="B")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.rule(ref_is(1, "Sales"), gives=[first], name="In")
    await company.rule(ref_is(1, "Developer"), gives=[second], when_unmet=UnmetPolicy.UNENROLL, name="Out")
    await company.set_ref(learner.id, 1, "Sales")
    assert [(title, action) for title, action, _, _ in (await company.log_of(learner.id))[-2:]] == [
        ("B", "UNENROLLED"),
        ("A", "ENROLLED"),
    ]


async def test_rules_never_trigger_rules_until_the_learner_does_something(company: Company) -> None:
    """Two rules whose conditions are each other's targets: only one fires, also after later changes of other facts."""
    a = await factories.create_course(company.tenant.id, title="A")
    b = await factories.create_course(company.tenant.id, title="B")
    learner = await factories.create_learner(company.tenant.id)
    await company.rule(status_is(EnrollmentStatus.NOT_STARTED, b), gives=[a], name="B gives A")
    await company.rule(status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b], name="A gives B")
    await company.enroll(learner.id, b)
    assert await company.contents_of(learner.id) == ["A", "B"]
    assert await company.reasons_of(learner.id, b) == [("MANAGER", False)]
    await company.set_ref(learner.id, 5, "anything")
    assert await company.reasons_of(learner.id, b) == [("MANAGER", False)]


async def test_a_status_that_somebody_confirms_by_hand_becomes_a_fact(company: Company) -> None:
    """Enrolling by hand on top of a rule's enrollment lets other rules see the status."""
    a = await factories.create_course(company.tenant.id, title="A")
    b = await factories.create_course(company.tenant.id, title="B")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.rule(status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b], name="A gives B")
    await company.rule(ref_is(1, "Developer"), gives=[a], name="Developers")
    assert await company.contents_of(learner.id) == ["A"]
    await company.enroll(learner.id, a)
    assert await company.contents_of(learner.id) == ["A", "B"]


async def test_a_manager_who_ends_a_place_that_nobody_began_takes_the_fact_with_it(company: Company) -> None:
    """The NOT_STARTED fact goes with the manager's unenrollment, so the rule that waits for it is left."""
    a = await factories.create_course(company.tenant.id, title="A")
    b = await factories.create_course(company.tenant.id, title="B")
    learner = await factories.create_learner(company.tenant.id)
    await company.rule(status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b], when_unmet=UnmetPolicy.RELEASE)
    await company.enroll(learner.id, a)
    assert await company.contents_of(learner.id) == ["A", "B"]
    await company.unenroll(learner.id, a)
    assert await company.contents_of(learner.id) == []


async def test_a_rules_unenrollment_is_no_fact_for_another_rule(company: Company) -> None:
    """A NOT_STARTED fact counts on when it was a rule that ended the enrollment, since rules never change facts."""
    a = await factories.create_course(company.tenant.id, title="A")
    b = await factories.create_course(company.tenant.id, title="B")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    await company.enroll(learner.id, a)
    await company.rule(ref_is(1, "Developer"), gives=[a], when_unmet=UnmetPolicy.UNENROLL)
    await company.rule(status_is(EnrollmentStatus.NOT_STARTED, a), gives=[b], when_unmet=UnmetPolicy.UNENROLL)
    await company.set_ref(learner.id, 1, "Sales")
    assert await company.contents_of(learner.id) == ["B"]
    await company.set_ref(learner.id, 2, "later")
    assert await company.contents_of(learner.id) == ["B"]


async def test_a_managers_unenrollment_sticks_until_the_learner_leaves_and_enters(company: Company) -> None:
    """The learner stays a member, so nothing enrolls them again before they have left the rule."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer"})
    rule = await company.rule(ref_is(1, "Developer", "Engineer"), gives=[course])
    await company.unenroll(learner.id, course)
    await company.set_ref(learner.id, 1, "Engineer")
    assert await company.contents_of(learner.id) == []
    assert await company.members_of(rule.rule_id) == {learner.id}
    await company.set_ref(learner.id, 1, "Sales")
    await company.set_ref(learner.id, 1, "Developer")
    assert await company.contents_of(learner.id) == ["Security"]


async def test_a_path_brings_its_mandatory_courses_and_takes_them_along(company: Company) -> None:
    """A rule that gives a path: its courses come by the path, and go with it, naming path and rule."""
    one = await factories.create_course(company.tenant.id, title="One")
    two = await factories.create_course(company.tenant.id, title="Two")
    path = await factories.create_path(company.tenant.id, title="Path", courses=[one, two])
    learner = await factories.create_learner(company.tenant.id)
    await company.enroll(learner.id, two)
    await company.rule(ref_is(1, "Developer"), gives=[path], when_unmet=UnmetPolicy.UNENROLL, name="Developers")
    await company.set_ref(learner.id, 1, "Developer")
    assert await company.contents_of(learner.id) == ["One", "Path", "Two"]
    assert await company.reasons_of(learner.id, two) == [("MANAGER", False), ("LEARNING_PATH", False)]
    await company.set_ref(learner.id, 1, "Sales")
    assert await company.contents_of(learner.id) == ["Two"]
    assert await company.log_of(learner.id) == [
        ("Two", "ENROLLED", "MANAGER", None),
        ("Path", "ENROLLED", "AUTO_ENROLLMENT", "Developers"),
        ("One", "ENROLLED", "LEARNING_PATH", "Developers"),
        ("Path", "UNENROLLED", "AUTO_UNENROLLMENT", "Developers"),
        ("One", "UNENROLLED", "LEARNING_PATH", "Developers"),
    ]


async def test_a_path_that_another_rule_holds_gives_its_course_back(company: Company) -> None:
    """UNENROLL on a course that a still met rule's path needs: taken, then brought again by the path."""
    course = await factories.create_course(company.tenant.id, title="Course")
    path = await factories.create_path(company.tenant.id, title="Path", courses=[course])
    learner = await factories.create_learner(company.tenant.id, refs={1: "Developer", 2: "DE"})
    await company.rule(ref_is(2, "DE"), gives=[path], name="Germany")
    await company.rule(ref_is(1, "Developer"), gives=[course], when_unmet=UnmetPolicy.UNENROLL, name="Developers")
    await company.set_ref(learner.id, 1, None)
    assert await company.contents_of(learner.id) == ["Course", "Path"]
    assert (await company.log_of(learner.id))[-2:] == [
        ("Course", "UNENROLLED", "AUTO_UNENROLLMENT", "Developers"),
        ("Course", "ENROLLED", "LEARNING_PATH", "Germany"),
    ]
    assert await company.reasons_of(learner.id, course) == [("LEARNING_PATH", False)]


async def test_who_has_no_value_meets_not_equals(company: Company) -> None:
    """NOT_EQUALS holds without a value, also inside ANY."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id)
    await company.rule(ref_is_not(7, "Sales"), ref_is(1, "X"), gives=[course], match=ConditionMatch.ANY)
    assert await company.contents_of(learner.id) == ["Security"]


async def test_switched_off_rules_do_not_run(company: Company) -> None:
    """With the feature off a change of a fact has no effect on anybody."""
    course = await factories.create_course(company.tenant.id, title="Security")
    learner = await factories.create_learner(company.tenant.id)
    await company.rule(ref_is(1, "Developer"), gives=[course])
    await company.fetch("UPDATE tenant SET is_auto_assignment_enabled = false RETURNING id")
    await company.set_ref(learner.id, 1, "Developer")
    assert await company.contents_of(learner.id) == []
