"""Expected failures of Auto Assignment."""

from collections.abc import Sequence
from enum import StrEnum

from domain.foundation.errors import DomainError


class RulePart(StrEnum):
    """Parts of a rule, as the API names them."""

    NAME = "NAME"
    ADD_CONTENTS = "ADD_CONTENTS"
    REMOVE_CONTENTS = "REMOVE_CONTENTS"
    CONDITIONS = "CONDITIONS"
    WHEN_UNMET = "WHEN_UNMET"


def editable_parts(*, has_enrolled: bool) -> list[RulePart]:
    """Return what can be changed of a rule: everything until it has enrolled somebody (spec 3.13)."""
    if has_enrolled:
        return [RulePart.NAME, RulePart.ADD_CONTENTS, RulePart.WHEN_UNMET]
    return list(RulePart)


class FeatureDisabled(DomainError):
    """Auto Assignment is switched off for the tenant."""

    code = "FEATURE_DISABLED"


class RuleLimitReached(DomainError):
    """The tenant has reached its maximum number of rules."""

    code = "RULE_LIMIT_REACHED"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"The tenant has reached its maximum of {limit} rules.")
        self.limit = limit


class RuleLocked(DomainError):
    """The rule has enrolled learners, so this part of it cannot be changed."""

    code = "RULE_LOCKED"

    def __init__(self, *, path: Sequence[str]) -> None:
        super().__init__(path=path)
        self.editable_parts = editable_parts(has_enrolled=True)
