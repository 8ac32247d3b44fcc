"""Rows about people.

A row says what its person is: an empty cell removes the value, except a name, an email address, a role and whether
they are active, which stay.
"""

from collections.abc import Sequence

from domain.foundation.access import Role
from domain.foundation.errors import DomainError, Invalid
from domain.foundation.row_outcomes import RowOutcome, row_errors
from domain.foundation.text_validation import key_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.changes import UNSET, LearnerChanges, RefChange, Unset
from domain.people.models import PlaceKind
from domain.people.operations import upsert_learners
from ops.failures import CommandFailed
from ops.imports.column_mapping import FieldSet
from ops.imports.place_matching import PlaceMatching
from ops.imports.rows import MadeForNothing, Row, RowResult, Written

REFS = tuple(f"ref{number}" for number in range(1, 11))
LEARNER_FIELDS = FieldSet(
    known=(
        *("external_id", "name", "email", "is_active", "role", "time_zone"),
        *("department", "learning_groups", "client", "sublicense", *REFS),
    ),
    needed=("external_id",),
)
#: How files say yes and no.
_FLAGS = dict.fromkeys(("true", "yes", "y", "1", "active"), True) | dict.fromkeys(
    ("false", "no", "n", "0", "inactive"), False
)


class LearnerImport:
    """Creates and changes people by external ID."""

    fields = LEARNER_FIELDS
    has_unique_rows = True

    def __init__(self, fields: Sequence[str], separator: str) -> None:
        if "sublicense" in fields and "client" not in fields:
            raise CommandFailed("No column is client: a sublicense belongs to one. Give it by --map column=client.")
        self._fields = set(fields)
        self._refs = [field for field in fields if field in REFS]
        self._separator = separator
        self._file_names = {"externalId": "external_id", "departmentId": "department", "clientIds": "client"}
        self._file_names |= {"isActive": "is_active", "timeZone": "time_zone"}
        self._file_names |= {f"refValues.{index}": field for index, field in enumerate(self._refs)}

    def key(self, row: Row) -> str:
        """Return what names a row within its file: the external ID as it is stored."""
        return key_text(row["external_id"])

    async def write(self, work: UnitOfWork, rows: Sequence[Row]) -> Written:
        """Create or change the people of these rows; raises MadeForNothing."""
        places = PlaceMatching(work, self._separator)
        await places.load(rows)
        results: dict[int, RowResult] = {}
        changes: dict[int, LearnerChanges] = {}
        for index, row in enumerate(rows):
            try:
                changes[index] = await self._changes(row, places)
            except DomainError as error:
                results[index] = RowResult.of(RowOutcome.FAILED, row_errors(error), {})
        written = await upsert_learners(
            work, rows=list(changes.values()), names_from_external_ids=True, may_swap_emails=True
        )
        for index, result in zip(changes, written, strict=True):
            results[index] = RowResult.of(result.outcome, result.errors, self._file_names)
        refused = {index: result for index, result in results.items() if result.outcome is RowOutcome.FAILED}
        if refused and places.made:
            raise MadeForNothing(refused)
        return Written([results[index] for index in range(len(rows))], places.made)

    async def _changes(self, row: Row, places: PlaceMatching) -> LearnerChanges:
        client_id = await places.get(PlaceKind.CLIENT, row.get("client", ""))
        department_id = await places.get(PlaceKind.DEPARTMENT, row.get("department", ""))
        sublicense_id = await places.get_sublicense(row.get("sublicense", ""), client_id)
        learning_groups = places.get_learning_groups(row.get("learning_groups", ""))
        return LearnerChanges(
            external_id=row["external_id"],
            name=row.get("name") or UNSET,
            email=row.get("email") or UNSET,
            role=_role(row.get("role", "")),
            is_active=_flag(row.get("is_active", "")),
            time_zone=(row["time_zone"].strip() or None) if "time_zone" in self._fields else UNSET,
            learning_groups=learning_groups if "learning_groups" in self._fields else UNSET,
            department=department_id if "department" in self._fields else UNSET,
            clients=_list_of(client_id) if "client" in self._fields else UNSET,
            sublicenses=_list_of(sublicense_id) if "sublicense" in self._fields else UNSET,
            ref_values=[RefChange(int(field.removeprefix("ref")), row[field] or None) for field in self._refs],
        )


def _role(text: str) -> Role | Unset:
    name = text.strip().upper()
    if not name:
        return UNSET
    if name not in Role.__members__:
        raise Invalid(f"One of {', '.join(Role.__members__)}.", path=["role"])
    return Role[name]


def _flag(text: str) -> bool | Unset:
    word = text.strip().lower()
    if not word:
        return UNSET
    if word not in _FLAGS:
        raise Invalid("Is neither true nor false.", path=["is_active"])
    return _FLAGS[word]


def _list_of(place_id: int | None) -> list[int]:
    return [] if place_id is None else [place_id]
