"""The status of tasks in SQL: it is derived from stage, due date and instant, as `status_of` does it for one task."""

import datetime as dt

from domain.foundation.paging import Query
from domain.mandatory_tasks.status import TaskStatus

OPEN = frozenset({TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.OVERDUE})
#: A date ends on earth within so many days around its end in UTC.
_SLACK = dt.timedelta(days=2)


def restrict_statuses(
    query: Query, wanted: frozenset[TaskStatus], now: dt.datetime, *, includes_suspended: bool
) -> None:
    """Restrict to tasks with one of these statuses at an instant: the status is derived, so the condition is too.

    What is constant is written out, as the index of open tasks is one of a condition.
    """
    if TaskStatus.COMPLETED not in wanted:
        query.where("t.stage <> 'COMPLETED'")
    if wanted >= OPEN:
        return
    is_on_time, is_late = _punctuality("?", includes_suspended=includes_suspended)
    parts, args = [], []
    if TaskStatus.COMPLETED in wanted:
        parts.append("t.stage = 'COMPLETED'")
    if TaskStatus.OVERDUE in wanted:
        parts.append(f"t.stage <> 'COMPLETED' AND {is_late}")
        args.append(now)
    stages = [f"'{status.value}'" for status in (TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS) if status in wanted]
    if stages:
        parts.append(f"t.stage IN ({', '.join(stages)}) AND {is_on_time}")
        args.append(now)
    # What follows for the due date lets whoever walks along it begin or end near today.
    if wanted == {TaskStatus.OVERDUE}:
        query.where("t.due_on <= ?", (now + _SLACK).date())
    elif wanted <= OPEN - {TaskStatus.OVERDUE} and not includes_suspended:
        query.where("t.due_on >= ?", (now - _SLACK).date())
    query.where(" OR ".join(f"({part})" for part in parts) or "false", *args)


def numbers_per_status(now: str, *, includes_suspended: bool) -> str:
    """Return the columns that count tasks, `t`, per status; `now` is the place of an argument.

    They read no column that they need not: what an index has is read there alone.
    """
    is_on_time, is_late = _punctuality(f"{now}::timestamptz", includes_suspended=includes_suspended)
    return (
        f"count(*) FILTER (WHERE t.stage = 'ASSIGNED' AND {is_on_time}) AS assigned,"
        f" count(*) FILTER (WHERE t.stage = 'IN_PROGRESS' AND {is_on_time}) AS in_progress,"
        " count(*) FILTER (WHERE t.stage = 'COMPLETED') AS completed,"
        f" count(*) FILTER (WHERE t.stage <> 'COMPLETED' AND {is_late}) AS overdue"
    )


def _punctuality(now: str, *, includes_suspended: bool) -> tuple[str, str]:
    """Return the conditions for open tasks that are not overdue, and that are; what rests is never overdue."""
    is_on_time, is_late = f"t.due_at > {now}", f"t.due_at <= {now}"
    if includes_suspended:
        return f"(t.is_suspended OR {is_on_time})", f"(NOT t.is_suspended AND {is_late})"
    return is_on_time, is_late
