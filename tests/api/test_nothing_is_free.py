"""Requests that are refused: each of them costs."""

from typing import Any

import pytest

from domain.foundation.access import Principal
from tests.api.test_rate_limit import FORTY, poor
from tests.support.api import Api

__all__ = ["poor"]

LONG = "{ tenant { id } }" + " " * 70_000


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("POST", {"json": {"query": "{ nonsense }"}}),
        ("POST", {"json": {"query": "{"}}),
        ("POST", {"json": {"query": LONG}}),
        ("POST", {"json": {"query": "{ tenant { id } }", "operationName": "x"}}),
        ("POST", {"json": {"query": FORTY.replace("40", "$n"), "variables": {}}}),
        (
            "POST",
            {"json": {"query": "{ learners(first: 100) { nodes { enrollments(first: 101) { nodes { id } } } } }"}},
        ),
        ("POST", {"json": {"query": "{ nodes(ids: [" + "1 " * 101 + "]) { id } }"}}),
        ("POST", {"content": b"{"}),
        ("POST", {"content": b"[" * 200_000}),
        ("POST", {"json": {"query": LONG}, "headers": {"Accept": "text/event-stream"}}),
        ("POST", {"json": {"query": "subscription { x }"}, "headers": {"Accept": "text/event-stream"}}),
        ("GET", {"params": {"query": "{ nonsense }"}}),
        ("GET", {"params": {"query": "mutation { x }"}}),
        ("GET", {}),
    ],
)
async def test_nothing_is_free(
    poor: tuple[Api, list[float]], admin: Principal, method: str, request_: dict[str, Any]
) -> None:
    """Whatever is wrong with a request whose sender is known, by whatever way it comes, it costs a point or more."""
    client = poor[0].acting_as(admin)
    headers = client.headers | {"Content-Type": "application/json"} | request_.pop("headers", {})
    for number in range(1, 4):
        await client.http.request(method, "/graphql", headers=headers, **request_)
        left = (await client.execute("{ tenant { id } }"))["extensions"]["cost"]["remaining"]
        assert left <= 100 - 2 * number
