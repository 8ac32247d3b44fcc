"""What mutations of people tell about the rules that reacted to them."""

import pytest

from domain.foundation.access import Scope
from tests.support import factories
from tests.support.company import BULK, UPDATE_LEARNER, Company, Json, learner_id, ref_is


async def test_a_changed_reference_value_is_answered_with_every_action_of_the_rules(company: Company) -> None:
    """Unenrollments first, then enrollments, each naming its rule; nothing where nothing follows."""
    courses = {title: await company.course(title) for title in "ABCD"}
    person = await company.person("Pia", {1: "x"})
    await company.rule("Leaves A", ref_is(1, "x"), gives=[courses["A"]], when_unmet="UNENROLL")
    await company.rule("Comes B", ref_is(1, "y"), gives=[courses["B"]])
    await company.rule("Leaves C", ref_is(1, "x"), gives=[courses["C"]], when_unmet="RELEASE")
    await company.rule("Comes A and D", ref_is(1, "y"), gives=[courses["A"], courses["D"]])
    changes = {"refValues": [{"number": 1, "value": "y"}]}
    payload = await company.do(UPDATE_LEARNER, learner={"id": learner_id(person)}, changes=changes)
    done = [
        (entry["action"], entry["source"], entry["content"]["title"], entry["ruleName"])
        for entry in payload["autoAssignmentActions"]
    ]
    assert done == sorted(done, key=lambda entry: entry[0] == "ENROLLED")
    assert sorted(done) == [
        ("ENROLLED", "AUTO_ENROLLMENT", "A", "Comes A and D"),
        ("ENROLLED", "AUTO_ENROLLMENT", "B", "Comes B"),
        ("ENROLLED", "AUTO_ENROLLMENT", "D", "Comes A and D"),
        ("UNENROLLED", "AUTO_UNENROLLMENT", "A", "Leaves A"),
        ("UNENROLLED", "AUTO_UNENROLLMENT", "C", "Leaves C"),
    ]
    assert payload["autoAssignmentActionCount"] == 5
    assert all(entry["learner"] == {"id": learner_id(person)} for entry in payload["autoAssignmentActions"])
    again = await company.do(UPDATE_LEARNER, learner={"id": learner_id(person)}, changes=changes)
    assert (again["autoAssignmentActions"], again["autoAssignmentActionCount"]) == ([], 0)
    assert again["learner"]["version"] == payload["learner"]["version"]


async def test_a_repeated_request_tells_the_actions_again_and_does_nothing(company: Company) -> None:
    """With the same idempotency key the first answer comes back."""
    person = await company.person("Pia")
    await company.rule("R", ref_is(1, "x"), gives=[await company.course("A")])
    fields = {
        "learner": {"id": learner_id(person)},
        "changes": {"refValues": [{"number": 1, "value": "x"}]},
        "idempotencyKey": "k",
    }
    first = await company.do(UPDATE_LEARNER, **fields)
    assert first["autoAssignmentActionCount"] == 1
    assert await company.do(UPDATE_LEARNER, **fields) == first
    assert await company.log(person) == ["ENROLLED A AUTO_ENROLLMENT R"]


async def test_who_may_not_see_rules_gets_no_names_with_the_actions(company: Company) -> None:
    """A partner that writes people without READ learns how many actions followed at most, never a rule's name."""
    account = await factories.create_service_account(company.tenant.id, scopes=[Scope.WRITE_LEARNERS])
    person = await company.person("Pia")
    await company.rule("Secret", ref_is(1, "x"), gives=[await company.course("A")])
    fields = {"learner": {"id": learner_id(person)}, "changes": {"refValues": [{"number": 1, "value": "x"}]}}
    response = await company.api.acting_as(account).post(UPDATE_LEARNER, input=fields)
    assert response.json()["data"]["updateLearner"]["errors"] == []
    assert "Secret" not in response.text
    assert await company.enrolled(person) == ["A"]


@pytest.mark.parametrize("count", [99, 100])
async def test_from_100_changed_learners_on_rules_are_evaluated_in_a_job(company: Company, count: int) -> None:
    """99 have been evaluated when the mutation answers; 100 by a job that tells their number."""
    course = await company.course("A")

    def rows(value: str) -> list[Json]:
        return [
            {"externalId": f"e{number}", "name": f"N{number}", "refValues": [{"number": 1, "value": value}]}
            for number in range(count)
        ]

    created = await company.do(BULK, rows=rows("y"))
    assert created["reevaluation"] is None or await company.run_jobs() == 1
    await company.rule("R", ref_is(1, "x"), gives=[course], when_unmet="UNENROLL")
    payload = await company.do(BULK, rows=rows("x"))
    assert [row["outcome"] for row in payload["results"]] == ["UPDATED"] * count
    job = payload["reevaluation"]
    if count < 100:
        assert job is None
    else:
        assert (job["kind"], job["status"], job["canCancel"]) == ("RULE_REEVALUATION", "QUEUED", False)
        assert await company.count_enrolled(course) == 0
        assert await company.run_jobs() == 1
        ended = await company.client.value(
            "query($id: ID!) { backgroundJob(id: $id) { status totalCount processedCount failedCount } }", id=job["id"]
        )
        assert ended == {"status": "SUCCEEDED", "totalCount": count, "processedCount": count, "failedCount": 0}
    assert await company.count_enrolled(course) == count
    unchanged = await company.do(BULK, rows=rows("x"))
    assert {row["outcome"] for row in unchanged["results"]} == {"UNCHANGED"}
    assert unchanged["reevaluation"] is None


async def test_unchanged_rows_do_not_make_a_job(company: Company) -> None:
    """Of 100 rows only 99 change somebody: they are evaluated at once."""
    course = await company.course("A")
    rows = [
        {"externalId": f"e{number}", "name": f"N{number}", "refValues": [{"number": 1, "value": "y"}]}
        for number in range(100)
    ]
    await company.do(BULK, rows=rows)
    await company.run_jobs()
    await company.rule("R", ref_is(1, "x"), gives=[course])
    changed = [row | {"refValues": [{"number": 1, "value": "x"}]} for row in rows[1:]]
    payload = await company.do(BULK, rows=[rows[0], *changed])
    assert payload["reevaluation"] is None
    assert await company.count_enrolled(course) == 99
