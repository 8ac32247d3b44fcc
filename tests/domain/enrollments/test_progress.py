"""What reports make of an attempt, whatever the order in which they arrive (spec 2.3 and 2.8)."""

from datetime import UTC, datetime, timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.enrollments.progress.attempts import Attempt, LoggedStep, Report, Requirements, apply_report

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
STARTED, FAILED, COMPLETED = ContentActionKind.STARTED, ContentActionKind.FAILED, ContentActionKind.COMPLETED
NO_SCORE = Requirements(lesson_count=3, minimum_score=None)
SEVENTY = Requirements(lesson_count=3, minimum_score=70)


def at(hours: int) -> datetime:
    """Return an instant some hours after Monday morning."""
    return MONDAY + timedelta(hours=hours)


requirements = st.builds(
    Requirements, lesson_count=st.integers(1, 4), minimum_score=st.none() | st.integers(0, 4).map(lambda n: n * 25)
)
reports = st.builds(
    Report,
    occurred_at=st.integers(0, 6).map(at),
    lessons_done=st.none() | st.integers(0, 5),
    score=st.none() | st.integers(0, 4).map(lambda n: n * 25),
    is_finished=st.booleans(),
)
began = st.none() | st.integers(0, 6).map(at)


def fold(attempt: Attempt, sequence: list[Report], requirements: Requirements) -> Attempt:
    """Return the attempt after several reports."""
    return reduce(lambda state, report: apply_report(state, report, requirements).attempt, sequence, attempt)


def log_of(sequence: list[Report], requirements: Requirements) -> list[LoggedStep]:
    """Return everything that the log gets for reports on a new attempt."""
    attempt = Attempt()
    logged: list[LoggedStep] = []
    for report in sequence:
        progress = apply_report(attempt, report, requirements)
        attempt = progress.attempt
        logged += progress.logged
    return logged


@given(requirements, began, st.lists(reports, max_size=5).flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))))
def test_the_order_of_reports_does_not_matter(
    required: Requirements, began_at: datetime | None, orders: tuple[list[Report], list[Report]]
) -> None:
    """Lessons, score, status, percent and the date of completion are the same for every order."""
    start = Attempt(began_at=began_at)
    assert fold(start, orders[0], required) == fold(start, orders[1], required)


@given(requirements, st.lists(reports, max_size=5), reports)
def test_a_repeated_report_changes_and_logs_nothing(
    required: Requirements, earlier: list[Report], report: Report
) -> None:
    """The same report again leaves the attempt as it is and the log without a new entry."""
    once = apply_report(fold(Attempt(), earlier, required), report, required).attempt
    again = apply_report(once, report, required)
    assert again.attempt == once
    assert again.logged == ()


@given(requirements, requirements, st.lists(reports, max_size=4), reports)
def test_nothing_that_was_reached_is_lost(
    before: Requirements, after: Requirements, earlier: list[Report], report: Report
) -> None:
    """Lessons and score never go down and a completion stays, also when the course has changed meanwhile."""
    old = fold(Attempt(), earlier, before)
    new = apply_report(old, report, after).attempt
    order = list(EnrollmentStatus)
    assert new.lessons_done >= old.lessons_done
    assert (new.score or 0) >= (old.score or 0)
    assert order.index(new.status) >= order.index(old.status)
    if old.completed_at is not None:
        assert new.completed_at is not None
        assert new.completed_at <= old.completed_at
        assert new.progress_percent == 100


@given(requirements, st.lists(reports, max_size=6))
def test_the_log_tells_one_beginning_and_then_each_date_of_the_completion(
    required: Requirements, sequence: list[Report]
) -> None:
    """After the completion only earlier dates of it are logged, and the last one is what the attempt shows."""
    logged = log_of(sequence, required)
    actions = [step.action for step in logged]
    assert actions.count(STARTED) <= 1
    assert STARTED not in actions[1:]
    dates = [step.occurred_at for step in logged if step.action is COMPLETED]
    assert actions[len(actions) - len(dates) :] == [COMPLETED] * len(dates)
    assert dates == sorted(set(dates), reverse=True)
    assert dates[-1:] == [at for at in [fold(Attempt(), sequence, required).completed_at] if at is not None]


