"""Expected failures that only people have."""

from domain.foundation.errors import NotPermitted


class LearnerIsErased(NotPermitted):
    """The personal data of the learner was erased: nothing about them can be changed, and they stay inactive."""


class LastAdmin(NotPermitted):
    """The last active administrator can be neither deactivated nor erased nor given another role."""
