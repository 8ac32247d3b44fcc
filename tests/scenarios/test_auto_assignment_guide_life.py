"""The guide on the life of rules: the switch, the list, the limit, editing, deleting. Which sentence is where: the
table of `test_auto_assignment_guide`."""

import pytest

from domain.foundation.access import Principal, Role
from tests.support import factories
from tests.support.api import Api
from tests.support.company import (
    CREATE_RULE,
    DUPLICATE_RULE,
    PREVIEW,
    SWITCH,
    UPDATE_RULE,
    Company,
    key_of,
    ref_is,
    ref_is_not,
    rule_input,
    status_is,
)


async def test_the_feature_is_behind_a_flag_that_administrators_switch(api: Api) -> None:
    """Off at first: no rules. An administrator of the tenant turns it on, nobody else does."""
    tenant = await factories.create_tenant(slug="new", is_auto_assignment_enabled=False)
    admin = await factories.create_person(tenant.id, role=Role.ADMIN)
    company = Company(api, tenant, admin, api.acting_as(admin))
    course = await company.course("A")
    person = await company.person("Pia", {1: "x"})
    fields = rule_input("R", ref_is(1, "x"), gives=[course])
    assert await company.refused(CREATE_RULE, **fields) == [("FEATURE_DISABLED", "")]
    preview = {"conditions": [ref_is(1, "x")]}
    assert await company.client.errors(PREVIEW, input=preview) == ["FEATURE_DISABLED"]
    switch = {"feature": "AUTO_ASSIGNMENT", "isEnabled": True}
    assert await api.acting_as(person).errors(SWITCH, input=switch) == ["FORBIDDEN"]
    assert (await company.switch(True))["tenant"] == {"enabledFeatures": ["AUTO_ASSIGNMENT"]}
    await company.do(CREATE_RULE, **fields)
    assert await company.enrolled(person) == ["A"]


async def test_switched_off_rules_rest_and_switched_on_they_catch_up(company: Company) -> None:
    """While the feature is off rules do nothing and nobody is unenrolled; back on, every rule is reconciled."""
    course = await company.course("A")
    rule = await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    leaving, coming = await company.person("Leaving"), await company.person("Coming")
    await company.set_ref(leaving, 1, "x")
    assert (await company.switch(False))["tenant"] == {"enabledFeatures": []}
    assert await company.enrolled(leaving) == ["A"]
    assert await company.set_ref(leaving, 1, "y") == []
    assert await company.set_ref(coming, 1, "x") == []
    refusals = await company.refused(UPDATE_RULE, id=rule["rule"]["id"], changes={"name": "New"})
    assert refusals == [("FEATURE_DISABLED", "")]
    refusals = await company.refused(DUPLICATE_RULE, id=rule["rule"]["id"], name="Copy")
    assert refusals == [("FEATURE_DISABLED", "")]
    assert [found["name"] for found in await company.rules()] == ["R"]
    await company.switch(True)
    await company.run_jobs()
    assert await company.enrolled(leaving) == []
    assert await company.enrolled(coming) == ["A"]


async def test_the_list_of_rules_is_up_to_date(company: Company) -> None:
    """Right after each change the list shows it: new rules, names, first enrollments, counts, deletions."""
    course = await company.course("A")
    person = await company.person("Pia")
    rule = await company.rule("B", ref_is(1, "x"), gives=[course])
    await company.rule("C", ref_is(1, "y"), gives=[course])

    async def shown() -> list[tuple[str, bool, int]]:
        return [
            (found["name"], found["hasEnrolledLearners"], found["enrolledLearnerCount"])
            for found in await company.rules()
        ]

    assert await shown() == [("B", False, 0), ("C", False, 0)]
    await company.set_ref(person, 1, "x")
    assert await shown() == [("B", True, 1), ("C", False, 0)]
    await company.edit(rule, name="D")
    assert await shown() == [("C", False, 0), ("D", True, 1)]
    await company.delete(rule)
    assert await shown() == [("C", False, 0)]


