"""A real SMTP server on the loopback interface, which can be told to misbehave."""

import asyncio
import email
import email.policy
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "mandate", "p@ss:word/1"


@dataclass(frozen=True, slots=True)
class Received:
    """A mail that the server has taken."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    is_encrypted: bool
    is_authenticated: bool


class MailServer:
    """Takes mails, unless it is told something else."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        #: What it answers to a recipient or to the text of a mail, by place: `RCPT` or `DATA`; None is yes.
        self.answers: dict[str, str | None] = {}
        #: Places (`connect`, `RCPT`, `DATA`) where it hangs until it is told to go on, and where it drops connections.
        self.hangs_at: set[str] = set()
        self.drops_at: set[str] = set()
        self.connection_count = 0
        self.open_count = 0
        self.most_open = 0
        self.port = 0
        self.go_on = asyncio.Event()
        self._protocols: set[SMTP] = set()

    def url(self, *, scheme: str = "smtp", credentials: str = "", query: str = "") -> str:
        """Return the SMTP_URL of this server."""
        return f"{scheme}://{credentials}localhost:{self.port}{query}"

    @property
    def subjects(self) -> list[str]:
        """Subjects of what it has taken, in order."""
        return [one.message["Subject"] for one in self.received]

    def drop_all(self) -> None:
        """End every connection without a word."""
        for protocol in list(self._protocols):
            abort(protocol)

    # What aiosmtpd asks.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Judge a recipient."""
        await self._misbehave("RCPT", server)
        if answer := self.answers.get("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        await self._misbehave("DATA", server)
        if answer := self.answers.get("DATA"):
            return answer
        content: Any = envelope.content
        message: Any = email.message_from_bytes(content, policy=email.policy.SMTP)
        self.received.append(
            Received(
                sender=envelope.mail_from or "",
                recipients=[str(address) for address in envelope.rcpt_tos],
                message=message,
                is_encrypted=session.ssl is not None,
                is_authenticated=bool(session.authenticated),
            )
        )
        return "250 Taken"

    async def _misbehave(self, place: str, server: SMTP) -> None:
        if place in self.drops_at:
            abort(server)
            await self.go_on.wait()
        if place in self.hangs_at:
            await self.go_on.wait()


def abort(protocol: Any) -> None:
    """End a connection without a word."""
    # One that is closing already may have nothing left to abort, which an encrypted one of Python 3.11.2 stumbles over.
    if protocol.transport is not None and not protocol.transport.is_closing():
        protocol.transport.abort()


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    # Not handled: the answer is still to be given.
    return AuthResult(success=is_right, handled=False)


@asynccontextmanager
async def mail_server(
    given: MailServer | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    is_tls_at_once: bool = False,
    needs_sign_in: bool = False,
) -> AsyncIterator[MailServer]:
    """Run a server; with `tls` it offers STARTTLS, or speaks TLS from the first byte on."""
    state = given or MailServer()

    class Protocol(SMTP):
        def connection_made(self, transport: Any) -> None:
            state.connection_count += 1
            state.open_count += 1
            state.most_open = max(state.most_open, state.open_count)
            state._protocols.add(self)
            if "connect" in state.drops_at:
                transport.abort()
            # A server that hangs takes connections and says nothing.
            if "connect" not in state.hangs_at:
                super().connection_made(transport)

        def eof_received(self) -> bool | None:
            return super().eof_received() if self.session is not None else False

        def connection_lost(self, error: Exception | None) -> None:
            state.open_count -= 1
            state._protocols.discard(self)
            if self.session is not None:
                super().connection_lost(error)

    def protocol() -> Protocol:
        with warnings.catch_warnings():
            # It warns of signing in without TLS, which it cannot know to be spoken already, or which a test is about.
            warnings.simplefilter("ignore")
            return Protocol(
                state,
                hostname="mail.test",
                tls_context=None if is_tls_at_once else tls,
                auth_require_tls=tls is not None and not is_tls_at_once,
                **options,
            )

    options: dict[str, Any] = {"authenticator": _authenticate, "auth_required": True} if needs_sign_in else {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        protocol,
        host="localhost",
        port=0,
        ssl=tls if is_tls_at_once else None,
    )
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        state.go_on.set()
        server.close()
        state.drop_all()
        await asyncio.sleep(0)
