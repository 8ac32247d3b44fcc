"""Running a plan: resolvers that wait are stepped through together, a page at a time."""

import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any

from graphql.pyutils import Path

from gql.execution.compiled.source import Plan
from gql.execution.loading import MISSING, UNKNOWN, Loads, Wanted, revealed
from gql.execution.related import Related, RelatedList

Link = Related[Any] | RelatedList[Any]
#: Where fields lead, each with the dict that the field belongs into.
Links = list[tuple[Link, dict[str, Any]]]


class _Tables:
    """What is there of a batch function, and of what is made of its answers."""

    __slots__ = ("_known", "_made", "_wanted", "batch", "make")

    def __init__(self, link: Link, loads: Loads, wanted: dict[Any, None]) -> None:
        self.batch, self.make = link.batch, link.make
        self._known, self._made, self._wanted = loads.known_of(link.batch), loads.made_of(link.batch, link.make), wanted

    def find(self, key: Any) -> Any:
        """Return what is made of the answer for a key, None for None; MISSING if it is wanted from now on."""
        value = self._made.get(key, MISSING)
        if value is MISSING:
            row = self._known.get(key, MISSING)
            if row.__class__ in UNKNOWN:
                self._wanted[key] = None
            else:
                row = revealed(row)
                value = self._made[key] = None if row is None else self.make(row)
        return value

    def find_all(self, keys: Sequence[Any]) -> Any:
        """Return the list of all that there are; MISSING if some are wanted from now on."""
        values, is_complete = [], True
        for key in keys:
            value = self.find(key)
            if value is MISSING:
                is_complete = False
            elif value is not None:
                values.append(value)
        return values if is_complete else MISSING


class Run:
    """One field of one operation on its way through a plan."""

    def __init__(self, plan: Plan, executor: Any, path: Path, loads: Loads) -> None:
        self._plan = plan
        self._loads = loads
        #: Resolvers by the numbers that the plan gives them.
        self.calls: list[Callable[[Any], Any]] = [call.bind(executor, path) for call in plan.calls]
        #: Fields that lead to one row: for each number the objects, and the dicts that their fields belong into.
        self._linked: list[list[tuple[Any, dict[str, Any]]]] = [[] for _ in plan.calls]
        #: Notes one of those, by its number.
        self.links = [linked.append for linked in self._linked]
        self._noted: list[tuple[int, Any, dict[str, Any]]] = []
        #: Notes that a field of an object waits: its number, the object and the dict that it belongs into.
        self.later = self._noted.append
        #: Where fields lead whose rows are on their way: number, links and dicts.
        self._away: list[tuple[int, Links]] = []
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
        return not (self._noted or self._ready or self._waiting or self._foreign or self._away or any(self._linked))

    async def finish(self) -> None:
        """Fill in what waits."""
        try:
            while not self.is_complete:
                self._advance()
                if self._foreign is not None:
                    resolver, number, target, awaited = self._foreign
                    self._fill(number, target, await self._drive(resolver, awaited))
                    self._foreign = None
                elif self._wanted:
                    wanted, self._wanted = self._wanted, {}
                    self._ready, self._waiting = self._waiting, []
                    await self._loads.fetch(wanted)
        finally:
            self._close()

    def _advance(self) -> None:
        """Step everything that can go on, until all is done or waits for rows, or one waits for something else."""
        away, self._away = self._away, []
        for number, links in away:
            self._follow(number, links)
        self._loads.is_stepping = True
        try:
            # In their order, which is the order of the page.
            self._ready.reverse()
            while self._ready and self._foreign is None:
                resolver, number, target = self._ready.pop()
                self._step(resolver, number, target)
            self._ready.reverse()
            while self._foreign is None and (self._noted or self._follow_all()):
                noted = self._noted.copy()
                self._noted.clear()
                noted.reverse()
                while noted and self._foreign is None:
                    number, source, target = noted.pop()
                    self._step(self.calls[number](source), number, target)
                self._noted[:0] = reversed(noted)
        finally:
            self._loads.is_stepping = False

    def _follow_all(self) -> bool:
        """Follow all links that were noted, also those that are noted by it; tell whether resolvers were, meanwhile."""
        while any(self._linked):
            for number, linked in enumerate(self._linked):
                if linked:
                    declare = self.calls[number]
                    links = [(declare(source), target) for source, target in linked]
                    linked.clear()
                    self._follow(number, links)
        return bool(self._noted)

    def _follow(self, number: int, links: Links) -> None:
        """Fill in what is there of where a field leads, for a whole page."""
        call, complete = self._plan.calls[number], self._plan.completions[number]
        assert complete is not None
        name, away = call.key, []
        tables: _Tables | None = None
        for link in links:
            leading, target = link
            if tables is None or tables.batch is not leading.batch or tables.make != leading.make:
                # Nearly always the same for all of a page.
                tables = _Tables(leading, self._loads, self._wanted_of(leading.batch))
            if isinstance(leading, RelatedList):
                value: Any = tables.find_all(leading.keys)
            else:
                value = None if leading.key is None else tables.find(leading.key)
            if value is MISSING:
                away.append(link)
            else:
                target[name] = complete(value, self)
        if away:
            self._away.append((number, away))

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
        self._wanted_of(wanted.batch).update(dict.fromkeys(wanted.keys))

    def _wanted_of(self, batch: Any) -> dict[Any, None]:
        keys = self._wanted.get(batch)
        if keys is None:
            keys = self._wanted[batch] = {}
        return keys

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
            resolver.close()
