"""Who is calling: a signed token of a person, or the API key of a service account. Rights come from the database only.

Every reason for refusal gives the same answer, so nothing can be learned from trying; the log tells the operator.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Unauthenticated
from domain.foundation.settings import Settings, TokenIssuer
from domain.tenants.accounts import (
    find_learner_by_email,
    find_learner_by_id,
    find_service_account_by_key,
    find_tenant_id,
    recall_tenant_id,
)
from domain.tenants.service_accounts import API_KEY_PREFIX, hash_api_key
from gql.contract.ids import LEARNER, encode, find_own_key
from gql.identity.jwks import key_set
from gql.identity.signing_keys import SigningKey

#: Of tokens that are signed with the secret of the service.
ALGORITHM = "HS256"
#: Clocks of the issuer and of this machine may differ by this much.
LEEWAY = timedelta(seconds=5)
#: Characters of somebody else's text that a line of the log quotes.
MAX_QUOTED = 100
#: Tokens whose signatures are remembered as good; they have a kilobyte each.
MOST_TOKENS = 4_096


log = logging.getLogger("mandate.api")


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
    claims: dict[str, Any] = {"iat": now, "nbf": now, "exp": now + lifetime, settings.token_tenant_claim: tenant}
    if learner_id is not None:
        claims["sub"] = encode(LEARNER, learner_id)
    if email is not None:
        claims[settings.token_email_claim] = email
    if settings.token_issuer:
        claims["iss"] = settings.token_issuer
    if settings.token_audience:
        claims["aud"] = settings.token_audience
    return jwt.encode(claims, settings.secret_key.get_secret_value(), algorithm=ALGORITHM)


async def authenticate(authorization: str | None, settings: Settings, now: datetime) -> Caller:
    """Return who presents this `Authorization` header; raises Unauthenticated."""
    try:
        return await _authenticated(authorization, settings, now)
    except Unauthenticated as refusal:
        log.info("a credential was refused", extra={"reason": refusal.reason})
        raise


async def _authenticated(authorization: str | None, settings: Settings, now: datetime) -> Caller:
    if not authorization:
        raise Unauthenticated("there is none")
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated("the header is not `Bearer` and a credential")
    if credential.startswith(API_KEY_PREFIX):
        return await _service_account(credential, now)
    return await _person(await _verified(credential, settings, now))


async def _service_account(key: str, now: datetime) -> Caller:
    found = await find_service_account_by_key(hash_api_key(key), now)
    if found is None:
        raise Unauthenticated("no service account has this API key, or it was revoked")
    return Caller(*found)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What a good token says: for which tenant, who it is, and until when."""

    tenant: str
    subject: object
    email: object
    is_email_verified: bool
    expires_at: datetime


async def _person(claimed: _Claimed) -> Caller:
    slug = claimed.tenant
    recalled = recall_tenant_id(slug)
    caller = None if recalled is None else await _find_caller(recalled, claimed)
    if caller is None:
        tenant_id = await find_tenant_id(slug)
        if tenant_id is None:
            raise Unauthenticated("there is no such tenant")
        # The slug may be another tenant's by now.
        if tenant_id != recalled:
            caller = await _find_caller(tenant_id, claimed)
    if caller is None:
        raise Unauthenticated(_why_nobody(claimed))
    return caller


def _why_nobody(claimed: _Claimed) -> str:
    if isinstance(claimed.subject, str) and find_own_key(LEARNER, claimed.subject) is not None:
        return "nobody who is active in the tenant has the ID in `sub`"
    if not isinstance(claimed.email, str):
        return "it names nobody: `sub` is no ID of a learner, and the claim with the email address is missing"
    if not claimed.is_email_verified:
        return "`email_verified` is there and not true"
    return "nobody who is active in the tenant has the email address"


async def _find_caller(tenant_id: int, claimed: _Claimed) -> Caller | None:
    reads = ReadScope(tenant_id)
    try:
        principal = await _find_person(reads, claimed)
    except BaseException:
        await reads.close()
        raise
    if principal is None:
        await reads.close()
        return None
    return Caller(principal, reads)


async def _find_person(reads: ReadScope, claimed: _Claimed) -> Principal | None:
    subject, email = claimed.subject, claimed.email
    learner_id = find_own_key(LEARNER, subject) if isinstance(subject, str) else None
    if learner_id is not None:
        return await find_learner_by_id(reads, claimed.tenant, learner_id, claimed.expires_at)
    if isinstance(email, str) and "\x00" not in email and claimed.is_email_verified:
        return await find_learner_by_email(reads, claimed.tenant, email, claimed.expires_at)
    return None


