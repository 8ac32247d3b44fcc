"""The preview of a bulk assignment: who is meant, who would get a task, and why others would not."""

from typing import Any

import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import ReadScope
from domain.people.models import PlaceKind
from gql.contract import ids
from tests.api.mandatory_tasks.bulk import (
    IN_TIME,
    PREVIEW,
    PREVIEWED_RESULTS,
    TOMORROW,
    Training,
    members,
    named,
    person_id,
    told,
)
from tests.security.footprint import footprint
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection

#: Where it is yesterday still, when it is 10:00 in Berlin.
YESTERDAY_ZONE = "Pacific/Pago_Pago"
#: Three days after yesterday.
EARLY = "2026-03-04"


async def everybody(training: Training) -> list[dict[str, Any]]:
    """Make somebody of each kind and return the audience of them all."""
    tenant_id = training.tenant.id

    async def person(name: str, **columns: Any) -> Principal:
        return await factories.create_person(tenant_id, name=name, **columns)

    busy = [await person("Busy"), await person("Busy elsewhere", time_zone=YESTERDAY_ZONE), await person("Busy gone")]
    await training.assign(named(*busy))
    gone = [busy[2], await person("Gone"), await person("Gone elsewhere", time_zone=YESTERDAY_ZONE)]
    for one in gone:
        await training.client.run(
            "mutation ($input: DeactivateLearnerInput!) { deactivateLearner(input: $input) { errors { code } } }",
            input={"learner": {"id": person_id(one)}},
        )
    free = [await person("Free"), await person("Free elsewhere", time_zone=YESTERDAY_ZONE)]
    return named(*busy, *gone, *free)


DATES: dict[str | None, dict[str, str]] = {
    None: {
        "Busy": "SKIPPED",
        "Busy elsewhere": "SKIPPED",
        "Busy gone": "SKIPPED",
        "Free": "CREATED",
        "Free elsewhere": "CREATED",
        "Gone": "FAILED LEARNER_INACTIVE",
        "Gone elsewhere": "FAILED LEARNER_INACTIVE",
    }
}
DATES[IN_TIME] = DATES["2026-03-05"] = DATES[None]
DATES[EARLY] = DATES[None] | {"Free": "FAILED DUE_DATE_TOO_SOON"}
DATES[TOMORROW] = DATES[EARLY] | {"Free elsewhere": "FAILED DUE_DATE_TOO_SOON"}


@pytest.mark.parametrize("due_on", DATES)
async def test_who_has_a_task_is_skipped_who_is_inactive_fails_and_then_the_date_counts(
    training: Training, due_on: str | None
) -> None:
    """In this order, the date as it is in each one's time zone; without a date nobody fails for it."""
    preview = await training.preview(await everybody(training), due_on)
    outcomes = told(preview["results"])
    assert outcomes == DATES[due_on]
    assert list(outcomes) == sorted(outcomes), "not by name"
    assert [node["name"] for node in preview["learners"]["nodes"]] == list(outcomes)
    assert (preview["learnerCount"], preview["learners"]["totalCount"], preview["results"]["totalCount"]) == (7, 7, 7)
    words = [outcome.split()[0] for outcome in outcomes.values()]
    counts = preview["newTaskCount"], preview["skippedCount"], preview["failingCount"]
    assert counts == tuple(words.count(word) for word in ("CREATED", "SKIPPED", "FAILED"))


@pytest.mark.parametrize("due_on", [date for date in DATES if date])
async def test_confirming_does_what_the_preview_says(training: Training, due_on: str) -> None:
    """Person by person, with the same reasons, and the tasks that were there already."""
    audience = await everybody(training)
    preview = await training.preview(audience, due_on)
    bulk = await training.assign(audience, dueOn=due_on)
    assert told(bulk["results"]) == told(preview["results"])
    for before, after in zip(preview["results"]["nodes"], bulk["results"]["nodes"], strict=True):
        assert before["error"] == after["error"]
        assert (before["mandatoryTask"] is not None) == (before["outcome"] == "SKIPPED")
        assert (after["mandatoryTask"] is not None) == (before["outcome"] != "FAILED")
        if before["outcome"] == "SKIPPED":
            assert before["mandatoryTask"] == after["mandatoryTask"]
    assert (bulk["createdCount"], bulk["skippedCount"], bulk["failedCount"]) == (
        preview["newTaskCount"],
        preview["skippedCount"],
        preview["failingCount"],
    )


