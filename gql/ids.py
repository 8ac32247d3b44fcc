"""IDs of the API: a prefix for the type and the row's key, mixed so that neighbours do not look like neighbours.

The mixing is fixed and has no secret: partners store IDs for ever, and an ID never gives access to anything. What an ID
that cannot be read means depends on where it stands, hence three functions: `find_key`, `get_key` and `filter_key`.
"""

from collections.abc import Sequence

from strawberry import ID

from domain.foundation.errors import Invalid, NotFound
from domain.foundation.keys import ExternalId, Reference

TENANT = "ten"
LEARNER = "lrn"
SERVICE_ACCOUNT = "svc"
DEPARTMENT = "dep"
LEARNING_GROUP = "grp"
CLIENT = "cli"
SUBLICENSE = "sub"
CONTENT = "cnt"
ENROLLMENT = "enr"
CONTENT_ACTION = "act"
AUDIT_ENTRY = "aud"
RULE = "rul"
BACKGROUND_JOB = "job"
MANDATORY_TASK = "mtk"
REMINDER = "rem"
BULK_ASSIGNMENT = "bas"
NOTIFICATION = "ntf"
EMAIL_TEMPLATE = "tpl"

EXTERNAL = "ext:"
#: Key that no row has.
MISSING = 0

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 13
_MASK = 2**64 - 1
# Constants of splitmix64; any offset and odd factors would do, as long as they never change.
_OFFSET = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_INVERSES = tuple(pow(factor, -1, 2**64) for factor in _FACTORS)


def encode(prefix: str, key: int) -> ID:
    """Return the ID of a row."""
    mixed = key + _OFFSET & _MASK
    for factor in _FACTORS:
        mixed = mixed * factor & _MASK
        mixed ^= mixed >> 32
    return ID(f"{prefix}_{''.join(_ALPHABET[mixed >> 5 * place & 31] for place in reversed(range(_LENGTH)))}")


def decode(text: str) -> tuple[str, int] | None:
    """Return prefix and key of an ID of ours, or None when it is none."""
    prefix, _, letters = text.partition("_")
    if len(letters) != _LENGTH:
        return None
    mixed = 0
    for letter in letters:
        digit = _DIGITS.get(letter)
        if digit is None:
            return None
        mixed = mixed << 5 | digit
    if mixed > _MASK:
        return None
    for inverse in reversed(_INVERSES):
        mixed ^= mixed >> 32
        mixed = mixed * inverse & _MASK
    key = mixed - _OFFSET & _MASK
    return (prefix, key) if 0 < key < 2**63 else None


def find_key(prefix: str, text: str) -> Reference | None:
    """Return the key that a lookup names, or None where nothing can be found: malformed, or of another type."""
    if text.startswith(EXTERNAL):
        external = text.removeprefix(EXTERNAL)
        return ExternalId(external) if external and "\x00" not in external else None
    decoded = decode(text)
    return decoded[1] if decoded is not None and decoded[0] == prefix else None


def find_own_key(prefix: str, text: str) -> int | None:
    """Return the key like `find_key`, for objects that partners have no IDs of their own for."""
    key = find_key(prefix, text)
    return key if isinstance(key, int) else None


def get_key(prefix: str, text: str, *, path: Sequence[str | int]) -> Reference:
    """Return the key that the input of a mutation or preview names; raises NotFound when there can be none."""
    key = find_key(prefix, text)
    if key is None:
        raise NotFound(path=path)
    return key


def get_own_key(prefix: str, text: str, *, path: Sequence[str | int]) -> int:
    """Return the key like `get_key`, for objects that partners have no IDs of their own for."""
    key = find_own_key(prefix, text)
    if key is None:
        raise NotFound(path=path)
    return key


def own_key_or_missing(prefix: str, text: str) -> int:
    """Return the key like `get_own_key`, or one that no row has: so that rights are judged before existence is."""
    return find_own_key(prefix, text) or MISSING


def get_keys(prefix: str, texts: Sequence[str], *, path: Sequence[str | int]) -> list[Reference]:
    """Return the keys of a list in the input of a mutation or preview; `path` is that of the list."""
    return [get_key(prefix, text, path=[*path, index]) for index, text in enumerate(texts)]


def filter_key(prefix: str, text: str, *, path: Sequence[str | int]) -> Reference:
    """Return the key that a filter names; raises Invalid when it is malformed or of another type."""
    key = find_key(prefix, text)
    if key is None:
        raise Invalid("Is no ID of such an object.", path=path)
    return key


def filter_keys(prefix: str, texts: Sequence[str], *, path: Sequence[str | int]) -> list[Reference]:
    """Return the keys of a list in a filter; `path` is that of the list."""
    return [filter_key(prefix, text, path=[*path, index]) for index, text in enumerate(texts)]


def filter_own_key(prefix: str, text: str, *, path: Sequence[str | int]) -> int:
    """Return the key like `filter_key`, for objects that partners have no IDs of their own for."""
    key = find_own_key(prefix, text)
    if key is None:
        raise Invalid("Is no ID of such an object.", path=path)
    return key


def filter_typed_key(prefixes: Sequence[str], text: str, *, path: Sequence[str | int]) -> tuple[str, int]:
    """Return prefix and key where a filter accepts objects of several types, such as accounts."""
    decoded = decode(text)
    if decoded is None or decoded[0] not in prefixes:
        raise Invalid("Is no ID of such an object.", path=path)
    return decoded
