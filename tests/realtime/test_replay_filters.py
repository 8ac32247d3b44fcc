"""Streams judge rows in Python what lists judge in SQL: for any data, viewer and filter, both find the same."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.content.models import Content
from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.action_log.queries import list_content_actions
from domain.enrollments.live import live_enrollments, live_log
from domain.enrollments.models import ContentAction, ContentActionKind, EnrollmentReason, EnrollmentStatus
from domain.enrollments.queries import EnrollmentFilter, list_enrollments
from domain.foundation.access import Principal, Role, Scope, Source
from domain.foundation.database.sessions import ReadScope, writing
from domain.foundation.feed.changes import Change, sequence
from domain.foundation.feed.live import View
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.paging import PageRequest
from domain.mandatory_tasks.live import live_tasks
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.overview.queries import list_tasks, task_order
from domain.mandatory_tasks.queries import load_visible_tasks_by_id
from domain.mandatory_tasks.status import TaskStage, TaskStatus
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.given_tasks import create_bulk_assignment, create_task

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMES = ("Änne Groß", "Bob 100%", "İpek", "Lea_L", "Zoë", "anne")
TEXTS = ("a", "nn", "GROSS", "groß", "İ", "i", "%", "_", "\\", "ZOË", " lea ", "@", "x1@", "  ", "")
EXAMPLES = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
#: In a world nothing has these.
NOTHING = 2**40


@dataclass(slots=True)
class World:
    """Viewers, and everything that filters can name."""

    tenant: Tenant
    viewers: list[Principal] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    departments: list[Place] = field(default_factory=list)
    groups: list[Place] = field(default_factory=list)
    bulks: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    enrollments: list[int] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)


@pytest.fixture(params=[1, 2])
async def world(request: pytest.FixtureRequest, tenant: Tenant) -> World:
    """A tenant full of whatever chance has made."""
    chance, world = random.Random(request.param), World(tenant)
    for kind, places in ((PlaceKind.DEPARTMENT, world.departments), (PlaceKind.LEARNING_GROUP, world.groups)):
        places += [
            await factories.create_place(tenant.id, kind=kind, external_id=f"{kind.value}{number}")
            for number in range(3)
        ]
    for number, name in enumerate(NAMES):
        role = (Role.LEARNER, Role.TRAINER, Role.ADMIN)[number % 3]
        department = chance.choice([*world.departments, None])
        places = [place for place in (department, *chance.sample(world.groups, chance.randrange(3))) if place]
        email = chance.choice([f"X{number}@Acme.test", None])
        person = await factories.create_person(
            tenant.id, name=name, role=role, places=places, email=email, external_id=f"p{number}"
        )
        assert person.learner_id is not None
        world.viewers.append(person)
        world.people.append(person.learner_id)
    for scopes in ([Scope.READ], [Scope.READ, Scope.WRITE_MANDATORY_TASKS]):
        world.viewers.append(await factories.create_service_account(tenant.id, scopes=scopes))
    for number in range(4):
        trainers = chance.sample(world.people, 2)
        world.contents.append(await factories.create_course(tenant.id, external_id=f"c{number}", trainers=trainers))
    for number in range(2):
        path = await factories.create_path(tenant.id, external_id=f"t{number}", courses=world.contents[:2])
        world.contents.append(path)
    await _fill(world, chance)
    return world


async def _fill(world: World, chance: random.Random) -> None:
    tenant_id = world.tenant.id
    assigners = [one for one in world.viewers if one.role is not Role.LEARNER]
    world.bulks = [
        (await create_bulk_assignment(chance.choice(world.contents).id, by=by, due_on=date(2026, 4, 1))).id
        for by in world.viewers[1:3]
    ]
    places = [(person, content.id) for person in world.people for content in world.contents]
    for learner_id, content_id in chance.sample(places, 24):
        stage = chance.choice(list(TaskStage))
        task = await create_task(
            learner_id,
            content_id,
            by=chance.choice(assigners),
            due_on=date(2026, 3, 2) + timedelta(days=chance.randrange(-4, 5)),
            stage=stage,
            is_suspended=stage is not TaskStage.COMPLETED and chance.random() < 0.2,
            withdrawn_at=NOW if chance.random() < 0.15 else None,
            bulk_assignment_id=chance.choice([*world.bulks, None]),
            version=chance.randrange(1, 9),
        )
        world.tasks.append(task.id)
    taken = {(row.learner_id, row.content_id) for row in await _all_enrollments(world)}
    for learner_id, content_id in chance.sample([place for place in places if place not in taken], 8):
        await factories.create_enrollment(
            tenant_id,
            learner_id,
            content_id,
            source=None,
            is_active=False,
            status=chance.choice(list(EnrollmentStatus)),
        )
    for row in await _all_enrollments(world):
        world.enrollments.append(row.id)
        async with writing(tenant_id):
            for source in chance.sample(list(Source), chance.randrange(3)):
                await EnrollmentReason.create(
                    tenant_id=tenant_id,
                    enrollment_id=row.id,
                    learner_id=row.learner_id,
                    content_id=row.content_id,
                    source=source,
                    rule_id=chance.choice([1, 2, None]),
                    path_id=chance.choice([world.contents[-1].id, None]),
                    since_at=NOW,
                    until_at=chance.choice([NOW, None, None]),
                )
    async with writing(tenant_id) as sql:
        for _ in range(60):
            learner_id, content_id = chance.choice(places)
            actor = chance.choice([*world.viewers, None])
            action = await ContentAction.create(
                tenant_id=tenant_id,
                learner_id=learner_id,
                content_id=content_id,
                action=chance.choice(list(ContentActionKind)),
                source=chance.choice(list(Source)),
                rule_id=chance.choice([1, 2, None]),
                task_id=chance.choice([*world.tasks[:3], None]),
                actor_learner_id=actor.learner_id if actor else None,
                actor_service_account_id=actor.service_account_id if actor else None,
                occurred_at=NOW - timedelta(hours=chance.randrange(48)),
                recorded_at=NOW,
            )
            world.actions.append(action.id)
        # The log is found by its change rows, which say where it is complete.
        await sql.execute(
            "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
            " SELECT tenant_id, 'CONTENT_ACTION', id, 1, recorded_at FROM content_action WHERE tenant_id = $1",
            tenant_id,
        )
    await sequence(tenant_id)


async def _all_enrollments(world: World) -> Sequence[Any]:
    async with ReadScope(world.tenant.id) as reads:
        page = await list_enrollments(reads, Principal.operator(world.tenant.id), request=PageRequest(100))
        return page.rows


def some(choices: Sequence[Any]) -> st.SearchStrategy[tuple[Any, ...] | None]:
    """Return strategies for no restriction, an empty list, and a few of these."""
    return st.none() | st.lists(st.sampled_from(choices), max_size=3, unique=True).map(tuple)


def named(ids: Sequence[int], prefix: str) -> Sequence[Reference]:
    """Return how a filter may name things: by ours or by the partner's IDs, or by what names nothing."""
    return [*ids, *(ExternalId(f"{prefix}{number}") for number in range(2)), NOTHING, ExternalId("nothing")]


