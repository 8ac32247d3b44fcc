"""The Content Actions Log as viewers see it: own entries, those of contents that a trainer trains, or all.

Rules are internal: only who sees the whole tenant learns which rule caused an entry.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from domain.enrollments.action_log.filter import ActionFilter, restrict
from domain.enrollments.action_log.pages import LATEST_FIRST, read_as_committed, read_latest
from domain.enrollments.queries import visibility
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.feed.changes import sequence
from domain.foundation.log_blocks import close_blocks, stretches_of
from domain.foundation.pages_of_many import read_alike, read_pages
from domain.foundation.paging import Page, PageRequest, Query


class LogOrder(Enum):
    """Orders of the log: latest recorded first, or as entries were committed, where none comes late."""

    NEWEST_FIRST = "NEWEST_FIRST"
    AS_LOGGED = "AS_LOGGED"


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
    task_id: int | None
    path_id: int | None
    actor_learner_id: int | None
    actor_service_account_id: int | None
    resulting_status: str | None
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    #: Place in the order of commits; 0 in other orders.
    position: int = 0


@dataclass(frozen=True, slots=True)
class ActionsOf:
    """Key of one page of what the log says about one learner, one learner's content, or one rule."""

    request: PageRequest
    restriction: ActionFilter = field(default_factory=ActionFilter)
    learner_id: int | None = None
    content_id: int | None = None
    rule_id: int | None = None

    def parent(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the columns that name what the page is about, and their values."""
        named = {"a.learner_id": self.learner_id, "a.content_id": self.content_id, "a.rule_id": self.rule_id}
        given = {column: value for column, value in named.items() if value is not None}
        return tuple(given), tuple(given.values())


def query_actions(principal: Principal) -> Query:
    """Return the query of all entries of the tenant."""
    rule = "a.rule_id, a.rule_name" if principal.sees_all else "NULL::bigint AS rule_id, NULL::text AS rule_name"
    columns = (
        f"a.id, a.learner_id, a.content_id, a.action, a.source, {rule}, a.task_id, a.path_id, a.actor_learner_id,"
        " a.actor_service_account_id, a.resulting_status, a.occurred_at, a.recorded_at"
    )
    return Query(columns, "content_action a").where("a.tenant_id = ?", principal.tenant_id)


def _visible(principal: Principal) -> Query:
    return query_actions(principal).where(visibility(principal, "a"))


async def find_content_action(reads: Statements, principal: Principal, action_id: int) -> ContentActionRow | None:
    """Return an entry that the viewer may see, or None."""
    query = _visible(principal).where("a.id = ?", action_id)
    return await reads.row(ContentActionRow, query.text, *query.args)


async def load_caused_actions_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[ContentActionRow | None]:
    """Return entries that the viewer's change has caused; people see those that they would see in the log."""
    # A tool sees what it has done without READ.
    query = (_visible if principal.is_person else query_actions)(principal)
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

    Where `needs_order_of_commits`, prepare it before the snapshot opens: AS_LOGGED shows only what has a place in it.
    """
    require_log(principal)
    by = restriction or ActionFilter()
    query = _visible(principal)
    covers = await restrict(reads, principal, query, by)
    if order is LogOrder.NEWEST_FIRST:
        stretches = None if by.time is None else await stretches_of(reads, principal.tenant_id, by.time)
        return await read_latest(
            reads, ContentActionRow, query, covers, request, tenant_id=principal.tenant_id, stretches=stretches
        )
    return await read_as_committed(
        reads,
        ContentActionRow,
        query,
        covers,
        request,
        tenant_id=principal.tenant_id,
        time=by.time,
    )


async def query_log(reads: Statements, principal: Principal, restriction: ActionFilter) -> Query:
    """Return the query of all entries that the viewer may see, in no order. Raises like `list_content_actions`."""
    require_log(principal)
    query = _visible(principal)
    await restrict(reads, principal, query, restriction)
    return query


def require_log(principal: Principal) -> None:
    """Raise Forbidden for tools without READ."""
    if not principal.is_person:
        principal.require_reading_all()


def needs_order_of_commits(principal: Principal, order: LogOrder, restriction: ActionFilter) -> bool:
    """Tell whether a list is read by the order of commits; what happened in a time is found by its blocks.

    Raises Forbidden for tools without READ, for whom nothing shall be prepared.
    """
    require_log(principal)
    return order is LogOrder.AS_LOGGED or restriction.time is not None


async def prepare_order_of_commits(tenant_id: int) -> None:
    """Give what is committed its place in the order of commits; a snapshot that is open already does not see it."""
    await sequence(tenant_id)
    await close_blocks(tenant_id)


async def load_action_pages(
    reads: Statements, principal: Principal, keys: Sequence[ActionsOf]
) -> list[Page[ContentActionRow]]:
    """Return each page of entries that the viewer may see, newest first."""

    async def read(alike: list[ActionsOf]) -> list[Page[ContentActionRow]]:
        query = _visible(principal)
        await restrict(reads, principal, query, alike[0].restriction)
        columns, parents = alike[0].parent()[0], [key.parent()[1] for key in alike]
        return await read_pages(
            reads, ContentActionRow, query, LATEST_FIRST, alike[0].request, columns=columns, parents=parents
        )

    return await read_alike(keys, lambda key: (key.restriction, key.request, key.parent()[0]), read)
