"""Batches in the middle of which the database goes away: they are not sent with holes, but later."""

from typing import Any

import asyncpg
import pytest

from domain.foundation.access import Principal
from domain.foundation.database.shared_reads import SharedReads
from gql.contract.ids import LEARNER, encode
from gql.transport.websocket import TRY_AGAIN_LATER
from tests.realtime.test_streams import ENROLL, ENROLLMENTS, make_course
from tests.support.api import Api
from tests.support.live import LiveServer


async def test_a_batch_for_which_the_connection_was_lost_comes_again(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objects could be read, only not then; without this, whoever follows would hold half of them."""
    course = await make_course(api, admin)
    socket = await live.acting_as(admin)
    stream = await socket.follow(ENROLLMENTS)
    read = SharedReads._read
    failures = iter([True])

    async def lose_connection_once(self: SharedReads, sql: str, *args: Any) -> list[asyncpg.Record]:
        if "FROM learner" in sql and next(failures, False):
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (11) is in progress")
        return await read(self, sql, *args)

    monkeypatch.setattr(SharedReads, "_read", lose_connection_once)
    assert learner.learner_id is not None
    await api.acting_as(admin).value(
        ENROLL, input={"learner": {"id": encode(LEARNER, learner.learner_id)}, "content": {"id": course}}
    )
    assert await socket.closed() == TRY_AGAIN_LATER
    again = await (await live.acting_as(admin)).subscribe(ENROLLMENTS, after=stream.cursor)
    (change,) = await again.changes()
    assert change["enrollment"]["learner"]["name"] == "Lea Learner"
