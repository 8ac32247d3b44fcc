"""Operations of voluntary enrollments, and who has a seat or waits for one."""

from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from tests.api.enrollments.operations import content_id, learner_id
from tests.support.api import ApiClient

PLACE = """
enrollment { isActive isWaitlisted status enrolledAt expiresAt version
             reasons { source actor { name } } learner { name } }
errors { code path message }
"""
ENROLL_SELF = f"mutation ($input: EnrollSelfInput!) {{ enrollSelf(input: $input) {{ {PLACE} }} }}"
UNENROLL_SELF = f"mutation ($input: UnenrollSelfInput!) {{ unenrollSelf(input: $input) {{ {PLACE} }} }}"
PURCHASE = f"mutation ($input: RecordPurchaseInput!) {{ recordPurchase(input: $input) {{ {PLACE} }} }}"
UPDATE_COURSE = "mutation ($input: UpdateCourseInput!) { updateCourse(input: $input) { errors { code path message } } }"


def to_course(course: Content, **more: Any) -> dict[str, Any]:
    """Return the input of enrolling oneself."""
    return {"course": {"id": content_id(course)}, **more}


def from_content(content: Content, **more: Any) -> dict[str, Any]:
    """Return the input of unenrolling oneself."""
    return {"content": {"id": content_id(content)}, **more}


def bought_by(person: Principal, course: Content, **more: Any) -> dict[str, Any]:
    """Return the input of a purchase."""
    return {"learner": {"id": learner_id(person)}, "course": {"id": content_id(course)}, **more}


async def join(client: ApiClient, course: Content) -> dict[str, Any]:
    """Enroll oneself and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(ENROLL_SELF, input=to_course(course)))["enrollment"]
    return enrollment


async def leave(client: ApiClient, content: Content) -> dict[str, Any]:
    """Unenroll oneself and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(UNENROLL_SELF, input=from_content(content)))["enrollment"]
    return enrollment


async def buy(client: ApiClient, person: Principal, course: Content) -> dict[str, Any]:
    """Record a purchase and return the enrollment."""
    enrollment: dict[str, Any] = (await client.value(PURCHASE, input=bought_by(person, course)))["enrollment"]
    return enrollment


async def change_course(client: ApiClient, course: Content, **changes: Any) -> None:
    """Change a course."""
    await client.run(UPDATE_COURSE, input={**to_course(course), "changes": changes})


async def access_of(tenant_id: int, course: Content) -> tuple[list[int], list[int]]:
    """Return who has access, by ID, and who waits, in the order of the queue."""
    async with writing(tenant_id) as sql:
        active = await sql.values(
            "SELECT learner_id FROM enrollment WHERE content_id = $1 AND is_active ORDER BY 1", course.id
        )
        waiting = await sql.values(
            "SELECT learner_id FROM enrollment WHERE content_id = $1 AND is_waitlisted ORDER BY waiting_number",
            course.id,
        )
    return active, waiting


async def names_of(tenant_id: int, course: Content) -> tuple[list[str], list[str]]:
    """Return the names of who has access, and of who waits, in the order of the queue."""
    active, waiting = await access_of(tenant_id, course)
    async with writing(tenant_id) as sql:
        records = await sql.fetch("SELECT id, name FROM learner")
    names = {record["id"]: record["name"] for record in records}
    return sorted(names[person] for person in active), [names[person] for person in waiting]


async def steps_of(tenant_id: int) -> list[tuple[str, str, str, str | None]]:
    """Return learner, action, source and acting person of the whole log, in the order of recording."""
    async with writing(tenant_id) as sql:
        records = await sql.fetch(
            "SELECT l.name, a.action, a.source, coalesce(p.name, s.name) AS actor FROM content_action a"
            " JOIN learner l ON l.id = a.learner_id LEFT JOIN learner p ON p.id = a.actor_learner_id"
            " LEFT JOIN service_account s ON s.id = a.actor_service_account_id ORDER BY a.id"
        )
    return [(record[0], record[1], record[2], record[3]) for record in records]
