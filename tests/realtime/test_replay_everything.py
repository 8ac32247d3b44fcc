"""Nothing that could move a stream is left out of the replays: mutations, kinds of jobs, sweeps, streams."""

from graphql import build_schema

from domain.foundation.models import JobKind
from gql.schema import schema
from jobs.rounds import ROUNDS
from tests.realtime.test_replay_enrollments import ENROLLMENTS_PLOT
from tests.realtime.test_replay_people import PEOPLE_PLOT
from tests.realtime.test_replay_rules import RULES_PLOT
from tests.realtime.test_replay_tasks import TASKS_PLOT
from tests.support.replaying import KINDS

PLOTS = (ENROLLMENTS_PLOT, PEOPLE_PLOT, RULES_PLOT, TASKS_PLOT)
#: Mutations that move no stream, and why.
UNMOVED = {
    "createServiceAccount": "Nobody follows anything as an account that is new.",
    "revokeServiceAccount": "Ends the streams of the account, see test_replay_scopes.",
    "createEmailTemplate": "Templates are in no stream.",
    "updateEmailTemplate": "Templates are in no stream; what reminders show of them are fields of another object.",
    "deleteEmailTemplate": "Templates are in no stream; what reminders show of them are fields of another object.",
    "setNotificationPreference": "Decides about emails only.",
    "renewCalendarUrl": "The link is in no stream.",
}
#: What time brings, by the sweep that a step calls so; None moves no stream.
SWEEPS = {
    "jobs": None,
    "emails": None,
    "expiry": "expiry sweep",
    "reminders": "reminders sweep",
    "openings": "recurrence sweep",
    "overdue": "overdue sweep",
    "seats": "seats sweep",
}

_schema = build_schema(schema().as_str())
_covered = {one for plot in PLOTS for one in plot.covered}


def test_every_mutation_is_replayed() -> None:
    """Or it is said why it moves nothing."""
    assert _schema.mutation_type is not None
    mutations = set(_schema.mutation_type.fields)
    assert mutations - _covered == set(UNMOVED)


def test_every_kind_of_job_is_replayed() -> None:
    """Each moves at least the stream of jobs."""
    moved = {
        kind for plot in PLOTS for step in plot.steps for kind in step.covers if "backgroundJobChanges" in step.moves
    }
    assert set(JobKind) <= moved


def test_every_sweep_is_replayed() -> None:
    """As the table of rounds has them."""
    assert {one.name for one in ROUNDS} == set(SWEEPS)
    assert {sweep for sweep in SWEEPS.values() if sweep} <= _covered


def test_every_stream_is_replayed() -> None:
    """Each is moved by some step."""
    assert _schema.subscription_type is not None
    streams = set(_schema.subscription_type.fields)
    assert {kind.stream for kind in KINDS} == streams
    assert {stream for plot in PLOTS for step in plot.steps for stream in step.moves} == streams
