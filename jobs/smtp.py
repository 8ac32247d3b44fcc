"""Handing mails to an SMTP server: a few connections that are used again, and a limit of time for everything.

A server that hangs, refuses or drops costs only time. Everything that goes wrong becomes HandOverFailed, and the row of
the email says when it is tried again.
"""

import asyncio
import contextlib
import logging
import ssl
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from domain.foundation.addresses import ascii_host
from domain.foundation.settings import BadSettings
from domain.notifications.deliveries.mails import HandOverFailed, Mail
from domain.notifications.templates.rendering import one_line

#: Connections of one process.
CONNECTIONS = 8
#: Seconds that one answer of the server may take; the whole of a hand-over may take so many times as long.
PATIENCE = 10.0
ANSWERS = 3
#: Seconds after which an idle connection is asked whether it still lives, and after which it is closed.
DOUBTED_AFTER = 2.0
IDLE = 30.0
#: Mails of one connection: some servers take no more.
MAILS_PER_CONNECTION = 100

_ANSWER_LENGTH = 300
_PORTS = {"smtp": 25, "smtps": 465}

StartTls = Literal["required", "auto", "never"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where the server is, and how it is spoken to."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    uses_tls: bool = False
    start_tls: StartTls = "auto"

    @classmethod
    def from_url(cls, url: str) -> "SmtpServer":
        """Return the server of `smtp://user:password@host:port?starttls=…` or `smtps://…`; raises BadSettings.

        Without `starttls`, encryption is required where there is a password, and used where it is offered otherwise.
        Certificates are always checked.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadSettings("SMTP_URL makes no sense as an address.") from error
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise BadSettings("SMTP_URL has to be smtp://user:password@host:port or smtps://user:password@host:port.")
        user = unquote(parts.username) if parts.username else None
        host = ascii_host(parts.hostname) if not parts.hostname.isascii() else parts.hostname
        if host is None:
            raise BadSettings("The host of SMTP_URL is no name of a host.")
        asked = parse_qs(parts.query, keep_blank_values=True)
        start_tls = asked.pop("starttls", ["required" if user else "auto"])[-1]
        if asked or start_tls not in get_args(StartTls):
            raise BadSettings("SMTP_URL takes ?starttls=required, auto or never, and nothing else.")
        return cls(
            host=host,
            port=port or _PORTS[parts.scheme],
            user=user,
            password=unquote(parts.password) if parts.password else None,
            uses_tls=parts.scheme == "smtps",
            start_tls=cast(StartTls, start_tls),
        )


@dataclass(slots=True)
class _Connection:
    client: aiosmtplib.SMTP
    used_at: float
    mail_count: int = 0


class SmtpTransport:
    """Hands mails to one server; several at once, each on a connection of its own."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        local_hostname: str,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
        longest: float | None = None,
    ) -> None:
        """Take note of the server; `local_hostname` is what we call ourselves, the times are seconds."""
        self._server = server
        self._local_hostname = local_hostname
        self._patience = patience
        self._longest = ANSWERS * patience if longest is None else longest
        self._turn = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._tls_context: ssl.SSLContext | None = None
        self._is_failing = False

    async def send(self, mail: Mail) -> None:
        """Hand over one mail; raises HandOverFailed."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._longest):
                    await self._hand_over(mail)
            except aiosmtplib.SMTPRecipientsRefused as error:
                refusal = error.recipients[0]
                # Only what is said about the recipient is about this mail alone: wrong credentials or a sender that is
                # refused would else make every mail FAILED at once.
                raise HandOverFailed(_answer(refusal), is_permanent=500 <= refusal.code < 600) from error
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                self._note_failure(error)
                raise HandOverFailed(_reason(error)) from error
            if self._is_failing:
                log.warning("the mail server takes mails again")
                self._is_failing = False

    async def close(self) -> None:
        """Say goodbye on idle connections."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in idle))

    async def _hand_over(self, mail: Mail) -> None:
        connection = await self._take()
        is_usable = False
        try:
            await connection.client.sendmail(mail.sender, [mail.recipient], mail.content)
            is_usable = True
        except aiosmtplib.SMTPRecipientsRefused:
            # The server has been told to forget it and can have the next one.
            is_usable = True
            raise
        finally:
            connection.mail_count += 1
            connection.used_at = asyncio.get_running_loop().time()
            if is_usable and connection.client.is_connected and connection.mail_count < MAILS_PER_CONNECTION:
                self._idle.append(connection)
            else:
                connection.client.close()

    async def _take(self) -> _Connection:
        """Return a connection that lives, the one used last if there is one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.used_at < IDLE and await self._lives(connection, now):
                return connection
            connection.client.close()
        client = self._client()
        await client.connect()
        return _Connection(client, now)

    async def _lives(self, connection: _Connection, now: float) -> bool:
        if now - connection.used_at < DOUBTED_AFTER:
            return connection.client.is_connected
        try:
            await connection.client.noop()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        if self._tls_context is None:
            self._tls_context = ssl.create_default_context()
        # Opportunistic encryption is chosen by the library when it is told nothing.
        start_tls = None if server.start_tls == "auto" else server.start_tls == "required"
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=self._local_hostname,
            timeout=self._patience,
            use_tls=server.uses_tls,
            start_tls=False if server.uses_tls else start_tls,
            tls_context=self._tls_context,
        )

    def _note_failure(self, error: Exception) -> None:
        # Told once, not with every mail of an outage. Tenants read a reason that says nothing of our servers.
        if not self._is_failing:
            log.warning("the mail server does not take mails: %s: %s", type(error).__name__, error)
            self._is_failing = True


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(1):
            await client.quit()
    client.close()


def _answer(error: aiosmtplib.SMTPResponseException) -> str:
    return f"The mail server answered {error.code}: {one_line(str(error.message), _ANSWER_LENGTH)}"


def _reason(error: Exception) -> str:
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return f"The mail server refused our sign-in ({error.code})."
        case aiosmtplib.SMTPResponseException():
            return _answer(error)
        case TimeoutError():
            return "The mail server did not answer in time."
        case ssl.SSLError():
            return "The connection to the mail server cannot be encrypted safely."
        case aiosmtplib.SMTPServerDisconnected():
            return "The mail server ended the connection."
        case aiosmtplib.SMTPConnectError() | OSError():
            return "The mail server cannot be reached."
        case aiosmtplib.SMTPException():
            return f"The mail server does not support what is needed: {one_line(error.message, _ANSWER_LENGTH)}"
        case _:
            return f"The mail could not be handed over ({type(error).__name__})."
