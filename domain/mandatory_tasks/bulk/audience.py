"""Who is meant: any mix of people and of places whose active members are meant (spec 4.17).

An audience is the IDs that were named; the people are told by SQL, as they may be a hundred thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, NotFound, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.people.models import PlaceKind
from domain.people.queries import LearnerKey, find_learner_ids, find_named_places

MOST_PARTS = 1_000


@dataclass(frozen=True, slots=True)
class AudiencePart:
    """Exactly one of: a person, the active people of a department, those of a learning group."""

    learner: LearnerKey | None = None
    department: Reference | None = None
    learning_group: Reference | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """People named by themselves, and places."""

    learner_ids: tuple[int, ...]
    place_ids: tuple[int, ...]

    #: Rows (learner_id, is_named), each person once; arguments are `args`, from `$1` on. Who is named by themselves
    #: belongs to it also while inactive.
    PEOPLE = """
SELECT l.id AS learner_id, true AS is_named FROM learner l WHERE l.tenant_id = $1 AND l.id = ANY ($2::bigint[])
UNION ALL
SELECT m.learner_id, false
  FROM (SELECT DISTINCT p.learner_id FROM learner_place p
         WHERE p.tenant_id = $1 AND p.kind IN ('D', 'G') AND p.place_id = ANY ($3::bigint[])) m
  JOIN learner l ON l.id = m.learner_id AND l.tenant_id = $1 AND l.is_active
 WHERE m.learner_id <> ALL ($2::bigint[])
"""

    def args(self, tenant_id: int) -> list[object]:
        """Return the arguments of `PEOPLE`."""
        return [tenant_id, list(self.learner_ids), list(self.place_ids)]


async def resolve_audience(
    sql: Statements, principal: Principal, parts: Sequence[AudiencePart], path: Sequence[str | int] = ("audience",)
) -> Audience:
    """Return what the parts name.

    Raises TooManyItems, Invalid for no part at all, and NotFound for each part that names nobody and no place, or a
    learning group that is not the trainer's own.
    """
    if len(parts) > MOST_PARTS:
        raise TooManyItems(limit=MOST_PARTS, path=path)
    if not parts:
        raise Invalid("At least one part.", path=path)
    problems = ProblemList()
    people = {index: part.learner for index, part in enumerate(parts) if part.learner is not None}
    departments = {index: part.department for index, part in enumerate(parts) if part.department is not None}
    groups = {index: part.learning_group for index, part in enumerate(parts) if part.learning_group is not None}

    def collect(indexes: Sequence[int], found: Sequence[int | None], name: str) -> list[int]:
        for index, key in zip(indexes, found, strict=True):
            if key is None:
                problems.add(NotFound(path=[*path, index, name]))
        return [key for key in found if key is not None]

    learner_ids = place_ids = group_ids = list[int]()
    if people:
        found = await find_learner_ids(sql, principal, list(people.values()))
        learner_ids = collect(list(people), found, "learner")
    if departments:
        found = await find_named_places(sql, principal, PlaceKind.DEPARTMENT, list(departments.values()))
        place_ids = collect(list(departments), found, "departmentId")
    if groups:
        found = await find_named_places(sql, principal, PlaceKind.LEARNING_GROUP, list(groups.values()))
        group_ids = collect(list(groups), found, "learningGroupId")
    problems.raise_if_any()
    return Audience(tuple(sorted(set(learner_ids))), tuple(sorted({*place_ids, *group_ids})))
