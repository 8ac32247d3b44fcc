"""The guide on what a rule is made of: name, contents, conditions, preview. Which sentence is where: the table of
`test_auto_assignment_guide`."""

import pytest

from domain.foundation.access import Principal
from domain.people.models import PlaceKind
from tests.support.api import Api
from tests.support.company import (
    CREATE_LEARNER,
    CREATE_RULE,
    Company,
    belongs_to,
    content_id,
    learner_id,
    place_id,
    ref_is,
    ref_is_not,
    rule_input,
    status_is,
)

ENROLLED_PATH = "ENROLLED Cybersecurity Fundamentals AUTO_ENROLLMENT Developers"


async def test_rules_enroll_in_courses_and_learning_paths(company: Company) -> None:
    """One rule can give courses and learning paths at once."""
    inside = await company.course("Inside")
    course, path = await company.course("Course"), await company.path("Path", inside)
    person = await company.person("Pia")
    await company.rule("R", ref_is(1, "x"), gives=[course, path])
    assert sorted(await company.set_ref(person, 1, "x")) == [
        "ENROLLED Course AUTO_ENROLLMENT R",
        "ENROLLED Inside LEARNING_PATH R",
        "ENROLLED Path AUTO_ENROLLMENT R",
    ]
    assert await company.enrolled(person) == ["Course", "Inside", "Path"]


async def test_developers_are_enrolled_in_cybersecurity_fundamentals(company: Company) -> None:
    """All users with a Ref#1 value of "Developer" go into the "Cybersecurity Fundamentals" learning path."""
    path = await company.path("Cybersecurity Fundamentals", await company.course("Passwords"))
    ada, bob = await company.person("Ada", {1: "Developer"}), await company.person("Bob", {1: "Sales"})
    await company.rule("Developers", ref_is(1, "Developer"), gives=[path])
    assert await company.enrolled(ada) == ["Cybersecurity Fundamentals", "Passwords"]
    assert await company.enrolled(bob) == []
    assert await company.set_ref(bob, 1, "Developer") == [
        ENROLLED_PATH,
        "ENROLLED Passwords LEARNING_PATH Developers",
    ]


@pytest.mark.parametrize("kind", [PlaceKind.CLIENT, PlaceKind.SUBLICENSE])
async def test_placement_in_a_panorama_or_sublicense_enrolls(company: Company, kind: PlaceKind) -> None:
    """Who is placed in a panorama or sublicense gets the course, at once."""
    client = await company.place(PlaceKind.CLIENT, "Client")
    place = client if kind is PlaceKind.CLIENT else await company.place(kind, "Part", client_id=client.id)
    course = await company.course("A")
    person = await company.person("Pia")
    await company.rule("R", belongs_to(place), gives=[course])
    assert await company.enrolled(person) == []
    assert await company.move_in(person, place) == ["ENROLLED A AUTO_ENROLLMENT R"]
    assert await company.enrolled(person) == ["A"]


async def test_who_joins_with_a_reference_value_is_enrolled_at_once(company: Company) -> None:
    """Reference values from an onboarding survey enroll learners right when they join."""
    course = await company.course("A")
    await company.rule("R", ref_is(3, "Onboarding: IT"), gives=[course])
    payload = await company.do(
        CREATE_LEARNER, name="Nina", email="nina@acme.test", refValues=[{"number": 3, "value": "Onboarding: IT"}]
    )
    (action,) = payload["autoAssignmentActions"]
    assert (action["action"], action["source"], action["learner"]) == (
        "ENROLLED",
        "AUTO_ENROLLMENT",
        payload["learner"],
    )
    assert await company.count_enrolled(course) == 1


async def test_rules_put_nobody_into_panoramas_and_sublicenses(company: Company) -> None:
    """A panorama or sublicense cannot be what a rule gives, and what rules give changes no placement."""
    client = await company.place(PlaceKind.CLIENT, "Client")
    part = await company.place(PlaceKind.SUBLICENSE, "Part", client_id=client.id)
    course = await company.course("A")
    for place in (client, part):
        fields = rule_input("R", ref_is(1, "x"), gives=[]) | {"contents": [{"id": place_id(place)}]}
        assert await company.refused(CREATE_RULE, **fields) == [("NOT_FOUND", "input.contents.0")]
    person = await company.person("Pia")
    await company.rule("R", ref_is(1, "x"), gives=[course])
    await company.set_ref(person, 1, "x")
    placed = await company.client.value(
        "query($by: LearnerKeyInput!) { learner(by: $by) { clients { name } sublicenses { name } } }",
        by={"id": learner_id(person)},
    )
    assert placed == {"clients": [], "sublicenses": []}


