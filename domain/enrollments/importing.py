"""Importing enrollments from a file: who is in what, and how far, as another system has it.

The status is taken as given, except that COMPLETED and a score that is not enough contradict each other, unless the
caller trusts the status; nothing that was reached is taken back.

What is dated by a day happened at 12:00 of that day in the person's time zone; what has no date happened now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from domain.content.importing import ImportResult, whole_number
from domain.content.queries import ContentKey, find_content_ids
from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.enrollments.progress.attempts import Attempt, LoggedStep
from domain.enrollments.progress.recording import LogEntry, Place, load_attempts, write_attempts
from domain.foundation.access import Scope, Source
from domain.foundation.errors import DomainError, Invalid, NotFound, ProblemList
from domain.foundation.instants import past_instant
from domain.foundation.row_outcomes import RowOutcome, row_errors
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import find_learner_ids
from domain.people.queries import LearnerKey, lock_learners

#: Nothing that is imported happened before.
FIRST_YEAR = 1900
_RANKS = {status: rank for rank, status in enumerate(EnrollmentStatus)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentImportRow:
    """A row as the file has it: learner (external ID or email) and content (external ID), status and score.

    A date means a day of the person's calendar, a datetime without offset their clock. A row that tells when something
    was completed, and no status, is about something completed.
    """

    learner: str
    content: str
    status: str | None = None
    score: str | None = None
    #: Counts for who was never in the content.
    enrolled_at: date | None = None
    completed_at: date | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    place: Place
    status: EnrollmentStatus
    score: int | None
    enrolled_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Zone:
    learner_id: int
    name: str


@dataclass(frozen=True, slots=True)
class _Minimum:
    content_id: int
    score: int


async def import_enrollments(
    work: UnitOfWork, rows: Sequence[EnrollmentImportRow], *, trusts_status: bool = False
) -> list[ImportResult]:
    """Enroll whoever the rows name and raise their status; returns what became of the rows, in order.

    A fixed number of statements, however many rows. A score without a status is a beginning.
    """
    work.principal.require_write(Scope.WRITE_ENROLLMENTS)
    wanted = await _resolve(work, rows, trusts_status=trusts_status)
    places = {one.place for one in wanted if isinstance(one, _Wanted)}
    await lock_learners(work, {learner_id for learner_id, _ in places})
    held = await _held(work, places)
    began_at: dict[Place, datetime] = {}
    for one in wanted:
        if isinstance(one, _Wanted) and one.enrolled_at is not None and one.place not in held:
            began_at[one.place] = min(began_at.get(one.place, one.enrolled_at), one.enrolled_at)
    grants = [Grant(*place, Source.IMPORT, began_at=began_at.get(place)) for place in sorted(places)]
    await grant(work, grants, writes_facts=True)
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
        if after.completed_at is not None and after.completed_at != change.after.completed_at:
            step = LoggedStep(ContentActionKind.COMPLETED, after.completed_at)
            entries.append(LogEntry(one.place, Source.IMPORT, step, after.status))
        elif after.status is not change.after.status:
            step = LoggedStep(ContentActionKind.STARTED, work.now)
            entries.append(LogEntry(one.place, Source.IMPORT, step, after.status))
        if after != change.after:
            reported_at = one.completed_at or work.now
            change.reported_at = min(change.reported_at or reported_at, reported_at)
        change.after = after
    await write_attempts(work, attempts, entries)
    return results


def _reached(work: UnitOfWork, attempt: Attempt, wanted: _Wanted) -> Attempt:
    """Return an attempt that has come at least as far as a row says, and not later than it says.

    What was completed before the attempt began belongs to an earlier one and changes nothing.
    """
    at = wanted.completed_at or work.now
    if attempt.began_at is not None and at < attempt.began_at:
        return attempt
    after = attempt
    if wanted.score is not None and (after.score is None or wanted.score > after.score):
        after = replace(after, score=wanted.score, scored_at=at)
    if wanted.status is EnrollmentStatus.COMPLETED:
        if after.status is not EnrollmentStatus.COMPLETED:
            return replace(
                after,
                status=wanted.status,
                progress_percent=100,
                finished_at=min(after.finished_at or at, at),
                completed_at=at,
            )
        if wanted.completed_at is not None and after.completed_at is not None and at < after.completed_at:
            # Later evidence of an earlier completion dates it back; nothing moves it on.
            return replace(after, finished_at=min(after.finished_at or at, at), completed_at=at)
        return after
    if _RANKS[wanted.status] <= _RANKS[after.status]:
        return after
    return replace(after, status=wanted.status)


async def _resolve(
    work: UnitOfWork, rows: Sequence[EnrollmentImportRow], *, trusts_status: bool
) -> list[_Wanted | DomainError]:
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
    zones = await _zones(work, learners)
    minimums = {} if trusts_status else await _minimums(work, contents)
    return [
        _judged(work, row, learner_id, content_id, zones.get(learner_id or 0, UTC), minimums.get(content_id or 0))
        for row, learner_id, content_id in zip(rows, learners, contents, strict=True)
    ]


async def _zones(work: UnitOfWork, learners: Sequence[int | None]) -> dict[int, tzinfo]:
    """Return the time zone of each person: their own, else the tenant's."""
    rows = await work.sql.rows(
        _Zone,
        "SELECT l.id AS learner_id, coalesce(l.time_zone, t.time_zone) AS name"
        "  FROM learner l JOIN tenant t ON t.id = l.tenant_id WHERE l.tenant_id = $1 AND l.id = ANY ($2::bigint[])",
        work.tenant_id,
        list({learner_id for learner_id in learners if learner_id is not None}),
    )
    return {row.learner_id: ZoneInfo(row.name) for row in rows}


