"""Importing enrollments from a file: who is in what, and how far, as another system has it.

The status is taken as given, whatever the course asks for; nothing that was reached is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.content.importing import ImportResult, whole_number
from domain.content.queries import ContentKey, find_content_ids
from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.enrollments.progress import Attempt, LoggedStep
from domain.enrollments.progress_recording import LogEntry, Place, load_attempts, write_attempts
from domain.foundation.access import Scope, Source
from domain.foundation.errors import DomainError, Invalid, NotFound, ProblemList
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.queries import LearnerKey, lock_learners
from domain.people.queries.keys import find_learner_ids
from domain.people.row_outcomes import RowOutcome, row_errors

_RANKS = {status: rank for rank, status in enumerate(EnrollmentStatus)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentImportRow:
    """A row as the file has it: learner (external ID or email) and content (external ID), status and score."""

    learner: str
    content: str
    status: str | None = None
    score: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    place: Place
    status: EnrollmentStatus
    score: int | None


async def import_enrollments(work: UnitOfWork, rows: Sequence[EnrollmentImportRow]) -> list[ImportResult]:
    """Enroll whoever the rows name and raise their status; returns what became of the rows, in order.

    A fixed number of statements, however many rows. A score without a status is a beginning.
    """
    work.principal.require_write(Scope.WRITE_ENROLLMENTS)
    wanted = await _resolve(work, rows)
    places = {one.place for one in wanted if isinstance(one, _Wanted)}
    await lock_learners(work, {learner_id for learner_id, _ in places})
    held = await _held(work, places)
    await grant(work, [Grant(*place, Source.IMPORT) for place in sorted(places)], writes_facts=True)
    attempts = await load_attempts(work, places)
    entries: list[LogEntry] = []
    results: list[ImportResult] = []
    seen: set[Place] = set()
    for one in wanted:
        if isinstance(one, DomainError):
            results.append(ImportResult(RowOutcome.FAILED, row_errors(one)))
            continue
        change = attempts[one.place]
        after = _reached(work, change.after, one)
        is_new = one.place not in held and one.place not in seen
        outcome = RowOutcome.UNCHANGED if after == change.after and held.get(one.place, True) else RowOutcome.UPDATED
        results.append(ImportResult(RowOutcome.CREATED if is_new else outcome, []))
        seen.add(one.place)
        held[one.place] = True
        if after.status is not change.after.status:
            is_completed = after.status is EnrollmentStatus.COMPLETED
            step = ContentActionKind.COMPLETED if is_completed else ContentActionKind.STARTED
            entries.append(LogEntry(one.place, Source.IMPORT, LoggedStep(step, work.now), after.status))
        change.after = after
    await write_attempts(work, attempts, entries)
    return results


def _reached(work: UnitOfWork, attempt: Attempt, wanted: _Wanted) -> Attempt:
    """Return an attempt that has come at least as far as a row says."""
    after = attempt
    if wanted.score is not None and (after.score is None or wanted.score > after.score):
        after = replace(after, score=wanted.score, scored_at=work.now)
    if _RANKS[wanted.status] <= _RANKS[after.status]:
        return after
    if wanted.status is not EnrollmentStatus.COMPLETED:
        return replace(after, status=wanted.status)
    return replace(
        after,
        status=wanted.status,
        progress_percent=100,
        finished_at=after.finished_at or work.now,
        completed_at=work.now,
    )


async def _resolve(work: UnitOfWork, rows: Sequence[EnrollmentImportRow]) -> list[_Wanted | DomainError]:
    principal = work.principal
    learners = await find_learner_ids(work.sql, principal, [LearnerKey(external_id=row.learner) for row in rows])
    by_email = [row.learner for row, found in zip(rows, learners, strict=True) if found is None and "@" in row.learner]
    if by_email:
        found = await find_learner_ids(work.sql, principal, [LearnerKey(email=email) for email in by_email])
        ids = dict(zip(by_email, found, strict=True))
        learners = [
            ids.get(row.learner) if learner is None else learner for row, learner in zip(rows, learners, strict=True)
        ]
    contents = await find_content_ids(work.sql, principal, [ContentKey(external_id=row.content) for row in rows])
    return [
        _judged(row, learner_id, content_id)
        for row, learner_id, content_id in zip(rows, learners, contents, strict=True)
    ]


def _judged(row: EnrollmentImportRow, learner_id: int | None, content_id: int | None) -> _Wanted | DomainError:
    problems = ProblemList()
    if learner_id is None:
        problems.add(NotFound(path=["learner"]))
    if content_id is None:
        problems.add(NotFound(path=["content"]))
    score = None
    try:
        score = whole_number(row.score, "score")
        if score is not None and not 0 <= score <= 100:
            problems.add(Invalid("From 0 to 100.", path=["score"]))
    except DomainError as error:
        problems.add(error)
    text = (row.status or "").strip().upper()
    if text and text not in EnrollmentStatus.__members__:
        problems.add(Invalid(f"One of {', '.join(EnrollmentStatus.__members__)}.", path=["status"]))
    try:
        problems.raise_if_any()
    except DomainError as error:
        return error
    status = EnrollmentStatus[text] if text else EnrollmentStatus.NOT_STARTED
    if score is not None and status is EnrollmentStatus.NOT_STARTED:
        status = EnrollmentStatus.IN_PROGRESS
    return _Wanted((learner_id or 0, content_id or 0), status, score)


async def _held(work: UnitOfWork, places: set[Place]) -> dict[Place, bool]:
    """Return the places that somebody has or had, each with whether an import holds it already."""
    records = await work.sql.fetch(
        """
        SELECT e.learner_id, e.content_id, EXISTS (
                 SELECT 1 FROM enrollment_reason r
                  WHERE r.enrollment_id = e.id AND r.source = 'IMPORT' AND r.until_at IS NULL) AS is_imported
          FROM unnest($2::bigint[], $3::bigint[]) AS pair (learner_id, content_id)
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = pair.learner_id AND e.content_id = pair.content_id
        """,
        work.tenant_id,
        [learner_id for learner_id, _ in places],
        [content_id for _, content_id in places],
    )
    return {(record["learner_id"], record["content_id"]): record["is_imported"] for record in records}
