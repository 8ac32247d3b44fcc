"""What the README shows works: its ten operations, in their order, on the demo company that `make up` makes."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.foundation.access import Role
from ops.accounts import Person, make_token
from ops.demo_company import making as demo
from ops.imports.learners import LEARNER_FIELDS
from ops.imports.running import ImportKind
from ops.up import FIRST_QUERY
from tests.support.api import Api, ApiClient

README = (Path(__file__).parents[2] / "README.md").read_text()
OPERATIONS = re.findall(r"^```graphql\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def demo_admin(api: Api) -> ApiClient:
    """The first account of the banner."""
    await demo.create_demo_tenant(api.now)
    person = Person(demo.SLUG, demo.ACCOUNTS[Role.ADMIN], None)
    return api.with_credential(await make_token(api.settings, person, api.now, timedelta(hours=1)))


async def test_ten_operations_work_as_shown(demo_admin: ApiClient) -> None:
    """One after the other, nothing refused, and each has something to show."""
    assert len(OPERATIONS) == 10
    answers: list[Any] = [await demo_admin.run(operation) for operation in OPERATIONS]
    behind = answers.pop(8)
    people, preview, rule, simulation, update, learner, bulk, progress, upsert = [
        value for answer in answers for value in answer.values()
    ]

    assert len(people["nodes"]) == 3
    assert {one["department"]["name"] for one in people["nodes"]} == {"Logistics"}
    assert 0 < preview["matchingLearnerCount"] < 100
    assert rule["backfill"]["status"] == "SUCCEEDED"
    assert rule["rule"]["enrolledLearnerCount"] == preview["matchingLearnerCount"]

    entered = {one["name"] for one in simulation["entered"]}
    assert entered == {"Forklift license", "Plant safety"}
    assert simulation["left"] == []
    promised = {(one["action"], one["content"]["title"], one["rule"]["name"]) for one in simulation["effects"]}
    assert promised >= {
        ("ENROLLED", "Forklift safety", "Forklift license"),
        ("ENROLLED", "Fire protection", "Forklift license"),
        ("ENROLLED", "Safe at the plant", "Plant safety"),
    }
    happened = {(one["action"], one["content"]["title"], one["ruleName"]) for one in update["autoAssignmentActions"]}
    assert happened == promised
    assert entered <= {one["name"] for one in learner["matchingRules"]}
    [forklift] = [one for one in learner["enrollments"]["nodes"] if one["content"]["title"] == "Forklift safety"]
    assert [reason["ruleName"] for reason in forklift["reasons"]] == ["Forklift license"]

    assert bulk["bulkAssignment"]["createdCount"] > 5
    assert bulk["bulkAssignment"]["failedCount"] == 0
    assert (progress["enrollment"]["status"], progress["enrollment"]["score"]) == ("COMPLETED", 85)
    [changed] = progress["changedMandatoryTasks"]
    assert (changed["target"]["title"], changed["status"]) == ("Information security basics", "COMPLETED")
    assert changed["recurrence"]["nextDueOn"]
    assert behind["mandatoryTasks"]["totalCount"] > 0
    assert behind["contentActions"]["totalCount"] > 5
    assert [one["outcome"] for one in upsert["results"]] == ["CREATED", "UPDATED"]


async def test_first_query_of_the_banner_works(demo_admin: ApiClient) -> None:
    """It is the first thing that anybody sees."""
    data = await demo_admin.run(FIRST_QUERY)
    assert data["viewer"]["role"] == "ADMIN"
    assert data["autoAssignmentRules"]["totalCount"] == 4
    assert len(data["contentActions"]["nodes"]) == 3


@pytest.mark.parametrize("field", LEARNER_FIELDS.known)
def test_fields_of_imports_are_named(field: str) -> None:
    """`ref2` to `ref9` are between the two that are."""
    assert f"`{field}`" in README or field in {f"ref{number}" for number in range(2, 10)}


@pytest.mark.parametrize("kind", list(ImportKind))
def test_each_kind_of_import_has_an_example(kind: ImportKind) -> None:
    """With a file."""
    assert f"mandate import {kind.value} " in README
