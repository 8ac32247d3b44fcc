"""Cursors: opaque texts that say where to go on, in a list or in the change feed. Nothing in them is secret."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from domain.foundation.errors import Invalid
from gql.contract.ids import TENANT, encode


def _pack(values: Sequence[Any]) -> str:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _unpack(cursor: str) -> list[Any] | None:
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None


def list_cursor(fingerprint: str, position: Sequence[Any], began_at: int | None = None) -> str:
    """Return the cursor of an item; `fingerprint` stands for the list, its filter and its order.

    In a list that has a stream, `began_at` is where the change feed ended when the first page was read.
    """
    return _pack([fingerprint, *position] if began_at is None else [fingerprint, *position, {"feed": began_at}])


def list_position(fingerprint: str, cursor: str) -> tuple[list[Any], int | None]:
    """Return where to go on, and what `list_cursor` calls `began_at`.

    Raises Invalid for a cursor of another list, filter or order.
    """
    values = _unpack(cursor)
    if not values or values[0] != fingerprint:
        raise Invalid("Is no cursor of this list with this filter and order.", path=["after"])
    match values:
        case [_, *position, {"feed": int(began_at)}] if not isinstance(began_at, bool) and 0 <= began_at < 2**63:
            return position, began_at
    return values[1:], None


def feed_cursor(tenant_id: int, position: int) -> str:
    """Return the cursor of a position in a tenant's change feed."""
    return _pack([encode(TENANT, tenant_id), position])


def feed_position(tenant_id: int, cursor: str) -> int:
    """Return the position of a cursor of the tenant's feed; raises Invalid for any other text."""
    match _unpack(cursor):
        case [tenant, int(position)] if (
            tenant == encode(TENANT, tenant_id) and not isinstance(position, bool) and 0 <= position < 2**63
        ):
            return position
    raise Invalid("Is no cursor of the change feed.", path=["after"])
