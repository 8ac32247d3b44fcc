"""Public keys that sign tokens, as a JSON Web Key Set tells them. What a key may be used for follows from its kind.

The algorithm of a signature is never taken from the token: an RSA key checks RS256 and nothing else, a key on the curve
P-256 checks ES256 and nothing else. So nobody can have a public key taken for the secret of an HS256 signature.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

#: Shorter RSA keys can be broken (RFC 7518 forbids them).
MIN_RSA_BITS = 2048
#: A token without `kid` is tried with each key, so there must not be many.
MAX_KEYS = 50


class BadKeySet(ValueError):
    """The address did not answer with a set of keys that can be used."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A public key, and the one algorithm that it is for. Each is itself only, however alike another one looks."""

    kid: str | None
    algorithm: str
    key: RSAPublicKey | EllipticCurvePublicKey


def read_key_set(content: bytes) -> tuple[SigningKey, ...]:
    """Return the keys of a set that check signatures; raises BadKeySet when it is none, or none of them does.

    Other keys are left out: other kinds and algorithms, for encryption, secret, weak, or malformed.
    """
    try:
        given = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadKeySet("It is no JSON.") from error
    listed = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(listed, list):
        raise BadKeySet("It is no set of keys.")
    keys = tuple(key for entry in listed[:MAX_KEYS] if (key := _read(entry)) is not None)
    if not keys:
        raise BadKeySet("It has no key for RS256 or ES256.")
    return keys


def _read(entry: Any) -> SigningKey | None:
    if not isinstance(entry, dict) or not _checks_signatures(entry):
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    kid = entry.get("kid")
    if algorithm is None or entry.get("alg", algorithm) != algorithm or not isinstance(kid, str | None):
        return None
    try:
        key = PyJWK(entry, algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return SigningKey(kid, algorithm, key)
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return SigningKey(kid, algorithm, key)
    return None


def _checks_signatures(entry: dict[str, Any]) -> bool:
    uses = entry.get("key_ops")
    return entry.get("use", "sig") == "sig" and (uses is None or (isinstance(uses, list) and "verify" in uses))
