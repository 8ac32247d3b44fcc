"""A client as streams ask for one: a snapshot by query, then changes by subscription, and both have to agree.

A `Replica` holds one list of one viewer and filter. It is filled by the query once; after that only what its stream
sends changes it: by ID and version, as `api.md` tells clients to.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from domain.foundation.access import Principal
from domain.foundation.feed.changes import sequence
from gql.contract.cursors import feed_position
from tests.support.api import Api, ApiClient
from tests.support.live import LiveServer, Stream

Json: TypeAlias = dict[str, Any]

#: Streams of one connection: half of what is allowed, as one that starts over may overtake the end of the old one.
STREAMS_PER_SOCKET = 10


def _in_brackets(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)})" if parts else ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A stream and the query that is its snapshot."""

    #: Root field of Subscription.
    stream: str
    #: Root field of the query, its arguments but the filter, and the path to it.
    query: str
    first: int
    type_name: str
    fields: str
    #: Name of the objects in a batch of the stream, or of the changes in it.
    batch: str
    filter_type: str | None = None
    #: Names of ID and object in a change; None where a batch holds the objects themselves.
    change: tuple[str, str] | None = None
    is_of_viewer: bool = False

    @property
    def subscription(self) -> str:
        """Document of the stream."""
        shown = self.fields
        if self.change is not None:
            shown = f"kind version id: {self.change[0]} object: {self.change[1]} {{ {self.fields} }}"
        declared, given = [], []
        if self is not RULE_LIST:
            declared.append("$after: String")
            given.append("after: $after")
        if self.filter_type:
            declared.append(f"$filter: {self.filter_type}")
            given.append("filter: $filter")
        return (
            f"subscription {_in_brackets(declared)} {{ {self.stream}{_in_brackets(given)} {{"
            f" cursor reset {{ reason }} shown: {self.batch} {{ {shown} }} }} }}"
        )

    def page(self, alias: str, number: int, after: str | None = None) -> str:
        """Return the selection of one list under an alias."""
        filter = f", filter: $filter{number}" if self.filter_type else ""
        begin = f', after: "{after}"' if after else ""
        list = (
            f"{self.query}(first: {self.first}{filter}{begin})"
            f" {{ changeCursor pageInfo {{ hasNextPage endCursor }} nodes {{ ...Shown }} }}"
        )
        return f"{alias}: viewer {{ list: {list} }}" if self.is_of_viewer else f"{alias}: {list}"


TASKS = Kind(
    stream="mandatoryTaskChanges",
    query="mandatoryTasks",
    type_name="MandatoryTask",
    first=40,
    filter_type="MandatoryTaskFilterInput",
    batch="changes",
    change=("mandatoryTaskId", "mandatoryTask"),
    fields="""
    id version status dueOn dueAt note withdrawnAt isSuspended canUpdate canWithdraw completedAt createdAt updatedAt
    recurrence { everyWeeks nextDueOn nextOpensOn } learner { id } target { id }
    enrollment { id status progressPercent score }
    reminderSettings { daysBeforeDue recipients }
    reminders { id dueOn daysBeforeDue recipients scheduledAt status reason }
    """,
)
ENROLLMENTS = Kind(
    stream="enrollmentChanges",
    query="enrollments",
    type_name="Enrollment",
    first=40,
    filter_type="EnrollmentFilterInput",
    batch="changes",
    change=("enrollmentId", "enrollment"),
    fields="""
    id version status progressPercent score isActive isWaitlisted expiresAt lessonsDone enrolledAt completedAt
    learner { id } content { id } reasons { source ruleName sinceAt learningPath { id } }
    """,
)
LOG = Kind(
    stream="contentActionsLogged",
    query="contentActions",
    type_name="ContentAction",
    first=100,
    filter_type="ContentActionFilterInput",
    batch="contentActions",
    fields="id action source ruleId ruleName resultingStatus occurredAt recordedAt",
)
RULES = Kind(
    stream="autoAssignmentRuleChanges",
    query="autoAssignmentRules",
    type_name="AutoAssignmentRule",
    first=50,
    batch="changes",
    change=("ruleId", "rule"),
    fields="""
    id version name match whenUnmet isPreparing hasEnrolledLearners createdAt updatedAt editableParts contents { id }
    conditions {
      __typename
      ... on ContentStatusCondition { contents { id } status }
      ... on DepartmentCondition { departments { id } }
      ... on LearningGroupCondition { learningGroups { id } }
      ... on RefValueCondition { operator values }
    }
    latestBackfill { id status }
    enrolledLearnerCount revocableLearnerCount
    matchingLearners(first: 1) { totalCount } contentActions(first: 1) { totalCount }
    """,
)
RULE_LIST = Kind(
    stream="autoAssignmentRuleList",
    query=RULES.query,
    type_name=RULES.type_name,
    first=RULES.first,
    batch="rules",
    fields=RULES.fields,
)
JOBS = Kind(
    stream="backgroundJobChanges",
    query="backgroundJobs",
    type_name="BackgroundJob",
    first=50,
    batch="jobs",
    fields="""
    id version kind status totalCount processedCount failedCount subjectName failureReason createdAt finishedAt
    canCancel
    """,
)
NOTIFICATIONS = Kind(
    stream="notificationsReceived",
    query="notifications",
    type_name="Notification",
    first=50,
    batch="notifications",
    is_of_viewer=True,
    fields="id category kind title isRead createdAt",
)
#: For parts of lists, of which only that they are these objects is looked at: the whole lists show all of them.
BRIEF_TASKS = replace(TASKS, fields="id version status")
BRIEF_ENROLLMENTS = replace(ENROLLMENTS, fields="id version status isActive")
BRIEF_LOG = replace(LOG, fields="id action")
KINDS = (TASKS, ENROLLMENTS, LOG, RULES, RULE_LIST, JOBS, NOTIFICATIONS)


