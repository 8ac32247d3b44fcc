"""Service accounts: partner tools with API keys of their own. A key is shown once; only its hash is kept."""

import hashlib
import secrets
from collections.abc import Sequence

import asyncpg
from tortoise.exceptions import IntegrityError

from domain.foundation.access import Scope
from domain.foundation.audit.recording import FieldChange, audit, changed_fields
from domain.foundation.errors import AlreadyExists, NotFound, TooManyItems
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.text_validation import name_key, name_text
from domain.foundation.unit_of_work import UnitOfWork
from domain.tenants.models import ServiceAccount
from domain.tenants.operations import require_admin

API_KEY_PREFIX = "mk_"
MAX_SCOPES = 100

#: In the change feed, a service account is in its first version until it is revoked.
_CREATED, _REVOKED = 1, 2


def new_api_key() -> str:
    """Return a new key of 256 random bits."""
    return API_KEY_PREFIX + secrets.token_urlsafe(32)


def hash_api_key(key: str) -> bytes:
    """Return what is stored of a key, and looked up."""
    return hashlib.sha256(key.encode()).digest()


async def create_service_account(work: UnitOfWork, *, name: str, scopes: Sequence[Scope], key_hash: bytes) -> int:
    """Create a service account and return its ID. Needs ADMIN. Raises AlreadyExists for the name, Invalid."""
    require_admin(work)
    if len(scopes) > MAX_SCOPES:
        raise TooManyItems(limit=MAX_SCOPES, path=["scopes"])
    name = name_text(name, path=["name"])
    if await ServiceAccount.filter(tenant_id=work.tenant_id, name=name).exists():
        raise AlreadyExists(path=["name"])
    given = [scope.value for scope in Scope if scope in scopes]
    try:
        account = await ServiceAccount.create(
            tenant_id=work.tenant_id,
            name=name,
            name_key=name_key(name),
            scopes=given,
            key_hash=key_hash,
            created_at=work.now,
        )
    except (IntegrityError, asyncpg.UniqueViolationError) as error:
        raise AlreadyExists(path=["name"]) from error
    await audit(work, ObjectType.SERVICE_ACCOUNT, account.id, name, changed_fields({}, {"name": name, "scopes": given}))
    await record_changes(work, ObjectType.SERVICE_ACCOUNT, [(account.id, _CREATED)])
    account_id: int = account.id
    return account_id


async def revoke_service_account(work: UnitOfWork, *, account_id: int) -> int:
    """Revoke a service account for good and return its ID; a revoked one stays as it is. Needs ADMIN."""
    require_admin(work)
    account = await lock_service_account(work, account_id)
    if account is None:
        raise NotFound(path=["id"])
    if account.revoked_at is None:
        account.revoked_at = work.now
        await account.save(update_fields=["revoked_at"])
        change = FieldChange("revokedAt", None, work.now.isoformat())
        await audit(work, ObjectType.SERVICE_ACCOUNT, account.id, account.name, [change])
        await record_changes(work, ObjectType.SERVICE_ACCOUNT, [(account.id, _REVOKED)])
    return account_id


async def lock_service_account(work: UnitOfWork, account_id: int) -> ServiceAccount | None:
    """Lock the row of a service account."""
    query = ServiceAccount.select_for_update(no_key=True)
    account: ServiceAccount | None = await query.get_or_none(tenant_id=work.tenant_id, id=account_id)
    return account
