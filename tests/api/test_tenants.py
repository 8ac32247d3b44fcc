"""The tenant: its settings, the switch of Auto Assignment, service accounts, and the log of who changed what."""

from datetime import timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope, across_tenants
from domain.foundation.errors import AlreadyExists, Forbidden, Invalid, Problems
from domain.foundation.unit_of_work import perform
from domain.tenants.models import Tenant
from domain.tenants.operations import create_tenant, set_rule_limit
from gql.contract.ids import SERVICE_ACCOUNT, TENANT, encode
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient

TENANT_FIELDS = """
id name timeZone enabledFeatures acceptsLearnerProgress version refFields { number label }
limits { autoAssignmentRules backgroundThreshold previewSampleSize minimumLeadDays remindersPerTask }
"""
UPDATE = (
    "mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { tenant { "
    + TENANT_FIELDS
    + " } rescheduling { id } "
    + ERRORS
    + " } }"
)
SWITCH = """
mutation ($on: Boolean!, $key: String) {
  setTenantFeature(input: {feature: AUTO_ASSIGNMENT, isEnabled: $on, idempotencyKey: $key}) {
    tenant { enabledFeatures version } reevaluation { kind status totalCount } errors { code path message } } }
"""
CREATE_ACCOUNT = """
mutation ($input: CreateServiceAccountInput!) { createServiceAccount(input: $input) {
  serviceAccount { id name scopes createdAt lastUsedAt revokedAt } apiKey errors { code path message } } }
"""
REVOKE_ACCOUNT = """
mutation ($id: ID!) { revokeServiceAccount(input: {id: $id}) {
  serviceAccount { name revokedAt } errors { code path message } } }
"""
AUDIT = """
query ($filter: AuditEntryFilterInput) { auditEntries(filter: $filter) { nodes {
  actor { name } operation object { id } objectId objectName changes { field before after } occurredAt } } }
"""


async def change(client: ApiClient, **changes: Any) -> Any:
    """Change the tenant's settings and return it."""
    return (await client.value(UPDATE, input={"changes": changes}))["tenant"]


async def test_the_tenant_of_the_credential_is_shown(as_admin: ApiClient, tenant: Tenant) -> None:
    """Reference fields without a label of their own have a number."""
    assert await as_admin.value("{ tenant { " + TENANT_FIELDS + " } }") == {
        "id": encode(TENANT, tenant.id),
        "name": "Acme",
        "timeZone": "Europe/Berlin",
        "enabledFeatures": ["AUTO_ASSIGNMENT"],
        "acceptsLearnerProgress": True,
        "version": 1,
        "refFields": [{"number": number, "label": f"Ref#{number}"} for number in range(1, 11)],
        "limits": {
            "autoAssignmentRules": 50,
            "backgroundThreshold": 100,
            "previewSampleSize": 100,
            "minimumLeadDays": 3,
            "remindersPerTask": 50,
        },
    }


async def test_learners_do_not_see_reference_fields(as_learner: ApiClient, as_trainer: ApiClient) -> None:
    """Trainers do."""
    assert await as_learner.value("{ tenant { refFields { label } } }") == {"refFields": []}
    assert len((await as_trainer.value("{ tenant { refFields { label } } }"))["refFields"]) == 10