@dataclass(slots=True)
class Replica:
    """One list of one viewer, kept up to date by its stream."""

    viewer: str
    kind: Kind
    filter: Json | None
    objects: dict[str, Json] = field(default_factory=dict)
    #: What the stream has sent since the last look: "UPSERTED", "REMOVED", or the reason of a reset.
    heard: list[str] = field(default_factory=list)
    stream: Stream | None = None
    #: The first snapshot, and the cursor that came with it.
    beginning: tuple[str, dict[str, Json]] | None = None

    def __str__(self) -> str:
        return f"{self.kind.stream} of {self.viewer}, {self.filter or 'everything'}"

    def fill(self, objects: Iterable[Json]) -> None:
        """Begin with a snapshot."""
        self.objects = {one["id"]: one for one in objects}

    def apply(self, batch: Json) -> None:
        """Apply a batch as `api.md` says: a change whose version is lower than one's own is an old one."""
        if self.kind is RULE_LIST:
            if batch["shown"] is not None:
                self.heard.append("UPSERTED")
                self.fill(batch["shown"])
            return
        for one in batch["shown"]:
            assert one is not None, f"{self}: an object could not be read"
            if self.kind.change is None:
                one = {"kind": "UPSERTED", "id": one["id"], "version": one.get("version", 0), "object": one}
            self.heard.append(one["kind"])
            known = self.objects.get(one["id"])
            if known is not None and known.get("version", 0) > one["version"]:
                continue
            if one["kind"] == "REMOVED":
                assert one["object"] is None
                self.objects.pop(one["id"], None)
            else:
                assert one["object"].get("version", 0) == one["version"] or self.kind.change is None, one
                self.objects[one["id"]] = one["object"]


class Viewer:
    """One account with all its replicas."""

    def __init__(self, name: str, client: ApiClient, principal: Principal) -> None:
        self.name = name
        self.client = client
        self.principal = principal
        self.replicas: list[Replica] = []

    async def snapshots(self) -> tuple[str, list[list[Json]]]:
        """Return the end of the feed before anything was read, and what each replica's query finds."""
        kinds = list(dict.fromkeys(replica.kind for replica in self.replicas))
        found = dict(zip(kinds, await asyncio.gather(*(self._read(kind) for kind in kinds)), strict=True))
        # Read one after another they show one moment only while nothing happens, which is so in these tests.
        (cursor,) = {cursor for cursor, _ in found.values()}
        lists = {kind: iter(lists) for kind, (_, lists) in found.items()}
        return cursor, [next(lists[replica.kind]) for replica in self.replicas]

    async def _read(self, kind: Kind) -> tuple[str, list[list[Json]]]:
        replicas = [replica for replica in self.replicas if replica.kind is kind]
        variables = {f"filter{number}": replica.filter for number, replica in enumerate(replicas)}
        after: dict[int, str | None] = dict.fromkeys(range(len(replicas)))
        lists: list[list[Json]] = [[] for _ in replicas]
        cursor = None
        while after:
            declared = [f"$filter{number}: {kind.filter_type}" for number in after if kind.filter_type]
            pages = " ".join(kind.page(f"list{number}", number, begin) for number, begin in after.items())
            data = await self.client.run(
                f"query {_in_brackets(declared)} {{ tenant {{ changeCursor }} {pages} }}"
                f" fragment Shown on {kind.type_name} {{ {kind.fields} }}",
                **{f"filter{number}": variables[f"filter{number}"] for number in after if kind.filter_type},
            )
            cursor = cursor or data["tenant"]["changeCursor"]
            following: dict[int, str | None] = {}
            for number in after:
                page = data[f"list{number}"]["list"] if kind.is_of_viewer else data[f"list{number}"]
                assert page["changeCursor"] == cursor, "cursors of one walk are equal"
                lists[number] += page["nodes"]
                if page["pageInfo"]["hasNextPage"]:
                    following[number] = page["pageInfo"]["endCursor"]
            after = following
        assert cursor is not None
        return cursor, lists


