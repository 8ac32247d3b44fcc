"""How many streams' connections there are in this process, of one account and of one tenant."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from gql.execution.metrics import STREAM_CONNECTIONS

Key = TypeVar("Key")


class TooManyConnections(Exception):
    """The account or its tenant has as many connections as it may have."""


class Connections:
    """Counts connections while they last."""

    def __init__(self, settings: Settings) -> None:
        self.streams_at_once = settings.streams_per_connection
        self._per_account = settings.connections_per_account
        self._per_tenant = settings.connections_per_tenant
        self._of_account: Counter[tuple[int, int | None, int | None]] = Counter()
        self._of_tenant: Counter[int] = Counter()

    @contextlib.contextmanager
    def counted(self, principal: Principal) -> Iterator[None]:
        """Count a connection of an account; raises TooManyConnections."""
        account = (principal.tenant_id, principal.learner_id, principal.service_account_id)
        tenant = principal.tenant_id
        if self._of_account[account] >= self._per_account or self._of_tenant[tenant] >= self._per_tenant:
            raise TooManyConnections
        self._of_account[account] += 1
        self._of_tenant[tenant] += 1
        STREAM_CONNECTIONS.inc()
        try:
            yield
        finally:
            STREAM_CONNECTIONS.dec()
            _take(self._of_account, account)
            _take(self._of_tenant, tenant)

    @property
    def count(self) -> int:
        """Connections of the process."""
        return sum(self._of_tenant.values())


def _take(counts: Counter[Key], key: Key) -> None:
    counts[key] -= 1
    # What is at zero takes no memory.
    if not counts[key]:
        del counts[key]
