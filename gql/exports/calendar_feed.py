"""`GET /calendar/{secret}.ics`: somebody's own open tasks in iCalendar, for whoever knows the address.

Programs that show calendars cannot sign in, so the address is the credential. One that is wrong, old, or of somebody
who is no active person any more answers 404, each in the same way.
"""

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from icalendar import Calendar, Event, vText
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.foundation.settings import Settings
from domain.mandatory_tasks.calendar import CalendarEntry, find_calendar_entries
from domain.notifications.templates.rendering import task_page
from gql.contract.ids import MANDATORY_TASK, encode
from gql.exports.rest_errors import failure, refusal, too_many_requests
from gql.limits.rate_limit import CostLimiter
from gql.mandatory_tasks.calendar import read_secret

#: How often programs are asked to look again.
REFRESH = timedelta(hours=1)
#: How often one calendar can be asked for, by all programs of its owner.
READS_PER_MINUTE = 60
#: In front of the title, as few programs show more than that.
OVERDUE = "Overdue: "


class CalendarFeed:
    """The route `/calendar/{secret}.ics`."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], *, limiter: CostLimiter) -> None:
        self._limiter = limiter
        self._task_url = settings.task_url
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        secret = request.path_params["secret"]
        wanted = read_secret(secret)
        if wanted is not None:
            # Each address by itself, as many may be asked for from one machine. What is a secret is not kept as a name.
            name = hashlib.sha256(secret.encode()).hexdigest()
            charge = await self._limiter.pay(f"calendar:{name}", 1, limit=READS_PER_MINUTE)
            if not charge.is_paid:
                return too_many_requests("The calendar is asked for too often.", charge.retry_after_seconds)
        try:
            entries = None if wanted is None else await find_calendar_entries(*wanted, self._clock())
        except Exception as error:
            return failure(error)
        if entries is None:
            return refusal(404, "NOT_FOUND", "There is no such calendar.")
        return Response(
            # Beside the loop, which has other requests to serve.
            await asyncio.to_thread(calendar_of, entries, self._task_url),
            media_type="text/calendar; charset=utf-8",
            headers={
                "Content-Disposition": 'inline; filename="mandatory-tasks.ics"',
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
                # The address is a secret: nobody shall find it, or be sent there from what it links to.
                "Referrer-Policy": "no-referrer",
                "X-Robots-Tag": "noindex",
            },
        )


def calendar_of(entries: Sequence[CalendarEntry], task_url: str | None) -> bytes:
    """Return tasks as a calendar; it is the same as long as they are."""
    calendar = Calendar()
    calendar.add("prodid", "-//Mandate//Mandatory tasks//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "Mandatory tasks")
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        calendar.add_component(_event(entry, task_url))
    return bytes(calendar.to_ical())


def _event(entry: CalendarEntry, task_url: str | None) -> Event:
    task_id = encode(MANDATORY_TASK, entry.task_id)
    event = Event()
    # Each cycle is an event of its own: that the task comes again does not move the one that is over.
    event.add("uid", f"{task_id}.{entry.cycle_number}@mandate")
    event.add("dtstamp", entry.changed_at)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.revision)
    event.add("dtstart", entry.due_on)
    event.add("dtend", entry.due_on + timedelta(days=1))
    event["summary"] = _Text(f"{OVERDUE if entry.is_overdue else ''}{_printable(entry.title)}")
    if entry.note:
        event["description"] = _Text(_printable(entry.note))
    if entry.is_overdue:
        event.add("categories", ["OVERDUE"])
    if (page := task_page(task_url, entry.task_id)) is not None:
        event.add("url", page)
    # A deadline takes nobody's time.
    event.add("transp", "TRANSPARENT")
    return event


class _Text(vText):
    """Text as it stands: the library takes a backslash before an N for the end of a line."""

    def to_ical(self) -> bytes:
        """Return the text with everything escaped that means something in a calendar."""
        escaped = re.sub(r"[\\;,]", r"\\\g<0>", str(self))
        return re.sub(r"\r\n|\r|\n", r"\\n", escaped).encode()


def _printable(text: str) -> str:
    """Return text without what iCalendar forbids: all control characters but ends of lines and tabs."""
    return "".join(character for character in text if character in "\n\r\t" or unicodedata.category(character) != "Cc")
