"""Messages as they go out, and what takes them: SMTP in production, a directory where there is none."""

import email.policy
import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr, quote
from typing import Protocol
from urllib.parse import urlsplit

from domain.foundation.addresses import wire_address
from domain.foundation.settings import BadSettings, Settings
from domain.notifications.templates.rendering import RenderedEmail, one_line

#: Characters of somebody's name in a header.
NAME_LENGTH = 100
#: Lines end as in SMTP, and everything is ASCII on the wire: not every server takes more.
_POLICY = email.policy.SMTP.clone(cte_type="7bit")
_LINE = 76


class HandOverFailed(Exception):
    """The mail was not taken; the message says why, in English and without secrets."""

    def __init__(self, reason: str, *, is_permanent: bool = False) -> None:
        """Note the reason; a permanent one is about this recipient, and another try would end like this one."""
        self.reason = reason
        self.is_permanent = is_permanent
        super().__init__(reason)


class UnusableAddress(HandOverFailed):
    """The address of the recipient cannot stand in a mail."""

    def __init__(self) -> None:
        super().__init__("The email address cannot be used.", is_permanent=True)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail for one recipient."""

    sender: str
    recipient: str
    message_id: str
    content: bytes


class Transport(Protocol):
    """Takes mails. Several at once; how many is up to it."""

    async def send(self, mail: Mail) -> None:
        """Return once the mail is in other hands; raise HandOverFailed when it is not."""
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name mails go out, and where their links lead."""

    name: str
    address: str
    #: Domain of the Message-IDs.
    domain: str
    #: Address of a task's page with `{id}` in place of its ID; None where there is no such page.
    task_url: str | None


def sender_of(settings: Settings) -> Sender:
    """Return the sender that MAIL_FROM names; without it, one at the host of PUBLIC_URL. Raises BadSettings."""
    host = urlsplit(settings.public_url).hostname
    if not host:
        raise BadSettings("PUBLIC_URL is no address such as https://academy.example.com.")
    if settings.mail_from is None:
        domain = "localhost" if _is_number(host) else host
        return Sender("Mandate", f"no-reply@{domain}", domain, settings.task_url)
    name, address = parseaddr(settings.mail_from)
    checked = wire_address(address)
    if checked is None:
        raise BadSettings('MAIL_FROM is no sender such as "Academy <no-reply@academy.example.com>".')
    return Sender(one_line(name, NAME_LENGTH), checked, checked.rpartition("@")[2], settings.task_url)


def message_id(tenant_id: int, key: str, domain: str) -> str:
    """Return the Message-ID of a message: however often it is handed over, it is the same."""
    digest = hashlib.sha256(f"{tenant_id}:{key}".encode()).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def compose(
    rendered: RenderedEmail, *, sender: Sender, name: str, address: str, message_id: str, now: datetime
) -> Mail:
    """Return the mail to one person; raises UnusableAddress."""
    recipient = wire_address(address)
    if recipient is None:
        raise UnusableAddress
    message = EmailMessage(_POLICY)
    message["From"] = _Line("From", f"{_phrase(sender.name, 'From')} <{sender.address}>".strip())
    message["To"] = _Line("To", f"{_phrase(one_line(name, NAME_LENGTH), 'To')} <{recipient}>".strip())
    message["Subject"] = _Line("Subject", _words(rendered.subject, "Subject"))
    message["Date"] = format_datetime(now)
    message["Message-ID"] = _Line("Message-ID", message_id)
    # Nobody's absence has to be told to a machine.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return Mail(sender.address, recipient, message_id, message.as_bytes())


class _Line(str):
    """A header that is ready for the wire: Python's own folding loses blanks between words that are not ASCII."""

    name: str
    _folded: str

    def __new__(cls, name: str, value: str) -> "_Line":
        line = super().__new__(cls, value.replace("\n ", " "))
        line.name, line._folded = name, value
        return line

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the header as it stands in the mail."""
        return f"{self.name}: {self._folded}\n".replace("\n", policy.linesep)


def _words(text: str, header: str) -> str:
    """Return one line of text as the value of a header, in encoded words where it is not plain ASCII."""
    is_plain = text.isascii() and "=?" not in text
    charset = "us-ascii" if is_plain else "utf-8"
    return Header(text, charset, maxlinelen=_LINE, header_name=header).encode(linesep="\n")


def _phrase(name: str, header: str) -> str:
    """Return somebody's name in front of their address."""
    if name.isascii() and "=?" not in name:
        return f'"{quote(name)}"' if name else ""
    return _words(name, header)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
