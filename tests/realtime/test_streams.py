"""What each stream sends, to whom, and when it ends."""

from domain.foundation.access import Principal
from gql.ids import LEARNER, encode
from tests.support.api import Api
from tests.support.live import LiveServer

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
