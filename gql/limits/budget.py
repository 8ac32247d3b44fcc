"""What an operation may ask for: at most so many objects, and no more than its account has points for.

Values of variables matter for both, so this happens at execution: a validation rule does not know them, and a cached
validation does not run at all. Points are taken before anything is executed, one of them before a document that is not
known is read, and `extensions.cost` tells how many.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from gql.execution.context import Context
from gql.execution.documents import DOCUMENTS
from gql.execution.metrics import RATE_LIMITED_OPERATIONS
from gql.execution.tracing_extension import describe
from gql.limits.cost import cost_of
from gql.limits.document import LARGE_NODES, MAX_NODES, too_expensive
from gql.limits.list_lengths import check_list_lengths
from gql.limits.rate_limit import RATE_LIMITED, Charge, account_of


def rate_limited(charge: Charge) -> GraphQLError:
    """Return the error of an account that has not enough points."""
    return GraphQLError(
        f"The account has used up its {charge.limit} points per minute: try again later.",
        extensions={"code": RATE_LIMITED, "retryAfterSeconds": charge.retry_after_seconds},
    )


async def owe(context: Context, points: int) -> float:
    """Take from an account what a stream has sent; return the seconds that it has to wait before it sends more.

    What is sent cannot be refused any more, so an account may owe points, a bucket of them at most. Until it has made
    up for that its operations are refused, and its streams merge what changes meanwhile.
    """
    if context.limiter is None:
        return 0.0
    return (await context.limiter.owe(account_of(context.principal), points)).debt_seconds


async def settle(context: Context) -> None:
    """Take a point for an operation that came to an end before it had to pay: nothing is free."""
    if context.points_paid is None:
        context.points_paid = 1
        await owe(context, 1)


class OperationBudget(SchemaExtension):
    """Refuses operations that ask for too much, and those of accounts without points."""

    def __init__(self) -> None:
        self._charge: Charge | None = None

    async def on_operation(self) -> AsyncIterator[None]:
        """Charge a document that is not known before anything reads it: to refuse it is work as well."""
        context = self.execution_context.context
        if DOCUMENTS.find(self.execution_context.query or "") is None:
            await self._pay(context, 1)
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Count and charge before anything is executed."""
        context = self.execution_context
        document = context.graphql_document
        assert document is not None
        operation = next(
            node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
            and (context.operation_name is None or (node.name and node.name.value == context.operation_name))
        )
        assert context.operation_type is not None
        describe(context.operation_name, context.operation_type.value)
        variables = context.variables or {}
        check_list_lengths(document, operation, variables)
        cost = cost_of(context.schema._schema, document, operation, variables)
        if cost.nodes > MAX_NODES:
            raise too_expensive("nodes", limit=MAX_NODES, actual=cost.nodes)
        # A stream pays what it sends, and what it lists to say what that is.
        is_stream = context.operation_type is OperationType.SUBSCRIPTION
        await self._pay(context.context, max(1, cost.surcharge) if is_stream else cost.points)
        if is_stream:
            self._charge = None
        with ExitStack() as held:
            places = context.context.large_operations if isinstance(context.context, Context) else None
            if places is not None and cost.nodes > LARGE_NODES and not is_stream:
                await places.take(held)
            yield

    async def _pay(self, context: Any, points: int) -> None:
        """Take what is not paid yet of so many points."""
        limiter = context.limiter if isinstance(context, Context) else None
        if limiter is None:
            return
        if points > limiter.limit:
            # It would have to wait for ever.
            raise too_expensive("points", limit=limiter.limit, actual=points)
        paid = context.points_paid or 0
        context.points_paid = paid
        if points > paid:
            charge = await limiter.pay(account_of(context.principal), points - paid)
            if not charge.is_paid:
                self._charge = charge
                RATE_LIMITED_OPERATIONS.inc()
                raise rate_limited(charge)
            context.points_paid = points
            self._charge = replace(charge, requested=points)

    def get_results(self) -> dict[str, Any]:
        """Tell what was paid, and what is left."""
        return {} if self._charge is None else {"cost": self._charge.as_extension()}
