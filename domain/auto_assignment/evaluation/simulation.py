"""What the rules would do if a learner's facts changed so. The change is made, looked at, and taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.auto_assignment.conditions.input import REF_FIELDS
from domain.auto_assignment.rules.validation import require_feature
from domain.content.queries import ContentKey, resolve_contents
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal
from domain.foundation.errors import DomainError, Invalid, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.text_validation import ref_value_text
from domain.foundation.unit_of_work import UnitOfWork, rehearse
from domain.people.events import Fact, FactKind, FactsChanged, LearnerBecameActive, LearnerBecameInactive
from domain.people.models import PlaceKind
from domain.people.queries import LearnerKey, lock_learners, resolve_learner, resolve_places

MAX_CONTENTS = 100


@dataclass(frozen=True, slots=True)
class SupposedStatus:
    """Contents on which a status is supposed to be reached."""

    contents: Sequence[ContentKey]
    status: EnrollmentStatus


@dataclass(frozen=True, slots=True)
class SupposedFacts:
    """Facts that are supposed; None leaves a kind as it is, an empty list of places removes them all."""

    is_active: bool | None = None
    places: dict[PlaceKind, Sequence[Reference]] | None = None
    #: By number; None removes the value.
    ref_values: dict[int, str | None] | None = None
    statuses: Sequence[SupposedStatus] = ()


@dataclass(frozen=True, slots=True)
class SimulatedAction:
    """A log entry that a rule would write."""

    action: str
    content_id: int
    rule_id: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """Rules that would be entered and left, by name, and what would follow, in order."""

    entered_rule_ids: list[int]
    left_rule_ids: list[int]
    effects: list[SimulatedAction]


#: Names of the kinds of places in the API's input.
_PATHS = {
    PlaceKind.DEPARTMENT: "departmentId",
    PlaceKind.CLIENT: "clientIds",
    PlaceKind.SUBLICENSE: "sublicenseIds",
    PlaceKind.LEARNING_GROUP: "learningGroupIds",
}


async def simulate(principal: Principal, now: datetime, *, learner: LearnerKey, facts: SupposedFacts) -> Simulation:
    """Return what would happen; nothing is written. Raises Forbidden, FeatureDisabled, NotFound and Invalid."""
    principal.require_reading_all()
    before: list[set[int]] = []
    learner_ids: list[int] = []
    last_actions: list[int] = []

    async def suppose(work: UnitOfWork) -> None:
        await require_feature(work.sql, work.tenant_id)
        learner_id = await resolve_learner(work.sql, principal, learner, path=["learner"])
        await lock_learners(work, [learner_id])
        before.append(await _member_of(work, learner_id))
        learner_ids.append(learner_id)
        last_actions.append(await _last_action_of(work, learner_id))
        await _suppose(work, learner_id, facts)

    async def look(work: UnitOfWork) -> Simulation:
        was, is_now = before[-1], await _member_of(work, learner_ids[-1])
        effects = await work.sql.rows(
            SimulatedAction,
            "SELECT action, content_id, rule_id FROM content_action"
            " WHERE tenant_id = $1 AND learner_id = $2 AND id > $3 AND rule_id IS NOT NULL"
            "   AND action IN ('ENROLLED', 'UNENROLLED', 'RETAINED') ORDER BY id",
            work.tenant_id,
            learner_ids[-1],
            # The learner is locked: whatever came after it is of this rehearsal.
            last_actions[-1],
        )
        return Simulation(await _by_name(work, is_now - was), await _by_name(work, was - is_now), effects)

    return await rehearse(principal, now, "autoAssignmentSimulation", suppose, look)


async def _member_of(work: UnitOfWork, learner_id: int) -> set[int]:
    return set(
        await work.sql.values(
            "SELECT rule_id FROM rule_member WHERE tenant_id = $1 AND learner_id = $2", work.tenant_id, learner_id
        )
    )


async def _last_action_of(work: UnitOfWork, learner_id: int) -> int:
    last: int = await work.sql.value(
        "SELECT coalesce(max(id), 0) FROM content_action WHERE tenant_id = $1 AND learner_id = $2",
        work.tenant_id,
        learner_id,
    )
    return last


async def _by_name(work: UnitOfWork, rule_ids: set[int]) -> list[int]:
    ids: list[int] = await work.sql.values(
        "SELECT id FROM rule WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY name_key, id",
        work.tenant_id,
        list(rule_ids),
    )
    return ids


async def _suppose(work: UnitOfWork, learner_id: int, facts: SupposedFacts) -> None:
    """Write the supposed facts, whatever else they would mean to a person, and record what changed."""
    old = await _facts(work, learner_id)
    problems = ProblemList()
    for write in (_suppose_places, _suppose_refs, _suppose_statuses):
        try:
            await write(work, learner_id, facts)
        except DomainError as error:
            problems.add_or_raise(error)
    problems.raise_if_any()
    changed = old ^ await _facts(work, learner_id)
    if facts.is_active is not None:
        was_active = await work.sql.value(
            "WITH old AS (SELECT is_active FROM learner WHERE tenant_id = $1 AND id = $2),"
            " now AS (UPDATE learner SET is_active = $3 WHERE tenant_id = $1 AND id = $2)"
            " SELECT is_active FROM old",
            work.tenant_id,
            learner_id,
            facts.is_active,
        )
        if was_active != facts.is_active:
            work.record((LearnerBecameActive if facts.is_active else LearnerBecameInactive)(learner_id))
            return
    if changed:
        work.record(FactsChanged(learner_id, tuple(changed)))


async def _facts(work: UnitOfWork, learner_id: int) -> set[Fact]:
    rows = await work.sql.fetch(
        "SELECT kind, key, value FROM fact WHERE tenant_id = $1 AND learner_id = $2 AND value IS NOT NULL",
        work.tenant_id,
        learner_id,
    )
    return {Fact(FactKind(row["kind"]), row["key"], row["value"]) for row in rows}


async def _suppose_places(work: UnitOfWork, learner_id: int, facts: SupposedFacts) -> None:
    for kind, references in (facts.places or {}).items():
        path = ["changes", _PATHS[kind]]
        if len(references) > MAX_CONTENTS:
            raise TooManyItems(limit=MAX_CONTENTS, path=path)
        place_ids = await resolve_places(work.sql, work.tenant_id, kind, references, path)
        await work.sql.execute(
            "DELETE FROM learner_place WHERE tenant_id = $1 AND learner_id = $2 AND kind = $3",
            work.tenant_id,
            learner_id,
            kind.value,
        )
        await work.sql.execute(
            "INSERT INTO learner_place (learner_id, place_id, tenant_id, kind)"
            " SELECT DISTINCT $2::bigint, place_id, $1::bigint, $3 FROM unnest($4::bigint[]) AS place_id",
            work.tenant_id,
            learner_id,
            kind.value,
            place_ids,
        )


async def _suppose_refs(work: UnitOfWork, learner_id: int, facts: SupposedFacts) -> None:
    for index, (number, value) in enumerate((facts.ref_values or {}).items()):
        path = ["changes", "refValues", str(index)]
        if not 1 <= number <= REF_FIELDS:
            raise Invalid(f"From 1 to {REF_FIELDS}.", path=[*path, "number"])
        args: tuple[Any, ...] = (work.tenant_id, learner_id, number)
        await work.sql.execute(
            "DELETE FROM learner_ref WHERE tenant_id = $1 AND learner_id = $2 AND number = $3", *args
        )
        if value is not None:
            if value == "":
                raise Invalid("Must not be empty; null removes the value.", path=[*path, "value"])
            value = ref_value_text(value, path=[*path, "value"])
            await work.sql.execute(
                "INSERT INTO learner_ref (tenant_id, learner_id, number, value) VALUES ($1, $2, $3, $4)", *args, value
            )


async def _suppose_statuses(work: UnitOfWork, learner_id: int, facts: SupposedFacts) -> None:
    for index, supposed in enumerate(facts.statuses):
        path = ["changes", "contentStatuses", str(index), "contents"]
        if len(supposed.contents) > MAX_CONTENTS:
            raise TooManyItems(limit=MAX_CONTENTS, path=path)
        content_ids = await resolve_contents(work.sql, work.principal, supposed.contents, path)
        # Reaching a status gives no access by itself: an enrollment that is not there stays inactive.
        await work.sql.execute(
            """
            INSERT INTO enrollment (tenant_id, learner_id, content_id, status, fact_status, is_active, is_waitlisted,
                                    progress_percent, lessons_done, attempt, enrolled_at, version)
            SELECT DISTINCT $1::bigint, $2::bigint, content_id, $4, $4, false, false, 0, 0, 1, $5::timestamptz, 1
              FROM unnest($3::bigint[]) AS content_id
            ON CONFLICT (learner_id, content_id)
              DO UPDATE SET status = excluded.status, fact_status = excluded.fact_status
            """,
            work.tenant_id,
            learner_id,
            content_ids,
            supposed.status.value,
            work.now,
        )
