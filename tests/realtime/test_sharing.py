"""One process serves many subscribers from one read: what a change costs, and what is never shared."""

import asyncio
import gc
import tracemalloc
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
)

from domain.foundation import nudge
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope, Session
from domain.foundation.feed import reader as feed_reader
from domain.foundation.feed.changes import sequence
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, encode
from gql.execution import streaming
from gql.execution.compiled.executor import CompiledExecution
from gql.execution.context import Context
from gql.execution.streaming import Subscription
from gql.schema import schema
from tests.realtime.test_credentials import learner_id, mutation
from tests.realtime.test_resets import cursor_of, enroll_many, make_job, touch
from tests.realtime.test_streams import ENROLL, ENROLLMENTS
from tests.support import factories
from tests.support.api import Api
from tests.support.live import LiveServer, Stream

OWN = """subscription ($after: String) { enrollmentChanges(after: $after) { cursor
  changes { enrollment { content { ... on Course { viewerEnrollment { learner { name } } } } } } } }"""
ASSIGN = """mutation ($input: AssignMandatoryTaskInput!) { assignMandatoryTask(input: $input) {
  mandatoryTask { id } errors { code path message } } }"""
TASKS = """subscription ($after: String, $filter: MandatoryTaskFilterInput) {
  mandatoryTaskChanges(after: $after, filter: $filter) { cursor reset { reason } changes { mandatoryTaskId } } }"""
RULE = """mutation ($input: CreateAutoAssignmentRuleInput!) { createAutoAssignmentRule(input: $input) {
  rule { id } errors { code path message } } }"""
RULE_LIST = "subscription { autoAssignmentRuleList { cursor reset { reason } rules { name } } }"

ROOTS = (
    *("mandatoryTaskChanges", "enrollmentChanges", "contentActionsLogged"),
    *("autoAssignmentRuleChanges", "backgroundJobChanges"),
)


class Counter:
    """Statements of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("fetch", "value", "execute"):
            self._watch(monkeypatch, name, getattr(Session, name))

    def _watch(self, monkeypatch: pytest.MonkeyPatch, name: str, run: Any) -> None:
        async def counted(session: Session, sql: str, *args: Any) -> Any:
            self.count += 1
            return await run(session, sql, *args)

        monkeypatch.setattr(Session, name, counted)


async def follow(live: LiveServer, people: list[Principal], count: int) -> list[Stream]:
    """Let people follow enrollments by so many streams each, 20 at a connection."""
    streams = []
    for person in people:
        for begin in range(0, count, 20):
            socket = await live.acting_as(person)
            streams += [await socket.follow(ENROLLMENTS) for _ in range(min(20, count - begin))]
    return streams


async def changes(stream: Stream, count: int) -> int:
    """Wait for so many changes; return how many batches they were."""
    batches = 0
    while count > 0:
        count -= len(await stream.changes())
        batches += 1
    assert count == 0
    return batches


@pytest.mark.parametrize("size", [1, 300])
async def test_a_change_costs_the_same_for_500_subscribers(
    live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for one of each kind; admins get what was made once, and learners what they would get alone."""
    admins = [admin, await factories.create_person(tenant.id, role=Role.ADMIN)]
    trainers = [await factories.create_person(tenant.id, role=Role.TRAINER) for _ in range(4)]
    assert trainers[0].learner_id is not None
    course = await factories.create_course(tenant.id, trainers=[trainers[0].learner_id])
    ids = await enroll_many(tenant.id, course.id, size)
    # Else the first to follow is told of them, and gets other batches than those who come later.
    await sequence(tenant.id)
    made = 0
    complete = streaming._complete

    async def counted(*args: Any) -> Any:
        nonlocal made
        made += 1
        return await complete(*args)

    async def cost(streams: list[Stream], silent: list[Stream]) -> tuple[int, int, int]:
        nonlocal made
        counter.count = made = 0
        await touch(tenant.id, ids)
        batches = max([await changes(stream, size) for stream in streams])
        await asyncio.sleep(0.1)
        for stream in silent:
            await stream.silence(0)
        # What the test itself has done: one statement, and the setting of its transaction.
        return counter.count, made, batches

    counter = Counter(monkeypatch)
    monkeypatch.setattr(streaming, "_complete", counted)
    loud = await follow(live, [*admins, trainers[0]], 1)
    silent = await follow(live, [*trainers[1:], learner], 1)
    few = await cost(loud, silent)
    loud += await follow(live, admins, 150) + await follow(live, [trainers[0]], 60)
    silent += await follow(live, [*trainers[1:], learner], 35)
    assert len(loud) + len(silent) == 507
    many = await cost(loud, silent)
    # The reader looks by itself now and then.
    assert many[0] <= few[0] + 6, (few, many)
    # One for the admins and one for the trainer; where 300 become several batches, streams may split them differently.
    assert few[1] <= 2 * few[2] + 2, few
    assert many[1] <= 2 * many[2] + 2, (few, many)


