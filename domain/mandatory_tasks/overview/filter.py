"""What of the tasks is asked for, as conditions of a query, and where to look for it.

All conditions hold in any case. Where to look is said by the few people concerned, or by branches: wanted values of
columns that an index begins with and goes on with the due date. Without either, what is wanted is no small part.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from domain.enrollments.queries import LONGEST_LIST, content_ids, learner_ids
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.paging import Query
from domain.foundation.text_validation import EMAIL_LENGTH, key_text, storable_text
from domain.mandatory_tasks.overview.status_conditions import restrict_statuses
from domain.mandatory_tasks.rights import bulk_visibility, trained_targets, visibility
from domain.mandatory_tasks.status import TaskStatus
from domain.people.models import PlaceKind
from domain.people.places.queries import find_place_ids
from domain.people.search_patterns import contains_pattern

#: The tasks of so many people are rather looked at one by one than searched for among all.
FEW_LEARNERS = 1_000
#: With more values than this, what is wanted is no small part of the tasks, and walking through them finds it soon.
MOST_VALUES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Restriction of a list of tasks: fields combine with AND, items with OR; None restricts nothing."""

    statuses: tuple[TaskStatus, ...] | None = None
    learner_ids: tuple[Reference, ...] | None = None
    department_ids: tuple[Reference, ...] | None = None
    has_department: bool | None = None
    learning_group_ids: tuple[Reference, ...] | None = None
    target_ids: tuple[Reference, ...] | None = None
    bulk_assignment_id: int | None = None
    due_from: dt.date | None = None
    due_until: dt.date | None = None
    is_assigned_by_viewer: bool | None = None
    #: People and service accounts.
    assigner_ids: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    search: str | None = None
    includes_suspended: bool = False

    def check(self) -> None:
        """Raise TooManyItems for each list that is too long."""
        problems = ProblemList()
        lists = {field.name: getattr(self, field.name) for field in fields(self)}
        lists["assigner_ids"] = (
            None if self.assigner_ids is None else [one for part in self.assigner_ids for one in part]
        )
        for name, value in lists.items():
            if isinstance(value, tuple | list) and len(value) > LONGEST_LIST:
                first, *others = name.split("_")
                problems.add(TooManyItems(limit=LONGEST_LIST, path=["filter", first + "".join(map(str.title, others))]))
        problems.raise_if_any()


@dataclass(frozen=True, slots=True)
class Branch:
    """Tasks, `t`, that have a wanted value in a column."""

    column: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class WhereToLook:
    """Where the tasks of a query are: with these people, or in the branches; nowhere in particular without either."""

    learners: Sequence[int] | None = None
    branches: Sequence[Branch] = ()

    @property
    def is_known(self) -> bool:
        """Whether anything is known."""
        return self.learners is not None or bool(self.branches)


async def restrict(
    reads: Statements, principal: Principal, query: Query, by: TaskFilter, now: dt.datetime
) -> WhereToLook:
    """Restrict a query of tasks, `t`, to those in force that the viewer may see and asks for; return where they are.

    Raises Invalid and TooManyItems.
    """
    by.check()
    query.where("t.withdrawn_at IS NULL").where(visibility(principal))
    if not by.includes_suspended:
        query.where("NOT t.is_suspended")
    if by.statuses is not None:
        restrict_statuses(query, frozenset(by.statuses), now, includes_suspended=by.includes_suspended)
    if by.due_from is not None:
        query.where("t.due_on >= ?", by.due_from)
    if by.due_until is not None:
        query.where("t.due_on <= ?", by.due_until)
    if by.bulk_assignment_id is not None:
        query.where("t.bulk_assignment_id = ?", by.bulk_assignment_id)
        # One that the viewer may not see matches nothing: whether it does would tell of it.
        seen = bulk_visibility(principal)
        query.where(f"EXISTS (SELECT 1 FROM bulk_assignment b WHERE b.id = t.bulk_assignment_id AND {seen})")
    if by.is_assigned_by_viewer is not None:
        query.where(_own_assignments(principal) if by.is_assigned_by_viewer else f"NOT {_own_assignments(principal)}")
    if by.assigner_ids is not None:
        people, tools = by.assigner_ids
        query.where(
            "t.assigner_learner_id = ANY (?::bigint[]) OR t.assigner_service_account_id = ANY (?::bigint[])",
            list(people),
            list(tools),
        )
    targets = None if by.target_ids is None else await content_ids(reads, principal, by.target_ids, name="targetIds")
    if targets is not None:
        query.where("t.target_id = ANY (?::bigint[])", targets)
    learners = await _restrict_learners(reads, principal, query, by)
    if learners is not None:
        return WhereToLook(learners=learners)
    if not principal.sees_all:
        return await _visible_part(reads, principal)
    if targets is not None:
        return _in_branches(Branch("target_id", targets))
    if by.assigner_ids is not None:
        people, tools = by.assigner_ids
        return _in_branches(Branch("assigner_learner_id", people), Branch("assigner_service_account_id", tools))
    if by.is_assigned_by_viewer:
        return _in_branches(
            Branch("assigner_learner_id", [principal.learner_id or 0]),
            Branch("assigner_service_account_id", [principal.service_account_id or 0]),
        )
    return WhereToLook()


