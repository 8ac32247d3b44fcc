"""Places that files name by a text: matched by external ID, then by name, and made when there are none.

Learning groups are not made: each belongs to a trainer, whom the file does not name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.errors import DomainError, Invalid
from domain.foundation.text_validation import key_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import storable
from domain.people.models import PlaceKind
from domain.people.operations import create_place
from ops.imports.rows import Row

#: Fields of a file that name places, with the words of the report.
_FIELDS = {PlaceKind.DEPARTMENT: "department", PlaceKind.CLIENT: "client", PlaceKind.SUBLICENSE: "sublicense"}


@dataclass(frozen=True, slots=True)
class _Place:
    id: int
    kind: str
    external_id: str | None
    name: str
    client_id: int | None


class PlaceMatching:
    """The places that the rows of one chunk name, in the transaction of the chunk."""

    def __init__(self, work: UnitOfWork, separator: str) -> None:
        self._work = work
        #: What stands between the learning groups of one cell.
        self._separator = separator
        self._by_external_id: dict[tuple[PlaceKind, str], _Place] = {}
        self._by_name: dict[tuple[PlaceKind, int | None, str], int] = {}
        #: How many of which kind were made.
        self.made: Counter[str] = Counter()

    async def load(self, rows: Sequence[Row]) -> None:
        """Look up everything that the rows name, in one statement."""
        cells = {row.get(field, "") for row in rows for field in _FIELDS.values()}
        cells |= {text for row in rows for text in self._separated(row.get("learning_groups", ""))}
        texts = storable({text for cell in cells if (text := key_text(cell))})
        if not texts:
            return
        places = await self._work.sql.rows(
            _Place,
            "SELECT id, kind, external_id, name, client_id FROM place"
            " WHERE tenant_id = $1 AND kind = ANY ($2::text[])"
            "   AND (external_id = ANY ($3::text[]) OR name = ANY ($3::text[])) ORDER BY id",
            self._work.tenant_id,
            [PlaceKind.LEARNING_GROUP.value, *(kind.value for kind in _FIELDS)],
            texts,
        )
        for place in places:
            kind = PlaceKind(place.kind)
            if place.external_id is not None:
                self._by_external_id[kind, place.external_id] = place
            # Of sublicenses with one name, the oldest.
            self._by_name.setdefault((kind, place.client_id, place.name), place.id)

    async def get(self, kind: PlaceKind, text: str) -> int | None:
        """Return the department or client that a cell names, made where needed; None for an empty cell."""
        text = key_text(text)
        return await self._get(kind, text, None) if text else None

    async def get_sublicense(self, text: str, client_id: int | None) -> int | None:
        """Return the sublicense that a cell names; one that has to be made, or is found by its name, needs a client."""
        text = key_text(text)
        if not text:
            return None
        known = self._by_external_id.get((PlaceKind.SUBLICENSE, text))
        if known is None and client_id is None:
            raise Invalid("Has no client in this row.", path=["sublicense"])
        if known is not None and client_id not in (None, known.client_id):
            raise Invalid("Belongs to another client.", path=["sublicense"])
        return await self._get(PlaceKind.SUBLICENSE, text, client_id)

    def get_learning_groups(self, text: str) -> list[int]:
        """Return the learning groups that a cell names; raises Invalid for one that there is not."""
        found = []
        for name in self._separated(text):
            known = self._by_external_id.get((PlaceKind.LEARNING_GROUP, name))
            place_id = known.id if known else self._by_name.get((PlaceKind.LEARNING_GROUP, None, name))
            if place_id is None:
                raise Invalid(f"There is no learning group {name!r}.", path=["learning_groups"])
            found.append(place_id)
        return list(dict.fromkeys(found))

    def _separated(self, text: str) -> list[str]:
        return [name for part in text.split(self._separator) if (name := key_text(part))]

    async def _get(self, kind: PlaceKind, text: str, client_id: int | None) -> int:
        if known := self._by_external_id.get((kind, text)):
            return known.id
        place_id = self._by_name.get((kind, client_id, text))
        if place_id is None:
            try:
                place_id = await create_place(self._work, kind=kind, name=text, client=client_id)
            except DomainError as error:
                raise Invalid(error.message, path=[_FIELDS[kind]]) from error
            self._by_name[kind, client_id, text] = place_id
            self.made[_FIELDS[kind]] += 1
        return place_id
