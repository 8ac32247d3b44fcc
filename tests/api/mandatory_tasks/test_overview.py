"""Lists of mandatory tasks: who sees which, filters, orders, pages, and a constant number of statements."""

from typing import Any

import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import ReadScope
from domain.foundation.paging import PageRequest
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.overview.queries import TasksOfLearner, list_tasks, load_tasks_of_learners, task_order
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.mandatory_tasks.conftest import LATER, Given
from tests.api.mandatory_tasks.tasks import LIST, listed
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.company import content_id, learner_id, place_id
from tests.support.given_tasks import create_bulk_assignment, create_task

LATE, BEGUN, NEW, DONE = "Anna: Fire", "Bert: Data", "Bert: Fire", "Cleo: Data"
RESTING = "Dirk: Data"
EVERYTHING = [LATE, BEGUN, NEW, DONE]


async def test_a_page_tells_how_tasks_stand(as_admin: ApiClient, given: Given) -> None:
    """By due date, withdrawn ones and those that rest apart; the page is where a stream can go on from."""
    page = await as_admin.value(LIST)
    assert page["nodes"] == [
        {
            "id": given.tasks[name],
            "status": status,
            "dueOn": due_on,
            "isSuspended": False,
            "learner": {"name": name.partition(":")[0]},
            "target": {"title": name.partition(": ")[2]},
        }
        for name, status, due_on in (
            (LATE, "OVERDUE", "2026-03-10"),
            (BEGUN, "IN_PROGRESS", "2026-03-19"),
            (NEW, "ASSIGNED", "2026-03-20"),
            (DONE, "COMPLETED", "2026-03-20"),
        )
    ]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (4, False)
    assert page["changeCursor"]


async def test_who_sees_which_tasks(
    api: Api,
    as_admin: ApiClient,
    as_reader: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    tenant: Tenant,
    another_admin: Principal,
    given: Given,
) -> None:
    """Admins and READ all, trainers those that they assigned or whose target they train, learners their own."""
    assert await listed(as_admin) == EVERYTHING
    assert await listed(as_reader) == EVERYTHING
    assert await listed(as_trainer) == [LATE, NEW]
    assert await listed(as_learner) == []
    assert await listed(api.acting_as(given.people["Bert"])) == [BEGUN, NEW]
    assert await listed(api.acting_as(another_admin)) == []
    for scope in set(Scope) - {Scope.READ}:
        tool = await factories.create_service_account(tenant.id, scopes=[scope])
        assert await api.acting_as(tool).errors(LIST) == ["FORBIDDEN"]


async def test_a_former_trainer_sees_what_a_learner_sees(api: Api, tenant: Tenant, given: Given) -> None:
    """Being named as a trainer, and having assigned, count only with the role."""
    demoted = await factories.create_person(tenant.id, role=Role.LEARNER)
    course = await factories.create_course(tenant.id, trainers=[demoted.learner_id or 0])
    await create_task(given.people["Anna"].learner_id or 0, course.id, by=demoted, due_on=LATER.date())
    assert await listed(api.acting_as(demoted)) == []


