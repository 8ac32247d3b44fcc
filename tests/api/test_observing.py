"""What operators see of requests: figures, lines in the log, request IDs, spans; and what they must not see."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest

from domain.foundation import tracing
from domain.foundation.access import Principal
from domain.foundation.database.sessions import database
from domain.foundation.feed.reader import FeedReaders
from domain.foundation.settings import Settings
from gql.execution import metrics
from gql.schema import schema
from gql.transport import request_body
from gql.transport.app import create_app
from gql.transport.http import GraphQLEndpoint
from gql.transport.request_log import route_of
from tests.support.api import Api, ApiClient
from tests.support.exposition import Samples, parse_metrics, sample


def now_counted() -> Samples:
    """Return all figures of this process."""
    return parse_metrics(generate_latest(REGISTRY).decode())


@pytest.fixture
def known_names(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """No operation is known yet."""
    names: set[str] = set()
    monkeypatch.setattr(metrics, "_known_names", names)
    return names


@pytest.mark.usefixtures("answered_once")
async def test_operations_are_counted_by_name_kind_and_outcome(as_admin: ApiClient, known_names: set[str]) -> None:
    """And timed; what was not executed has no name, and neither has what was refused before."""
    before = now_counted()
    await as_admin.post("query Dashboard { tenant { name } }")
    await as_admin.post("query Dashboard { learners(first: 0) { totalCount } }")
    await as_admin.post('mutation Rename { updateTenant(input: {changes: {name: "B"}}) { errors { code } } }')
    await as_admin.post("{ tenant { name } }")
    await as_admin.post("query Invented { nonsense }")
    await as_admin.http.post("/graphql", json={"query": "query Stranger { tenant { name } }"})
    after = now_counted()

    def grown(name: str, **labels: str) -> float:
        return sample(after, name, **labels) - sample(before, name, **labels)

    assert known_names == {"Dashboard", "Rename"}
    count = "mandate_operations_total"
    assert grown(count, operation="Dashboard", type="query", code="OK") == 1
    assert grown(count, operation="Dashboard", type="query", code="INVALID") == 1
    assert grown(count, operation="Rename", type="mutation", code="OK") == 1
    assert grown(count, operation="anonymous", type="query", code="OK") == 1
    assert grown(count, operation="none", type="none", code="GRAPHQL_VALIDATION_FAILED") == 1
    assert grown(count, operation="none", type="none", code="UNAUTHENTICATED") == 1
    assert grown("mandate_operation_seconds_count", operation="Dashboard", type="query") == 2
    assert grown("mandate_http_requests_total", route="/graphql", status="200") == 5
    assert grown("mandate_http_requests_total", route="/graphql", status="401") == 1


@pytest.mark.usefixtures("known_names")
def test_names_that_clients_choose_are_bounded() -> None:
    """However many they invent; those that were there first stay."""
    labels = {metrics.operation_label(f"Operation{number}") for number in range(1_000)}
    assert len(labels) == metrics.MAX_NAMES + 1
    assert metrics.operation_label("Operation5") == "Operation5"
    assert metrics.operation_label("Operation999") == "other"
    metrics._known_names.clear()
    assert metrics.operation_label("x" * 61) == "other"


async def test_figures_name_neither_tenants_nor_accounts(as_admin: ApiClient, tenant: Any) -> None:
    """Labels are of closed sets."""
    await as_admin.post("query Dashboard { learners(first: 1) { nodes { name email } } }")
    text = generate_latest(REGISTRY).decode()
    labels = set(re.findall(r"(\w+)=\"", text))
    assert labels <= {
        *("operation", "type", "code", "route", "status", "subscription", "transport", "kind", "outcome", "state"),
        *("le", "queue", "task", "what", "generation", "implementation", "major", "minor", "patchlevel", "version"),
    }
    assert not any(word in text for word in ("acme", "Acme", "Ada", "lrn_", "ten_"))


async def test_it_is_seen_whether_limits_are_shared(settings: Settings, redis_url: str) -> None:
    """1 without Redis, 0 with it."""
    from pydantic import SecretStr

    create_app(settings)
    assert sample(now_counted(), "mandate_rate_limit_fallback") == 1
    create_app(settings.model_copy(update={"redis_url": SecretStr(redis_url)}))
    assert sample(now_counted(), "mandate_rate_limit_fallback") == 0


# Request IDs and the log


async def test_each_request_has_an_id(api: Api, as_admin: ApiClient) -> None:
    """That of the caller where it is a proper one; on every answer, whatever it is."""
    for path in ("/healthz", "/graphql", "/nowhere", "/calendar/x.ics", "/export/mandatory-tasks.csv"):
        response = await api.http.get(path, headers={"X-Request-ID": "job-42.a_b"})
        assert response.headers["x-request-id"] == "job-42.a_b", path
    for strange in (b"", b"a b", b"x" * 65, "ü".encode(), b"a\tb", b"<script>"):
        response = await api.http.get("/healthz", headers=[(b"X-Request-ID", strange)])
        assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/graphql", "/graphql"),
        ("/calendar/secret.ics", "/calendar/*"),
        ("/export/learners/lrn_1.json", "/export/*"),
        ("/healthz", "/healthz"),
        ("/graphql/x", "other"),
        ("/wp-admin", "other"),
    ],
)
def test_paths_are_logged_without_what_may_be_a_secret(path: str, route: str) -> None:
    """Only as far as they are known."""
    assert route_of(path) == route


async def test_a_request_is_one_line_without_anything_personal(
    as_admin: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Method, route, status and time; machines that look every few seconds are heard at DEBUG only."""
    with caplog.at_level(logging.INFO, logger="mandate.api"):
        await as_admin.post('query Q { learner(by: {email: "secret@acme.example"}) { name } }')
        await as_admin.http.get("/calendar/0123456789.ics?token=secret")
        await as_admin.http.get("/healthz")
    lines = [
        {name: record.__dict__[name] for name in ("method", "route", "status")}
        for record in caplog.records
        if record.getMessage() == "request"
    ]
    assert lines == [
        {"method": "POST", "route": "/graphql", "status": 200},
        {"method": "GET", "route": "/calendar/*", "status": 404},
    ]
    told = json.dumps([{**record.__dict__} for record in caplog.records], default=str)
    assert not any(word in told for word in ("secret", "Bearer", "ey", "Ada")), told