async def test_a_rule_has_an_internal_name(company: Company) -> None:
    """The name identifies the rule: it is shown to administrators, and no two rules share one."""
    course = await company.course("A")
    await company.rule("Security for developers", ref_is(1, "Developer"), gives=[course])
    assert [rule["name"] for rule in await company.rules()] == ["Security for developers"]
    twin = rule_input("Security for developers", ref_is(2, "x"), gives=[course])
    assert await company.refused(CREATE_RULE, **twin) == [("ALREADY_EXISTS", "input.name")]


async def test_rule_names_are_hidden_from_learners_and_trainers(
    api: Api, company: Company, trainer: Principal, learner: Principal
) -> None:
    """Learners and trainers see the source AUTO_ENROLLMENT, and nothing that names the rule."""
    course = await company.course("A", trainers=[trainer.learner_id or 0])
    rule = await company.rule("Secret plan", ref_is(1, "x"), gives=[course], when_unmet="RELEASE")
    await company.set_ref(learner, 1, "x")
    everything = """{
      contentActions(first: 10) { nodes { source rule { id name } ruleId ruleName } }
      enrollments(first: 10) { nodes {
        reasons { source rule { name } ruleName } reasonHistory { source rule { name } ruleName }
        contentActions(first: 5) { nodes { source rule { name } ruleId ruleName } } } }
      viewer { access(first: 5) { nodes { reasons { source rule { name } ruleName } } } } }"""
    nameless = {"source": "AUTO_ENROLLMENT", "rule": None, "ruleName": None}
    for person in (learner, trainer):
        seen = await api.acting_as(person).run(everything)
        assert seen["contentActions"]["nodes"] == [nameless | {"ruleId": None}]
        (enrollment,) = seen["enrollments"]["nodes"]
        assert enrollment["reasons"] == enrollment["reasonHistory"] == [nameless]
        assert enrollment["contentActions"]["nodes"] == [nameless | {"ruleId": None}]
        assert "Secret plan" not in (await api.acting_as(person).post(everything)).text
        assert await api.acting_as(person).errors("{ autoAssignmentRules(first: 5) { nodes { name } } }") == [
            "FORBIDDEN"
        ]
        node = "query($id: ID!) { node(id: $id) { id } }"
        assert await api.acting_as(person).run(node, id=rule["rule"]["id"]) == {"node": None}
    (entry,) = (await company.client.run(everything))["contentActions"]["nodes"]
    assert entry["ruleName"] == "Secret plan"


async def test_the_reached_status_of_a_course_or_path_is_a_condition(company: Company) -> None:
    """A condition waits for a status of one course or learning path; each status counts when it is reached."""
    inside = await company.course("Inside")
    course, path = await company.course("Course", lesson_count=2), await company.path("Path", inside)
    gifts = {status: await company.course(status) for status in ("NOT_STARTED", "IN_PROGRESS", "COMPLETED")}
    for status, gift in gifts.items():
        await company.rule(f"{status} course", status_is(status, course), gives=[gift])
    path_gift = await company.course("Path gift")
    await company.rule("Path done", status_is("COMPLETED", path), gives=[path_gift])
    person = await company.person("Pia")
    assert await company.enroll(person, course) == ["ENROLLED NOT_STARTED AUTO_ENROLLMENT NOT_STARTED course"]
    assert await company.report(person, course, lessonsDone=1) == [
        "ENROLLED IN_PROGRESS AUTO_ENROLLMENT IN_PROGRESS course"
    ]
    assert await company.report(person, course, lessonsDone=2) == [
        "ENROLLED COMPLETED AUTO_ENROLLMENT COMPLETED course"
    ]
    assert await company.enroll(person, path) == []
    assert await company.report(person, inside, isFinished=True) == ["ENROLLED Path gift AUTO_ENROLLMENT Path done"]


