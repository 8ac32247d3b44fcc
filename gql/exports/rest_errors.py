"""Answers besides GraphQL: what is refused, in the same words, as JSON that nobody keeps."""

from typing import Any

import orjson
from starlette.responses import Response

from domain.foundation.errors import DomainError, Forbidden, Problems, RequestFailure, Unauthenticated
from gql.contract.failures import as_request_failure, unexpected
from gql.contract.user_errors import error_extensions
from gql.limits.rate_limit import RATE_LIMITED

_STATUS = {Unauthenticated.code: 401, Forbidden.code: 403}


def bad_filter(error: DomainError) -> Response:
    """Return the answer to a bad filter: an error for each parameter, named by itself and not by the API's argument."""
    errors = []
    for part in error.errors if isinstance(error, Problems) else [error]:
        extensions = error_extensions(part)
        extensions["path"] = extensions["path"][1:] if extensions["path"][:1] == ["filter"] else extensions["path"]
        errors.append({"message": part.message, "extensions": extensions})
    return _json(400, errors)


def failure(error: Exception) -> Response:
    """Return the answer to what failed as a whole."""
    expected: RequestFailure | None = as_request_failure(error)
    if expected is None:
        extensions = unexpected(error)
        return refusal(500, extensions.pop("code"), extensions.pop("message"), **extensions)
    status = _STATUS.get(expected.code, 503)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return refusal(status, expected.code, expected.message, headers)


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None, **extensions: Any) -> Response:
    """Return the answer to a request that is refused for one reason."""
    return _json(status, [{"message": message, "extensions": {"code": code, **extensions}}], headers)


def too_many_requests(message: str, retry_after: int) -> Response:
    """Return the answer to somebody who has to wait, given in seconds."""
    headers = {"Retry-After": str(retry_after)}
    return refusal(429, RATE_LIMITED, message, headers, retryAfterSeconds=retry_after)


def _json(status: int, errors: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps({"errors": errors}),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Authorization"} | (headers or {}),
    )
