"""A small schema with everything that compiled functions meet, and a way to run an operation both ways."""

import asyncio
import enum
from datetime import UTC, datetime
from typing import Annotated, Any, Union

import orjson
import strawberry

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope
from gql.execution.compiled.executor import CompiledExecution
from gql.execution.context import Context, Info
from gql.execution.documents import DocumentCache
from gql.execution.related import Related, RelatedList, related


@strawberry.enum
class Grade(enum.Enum):
    """Grade of a pupil."""

    GOOD = "good"
    POOR = "poor"


@strawberry.interface
class Being:
    """Interface of two types, one of which has a subclass."""

    name: str


@strawberry.type
class Pupil(Being):
    """Pupil, whose attributes a test may set to anything."""

    id: strawberry.ID = strawberry.ID("1")
    age: int = 7
    height: float | None = None
    is_here: bool = True
    grade: Grade | None = None
    nickname: str | None = None
    friends: "list[Pupil]" = strawberry.field(default_factory=list)
    rivals: "list[Pupil | None] | None" = None
    marks: list[list[int]] = strawberry.field(default_factory=list)
    hobbies: list[str | None] | None = None
    best_friend: "Pupil | None" = None
    number: strawberry.Private[int] = 1

    @strawberry.field
    def shouted(self) -> str:
        """Computed without waiting."""
        return self.name.upper()

    @strawberry.field
    def broken(self) -> str | None:
        """Raises."""
        raise ValueError(f"{self.name} is broken")

    @strawberry.field
    def broken_for_good(self) -> str:
        """Raises where null may not be."""
        raise ValueError(f"{self.name} is broken")

    @strawberry.field
    def greeting(self, info: Info, word: str = "Hello", times: int = 1) -> str:
        """Has arguments."""
        return f"{word * times} {self.name} of {info.field_name}"

    @strawberry.field
    async def teacher(self, info: Info) -> "Teacher | None":
        """Waits for a row."""
        return await info.context.load(load_teachers, self.number)

    @strawberry.field
    async def home_teacher(self, info: Info) -> "Teacher":
        """Waits for a row that has to be there."""
        return await info.context.load(load_teachers, self.number)

    @strawberry.field
    async def teachers(self, info: Info, first: int = 2) -> "list[Teacher]":
        """Waits twice, and has an argument."""
        keys = await info.context.load(load_keys, self.number)
        found = await info.context.load_many(load_teachers, keys[:first])
        return [teacher for teacher in found if teacher is not None]

    @strawberry.field
    @related
    def substitute(self) -> Related["Teacher | None"]:
        """Leads to a row."""
        return Related(load_teachers, self.number or None, renamed)

    @strawberry.field
    @related
    def substitutes(self) -> RelatedList["Teacher"]:
        """Leads to rows, some of which are not there."""
        return RelatedList(load_teachers, range(self.number, self.number + 4), renamed)

    @strawberry.field
    async def lunch(self, info: Info) -> str:
        """Waits for something that is not loaded, between two things that are."""
        first = await info.context.load(load_keys, self.number)
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            second = await info.context.load(load_teachers, self.number)
            await asyncio.sleep(0)
        return f"{first} {second.name if second else None}"

    @strawberry.field
    async def gathered(self, info: Info) -> list[str]:
        """Lets tasks of its own load."""
        found = await asyncio.gather(*(info.context.load(load_teachers, key) for key in (1, 2)))
        return [teacher.name for teacher in found if teacher]


@strawberry.type
class Teacher(Being):
    """Teacher."""

    subject: str = "History"

    @strawberry.field
    async def pupils(self, info: Info) -> list[Pupil]:
        """Waits."""
        names = await info.context.load(load_keys, len(self.name))
        return [Pupil(name=f"{self.name} {name}", number=name) for name in names]


class Headmaster(Teacher):
    """Class that the schema does not know."""


@strawberry.type
class Robot:
    """Member of a union that nothing else has in common with."""

    model: str


