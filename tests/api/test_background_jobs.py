"""Background jobs: who sees them, who may cancel them or let them go on, and what they tell."""

from typing import Any

from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.feed.changes import ObjectType
from domain.foundation.jobs.running import create_job
from domain.foundation.models import BackgroundJob, JobKind, JobStatus
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.tenants.models import Tenant
from gql.contract.ids import BACKGROUND_JOB, CONTENT, RULE, decode, encode
from tests.support import factories
from tests.support.api import Api

JOB = """
id kind status totalCount processedCount failedCount subject { id } subjectName startedBy { name }
canCancel canResume failureReason createdAt finishedAt version
"""
ONE = "query ($id: ID!) { backgroundJob(id: $id) { " + JOB + " } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
LIST = "query ($filter: BackgroundJobFilterInput) { backgroundJobs(filter: $filter) { totalCount nodes { id } } }"
CANCEL = "mutation ($id: ID!) { cancelBackgroundJob(input: {id: $id}) { job { status version } errors { code path } } }"
RESUME = "mutation ($id: ID!) { resumeBackgroundJob(input: {id: $id}) { job { status version } errors { code path } } }"


async def start(api: Api, principal: Principal, kind: JobKind = JobKind.RULE_REEVALUATION, **wanted: Any) -> str:
    """Have somebody start a job and return its ID."""

    async def create(work: UnitOfWork) -> int:
        return await create_job(work, kind, **wanted)

    return encode(BACKGROUND_JOB, (await perform(principal, api.now, "test", create)).result)


async def end(principal: Principal, id: str, status: JobStatus, reason: str | None = None) -> None:
    """Let a job have ended so."""
    decoded = decode(id)
    assert decoded is not None
    async with writing(principal.tenant_id):
        await BackgroundJob.filter(id=decoded[1]).update(status=status, failure_reason=reason)


async def test_a_job_tells_what_it_does_and_how_far_it_is(api: Api, admin: Principal, tenant: Tenant) -> None:
    """With the account that asked for it and what it works for."""
    path = await factories.create_path(tenant.id, title="Onboarding")
    subject = (ObjectType.LEARNING_PATH, path.id, "Onboarding")
    id = await start(api, admin, JobKind.LEARNING_PATH_CHANGE, subject=subject, total_count=250)
    assert await api.acting_as(admin).value(ONE, id=id) == {
        "id": id,
        "kind": "LEARNING_PATH_CHANGE",
        "status": "QUEUED",
        "totalCount": 250,
        "processedCount": 0,
        "failedCount": 0,
        "subject": {"id": encode(CONTENT, path.id)},
        "subjectName": "Onboarding",
        "startedBy": {"name": "Ada Admin"},
        "canCancel": False,
        "canResume": False,
        "failureReason": None,
        "createdAt": "2026-03-02T09:00:00Z",
        "finishedAt": None,
        "version": 1,
    }


async def test_a_subject_that_is_gone_keeps_its_name(api: Api, admin: Principal) -> None:
    """And a job that the system started has nobody who did."""
    operator = Principal.operator(admin.tenant_id)
    id = await start(api, operator, JobKind.RULE_BACKFILL, subject=(ObjectType.RULE, 999_999, "Gone"))
    job = await api.acting_as(admin).value(ONE, id=id)
    assert (job["subject"], job["subjectName"], job["startedBy"]) == (None, "Gone", None)


async def test_why_a_job_failed_is_told_while_it_is_failed(api: Api, admin: Principal) -> None:
    """A failure that was made good by a retry is nobody's concern."""
    id = await start(api, admin)
    await end(admin, id, JobStatus.FAILED, "ValueError: no")
    assert (await api.acting_as(admin).value(ONE, id=id))["failureReason"] == "ValueError: no"
    await end(admin, id, JobStatus.RUNNING, "ValueError: no")
    assert (await api.acting_as(admin).value(ONE, id=id))["failureReason"] is None


async def test_everybody_sees_the_jobs_that_they_may_see(
    api: Api,
    admin: Principal,
    trainer: Principal,
    learner: Principal,
    read_account: Principal,
    another_admin: Principal,
    tenant: Tenant,
) -> None:
    """Admins and READ all of the tenant, newest first; others what they started; learners none."""
    tool = await factories.create_service_account(tenant.id, scopes=[])
    jobs = {who: await start(api, who) for who in (admin, trainer, tool, Principal.operator(tenant.id))}
    foreign = await start(api, another_admin)
    every = list(reversed(jobs.values()))
    for who, visible in (
        (admin, every),
        (read_account, every),
        (trainer, [jobs[trainer]]),
        (tool, [jobs[tool]]),
        (another_admin, [foreign]),
    ):
        client = api.acting_as(who)
        assert await client.value(LIST) == {"totalCount": len(visible), "nodes": [{"id": id} for id in visible]}
        for id in [*every, foreign, "nonsense", encode(RULE, 1), "ext:5"]:
            expected = {"id": id} if id in visible else None
            assert await client.value(NODE, id=id) == expected
            assert ((await client.value(ONE, id=id)) or {}).get("id") == (expected or {}).get("id")
    client = api.acting_as(learner)
    assert await client.errors(LIST) == ["FORBIDDEN"]
    assert await client.errors(ONE, id=every[0]) == ["FORBIDDEN"]


