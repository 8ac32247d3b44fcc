"""Points of accounts: what operations cost, who has to wait, and that all of it goes on when Redis does not."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import parse
from pydantic import SecretStr
from redis.asyncio import Redis

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.settings import Settings
from gql.execution.context import Context
from gql.limits import rate_limit
from gql.limits.buckets import MAX_ACCOUNTS, MemoryBuckets
from gql.limits.budget import owe
from gql.limits.cost import cost_of
from gql.limits.rate_limit import CostLimiter, account_of
from gql.schema import schema
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.relay import relay_to


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("{ tenant { name } }", {}, 1),
        ("{ __typename }", {}, 1),
        # Below introspection, objects count as anywhere: five types with five fields each.
        ("{ __schema { queryType { name } } }", {}, 50 + 2),
        ("{ __schema { types { fields { name } } } }", {}, 50 + 1 + 5 + 5 * 5),
        ('{ __type(name: "Query") { fields { name } } }', {}, 50 + 1 + 5),
        (
            "{ __schema { a: types { fields { name } } b: types { ...T } } } fragment T on __Type { fields { name } }",
            {},
            50 + 1 + 2 * (5 + 5 * 5),
        ),
        # What a filter lists counts wherever it is used, as a variable or as it stands, and for each parent.
        (
            "query ($l: [ID!]) { learners(first: 10, filter: {departmentIds: $l}) { nodes { id } } }",
            {"l": ["x"] * 7},
            17,
        ),
        (
            "query ($f: LearnerFilterInput) { learners(first: 10, filter: $f) { nodes { id } } }",
            {"f": {"departmentIds": ["x"] * 7, "roles": ["ADMIN"]}},
            18,
        ),
        ('{ learners(first: 10, filter: {departmentIds: ["x", "y"]}) { nodes { id } } }', {}, 12),
        (
            "query ($l: [ID!]) { a: learners(first: 1, filter: {departmentIds: $l}) { nodes { id } } "
            "b: learners(first: 1, filter: {clientIds: $l}) { nodes { id } } }",
            {"l": ["x"] * 7},
            16,
        ),
        (
            "{ learners(first: 10) { nodes { enrollments(first: 1, filter: {statuses: [COMPLETED]}) "
            "{ nodes { id } } } } }",
            {},
            10 * (1 + 1 + 1),
        ),
        ("{ learners(first: 10) { nodes { id } } }", {}, 10),
        ("{ learners(first: 10) { totalCount nodes { id } } }", {}, 10 + 50),
        (
            "{ learners(first: 10) { a: totalCount ...N } } fragment N on LearnerConnection { totalCount }",
            {},
            60,
        ),
        # Ten people, each with one enrollment and a count.
        (
            "{ learners(first: 10) { nodes { enrollments(first: 1) { totalCount nodes { id } } } } }",
            {},
            10 * (1 + 1 + 50),
        ),
        ("{ mandatoryTaskCounts { overdue } }", {}, 1 + 50),
        ("{ mandatoryTaskBreakdown(by: DEPARTMENT, first: 20) { counts { overdue } } }", {}, 20 * 2 + 50),
        (
            "query ($input: BulkAssignmentPreviewInput!) { bulkAssignmentPreview(input: $input) { learnerCount } }",
            {"input": {}},
            1 + 50,
        ),
        ("mutation { renewCalendarUrl(input: {}) { errors { code } } }", {}, 1 + 5 + 10),
        (
            'mutation { a: withdrawMandatoryTask(input: {id: "x"}) { errors { code } } '
            'b: withdrawMandatoryTask(input: {id: "x"}) { errors { code } } }',
            {},
            2 * (1 + 5 + 10),
        ),
        (
            "mutation ($rows: [LearnerRowInput!]!) { bulkUpsertLearners(input: {rows: $rows}) { errors { code } } }",
            {"rows": [{"externalId": "x", "refValues": [{"number": 1}, {"number": 2}]}] * 7},
            # The payload, five errors, seven rows, and two values in each of them.
            1 + 5 + 10 + 7 + 7 * 2,
        ),
        (
            'mutation { bulkUpsertLearners(input: {rows: [{externalId: "x"}, {name: "y"}]}) { errors { code } } }',
            {},
            1 + 5 + 10 + 2,
        ),
    ],
)
def test_operations_cost_what_the_contract_says(document: str, variables: dict[str, Any], expected: int) -> None:
    """Nodes; ten and what the input lists for a mutation; fifty for a count or a preview, each time it is made."""
    parsed = parse(document)
    operation: Any = parsed.definitions[0]
    assert cost_of(schema()._schema, parsed, operation, variables).points == expected


def points(left: int, *, requested: int, limit: int = 100, reset: int) -> dict[str, int]:
    """Return what `extensions.cost` says."""
    return {"requested": requested, "remaining": left, "limit": limit, "resetSeconds": reset}


@pytest.fixture
async def poor(settings: Settings, api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Api, list[float]]]:
    """The application with a hundred points a minute and account, and the seconds of its clock, which can be moved."""
    seconds = [1_000.0]
    monkeypatch.setattr("gql.transport.app.CostLimiter", functools.partial(CostLimiter, clock=lambda: seconds[0]))
    async with Api(settings.model_copy(update={"cost_per_minute": 100}), api.now).opened() as poor:
        yield poor, seconds


FORTY = "{ learners(first: 40) { nodes { id } } }"
RENAME = 'mutation { updateTenant(input: {changes: {name: "Renamed"}}) { tenant { name } errors { code } } }'


def test_an_account_has_30000_points_a_minute() -> None:
    """Unless the operator says otherwise."""
    assert Settings().cost_per_minute == 30_000


async def test_every_response_tells_what_it_cost(poor: tuple[Api, list[float]], admin: Principal) -> None:
    """And how much is left, until when."""
    client, seconds = poor[0].acting_as(admin), poor[1]
    assert (await client.execute(FORTY))["extensions"] == {"cost": points(60, requested=40, reset=24)}
    failing = await client.execute("{ learners(first: 0) { nodes { id } } }")
    # What is out of range counts as the default.
    assert failing["extensions"] == {"cost": points(35, requested=25, reset=39)}
    seconds[0] += 30
    assert (await client.execute("{ tenant { id } }"))["extensions"] == {"cost": points(84, requested=1, reset=10)}
    # What is not executed was read.
    assert (await client.execute("{ nonsense }"))["extensions"] == {"cost": points(83, requested=1, reset=11)}


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_who_has_no_points_left_has_to_wait(
    poor: tuple[Api, list[float]], admin: Principal, learner: Principal, accept: str
) -> None:
    """429, with the seconds to wait, and nothing happens; everybody else is not concerned."""
    client, seconds = poor[0].acting_as(admin), poor[1]
    client.headers["Accept"] = accept
    for _ in range(2):
        assert (await client.post(FORTY)).status_code == 200
    refused = await client.post(FORTY)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "12"
    assert refused.json() == {
        "errors": [
            {
                "message": "The account has used up its 100 points per minute: try again later.",
                "extensions": {"code": "RATE_LIMITED", "retryAfterSeconds": 12},
            }
        ],
        "extensions": {"cost": points(20, requested=40, reset=48)},
    }
    # There is enough for something small still, and not for a change of two.
    assert (await client.execute(RENAME))["data"]["updateTenant"]["tenant"] == {"name": "Renamed"}
    assert (await client.post(RENAME.replace("Renamed", "Again"))).status_code == 429
    assert (await poor[0].acting_as(learner).post(FORTY)).status_code == 200
    seconds[0] += 12
    assert await client.value("{ tenant { name } }") == {"name": "Renamed"}
    seconds[0] += 60
    assert (await client.post(FORTY)).status_code == 200


async def test_what_nobody_could_ever_pay_is_refused_for_good(poor: tuple[Api, list[float]], admin: Principal) -> None:
    """Waiting would not help."""
    client = poor[0].acting_as(admin)
    refused = await client.execute("{ learners(first: 51) { totalCount nodes { id } } }")
    assert refused["errors"][0]["extensions"] == {"code": "QUERY_TOO_EXPENSIVE", "limit": 100, "actual": 101}
    # To read that it cannot be has cost a point.
    poor[1][0] += 1
    assert (await client.post("{ learners(first: 50) { totalCount nodes { id } } }")).status_code == 200


async def test_people_and_partner_tools_have_buckets_of_their_own(
    poor: tuple[Api, list[float]], admin: Principal, read_account: Principal, another_admin: Principal
) -> None:
    """Whoever they are, and whatever credential they use."""
    for somebody in (admin, read_account, another_admin):
        client = poor[0].acting_as(somebody)
        assert [(await client.post(FORTY)).status_code for _ in range(3)] == [200, 200, 429]
    assert (await poor[0].acting_as(admin).post(FORTY)).status_code == 429


async def test_reports_are_paid_as_well(settings: Settings, api: Api, admin: Principal) -> None:
    """From the same bucket."""
    async with Api(settings.model_copy(update={"cost_per_minute": 2_500}), api.now).opened() as poor:
        client = poor.acting_as(admin)
        statuses = [
            (await poor.http.get("/export/mandatory-tasks.csv", headers=client.headers)).status_code for _ in range(3)
        ]
        assert statuses == [200, 200, 429]
        refused = await poor.http.get("/export/content-actions.csv", headers=client.headers)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 12
        assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert (await client.post("{ tenant { name } }")).status_code == 200


async def test_a_calendar_is_not_asked_for_all_the_time(api: Api, as_learner: ApiClient, as_admin: ApiClient) -> None:
    """Sixty times a minute, each by itself."""
    addresses = [(await client.value("{ viewer { calendarUrl } }"))["calendarUrl"] for client in (as_learner, as_admin)]
    paths = [address.partition("/calendar/")[2] for address in addresses]
    statuses = [(await api.http.get(f"/calendar/{paths[0]}")).status_code for _ in range(65)]
    assert statuses[:60] == [200] * 60
    assert statuses[-1] == 429
    assert (await api.http.get(f"/calendar/{paths[1]}")).status_code == 200


@asynccontextmanager
async def limiter_of(url: str, limit: int, **arguments: Any) -> AsyncIterator[CostLimiter]:
    """A limiter that is closed at the end."""
    limiter = CostLimiter(url, limit=limit, **arguments)
    try:
        yield limiter
    finally:
        await limiter.close()


@pytest.mark.parametrize("place", ["memory", "redis"])
async def test_figures_are_the_same_in_both_places(place: str, redis_url: str) -> None:
    """A full bucket at first, exact sums, nothing taken by a refusal, debts down to a bucket."""
    async with limiter_of(redis_url if place == "redis" else "", 600) as limiter:
        first = await limiter.pay("a", 250)
        assert (first.is_paid, round(first.left)) == (True, 350)
        refused = await limiter.pay("a", 400)
        assert (refused.is_paid, round(refused.left), refused.retry_after_seconds) == (False, 350, 5)
        assert round((await limiter.pay("a", 350)).left) == 0
        owing = await limiter.owe("a", 120)
        assert (owing.is_paid, round(owing.left), round(owing.debt_seconds)) == (True, -120, 12)
        assert owing.as_extension() == {"requested": 120, "remaining": 0, "limit": 600, "resetSeconds": 72}
        assert round((await limiter.owe("a", 10_000)).left) == -600
        assert not (await limiter.pay("a", 1)).is_paid
        assert (await limiter.pay("b", 600)).is_paid
        # Ten points a second flow in.
        await asyncio.sleep(0.35)
        assert 3 <= (await limiter.owe("b", 0)).left <= 12


@pytest.mark.parametrize("place", ["memory", "redis"])
async def test_points_are_never_spent_twice(place: str, redis_url: str) -> None:
    """However many ask at the same time; with Redis, in however many processes."""
    url = redis_url if place == "redis" else ""
    async with limiter_of(url, 500) as one, limiter_of(url, 500) as another:
        limiters = (one, another) if place == "redis" else (one, one)
        charges = await asyncio.gather(*(limiters[number % 2].pay("a", 100) for number in range(40)))
    assert sum(charge.is_paid for charge in charges) == 5


async def test_nothing_stays_in_redis_of_who_is_gone(redis_url: str) -> None:
    """A bucket expires when it would be full again."""
    async with limiter_of(redis_url, 600) as limiter, Redis.from_url(redis_url) as redis:
        await limiter.pay("a", 100)
        await limiter.owe("b", 1_000)
        lives = [await redis.pttl(f"{rate_limit.KEY}{account}") for account in "ab"]
    assert 10_000 < lives[0] <= 11_000
    assert 100_000 < lives[1] <= 101_000


def test_memory_is_bounded() -> None:
    """Who has been away for long is forgotten, and of very many at once those who came first."""
    seconds = [0.0]
    buckets = MemoryBuckets(lambda: seconds[0])
    for number in range(MAX_ACCOUNTS + 500):
        buckets.take(str(number), 1, 10, may_owe=False)
    assert len(buckets) == MAX_ACCOUNTS
    seconds[0] += 1_000
    for number in range(MAX_ACCOUNTS):
        buckets.take(f"new {number % 10}", 1, 10, may_owe=True)
    assert len(buckets) == 10


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("trouble", ["closed", "hanging", "wrong type"])
async def test_limits_go_on_without_redis(
    trouble: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With full buckets in memory; nobody waits, it is told once, and Redis is used again when it answers."""
    monkeypatch.setattr(rate_limit, "PAUSE", 0.05)
    async with (
        relay_to(redis_url) as relay,
        limiter_of(relay.url, 500) as limiter,
        Redis.from_url(redis_url) as redis,
    ):
        assert (await limiter.pay("a", 400)).is_paid
        assert limiter.is_shared
        if trouble == "closed":
            await relay.close()
        elif trouble == "hanging":
            relay.is_hanging = True
        else:
            monkeypatch.setattr(rate_limit, "PAUSE", 60)
            await redis.set(f"{rate_limit.KEY}a", "nonsense")
        begun = time.monotonic()
        charges = [await limiter.pay("a", 100) for _ in range(100)]
        assert time.monotonic() - begun < 1
        assert [charge.is_paid for charge in charges] == [True] * 5 + [False] * 95
        assert not limiter.is_shared
        assert len([record for record in caplog.records if "limits go on in memory" in record.getMessage()]) == 1
        if trouble == "wrong type":
            return
        relay.is_hanging = False
        if trouble == "closed":
            await relay.open()
        await eventually(lambda: limiter.is_shared)
        assert not (await limiter.pay("a", 400)).is_paid
        assert (await limiter.pay("a", 100)).is_paid


