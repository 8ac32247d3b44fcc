"""The guide on what rules do: entering, leaving, backfill, and rules that meet. Which sentence is where: the table of
`test_auto_assignment_guide`."""

import pytest

from domain.foundation.access import Principal
from domain.people.models import PlaceKind
from tests.support.company import (
    DEACTIVATE,
    REACTIVATE,
    UPDATE_RULE,
    Company,
    belongs_to,
    learner_id,
    place_id,
    ref_is,
    ref_is_not,
    status_is,
    told,
)


async def test_content_shows_up_in_the_access_widget_without_the_learner_doing_anything(
    company: Company, learner: Principal
) -> None:
    """What a rule gives is in the learner's own list right after the change that made them meet it."""
    course = await company.course("A")
    await company.rule("R", ref_is(1, "x"), gives=[course])
    assert await company.widget(learner) == []
    await company.set_ref(learner, 1, "x")
    assert await company.widget(learner) == ["A"]


async def test_every_enrollment_by_a_rule_is_in_the_log(company: Company) -> None:
    """Each is logged with the source AUTO_ENROLLMENT, the rule and the account whose change it was."""
    rule_ids = {}
    person = await company.person("Pia", {2: "x"})
    for number in (1, 2):
        course = await company.course(f"C{number}")
        path = await company.path(f"P{number}")
        rule_ids[number] = (await company.rule(f"R{number}", ref_is(number, "x"), gives=[course, path]))["rule"]["id"]
    await company.set_ref(person, 1, "x")
    assert sorted(await company.log(person, sources=["AUTO_ENROLLMENT"])) == [
        "ENROLLED C1 AUTO_ENROLLMENT R1",
        "ENROLLED C2 AUTO_ENROLLMENT R2",
        "ENROLLED P1 AUTO_ENROLLMENT R1",
        "ENROLLED P2 AUTO_ENROLLMENT R2",
    ]
    entries = await company.client.value(
        "query($rule: ID!) { contentActions(first: 10, filter: { ruleId: $rule }) {"
        " nodes { rule { id } ruleId actor { name } learner { id } resultingStatus } } }",
        rule=rule_ids[1],
    )
    expected = {
        "rule": {"id": rule_ids[1]},
        "ruleId": rule_ids[1],
        "actor": {"name": "Ada Admin"},
        "learner": {"id": learner_id(person)},
        "resultingStatus": "NOT_STARTED",
    }
    assert entries["nodes"] == [expected, expected]


async def test_rules_work_beside_enrollment_by_managers(company: Company) -> None:
    """A rule adds to what a manager gave; each is a reason of its own, so that it is clear why somebody is enrolled."""
    course = await company.course("A")
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="RELEASE")
    person = await company.person("Pia")
    await company.enroll(person, course)
    await company.set_ref(person, 1, "x")
    assert await company.reasons(person) == {"A": ["AUTO_ENROLLMENT R", "MANAGER"]}
    assert await company.set_ref(person, 1, "y") == []
    assert await company.reasons(person) == {"A": ["MANAGER"]}


@pytest.mark.parametrize("kind", ["ref", "department", "group", "client", "sublicense", "active", "status", "left"])
async def test_every_relevant_change_is_answered_with_what_the_rules_did(company: Company, kind: str) -> None:
    """When a mutation answers, the rules have been evaluated, and their enrollments and unenrollments are there."""
    department = await company.place(PlaceKind.DEPARTMENT, "D")
    group = await company.place(PlaceKind.LEARNING_GROUP, "G", owner_id=company.admin.learner_id)
    client = await company.place(PlaceKind.CLIENT, "C")
    part = await company.place(PlaceKind.SUBLICENSE, "S", client_id=client.id)
    watched, gift = await company.course("Watched"), await company.course("Gift")
    condition = {
        "ref": ref_is(1, "x"),
        "department": belongs_to(department),
        "group": belongs_to(group),
        "client": belongs_to(client),
        "sublicense": belongs_to(part),
        "active": ref_is_not(1, "x"),
        "status": status_is("IN_PROGRESS", watched),
        "left": status_is("NOT_STARTED", watched),
    }[kind]
    person = await company.person("Pia")
    await company.rule("R", condition, gives=[gift], when_unmet="UNENROLL", backfills=kind != "active")
    key = {"learner": {"id": learner_id(person)}}
    match kind:
        case "ref":
            entering = await company.set_ref(person, 1, "x")
            leaving = await company.set_ref(person, 1, None)
        case "department":
            entering = await company.change(person, departmentId=place_id(department))
            leaving = await company.change(person, departmentId=None)
        case "group" | "client" | "sublicense":
            place = {"group": group, "client": client, "sublicense": part}[kind]
            entering = await company.move_in(person, place)
            leaving = await company.move_out(person, place)
        case "active":
            assert await company.enrolled(person) == []
            await company.do(DEACTIVATE, **key)
            entering = told((await company.do(REACTIVATE, **key))["autoAssignmentActions"])
            leaving = told((await company.do(DEACTIVATE, **key))["autoAssignmentActions"])
        case "status":
            await company.enroll(person, watched)
            entering = await company.report(person, watched, score=50)
            leaving = await company.report(person, watched, isFinished=True)
        case _:
            entering = await company.enroll(person, watched)
            leaving = await company.unenroll(person, watched)
    assert entering == ["ENROLLED Gift AUTO_ENROLLMENT R"]
    assert leaving == ["UNENROLLED Gift AUTO_UNENROLLMENT R"]
    assert await company.log(person, sources=["AUTO_ENROLLMENT", "AUTO_UNENROLLMENT"]) == entering + leaving
    assert "Gift" not in await company.enrolled(person)


