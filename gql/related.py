"""Fields that lead to one row by its key: declared instead of awaited, so that a page need not wait for each of them.

    @strawberry.field(description="Learner who has to complete it.")
    @related
    def learner(self) -> Related[Learner]:
        return Related(load_learners_by_id, self.row.learner_id, Learner.from_row)

The ordinary way awaits such a field like any other. Compiled selections ask it where it leads, for a whole page, and
load the rows of all at once without a coroutine for each; see `gql.compiled`.
"""

import inspect
import typing
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gql.context import Info

Object = TypeVar("Object")


class Related(Generic[Object]):
    """Where a field leads: what `make` makes of the answer of `batch` for `key`, and to nothing without a key."""

    __slots__ = ("batch", "key", "make")

    def __init__(self, batch: Any, key: Any, make: Callable[[Any], Object] | Any) -> None:
        self.batch = batch
        self.key = key
        self.make = make


def related(declare: Callable[..., Related[Any]]) -> Callable[..., Any]:
    """Return the resolver of a declared field; `declare(self)` or `declare(self, info)` tells where it leads."""
    takes_info = "info" in inspect.signature(declare).parameters

    async def resolve(self: Any, info: Info) -> Any:
        found: Related[Any] = declare(self, info) if takes_info else declare(self)
        if found.key is None:
            return None
        return await info.context.load_as(found.batch, found.key, found.make)

    resolve.__name__, resolve.__qualname__ = declare.__name__, declare.__qualname__
    resolve.__doc__, resolve.__module__ = declare.__doc__, declare.__module__
    (type_,) = typing.get_args(declare.__annotations__["return"])
    resolve.__annotations__["return"] = type_
    resolve.__dict__["declare"] = declare
    resolve.__dict__["takes_info"] = takes_info
    return resolve
