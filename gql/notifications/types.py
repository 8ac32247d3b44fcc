"""Notifications, preferences and email templates as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from domain.notifications.inbox import NotificationRow, load_notifications_by_id
from domain.notifications.preferences import Preference
from domain.notifications.templates.queries import TemplateRow, load_templates_by_id
from domain.notifications.templates.rendering import RenderedEmail
from gql.content.types import LearningContent, load_content
from gql.contract.actors import load_actor
from gql.contract.ids import EMAIL_TEMPLATE, NOTIFICATION, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Connection, Edge, LiveConnection
from gql.execution.context import Info
from gql.notifications.enums import NotificationCategory, NotificationKind

if TYPE_CHECKING:
    from gql.mandatory_tasks.types import MandatoryTask


@strawberry.type(description="In-platform notification.")
class Notification(Node):
    """In-platform notification."""

    category: NotificationCategory = strawberry.field(description="Category of the notification.")
    kind: NotificationKind = strawberry.field(description="What it tells.")
    title: str = strawberry.field(
        description="Short text of the notification in English; user interfaces translate `kind`."
    )
    is_read: bool = strawberry.field(description="Whether the viewer has read it.")
    created_at: datetime = strawberry.field(description="Timestamp of the notification.")
    row: strawberry.Private[NotificationRow]

    @classmethod
    def from_row(cls, row: NotificationRow) -> Self:
        """Return the notification of a row."""
        return cls(
            id=encode(NOTIFICATION, row.id),
            category=NotificationCategory(row.category),
            kind=NotificationKind(row.kind),
            title=row.title,
            is_read=row.read_at is not None,
            created_at=row.created_at,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a notification of the viewer by its key."""
        return await info.context.load_as(load_notifications_by_id, key, cls.from_row)

    @classmethod
    async def load_all(cls, info: Info, keys: Sequence[int]) -> list[Self]:
        """Return those that are still there, in order."""
        rows = await info.context.load_many(load_notifications_by_id, keys)
        return [cls.from_row(row) for row in rows if row is not None]

    @strawberry.field(description="Task that it is about; null when withdrawn.")
    async def mandatory_task(
        self, info: Info
    ) -> Annotated["MandatoryTask", strawberry.lazy("gql.mandatory_tasks.types")] | None:
        """Load the task."""
        from gql.mandatory_tasks.types import MandatoryTask

        task = None if self.row.task_id is None else await MandatoryTask.load(info, self.row.task_id)
        return task if task is not None and task.withdrawn_at is None else None

    @strawberry.field(description="Content that it is about, also after a withdrawal.")
    async def content(self, info: Info) -> LearningContent | None:
        """Load the content."""
        return None if self.row.content_id is None else await load_content(info, self.row.content_id)


@strawberry.type(description="Item of a page of notifications.")
class NotificationEdge(Edge[Notification]):
    """Item of a page of notifications."""


@strawberry.type(description="Page of notifications.")
class NotificationConnection(LiveConnection[Notification, NotificationEdge]):
    """Page of notifications."""


@strawberry.type(description="Email preference of a category.")
class NotificationPreference:
    """Email preference of a category."""

    category: NotificationCategory = strawberry.field(description="Category of the preference.")
    is_email_enabled: bool = strawberry.field(description="Whether email is sent.")

    @classmethod
    def of(cls, preference: Preference) -> Self:
        """Return the preference as the domain has read it."""
        return cls(category=preference.category, is_email_enabled=preference.is_email_enabled)


@strawberry.type(
    description="Text of reminder emails. Variables: learner.name, learner.email, task.title, task.dueOn, "
    "task.daysLeft, task.status, task.note, task.url, assigner.name, tenant.name."
)
class EmailTemplate(Node):
    """Text of reminder emails."""

    name: str = strawberry.field(description="Name of the template.")
    subject: str = strawberry.field(description="Subject line, with placeholders.")
    body: str = strawberry.field(description="Body, with placeholders.")
    can_update: bool = strawberry.field(description="Whether the viewer may change the template.")
    version: int = strawberry.field(description="Version of the object; grows with every change.")
    row: strawberry.Private[TemplateRow]

    @classmethod
    def from_row(cls, row: TemplateRow) -> Self:
        """Return the template of a row."""
        return cls(
            id=encode(EMAIL_TEMPLATE, row.id),
            name=row.name,
            subject=row.subject,
            body=row.body,
            can_update=row.can_update,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a template that is reached from something visible or was just written; None for a deleted one."""
        return await info.context.load_as(load_templates_by_id, key, cls.from_row)

    @strawberry.field(description="Account that created the template.")
    async def created_by(self, info: Info) -> Actor | None:
        """Load who created it."""
        return await load_actor(info, self.row.created_by_learner_id, self.row.created_by_service_account_id)


@strawberry.type(description="Item of a page of email templates.")
class EmailTemplateEdge(Edge[EmailTemplate]):
    """Item of a page of email templates."""


@strawberry.type(description="Page of email templates.")
class EmailTemplateConnection(Connection[EmailTemplate, EmailTemplateEdge]):
    """Page of email templates."""


@strawberry.type(description="Rendered email.")
class EmailPreview:
    """Rendered email."""

    subject: str = strawberry.field(description="Subject line.")
    html: str = strawberry.field(description="HTML body.")
    text: str = strawberry.field(description="Plain text body.")

    @classmethod
    def of(cls, email: RenderedEmail) -> Self:
        """Return the email as the domain has rendered it."""
        return cls(subject=email.subject, html=email.html, text=email.text)