async def test_what_nobody_expected_is_masked_everywhere(
    settings: Settings, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also outside GraphQL; under a reference that is in the log."""

    async def broken() -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("gql.transport.app.find_obstacle", broken)
    async with Api(settings, api.now).opened() as breaking:
        response = await breaking.http.get("/readyz")
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [record.__dict__["reference"] for record in caplog.records if record.levelname == "ERROR"] == [
        error["extensions"]["reference"]
    ]


# Headers


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/graphql", "text/html"),
        ("/graphql", "application/json"),
        ("/healthz", "*/*"),
        ("/nowhere", "*/*"),
        ("/calendar/x.ics", "*/*"),
        ("/export/mandatory-tasks.csv", "*/*"),
    ],
)
async def test_every_answer_tells_browsers_what_it_is_not_for(api: Api, path: str, accept: str) -> None:
    """Not to be sniffed, framed, or told about; the page for browsers runs its own script and no other."""
    headers = (await api.http.get(path, headers={"Accept": accept})).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in ("no-store", "no-cache") if accept == "text/html" else "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


async def test_web_pages_elsewhere_never_send_credentials_of_ours(settings: Settings, api: Api) -> None:
    """Exact origins, no cookies, and what scripts there may read is named."""
    opened = settings.model_copy(update={"allowed_origins": ["https://lms.example"]})
    async with Api(opened, api.now).opened() as shared:
        for origin in ("https://lms.example", "https://lms.example.evil.example", "http://lms.example", "null"):
            response = await shared.http.get("/healthz", headers={"Origin": origin})
            is_ours = origin == "https://lms.example"
            assert response.headers.get("access-control-allow-origin") == (origin if is_ours else None)
            assert "access-control-allow-credentials" not in response.headers
        allowed = await shared.http.get("/healthz", headers={"Origin": "https://lms.example"})
        assert allowed.headers["access-control-expose-headers"] == "Retry-After, Content-Disposition, X-Request-ID"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.example", ["https://a.example"]),
        ("https://a.example, http://localhost:3000", ["https://a.example", "http://localhost:3000"]),
        ('["https://a.example"]', ["https://a.example"]),
        ("*", None),
        ("null", None),
        ("https://a.example/", None),
        ("https://*.example", None),
        ("https://a.example/path", None),
    ],
)
def test_origins_are_named_exactly(monkeypatch: pytest.MonkeyPatch, value: str, expected: list[str] | None) -> None:
    """One that browsers never send would let nobody in, and one for everybody lets in too many."""
    monkeypatch.setenv("ALLOWED_ORIGINS", value)
    if expected is not None:
        assert Settings().allowed_origins == expected
    else:
        with pytest.raises(ValueError, match="an origin is exactly"):
            Settings()


# Slow clients


async def test_a_slow_body_holds_no_connection_and_ends(
    api: Api, admin: Principal, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the rest of it does not come, the database is for others; after a time it is 408."""
    monkeypatch.setattr(request_body, "SLOW_AFTER", 0.02)
    monkeypatch.setattr(request_body, "TIME_LIMIT", 0.4)
    endpoint = GraphQLEndpoint(schema(), settings, lambda: api.now, FeedReaders(""))
    authorization = api.acting_as(admin).headers["Authorization"].encode()
    headers = [(b"content-type", b"application/json"), (b"authorization", authorization)]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers, "query_string": b""}
    body = json.dumps({"query": "{ tenant { name } }"}).encode()

    async def answer(pieces: list[bytes], pause: float) -> int:
        pending = list(pieces)

        async def receive() -> Any:
            if len(pending) < len(pieces):
                await asyncio.sleep(pause)
            if not pending:
                await asyncio.sleep(30)
            return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending) or pause > 10}

        async def send(message: Any) -> None:
            sent.append(message)

        sent: list[Any] = []
        await endpoint(dict(scope), receive, send)
        return int(sent[0]["status"])

    assert await answer([body], 0) == 200
    assert await answer([body[:5], body[5:]], 0.2) == 200
    assert await answer([bytes([byte]) for byte in body], 0.03) == 408
    pool = database()._pool
    monkeypatch.setattr(request_body, "TIME_LIMIT", 3.0)
    waiting = [asyncio.ensure_future(answer([body[:5]], 20)) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0.1)
        if pool.get_size() == pool.get_idle_size():
            break
    assert pool.get_size() == pool.get_idle_size()
    assert not any(one.done() for one in waiting)
    assert await asyncio.gather(*waiting) == [408, 408, 408]


