"""Enrollments and log entries as streams show them: rights and filters as predicates over rows that all viewers share.

`queries` and `log_filter` say the same in SQL; a test holds them together.
"""

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from domain.content.queries import trained_by
from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.action_log.queries import ContentActionRow, query_actions, require_log
from domain.enrollments.queries import (
    LONGEST_LIST,
    EnrollmentFilter,
    EnrollmentRow,
    content_ids,
    learner_ids,
    query_enrollments,
    require_enrollments,
)
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.feed.changes import Change, ObjectType
from domain.foundation.feed.live import Seen, View, rights_of

_REASONS = (
    ", ARRAY (SELECT r.source FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL) AS sources"
    ", ARRAY (SELECT r.rule_id FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL) AS rules"
    ", ARRAY (SELECT r.path_id FROM enrollment_reason r WHERE r.enrollment_id = e.id AND r.until_at IS NULL) AS paths"
)
_COLUMNS = [field.name for field in fields(EnrollmentRow)]


@dataclass(frozen=True, slots=True)
class Rights:
    """Whose enrollments and log entries a viewer sees: all, their own, and those of what they train."""

    principal: Principal
    trained: frozenset[int]

    @property
    def key(self) -> Hashable:
        """Equal for accounts that see the same."""
        return rights_of(self.principal), self.trained

    def include(self, learner_id: int, content_id: int) -> bool:
        """Tell whether the viewer sees what concerns this person and content."""
        viewer = self.principal
        return viewer.sees_all or learner_id == viewer.learner_id or content_id in self.trained


@dataclass(frozen=True, slots=True)
class EnrollmentState:
    """An enrollment, and what holds it."""

    enrollment: EnrollmentRow
    sources: frozenset[str]
    rules: frozenset[int]
    paths: frozenset[int]


@dataclass(frozen=True, slots=True)
class LiveEnrollments(View[EnrollmentState, EnrollmentRow]):
    """The enrollments that one viewer follows, with everything that the filter names looked up."""

    object_type: ClassVar[ObjectType] = ObjectType.ENROLLMENT

    rights: Rights
    by: EnrollmentFilter
    learners: frozenset[int] | None
    contents: frozenset[int] | None
    paths: frozenset[int] | None

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        return "enrollments", self.rights.key, self.by, self.learners, self.contents, self.paths

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, EnrollmentState]:
        """Return the enrollments as they are now."""
        query = query_enrollments(Principal.operator(tenant_id)).where("e.id = ANY (?::bigint[])", list(ids))
        query.select += _REASONS
        return {
            row["id"]: EnrollmentState(
                EnrollmentRow(**{name: row[name] for name in _COLUMNS}),
                frozenset(row["sources"]),
                frozenset(row["rules"]),
                frozenset(row["paths"]),
            )
            for row in await reads.fetch(query.text, *query.args)
        }

    def see(self, change: Change, state: EnrollmentState | None, now: dt.datetime) -> Seen[EnrollmentRow] | None:
        """Return how the enrollment looks; None where it was never seen or never within the filter."""
        if state is None:
            return None
        row, by = state.enrollment, self.by
        if not self.rights.include(row.learner_id, row.content_id):
            return None
        if self.learners is not None and row.learner_id not in self.learners:
            return None
        if self.contents is not None and row.content_id not in self.contents:
            return None
        # Who sees no rules finds nothing by one: whether it matches would tell of it.
        if by.rule_id is not None and not self.rights.principal.sees_all:
            return None
        is_within = (
            (by.statuses is None or row.status in by.statuses)
            and (by.is_active is None or row.is_active == by.is_active)
            and (by.sources is None or bool(state.sources.intersection(by.sources)))
            and (by.rule_id is None or by.rule_id in state.rules)
            and (self.paths is None or bool(self.paths & state.paths))
        )
        return Seen(row.id, max(change.version, row.version), row if is_within else None)


@dataclass(frozen=True, slots=True)
class LiveLog(View[ContentActionRow, ContentActionRow]):
    """The log entries that one viewer follows, with everything that the filter names looked up."""

    object_type: ClassVar[ObjectType] = ObjectType.CONTENT_ACTION

    rights: Rights
    by: ActionFilter
    learners: frozenset[int] | None
    contents: frozenset[int] | None

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        return "log", self.rights.key, self.by, self.learners, self.contents

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, ContentActionRow]:
        """Return the entries, which never change."""
        query = query_actions(Principal.operator(tenant_id)).where("a.id = ANY (?::bigint[])", list(ids))
        return {row.id: row for row in await reads.rows(ContentActionRow, query.text, *query.args)}

    def see(self, change: Change, state: ContentActionRow | None, now: dt.datetime) -> Seen[ContentActionRow] | None:
        """Return the entry as the viewer sees it, if they do and asked for it."""
        if state is None or not self.rights.include(state.learner_id, state.content_id) or not self._is_within(state):
            return None
        if not self.rights.principal.sees_all:
            state = replace(state, rule_id=None, rule_name=None)
        return Seen(state.id, change.version, state)

    def _is_within(self, row: ContentActionRow) -> bool:
        by = self.by
        if self.learners is not None and row.learner_id not in self.learners:
            return False
        if self.contents is not None and row.content_id not in self.contents:
            return False
        if by.actions is not None and row.action not in by.actions:
            return False
        if by.sources is not None and row.source not in by.sources:
            return False
        if by.rule_id is not None and not (self.rights.principal.sees_all and row.rule_id == by.rule_id):
            return False
        if by.task_id is not None and row.task_id != by.task_id:
            return False
        if by.actors is not None:
            people, tools = by.actors
            if row.actor_learner_id not in people and row.actor_service_account_id not in tools:
                return False
        if by.occurred_from is not None and row.occurred_at < by.occurred_from:
            return False
        return by.occurred_before is None or row.occurred_at < by.occurred_before


async def _rights(reads: Statements, principal: Principal) -> Rights:
    trained: list[int] = []
    if principal.is_trainer:
        trained = await reads.values(
            f"SELECT c.id FROM content c WHERE c.tenant_id = $1 AND {trained_by(principal)}", principal.tenant_id
        )
    return Rights(principal, frozenset(trained))


async def live_enrollments(reads: Statements, principal: Principal, by: EnrollmentFilter) -> LiveEnrollments:
    """Return the view of the enrollments that the viewer may see and asks for. Raises like `list_enrollments`."""
    require_enrollments(principal)
    path = by.learning_path
    return LiveEnrollments(
        rights=await _rights(reads, principal),
        by=by,
        learners=None if by.learners is None else frozenset(await learner_ids(reads, principal, by.learners)),
        contents=None if by.contents is None else frozenset(await content_ids(reads, principal, by.contents)),
        paths=None if path is None else frozenset(await content_ids(reads, principal, [path], name="learningPathId")),
    )


async def live_log(reads: Statements, principal: Principal, by: ActionFilter) -> LiveLog:
    """Return the view of the entries that the viewer may see and asks for. Raises like `list_content_actions`."""
    require_log(principal)
    if by.actors is not None and sum(map(len, by.actors)) > LONGEST_LIST:
        raise TooManyItems(limit=LONGEST_LIST, path=["filter", "actorIds"])
    return LiveLog(
        rights=await _rights(reads, principal),
        by=by,
        learners=None if by.learners is None else frozenset(await learner_ids(reads, principal, by.learners)),
        contents=None if by.contents is None else frozenset(await content_ids(reads, principal, by.contents)),
    )
