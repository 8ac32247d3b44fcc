"""Inputs of rules, and how they become what the domain asks for."""

from collections.abc import Sequence

import strawberry
from strawberry import ID

from domain.auto_assignment.conditions.atoms import MAX_CONDITIONS, MAX_VALUES, ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.evaluation.simulation import SupposedFacts, SupposedStatus
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleChanges, RuleDraft
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.errors import Invalid, ProblemList, TooManyItems
from domain.foundation.keys import Reference
from domain.people.models import PlaceKind
from gql.auto_assignment import enums  # noqa: F401 - publishes the enums that the inputs below use
from gql.content.inputs import LearningContentKeyInput, content_keys
from gql.contract import ids
from gql.contract.mutations import UpdateInput
from gql.enrollments import enums as enrollment_enums  # noqa: F401 - likewise
from gql.execution.context import MutationInput
from gql.people.inputs import RefValueInput


@strawberry.input(description="Condition on the status of contents.")
class ContentStatusConditionInput:
    """Condition on the status of contents."""

    contents: list[LearningContentKeyInput] = strawberry.field(
        description="Contents to look at, from 1 to 100; one is enough."
    )
    status: EnrollmentStatus = strawberry.field(description="Status that it has to have.")


@strawberry.input(description="Condition on a reference value.")
class RefValueConditionInput:
    """Condition on a reference value."""

    field_number: int = strawberry.field(description="Number of the field, from 1.")
    operator: RefOperator = strawberry.field(description="Comparison.")
    values: list[str] = strawberry.field(description="Values to compare with, from 1 to 100, case-sensitively.")


@strawberry.input(one_of=True, description="Condition of a rule: exactly one of these.")
class RuleConditionInput:
    """Condition of one kind."""

    content_status: strawberry.Maybe[ContentStatusConditionInput] = strawberry.field(
        description="Met when one of these contents has the status."
    )
    sublicense_ids: strawberry.Maybe[list[ID]] = strawberry.field(
        description="Met when the learner belongs to one of these sublicenses."
    )
    client_ids: strawberry.Maybe[list[ID]] = strawberry.field(
        description="Met when the learner belongs to one of these clients (panoramas)."
    )
    department_ids: strawberry.Maybe[list[ID]] = strawberry.field(
        description="Met when the learner belongs to one of these departments."
    )
    learning_group_ids: strawberry.Maybe[list[ID]] = strawberry.field(
        description="Met when the learner belongs to one of these learning groups."
    )
    ref_value: strawberry.Maybe[RefValueConditionInput] = strawberry.field(
        description="Met when a reference value compares as asked."
    )


_PLACES = (
    ("sublicense_ids", "sublicenseIds", ConditionKind.SUBLICENSE, ids.SUBLICENSE),
    ("client_ids", "clientIds", ConditionKind.CLIENT, ids.CLIENT),
    ("department_ids", "departmentIds", ConditionKind.DEPARTMENT, ids.DEPARTMENT),
    ("learning_group_ids", "learningGroupIds", ConditionKind.LEARNING_GROUP, ids.LEARNING_GROUP),
)


def condition_inputs(
    conditions: Sequence[RuleConditionInput], *, path: Sequence[str] = ("conditions",)
) -> list[ConditionInput]:
    """Return the conditions for the domain; raises NotFound for IDs that can name no such object, all together."""
    # Before any work: what is too long is not looked at item by item.
    _require_length(conditions, MAX_CONDITIONS, path)
    problems = ProblemList()
    converted: list[ConditionInput] = []
    for number, condition in enumerate(conditions):
        try:
            converted.append(_condition_input(condition, [*path, str(number)]))
        except Exception as error:
            problems.add_or_raise(error)
    problems.raise_if_any()
    return converted


def _require_length(items: Sequence[object], limit: int, path: Sequence[str]) -> None:
    if len(items) > limit:
        raise TooManyItems(limit=limit, path=path)


