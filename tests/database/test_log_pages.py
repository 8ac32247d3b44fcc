"""Pages of a long log: they hold what they should, and cost the same wherever they are and whatever is looked for."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.action_log.queries import (
    ContentActionRow,
    LogOrder,
    list_content_actions,
    prepare_order_of_commits,
)
from domain.enrollments.models import ContentActionKind as Kind
from domain.foundation.access import Principal, Role, Source
from domain.foundation.database.sessions import ReadScope
from domain.foundation.paging import Page, PageRequest
from domain.tenants.models import Tenant
from tests.support.catalogue import Connection
from tests.support.large_log import LargeLog, write_log

Entry = asyncpg.Record

#: How many entries of tables and indexes a page may look at, by length of the log. Up to 10,000 entries of
#: what is wanted are counted, read, and looked up in blocks, which a short log may be half of. Trainers see a tenth of
#: what is late, so they look at ten times as many blocks for a time.
AFFORDABLE = {20_000: 40_000, 1_000_000: 60_000}
AFFORDABLE_TO_TRAINERS = {20_000: 40_000, 1_000_000: 150_000}


@pytest.fixture(params=[20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def log(tenant: Tenant, superuser: Connection, now: datetime, request: pytest.FixtureRequest) -> LargeLog:
    """A long log, in the order of commits too."""
    log = await write_log(superuser, tenant.id, request.param, now)
    await prepare_order_of_commits(log.tenant_id)
    await superuser.execute("VACUUM ANALYZE content_action_block")
    return log


@dataclass(frozen=True, slots=True)
class Search:
    """A filter, and what it means for one entry."""

    name: str
    filter: ActionFilter
    holds: Callable[[Entry], bool]


def among(column: str, values: Iterable[Any]) -> Callable[[Entry], bool]:
    """Return the condition that a column has one of these values."""
    wanted = set(values)
    return lambda entry: entry[column] in wanted


def between(begin: datetime | None, end: datetime | None) -> Callable[[Entry], bool]:
    """Return the condition that it happened from `begin` on and before `end`."""
    return lambda entry: (
        (begin is None or entry["occurred_at"] >= begin) and (end is None or entry["occurred_at"] < end)
    )


def searches(log: LargeLog) -> Iterator[Search]:
    """Yield each filter for what is frequent, rare, nowhere, and close together; and filters that go together."""

    def search(name: str, holds: Callable[[Entry], bool], **fields: Any) -> Search:
        return Search(name, ActionFilter(**fields), holds)

    yield search("everything", lambda entry: True)
    for name, learners in (("a learner", log.learners[7:8]), ("100 learners", log.learners[20:120])):
        yield search(name, among("learner_id", learners), learners=tuple(learners))
    for name, contents in (
        ("a content", log.contents[5:6]),
        ("100 contents", log.contents[20:120]),
        ("a content of a short time", [log.clustered_content]),
    ):
        yield search(name, among("content_id", contents), contents=tuple(contents))
    for kinds in ((Kind.ENROLLED, Kind.FAILED), (Kind.RETAINED,), (Kind.FAILED,), (Kind.STARTED, Kind.RETAINED)):
        yield search(" or ".join(kinds), among("action", kinds), actions=kinds)
    for sources in ((Source.MANAGER,), (Source.PURCHASE,), (Source.AUTO_ENROLLMENT, Source.PURCHASE), (Source.IMPORT,)):
        yield search(" or ".join(sources), among("source", sources), sources=sources)
    for rule in (log.first_rule, log.first_rule + 49):
        yield search("a rule", among("rule_id", [rule]), rule_id=rule)
    for name, tool in (("frequent tool", log.frequent_tool), ("rare tool", log.rare_tool)):
        yield search(name, among("actor_service_account_id", [tool]), actor_service_account_ids=(tool,))
    is_person = among("actor_learner_id", [log.admin.learner_id])
    is_tool = among("actor_service_account_id", [log.rare_tool])
    yield search(
        "person and tool",
        lambda entry: is_person(entry) or is_tool(entry),
        actor_learner_ids=(log.admin.learner_id,),
        actor_service_account_ids=(log.rare_tool,),
    )
    for begin, end in ((0.5, None), (0.99, None), (None, 0.5), (None, 0.01), (0.3, 0.33), (0.3, 0.302), (1.1, None)):
        first, last = log.at(begin) if begin else None, log.at(end) if end else None
        yield search(f"from {begin} to {end}", between(first, last), occurred_from=first, occurred_before=last)
    is_unenrolled, is_late = among("action", [Kind.UNENROLLED]), between(log.at(0.97), None)
    yield search(
        "kind and time",
        lambda entry: is_unenrolled(entry) and is_late(entry),
        actions=(Kind.UNENROLLED,),
        occurred_from=log.at(0.97),
    )
    is_started, is_old = among("action", [Kind.STARTED]), between(log.at(0.3), log.at(0.302))
    yield search(
        "frequent kind and old time",
        lambda entry: is_started(entry) and is_old(entry),
        actions=(Kind.STARTED,),
        occurred_from=log.at(0.3),
        occurred_before=log.at(0.302),
    )
    yield search("no time", lambda entry: False, occurred_from=log.at(0.5), occurred_before=log.at(0.4))
    is_retained, is_there = among("action", [Kind.RETAINED]), among("content_id", log.contents[5:6])
    yield search(
        "content and rare kind",
        lambda entry: is_retained(entry) and is_there(entry),
        contents=(log.contents[5],),
        actions=(Kind.RETAINED,),
    )


def sees(principal: Principal, entry: Entry) -> bool:
    """Tell whether somebody sees an entry; the trainer trains every tenth content."""
    is_own = entry["learner_id"] == principal.learner_id
    return principal.role is Role.ADMIN or is_own or (principal.is_trainer and entry["content_id"] % 10 == 0)


def viewers(log: LargeLog) -> list[Principal]:
    """Return an admin, a trainer and a learner."""
    learner = Principal(tenant_id=log.tenant_id, learner_id=log.learners[7], role=Role.LEARNER)
    return [log.admin, log.trainer, learner]


async def entries_in(superuser: Connection, log: LargeLog, order: LogOrder) -> list[Entry]:
    """Return the whole log in an order, as the superuser sees it."""
    by = "a.id DESC" if order is LogOrder.NEWEST_FIRST else "p.position"
    return await superuser.fetch(
        "SELECT a.*, p.position FROM content_action a JOIN content_action_position p ON p.content_action_id = a.id"
        f" WHERE a.tenant_id = $1 ORDER BY {by}",
        log.tenant_id,
    )


async def read(
    reads: ReadScope, principal: Principal, search: Search, order: LogOrder, after: Entry | None = None
) -> Page[ContentActionRow]:
    """Read a page of 100, the first one or the one after an entry."""
    column = "id" if order is LogOrder.NEWEST_FIRST else "position"
    request = PageRequest(100, None if after is None else [after[column]])
    return await list_content_actions(reads, principal, restriction=search.filter, order=order, request=request)


class CountingReads(ReadScope):
    """Reads that add up how many entries of tables and indexes their statements look at."""

    def __init__(self, tenant_id: int) -> None:
        super().__init__(tenant_id)
        self.count = 0

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Explain a statement before it is run."""
        [record] = await super().fetch(f"EXPLAIN (ANALYZE, TIMING false, FORMAT JSON) {sql}", *args)
        self.count += looked_at(json.loads(record[0])[0]["Plan"])
        return await super().fetch(sql, *args)


