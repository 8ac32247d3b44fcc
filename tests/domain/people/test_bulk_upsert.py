"""Rows of a bulk call are judged in order; however many they are, the statements are the same."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Session
from domain.foundation.errors import Invalid, TooManyItems
from domain.foundation.row_outcomes import RowOutcome
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.learners.bulk_upsert import LearnerRowResult
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.models import PlaceKind
from domain.people.operations import bulk_upsert_learners, upsert_learners
from domain.tenants.models import Tenant
from tests.domain.people.conftest import ChangeBy
from tests.support import factories
from tests.support.catalogue import Connection

CREATED, UPDATED, UNCHANGED, FAILED = RowOutcome


def outcomes(results: Sequence[LearnerRowResult]) -> list[RowOutcome]:
    """Return what became of each row."""
    return [result.outcome for result in results]


def causes(result: LearnerRowResult) -> list[tuple[str, str]]:
    """Return code and path of each failure of a row."""
    return [(error.code, ".".join(error.path)) for error in result.errors]


async def upsert(change: ChangeBy, *rows: LearnerChanges, by: Principal | None = None) -> list[LearnerRowResult]:
    """Run one bulk call."""
    result: list[LearnerRowResult] = (await change(lambda work: bulk_upsert_learners(work, rows=rows), by=by)).result
    return result


async def test_rows_create_change_and_leave_alone(change: ChangeBy, superuser: Connection) -> None:
    """The same rows again change nothing; another value changes its row only."""
    rows = [LearnerChanges(external_id=str(n), name=f"Person {n}", ref_values=[RefChange(1, "A")]) for n in range(3)]
    first = await upsert(change, *rows)
    assert outcomes(first) == [CREATED, CREATED, CREATED]
    assert [result.learner_id for result in await upsert(change, *rows)] == [result.learner_id for result in first]
    again = await upsert(change, rows[0], LearnerChanges(external_id="1", ref_values=[RefChange(1, "B")]), rows[2])
    assert outcomes(again) == [UNCHANGED, UPDATED, UNCHANGED]
    versions = await superuser.fetch("SELECT version FROM learner WHERE external_id IS NOT NULL ORDER BY external_id")
    assert [record["version"] for record in versions] == [1, 2, 1]


async def test_an_unknown_external_id_takes_over_who_has_the_address_and_no_external_id(
    change: ChangeBy, tenant: Tenant
) -> None:
    """Whoever has another external ID keeps their address."""
    free = await factories.create_learner(tenant.id, email="free@acme.test")
    await factories.create_learner(tenant.id, email="bound@acme.test", external_id="other")
    free_row, bound_row, late_row = await upsert(
        change,
        LearnerChanges(external_id="7", email="FREE@acme.test"),
        LearnerChanges(external_id="8", name="Bound", email="bound@acme.test"),
        LearnerChanges(external_id="9", name="Late", email="free@acme.test"),
    )
    assert (free_row.outcome, free_row.learner_id) == (UPDATED, free.id)
    assert causes(bound_row) == causes(late_row) == [("ALREADY_EXISTS", "email")]


async def test_a_failed_row_fails_alone_and_says_everything(change: ChangeBy, superuser: Connection) -> None:
    """A row lists all its failures, and the rows around it are applied."""
    good, bad, nameless, repeated, blank = await upsert(
        change,
        LearnerChanges(external_id="1", name="Good"),
        LearnerChanges(
            external_id="2",
            name=" ",
            email="no address",
            time_zone="Mars/Olympus",
            department=1,
            clients=[2],
            ref_values=[RefChange(11, "x"), RefChange(1, ""), RefChange(2, "x"), RefChange(2, "y")],
        ),
        LearnerChanges(external_id="3"),
        LearnerChanges(external_id="1", name="Again"),
        LearnerChanges(external_id=" ", name="Blank"),
    )
    assert outcomes([good, bad, nameless, repeated, blank]) == [CREATED, FAILED, FAILED, FAILED, FAILED]
    assert sorted(causes(bad)) == [
        ("INVALID", "email"),
        ("INVALID", "name"),
        ("INVALID", "refValues.0.number"),
        ("INVALID", "refValues.1.value"),
        ("INVALID", "refValues.3.number"),
        ("INVALID", "timeZone"),
        ("NOT_FOUND", "clientIds.0"),
        ("NOT_FOUND", "departmentId"),
    ]
    assert causes(nameless) == [("INVALID", "name")]
    assert causes(repeated) == causes(blank) == [("INVALID", "externalId")]
    assert await superuser.fetchval("SELECT count(*) FROM learner WHERE external_id IS NOT NULL") == 1


async def test_addresses_may_change_hands_within_a_call(change: ChangeBy, superuser: Connection) -> None:
    """A later row may take what an earlier one gives up, but not the other way round."""
    await upsert(
        change,
        LearnerChanges(external_id="1", name="One", email="one@acme.test"),
        LearnerChanges(external_id="2", name="Two", email="two@acme.test"),
    )
    swap = await upsert(
        change,
        LearnerChanges(external_id="1", email="new@acme.test"),
        LearnerChanges(external_id="2", email="one@acme.test"),
        LearnerChanges(external_id="3", name="Three", email="two@acme.test"),
    )
    assert outcomes(swap) == [UPDATED, UPDATED, CREATED]
    too_early, _ = await upsert(
        change,
        LearnerChanges(external_id="3", email="one@acme.test"),
        LearnerChanges(external_id="2", email="other@acme.test"),
    )
    assert causes(too_early) == [("ALREADY_EXISTS", "email")]
    owners = await superuser.fetch("SELECT external_id, email_key FROM learner WHERE email IS NOT NULL ORDER BY 1")
    assert [tuple(owner) for owner in owners] == [
        ("1", "new@acme.test"),
        ("2", "other@acme.test"),
        ("3", "two@acme.test"),
    ]


async def test_rows_cannot_take_the_last_admin_away(
    change: ChangeBy, tenant: Tenant, admin: Principal, superuser: Connection
) -> None:
    """Administrators may go as long as one is left, and one that an earlier row makes counts."""
    await superuser.execute("UPDATE learner SET external_id = 'admin' WHERE id = $1", admin.learner_id)
    demoted = LearnerChanges(external_id="admin", role=Role.LEARNER)
    [alone] = await upsert(change, demoted)
    assert causes(alone) == [("NOT_PERMITTED", "role")]
    [absent] = await upsert(change, LearnerChanges(external_id="admin", is_active=False))
    assert causes(absent) == [("NOT_PERMITTED", "isActive")]
    heir = LearnerChanges(external_id="heir", name="Heir", role=Role.ADMIN)
    assert outcomes(await upsert(change, heir, demoted)) == [CREATED, UPDATED]


async def test_tools_write_only_learners(
    change: ChangeBy, tenant: Tenant, sync_account: Principal, superuser: Connection
) -> None:
    """A service account neither changes others nor gives another role."""
    await factories.create_learner(tenant.id, role=Role.TRAINER, external_id="trainer")
    refused, promoted, welcome = await upsert(
        change,
        LearnerChanges(external_id="trainer", name="Renamed"),
        LearnerChanges(external_id="1", name="One", role=Role.ADMIN),
        LearnerChanges(external_id="2", name="Two", role=Role.LEARNER),
        by=sync_account,
    )
    assert causes(refused) == [("NOT_PERMITTED", "")]
    assert causes(promoted) == [("NOT_PERMITTED", "role")]
    assert welcome.outcome is CREATED


async def test_a_call_has_from_1_to_1000_rows(change: ChangeBy) -> None:
    """No row and too many rows are refused as a whole."""
    with pytest.raises(Invalid):
        await upsert(change)
    with pytest.raises(TooManyItems):
        await upsert(change, *(LearnerChanges(external_id=str(n), name="x") for n in range(1_001)))


async def test_an_import_names_people_by_their_external_ids(change: ChangeBy, superuser: Connection) -> None:
    """A name that an import lacks is the external ID; who has a name keeps it."""
    rows = [LearnerChanges(external_id="28400")]
    await change(lambda work: upsert_learners(work, rows=rows, names_from_external_ids=True))
    assert await superuser.fetchval("SELECT name FROM learner WHERE external_id = '28400'") == "28400"
    await upsert(change, LearnerChanges(external_id="28400", name="Real Name"))
    again = await change(lambda work: upsert_learners(work, rows=rows, names_from_external_ids=True))
    assert outcomes(again.result) == [UNCHANGED]


async def test_statements_do_not_grow_with_the_rows(
    admin: Principal, tenant: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 rows take as many statements as 10, whether they create or change."""
    department = await factories.create_place(tenant.id)
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    statements: list[str] = []
    for method in ("fetch", "execute", "value"):
        original = getattr(Session, method)

        async def counted(self: Session, sql: str, *args: Any, original: Any = original) -> Any:
            statements.append(sql)
            return await original(self, sql, *args)

        monkeypatch.setattr(Session, method, counted)

    async def run(prefix: str, count: int, value: str) -> int:
        rows = [
            LearnerChanges(
                external_id=f"{prefix}{n}",
                name=f"Person {n}",
                email=f"{prefix}{n}@acme.test",
                department=department.id,
                clients=[client.id],
                ref_values=[RefChange(number, f"{value}{n % 50}") for number in range(1, 6)],
            )
            for n in range(count)
        ]

        async def act(work: UnitOfWork) -> int:
            statements.clear()
            await upsert_learners(work, rows=rows)
            work.events.clear()
            return len(statements)

        return (await perform(admin, now, "import", act)).result

    assert await run("few", 10, "a") == await run("many", 1_000, "a") < 20
    assert await run("few", 10, "b") == await run("many", 1_000, "b") < 20
