"""Looking bulk assignments up: the list, one by its ID, from its job, and from the tasks that it has created."""

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import writing
from tests.api.mandatory_tasks.bulk import LIST, RESULTS_OF, TASK, Json, Training, named, told
from tests.support import factories
from tests.support.api import Api

NODE = "query ($id: ID!) { node(id: $id) { id } }"
SUBJECT = "query ($id: ID!) { backgroundJob(id: $id) { subject { id __typename } subjectName } }"


async def let_train(training: Training, trainer: Principal) -> None:
    """Make somebody a trainer of the course."""
    async with writing(training.tenant.id) as sql:
        await sql.execute(
            "INSERT INTO content_trainer (content_id, learner_id, tenant_id) VALUES ($1, $2, $3)",
            training.course.id,
            trainer.learner_id,
            training.tenant.id,
        )


async def assigned_by(training: Training, person: Principal, *people: Principal) -> Json:
    """Let somebody assign the course."""
    own = Training(training.api, training.tenant, training.course, training.api.acting_as(person))
    return await own.assign(named(*people))


async def test_the_list_has_the_newest_first_page_by_page(training: Training) -> None:
    """Each with its own numbers and results."""
    people = [await factories.create_person(training.tenant.id, name=name) for name in ("Ann", "Bob", "Cleo")]
    made = [await training.assign(named(*people[: count + 1])) for count in range(3)]
    first = await training.client.value(LIST, first=2)
    assert [node["id"] for node in first["nodes"]] == [made[2]["id"], made[1]["id"]]
    assert [told(node["results"]) for node in first["nodes"]] == [
        {"Ann": "SKIPPED", "Bob": "SKIPPED"},
        {"Ann": "SKIPPED", "Bob": "CREATED"},
    ]
    assert [node["results"]["totalCount"] for node in first["nodes"]] == [3, 2]
    assert [node["results"]["pageInfo"]["hasNextPage"] for node in first["nodes"]] == [True, False]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    rest = await training.client.value(LIST, first=2, after=first["pageInfo"]["endCursor"])
    assert [(node["id"], node["createdCount"]) for node in rest["nodes"]] == [(made[0]["id"], 1)]


async def test_results_of_one_come_page_by_page_and_by_outcome(training: Training) -> None:
    """A cursor belongs to one assignment and one choice of outcomes."""
    people = [await factories.create_person(training.tenant.id, name=name) for name in ("Ann", "Bob", "Cleo")]
    first = await training.assign(named(*people[:2]))
    second = await training.assign(named(*people))
    page = (await training.results(second, first=2))["results"]
    assert (told(page), page["totalCount"]) == ({"Ann": "SKIPPED", "Bob": "SKIPPED"}, 3)
    after = page["pageInfo"]["endCursor"]
    assert told((await training.results(second, first=2, after=after))["results"]) == {"Cleo": "CREATED"}
    assert told((await training.results(second, outcomes=["CREATED", "FAILED"]))["results"]) == {"Cleo": "CREATED"}
    for wrong in ({"id": first["id"]}, {"id": second["id"], "outcomes": ["SKIPPED"]}):
        assert await training.client.errors(RESULTS_OF, first=2, after=after, **wrong) == ["INVALID"]


async def test_trainers_see_those_that_they_have_started(
    api: Api, training: Training, trainer: Principal, learner: Principal, read_account: Principal
) -> None:
    """In the list, by ID, from the job and from a task; admins and READ see all, others nothing."""
    await let_train(training, trainer)
    colleague = await factories.create_person(training.tenant.id, role=Role.TRAINER)
    await let_train(training, colleague)
    theirs = await assigned_by(training, colleague, learner)
    own = await assigned_by(training, trainer, colleague)
    as_trainer = api.acting_as(trainer)
    assert [node["id"] for node in (await as_trainer.value(LIST))["nodes"]] == [own["id"]]
    assert await as_trainer.value(NODE, id=own["id"]) == {"id": own["id"]}
    assert await as_trainer.value(NODE, id=theirs["id"]) is None
    assert (await as_trainer.value(SUBJECT, id=own["job"]["id"]))["subject"]["id"] == own["id"]
    [result] = theirs["results"]["nodes"]
    task = result["mandatoryTask"]["id"]
    # They train the target, so they see the task, but not by what it came.
    assert (await as_trainer.value(TASK, id=task))["bulkAssignment"] is None
    assert (await api.acting_as(learner).value(TASK, id=task))["bulkAssignment"] is None
    for everything in (training.client, api.acting_as(read_account)):
        assert [node["id"] for node in (await everything.value(LIST))["nodes"]] == [own["id"], theirs["id"]]
        assert (await everything.value(TASK, id=task))["bulkAssignment"] == {"id": theirs["id"]}
        assert await everything.value(SUBJECT, id=theirs["job"]["id"]) == {
            "subject": {"id": theirs["id"], "__typename": "BulkAssignment"},
            "subjectName": "Fire Safety",
        }
    tool = await factories.create_service_account(training.tenant.id, scopes=[Scope.WRITE_MANDATORY_TASKS])
    for refused in (learner, tool):
        assert await api.acting_as(refused).errors(LIST) == ["FORBIDDEN"]
        assert await api.acting_as(refused).value(NODE, id=own["id"]) is None


async def test_a_single_task_has_no_bulk_assignment(training: Training, learner: Principal) -> None:
    """Nor has one that was there before."""
    wanted = training.wanted([])
    payload = await training.client.value(
        "mutation ($input: AssignMandatoryTaskInput!) {"
        " assignMandatoryTask(input: $input) { mandatoryTask { id } errors { code } } }",
        input={"target": wanted["target"], "dueOn": wanted["dueOn"], **named(learner)[0]},
    )
    await training.assign(named(learner))
    task = await training.client.value(TASK, id=payload["mandatoryTask"]["id"])
    assert task["bulkAssignment"] is None


async def test_another_tenants_are_not_there(api: Api, training: Training, another_admin: Principal) -> None:
    """Neither in the list nor by ID."""
    bulk = await training.assign(named(await factories.create_person(training.tenant.id)))
    other = api.acting_as(another_admin)
    assert (await other.value(LIST))["nodes"] == []
    assert await other.value(NODE, id=bulk["id"]) is None
