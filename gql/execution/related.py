"""Fields that lead to rows by their keys: declared instead of awaited, so that a page need not wait for each of them.

    @strawberry.field(description="Learner who has to complete it.")
    @related
    def learner(self) -> Related[Learner]:
        return Related(load_learners_by_id, self.row.learner_id, Learner.from_row)

    @strawberry.field(description="Departments, one of which is needed.")
    @related
    def departments(self) -> RelatedList[Department]:
        return RelatedList(load_places_by_id, self.condition.object_ids, Department.from_row)

The ordinary way awaits such a field like any other. Compiled selections ask it where it leads, for a whole page, and
load the rows of all at once without a coroutine for each; see `gql.execution.compiled`.
"""

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from gql.execution.context import Info

Object = TypeVar("Object")


class Related(Generic[Object]):
    """Where a field leads: what `make` makes of the answer of `batch` for `key`, and to nothing without a key."""

    __slots__ = ("batch", "key", "make")

    def __init__(self, batch: Any, key: Any, make: Callable[[Any], Object] | Any) -> None:
        self.batch = batch
        self.key = key
        self.make = make


class RelatedList(Generic[Object]):
    """Where a field leads that has many: what `make` makes of the answers of `batch` for `keys`, nothing of None."""

    __slots__ = ("batch", "keys", "make")

    def __init__(self, batch: Any, keys: Sequence[Any], make: Callable[[Any], Object] | Any) -> None:
        self.batch = batch
        self.keys = keys
        self.make = make


def related(declare: Callable[..., Related[Any] | RelatedList[Any]]) -> Callable[..., Any]:
    """Return the resolver of a declared field; `declare(self)` or `declare(self, info)` tells where it leads."""
    takes_info = "info" in inspect.signature(declare).parameters

    async def resolve(self: Any, info: Info) -> Any:
        found = declare(self, info) if takes_info else declare(self)
        if isinstance(found, RelatedList):
            values = await info.context.load_many_as(found.batch, found.keys, found.make)
            return [value for value in values if value is not None]
        if found.key is None:
            return None
        return await info.context.load_as(found.batch, found.key, found.make)

    resolve.__name__, resolve.__qualname__ = declare.__name__, declare.__qualname__
    resolve.__doc__, resolve.__module__ = declare.__doc__, declare.__module__
    annotation = declare.__annotations__["return"]
    (type_,) = typing.get_args(annotation)
    origin: object = typing.get_origin(annotation)
    resolve.__annotations__["return"] = types.GenericAlias(list, (type_,)) if origin is RelatedList else type_
    resolve.__dict__["declare"] = declare
    resolve.__dict__["takes_info"] = takes_info
    return resolve