async def test_no_id_leads_to_another_tenant(as_admin: ApiClient, tenant: Tenant, another_tenant: Tenant) -> None:
    """Its existence is not revealed."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [encode(TENANT, tenant.id), encode(TENANT, another_tenant.id), encode(TENANT, 999_999), "nonsense", "ext:5"]
    assert await as_admin.value(query, ids=ids) == [{"id": ids[0]}, None, None, None, None]


async def test_an_admin_changes_settings(as_admin: ApiClient, api: Api) -> None:
    """What is left out stays; the change is in the audit log, field by field."""
    tenant = await change(
        as_admin,
        name="  Acme Ltd ",
        timeZone="America/New_York",
        minimumLeadDays=0,
        acceptsLearnerProgress=False,
        refFieldLabels=[{"number": 2, "label": "Job role"}, {"number": 10, "label": "Site"}],
    )
    assert (tenant["name"], tenant["timeZone"], tenant["version"]) == ("Acme Ltd", "America/New_York", 2)
    assert (tenant["limits"]["minimumLeadDays"], tenant["acceptsLearnerProgress"]) == (0, False)
    assert [field["label"] for field in tenant["refFields"]][:3] == ["Ref#1", "Job role", "Ref#3"]
    assert tenant["refFields"][9] == {"number": 10, "label": "Site"}
    (entry,) = (await as_admin.value(AUDIT))["nodes"]
    assert entry == {
        "actor": {"name": "Ada Admin"},
        "operation": "updateTenant",
        "object": {"id": tenant["id"]},
        "objectId": tenant["id"],
        "objectName": "Acme Ltd",
        "changes": [
            {"field": "name", "before": '"Acme"', "after": '"Acme Ltd"'},
            {"field": "timeZone", "before": '"Europe/Berlin"', "after": '"America/New_York"'},
            {"field": "minimumLeadDays", "before": "3", "after": "0"},
            {"field": "acceptsLearnerProgress", "before": "true", "after": "false"},
            {"field": "refFieldLabels.2", "before": '"Ref#2"', "after": '"Job role"'},
            {"field": "refFieldLabels.10", "before": '"Ref#10"', "after": '"Site"'},
        ],
        "occurredAt": "2026-03-02T09:00:00Z",
    }
    assert (await change(as_admin, refFieldLabels=[{"number": 2, "label": "Role"}]))["refFields"][9]["label"] == "Site"


async def test_what_was_so_already_is_no_change(as_admin: ApiClient) -> None:
    """No version, no entry in the log."""
    assert (await change(as_admin, name="Acme", minimumLeadDays=3, timeZone=None))["version"] == 1
    assert (await change(as_admin))["version"] == 1
    assert (await change(as_admin, refFieldLabels=[{"number": 3, "label": "Ref#3"}]))["version"] == 1
    assert (await as_admin.value(AUDIT))["nodes"] == []


async def test_all_that_is_wrong_is_told_at_once_and_nothing_is_changed(as_admin: ApiClient) -> None:
    """Each problem with its place in the input."""
    changes = {
        "name": " ",
        "timeZone": "Mars/Olympus",
        "minimumLeadDays": 366,
        "acceptsLearnerProgress": False,
        "refFieldLabels": [
            {"number": 11, "label": "x"},
            {"number": 1, "label": "x\ny"},
            {"number": 2, "label": "a"},
            {"number": 2, "label": "b"},
        ],
    }
    assert await as_admin.user_errors(UPDATE, input={"changes": changes}) == [
        ("INVALID", "input.changes.name"),
        ("INVALID", "input.changes.timeZone"),
        ("INVALID", "input.changes.minimumLeadDays"),
        ("INVALID", "input.changes.refFieldLabels.0.number"),
        ("INVALID", "input.changes.refFieldLabels.1.label"),
        ("INVALID", "input.changes.refFieldLabels.3.number"),
    ]
    assert (await as_admin.value("{ tenant { acceptsLearnerProgress version } }")) == {
        "acceptsLearnerProgress": True,
        "version": 1,
    }


async def test_labels_are_limited_to_the_fields_that_there_are(as_admin: ApiClient) -> None:
    """The error says how many may be given."""
    labels = [{"number": 1, "label": "x"}] * 11
    document = """mutation ($labels: [RefFieldLabelInput!]) { updateTenant(input: {changes: {refFieldLabels: $labels}})
      { errors { code path ... on LimitExceededError { limit } } } }"""
    result = await as_admin.execute(document, labels=labels)
    assert result["data"]["updateTenant"]["errors"] == [
        {"code": "TOO_MANY_ITEMS", "path": ["input", "changes", "refFieldLabels"], "limit": 10}
    ]


async def test_a_stale_form_is_refused(as_admin: ApiClient) -> None:
    """With the version that there is now; without `expectedVersion` the last writer wins."""
    await change(as_admin, name="First")
    document = """mutation ($version: Int) {
      updateTenant(input: {expectedVersion: $version, changes: {name: "Second"}}) {
        tenant { name } errors { code path ... on VersionConflictError { currentVersion } } } }"""
    assert (await as_admin.execute(document, version=1))["data"]["updateTenant"] == {
        "tenant": None,
        "errors": [{"code": "VERSION_CONFLICT", "path": ["input", "expectedVersion"], "currentVersion": 2}],
    }
    assert await as_admin.value(document, version=2) == {"tenant": {"name": "Second"}, "errors": []}


async def test_only_people_who_are_admins_change_the_tenant(
    as_trainer: ApiClient, as_learner: ApiClient, as_sync: ApiClient, as_admin: ApiClient
) -> None:
    """No scope of a service account stands in for it."""
    account = {"name": "Tool", "scopes": ["READ"]}
    for client in (as_trainer, as_learner, as_sync):
        assert await client.errors(UPDATE, input={"changes": {"name": "Evil"}}) == ["FORBIDDEN"]
        assert await client.errors(SWITCH, on=False) == ["FORBIDDEN"]
        assert await client.errors(CREATE_ACCOUNT, input=account) == ["FORBIDDEN"]
        assert await client.errors(REVOKE_ACCOUNT, id="nonsense") == ["FORBIDDEN"]
        assert await client.errors("{ serviceAccounts { totalCount } }") == ["FORBIDDEN"]
        assert await client.errors("{ auditEntries { totalCount } }") == ["FORBIDDEN"]
    assert await as_admin.value("{ tenant { name enabledFeatures } }") == {
        "name": "Acme",
        "enabledFeatures": ["AUTO_ASSIGNMENT"],
    }
    assert (await as_admin.value("{ auditEntries { totalCount } }")) == {"totalCount": 0}


async def test_the_switch_is_turned_and_turned_back(as_admin: ApiClient) -> None:
    """Without a rule there is nothing to evaluate; turning it the way it is changes nothing."""
    off = await as_admin.value(SWITCH, on=False)
    assert off == {"tenant": {"enabledFeatures": [], "version": 2}, "reevaluation": None, "errors": []}
    assert (await as_admin.value(SWITCH, on=False))["tenant"]["version"] == 2
    assert (await as_admin.value(SWITCH, on=True))["tenant"] == {"enabledFeatures": ["AUTO_ASSIGNMENT"], "version": 3}
    changes = [entry["changes"] for entry in (await as_admin.value(AUDIT))["nodes"]]
    assert changes == [
        [{"field": "isAutoAssignmentEnabled", "before": "false", "after": "true"}],
        [{"field": "isAutoAssignmentEnabled", "before": "true", "after": "false"}],
    ]


async def test_a_service_account_is_created_and_its_key_works(as_admin: ApiClient, api: Api) -> None:
    """The key is shown once and stored nowhere."""
    created = await as_admin.value(CREATE_ACCOUNT, input={"name": " HR sync ", "scopes": ["WRITE_LEARNERS", "READ"]})
    key = created["apiKey"]
    assert created["serviceAccount"] == {
        "id": created["serviceAccount"]["id"],
        "name": "HR sync",
        "scopes": ["READ", "WRITE_LEARNERS"],
        "createdAt": "2026-03-02T09:00:00Z",
        "lastUsedAt": None,
        "revokedAt": None,
    }
    assert key.startswith("mk_")
    assert len(key) == 46
    viewer = await api.with_credential(key).value("{ viewer { actor { name } scopes } }")
    assert viewer == {"actor": {"name": "HR sync"}, "scopes": ["READ", "WRITE_LEARNERS"]}
    (entry,) = (await as_admin.value(AUDIT))["nodes"]
    assert (entry["operation"], entry["objectName"]) == ("createServiceAccount", "HR sync")
    assert key not in str(entry)


async def test_names_of_service_accounts_are_unique(as_admin: ApiClient) -> None:
    """Within the tenant; blank ones are none."""
    account = {"name": "Tool", "scopes": []}
    await as_admin.value(CREATE_ACCOUNT, input=account)
    assert await as_admin.user_errors(CREATE_ACCOUNT, input=account) == [("ALREADY_EXISTS", "input.name")]
    assert await as_admin.user_errors(CREATE_ACCOUNT, input={"name": "", "scopes": []}) == [("INVALID", "input.name")]


async def test_a_revoked_key_stops_working_at_once(as_admin: ApiClient, api: Api) -> None:
    """The account stays in the list; revoking it again changes nothing."""
    created = await as_admin.value(CREATE_ACCOUNT, input={"name": "Tool", "scopes": ["READ"]})
    client = api.with_credential(created["apiKey"])
    assert (await client.post("{ tenant { name } }")).status_code == 200
    expected = {"serviceAccount": {"name": "Tool", "revokedAt": "2026-03-02T09:00:00Z"}, "errors": []}
    assert await as_admin.value(REVOKE_ACCOUNT, id=created["serviceAccount"]["id"]) == expected
    assert (await client.post("{ tenant { name } }")).status_code == 401
    api.advance(hours=1)
    assert await as_admin.value(REVOKE_ACCOUNT, id=created["serviceAccount"]["id"]) == expected
    listed = await as_admin.value("{ serviceAccounts { totalCount nodes { name revokedAt } } }")
    assert listed == {"totalCount": 1, "nodes": [expected["serviceAccount"]]}


async def test_only_ones_own_tenants_accounts_can_be_revoked(
    as_admin: ApiClient, api: Api, another_tenant: Tenant
) -> None:
    """Another tenant's account is not found, nor is anything that is no account."""
    foreign = await factories.create_service_account(another_tenant.id, key="mk_foreign")
    assert foreign.service_account_id is not None
    for id in (encode(SERVICE_ACCOUNT, foreign.service_account_id), encode(TENANT, 1), "ext:5", "nonsense"):
        assert await as_admin.user_errors(REVOKE_ACCOUNT, id=id) == [("NOT_FOUND", "input.id")]
    assert (await api.with_credential("mk_foreign").post("{ tenant { name } }")).status_code == 200


