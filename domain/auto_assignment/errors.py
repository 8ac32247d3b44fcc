"""Expected failures of Auto Assignment."""

from domain.foundation.errors import DomainError


class FeatureDisabled(DomainError):
    """Auto Assignment is switched off for the tenant."""

    code = "FEATURE_DISABLED"


class RuleLimitReached(DomainError):
    """The tenant has reached its maximum number of rules."""

    code = "RULE_LIMIT_REACHED"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"The tenant has reached its maximum of {limit} rules.")
        self.limit = limit
