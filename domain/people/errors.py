"""Expected failures that only people have."""

from domain.foundation.errors import NotPermitted


class LastAdmin(NotPermitted):
    """The last active administrator can be neither deactivated nor given another role."""