async def test_ref_1_is_developer_changed_to_sales_unenrolls(company: Company, learner: Principal) -> None:
    """A learner meets "User Ref#1 is equal to Developer", the value becomes "Sales": unenrolled, and logged so."""
    course = await company.course("Course")
    path = await company.path("Path", await company.course("Inside"))
    await company.rule("Developers", ref_is(1, "Developer"), gives=[course, path], when_unmet="UNENROLL")
    await company.set_ref(learner, 1, "Developer")
    assert await company.widget(learner) == ["Course", "Inside", "Path"]
    assert sorted(await company.set_ref(learner, 1, "Sales")) == [
        "UNENROLLED Course AUTO_UNENROLLMENT Developers",
        "UNENROLLED Inside LEARNING_PATH Developers",
        "UNENROLLED Path AUTO_UNENROLLMENT Developers",
    ]
    assert await company.widget(learner) == []
    assert sorted(await company.log(learner, sources=["AUTO_UNENROLLMENT"])) == [
        "UNENROLLED Course AUTO_UNENROLLMENT Developers",
        "UNENROLLED Path AUTO_UNENROLLMENT Developers",
    ]


async def test_without_unenrollment_who_no_longer_meets_a_rule_stays(company: Company) -> None:
    """Un-enrolling is an option: without it nothing happens when the conditions are no longer met."""
    person = await company.person("Pia", {1: "Developer"})
    await company.rule("R", ref_is(1, "Developer"), gives=[await company.course("A")])
    assert await company.set_ref(person, 1, "Sales") == []
    assert await company.enrolled(person) == ["A"]


