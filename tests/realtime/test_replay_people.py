"""Replay of what happens to people and places: tasks and enrollments enter and leave filters by it."""

import pytest

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.learners.bulk_upsert import upsert_learners
from domain.people.learners.changes import LearnerChanges
from domain.tenants.models import Tenant
from tests.realtime.replayed import Plot, Story, begin, replay
from tests.support import factories
from tests.support.api import Api
from tests.support.company import learner_id
from tests.support.live import LiveServer

PEOPLE_PLOT = Plot()
step = PEOPLE_PLOT.step


@step("createLearner", moves="el")
async def somebody_comes(story: Story) -> None:
    await story.do("createLearner", name="Dora", email="dora@acme.test", departmentId=story.where("plant"))


@step("updateLearner", moves="te")
async def somebody_gets_another_name(story: Story) -> None:
    await story.change("lea", name="Leonie")


@step("updateLearner", moves="te")
async def somebody_gets_another_address(story: Story) -> None:
    await story.change("lea", email="leah@other.test")


@step("updateLearner", moves="tel")
async def somebody_gets_another_department(story: Story) -> None:
    await story.change("lea", departmentId=story.where("plant"))


@step("updateLearner", moves="tel")
async def somebody_loses_the_department(story: Story) -> None:
    await story.change("lea", departmentId=None, name="Lea")


@step("updateLearner", moves="te")
async def somebody_gets_a_first_department(story: Story) -> None:
    await story.change("cleo", departmentId=story.where("office"))


@step("updateLearner", moves="t")
async def somebody_moves_to_another_zone(story: Story) -> None:
    await story.change("lea", timeZone="Asia/Tokyo")


@step("updateLearner", moves="")
async def somebody_gets_a_reference_value(story: Story) -> None:
    await story.change("lea", refValues=[{"number": 1, "value": "x"}], externalId="lea-2")


@step("addMembers", "removeMembers", moves="te")
async def somebody_changes_groups(story: Story) -> None:
    await story.do("addMembers", target={"learningGroupId": story.where("day")}, learners=[story.who("lea")])
    await story.do("removeMembers", target={"learningGroupId": story.where("night")}, learners=[story.who("lea")])


@step("addMembers", "removeMembers", moves="")
async def somebody_joins_and_leaves_a_client(story: Story) -> None:
    for mutation in ("addMembers", "removeMembers"):
        await story.do(mutation, target={"clientId": story.where("client")}, learners=[story.who("lea")])


@step("updateLearner", "bulkUpsertLearners", moves="te")
async def many_change(story: Story) -> None:
    await story.change("lea", name="Leah")
    rows = [
        {"externalId": "cleo", "departmentId": "ext:sales"},
        {"externalId": "bob", "name": "Robert"},
        {"externalId": "lea-2", "email": "lea@acme.test"},
    ]
    await story.do("bulkUpsertLearners", rows=rows)


@step("IMPORT", moves="te")
async def people_are_imported(story: Story) -> None:
    rows = [LearnerChanges(external_id="lea-2", name="Lea"), LearnerChanges(external_id="emil")]

    async def act(work: UnitOfWork) -> None:
        await upsert_learners(work, rows=rows, names_from_external_ids=True)

    await perform(Principal.operator(story.tenant.id), story.api.now, "import", act)


@step("deactivateLearner", moves="tel")
async def somebody_rests(story: Story) -> None:
    story.ids["late"] = await story.assign("bob", "fire", "2026-03-25", by="trainer")
    await story.do("deactivateLearner", learner=story.who("bob"))


@step("reactivateLearner", moves="te")
async def somebody_is_back(story: Story) -> None:
    await story.do("reactivateLearner", learner=story.who("bob"))


@step("bulkUpsertLearners", moves="te")
async def many_rest(story: Story) -> None:
    rows = [{"externalId": name, "isActive": False} for name in ("bob", "cleo")]
    await story.do("bulkUpsertLearners", rows=rows)


@step("bulkUpsertLearners", moves="te")
async def many_are_back(story: Story) -> None:
    rows = [{"externalId": name, "isActive": True} for name in ("bob", "cleo")]
    await story.do("bulkUpsertLearners", rows=rows)


@step("updateLearner", moves="te", resets=True)
async def a_trainer_becomes_an_administrator(story: Story) -> None:
    await story.change("trainer", role="ADMIN", name="Tina")


@step("updateLearner", moves="", resets=True)
async def and_a_trainer_again(story: Story) -> None:
    await story.change("trainer", role="TRAINER")


@step("updateLearningGroup", moves="", resets=True)
async def a_group_gets_another_owner(story: Story) -> None:
    await story.do("updateLearningGroup", id=story.where("day"), ownerId=learner_id(story.people["trainer"]))


@step("createLearningGroup", moves="", resets=True)
async def a_trainer_gets_a_group(story: Story) -> None:
    await story.do("createLearningGroup", name="Early", ownerId=learner_id(story.people["trainer"]))


@step("updateLearningGroup", "updateDepartment", "updateClient", "updateSublicense", moves="")
async def places_get_other_names(story: Story) -> None:
    await story.do("updateLearningGroup", id=story.where("day"), name="By day")
    await story.do("updateDepartment", id=story.where("sales"), name="Selling")
    await story.do("updateClient", id=story.where("client"), name="Customer")
    await story.do("updateSublicense", id=story.ids["sublicense"], name="Part")


@step("deleteDepartment", moves="te")
async def a_department_is_deleted(story: Story) -> None:
    await story.do("deleteDepartment", id=story.where("sales"))


@step("deleteLearningGroup", moves="te", resets=True)
async def a_group_is_deleted(story: Story) -> None:
    await story.do("deleteLearningGroup", id=story.where("day"))


@step("eraseLearner", moves="tel")
async def somebody_is_erased(story: Story) -> None:
    await story.do("eraseLearner", learner=story.who("cleo"))


@step("createDepartment", "createClient", "createSublicense", "deleteSublicense", "deleteClient", moves="")
async def places_come_and_go(story: Story) -> None:
    await story.do("createDepartment", name="Yard")
    client = (await story.do("createClient", "client { id }", name="Globex"))["client"]["id"]
    for name in ("North", "South"):
        made = await story.do("createSublicense", "sublicense { id }", name=name, clientId=client)
        story.ids["spare"] = made["sublicense"]["id"]
    await story.do("deleteSublicense", id=story.ids["spare"])
    await story.do("deleteClient", id=client)


async def test_replay(api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to people and places."""
    story = await begin(api, live, tenant, monkeypatch, filtered="te")
    spare = await story.do("createSublicense", "sublicense { id }", name="Half", clientId=story.where("client"))
    story.ids["sublicense"] = spare["sublicense"]["id"]
    await replay(story, PEOPLE_PLOT)


async def test_a_large_department_is_deleted(
    api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In chunks of statements, and nobody of it is forgotten."""
    monkeypatch.setattr("domain.foundation.feed.relisting.CHUNK", 7)
    monkeypatch.setattr("domain.people.places.deletion._CHUNK", 13)
    story = await begin(api, live, tenant, monkeypatch, filtered="t")
    many = await factories.create_learners(tenant.id, 30)
    await factories.place_learners(tenant.id, story.places["sales"], many)
    audience = [{"departmentId": story.where("sales")}]
    await story.do("bulkAssignMandatoryTasks", target=story.what("tour"), audience=audience, dueOn="2026-05-01")
    plot = Plot()

    @plot.step("deleteDepartment", moves="te")
    async def a_department_is_deleted(story: Story) -> None:
        await story.do("deleteDepartment", id=story.where("sales"))

    await replay(story, plot)
