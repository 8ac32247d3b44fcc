"""What people are told about tasks: the words in the platform, and the facts that emails are made of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.rights import visibility
from domain.mandatory_tasks.status import TaskStage
from domain.mandatory_tasks.task_rows import status_of
from domain.notifications.messages import Message, send_messages
from domain.notifications.models import NotificationKind

#: By kind; `{title}` is the target's.
_TITLES = {
    NotificationKind.TASK_ASSIGNED: "New mandatory task: {title}",
    NotificationKind.TASK_CHANGED: "Mandatory task changed: {title}",
    NotificationKind.TASK_WITHDRAWN: "Mandatory task withdrawn: {title}",
    NotificationKind.TASK_REOPENED: "Mandatory task is due again: {title}",
    NotificationKind.TASK_REMINDER: "Reminder of a mandatory task: {title}",
}
#: Of what the learner had completed before it was assigned: nothing is asked of them.
_FULFILLED = "Mandatory task, completed already: {title}"


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What the words about a task need."""

    task_id: int
    learner_id: int
    target_id: int
    title: str
    due_on: date
    due_at: datetime
    stage: str
    is_suspended: bool
    note: str | None
    assigner_name: str
    time_zone: str

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Return the facts of an email that is given out now."""
        return {
            "task_id": self.task_id,
            "learner_id": self.learner_id,
            "title": self.title,
            "due_on": self.due_on.isoformat(),
            "status": status_of(self.stage, self.due_at, now, is_suspended=self.is_suspended).value,
            "note": self.note,
            "assigner_name": self.assigner_name,
            "time_zone": self.time_zone,
        }


_FACTS = """
SELECT t.id AS task_id, t.learner_id, t.target_id, c.title, t.due_on, t.due_at, t.stage, t.is_suspended, t.note,
       coalesce(a.name, s.name, '') AS assigner_name, coalesce(l.time_zone, n.time_zone) AS time_zone
  FROM mandatory_task t
  JOIN content c ON c.id = t.target_id
  JOIN learner l ON l.id = t.learner_id
  JOIN tenant n ON n.id = t.tenant_id
  LEFT JOIN learner a ON a.id = t.assigner_learner_id
  LEFT JOIN service_account s ON s.id = t.assigner_service_account_id
 WHERE t.tenant_id = $1 AND t.id = ANY ($2::bigint[])
"""


async def load_facts(sql: Statements, tenant_id: int, task_ids: Collection[int]) -> dict[int, TaskFacts]:
    """Return what the words about each task need, withdrawn ones too."""
    rows = await sql.rows(TaskFacts, _FACTS, tenant_id, list(task_ids))
    return {row.task_id: row for row in rows}


async def load_task_facts(
    reads: Statements, principal: Principal, task_id: int, now: datetime
) -> dict[str, Any] | None:
    """Return the facts of an email about a task that the viewer may see, None where there is none."""
    row = await reads.row(TaskFacts, f"{_FACTS} AND {visibility(principal)}", principal.tenant_id, [task_id])
    return None if row is None else row.as_json(now)


def words(kind: NotificationKind, facts: TaskFacts) -> str:
    """Return the short text of a notification."""
    is_fulfilled = kind is NotificationKind.TASK_ASSIGNED and facts.stage == TaskStage.COMPLETED
    return (_FULFILLED if is_fulfilled else _TITLES[kind]).format(title=facts.title)


def thread_of(facts: TaskFacts) -> str:
    """Return what emails about a task have in common: a task that comes after a withdrawn one is about the same."""
    return f"task/{facts.learner_id}/{facts.target_id}"


async def tell_learners(work: UnitOfWork, kind: NotificationKind, task_ids: Sequence[int]) -> None:
    """Tell the learner of each task what has become of it, now that everything is written."""
    facts = await load_facts(work.sql, work.tenant_id, task_ids)
    versions = await work.sql.fetch(
        "SELECT id, version FROM mandatory_task WHERE tenant_id = $1 AND id = ANY ($2::bigint[]) ORDER BY id",
        work.tenant_id,
        list(task_ids),
    )
    messages = [
        Message(
            # Versions only grow, so each change of a task is a message of its own.
            key=f"{kind.value.lower()}/{task_id}/{version}",
            recipient_id=facts[task_id].learner_id,
            kind=kind,
            title=words(kind, facts[task_id]),
            facts=facts[task_id].as_json(work.now),
            task_id=task_id,
            content_id=facts[task_id].target_id,
            thread=thread_of(facts[task_id]),
        )
        for task_id, version in versions
    ]
    await send_messages(work, messages)
