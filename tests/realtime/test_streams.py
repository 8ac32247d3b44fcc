"""What each stream sends, to whom, and when it ends."""

import json

import httpx
import pytest

from domain.foundation.access import Principal
from gql.contract.ids import LEARNER, encode
from tests.support.api import Api
from tests.support.live import LiveServer

#: What urql accepts for any operation.
ANYTHING = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"

ENROLL = """mutation ($input: EnrollLearnerInput!) {
  enrollLearner(input: $input) { errors { code path message } enrollment { id version } } }"""
COURSE = """mutation ($input: CreateCourseInput!) {
  createCourse(input: $input) { errors { code path message } course { id } } }"""
ENROLLMENTS = """subscription ($filter: EnrollmentFilterInput, $after: String) {
  enrollmentChanges(filter: $filter, after: $after) { cursor reset { reason }
    changes { kind enrollmentId version enrollment { id status isActive learner { name } content { title } } } } }"""


async def make_course(api: Api, admin: Principal, title: str = "Fire safety") -> str:
    """Make a course and return its ID."""
    made = await api.acting_as(admin).value(COURSE, input={"title": title, "lessonCount": 2})
    return str(made["course"]["id"])


async def test_an_enrollment_is_pushed_within_a_second(
    api: Api, live: LiveServer, admin: Principal, learner: Principal
) -> None:
    """The first batch comes at once and is empty; the next one holds what was committed."""
    course = await make_course(api, admin)
    socket = await live.acting_as(admin)
    stream = await socket.subscribe(ENROLLMENTS)
    first = await stream.batch(seconds=1)
    assert (first["changes"], first["reset"]) == ([], None)
    assert learner.learner_id is not None
    made = await api.acting_as(admin).value(
        ENROLL, input={"learner": {"id": encode(LEARNER, learner.learner_id)}, "content": {"id": course}}
    )
    (change,) = await stream.changes(seconds=1)
    assert change["kind"] == "UPSERTED"
    assert change["enrollmentId"] == made["enrollment"]["id"]
    assert change["enrollment"]["learner"]["name"] == "Lea Learner"
    assert change["enrollment"]["content"]["title"] == "Fire safety"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (
            "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
            "text/event-stream",
        ),
        ("text/event-stream", "text/event-stream"),
        ("application/json", "application/json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
    ],
)
async def test_a_subscription_is_answered_by_events_to_who_takes_them(
    api: Api, live: LiveServer, admin: Principal, accept: str, answer: str
) -> None:
    """Clients that say that they would rather have JSON mean queries; who takes no events is told what is needed."""
    headers = api.acting_as(admin).headers | {"Accept": accept}
    body = {"query": "subscription { notificationsReceived { cursor } }"}
    async with httpx.AsyncClient() as client, client.stream("POST", live.url, json=body, headers=headers) as response:
        assert response.headers["content-type"].startswith(answer)
        if answer == "text/event-stream":
            assert response.status_code == 200
            return
        assert response.status_code == 400
        assert json.loads(await response.aread())["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_a_query_is_answered_by_json_to_who_takes_events_too(
    api: Api, live: LiveServer, admin: Principal
) -> None:
    """As urql asks for everything."""
    headers = api.acting_as(admin).headers | {"Accept": ANYTHING}
    async with httpx.AsyncClient() as client:
        response = await client.post(live.url, json={"query": "{ viewer { role } }"}, headers=headers)
    assert response.headers["content-type"].startswith("application/graphql-response+json")
    assert response.json()["data"] == {"viewer": {"role": "ADMIN"}}
