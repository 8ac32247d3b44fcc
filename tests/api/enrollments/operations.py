"""Operations and looks into tables that the tests of enrollments share."""

from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from gql.contract.ids import CONTENT, LEARNER, encode
from tests.support.api import ApiClient

ENROLLMENT = """
id status progressPercent score isActive lessonsDone completedAt version
reasons { source untilAt learningPath { title } actor { name } }
reasonHistory { source untilAt }
"""
ENROLL = f"""
mutation ($input: EnrollLearnerInput!) {{ enrollLearner(input: $input) {{
  enrollment {{ {ENROLLMENT} }} autoAssignmentActionCount errors {{ code path message }} }} }}
"""
UNENROLL = f"""
mutation ($input: UnenrollLearnerInput!) {{ unenrollLearner(input: $input) {{
  enrollment {{ {ENROLLMENT} }} autoAssignmentActionCount errors {{ code path message }} }} }}
"""
REPORT = f"""
mutation ($input: RecordCourseProgressInput!) {{ recordCourseProgress(input: $input) {{
  enrollment {{ {ENROLLMENT} }} autoAssignmentActionCount errors {{ code path message }} }} }}
"""
BULK = """
mutation ($input: BulkRecordCourseProgressInput!) { bulkRecordCourseProgress(input: $input) {
  results { outcome enrollment { status } errors { code path } } reevaluation { id } errors { code path } } }
"""


def learner_id(person: Principal) -> str:
    """Return a person's ID in the API."""
    return encode(LEARNER, person.learner_id or 0)


def content_id(content: Content) -> str:
    """Return a content's ID in the API."""
    return encode(CONTENT, content.id)


def about(person: Principal, content: Content, **more: Any) -> dict[str, Any]:
    """Return the input of enrolling and unenrolling."""
    return {"learner": {"id": learner_id(person)}, "content": {"id": content_id(content)}, **more}


def report(person: Principal, course: Content, **said: Any) -> dict[str, Any]:
    """Return a report of progress."""
    return {"learner": {"id": learner_id(person)}, "course": {"id": content_id(course)}, **said}


async def enroll(client: ApiClient, person: Principal, content: Content) -> dict[str, Any]:
    """Enroll somebody and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(ENROLL, input=about(person, content)))["enrollment"]
    return enrollment


async def unenroll(client: ApiClient, person: Principal, content: Content) -> dict[str, Any]:
    """Unenroll somebody and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(UNENROLL, input=about(person, content)))["enrollment"]
    return enrollment


async def tell(client: ApiClient, person: Principal, course: Content, **said: Any) -> dict[str, Any]:
    """Report progress and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(REPORT, input=report(person, course, **said)))["enrollment"]
    return enrollment


async def log_of(tenant_id: int) -> list[tuple[str, str, str]]:
    """Return title, action and source of the whole log, in the order of recording."""
    async with writing(tenant_id) as sql:
        records = await sql.fetch(
            "SELECT c.title, a.action, a.source FROM content_action a"
            " JOIN content c ON c.id = a.content_id ORDER BY a.id"
        )
    return [tuple(record) for record in records]


async def facts_of(tenant_id: int, person: Principal) -> dict[str, str]:
    """Return a person's status facts by title of the content."""
    async with writing(tenant_id) as sql:
        records = await sql.fetch(
            "SELECT c.title, f.value FROM fact f JOIN content c ON c.id = f.key"
            " WHERE f.kind = 'T' AND f.learner_id = $1 AND f.value IS NOT NULL",
            person.learner_id,
        )
    return {record["title"]: record["value"] for record in records}


async def statuses_of(tenant_id: int, person: Principal) -> dict[str, tuple[str, int, bool]]:
    """Return status, percent and activity of a person's enrollments by title."""
    async with writing(tenant_id) as sql:
        records = await sql.fetch(
            "SELECT c.title, e.status, e.progress_percent, e.is_active FROM enrollment e"
            " JOIN content c ON c.id = e.content_id WHERE e.learner_id = $1",
            person.learner_id,
        )
    return {record[0]: (record[1], record[2], record[3]) for record in records}
