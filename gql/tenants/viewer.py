"""Who is calling."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.foundation.access import Principal, Role, Scope
from gql.contract.actors import load_actor
from gql.contract.arguments import After, First
from gql.contract.interfaces import Actor
from gql.execution.context import Info

if TYPE_CHECKING:
    from gql.enrollments.types import EnrollmentConnection
    from gql.notifications.types import NotificationConnection, NotificationPreference
    from gql.people.types import Learner


@strawberry.type(description="The caller.")
class Viewer:
    """The caller."""

    role: Role | None = strawberry.field(description="Role of the caller; null for service accounts.")
    scopes: list[Scope] = strawberry.field(description="What the caller may do as a service account; empty for people.")

    @classmethod
    def of(cls, principal: Principal) -> "Viewer":
        """Return the viewer of an account."""
        return cls(role=principal.role, scopes=[scope for scope in Scope if scope in principal.scopes])

    @strawberry.field(description="Account that is calling.")
    async def actor(self, info: Info) -> Actor:
        """Load the account."""
        principal = info.context.principal
        actor = await load_actor(info, principal.learner_id, principal.service_account_id)
        assert actor is not None, "the account was there when it was authenticated, in the same snapshot"
        return actor

    @strawberry.field(description="Learner record of the caller; null for service accounts.")
    async def learner(self, info: Info) -> Annotated["Learner", strawberry.lazy("gql.people.types")] | None:
        """Load the learner."""
        from gql.people.types import Learner

        learner_id = info.context.principal.learner_id
        return None if learner_id is None else await Learner.load(info, learner_id)

    @strawberry.field(
        description="Contents the viewer has access to, each once, latest `enrolledAt` first: what a learner-access "
        "widget shows. Empty for service accounts, like the other lists here."
    )
    async def access(
        self, info: Info, first: First = 25, after: After = None
    ) -> Annotated["EnrollmentConnection", strawberry.lazy("gql.enrollments.types")]:
        """List what the viewer has access to."""
        from gql.enrollments.queries import viewer_access

        return await viewer_access(info, first, after)

    @strawberry.field(
        description="Secret address of an iCalendar feed of the viewer's open mandatory tasks; null for service "
        "accounts."
    )
    async def calendar_url(self, info: Info) -> str | None:
        """Return where the viewer's calendar is."""
        from gql.mandatory_tasks.calendar import viewer_calendar_url

        return await viewer_calendar_url(info)

    @strawberry.field(description="In-platform notifications, newest first.")
    async def notifications(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        is_read: Annotated[
            bool | None, strawberry.argument(description="Whether the viewer has read them; left out for both.")
        ] = None,
    ) -> Annotated["NotificationConnection", strawberry.lazy("gql.notifications.types")]:
        """List what the viewer has been told."""
        from gql.notifications.queries import viewer_notifications

        return await viewer_notifications(info, first, after, is_read)

    @strawberry.field(description="Email preferences, one per category.")
    async def notification_preferences(
        self, info: Info
    ) -> list[Annotated["NotificationPreference", strawberry.lazy("gql.notifications.types")]]:
        """List the preferences."""
        from gql.notifications.queries import viewer_preferences

        return await viewer_preferences(info)
