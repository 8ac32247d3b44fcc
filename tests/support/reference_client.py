"""A subscriber as the reference client is one: it comes back with its last cursor after whatever ended a connection.

It takes a snapshot by the query, follows from the query's `changeCursor`, and applies a change unless its version is
lower than the one it holds. What it holds at the end has to be what the query answers then.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import orjson
import websockets

#: After these the reference client comes back; after any other code of a server it gives up.
COMES_BACK = frozenset({1001, 1005, 1006, 1012, 1013, 1014, 4403, 4408})
#: Answers after which a request is sent again: the server says so, or did not get as far as saying anything.
TRIES = 100


@dataclass(frozen=True, slots=True)
class Topic:
    """A query, and the subscription that goes on from it."""

    name: str
    query: str
    subscription: str
    #: Where a connection of the query is, below `data`.
    place: tuple[str, ...]
    #: Field of a batch with what has changed, and the field of a change with its object; None where it is the change.
    changed: str
    object: str | None = None


def connection(root: str, selection: str, arguments: str = "") -> str:
    """Return the selection of one page."""
    head = f"{root}(first: 100, after: $after{arguments})"
    return f"{head} {{ changeCursor pageInfo {{ hasNextPage endCursor }} nodes {{ {selection} }} }}"


def filtered(
    name: str, root: str, filter_type: str, selection: str, stream: str, object: str, order: str = ""
) -> Topic:
    """Return a topic whose changes have a kind and a version."""
    page = connection(root, selection, f", filter: $filter{order}")
    return Topic(
        name,
        f"query ($after: String, $filter: {filter_type}) {{ {page} }}",
        f"subscription ($after: String, $filter: {filter_type}) {{ {stream}(after: $after, filter: $filter) {{ cursor"
        f" reset {{ reason }} changes {{ kind version {object}Id {object} {{ {selection} }} }} }} }}",
        (root,),
        "changes",
        object,
    )


ENROLLMENTS = filtered(
    "enrollments",
    "enrollments",
    "EnrollmentFilterInput",
    "id version status isActive lessonsDone score progressPercent learner { id name } content { id title }",
    "enrollmentChanges",
    "enrollment",
)
TASKS = filtered(
    "tasks",
    "mandatoryTasks",
    "MandatoryTaskFilterInput",
    "id version status note dueOn learner { id name } target { id title }",
    "mandatoryTaskChanges",
    "mandatoryTask",
)
RULE = "id version name hasEnrolledLearners"
RULES = Topic(
    "rules",
    f"query ($after: String) {{ {connection('autoAssignmentRules', RULE)} }}",
    "subscription ($after: String) { autoAssignmentRuleChanges(after: $after) { cursor reset { reason }"
    f" changes {{ kind version ruleId rule {{ {RULE} }} }} }} }}",
    ("autoAssignmentRules",),
    "changes",
    "rule",
)
LOG = Topic(
    "log",
    "query ($after: String, $filter: ContentActionFilterInput) {"
    f" {connection('contentActions', 'id action source', ', filter: $filter, orderBy: AS_LOGGED')} }}",
    "subscription ($after: String, $filter: ContentActionFilterInput) { contentActionsLogged(after: $after,"
    " filter: $filter) { cursor reset { reason } contentActions { id action source } } }",
    ("contentActions",),
    "contentActions",
)
NOTIFICATIONS = Topic(
    "notifications",
    f"query ($after: String) {{ viewer {{ {connection('notifications', 'id title isRead')} }} }}",
    "subscription ($after: String) { notificationsReceived(after: $after) { cursor reset { reason }"
    " notifications { id title isRead } } }",
    ("viewer", "notifications"),
    "notifications",
)


class Servers:
    """The web servers of which any may be asked, and the requests that are sent until one of them answers."""

    def __init__(self, urls: Sequence[str], http: httpx.AsyncClient, random: Random) -> None:
        self._urls = urls
        self._http = http
        self._random = random
        self.retry_count = 0

    def any(self) -> str:
        """Return the address of one of them, whether it runs or not."""
        return self._random.choice(self._urls)

    async def pause(self) -> None:
        """Wait as clients do before they try again."""
        self.retry_count += 1
        await asyncio.sleep(self._random.uniform(0.05, 0.4))

    async def answer(self, authorization: str, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the data of an operation, which is sent again until no part of it has failed."""
        body = {"query": document, "variables": variables}
        answer: dict[str, Any] = {}
        for _ in range(TRIES):
            try:
                response = await self._http.post(
                    f"{self.any()}/graphql", json=body, headers={"Authorization": authorization}, timeout=20
                )
                answer = response.json()
            except (httpx.TransportError, ValueError):
                await self.pause()
                continue
            if not answer.get("errors"):
                data: dict[str, Any] = answer["data"]
                return data
            codes = {error.get("extensions", {}).get("code") for error in answer["errors"]}
            assert not codes & {"BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED", "FORBIDDEN", "INVALID"}, answer
            await self.pause()
        raise AssertionError(f"never answered: {answer}")


