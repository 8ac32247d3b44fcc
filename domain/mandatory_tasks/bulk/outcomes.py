"""What becomes of each person of an audience, decided in one place: a preview says what confirming does (spec 4.17).

Who has a task already is skipped, whatever else there is to say; then comes being inactive, then the date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from domain.enrollments.errors import LearnerInactive
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import DomainError, TooManyItems
from domain.foundation.paging import MAX_PAGE, Order, SortKey
from domain.mandatory_tasks.dates.due_dates import earliest_due_on
from domain.mandatory_tasks.dates.local_time import local_date
from domain.mandatory_tasks.errors import DueDateTooSoon


class BulkOutcome(StrEnum):
    """What becomes of one person."""

    CREATED = "CREATED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class BulkResultRow:
    """What has become of one person of an audience, or would."""

    learner_id: int
    name_key: str
    outcome: str
    task_id: int | None
    error_code: str | None
    earliest_due_on: date | None

    @property
    def error(self) -> DomainError | None:
        """Why there is no task; None where there is one."""
        if self.error_code == LearnerInactive.code:
            return LearnerInactive(path=["audience"])
        if self.error_code == DueDateTooSoon.code:
            assert self.earliest_due_on is not None
            return DueDateTooSoon(earliest=self.earliest_due_on)
        return None


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many people have each outcome."""

    created: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.skipped + self.failed


RESULT_ORDER = Order((SortKey("r.name_key", "name_key", "text"), SortKey("r.learner_id", "learner_id")))
RESULT_COLUMNS = "r.learner_id, r.name_key, r.outcome, r.task_id, r.error_code, r.earliest_due_on"


def judged(people: str, *, target: str, due_on: str) -> str:
    """Return SQL of what is in RESULT_COLUMNS for `people`, which is SQL of rows (learner_id, earliest_due_on).

    Target and due date are SQL expressions; where the date, or the earliest one, is null, nobody fails for it.
    """
    return f"""
SELECT l.id AS learner_id, l.name_key, t.id AS task_id, a.earliest_due_on,
       CASE WHEN t.id IS NOT NULL THEN 'SKIPPED'
            WHEN NOT l.is_active OR {due_on} < a.earliest_due_on THEN 'FAILED'
            ELSE 'CREATED' END AS outcome,
       CASE WHEN t.id IS NOT NULL THEN NULL
            WHEN NOT l.is_active THEN 'LEARNER_INACTIVE'
            WHEN {due_on} < a.earliest_due_on THEN 'DUE_DATE_TOO_SOON' END AS error_code
  FROM ({people}) a
  JOIN learner l ON l.id = a.learner_id
  LEFT JOIN mandatory_task t ON t.learner_id = l.id AND t.target_id = {target} AND t.withdrawn_at IS NULL
"""


def with_earliest_dates(people: str, zones: str, dates: str) -> str:
    """Return SQL that puts beside each of `people` the earliest date in their time zone, from two arrays."""
    return f"""
SELECT p.*, z.earliest_due_on FROM ({people}) p
  JOIN learner l ON l.id = p.learner_id
  JOIN tenant n ON n.id = l.tenant_id
  JOIN unnest({zones}::text[], {dates}::date[]) AS z (name, earliest_due_on)
    ON z.name = coalesce(l.time_zone, n.time_zone)
"""


def earliest_dates(now: datetime, minimum_lead_days: int) -> dict[str, date]:
    """Return the first date that a new task can be due on, for every time zone that somebody can be in."""
    return {name: earliest_due_on(local_date(now, zone), minimum_lead_days) for name, zone in _zones().items()}


@cache
def _zones() -> Mapping[str, ZoneInfo]:
    return {name: ZoneInfo(name) for name in sorted(available_timezones())}


async def count_outcomes(sql: Statements, judged: str, args: Sequence[object]) -> OutcomeCounts:
    """Count the outcomes that SQL tells."""
    counts = {
        record["outcome"].lower(): record["count"]
        for record in await sql.fetch(f"SELECT outcome, count(*) FROM ({judged}) r GROUP BY outcome", *args)
    }
    return OutcomeCounts(**counts)


def wanted_outcomes(outcomes: Sequence[BulkOutcome] | None) -> tuple[str, ...]:
    """Return which outcomes to list, each once and in order; all of them for None."""
    if outcomes is None:
        return tuple(BulkOutcome)
    if len(outcomes) > MAX_PAGE:
        raise TooManyItems(limit=MAX_PAGE, path=["outcomes"])
    return tuple(sorted({outcome.value for outcome in outcomes}))
