"""Who is calling: a signed token of a person, or the API key of a service account. Rights come from the database only.

Every reason for refusal gives the same answer, so nothing can be learned from trying.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from domain.foundation.access import Principal
from domain.foundation.database import ReadScope
from domain.foundation.errors import Unauthenticated
from domain.foundation.settings import Settings
from domain.tenants.accounts import (
    find_learner_by_email,
    find_learner_by_id,
    find_service_account_by_key,
    find_tenant_id,
    recall_tenant_id,
)
from domain.tenants.service_accounts import API_KEY_PREFIX, hash_api_key
from gql.ids import LEARNER, encode, find_own_key
from gql.jwks import key_set
from gql.signing_keys import SigningKey

#: Of tokens that are signed with the secret of the service.
ALGORITHM = "HS256"
#: Clocks of the issuer and of this machine may differ by this much.
LEEWAY = timedelta(seconds=5)
#: Tokens whose signatures are remembered as good; they have a kilobyte each.
MOST_TOKENS = 4_096


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated account, and the reads in which it was looked up."""

    principal: Principal
    reads: ReadScope


def issue_token(
    settings: Settings,
    *,
    tenant: str,
    now: datetime,
    lifetime: timedelta,
    learner_id: int | None = None,
    email: str | None = None,
) -> str:
    """Return a token for a person, named by ID or by email address."""
    claims: dict[str, Any] = {"tenant": tenant, "iat": now, "nbf": now, "exp": now + lifetime}
    if learner_id is not None:
        claims["sub"] = encode(LEARNER, learner_id)
    if email is not None:
        claims["email"] = email
    if settings.token_issuer:
        claims["iss"] = settings.token_issuer
    if settings.token_audience:
        claims["aud"] = settings.token_audience
    return jwt.encode(claims, settings.secret_key.get_secret_value(), algorithm=ALGORITHM)


async def authenticate(authorization: str | None, settings: Settings, now: datetime) -> Caller:
    """Return who presents this `Authorization` header; raises Unauthenticated."""
    scheme, _, credential = (authorization or "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated
    if credential.startswith(API_KEY_PREFIX):
        return await _service_account(credential, now)
    return await _person(await _claims(credential, settings, now))


async def _service_account(key: str, now: datetime) -> Caller:
    found = await find_service_account_by_key(hash_api_key(key), now)
    if found is None:
        raise Unauthenticated
    return Caller(*found)


async def _person(claims: dict[str, Any]) -> Caller:
    slug = claims.get("tenant")
    if not isinstance(slug, str):
        raise Unauthenticated
    recalled = recall_tenant_id(slug)
    caller = None if recalled is None else await _find_caller(slug, recalled, claims)
    if caller is None:
        tenant_id = await find_tenant_id(slug)
        # The slug may be another tenant's by now.
        if tenant_id is not None and tenant_id != recalled:
            caller = await _find_caller(slug, tenant_id, claims)
    if caller is None:
        raise Unauthenticated
    return caller


async def _find_caller(slug: str, tenant_id: int, claims: dict[str, Any]) -> Caller | None:
    reads = ReadScope(tenant_id)
    try:
        principal = await _find_person(reads, slug, claims)
    except BaseException:
        await reads.close()
        raise
    if principal is None:
        await reads.close()
        return None
    return Caller(principal, reads)


async def _find_person(reads: ReadScope, slug: str, claims: dict[str, Any]) -> Principal | None:
    subject, email, expires_at = claims.get("sub"), claims.get("email"), claims["exp"]
    learner_id = find_own_key(LEARNER, subject) if isinstance(subject, str) else None
    if learner_id is not None:
        return await find_learner_by_id(reads, slug, learner_id, expires_at)
    # Some issuers send the flag as text.
    if isinstance(email, str) and "\x00" not in email and claims.get("email_verified", True) not in (False, "false"):
        return await find_learner_by_email(reads, slug, email, expires_at)
    return None


async def _claims(token: str, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the claims of a valid token, with `exp` as an instant."""
    try:
        claims = await _verified(token, settings)
        expires_at = datetime.fromtimestamp(claims["exp"], now.tzinfo)
        begins = [datetime.fromtimestamp(claims[name], now.tzinfo) for name in ("iat", "nbf") if name in claims]
        is_timely = now - LEEWAY < expires_at and all(begin <= now + LEEWAY for begin in begins)
        for claim in claims.values():
            if isinstance(claim, str):
                # Half of a surrogate pair is JSON, and nothing that the database could look up.
                claim.encode()
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as error:
        raise Unauthenticated from error
    if not is_timely:
        raise Unauthenticated
    return claims | {"exp": expires_at}


async def _verified(token: str, settings: Settings) -> dict[str, Any]:
    """Return the claims of a token whose signature, issuer and audience are right; raises PyJWTError.

    Which algorithm that takes is decided by the settings and the key. What the token says about it only has to agree.
    """
    if not settings.jwks_url:
        return _decoded(token, settings.secret_key.get_secret_value(), settings)
    keys = key_set(settings.jwks_url)
    kid = jwt.get_unverified_header(token).get("kid")
    tried = await keys.find(kid)
    claims = _first_decoded(token, tried, settings)
    # Keys without a name may have been exchanged without any sign of it.
    may_be_old = bool(tried) and all(kid is None or key.kid is None for key in tried)
    if claims is None and may_be_old and await keys.refresh():
        claims = _first_decoded(token, await keys.find(kid), settings)
    if claims is None:
        raise jwt.InvalidSignatureError
    return claims


def _first_decoded(token: str, keys: Sequence[SigningKey], settings: Settings) -> dict[str, Any] | None:
    for key in keys:
        with contextlib.suppress(jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            return _decoded(token, key, settings)
    return None


def _decoded(token: str, key: str | SigningKey, settings: Settings) -> dict[str, Any]:
    return dict(_decoded_once(token, key, settings.token_issuer, settings.token_audience))


@lru_cache(maxsize=MOST_TOKENS)
def _decoded_once(token: str, key: str | SigningKey, issuer: str | None, audience: str | None) -> dict[str, Any]:
    # What a signature says does not change; time, rights and the keys that count are looked at for each request.
    algorithm, secret = (ALGORITHM, key) if isinstance(key, str) else (key.algorithm, key.key)
    claims: dict[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=[algorithm],
        issuer=issuer,
        audience=audience,
        # Instants are checked by the clock of the request.
        options={
            "require": ["exp"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
            "verify_sub": False,
            "verify_jti": False,
        },
    )
    return claims
