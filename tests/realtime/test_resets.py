"""Cursors and batches: from where a stream goes on, when it cannot, and how much comes how often."""

import asyncio
import time
from typing import Any

import pytest

from domain.enrollments.models import Enrollment, EnrollmentStatus
from domain.foundation import models as foundation_models
from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.feed import live as live_streams
from domain.foundation.feed import reader as feed_reader
from domain.tenants.models import Tenant
from gql.content.types import related_content
from gql.contract.cursors import feed_cursor
from gql.contract.ids import BACKGROUND_JOB, CONTENT, ENROLLMENT, encode
from tests.realtime.test_credentials import LOG, learner_id, mutation
from tests.realtime.test_streams import ENROLL, ENROLLMENTS, make_course
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection
from tests.support.event_stream import events_of
from tests.support.live import LiveServer, Socket

JOBS = """subscription ($id: ID, $after: String) { backgroundJobChanges(id: $id, after: $after) {
  cursor reset { reason } jobs { id status processedCount } } }"""


async def cursor_of(api: Api, principal: Principal) -> str:
    """Return the end of the feed."""
    data = await api.acting_as(principal).run("{ tenant { changeCursor } }")
    return str(data["tenant"]["changeCursor"])


async def enroll_many(tenant_id: int, course_id: int, count: int) -> list[int]:
    """Enroll new people and return the IDs of their enrollments; the changes are written as bulk work does."""
    people = await factories.create_learners(tenant_id, count)
    async with writing(tenant_id):
        rows = [
            Enrollment(
                tenant_id=tenant_id,
                learner_id=person,
                content_id=course_id,
                status=EnrollmentStatus.NOT_STARTED,
                fact_status=EnrollmentStatus.NOT_STARTED,
                is_active=True,
                enrolled_at=factories.LONG_AGO,
            )
            for person in people
        ]
        await Enrollment.bulk_create(rows)
        ids: Any = await Enrollment.filter(content_id=course_id, learner_id__in=people).values_list("id", flat=True)
    await touch(tenant_id, list(ids))
    return list(ids)


async def touch(tenant_id: int, ids: list[int], object_type: str = "ENROLLMENT") -> None:
    """Write a change row for each object, as whatever changes it does."""
    async with writing(tenant_id) as sql:
        await sql.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " SELECT $1, $3, unnest($2::bigint[]), 1, now()",
            tenant_id,
            ids,
            object_type,
        )
    nudge.send(tenant_id)


@pytest.fixture
async def socket(live: LiveServer, admin: Principal) -> Socket:
    """A connection of an administrator."""
    return await live.acting_as(admin)


@pytest.fixture
async def course(tenant: Tenant) -> int:
    """A course."""
    return int((await factories.create_course(tenant.id)).id)


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "WyJ0ZW5fMSIsMV0", "💥", "null", "-1", "W10", "1"])
async def test_what_is_no_cursor_is_invalid(socket: Socket, cursor: str) -> None:
    """It ends the operation, with the place in the arguments."""
    stream = await socket.subscribe(ENROLLMENTS, after=cursor)
    message = await stream.message()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"] == {"code": "INVALID", "path": ["after"]}


async def test_a_cursor_of_another_tenant_is_invalid(api: Api, socket: Socket, another_admin: Principal) -> None:
    """And nothing is told about it."""
    stream = await socket.subscribe(ENROLLMENTS, after=await cursor_of(api, another_admin))
    assert await stream.errors() == ["INVALID"]


async def test_a_cursor_ahead_of_the_feed_is_expired(api: Api, socket: Socket, tenant: Tenant) -> None:
    """An older state of the database was restored: nobody knows what the client knows."""
    for position in (1, 10**6, 2**63 - 1):
        cursor = feed_cursor(tenant.id, position)
        stream = await socket.subscribe(ENROLLMENTS, after=cursor)
        batch = await stream.batch()
        assert batch == {"cursor": cursor, "reset": {"reason": "CURSOR_EXPIRED"}, "changes": []}
        assert (await stream.message())["type"] == "complete"


