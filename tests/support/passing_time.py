"""Time as stories let it pass: what is swept at each local midnight and a minute later, and the mails that follow."""

import mailbox
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

from domain.notifications.deliveries.mails import Transport
from jobs.emails import deliver_due_emails
from jobs.maildir import MaildirTransport
from tests.support.api import Api
from tests.support.rounds import note_overdue_tasks, open_due_cycles, send_due_reminders

#: Where people are unless a story says otherwise.
ZONE = "Europe/Berlin"


class Mailbox:
    """A directory into which mails are delivered; each is told once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._box = mailbox.Maildir(directory, create=True)
        self._read: set[str] = set()

    @property
    def transport(self) -> Transport:
        """What delivers into the directory."""
        return MaildirTransport(self.directory)

    def new(self) -> list[EmailMessage]:
        """Return the mails that have come since the last look, by recipient and subject."""
        keys = sorted(set(self._box.keys()) - self._read)
        self._read.update(keys)
        messages = [message_from_bytes(self._box.get_bytes(key), policy=policy.default) for key in keys]
        return sorted(messages, key=lambda message: (str(message["To"]), str(message["Subject"])))

    def new_recipients(self) -> list[str]:
        """Return to whom mails have come since the last look, one entry for each mail."""
        return [address_of(message) for message in self.new()]


def address_of(message: EmailMessage) -> str:
    """Return the address that a mail goes to."""
    (address,) = message["To"].addresses
    return str(address.addr_spec)


def text_of(message: EmailMessage) -> str:
    """Return the plain text of a mail."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(message: EmailMessage) -> str:
    """Return the HTML of a mail."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def midnight(day: date | str, zone: str = ZONE) -> datetime:
    """Return when a day begins somewhere."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def in_utc(instant: datetime) -> str:
    """Return an instant as the API writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def sweep(now: datetime, transport: Transport) -> None:
    """Do once what the scheduler does again and again."""
    await open_due_cycles(now)
    await note_overdue_tasks(now)
    await send_due_reminders(now)
    await deliver_due_emails(now, transport)


def _moments(begin: datetime, end: datetime, zones: Iterable[str]) -> list[datetime]:
    moments = {end}
    for zone in zones:
        day = begin.astimezone(ZoneInfo(zone)).date()
        while (first := midnight(day, zone)) <= end:
            moments |= {moment for moment in (first, first + timedelta(minutes=1)) if begin < moment <= end}
            day += timedelta(days=1)
    return sorted(moments)


async def pass_time(
    api: Api, box: Mailbox, *, until: datetime | None = None, zones: Iterable[str] = (ZONE,), **duration: float
) -> None:
    """Move the clock on, sweeping at each midnight of the zones, a minute later, and at the end.

    How far is given as an instant, or as for `timedelta`.
    """
    begin, end = api.now, until or api.now + timedelta(**duration)
    assert end >= begin, "time does not run backwards"
    for moment in _moments(begin, end, zones):
        api.now = moment
        await sweep(moment, box.transport)