def _condition_input(condition: RuleConditionInput, path: list[str]) -> ConditionInput:
    if condition.content_status is not None:
        status = condition.content_status.value
        _require_length(status.contents, MAX_VALUES, [*path, "contentStatus", "contents"])
        return ConditionInput(
            ConditionKind.CONTENT_STATUS,
            contents=content_keys(status.contents, path=[*path, "contentStatus", "contents"]),
            status=status.status,
        )
    if condition.ref_value is not None:
        ref = condition.ref_value.value
        return ConditionInput(
            ConditionKind.REF_VALUE, field_number=ref.field_number, operator=ref.operator, ref_values=ref.values
        )
    for attribute, name, kind, prefix in _PLACES:
        named = getattr(condition, attribute)
        if named is not None:
            _require_length(named.value, MAX_VALUES, [*path, name])
            return ConditionInput(kind, places=ids.get_keys(prefix, named.value, path=[*path, name]))
    raise Invalid("Exactly one kind of condition.", path=path)


@strawberry.input(description="Conditions to preview.")
class AutoAssignmentRulePreviewInput:
    """Conditions to preview."""

    conditions: list[RuleConditionInput] = strawberry.field(description="Conditions, from 1 to 20.")
    match: ConditionMatch = strawberry.field(default=ConditionMatch.ALL, description="How the conditions combine.")
    contents: list[LearningContentKeyInput] = strawberry.field(
        default_factory=list, description="Courses and learning paths that the rule would give."
    )
    when_unmet: UnmetPolicy = strawberry.field(
        default=UnmetPolicy.KEEP, description="What would happen to learners who no longer meet the conditions."
    )
    rule_id: ID | None = strawberry.field(
        default=None,
        description="Rule that is being edited: it is not compared with itself, and effects and `canBackfill` are "
        "those of saving this edit.",
    )


@strawberry.input(description="Input of createAutoAssignmentRule.")
class CreateAutoAssignmentRuleInput(MutationInput):
    """Rule to create."""

    name: str = strawberry.field(description="Internal name; unique within the tenant.")
    contents: list[LearningContentKeyInput] = strawberry.field(
        description="Courses and learning paths to give, from 1 to 100."
    )
    match: ConditionMatch = strawberry.field(default=ConditionMatch.ALL, description="How the conditions combine.")
    conditions: list[RuleConditionInput] = strawberry.field(description="Conditions, from 1 to 20.")
    when_unmet: UnmetPolicy = strawberry.field(
        default=UnmetPolicy.KEEP, description="What happens to learners who no longer meet the conditions."
    )
    backfills_existing_learners: bool = strawberry.field(
        default=True, description="Whether existing learners who meet the conditions are enrolled now."
    )

    def draft(self) -> RuleDraft:
        """Return the rule for the domain; raises all problems of its keys together."""
        problems = ProblemList()
        contents, conditions = [], list[ConditionInput]()
        try:
            contents = content_keys(self.contents, path=["contents"])
        except Exception as error:
            problems.add_or_raise(error)
        try:
            conditions = condition_inputs(self.conditions)
        except Exception as error:
            problems.add_or_raise(error)
        problems.raise_if_any()
        return RuleDraft(
            name=self.name,
            contents=contents,
            match=self.match,
            conditions=conditions,
            when_unmet=self.when_unmet,
            backfills_existing_learners=self.backfills_existing_learners,
        )


@strawberry.input(description="Changes of a rule; fields left out stay.")
class AutoAssignmentRuleChangesInput:
    """Changes of a rule."""

    name: str | None = strawberry.field(default=None, description="New internal name.")
    add_contents: list[LearningContentKeyInput] | None = strawberry.field(default=None, description="Contents to add.")
    remove_contents: list[LearningContentKeyInput] | None = strawberry.field(
        default=None, description="Contents to remove; only while the rule has enrolled nobody."
    )
    match: ConditionMatch | None = strawberry.field(
        default=None, description="How the conditions combine; only while the rule has enrolled nobody."
    )
    conditions: list[RuleConditionInput] | None = strawberry.field(
        default=None, description="All conditions from now on; only while the rule has enrolled nobody."
    )
    when_unmet: UnmetPolicy | None = strawberry.field(
        default=None,
        description="What happens to learners who no longer meet the conditions; can be changed at any time.",
    )

    def changes(self) -> RuleChanges:
        """Return the changes for the domain; raises all problems of their keys together."""
        problems = ProblemList()
        added, removed = [], []
        conditions: list[ConditionInput] | None = None
        try:
            added = content_keys(self.add_contents or [], path=["changes", "addContents"])
        except Exception as error:
            problems.add_or_raise(error)
        try:
            removed = content_keys(self.remove_contents or [], path=["changes", "removeContents"])
        except Exception as error:
            problems.add_or_raise(error)
        if self.conditions is not None:
            try:
                conditions = condition_inputs(self.conditions, path=["changes", "conditions"])
            except Exception as error:
                problems.add_or_raise(error)
        problems.raise_if_any()
        return RuleChanges(
            name=self.name,
            add_contents=added,
            remove_contents=removed,
            match=self.match,
            conditions=conditions,
            when_unmet=self.when_unmet,
        )


