"""Writing reports of progress: attempts, the log, status facts and paths, set-based for one report and for a thousand.

A report that changes something writes the status fact of its course and of every active path with that course.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.enrollments.events import ProgressChanged
from domain.enrollments.models import EnrollmentStatus
from domain.enrollments.path_status import refresh_path_status
from domain.enrollments.progress.attempts import Attempt, LoggedStep, Report, Requirements, apply_report
from domain.enrollments.progress.status_facts import StatusFactChange, record_status_facts
from domain.foundation.access import Source
from domain.foundation.unit_of_work import UnitOfWork

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlacedReport:
    """A report about one learner in one course, and who it comes from."""

    learner_id: int
    course_id: int
    report: Report
    source: Source


@dataclass(frozen=True, slots=True)
class RecordedReport:
    """What a report has done: the enrollment, and whether anything was written."""

    enrollment_id: int
    has_effect: bool


@dataclass(slots=True)
class AttemptChange:
    """The present attempt of an enrollment as it was, and as it is to be."""

    enrollment_id: int
    fact_status: str | None
    before: Attempt
    after: Attempt
    requirements: Requirements
    #: Earliest instant that the reports with an effect speak of.
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What the log is to tell of an enrollment, and the status then."""

    place: Place
    source: Source
    step: LoggedStep
    status: EnrollmentStatus


async def record_reports(work: UnitOfWork, reports: Sequence[PlacedReport]) -> list[RecordedReport]:
    """Apply reports in their order and return what each has done.

    The learners have to be locked, and everybody enrolled once, actively or not: a report makes nobody active.
    """
    courses = await load_attempts(work, {(one.learner_id, one.course_id) for one in reports})
    results, entries = [], []
    for one in reports:
        place = (one.learner_id, one.course_id)
        course = courses[place]
        progress = apply_report(course.after, one.report, course.requirements)
        has_effect = progress.attempt != course.after or bool(progress.logged)
        if has_effect:
            course.reported_at = min(course.reported_at or one.report.occurred_at, one.report.occurred_at)
        course.after = progress.attempt
        entries += [LogEntry(place, one.source, step, progress.attempt.status) for step in progress.logged]
        results.append(RecordedReport(course.enrollment_id, has_effect))
    await write_attempts(work, courses, entries)
    return results


async def write_attempts(
    work: UnitOfWork, attempts: Mapping[Place, AttemptChange], entries: Sequence[LogEntry]
) -> None:
    """Write the attempts that are different now, with log entries, status facts and what follows for paths."""
    changed = {place: change for place, change in attempts.items() if change.after != change.before}
    await _write_enrollments(work, changed.values())
    await _write_log(work, entries)
    record_status_facts(
        work,
        [
            StatusFactChange(learner_id, content_id, change.fact_status, change.after.status)
            for (learner_id, content_id), change in changed.items()
        ],
    )
    for learner_id, content_id in changed:
        work.record(ProgressChanged(learner_id, content_id))
    await _refresh_paths(work, changed)


async def load_attempts(work: UnitOfWork, places: Iterable[Place]) -> dict[Place, AttemptChange]:
    """Return the present attempt of everybody who is or was enrolled at these places."""
    pairs = sorted(places)
    records = await work.sql.fetch(
        """
        SELECT e.id, e.learner_id, e.content_id, e.status, e.fact_status, e.progress_percent, e.lessons_done, e.score,
               e.scored_at, e.finished_at, e.completed_at, e.attempt_began_at, c.lesson_count, c.minimum_score,
               CASE WHEN e.finished_at IS NOT NULL AND c.minimum_score IS NOT NULL THEN ARRAY(
                 SELECT a.occurred_at FROM content_action a
                  WHERE a.tenant_id = $1 AND a.learner_id = e.learner_id AND a.content_id = e.content_id
                    AND a.action = 'FAILED') ELSE '{}' END AS failed_at
          FROM unnest($2::bigint[], $3::bigint[]) AS pair (learner_id, course_id)
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = pair.learner_id AND e.content_id = pair.course_id
          JOIN content c ON c.tenant_id = $1 AND c.id = e.content_id
        """,
        work.tenant_id,
        [learner_id for learner_id, _ in pairs],
        [course_id for _, course_id in pairs],
    )
    return {(record["learner_id"], record["content_id"]): _unchanged(record) for record in records}


