"""Tasks as a stream shows them: the rights and filters of the overview, as predicates over a row that all share.

`task_filter` says the same in SQL; a test holds the two together.
"""

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from domain.enrollments.queries import content_ids, learner_ids
from domain.foundation.access import Principal, Scope
from domain.foundation.database.sessions import Statements
from domain.foundation.feed.changes import Change, ObjectType
from domain.foundation.feed.live import Seen, View, rights_of
from domain.foundation.text_validation import EMAIL_LENGTH, key_text, name_key, storable_text
from domain.mandatory_tasks.overview.filter import TaskFilter
from domain.mandatory_tasks.queries import SOURCE, TaskView, tasks
from domain.mandatory_tasks.rights import require_reading_role, trained_targets
from domain.mandatory_tasks.task_rows import status_of
from domain.people.models import PlaceKind
from domain.people.places.queries import find_place_ids

_FACTS = (
    ", l.name_key, l.email_key, b.created_by_learner_id AS bulk_creator_id,"
    " ARRAY (SELECT p.place_id FROM learner_place p WHERE p.learner_id = t.learner_id AND p.kind = 'D') AS departments,"
    " ARRAY (SELECT p.place_id FROM learner_place p WHERE p.learner_id = t.learner_id AND p.kind = 'G') AS groups"
)
_SOURCE = (
    f"{SOURCE} JOIN learner l ON l.id = t.learner_id LEFT JOIN bulk_assignment b"
    " ON b.tenant_id = t.tenant_id AND b.id = t.bulk_assignment_id"
)
_COLUMNS = [field.name for field in fields(TaskView)]


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task, and what filters and rights ask about it."""

    task: TaskView
    learner_names: tuple[str, ...]
    departments: frozenset[int]
    groups: frozenset[int]
    bulk_creator_id: int | None


@dataclass(frozen=True, slots=True)
class LiveTasks(View[TaskState, TaskView]):
    """The tasks that one viewer follows, with everything that the filter names looked up."""

    object_type: ClassVar[ObjectType] = ObjectType.MANDATORY_TASK

    principal: Principal
    by: TaskFilter
    trained: frozenset[int]
    learners: frozenset[int] | None
    targets: frozenset[int] | None
    departments: frozenset[int] | None
    groups: frozenset[int] | None
    search: str | None

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        is_personal = self.by.is_assigned_by_viewer is not None
        rights = self.principal if is_personal else rights_of(self.principal)
        lookups = (self.trained, self.learners, self.targets, self.departments, self.groups)
        return "tasks", rights, self.by, lookups

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, TaskState]:
        """Return the tasks as they are now, withdrawn ones too."""
        query = tasks(Principal.operator(tenant_id), _SOURCE).where("t.id = ANY (?::bigint[])", list(ids))
        query.select += _FACTS
        return {row["id"]: _state(row) for row in await reads.fetch(query.text, *query.args)}

    def see(self, change: Change, state: TaskState | None, now: dt.datetime) -> Seen[TaskView] | None:
        """Return how the task looks; None where it was never seen or never within the filter."""
        if state is None or not self._is_visible(state.task) or not self._was_ever_within(state):
            return None
        version = max(change.version, state.task.version)
        if not self._is_within(state, now):
            return Seen(state.task.id, version, None)
        return Seen(state.task.id, version, replace(state.task, is_changeable=self._is_changeable(state.task)))

    def _is_visible(self, task: TaskView) -> bool:
        viewer = self.principal
        if viewer.sees_all or task.learner_id == viewer.learner_id:
            return True
        return viewer.is_trainer and (task.assigner_learner_id == viewer.learner_id or task.target_id in self.trained)

    def _is_changeable(self, task: TaskView) -> bool:
        viewer = self.principal
        if viewer.may_write(Scope.WRITE_MANDATORY_TASKS):
            return True
        return viewer.is_trainer and task.assigner_learner_id == viewer.learner_id

    def _is_assigned_by_viewer(self, task: TaskView) -> bool:
        viewer = self.principal
        if viewer.service_account_id is not None:
            return task.assigner_service_account_id == viewer.service_account_id
        return viewer.learner_id is not None and task.assigner_learner_id == viewer.learner_id

    def _was_ever_within(self, state: TaskState) -> bool:
        """Tell whether the parts of the filter are met that nothing ever changes."""
        by, task = self.by, state.task
        if self.learners is not None and task.learner_id not in self.learners:
            return False
        if self.targets is not None and task.target_id not in self.targets:
            return False
        if by.bulk_assignment_id is not None:
            is_seen = self.principal.sees_all or (
                self.principal.is_trainer and state.bulk_creator_id == self.principal.learner_id
            )
            if not is_seen or task.bulk_assignment_id != by.bulk_assignment_id:
                return False
        if by.is_assigned_by_viewer is not None and by.is_assigned_by_viewer != self._is_assigned_by_viewer(task):
            return False
        if by.assigner_ids is not None:
            people, tools = by.assigner_ids
            return task.assigner_learner_id in people or task.assigner_service_account_id in tools
        return True

    def _is_within(self, state: TaskState, now: dt.datetime) -> bool:
        by, task = self.by, state.task
        if task.withdrawn_at is not None or (task.is_suspended and not by.includes_suspended):
            return False
        if by.statuses is not None:
            status = status_of(task.stage, task.due_at, now, is_suspended=task.is_suspended)
            if status not in by.statuses:
                return False
        if by.due_from is not None and task.due_on < by.due_from:
            return False
        if by.due_until is not None and task.due_on > by.due_until:
            return False
        if self.departments is not None and not self.departments & state.departments:
            return False
        if by.has_department is not None and by.has_department != bool(state.departments):
            return False
        if self.groups is not None and not self.groups & state.groups:
            return False
        return self.search is None or any(self.search in name for name in state.learner_names)


def _state(row: Any) -> TaskState:
    names = (row["name_key"], row["email_key"])
    return TaskState(
        task=TaskView(**{name: row[name] for name in _COLUMNS}),
        learner_names=tuple(name for name in names if name is not None),
        departments=frozenset(row["departments"]),
        groups=frozenset(row["groups"]),
        bulk_creator_id=row["bulk_creator_id"],
    )


async def live_tasks(reads: Statements, principal: Principal, by: TaskFilter) -> LiveTasks:
    """Return the view of the tasks that the viewer may see and asks for. Raises like `list_tasks`."""
    require_reading_role(principal)
    by.check()
    search = None
    if by.search is not None and key_text(by.search):
        search = name_key(storable_text(key_text(by.search), path=["filter", "search"], longest=EMAIL_LENGTH))
    places: dict[PlaceKind, frozenset[int] | None] = {
        kind: None if references is None else frozenset(await find_place_ids(reads, principal, kind, references))
        for kind, references in (
            (PlaceKind.DEPARTMENT, by.department_ids),
            (PlaceKind.LEARNING_GROUP, by.learning_group_ids),
        )
    }
    return LiveTasks(
        principal=principal,
        by=by,
        trained=frozenset(await trained_targets(reads, principal)) if principal.is_trainer else frozenset(),
        learners=None if by.learner_ids is None else frozenset(await learner_ids(reads, principal, by.learner_ids)),
        targets=None
        if by.target_ids is None
        else frozenset(await content_ids(reads, principal, by.target_ids, name="targetIds")),
        departments=places[PlaceKind.DEPARTMENT],
        groups=places[PlaceKind.LEARNING_GROUP],
        search=search,
    )