async def test_a_cursor_before_deleted_changes_is_expired(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant, superuser: Connection
) -> None:
    """Exactly those; whoever has what was deleted goes on."""
    socket = await live.acting_as(admin)
    await make_course(api, admin)
    old = await cursor_of(api, admin)
    stream = await socket.follow(ENROLLMENTS)
    people = [await make_course(api, admin, title) for title in ("A", "B", "C")]
    assert len(people) == 3
    for course in people:
        await api.acting_as(admin).run(
            ENROLL, input={"learner": {"id": learner_id(learner)}, "content": {"id": course}}
        )
        await stream.changes()
    kept = stream.cursor
    newest = await cursor_of(api, admin)
    assert kept == newest
    await superuser.execute("DELETE FROM change WHERE tenant_id = $1", tenant.id)
    batch = await (await socket.subscribe(ENROLLMENTS, after=old)).batch()
    assert (batch["cursor"], batch["reset"]) == (old, {"reason": "CURSOR_EXPIRED"})
    assert (await (await socket.subscribe(ENROLLMENTS, after=kept)).batch())["reset"] is None
    async with events_of(api, live, admin, ENROLLMENTS, after=old) as body:
        assert (await body.batch())["reset"] == {"reason": "CURSOR_EXPIRED"}
        assert await body.rest() == ["complete"]


async def test_one_cursor_serves_all_streams(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant, course: int
) -> None:
    """Whichever stream it is from, on any connection; each finds what the others would have missed."""
    socket = await live.acting_as(admin)
    stream = await socket.follow(JOBS)
    start = stream.cursor
    await api.acting_as(admin).run(
        ENROLL, input={"learner": {"id": learner_id(learner)}, "content": {"id": encode(CONTENT, course)}}
    )
    other = await live.acting_as(admin)
    enrollments = await other.subscribe(ENROLLMENTS, after=start)
    assert len(await enrollments.changes(seconds=1)) == 1
    log = await other.subscribe(LOG, after=start)
    assert len(await log.changes("contentActions", 1)) == 1
    assert log.cursor == enrollments.cursor
    again = await other.subscribe(ENROLLMENTS, after=log.cursor)
    assert (await again.batch(1))["changes"] == []


