"""Who gets in: people by signed tokens, partner tools by keys. Every flaw of a credential gets the same answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database.sessions import writing
from domain.foundation.settings import BadSettings, Settings
from domain.people.models import Learner
from domain.tenants.models import ServiceAccount, Tenant
from gql.contract.ids import DEPARTMENT, LEARNER, encode
from gql.identity.authentication import issue_token
from gql.transport.app import create_app
from tests.support import factories
from tests.support.api import SECRET, Api
from tests.support.catalogue import Connection

VIEWER = "{ viewer { actor { id name } role scopes learner { id } } }"


def token(now: datetime, *, key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Return a token with these claims; None leaves a claim out."""
    all_claims = {"tenant": "acme", "exp": now + timedelta(hours=1)} | claims
    return jwt.encode({name: value for name, value in all_claims.items() if value is not None}, key, algorithm)


async def status(api: Api, credential: str | None) -> int:
    """Return the status that a credential gets, and check how a refusal looks."""
    response = await api.with_credential(credential).post("{ tenant { name } }")
    if response.status_code != 200:
        assert response.json() == {
            "errors": [
                {
                    "message": "The credential is missing, malformed, expired or revoked.",
                    "extensions": {"code": "UNAUTHENTICATED"},
                }
            ]
        }
        assert response.headers["www-authenticate"] == "Bearer"
    return response.status_code


async def test_a_person_signs_in_by_id(api: Api, admin: Principal) -> None:
    """`sub` is the learner's ID; role and name come from the database."""
    assert admin.learner_id is not None
    learner_id = encode(LEARNER, admin.learner_id)
    viewer = await api.with_credential(token(api.now, sub=learner_id, role="LEARNER")).value(VIEWER)
    assert viewer == {
        "actor": {"id": learner_id, "name": "Ada Admin"},
        "role": "ADMIN",
        "scopes": [],
        "learner": {"id": learner_id},
    }


async def test_a_person_signs_in_by_email(api: Api, tenant: Tenant) -> None:
    """Where `sub` is no learner's ID, the email address decides, ignoring case."""
    await factories.create_person(tenant.id, email="Ada@Example.com", name="Ada")
    for claims in (
        {"email": "ada@EXAMPLE.com"},
        {"email": "ada@example.com", "sub": "auth0|4711"},
        {"email": "ada@example.com", "email_verified": True},
    ):
        viewer = await api.with_credential(token(api.now, **claims)).value(VIEWER)
        assert viewer["actor"]["name"] == "Ada"


@pytest.mark.parametrize("verified", [False, "false", "False", "no", None, 0, 1, "", "1", [], ["true"], "TRUE"])
async def test_an_email_that_is_not_verified_is_nobodys(api: Api, tenant: Tenant, verified: Any) -> None:
    """Anybody can claim an address."""
    await factories.create_person(tenant.id, email="ada@example.com")
    claims = {"tenant": "acme", "exp": api.now + timedelta(hours=1), "email": "ada@example.com"}
    assert await status(api, jwt.encode(claims, SECRET, "HS256")) == 200
    assert await status(api, jwt.encode(claims | {"email_verified": verified}, SECRET, "HS256")) == 401


async def test_a_learners_id_is_not_overruled_by_the_email(api: Api, tenant: Tenant) -> None:
    """A token that names somebody who is gone does not fall back to somebody else."""
    await factories.create_person(tenant.id, email="ada@example.com")
    assert await status(api, token(api.now, sub=encode(LEARNER, 999_999), email="ada@example.com")) == 401