def task_filters(world: World) -> st.SearchStrategy[TaskFilter]:
    """Return any filter of tasks."""
    days = st.none() | st.dates(date(2026, 2, 26), date(2026, 3, 8))
    people = [*world.people, NOTHING]
    tools = [viewer.service_account_id or NOTHING for viewer in world.viewers]
    return st.builds(
        TaskFilter,
        statuses=some(list(TaskStatus)),
        learner_ids=some(named(world.people, "p")),
        department_ids=some(named([place.id for place in world.departments], "D")),
        has_department=st.none() | st.booleans(),
        learning_group_ids=some(named([place.id for place in world.groups], "G")),
        target_ids=some(named([content.id for content in world.contents], "c")),
        bulk_assignment_id=st.sampled_from([None, *world.bulks, NOTHING]),
        due_from=days,
        due_until=days,
        is_assigned_by_viewer=st.none() | st.booleans(),
        assigner_ids=st.none()
        | st.tuples(some(people).map(lambda one: one or ()), some(tools).map(lambda one: one or ())),
        search=st.none() | st.sampled_from(TEXTS),
        includes_suspended=st.booleans(),
    )


def enrollment_filters(world: World) -> st.SearchStrategy[EnrollmentFilter]:
    """Return any filter of enrollments."""
    return st.builds(
        EnrollmentFilter,
        learners=some(named(world.people, "p")),
        contents=some(named([content.id for content in world.contents], "c")),
        statuses=some(list(EnrollmentStatus)),
        is_active=st.none() | st.booleans(),
        sources=some(list(Source)),
        rule_id=st.sampled_from([None, None, 1, 2, NOTHING]),
        learning_path=st.sampled_from([None, None, world.contents[-1].id, ExternalId("t1"), ExternalId("nothing")]),
    )


