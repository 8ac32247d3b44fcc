"""What becomes of mandatory tasks when a person is erased: open ones are withdrawn without a word, nothing repeats.

Notes on the tasks of an erased person go: they were written to this person, and are of no use to anybody else. Those
that the person has written on the tasks of others stay, as do dates, cycles and the ledger.
"""

from collections.abc import Sequence

from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.task_rows import lock_tasks, touch_tasks
from domain.mandatory_tasks.withdrawing import end_reason_of_task, take_back
from domain.notifications.forgetting import forget_messages
from domain.people.events import LearnerErased
from domain.people.models import ERASED_NAME

#: What is in force and what is withdrawn are found by different indexes.
_TASKS_OF = """
SELECT id FROM mandatory_task WHERE tenant_id = $1 AND {column} = ANY ($2::bigint[]) AND withdrawn_at IS NULL
UNION ALL
SELECT id FROM mandatory_task WHERE tenant_id = $1 AND {column} = ANY ($2::bigint[]) AND withdrawn_at IS NOT NULL
"""


async def withdraw_without_a_word(work: UnitOfWork, events: Sequence[LearnerErased]) -> None:
    """Withdraw the open tasks of erased people, tell nobody, and let none of their enrollments stay for it.

    Each of their tasks gets a version and a change row, as what shows it shows a name with it.
    """
    task_ids = await _tasks_of(work, "learner_id", events)
    for task in await lock_tasks(work, task_ids):
        if task.is_open:
            await take_back(work, task)
            await end_reason_of_task(work, task.id)
    await work.sql.execute(
        """
        UPDATE mandatory_task SET note = NULL, next_due_on = NULL, next_opens_on = NULL, next_opens_at = NULL
         WHERE tenant_id = $1 AND id = ANY ($2::bigint[])
        """,
        work.tenant_id,
        task_ids,
    )
    await touch_tasks(work, task_ids)


async def forget_messages_about_tasks(work: UnitOfWork, events: Sequence[LearnerErased]) -> None:
    """Delete what erased people were told, and their names in what others are told about tasks of theirs."""
    await forget_messages(
        work,
        [event.learner_id for event in events],
        shown_name=ERASED_NAME,
        own_task_ids=await _tasks_of(work, "learner_id", events),
        assigned_task_ids=await _tasks_of(work, "assigner_learner_id", events),
    )


async def _tasks_of(work: UnitOfWork, column: str, events: Sequence[LearnerErased]) -> list[int]:
    task_ids: list[int] = await work.sql.values(
        _TASKS_OF.format(column=column), work.tenant_id, [event.learner_id for event in events]
    )
    return task_ids
