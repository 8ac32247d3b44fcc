"""Tokens that an identity provider signs: its keys come from its address, and change while everything runs."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from domain.foundation.access import Principal
from domain.foundation.settings import BadSettings, Settings
from gql.contract.ids import LEARNER, encode
from gql.identity import jwks
from gql.identity.signing_keys import BadKeySet, read_key_set
from gql.transport.app import create_app
from tests.support.api import SECRET, Api
from tests.support.key_server import KeyPair, KeyServer, key_server
from tests.support.web_process import web_process


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    """The provider's address."""
    with key_server() as server:
        yield server


@pytest.fixture
async def bound(keys: KeyServer, settings: Settings, api: Api) -> AsyncIterator[Api]:
    """The application that trusts the provider, and has no secret of its own."""
    changed = settings.model_copy(update={"jwks_url": keys.url, "secret_key": SecretStr("")})
    async with Api(changed, api.now).opened() as bound:
        yield bound


@pytest.fixture
def claims(api: Api, admin: Principal) -> dict[str, Any]:
    """What a good token says."""
    assert admin.learner_id is not None
    return {"tenant": "acme", "sub": encode(LEARNER, admin.learner_id), "exp": api.now + timedelta(hours=1)}


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch for each unknown key at once."""
    monkeypatch.setattr(jwks, "PAUSE", 0.0)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def status(api: Api, token: str) -> int:
    """Return the status that a token gets."""
    return (await api.with_credential(token).post("{ tenant { name } }")).status_code


async def test_both_algorithms_are_accepted(bound: Api, keys: KeyServer, claims: dict[str, Any]) -> None:
    """RS256 and ES256, each with a key of its kind; the address is asked once."""
    one, two = KeyPair.rsa("one"), KeyPair.ec("two")
    keys.publish(one, two)
    assert [await status(bound, key.sign(claims)) for key in (one, two, one)] == [200, 200, 200]
    assert keys.request_count == 1


async def test_the_secret_of_the_service_signs_nothing_any_more(
    keys: KeyServer, settings: Settings, api: Api, claims: dict[str, Any]
) -> None:
    """Even where it is set still."""
    keys.publish(KeyPair.rsa("one"))
    token = jwt.encode(claims, SECRET, "HS256")
    assert await status(api, token) == 200
    async with Api(settings.model_copy(update={"jwks_url": keys.url}), api.now).opened() as bound:
        assert await status(bound, token) == 401
        assert await status(bound, jwt.encode(claims, SECRET, "HS256", headers={"kid": "one"})) == 401


async def test_the_token_does_not_choose_the_algorithm(bound: Api, keys: KeyServer, claims: dict[str, Any]) -> None:
    """A public key is no secret, another algorithm of the same key is not the one, and nothing is no signature."""
    one, two = KeyPair.rsa("one"), KeyPair.ec("two")
    keys.publish(one, two)
    pem = one.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    forged = {
        "public key as secret": _sign_with_secret(claims, pem, "one"),
        "published text as secret": _sign_with_secret(claims, json.dumps(one.public()).encode(), "one"),
        "longer digest": one.sign(claims, algorithm="RS512"),
        "other padding": one.sign(claims, algorithm="PS256"),
        "key of another kind": KeyPair("two", "RS256", one.private).sign(claims),
        "no algorithm": jwt.encode(claims, "", "none", headers={"kid": "one"}),
        "somebody's own key": KeyPair.rsa("mine").sign(claims, headers={"kid": "one"}),
        "key in the token": KeyPair.ec("mine").sign(claims, headers={"kid": "two", "jwk": KeyPair.ec("x").public()}),
        "address in the token": KeyPair.ec("mine").sign(claims, headers={"kid": "two", "jku": keys.url}),
        "name that is no text": _with_header(one.sign(claims), kid=5),
    }
    assert {flaw: await status(bound, token) for flaw, token in forged.items()} == dict.fromkeys(forged, 401)
    assert await status(bound, one.sign(claims)) == 200


def _sign_with_secret(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """Return a token as an attacker makes it; the library refuses to use a public key like this."""

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = claims | {"exp": int(claims["exp"].timestamp())}
    signed = part({"alg": "HS256", "typ": "JWT", "kid": kid}) + b"." + part(body)
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


def _with_header(token: str, **changes: Any) -> str:
    header, rest = token.split(".", 1)
    known = json.loads(base64.urlsafe_b64decode(header + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(known | changes).encode()).rstrip(b"=").decode()
    return f"{changed}.{rest}"


@pytest.mark.usefixtures("no_pause")
async def test_keys_are_rotated_while_it_runs(bound: Api, keys: KeyServer, claims: dict[str, Any]) -> None:
    """A new key is fetched when it is first used; one that is not published any more is worth nothing."""
    old, new = KeyPair.rsa("old"), KeyPair.ec("new")
    keys.publish(old)
    assert await status(bound, old.sign(claims)) == 200
    assert await status(bound, new.sign(claims)) == 401
    keys.publish(old, new)
    assert await status(bound, new.sign(claims)) == 200
    assert await status(bound, old.sign(claims)) == 200
    keys.publish(new)
    assert await status(bound, KeyPair.ec("unknown").sign(claims)) == 401
    assert await status(bound, old.sign(claims)) == 401
    assert await status(bound, new.sign(claims)) == 200


async def test_invented_names_of_keys_do_not_make_us_ask_again_and_again(
    bound: Api, keys: KeyServer, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once every few seconds, and never once per request."""
    known = KeyPair.rsa("known")
    keys.publish(known)
    assert await status(bound, known.sign(claims)) == 200
    strangers = [known.sign(claims, headers={"kid": f"invented-{number}"}) for number in range(20)]
    assert await asyncio.gather(*(status(bound, token) for token in strangers)) == [401] * 20
    assert keys.request_count == 1
    monkeypatch.setattr(jwks, "PAUSE", 0.0)
    keys.delay = 0.2
    # All of those that wait at the same time wait for the same answer.
    assert await asyncio.gather(*(status(bound, token) for token in strangers)) == [401] * 20
    assert keys.request_count == 2


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 302, "headers": {"Location": "/elsewhere"}},
        {"content": b"<html>"},
        {"content": b"[]"},
        {"content": b'{"keys": {}}'},
        {"content": b'{"keys": []}'},
        {"content": b'{"keys": [' + b" " * jwks.MAX_BYTES + b"]}"},
    ],
    ids=["error", "redirect", "no JSON", "no object", "no list", "no keys", "too large"],
)
async def test_an_address_in_trouble_leaves_the_known_keys(
    bound: Api, keys: KeyServer, claims: dict[str, Any], trouble: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it answers, and it is told once; a redirect is not followed."""
    known = KeyPair.rsa("known")
    keys.publish(known)
    assert await status(bound, known.sign(claims)) == 200
    for name, value in trouble.items():
        setattr(keys, name, value)
    asked = keys.request_count
    for _ in range(2):
        assert await status(bound, KeyPair.ec("unknown").sign(claims)) == 401
    assert keys.request_count == asked + 2
    assert await status(bound, known.sign(claims)) == 200
    assert len([record for record in caplog.records if keys.url in record.getMessage()]) == 1


@pytest.mark.usefixtures("no_pause")
async def test_an_address_that_hangs_holds_up_nobody_with_a_known_key(
    bound: Api, keys: KeyServer, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever has to wait waits for so long and no longer, also for an answer that comes byte by byte."""
    monkeypatch.setattr(jwks, "TIMEOUT", 0.5)
    known = KeyPair.rsa("known")
    keys.publish(known)
    assert await status(bound, known.sign(claims)) == 200
    for hanging in ({"delay": 30.0}, {"delay": 0.0, "drip": 0.05}):
        for name, value in hanging.items():
            setattr(keys, name, value)
        begun = time.monotonic()
        waiting = asyncio.ensure_future(status(bound, KeyPair.ec("unknown").sign(claims)))
        await asyncio.sleep(0.1)
        assert await status(bound, known.sign(claims)) == 200
        assert not waiting.done()
        assert await waiting == 401
        assert time.monotonic() - begun < 3


@pytest.mark.usefixtures("no_pause")
async def test_without_any_key_nobody_can_tell_what_a_token_is_worth(
    bound: Api, keys: KeyServer, claims: dict[str, Any]
) -> None:
    """That is our trouble and not the token's, so clients try again instead of signing out."""
    known = KeyPair.rsa("known")
    keys.status = 503
    response = await bound.with_credential(known.sign(claims)).post("{ tenant { name } }")
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert await status(bound, "nonsense") == 401
    keys.status = 200
    keys.publish(known)
    assert await status(bound, known.sign(claims)) == 200


@pytest.mark.usefixtures("no_pause")
async def test_keys_and_tokens_may_have_no_name(bound: Api, keys: KeyServer, claims: dict[str, Any]) -> None:
    """Then each key is tried with its own algorithm; an exchanged one is noticed by signatures that do not fit."""
    one, two = KeyPair.rsa(None), KeyPair.ec(None)
    keys.publish(one, two)
    assert await status(bound, one.sign(claims)) == 200
    assert await status(bound, two.sign(claims)) == 200
    assert await status(bound, two.sign(claims, headers={"kid": "whatever"})) == 200
    three = KeyPair.ec(None)
    assert await status(bound, three.sign(claims)) == 401
    keys.publish(three)
    assert await status(bound, three.sign(claims)) == 200
    assert await status(bound, two.sign(claims)) == 401
    keys.publish(KeyPair.rsa("named"))
    assert await status(bound, KeyPair(None, "RS256", KeyPair.rsa("named").private).sign(claims)) == 200


async def test_times_issuer_and_audience_count_as_ever(
    keys: KeyServer, settings: Settings, api: Api, claims: dict[str, Any]
) -> None:
    """A good signature is not everything."""
    key = KeyPair.rsa("one")
    keys.publish(key)
    names = {"jwks_url": keys.url, "token_issuer": "https://id.example", "token_audience": "mandate"}
    right = claims | {"iss": "https://id.example", "aud": ["mandate"]}
    tokens = {
        200: [right, right | {"exp": api.now - timedelta(seconds=4)}, right | {"nbf": api.now + timedelta(seconds=5)}],
        401: [
            claims,
            right | {"iss": "https://evil.example"},
            right | {"aud": "other"},
            right | {"exp": api.now - timedelta(seconds=5)},
            right | {"nbf": api.now + timedelta(seconds=6)},
            {name: value for name, value in right.items() if name != "exp"},
            right | {"tenant": "nobody"},
        ],
    }
    async with Api(settings.model_copy(update=names), api.now).opened() as bound:
        for expected, all_claims in tokens.items():
            for one in all_claims:
                assert await status(bound, key.sign(one)) == expected, one


async def test_keys_are_fetched_now_and_then_although_nobody_asks(
    keys: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not published any more is forgotten without any unknown key."""
    monkeypatch.setattr(jwks, "PAUSE", 0.0)
    monkeypatch.setattr(jwks, "LIFETIME", 0.05)
    keys.publish(KeyPair.rsa("old"))
    kept = jwks.KeySet(keys.url)
    async with kept.kept_fresh():
        assert [key.kid for key in await kept.find("old")] == ["old"]
        keys.publish(KeyPair.ec("new"))
        await eventually(lambda: not kept._matching("old"))
        assert [key.kid for key in await kept.find("new")] == ["new"]


def test_only_proper_keys_are_read() -> None:
    """Other purposes, kinds, curves and lengths are left out, and so is whatever cannot be read."""
    good, curve = KeyPair.rsa("good"), KeyPair.ec("curve")
    left_out = [
        KeyPair.rsa("for encryption").public(use="enc"),
        KeyPair.rsa("for signing only").public(key_ops=["sign"]),
        KeyPair.rsa("strange purpose").public(key_ops="verify"),
        KeyPair.rsa("another algorithm").public(alg="RS512"),
        KeyPair.rsa("weak", bits=1024).public(),
        KeyPair.ec("another curve", curve=ec.SECP384R1()).public(),
        KeyPair.ec("strange name").public(kid=["x"]),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "use": "sig"},
        {"kty": "RSA", "kid": "half", "n": "AQAB"},
        {"kty": ["RSA"]},
        "nonsense",
        None,
    ]
    plain = [good.public(alg=None, use=None), curve.public(use=None, key_ops=["verify"])]
    read = read_key_set(json.dumps({"keys": [*left_out, *plain]}).encode())
    assert [(key.kid, key.algorithm) for key in read] == [("good", "RS256"), ("curve", "ES256")]
    with pytest.raises(BadKeySet):
        read_key_set(json.dumps({"keys": left_out}).encode())


@pytest.mark.parametrize(
    ("url", "environment", "is_fine"),
    [
        ("https://id.example/keys", "production", True),
        ("http://127.0.0.1:9/keys", "production", True),
        ("http://id.example/keys", "development", True),
        ("http://id.example/keys", "production", False),
        ("file:///etc/keys", "development", False),
        ("https://", "development", False),
        ("https://[", "development", False),
        ("nonsense", "development", False),
    ],
)
def test_the_address_of_the_keys_is_judged_at_the_start(
    settings: Settings, url: str, environment: str, is_fine: bool
) -> None:
    """Keys that anybody on the way can exchange are worth nothing. A secret is not needed beside them."""
    update = {"jwks_url": url, "environment": environment, "secret_key": SecretStr("")}
    changed = settings.model_copy(update=update)
    if is_fine:
        create_app(changed)
    else:
        with pytest.raises(BadSettings, match="JWKS_URL"):
            create_app(changed)


def test_the_process_starts_before_it_has_the_keys(keys: KeyServer, app_url: str, tmp_path: Path) -> None:
    """It asks for them at once, not with the first request; an address that is away does not keep it from starting."""
    keys.status = 500
    with web_process(tmp_path, {"DATABASE_URL": app_url, "JWKS_URL": keys.url}) as web:
        deadline = time.monotonic() + 5
        while not keys.request_count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert httpx.get(f"{web.url}/healthz").status_code == 200
