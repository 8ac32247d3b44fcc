"""How many streams' connections there are in this process, of one account and of one tenant."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from domain.foundation.access import Principal
from gql.metrics import STREAM_CONNECTIONS

STREAMS_PER_CONNECTION = 20
CONNECTIONS_PER_ACCOUNT = 10
CONNECTIONS_PER_TENANT = 20_000


class TooManyConnections(Exception):
    """The account or its tenant has as many connections as it may have."""


class Connections:
    """Counts connections while they last."""

    def __init__(self) -> None:
        self._of_account: Counter[tuple[int, int | None, int | None]] = Counter()
        self._of_tenant: Counter[int] = Counter()

    @contextlib.contextmanager
    def counted(self, principal: Principal) -> Iterator[None]:
        """Count a connection of an account; raises TooManyConnections."""
        account = (principal.tenant_id, principal.learner_id, principal.service_account_id)
        tenant = principal.tenant_id
        if self._of_account[account] >= CONNECTIONS_PER_ACCOUNT or self._of_tenant[tenant] >= CONNECTIONS_PER_TENANT:
            raise TooManyConnections
        self._of_account[account] += 1
        self._of_tenant[tenant] += 1
        STREAM_CONNECTIONS.inc()
        try:
            yield
        finally:
            STREAM_CONNECTIONS.dec()
            # What is at zero takes no memory.
            self._of_account -= Counter({account: 1})
            self._of_tenant -= Counter({tenant: 1})

    @property
    def count(self) -> int:
        """Connections of the process."""
        return sum(self._of_tenant.values())
