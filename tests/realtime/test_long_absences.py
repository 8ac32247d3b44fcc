"""Who comes back after much has happened, and whoever is there while a database goes back to an older state."""

import pytest

from domain.foundation import nudge
from domain.foundation.access import Principal
from domain.foundation.feed import reader as feed_reader
from domain.foundation.feed.changes import sequence
from domain.tenants.models import Tenant
from gql.contract.cursors import feed_cursor
from gql.contract.ids import ENROLLMENT, encode
from tests.realtime.test_resets import enroll_many, touch
from tests.realtime.test_streams import ENROLLMENTS
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.live import LiveServer, Socket


@pytest.fixture
async def socket(live: LiveServer, admin: Principal) -> Socket:
    """A connection of an administrator."""
    return await live.acting_as(admin)


@pytest.fixture
async def course(tenant: Tenant) -> int:
    """A course."""
    return int((await factories.create_course(tenant.id)).id)


@pytest.mark.parametrize(("block", "kept"), [(30, 4), (30, 1), (10, 2), (1_000, 4)])
async def test_whoever_is_far_behind_gets_each_object_once_from_anywhere(
    socket: Socket, tenant: Tenant, course: int, monkeypatch: pytest.MonkeyPatch, block: int, kept: int
) -> None:
    """In the order of their last changes, however the table is read and whoever has read it before."""
    for name, value in (("RING", 5), ("PAGE", 10), ("BLOCK", block), ("MOST_BLOCKS", kept)):
        monkeypatch.setattr(feed_reader, name, value)
    ids = await enroll_many(tenant.id, course, 60)
    await touch(tenant.id, ids[10:20] + ids[5:15] + ids[40:50])
    await sequence(tenant.id)
    order = [*ids, *ids[10:20], *ids[5:15], *ids[40:50]]
    for after in (0, 35, 1, 61, 20, 79, 90, 44):
        last = {id: place for place, id in enumerate(order, start=1) if place > after}
        stream = await socket.subscribe(ENROLLMENTS, after=feed_cursor(tenant.id, after))
        found = [change["enrollmentId"] for change in (await stream.batch())["changes"]]
        assert found == [encode(ENROLLMENT, id) for id in sorted(last, key=last.__getitem__)], after
        await stream.complete()


@pytest.mark.parametrize("later", [3, 30])
async def test_who_follows_while_an_older_database_is_restored_starts_over(
    socket: Socket, tenant: Tenant, course: int, superuser: Connection, later: int
) -> None:
    """By the cursor that they had, also where as much has happened since as was lost; then all is as ever."""
    stream = await socket.follow(ENROLLMENTS)
    await enroll_many(tenant.id, course, 20)
    await stream.changes()
    cursor = stream.cursor
    async with superuser.transaction():
        await superuser.execute("DELETE FROM change WHERE tenant_id = $1 AND position > 5", tenant.id)
        await superuser.execute("UPDATE feed_head SET position = 5 WHERE tenant_id = $1", tenant.id)
        await superuser.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " SELECT $1, 'TENANT', 1, 1, now() FROM generate_series(1, $2)",
            tenant.id,
            later,
        )
    nudge.send(tenant.id)
    assert await stream.batch() == {"cursor": cursor, "reset": {"reason": "CURSOR_EXPIRED"}, "changes": []}
    assert (await stream.message())["type"] == "complete"
    again = await socket.follow(ENROLLMENTS)
    await enroll_many(tenant.id, course, 3)
    assert len(await again.changes(seconds=1)) == 3
