"""Looking up who presents a credential. Inactive people and revoked keys are nobody.

People are read here by SQL because signing in is below everything that knows about people.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.addresses import email_key
from domain.foundation.database.sessions import ReadScope, across_tenants, writing

#: The latest use of a key is written at most this often.
USE_NOTED_EVERY = timedelta(minutes=1)


#: Tenants by the slugs under which they were found, those last used at the end. Only a hint, which spares a statement
#: on another connection: people are looked up in a tenant together with its slug.
_SEEN: OrderedDict[str, int] = OrderedDict()
MOST_SEEN = 10_000


def recall_tenant_id(slug: str) -> int | None:
    """Return the tenant that had this slug when it was last looked up."""
    return _SEEN.get(slug)


def forget_tenants() -> None:
    """Look each tenant up again, as after the start of the process."""
    _SEEN.clear()


async def find_tenant_id(slug: str) -> int | None:
    """Return the tenant with this slug."""
    if "\x00" in slug:
        return None
    tenant_id: int | None = (await across_tenants("SELECT find_tenant($1)", slug))[0][0]
    if tenant_id is not None:
        _SEEN[slug] = tenant_id
        _SEEN.move_to_end(slug)
        if len(_SEEN) > MOST_SEEN:
            _SEEN.popitem(last=False)
    return tenant_id


async def find_learner_by_id(reads: ReadScope, slug: str, learner_id: int, expires_at: datetime) -> Principal | None:
    """Return an active person of the tenant, which has to have this slug."""
    return await _find_learner(reads, slug, "l.id = $3", learner_id, expires_at)


async def find_learner_by_email(reads: ReadScope, slug: str, email: str, expires_at: datetime) -> Principal | None:
    """Return the active person of the tenant, which has to have this slug, by email address."""
    return await _find_learner(reads, slug, "l.email_key = $3", email_key(email), expires_at)


async def _find_learner(
    reads: ReadScope, slug: str, condition: str, value: int | str, expires_at: datetime
) -> Principal | None:
    records = await reads.fetch(
        "SELECT l.id, l.role FROM learner l JOIN tenant t ON t.id = l.tenant_id"
        f" WHERE l.tenant_id = $1 AND t.slug = $2 AND {condition} AND l.is_active",
        reads.tenant_id,
        slug,
        value,
    )
    if not records:
        return None
    return Principal(
        tenant_id=reads.tenant_id, learner_id=records[0]["id"], role=Role(records[0]["role"]), expires_at=expires_at
    )


async def find_service_account_by_key(key_hash: bytes, now: datetime) -> tuple[Principal, ReadScope] | None:
    """Return the service account whose key has this hash, with the reads in which it was looked up; note the use.

    Whoever gets the reads closes them. They show the account with the scopes that it has in them: a stream that begins
    with them misses no later change of these.
    """
    found = await across_tenants("SELECT tenant_id, id FROM find_service_account($1)", key_hash)
    if not found:
        return None
    tenant_id, account_id = found[0]["tenant_id"], found[0]["id"]
    reads = ReadScope(tenant_id)
    try:
        account = await _load_service_account(reads, account_id)
        if account is not None and (account.last_used_at is None or account.last_used_at <= now - USE_NOTED_EVERY):
            # Not with the snapshot open: whoever holds one connection while waiting for another may wait for ever.
            await reads.close()
            await _note_use(tenant_id, account_id, now)
            account = await _load_service_account(reads, account_id)
    except BaseException:
        await reads.close()
        raise
    if account is None:
        await reads.close()
        return None
    scopes = frozenset(Scope(scope) for scope in account.scopes)
    return Principal(tenant_id=tenant_id, service_account_id=account_id, scopes=scopes), reads


@dataclass(frozen=True, slots=True)
class _ServiceAccount:
    scopes: list[str]
    last_used_at: datetime | None


async def _load_service_account(reads: ReadScope, account_id: int) -> _ServiceAccount | None:
    return await reads.row(
        _ServiceAccount,
        "SELECT scopes, last_used_at FROM service_account WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
        reads.tenant_id,
        account_id,
    )


async def _note_use(tenant_id: int, account_id: int, now: datetime) -> None:
    async with writing(tenant_id) as sql:
        # Whoever is changing the row right now makes waiting pointless.
        await sql.execute(
            """
            UPDATE service_account SET last_used_at = $3
             WHERE id = (SELECT id FROM service_account WHERE tenant_id = $1 AND id = $2
                            FOR NO KEY UPDATE SKIP LOCKED)
            """,
            tenant_id,
            account_id,
            now,
        )