async def test_service_accounts_are_shown_in_short_form_to_others(
    as_admin: ApiClient, as_sync: ApiClient, as_reader: ApiClient
) -> None:
    """By name and ID where something visible names them; looked up by their ID they are not found."""
    accounts = (await as_admin.value("{ serviceAccounts { nodes { id name scopes } } }"))["nodes"]
    assert [account["name"] for account in accounts] == ["HR sync", "Reporting"]
    query = "query ($id: ID!) { node(id: $id) { ... on ServiceAccount { name scopes } } }"
    assert await as_admin.value(query, id=accounts[1]["id"]) == {"name": "Reporting", "scopes": ["READ"]}
    assert await as_sync.value(query, id=accounts[1]["id"]) is None


async def test_the_same_key_with_the_same_input_does_nothing_more(as_admin: ApiClient) -> None:
    """The second answer is the first one, but secrets are shown once."""
    account = {"name": "Tool", "scopes": ["READ"], "idempotencyKey": "k1"}
    first = await as_admin.value(CREATE_ACCOUNT, input=account)
    second = await as_admin.value(CREATE_ACCOUNT, input=account)
    assert second == first | {"apiKey": None}
    assert (await as_admin.value("{ serviceAccounts { totalCount } }")) == {"totalCount": 1}


async def test_left_out_and_null_are_the_same_input(as_admin: ApiClient) -> None:
    """Generated clients send null for what is absent."""
    absent = {"idempotencyKey": "k1", "changes": {"name": "New"}}
    null = {"idempotencyKey": "k1", "expectedVersion": None, "changes": {"timeZone": None, "name": "New"}}
    assert (await as_admin.value(UPDATE, input=absent))["tenant"]["version"] == 2
    await change(as_admin, name="Newer")
    replayed = await as_admin.value(UPDATE, input=null)
    assert (replayed["tenant"]["name"], replayed["tenant"]["version"]) == ("Newer", 3)


