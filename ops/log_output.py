"""What all processes log, in one form: lines for people while developing, JSON for machines in production.

In production nothing personal gets into the log: of a failure it says type and place, neither local variables nor what
the message says, which in a database's case quotes the row.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor

from domain.foundation.settings import Settings

#: Of failures to reach something the message is needed, and tells of addresses only.
_TELLING = (OSError,)


def _without_color_message(logger: object, method: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second edition of each message."""
    event.pop("color_message", None)
    return event


class _Tracebacks:
    """Failures as data: the types and places of all that led to them, without any value."""

    def __init__(self) -> None:
        self._whole = ExceptionDictTransformer(show_locals=False, max_frames=50)

    def __call__(self, exc_info: ExcInfo) -> list[dict[str, Any]]:
        stacks: list[dict[str, Any]] = self._whole(exc_info)
        return [self._without_values(stack, exc_info[1]) for stack in stacks]

    def _without_values(self, stack: dict[str, Any], error: BaseException) -> dict[str, Any]:
        is_telling = isinstance(error, _TELLING) and stack["exc_type"] == type(error).__name__
        kept: dict[str, Any] = {"exc_type": stack["exc_type"], "frames": stack["frames"]}
        if is_telling:
            kept["exc_value"] = stack["exc_value"]
        if stack.get("exceptions"):
            kept["exceptions"] = [[self._without_values(one, error) for one in group] for group in stack["exceptions"]]
        return kept


def configure_logging(settings: Settings) -> None:
    """Send everything that this process and its libraries log to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_color_message,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.environment == "production":
        tracebacks = structlog.processors.ExceptionRenderer(_Tracebacks())
        rendering: list[Processor] = [tracebacks, structlog.processors.JSONRenderer()]
    else:
        # Rich tracebacks show local variables, which may hold personal data.
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # It tells each step of its own start and end.
    logging.getLogger("dramatiq").setLevel(max(logging.WARNING, root.level))
    # They quote statements, and what is sent and received: credentials, too.
    for library in ("tortoise", "asyncio", "httpx", "multipart", "mandate.websocket"):
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
