"""What is reached from people: enrollments, log entries, rules; in a number of statements that does not grow."""

from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Session
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from tests.api.people.documents import lrn
from tests.api.people.rules import insert_rule
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection

REACHED = """query($by: LearnerKeyInput!) { learner(by: $by) {
  enrollments { totalCount } contentActions { totalCount } matchingRules { name } } }"""
EVERYTHING = """{ learners(first: 100) { nodes { name department { name memberCount }
  learningGroups { name memberCount owner { name email } } clients { name } sublicenses { name client { name } }
  refValues { value } } } }"""


async def test_enrollments_log_and_rules_are_reached_by_those_who_may_see_them(
    as_admin: ApiClient, api: Api, tenant: Tenant, superuser: Connection
) -> None:
    """People see their own enrollments, but never which rules they meet."""
    place = await factories.create_place(tenant.id)
    person = await factories.create_person(tenant.id, places=[place])
    assert person.learner_id is not None
    rule_id = await insert_rule(superuser, tenant.id, kind=PlaceKind.DEPARTMENT, place_id=place.id)
    await superuser.execute(
        "INSERT INTO rule_member (learner_id, rule_id, tenant_id, since_at) VALUES ($1, $2, $3, $4)",
        person.learner_id,
        rule_id,
        tenant.id,
        factories.LONG_AGO,
    )
    course = await factories.create_course(tenant.id)
    await factories.create_enrollment(tenant.id, person.learner_id, course.id)
    by = {"id": lrn(person.learner_id)}
    one, nothing = {"totalCount": 1}, {"totalCount": 0}
    assert await as_admin.value(REACHED, by=by) == {
        "enrollments": one,
        "contentActions": nothing,
        "matchingRules": [{"name": "R"}],
    }
    themselves = await api.acting_as(person).value(REACHED, by=by)
    assert themselves == {"enrollments": one, "contentActions": nothing, "matchingRules": []}


async def test_trainers_see_enrollments_of_what_they_train(as_trainer: ApiClient, tenant: Tenant) -> None:
    """Somebody else's course does not show through a person."""
    learner = await factories.create_learner(tenant.id)
    course = await factories.create_course(tenant.id)
    await factories.create_enrollment(tenant.id, learner.id, course.id)
    shown = await as_trainer.value(REACHED, by={"id": lrn(learner.id)})
    assert shown == {"enrollments": {"totalCount": 0}, "contentActions": {"totalCount": 0}, "matchingRules": []}


async def test_a_page_of_people_takes_as_many_statements_as_one_person(
    as_admin: ApiClient, admin: Principal, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs on people is loaded for all of them together."""
    statements: list[str] = []
    original = Session.fetch

    async def counted(self: Session, sql: str, *args: Any) -> Any:
        statements.append(sql)
        return await original(self, sql, *args)

    monkeypatch.setattr(Session, "fetch", counted)

    async def add_people(count: int) -> None:
        for _ in range(count):
            client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
            places = [
                client,
                await factories.create_place(tenant.id),
                await factories.create_place(tenant.id, kind=PlaceKind.SUBLICENSE, client_id=client.id),
                await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=admin.learner_id),
            ]
            await factories.create_learner(tenant.id, refs={1: "A"}, places=places)

    async def count() -> int:
        statements.clear()
        await as_admin.run(EVERYTHING)
        return len(statements)

    await add_people(1)
    one = await count()
    await add_people(8)
    assert await count() == one