def _own_assignments(principal: Principal) -> str:
    """Return the SQL condition for what the viewer has assigned."""
    if principal.service_account_id is not None:
        return f"coalesce(t.assigner_service_account_id = {principal.service_account_id:d}, false)"
    return f"coalesce(t.assigner_learner_id = {principal.learner_id or 0:d}, false)"


async def _visible_part(reads: Statements, principal: Principal) -> WhereToLook:
    """Return where those look who do not see all: at their own tasks, trainers also at what is theirs to follow."""
    own = [principal.learner_id or 0]
    if not principal.is_trainer:
        return WhereToLook(learners=own)
    return _in_branches(
        Branch("learner_id", own),
        Branch("assigner_learner_id", own),
        Branch("target_id", await trained_targets(reads, principal)),
    )


def _in_branches(*branches: Branch) -> WhereToLook:
    if any(len(branch.values) > MOST_VALUES for branch in branches):
        return WhereToLook()
    return WhereToLook(branches=[branch for branch in branches if branch.values])


async def _restrict_learners(
    reads: Statements, principal: Principal, query: Query, by: TaskFilter
) -> Sequence[int] | None:
    """Restrict to tasks of people with what is asked for; return these people if they are few."""
    named = None if by.learner_ids is None else await learner_ids(reads, principal, by.learner_ids)
    conditions: list[tuple[str, tuple[Any, ...]]] = []
    for kind, references in (
        (PlaceKind.DEPARTMENT, by.department_ids),
        (PlaceKind.LEARNING_GROUP, by.learning_group_ids),
    ):
        if references is not None:
            places = await find_place_ids(reads, principal, kind, references)
            belongs = (
                "{learner} IN (SELECT p.learner_id FROM learner_place p"
                f" WHERE p.tenant_id = ? AND p.kind = '{kind.value}' AND p.place_id = ANY (?::bigint[]))"
            )
            conditions.append((belongs, (principal.tenant_id, places)))
    if by.has_department is not None:
        somewhere = "EXISTS (SELECT 1 FROM learner_place p WHERE p.learner_id = {learner} AND p.kind = 'D')"
        conditions.append((somewhere if by.has_department else f"NOT {somewhere}", ()))
    if by.search is not None and key_text(by.search):
        text = storable_text(key_text(by.search), path=["filter", "search"], longest=EMAIL_LENGTH)
        conditions.append(("{learner} IN (SELECT search_learners(?))", (contains_pattern(text),)))
    if named is None and not conditions:
        return None
    if conditions:
        people = Query("l.id", "learner l").where("l.tenant_id = ?", principal.tenant_id)
        if named is not None:
            people.where("l.id = ANY (?::bigint[])", named)
        for condition, args in conditions:
            people.where(condition.format(learner="l.id"), *args)
        found = await reads.values(f"{people.text} LIMIT {FEW_LEARNERS + 1}", *people.args)
        if len(found) <= FEW_LEARNERS:
            # What they have in common need not be asked again.
            named, conditions = found, []
    if named is not None:
        query.where("t.learner_id = ANY (?::bigint[])", named)
    for condition, args in conditions:
        query.where(condition.format(learner="t.learner_id"), *args)
    return named