async def test_an_emptied_redis_is_a_full_bucket_and_no_failure(redis_url: str) -> None:
    """Its scripts are gone as well."""
    async with limiter_of(redis_url, 500) as limiter, Redis.from_url(redis_url) as redis:
        assert (await limiter.pay("a", 500)).is_paid
        await redis.flushall()
        await redis.script_flush()
        assert (await limiter.pay("a", 500)).is_paid
        assert limiter.is_shared


async def test_requests_are_served_while_redis_is_away(settings: Settings, api: Api, admin: Principal) -> None:
    """From the first one on."""
    away = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1")})
    async with Api(away, api.now).opened() as alone:
        begun = time.monotonic()
        for _ in range(5):
            assert await alone.acting_as(admin).value("{ tenant { name } }") == {"name": "Acme"}
        assert time.monotonic() - begun < 2


async def test_streams_pay_what_they_send(api: Api, admin: Principal) -> None:
    """They may get into debt, and then have to wait until it is paid; operations of the account have to as well."""
    async with limiter_of("", 600, clock=lambda: 0.0) as limiter, ReadScope(admin.tenant_id) as reads:
        context = Context(admin, api.now, reads, limiter=limiter)
        assert await owe(context, 500) == 0
        assert await owe(context, 220) == pytest.approx(12)
        assert not (await limiter.pay(account_of(admin), 1)).is_paid
        assert await owe(Context(admin, api.now, reads), 500) == 0


async def test_the_number_of_accounts_is_no_way_around(api: Api, admin: Principal) -> None:
    """A person who signs in anew, or by email, is the same account."""
    assert account_of(admin) == account_of(Principal(tenant_id=admin.tenant_id, learner_id=admin.learner_id))
    other = await factories.create_person(admin.tenant_id)
    assert account_of(admin) != account_of(other)


async def test_thousands_of_streams_may_pay_at_once(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take turns, so the client does not run out of connections, and nobody takes Redis for gone.

    Connections are counted here, not time, of which a busy machine may take any.
    """
    monkeypatch.setattr(rate_limit, "PATIENCE", 10)
    async with limiter_of(redis_url, 100_000) as limiter:
        await asyncio.gather(*(limiter.owe(f"1:{number % 100}:", 1) for number in range(2_000)))
        assert limiter.is_shared