@strawberry.input(description="Input of updateAutoAssignmentRule.")
class UpdateAutoAssignmentRuleInput(UpdateInput):
    """Rule to change."""

    id: ID = strawberry.field(description="Rule to change.")
    changes: AutoAssignmentRuleChangesInput = strawberry.field(description="What to change; fields left out stay.")
    backfills_existing_learners: bool = strawberry.field(
        default=True,
        description="Whether existing learners who meet the conditions are enrolled now in what the edit adds; an edit "
        "that adds nothing enrolls nobody.",
    )


@strawberry.input(description="Input of duplicateAutoAssignmentRule.")
class DuplicateAutoAssignmentRuleInput(MutationInput):
    """Rule to copy."""

    id: ID = strawberry.field(description="Rule to copy.")
    name: str = strawberry.field(description="Internal name of the copy.")
    changes: AutoAssignmentRuleChangesInput | None = strawberry.field(
        default=None, description="What shall differ from the original."
    )
    backfills_existing_learners: bool = strawberry.field(
        default=True, description="Whether existing learners who meet the conditions are enrolled now."
    )


@strawberry.input(description="Input of deleteAutoAssignmentRule.")
class DeleteAutoAssignmentRuleInput(MutationInput):
    """Rule to delete."""

    id: ID = strawberry.field(description="Rule to delete.")
    revokes_access: bool = strawberry.field(
        default=False,
        description="Whether learners lose the access that only this rule gave; what others gave too, or an open task "
        "needs, stays.",
    )


@strawberry.input(description="Input of backfillAutoAssignmentRule.")
class BackfillAutoAssignmentRuleInput(MutationInput):
    """Rule to backfill."""

    id: ID = strawberry.field(description="Rule to backfill.")


@strawberry.input(description="Changes of a learner's facts to simulate; fields left out stay.")
class LearnerFactChangesInput:
    """Facts that are supposed."""

    is_active: bool | None = strawberry.field(default=None, description="Whether the learner is active.")
    department_id: strawberry.Maybe[ID | None] = strawberry.field(
        description="Department of the learner; null removes it."
    )
    client_ids: list[ID] | None = strawberry.field(default=None, description="All clients (panoramas) of the learner.")
    sublicense_ids: list[ID] | None = strawberry.field(default=None, description="All sublicenses of the learner.")
    learning_group_ids: list[ID] | None = strawberry.field(
        default=None, description="All learning groups of the learner."
    )
    ref_values: list[RefValueInput] | None = strawberry.field(
        default=None, description="Reference values to set; fields not named stay."
    )
    content_statuses: list[ContentStatusConditionInput] | None = strawberry.field(
        default=None, description="Statuses to reach, at most 100 contents."
    )

    def supposed(self) -> SupposedFacts:
        """Return the facts for the domain; raises NotFound for IDs that can name no such object."""
        places: dict[PlaceKind, Sequence[Reference]] = {}
        if self.department_id is not None:
            named = [] if self.department_id.value is None else [self.department_id.value]
            places[PlaceKind.DEPARTMENT] = [
                ids.get_key(ids.DEPARTMENT, text, path=["changes", "departmentId"]) for text in named
            ]
        for texts, name, kind, prefix in (
            (self.client_ids, "clientIds", PlaceKind.CLIENT, ids.CLIENT),
            (self.sublicense_ids, "sublicenseIds", PlaceKind.SUBLICENSE, ids.SUBLICENSE),
            (self.learning_group_ids, "learningGroupIds", PlaceKind.LEARNING_GROUP, ids.LEARNING_GROUP),
        ):
            if texts is not None:
                places[kind] = ids.get_keys(prefix, texts, path=["changes", name])
        return SupposedFacts(
            is_active=self.is_active,
            places=places,
            ref_values={ref.number: ref.value for ref in self.ref_values or []},
            statuses=[
                SupposedStatus(
                    content_keys(one.contents, path=["changes", "contentStatuses", str(number), "contents"]),
                    one.status,
                )
                for number, one in enumerate(self.content_statuses or [])
            ],
        )
