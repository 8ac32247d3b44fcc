"""Records as rows: dataclasses made without their initializers, which cost more than reading the record does.

A frozen dataclass sets each field through `object.__setattr__`, and keyword arguments are looked up one by one. A page
has thousands of columns, so the function that makes a row is written once for its columns.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

Row = TypeVar("Row")


def rows_of(shape: type[Row], records: Sequence[Any]) -> list[Row]:
    """Return each record as `shape(**columns)`."""
    if not records:
        return []
    make = _maker(cast("Any", shape), tuple(records[0].keys()))
    return [make(record) for record in records]


def keyed_rows_of(shape: type[Row], records: Sequence[Any]) -> list[tuple[Any, Row]]:
    """Return for each record its first column, and the others as `shape(**columns)`."""
    if not records:
        return []
    make = _maker(cast("Any", shape), tuple(records[0].keys()), 1)
    return [(record[0], make(record)) for record in records]


@lru_cache(maxsize=1_000)
def _maker(shape: Any, columns: tuple[str, ...], skipped: int = 0) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a row from a record with these columns, but for the first ones that are skipped.

    Raises TypeError where they do not fit.
    """
    place = {name: number for number, name in enumerate(columns) if number >= skipped}
    fields = {field.name: field for field in dataclasses.fields(shape)} if dataclasses.is_dataclass(shape) else {}
    is_plain = fields and "__slots__" in shape.__dict__ and not hasattr(shape, "__post_init__")
    slots = {name: vars(shape).get(name) for name in fields}
    if not is_plain or not all(hasattr(slot, "__set__") for slot in slots.values()):
        return lambda record: shape(**{name: record[number] for name, number in place.items()})
    names: dict[str, Any] = {"new": object.__new__, "shape": shape}
    lines = ["def make(record):", "    row = new(shape)"]
    for number, (name, field) in enumerate(fields.items()):
        names[f"set_{number}"] = slots[name].__set__
        if name in place:
            value = f"record[{place[name]}]"
        elif field.default is not dataclasses.MISSING:
            names[f"default_{number}"] = field.default
            value = f"default_{number}"
        else:
            raise TypeError(f"{shape.__name__} needs {name}.")
        lines.append(f"    set_{number}(row, {value})")
    unknown = set(place) - set(fields)
    if unknown:
        raise TypeError(f"{shape.__name__} has no {', '.join(sorted(unknown))}.")
    exec("\n".join([*lines, "    return row"]), names)
    made: Callable[[Sequence[Any]], Any] = names["make"]
    return made
