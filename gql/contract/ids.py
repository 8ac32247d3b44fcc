"""IDs of the API: what their prefixes stand for, and what they mean where they stand in an input.

How they are made is in `domain.foundation.opaque_ids`. What an ID that cannot be read means depends on where it stands,
hence three functions: `find_key`, `get_key` and `filter_key`.
"""

from collections.abc import Sequence

from strawberry import ID

from domain.foundation import opaque_ids
from domain.foundation.errors import Invalid, NotFound
from domain.foundation.keys import EmailAddress, ExternalId, Reference
from domain.foundation.opaque_ids import opaque_id, read_opaque_id

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
MANDATORY_TASK = opaque_ids.MANDATORY_TASK
REMINDER = "rem"
BULK_ASSIGNMENT = "bas"
NOTIFICATION = "ntf"
EMAIL_TEMPLATE = "tpl"

EXTERNAL = "ext:"
#: Of people only.
EMAIL = "email:"
#: Key that no row has.
MISSING = 0


def encode(prefix: str, key: int) -> ID:
    """Return the ID of a row."""
    return ID(opaque_id(prefix, key))


def decode(text: str) -> tuple[str, int] | None:
    """Return prefix and key of an ID of ours, or None when it is none."""
    return read_opaque_id(text)


def find_key(prefix: str, text: str) -> Reference | None:
    """Return the key that a lookup names, or None where nothing can be found: malformed, or of another type."""
    for begins, kind in ((EXTERNAL, ExternalId), (EMAIL, EmailAddress)):
        if text.startswith(begins) and (kind is ExternalId or prefix == LEARNER):
            value = kind(text.removeprefix(begins))
            return value if value and "\x00" not in value else None
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
