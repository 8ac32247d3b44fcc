"""Inputs of assigning in bulk, and how they become what the domain asks for."""

from collections.abc import Sequence
from datetime import date

import strawberry
from strawberry import ID

from domain.mandatory_tasks.bulk.audience import AudiencePart
from gql.content.inputs import LearningContentKeyInput
from gql.contract import ids
from gql.mandatory_tasks.inputs import TaskTermsInput
from gql.people.inputs import LearnerKeyInput, learner_key, reference

_AUDIENCE = "Parts of the audience, from 1 to 1,000; learners in several parts count once."


@strawberry.input(one_of=True, description="Part of an audience: exactly one of these.")
class AudiencePartInput:
    """Part of an audience."""

    learner: strawberry.Maybe[LearnerKeyInput] = strawberry.field(description="One learner.")
    department_id: strawberry.Maybe[ID] = strawberry.field(description="All active learners of a department.")
    learning_group_id: strawberry.Maybe[ID] = strawberry.field(description="All active learners of a learning group.")


@strawberry.input(description="Audience to preview.")
class BulkAssignmentPreviewInput:
    """Audience to preview."""

    target: LearningContentKeyInput = strawberry.field(description="Course or learning path to assign.")
    audience: list[AudiencePartInput] = strawberry.field(description=_AUDIENCE)
    due_on: date | None = strawberry.field(
        default=None, description="Due date to judge per learner; left out when not yet chosen."
    )


@strawberry.input(description="Input of bulkAssignMandatoryTasks.")
class BulkAssignMandatoryTasksInput(TaskTermsInput):
    """Which audience has to complete what by when."""

    target: LearningContentKeyInput = strawberry.field(description="Course or learning path to complete.")
    audience: list[AudiencePartInput] = strawberry.field(description=_AUDIENCE)


def audience_parts(parts: Sequence[AudiencePartInput]) -> list[AudiencePart]:
    """Return what the parts name; an ID that can name nothing is one that nothing has."""
    return [_part(part) for part in parts]


def _part(part: AudiencePartInput) -> AudiencePart:
    if part.learner is not None:
        return AudiencePart(learner=learner_key(part.learner.value))
    if part.department_id is not None:
        return AudiencePart(department=reference(ids.DEPARTMENT, part.department_id.value))
    assert part.learning_group_id is not None, "the part has exactly one field"
    return AudiencePart(learning_group=reference(ids.LEARNING_GROUP, part.learning_group_id.value))