def test_lessons_begin_and_complete_a_course_without_a_minimum_score() -> None:
    """Two of three lessons make it IN_PROGRESS at 66 percent; the third completes it."""
    begun = apply_report(Attempt(), Report(at(1), lessons_done=2), NO_SCORE)
    assert (begun.attempt.status, begun.attempt.progress_percent) == (EnrollmentStatus.IN_PROGRESS, 66)
    assert begun.logged == (LoggedStep(STARTED, at(1)),)
    done = apply_report(begun.attempt, Report(at(2), lessons_done=3), NO_SCORE)
    assert (done.attempt.status, done.attempt.progress_percent) == (EnrollmentStatus.COMPLETED, 100)
    assert done.attempt.completed_at == at(2)
    assert done.logged == (LoggedStep(COMPLETED, at(2)),)


def test_a_score_alone_begins_a_course() -> None:
    """A score makes it IN_PROGRESS, even one of 0; no lessons and no score do not."""
    assert apply_report(Attempt(), Report(at(1), score=0), NO_SCORE).attempt.status is EnrollmentStatus.IN_PROGRESS
    assert apply_report(Attempt(), Report(at(1), lessons_done=0), NO_SCORE).attempt == Attempt()


def test_completion_is_dated_by_the_latest_report_that_it_needed() -> None:
    """Score at 2, finished at 4, a better score at 6: completed at 4."""
    reports = [Report(at(6), score=90), Report(at(2), score=70), Report(at(4), is_finished=True)]
    assert fold(Attempt(), reports, SEVENTY).completed_at == at(4)


def test_every_insufficient_score_of_who_has_finished_is_a_failure() -> None:
    """FAILED is logged by the report that finishes and by each later score under the minimum, then no more."""
    reports = [
        Report(at(1), score=30),
        Report(at(2), score=50, is_finished=True),
        Report(at(3), score=40),
        Report(at(3), score=40),
        Report(at(4), lessons_done=3),
        Report(at(5), score=70),
        Report(at(6), score=10),
    ]
    assert log_of(reports, SEVENTY) == [
        LoggedStep(STARTED, at(1)),
        LoggedStep(FAILED, at(2)),
        LoggedStep(FAILED, at(3)),
        LoggedStep(COMPLETED, at(5)),
    ]


def test_finishing_without_any_score_is_no_failure() -> None:
    """Who has finished without a score is IN_PROGRESS; the score that is too low then fails, dated by finishing."""
    reports = [Report(at(4), is_finished=True), Report(at(2), score=50)]
    assert log_of(reports, SEVENTY) == [LoggedStep(STARTED, at(4)), LoggedStep(FAILED, at(4))]
    assert fold(Attempt(), reports, SEVENTY).status is EnrollmentStatus.IN_PROGRESS


def test_a_report_from_before_the_attempt_changes_nothing() -> None:
    """What happened before the present attempt began belongs to a former one."""
    attempt = Attempt(began_at=at(5))
    assert apply_report(attempt, Report(at(4), is_finished=True), NO_SCORE).attempt == attempt
    assert apply_report(attempt, Report(at(5), is_finished=True), NO_SCORE).attempt.completed_at == at(5)


def test_a_changed_course_counts_from_the_next_report_on() -> None:
    """A lower minimum completes with the next report; a higher one takes no completion away."""
    failed = fold(Attempt(), [Report(at(1), score=50, is_finished=True)], SEVENTY)
    lower = Requirements(lesson_count=3, minimum_score=40)
    assert apply_report(failed, Report(at(2), lessons_done=1), lower).attempt.status is EnrollmentStatus.COMPLETED
    done = fold(failed, [Report(at(2), score=80)], SEVENTY)
    higher = Requirements(lesson_count=9, minimum_score=90)
    assert apply_report(done, Report(at(3), lessons_done=1), higher).attempt.status is EnrollmentStatus.COMPLETED


def test_a_shorter_course_is_finished_by_the_next_report() -> None:
    """Three of five lessons are all of them once the course has three."""
    begun = fold(Attempt(), [Report(at(1), lessons_done=3)], Requirements(lesson_count=5, minimum_score=None))
    done = apply_report(begun, Report(at(2), lessons_done=1), NO_SCORE)
    assert done.attempt.completed_at == at(2)