async def test_50_rules_are_the_most(company: Company) -> None:
    """The 51st rule, and a copy as the 51st, are refused with the limit; a deleted one makes room."""
    course = await company.course("A")
    rules = [await company.rule(f"R{number:02}", ref_is(1, str(number)), gives=[course]) for number in range(1, 51)]
    limited = CREATE_RULE.replace("errors {", "errors { ... on LimitExceededError { limit }")
    fields = rule_input("R51", ref_is(1, "51"), gives=[course])
    (error,) = (await company.client.execute(limited, input=fields))["data"]["createAutoAssignmentRule"]["errors"]
    assert (error["code"], error["limit"]) == ("RULE_LIMIT_REACHED", 50)
    refusals = await company.refused(DUPLICATE_RULE, id=rules[0]["rule"]["id"], name="R51")
    assert [code for code, _ in refusals] == ["RULE_LIMIT_REACHED"]
    assert [rule["name"] for rule in await company.rules()] == [f"R{number:02}" for number in range(1, 51)]
    person = await company.person("Pia")
    assert await company.set_ref(person, 1, "50") == ["ENROLLED A AUTO_ENROLLMENT R50"]
    await company.delete(rules[0])
    await company.do(CREATE_RULE, **fields)
    assert len(await company.rules()) == 50