Anyone = Annotated[Union[Pupil, Teacher, Robot], strawberry.union("Anyone")]  # noqa: UP007


def renamed(teacher: Any) -> Any:
    """Return what a row is made to."""
    return Teacher(name=f"Substitute {teacher.name}")


async def load_teachers(reads: ReadScope, principal: Principal, keys: list[int]) -> list[Any]:
    """Answer even numbers, and fail for 13."""
    batches(reads).append(("teachers", list(keys)))
    if 13 in keys:
        raise ConnectionError("The staff room is locked.")
    return [Teacher(name=f"Teacher {key}") if key % 2 == 0 else None for key in keys]


async def load_keys(reads: ReadScope, principal: Principal, keys: list[int]) -> list[list[int]]:
    """Answer numbers."""
    batches(reads).append(("keys", list(keys)))
    return [[key, key + 1, key + 2, key + 3] for key in keys]


def batches(reads: ReadScope) -> list[tuple[str, list[int]]]:
    """Return what was loaded, call by call."""
    noted: list[tuple[str, list[int]]] = reads.__dict__.setdefault("batches", [])
    return noted


@strawberry.type
class Query:
    """Root, over what a test gives."""

    @strawberry.field
    def pupil(self) -> Pupil | None:
        """One object."""
        return self.given  # type: ignore[attr-defined, no-any-return]

    @strawberry.field
    def pupils(self) -> list[Pupil]:
        """Objects."""
        return self.given  # type: ignore[attr-defined, no-any-return]

    @strawberry.field
    async def slow_pupils(self) -> list[Pupil | None] | None:
        """Objects, after a while."""
        return self.given  # type: ignore[attr-defined, no-any-return]

    @strawberry.field
    def being(self) -> Being | None:
        """Object of an interface."""
        return self.given  # type: ignore[attr-defined, no-any-return]

    @strawberry.field
    def anyone(self) -> list[Anyone]:
        """Objects of a union."""
        return self.given  # type: ignore[attr-defined, no-any-return]


class Given:
    """What the root fields return."""

    def __init__(self, given: Any) -> None:
        self.given = given


SCHEMA = strawberry.Schema(
    query=Query,
    types=[Pupil, Teacher, Robot],
    execution_context_class=CompiledExecution,
    extensions=[DocumentCache],
)
PRINCIPAL = Principal(tenant_id=1, learner_id=1, role=Role.ADMIN)


class Answer:
    """How an operation came out."""

    def __init__(self, told: bytes, batches: list[tuple[str, list[int]]], *, is_compiled: bool) -> None:
        self.told = told
        self.batches = batches
        self.is_compiled = is_compiled

    @property
    def data(self) -> Any:
        """Return the data."""
        return orjson.loads(self.told)["data"]


async def ask(given: Any, document: str, *, is_compiling: bool, **variables: Any) -> Answer:
    """Run a query."""
    reads = ReadScope(1)
    context = Context(PRINCIPAL, datetime(2026, 3, 1, tzinfo=UTC), reads, is_compiling=is_compiling)
    executors: list[CompiledExecution] = []

    class Noted(CompiledExecution):
        """Tells how it ended."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            executors.append(self)

    SCHEMA.execution_context_class = Noted
    result = await SCHEMA.execute(document, variable_values=variables, context_value=context, root_value=Given(given))
    told = orjson.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})
    is_compiled = bool(executors) and executors[0]._plans is not None and not executors[0]._is_ordinary
    return Answer(told, batches(reads), is_compiled=is_compiled)


async def both_ways(given: Any, document: str, **variables: Any) -> Answer:
    """Run a query both ways, require equal answers, and return the one of the compiled way."""
    ordinary = await ask(given, document, is_compiling=False, **variables)
    compiled = await ask(given, document, is_compiling=True, **variables)
    assert not ordinary.is_compiled
    assert compiled.told == ordinary.told
    return compiled
