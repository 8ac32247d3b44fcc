"""Looking up and locking everything that changes of people mention, before they are judged one by one."""

from collections.abc import Iterable, Sequence
from typing import Any

from domain.foundation.addresses import email_key
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.locks import share_rules
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import LearnerChanges, Unset
from domain.people.learners.keys import storable
from domain.people.learners.validation import Surroundings
from domain.people.models import PlaceKind


async def lock_surroundings(work: UnitOfWork, changes: Sequence[LearnerChanges]) -> Surroundings:
    """Find the places that are named, keep them from being deleted, and find who has the keys that are asked for.

    Comes before the locks on people, in a number of statements that does not depend on how many changes there are.
    """
    await share_rules(work)
    named = {reference for change in changes for reference in change.references()}
    places = await _lock_places(work, named) if named else {}
    emails = {email_key(change.email) for change in changes if not isinstance(change.email, Unset)}
    external_ids = {change.external_id for change in changes if not isinstance(change.external_id, Unset)}
    owners = await _owners(work, emails, external_ids) if emails or external_ids else []
    return Surroundings(
        places=places,
        email_owners={row["email_key"]: row["id"] for row in owners if row["email_key"] is not None},
        external_id_owners={row["external_id"]: row["id"] for row in owners if row["external_id"] is not None},
    )


async def _owners(work: UnitOfWork, emails: Iterable[str | None], external_ids: Iterable[str | None]) -> list[Any]:
    """Return who has one of these keys, with both of their own."""
    return await work.sql.fetch(
        """
        SELECT id, email_key, external_id FROM learner WHERE tenant_id = $1 AND email_key = ANY ($2::text[])
        UNION SELECT id, email_key, external_id FROM learner WHERE tenant_id = $1 AND external_id = ANY ($3::text[])
        """,
        work.tenant_id,
        storable(emails),
        storable(external_ids),
    )


async def _lock_places(
    work: UnitOfWork, named: Iterable[tuple[PlaceKind, Reference]]
) -> dict[tuple[PlaceKind, Reference], int]:
    named = list(named)
    by_external_id = [
        (kind.value, reference)
        for kind, reference in named
        if isinstance(reference, ExternalId) and storable([reference])
    ]
    wanted: list[int] = [
        *(reference for _, reference in named if not isinstance(reference, ExternalId)),
        *await work.sql.values(
            """
            SELECT p.id FROM place p JOIN unnest($2::text[], $3::text[]) AS n (kind, external_id)
                ON p.kind = n.kind AND p.external_id = n.external_id WHERE p.tenant_id = $1
            """,
            work.tenant_id,
            [kind for kind, _ in by_external_id],
            [external_id for _, external_id in by_external_id],
        ),
    ]
    found: dict[tuple[PlaceKind, Reference], int] = {}
    # KEY SHARE keeps a place from being deleted, but not from being renamed.
    for record in await work.sql.fetch(
        "SELECT id, kind, external_id FROM place WHERE tenant_id = $1 AND id = ANY ($2::bigint[])"
        " ORDER BY id FOR KEY SHARE",
        work.tenant_id,
        wanted,
    ):
        kind = PlaceKind(record["kind"])
        found[kind, record["id"]] = record["id"]
        if record["external_id"] is not None:
            found[kind, ExternalId(record["external_id"])] = record["id"]
    return found
