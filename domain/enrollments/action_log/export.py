"""The log as a report: every entry that the viewer may see, in the order of recording, with what it names.

One snapshot, read in batches, and nothing is kept from one batch to the next: memory stays flat however long the log.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from domain.content.queries import ContentRow, load_contents_by_id
from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.action_log.queries import ContentActionRow, query_log
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.people.queries import LearnerRow, load_learners_by_id
from domain.tenants.queries import load_service_accounts_by_id

#: Entries that are in memory at once.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class ReportedAction:
    """An entry of the log with what it names, each as far as the viewer sees it."""

    action: ContentActionRow
    learner: LearnerRow
    content: ContentRow
    path: ContentRow | None
    #: None when the system or a tool acted.
    actor: LearnerRow | None
    #: Name of the service account that acted.
    tool_name: str | None


async def report_content_actions(
    reads: ReadScope, principal: Principal, restriction: ActionFilter
) -> AsyncGenerator[list[ReportedAction], None]:
    """Yield the entries batch by batch. Raises Forbidden for tools without READ, and TooManyItems."""
    query = await query_log(reads, principal, restriction)
    async with aclosing(reads.batches(f"{query.text} ORDER BY a.id", *query.args, size=BATCH)) as batches:
        async for records in batches:
            yield await _complete(reads, principal, [ContentActionRow(**record) for record in records])


async def _complete(
    reads: ReadScope, principal: Principal, actions: Sequence[ContentActionRow]
) -> list[ReportedAction]:
    async def named(load: Callable[..., Any], ids: Iterable[int | None]) -> dict[int | None, Any]:
        wanted = sorted({one for one in ids if one is not None})
        found = await load(reads, principal, wanted)
        return {row.id: row for row in found if row is not None}

    people = await named(
        load_learners_by_id, (key for action in actions for key in (action.learner_id, action.actor_learner_id))
    )
    contents = await named(
        load_contents_by_id, (key for action in actions for key in (action.content_id, action.path_id))
    )
    tools = await named(load_service_accounts_by_id, (action.actor_service_account_id for action in actions))
    return [
        ReportedAction(
            action=action,
            learner=people[action.learner_id],
            content=contents[action.content_id],
            path=contents.get(action.path_id),
            actor=people.get(action.actor_learner_id),
            tool_name=tools[action.actor_service_account_id].name if action.actor_service_account_id else None,
        )
        for action in actions
    ]
