"""Server-sent events: the same operations for who knows only HTTP. A body without `complete` says: come back."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from domain.foundation.access import Principal
from domain.foundation.feed import reader as feed_reader
from tests.realtime.test_streams import ENROLL, ENROLLMENTS, make_course
from tests.support.api import Api
from tests.support.event_stream import events, events_of
from tests.support.live import LiveServer

NEWS = "subscription ($after: String) { notificationsReceived(after: $after) { cursor notifications { title } } }"
TENANT = "{ tenant { name } }"


async def enroll(api: Api, admin: Principal, learner: Principal, course: str) -> None:
    """Enroll somebody."""
    from gql.contract.ids import LEARNER, encode

    assert learner.learner_id is not None
    await api.acting_as(admin).value(
        ENROLL, input={"learner": {"id": encode(LEARNER, learner.learner_id)}, "content": {"id": course}}
    )


async def test_a_stream_is_a_body_that_goes_on(
    api: Api, live: LiveServer, admin: Principal, learner: Principal
) -> None:
    """The first batch comes at once, and what is committed within a second."""
    course = await make_course(api, admin)
    async with events_of(api, live, admin, ENROLLMENTS) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        first = await stream.batch(1)
        assert (first["changes"], first["reset"]) == ([], None)
        await enroll(api, admin, learner, course)
        batch = await stream.batch(1)
        assert [change["enrollment"]["learner"]["name"] for change in batch["changes"]] == ["Lea Learner"]
    async with events_of(api, live, admin, ENROLLMENTS, after=first["cursor"]) as stream:
        assert (await stream.batch(1))["changes"] == batch["changes"]


async def test_queries_and_mutations_are_one_event(api: Api, live: LiveServer, admin: Principal) -> None:
    """And the end."""
    async with events_of(api, live, admin, TENANT) as stream:
        name, data = await stream.event()
        assert (name, data["data"]) == ("next", {"tenant": {"name": "Acme"}})
        assert await stream.rest() == ["complete"]
    mutation = 'mutation { createCourse(input: { title: "A" }) { course { title } errors { code } } }'
    async with events_of(api, live, admin, mutation) as stream:
        assert (await stream.event())[1]["data"]["createCourse"]["course"] == {"title": "A"}
        assert await stream.rest() == ["complete"]


@pytest.mark.parametrize(
    ("document", "variables", "code"),
    [
        ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing { cursor } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        (NEWS, {"after": 1}, "BAD_VARIABLES"),
        ("query ($first: Int!) { learners(first: $first) { totalCount } }", {}, "BAD_VARIABLES"),
        (NEWS, {"after": "x"}, "INVALID"),
    ],
)
async def test_what_cannot_run_is_one_event_with_errors(
    api: Api, live: LiveServer, admin: Principal, document: str, variables: dict[str, Any], code: str
) -> None:
    """Without data, and complete: to come back with the same would not help."""
    async with events_of(api, live, admin, document, **variables) as stream:
        name, data = await stream.event()
        assert (name, [error["extensions"]["code"] for error in data["errors"]]) == ("next", [code])
        assert "data" not in data
        assert await stream.rest() == ["complete"]


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": TENANT, "operationName": "A"}, {"query": 1}, []])
async def test_what_is_no_operation_is_refused(api: Api, live: LiveServer, admin: Principal, body: Any) -> None:
    """As over plain HTTP."""
    headers = api.acting_as(admin).headers | {"Accept": "text/event-stream"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(live.url, json=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


async def test_who_has_no_credential_gets_no_events(api: Api, live: LiveServer, admin: Principal) -> None:
    """But 401; the address is not looked at."""
    for authorization in ("", "Bearer nothing"):
        async with events(live, authorization, NEWS) as stream:
            assert stream.response.status_code == 401
    token = api.acting_as(admin).headers["Authorization"].removeprefix("Bearer ")
    async with httpx.AsyncClient(params={"authorization": f"Bearer {token}", "access_token": token}) as http:
        answer = await http.post(live.url, json={"query": NEWS}, headers={"Accept": "text/event-stream"})
        assert answer.status_code == 401


async def test_ten_bodies_are_what_an_account_has(api: Api, live: LiveServer, admin: Principal) -> None:
    """The next one is 429, until one has gone; sockets count as well."""
    await live.acting_as(admin)
    async with AsyncExitStack() as opened:
        for _ in range(9):
            await (await opened.enter_async_context(events_of(api, live, admin, NEWS))).batch()
        async with events_of(api, live, admin, NEWS) as stream:
            assert stream.response.status_code == 429
            assert int(stream.response.headers["retry-after"]) > 0
            error = (await stream.response.aread()).decode()
            assert "RATE_LIMITED" in error
    async with asyncio.timeout(5):
        while live.endpoint.connections.count > 1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    async with events_of(api, live, admin, NEWS) as stream:
        await stream.batch()


async def test_a_batch_that_cannot_be_produced_ends_the_body(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `complete`; who comes back with the last cursor gets what was to be sent."""
    course = await make_course(api, admin)
    async with events_of(api, live, admin, ENROLLMENTS) as stream:
        first = await stream.batch()
        with monkeypatch.context() as broken:

            async def page(*_: Any) -> None:
                raise ConnectionError

            broken.setattr(feed_reader.FeedReader, "page", page)
            await enroll(api, admin, learner, course)
            assert await stream.rest() == []
    async with events_of(api, live, admin, ENROLLMENTS, after=first["cursor"]) as stream:
        assert len((await stream.batch())["changes"]) == 1