async def test_filters(
    as_admin: ApiClient, as_reader: ApiClient, admin: Principal, sync_account: Principal, given: Given
) -> None:
    """Fields combine with AND, items with OR; partners' IDs are understood."""

    async def found(**filter: Any) -> list[str]:
        return await listed(as_admin, filter=filter)

    tool = ids.encode(ids.SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    assert await found(statuses=["ASSIGNED", "IN_PROGRESS", "OVERDUE"]) == [LATE, BEGUN, NEW]
    assert await found(statuses=["OVERDUE"]) == [LATE]
    assert await found(statuses=["ASSIGNED"]) == [NEW]
    assert await found(statuses=["COMPLETED", "IN_PROGRESS"]) == [BEGUN, DONE]
    assert await found(statuses=[]) == []
    assert await found(learnerIds=[learner_id(given.people["Anna"]), "ext:P-Cleo"]) == [LATE, DONE]
    assert await found(departmentIds=["ext:D-1"]) == [LATE, BEGUN, NEW]
    assert await found(departmentIds=[place_id(given.places["Care"])]) == []
    assert await found(hasDepartment=False) == [DONE]
    assert await found(hasDepartment=True) == [LATE, BEGUN, NEW]
    assert await found(learningGroupIds=["ext:G", place_id(given.places["Night"])]) == [LATE, BEGUN, NEW]
    assert await found(targetIds=["ext:C-2"]) == [BEGUN, DONE]
    assert await found(targetIds=[content_id(given.contents["Fire"])], statuses=["ASSIGNED"]) == [NEW]
    assert await found(dueFrom="2026-03-19", dueUntil="2026-03-19") == [BEGUN]
    assert await found(dueFrom="2026-03-20") == [NEW, DONE]
    assert await found(isAssignedByViewer=True) == [LATE, BEGUN]
    assert await found(isAssignedByViewer=False) == [NEW, DONE]
    assert await listed(as_reader, filter={"isAssignedByViewer": False}) == EVERYTHING
    assert await found(assignerIds=[learner_id(admin), tool]) == [LATE, BEGUN, DONE]
    assert await found(assignerIds=[tool]) == [DONE]
    assert await found(search="ANN") == [LATE]
    assert await found(search="@acme", statuses=["COMPLETED"]) == [DONE]
    assert await found(search="  ") == EVERYTHING


async def test_what_rests_is_shown_when_asked_for(as_admin: ApiClient, given: Given) -> None:
    """It is never overdue."""
    assert await listed(as_admin, filter={"includesSuspended": True}) == [*EVERYTHING, RESTING]
    overdue = {"includesSuspended": True, "statuses": ["OVERDUE"]}
    assigned = {"includesSuspended": True, "statuses": ["ASSIGNED"]}
    assert (await listed(as_admin, filter=overdue), await listed(as_admin, filter=assigned)) == ([LATE], [NEW, RESTING])


async def test_a_status_is_that_of_the_instant(api: Api, as_admin: ApiClient, given: Given) -> None:
    """From 00:00 in the learner's time zone on, whatever runs or does not."""
    overdue = {"statuses": ["OVERDUE"]}
    api.now = api.now.replace(day=19, hour=22, minute=59)
    assert await listed(as_admin, filter=overdue) == [LATE]
    api.advance(minutes=1)
    assert await listed(as_admin, filter=overdue) == [LATE, BEGUN]


async def test_what_may_not_be_seen_matches_nothing(
    as_admin: ApiClient, as_trainer: ApiClient, admin: Principal, trainer: Principal, given: Given, superuser: Any
) -> None:
    """For trainers: partners' IDs of people, groups of others, and bulk assignments that others started."""
    assert await listed(as_trainer, filter={"learnerIds": ["ext:P-Anna"]}) == []
    assert await listed(as_trainer, filter={"learningGroupIds": [place_id(given.places["Choir"])]}) == []
    assert await listed(as_trainer, filter={"learningGroupIds": [place_id(given.places["Night"])]}) == [LATE]
    assert await listed(as_trainer, filter={"departmentIds": ["ext:D-1"], "search": "bert"}) == [NEW]
    fire = given.contents["Fire"].id
    for starter, shown in ((admin, []), (trainer, [LATE])):
        bulk = await create_bulk_assignment(fire, by=starter, due_on=LATER.date())
        await superuser.execute(
            "UPDATE mandatory_task SET bulk_assignment_id = $1 WHERE learner_id = $2",
            bulk.id,
            given.people["Anna"].learner_id,
        )
        by_bulk = {"bulkAssignmentId": ids.encode(ids.BULK_ASSIGNMENT, bulk.id)}
        assert await listed(as_admin, filter=by_bulk) == [LATE]
        assert await listed(as_trainer, filter=by_bulk) == shown


async def test_unknown_ids_match_nothing_and_malformed_ones_are_invalid(
    as_admin: ApiClient, another_admin: Principal, given: Given
) -> None:
    """So are IDs of another type, too many of them, and cursors of another filter or order."""
    names = ("learnerIds", "departmentIds", "learningGroupIds", "targetIds", "assignerIds")
    prefixes = (ids.LEARNER, ids.DEPARTMENT, ids.LEARNING_GROUP, ids.CONTENT, ids.SERVICE_ACCOUNT)
    for name, prefix in zip(names, prefixes, strict=True):
        assert await listed(as_admin, filter={name: [ids.encode(prefix, 99_999_999)]}) == []
        assert await as_admin.errors(LIST, filter={name: ["nonsense"]}) == ["INVALID"]
        assert await as_admin.errors(LIST, filter={name: [ids.encode(ids.RULE, 1)]}) == ["INVALID"]
        assert await as_admin.errors(LIST, filter={name: [ids.encode(prefix, 1)] * 101}) == ["TOO_MANY_ITEMS"]
    assert await as_admin.errors(LIST, filter={"assignerIds": ["ext:P-Anna"]}) == ["INVALID"]
    assert await as_admin.errors(LIST, filter={"bulkAssignmentId": "ext:B"}) == ["INVALID"]
    assert await as_admin.errors(LIST, filter={"statuses": ["ASSIGNED"] * 101}) == ["TOO_MANY_ITEMS"]
    assert await as_admin.errors(LIST, filter={"search": "a\x00"}) == ["INVALID"]
    assert await listed(as_admin, filter={"bulkAssignmentId": ids.encode(ids.BULK_ASSIGNMENT, 1)}) == []
    assert await listed(as_admin, filter={"learnerIds": [learner_id(another_admin)]}) == []
    assert await as_admin.errors(LIST, first=0) == ["INVALID"]
    assert await as_admin.errors(LIST, first=101) == ["INVALID"]
    cursor = (await as_admin.value(LIST, first=1))["pageInfo"]["endCursor"]
    assert await as_admin.errors(LIST, after=cursor, filter={"statuses": ["OVERDUE"]}) == ["INVALID"]
    latest = {"field": "DUE_ON", "direction": "DESC"}
    assert await as_admin.errors(LIST, after=cursor, orderBy=latest) == ["INVALID"]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("field", ["DUE_ON", "CREATED_AT", "UPDATED_AT"])
async def test_pages_give_everything_once(as_admin: ApiClient, given: Given, field: str, direction: str) -> None:
    """In order, whichever it is; ties by ID."""
    expected = {
        "DUE_ON": EVERYTHING,
        "CREATED_AT": [LATE, NEW, BEGUN, DONE],
        # Reported progress is the latest change of two of them.
        "UPDATED_AT": [LATE, NEW, BEGUN, DONE],
    }[field]
    order = {"field": field, "direction": direction}
    found, after = [], None
    for number in range(4):
        page = await as_admin.value(LIST, first=1, after=after, orderBy=order)
        assert page["pageInfo"]["hasPreviousPage"] is (number > 0)
        assert page["pageInfo"]["hasNextPage"] is (number < 3)
        assert page["totalCount"] == 4
        found += [f"{node['learner']['name']}: {node['target']['title']}" for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert found == (expected if direction == "ASC" else expected[::-1])


async def test_tasks_of_a_learner(
    api: Api, as_admin: ApiClient, as_trainer: ApiClient, as_sync: ApiClient, tenant: Tenant, given: Given
) -> None:
    """By due date, as far as the viewer sees them, with the same filter."""
    document = """
    query ($by: LearnerKeyInput!, $filter: MandatoryTaskFilterInput) { learner(by: $by) {
      mandatoryTasks(first: 1, filter: $filter) {
        totalCount pageInfo { hasNextPage } nodes { target { title } status } } } }
    """
    bert = {"id": learner_id(given.people["Bert"])}

    async def shown(client: ApiClient, **filter: Any) -> tuple[int, list[str]]:
        page = (await client.value(document, by=bert, filter=filter))["mandatoryTasks"]
        assert page["pageInfo"]["hasNextPage"] is (page["totalCount"] > 1)
        return page["totalCount"], [node["target"]["title"] for node in page["nodes"]]

    assert await shown(as_admin) == (2, ["Data"])
    assert await shown(as_admin, statuses=["ASSIGNED"]) == (1, ["Fire"])
    assert await shown(as_trainer) == (1, ["Fire"])
    assert await shown(api.acting_as(given.people["Bert"])) == (2, ["Data"])
    assert await as_admin.errors(document, by=bert, filter={"targetIds": ["x"]}) == ["INVALID"]
    # Who only writes people sees their own fields, and nothing that hangs on them.
    writer = await factories.create_service_account(tenant.id, scopes=[Scope.WRITE_LEARNERS])
    payload = await api.acting_as(writer).value(
        "mutation ($input: UpdateLearnerInput!) { updateLearner(input: $input) {"
        " learner { mandatoryTasks { totalCount } } errors { code message path } } }",
        input={"learner": bert, "changes": {"name": "Bertram"}},
    )
    assert payload["learner"]["mandatoryTasks"] == {"totalCount": 0}


async def test_the_first_pages_of_many_learners_cost_one_statement(tenant: Tenant, admin: Principal) -> None:
    """Each learner has their own page, in order, with their own count."""
    courses = [await factories.create_course(tenant.id) for _ in range(2)]
    people = await factories.create_learners(tenant.id, 5)
    for person in people[:3]:
        for course in courses:
            await create_task(person, course.id, by=admin, due_on=LATER.date())
    keys = [TasksOfLearner(person, TaskFilter(), PageRequest(first=1), LATER) for person in people]
    async with ReadScope(tenant.id) as reads:
        pages = await load_tasks_of_learners(reads, admin, keys)
        assert reads.statement_count == 1
        assert [[row.target_id for row in page.rows] for page in pages] == [[courses[0].id]] * 3 + [[]] * 2
        assert [page.has_next for page in pages] == [True] * 3 + [False] * 2
        assert await pages[0].query.count(reads) == 2


async def test_a_page_costs_as_many_statements_however_long_it_is(tenant: Tenant, admin: Principal) -> None:
    """One for the page, and a few for what the filter names."""
    course = await factories.create_course(tenant.id)
    place = await factories.create_place(tenant.id)
    numbers = []
    for _ in range(2):
        for _ in range(3):
            person = await factories.create_learner(tenant.id, places=[place])
            await create_task(person.id, course.id, by=admin, due_on=LATER.date())
        for by, most in ((TaskFilter(), 1), (TaskFilter(department_ids=(place.id,), search="l"), 4)):
            async with ReadScope(tenant.id) as reads:
                page = await list_tasks(
                    reads, admin, restriction=by, order=task_order(), request=PageRequest(100), now=LATER
                )
                assert reads.statement_count <= most
                numbers.append((len(page.rows), reads.statement_count))
    assert [(rows, count) for rows, count in numbers] == [(3, 1), (3, 4), (6, 1), (6, 4)]
