"""A company with tasks in each status, of people and contents that trainers, learners and tools see differently."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.api.mandatory_tasks.bulk import Training
from tests.api.mandatory_tasks.tasks import WITHDRAW, assign
from tests.scenarios.conftest import assigning, company
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.company import DEACTIVATE, REPORT, key_of, learner_id

__all__ = ["assigning", "company"]

#: Anna's task for Fire is overdue then.
LATER = datetime(2026, 3, 11, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Given:
    """Who and what there is, by name, and the IDs of the tasks by person and title."""

    people: Mapping[str, Principal]
    contents: Mapping[str, Content]
    places: Mapping[str, Place]
    tasks: Mapping[str, str]


@pytest.fixture
async def given(
    api: Api, tenant: Tenant, trainer: Principal, as_admin: ApiClient, as_trainer: ApiClient, as_sync: ApiClient
) -> Given:
    """Six tasks, of which one is withdrawn and one rests; the trainer trains Fire, and it is two days later."""
    places = {
        "Sales": await factories.create_place(tenant.id, name="Sales", external_id="D-1"),
        "Care": await factories.create_place(tenant.id, name="Care"),
        "Night": await factories.create_place(
            tenant.id, kind=PlaceKind.LEARNING_GROUP, name="Night", owner_id=trainer.learner_id
        ),
        "Choir": await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, name="Choir", external_id="G"),
    }
    contents = {
        "Fire": await factories.create_course(
            tenant.id, title="Fire", external_id="C-1", lesson_count=2, trainers=[trainer.learner_id or 0]
        ),
        "Data": await factories.create_course(tenant.id, title="Data", external_id="C-2", lesson_count=2),
    }
    belongs = {"Anna": ("Sales", "Night"), "Bert": ("Sales", "Choir"), "Cleo": (), "Dirk": ("Care",)}
    people = {
        name: await factories.create_person(
            tenant.id,
            name=name,
            email=f"{name.lower()}@acme.test",
            external_id=f"P-{name}",
            places=[places[place] for place in where],
        )
        for name, where in belongs.items()
    }
    tasks = {}
    for client, person, content, due_on in (
        (as_admin, "Anna", "Fire", "2026-03-10"),
        (as_trainer, "Bert", "Fire", "2026-03-20"),
        (as_admin, "Bert", "Data", "2026-03-19"),
        (as_sync, "Cleo", "Data", "2026-03-20"),
        (as_admin, "Cleo", "Fire", "2026-03-21"),
        (as_admin, "Dirk", "Data", "2026-03-22"),
    ):
        tasks[f"{person}: {content}"] = await assign(client, people[person], contents[content], due_on)
        api.advance(minutes=1)
    progress = {"course": key_of(contents["Data"])}
    await as_admin.run(REPORT, input={"learner": {"id": learner_id(people["Bert"])}, "lessonsDone": 1, **progress})
    await as_admin.run(REPORT, input={"learner": {"id": learner_id(people["Cleo"])}, "isFinished": True, **progress})
    await as_admin.run(WITHDRAW, input={"id": tasks["Cleo: Fire"]})
    await as_admin.run(DEACTIVATE, input={"learner": {"id": learner_id(people["Dirk"])}})
    api.now = LATER
    return Given(people, contents, places, tasks)


@pytest.fixture
async def training(api: Api, tenant: Tenant, as_admin: ApiClient) -> Training:
    """The company, whose course nobody has yet."""
    course = await factories.create_course(tenant.id, title="Fire Safety")
    return Training(api, tenant, course, as_admin)
