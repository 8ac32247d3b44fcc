"""What is exported of one person's enrollments, with every reason that each has had."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from domain.content.queries import ContentRow, load_contents_by_id
from domain.enrollments.queries import EnrollmentRow, query_enrollments_of
from domain.enrollments.reason_queries import ReasonRow, load_all_reasons_by_enrollment
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.people.learners.person_export import BATCH, require_export


@dataclass(frozen=True, slots=True)
class ExportedEnrollment:
    """An enrollment with its content and the history of its reasons, oldest first."""

    enrollment: EnrollmentRow
    content: ContentRow
    reasons: list[ReasonRow]


async def export_enrollments(
    reads: ReadScope, principal: Principal, learner_id: int
) -> AsyncGenerator[list[ExportedEnrollment], None]:
    """Yield a person's enrollments batch by batch, oldest first; rules are named to those who may see rules."""
    require_export(principal, learner_id)
    query = query_enrollments_of(principal, learner_id)
    async with aclosing(reads.batches(f"{query.text} ORDER BY e.enrolled_at, e.id", *query.args, size=BATCH)) as found:
        async for records in found:
            rows = [EnrollmentRow(**record) for record in records]
            contents = {
                content.id: content
                for content in await load_contents_by_id(reads, principal, [row.content_id for row in rows])
                if content is not None
            }
            reasons = await load_all_reasons_by_enrollment(reads, principal, [row.id for row in rows])
            yield [
                ExportedEnrollment(row, contents[row.content_id], history)
                for row, history in zip(rows, reasons, strict=True)
            ]
