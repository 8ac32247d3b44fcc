"""The conditions of a rule as types: one for each kind, in a union."""

from typing import Annotated, Any, Union

import strawberry

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind, RefOperator
from domain.enrollments.models import EnrollmentStatus
from gql.auto_assignment import enums  # noqa: F401 - publishes the enums that the types below use
from gql.content.types import LearningContent, related_contents
from gql.enrollments import enums as enrollment_enums  # noqa: F401 - likewise
from gql.execution.context import Info
from gql.execution.related import Related, RelatedList, related
from gql.people.types import Client, Department, LearningGroup, Sublicense, related_places
from gql.tenants.types import RefField, related_ref_field


@strawberry.type(description="Met when the learner has the status on at least one of the contents.")
class ContentStatusCondition:
    """Condition on the status of contents."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Contents to look at; one is enough.")
    @related
    def contents(self) -> RelatedList[LearningContent]:
        """Lead to the contents."""
        return related_contents(self.condition.object_ids)

    @strawberry.field(description="Status that it has to have.")
    def status(self) -> EnrollmentStatus:
        """Tell the status."""
        assert self.condition.status is not None
        return self.condition.status


@strawberry.type(description="Met when the learner belongs to at least one of the sublicenses.")
class SublicenseCondition:
    """Condition on sublicenses."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Sublicenses, one of which is needed.")
    @related
    def sublicenses(self) -> RelatedList[Sublicense]:
        """Lead to the sublicenses."""
        return related_places(Sublicense, self.condition.object_ids)


@strawberry.type(description="Met when the learner belongs to at least one of the clients.")
class ClientCondition:
    """Condition on clients."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Clients, one of which is needed.")
    @related
    def clients(self) -> RelatedList[Client]:
        """Lead to the clients."""
        return related_places(Client, self.condition.object_ids)


@strawberry.type(description="Met when the learner belongs to one of the departments.")
class DepartmentCondition:
    """Condition on departments."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Departments, one of which is needed.")
    @related
    def departments(self) -> RelatedList[Department]:
        """Lead to the departments."""
        return related_places(Department, self.condition.object_ids)


@strawberry.type(description="Met when the learner belongs to at least one of the learning groups.")
class LearningGroupCondition:
    """Condition on learning groups."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Learning groups, one of which is needed.")
    @related
    def learning_groups(self) -> RelatedList[LearningGroup]:
        """Lead to the groups."""
        return related_places(LearningGroup, self.condition.object_ids)


@strawberry.type(description="Met when the learner's reference value compares as asked, case-sensitively.")
class RefValueCondition:
    """Condition on a reference value."""

    condition: strawberry.Private[Condition]

    @strawberry.field(description="Field that is compared.")
    @related
    def field(self, info: Info) -> Related[RefField]:
        """Lead to the label of the field."""
        assert self.condition.field_number is not None
        return related_ref_field(info, self.condition.field_number)

    @strawberry.field(description="Comparison.")
    def operator(self) -> RefOperator:
        """Tell the comparison."""
        assert self.condition.operator is not None
        return self.condition.operator

    @strawberry.field(description="Values to compare with, case-sensitively.")
    def values(self) -> list[str]:
        """Tell the values."""
        return list(self.condition.ref_values)


RuleCondition = Annotated[
    Union[  # noqa: UP007 - Strawberry names a union by its annotation
        ContentStatusCondition,
        SublicenseCondition,
        ClientCondition,
        DepartmentCondition,
        LearningGroupCondition,
        RefValueCondition,
    ],
    strawberry.union("RuleCondition", description="Condition of a rule."),
]

_TYPES: dict[ConditionKind, Any] = {
    ConditionKind.CONTENT_STATUS: ContentStatusCondition,
    ConditionKind.SUBLICENSE: SublicenseCondition,
    ConditionKind.CLIENT: ClientCondition,
    ConditionKind.DEPARTMENT: DepartmentCondition,
    ConditionKind.LEARNING_GROUP: LearningGroupCondition,
    ConditionKind.REF_VALUE: RefValueCondition,
}


def condition_of(condition: Condition) -> RuleCondition:
    """Return a condition as the type of its kind."""
    converted: RuleCondition = _TYPES[condition.kind](condition=condition)
    return converted
