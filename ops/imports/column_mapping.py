"""Which column of a file is which field: `--map` and `--value`.

    --map id_student=external_id              the column id_student is the external ID
    --map code_module+code_presentation=content   the two columns joined by a hyphen
    --value status:Pass=COMPLETED             where the field status would be Pass, it is COMPLETED

Columns that are called like a field need no `--map`; all others are ignored, and named in the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.failures import CommandFailed

SEPARATOR = "-"


@dataclass(frozen=True, slots=True)
class FieldSet:
    """Fields that a kind of file can have, and those that it needs."""

    known: tuple[str, ...]
    needed: tuple[str, ...]


class ColumnMapping:
    """Turns the cells of a record into fields; raises CommandFailed for a mapping that makes no sense."""

    def __init__(
        self, header: Sequence[str], fields: FieldSet, *, maps: Sequence[str] = (), values: Sequence[str] = ()
    ) -> None:
        self._columns: dict[str, list[int]] = {}
        for text in maps:
            columns, _, field = text.rpartition("=")
            if not columns or not field:
                raise CommandFailed(f"--map {text}: has to be column=field.")
            _require_known(field, fields, f"--map {text}")
            if field in self._columns:
                raise CommandFailed(f"--map {text}: {field} is mapped twice.")
            self._columns[field] = _positions(columns, header, text)
        for field in fields.known:
            if field in header and field not in self._columns:
                self._columns[field] = [list(header).index(field)]
        taken = {position for positions in self._columns.values() for position in positions}
        #: Columns that no field takes.
        self.ignored = [name for position, name in enumerate(header) if name and position not in taken]
        missing = [field for field in fields.needed if field not in self._columns]
        if missing:
            raise CommandFailed(
                f"No column is {missing[0]}: give one by --map column={missing[0]}. Columns: {', '.join(header)}."
            )
        self._values: dict[tuple[str, str], str] = {}
        for text in values:
            source, _, wanted = text.rpartition("=")
            field, _, present = source.partition(":")
            if not field or ":" not in source:
                raise CommandFailed(f"--value {text}: has to be field:text=value.")
            _require_known(field, fields, f"--value {text}")
            self._values[field, present] = wanted

    @property
    def fields(self) -> list[str]:
        """Fields that the file has."""
        return list(self._columns)

    def row(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the fields of a record."""
        row = {}
        for field, positions in self._columns.items():
            text = SEPARATOR.join(cells[position] for position in positions)
            if not any(cells[position] for position in positions):
                text = ""
            row[field] = self._values.get((field, text), text)
        return row


def _require_known(field: str, fields: FieldSet, where: str) -> None:
    if field not in fields.known:
        raise CommandFailed(f"{where}: there is no field {field}. Fields: {', '.join(fields.known)}.")


def _positions(columns: str, header: Sequence[str], text: str) -> list[int]:
    # A column may have a plus in its name.
    names = [columns] if columns in header else columns.split("+")
    for name in names:
        if name not in header:
            raise CommandFailed(f"--map {text}: there is no column {name!r}. Columns: {', '.join(header)}.")
    return [list(header).index(name) for name in names]
