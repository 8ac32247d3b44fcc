"""Rules decided in plain Python, condition by condition: what the matching query has to agree with."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.auto_assignment.conditions.atoms import Condition, ConditionKind, RefOperator
from domain.auto_assignment.models import ConditionMatch


@dataclass(slots=True)
class Person:
    """A learner's facts as anybody would write them down."""

    is_active: bool = True
    refs: dict[int, str] = field(default_factory=dict)
    place_ids: set[int] = field(default_factory=set)
    #: Status facts by content: what rules see, not what the enrollment shows.
    statuses: dict[int, str] = field(default_factory=dict)


def meets_condition(person: Person, condition: Condition) -> bool:
    """Tell whether the person meets one condition, as spec 3.3 says it."""
    if condition.kind is ConditionKind.REF_VALUE:
        assert condition.field_number is not None
        value = person.refs.get(condition.field_number)
        if condition.operator is RefOperator.EQUALS:
            return value is not None and value in condition.ref_values
        return value not in condition.ref_values
    if condition.kind is ConditionKind.CONTENT_STATUS:
        return any(person.statuses.get(content_id) == condition.status for content_id in condition.object_ids)
    return any(place_id in person.place_ids for place_id in condition.object_ids)


def meets_rule(person: Person, match: ConditionMatch, conditions: Iterable[Condition]) -> bool:
    """Tell whether the person meets a rule; inactive people never do."""
    verdicts = [meets_condition(person, condition) for condition in conditions]
    return person.is_active and (all(verdicts) if match is ConditionMatch.ALL else any(verdicts))