async def test_each_flaw_of_a_token_is_refused(api: Api, admin: Principal, another_tenant: Tenant) -> None:
    """Secret, algorithm, times, tenant and person all have to be right."""
    assert admin.learner_id is not None
    sub, now = encode(LEARNER, admin.learner_id), api.now
    assert await status(api, token(now, sub=sub)) == 200
    unsigned = jwt.encode({"tenant": "acme", "sub": sub, "exp": now + timedelta(hours=1)}, "", algorithm="none")
    flawed = {
        "nothing": None,
        "no token": "nonsense",
        "another secret": token(now, sub=sub, key="x" * 32),
        "another algorithm": token(now, sub=sub, algorithm="HS512", key=SECRET * 2),
        "no signature": unsigned,
        "no end": token(now, sub=sub, exp=None),
        "ended": token(now, sub=sub, exp=now - timedelta(seconds=6)),
        "end of the wrong type": token(now, sub=sub, exp="tomorrow"),
        "end out of range": token(now, sub=sub, exp=10**30),
        "issued tomorrow": token(now, sub=sub, iat=now + timedelta(days=1)),
        "valid from tomorrow": token(now, sub=sub, nbf=now + timedelta(days=1)),
        "no tenant": token(now, sub=sub, tenant=None),
        "unknown tenant": token(now, sub=sub, tenant="nobody"),
        "tenant that no database can store": token(now, sub=sub, tenant="a\x00b"),
        "tenant that is half a character": token(now, sub=sub, tenant="\ud800"),
        "tenant of the wrong type": token(now, sub=sub, tenant=5),
        "another tenant": token(now, sub=sub, tenant=another_tenant.slug),
        "nobody": token(now),
        "another kind of object": token(now, sub=encode(DEPARTMENT, admin.learner_id)),
        "unknown address": token(now, email="nobody@example.com"),
        "address that no database can store": token(now, email="a\x00@example.com"),
        "address with half a character": token(now, email="\ud800@example.com"),
    }
    assert {flaw: await status(api, credential) for flaw, credential in flawed.items()} == dict.fromkeys(flawed, 401)


