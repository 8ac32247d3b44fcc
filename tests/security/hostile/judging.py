"""What is wrong with an answer, whatever was asked."""

import json
from collections.abc import Mapping
from typing import Any

from tests.security.hostile.values import CANARY
from tests.security.world import World
from tests.support.catalogue import Connection, all_tables

#: What only the inside knows.
INSIDE = (
    "Traceback",
    'File "',
    "asyncpg",
    "tortoise",
    "site-packages",
    "INTERNAL_SERVER_ERROR",
    "SELECT ",
    "relation ",
)


def secrets_of(world: World) -> list[str]:
    """Return what nobody of another tenant can know: all IDs, and names that no request says."""
    kinds = ("member", "course", "item", "path", "rule", "template", "subject", "notification", "department", "group")
    return [named.id for named in world.objects.values()] + [f"{world.tenant.slug} {kind}" for kind in kinds]


def faults_of(status: int, text: str, secrets: list[str]) -> list[str]:
    """Return what is wrong with an answer; nothing, if it is as it should be."""
    faults = [f"status {status}"] if status >= 500 else []
    faults += [f"shows {word!r}" for word in INSIDE if word in text]
    faults += [f"leaks {secret!r}" for secret in secrets if secret in text]
    if CANARY in text:
        faults += [f"repeats a value: {message}" for message in _messages(status, text) if CANARY in message]
    return faults


def _messages(status: int, text: str) -> list[str]:
    """Return what an answer says about errors; what it says about data, a report too, may well be what was sent."""
    try:
        body = json.loads(text)
    except ValueError:
        return [text] if status >= 400 else []
    errors = body.get("errors", []) if isinstance(body, dict) else []
    found = [json.dumps(error.get(name)) for error in errors for name in ("message", "extensions")]
    for payload in ((body.get("data") or {}) if isinstance(body, dict) else {}).values():
        if isinstance(payload, dict):
            found += [json.dumps(error.get("message")) for error in payload.get("errors") or () if error]
    return found


async def rows_of(superuser: Connection, tenant_id: int) -> Mapping[str, Any]:
    """Return number and fingerprint of a tenant's rows in each table that has any of tenants."""
    found = {}
    for table in await all_tables(superuser):
        column = "id" if table == "tenant" else "tenant_id"
        if await superuser.fetchval(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = $1 AND column_name = $2", table, column
        ):
            found[table] = tuple(
                await superuser.fetchrow(
                    f"SELECT count(*), coalesce(sum(hashtextextended(t.xmin::text || t.ctid::text, 0)), 0)::text"
                    f' FROM "{table}" t WHERE "{column}" = $1',
                    tenant_id,
                )
                or ()
            )
    return found
