"""Expected failures of enrolling."""

from domain.foundation.errors import DomainError


class LearnerInactive(DomainError):
    """The learner is inactive."""

    code = "LEARNER_INACTIVE"