async def _minimums(work: UnitOfWork, contents: Sequence[int | None]) -> dict[int, int]:
    """Return the minimum score of each course that has one."""
    rows = await work.sql.rows(
        _Minimum,
        "SELECT id AS content_id, minimum_score AS score FROM content"
        " WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) AND minimum_score IS NOT NULL",
        work.tenant_id,
        list({content_id for content_id in contents if content_id is not None}),
    )
    return {row.content_id: row.score for row in rows}


def _judged(
    work: UnitOfWork,
    row: EnrollmentImportRow,
    learner_id: int | None,
    content_id: int | None,
    zone: tzinfo,
    minimum_score: int | None,
) -> _Wanted | DomainError:
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
    enrolled_at = _instant(work, row.enrolled_at, zone, "enrolled_at", problems)
    completed_at = _instant(work, row.completed_at, zone, "completed_at", problems)
    is_completed = text == EnrollmentStatus.COMPLETED or (not text and completed_at is not None)
    if completed_at is not None and not is_completed:
        problems.add(Invalid("Is a date of completion, and the status is another one.", path=["completed_at"]))
    if is_completed and score is not None and minimum_score is not None and score < minimum_score:
        problems.add(Invalid(f"COMPLETED needs a score of {minimum_score} in this course.", path=["score"]))
    try:
        problems.raise_if_any()
    except DomainError as error:
        return error
    status = EnrollmentStatus.COMPLETED if is_completed else EnrollmentStatus[text or "NOT_STARTED"]
    if score is not None and status is EnrollmentStatus.NOT_STARTED:
        status = EnrollmentStatus.IN_PROGRESS
    return _Wanted((learner_id or 0, content_id or 0), status, score, enrolled_at, completed_at)


def _instant(work: UnitOfWork, when: date | None, zone: tzinfo, name: str, problems: ProblemList) -> datetime | None:
    """Return when something happened, None where the row does not say; notes what cannot be."""
    if when is None:
        return None
    if not when.year >= FIRST_YEAR:
        problems.add(Invalid(f"Must not lie before {FIRST_YEAR}.", path=[name]))
        return None
    if isinstance(when, datetime):
        instant = (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
    else:
        instant = datetime.combine(when, time(12), tzinfo=zone).astimezone(UTC)
        if when == work.now.astimezone(zone).date():
            # Of today, noon may be still to come.
            instant = min(instant, work.now)
    try:
        return past_instant(instant, work.now, path=[name])
    except Invalid as error:
        problems.add(error)
        return None


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