async def test_the_log_says_why_a_credential_was_refused(
    api: Api, admin: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    """To the operator, and never what it was or whose."""
    assert admin.learner_id is not None
    sub, now = encode(LEARNER, admin.learner_id), api.now
    flawed = {
        None: "there is none",
        "nonsense": "Not enough segments",
        "mk_nonsense": "no service account has this API key, or it was revoked",
        token(now, sub=sub, key="x" * 32): "Signature verification failed",
        token(now, sub=sub, algorithm="HS512", key=SECRET * 2): "The specified alg value is not allowed",
        token(now, sub=sub, exp=None): 'Token is missing the "exp" claim',
        token(now, sub=sub, exp=now - timedelta(seconds=6)): "it has expired",
        token(now, sub=sub, nbf=now + timedelta(days=1)): "it begins in the future",
        token(now, sub=sub, exp="tomorrow"): "a claim has a value that makes no sense",
        token(now, sub=sub, tenant=None): "the claim `tenant` with the tenant is missing, or no text",
        token(now, sub=sub, tenant="nobody"): "there is no such tenant",
        token(now, sub=encode(LEARNER, 999_999)): "nobody who is active in the tenant has the ID in `sub`",
        token(now): "it names nobody: `sub` is no ID of a learner, and the claim with the email address is missing",
        token(now, email="nobody@example.com"): "nobody who is active in the tenant has the email address",
        token(now, email="ada@example.com", email_verified=False): "`email_verified` is there and not true",
    }
    for credential, reason in flawed.items():
        caplog.clear()
        with caplog.at_level("INFO", "mandate.api"):
            assert await status(api, credential) == 401
        reasons = [vars(record)["reason"] for record in caplog.records if "refused" in record.getMessage()]
        assert reasons == [reason]
        assert credential is None or credential not in caplog.text
        assert "nobody@example.com" not in caplog.text


async def test_claims_have_the_names_that_the_operator_says(settings: Settings, api: Api, tenant: Tenant) -> None:
    """Providers put tenants and addresses where they can."""
    await factories.create_person(tenant.id, email="ada@example.com")
    named = {"token_tenant_claim": "https://mandate.example/tenant", "token_email_claim": "preferred_username"}
    changed = settings.model_copy(update=named)
    tenant_claim, email_claim = {named["token_tenant_claim"]: "acme"}, {named["token_email_claim"]: "ADA@example.com"}
    issued = issue_token(changed, tenant="acme", now=api.now, lifetime=timedelta(hours=1), email="ada@example.com")

    def signed(*claims: dict[str, Any]) -> str:
        return token(api.now, **{"tenant": None} | {name: value for one in claims for name, value in one.items()})

    async with Api(changed, api.now).opened() as bound:
        assert await status(bound, signed(tenant_claim, email_claim)) == 200
        assert await status(bound, issued) == 200
        assert await status(bound, signed(email_claim, {"tenant": "acme"})) == 401
        assert await status(bound, signed(tenant_claim, {"email": "ada@example.com"})) == 401


async def test_a_token_may_span_all_of_time(api: Api, admin: Principal) -> None:
    """The first and the last instant of the calendar are instants like any other."""
    assert admin.learner_id is not None
    first, last = datetime(1, 1, 1, tzinfo=UTC).timestamp(), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    sub = encode(LEARNER, admin.learner_id)
    assert await status(api, token(api.now, sub=sub, iat=int(first), nbf=int(first), exp=int(last))) == 200


async def test_a_token_ends_when_it_says(api: Api, admin: Principal) -> None:
    """Clocks may differ by five seconds, no more."""
    assert admin.learner_id is not None
    credential = token(api.now, sub=encode(LEARNER, admin.learner_id))
    api.advance(hours=1, seconds=4)
    assert await status(api, credential) == 200
    api.advance(seconds=1)
    assert await status(api, credential) == 401


async def test_issuer_and_audience_are_checked_where_they_are_set(
    api: Api, settings: Settings, admin: Principal
) -> None:
    """An operator may bind tokens to an issuer and to this service."""
    assert admin.learner_id is not None
    sub, now = encode(LEARNER, admin.learner_id), api.now
    strict = settings.model_copy(update={"token_issuer": "https://id.example", "token_audience": "mandate"})
    async with Api(strict, now).opened() as bound:
        assert await status(bound, token(now, sub=sub, iss="https://id.example", aud="mandate")) == 200
        assert await status(bound, token(now, sub=sub, iss="https://id.example", aud=["other", "mandate"])) == 200
        assert await status(bound, token(now, sub=sub)) == 401
        assert await status(bound, token(now, sub=sub, iss="https://evil.example", aud="mandate")) == 401
        assert await status(bound, token(now, sub=sub, iss="https://id.example", aud="other")) == 401
    assert await status(api, token(now, sub=sub, iss="https://any.example", aud="any")) == 200


async def test_an_inactive_person_is_nobody(api: Api, admin: Principal) -> None:
    """Deactivation takes effect with the next request."""
    client = api.acting_as(admin)
    assert (await client.post(VIEWER)).status_code == 200
    async with writing(admin.tenant_id):
        await Learner.filter(id=admin.learner_id).update(is_active=False)
    assert (await client.post(VIEWER)).status_code == 401


async def test_a_slug_that_has_moved_is_the_other_tenants(
    api: Api, admin: Principal, another_tenant: Tenant, superuser: Connection
) -> None:
    """Also in a process that has known it for long: nobody gets in by what a slug once meant."""
    await factories.create_person(another_tenant.id, email="ada@acme.example", name="Other Ada")
    by_id, by_email = (
        token(api.now, sub=encode(LEARNER, admin.learner_id or 0)),
        token(api.now, email="ada@acme.example"),
    )
    assert await status(api, by_id) == 200
    await superuser.execute("UPDATE tenant SET slug = 'acme-before' WHERE id = $1", admin.tenant_id)
    assert await status(api, by_id) == 401
    await superuser.execute("UPDATE tenant SET slug = 'acme' WHERE id = $1", another_tenant.id)
    assert await status(api, by_id) == 401
    viewer = await api.with_credential(by_email).value("{ viewer { actor { name } } }")
    assert viewer == {"actor": {"name": "Other Ada"}}


async def test_a_change_of_role_takes_effect_at_once(api: Api, admin: Principal) -> None:
    """Roles are read with every request, never from the token."""
    client = api.acting_as(admin)
    async with writing(admin.tenant_id):
        await Learner.filter(id=admin.learner_id).update(role=Role.TRAINER)
    assert (await client.value(VIEWER))["role"] == "TRAINER"


async def test_a_partner_tool_signs_in_by_its_key(api: Api, read_account: Principal) -> None:
    """It has scopes instead of a role, and nothing that belongs to a person."""
    viewer = await api.acting_as(read_account).value(VIEWER)
    assert viewer["actor"]["name"] == "Reporting"
    assert (viewer["role"], viewer["scopes"], viewer["learner"]) == (None, ["READ"], None)


async def test_unknown_and_revoked_keys_are_refused(api: Api, tenant: Tenant) -> None:
    """Revocation takes effect with the next request."""
    account = await factories.create_service_account(tenant.id, key="mk_known")
    assert await status(api, "mk_known") == 200
    assert await status(api, "mk_unknown") == 401
    assert await status(api, "mk_") == 401
    async with writing(tenant.id):
        await ServiceAccount.filter(id=account.service_account_id).update(revoked_at=api.now)
    assert await status(api, "mk_known") == 401


async def test_the_latest_use_of_a_key_is_noted_once_a_minute(api: Api, tenant: Tenant) -> None:
    """An admin sees which keys are still in use; noting it costs next to nothing."""
    account = await factories.create_service_account(tenant.id, key="mk_used", scopes=[Scope.READ])

    async def used_at() -> datetime | None:
        async with writing(tenant.id):
            return (await ServiceAccount.get(id=account.service_account_id)).last_used_at

    assert await used_at() is None
    await status(api, "mk_used")
    assert await used_at() == datetime(2026, 3, 2, 9, tzinfo=UTC)
    api.advance(seconds=59)
    await status(api, "mk_used")
    assert await used_at() == datetime(2026, 3, 2, 9, tzinfo=UTC)
    api.advance(seconds=1)
    await status(api, "mk_used")
    assert await used_at() == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "Token x"])
