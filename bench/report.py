"""What was measured, as a table for people and as one line of JSON per measurement for whoever keeps figures."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `ratio` compares it with its floor, or with what `compared_with` names."""

    measure: str
    case: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    compared_with: str = "floor"
    #: What the ratio should be, as text: "at least 0.5"; and whether it is.
    goal: str | None = None
    is_met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, mean, 99th percentile and maximum of durations, in milliseconds."""

    median: float
    mean: float
    p99: float
    maximum: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Summarize durations given in seconds."""
        ordered = sorted(one * 1_000 for one in seconds)
        return cls(
            median=statistics.median(ordered),
            mean=statistics.fmean(ordered),
            p99=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
            maximum=ordered[-1],
        )

    def as_details(self) -> dict[str, float]:
        """Return the figures, rounded for people."""
        return {name: round(value, 2) for name, value in asdict(self).items()}


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures of one measurement."""
    rows = [("case", "measured", "floor", "ratio", "", "goal", "")]
    rows += [
        (
            figure.case,
            f"{_number(figure.value)} {figure.unit}",
            "" if figure.floor is None else f"{_number(figure.floor)} {figure.unit}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            "" if figure.ratio is None else f"of {figure.compared_with}",
            f"{figure.goal}: {'met' if figure.is_met else 'MISSED'}" if figure.goal else "",
            ", ".join(f"{name} {_text(value)}" for name, value in figure.details.items()),
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    print(f"\n{figures[0].measure}")
    for row in rows:
        cells = [cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row[:-1], widths, strict=True))]  # fmt: skip
        print(f"  {'  '.join([*cells, row[-1]])}".rstrip())


def print_json(figures: Sequence[Figure], run: dict[str, Any]) -> None:
    """Print one line per measurement, each with what is known of the whole run."""
    print()
    for figure in figures:
        print(json.dumps({**run, **asdict(figure)}, separators=(",", ":")))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _text(value: object) -> str:
    return _number(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
