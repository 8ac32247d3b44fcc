"""Inputs about notifications, preferences and email templates."""

import strawberry
from strawberry import ID

from gql.contract.mutations import UpdateInput
from gql.execution.context import MutationInput
from gql.notifications.enums import NotificationCategory


@strawberry.input(description="Input of markNotificationsRead.")
class MarkNotificationsReadInput(MutationInput):
    """Input of markNotificationsRead."""

    ids: list[ID] | None = strawberry.field(default=None, description="Notifications to mark, at most 100.")
    until_id: ID | None = strawberry.field(default=None, description="Notification to mark with all older ones.")


@strawberry.input(description="Input of setNotificationPreference.")
class SetNotificationPreferenceInput(MutationInput):
    """Input of setNotificationPreference."""

    category: NotificationCategory = strawberry.field(description="Category to change.")
    is_email_enabled: bool = strawberry.field(description="Whether email shall be sent.")


@strawberry.input(description="Input of createEmailTemplate.")
class CreateEmailTemplateInput(MutationInput):
    """Input of createEmailTemplate."""

    name: str = strawberry.field(description="Name of the template; unique within the tenant.")
    subject: str = strawberry.field(description="Subject line, with placeholders such as `{{learner.name}}`.")
    body: str = strawberry.field(description="Body, with placeholders such as `{{task.dueOn}}`.")


@strawberry.input(description="Input of updateEmailTemplate.")
class UpdateEmailTemplateInput(UpdateInput):
    """Input of updateEmailTemplate."""

    id: ID = strawberry.field(description="Template to change.")
    name: str | None = strawberry.field(default=None, description="New name.")
    subject: str | None = strawberry.field(default=None, description="New subject line.")
    body: str | None = strawberry.field(default=None, description="New body.")


@strawberry.input(description="Input of deleteEmailTemplate.")
class DeleteEmailTemplateInput(MutationInput):
    """Input of deleteEmailTemplate."""

    id: ID = strawberry.field(description="Template to delete.")


@strawberry.input(description="Email to preview.")
class EmailPreviewInput:
    """Email to preview."""

    email_template_id: ID | None = strawberry.field(
        default=None, description="Template to render; left out for the default email."
    )
    subject: str | None = strawberry.field(default=None, description="Subject to try instead of a stored template.")
    body: str | None = strawberry.field(default=None, description="Body to try instead of a stored template.")
    mandatory_task_id: ID | None = strawberry.field(
        default=None, description="Task to render it for; left out for an example task."
    )