# Spans


class FakeSpan:
    """A span that remembers."""

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self.name, self.attributes = name, dict(attributes)
        self.status: Any = None

    def update_name(self, name: str) -> None:
        self.name = name

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_status(self, status: Any) -> None:
        self.status = status


class FakeTrace:
    """As much of `opentelemetry.trace` as is used."""

    class StatusCode:
        ERROR = "ERROR"

    @staticmethod
    def Status(code: str) -> str:
        return code

    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []

    def get_tracer(self, name: str) -> "FakeTrace":
        assert name == "mandate"
        return self

    @contextlib.contextmanager
    def start_as_current_span(
        self, name: str, *, attributes: dict[str, Any], record_exception: bool, set_status_on_exception: bool
    ) -> Iterator[FakeSpan]:
        assert (record_exception, set_status_on_exception) == (False, False)
        opened = FakeSpan(name, attributes)
        self.spans.append(opened)
        yield opened


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[FakeSpan]:
    """The spans of a test, in the order of their beginnings."""
    fake = FakeTrace()
    monkeypatch.setattr(tracing, "trace", fake)
    return fake.spans


@pytest.mark.usefixtures("answered_once")
async def test_operations_and_transactions_are_spans(as_admin: ApiClient, spans: list[FakeSpan]) -> None:
    """With names of ours and the code of the outcome, and without anything that was sent."""
    await as_admin.post('mutation Rename { updateTenant(input: {changes: {name: "Secret"}}) { errors { code } } }')
    await as_admin.post("{ learners(first: 0) { totalCount } }")
    assert [(one.name, one.attributes) for one in spans] == [
        ("graphql mutation Rename", {"mandate.code": "OK"}),
        ("unit of work", {"mandate.operation": "updateTenant"}),
        ("graphql query anonymous", {"mandate.code": "INVALID"}),
    ]


def test_a_span_tells_the_type_of_a_failure_and_no_more(spans: list[FakeSpan]) -> None:
    """Messages may quote rows."""
    with pytest.raises(ValueError, match="secret"), tracing.span("work", count=3):
        raise ValueError("secret")
    (failed,) = spans
    assert (failed.attributes, failed.status) == ({"mandate.count": 3, "error.type": "ValueError"}, "ERROR")


def test_without_the_library_there_are_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything works."""
    monkeypatch.setattr(tracing, "trace", None)
    with tracing.span("work") as opened:
        assert opened is None
