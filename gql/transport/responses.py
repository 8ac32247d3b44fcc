"""Answers of GraphQL over HTTP: the status follows from the content and from what the client accepts."""

from typing import Any

import orjson
from starlette.responses import Response

from domain.foundation.errors import Unavailable
from gql.execution.persisted_documents import PERSISTED_QUERY_NOT_FOUND
from gql.limits.rate_limit import RATE_LIMITED
from gql.transport.negotiation import JSON


def status_of(body: dict[str, Any], chosen: str) -> int:
    """Return the status of an answer."""
    codes = {error.get("extensions", {}).get("code") for error in body.get("errors", ())}
    data = body.get("data")
    if Unavailable.code in codes and not any(value is not None for value in (data or {}).values()):
        return 503
    if RATE_LIMITED in codes and "data" not in body:
        return 429
    if PERSISTED_QUERY_NOT_FOUND in codes:
        # Clients send the document then, and take any other status for a server that knows no hashes.
        return 200
    # Clients that know only `application/json` expect errors of the document with 200.
    return 200 if "data" in body or chosen == JSON else 400


def retry_after(body: dict[str, Any]) -> dict[str, str]:
    """Return the header that says when to come back, where an error does."""
    waits = [error.get("extensions", {}).get("retryAfterSeconds", 0) for error in body.get("errors", ())]
    return {"Retry-After": str(max(waits))} if any(waits) else {}


def json_response(body: Any, status: int, chosen: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that nobody keeps, of the media type that the client accepts."""
    response = Response(orjson.dumps(body), status_code=status, headers={"Cache-Control": "no-store"} | (headers or {}))
    response.headers["Content-Type"] = f"{chosen}; charset=utf-8"
    response.headers["Vary"] = "Accept, Authorization"
    return response
