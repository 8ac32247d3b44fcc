"""Expected failures. Each class is one cause; its docstring is the message for developers, its `code` is published.

`path` points into the input of the operation in the words of the API (`["learner"]`, `["changes", "email"]`); the API
puts `input` in front of it.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar


class DomainError(Exception):
    """Something expected went wrong."""

    code: ClassVar[str] = "INVALID"

    def __init__(self, message: str | None = None, *, path: Sequence[str | int] = ()) -> None:
        self.path = [str(part) for part in path]
        self.message = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.message)


class Invalid(DomainError):
    """A value is malformed or out of range."""

    code = "INVALID"


class NotFound(DomainError):
    """The object does not exist or is not visible to the viewer."""

    code = "NOT_FOUND"


class NotPermitted(DomainError):
    """The viewer may see the object but not do this to it."""

    code = "NOT_PERMITTED"


class AlreadyExists(DomainError):
    """The value is already in use and has to be unique."""

    code = "ALREADY_EXISTS"


class InUse(DomainError):
    """The object cannot be deleted because a rule names it."""

    code = "IN_USE"

    def __init__(self, *, rule_ids: Sequence[int], path: Sequence[str | int] = ()) -> None:
        super().__init__(path=path)
        self.rule_ids = list(rule_ids)


class TooManyItems(DomainError):
    """The list holds more items than allowed."""

    code = "TOO_MANY_ITEMS"

    def __init__(self, *, limit: int, path: Sequence[str | int] = ()) -> None:
        super().__init__(f"The list holds more items than allowed: at most {limit}.", path=path)
        self.limit = limit


class VersionConflict(DomainError):
    """The object has been edited since the version that the changes are based on."""

    code = "VERSION_CONFLICT"

    def __init__(self, *, current_version: int) -> None:
        super().__init__(path=["expectedVersion"])
        self.current_version = current_version


class IdempotencyKeyReused(DomainError):
    """The idempotency key was used with a different input."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(path=["idempotencyKey"])


class Problems(DomainError):
    """Several expected failures of one input, reported together."""

    def __init__(self, errors: Iterable[DomainError]) -> None:
        super().__init__()
        self.errors = list(errors)


class RequestFailure(Exception):
    """The request as a whole cannot be served; the API answers with `code` at the top level, not in the payload."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.message)


class Unauthenticated(RequestFailure):
    """The credential is missing, malformed, expired or revoked."""

    code = "UNAUTHENTICATED"

    def __init__(self, reason: str) -> None:
        """`reason` is for the operator's log and nobody else: it names no person and quotes no credential."""
        super().__init__()
        self.reason = reason


class Forbidden(RequestFailure):
    """The caller's role or scopes never allow this field."""

    code = "FORBIDDEN"


class IdempotencyKeyInUse(RequestFailure):
    """The same idempotency key is still being processed."""

    code = "IDEMPOTENCY_KEY_IN_USE"


class TryAgain(RequestFailure):
    """Somebody else changes the same objects right now; nothing was done, try again."""

    code = "TRY_AGAIN"


class TimedOut(RequestFailure):
    """The operation took longer than it may; nothing was done."""

    code = "TIMEOUT"


class Unavailable(RequestFailure):
    """The database cannot be reached right now."""

    code = "UNAVAILABLE"


class ProblemList:
    """Collects expected failures so that an input is judged as a whole."""

    def __init__(self) -> None:
        self._errors: list[DomainError] = []

    def add(self, error: DomainError) -> None:
        """Note a failure and go on checking."""
        self._errors.append(error)

    def add_or_raise(self, error: Exception) -> None:
        """Note an expected failure and go on checking; anything else is raised again."""
        if isinstance(error, Problems):
            self._errors.extend(error.errors)
        elif isinstance(error, DomainError):
            self._errors.append(error)
        else:
            raise error

    def __bool__(self) -> bool:
        return bool(self._errors)

    def raise_if_any(self) -> None:
        """Raise what was noted: the one failure, or all of them together."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise Problems(self._errors)
