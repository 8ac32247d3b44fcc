"""Locks that belong to no table. Row locks live beside their tables in functions named `lock_*`.

The lock on the rules of a tenant comes before every row lock but a job's. Whoever changes a fact shares it; whoever
creates, edits or deletes a rule has it alone. So when a rule is committed, no change is under way that has not seen
it, and every later one sees it.
"""

from domain.foundation.unit_of_work import UnitOfWork

_RULES = 7_263_402
#: Milliseconds that somebody waits who wants the rules for themselves.
PATIENCE = 4_000


async def share_rules(work: UnitOfWork) -> None:
    """Keep the tenant's rules as they are until the end of the transaction; has to come before row locks."""
    if work.rules_lock is None:
        await work.sql.fetch("SELECT pg_advisory_xact_lock_shared($1, $2)", _RULES, _key(work))
        work.rules_lock = "shared"


async def lock_rules(work: UnitOfWork) -> None:
    """Wait until no change of a fact is under way in the tenant, and keep new ones waiting until the end."""
    if work.rules_lock == "shared":
        raise RuntimeError("The rules are shared already: two transactions that both want more would deadlock.")
    if work.rules_lock is None:
        # Everybody who changes a fact is ahead of it, so it may wait longer than other locks.
        async with work.sql.waiting_longer(PATIENCE):
            await work.sql.fetch("SELECT pg_advisory_xact_lock($1, $2)", _RULES, _key(work))
        work.rules_lock = "exclusive"


def _key(work: UnitOfWork) -> int:
    # Advisory locks take two 32 bit numbers; tenants that share one merely wait for each other.
    return work.tenant_id % 2_147_483_647
