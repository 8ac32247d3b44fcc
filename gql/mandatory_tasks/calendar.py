"""Where somebody's calendar is: an address that nobody can guess, made of the person's ID and their calendar key."""

import re
import uuid
from typing import Annotated

import strawberry

from domain.mandatory_tasks.calendar import find_calendar_key, renew_calendar_key
from gql.contract import ids
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info, MutationInput

_SECRET = re.compile(r"([0-9a-z]{13})([0-9a-f]{32})", re.ASCII)


def secret_of(learner_id: int, key: uuid.UUID) -> str:
    """Return the part of a calendar's address that is secret."""
    return f"{ids.encode(ids.LEARNER, learner_id).removeprefix(f'{ids.LEARNER}_')}{key.hex}"


def read_secret(secret: str) -> tuple[int, uuid.UUID] | None:
    """Return whose calendar and which key a secret names, None where it can be none."""
    parts = _SECRET.fullmatch(secret)
    learner_id = parts and ids.find_own_key(ids.LEARNER, f"{ids.LEARNER}_{parts[1]}")
    return (learner_id, uuid.UUID(parts[2])) if parts and learner_id else None


async def viewer_calendar_url(info: Info) -> str | None:
    """Return the address of the viewer's own calendar, None for service accounts."""
    principal = info.context.principal
    key = await find_calendar_key(info.context.reads, principal)
    if key is None or principal.learner_id is None:
        return None
    return f"{info.context.public_url.rstrip('/')}/calendar/{secret_of(principal.learner_id, key)}.ics"


@strawberry.input(description="Input of renewCalendarUrl.")
class RenewCalendarUrlInput(MutationInput):
    """Nothing but what every mutation takes."""


@strawberry.type(description="Payload of renewCalendarUrl.")
class RenewCalendarUrlPayload(Payload):
    """Payload of renewCalendarUrl."""

    calendar_url: str | None = strawberry.field(default=None, description="New address.")


@strawberry.type
class CalendarMutation:
    """Mutations of the calendar."""

    @mutation("Gives the viewer a new calendar address; the old one stops working.")
    async def renew_calendar_url(
        self, info: Info, input: Annotated[RenewCalendarUrlInput, INPUT]
    ) -> RenewCalendarUrlPayload | None:
        """Renew the key; the address is read anew, so that a repeated call shows the one that works."""
        await info.context.perform("renewCalendarUrl", input, renew_calendar_key, int)
        return RenewCalendarUrlPayload(calendar_url=await viewer_calendar_url(info))