async def test_jobs_are_filtered(api: Api, admin: Principal) -> None:
    """By state and by kind; an empty list matches nothing."""
    backfill = await start(api, admin, JobKind.RULE_BACKFILL)
    done = await start(api, admin, finished_with=5)
    client = api.acting_as(admin)

    async def found(**wanted: Any) -> list[str]:
        return [node["id"] for node in (await client.value(LIST, filter=wanted))["nodes"]]

    assert await found() == [done, backfill]
    assert await found(statuses=["QUEUED", "RUNNING"]) == [backfill]
    assert await found(kinds=["RULE_REEVALUATION"]) == [done]
    assert await found(kinds=["RULE_REEVALUATION"], statuses=["QUEUED"]) == []
    assert await found(kinds=[]) == []
    assert await found(kinds=None) == [done, backfill]


async def test_a_bulk_assignment_may_be_cancelled_and_go_on(api: Api, admin: Principal) -> None:
    """Cancelling twice is the same as once."""
    id = await start(api, admin, JobKind.BULK_ASSIGNMENT)
    client = api.acting_as(admin)
    assert (await client.value(ONE, id=id))["canCancel"] is True
    cancelled = {"job": {"status": "CANCELLED", "version": 2}, "errors": []}
    assert await client.value(CANCEL, id=id) == cancelled
    assert await client.value(CANCEL, id=id) == cancelled
    job = await client.value(ONE, id=id)
    assert (job["canCancel"], job["canResume"], job["finishedAt"]) == (False, True, "2026-03-02T09:00:00Z")
    assert await client.value(RESUME, id=id) == {"job": {"status": "QUEUED", "version": 3}, "errors": []}


async def test_what_memberships_depend_on_cannot_be_cancelled(api: Api, admin: Principal) -> None:
    """A job says so beforehand."""
    id = await start(api, admin)
    client = api.acting_as(admin)
    assert (await client.value(ONE, id=id))["canCancel"] is False
    assert await client.user_errors(CANCEL, id=id) == [("NOT_PERMITTED", "input.id")]


async def test_a_job_whose_subject_is_gone_does_not_go_on(api: Api, admin: Principal) -> None:
    """Nor does one that has done everything."""
    client = api.acting_as(admin)
    gone = await start(api, admin, JobKind.RULE_BACKFILL, subject=(ObjectType.RULE, 999_999, "Gone"))
    await end(admin, gone, JobStatus.FAILED, "x")
    done = await start(api, admin, finished_with=1)
    for id in (gone, done):
        assert (await client.value(ONE, id=id))["canResume"] is False
        assert await client.user_errors(RESUME, id=id) == [("NOT_PERMITTED", "input.id")]


async def test_others_jobs_are_left_alone(
    api: Api, admin: Principal, trainer: Principal, learner: Principal, read_account: Principal
) -> None:
    """Not found by those who do not see them, not permitted to those who do."""
    id = await start(api, admin, JobKind.BULK_ASSIGNMENT)
    for mutation in (CANCEL, RESUME):
        assert await api.acting_as(trainer).user_errors(mutation, id=id) == [("NOT_FOUND", "input.id")]
        assert await api.acting_as(read_account).user_errors(mutation, id=id) == [("NOT_PERMITTED", "input.id")]
        assert await api.acting_as(learner).errors(mutation, id=id) == ["FORBIDDEN"]
        assert await api.acting_as(learner).errors(mutation, id="nonsense") == ["FORBIDDEN"]
        assert await api.acting_as(admin).user_errors(mutation, id="nonsense") == [("NOT_FOUND", "input.id")]
    seen = await api.acting_as(read_account).value(ONE, id=id)
    assert (seen["canCancel"], seen["status"]) == (False, "QUEUED")
    own = await start(api, trainer, JobKind.BULK_ASSIGNMENT)
    assert (await api.acting_as(trainer).value(CANCEL, id=own))["job"]["status"] == "CANCELLED"
