"""What one GraphQL operation works with: who asks, what time it is, one snapshot to read from, and the way to change.

A context is made for each operation and closed at its end. After a change the snapshot and everything loaded from it
are dropped, so what a payload shows is what was committed.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import strawberry
from pydantic import TypeAdapter

from domain.foundation import clock as business_time
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Invalid
from domain.foundation.feed.changes import read_head
from domain.foundation.feed.reader import FeedReaders
from domain.foundation.idempotency import IdempotentCall
from domain.foundation.text_validation import storable_text
from domain.foundation.unit_of_work import Done, UnitOfWork, perform
from gql.contract.canonical_text import digest
from gql.contract.cursors import feed_cursor
from gql.execution.loading import Loads
from gql.execution.persisted_documents import PersistedDocuments
from gql.limits.rate_limit import CostLimiter
from gql.limits.slots import Slots

Key = TypeVar("Key")
Value = TypeVar("Value")
Result = TypeVar("Result")
Row = TypeVar("Row")
Object = TypeVar("Object")

Batch = Callable[[ReadScope, Principal, list[Key]], Awaitable[Sequence[Value]]]

IDEMPOTENCY_KEY_LENGTH = 255
#: Seconds that a change may take until it is committed.
MUTATION_TIMEOUT = 10.0


@strawberry.input
class MutationInput:
    """Input of any mutation."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Key chosen by the caller: the same key with the same input returns the first result and does "
        "nothing more. Kept 24 hours.",
    )


class Context:
    """Context of one operation."""

    def __init__(
        self,
        principal: Principal,
        now: datetime,
        reads: ReadScope,
        *,
        is_introspection_enabled: bool = True,
        public_url: str = "",
        task_url: str | None = None,
        clock: Callable[[], datetime] = business_time.now,
        feeds: FeedReaders | None = None,
        limiter: CostLimiter | None = None,
        is_compiling: bool = True,
        documents: PersistedDocuments | None = None,
        large_operations: Slots | None = None,
    ) -> None:
        self.principal = principal
        self.now = now
        self.reads = reads
        #: Tells the time to what lasts longer than a moment: streams.
        self.clock = clock
        self._feeds = feeds
        self.is_introspection_enabled = is_introspection_enabled
        #: Where the service is reached: what addresses of calendars begin with.
        self.public_url = public_url
        #: Address of a task's page, as emails tell it.
        self.task_url = task_url
        #: Where operations are paid; None for what nobody has asked for.
        self.limiter = limiter
        #: Points that the operation has paid; None until it was asked for any.
        self.points_paid: int | None = None
        #: Whether selections run as functions compiled from them; see `gql.execution.compiled`.
        self.is_compiling = is_compiling
        #: Documents that a request may name instead of sending them.
        self.documents = documents or PersistedDocuments()
        #: Slots of those that ask for many objects; None where nobody else does.
        self.large_operations = large_operations
        self.loads = Loads(self._answer)
        self._feed_position: int | None = None

    def load(self, batch: Batch[Key, Value], key: Key) -> Awaitable[Value]:
        """Return what `batch` answers for `key`; keys asked for at the same time go into one call.

        `batch(reads, principal, keys)` answers in the order of the keys; what it needs besides belongs into the key.
        """
        return self.loads.load(batch, key)

    def load_many(self, batch: Batch[Key, Value], keys: Sequence[Key]) -> Awaitable[list[Value]]:
        """Return what `batch` answers for each of the keys, in their order."""
        return self.loads.load_many(batch, keys)

    def load_as(
        self, batch: Batch[Key, Row | None], key: Key, make: Callable[[Row], Object]
    ) -> Awaitable[Object | None]:
        """Return what `make` makes of the answer for `key`: one object for the whole operation, None for None."""
        return self.loads.load_as(batch, key, make)

    def load_many_as(
        self, batch: Batch[Key, Row | None], keys: Sequence[Key], make: Callable[[Row], Object]
    ) -> Awaitable[list[Object | None]]:
        """Return what `make` makes of the answer for each of the keys, in their order."""
        return self.loads.load_many_as(batch, keys, make)

    async def _answer(self, batch: Batch[Any, Any], keys: list[Any]) -> Sequence[Any]:
        return await batch(self.reads, self.principal, keys)

    async def perform(
        self,
        operation: str,
        input: MutationInput,
        action: Callable[[UnitOfWork], Awaitable[Result]],
        result_type: Any,
    ) -> Done[Result]:
        """Run a domain operation in one transaction.

        `operation` is the mutation's name. `result_type` describes the result for pydantic: IDs, counts, row errors,
        never secrets, because it is stored with the idempotency key.
        """
        idempotent = idempotent_call(input, result_type)
        await self.close()
        done = await perform(
            self.principal, self.now, operation, action, idempotent=idempotent, seconds=MUTATION_TIMEOUT
        )
        # What the payload of an earlier change has given up may have read meanwhile, from before this one.
        await self.close()
        return done

    async def feed_position(self) -> int:
        """Return the end of the change feed in the snapshot of the operation: everything that it misses comes later.

        Mutations read in several snapshots; the first one counts for all of them.
        """
        if self._feed_position is None:
            self._feed_position = await read_head(self.reads, self.principal.tenant_id)
        return self._feed_position

    async def change_cursor(self) -> str:
        """Return the position of the feed as a cursor."""
        return feed_cursor(self.principal.tenant_id, await self.feed_position())

    @property
    def feeds(self) -> FeedReaders:
        """The readers of change feeds of this process."""
        if self._feeds is None:
            raise RuntimeError("Streams need the readers of the process.")
        return self._feeds

    def of_batch(self, reads: ReadScope) -> "Context":
        """Return the context in which a batch of a stream is completed: the present time, and reads that are shared."""
        return Context(
            self.principal,
            self.clock(),
            reads,
            is_introspection_enabled=self.is_introspection_enabled,
            public_url=self.public_url,
            task_url=self.task_url,
            clock=self.clock,
            feeds=self._feeds,
            is_compiling=self.is_compiling,
            documents=self.documents,
        )

    async def close(self) -> None:
        """End the snapshot and forget what was loaded from it."""
        self.loads.forget()
        await self.reads.close()

    async def finish(self) -> None:
        """End the operation. Resolvers beside one that failed may still run; they read nothing more."""
        self.loads.forget()
        await self.reads.finish()


Info = strawberry.Info[Context, None]


def idempotent_call(input: MutationInput, result_type: Any) -> IdempotentCall[Any] | None:
    """Return how a call is remembered, or None when the caller gave no key; raises Invalid for a bad key."""
    key = input.idempotency_key
    if key is None:
        return None
    path = ["idempotencyKey"]
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH:
        raise Invalid(f"From 1 to {IDEMPOTENCY_KEY_LENGTH} characters.", path=path)
    storable_text(key, path=path, longest=IDEMPOTENCY_KEY_LENGTH)
    adapter = TypeAdapter(result_type)
    return IdempotentCall(
        key=key,
        input_hash=digest(input),
        store=lambda result: adapter.dump_python(result, mode="json"),
        restore=adapter.validate_python,
    )
