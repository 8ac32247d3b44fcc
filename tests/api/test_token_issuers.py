"""Several identity providers: each speaks for its tenants, with keys, audience and claims of its own."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from domain.foundation.access import Principal
from domain.foundation.settings import BadSettings, Settings, TokenIssuer
from domain.tenants.models import Tenant
from gql.contract.ids import LEARNER, encode
from gql.transport.app import create_app
from tests.support import factories
from tests.support.api import SECRET, Api
from tests.support.key_server import KeyPair, KeyServer, key_server


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    """The address of a provider."""
    with key_server() as server:
        yield server


@pytest.fixture
def claims(api: Api, admin: Principal) -> dict[str, Any]:
    """What a good token says."""
    assert admin.learner_id is not None
    return {"tenant": "acme", "sub": encode(LEARNER, admin.learner_id), "exp": api.now + timedelta(hours=1)}


async def status(api: Api, token: str) -> int:
    """Return the status that a token gets."""
    return (await api.with_credential(token).post("{ tenant { name } }")).status_code


@pytest.fixture
def keys_of_globex() -> Iterator[KeyServer]:
    """The address of another provider."""
    with key_server() as server:
        yield server


async def test_several_issuers_each_speak_for_their_tenants(
    keys: KeyServer, keys_of_globex: KeyServer, settings: Settings, api: Api, claims: dict[str, Any], globex_claims: Any
) -> None:
    """A provider signs for people of the tenants that it is bound to, with its own keys, audience and claims."""
    acme, globex = KeyPair.rsa("acme"), KeyPair.ec("globex")
    keys.publish(acme)
    keys_of_globex.publish(globex)
    issuers = [
        TokenIssuer(issuer="https://id.acme", jwks_url=keys.url, audience="mandate", tenants=("acme",)),
        TokenIssuer(
            issuer="https://id.globex",
            jwks_url=keys_of_globex.url,
            audience="app-7",
            tenants=("globex", "initech"),
            tenant_claim="https://mandate/tenant",
            email_claim="upn",
        ),
    ]
    ours = claims | {"iss": "https://id.acme", "aud": "mandate"}
    theirs = globex_claims | {"iss": "https://id.globex", "aud": "app-7", "https://mandate/tenant": "globex"}
    without_tenant = {name: value for name, value in ours.items() if name != "tenant"}
    by_upn = {name: value for name, value in theirs.items() if name != "sub"} | {"upn": "gina@globex.example"}
    accepted = [(acme, ours), (acme, without_tenant), (globex, theirs), (globex, by_upn)]
    refused = [
        (globex, ours),
        (acme, theirs),
        (acme, ours | {"tenant": "globex"}),
        (globex, theirs | {"https://mandate/tenant": "acme", "sub": claims["sub"]}),
        (globex, {name: value for name, value in theirs.items() if name != "https://mandate/tenant"}),
        (acme, ours | {"aud": "app-7"}),
        (globex, theirs | {"aud": "mandate"}),
        (acme, ours | {"iss": "https://id.globex"}),
        (acme, ours | {"iss": "https://id.nobody"}),
        (acme, claims | {"aud": "mandate"}),
        (globex, by_upn | {"upn": None, "email": "gina@globex.example"}),
    ]
    changed = settings.model_copy(update={"token_issuers": issuers, "secret_key": SecretStr("")})
    async with Api(changed, api.now).opened() as bound:
        assert [await status(bound, key.sign(one)) for key, one in accepted] == [200] * len(accepted)
        assert [await status(bound, key.sign(one)) for key, one in refused] == [401] * len(refused)
        assert await status(bound, jwt.encode(ours, SECRET, "HS256")) == 401


@pytest.fixture
async def globex_claims(api: Api, another_tenant: Tenant) -> dict[str, Any]:
    """What a good token of somebody at the other company says, but for the tenant."""
    person = await factories.create_person(another_tenant.id, email="gina@globex.example")
    assert person.learner_id is not None
    return {"sub": encode(LEARNER, person.learner_id), "exp": api.now + timedelta(hours=1)}


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"jwks_url": "https://id.example/keys"}, "TOKEN_ISSUERS"),
        ({"token_audience": "mandate"}, "TOKEN_ISSUERS"),
        ({"token_issuers": [{"issuer": None}]}, "an issuer and an audience"),
        ({"token_issuers": [{"audience": None}]}, "an issuer and an audience"),
        ({"token_issuers": [{"jwks_url": "http://id.example/keys"}]}, "https"),
        ({"token_issuers": [{"jwks_url": "https://"}]}, "https"),
    ],
)
def test_issuers_are_judged_at_the_start(settings: Settings, update: dict[str, Any], reason: str) -> None:
    """One without an audience would take tokens that its provider made for somebody else."""
    good = {"issuer": "https://id.example", "jwks_url": "https://id.example/keys", "audience": "mandate"}
    issuers = [TokenIssuer.model_validate(good | one) for one in update.pop("token_issuers", [{}])]
    changed = settings.model_copy(update={"environment": "production", "token_issuers": issuers, **update})
    with pytest.raises(BadSettings, match=reason):
        create_app(changed)


def test_issuers_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON; what nobody knows is refused by name."""
    one = {"issuer": "https://id.example", "jwks_url": "https://id.example/keys", "audience": "mandate"}
    monkeypatch.setenv("TOKEN_ISSUERS", json.dumps([one | {"tenants": ["acme"], "email_claim": "upn"}]))
    issuer = Settings().token_issuers[0]
    assert (issuer.tenants, issuer.email_claim, issuer.tenant_claim) == (("acme",), "upn", None)
    wrongs: list[dict[str, Any]] = [{"tenant": "acme"}, {"tenants": []}, {"audience": ""}]
    for wrong in wrongs:
        monkeypatch.setenv("TOKEN_ISSUERS", json.dumps([one | wrong]))
        with pytest.raises(ValidationError):
            Settings()
