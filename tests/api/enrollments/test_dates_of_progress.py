"""When something is said to have happened: what is believed, and that one bad instant spoils nothing else."""

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import BULK, REPORT, enroll, report
from tests.support import factories
from tests.support.api import ApiClient
from tests.support.catalogue import Connection

LOG = "{ contentActions(first: 10) { nodes { action occurredAt } } }"
BAD_DATES = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T01:00:00Z",
    "0001-01-01T23:59:59+23:59",
    "1753-01-01T00:00:00Z",
    "1899-12-31T23:59:59.999999Z",
    "2999-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
]


@pytest.fixture
async def course(tenant: Tenant) -> Content:
    """A course of one lesson."""
    return await factories.create_course(tenant.id)


async def test_a_date_that_nobody_means_is_refused_for_its_row_alone(
    as_sync: ApiClient, learner: Principal, course: Content
) -> None:
    """The future, and what lies before 1900; the other rows of the batch are done."""
    await enroll(as_sync, learner, course)
    rows = [report(learner, course, lessonsDone=1, occurredAt=date) for date in BAD_DATES]
    good = report(learner, course, lessonsDone=1, occurredAt="1900-01-01T00:00:00Z")
    payload = await as_sync.value(BULK, input={"rows": [*rows, good]})
    refused = [[(error["code"], error["path"]) for error in row["errors"]] for row in payload["results"]]
    assert refused == [[("INVALID", ["occurredAt"])]] * len(BAD_DATES) + [[]]
    assert await as_sync.user_errors(REPORT, input=rows[0]) == [("INVALID", "input.occurredAt")]


@pytest.mark.parametrize(
    "text", ["2026-03-01T10:00:00+00:60", "2026-03-01T10:00:00+24:00", "2026-03-01T10:00:00-99:99"]
)
async def test_an_offset_that_is_none_is_refused(
    as_sync: ApiClient, learner: Principal, course: Content, text: str
) -> None:
    """Like any other text that is no instant."""
    answer = await as_sync.execute(REPORT, input=report(learner, course, occurredAt=text))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_VARIABLES"]


@pytest.mark.parametrize("instant", ["-infinity", "infinity", "4713-01-01 00:00:00 BC", "294276-01-01 00:00:00"])
async def test_an_instant_outside_the_calendar_spoils_no_page(
    as_sync: ApiClient, superuser: Connection, learner: Principal, course: Content, instant: str
) -> None:
    """The nearest instant that there is stands for it: in lists, and where a later report is about the same attempt."""
    await enroll(as_sync, learner, course)
    await as_sync.value(REPORT, input=report(learner, course, isFinished=True))
    await superuser.execute(f"UPDATE enrollment SET completed_at = '{instant}', finished_at = '{instant}'")
    await superuser.execute(f"UPDATE content_action SET occurred_at = '{instant}' WHERE action = 'COMPLETED'")
    nodes = (await as_sync.value(LOG))["nodes"]
    assert [node["action"] for node in nodes] == ["COMPLETED", "ENROLLED"]
    assert nodes[0]["occurredAt"] in ("1900-01-01T00:00:00Z", "8999-12-31T00:00:00Z")
    told = await as_sync.value(REPORT, input=report(learner, course, isFinished=True))
    assert told["errors"] == []


@pytest.mark.parametrize("date", [*BAD_DATES, "9999-12-31T23:59:59Z"])
async def test_filters_take_any_instant(as_sync: ApiClient, learner: Principal, course: Content, date: str) -> None:
    """A range that begins or ends where nothing can be is an empty or a full one."""
    await enroll(as_sync, learner, course)
    for bound in ("occurredFrom", "occurredBefore"):
        document = f'{{ contentActions(first: 1, filter: {{ {bound}: "{date}" }}) {{ nodes {{ action }} }} }}'
        is_full = (bound == "occurredFrom") == (date < "2000")
        assert len((await as_sync.value(document))["nodes"]) == int(is_full)