async def test_existing_learners_are_enrolled_by_default(company: Company) -> None:
    """Backfill is on unless it is switched off, and enrolls who meets the conditions already."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "x"})
    saved = await company.rule("R", ref_is(1, "x"), gives=[course])
    assert (saved["backfill"]["status"], saved["backfill"]["totalCount"]) == ("SUCCEEDED", 1)
    assert await company.enrolled(person) == ["A"]


async def test_without_backfill_only_who_newly_meets_the_conditions_is_enrolled(company: Company) -> None:
    """Who met them before is not enrolled by later changes either, until they left and came back."""
    course = await company.course("A")
    old, new = await company.person("Old", {1: "x"}), await company.person("New")
    saved = await company.rule("R", ref_is(1, "x"), gives=[course], backfills=False)
    assert saved["backfill"] is None
    assert await company.set_ref(old, 2, "anything") == []
    assert await company.enrolled(old) == []
    assert await company.set_ref(new, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.set_ref(old, 1, "y") == []
    assert await company.set_ref(old, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_editing_backfills_by_default(company: Company) -> None:
    """Existing learners who meet changed conditions are enrolled when the edit is saved."""
    person = await company.person("Pia", {1: "x"})
    rule = await company.rule("R", ref_is(1, "nobody"), gives=[await company.course("A")])
    saved = await company.do(UPDATE_RULE, id=rule["rule"]["id"], changes={"conditions": [ref_is(1, "x")]})
    assert (saved["backfill"]["status"], saved["backfill"]["totalCount"]) == ("SUCCEEDED", 1)
    assert await company.enrolled(person) == ["A"]


@pytest.mark.parametrize("count", [99, 100])
async def test_100_or_more_learners_are_enrolled_in_a_background_job(company: Company, count: int) -> None:
    """99 learners are enrolled when the mutation answers; 100 by a job that tells how far it is."""
    course = await company.course("A")
    await company.crowd(count, {1: "x"})
    is_many = count >= 100
    preview = await company.preview(ref_is(1, "x"), gives=[course])
    assert (preview["canBackfill"], preview["backfillsInBackground"]) == (True, is_many)
    rule = await company.rule("R", ref_is(1, "x"), gives=[course])
    job = rule["backfill"]
    assert job["kind"] == "RULE_BACKFILL"
    assert (job["status"], job["processedCount"]) == (("QUEUED", 0) if is_many else ("SUCCEEDED", count))
    assert await company.count_enrolled(course) == (0 if is_many else count)
    assert await company.run_jobs() == is_many
    ended = await company.client.value(
        "query($id: ID!) { backgroundJob(id: $id) { status totalCount processedCount failedCount } }", id=job["id"]
    )
    assert ended == {"status": "SUCCEEDED", "totalCount": count, "processedCount": count, "failedCount": 0}
    assert await company.count_enrolled(course) == count
    assert (await company.look_at(rule))["enrolledLearnerCount"] == count


async def test_rules_whose_conditions_are_each_others_targets_fire_once(company: Company) -> None:
    """Not started in B gives A, not started in A gives B: only one of them fires, whichever course came first."""
    a, b = await company.course("A", lesson_count=2), await company.course("B", lesson_count=2)
    await company.rule("One", status_is("NOT_STARTED", b), gives=[a])
    await company.rule("Two", status_is("NOT_STARTED", a), gives=[b])
    first, second = await company.person("First in B"), await company.person("First in A")
    assert await company.enroll(first, b) == ["ENROLLED A AUTO_ENROLLMENT One"]
    assert await company.enroll(second, a) == ["ENROLLED B AUTO_ENROLLMENT Two"]
    assert await company.reasons(first) == {"A": ["AUTO_ENROLLMENT One"], "B": ["MANAGER"]}
    assert await company.reasons(second) == {"A": ["MANAGER"], "B": ["AUTO_ENROLLMENT Two"]}


async def test_an_enrollment_by_a_rule_triggers_no_rule_later_either(company: Company) -> None:
    """Later changes of other facts do not make it count; what the learner does in the course counts."""
    a, b, other = [await company.course(title, lesson_count=2) for title in ("A", "B", "Other")]
    gift = await company.course("Gift")
    client = await company.place(PlaceKind.CLIENT, "Client")
    await company.rule("One", status_is("NOT_STARTED", b), gives=[a])
    await company.rule("Two", status_is("NOT_STARTED", a), gives=[b])
    await company.rule("Started", status_is("IN_PROGRESS", a), gives=[gift])
    person = await company.person("Pia")
    await company.enroll(person, b)
    changes = [
        await company.set_ref(person, 1, "x"),
        await company.move_in(person, client),
        await company.enroll(person, other),
        await company.report(person, other, lessonsDone=1),
        await company.set_ref(person, 1, None),
    ]
    assert changes == [[], [], [], [], []]
    assert await company.reasons(person) == {
        "A": ["AUTO_ENROLLMENT One"],
        "B": ["MANAGER"],
        "Other": ["MANAGER"],
    }
    assert await company.report(person, a, lessonsDone=1) == ["ENROLLED Gift AUTO_ENROLLMENT Started"]


async def test_three_rules_in_a_circle_do_not_run_in_circles(company: Company) -> None:
    """With UNENROLL and a circle of three, one enrollment by hand has one effect, and taking it away one more."""
    courses = {title: await company.course(title) for title in "ABC"}
    for gives, watches in ("BA", "CB", "AC"):
        await company.rule(
            f"{watches} to {gives}",
            status_is("NOT_STARTED", courses[watches]),
            gives=[courses[gives]],
            when_unmet="UNENROLL",
        )
    person = await company.person("Pia")
    assert await company.enroll(person, courses["A"]) == ["ENROLLED B AUTO_ENROLLMENT A to B"]
    assert await company.unenroll(person, courses["A"]) == ["UNENROLLED B AUTO_UNENROLLMENT A to B"]
    assert await company.enrolled(person) == []


async def test_the_log_shows_why_a_rule_did_not_fire(company: Company) -> None:
    """Not started in B without A: the log's source AUTO_ENROLLMENT for B tells that the rule was not meant to fire."""
    a, b = await company.course("A"), await company.course("B")
    one = await company.rule("One", status_is("NOT_STARTED", b), gives=[a])
    await company.rule("B for x", ref_is(1, "x"), gives=[b])
    person = await company.person("Pia")
    await company.set_ref(person, 1, "x")
    assert await company.enrolled(person) == ["B"]
    assert await company.log(person, contentIds=[one["rule"]["contents"][0]["id"]]) == []
    assert await company.log(person) == ["ENROLLED B AUTO_ENROLLMENT B for x"]
    explained = await company.client.value(
        "query($rule: ID!, $learner: LearnerKeyInput!) {"
        " autoAssignmentRuleExplanation(ruleId: $rule, learner: $learner) { isMet conditions { isMet fact } } }",
        rule=one["rule"]["id"],
        learner={"id": learner_id(person)},
    )
    assert (explained["isMet"], [verdict["isMet"] for verdict in explained["conditions"]]) == (False, [False])
    assert "rule" in explained["conditions"][0]["fact"]