async def test_only_bearer_credentials_are_read(api: Api, tenant: Tenant, header: str) -> None:
    """Neither other schemes, nor cookies, nor the address."""
    response = await api.http.post(
        "/graphql?token=x", json={"query": "{ tenant { name } }"}, headers={"Authorization": header, "Cookie": "a=b"}
    )
    assert response.status_code == 401


@pytest.mark.parametrize(
    "document", ["{ __schema { queryType { name } } }", "{ tenant { name", "{ nonsense }", "mutation { nonsense }"]
)
async def test_who_is_not_signed_in_learns_nothing(api: Api, tenant: Tenant, document: str) -> None:
    """Neither the schema nor whether a document would be valid."""
    response = await api.with_credential(None).post(document)
    assert response.status_code == 401


@pytest.mark.parametrize(
    "secret",
    [
        *("", "brief", "x" * 31, "x" * 64, "development-" + SECRET),
        *("ChangeMe-" + SECRET, "this-is-an-example-of-a-long-key-0123456789", "0123456789abcdef" * 2),
    ],
)
def test_the_application_does_not_start_without_a_proper_secret(settings: Settings, secret: str) -> None:
    """Tokens would be worth nothing. The message does not repeat the secret."""
    from pydantic import SecretStr

    with pytest.raises(BadSettings, match="SECRET_KEY") as refusal:
        create_app(settings.model_copy(update={"secret_key": SecretStr(secret)}))
    assert not secret or secret not in str(refusal.value)
