"""Tasks whose learner has changed: by name, department and groups they enter and leave what streams show."""

from collections.abc import Sequence

from domain.foundation.feed.changes import ObjectType
from domain.foundation.feed.relisting import tell_of_all
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import LearnerListedOtherwise


async def tell_of_tasks(work: UnitOfWork, events: Sequence[LearnerListedOtherwise]) -> None:
    """Write a change row for every task of these people that is in force: no stream shows another one."""
    await tell_of_all(
        work,
        ObjectType.MANDATORY_TASK,
        "mandatory_task",
        sorted({event.learner_id for event in events}),
        condition="withdrawn_at IS NULL",
    )
