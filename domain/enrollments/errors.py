"""Expected failures of enrolling."""

from domain.foundation.errors import DomainError


class LearnerInactive(DomainError):
    """The learner is inactive."""

    code = "LEARNER_INACTIVE"


class SeatsExhausted(DomainError):
    """The course has no free seat, and no waitlist for this learner."""

    code = "SEATS_EXHAUSTED"


class NotSelfEnrollable(DomainError):
    """The course is not open to self-enrollment."""

    code = "NOT_SELF_ENROLLABLE"


class EnrollmentIsMandatory(DomainError):
    """A mandatory task still needs this enrollment: withdraw the task instead."""

    code = "ENROLLMENT_IS_MANDATORY"
