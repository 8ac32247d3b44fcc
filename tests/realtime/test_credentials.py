"""Credentials of streams: where they may stand, and how a stream ends with them. Rights are those of the present."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
import websockets

from domain.foundation import nudge
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import writing
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, LEARNER, LEARNING_GROUP, SERVICE_ACCOUNT, encode
from gql.identity.authentication import issue_token
from tests.realtime.test_protocol import INIT, NEWS, TENANT
from tests.realtime.test_streams import ENROLL, ENROLLMENTS
from tests.support import factories
from tests.support.api import ERRORS, Api
from tests.support.event_stream import events
from tests.support.live import LiveServer, Stream, code_after, serving

LOG = """subscription ($after: String) { contentActionsLogged(after: $after) {
  cursor reset { reason } contentActions { id } } }"""


def bearer(api: Api, principal: Principal) -> str:
    """Return the value of an `Authorization` header."""
    return api.acting_as(principal).headers["Authorization"]


def mutation(name: str) -> str:
    """Return a mutation that tells nothing but its errors."""
    return f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {ERRORS} }} }}"


def learner_id(principal: Principal) -> str:
    """Return the ID of a person."""
    assert principal.learner_id is not None
    return encode(LEARNER, principal.learner_id)


def short_token(api: Api, principal: Principal, seconds: float) -> str:
    """Return a header whose token ends so soon."""
    slug, lifetime = factories.slug_of(principal.tenant_id), timedelta(seconds=seconds)
    token = issue_token(api.settings, tenant=slug, now=api.now, lifetime=lifetime, learner_id=principal.learner_id)
    return f"Bearer {token}"


async def reset_of(stream: Stream) -> str:
    """Return the reason for which a stream ends, with the cursor that it was at."""
    before = stream.cursor
    batch = await stream.batch()
    assert batch["cursor"] == before
    assert batch["reset"], batch
    assert (await stream.message())["type"] == "complete"
    return str(batch["reset"]["reason"])


@pytest.mark.parametrize("key", ["authorization", "Authorization", "AUTHORIZATION"])
async def test_the_payload_names_its_credential_in_any_case(
    api: Api, live: LiveServer, admin: Principal, key: str
) -> None:
    """As headers do."""
    connection = await live.connect()
    await connection.send(orjson.dumps({**INIT, "payload": {key: bearer(api, admin)}}).decode())
    assert orjson.loads(await connection.recv()) == {"type": "connection_ack"}
    await connection.close()


async def test_the_handshake_counts_when_the_payload_has_none(
    api: Api, live: LiveServer, admin: Principal, learner: Principal
) -> None:
    """What the payload says counts for more, also when it is wrong."""
    role = {"id": "1", "type": "subscribe", "payload": {"query": "{ viewer { role } }"}}
    headers = {"Authorization": bearer(api, admin)}
    for payload, expected in (
        (None, "ADMIN"),
        ({"authorization": None}, "ADMIN"),
        ({"authorization": bearer(api, learner)}, "LEARNER"),
    ):
        connection = await live.connect(additional_headers=headers)
        await connection.send(orjson.dumps({**INIT, "payload": payload}).decode())
        assert orjson.loads(await connection.recv()) == {"type": "connection_ack"}
        await connection.send(orjson.dumps(role).decode())
        assert orjson.loads(await connection.recv())["payload"]["data"]["viewer"]["role"] == expected
        await connection.close()
    for wrong in ("Bearer x", "", 1, ["Bearer x"]):
        connection = await live.connect(additional_headers=headers)
        assert await code_after(connection, {**INIT, "payload": {"authorization": wrong}}) == 4403


async def test_the_address_is_never_read(api: Api, live: LiveServer, admin: Principal) -> None:
    """It stands in the logs of whoever is on the way. Cookies are not read either."""
    token = bearer(api, admin).removeprefix("Bearer ")
    address = f"ws://127.0.0.1:{live.port}/graphql?authorization=Bearer%20{token}&access_token={token}&token={token}"
    cookies = {"Cookie": f"authorization=Bearer {token}"}
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    connection = await websockets.connect(address, subprotocols=protocols, additional_headers=cookies)
    assert await code_after(connection, INIT) == 4403


@pytest.mark.parametrize("value", ["Bearer", "Bearer x.y.z", "Basic YTpi", "mk_x", "Bearer mk_nobody"])
async def test_a_wrong_credential_is_forbidden(live: LiveServer, value: str) -> None:
    """Whatever is wrong with it."""
    assert await code_after(await live.connect(), {**INIT, "payload": {"authorization": value}}) == 4403


async def test_pages_of_other_origins_are_refused(api: Api, live_settings: Settings, admin: Principal) -> None:
    """Before anything is said. What is no page of a browser sends no origin."""
    settings = live_settings.model_copy(update={"allowed_origins": ["https://lms.example"]})
    async with serving(api, settings) as live:
        for origin in ("https://evil.example", "http://lms.example", "https://lms.example.evil.example", "null"):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await live.connect(origin=origin)
            assert refusal.value.response.status_code == 403
        for allowed in ("https://lms.example", None):
            await (await live.connect(origin=allowed)).close()


async def test_a_connection_ends_with_its_token(api: Api, live: LiveServer, admin: Principal) -> None:
    """With 4403, also in the midst of streams: the client gets a new token and comes back."""
    socket = await live.with_authorization(short_token(api, admin, 2))
    await socket.follow(NEWS)
    assert await socket.closed() == 4403


async def test_a_body_ends_with_its_token(api: Api, live: LiveServer, admin: Principal) -> None:
    """Without `complete`: the client comes back, and gets 401 when it has no better one."""
    async with events(live, short_token(api, admin, 2), NEWS) as stream:
        await stream.batch()
        assert await stream.rest() == []


async def test_each_operation_is_authenticated_anew(api: Api, live: LiveServer, admin: Principal) -> None:
    """A connection without streams does not hear that its account has gone; its next operation does."""
    colleague = await factories.create_person(admin.tenant_id, role=Role.ADMIN)
    socket = await live.acting_as(colleague)
    await deactivate(api, admin, colleague)
    await socket.subscribe(TENANT)
    assert await socket.closed() == 4403


async def deactivate(api: Api, admin: Principal, person: Principal) -> None:
    """Let an administrator deactivate somebody."""
    await api.acting_as(admin).run(
        mutation("deactivateLearner"),
        input={"learner": {"id": learner_id(person)}},
    )


async def test_who_is_deactivated_is_closed_out(api: Api, live: LiveServer, admin: Principal) -> None:
    """Sockets with 4403, bodies without `complete`; nothing is sent about the reason."""
    colleague = await factories.create_person(admin.tenant_id, role=Role.TRAINER)
    socket = await live.acting_as(colleague)
    stream = await socket.follow(ENROLLMENTS)
    async with events(live, bearer(api, colleague), ENROLLMENTS) as body:
        await body.batch()
        await deactivate(api, admin, colleague)
        assert await socket.closed() == 4403
        assert await body.rest() == []
    await stream.silence(0)
    async with events(live, bearer(api, colleague), ENROLLMENTS) as body:
        assert body.response.status_code == 401


async def test_a_revoked_key_is_closed_out(
    api: Api, live: LiveServer, admin: Principal, read_account: Principal
) -> None:
    """As people are."""
    socket = await live.acting_as(read_account)
    await socket.follow(ENROLLMENTS)
    assert read_account.service_account_id is not None
    await api.acting_as(admin).run(
        mutation("revokeServiceAccount"),
        input={"id": encode(SERVICE_ACCOUNT, read_account.service_account_id)},
    )
    assert await socket.closed() == 4403


async def test_a_new_role_resets_all_streams_of_the_account(
    api: Api, live: LiveServer, admin: Principal, trainer: Principal
) -> None:
    """Live and, without a connection at the time, on coming back; others go on."""
    socket = await live.acting_as(trainer)
    streams = [await socket.follow(ENROLLMENTS), await socket.follow(LOG)]
    other = await (await live.acting_as(admin)).follow(LOG)
    await api.acting_as(admin).run(
        mutation("updateLearner"),
        input={"learner": {"id": learner_id(trainer)}, "changes": {"role": "LEARNER"}},
    )
    assert [await reset_of(stream) for stream in streams] == ["SCOPE_CHANGED"] * 2
    again = await socket.subscribe(ENROLLMENTS, after=streams[0].cursor)
    again.cursor = streams[0].cursor
    assert await reset_of(again) == "SCOPE_CHANGED"
    async with events(live, bearer(api, trainer), LOG, {"after": streams[0].cursor}) as body:
        assert (await body.batch())["reset"] == {"reason": "SCOPE_CHANGED"}
        assert await body.rest() == ["complete"]
    await other.silence()
    # Who fetches again gets a cursor from after the change.
    cursor = (await api.acting_as(trainer).run("{ tenant { changeCursor } }"))["tenant"]["changeCursor"]
    assert (await (await socket.subscribe(ENROLLMENTS, after=cursor)).batch())["reset"] is None


async def test_new_scopes_reset_the_streams_of_a_tool(api: Api, live: LiveServer, read_account: Principal) -> None:
    """Whoever changes them writes a change of the account in the same transaction."""
    socket = await live.acting_as(read_account)
    stream = await socket.follow(ENROLLMENTS)
    async with writing(read_account.tenant_id) as sql:
        await sql.execute(
            "UPDATE service_account SET scopes = '[\"WRITE_RULES\"]' WHERE id = $1", read_account.service_account_id
        )
        await sql.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " VALUES ($1, 'SERVICE_ACCOUNT', $2, 2, $3)",
            read_account.tenant_id,
            read_account.service_account_id,
            api.now,
        )
    nudge.send(read_account.tenant_id)
    assert await reset_of(stream) == "SCOPE_CHANGED"
    assert await (await socket.subscribe(ENROLLMENTS)).errors() == ["FORBIDDEN"]


async def test_who_trains_a_content_decides_what_trainers_see(
    api: Api, live: LiveServer, admin: Principal, trainer: Principal, learner: Principal, tenant: Tenant
) -> None:
    """Whoever is added or taken away starts over; other trainers go on."""
    colleague = await factories.create_person(tenant.id, role=Role.TRAINER)
    course = await factories.create_course(tenant.id)
    socket, others = await live.acting_as(trainer), await live.acting_as(colleague)
    stream, other = await socket.follow(ENROLLMENTS), await others.follow(ENROLLMENTS)
    update = mutation("updateCourse")
    for trainers in ([learner_id(trainer)], []):
        await api.acting_as(admin).run(
            update, input={"course": {"id": encode(CONTENT, course.id)}, "changes": {"trainerIds": trainers}}
        )
        assert await reset_of(stream) == "SCOPE_CHANGED"
        cursor = (await api.acting_as(trainer).run("{ tenant { changeCursor } }"))["tenant"]["changeCursor"]
        stream = await socket.subscribe(ENROLLMENTS, after=cursor)
        await stream.batch()
        await api.acting_as(admin).run(
            ENROLL, input={"learner": {"id": learner_id(learner)}, "content": {"id": encode(CONTENT, course.id)}}
        )
        if trainers:
            assert len(await stream.changes()) == 1
            await api.acting_as(admin).run(
                mutation("unenrollLearner"),
                input={"learner": {"id": learner_id(learner)}, "content": {"id": encode(CONTENT, course.id)}},
            )
            assert len(await stream.changes()) == 1
        else:
            await stream.silence()
    await other.silence(0)


async def test_who_owns_a_group_decides_what_trainers_see(
    api: Api, live: LiveServer, admin: Principal, trainer: Principal
) -> None:
    """A new owner starts over, and so does the old one."""
    colleague = await factories.create_person(admin.tenant_id, role=Role.TRAINER)
    streams = [await (await live.acting_as(one)).follow(ENROLLMENTS) for one in (trainer, colleague)]
    make = """mutation ($input: CreateLearningGroupInput!) { createLearningGroup(input: $input) {
      learningGroup { id } errors { code path message } } }"""
    group = await api.acting_as(admin).value(make, input={"name": "A", "ownerId": learner_id(trainer)})
    assert await reset_of(streams[0]) == "SCOPE_CHANGED"
    streams[0] = await (await live.acting_as(trainer)).follow(ENROLLMENTS)
    change = mutation("updateLearningGroup")
    await api.acting_as(admin).run(change, input={"id": group["learningGroup"]["id"], "ownerId": learner_id(colleague)})
    assert group["learningGroup"]["id"].startswith(LEARNING_GROUP)
    assert [await reset_of(stream) for stream in streams] == ["SCOPE_CHANGED"] * 2


STREAMS: dict[str, tuple[str, set[str]]] = {
    "mandatoryTaskChanges": ("{ cursor }", {"learner", "trainer", "admin", "reader"}),
    "enrollmentChanges": ("{ cursor }", {"learner", "trainer", "admin", "reader"}),
    "contentActionsLogged": ("{ cursor }", {"learner", "trainer", "admin", "reader"}),
    "autoAssignmentRuleList": ("{ cursor }", {"admin", "reader"}),
    "autoAssignmentRuleChanges": ("{ cursor }", {"admin", "reader"}),
    "backgroundJobChanges": ("{ cursor }", {"trainer", "admin", "reader", "writer"}),
    "notificationsReceived": ("{ cursor }", {"learner", "trainer", "admin"}),
}


async def test_each_stream_is_for_those_who_may_ask_for_the_same(
    live: LiveServer, admin: Principal, trainer: Principal, learner: Principal, read_account: Principal, tenant: Tenant
) -> None:
    """All others get FORBIDDEN, which ends the operation and nothing else."""
    from domain.foundation.access import Scope

    writer = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_RULES])
    assert set(STREAMS) == set(live.endpoint.schema._schema.subscription_type.fields)  # type: ignore[attr-defined]
    callers: dict[str, Any] = {
        "learner": learner,
        "trainer": trainer,
        "admin": admin,
        "reader": read_account,
        "writer": writer,
    }
    for caller, principal in callers.items():
        socket = await live.acting_as(principal)
        for field, (selection, allowed) in STREAMS.items():
            stream = await socket.subscribe(f"subscription {{ {field} {selection} }}")
            if caller in allowed:
                await stream.batch()
            else:
                assert await stream.errors() == ["FORBIDDEN"], (caller, field)
