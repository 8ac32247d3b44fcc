"""How a subscription runs: its batches become payloads, each completed once for all who see and select the same.

`Refused` says that an operation never began; `StreamFailed` that a batch could not be produced. Such a batch is never
skipped: the transport breaks off, and the client comes back with the last cursor that it got.
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

import orjson
from graphql import FieldNode, GraphQLError, GraphQLSchema, VariableNode, located_error
from graphql.execution.execute import create_source_event_stream
from graphql.language.ast import QUERY_DOCUMENT_KEYS

from domain.foundation.access import Role
from domain.foundation.database.shared_reads import SharedReads
from domain.foundation.errors import DomainError, Forbidden
from domain.foundation.feed.live import ResetReason
from domain.foundation.once import Once
from gql.contract.change_stream import ChangeBatch
from gql.contract.failures import as_request_failure, publish
from gql.execution.context import Context
from gql.execution.documents import Remembered
from gql.execution.metrics import SUBSCRIBERS
from gql.limits.budget import owe

#: Seconds after which a stream that was refused for being one too many may be tried again.
RETRY_AFTER = 10
#: Seconds that completing one batch may take.
BATCH_TIMEOUT = 10.0
#: Points that a stream pays at a time.
PAID_TOGETHER = 100


class Refused(Exception):
    """The operation did not begin, for what the errors say."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__()
        self.errors = list(errors)


class StreamFailed(Exception):
    """A batch could not be produced: nothing may follow it."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A batch as it is sent, JSON in UTF-8."""

    body: bytes
    reset: ResetReason | None
    #: Objects that it shows, which whoever gets it pays.
    node_count: int


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Subscription:
    """An operation that is ready to run: its executor, and what was sent of it."""

    executor: Any
    query: str
    variables: Mapping[str, Any]
    operation_name: str | None
    #: What is worked out for the document stays as long as the stream does.
    remembered: Remembered | None = None

    @property
    def context(self) -> Context:
        """Context in which the stream was asked for."""
        context: Context = self.executor.context_value
        return context

    @property
    def root_field(self) -> FieldNode:
        """The one field of the operation; validation has seen to that."""
        node: Any = self.executor.operation
        while not isinstance(node, FieldNode):
            node = (
                self.executor.fragment_definitions[node.name.value]
                if node.kind == "fragment_spread"
                else node.selection_set.selections[0]
            )
        return node

    def _used_variables(self) -> Iterator[str]:
        """Yield the names of variables wherever they are used; in the text there may be anything behind the `$`."""
        pending: list[Any] = [self.executor.operation.selection_set, *self.executor.fragment_definitions.values()]
        pending += self.executor.operation.directives or ()
        while pending:
            node = pending.pop()
            if isinstance(node, VariableNode):
                yield node.name.value
            for key in QUERY_DOCUMENT_KEYS.get(node.kind, ()):
                below = getattr(node, key, None)
                pending += below if isinstance(below, list | tuple) else [] if below is None else [below]

    @property
    def key(self) -> Hashable:
        """Return what is equal for operations that make the same of a batch.

        Where a stream begins makes no difference. Fields and filters about the viewer are called so.
        """
        begins = {
            argument.value.name.value
            for argument in self.root_field.arguments or ()
            if argument.name.value == "after" and isinstance(argument.value, VariableNode)
        }
        used = Counter(self._used_variables())
        asked = {name: value for name, value in self.variables.items() if not (name in begins and used[name] == 1)}
        text = json.dumps(asked, sort_keys=True)
        principal = self.context.principal
        is_personal = principal.role is not Role.ADMIN or "viewer" in f"{self.query} {text}".lower()
        # Kept with every batch for as long as the batch is, and documents may be long.
        asked_for = hashlib.sha256(repr((self.query, self.operation_name, text)).encode()).digest()
        return asked_for, principal if is_personal else Role.ADMIN


async def first_batch(
    subscription: Subscription, schema: GraphQLSchema
) -> tuple[ChangeBatch, AsyncGenerator[ChangeBatch, None]]:
    """Begin the stream and return its first batch and itself; raises Refused for what was expected to go wrong."""
    source: Any = create_source_event_stream(subscription.executor)
    if subscription.executor.is_awaitable(source):
        source = await source
    errors = getattr(source, "errors", None)
    if errors:
        raise Refused([publish(error, schema, is_before_execution=False) for error in errors])
    stream: AsyncGenerator[ChangeBatch, None] = source
    try:
        return await anext(stream), stream
    except (DomainError, Forbidden) as error:
        await stream.aclose()
        raise Refused([_located(subscription, schema, error)]) from error
    except BaseException:
        await stream.aclose()
        raise