async def test_too_much_to_send_starts_over(
    api: Api, socket: Socket, admin: Principal, tenant: Tenant, course: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than 10,000 objects; what does not match only costs reading."""
    assert live_streams.FURTHEST_BEHIND == 10_000
    monkeypatch.setattr(live_streams, "FURTHEST_BEHIND", 50)
    start = await cursor_of(api, admin)
    other = await factories.create_course(tenant.id)
    ids = await enroll_many(tenant.id, course, 50)
    # The same objects over and over are not more objects.
    await touch(tenant.id, ids)
    await enroll_many(tenant.id, other.id, 60)
    by_course = {"contentIds": [encode(CONTENT, course)]}
    stream = await socket.subscribe(ENROLLMENTS, after=start, filter=by_course)
    assert len(await stream.changes()) == 50
    for filter in (None, {"contentIds": [encode(CONTENT, other.id)]}):
        stream = await socket.subscribe(ENROLLMENTS, after=start, filter=filter)
        assert await stream.batch() == {"cursor": start, "reset": {"reason": "TOO_FAR_BEHIND"}, "changes": []}
        assert (await stream.message())["type"] == "complete"
    nothing = await socket.subscribe(ENROLLMENTS, after=start, filter={"statuses": ["COMPLETED"], "learnerIds": []})
    assert (await nothing.batch())["reset"] is None


async def test_a_batch_holds_a_hundred_changes_one_for_each_object(
    api: Api, socket: Socket, admin: Principal, tenant: Tenant, course: int
) -> None:
    """In order; the last cursor is the end, and every one of them is good to go on from."""
    start = await cursor_of(api, admin)
    ids = await enroll_many(tenant.id, course, 350)
    await touch(tenant.id, ids[:100])
    stream = await socket.subscribe(ENROLLMENTS, after=start)
    batches = [await stream.batch() for _ in range(4)]
    assert [len(batch["changes"]) for batch in batches] == [100, 100, 100, 50]
    seen = [change["enrollmentId"] for batch in batches for change in batch["changes"]]
    assert len(set(seen)) == 350
    again = await socket.subscribe(ENROLLMENTS, after=batches[1]["cursor"])
    rest = [await again.batch() for _ in range(2)]
    assert [batch["changes"] for batch in rest] == [batch["changes"] for batch in batches[2:]]
    await stream.silence()


async def test_twenty_batches_a_second_are_the_most(
    api: Api, socket: Socket, admin: Principal, tenant: Tenant, course: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to send."""
    monkeypatch.setattr(live_streams, "BATCH", 1)
    start = await cursor_of(api, admin)
    await enroll_many(tenant.id, course, 15)
    stream = await socket.subscribe(ENROLLMENTS, after=start)
    await stream.batch()
    began = time.monotonic()
    for _ in range(14):
        await stream.batch()
    assert time.monotonic() - began >= 13 * 0.05


async def test_news_of_a_moment_are_taken_together(
    api: Api, socket: Socket, admin: Principal, tenant: Tenant, course: int
) -> None:
    """A hundred changes of one object are a few changes for who follows."""
    (id,) = await enroll_many(tenant.id, course, 1)
    await asyncio.sleep(0.2)
    stream = await socket.follow(ENROLLMENTS)
    began = time.monotonic()
    for _ in range(100):
        await touch(tenant.id, [id])
    duration = time.monotonic() - began
    await asyncio.sleep(1.5)
    count = 0
    while not stream._messages.empty():
        assert len((await stream.batch())["changes"]) <= 1
        count += 1
    assert 1 <= count <= duration / 0.05 + 2


async def test_silence_moves_the_cursor(
    api: Api, live_settings: Any, socket: Socket, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 30 seconds, past what did not match, so that coming back is cheap."""
    assert live_streams.SILENCE == 30
    monkeypatch.setattr(live_streams, "SILENCE", 0.3)
    monkeypatch.setattr(feed_reader, "POLL", 0.1)
    stream = await socket.follow(ENROLLMENTS)
    start = stream.cursor
    await api.acting_as(admin).run(mutation("updateTenant"), input={"changes": {"name": "Acme 2"}})
    for _ in range(2):
        batch = await stream.batch()
        assert (batch["changes"], batch["reset"]) == ([], None)
    end = await cursor_of(api, admin)
    assert start != end
    assert batch["cursor"] == end


async def make_job(tenant_id: int, starter: Principal | None, status: str = "RUNNING") -> int:
    """Make a job of somebody."""
    async with writing(tenant_id):
        job = await foundation_models.BackgroundJob.create(
            tenant_id=tenant_id,
            kind=foundation_models.JobKind.BULK_ASSIGNMENT,
            status=status,
            created_at=factories.LONG_AGO,
            finished_at=None if status == "RUNNING" else factories.LONG_AGO,
            started_by_learner_id=starter.learner_id if starter else None,
        )
        return int(job.id)


async def test_a_job_is_followed_to_its_end(
    api: Api, live: LiveServer, socket: Socket, admin: Principal, tenant: Tenant
) -> None:
    """The first batch holds it although nothing has changed; with its end the stream completes."""
    job = await make_job(tenant.id, admin)
    id = encode(BACKGROUND_JOB, job)
    stream = await socket.subscribe(JOBS, id=id)
    first = await stream.batch()
    assert [(one["id"], one["status"]) for one in first["jobs"]] == [(id, "RUNNING")]
    other = await socket.subscribe(JOBS, id=encode(BACKGROUND_JOB, await make_job(tenant.id, admin)))
    await other.batch()
    async with events_of(api, live, admin, JOBS, id=id) as body:
        await body.batch()
        await api.acting_as(admin).run(mutation("cancelBackgroundJob"), input={"id": id})
        assert [one["status"] for one in (await body.batch())["jobs"]] == ["CANCELLED"]
        assert await body.rest() == ["complete"]
    assert [one["status"] for one in (await stream.batch())["jobs"]] == ["CANCELLED"]
    assert (await stream.message())["type"] == "complete"
    await other.silence(0.1)
    for after in (None, first["cursor"], await cursor_of(api, admin)):
        late = await socket.subscribe(JOBS, id=id, after=after)
        assert [one["status"] for one in (await late.batch())["jobs"]] == ["CANCELLED"]
        assert (await late.message())["type"] == "complete"


async def test_a_job_that_is_not_ones_own_is_not_found(
    api: Api,
    live: LiveServer,
    socket: Socket,
    admin: Principal,
    trainer: Principal,
    tenant: Tenant,
    another_admin: Principal,
) -> None:
    """Neither is one of another tenant, nor what is no job at all."""
    job = encode(BACKGROUND_JOB, await make_job(tenant.id, admin))
    mine = encode(BACKGROUND_JOB, await make_job(tenant.id, trainer))
    foreign = encode(BACKGROUND_JOB, await make_job(another_admin.tenant_id, another_admin))
    trainers = await live.acting_as(trainer)
    assert len((await (await trainers.subscribe(JOBS, id=mine)).batch())["jobs"]) == 1
    assert await (await trainers.subscribe(JOBS, id=job)).errors() == ["NOT_FOUND"]
    for id in (foreign, "x", "", encode(CONTENT, 1), "ext:1"):
        assert await (await socket.subscribe(JOBS, id=id)).errors() == ["NOT_FOUND"]


async def test_a_batch_that_cannot_be_produced_closes_with_1013(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, course: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not skipped: whoever comes back with the last cursor gets it."""
    socket = await live.acting_as(admin)
    stream = await socket.follow(ENROLLMENTS)
    with monkeypatch.context() as broken:

        async def page(*_: Any) -> None:
            raise ConnectionError

        broken.setattr(feed_reader.FeedReader, "page", page)
        await api.acting_as(admin).run(
            ENROLL, input={"learner": {"id": learner_id(learner)}, "content": {"id": encode(CONTENT, course)}}
        )
        assert await socket.closed() == 1013
    await stream.silence(0)
    again = await (await live.acting_as(admin)).subscribe(ENROLLMENTS, after=stream.cursor)
    assert len((await again.batch())["changes"]) == 1


async def test_connections_of_the_database_that_break_are_not_noticed_or_1013(
    api: Api, live: LiveServer, admin: Principal, tenant: Tenant, course: int, superuser: Connection
) -> None:
    """Whichever it is, nothing is missed."""
    socket = await live.acting_as(admin)
    stream = await socket.follow(ENROLLMENTS)
    seen: set[str] = set()
    expected = 0
    for _ in range(3):
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'test'"
        )
        for _ in range(30):
            try:
                await enroll_many(tenant.id, course, 3)
                break
            except Exception:  # The pool gives out what was killed until it has noticed.
                await asyncio.sleep(0.05)
        expected += 3
        deadline = time.monotonic() + 10
        while len(seen) < expected:
            assert time.monotonic() < deadline
            try:
                batch = await stream.batch(2)
            except (TimeoutError, AssertionError):
                code = await socket.closed()
                assert code == 1013
                socket = await live.acting_as(admin)
                cursor = stream.cursor
                stream = await socket.subscribe(ENROLLMENTS, after=cursor)
                stream.cursor = cursor
                continue
            seen |= {change["enrollmentId"] for change in batch["changes"]}


async def test_an_object_that_cannot_be_read_is_null_in_its_batch(
    live: LiveServer, admin: Principal, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a masked error; its neighbours are there, and the stream goes on."""
    good, bad = [(await factories.create_course(tenant.id, title=title)).id for title in ("Good", "Bad")]
    lead = related_content

    def failing(content_id: int) -> Any:
        if content_id == bad:
            raise RuntimeError("secret")
        return lead(content_id)

    monkeypatch.setattr("gql.enrollments.types.related_content", failing)
    stream = await (await live.acting_as(admin)).follow(ENROLLMENTS)
    ids = [*await enroll_many(tenant.id, good, 1), *await enroll_many(tenant.id, bad, 1)]
    found: dict[str, Any] = {}
    errors: list[Any] = []
    while len(found) < 2:
        payload = (await stream.message())["payload"]
        errors += payload.get("errors", [])
        for change in payload["data"]["enrollmentChanges"]["changes"]:
            found[change["enrollmentId"]] = (change["kind"], change["enrollment"] and change["enrollment"]["content"])
    assert found == {
        encode(ENROLLMENT, ids[0]): ("UPSERTED", {"title": "Good"}),
        encode(ENROLLMENT, ids[1]): ("UPSERTED", None),
    }
    assert [error["extensions"]["code"] for error in errors] == ["INTERNAL_SERVER_ERROR"]
    assert "secret" not in str(errors)
