"""Watching operations: how long each takes, how it ends, and a span for it.

`operation()` is open while an operation runs, whatever way it came in; `describe` says which one it is as soon as that
is known, which is when it may run: names in documents that are refused are anybody's inventions.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from domain.foundation.tracing import span
from gql.execution.metrics import NONE, OPERATION_SECONDS, OPERATIONS, operation_label

OK = "OK"


@dataclass(slots=True)
class Observed:
    """An operation that runs."""

    span: Any
    name: str = NONE
    type: str = NONE
    code: str = OK

    def ends_with(self, errors: Sequence[GraphQLError] | None) -> None:
        """Note how it ends: well, or by the code of the first error."""
        if errors:
            self.code = str((errors[0].extensions or {}).get("code", "UNKNOWN"))


_current: ContextVar[Observed | None] = ContextVar("observed_operation", default=None)


@contextmanager
def operation() -> Iterator[Observed]:
    """Watch one operation to its end, of a subscription to its beginning.

    One that raises without a code was none: whoever catches it counts a refused request.
    """
    begun = time.perf_counter()
    with span("graphql operation") as opened:
        observed = Observed(opened)
        token = _current.set(observed)
        is_over = False
        try:
            yield observed
            is_over = True
        finally:
            _current.reset(token)
            if is_over or observed.code != OK:
                OPERATIONS.labels(observed.name, observed.type, observed.code).inc()
                OPERATION_SECONDS.labels(observed.name, observed.type).observe(time.perf_counter() - begun)
                if opened is not None:
                    opened.set_attribute("mandate.code", observed.code)


def describe(name: str | None, type_: str) -> None:
    """Say which operation it is that runs."""
    observed = _current.get()
    if observed is not None:
        observed.name, observed.type = operation_label(name), type_
        if observed.span is not None:
            observed.span.update_name(f"graphql {type_} {observed.name}")


def count_refusal(code: str) -> None:
    """Count a request that did not get as far as an operation."""
    OPERATIONS.labels(NONE, NONE, code).inc()