def action_filters(world: World) -> st.SearchStrategy[ActionFilter]:
    """Return any filter of the log."""
    instants = st.none() | st.integers(0, 72).map(lambda hours: NOW + timedelta(hours=12 - hours))
    return st.builds(
        ActionFilter,
        learners=some(named(world.people, "p")),
        contents=some(named([content.id for content in world.contents], "c")),
        actions=some(list(ContentActionKind)),
        sources=some(list(Source)),
        rule_id=st.sampled_from([None, None, 1, 2, NOTHING]),
        task_id=st.sampled_from([None, None, *world.tasks[:3], NOTHING]),
        actor_learner_ids=some([*world.people, NOTHING]),
        actor_service_account_ids=some([viewer.service_account_id or NOTHING for viewer in world.viewers]),
        occurred_from=instants,
        occurred_before=instants,
    )


def plain(filter: Any, chance: int) -> Any:
    """Return a filter with few of its restrictions: with all of them nothing would ever be found."""
    names = list(type(filter).__dataclass_fields__)
    kept = random.Random(chance).sample(names, min(len(names), chance % 4))
    return type(filter)(**{name: getattr(filter, name) for name in kept})


async def require_same(
    reads: ReadScope, view: View[Any, Any], ids: Sequence[int], listed: Sequence[Any], visible: set[int]
) -> None:
    """Require that the view shows exactly what is listed, and tells of nothing that is not visible."""
    states: Mapping[int, Any] = await view.load(reads, reads.tenant_id, ids)
    seen = {id: view.see(Change(1, view.object_type, id, 1, NOW), states.get(id), NOW) for id in ids}
    shown = {id: one.row for id, one in seen.items() if one is not None and one.row is not None}
    assert shown == {row.id: row for row in listed}
    assert {id for id, one in seen.items() if one is not None} <= visible
    for id, one in seen.items():
        assert one is None or (one.id, one.version >= 1) == (id, True)


@EXAMPLES
@given(data=st.data())
async def test_tasks(world: World, data: st.DataObject) -> None:
    """Withdrawn and suspended ones, and those of others, too."""
    viewer = data.draw(st.sampled_from(world.viewers))
    by = plain(data.draw(task_filters(world)), data.draw(st.integers(0, 1_000)))
    async with ReadScope(world.tenant.id) as reads:
        page = await list_tasks(reads, viewer, restriction=by, order=task_order(), request=PageRequest(100), now=NOW)
        found = await load_visible_tasks_by_id(reads, viewer, world.tasks)
        visible = {row.id for row in found if row is not None}
        await require_same(reads, await live_tasks(reads, viewer, by), world.tasks, page.rows, visible)


@EXAMPLES
@given(data=st.data())
async def test_enrollments(world: World, data: st.DataObject) -> None:
    """Ended ones, and reasons that have ended, too."""
    viewer = data.draw(st.sampled_from(world.viewers))
    by = plain(data.draw(enrollment_filters(world)), data.draw(st.integers(0, 1_000)))
    async with ReadScope(world.tenant.id) as reads:
        page = await list_enrollments(reads, viewer, restriction=by, request=PageRequest(100))
        visible = {row.id for row in (await list_enrollments(reads, viewer, request=PageRequest(100))).rows}
        await require_same(reads, await live_enrollments(reads, viewer, by), world.enrollments, page.rows, visible)


@EXAMPLES
@given(data=st.data())
async def test_the_log(world: World, data: st.DataObject) -> None:
    """Rules of entries are shown to those only who see rules."""
    viewer = data.draw(st.sampled_from(world.viewers))
    by = plain(data.draw(action_filters(world)), data.draw(st.integers(0, 1_000)))
    async with ReadScope(world.tenant.id) as reads:
        page = await list_content_actions(reads, viewer, restriction=by, request=PageRequest(100))
        visible = {row.id for row in (await list_content_actions(reads, viewer, request=PageRequest(100))).rows}
        await require_same(reads, await live_log(reads, viewer, by), world.actions, page.rows, visible)
