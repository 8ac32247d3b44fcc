"""Reading dates of files: in every spelling that can mean one thing, and in no other."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from domain.foundation.errors import Invalid
from ops.imports.dates import AmbiguousDate, DateOrder, find_order, parse_when

NEW_YEARS_EVE = date(2025, 12, 31)
AT_TWO = datetime.combine(NEW_YEARS_EVE, time(14))


@pytest.mark.parametrize(
    ("text", "when"),
    [
        *((text, NEW_YEARS_EVE) for text in ("2025-12-31", "2025/12/31", "2025.12.31", "20251231", " 2025-12-31 ")),
        *((text, NEW_YEARS_EVE) for text in ("31.12.2025", "31. 12. 2025", "31/12/2025", "12/31/2025", "31-12-2025")),
        *((text, NEW_YEARS_EVE) for text in ("31 Dec 2025", "31-DEC-2025", "December 31, 2025", "31. December 2025")),
        *(
            (text, AT_TWO)
            for text in ("2025-12-31 14:00", "2025-12-31T14:00:00", "31.12.2025 14:00", "31.12.2025, 14:00")
        ),
        *((text, AT_TWO) for text in ("12/31/2025 2:00 PM", "12/31/2025 02:00:00 pm", "2025-12-31 14:00:00.000")),
        *((text, AT_TWO.replace(tzinfo=UTC)) for text in ("2025-12-31T14:00:00Z", "2025-12-31 14:00 UTC")),
        ("2025-12-31T14:00:00+05:30", AT_TWO.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        ("2025-12-31T14:00-0800", AT_TWO.replace(tzinfo=timezone(-timedelta(hours=8)))),
        ("12/31/2025 12:00 AM", datetime.combine(NEW_YEARS_EVE, time())),
        ("3/3/2025", date(2025, 3, 3)),
        ("3.4.2025", date(2025, 4, 3)),
        ("", None),
        ("  ", None),
    ],
)
def test_spellings_that_mean_one_thing(text: str, when: date | None) -> None:
    """A day, a time of somebody's clock, or an instant."""
    read = parse_when(text, None, path=())
    assert (type(read), read) == (type(when), when)


@pytest.mark.parametrize(
    "text",
    [
        *("31.13.2025", "12.31.2025", "30/02/2025", "2025-02-30", "31/31/2025", "31.12.25", "12/31/25", "2025-12"),
        *("45000", "45000.5", "yesterday", "2025-12-31 25:00", "2025-12-31 14:60", "2025-12-31 13:00 PM", "0000-01-01"),
        *("2025-12-31T14:00+00:60", "2025-12-31T14:00+15:00", "2025-12-31/12/2025", "31 Foo 2025", "٣/٤/٢٠٢٥", "-1"),
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """With a reason, whatever it is."""
    with pytest.raises(Invalid):
        parse_when(text, None, path=["completed_at"])


def test_what_could_be_two_dates_needs_an_order() -> None:
    """Of the operator, or of the column."""
    for text in ("03/04/2025", "3-4-2025", "03/04/2025 14:00"):
        with pytest.raises(AmbiguousDate, match="--date-format"):
            parse_when(text, None, path=())
    assert parse_when("03/04/2025", DateOrder.DAY_FIRST, path=()) == date(2025, 4, 3)
    assert parse_when("03/04/2025", DateOrder.MONTH_FIRST, path=()) == date(2025, 3, 4)
    with pytest.raises(Invalid):
        parse_when("31/12/2025", DateOrder.MONTH_FIRST, path=())


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["03/04/2025", "31/12/2025"], DateOrder.DAY_FIRST),
        (["12/31/2025 14:00", "x", ""], DateOrder.MONTH_FIRST),
        (["31/12/2025", "12/31/2025"], None),
        (["03/04/2025", "2025-12-31", "31.12.2025", "99/99/2025"], None),
        ([], None),
    ],
)
def test_a_column_may_decide(texts: list[str], order: DateOrder | None) -> None:
    """By a row that can be read one way only, if no other contradicts it."""
    assert find_order(texts) == order
