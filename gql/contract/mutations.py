"""Mutations: `input: XInput!` in, `XPayload` out. An expected failure becomes `errors` of an empty payload."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.extensions.field_extension import AsyncExtensionResolver, FieldExtension
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from domain.foundation.errors import DomainError
from domain.foundation.unit_of_work import Done
from gql.contract.user_errors import UserError, user_errors
from gql.execution.context import Info, MutationInput

if TYPE_CHECKING:
    from gql.background_jobs.types import BackgroundJob
    from gql.enrollments.types import ContentAction


@strawberry.input
class UpdateInput(MutationInput):
    """Input of a mutation that edits an object."""

    expected_version: int | None = strawberry.field(
        default=None, description="Version that the changes are based on; left out to change any version."
    )


@strawberry.type
class Payload:
    """Payload of any mutation; every field of a payload has a default, which is what a failure shows."""

    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done; empty on success."
    )


@strawberry.type
class RuleOutcomePayload(Payload):
    """Payload of a mutation that rules react to in the same transaction; give it `done`."""

    done: strawberry.Private[Done[Any] | None] = None

    @strawberry.field(
        description="Log entries that rules caused in the same transaction: unenrollments first, then enrollments; "
        "the first 1,000."
    )
    async def auto_assignment_actions(
        self, info: Info
    ) -> list[Annotated["ContentAction", strawberry.lazy("gql.enrollments.types")]]:
        """Load the log entries that rules caused."""
        return await self._visible_actions(info)

    @strawberry.field(description="Number of log entries that rules caused in the same transaction.")
    async def auto_assignment_action_count(self, info: Info) -> int:
        """Count the log entries that rules caused; who sees a part of them counts that part."""
        if self.done is None:
            return 0
        if info.context.principal.sees_all:
            return self.done.rule_action_count
        return len(await self._visible_actions(info))

    async def _visible_actions(self, info: Info) -> "list[ContentAction]":
        from gql.enrollments.types import ContentAction

        ids = self.done.rule_action_ids if self.done else []
        return await ContentAction.load_all(info, ids)


async def reevaluation_of(info: Info, done: Done[Any]) -> "BackgroundJob | None":
    """Return the job that evaluates the rules; None when it was done in the transaction."""
    from gql.background_jobs.types import BackgroundJob

    return None if done.reevaluation_job_id is None else await BackgroundJob.load(info, done.reevaluation_job_id)


class PayloadErrors(FieldExtension):
    """Answers an expected failure with a payload that has only errors."""

    def apply(self, field: StrawberryField) -> None:
        """Remember the field, whose type is the payload."""
        self._field = field

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Any, **kwargs: Any) -> Any:
        """Run the mutation."""
        try:
            return await next_(source, info, **kwargs)
        except DomainError as error:
            payload: Any = self._field.type
            if isinstance(payload, StrawberryOptional):
                payload = payload.of_type
            return payload(errors=user_errors(error))


def mutation(description: str) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator of a mutation: an async method `(self, info, input) -> XPayload | None`."""
    decorate: Callable[[Callable[..., Any]], Any] = strawberry.mutation(
        description=description, extensions=[PayloadErrors()]
    )
    return decorate
