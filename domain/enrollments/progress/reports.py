"""Reports of progress as they come in: who may report what about whom, one by one and in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.content.models import ContentKind
from domain.content.queries import ContentKey, find_content_ids, resolve_content
from domain.enrollments.errors import LearnerInactive
from domain.enrollments.granting import Grant, grant
from domain.enrollments.progress.attempts import Report
from domain.enrollments.progress.recording import Place, PlacedReport, record_reports
from domain.enrollments.rights import trained_among
from domain.foundation.access import Principal, Scope, Source
from domain.foundation.errors import (
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    NotPermitted,
    ProblemList,
    Problems,
    TooManyItems,
)
from domain.foundation.instants import past_instant
from domain.foundation.row_outcomes import RowError, RowOutcome, row_errors
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import find_learner_ids
from domain.people.queries import LearnerKey, lock_learners, resolve_learner

MOST_ROWS = 1_000
#: More lessons than any course has: the column holds no larger number.
MOST_LESSONS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressInput:
    """A report as the caller gives it."""

    learner: LearnerKey
    course: ContentKey
    lessons_done: int | None = None
    score: int | None = None
    is_finished: bool = False
    #: None for now.
    occurred_at: datetime | None = None
    #: Whether a learner who was never enrolled is enrolled first.
    enrolls: bool = False


@dataclass(frozen=True, slots=True)
class ProgressRowResult:
    """Outcome of one report; `enrollment_id` is None when it failed."""

    outcome: RowOutcome
    enrollment_id: int | None
    errors: list[RowError]


async def record_course_progress(work: UnitOfWork, *, report: ProgressInput) -> int:
    """Record one report and return the ID of the enrollment in the course."""
    principal = work.principal
    if not principal.is_person and not principal.may_write(Scope.WRITE_ENROLLMENTS):
        raise Forbidden
    problems = ProblemList()
    learner_id = course_id = 0
    try:
        learner_id = await resolve_learner(work.sql, principal, report.learner)
    except DomainError as error:
        problems.add(error)
    try:
        course_id = await resolve_content(work.sql, principal, report.course, ["course"], kind=ContentKind.COURSE)
    except DomainError as error:
        problems.add(error)
    if not problems:
        await _judge_right(work, learner_id, course_id, problems)
    _judge_report(work, report, learner_id, problems)
    problems.raise_if_any()
    await lock_learners(work, [learner_id])
    if not await _enrolled(work, {(learner_id, course_id)}):
        raise NotFound("The learner has never been enrolled in the course.", path=["course"])
    [recorded] = await record_reports(work, [_placed(work, report, learner_id, course_id)])
    return recorded.enrollment_id


async def bulk_record_course_progress(work: UnitOfWork, *, rows: Sequence[ProgressInput]) -> list[ProgressRowResult]:
    """Record up to 1,000 reports in their order, in a fixed number of statements; returns what became of each."""
    work.principal.require_write(Scope.WRITE_ENROLLMENTS)
    if not rows:
        raise Invalid("At least one row.", path=["rows"])
    if len(rows) > MOST_ROWS:
        raise TooManyItems(limit=MOST_ROWS, path=["rows"])
    learner_ids = await find_learner_ids(work.sql, work.principal, [row.learner for row in rows])
    course_ids = await find_content_ids(work.sql, work.principal, [row.course for row in rows], kind=ContentKind.COURSE)
    problems = [
        _row_problems(work, row, learner_id, course_id)
        for row, learner_id, course_id in zip(rows, learner_ids, course_ids, strict=True)
    ]
    places: list[Place | None] = [
        None if problem or learner_id is None or course_id is None else (learner_id, course_id)
        for problem, learner_id, course_id in zip(problems, learner_ids, course_ids, strict=True)
    ]
    locked = await lock_learners(work, {place[0] for place in places if place is not None})
    active = {person.id for person in locked if person.is_active}
    enrolled = await _enrolled(work, {place for place in places if place is not None})
    grants: dict[Place, int] = {}
    for index, (row, place) in enumerate(zip(rows, places, strict=True)):
        if place is None or place in enrolled:
            continue
        if not row.enrolls:
            problems[index] = NotFound("The learner has never been enrolled in the course.", path=["course"])
        elif place[0] not in active:
            problems[index] = LearnerInactive(path=["learner"])
        else:
            enrolled.add(place)
            grants[place] = index
    await grant(work, [Grant(*place, work.principal.source) for place in grants], writes_facts=True)
    accepted = [
        (index, _placed(work, row, *place))
        for index, (row, place) in enumerate(zip(rows, places, strict=True))
        if place is not None and problems[index] is None
    ]
    recorded = await record_reports(work, [report for _, report in accepted])
    by_index = {index: one for (index, _), one in zip(accepted, recorded, strict=True)}
    created = set(grants.values())

    def result(index: int, problem: DomainError | None) -> ProgressRowResult:
        if problem is not None:
            return ProgressRowResult(RowOutcome.FAILED, None, row_errors(problem))
        one = by_index[index]
        outcome = RowOutcome.UPDATED if one.has_effect else RowOutcome.UNCHANGED
        return ProgressRowResult(RowOutcome.CREATED if index in created else outcome, one.enrollment_id, [])

    return [result(index, problem) for index, problem in enumerate(problems)]


async def _judge_right(work: UnitOfWork, learner_id: int, course_id: int, problems: ProblemList) -> None:
    """Note why the account may not report on this: trainers on their courses, learners on themselves."""
    principal = work.principal
    if await trained_among(work.sql, principal, [course_id]):
        return
    if learner_id != principal.learner_id:
        problems.add(NotPermitted("Only trainers of the course do this.", path=["course"]))
    elif not await work.sql.value("SELECT accepts_learner_progress FROM tenant WHERE id = $1", work.tenant_id):
        problems.add(NotPermitted("Learners do not report their own progress in this tenant.", path=["learner"]))


def _row_problems(
    work: UnitOfWork, row: ProgressInput, learner_id: int | None, course_id: int | None
) -> DomainError | None:
    problems = ProblemList()
    if learner_id is None:
        problems.add(NotFound(path=["learner"]))
    if course_id is None:
        problems.add(NotFound(path=["course"]))
    _judge_report(work, row, learner_id, problems)
    try:
        problems.raise_if_any()
    except (DomainError, Problems) as error:
        return error
    return None


def _judge_report(work: UnitOfWork, report: ProgressInput, learner_id: int | None, problems: ProblemList) -> None:
    """Note what is wrong with what a report says."""
    if report.lessons_done is not None and not 0 <= report.lessons_done <= MOST_LESSONS:
        problems.add(Invalid("At least 0.", path=["lessonsDone"]))
    if report.score is not None and not 0 <= report.score <= 100:
        problems.add(Invalid("From 0 to 100.", path=["score"]))
    if report.occurred_at is None:
        return
    if _is_own(work.principal, learner_id):
        # Evidence is not back-dated by the person whom it concerns, administrators included.
        problems.add(NotPermitted("Nobody dates their own progress.", path=["occurredAt"]))
        return
    try:
        past_instant(report.occurred_at, work.now, path=["occurredAt"])
    except Invalid as error:
        problems.add(error)


def _is_own(principal: Principal, learner_id: int | None) -> bool:
    return learner_id is not None and learner_id == principal.learner_id


def _placed(work: UnitOfWork, report: ProgressInput, learner_id: int, course_id: int) -> PlacedReport:
    said = Report(
        occurred_at=report.occurred_at or work.now,
        lessons_done=report.lessons_done,
        score=report.score,
        is_finished=report.is_finished,
    )
    source = Source.LEARNER if _is_own(work.principal, learner_id) else work.principal.source
    return PlacedReport(learner_id, course_id, said, source)


async def _enrolled(work: UnitOfWork, places: set[Place]) -> set[Place]:
    """Return the places that somebody has or had; who has only waited for a seat was never enrolled."""
    records = await work.sql.fetch(
        """
        SELECT e.learner_id, e.content_id FROM unnest($2::bigint[], $3::bigint[]) AS pair (learner_id, content_id)
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = pair.learner_id AND e.content_id = pair.content_id
         WHERE e.is_active OR EXISTS (SELECT 1 FROM enrollment_reason r WHERE r.enrollment_id = e.id)
        """,
        work.tenant_id,
        [learner_id for learner_id, _ in places],
        [content_id for _, content_id in places],
    )
    return {(record["learner_id"], record["content_id"]) for record in records}
