"""A rule as rows, for tests that only need there to be one."""

from domain.people.models import PlaceKind
from tests.support import factories
from tests.support.catalogue import Connection


async def insert_rule(superuser: Connection, tenant_id: int, *, kind: PlaceKind, place_id: int) -> int:
    """Make a rule with one condition, which names a place, and without contents; return its ID."""
    rule_id: int = await superuser.fetchval(
        """
        INSERT INTO rule (tenant_id, name, name_key, match, when_unmet, state, full_mask, negative_mask,
                          is_met_by_default, has_enrolled, created_at, updated_at, version, edited_version)
        VALUES ($1, 'R', 'r', 'ALL', 'KEEP', 'ACTIVE', 1, 0, false, false, $2, $2, 1, 1) RETURNING id
        """,
        tenant_id,
        factories.LONG_AGO,
    )
    await superuser.execute(
        "INSERT INTO rule_atom (rule_id, tenant_id, kind, key, value, bit) VALUES ($1, $2, $3, $4, '', 1)",
        rule_id,
        tenant_id,
        kind.value,
        place_id,
    )
    return rule_id
