"""What of the log is asked for, as conditions of a query and as covers that its pages are found by.

All conditions hold in any case; the covers say where to look. Of several restrictions the one comes first that usually
leaves the fewest entries.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Range

from domain.enrollments.action_log.branches import MOST_VALUES, Branch, Cover
from domain.enrollments.models import ContentActionKind
from domain.enrollments.queries import LONGEST_LIST, content_ids, learner_ids
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.paging import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """Restriction of the log: fields combine with AND, items with OR; None restricts nothing."""

    learners: tuple[Reference, ...] | None = None
    contents: tuple[Reference, ...] | None = None
    actions: tuple[ContentActionKind, ...] | None = None
    sources: tuple[Source, ...] | None = None
    rule_id: int | None = None
    task_id: int | None = None
    actor_learner_ids: tuple[int, ...] | None = None
    actor_service_account_ids: tuple[int, ...] | None = None
    occurred_from: dt.datetime | None = None
    occurred_before: dt.datetime | None = None

    @property
    def actors(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """People and tools, None where any will do."""
        if self.actor_learner_ids is None and self.actor_service_account_ids is None:
            return None
        return self.actor_learner_ids or (), self.actor_service_account_ids or ()

    @property
    def time(self) -> Range[dt.datetime] | None:
        """When it happened, None where that does not matter."""
        if self.occurred_from is None and self.occurred_before is None:
            return None
        if self.occurred_from is not None and self.occurred_before is not None:
            # PostgreSQL refuses a range that ends before it begins.
            return Range(self.occurred_from, self.occurred_before, empty=self.occurred_from >= self.occurred_before)
        return Range(self.occurred_from, self.occurred_before)


async def restrict(reads: Statements, principal: Principal, query: Query, by: ActionFilter) -> Sequence[Cover]:
    """Add the restriction to a query of what the viewer may see of the log, `a`; return where to look.

    Raises TooManyItems.
    """
    learners = None if by.learners is None else await learner_ids(reads, principal, by.learners)
    if learners is not None:
        query.where("a.learner_id = ANY (?::bigint[])", learners)
    contents = None if by.contents is None else await content_ids(reads, principal, by.contents)
    if contents is not None:
        query.where("a.content_id = ANY (?::bigint[])", contents)
    if by.actions is not None:
        query.where("a.action = ANY (?::text[])", [action.value for action in by.actions])
    if by.sources is not None:
        query.where("a.source = ANY (?::text[])", [source.value for source in by.sources])
    if by.rule_id is not None:
        # Who sees no rules finds nothing by one: whether it matches would tell of it.
        query.where("true" if principal.sees_all else "false").where("a.rule_id = ?", by.rule_id)
    if by.task_id is not None:
        query.where("a.task_id = ?", by.task_id)
    if by.actors is not None:
        people, tools = by.actors
        if len(people) + len(tools) > LONGEST_LIST:
            raise TooManyItems(limit=LONGEST_LIST, path=["filter", "actorIds"])
        query.where(
            "a.actor_learner_id = ANY (?::bigint[]) OR a.actor_service_account_id = ANY (?::bigint[])",
            list(people),
            list(tools),
        )
    if by.occurred_from is not None:
        query.where("a.occurred_at >= ?", by.occurred_from)
    if by.occurred_before is not None:
        query.where("a.occurred_at < ?", by.occurred_before)
    if not principal.sees_all and not principal.is_trainer:
        return [[_of("learner_id", [principal.learner_id or 0])]]
    covers: list[Cover] = []
    if learners is not None:
        covers.append([_of("learner_id", learners)])
    if not principal.sees_all:
        covers.append(await _trainers_cover(reads, principal, contents))
    if by.rule_id is not None:
        covers.append([_of("rule_id", [by.rule_id])])
    if by.task_id is not None:
        covers.append([_of("task_id", [by.task_id])])
    if by.actors is not None:
        people, tools = by.actors
        covers.append([_of("actor_learner_id", people), _of("actor_service_account_id", tools)])
    if contents is not None and principal.sees_all:
        covers.append([_of("content_id", contents)])
    return covers + await _covers_of_kinds(reads, principal, by)


async def _trainers_cover(reads: Statements, principal: Principal, contents: Sequence[int] | None) -> Cover:
    """Return where trainers look: at their own entries and at those of what they train."""
    trained = await reads.values(
        "SELECT content_id FROM content_trainer WHERE tenant_id = $1 AND learner_id = $2",
        principal.tenant_id,
        principal.learner_id,
    )
    if contents is not None:
        trained = sorted(set(trained).intersection(contents))
    return [_of("learner_id", [principal.learner_id or 0]), _of("content_id", trained)]


async def _covers_of_kinds(reads: Statements, principal: Principal, by: ActionFilter) -> list[Cover]:
    """Return where to look for actions and for sources; nowhere in particular for what no log has little of."""
    covers: list[Cover] = []
    if by.actions is not None and ContentActionKind.ENROLLED not in by.actions:
        covers.append([Branch("a.action", "text", by.actions, "a.action <> 'ENROLLED'")])
    if by.sources is not None:
        cover = [Branch("a.source", "text", by.sources, "a.source <> 'AUTO_ENROLLMENT'")]
        if Source.AUTO_ENROLLMENT in by.sources:
            cover.append(_of("rule_id", await _rules_in_the_log(reads, principal)))
        covers.append(cover)
    return covers


async def _rules_in_the_log(reads: Statements, principal: Principal) -> Sequence[int]:
    """Return the rules that have caused entries, deleted ones too; of very many only so many that they are not few."""
    rules: list[int] = await reads.values(
        """
        WITH RECURSIVE rule (id) AS (
          SELECT (SELECT min(rule_id) FROM content_action WHERE tenant_id = $1 AND rule_id IS NOT NULL)
          UNION ALL
          SELECT (SELECT min(rule_id) FROM content_action WHERE tenant_id = $1 AND rule_id > rule.id)
            FROM rule WHERE rule.id IS NOT NULL)
        SELECT id FROM rule WHERE id IS NOT NULL LIMIT $2
        """,
        principal.tenant_id,
        MOST_VALUES + 1,
    )
    return rules


def _of(column: str, keys: Sequence[int]) -> Branch:
    return Branch(f"a.{column}", "bigint", keys)