async def payloads(
    subscription: Subscription,
    schema: GraphQLSchema,
    first: ChangeBatch,
    stream: AsyncGenerator[ChangeBatch, None],
) -> AsyncGenerator[Payload, None]:
    """Yield each batch as it is sent. Raises Refused for what goes wrong as expected, and StreamFailed."""
    key = subscription.key
    async with aclosing(stream), _Account(subscription) as account:
        batch = first
        while True:
            payload = await _shared_payload(subscription, schema, key, batch)
            yield payload
            await account.pay(payload.node_count)
            try:
                batch = await anext(stream)
            except StopAsyncIteration:
                return
            except DomainError as error:
                raise Refused([_located(subscription, schema, error)]) from error


class _Account:
    """What a stream has sent and not paid yet. Small amounts are paid together: many streams get the same batches."""

    def __init__(self, subscription: Subscription) -> None:
        self._context = subscription.context
        self._gauge = SUBSCRIBERS.labels(subscription.root_field.name.value)
        self._points = 0
        # Streams that get the same would all pay at the same moment.
        self._due_at = random.randint(1, PAID_TOGETHER)

    async def __aenter__(self) -> Self:
        self._gauge.inc()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gauge.dec()
        if self._points:
            await self._owe(self._points)

    async def pay(self, points: int) -> None:
        """Note what was sent; whoever has got more than the account has points for waits here, and misses nothing."""
        self._points += points
        if self._points >= self._due_at:
            self._points, due, self._due_at = 0, self._points, PAID_TOGETHER
            await asyncio.sleep(await self._owe(due))

    async def _owe(self, points: int) -> float:
        # A task of its own: what waits for a socket of Redis may swallow that it is cancelled, and the stream of a
        # client that has gone would go on for ever.
        return await asyncio.shield(asyncio.ensure_future(owe(self._context, points)))


async def _shared_payload(
    subscription: Subscription, schema: GraphQLSchema, key: Hashable, batch: ChangeBatch
) -> Payload:
    made = batch.payloads.get(key)
    if made is None or made.has_failed:
        made = batch.payloads[key] = Once(_complete(subscription, schema, batch))
    payload: Payload = made.result() if made.is_done else await made.wait()
    return payload


async def _complete(subscription: Subscription, schema: GraphQLSchema, batch: ChangeBatch) -> Payload:
    executor = subscription.executor.build_per_event_executor(batch)
    reads = batch.live.reads
    executor.context_value = subscription.context.of_batch(reads)
    try:
        async with asyncio.timeout(BATCH_TIMEOUT):
            result = executor.execute_operation(False)
            if executor.is_awaitable(result):
                # Most batches are made of what is loaded already, and need no snapshot.
                if isinstance(reads, SharedReads):
                    async with reads:
                        result = await result
                else:
                    result = await result
    except TimeoutError as error:
        raise StreamFailed("A batch took too long.") from error
    finally:
        await executor.context_value.close()
    if any(as_request_failure(error.original_error) for error in result.errors or ()):
        # It is not some object that cannot be read: when the client comes back, all of them can.
        raise StreamFailed("The database went away while a batch was completed.")
    errors = [publish(error, schema, is_before_execution=False) for error in result.errors or ()]
    if result.data is None:
        raise StreamFailed(f"A batch could not be completed: {[error.message for error in errors]}")
    body = {"data": result.data}
    if errors:
        body["errors"] = [error.formatted for error in errors]
    return Payload(orjson.dumps(body), batch.live.reset, _count_objects(result.data))


def _count_objects(data: Mapping[str, Any]) -> int:
    count, pending = 0, list(data.values())
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            count += 1
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return count


def _located(subscription: Subscription, schema: GraphQLSchema, error: Exception) -> GraphQLError:
    node = subscription.root_field
    path = [node.alias.value if node.alias else node.name.value]
    return publish(located_error(error, [node], path), schema, is_before_execution=False)