class Gallery:
    """The replicas of several viewers of one tenant."""

    def __init__(self, api: Api, live: LiveServer, tenant_id: int) -> None:
        self._api = api
        self._live = live
        self._tenant_id = tenant_id
        self.viewers: dict[str, Viewer] = {}

    @property
    def replicas(self) -> list[Replica]:
        """All replicas."""
        return [replica for viewer in self.viewers.values() for replica in viewer.replicas]

    async def open(self, name: str, principal: Principal, lists: Sequence[tuple[Kind, Json | None]]) -> None:
        """Begin to follow lists as an account: query first, then subscribe after its cursor."""
        await sequence(self._tenant_id)
        viewer = self.viewers[name] = Viewer(name, self._api.acting_as(principal), principal)
        viewer.replicas = [Replica(name, kind, filter) for kind, filter in lists]
        await self._begin(viewer, viewer.replicas)

    async def _begin(self, viewer: Viewer, replicas: Sequence[Replica]) -> None:
        cursor, lists = await viewer.snapshots()
        for replica, objects in zip(viewer.replicas, lists, strict=True):
            if any(replica is one for one in replicas):
                replica.fill(objects)
                replica.beginning = replica.beginning or (cursor, dict(replica.objects))
        await self._subscribe(viewer, replicas, dict.fromkeys(map(id, replicas), cursor))

    async def begin_again(self) -> None:
        """Go back to all first snapshots and follow from there: everything comes at once, merged."""
        for viewer in self.viewers.values():
            cursors: dict[int, str] = {}
            for replica in viewer.replicas:
                assert replica.beginning is not None
                assert replica.stream is not None
                await replica.stream.complete()
                cursors[id(replica)], objects = replica.beginning
                replica.objects = dict(objects)
            await self._subscribe(viewer, viewer.replicas, cursors)

    async def _subscribe(self, viewer: Viewer, replicas: Sequence[Replica], cursors: Mapping[int, str]) -> None:
        for number, replica in enumerate(replicas):
            if replica.stream is not None:
                socket = replica.stream.socket
            elif number % STREAMS_PER_SOCKET == 0:
                socket = await self._live.acting_as(viewer.principal)
            variables: Json = {} if replica.kind is RULE_LIST else {"after": cursors[id(replica)]}
            if replica.kind.filter_type:
                variables["filter"] = replica.filter
            replica.stream = await socket.subscribe(replica.kind.subscription, **variables)

    async def catch_up(self) -> None:
        """Wait until every stream has reached what is committed now, applying all that comes.

        Who is told to start over does so.
        """
        await sequence(self._tenant_id)
        for viewer in self.viewers.values():
            cursor = (await viewer.client.value("{ tenant { changeCursor } }"))["changeCursor"]
            target = feed_position(self._tenant_id, cursor)
            resets = [
                replica
                for replica, is_reset in zip(
                    viewer.replicas,
                    await asyncio.gather(*(self._follow(replica, target) for replica in viewer.replicas)),
                    strict=True,
                )
                if is_reset
            ]
            if resets:
                await self._begin(viewer, resets)
                await asyncio.gather(*(self._follow(replica, target) for replica in resets))

    async def _follow(self, replica: Replica, target: int) -> bool:
        """Apply what comes until the stream has reached a position; tell whether it was reset instead."""
        assert replica.stream is not None
        while replica.stream.cursor is None or feed_position(self._tenant_id, replica.stream.cursor) < target:
            try:
                batch = await replica.stream.batch()
            except TimeoutError:
                raise AssertionError(f"{replica} has stopped before position {target}") from None
            if batch["reset"] is not None:
                replica.heard.append(batch["reset"]["reason"])
                return True
            replica.apply(batch)
        return False

    async def compare(self, moment: str) -> None:
        """Require that what the streams have made of the old snapshots is what the queries say now."""
        for viewer in self.viewers.values():
            _, lists = await viewer.snapshots()
            for replica, objects in zip(viewer.replicas, lists, strict=True):
                told, found = replica.objects, {one["id"]: one for one in objects}
                assert sorted(told) == sorted(found), (
                    f"after {moment}: {replica} has too many {[told[id] for id in told.keys() - found.keys()]}"
                    f" and lacks {[found[id] for id in found.keys() - told.keys()]}"
                )
                for id, now in found.items():
                    other = {name: (told[id][name], now[name]) for name in now if told[id][name] != now[name]}
                    assert not other, f"after {moment}: {replica} has not been told of {other}"

    def forget(self) -> dict[str, set[str]]:
        """Return what each stream has sent to anybody since the last call."""
        heard: dict[str, set[str]] = {}
        for replica in self.replicas:
            heard.setdefault(replica.kind.stream, set()).update(replica.heard)
            replica.heard.clear()
        return heard
