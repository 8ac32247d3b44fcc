"""What if a query forgot its tenant? Every condition on the tenant is taken out of every statement, and nothing leaks.

That is what row level security is for: the same statements show the other tenant's rows to whom it does not bind.
"""

import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from domain.foundation.database.sessions import ReadScope, Session
from domain.tenants.models import Tenant
from tests.security.footprint import footprint
from tests.security.inputs import root_fields
from tests.security.test_tenant_isolation import expected, names_of, outcome_of, shows
from tests.security.world import populate
from tests.support.api import Api
from tests.support.catalogue import Connection

_CONDITION = re.compile(r"(?:\b\w+\.)?\btenant_id = (\$\d+)")


class Forgetful:
    """Takes the conditions out, and remembers the statements that had one."""

    def __init__(self) -> None:
        self.statements: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def forget(self, sql: str, args: tuple[Any, ...]) -> str:
        """Return a statement without conditions on the tenant; the argument stays, with nothing to decide."""
        forgotten = _CONDITION.sub(r"(\1::bigint IS NOT NULL)", sql)
        if forgotten != sql:
            self.statements.setdefault(sql, (forgotten, args))
        return forgotten


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forgetful]:
    """All statements of queries and changes without conditions on the tenant."""
    forgetful = Forgetful()
    for kind, name in ((ReadScope, "fetch"), (Session, "fetch"), (Session, "value"), (Session, "execute")):
        monkeypatch.setattr(kind, name, _forgetting(getattr(kind, name), forgetful))
    return forgetful  # type: ignore[return-value]


def _forgetting(original: Any, forgetful: Forgetful) -> Any:
    async def run(self: Any, sql: str, *args: Any) -> Any:
        return await original(self, forgetful.forget(sql, args), *args)

    return run


async def test_lists_show_what_they_showed(
    api: Api, tenant: Tenant, another_tenant: Tenant, forgetful: Forgetful, superuser: Connection
) -> None:
    """Lists, counts and lookups of our own; and the statements would have shown more to a superuser."""
    ours, theirs = await populate(api, tenant), await populate(api, another_tenant)
    client = ours.client("ADMIN")
    for field in root_fields():
        if not field.is_mutation:
            document, variables = field.operation(ours.objects)
            response = await client.post(document, **variables)
            assert not shows(response.text, theirs), (field.name, response.text)
    assert len(forgetful.statements) > 50
    assert await count_leaking(superuser, forgetful) > 10


async def count_leaking(superuser: Connection, forgetful: Forgetful) -> int:
    """Return how many queries say something else without their condition where row level security does not bind."""
    count = 0
    for sql, (forgotten, args) in forgetful.statements.items():
        if not re.search(r"\b(INSERT|UPDATE|DELETE)\b", sql):
            try:
                count += await superuser.fetch(sql, *args) != await superuser.fetch(forgotten, *args)
            except asyncpg.PostgresError:
                # It needs the settings of its transaction.
                continue
    return count


async def test_nothing_of_theirs_is_found_by_its_name(
    api: Api, tenant: Tenant, another_tenant: Tenant, forgetful: Forgetful, superuser: Connection
) -> None:
    """In every place for an ID, in queries and in changes: as if nobody had it, and nothing is changed."""
    ours, theirs = await populate(api, tenant), await populate(api, another_tenant)
    before = await footprint(superuser)
    wrong = {}
    for field in root_fields():
        for place in field.places():
            for name in names_of(theirs, field, place):
                document, variables = field.operation(ours.objects, place, name)
                response = await ours.client("ADMIN").post(document, **variables)
                outcome = outcome_of(field, response.json())
                if outcome != expected(field, place) or shows(response.text, theirs):
                    wrong[f"{field.name} {place} = {name}"] = outcome, response.text
    assert wrong == {}
    assert await footprint(superuser) == before
