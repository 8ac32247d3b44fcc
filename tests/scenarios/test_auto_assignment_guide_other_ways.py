"""The guide on rules beside self-enrollment and purchase: seats, waitlists, access days. Which sentence is where: the
table of `test_auto_assignment_guide`."""

import pytest

from domain.foundation.access import Principal
from tests.support.company import Company, key_of, learner_id, mutation, ref_is
from tests.support.rounds import end_access_that_is_over

ENROLLMENT = "enrollment { isActive isWaitlisted expiresAt }"
ENROLL_SELF = mutation("enrollSelf", ENROLLMENT)
BUY = mutation("recordPurchase", ENROLLMENT)
MINE = "{ enrollments(first: 5) { nodes { isActive isWaitlisted expiresAt reasons { source } } } }"


@pytest.mark.parametrize("way", ["self-enrollment", "purchase"])
async def test_rules_work_beside_self_enrollment_and_purchase(company: Company, learner: Principal, way: str) -> None:
    """Enrolled by oneself or bought, and by a rule as well: both reasons hold, and the content is there once."""
    course = await company.course("A", is_self_enrollable=True)
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="RELEASE")
    if way == "purchase":
        await company.do(BUY, learner={"id": learner_id(learner)}, course=key_of(course))
    else:
        await company.api.acting_as(learner).value(ENROLL_SELF, input={"course": key_of(course)})
    source = "PURCHASE" if way == "purchase" else "LEARNER"
    assert await company.set_ref(learner, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.reasons(learner) == {"A": ["AUTO_ENROLLMENT R", source]}
    assert await company.log(learner) == [f"ENROLLED A {source}", "ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.widget(learner) == ["A"]
    assert await company.set_ref(learner, 1, None) == []
    assert await company.reasons(learner) == {"A": [source]}


async def test_who_bought_a_course_is_unenrolled_by_a_rule_with_unenrollment(
    company: Company, learner: Principal
) -> None:
    """Enrolled by any method and then by such a rule: no longer meeting its conditions ends the enrollment."""
    course = await company.course("A", is_self_enrollable=True)
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    await company.do(BUY, learner={"id": learner_id(learner)}, course=key_of(course))
    assert await company.set_ref(learner, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.set_ref(learner, 1, "y") == ["UNENROLLED A AUTO_UNENROLLMENT R"]
    assert await company.widget(learner) == []


@pytest.mark.parametrize("has_waitlist", [True, False])
async def test_rules_do_not_respect_seats_and_waitlists(
    company: Company, learner: Principal, has_waitlist: bool
) -> None:
    """A full course takes everybody whom a rule enrolls, also past those who wait; a rule takes no seat."""
    course = await company.course("A", is_self_enrollable=True, seat_limit=1, has_waitlist=has_waitlist)
    await company.rule("R", ref_is(1, "x"), gives=[course])
    for number in range(2):
        assert await company.set_ref(await company.person(f"P{number}"), 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    # The only seat is free still.
    buyer, latecomer = await company.person("Buyer"), await company.person("Latecomer")
    bought = await company.do(BUY, learner={"id": learner_id(buyer)}, course=key_of(course))
    assert bought["enrollment"]["isWaitlisted"] is False
    client = company.api.acting_as(latecomer)
    if has_waitlist:
        waiting = await client.value(ENROLL_SELF, input={"course": key_of(course)})
        assert waiting["enrollment"] == {"isActive": False, "isWaitlisted": True, "expiresAt": None}
    else:
        refusals = await client.user_errors(ENROLL_SELF, input={"course": key_of(course)})
        assert [code for code, _ in refusals] == ["SEATS_EXHAUSTED"]
    assert await company.set_ref(learner, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.set_ref(latecomer, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    (mine,) = (await client.value(MINE))["nodes"]
    assert (mine["isActive"], mine["isWaitlisted"], mine["reasons"]) == (True, False, [{"source": "AUTO_ENROLLMENT"}])
    assert await company.count_enrolled(course) == 5


async def test_rules_do_not_respect_access_days(company: Company, learner: Principal) -> None:
    """Access days end self-enrollments and purchases, never what a rule or a manager gave."""
    course = await company.course("A", is_self_enrollable=True, access_days=30)
    await company.rule("R", ref_is(1, "x"), gives=[course])
    self_enrolled, by_manager = await company.person("Self"), await company.person("By manager")
    enrolled = await company.api.acting_as(self_enrolled).value(ENROLL_SELF, input={"course": key_of(course)})
    assert enrolled["enrollment"]["expiresAt"] == "2026-04-01T09:00:00Z"
    await company.set_ref(learner, 1, "x")
    await company.enroll(by_manager, course)
    for person in (learner, by_manager):
        (mine,) = (await company.api.acting_as(person).value(MINE))["nodes"]
        assert (mine["isActive"], mine["expiresAt"]) == (True, None)
    # Who has the course by a rule as well keeps it when the days are over.
    alone = await company.person("Alone")
    await company.api.acting_as(alone).value(ENROLL_SELF, input={"course": key_of(course)})
    await company.set_ref(self_enrolled, 1, "x")
    await end_access_that_is_over(company.api.advance(days=31))
    assert await company.log(actions=["EXPIRED"]) == ["EXPIRED A SYSTEM"]
    assert await company.enrolled(alone) == []
    for person in (learner, by_manager, self_enrolled):
        assert await company.enrolled(person) == ["A"]
