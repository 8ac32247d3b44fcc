"""Who may follow what: every field of Subscription, and what each kind of caller gets of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from domain.foundation import nudge
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from tests.security.footprint import footprint
from tests.security.inputs import built_schema
from tests.security.test_authorization_matrix import MISSING, NO, YES, Rights
from tests.security.world import CALLERS, ENROLL, World, populate
from tests.support.api import Api
from tests.support.catalogue import Connection
from tests.support.live import LiveServer, serving

OWN_OR_READ = Rights(YES, YES, YES)
ADMINS_AND_READERS = Rights(NO, NO, YES)
FIELDS: dict[str, Rights] = {
    "mandatoryTaskChanges": OWN_OR_READ,
    "enrollmentChanges": OWN_OR_READ,
    "contentActionsLogged": OWN_OR_READ,
    "autoAssignmentRuleList": ADMINS_AND_READERS,
    "autoAssignmentRuleChanges": ADMINS_AND_READERS,
    # Without an ID: those that one has started.
    "backgroundJobChanges": Rights(NO, YES, YES, tool=YES),
    "notificationsReceived": Rights(YES, YES, NO),
}
#: The job of the world was started by the admin.
ONE_JOB = Rights(NO, MISSING, YES, tool=MISSING)
SELECTED = {"autoAssignmentRuleList": "rules { id }"}


@pytest.fixture
async def live(api: Api, settings: Settings, redis_url: str) -> AsyncIterator[LiveServer]:
    """The application behind a real server."""
    nudge.start(redis_url)
    async with serving(api, settings.model_copy(update={"redis_url": SecretStr(redis_url)})) as server:
        yield server
    await nudge.stop()


def document(name: str, arguments: str = "") -> str:
    """Return a subscription to a field."""
    return f"subscription {{ {name}{arguments} {{ {SELECTED.get(name, 'cursor')} }} }}"


async def written(superuser: Connection) -> dict[str, tuple[int, int]]:
    """Return the footprint of everything but the numbers of the change feed, which its readers give."""
    numbers = {"change", "change_pending", "feed_head", "content_action_position", "content_action_block"}
    return {table: rows for table, rows in (await footprint(superuser)).items() if table not in numbers}


def outcome_of(message: dict[str, Any]) -> str:
    """Return what the first message says: that the stream has begun, or why not."""
    payload = message.get("payload")
    errors = payload if isinstance(payload, list) else (payload or {}).get("errors")
    if errors:
        return str(errors[0]["extensions"]["code"])
    return YES if message["type"] == "next" else str(message)


def test_each_stream_is_somebodys() -> None:
    """The table has a line for every field of Subscription, and for nothing else."""
    root = built_schema().subscription_type
    assert root is not None
    assert sorted(FIELDS) == sorted(root.fields)


async def test_who_may_follow_what(api: Api, tenant: Tenant, live: LiveServer, superuser: Connection) -> None:
    """Refused callers are told why, in the place of a first batch; following changes nothing for anybody."""
    world = await populate(api, tenant)
    before = await written(superuser)
    job = f'(id: "{world.objects["job"].id}")'
    asked = [(document(name), rights) for name, rights in FIELDS.items()]
    asked.append((document("backgroundJobChanges", job), ONE_JOB))
    wrong = {}
    for caller in CALLERS:
        socket = await live.acting_as(world.callers[caller])
        for text, rights in asked:
            outcome = outcome_of(await (await socket.subscribe(text)).message())
            if outcome != rights.of(caller):
                wrong[f"{text} by {caller}"] = outcome
    assert wrong == {}
    assert await written(superuser) == before


async def test_nothing_of_another_tenant_is_followed(
    api: Api, tenant: Tenant, another_tenant: Tenant, live: LiveServer
) -> None:
    """Its objects match nothing or are not found, its cursors are none of ours, and its changes never come."""
    ours, theirs = await populate(api, tenant), await populate(api, another_tenant)
    socket = await live.acting_as(ours.callers["ADMIN"])
    job = document("backgroundJobChanges", f'(id: "{theirs.objects["job"].id}")')
    assert outcome_of(await (await socket.subscribe(job)).message()) == MISSING
    cursor = (await theirs.client("ADMIN").run("{ tenant { changeCursor } }"))["tenant"]["changeCursor"]
    for name in FIELDS:
        if name != "autoAssignmentRuleList":
            stream = await socket.subscribe(document(name, f'(after: "{cursor}")'))
            assert outcome_of(await stream.message()) == "INVALID", name
    learner, course = theirs.objects["learner"].id, theirs.objects["course"].id
    streams = [
        await socket.subscribe(document("enrollmentChanges")),
        await socket.subscribe(document("contentActionsLogged")),
        await socket.subscribe(document("enrollmentChanges", f'(filter: {{learnerIds: ["{learner}"]}})')),
        await socket.subscribe(document("contentActionsLogged", f'(filter: {{contentIds: ["{course}"]}})')),
    ]
    for stream in streams:
        assert outcome_of(await stream.message()) == YES
    await enroll(theirs)
    await asyncio.sleep(0.5)
    for stream in streams:
        with pytest.raises(TimeoutError):
            await stream.message(seconds=0.1)
    # Ours do come, so it was not silence.
    await enroll(ours)
    assert outcome_of(await streams[0].message()) == YES


async def enroll(world: World) -> None:
    """Change something that streams of enrollments and of the log show."""
    named = {"learner": {"id": world.objects["trainer"].id}, "content": {"id": world.objects["path"].id}}
    await world.client("ADMIN").run(ENROLL, input=named)
