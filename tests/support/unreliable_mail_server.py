"""A mail server as they are on a bad day: it refuses, hangs and drops connections at random, and counts by message."""

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.foundation import clock
from tests.support.mail_server import MailServer, abort

_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r?$", re.MULTILINE | re.IGNORECASE)


@dataclass(slots=True)
class Troubles:
    """How often each trouble comes, from 0 to 1."""

    refuses_for_now: float = 0.05
    hangs: float = 0.02
    drops_before: float = 0.04
    drops_after: float = 0.04
    hangs_after: float = 0.01


@dataclass(slots=True)
class Taken:
    """A mail that was accepted: to whom, and when the server was first told of it."""

    address: str
    told_at: datetime


@dataclass
class UnreliableMailServer(MailServer):
    """Takes mails at least after some tries, but those to some people never."""

    random: Random
    #: Seconds for which it hangs: longer than the client's patience.
    hangs_for: float
    troubles: Troubles = field(default_factory=Troubles)
    #: Addresses that it does not know, and those whose box is always full.
    unknown: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    #: What it has taken, by Message-ID: more than once where nobody heard of it.
    taken: dict[str, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    #: How often it was troublesome, by kind.
    trouble_count: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        super().__init__()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Judge a recipient."""
        if address in self.unknown:
            return "550 5.1.1 Nobody of that name"
        if address in self.full or self._happens("refuses_for_now"):
            return "452 4.2.2 Box is full"
        # When the hand-over began, as far as the server can know.
        envelope.told_at = clock.now()  # type: ignore[attr-defined]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or not, or without saying so."""
        if self._happens("drops_before"):
            abort(server)
            return "421 Never said"
        if self._happens("hangs"):
            await asyncio.sleep(self.hangs_for)
            return "451 Never heard"
        content: Any = envelope.content
        [message_id] = _MESSAGE_ID.findall(content)
        [address] = envelope.rcpt_tos
        self.taken[message_id.decode()].append(Taken(str(address), envelope.told_at))  # type: ignore[attr-defined]
        if self._happens("drops_after"):
            abort(server)
        elif self._happens("hangs_after"):
            await asyncio.sleep(self.hangs_for)
        return "250 Taken"

    def _happens(self, trouble: str) -> bool:
        happens: bool = self.random.random() < getattr(self.troubles, trouble)
        self.trouble_count[trouble] += happens
        return happens