async def _verified(token: str, settings: Settings, now: datetime) -> _Claimed:
    """Return what a token says whose signature, issuer, audience and times are right."""
    try:
        claims, issuer = await _signed(token, settings)
        expires_at = datetime.fromtimestamp(claims["exp"], now.tzinfo)
        begins = [datetime.fromtimestamp(claims[name], now.tzinfo) for name in ("iat", "nbf") if name in claims]
        for claim in claims.values():
            if isinstance(claim, str):
                # Half of a surrogate pair is JSON, and nothing that the database could look up.
                claim.encode()
    except jwt.PyJWTError as error:
        raise Unauthenticated(_quoted(str(error) or type(error).__name__)) from error
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise Unauthenticated("a claim has a value that makes no sense") from error
    if now - LEEWAY >= expires_at:
        raise Unauthenticated("it has expired")
    if any(begin > now + LEEWAY for begin in begins):
        raise Unauthenticated("it begins in the future")
    return _Claimed(
        tenant=_tenant_of(claims, issuer, settings),
        subject=claims.get("sub"),
        email=claims.get((issuer and issuer.email_claim) or settings.token_email_claim),
        # Some issuers send the flag as text. Whatever else is there says that nobody has looked.
        is_email_verified=claims.get("email_verified", True) is True or claims["email_verified"] == "true",
        expires_at=expires_at,
    )


def _tenant_of(claims: dict[str, Any], issuer: TokenIssuer | None, settings: Settings) -> str:
    """Return for which tenant the token is; an issuer that speaks for one alone need not say it."""
    bound = issuer.tenants if issuer is not None else None
    name = (issuer and issuer.tenant_claim) or settings.token_tenant_claim
    slug = claims.get(name, bound[0] if bound is not None and len(bound) == 1 else None)
    if not isinstance(slug, str):
        raise Unauthenticated(f"the claim `{name}` with the tenant is missing, or no text")
    if bound is not None and slug not in bound:
        raise Unauthenticated("its issuer does not speak for the tenant that it names")
    return slug


async def _signed(token: str, settings: Settings) -> tuple[dict[str, Any], TokenIssuer | None]:
    """Return the claims of a token that is truly its issuer's and meant for us, and the issuer; raises PyJWTError.

    Which algorithm that takes is decided by the settings and the key. What the token says about it only has to agree.
    What it says about its issuer decides only by whose keys it has to be signed.
    """
    issuers = settings.issuers
    if not issuers:
        secret = settings.secret_key.get_secret_value()
        return dict(_decoded(token, secret, settings.token_issuer, settings.token_audience)), None
    claimed = _issuer_named_in(token)
    trusted = [issuer for issuer in issuers if issuer.issuer is None or issuer.issuer == claimed]
    if not trusted:
        raise jwt.InvalidIssuerError(f"its issuer is none of those that are trusted: {claimed}")
    for issuer in trusted[:-1]:
        # One issuer may serve several audiences, each for other tenants.
        try:
            return await _signed_by(token, issuer), issuer
        except jwt.PyJWTError:
            continue
    return await _signed_by(token, trusted[-1]), trusted[-1]


async def _signed_by(token: str, issuer: TokenIssuer) -> dict[str, Any]:
    keys = key_set(issuer.jwks_url)
    kid = jwt.get_unverified_header(token).get("kid")
    tried = await keys.find(kid)
    claims = _first_decoded(token, tried, issuer)
    # Keys without a name may have been exchanged without any sign of it.
    may_be_old = bool(tried) and all(kid is None or key.kid is None for key in tried)
    if claims is None and may_be_old and await keys.refresh():
        claims = _first_decoded(token, await keys.find(kid), issuer)
    if claims is None:
        raise jwt.InvalidSignatureError(
            "its signature is of none of the issuer's keys" if tried else f"its issuer has no key {kid}"
        )
    return claims


def _first_decoded(token: str, keys: Sequence[SigningKey], issuer: TokenIssuer) -> dict[str, Any] | None:
    for key in keys:
        try:
            return dict(_decoded(token, key, issuer.issuer, issuer.audience))
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            continue
    return None


def _quoted(text: str) -> str:
    """Return what may be foreign text as a line of the log may hold it."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


@lru_cache(maxsize=MOST_TOKENS)
def _issuer_named_in(token: str) -> object:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims.get("iss")


@lru_cache(maxsize=MOST_TOKENS)
def _decoded(token: str, key: str | SigningKey, issuer: str | None, audience: str | None) -> dict[str, Any]:
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