@dataclass(slots=True)
class Held:
    """What a client holds: objects by ID in the order in which it first got them, and versions of those gone too."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def put(self, id: str, version: int, node: dict[str, Any] | None) -> None:
        """Apply a change, unless something newer is here already."""
        if version < self.versions.get(id, 0):
            return
        self.versions[id] = version
        if node is None:
            self.objects.pop(id, None)
        else:
            self.objects[id] = node


class Subscriber:
    """One stream of one account, on a connection of its own."""

    def __init__(self, servers: Servers, authorization: str, topic: Topic, filter: dict[str, Any] | None) -> None:
        self._servers = servers
        self._authorization = authorization
        self._task: asyncio.Task[None] | None = None
        self._cursor: str | None = None
        self.topic = topic
        self.filter = filter
        self.held = Held()
        #: IDs as they came from the stream, each time that they came.
        self.received: list[str] = []
        self.resumed_count = 0
        self.resets: list[str] = []
        self.is_live = asyncio.Event()
        #: What it does at the moment, and since when; for whoever wonders why it does not get on.
        self.doing = ("nothing", time.monotonic())

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for subscribers that have to hold the same."""
        return self._authorization, self.topic.name, orjson.dumps(self.filter).decode()

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Leave; raises what went wrong."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def raise_failure(self) -> None:
        """Raise what made the subscriber give up, if anything has."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def snapshot(self) -> tuple[Held, str]:
        """Return all pages of the query as they are now, and the cursor of the first one."""
        held, first, after = Held(), None, None
        while True:
            variables = {"after": after} | ({"filter": self.filter} if self.filter is not None else {})
            page: Any = await self._servers.answer(self._authorization, self.topic.query, variables)
            for name in self.topic.place:
                page = page[name]
            first = first or page["changeCursor"]
            for node in page["nodes"]:
                held.put(node["id"], node.get("version", 1), node)
            if not page["pageInfo"]["hasNextPage"]:
                return held, first
            after = page["pageInfo"]["endCursor"]

    async def _run(self) -> None:
        while True:
            if self._cursor is None:
                self._does("asks for a snapshot")
                self.held, self._cursor = await self.snapshot()
                self.received = []
            url = self._servers.any()
            self._does(f"connects to {url}")
            try:
                async with websockets.connect(
                    f"{url.replace('http', 'ws', 1)}/graphql",
                    subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
                    open_timeout=10,
                    close_timeout=1,
                ) as socket:
                    with contextlib.suppress(websockets.ConnectionClosed):
                        await self._follow(socket)
                    await socket.close()
                    if self._cursor is not None and socket.close_code not in COMES_BACK:
                        raise AssertionError(f"{self.topic.name} was closed for good: {socket.close_code}")
            except (OSError, TimeoutError, websockets.InvalidHandshake, websockets.InvalidMessage):
                pass
            self.resumed_count += 1
            self._does("pauses")
            await self._servers.pause()

    async def _follow(self, socket: websockets.ClientConnection) -> None:
        """Follow from the last cursor until a reset; raises ConnectionClosed."""
        await socket.send(
            orjson.dumps({"type": "connection_init", "payload": {"authorization": self._authorization}}).decode()
        )
        assert orjson.loads(await socket.recv()) == {"type": "connection_ack"}
        variables = {"after": self._cursor} | ({"filter": self.filter} if self.filter is not None else {})
        payload = {"query": self.topic.subscription, "variables": variables}
        await socket.send(orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode())
        self._does(f"waits for the first batch of {socket.remote_address} after {self._cursor}")
        async for text in socket:
            message = orjson.loads(text)
            assert message["type"] == "next", f"{self.topic.name} was ended for good: {message}"
            assert "errors" not in message["payload"], message
            (batch,) = message["payload"]["data"].values()
            if batch["reset"] is not None:
                self.resets.append(batch["reset"]["reason"])
                self._cursor = None
                return
            for change in batch[self.topic.changed]:
                self._apply(change)
            self._cursor = batch["cursor"]
            self._does(f"has a batch of {socket.remote_address} until {self._cursor}")
            self.is_live.set()

    def _does(self, what: str) -> None:
        self.doing = (what, time.monotonic())

    def _apply(self, change: dict[str, Any]) -> None:
        if self.topic.object is None:
            self.received.append(change["id"])
            self.held.put(change["id"], 1, change)
            return
        id, node = change[f"{self.topic.object}Id"], change[self.topic.object]
        assert (node is None) == (change["kind"] == "REMOVED"), change
        self.received.append(id)
        self.held.put(id, change["version"], node)
