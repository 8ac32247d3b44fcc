"""Enrollments whose learner has changed: streams may show them to others than before, or no longer."""

from collections.abc import Sequence

from domain.foundation.feed.changes import ObjectType
from domain.foundation.feed.relisting import tell_of_all
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import LearnerListedOtherwise


async def tell_of_enrollments(work: UnitOfWork, events: Sequence[LearnerListedOtherwise]) -> None:
    """Write a change row for every enrollment of these people."""
    await tell_of_all(work, ObjectType.ENROLLMENT, "enrollment", sorted({event.learner_id for event in events}))
