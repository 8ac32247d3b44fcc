"""What time makes of a stage (spec 4.5)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.mandatory_tasks.dates.local_time import end_of
from domain.mandatory_tasks.status import TaskStage, TaskStatus, status_at
from tests.domain.mandatory_tasks.zones import dates_in_zones, instant_of, is_left_out, shares

DUE_AT = datetime(2026, 3, 3, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

stages = st.sampled_from(TaskStage)
distances = st.timedeltas(timedelta(days=-400), timedelta(days=400))


@pytest.mark.parametrize(
    ("stage", "before", "after"),
    [
        (TaskStage.ASSIGNED, TaskStatus.ASSIGNED, TaskStatus.OVERDUE),
        (TaskStage.IN_PROGRESS, TaskStatus.IN_PROGRESS, TaskStatus.OVERDUE),
        (TaskStage.COMPLETED, TaskStatus.COMPLETED, TaskStatus.COMPLETED),
    ],
)
def test_a_task_is_overdue_from_the_end_of_its_due_date_on(
    stage: TaskStage, before: TaskStatus, after: TaskStatus
) -> None:
    """The last microsecond of the due date is still in time, the next instant is not; completed stays completed."""
    assert status_at(stage, DUE_AT, DUE_AT - MICROSECOND) is before
    assert status_at(stage, DUE_AT, DUE_AT) is after


@given(stages, distances, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_time_alone_never_takes_overdue_away(stage: TaskStage, distance: timedelta, wait: timedelta) -> None:
    """What is overdue stays so until it is completed or moved."""
    if status_at(stage, DUE_AT, DUE_AT + distance) is TaskStatus.OVERDUE:
        assert status_at(stage, DUE_AT, DUE_AT + distance + wait) is TaskStatus.OVERDUE


@given(distances)
def test_completed_wins_at_any_time(distance: timedelta) -> None:
    """A completed task is completed, however long its due date has passed."""
    assert status_at(TaskStage.COMPLETED, DUE_AT, DUE_AT + distance) is TaskStatus.COMPLETED


@given(dates_in_zones, st.sampled_from([TaskStage.ASSIGNED, TaskStage.IN_PROGRESS]), shares)
def test_nobody_is_overdue_on_the_due_date(where: tuple[ZoneInfo, date], stage: TaskStage, share: int) -> None:
    """From the first instant of the due date in its zone to its last, the task is not overdue; then it is."""
    zone, day = where
    assume(not is_left_out(zone, day))
    due_at = end_of(day, zone)
    assert status_at(stage, due_at, instant_of(zone, day, share)) is TaskStatus(stage)
    assert status_at(stage, due_at, instant_of(zone, day + timedelta(days=1), 0)) is TaskStatus.OVERDUE
