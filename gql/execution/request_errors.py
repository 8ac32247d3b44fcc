"""Errors of a request as a whole: nothing was executed, so there is no `data`, not even null."""

from typing import Any

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import ExecutionResult

from gql.contract.failures import BAD_REQUEST, PARSE_FAILED, VALIDATION_FAILED
from gql.execution.persisted_documents import DOCUMENT_NOT_TRUSTED, PERSISTED_QUERY_NOT_FOUND
from gql.execution.variables import BAD_VARIABLES
from gql.limits.document import TOO_EXPENSIVE
from gql.limits.rate_limit import RATE_LIMITED

#: Codes that say that nothing was executed.
REQUEST_ERRORS = frozenset(
    {
        *(BAD_REQUEST, PARSE_FAILED, VALIDATION_FAILED, BAD_VARIABLES, TOO_EXPENSIVE, RATE_LIMITED),
        *(PERSISTED_QUERY_NOT_FOUND, DOCUMENT_NOT_TRUSTED),
    }
)

#: What Strawberry raises for a text in which the operation asked for is not.
NO_OPERATION = (MissingQueryError, CannotGetOperationTypeError)


def result_body(result: ExecutionResult) -> dict[str, Any]:
    """Return a result as it is sent."""
    body: dict[str, Any] = {"data": result.data} if is_executed(result) else {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def is_executed(result: ExecutionResult) -> bool:
    """Tell whether the operation ran, however it went."""
    codes = ((error.extensions or {}).get("code") for error in result.errors or ())
    return result.data is not None or REQUEST_ERRORS.isdisjoint(codes)


def no_operation(error: Exception) -> GraphQLError:
    """Return what a client is told for one of `NO_OPERATION`. The name that was asked for is not repeated."""
    reason = "`query` is missing: the document to run."
    if isinstance(error, CannotGetOperationTypeError):
        named = "" if error.operation_name is None else " with the name of `operationName`"
        reason = f"The document has no operation{named}."
    return GraphQLError(reason, extensions={"code": BAD_REQUEST})
