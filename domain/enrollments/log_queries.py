"""The Content Actions Log as viewers see it: own entries, those of contents that a trainer trains, or all.

Rules are internal: only who sees the whole tenant learns which rule caused an entry.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from domain.enrollments.models import ContentActionKind
from domain.enrollments.pages import read_pages
from domain.enrollments.queries import LONGEST_LIST, content_ids, learner_ids, visibility
from domain.foundation.access import Principal, Source
from domain.foundation.database import Statements
from domain.foundation.errors import TooManyItems
from domain.foundation.keys import Reference
from domain.foundation.listing import Order, Page, PageRequest, Query, SortKey, read_page


class LogOrder(Enum):
    """Orders of the log: latest recorded first, or as entries were committed, where none comes late."""

    NEWEST_FIRST = "NEWEST_FIRST"
    AS_LOGGED = "AS_LOGGED"


_NEWEST_FIRST = Order((SortKey("a.id", "id"),), is_descending=True)
_AS_LOGGED = Order((SortKey("p.position", "position"),))


@dataclass(frozen=True, slots=True)
class ContentActionRow:
    """Entry of the log; the rule is None for those who may not see rules."""

    id: int
    learner_id: int
    content_id: int
    action: str
    source: str
    rule_id: int | None
    rule_name: str | None
    path_id: int | None
    actor_learner_id: int | None
    actor_service_account_id: int | None
    resulting_status: str | None
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    #: Place in the order of commits; 0 in other orders.
    position: int


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


@dataclass(frozen=True, slots=True)
class ActionsOf:
    """Key of one page of what the log says about one learner, one learner's content, or one rule."""

    request: PageRequest
    restriction: ActionFilter = ActionFilter()
    learner_id: int | None = None
    content_id: int | None = None
    rule_id: int | None = None

    def parent(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the columns that name what the page is about, and their values."""
        named = {"a.learner_id": self.learner_id, "a.content_id": self.content_id, "a.rule_id": self.rule_id}
        given = {column: value for column, value in named.items() if value is not None}
        return tuple(given), tuple(given.values())


def _log(principal: Principal, order: LogOrder) -> Query:
    rule = "a.rule_id, a.rule_name" if principal.sees_all else "NULL::bigint AS rule_id, NULL::text AS rule_name"
    source, position = "content_action a", "0::bigint"
    if order is LogOrder.AS_LOGGED:
        source = "content_action_position p JOIN content_action a ON a.id = p.content_action_id"
        position = "p.position"
    columns = (
        f"a.id, a.learner_id, a.content_id, a.action, a.source, {rule}, a.path_id, a.actor_learner_id,"
        " a.actor_service_account_id, a.resulting_status, a.occurred_at, a.recorded_at,"
        f" {position} AS position"
    )
    query = Query(columns, source).where("a.tenant_id = ?", principal.tenant_id)
    return query.where("p.tenant_id = ?", principal.tenant_id) if order is LogOrder.AS_LOGGED else query


def _visible(principal: Principal, order: LogOrder) -> Query:
    return _log(principal, order).where(visibility(principal, "a"))


async def find_content_action(reads: Statements, principal: Principal, action_id: int) -> ContentActionRow | None:
    """Return an entry that the viewer may see, or None."""
    query = _visible(principal, LogOrder.NEWEST_FIRST).where("a.id = ?", action_id)
    return await reads.row(ContentActionRow, query.text, *query.args)


async def load_caused_actions_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[ContentActionRow | None]:
    """Return entries that the viewer's change has caused; people see those that they would see in the log."""
    # A tool sees what it has done without READ.
    query = (_visible if principal.is_person else _log)(principal, LogOrder.NEWEST_FIRST)
    query.where("a.id = ANY (?::bigint[])", list(ids))
    rows = {row.id: row for row in await reads.rows(ContentActionRow, query.text, *query.args)}
    return [rows.get(action_id) for action_id in ids]


async def list_content_actions(
    reads: Statements,
    principal: Principal,
    *,
    restriction: ActionFilter | None = None,
    order: LogOrder = LogOrder.NEWEST_FIRST,
    request: PageRequest,
) -> Page[ContentActionRow]:
    """Return a page of the entries that the viewer may see. Raises Forbidden for tools without READ.

    AS_LOGGED shows what the change feed has given a position, so sequence the feed before the snapshot opens.
    """
    if not principal.is_person:
        principal.require_reading_all()
    query = await _restricted(reads, principal, restriction or ActionFilter(), order)
    by_position = order is LogOrder.AS_LOGGED
    return await read_page(reads, ContentActionRow, query, _AS_LOGGED if by_position else _NEWEST_FIRST, request)


async def load_action_pages(
    reads: Statements, principal: Principal, keys: Sequence[ActionsOf]
) -> list[Page[ContentActionRow]]:
    """Return each page of entries that the viewer may see, newest first."""
    alike: defaultdict[tuple[ActionFilter, PageRequest, tuple[str, ...]], list[ActionsOf]] = defaultdict(list)
    for key in keys:
        alike[key.restriction, key.request, key.parent()[0]].append(key)
    pages: dict[ActionsOf, Page[ContentActionRow]] = {}
    for (restriction, request, columns), group in alike.items():
        query = await _restricted(reads, principal, restriction, LogOrder.NEWEST_FIRST)
        parents = [key.parent()[1] for key in group]
        found = await read_pages(
            reads, ContentActionRow, query, _NEWEST_FIRST, request, columns=columns, parents=parents
        )
        pages.update(zip(group, found, strict=True))
    return [pages[key] for key in keys]


async def _restricted(reads: Statements, principal: Principal, by: ActionFilter, order: LogOrder) -> Query:
    query = _visible(principal, order)
    if by.learners is not None:
        query.where("a.learner_id = ANY (?::bigint[])", await learner_ids(reads, principal, by.learners))
    if by.contents is not None:
        query.where("a.content_id = ANY (?::bigint[])", await content_ids(reads, principal, by.contents))
    if by.actions is not None:
        query.where("a.action = ANY (?::text[])", [action.value for action in by.actions])
    if by.sources is not None:
        query.where("a.source = ANY (?::text[])", [source.value for source in by.sources])
    if by.rule_id is not None:
        # Who sees no rules finds nothing by one: whether it matches would tell of it.
        query.where("true" if principal.sees_all else "false").where("a.rule_id = ?", by.rule_id)
    if by.actor_learner_ids is not None or by.actor_service_account_ids is not None:
        learners, accounts = by.actor_learner_ids or (), by.actor_service_account_ids or ()
        if len(learners) + len(accounts) > LONGEST_LIST:
            raise TooManyItems(limit=LONGEST_LIST, path=["filter", "actorIds"])
        query.where(
            "a.actor_learner_id = ANY (?::bigint[]) OR a.actor_service_account_id = ANY (?::bigint[])",
            list(learners),
            list(accounts),
        )
    if by.occurred_from is not None:
        query.where("a.occurred_at >= ?", by.occurred_from)
    if by.occurred_before is not None:
        query.where("a.occurred_at < ?", by.occurred_before)
    return query
