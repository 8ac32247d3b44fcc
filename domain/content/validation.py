"""What a content is asked to be, judged against what there is; everything that is wrong is reported together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.content.fields import LONGEST_LIST, PathItem, judge_items, judged_columns
from domain.content.models import ContentKind
from domain.content.queries import ContentKey, find_content_ids
from domain.content.state import ContentState, Items
from domain.foundation.access import Role
from domain.foundation.errors import AlreadyExists, Invalid, NotFound, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.keys import find_learner_ids
from domain.people.queries import LearnerKey


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns that a content shall have; None where trainers or items stay."""

    columns: dict[str, Any]
    trainers: frozenset[int] | None
    items: Items | None
    #: Names of courses, for the audit log.
    titles: Mapping[int, str] = field(default_factory=dict)


async def judged(work: UnitOfWork, fields: Mapping[str, Any], before: ContentState | None, path: list[str]) -> Wanted:
    """Return what is to be; raises everything that is wrong with it together."""
    problems = ProblemList()
    columns = judged_columns(fields, problems, path)
    external_id = columns.get("external_id")
    if external_id is not None and await _is_taken(work, external_id, before):
        problems.add(AlreadyExists(path=[*path, "externalId"]))
    trainers = items = None
    titles: dict[int, str] = {}
    if "trainers" in fields:
        known = before.trainers if before else frozenset()
        trainers = await _judged_trainers(work, fields["trainers"], known, problems, [*path, "trainerIds"])
    if "items" in fields:
        items, titles = await _judged_items(work, fields["items"], problems, [*path, "items"])
    problems.raise_if_any()
    return Wanted(columns, trainers, items, titles)


async def _is_taken(work: UnitOfWork, external_id: str, before: ContentState | None) -> bool:
    owner = await work.sql.value(
        "SELECT id FROM content WHERE tenant_id = $1 AND external_id = $2", work.tenant_id, external_id
    )
    return owner is not None and (before is None or owner != before.id)


async def _judged_trainers(
    work: UnitOfWork, references: Sequence[Reference], known: frozenset[int], problems: ProblemList, path: list[str]
) -> frozenset[int]:
    if len(references) > LONGEST_LIST:
        problems.add(TooManyItems(limit=LONGEST_LIST, path=path))
        return frozenset()
    keys = [LearnerKey.of(reference) for reference in references]
    found = await find_learner_ids(work.sql, work.principal, keys) if keys else []
    # KEY SHARE lets them change meanwhile, but not be erased.
    people = await work.sql.fetch(
        "SELECT id, role FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY id FOR KEY SHARE",
        work.tenant_id,
        [learner_id for learner_id in found if learner_id is not None],
    )
    learners = {record["id"] for record in people if record["role"] == Role.LEARNER.value}
    for index, learner_id in enumerate(found):
        if learner_id is None:
            problems.add(NotFound(path=[*path, index]))
        elif learner_id in learners and learner_id not in known:
            problems.add(Invalid("Trainers need the role TRAINER or ADMIN.", path=[*path, index]))
    return frozenset(learner_id for learner_id in found if learner_id is not None)


async def _judged_items(
    work: UnitOfWork, items: Sequence[PathItem], problems: ProblemList, path: list[str]
) -> tuple[Items, dict[int, str]]:
    judge_items(items, problems, path)
    keys = [ContentKey.of(item.course) for item in items[:LONGEST_LIST]]
    found = await find_content_ids(work.sql, work.principal, keys, kind=ContentKind.COURSE) if keys else []
    seen: dict[int, bool] = {}
    for index, (item, course_id) in enumerate(zip(items, found, strict=False)):
        if course_id is None:
            problems.add(NotFound(path=[*path, index, "courseId"]))
        elif course_id in seen:
            problems.add(Invalid("Each course once.", path=[*path, index, "courseId"]))
        else:
            seen[course_id] = item.is_mandatory
    titles = await work.sql.fetch(
        "SELECT id, title FROM content WHERE tenant_id = $1 AND id = ANY ($2::bigint[])", work.tenant_id, list(seen)
    )
    return tuple(seen.items()), {record["id"]: record["title"] for record in titles}