def looked_at(plan: dict[str, Any]) -> int:
    """Return how many entries the scans of a plan have looked at; looking in vain counts as well."""
    below: int = sum(looked_at(part) for part in plan.get("Plans", ()))
    if "Scan" not in plan["Node Type"] or plan["Node Type"] == "Subquery Scan":
        return below
    each = 1 + plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + int(plan["Actual Loops"] * each)


@pytest.mark.parametrize("order", list(LogOrder))
async def test_pages_hold_what_they_should_and_cost_the_same_wherever_they_are(
    log: LargeLog, superuser: Connection, order: LogOrder
) -> None:
    """For each filter and viewer: the first page, the thousandth or one far down, and the last agree with plain Python.

    Under the application's role and row security none of them walks through the log: the rare is found, and what is not
    there is missed, without looking at everything.
    """
    entries = await entries_in(superuser, log, order)
    # Late reports and late commits make the orders differ from each other.
    assert [entry["id"] for entry in entries] != sorted(entry["id"] for entry in entries)
    wrong, expensive = [], {}
    for principal in viewers(log):
        seen = [entry for entry in entries if sees(principal, entry)]
        for search in searches(log):
            found = [entry for entry in seen if search.holds(entry)]
            if search.filter.rule_id is not None and not principal.sees_all:
                found = []
            for start in {0, min(99_900, len(found) // 2), max(len(found) - 60, 0)}:
                reads = CountingReads(log.tenant_id)
                async with reads:
                    page = await read(reads, principal, search, order, found[start - 1] if start else None)
                name = f"{principal.role} {search.name} after {start}"
                if [row.id for row in page.rows] != [entry["id"] for entry in found[start : start + 100]]:
                    wrong.append(name)
                if page.has_next != (len(found) > start + 100):
                    wrong.append(name)
                affordable = AFFORDABLE_TO_TRAINERS if principal.is_trainer else AFFORDABLE
                if reads.count > affordable[log.rows]:
                    expensive[name] = reads.count
    assert wrong == []
    assert expensive == {}