def _unchanged(record: Any) -> AttemptChange:
    attempt = Attempt(
        status=EnrollmentStatus(record["status"]),
        progress_percent=record["progress_percent"],
        lessons_done=record["lessons_done"],
        score=record["score"],
        scored_at=record["scored_at"],
        finished_at=record["finished_at"],
        completed_at=record["completed_at"],
        began_at=record["attempt_began_at"],
        failed_at=frozenset(record["failed_at"]),
    )
    return AttemptChange(
        enrollment_id=record["id"],
        fact_status=record["fact_status"],
        before=attempt,
        after=attempt,
        requirements=Requirements(record["lesson_count"], record["minimum_score"]),
    )


async def _write_enrollments(work: UnitOfWork, changes: Iterable[AttemptChange]) -> None:
    written = [(change.enrollment_id, change.after) for change in changes]
    if not written:
        return
    attempts = [attempt for _, attempt in written]
    await work.sql.execute(
        """
        WITH changed AS (
          UPDATE enrollment e
             SET status = a.status, fact_status = a.status, progress_percent = a.progress_percent,
                 lessons_done = a.lessons_done, score = a.score, scored_at = a.scored_at, finished_at = a.finished_at,
                 completed_at = a.completed_at, version = e.version + 1
            FROM unnest($3::bigint[], $4::text[], $5::smallint[], $6::int[], $7::smallint[], $8::timestamptz[],
                        $9::timestamptz[], $10::timestamptz[])
                 AS a (id, status, progress_percent, lessons_done, score, scored_at, finished_at, completed_at)
           WHERE e.tenant_id = $1 AND e.id = a.id
          RETURNING e.id, e.version)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'ENROLLMENT', id, version, $2 FROM changed
        """,
        work.tenant_id,
        work.now,
        [enrollment_id for enrollment_id, _ in written],
        [attempt.status.value for attempt in attempts],
        [attempt.progress_percent for attempt in attempts],
        [attempt.lessons_done for attempt in attempts],
        [attempt.score for attempt in attempts],
        [attempt.scored_at for attempt in attempts],
        [attempt.finished_at for attempt in attempts],
        [attempt.completed_at for attempt in attempts],
    )


async def _write_log(work: UnitOfWork, entries: Sequence[LogEntry]) -> None:
    if not entries:
        return
    await work.sql.execute(
        """
        WITH logged AS (
          INSERT INTO content_action (tenant_id, actor_learner_id, actor_service_account_id, recorded_at, learner_id,
                                      content_id, action, source, resulting_status, occurred_at)
          SELECT $1, $2, $3, $4, learner_id, content_id, action, source, status, occurred_at
            FROM unnest($5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::timestamptz[])
                 WITH ORDINALITY AS entry (learner_id, content_id, action, source, status, occurred_at, number)
           ORDER BY number
          RETURNING id)
        INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
        SELECT $1, 'CONTENT_ACTION', id, 1, $4 FROM logged
        """,
        work.tenant_id,
        work.principal.learner_id,
        work.principal.service_account_id,
        work.now,
        [entry.place[0] for entry in entries],
        [entry.place[1] for entry in entries],
        [entry.step.action.value for entry in entries],
        [entry.source.value for entry in entries],
        [entry.status.value for entry in entries],
        [entry.step.occurred_at for entry in entries],
    )


async def _refresh_paths(work: UnitOfWork, changed: Mapping[Place, AttemptChange]) -> None:
    """Let every active path with a changed course follow; it begins when the first of its courses did.

    Where courses turn out to have been completed earlier, a path that had its date from the latest of them did so too.
    """
    if not changed:
        return
    began_at: dict[Place, datetime] = {}
    dated_back_from: dict[Place, datetime] = {}
    for record in await work.sql.fetch(
        """
        SELECT e.learner_id, e.content_id AS path_id, i.course_id
          FROM unnest($2::bigint[], $3::bigint[]) AS pair (learner_id, course_id)
          JOIN learning_path_item i ON i.tenant_id = $1 AND i.course_id = pair.course_id
          JOIN enrollment e ON e.tenant_id = $1 AND e.learner_id = pair.learner_id AND e.content_id = i.path_id
                           AND e.is_active
         ORDER BY 1, 2, 3
        """,
        work.tenant_id,
        [learner_id for learner_id, _ in changed],
        [course_id for _, course_id in changed],
    ):
        change = changed[(record["learner_id"], record["course_id"])]
        began = change.reported_at or work.now
        path = (record["learner_id"], record["path_id"])
        began_at[path] = min(began_at.get(path, began), began)
        completed_at = change.before.completed_at
        if completed_at is not None and completed_at != change.after.completed_at:
            dated_back_from[path] = max(dated_back_from.get(path, completed_at), completed_at)
    await refresh_path_status(
        work, list(began_at), writes_facts=True, occurred_at=began_at, dated_back_from=dated_back_from
    )
