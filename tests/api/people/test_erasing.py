"""Erasing a person for good: who may, what is left, and what is not."""

from datetime import timedelta

from domain.foundation.access import Principal, Role
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from gql.identity.authentication import issue_token
from tests.api.enrollments.voluntary import join
from tests.api.people.documents import (
    ADD,
    BULK,
    CREATE,
    DEACTIVATE,
    ERASE,
    REACTIVATE,
    REMOVE,
    UPDATE,
    create_place,
    lrn,
    new_learner,
    update_place,
)
from tests.api.people.erasing import AUDIT, erase, shown
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.assigning import Assigning, reminder
from tests.support.catalogue import Connection
from tests.support.company import learner_id, ref_is
from tests.support.traces import traces_of

GROUP = "query($id: ID!) { node(id: $id) { ... on LearningGroup { name owner { name } } } }"
#: What Zora is and was called; nothing of it may be left.
WORDS = [
    *("Zora Quimby", "Zora Vandermeer", "zora"),
    *("ZQ-7714", "ZV-3301", "quimby@acme.test", "vandermeer@acme.test"),
    *("Nebula Operator", "Pacific/Chatham"),
]


async def test_what_is_left_of_a_person(as_admin: ApiClient, zora: Principal) -> None:
    """An ID, a name that is nobody's, and that they are inactive; the payload shows what is stored."""
    left = await erase(as_admin, zora)
    assert left == {
        "id": learner_id(zora),
        "externalId": None,
        "name": "Erased learner",
        "email": None,
        "role": "LEARNER",
        "timeZone": "Europe/Berlin",
        "isActive": False,
        "version": 4,
        "department": None,
        "learningGroups": [],
        "clients": [],
        "sublicenses": [],
        "refValues": [],
    }
    assert await shown(as_admin, id=learner_id(zora)) == left
    assert await shown(as_admin, externalId="ZQ-7714") is None
    assert await shown(as_admin, email="quimby@acme.test") is None


async def test_nothing_of_them_is_left_in_the_database(
    assigning: Assigning, as_admin: ApiClient, zora: Principal, tenant: Tenant, superuser: Connection
) -> None:
    """Open, completed and withdrawn tasks, reminders, sent and waiting emails, a queue, a path, rules, groups.

    After all that, no column of any table has a word that was hers.
    """
    company = assigning.company
    other = await assigning.person("Olga Other")
    trained = await assigning.trained_by(zora, "Trained")
    done, opened, withdrawn, full = [
        await company.course(title, **more)
        for title, more in (
            ("Done", {}),
            ("Open", {}),
            ("Withdrawn", {}),
            ("Full", {"is_self_enrollable": True, "seat_limit": 1, "has_waitlist": True}),
        )
    ]
    path = await company.path("Path", await company.course("First"), await company.course("Second"))
    await company.rule("Operators", ref_is(3, "Pilot"), gives=[done])
    await join(company.api.acting_as(other), full)
    await join(company.api.acting_as(zora), full)
    await company.enroll(zora, path)
    note = "Dear Zora Quimby, please."
    await assigning.assign(zora, done, "2026-03-20", note=note, repeatEveryWeeks=4)
    await assigning.withdraw(await assigning.assign(zora, withdrawn, "2026-03-20", note=note))
    both = [reminder(5, "LEARNER", "ASSIGNER"), reminder(1, "LEARNER")]
    await assigning.assign(zora, opened, "2026-03-20", note=note, reminders=both)
    hers = assigning.acting_as(zora)
    await hers.assign(other, trained, "2026-03-20", reminders=both)
    await hers.switch_email(False)
    await hers.switch_email(True)
    own = await company.api.acting_as(zora).value(
        create_place("LearningGroup"), input={"name": "Night shift", "idempotencyKey": "mine"}
    )
    group = {"id": own["learningGroup"]["id"]}
    admin_id = lrn(company.admin.learner_id)
    await as_admin.run(update_place("LearningGroup"), input={**group, "ownerId": admin_id})
    await as_admin.run(update_place("LearningGroup"), input={**group, "ownerId": learner_id(zora)})
    # As entries were written before.
    await superuser.execute(
        "INSERT INTO audit_entry (tenant_id, operation, object_type, object_id, object_name, changes, occurred_at)"
        " VALUES ($1, 'updateLearningGroup', 'LEARNING_GROUP', 1, 'Day shift', $2, $3)",
        tenant.id,
        '[{"field": "owner", "before": "Zora Vandermeer", "after": "Ada Admin"}]',
        company.api.now,
    )
    await assigning.pass_time(until=company.api.now + timedelta(days=14))
    await assigning.finish(zora, done)
    await assigning.assign(zora, await company.course("Last"), "2026-04-20")
    # All of it is there before, so that it is the erasure that takes it away.
    assert {trace.split(": ")[0] for trace in await traces_of(superuser, WORDS)} == {
        *("audit_entry", "email_delivery", "idempotency_key", "learner", "learner_ref", "mandatory_task"),
    }
    before = await superuser.fetchval("SELECT count(*) FROM content_action")

    await erase(as_admin, zora)
    assert await traces_of(superuser, WORDS) == []
    for table in ("learner_ref", "learner_place", "notification", "notification_preference"):
        assert await superuser.fetchval(f"SELECT count(*) FROM {table} WHERE learner_id = $1", zora.learner_id) == 0
    assert await superuser.fetchval("SELECT count(*) FROM content_action") > before
    await company.run_jobs()
    await assigning.pass_time(days=40)
    assert await traces_of(superuser, WORDS) == []
    assert await company.client.value(GROUP, **group) == {"name": "Night shift", "owner": {"name": "Erased learner"}}