async def test_the_same_key_with_another_input_is_refused(as_admin: ApiClient, api: Api) -> None:
    """Until the key is forgotten after 24 hours."""
    await as_admin.value(UPDATE, input={"idempotencyKey": "k1", "changes": {"name": "New"}})
    other = {"idempotencyKey": "k1", "changes": {"name": "Other"}}
    assert await as_admin.user_errors(UPDATE, input=other) == [("IDEMPOTENCY_KEY_REUSED", "input.idempotencyKey")]
    # The key belongs to one mutation.
    assert (await as_admin.value(SWITCH, on=False, key="k1"))["tenant"]["enabledFeatures"] == []
    api.now += timedelta(hours=24, seconds=1)
    assert (await as_admin.value(UPDATE, input=other))["tenant"]["name"] == "Other"


async def test_a_refused_input_may_be_corrected_under_the_same_key(as_admin: ApiClient) -> None:
    """Failures are not remembered."""
    wrong = {"idempotencyKey": "k1", "changes": {"name": ""}}
    assert await as_admin.user_errors(UPDATE, input=wrong) == [("INVALID", "input.changes.name")]
    right = {"idempotencyKey": "k1", "changes": {"name": "New"}}
    assert (await as_admin.value(UPDATE, input=right))["tenant"]["name"] == "New"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b"])
