"""What keeps the memory of a process bounded while requests and streams are under way."""

import asyncio
import gc
import json
from contextlib import ExitStack
from typing import Any

import pytest

from domain.foundation.errors import Unavailable
from gql.execution.documents import Documents, read_document
from gql.limits import slots as places
from gql.limits.slots import Slots
from gql.limits.stream_memory import STREAM_BYTES, StreamMemory
from tests.support.api import ApiClient


async def test_places_are_given_in_the_order_of_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """And given back whatever happens; who waits for too long is told to come back."""
    given, came = Slots(2), []

    async def work(number: int) -> None:
        with ExitStack() as held:
            await given.take(held)
            came.append(number)
            await asyncio.sleep(0.01)
            raise ValueError

    await asyncio.gather(*(work(number) for number in range(6)), return_exceptions=True)
    assert came == list(range(6))
    monkeypatch.setattr(places, "PATIENCE", 0.05)
    with ExitStack() as held:
        await given.take(held)
        await given.take(held)
        with pytest.raises(Unavailable):
            await given.take(held)
    with ExitStack() as held:
        await given.take(held)


class Stream:
    """Stands for one."""


def test_streams_keep_little_together() -> None:
    """A document that many share counts once, and what is gone makes room."""
    kept = Documents()
    long, short = "{ " + "tenant { id } " * 100 + "}", "{ tenant { id } }"
    documents = [kept.keep(text, read_document(text)) for text in (long, short)]
    memory = StreamMemory(documents[0].size + 20 * STREAM_BYTES)
    streams: list[Any] = [Stream() for _ in range(12)]
    assert all(memory.keep(stream, documents[0], {"a": 1}) for stream in streams)
    assert not memory.keep(Stream(), documents[1], {})
    assert not memory.keep(Stream(), documents[0], {"a": "x" * 3_000})
    streams.clear()
    gc.collect()
    assert memory.size == 0
    another = Stream()
    assert memory.keep(another, documents[1], {})


async def test_a_body_has_at_most_150000_values(as_admin: ApiClient) -> None:
    """Each may be a hundred times as large in memory; blanks and long texts are none."""
    headers = as_admin.headers | {"Content-Type": "application/json"}
    for values, status in ((140_000, 200), (150_001, 400)):
        body = json.dumps({"query": "{ tenant { name } }", "variables": {"x": [0] * values}})
        assert (await as_admin.http.post("/graphql", content=body, headers=headers)).status_code == status


async def test_large_bodies_and_operations_wait_for_each_other_and_all_are_answered(as_admin: ApiClient) -> None:
    """More of them at once than there are places."""
    headers = as_admin.headers | {"Content-Type": "application/json"}
    wide = "{ learners(first: 100) { nodes { enrollments(first: 50) { nodes { id } } } } }"
    body = json.dumps({"query": wide, "variables": {"x": "x" * 200_000}})
    answers = await asyncio.gather(*(as_admin.http.post("/graphql", content=body, headers=headers) for _ in range(12)))
    assert [answer.json().get("errors") for answer in answers] == [None] * 12