async def test_everything_can_be_edited_until_somebody_was_enrolled(company: Company) -> None:
    """Name, contents, conditions, how they combine, and what happens on leaving."""
    old, new = await company.course("Old"), await company.course("New")
    person = await company.person("Pia", {2: "y"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[old])
    assert rule["rule"]["hasEnrolledLearners"] is False
    assert sorted(rule["rule"]["editableParts"]) == [
        "ADD_CONTENTS",
        "CONDITIONS",
        "NAME",
        "REMOVE_CONTENTS",
        "WHEN_UNMET",
    ]
    saved = await company.edit(
        rule,
        name="S",
        addContents=[key_of(new)],
        removeContents=[key_of(old)],
        match="ANY",
        conditions=[ref_is(1, "z"), ref_is(2, "y")],
        whenUnmet="UNENROLL",
    )
    shown = saved["rule"]
    assert (shown["name"], shown["match"], shown["whenUnmet"]) == ("S", "ANY", "UNENROLL")
    assert [content["title"] for content in shown["contents"]] == ["New"]
    assert [condition["values"] for condition in shown["conditions"]] == [["z"], ["y"]]
    assert await company.enrolled(person) == ["New"]


async def test_the_name_of_a_used_rule_can_be_edited(company: Company) -> None:
    """The name can be edited at any time; the log keeps the name of its time."""
    person = await company.person("Pia", {1: "x"})
    rule = await company.rule("Before", ref_is(1, "x"), gives=[await company.course("A")])
    saved = await company.edit(rule, name="After")
    assert (saved["rule"]["name"], saved["rule"]["hasEnrolledLearners"]) == ("After", True)
    assert [found["name"] for found in await company.rules()] == ["After"]
    assert await company.log(person) == ["ENROLLED A AUTO_ENROLLMENT Before"]


@pytest.mark.parametrize("part", ["removeContents", "conditions", "match"])
async def test_contents_cannot_be_removed_nor_conditions_modified_once_used(company: Company, part: str) -> None:
    """After the first enrollment, ever, the edit is refused as a whole and says what can still be edited."""
    course, other = await company.course("A"), await company.course("B")
    person = await company.person("Pia", {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course, other], when_unmet="UNENROLL")
    # Nobody is enrolled by it now, but somebody was.
    await company.set_ref(person, 1, None)
    changes = {"removeContents": [key_of(other)], "conditions": [ref_is(1, "z")], "match": "ANY"}
    before = await company.look_at(rule)
    assert (before["hasEnrolledLearners"], before["enrolledLearnerCount"]) == (True, 0)
    fields = {"id": rule["rule"]["id"], "changes": {part: changes[part], "name": "New"}}
    payload = await company.client.execute(UPDATE_RULE, input=fields)
    (error,) = payload["data"]["updateAutoAssignmentRule"]["errors"]
    assert (error["code"], error["path"]) == ("RULE_LOCKED", ["input", "changes", part])
    assert sorted(error["editableParts"]) == ["ADD_CONTENTS", "NAME", "WHEN_UNMET"]
    assert await company.look_at(rule) == before


@pytest.mark.parametrize("backfills", [True, False])
async def test_contents_can_be_added_to_a_used_rule_with_or_without_backfill(company: Company, backfills: bool) -> None:
    """With backfill who met the conditions before gets the new item; without, only who newly meets them does."""
    old_course, new_course = await company.course("Old"), await company.course("New")
    before, later = await company.person("Before", {1: "x"}), await company.person("Later")
    rule = await company.rule("R", ref_is(1, "x"), gives=[old_course])
    saved = await company.edit(rule, addContents=[key_of(new_course)], backfills=backfills)
    assert sorted(content["title"] for content in saved["rule"]["contents"]) == ["New", "Old"]
    if backfills:
        assert (saved["backfill"]["status"], saved["backfill"]["totalCount"]) == ("SUCCEEDED", 1)
        assert await company.enrolled(before) == ["New", "Old"]
    else:
        assert saved["backfill"] is None
        await company.set_ref(before, 2, "anything")
        assert await company.enrolled(before) == ["Old"]
    assert sorted(await company.set_ref(later, 1, "x")) == [
        "ENROLLED New AUTO_ENROLLMENT R",
        "ENROLLED Old AUTO_ENROLLMENT R",
    ]
    assert len(await company.log(before)) == (2 if backfills else 1)


async def test_a_rule_is_duplicated_with_changes(company: Company) -> None:
    """The copy of a used rule is a new rule with a new name: all of it can be changed, and the original stays."""
    course = await company.course("A")
    await company.person("Pia", {1: "x"})
    person = await company.person("Quinn", {1: "y"})
    original = await company.rule("R", ref_is(1, "x"), ref_is_not(2, "z"), gives=[course], when_unmet="RELEASE")
    copy = await company.do(DUPLICATE_RULE, id=original["rule"]["id"], name="R for y")
    differing = ("id", "name", "version", "hasEnrolledLearners", "editableParts", "enrolledLearnerCount")
    for rule in (shown := copy["rule"], unchanged := await company.look_at(original)):
        assert rule["name"] in ("R", "R for y")
    stays = {key: value for key, value in shown.items() if key not in (*differing, "revocableLearnerCount")}
    assert stays == {key: unchanged[key] for key in stays}
    changed = await company.do(
        DUPLICATE_RULE, id=original["rule"]["id"], name="R for Quinn", changes={"conditions": [ref_is(1, "y")]}
    )
    assert changed["rule"]["whenUnmet"] == "RELEASE"
    assert [condition["values"] for condition in changed["rule"]["conditions"]] == [["y"]]
    assert await company.reasons(person) == {"A": ["AUTO_ENROLLMENT R for Quinn"]}
    assert await company.look_at(original) == unchanged


async def test_rules_can_be_deleted_at_any_time(company: Company) -> None:
    """Unused, used, and while their backfill runs; a deleted rule does nothing any more, and its name is free."""
    course = await company.course("A")
    unused = await company.rule("Unused", ref_is(1, "nobody"), gives=[course])
    assert (await company.delete(unused))["deletedRuleId"] == unused["rule"]["id"]
    await company.crowd(100, {1: "x"})
    running = await company.rule("R", ref_is(1, "x"), gives=[course])
    assert running["backfill"]["status"] == "QUEUED"
    assert (await company.delete(running))["revocation"] is None
    assert await company.rules() == []
    await company.run_jobs()
    job = "query($id: ID!) { backgroundJob(id: $id) { status } }"
    assert await company.client.value(job, id=running["backfill"]["id"]) == {"status": "CANCELLED"}
    assert await company.count_enrolled(course) == 0
    person = await company.person("Pia")
    assert await company.set_ref(person, 1, "x") == []
    await company.rule("R", ref_is(2, "x"), gives=[course])


async def test_deleting_without_revoking_unenrolls_nobody(company: Company) -> None:
    """What learners received while the rule was active they keep, whatever becomes of its conditions."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    assert (await company.delete(rule))["revocation"] is None
    assert await company.run_jobs() == 0
    assert await company.set_ref(person, 1, "y") == []
    assert await company.reasons(person) == {"A": ["AUTO_ENROLLMENT R"]}
    assert await company.log(person) == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_revoking_unenrolls_only_who_was_enrolled_by_the_rule(company: Company) -> None:
    """Who was enrolled by the rule alone loses access; who was enrolled otherwise, or by another rule, keeps it."""
    course = await company.course("A")
    alone = await company.person("Alone", {1: "x"})
    stayed = await company.person("Stayed", {1: "x"})
    by_manager = await company.person("By manager", {1: "x"})
    by_two = await company.person("By two", {1: "x", 2: "x"})
    only_manager = await company.person("Only manager")
    for person in (by_manager, only_manager):
        await company.enroll(person, course)
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    await company.rule("Other", ref_is(2, "x"), gives=[course])
    # No longer meets the rule, but was enrolled by it and kept.
    await company.set_ref(stayed, 1, "y")
    seen = await company.look_at(rule)
    assert (seen["enrolledLearnerCount"], seen["revocableLearnerCount"]) == (4, 2)
    revocation = (await company.delete(rule, revokes=True))["revocation"]
    assert (revocation["kind"], revocation["status"], revocation["totalCount"]) == ("RULE_REVOCATION", "SUCCEEDED", 4)
    assert await company.reasons(alone) == await company.reasons(stayed) == {}
    assert await company.reasons(by_manager) == await company.reasons(only_manager) == {"A": ["MANAGER"]}
    assert await company.reasons(by_two) == {"A": ["AUTO_ENROLLMENT Other"]}
    for person in (alone, stayed):
        assert await company.log(person) == ["ENROLLED A AUTO_ENROLLMENT R", "UNENROLLED A AUTO_UNENROLLMENT R"]
    assert await company.log(by_manager, actions=["UNENROLLED"]) == []


@pytest.mark.parametrize("count", [99, 100])
async def test_100_or_more_learners_are_unenrolled_in_a_background_job(company: Company, count: int) -> None:
    """99 learners have lost access when the mutation answers; 100 lose it by a job."""
    course = await company.course("A")
    await company.crowd(count, {1: "x"})
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    await company.run_jobs()
    assert await company.count_enrolled(course) == count
    is_many = count >= 100
    job = (await company.delete(rule, revokes=True))["revocation"]
    assert (job["kind"], job["status"]) == ("RULE_REVOCATION", "QUEUED" if is_many else "SUCCEEDED")
    assert await company.rules() == []
    assert await company.count_enrolled(course) == (count if is_many else 0)
    assert await company.run_jobs() == is_many
    assert await company.count_enrolled(course) == 0
    ended = await company.client.value(
        "query($id: ID!) { backgroundJob(id: $id) { status totalCount processedCount failedCount } }", id=job["id"]
    )
    assert ended == {"status": "SUCCEEDED", "totalCount": count, "processedCount": count, "failedCount": 0}
    unenrolled = await company.client.value(
        "{ contentActions(first: 1, filter: { actions: [UNENROLLED], sources: [AUTO_UNENROLLMENT] }) { totalCount } }"
    )
    assert unenrolled == {"totalCount": count}


async def test_who_a_manager_took_out_stays_out_until_they_newly_meet_the_rule(
    company: Company, learner: Principal
) -> None:
    """A rule acts when somebody comes to meet it: what a manager does afterwards sticks."""
    course, other = await company.course("A"), await company.course("B")
    await company.rule("R", ref_is(1, "x"), gives=[course])
    await company.rule("Other", status_is("NOT_STARTED", other), gives=[course])
    await company.set_ref(learner, 1, "x")
    assert await company.unenroll(learner, course) == []
    assert await company.set_ref(learner, 2, "anything") == []
    assert await company.enrolled(learner) == []
    assert await company.enroll(learner, other) == ["ENROLLED A AUTO_ENROLLMENT Other"]
