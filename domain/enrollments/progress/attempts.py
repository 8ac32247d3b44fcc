"""What a report of progress makes of an attempt: pure, and the same whatever the order in which reports arrive.

Of an attempt only summaries are kept: most lessons done, best score, and the earliest instants at which the course was
finished and its score reached. So a late or repeated report can improve what is known and never worsen it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.enrollments.models import ContentActionKind, EnrollmentStatus


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a course asks for at present."""

    lesson_count: int
    minimum_score: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a learner has done in a course, and when; None is for what the report does not speak of."""

    occurred_at: datetime
    lessons_done: int | None = None
    score: int | None = None
    is_finished: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """The present run through a course, as far as it is known."""

    status: EnrollmentStatus = EnrollmentStatus.NOT_STARTED
    progress_percent: int = 0
    lessons_done: int = 0
    #: Best score, and the earliest instant of one that is enough; as long as none is, of the best.
    score: int | None = None
    scored_at: datetime | None = None
    #: Earliest instant at which all lessons were done, or the learner was reported to have finished.
    finished_at: datetime | None = None
    completed_at: datetime | None = None
    #: None for the first attempt: what was done before enrolling counts.
    began_at: datetime | None = None
    #: Dates of the FAILED entries in the log, so that a report that comes twice is not logged twice.
    failed_at: frozenset[datetime] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """Entry that the log gets for a report."""

    action: ContentActionKind
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """The attempt after a report, and what the log gets."""

    attempt: Attempt
    logged: tuple[LoggedStep, ...]


def apply_report(attempt: Attempt, report: Report, requirements: Requirements) -> Progress:
    """Return the attempt after a report; one from before the attempt began changes nothing."""
    if attempt.began_at is not None and report.occurred_at < attempt.began_at:
        return Progress(attempt, ())
    known = _with_score(_with_lessons(attempt, report, requirements), report, requirements)
    after = _judged(known, requirements)
    logged: list[LoggedStep] = []
    if after.status is not attempt.status:
        if after.status is EnrollmentStatus.COMPLETED and after.completed_at is not None:
            logged.append(LoggedStep(ContentActionKind.COMPLETED, after.completed_at))
        else:
            logged.append(LoggedStep(ContentActionKind.STARTED, report.occurred_at))
    elif after.completed_at is not None and after.completed_at != attempt.completed_at:
        # Whoever reads the log has to find the date that everything else shows: the last entry has it.
        logged.append(LoggedStep(ContentActionKind.COMPLETED, after.completed_at))
    failed_at = _failure(attempt, after, report)
    if failed_at is not None:
        logged.append(LoggedStep(ContentActionKind.FAILED, failed_at))
        after = replace(after, failed_at=after.failed_at | {failed_at})
    return Progress(after, tuple(logged))


def progress_percent(*, is_finished: bool, lessons_done: int, lesson_count: int) -> int:
    """Return the percentage of lessons done, rounded down, so that 100 means finished."""
    return 100 if is_finished else min(99, lessons_done * 100 // lesson_count)


def _with_lessons(attempt: Attempt, report: Report, requirements: Requirements) -> Attempt:
    lessons_done = max(attempt.lessons_done, report.lessons_done or 0)
    finishes = report.is_finished or (report.lessons_done or 0) >= requirements.lesson_count
    # The course may have become shorter than what was done already: that counts from this report on.
    is_overtaken = attempt.finished_at is None and lessons_done >= requirements.lesson_count
    finished_at = attempt.finished_at
    if finishes or is_overtaken:
        finished_at = _earlier(finished_at, report.occurred_at)
    return replace(attempt, lessons_done=lessons_done, finished_at=finished_at)


def _with_score(attempt: Attempt, report: Report, requirements: Requirements) -> Attempt:
    if report.score is None:
        return attempt
    enough, best = requirements.minimum_score or 0, attempt.score
    if best is None or best < min(report.score, enough):
        return replace(attempt, score=report.score, scored_at=report.occurred_at)
    if report.score >= min(best, enough):
        return replace(
            attempt, score=max(best, report.score), scored_at=_earlier(attempt.scored_at, report.occurred_at)
        )
    return attempt


def _judged(attempt: Attempt, requirements: Requirements) -> Attempt:
    is_enough = requirements.minimum_score is None or (
        attempt.score is not None and attempt.score >= requirements.minimum_score
    )
    is_finished = attempt.finished_at is not None
    if is_finished and is_enough:
        needed = [attempt.finished_at, attempt.scored_at if requirements.minimum_score is not None else None]
        completed_at = max(instant for instant in needed if instant is not None)
        return replace(
            attempt,
            status=EnrollmentStatus.COMPLETED,
            progress_percent=100,
            # Later evidence of an earlier completion dates it back; nothing moves it on.
            completed_at=_earlier(attempt.completed_at, completed_at),
        )
    if attempt.status is EnrollmentStatus.COMPLETED:
        return attempt
    is_begun = attempt.lessons_done > 0 or attempt.score is not None or is_finished
    return replace(
        attempt,
        status=EnrollmentStatus.IN_PROGRESS if is_begun else attempt.status,
        progress_percent=progress_percent(
            is_finished=is_finished, lessons_done=attempt.lessons_done, lesson_count=requirements.lesson_count
        ),
    )


def _failure(before: Attempt, after: Attempt, report: Report) -> datetime | None:
    """Return the date of the failure that a report tells of: finished, and the best score not enough."""
    if after.status is EnrollmentStatus.COMPLETED or after.finished_at is None or after.score is None:
        return None
    if before.finished_at is not None and report.score is None:
        return None
    failed_at = max(after.finished_at, report.occurred_at)
    return None if failed_at in before.failed_at else failed_at


def _earlier(known: datetime | None, other: datetime) -> datetime:
    return other if known is None else min(known, other)
