"""Places as files name them: by the partner's ID or by name; what is not there yet is created."""

from collections.abc import Collection

from domain.foundation.access import Scope
from domain.foundation.errors import Invalid
from domain.foundation.locks import share_rules
from domain.foundation.text_validation import name_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.models import PlaceKind
from domain.people.places.operations import create_place


async def ensure_places(
    work: UnitOfWork, *, kind: PlaceKind, names: Collection[str], client_id: int | None = None
) -> dict[str, int]:
    """Return the ID of each place that is named, and create those that are missing.

    Sublicenses are looked for in their client; without `client_id` in all of them, and then none is created. What names
    nothing and cannot be a name either is left out of the result.
    """
    work.principal.require_write(Scope.WRITE_LEARNERS)
    await share_rules(work)
    asked = {name: checked for name in names if (checked := _checked(name)) is not None}
    by_external_id: dict[str, int] = {}
    by_name: dict[str, int] = {}
    for record in await work.sql.fetch(
        """
        SELECT id, external_id, name FROM place
         WHERE tenant_id = $1 AND kind = $2 AND ($3::bigint IS NULL OR client_id = $3)
           AND (external_id = ANY ($4::text[]) OR name = ANY ($4::text[]))
         ORDER BY id DESC
        """,
        work.tenant_id,
        kind.value,
        client_id,
        list(asked.values()),
    ):
        # Of several with one name the oldest counts: it comes last.
        by_external_id[record["external_id"]] = record["id"]
        by_name[record["name"]] = record["id"]
    places: dict[str, int] = {}
    can_create = kind is not PlaceKind.SUBLICENSE or client_id is not None
    for name, checked in asked.items():
        found = by_external_id.get(checked) or by_name.get(checked)
        if found is None and can_create:
            found = by_name[checked] = await create_place(work, kind=kind, name=checked, client=client_id)
        if found is not None:
            places[name] = found
    return places


def _checked(name: str) -> str | None:
    try:
        return name_text(name, path=())
    except Invalid:
        return None
