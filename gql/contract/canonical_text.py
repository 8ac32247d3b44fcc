"""One text for one meaning of an input, whatever way it was written: what idempotency keys and cursors are bound to."""

import dataclasses
import datetime as dt
import hashlib
import json
from enum import Enum
from typing import Any

from strawberry import UNSET, Some

IDEMPOTENCY_KEY = "idempotency_key"


def digest(*values: Any) -> bytes:
    """Return the SHA-256 of coerced input values.

    Null and left out are the same where null has no meaning, and so is an object without any field.
    """
    plain = [_plain(value) for value in values]
    text = json.dumps([None if part == {} else part for part in plain], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Some):
        # Only fields where null has a meaning are wrapped: there, null differs from left out.
        return {"given": _plain(value.value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            name: _plain(part)
            for name, part in named.items()
            if part is not None and part is not UNSET and name != IDEMPOTENCY_KEY
        }
    return value
