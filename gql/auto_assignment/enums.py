"""Enums of rules."""

from domain.auto_assignment.conditions.atoms import RefOperator
from domain.auto_assignment.errors import RulePart
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.warnings import RuleWarningCode
from gql.contract.enums import publish_enum

publish_enum(
    ConditionMatch,
    description="How the conditions of a rule combine.",
    values={"ALL": "All conditions.", "ANY": "At least one condition."},
)
publish_enum(
    UnmetPolicy,
    description="What a rule does to learners who no longer meet its conditions.",
    values={
        "KEEP": "Nothing: they stay enrolled.",
        "UNENROLL": "They are unenrolled from the contents of the rule, however they had been enrolled; other rules "
        "that they meet enroll them again.",
        "RELEASE": "Only this rule's reason ends: they are unenrolled when no other reason is left.",
    },
)
publish_enum(
    RefOperator,
    name="RefValueOperator",
    description="Comparisons of a reference value.",
    values={
        "EQUALS": "Equal to one of the values.",
        "NOT_EQUALS": "Equal to none of the values; a learner without a value meets it.",
    },
)
publish_enum(
    RulePart,
    description="Parts of a rule.",
    values={
        "NAME": "The name.",
        "ADD_CONTENTS": "Adding contents.",
        "REMOVE_CONTENTS": "Removing contents.",
        "CONDITIONS": "The conditions and how they combine.",
        "WHEN_UNMET": "What happens to learners who no longer meet the conditions.",
    },
)
publish_enum(
    RuleWarningCode,
    description="Kinds of warnings about a rule.",
    values={
        "NEVER_MET": "No learner can ever meet the conditions.",
        "ALWAYS_MET": "Every learner meets the conditions.",
        "DUPLICATE": "Another rule has the same conditions and gives the same contents.",
        "OPPOSED": "Another rule unenrolls from a content that this one gives, or the other way round.",
        "STATUS_ONLY_FROM_RULES": "A condition waits for a status that only rules cause; rules never trigger rules.",
    },
)
