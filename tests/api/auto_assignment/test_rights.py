"""Who may see and change rules: administrators and service accounts with the scope, nobody else."""

from typing import TypeAlias

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Scope
from tests.api.auto_assignment.documents import MUTATIONS, QUERIES, everything
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection
from tests.support.company import CREATE_RULE, Company, Json, key_of, learner_id, ref_is, rule_input

FIELDS = QUERIES | MUTATIONS

Callers: TypeAlias = dict[str, Principal]


@pytest.fixture
async def course(company: Company, trainer: Principal) -> Content:
    """What the rule gives: a course of the trainer."""
    return await company.course("A", trainers=[trainer.learner_id or 0])


@pytest.fixture
async def rule(company: Company, course: Content, learner: Principal) -> Json:
    """A rule that has enrolled the learner."""
    rule = await company.rule("Secret", ref_is(1, "x"), gives=[course])
    await company.set_ref(learner, 1, "x")
    return rule


@pytest.fixture
async def callers(company: Company, learner: Principal, trainer: Principal, read_account: Principal) -> Callers:
    """One of each kind."""

    async def account(*scopes: Scope) -> Principal:
        return await factories.create_service_account(company.tenant.id, scopes=scopes)

    return {
        "learner": learner,
        "trainer": trainer,
        "admin": company.admin,
        "READ": read_account,
        "WRITE_RULES": await account(Scope.WRITE_RULES),
        "all but WRITE_RULES": await account(*(set(Scope) - {Scope.WRITE_RULES})),
    }


DENIED = {
    "learner": list(FIELDS),
    "trainer": list(FIELDS),
    "READ": list(MUTATIONS),
    "all but WRITE_RULES": list(MUTATIONS),
    "WRITE_RULES": list(QUERIES),
}


@pytest.mark.parametrize("who", DENIED)
async def test_rules_fields_are_forbidden(
    api: Api, superuser: Connection, callers: Callers, course: Content, rule: Json, learner: Principal, who: str
) -> None:
    """FORBIDDEN as a top-level error, no data, and nothing is written."""
    before = await everything(superuser)
    for field in DENIED[who]:
        document, variables = FIELDS[field]
        values = variables(rule["rule"]["id"], key_of(course), learner)
        result = await api.acting_as(callers[who]).execute(document, **values)
        assert result["data"] == {field: None}
        assert [(error["extensions"]["code"], error["path"]) for error in result["errors"]] == [("FORBIDDEN", [field])]
        assert "Secret" not in str(result)
    assert await everything(superuser) == before


ALLOWED = {"admin": list(FIELDS), "READ": list(QUERIES), "WRITE_RULES": list(MUTATIONS)}


@pytest.mark.parametrize("who", ALLOWED)
async def test_rules_fields_are_allowed(
    api: Api, callers: Callers, course: Content, rule: Json, learner: Principal, who: str
) -> None:
    """Administrators may everything, READ looks, and WRITE_RULES writes."""
    for field in ALLOWED[who]:
        document, variables = FIELDS[field]
        values = variables(rule["rule"]["id"], key_of(course), learner)
        assert await api.acting_as(callers[who]).value(document, **values), field


async def test_without_read_a_rule_shows_its_own_fields(api: Api, company: Company, callers: Callers) -> None:
    """The rule that such an account has written shows its own fields, but no people and no log."""
    course = await company.course("A")
    person = await company.person("Pia", {1: "x"})
    document = CREATE_RULE.replace(
        "rule {",
        "rule { matchingLearners(first: 5) { nodes { name } totalCount } contentActions(first: 5) { nodes { id } }",
    )
    client = api.acting_as(callers["WRITE_RULES"])
    payload = await client.value(document, input=rule_input("R", ref_is(1, "x"), gives=[course]))
    shown = payload["rule"]
    assert (shown["name"], shown["match"], shown["whenUnmet"]) == ("R", "ALL", "KEEP")
    assert shown["matchingLearners"] == {"nodes": [], "totalCount": 0}
    assert shown["contentActions"] == {"nodes": []}
    assert payload["backfill"]["totalCount"] == 1
    assert await company.enrolled(person) == ["A"]


@pytest.mark.parametrize("who", ["learner", "trainer", "WRITE_RULES"])
async def test_rules_do_not_exist_for_who_may_not_see_them(
    api: Api, callers: Callers, rule: Json, learner: Principal, who: str
) -> None:
    """Neither by node, nor from a learner, nor as a filter of the log."""
    client = api.acting_as(callers[who])
    node = "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }"
    hidden = {"node": None, "nodes": [None]}
    if who == "WRITE_RULES":
        assert (await client.execute(node, id=rule["rule"]["id"]))["data"] in (hidden, {"node": None, "nodes": None})
        return
    assert await client.run(node, id=rule["rule"]["id"]) == hidden
    of_learner = "query($by: LearnerKeyInput!) { learner(by: $by) { matchingRules { name } } }"
    assert await client.value(of_learner, by={"id": learner_id(learner)}) == {"matchingRules": []}


async def test_every_rules_field_of_the_schema_has_its_rights_tested() -> None:
    """A new root field about rules has to be listed here."""
    from gql.schema import schema

    printed = schema().introspect()["__schema"]["types"]
    fields = {
        field["name"]
        for kind in printed
        if kind["name"] in ("Query", "Mutation")
        for field in kind["fields"]
        if "AutoAssignment" in field["name"] or field["name"].startswith("autoAssignment")
    }
    assert fields == set(FIELDS)
