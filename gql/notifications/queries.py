"""Queries about email templates, and the viewer's notifications."""

from typing import Annotated, Any

import strawberry
from strawberry import ID

from domain.foundation.errors import NotFound
from domain.mandatory_tasks.messages import load_task_facts
from domain.notifications.inbox import list_notifications
from domain.notifications.preferences import list_preferences
from domain.notifications.templates.access import require_seeing_templates
from domain.notifications.templates.previews import preview_email
from domain.notifications.templates.queries import list_templates, load_visible_templates_by_id
from gql.contract.arguments import PREVIEW_INPUT, After, First, Search
from gql.contract.ids import EMAIL_TEMPLATE, MANDATORY_TASK, NOTIFICATION, own_key_or_missing
from gql.contract.pagination import paging_of
from gql.contract.user_errors import within_argument
from gql.execution.context import Info
from gql.notifications.inputs import EmailPreviewInput
from gql.notifications.types import (
    EmailPreview,
    EmailTemplate,
    EmailTemplateConnection,
    EmailTemplateEdge,
    Notification,
    NotificationConnection,
    NotificationEdge,
    NotificationPreference,
)


async def find_email_template(info: Info, key: int) -> EmailTemplate | None:
    """Return a template that the viewer may look up."""
    row = await info.context.load(load_visible_templates_by_id, key)
    return None if row is None else EmailTemplate.from_row(row)


NODES = {EMAIL_TEMPLATE: find_email_template, NOTIFICATION: Notification.load}


async def viewer_notifications(
    info: Info, first: int, after: str | None, is_read: bool | None
) -> NotificationConnection:
    """List the viewer's notifications, newest first."""
    paging = paging_of(info, first, after, is_read)
    page = await list_notifications(info.context.reads, info.context.principal, paging.request, is_read=is_read)
    return NotificationConnection.of(page, paging, NotificationEdge, Notification.from_row)


async def viewer_preferences(info: Info) -> list[NotificationPreference]:
    """List the viewer's preferences."""
    return [
        NotificationPreference.of(preference)
        for preference in await list_preferences(info.context.reads, info.context.principal)
    ]


@strawberry.type
class NotificationsQuery:
    """Queries about email templates."""

    @strawberry.field(description="Email templates that reminders can use.")
    async def email_templates(
        self, info: Info, first: First = 25, after: After = None, search: Search = None
    ) -> EmailTemplateConnection | None:
        """List the templates."""
        paging = paging_of(info, first, after, search)
        page = await list_templates(info.context.reads, info.context.principal, paging.request, search=search)
        return EmailTemplateConnection.of(page, paging, EmailTemplateEdge, EmailTemplate.from_row)

    @strawberry.field(description="What a template would send for a mandatory task.")
    async def email_preview(
        self, info: Info, input: Annotated[EmailPreviewInput, PREVIEW_INPUT]
    ) -> EmailPreview | None:
        """Render an email without sending it."""
        context = info.context
        template_id = input.email_template_id
        with within_argument("input"):
            require_seeing_templates(context.principal)
            email = await preview_email(
                context.reads,
                context.principal,
                now=context.now,
                task_url=context.task_url,
                template_id=None if template_id is None else own_key_or_missing(EMAIL_TEMPLATE, template_id),
                subject=input.subject,
                body=input.body,
                facts=await _facts_of(info, input.mandatory_task_id),
            )
        return EmailPreview.of(email)


async def _facts_of(info: Info, task_id: ID | None) -> dict[str, Any] | None:
    """Return what emails say about a task that the viewer may see; None for an example."""
    if task_id is None:
        return None
    context = info.context
    key = own_key_or_missing(MANDATORY_TASK, task_id)
    facts = await load_task_facts(context.reads, context.principal, key, context.now)
    if facts is None:
        raise NotFound(path=["mandatoryTaskId"])
    return facts
