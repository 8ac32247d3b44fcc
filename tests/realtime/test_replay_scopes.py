"""What an account may see has changed: its streams start over, whether they are open or come back with a cursor."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.feed.live import LiveBatch, ResetReason, follow
from domain.foundation.feed.reader import FeedReaders
from domain.mandatory_tasks.live import live_tasks
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from gql.identity.authentication import authenticate
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.company import learner_id, mutation
from tests.support.live import LiveServer, Stream

TASKS = """subscription ($after: String) { mandatoryTaskChanges(after: $after) {
  cursor reset { reason } changes { kind } } }"""

Change = Callable[[ApiClient, Principal, Principal], Awaitable[None]]


async def role(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """The role is another one."""
    changes = {"learner": {"id": learner_id(trainer)}, "changes": {"role": "ADMIN"}}
    await admin.run(mutation("updateLearner", ""), input=changes)


async def role_in_bulk(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """So it is when many change."""
    rows = [{"externalId": "t", "role": "LEARNER"}]
    await admin.run(mutation("bulkUpsertLearners", ""), input={"rows": rows})


async def trained_courses(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """A course has another trainer."""
    input = {"course": {"externalId": "c"}, "changes": {"trainerIds": [learner_id(helper)]}}
    await admin.run(mutation("updateCourse", ""), input=input)


async def new_course(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """There is another course to train."""
    input = {"title": "New", "lessonCount": 1, "trainerIds": [learner_id(trainer)]}
    await admin.run(mutation("createCourse", ""), input=input)


async def trained_paths(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """A path has another trainer."""
    input = {"learningPath": {"externalId": "p"}, "changes": {"trainerIds": [learner_id(trainer)]}}
    await admin.run(mutation("updateLearningPath", ""), input=input)


async def new_group(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """There is another group to lead."""
    await admin.run(mutation("createLearningGroup", ""), input={"name": "New", "ownerId": learner_id(trainer)})


async def owned_group(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """A group belongs to somebody else."""
    input = {"id": "ext:g", "ownerId": learner_id(helper)}
    await admin.run(mutation("updateLearningGroup", ""), input=input)


async def deleted_group(admin: ApiClient, trainer: Principal, helper: Principal) -> None:
    """A group is no longer."""
    await admin.run(mutation("deleteLearningGroup", ""), input={"id": "ext:g"})


@pytest.fixture
async def as_trainer_of_much(tenant: Tenant, admin: Principal) -> tuple[Principal, Principal]:
    """A trainer with a course, a path and a group, and another trainer."""
    trainer, helper = [
        await factories.create_person(tenant.id, role=Role.TRAINER, external_id=external_id, name=external_id)
        for external_id in ("t", "h")
    ]
    assert trainer.learner_id is not None
    course = await factories.create_course(tenant.id, external_id="c", trainers=[trainer.learner_id])
    await factories.create_path(tenant.id, external_id="p", courses=[course])
    await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, external_id="g", owner_id=trainer.learner_id)
    return trainer, helper


async def reason_of_reset(stream: Stream) -> str:
    """Return why a stream starts over."""
    batch = await stream.batch()
    while batch["reset"] is None:
        batch = await stream.batch()
    return str(batch["reset"]["reason"])


@pytest.mark.parametrize(
    "change",
    [role, role_in_bulk, trained_courses, new_course, trained_paths, new_group, owned_group, deleted_group],
    ids=lambda change: change.__name__,
)
async def test_rights_of_a_person_change(
    api: Api, live: LiveServer, admin: Principal, as_trainer_of_much: tuple[Principal, Principal], change: Change
) -> None:
    """An open stream ends, and so does one that comes back with a cursor of before."""
    trainer, helper = as_trainer_of_much
    socket = await live.acting_as(trainer)
    stream = await socket.follow(TASKS)
    cursor = stream.cursor
    await change(api.acting_as(admin), trainer, helper)
    assert await reason_of_reset(stream) == "SCOPE_CHANGED"
    again = await socket.subscribe(TASKS, after=cursor)
    assert await reason_of_reset(again) == "SCOPE_CHANGED"
    # With a cursor of now it goes on.
    now = (await api.acting_as(trainer).value("{ tenant { changeCursor } }"))["changeCursor"]
    resumed = await socket.subscribe(TASKS, after=now)
    assert (await resumed.batch())["reset"] is None


async def test_who_is_deactivated_or_revoked_is_sent_away(
    api: Api, live: LiveServer, as_admin: ApiClient, trainer: Principal, read_account: Principal
) -> None:
    """The credential is gone with the rights."""
    deactivation = {"learner": {"id": learner_id(trainer)}}
    assert read_account.service_account_id is not None
    revocation = {"id": ids.encode(ids.SERVICE_ACCOUNT, read_account.service_account_id)}
    for account, name, input in (
        (trainer, "deactivateLearner", deactivation),
        (read_account, "revokeServiceAccount", revocation),
    ):
        socket = await live.acting_as(account)
        await socket.follow(TASKS)
        await as_admin.run(mutation(name, ""), input=input)
        assert await socket.closed() == 4403


@asynccontextmanager
async def beginning_now(api: Api, authorization: str) -> AsyncIterator[Callable[[], Awaitable[LiveBatch[Any]]]]:
    """Look an account up; what is given begins its stream then, which may be later."""
    caller = await authenticate(authorization, api.settings, api.now)
    view = await live_tasks(caller.reads, caller.principal, TaskFilter())
    readers = FeedReaders("")
    readers.start()
    stream = follow(readers, caller.principal, view, reads=caller.reads, after=None, now=lambda: api.now)
    async with aclosing(stream):
        yield lambda: anext(stream)
    await readers.stop()


@pytest.mark.parametrize("has_been_seen", [False, True])
async def test_rights_change_while_a_stream_of_a_tool_begins(
    api: Api, tenant: Tenant, as_admin: ApiClient, has_been_seen: bool
) -> None:
    """It begins with the snapshot in which the scopes were read, so it notices, however the key was noted before."""
    account = await factories.create_service_account(tenant.id, scopes=[Scope.READ], name="Tool")
    assert account.service_account_id is not None
    if has_been_seen:
        await api.acting_as(account).run("{ tenant { id } }")
    async with beginning_now(api, api.acting_as(account).headers["Authorization"]) as first_batch:
        revocation = {"id": ids.encode(ids.SERVICE_ACCOUNT, account.service_account_id)}
        await as_admin.run(mutation("revokeServiceAccount", ""), input=revocation)
        assert (await first_batch()).reset is ResetReason.SCOPE_CHANGED


async def test_rights_change_while_a_stream_of_a_person_begins(
    api: Api, tenant: Tenant, as_admin: ApiClient, trainer: Principal
) -> None:
    """Likewise."""
    async with beginning_now(api, api.acting_as(trainer).headers["Authorization"]) as first_batch:
        changes = {"learner": {"id": learner_id(trainer)}, "changes": {"role": "LEARNER"}}
        await as_admin.run(mutation("updateLearner", ""), input=changes)
        assert (await first_batch()).reset is ResetReason.SCOPE_CHANGED