@pytest.mark.parametrize("completed", ["A", "B"])
async def test_several_contents_of_a_status_condition_mean_or(company: Company, completed: str) -> None:
    """ "When a learner completes Course A or Course B": either is enough, also when all conditions are needed."""
    courses = {title: await company.course(title) for title in "AB"}
    gift = await company.course("Gift")
    await company.rule("R", status_is("COMPLETED", *courses.values()), gives=[gift], match="ALL")
    person = await company.person("Pia")
    for course in courses.values():
        assert await company.enroll(person, course) == []
    assert await company.report(person, courses[completed], isFinished=True) == ["ENROLLED Gift AUTO_ENROLLMENT R"]


async def test_belonging_to_a_sublicense_is_a_condition(company: Company) -> None:
    """The sublicense that was selected counts; another one of the same client and the client itself do not."""
    client = await company.place(PlaceKind.CLIENT, "Client")
    part, other = [await company.place(PlaceKind.SUBLICENSE, name, client_id=client.id) for name in ("Part", "Other")]
    await company.rule("R", belongs_to(part), gives=[await company.course("A")])
    person = await company.person("Pia")
    assert await company.move_in(person, client) == []
    assert await company.move_in(person, other) == []
    assert await company.move_in(person, part) == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_belonging_to_a_client_is_a_condition(company: Company) -> None:
    """The client that was selected counts; another client and a sublicense of it do not."""
    client, other = [await company.place(PlaceKind.CLIENT, name) for name in ("Client", "Other")]
    part = await company.place(PlaceKind.SUBLICENSE, "Part", client_id=client.id)
    await company.rule("R", belongs_to(client), gives=[await company.course("A")])
    person = await company.person("Pia")
    assert await company.move_in(person, part) == []
    assert await company.move_in(person, other) == []
    assert await company.move_in(person, client) == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_reference_values_include_and_exclude(company: Company) -> None:
    """ "User ref#1 is equal to Developer" includes, "User ref#7 is NOT equal to Sales" excludes, who has none is in."""
    included, excluded = await company.course("Included"), await company.course("Not sales")
    developer = await company.person("Developer", {1: "Developer", 7: "Research"})
    salesman = await company.person("Salesman", {1: "Sales", 7: "Sales"})
    nobody = await company.person("Nobody")
    await company.rule("In", ref_is(1, "Developer"), gives=[included])
    await company.rule("Out", ref_is_not(7, "Sales"), gives=[excluded])
    assert await company.enrolled(developer) == ["Included", "Not sales"]
    assert await company.enrolled(salesman) == []
    assert await company.enrolled(nobody) == ["Not sales"]
    assert await company.set_ref(salesman, 7, None) == ["ENROLLED Not sales AUTO_ENROLLMENT Out"]
    assert await company.set_ref(salesman, 1, "Developer") == ["ENROLLED Included AUTO_ENROLLMENT In"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [("ALL", ["both"]), ("ANY", ["both", "completed", "developer"])],
)
async def test_cyber_security_and_developer_by_all_or_at_least_one(
    company: Company, match: str, expected: list[str]
) -> None:
    """ "Understanding Cyber Security" completed and Ref#1 "Developer": all conditions, or at least one of them."""
    cyber = await company.course("Understanding Cyber Security")
    gift = await company.course("Gift")
    people = {name: await company.person(name) for name in ("nothing", "developer", "completed", "both")}
    conditions = [status_is("COMPLETED", cyber), ref_is(1, "Developer")]
    await company.rule("R", *conditions, gives=[gift], match=match)
    for name, person in people.items():
        if name in ("completed", "both"):
            await company.enroll(person, cyber)
            await company.report(person, cyber, isFinished=True)
        if name in ("developer", "both"):
            await company.set_ref(person, 1, "Developer")
    gifted = [name for name, person in people.items() if "Gift" in await company.enrolled(person)]
    assert sorted(gifted) == expected


@pytest.mark.parametrize("value", ["test", "TEST", " Test", "Test "])
async def test_reference_values_are_case_sensitive(company: Company, value: str) -> None:
    """Capitalization must match the learner's profile, and nothing is trimmed: Test is not test."""
    person = await company.person("Pia", {1: value})
    await company.rule("Is", ref_is(1, "Test"), gives=[await company.course("Is Test")])
    await company.rule("Is not", ref_is_not(1, "Test"), gives=[await company.course("Is not Test")])
    assert await company.enrolled(person) == ["Is not Test"]
    assert await company.set_ref(person, 1, "Test") == ["ENROLLED Is Test AUTO_ENROLLMENT Is"]


