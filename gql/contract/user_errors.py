"""Expected failures as the API publishes them. Only this module knows both the domain's errors and the API's types."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.auto_assignment.errors import RuleLimitReached, RuleLocked, RulePart
from domain.foundation.errors import DomainError, InUse, Problems, TooManyItems, VersionConflict
from domain.mandatory_tasks.errors import DueDateTooSoon, TaskAlreadyAssigned
from gql.auto_assignment import enums  # noqa: F401  Publishes the parts of rules.
from gql.execution.context import Info

if TYPE_CHECKING:
    from gql.auto_assignment.types import AutoAssignmentRule
    from gql.mandatory_tasks.types import MandatoryTask


@strawberry.enum(description="Causes of expected failures.")
class UserErrorCode(Enum):
    """Causes of expected failures."""

    INVALID = strawberry.enum_value("INVALID", description="A value is malformed or out of range.")
    NOT_FOUND = strawberry.enum_value(
        "NOT_FOUND", description="A referenced object does not exist or is not visible to the viewer."
    )
    NOT_PERMITTED = strawberry.enum_value(
        "NOT_PERMITTED", description="The viewer may see the object but not do this to it."
    )
    VERSION_CONFLICT = strawberry.enum_value(
        "VERSION_CONFLICT", description="`expectedVersion` is not the current version."
    )
    TOO_MANY_ITEMS = strawberry.enum_value("TOO_MANY_ITEMS", description="A list holds more items than allowed.")
    ALREADY_EXISTS = strawberry.enum_value("ALREADY_EXISTS", description="A unique value is already in use.")
    IDEMPOTENCY_KEY_REUSED = strawberry.enum_value(
        "IDEMPOTENCY_KEY_REUSED", description="The idempotency key was used with a different input."
    )
    DUE_DATE_TOO_SOON = strawberry.enum_value(
        "DUE_DATE_TOO_SOON",
        description="The due date is too early: before the minimum lead time at assignment, before today at a change.",
    )
    TASK_ALREADY_ASSIGNED = strawberry.enum_value(
        "TASK_ALREADY_ASSIGNED", description="The learner already has a mandatory task for this target."
    )
    TASK_ALREADY_COMPLETED = strawberry.enum_value(
        "TASK_ALREADY_COMPLETED",
        description="The mandatory task is completed; its completion stays in the learning history.",
    )
    ENROLLMENT_IS_MANDATORY = strawberry.enum_value(
        "ENROLLMENT_IS_MANDATORY", description="A mandatory task still needs this enrollment."
    )
    SEATS_EXHAUSTED = strawberry.enum_value(
        "SEATS_EXHAUSTED", description="The course has no free seat and no waitlist."
    )
    NOT_SELF_ENROLLABLE = strawberry.enum_value(
        "NOT_SELF_ENROLLABLE", description="The course is not open to self-enrollment."
    )
    RULE_LIMIT_REACHED = strawberry.enum_value(
        "RULE_LIMIT_REACHED", description="The tenant has reached its maximum number of rules."
    )
    RULE_LOCKED = strawberry.enum_value(
        "RULE_LOCKED", description="The rule has enrolled learners, so this part of it cannot be changed."
    )
    FEATURE_DISABLED = strawberry.enum_value(
        "FEATURE_DISABLED", description="The feature is switched off for the tenant."
    )
    LEARNER_INACTIVE = strawberry.enum_value("LEARNER_INACTIVE", description="The learner is inactive.")
    IN_USE = strawberry.enum_value("IN_USE", description="The object cannot be deleted because a rule names it.")


@strawberry.interface(description="Expected failure of a mutation, caused by the input or by the state of the data.")
class UserError:
    """Expected failure of a mutation."""

    code: UserErrorCode = strawberry.field(
        description="Stable, machine-readable cause. New codes can be added: treat an unknown one as INVALID."
    )
    message: str = strawberry.field(description="Explanation in English for developers and logs; not for parsing.")
    path: list[str] = strawberry.field(
        description='Path to the offending input, e.g. `["input", "reminders", "1", "daysBeforeDue"]`; empty when it '
        "concerns the whole input."
    )


@strawberry.type(description="Failure that needs no more data than the code.")
class GenericError(UserError):
    """Failure that needs no more data than the code."""


@strawberry.type(description="Failure because the object has changed since it was read.")
class VersionConflictError(UserError):
    """Failure because the object has changed since it was read."""

    current_version: int = strawberry.field(description="Current version of the object.")


@strawberry.type(description="Failure because a limit is exceeded.")
class LimitExceededError(UserError):
    """Failure because a limit is exceeded."""

    limit: int = strawberry.field(description="Largest allowed number.")


@strawberry.type(description="Failure because rules name the object.")
class InUseError(UserError):
    """Failure because rules name the object."""

    rule_ids: strawberry.Private[list[int]]

    @strawberry.field(description="Rules that name the object; empty for those who may not see rules.")
    async def rules(
        self, info: Info
    ) -> list[Annotated["AutoAssignmentRule", strawberry.lazy("gql.auto_assignment.types")]]:
        """Load the rules."""
        from gql.auto_assignment.types import load_rules

        return await load_rules(info, self.rule_ids) if info.context.principal.sees_all else []


@strawberry.type(description="Failure because parts of a used rule are fixed.")
class RuleLockedError(UserError):
    """Failure because parts of a used rule are fixed."""

    editable_parts: list[RulePart] = strawberry.field(description="Parts of the rule that can still be changed.")


@strawberry.type(description="Failure because the deadline is too close.")
class DueDateTooSoonError(UserError):
    """Failure because the deadline is too close."""

    earliest_due_on: date = strawberry.field(description="Earliest due date that would be accepted.")


@strawberry.type(description="Failure because the learner already has a task for the target.")
class TaskAlreadyAssignedError(UserError):
    """Failure because the learner already has a task for the target."""

    task_id: strawberry.Private[int]

    @strawberry.field(description="Task that the learner already has; null when the viewer may not see it.")
    async def existing_task(
        self, info: Info
    ) -> Annotated["MandatoryTask", strawberry.lazy("gql.mandatory_tasks.types")] | None:
        """Find the task."""
        from gql.mandatory_tasks.types import MandatoryTask

        return await MandatoryTask.find(info, self.task_id)


#: Types that are reached through the interface only, so the schema has to be told of them.
ERROR_TYPES: tuple[type[UserError], ...] = (
    GenericError,
    VersionConflictError,
    LimitExceededError,
    InUseError,
    RuleLockedError,
    DueDateTooSoonError,
    TaskAlreadyAssignedError,
)


def user_errors(error: DomainError, *, prefix: Sequence[str] = ("input",)) -> list[UserError]:
    """Return a failure as the payload lists it; `prefix` is put in front of a path, not of an empty one."""
    if isinstance(error, Problems):
        return [published for part in error.errors for published in user_errors(part, prefix=prefix)]
    common: dict[str, Any] = {
        "code": UserErrorCode[error.code],
        "message": error.message,
        "path": [*prefix, *error.path] if error.path else [],
    }
    match error:
        case VersionConflict():
            return [VersionConflictError(**common, current_version=error.current_version)]
        case TooManyItems() | RuleLimitReached():
            return [LimitExceededError(**common, limit=error.limit)]
        case InUse():
            return [InUseError(**common, rule_ids=error.rule_ids)]
        case RuleLocked():
            return [RuleLockedError(**common, editable_parts=error.editable_parts)]
        case DueDateTooSoon():
            return [DueDateTooSoonError(**common, earliest_due_on=error.earliest)]
        case TaskAlreadyAssigned():
            return [TaskAlreadyAssignedError(**common, task_id=error.task_id)]
        case _:
            return [GenericError(**common)]


@contextmanager
def within_argument(name: str) -> Iterator[None]:
    """Let expected failures in the block point into the argument `name` of a query."""
    try:
        yield
    except DomainError as error:
        for part in error.errors if isinstance(error, Problems) else [error]:
            if part.path:
                part.path = [name, *part.path]
        raise


def error_extensions(error: DomainError) -> dict[str, Any]:
    """Return what a query's top-level error says about an expected failure."""
    first = error.errors[0] if isinstance(error, Problems) else error
    extensions: dict[str, Any] = {"code": first.code, "path": first.path}
    match first:
        case VersionConflict():
            extensions["currentVersion"] = first.current_version
        case TooManyItems() | RuleLimitReached():
            extensions["limit"] = first.limit
        case DueDateTooSoon():
            extensions["earliestDueOn"] = first.earliest.isoformat()
    return extensions
