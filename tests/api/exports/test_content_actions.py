"""The log as CSV: who gets which rows and cells, filters by URL, and what spreadsheets make of it."""

import csv
import io
from datetime import datetime

import pytest

from domain.content.models import Content
from domain.enrollments.models import ContentAction, ContentActionKind, EnrollmentStatus
from domain.foundation.access import Principal, Scope, Source
from domain.foundation.database.sessions import writing
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, LEARNER, RULE, SERVICE_ACCOUNT, encode
from gql.exports.reports import disarmed
from tests.api.exports.requests import get, refusal, rows
from tests.support import factories
from tests.support.api import Api, ApiClient

HEADER = (
    "recordedAt,occurredAt,learner,learnerExternalId,learnerName,content,contentExternalId,contentTitle,action,source,"
    "rule,ruleExternalId,ruleName,task,taskExternalId,path,pathExternalId,pathTitle,actor,actorExternalId,actorName,"
    "resultingStatus"
)
LATER = datetime.fromisoformat("2026-02-01T10:30:00+00:00")


@pytest.fixture
async def course(tenant: Tenant, trainer: Principal) -> Content:
    """A course of the trainer."""
    return await factories.create_course(
        tenant.id, title="Fire, smoke", external_id="C-1", trainers=[trainer.learner_id or 0]
    )


@pytest.fixture
async def person(tenant: Tenant) -> Principal:
    """A learner whom the partner knows."""
    return await factories.create_person(tenant.id, name='Pia "P" Person', external_id="P-1")


async def log(
    person: Principal, content: Content, kind: ContentActionKind = ContentActionKind.ENROLLED, **columns: object
) -> ContentAction:
    """Write an entry into the log."""
    values = {
        "source": Source.MANAGER,
        "occurred_at": factories.LONG_AGO,
        "recorded_at": factories.LONG_AGO,
    } | columns
    async with writing(person.tenant_id):
        return await ContentAction.create(
            tenant_id=person.tenant_id,
            learner_id=person.learner_id or 0,
            content_id=content.id,
            action=kind,
            **values,  # type: ignore[arg-type]
        )


def lrn(person: Principal) -> str:
    """Return the ID of a person."""
    return encode(LEARNER, person.learner_id or 0)