async def test_matching_learners_are_previewed(company: Company) -> None:
    """The preview tells who matches the conditions, and each of them can be looked up; nothing is written."""
    course = await company.course("A")
    ada = await company.person("Ada", {1: "x"})
    bob = await company.person("Bob", {1: "x"})
    await company.person("Eve", {1: "y"})
    await company.enroll(bob, course)
    log = await company.log()
    preview = await company.preview(ref_is(1, "x"), gives=[course])
    assert {learner["name"] for learner in preview["sample"]} == {"Ada", "Bob"}
    assert (preview["matchingLearnerCount"], preview["canBackfill"], preview["backfillsInBackground"]) == (
        2,
        True,
        False,
    )
    assert preview["effects"] == [{"content": {"title": "A"}, "newlyEnrolledCount": 1, "alreadyEnrolledCount": 1}]
    profile = "query($id: ID!) { node(id: $id) { ... on Learner { name refValues { value } } } }"
    names = [(await company.client.value(profile, id=learner["id"]))["name"] for learner in preview["sample"]]
    assert sorted(names) == ["Ada", "Bob"]
    assert await company.enrolled(ada) == []
    assert await company.log() == log
    assert await company.rules() == []


async def test_up_to_100_randomly_selected_learners_are_previewed(company: Company) -> None:
    """Of 130 learners 100 are shown, other ones each time; the count is the whole."""
    crowd = {learner_id(key) for key in await company.crowd(130, {1: "x"})}
    samples = []
    for _ in range(2):
        preview = await company.preview(ref_is(1, "x"))
        assert preview["matchingLearnerCount"] == 130
        shown = [learner["id"] for learner in preview["sample"]]
        assert len(shown) == len(set(shown)) == 100
        assert crowd.issuperset(shown)
        samples.append(set(shown))
    assert samples[0] != samples[1]


async def test_0_preview_users_mean_that_nobody_matches_and_one_may_go_on(company: Company) -> None:
    """Nobody matches: no backfill is offered. The rule can be created and takes future learners."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "y"})
    preview = await company.preview(ref_is(1, "x"), gives=[course])
    assert preview == {
        "matchingLearnerCount": 0,
        "sample": [],
        "canBackfill": False,
        "backfillsInBackground": False,
        "effects": [{"content": {"title": "A"}, "newlyEnrolledCount": 0, "alreadyEnrolledCount": 0}],
    }
    await company.rule("R", ref_is(1, "x"), gives=[course])
    assert await company.set_ref(person, 1, "x") == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_a_rule_can_be_reviewed_as_it_was_configured(company: Company) -> None:
    """Name, contents, conditions and options are shown as they were given, in their order."""
    client = await company.place(PlaceKind.CLIENT, "Client")
    part = await company.place(PlaceKind.SUBLICENSE, "Part", client_id=client.id)
    first, second = await company.course("First"), await company.course("Second")
    path = await company.path("Path", first)
    rule = await company.rule(
        "R",
        ref_is(1, "Developer", "developer"),
        belongs_to(part),
        status_is("COMPLETED", second, first),
        belongs_to(client),
        ref_is_not(7, "Sales"),
        gives=[path, second],
        match="ANY",
        when_unmet="UNENROLL",
        backfills=False,
    )
    shown = await company.look_at(rule)
    assert shown["name"] == "R"
    assert shown["match"] == "ANY"
    assert shown["whenUnmet"] == "UNENROLL"
    assert [content["id"] for content in shown["contents"]] == [content_id(path), content_id(second)]
    titles = sorted(content["title"] for content in shown["conditions"][2].pop("contents"))
    assert titles == ["First", "Second"]
    assert shown["conditions"] == [
        {
            "__typename": "RefValueCondition",
            "field": {"number": 1},
            "operator": "EQUALS",
            "values": ["Developer", "developer"],
        },
        {"__typename": "SublicenseCondition", "sublicenses": [{"name": "Part"}]},
        {"__typename": "ContentStatusCondition", "status": "COMPLETED"},
        {"__typename": "ClientCondition", "clients": [{"name": "Client"}]},
        {"__typename": "RefValueCondition", "field": {"number": 7}, "operator": "NOT_EQUALS", "values": ["Sales"]},
    ]
    assert shown["isPreparing"] is False
