"""Cases that random histories have found: rules, paths and managers that act on one enrollment."""

import pytest

from tests.scenarios.histories import UPDATE_PATH
from tests.support.company import BACKFILL_RULE, Company, content_id, key_of, ref_is


@pytest.mark.parametrize("way", ["UNENROLL", "RELEASE", "revoked"])
async def test_a_target_that_is_also_in_a_path_of_the_rule_ends_as_a_target(company: Company, way: str) -> None:
    """Course and path are targets: both end with AUTO_UNENROLLMENT; the course that is none, with LEARNING_PATH."""
    course, inside = await company.course("Course"), await company.course("Inside")
    path = await company.path("Path", course, inside)
    person = await company.person("Pia", {1: "x"})
    when_unmet = "KEEP" if way == "revoked" else way
    rule = await company.rule("R", ref_is(1, "x"), gives=[course, path], when_unmet=when_unmet)
    if way == "revoked":
        await company.delete(rule, revokes=True)
    else:
        await company.set_ref(person, 1, "y")
    assert await company.enrolled(person) == []
    assert sorted(await company.log(person, actions=["UNENROLLED"])) == [
        "UNENROLLED Course AUTO_UNENROLLMENT R",
        "UNENROLLED Inside LEARNING_PATH R",
        "UNENROLLED Path AUTO_UNENROLLMENT R",
    ]


async def test_a_rule_that_enters_while_another_takes_away_its_old_reason_enrolls_once(company: Company) -> None:
    """Left with KEEP, then met again in the change by which another rule unenrolls: one enrollment, not two."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "x", 2: "x"})
    await company.rule("Keeps", ref_is(1, "x"), gives=[course])
    await company.rule("Takes", ref_is(2, "x"), gives=[course], when_unmet="UNENROLL")
    await company.set_ref(person, 1, None)
    again = [{"number": 1, "value": "x"}, {"number": 2, "value": None}]
    assert await company.change(person, refValues=again) == [
        "UNENROLLED A AUTO_UNENROLLMENT Takes",
        "ENROLLED A AUTO_ENROLLMENT Keeps",
    ]
    assert await company.reasons(person) == {"A": ["AUTO_ENROLLMENT Keeps"]}


async def test_a_change_of_a_path_gives_nothing_back_that_it_does_not_touch(company: Company) -> None:
    """Whom a manager took out of a course of the path does not come back because another course leaves the path."""
    first, second = await company.course("First"), await company.course("Second")
    path = await company.path("Path", first, second)
    person = await company.person("Pia")
    await company.enroll(person, path)
    await company.unenroll(person, second)
    items = [{"courseId": content_id(second)}]
    await company.do(UPDATE_PATH, learningPath=key_of(path), changes={"items": items})
    assert await company.enrolled(person) == ["Path"]


@pytest.mark.parametrize("is_back", [False, True])
async def test_no_backfill_enrolls_whom_a_manager_took_out_since(company: Company, is_back: bool) -> None:
    """Members who were unenrolled by hand get nothing from this rule, also where a manager enrolled them again."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course], backfills=False)
    await company.enroll(person, course)
    company.api.advance(minutes=1)
    await company.unenroll(person, course)
    if is_back:
        company.api.advance(minutes=1)
        await company.enroll(person, course)
    done = await company.do(BACKFILL_RULE, id=rule["rule"]["id"])
    assert (done["backfill"]["status"], done["backfill"]["totalCount"]) == ("SUCCEEDED", 0)
    assert await company.reasons(person) == ({"A": ["MANAGER"]} if is_back else {})
