"""What of the log is asked for, as conditions of a query and as branches that its pages are found by.

All conditions hold in any case; the branches say where to look. Of several restrictions the one is taken that usually
leaves the fewest entries.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from domain.enrollments.log_pages import Branch, Wanted
from domain.enrollments.models import ContentActionKind
from domain.enrollments.queries import LONGEST_LIST, content_ids, learner_ids
from domain.foundation.access import Principal, Source
from domain.foundation.database import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.listing import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """Restriction of the log: fields combine with AND, items with OR; None restricts nothing."""

    learners: tuple[Reference, ...] | None = None
    contents: tuple[Reference, ...] | None = None
    actions: tuple[ContentActionKind, ...] | None = None
    sources: tuple[Source, ...] | None = None
    rule_id: int | None = None
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


async def restrict(reads: Statements, principal: Principal, query: Query, by: ActionFilter) -> Sequence[Branch]:
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
    if by.actors is not None:
        people, tools = by.actors
        if len(people) + len(tools) > LONGEST_LIST:
            raise TooManyItems(limit=LONGEST_LIST, path=["filter", "actorIds"])
        query.where(
            "a.actor_learner_id = ANY (?::bigint[]) OR a.actor_service_account_id = ANY (?::bigint[])",
            list(people),
            list(tools),
        )
    months = await _months(reads, principal, by)
    if months is not None:
        query.where(
            "a.occurred_at >= ? AND a.occurred_at < ?", by.occurred_from or _EARLIEST, by.occurred_before or _LATEST
        )
        # Bounds that follow from the months, by which whoever walks through the log knows where to begin and to end.
        query.where("a.id BETWEEN ? AND ?", months.lowest_id, months.highest_id)
    if learners is not None:
        return [_of("learner_id", learners)]
    if not principal.sees_all:
        return await _visible_branches(reads, principal, contents)
    if by.rule_id is not None:
        return [_of("rule_id", [by.rule_id])]
    if by.actors is not None:
        people, tools = by.actors
        return [_of("actor_learner_id", people), _of("actor_service_account_id", tools)]
    if contents is not None:
        return [_of("content_id", contents)]
    if by.actions is not None or by.sources is not None:
        # One index serves both: it is entered with every value of the one that is not restricted.
        actions = tuple(action.value for action in (ContentActionKind if by.actions is None else by.actions))
        sources = tuple(source.value for source in (Source if by.sources is None else by.sources))
        return [(Wanted("a.action", "text", actions), Wanted("a.source", "text", sources))]
    return [] if months is None else [(Wanted("a.occurred_month", "date", months.first_days),)]


async def _visible_branches(
    reads: Statements, principal: Principal, contents: Sequence[int] | None
) -> Sequence[Branch]:
    """Return where those look who do not see all: at their own entries, trainers at those of what they train too."""
    own = _of("learner_id", [principal.learner_id or 0])
    if not principal.is_trainer:
        return [own]
    trained = await reads.values(
        "SELECT content_id FROM content_trainer WHERE tenant_id = $1 AND learner_id = $2",
        principal.tenant_id,
        principal.learner_id,
    )
    if contents is not None:
        trained = sorted(set(trained).intersection(contents))
    return [own, _of("content_id", trained)]


def _of(column: str, keys: Sequence[int]) -> Branch:
    return (Wanted(f"a.{column}", "bigint", tuple(keys)),)


@dataclass(frozen=True, slots=True)
class _Months:
    """The months of a span of time in which something happened, and within which IDs all of that is."""

    first_days: tuple[dt.date, ...]
    lowest_id: int
    highest_id: int


_EARLIEST = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


async def _months(reads: Statements, principal: Principal, by: ActionFilter) -> _Months | None:
    """Return the months of the restriction, None where it has no time in it.

    Entries are recorded late, some by years, so when they happened says little of where they stand.
    """
    if by.occurred_from is None and by.occurred_before is None:
        return None
    records = await reads.fetch(
        """
        WITH RECURSIVE month (first_day) AS (
          SELECT (SELECT min(occurred_month) FROM content_action
                   WHERE tenant_id = $1
                     AND occurred_month >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC')::date)
          UNION ALL
          SELECT (SELECT min(occurred_month) FROM content_action
                   WHERE tenant_id = $1 AND occurred_month > month.first_day)
            FROM month WHERE month.first_day < $3::timestamptz AT TIME ZONE 'UTC')
        SELECT first_day,
               (SELECT min(id) FROM content_action WHERE tenant_id = $1 AND occurred_month = first_day) AS lowest_id,
               (SELECT max(id) FROM content_action WHERE tenant_id = $1 AND occurred_month = first_day) AS highest_id
          FROM month WHERE first_day < $3::timestamptz AT TIME ZONE 'UTC'
        """,
        principal.tenant_id,
        by.occurred_from or _EARLIEST,
        by.occurred_before or _LATEST,
    )
    return _Months(
        first_days=tuple(record["first_day"] for record in records),
        lowest_id=min((record["lowest_id"] for record in records), default=0),
        highest_id=max((record["highest_id"] for record in records), default=0),
    )