async def test_a_key_that_cannot_be_kept_is_invalid(as_admin: ApiClient, key: str) -> None:
    """From 1 to 255 characters."""
    assert await as_admin.user_errors(UPDATE, input={"idempotencyKey": key, "changes": {}}) == [
        ("INVALID", "input.idempotencyKey")
    ]


async def test_keys_of_two_accounts_do_not_meet(as_admin: ApiClient, api: Api, tenant: Tenant) -> None:
    """Another admin's key is another key."""
    other = api.acting_as(await factories.create_person(tenant.id, role=Role.ADMIN))
    await as_admin.value(UPDATE, input={"idempotencyKey": "k1", "changes": {"name": "One"}})
    changed = await other.value(UPDATE, input={"idempotencyKey": "k1", "changes": {"name": "Two"}})
    assert changed["tenant"]["name"] == "Two"


async def test_the_audit_log_is_filtered(as_admin: ApiClient, api: Api, admin: Principal, tenant: Tenant) -> None:
    """By object, by account and by time; IDs that cannot be are invalid, unknown ones match nothing."""
    await change(as_admin, name="One")
    api.advance(hours=1)
    created = await as_admin.value(CREATE_ACCOUNT, input={"name": "Tool", "scopes": []})
    tool = created["serviceAccount"]["id"]
    viewer = (await as_admin.value("{ viewer { actor { id } } }"))["actor"]["id"]

    async def operations(**wanted: Any) -> list[str]:
        return [entry["operation"] for entry in (await as_admin.value(AUDIT, filter=wanted))["nodes"]]

    both = ["createServiceAccount", "updateTenant"]
    assert await operations() == both
    assert await operations(objectIds=[tool]) == both[:1]
    assert await operations(objectIds=[encode(TENANT, tenant.id), tool]) == both
    assert await operations(objectIds=[]) == []
    assert await operations(actorIds=[viewer]) == both
    assert await operations(actorIds=[tool]) == []
    assert await operations(occurredFrom="2026-03-02T10:00:00Z") == both[:1]
    assert await operations(occurredBefore="2026-03-02T11:00:00+01:00") == both[1:]
    for name in ("objectIds", "actorIds"):
        result = await as_admin.execute(AUDIT, filter={name: ["nonsense"]})
        assert result["errors"][0]["extensions"] == {"code": "INVALID", "path": ["filter", name, "0"]}


async def test_the_operator_creates_a_tenant(database: None, api: Api) -> None:
    """With the head of its feed and Auto Assignment switched off."""
    tenant_id = await create_tenant(now=api.now, slug="initech", name=" Initech ", time_zone="Europe/Vienna")
    async with ReadScope(tenant_id) as reads:
        record = (await reads.fetch("SELECT slug, name, time_zone, is_auto_assignment_enabled FROM tenant"))[0]
        assert tuple(record.values()) == ("initech", "Initech", "Europe/Vienna", False)
        assert await reads.values("SELECT position FROM feed_head") == [0]
    assert (await across_tenants("SELECT find_tenant('initech')"))[0][0] == tenant_id
    with pytest.raises(AlreadyExists) as taken:
        await create_tenant(now=api.now, slug="initech", name="Another", time_zone="UTC")
    assert taken.value.path == ["slug"]


async def test_a_tenant_is_not_created_from_nonsense(database: None, api: Api) -> None:
    """Slug, name and time zone are judged together."""
    with pytest.raises(Problems) as wrong:
        await create_tenant(now=api.now, slug="No Slug", name="", time_zone="Mars/Olympus")
    assert [error.path for error in wrong.value.errors] == [["slug"], ["name"], ["timeZone"]]


async def test_the_operator_alone_sets_the_limit_of_rules(as_admin: ApiClient, admin: Principal, api: Api) -> None:
    """The tenant sees it among its limits."""

    async def set_limit(principal: Principal, limit: int) -> None:
        await perform(principal, api.now, "setRuleLimit", lambda work: set_rule_limit(work, rule_limit=limit))

    await set_limit(Principal.operator(admin.tenant_id), 2_000)
    tenant = await as_admin.value("{ tenant { version limits { autoAssignmentRules } } }")
    assert tenant == {"version": 2, "limits": {"autoAssignmentRules": 2_000}}
    with pytest.raises(Forbidden):
        await set_limit(admin, 5_000)
    with pytest.raises(Invalid):
        await set_limit(Principal.operator(admin.tenant_id), -1)