async def test_why_somebody_would_fail_is_a_user_error(training: Training) -> None:
    """With the earliest date in their time zone, and the part of the input that it is about."""
    audience = await everybody(training)
    results = (await training.preview(audience, TOMORROW))["results"]["nodes"]
    errors = {node["learner"]["name"]: node["error"] for node in results}
    too_soon = {
        "__typename": "DueDateTooSoonError",
        "code": "DUE_DATE_TOO_SOON",
        "path": ["input", "dueOn"],
        "earliestDueOn": "2026-03-05",
    }
    assert errors["Free"] == too_soon
    assert errors["Free elsewhere"] == too_soon | {"earliestDueOn": EARLY}
    assert errors["Gone"] == {
        "__typename": "GenericError",
        "code": "LEARNER_INACTIVE",
        "path": ["input", "audience"],
    }


async def test_the_tenants_minimum_and_time_zone_count(api: Api) -> None:
    """For everybody who has no zone of their own; 0 days is today."""
    tenant = await factories.create_tenant(time_zone=YESTERDAY_ZONE, minimum_lead_days=0)
    admin = await factories.create_person(tenant.id, role=Role.ADMIN, time_zone="Europe/Berlin", name="A")
    person = await factories.create_person(tenant.id, name="B")
    training = Training(api, tenant, await factories.create_course(tenant.id), api.acting_as(admin))
    for due_on, expected in (("2026-03-02", "CREATED"), ("2026-03-01", "FAILED DUE_DATE_TOO_SOON")):
        results = told((await training.preview(named(admin, person), due_on))["results"])
        assert results == {"A": expected, "B": "CREATED"}