async def test_two_rules_enroll_in_the_same_content(company: Company, learner: Principal) -> None:
    """Two auto-enrollments are logged and two reasons kept, but the learner sees the content once."""
    course = await company.course("A")
    await company.rule("One", ref_is(1, "x"), gives=[course])
    await company.rule("Two", ref_is(2, "x"), gives=[course])
    await company.change(learner, refValues=[{"number": 1, "value": "x"}, {"number": 2, "value": "x"}])
    assert sorted(await company.log(learner)) == [
        "ENROLLED A AUTO_ENROLLMENT One",
        "ENROLLED A AUTO_ENROLLMENT Two",
    ]
    assert await company.reasons(learner) == {"A": ["AUTO_ENROLLMENT One", "AUTO_ENROLLMENT Two"]}
    assert await company.widget(learner) == ["A"]


async def test_unenrollments_come_before_enrollments(company: Company) -> None:
    """One change that ends and begins: the log and the payload have every unenrollment first."""
    courses = {title: await company.course(title) for title in "ABCD"}
    await company.rule("New", ref_is(1, "new"), gives=[courses["A"], courses["B"]])
    await company.rule("Old", ref_is(1, "old"), gives=[courses["A"], courses["C"], courses["D"]], when_unmet="UNENROLL")
    person = await company.person("Pia")
    await company.set_ref(person, 1, "old")
    done = await company.set_ref(person, 1, "new")
    assert [line.split()[0] for line in done] == ["UNENROLLED"] * 3 + ["ENROLLED"] * 2
    assert sorted(done[:3]) == [f"UNENROLLED {title} AUTO_UNENROLLMENT Old" for title in "ACD"]
    assert sorted(done[3:]) == [f"ENROLLED {title} AUTO_ENROLLMENT New" for title in "AB"]
    assert (await company.log(person))[3:] == done
    assert await company.enrolled(person) == ["A", "B"]


async def test_what_one_rule_takes_another_one_gives_back(company: Company) -> None:
    """Rule #1 on a completed course and rule #2 on Ref#1, with un-enrollment, give course A; then Ref#1 changes."""
    cyber = await company.course("Understanding Cyber Security")
    course = await company.course("A")
    await company.rule("Rule #1", status_is("COMPLETED", cyber), gives=[course])
    await company.rule("Rule #2", ref_is(1, "Developer"), gives=[course], when_unmet="UNENROLL")
    both, developer = await company.person("Both"), await company.person("Developer")
    await company.enroll(both, cyber)
    await company.report(both, cyber, isFinished=True)
    for person in (both, developer):
        await company.set_ref(person, 1, "Developer")
    assert await company.set_ref(both, 1, "Sales") == [
        "UNENROLLED A AUTO_UNENROLLMENT Rule #2",
        "ENROLLED A AUTO_ENROLLMENT Rule #1",
    ]
    assert await company.reasons(both) == {
        "A": ["AUTO_ENROLLMENT Rule #1"],
        "Understanding Cyber Security": ["MANAGER"],
    }
    assert await company.set_ref(developer, 1, "Sales") == ["UNENROLLED A AUTO_UNENROLLMENT Rule #2"]
    assert await company.enrolled(developer) == []


async def test_who_is_enrolled_already_is_enrolled_again(company: Company) -> None:
    """Meeting a rule for a content one has: a new AUTO_ENROLLMENT entry, and status and progress stay."""
    course = await company.course("A", lesson_count=2)
    await company.rule("R", ref_is(1, "x"), gives=[course])
    person = await company.person("Pia")
    await company.enroll(person, course)
    await company.report(person, course, lessonsDone=1)
    assert await company.set_ref(person, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.log(person, actions=["ENROLLED"]) == [
        "ENROLLED A MANAGER",
        "ENROLLED A AUTO_ENROLLMENT R",
    ]
    (enrollment,) = (await company.client.value("{ enrollments(first: 5) { nodes { status progressPercent } } }"))[
        "nodes"
    ]
    assert enrollment == {"status": "IN_PROGRESS", "progressPercent": 50}


async def test_with_unenrollment_who_was_enrolled_otherwise_too_is_unenrolled(company: Company) -> None:
    """Enrolled by a manager and then by a rule with un-enrollment: no longer meeting it ends the enrollment."""
    course = await company.course("A")
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    person = await company.person("Pia")
    await company.enroll(person, course)
    await company.set_ref(person, 1, "x")
    assert await company.set_ref(person, 1, "y") == ["UNENROLLED A AUTO_UNENROLLMENT R"]
    assert await company.enrolled(person) == []
