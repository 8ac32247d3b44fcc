"""Spans of OpenTelemetry, where it is installed and set up; otherwise nothing.

What a span tells is what an operator may read: names from the code, kinds, counts. Never a value that somebody sent,
and of a failure its type only, as messages may quote rows.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

trace: Any = None
with suppress(ImportError):
    trace = importlib.import_module("opentelemetry.trace")


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[Any]:
    """Open a span; yields it, or None without OpenTelemetry."""
    if trace is None:
        yield None
        return
    tracer = trace.get_tracer("mandate")
    with tracer.start_as_current_span(
        name,
        attributes={f"mandate.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield opened
        except BaseException as error:
            opened.set_attribute("error.type", type(error).__name__)
            opened.set_status(trace.Status(trace.StatusCode.ERROR))
            raise
