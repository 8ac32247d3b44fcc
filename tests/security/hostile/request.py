"""One request as bytes, whoever made it."""

from dataclasses import dataclass, field
from typing import Any

import orjson

JSON_BODY = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
EVENTS = {"Content-Type": "application/json", "Accept": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    #: What is tried, for the report.
    label: str
    content: bytes = b""
    path: str = "/graphql"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON_BODY))
    #: Kind of caller whose credential is presented; "" for whatever is in `headers`.
    caller: str = "ADMIN"


def graphql(label: str, document: str, variables: dict[str, Any] | None = None, **fields: Any) -> Request:
    """Return an operation as it is usually sent."""
    body: dict[str, Any] = {"query": document}
    if variables is not None:
        body["variables"] = variables
    return Request(label, encoded(body), **fields)


def encoded(value: Any) -> bytes:
    """Return JSON, also of what is none: surrogates and numbers of any size."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        import json

        return json.dumps(value).encode()
