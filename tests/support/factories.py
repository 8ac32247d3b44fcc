"""Rows made quickly, each in a transaction of its own, with nothing that follows from them: no log, no rules, no feed.

Facts that rules shall react to are changed through the domain's operations instead.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from domain.content.models import Content, ContentKind
from domain.enrollments.models import Enrollment, EnrollmentReason, EnrollmentStatus
from domain.foundation.access import Principal, Role, Scope, Source
from domain.foundation.database.sessions import across_tenants, writing
from domain.foundation.text_validation import name_key
from domain.notifications.models import EmailTemplate, Notification, NotificationCategory, NotificationKind
from domain.people.models import Learner, Place, PlaceKind
from domain.tenants.models import ServiceAccount, Tenant

#: When everything made here began, unless a test says otherwise.
LONG_AGO = datetime(2026, 1, 5, 8, tzinfo=UTC)

_numbers = itertools.count(1)
_slugs: dict[int, str] = {}
_api_keys: dict[int, str] = {}


def slug_of(tenant_id: int) -> str:
    """Return the slug of a tenant that was made here."""
    return _slugs[tenant_id]


def api_key_of(principal: Principal) -> str:
    """Return the key of a service account that was made here."""
    assert principal.service_account_id is not None
    return _api_keys[principal.service_account_id]


async def create_tenant(*, slug: str | None = None, name: str = "Tenant", **columns: Any) -> Tenant:
    """Make a tenant with the head of its change feed."""
    slug = slug or f"tenant-{next(_numbers)}"
    # Row level security wants the ID before the row exists.
    tenant_id: int = (await across_tenants("SELECT nextval(pg_get_serial_sequence('tenant', 'id'))"))[0][0]
    values: dict[str, Any] = {
        "time_zone": "Europe/Berlin",
        "created_at": LONG_AGO,
        "is_auto_assignment_enabled": True,
    } | columns
    async with writing(tenant_id) as sql:
        tenant = await Tenant.create(id=tenant_id, slug=slug, name=name, **values)
        await sql.execute("INSERT INTO feed_head (tenant_id, position) VALUES ($1, 0)", tenant_id)
    _slugs[tenant_id] = slug
    return tenant


async def create_learner(
    tenant_id: int,
    *,
    name: str | None = None,
    email: str | None = None,
    role: Role = Role.LEARNER,
    refs: Mapping[int, str] | None = None,
    places: Iterable[Place] = (),
    **columns: Any,
) -> Learner:
    """Make a learner with reference values and placements."""
    name = name or f"Learner {next(_numbers)}"
    values: dict[str, Any] = {"created_at": LONG_AGO} | columns
    async with writing(tenant_id) as sql:
        learner = await Learner.create(
            tenant_id=tenant_id,
            name=name,
            name_key=name_key(name),
            email=email,
            email_key=email.lower() if email else None,
            role=role,
            **values,
        )
        for number, value in (refs or {}).items():
            await sql.execute(
                "INSERT INTO learner_ref (learner_id, number, tenant_id, value) VALUES ($1, $2, $3, $4)",
                learner.id,
                number,
                tenant_id,
                value,
            )
        for place in places:
            await sql.execute(
                "INSERT INTO learner_place (learner_id, place_id, tenant_id, kind) VALUES ($1, $2, $3, $4)",
                learner.id,
                place.id,
                tenant_id,
                place.kind.value,
            )
    return learner


async def create_learners(tenant_id: int, count: int, *, refs: Mapping[int, str] | None = None) -> list[int]:
    """Make many active learners in two statements and return their IDs."""
    start = next(_numbers)
    async with writing(tenant_id) as sql:
        ids: list[int] = await sql.values(
            """
            INSERT INTO learner (tenant_id, name, name_key, role, is_active, created_at, version, edited_version)
            SELECT $1, 'Learner ' || $3 || '-' || n, 'learner ' || $3 || '-' || n, 'LEARNER', true, $4, 1, 1
              FROM generate_series(1, $2::int) AS n RETURNING id
            """,
            tenant_id,
            count,
            str(start),
            LONG_AGO,
        )
        for number, value in (refs or {}).items():
            await sql.execute(
                "INSERT INTO learner_ref (learner_id, number, tenant_id, value)"
                " SELECT id, $2, $3, $4 FROM unnest($1::bigint[]) AS id",
                ids,
                number,
                tenant_id,
                value,
            )
    return ids


def principal_of(learner: Learner) -> Principal:
    """Return the learner as the one who acts."""
    return Principal(tenant_id=learner.tenant_id, learner_id=learner.id, role=learner.role)


async def create_person(tenant_id: int, *, role: Role = Role.LEARNER, **columns: Any) -> Principal:
    """Make a learner and return them as the one who acts."""
    return principal_of(await create_learner(tenant_id, role=role, **columns))


async def create_service_account(
    tenant_id: int, *, scopes: Iterable[Scope] = (Scope.READ,), name: str | None = None, key: str | None = None
) -> Principal:
    """Make a partner tool and return it as the one who acts; `key` is what it would send."""
    number = next(_numbers)
    name = name or f"Tool {number}"
    key = key or f"mk_{number}"
    scopes = frozenset(scopes)
    async with writing(tenant_id):
        account = await ServiceAccount.create(
            tenant_id=tenant_id,
            name=name,
            name_key=name_key(name),
            scopes=sorted(scope.value for scope in scopes),
            key_hash=hashlib.sha256(key.encode()).digest(),
            created_at=LONG_AGO,
        )
    _api_keys[account.id] = key
    return Principal(tenant_id=tenant_id, service_account_id=account.id, scopes=scopes)


async def create_place(
    tenant_id: int,
    *,
    kind: PlaceKind = PlaceKind.DEPARTMENT,
    name: str | None = None,
    external_id: str | None = None,
    owner_id: int | None = None,
    client_id: int | None = None,
) -> Place:
    """Make a department, learning group, client or sublicense."""
    name = name or f"{kind.name.capitalize()} {next(_numbers)}"
    async with writing(tenant_id):
        return await Place.create(
            tenant_id=tenant_id,
            kind=kind,
            name=name,
            name_key=name_key(name),
            external_id=external_id,
            owner_id=owner_id,
            client_id=client_id,
        )


async def place_learners(tenant_id: int, place: Place, learner_ids: Iterable[int]) -> None:
    """Let many people belong to a place."""
    async with writing(tenant_id) as sql:
        await sql.execute(
            "INSERT INTO learner_place (learner_id, place_id, tenant_id, kind) SELECT unnest($1::bigint[]), $2, $3, $4",
            list(learner_ids),
            place.id,
            tenant_id,
            place.kind.value,
        )


async def create_content(
    tenant_id: int, *, kind: ContentKind = ContentKind.COURSE, title: str | None = None, **columns: Any
) -> Content:
    """Make a course or, with a kind, an empty learning path."""
    title = title or f"{kind.name.capitalize()} {next(_numbers)}"
    async with writing(tenant_id):
        return await Content.create(tenant_id=tenant_id, kind=kind, title=title, title_key=name_key(title), **columns)


async def create_course(tenant_id: int, *, trainers: Iterable[int] = (), **columns: Any) -> Content:
    """Make a course with trainers (IDs of learners)."""
    course = await create_content(tenant_id, kind=ContentKind.COURSE, **columns)
    async with writing(tenant_id) as sql:
        for learner_id in trainers:
            await sql.execute(
                "INSERT INTO content_trainer (content_id, learner_id, tenant_id) VALUES ($1, $2, $3)",
                course.id,
                learner_id,
                tenant_id,
            )
    return course


async def create_path(tenant_id: int, *, courses: Iterable[Content] = (), **columns: Any) -> Content:
    """Make a learning path with mandatory courses in the order given."""
    path = await create_content(tenant_id, kind=ContentKind.LEARNING_PATH, **columns)
    async with writing(tenant_id) as sql:
        for position, course in enumerate(courses):
            await sql.execute(
                "INSERT INTO learning_path_item (path_id, course_id, tenant_id, position, is_mandatory)"
                " VALUES ($1, $2, $3, $4, true)",
                path.id,
                course.id,
                tenant_id,
                position,
            )
    return path


async def create_enrollment(
    tenant_id: int,
    learner_id: int,
    content_id: int,
    *,
    source: Source | None = Source.MANAGER,
    status: EnrollmentStatus = EnrollmentStatus.NOT_STARTED,
    is_active: bool = True,
    enrolled_at: datetime = LONG_AGO,
    **columns: Any,
) -> Enrollment:
    """Make an enrollment with one open reason, or with none if `source` is None.

    The status is one that rules see, unless the columns say otherwise by `fact_status`.
    """
    values: dict[str, Any] = {"fact_status": status if is_active else None} | columns
    async with writing(tenant_id):
        enrollment = await Enrollment.create(
            tenant_id=tenant_id,
            learner_id=learner_id,
            content_id=content_id,
            status=status,
            is_active=is_active,
            enrolled_at=enrolled_at,
            **values,
        )
        if source is not None and is_active:
            await EnrollmentReason.create(
                tenant_id=tenant_id,
                enrollment_id=enrollment.id,
                learner_id=learner_id,
                content_id=content_id,
                source=source,
                since_at=enrolled_at,
            )
    return enrollment


async def create_template(
    tenant_id: int,
    *,
    name: str | None = None,
    subject: str = "{{ task.title }}",
    body: str = "Hello {{ learner.name }}",
    author: Principal | None = None,
    **columns: Any,
) -> EmailTemplate:
    """Make an email template of a person or a tool."""
    name = name or f"Template {next(_numbers)}"
    async with writing(tenant_id):
        return await EmailTemplate.create(
            tenant_id=tenant_id,
            name=name,
            name_key=name_key(name),
            subject=subject,
            body=body,
            created_by_learner_id=author.learner_id if author else None,
            created_by_service_account_id=author.service_account_id if author else None,
            created_at=LONG_AGO,
            **columns,
        )


async def create_notification(
    tenant_id: int,
    learner_id: int,
    *,
    kind: NotificationKind = NotificationKind.TASK_ASSIGNED,
    title: str | None = None,
    **columns: Any,
) -> Notification:
    """Make a notification without an email."""
    values: dict[str, Any] = {"created_at": LONG_AGO} | columns
    async with writing(tenant_id):
        return await Notification.create(
            tenant_id=tenant_id,
            learner_id=learner_id,
            category=NotificationCategory.MANDATORY_TASKS,
            kind=kind,
            title=title or f"Notification {next(_numbers)}",
            **values,
        )
