"""Rows that resolvers ask for one by one, loaded together and remembered for the operation.

A resolver awaits `load(batch, key)`. Usually it then sleeps until the event loop has let everybody ask who wants to at
that moment, as with any data loader. A resolver that is stepped through by hand, without a task of its own, tells
instead what it needs: it suspends with `Wanted`, and whoever steps it fetches that for many resolvers in one go.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

#: Answers keys in their order. A value that is an exception is raised for its key.
Batch = Callable[[list[Any]], Awaitable[Sequence[Any]]]


class Wanted:
    """What a resolver that is stepped through waits for."""

    __slots__ = ("batch", "keys")

    def __init__(self, batch: Any, keys: Sequence[Any]) -> None:
        self.batch = batch
        self.keys = keys

    def __await__(self) -> Generator["Wanted", None, None]:
        yield self


class _Missing:
    """Nobody has asked for it."""


class _Failure:
    """It could not be loaded, and will not be tried again: a transaction that failed answers nothing more."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Round:
    """Keys that are asked of one batch function together, and who waits for them."""

    __slots__ = ("keys", "waiters")

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.waiters: list[asyncio.Future[None]] = []


MISSING = _Missing()
#: Classes of what stands for an answer that is not there yet.
UNKNOWN = frozenset({_Missing, _Round})


class Loads:
    """What one operation has loaded."""

    def __init__(self, answer: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]]) -> None:
        """`answer(batch, keys)` asks a batch function."""
        self._answer = answer
        self._known: dict[Any, dict[Any, Any]] = {}
        self._next: dict[Any, _Round] = {}
        self._made: dict[Any, dict[Any, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        #: Whether whoever asks at this moment is stepped through.
        self.is_stepping = False

    @types.coroutine
    def load(self, batch: Any, key: Any) -> Generator[Any, Any, Any]:
        """Return the answer of `batch` for a key."""
        # Asked for each object of a page and each of its relations, hence no coroutines within coroutines.
        known = self._known.get(batch)
        if known is None:
            known = self.known_of(batch)
        value = known.get(key, MISSING)
        if value.__class__ in UNKNOWN:
            if self.is_stepping:
                yield Wanted(batch, (key,))
            else:
                yield from self.fetch({batch: (key,)}).__await__()
            value = known[key]
        return revealed(value)

    @types.coroutine
    def load_as(self, batch: Any, key: Any, make: Callable[[Any], Any]) -> Generator[Any, Any, Any]:
        """Return what `make` makes of the answer for a key, or None for None; it is made once."""
        made = self.made_of(batch, make)
        value = made.get(key, MISSING)
        if value is MISSING:
            row = yield from self.load(batch, key)
            value = _object(made, make, key, row)
        return value

    async def load_many(self, batch: Any, keys: Sequence[Any]) -> list[Any]:
        """Return the answers of `batch` for keys, in their order."""
        known = self.known_of(batch)
        missing = [key for key in keys if known.get(key, MISSING).__class__ in UNKNOWN]
        if missing:
            await self._get(batch, missing)
        return [revealed(known[key]) for key in keys]

    async def load_many_as(self, batch: Any, keys: Sequence[Any], make: Callable[[Any], Any]) -> list[Any]:
        """Return what `make` makes of the answers for keys, in their order."""
        rows = await self.load_many(batch, keys)
        made = self.made_of(batch, make)
        return [_object(made, make, key, row) for key, row in zip(keys, rows, strict=True)]

    def known_of(self, batch: Any) -> dict[Any, Any]:
        """Return the answers of `batch` by key; those whose class is in UNKNOWN have to be fetched."""
        known = self._known.get(batch)
        if known is None:
            known = self._known[batch] = {}
        return known

    def made_of(self, batch: Any, make: Any) -> dict[Any, Any]:
        """Return what `make` has made of the answers of `batch` so far, by key."""
        # By both: another batch function may answer the same key with less, or with nothing.
        place = (batch, make)
        made = self._made.get(place)
        if made is None:
            made = self._made[place] = {}
        return made

    async def fetch(self, wanted: Mapping[Any, Iterable[Any]]) -> None:
        """Load keys of several batch functions; what fails is raised when it is asked for."""
        for waiter in [waiter for batch, keys in wanted.items() for waiter in self._ask(batch, keys)]:
            await waiter

    def forget(self) -> None:
        """Forget what was loaded. Who waits still gets what was asked for before."""
        self._known = {}
        self._made = {}
        self._next = {}

    async def _get(self, batch: Any, keys: Sequence[Any]) -> None:
        if self.is_stepping:
            await Wanted(batch, keys)
        else:
            await self.fetch({batch: keys})

    def _ask(self, batch: Any, keys: Iterable[Any]) -> list[asyncio.Future[None]]:
        loop = asyncio.get_running_loop()
        known = self.known_of(batch)
        rounds: list[_Round] = []
        for key in keys:
            value = known.get(key, MISSING)
            if value is MISSING:
                value = self._next.get(batch)
                if value is None:
                    value = self._next[batch] = _Round()
                    # Who else is about to run gets the chance to join.
                    loop.call_soon(self._send, batch, value, known)
                value.keys.append(key)
                known[key] = value
            if value.__class__ is _Round and value not in rounds:
                rounds.append(value)
        waiters = []
        for one in rounds:
            # Each has a future of its own: whoever is cancelled cancels what it waits for.
            waiter = loop.create_future()
            one.waiters.append(waiter)
            waiters.append(waiter)
        return waiters

    def _send(self, batch: Any, sent: _Round, known: dict[Any, Any]) -> None:
        if self._next.get(batch) is sent:
            del self._next[batch]
        task = asyncio.get_running_loop().create_task(self._settle(batch, sent, known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, batch: Any, sent: _Round, known: dict[Any, Any]) -> None:
        try:
            values = await self._answer(batch, list(sent.keys))
            if len(values) != len(sent.keys):
                raise RuntimeError(f"{batch} answers {len(sent.keys)} keys with {len(values)} values.")
            known.update(zip(sent.keys, values, strict=True))
        except Exception as error:
            known.update(dict.fromkeys(sent.keys, _Failure(error)))
        except BaseException:
            for waiter in sent.waiters:
                waiter.cancel()
            raise
        for waiter in sent.waiters:
            if not waiter.done():
                waiter.set_result(None)


def _object(made: dict[Any, Any], make: Any, key: Any, row: Any) -> Any:
    # Looked up again: many may have waited for the same row.
    value = made.get(key, MISSING)
    if value is MISSING:
        value = made[key] = None if row is None else make(row)
    return value


def revealed(value: Any) -> Any:
    """Return an answer, or raise what it stands for."""
    if value is None:
        return None
    if value.__class__ is _Failure:
        raise value.error
    if isinstance(value, BaseException):
        raise value
    return value