async def test_the_audit_log_tells_that_it_was_done_and_not_to_whom(as_admin: ApiClient, zora: Principal) -> None:
    """Entries stay, with the fields that changed; values stay only where they say nothing about a person."""
    await erase(as_admin, zora)
    entries = (await as_admin.value(AUDIT, ids=[learner_id(zora)]))["nodes"]
    assert [entry["operation"] for entry in entries] == [
        *("eraseLearner", "addMembers", "updateLearner", "bulkUpsertLearners"),
    ]
    assert {entry["objectName"] for entry in entries} == {"Erased learner"}
    assert entries[0]["actor"] == {"name": "Ada Admin"}
    assert {c["field"]: (c["before"], c["after"]) for c in entries[0]["changes"]} == {
        **dict.fromkeys(
            ("externalId", "name", "email", "timeZone", "department", "learningGroups", "clients", "refValues.3"),
            (None, None),
        ),
        "role": ('"TRAINER"', '"LEARNER"'),
        "isActive": ("true", "false"),
    }
    told = {c["field"]: (c["before"], c["after"]) for entry in entries[1:] for c in entry["changes"]}
    assert {field for field, values in told.items() if values != (None, None)} == {"role", "isActive"}


async def test_results_of_repeated_calls_forget_them(as_sync: ApiClient, as_admin: ApiClient, zora: Principal) -> None:
    """The same call with the same key still does nothing more, and answers without the partner's ID of theirs."""
    row = {"externalId": "ZV-3301", "name": "Zora Vandermeer", "email": "vandermeer@acme.test"}
    call = {"idempotencyKey": "hr-1", "rows": [row, row, {"externalId": "O-1", "name": "Other"}]}
    await erase(as_admin, zora)
    results = (await as_sync.value(BULK, input=call))["results"]
    assert [(one["externalId"], one["outcome"]) for one in results] == [
        *(("", "CREATED"), ("", "FAILED"), ("O-1", "CREATED")),
    ]
    assert await shown(as_admin, externalId="ZV-3301") is None


async def test_results_with_odd_names_forget_them_too(
    as_admin: ApiClient, zora: Principal, superuser: Connection
) -> None:
    """A result is kept in another way where a refused row has a name that PostgreSQL cannot hold."""
    names = ("ZQ-7714", "odd\x00name", "O-2")
    call = {"idempotencyKey": "hr-2", "rows": [{"externalId": one, "name": "Zora"} for one in names]}

    async def results() -> list[tuple[str, str]]:
        return [(one["externalId"], one["outcome"]) for one in (await as_admin.value(BULK, input=call))["results"]]

    refused, created = ("odd\x00name", "FAILED"), ("O-2", "CREATED")
    assert await results() == [("ZQ-7714", "UPDATED"), refused, created]
    assert "idempotency_key: ZQ-7714" in await traces_of(superuser, ["ZQ-7714"])
    await erase(as_admin, zora)
    assert await traces_of(superuser, ["ZQ-7714"]) == []
    assert await results() == [("", "UPDATED"), refused, created]


async def test_erasing_twice_is_erasing_once(as_admin: ApiClient, zora: Principal, superuser: Connection) -> None:
    """A success, without another version, entry or change; by the old keys nobody is found any more."""
    left = await erase(as_admin, zora, idempotencyKey="once")
    counts = "SELECT (SELECT count(*) FROM audit_entry), (SELECT count(*) FROM change_pending)"
    before = await superuser.fetchrow(counts)
    assert await erase(as_admin, zora) == left
    assert await erase(as_admin, zora, idempotencyKey="once") == left
    assert await superuser.fetchrow(counts) == before
    gone = {"learner": {"externalId": "ZQ-7714"}}
    assert await as_admin.user_errors(ERASE, input=gone) == [("NOT_FOUND", "input.learner")]