async def test_the_own_enrollment_is_never_shared(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant
) -> None:
    """Two admins ask the same; each gets their own."""
    colleague = await factories.create_person(tenant.id, role=Role.ADMIN, name="Bea Boss")
    course = await factories.create_course(tenant.id)
    assert admin.learner_id is not None
    assert colleague.learner_id is not None
    for person in (admin.learner_id, colleague.learner_id):
        await factories.create_enrollment(tenant.id, person, course.id)
    streams = [await (await live.acting_as(one)).follow(OWN) for one in (admin, colleague)]
    await api.acting_as(admin).run(
        ENROLL, input={"learner": {"id": learner_id(learner)}, "content": {"id": encode(CONTENT, course.id)}}
    )
    names = []
    for stream in streams:
        (change,) = await stream.changes()
        names.append(change["enrollment"]["content"]["viewerEnrollment"]["learner"]["name"])
    assert names == ["Ada Admin", "Bea Boss"]


async def test_what_is_shared_is_not_older_than_where_a_stream_begins(
    api: Api, live: LiveServer, admin: Principal, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has numbered a change of which this one has not been told: the first list holds it already."""
    monkeypatch.setattr(feed_reader, "POLL", 600.0)
    input = {"feature": "AUTO_ASSIGNMENT", "isEnabled": True}
    await api.acting_as(admin).run(mutation("setTenantFeature"), input=input)
    course = await factories.create_course(tenant.id)
    socket = await live.acting_as(admin)
    assert (await (await socket.subscribe(RULE_LIST)).batch())["rules"] == []
    await asyncio.sleep(0.3)
    await nudge.stop()
    await api.acting_as(admin).run(
        RULE,
        input={
            "name": "All",
            "contents": [{"id": encode(CONTENT, course.id)}],
            "match": "ALL",
            "conditions": [{"refValue": {"fieldNumber": 1, "operator": "NOT_EQUALS", "values": ["x"]}}],
        },
    )
    await sequence(tenant.id)
    late = await (await socket.subscribe(RULE_LIST)).batch(seconds=1)
    assert [rule["name"] for rule in late["rules"]] == ["All"]


@pytest.mark.parametrize("used", ["$after", "$ after", "$ # what is ignored\n , after"])
def test_where_a_stream_begins_makes_no_difference_unless_it_is_used_elsewhere(admin: Principal, used: str) -> None:
    """However the document is written; the same text with other values asks for something else."""

    def keys(selection: str) -> set[Hashable]:
        text = f"subscription ($after: String) {{ enrollmentChanges(after: $after) {{ {selection} }} }}"
        found = set()
        for cursor in ("a", "b"):
            context = Context(admin, factories.LONG_AGO, ReadScope(admin.tenant_id))
            executor = CompiledExecution.build(schema()._schema, parse(text), None, context, {"after": cursor}, None)
            found.add(Subscription(executor, text, {"after": cursor}, None).key)
        return found

    inner = f"changes {{ enrollment {{ contentActions(first: 1, after: {used}) {{ nodes {{ id }} }} }} }}"
    assert len(keys("cursor")) == 1
    assert len(keys(inner)) == 2


async def test_long_documents_are_not_kept(live: LiveServer, learner: Principal) -> None:
    """Neither parsed nor with the batches that they have got: anybody could fill the memory with comments."""
    await (await live.acting_as(learner)).follow(ENROLLMENTS)
    socket = await live.acting_as(learner)
    tracemalloc.start()
    try:
        for number in range(5):
            stream = await socket.follow(f"# {number}{' ' * 60_000}\n{ENROLLMENTS}")
            stream.document = ""
            await stream.complete()
        await asyncio.sleep(0.1)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 700_000
    finally:
        tracemalloc.stop()


async def assign(api: Api, assigner: Principal, person: Principal, course_id: int) -> str:
    """Let somebody assign a task and return its ID."""
    made = await api.acting_as(assigner).value(
        ASSIGN,
        input={
            "learner": {"id": learner_id(person)},
            "target": {"id": encode(CONTENT, course_id)},
            "dueOn": "2026-06-01",
        },
    )
    return str(made["mandatoryTask"]["id"])


async def test_what_one_has_assigned_oneself_is_never_shared(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant
) -> None:
    """Two admins ask for the tasks that they have assigned, with the same words, by variables and in the document."""
    colleague = await factories.create_person(tenant.id, role=Role.ADMIN)
    literal = TASKS.replace(", $filter: MandatoryTaskFilterInput", "").replace("$filter", "{isAssignedByViewer: true}")
    people = (admin, colleague)
    sockets = [await live.acting_as(one) for one in people]
    streams = [
        [await socket.follow(TASKS, filter={"isAssignedByViewer": True}) for socket in sockets],
        [await socket.follow(literal) for socket in sockets],
    ]
    course = await factories.create_course(tenant.id)
    other = await factories.create_course(tenant.id)
    tasks = [await assign(api, admin, learner, course.id), await assign(api, colleague, learner, other.id)]
    for pair in streams:
        for stream, task in zip(pair, tasks, strict=True):
            seen: set[str] = set()
            while not seen:
                seen |= {change["mandatoryTaskId"] for change in await stream.changes()}
            await stream.silence(0.1)
            assert seen == {task}


def questions(root: str) -> Iterator[tuple[str, str]]:
    """Yield each type that a stream reaches with a document that asks for all of its plain fields.

    Fields about the viewer are left out, and those that need an argument.
    """
    schema_: GraphQLSchema = schema()._schema
    assert schema_.subscription_type is not None
    field = schema_.subscription_type.fields[root]
    start = "(after: $after)" if "after" in field.args else ""
    head = f"subscription ($after: String) {{ {root}{start} {{ cursor # }} }}"
    pending: deque[tuple[GraphQLNamedType, str]] = deque([(get_named_type(field.type), head)])
    seen: set[str] = set()
    while pending:
        type_, around = pending.popleft()
        if type_.name in seen or around.count("{") > 11:
            continue
        seen.add(type_.name)
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            for one in schema_.get_possible_types(type_):
                pending.append((one, around.replace("#", f"... on {one.name} {{ # }}")))
            continue
        assert isinstance(type_, GraphQLObjectType)
        plain = ["__typename"]
        for name, below in type_.fields.items():
            if "viewer" in name.lower() or any(is_required_argument(one) for one in below.args.values()):
                continue
            inner = get_named_type(below.type)
            if is_leaf_type(inner):
                plain.append(name)
            else:
                only = "(first: 1)" if "first" in below.args else ""
                pending.append((inner, around.replace("#", f"{name}{only} {{ # }}")))
        yield type_.name, around.replace("#", " ".join(plain))


async def answer(stream: Stream) -> Any:
    """Return the first batch of a stream, with its errors, or the codes with which it is refused."""
    message = await stream.message()
    if message["type"] == "error":
        return [error["extensions"]["code"] for error in message["payload"]]
    await stream.complete()
    return message["payload"]


async def test_nothing_else_differs_between_two_admins(
    api: Api, live: LiveServer, admin: Principal, learner: Principal, tenant: Tenant
) -> None:
    """Everything that streams reach is asked for twice, apart, by the admin who has done it all and by another one.

    So what admins share may be shared. What one is told oneself has no twin.
    """
    colleague = await factories.create_person(tenant.id, role=Role.ADMIN)
    start = await cursor_of(api, admin)
    course = await factories.create_course(tenant.id, trainers=[admin.learner_id or 0])
    await api.acting_as(admin).run(
        RULE,
        input={
            "name": "All",
            "contents": [{"id": encode(CONTENT, course.id)}],
            "match": "ALL",
            "conditions": [{"refValue": {"fieldNumber": 1, "operator": "NOT_EQUALS", "values": ["x"]}}],
        },
    )
    other = await factories.create_course(tenant.id)
    for person in (admin, learner):
        await assign(api, admin, person, other.id)
    await make_job(tenant.id, admin)
    await touch(tenant.id, [await make_job(tenant.id, admin)], "JOB")
    await sequence(tenant.id)
    sockets = [await live.acting_as(one) for one in (admin, colleague)]
    compared: set[str] = set()
    for root in ROOTS:
        for type_, document in questions(root):
            streams = [
                await socket.subscribe(f"# {number}\n{document}", after=start) for number, socket in enumerate(sockets)
            ]
            first, second = [await answer(stream) for stream in streams]
            if first != ["QUERY_TOO_EXPENSIVE"]:
                assert first == second, document
                assert "errors" not in str(first), (document, first)
                if f"'__typename': '{type_}'" in str(first):
                    compared.add(type_)
    assert compared >= {
        *("AutoAssignmentRule", "BackgroundJob", "ContentAction", "Course", "Enrollment", "Learner", "MandatoryTask"),
        "EnrollmentReason",
    }, compared