async def test_results_come_page_by_page_and_by_outcome(training: Training) -> None:
    """Each person once, by name; equal names too."""
    gone = await factories.create_person(training.tenant.id, name="Aaron", is_active=False)
    people = [await factories.create_person(training.tenant.id, name=name) for name in ("Cleo", "Ann", "Ann", "Bob")]
    asked = training.asked(named(gone, *people))
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        preview = await training.client.value(PREVIEWED_RESULTS, input=asked, first=2, after=after)
        page = preview["results"]
        assert page["totalCount"] == 5
        seen += [(node["learner"]["name"], node["learner"]["id"]) for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [name for name, _ in seen] == ["Aaron", "Ann", "Ann", "Bob", "Cleo"]
    assert len({id for _, id in seen}) == 5

    async def count(*outcomes: str) -> int:
        preview = await training.client.value(PREVIEWED_RESULTS, input=asked, outcomes=list(outcomes))
        total: int = preview["results"]["totalCount"]
        return total

    assert [await count("FAILED"), await count("CREATED"), await count("SKIPPED")] == [1, 4, 0]
    assert [await count("FAILED", "CREATED", "FAILED"), await count()] == [5, 0]
    other = training.asked(named(gone))
    assert await training.client.errors(PREVIEWED_RESULTS, input=other, after=after) == ["INVALID"]
    assert await training.client.errors(PREVIEWED_RESULTS, input=asked, after=after, outcomes=["FAILED"]) == ["INVALID"]
    assert await training.client.errors(PREVIEWED_RESULTS, input=asked, first=101) == ["INVALID"]
    assert await training.client.errors(PREVIEWED_RESULTS, input=asked, outcomes=["FAILED"] * 101) == ["TOO_MANY_ITEMS"]


async def test_an_empty_place_reaches_nobody(training: Training) -> None:
    """The numbers say so; it is no error yet."""
    place, _ = await training.crowd(0)
    preview = await training.preview(members(place))
    assert (preview["learnerCount"], preview["results"]["nodes"], preview["learners"]["nodes"]) == (0, [], [])


async def test_what_is_wrong_with_the_question_is_told_at_the_top(training: Training) -> None:
    """With code and place, for a target, a part, their number, and a date beyond any calendar."""

    async def refused(**fields: Any) -> tuple[str, str]:
        asked = training.asked([{"departmentId": "ext:4711"}]) | fields
        [error] = (await training.client.execute(PREVIEW, input=asked))["errors"]
        return error["extensions"]["code"], ".".join(error["extensions"]["path"])

    sales = await factories.create_place(training.tenant.id, external_id="4711")
    client = await factories.create_place(training.tenant.id, kind=PlaceKind.CLIENT)
    assert await refused(target={"externalId": "nothing"}) == ("NOT_FOUND", "input.target")
    wrong = [{"departmentId": "ext:4711"}, {"departmentId": ids.encode(ids.CLIENT, client.id)}]
    assert await refused(audience=wrong) == ("NOT_FOUND", "input.audience.1.departmentId")
    assert await refused(audience=[{"learner": {"email": "x@y.z"}}]) == ("NOT_FOUND", "input.audience.0.learner")
    assert await refused(audience=[{"learningGroupId": "x"}]) == ("NOT_FOUND", "input.audience.0.learningGroupId")
    assert await refused(audience=[]) == ("INVALID", "input.audience")
    assert await refused(audience=members(sales) * 1_001) == ("TOO_MANY_ITEMS", "input.audience")
    assert await refused(dueOn="9999-12-31") == ("INVALID", "input.dueOn")


async def test_who_may_preview_what(
    api: Api, training: Training, trainer: Principal, learner: Principal, read_account: Principal
) -> None:
    """Trainers what they train, for their groups; READ everything; others nothing."""
    own = await factories.create_course(training.tenant.id, trainers=[trainer.learner_id or 0])
    target = {"id": ids.encode(ids.CONTENT, own.id)}
    group = await factories.create_place(training.tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=trainer.learner_id)
    foreign = await factories.create_place(training.tenant.id, kind=PlaceKind.LEARNING_GROUP)
    member = await factories.create_person(
        training.tenant.id, name="Mia", email="mia@acme.test", external_id="M", places=[group]
    )
    as_trainer = api.acting_as(trainer)
    assert await as_trainer.errors(PREVIEW, input=training.asked(members(group))) == ["NOT_PERMITTED"]
    mine = training.asked(members(group)) | {"target": target}
    preview = await as_trainer.value(PREVIEW, input=mine)
    assert preview["learners"]["nodes"] == [{"id": person_id(member), "name": "Mia", "email": "mia@acme.test"}]
    assert await as_trainer.errors(PREVIEW, input=mine | {"audience": members(foreign)}) == ["NOT_FOUND"]
    assert await as_trainer.errors(PREVIEW, input=mine | {"audience": [{"learner": {"externalId": "M"}}]}) == [
        "NOT_FOUND"
    ]
    writer = await factories.create_service_account(training.tenant.id, scopes=[Scope.WRITE_MANDATORY_TASKS])
    for refused in (learner, writer):
        assert await api.acting_as(refused).errors(PREVIEW, input=mine) == ["FORBIDDEN"]
    assert (await api.acting_as(read_account).value(PREVIEW, input=mine))["learnerCount"] == 1


async def test_a_preview_changes_nothing(training: Training, superuser: Connection) -> None:
    """No row, no job."""
    audience = await everybody(training)
    before = await footprint(superuser)
    await training.preview(audience)
    assert await footprint(superuser) == before


async def test_a_hundred_results_cost_as_many_statements_as_one(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learners and tasks come together, and the numbers are counted once."""
    counts: list[int] = []
    close = ReadScope.close

    async def counted(scope: ReadScope) -> None:
        if scope.statement_count:
            counts.append(scope.statement_count)
        await close(scope)

    place, learner_ids = await training.crowd(40)
    await training.assign(named(*learner_ids[:20]))
    monkeypatch.setattr(ReadScope, "close", counted)
    await training.preview(named(learner_ids[0], learner_ids[30]))
    few = counts[-1]
    await training.preview([*members(place), *named(learner_ids[0])])
    # The department is looked up.
    assert counts[-1] <= few + 1