async def test_each_entry_is_a_row(
    as_admin: ApiClient, tenant: Tenant, admin: Principal, person: Principal, course: Content, sync_account: Principal
) -> None:
    """In the order of recording; IDs as in the API, the partner's own beside them; empty where there is nothing."""
    path = await factories.create_path(tenant.id, title="Safety", external_id="L-1", courses=[course])
    await log(
        person,
        course,
        source=Source.LEARNING_PATH,
        path_id=path.id,
        rule_id=7,
        rule_name="Newcomers",
        actor_learner_id=admin.learner_id,
        resulting_status=EnrollmentStatus.NOT_STARTED,
        recorded_at=LATER,
    )
    await log(
        person,
        course,
        ContentActionKind.UNENROLLED,
        source=Source.INTEGRATION,
        actor_service_account_id=sync_account.service_account_id,
    )
    response = await get(as_admin)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="content-actions.csv"'
    assert response.headers["cache-control"] == "no-store"
    assert int(response.headers["content-length"]) == len(response.content)
    first_line, *_ = response.content.decode().split("\r\n")
    assert first_line == HEADER
    first, second = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert first == {
        "recordedAt": "2026-02-01T10:30:00Z",
        "occurredAt": "2026-01-05T08:00:00Z",
        "learner": lrn(person),
        "learnerExternalId": "P-1",
        "learnerName": 'Pia "P" Person',
        "content": encode(CONTENT, course.id),
        "contentExternalId": "C-1",
        "contentTitle": "Fire, smoke",
        "action": "ENROLLED",
        "source": "LEARNING_PATH",
        "rule": encode(RULE, 7),
        "ruleExternalId": "",
        "ruleName": "Newcomers",
        "task": "",
        "taskExternalId": "",
        "path": encode(CONTENT, path.id),
        "pathExternalId": "L-1",
        "pathTitle": "Safety",
        "actor": lrn(admin),
        "actorExternalId": "",
        "actorName": "Ada Admin",
        "resultingStatus": "NOT_STARTED",
    }
    assert (second["action"], second["resultingStatus"], second["rule"], second["path"]) == ("UNENROLLED", "", "", "")
    assert second["actor"] == encode(SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    assert second["actorName"] == "HR sync"


async def test_everybody_gets_what_the_query_shows_them(
    api: Api, as_trainer: ApiClient, as_reader: ApiClient, tenant: Tenant, person: Principal, course: Content
) -> None:
    """All of the tenant, what one trains, or one's own; never a rule for those who may not see rules."""
    other = await factories.create_course(tenant.id, title="Other", external_id="C-2")
    stranger = await factories.create_person(tenant.id, name="Sam", external_id="S-1")
    for who, what in ((person, course), (person, other), (stranger, course), (stranger, other)):
        await log(who, what, source=Source.AUTO_ENROLLMENT, rule_id=7, rule_name="Secret")

    async def shown(client: ApiClient) -> list[tuple[str, ...]]:
        columns = ("learnerName", "learnerExternalId", "contentTitle", "contentExternalId", "rule")
        shown = await rows(client)
        assert all(bool(row["ruleName"]) == bool(row["rule"]) for row in shown)
        return [tuple(row[column] for column in columns) for row in shown]

    pia, rule = 'Pia "P" Person', encode(RULE, 7)
    assert await shown(as_reader) == [
        (pia, "P-1", "Fire, smoke", "C-1", rule),
        (pia, "P-1", "Other", "C-2", rule),
        ("Sam", "S-1", "Fire, smoke", "C-1", rule),
        ("Sam", "S-1", "Other", "C-2", rule),
    ]
    assert await shown(as_trainer) == [(pia, "", "Fire, smoke", "C-1", ""), ("Sam", "", "Fire, smoke", "C-1", "")]
    # Contents that a learner was never enrolled in are not in their catalogue.
    assert await shown(api.acting_as(person)) == [(pia, "P-1", "Fire, smoke", "", ""), (pia, "P-1", "Other", "", "")]


async def test_who_may_not_ask_is_told_why(api: Api, tenant: Tenant) -> None:
    """Without a valid credential 401, tools without READ 403, as JSON."""
    response = await get(api.with_credential(None))
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    for scope in set(Scope) - {Scope.READ}:
        tool = await factories.create_service_account(tenant.id, scopes=[scope])
        assert await refusal(api.acting_as(tool)) == (403, [("FORBIDDEN", [])])


async def test_nothing_of_another_tenant_is_exported(
    api: Api, as_admin: ApiClient, another_tenant: Tenant, another_admin: Principal
) -> None:
    """Neither without a filter nor by naming something there."""
    theirs = await factories.create_course(another_tenant.id, title="Theirs", external_id="X-1")
    entry = await log(another_admin, theirs)
    for parameters in (
        (),
        (("contentIds", encode(CONTENT, theirs.id)),),
        (("contentIds", "ext:X-1"),),
        (("learnerIds", lrn(another_admin)),),
        (("actorIds", lrn(another_admin)),),
        (("ruleId", encode(RULE, entry.id)),),
    ):
        assert await rows(as_admin, *parameters) == []
    assert len(await rows(api.acting_as(another_admin))) == 1


async def test_parameters_are_those_of_the_filter(
    as_admin: ApiClient, tenant: Tenant, admin: Principal, person: Principal, course: Content, sync_account: Principal
) -> None:
    """Named like its fields, lists by repeating, combined with AND."""
    other = await factories.create_course(tenant.id, title="Other", external_id="C-2")
    tool = encode(SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    await log(person, course, actor_learner_id=admin.learner_id)
    await log(person, other, actor_service_account_id=sync_account.service_account_id, source=Source.INTEGRATION)
    await log(person, other, ContentActionKind.COMPLETED, occurred_at=LATER)
    await log(admin, course, rule_id=7, source=Source.AUTO_ENROLLMENT)

    async def found(*parameters: tuple[str, str]) -> list[str]:
        return [f"{row['action']} {row['contentTitle']}" for row in await rows(as_admin, *parameters)]

    first, second, third, fourth = "ENROLLED Fire, smoke", "ENROLLED Other", "COMPLETED Other", "ENROLLED Fire, smoke"
    assert await found() == [first, second, third, fourth]
    assert await found(("learnerIds", lrn(person))) == [first, second, third]
    assert await found(("learnerIds", lrn(admin)), ("learnerIds", "ext:P-1")) == [first, second, third, fourth]
    assert await found(("contentIds", "ext:C-2"), ("actions", "ENROLLED")) == [second]
    assert await found(("actions", "ENROLLED"), ("actions", "COMPLETED"), ("contentIds", "ext:C-2")) == [second, third]
    assert await found(("sources", "INTEGRATION"), ("sources", "AUTO_ENROLLMENT")) == [second, fourth]
    assert await found(("ruleId", encode(RULE, 7))) == [fourth]
    assert await found(("actorIds", tool), ("actorIds", lrn(admin))) == [first, second]
    assert await found(("occurredFrom", "2026-02-01T11:30:00+01:00")) == [third]
    assert await found(("occurredBefore", "2026-02-01T10:30:00Z"), ("learnerIds", lrn(person))) == [first, second]


async def test_bad_parameters_are_refused(as_admin: ApiClient) -> None:
    """By name, all together, and without repeating what was sent: a slip must not export everything."""

    async def told(*parameters: tuple[str, str]) -> list[tuple[str, str]]:
        status, errors = await refusal(as_admin, *parameters)
        assert status == 400
        return [(code, ".".join(path)) for code, path in errors]

    assert await told(("learnerId", "lrn_x")) == [("INVALID", "learnerId")]
    assert await told(("first", "5")) == [("INVALID", "first")]
    assert await told(("learnerIds", "nonsense")) == [("INVALID", "learnerIds.0")]
    assert await told(("learnerIds", "")) == [("INVALID", "learnerIds.0")]
    assert await told(("contentIds", "ext:C-1"), ("contentIds", encode(LEARNER, 1))) == [("INVALID", "contentIds.1")]
    assert await told(("ruleId", encode(RULE, 1)), ("ruleId", encode(RULE, 2))) == [("INVALID", "ruleId")]
    assert await told(("ruleId", "ext:R-1")) == [("INVALID", "ruleId")]
    assert await told(("actorIds", encode(CONTENT, 1))) == [("INVALID", "actorIds.0")]
    assert await told(("occurredFrom", "2026-02-01")) == [("INVALID", "occurredFrom")]
    assert await told(("actions", "enrolled"), ("sources", "NOBODY")) == [
        ("INVALID", "actions"),
        ("INVALID", "sources"),
    ]
    many = [("learnerIds", encode(LEARNER, number)) for number in range(1, 102)]
    assert await told(*many) == [("TOO_MANY_ITEMS", "learnerIds")]
    response = await get(as_admin, ("actions", "s3cret"), ("occurredFrom", "s3cret"), ("s3cret", "s3cret"))
    assert "has to be one of: enrolled, " in response.text.lower()
    assert "expected an instant such as" in response.text.lower()
    assert "s3cret" not in response.text.replace('"path":["s3cret"]', "")


async def test_no_cell_is_a_formula(as_admin: ApiClient, tenant: Tenant, admin: Principal) -> None:
    """What begins like one gets an apostrophe in front; everything else stands as it is."""
    titles = ["=1+1", "+49 30", "-5", "@SUM(A1)", "a=b", "Ängste & «Öl»", "two\nlines"]
    for number, title in enumerate(titles):
        course = await factories.create_course(tenant.id, title=title, external_id=f"\tC{number}" if number else None)
        await log(admin, course)
    shown = await rows(as_admin)
    assert [row["contentTitle"] for row in shown] == [
        "'=1+1",
        "'+49 30",
        "'-5",
        "'@SUM(A1)",
        "a=b",
        "Ängste & «Öl»",
        "two\nlines",
    ]
    assert [row["contentExternalId"] for row in shown[:2]] == ["", "'\tC1"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_reports_are_only_read(as_admin: ApiClient, method: str) -> None:
    """By GET and HEAD, and nothing else."""
    response = await as_admin.http.request(method, "/export/content-actions.csv", headers=as_admin.headers)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_head_answers_as_get_does_without_the_file(
    as_admin: ApiClient, person: Principal, course: Content
) -> None:
    """Refusals too."""
    await log(person, course)
    for path in ("/export/content-actions.csv", "/export/mandatory-tasks.csv", "/export/content-actions.csv?x=1"):
        got = await as_admin.http.get(path, headers=as_admin.headers)
        head = await as_admin.http.head(path, headers=as_admin.headers)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("content-type", "content-length", "content-disposition"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)


@pytest.mark.parametrize("path", ["/export/content-actions.csv", "/export/mandatory-tasks.csv"])
async def test_a_byte_order_mark_is_there_when_asked_for(as_admin: ApiClient, path: str) -> None:
    """By `bom=true`; anything else but false is refused."""
    mark = b"\xef\xbb\xbf"
    plain = (await get(as_admin, path=path)).content
    assert not plain.startswith(mark)
    assert (await get(as_admin, ("bom", "false"), path=path)).content == plain
    assert (await get(as_admin, ("bom", "true"), path=path)).content == mark + plain
    assert await refusal(as_admin, ("bom", "1"), path=path) == (400, [("INVALID", ["bom"])])
    assert await refusal(as_admin, ("bom", "true"), ("bom", "true"), path=path) == (400, [("INVALID", ["bom"])])


@pytest.mark.parametrize(
    "text",
    ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff201", " =1", "\u3000\uff1d1", "\n=1", "\t1", "\r1", "@A"],
)
def test_formulas_are_disarmed_however_they_are_written(text: str) -> None:
    """Full-width, and behind blanks."""
    assert disarmed(text) == f"'{text}"