async def test_nothing_brings_them_back(
    as_admin: ApiClient, as_sync: ApiClient, zora: Principal, tenant: Tenant
) -> None:
    """Reactivating, changing and adding are NOT_PERMITTED; deactivating and removing find it done already."""
    left = await erase(as_admin, zora)
    key = {"learner": {"id": learner_id(zora)}}
    for client in (as_admin, as_sync):
        assert await client.user_errors(REACTIVATE, input=key) == [("NOT_PERMITTED", "input.learner")]
        update = {**key, "changes": {"name": "Zora", "email": "no address"}}
        assert await client.user_errors(UPDATE, input=update) == [("NOT_PERMITTED", "input.learner")]
    assert (await as_admin.value(DEACTIVATE, input=key))["learner"] == left
    place = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    members = {"target": {"clientId": ids.encode(ids.CLIENT, place.id)}, "learners": [key["learner"]]}
    assert await as_admin.user_errors(ADD, input=members) == [("NOT_PERMITTED", "input.learners.0")]
    await as_admin.run(REMOVE, input=members)
    group = {"name": "Group", "ownerId": learner_id(zora)}
    assert await as_admin.user_errors(create_place("LearningGroup"), input=group) == [("INVALID", "input.ownerId")]
    assert await shown(as_admin, id=learner_id(zora)) == left


async def test_address_and_number_are_free_for_somebody_new(as_admin: ApiClient, zora: Principal) -> None:
    """Whoever comes with them, by hand or by import, is another person."""
    await erase(as_admin, zora)
    row = {"externalId": "ZQ-7714", "name": "Zora Quimby", "email": "quimby@acme.test"}
    [result] = (await as_admin.value(BULK, input={"rows": [row]}))["results"]
    assert result["outcome"] == "CREATED"
    assert result["learner"]["id"] != learner_id(zora)
    created = await as_admin.value(CREATE, input=new_learner(externalId="ZV-3301", email="vandermeer@acme.test"))
    assert created["learner"]["id"] not in (learner_id(zora), result["learner"]["id"])
    assert (await shown(as_admin, id=learner_id(zora)))["name"] == "Erased learner"


async def test_tokens_and_calendar_stop_working(api: Api, as_admin: ApiClient, zora: Principal) -> None:
    """By ID as by address, and the secret link answers 404."""
    hers = api.acting_as(zora)
    url = (await hers.value("{ viewer { calendarUrl } }"))["calendarUrl"]
    path = url[url.index("/calendar/") :]
    assert (await api.http.get(path)).status_code == 200
    await erase(as_admin, zora)
    assert await hers.errors("{ viewer { id } }") == ["UNAUTHENTICATED"]
    by_email = issue_token(
        api.settings, tenant="acme", now=api.now, lifetime=timedelta(hours=1), email="quimby@acme.test"
    )
    assert await api.with_credential(by_email).errors("{ viewer { id } }") == ["UNAUTHENTICATED"]
    assert (await api.http.get(path)).status_code == 404


async def test_only_admins_who_are_people_erase(
    as_learner: ApiClient, as_trainer: ApiClient, as_sync: ApiClient, zora: Principal, superuser: Connection
) -> None:
    """No scope is enough."""
    for client in (as_learner, as_trainer, as_sync):
        assert await client.errors(ERASE, input={"learner": {"id": learner_id(zora)}}) == ["FORBIDDEN"]
    assert await superuser.fetchval("SELECT count(*) FROM learner WHERE erased_at IS NOT NULL") == 0


async def test_the_last_admin_stays(api: Api, as_admin: ApiClient, admin: Principal, tenant: Tenant) -> None:
    """Until there is another active one; then administrators can erase even themselves."""
    assert await as_admin.user_errors(ERASE, input={"learner": {"id": learner_id(admin)}}) == [
        ("NOT_PERMITTED", "input.learner")
    ]
    other = await factories.create_person(tenant.id, role=Role.ADMIN, name="Berta", is_active=False)
    assert len(await as_admin.user_errors(ERASE, input={"learner": {"id": learner_id(admin)}})) == 1
    await as_admin.run(REACTIVATE, input={"learner": {"id": learner_id(other)}})
    left = await erase(as_admin, admin, idempotencyKey="myself")
    assert (left["name"], left["isActive"]) == ("Erased learner", False)
    assert await as_admin.errors("{ viewer { id } }") == ["UNAUTHENTICATED"]
    [entry] = (await api.acting_as(other).value(AUDIT, ids=[learner_id(admin)]))["nodes"]
    assert entry["actor"] == {"name": "Erased learner"}


async def test_others_in_other_tenants_are_not_concerned(
    api: Api, as_admin: ApiClient, zora: Principal, another_admin: Principal
) -> None:
    """A person of the same name elsewhere keeps everything; nobody erases across tenants."""
    elsewhere = api.acting_as(another_admin)
    row = {"externalId": "ZQ-7714", "name": "Zora Quimby", "email": "quimby@acme.test"}
    created = await elsewhere.value(CREATE, input=row)
    person_id = created["learner"]["id"]
    assert await as_admin.user_errors(ERASE, input={"learner": {"id": person_id}}) == [("NOT_FOUND", "input.learner")]
    await erase(as_admin, zora)
    assert (await shown(elsewhere, id=person_id))["email"] == "quimby@acme.test"
    [entry] = (await elsewhere.value(AUDIT, ids=[person_id]))["nodes"]
    assert entry["objectName"] == "Zora Quimby"
