"""Rules as streams show them, to those who may see rules."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.auto_assignment.rules.queries import RuleRow, query_rules
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.feed.changes import Change, ObjectType
from domain.foundation.feed.live import Seen, View, rights_of


@dataclass(frozen=True, slots=True)
class LiveRules(View[RuleRow, RuleRow]):
    """The rules of the tenant, all of them."""

    object_type: ClassVar[ObjectType] = ObjectType.RULE

    principal: Principal

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        return "rules", rights_of(self.principal)

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, RuleRow]:
        """Return the rules as they are now; a deleted one is gone."""
        query = query_rules(Principal.operator(tenant_id)).where("r.id = ANY (?::bigint[])", list(ids))
        return {row.id: row for row in await reads.rows(RuleRow, query.text, *query.args)}

    def see(self, change: Change, state: RuleRow | None, now: datetime) -> Seen[RuleRow] | None:
        """Return how the rule looks; that a deleted one shows other numbers is no news."""
        if state is None and change.version == 0:
            return None
        version = change.version if state is None else max(change.version, state.version)
        return Seen(change.object_id, version, state)


def live_rules(principal: Principal) -> LiveRules:
    """Return the view of the rules. Raises Forbidden for who may not see rules."""
    principal.require_reading_all()
    return LiveRules(principal)
