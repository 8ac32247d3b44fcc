"""Mutations of notifications, preferences and email templates."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.inbox import mark_notifications_read
from domain.notifications.models import NotificationCategory
from domain.notifications.preferences import list_preferences, set_preference
from domain.notifications.templates.operations import create_template, delete_template, update_template
from gql.contract.arguments import INPUT
from gql.contract.ids import EMAIL_TEMPLATE, NOTIFICATION, encode, own_key_or_missing
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info
from gql.notifications.inputs import (
    CreateEmailTemplateInput,
    DeleteEmailTemplateInput,
    MarkNotificationsReadInput,
    SetNotificationPreferenceInput,
    UpdateEmailTemplateInput,
)
from gql.notifications.types import EmailTemplate, Notification, NotificationPreference


@strawberry.type(description="Payload of markNotificationsRead.")
class MarkNotificationsReadPayload(Payload):
    """Payload of markNotificationsRead."""

    notifications: list[Notification] | None = strawberry.field(
        default=None, description="Notifications after the change."
    )


@strawberry.type(description="Payload of setNotificationPreference.")
class SetNotificationPreferencePayload(Payload):
    """Payload of setNotificationPreference."""

    preference: NotificationPreference | None = strawberry.field(
        default=None, description="Preference after the change."
    )


@strawberry.type(description="Payload of createEmailTemplate.")
class CreateEmailTemplatePayload(Payload):
    """Payload of createEmailTemplate."""

    email_template: EmailTemplate | None = strawberry.field(default=None, description="Template as created.")


@strawberry.type(description="Payload of updateEmailTemplate.")
class UpdateEmailTemplatePayload(Payload):
    """Payload of updateEmailTemplate."""

    email_template: EmailTemplate | None = strawberry.field(default=None, description="Template after the change.")


@strawberry.type(description="Payload of deleteEmailTemplate.")
class DeleteEmailTemplatePayload(Payload):
    """Payload of deleteEmailTemplate."""

    deleted_email_template_id: ID | None = strawberry.field(default=None, description="ID of the deleted template.")


@strawberry.type
class NotificationsMutation:
    """Mutations of notifications, preferences and email templates."""

    @mutation("Creates an email template for reminders. Needs TRAINER.")
    async def create_email_template(
        self, info: Info, input: Annotated[CreateEmailTemplateInput, INPUT]
    ) -> CreateEmailTemplatePayload | None:
        """Create a template."""
        done = await info.context.perform(
            "createEmailTemplate",
            input,
            lambda work: create_template(work, name=input.name, subject=input.subject, body=input.body),
            int,
        )
        return CreateEmailTemplatePayload(email_template=await EmailTemplate.load(info, done.result))

    @mutation("Changes an email template. Needs its author or ADMIN.")
    async def update_email_template(
        self, info: Info, input: Annotated[UpdateEmailTemplateInput, INPUT]
    ) -> UpdateEmailTemplatePayload | None:
        """Change a template."""

        async def update(work: UnitOfWork) -> int:
            return await update_template(
                work,
                template_id=own_key_or_missing(EMAIL_TEMPLATE, input.id),
                name=input.name,
                subject=input.subject,
                body=input.body,
                expected_version=input.expected_version,
            )

        done = await info.context.perform("updateEmailTemplate", input, update, int)
        return UpdateEmailTemplatePayload(email_template=await EmailTemplate.load(info, done.result))

    @mutation(
        "Deletes an email template; reminders that use it fall back to the default email. Needs its author or ADMIN."
    )
    async def delete_email_template(
        self, info: Info, input: Annotated[DeleteEmailTemplateInput, INPUT]
    ) -> DeleteEmailTemplatePayload | None:
        """Delete a template."""

        async def delete(work: UnitOfWork) -> int:
            return await delete_template(work, template_id=own_key_or_missing(EMAIL_TEMPLATE, input.id))

        done = await info.context.perform("deleteEmailTemplate", input, delete, int)
        return DeleteEmailTemplatePayload(deleted_email_template_id=encode(EMAIL_TEMPLATE, done.result))

    @mutation("Marks in-platform notifications of the viewer as read.")
    async def mark_notifications_read(
        self, info: Info, input: Annotated[MarkNotificationsReadInput, INPUT]
    ) -> MarkNotificationsReadPayload | None:
        """Mark notifications as read."""

        async def mark(work: UnitOfWork) -> list[int]:
            ids, until_id = input.ids, input.until_id
            return await mark_notifications_read(
                work,
                ids=None if ids is None else [own_key_or_missing(NOTIFICATION, id) for id in ids],
                until_id=None if until_id is None else own_key_or_missing(NOTIFICATION, until_id),
            )

        done = await info.context.perform("markNotificationsRead", input, mark, list[int])
        return MarkNotificationsReadPayload(notifications=await Notification.load_all(info, done.result))

    @mutation("Turns email for one category on or off for the viewer. In-platform notifications stay on.")
    async def set_notification_preference(
        self, info: Info, input: Annotated[SetNotificationPreferenceInput, INPUT]
    ) -> SetNotificationPreferencePayload | None:
        """Choose whether emails are sent."""
        done = await info.context.perform(
            "setNotificationPreference",
            input,
            lambda work: set_preference(work, category=input.category, is_email_enabled=input.is_email_enabled),
            NotificationCategory,
        )
        preferences = await list_preferences(info.context.reads, info.context.principal)
        chosen = next(preference for preference in preferences if preference.category == done.result)
        return SetNotificationPreferencePayload(preference=NotificationPreference.of(chosen))
