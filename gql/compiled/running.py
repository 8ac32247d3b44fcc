"""Running a plan: resolvers that wait are stepped through together, a page at a time."""

import types
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any

from graphql.pyutils import Path

from gql.compiled.source import Plan
from gql.loading import NOT_LOADED, Loads, Wanted
from gql.related import Related


class Run:
    """One field of one operation on its way through a plan."""

    def __init__(self, plan: Plan, executor: Any, path: Path, loads: Loads) -> None:
        self._plan = plan
        self._loads = loads
        #: Resolvers by the numbers that the plan gives them.
        self.calls: list[Callable[[Any], Any]] = [call.bind(executor, path) for call in plan.calls]
        self._is_declared = [call.is_declared for call in plan.calls]
        self._noted: list[tuple[int, Any, dict[str, Any]]] = []
        #: Notes that a field of an object waits: its number, the object and the dict that it belongs into.
        self.later = self._noted.append
        #: Started, and what they wanted is there by now.
        self._ready: list[tuple[Any, int, dict[str, Any]]] = []
        self._waiting: list[tuple[Any, int, dict[str, Any]]] = []
        self._wanted: dict[Any, dict[Any, None]] = {}
        self._foreign: tuple[Any, int, dict[str, Any], Any] | None = None

    def begin(self, value: Any) -> Any:
        """Complete a value as far as that goes without waiting."""
        return self._plan.complete(value, self)

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits."""
        return not (self._noted or self._ready or self._waiting or self._foreign)

    async def finish(self) -> None:
        """Fill in what waits."""
        try:
            while not self.is_complete:
                self._advance()
                if self._foreign is not None:
                    resolver, number, target, awaited = self._foreign
                    self._fill(number, target, await self._drive(resolver, awaited))
                    self._foreign = None
                elif self._waiting:
                    wanted, self._wanted = self._wanted, {}
                    self._ready, self._waiting = self._waiting, []
                    await self._loads.fetch(wanted)
        finally:
            self._close()

    def _advance(self) -> None:
        """Step everything that can go on, until all is done or waits for rows, or one waits for something else."""
        self._loads.is_stepping = True
        try:
            # In their order, which is the order of the page.
            self._ready.reverse()
            while self._ready and self._foreign is None:
                resolver, number, target = self._ready.pop()
                if resolver.__class__ is Related:
                    self._follow(resolver, number, target)
                else:
                    self._step(resolver, number, target)
            self._ready.reverse()
            while self._noted and self._foreign is None:
                noted = self._noted.copy()
                self._noted.clear()
                noted.reverse()
                while noted and self._foreign is None:
                    number, source, target = noted.pop()
                    if self._is_declared[number]:
                        self._follow(self.calls[number](source), number, target)
                    else:
                        self._step(self.calls[number](source), number, target)
                self._noted[:0] = reversed(noted)
        finally:
            self._loads.is_stepping = False

    def _follow(self, related: Related[Any], number: int, target: dict[str, Any]) -> None:
        key = related.key
        value = None if key is None else self._loads.find(related.batch, key, related.make)
        if value is not NOT_LOADED:
            self._fill(number, target, value)
            return
        self._waiting.append((related, number, target))
        self._want(related.batch, (key,))

    def _step(self, resolver: Any, number: int, target: dict[str, Any]) -> None:
        try:
            wanted = resolver.send(None)
        except StopIteration as stop:
            self._fill(number, target, stop.value)
            return
        if wanted.__class__ is not Wanted:
            self._foreign = resolver, number, target, wanted
            return
        self._waiting.append((resolver, number, target))
        self._want(wanted.batch, wanted.keys)

    def _want(self, batch: Any, wanted: Iterable[Any]) -> None:
        keys = self._wanted.get(batch)
        if keys is None:
            keys = self._wanted[batch] = {}
        for key in wanted:
            keys[key] = None

    def _fill(self, number: int, target: dict[str, Any], value: Any) -> None:
        complete = self._plan.completions[number]
        assert complete is not None
        target[self._plan.calls[number].key] = complete(value, self)

    @types.coroutine
    def _drive(self, resolver: Coroutine[Any, Any, Any], awaited: Any) -> Generator[Any, Any, Any]:
        """Await a resolver that was started already, to its end; `awaited` is what it waits for."""
        while True:
            send: Callable[[Any], Any] = resolver.send
            sent: Any = None
            try:
                if awaited.__class__ is Wanted:
                    yield from self._loads.fetch({awaited.batch: awaited.keys}).__await__()
                else:
                    sent = yield awaited
            except BaseException as error:
                send, sent = resolver.throw, error
            self._loads.is_stepping = True
            try:
                awaited = send(sent)
            except StopIteration as stop:
                return stop.value
            finally:
                self._loads.is_stepping = False

    def _close(self) -> None:
        """End what was started and will not go on."""
        for resolver, *_ in (*self._ready, *self._waiting, *((self._foreign,) if self._foreign else ())):
            if resolver.__class__ is not Related:
                resolver.close()
