"""Errors at the top level of a response: what each one tells, and what it must not tell.

Expected failures of queries and failures of the whole request keep their code and message. Everything else is masked
and logged under a reference. Values that a client sent are never repeated: they may be secrets.
"""

import logging
import re
import uuid
from typing import Any

import asyncpg
from graphql import GraphQLError, GraphQLSchema, GraphQLSyntaxError
from tortoise.exceptions import BaseORMException

from domain.foundation.database.sessions import is_connection_lost
from domain.foundation.errors import DomainError, RequestFailure, TimedOut, Unavailable
from gql.contract.user_errors import error_extensions
from gql.execution.variables import BAD_VARIABLES, DO_NOT_FIT, is_about_variable, is_variable_error, rebuild
from gql.limits.document import MAX_NAME_LENGTH, too_many_tokens

log = logging.getLogger("mandate.api")

BAD_REQUEST = "BAD_REQUEST"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"

#: Where the messages of graphql-core begin to repeat a value, or what Python says of one.
_ECHO = re.compile(r"(?:[,;]? ?[Ff]ound:? |(?<=value): |, but encountered error 'Exceeds the limit).*", re.DOTALL)
#: How a syntax error tells a token that has a value; names and punctuation are the document's own.
_TOKEN = re.compile(r"\b((?:Block)?String|Int|Float) '.*", re.DOTALL)

#: Names that are longer than any may be, which is not known yet where the syntax is wrong.
_LONG_NAME = re.compile(rf"\w{{{MAX_NAME_LENGTH + 1},}}")


def as_request_failure(error: BaseException | None) -> RequestFailure | None:
    """Return the failure of the whole request that an exception amounts to, or None."""
    if isinstance(error, RequestFailure):
        return error
    if isinstance(error, BaseORMException) and error.args and isinstance(error.args[0], BaseException):
        return as_request_failure(error.args[0]) or (Unavailable() if is_connection_lost(error) else None)
    if isinstance(error, asyncpg.QueryCanceledError):
        return TimedOut()
    if isinstance(error, TimeoutError):
        # The database is silent, or has no connection to give. After a change, that says nothing about the change.
        return Unavailable()
    return Unavailable() if error is not None and is_connection_lost(error) else None


def publish(error: GraphQLError, schema: GraphQLSchema, *, is_before_execution: bool) -> GraphQLError:
    """Return an error as clients may see it."""
    if is_before_execution:
        return _publish_early(error)
    if is_variable_error(error):
        return rebuild(error, schema)
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if is_about_variable(cause):
        return _located(error, DO_NOT_FIT, {"code": BAD_VARIABLES})
    if isinstance(cause, DomainError):
        return _located(error, cause.message, error_extensions(cause))
    failure = as_request_failure(cause)
    if failure is not None:
        return _located(error, failure.message, {"code": failure.code})
    if cause is None and "code" in (error.extensions or {}):
        return error
    masked = unexpected(cause or error, path=error.path)
    return _located(error, masked.pop("message"), masked)


def unexpected(error: BaseException, *, path: Any = None) -> dict[str, Any]:
    """Log what nobody expected; return message, code and the reference under which it is logged."""
    reference = uuid.uuid4().hex
    log.error("unexpected failure", exc_info=error, extra={"reference": reference, "path": path})
    return {
        "message": "Something unexpected went wrong; it is logged under the reference.",
        "code": "INTERNAL_SERVER_ERROR",
        "reference": reference,
    }


def _located(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


def _publish_early(error: GraphQLError) -> GraphQLError:
    if error.extensions and "code" in error.extensions:
        return error
    failure = as_request_failure(error.original_error)
    if failure is not None:
        return GraphQLError(failure.message, extensions={"code": failure.code})
    # What a scalar says of a value in the document has a place there.
    is_about_value = bool(error.nodes) and isinstance(error.original_error, ValueError)
    if error.original_error is not None and not isinstance(error.original_error, GraphQLError) and not is_about_value:
        masked = unexpected(error.original_error)
        return GraphQLError(masked.pop("message"), extensions=masked)
    if isinstance(error, GraphQLSyntaxError):
        limited = too_many_tokens(error)
        message = _LONG_NAME.sub("…", _TOKEN.sub(r"\1.", error.message))
        return limited or GraphQLError(
            message, source=error.source, positions=error.positions, extensions={"code": PARSE_FAILED}
        )
    return GraphQLError(_ECHO.sub(".", error.message), nodes=error.nodes, extensions={"code": VALIDATION_FAILED})
