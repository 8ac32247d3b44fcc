"""Handing mails to a real SMTP server: encryption, sign-in, connections, and everything that can go wrong."""

import asyncio
import ssl
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from pydantic import SecretStr

from domain.foundation.settings import BadSettings, Settings
from domain.notifications.deliveries.mails import HandOverFailed, Mail, sender_of
from jobs import smtp
from jobs.emails import transport_of
from jobs.maildir import MaildirTransport
from jobs.smtp import SmtpServer, SmtpTransport
from tests.support.mail_server import PASSWORD, USER, MailServer, mail_server

CREDENTIALS = f"{USER}:{quote(PASSWORD, safe='')}@"


def mail(number: int = 1, recipient: str = "lea@acme.example") -> Mail:
    """Return a mail with a number as its subject."""
    content = f"From: a@acme.example\r\nTo: {recipient}\r\nSubject: {number}\r\n\r\nHello\r\n.dot\r\n"
    return Mail("no-reply@acme.example", recipient, f"<{number}@acme.example>", content.encode())


def transport_to(server: MailServer, url: str | None = None, *, connections: int = 8) -> SmtpTransport:
    """Return a transport with little patience."""
    return SmtpTransport(
        SmtpServer.from_url(url or server.url()),
        local_hostname="acme.example",
        connections=connections,
        patience=0.5,
        longest=1.0,
    )


async def failure_of(transport: SmtpTransport, one: Mail | None = None) -> HandOverFailed:
    """Return why a mail is not taken."""
    with pytest.raises(HandOverFailed) as caught:
        await transport.send(one or mail())
    return caught.value


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority whose certificates this process trusts, as operators have it trust their own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def tls_of(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    """Return what a server shows to be `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_mails_are_taken_over_one_connection_after_another() -> None:
    """Sender, recipient and text arrive as they are; a connection is used again."""
    async with mail_server() as server:
        transport = transport_to(server)
        for number in range(3):
            await transport.send(mail(number, f"p{number}@acme.example"))
        assert [(one.sender, one.recipients) for one in server.received] == [
            ("no-reply@acme.example", [f"p{number}@acme.example"]) for number in range(3)
        ]
        assert server.received[0].message.get_content() == "Hello\r\n.dot\r\n"
        assert server.connection_count == 1
        await transport.close()
        await asyncio.sleep(0.05)
        assert server.open_count == 0


async def test_connections_are_bounded() -> None:
    """However many mails there are at once."""
    async with mail_server() as server:
        transport = transport_to(server, connections=3)
        await asyncio.gather(*(transport.send(mail(number)) for number in range(30)))
        assert (len(server.received), server.most_open, server.connection_count) == (30, 3, 3)
        await transport.close()


async def test_a_connection_serves_so_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers take no more."""
    monkeypatch.setattr(smtp, "MAILS_PER_CONNECTION", 2)
    async with mail_server() as server:
        transport = transport_to(server)
        for number in range(5):
            await transport.send(mail(number))
        assert (len(server.received), server.connection_count) == (5, 3)
        await transport.close()


async def test_a_connection_that_has_died_meanwhile_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether we have heard of it or not: nobody's mail is delayed by that."""
    async with mail_server() as server:
        transport = transport_to(server)
        await transport.send(mail(1))
        server.drop_all()
        await asyncio.sleep(0.05)
        await transport.send(mail(2))
        monkeypatch.setattr(smtp, "DOUBTED_AFTER", 0.0)
        await transport.send(mail(3))
        assert server.connection_count == 2
        monkeypatch.setattr(smtp, "IDLE", 0.0)
        await transport.send(mail(4))
        assert (server.subjects, server.connection_count) == (["1", "2", "3", "4"], 3)
        await transport.close()


async def test_encryption_is_used_where_it_is_offered(authority: trustme.CA) -> None:
    """And the server has to be who it says it is."""
    async with mail_server(tls=tls_of(authority)) as server:
        transport = transport_to(server)
        await transport.send(mail())
        await transport.close()
        assert server.received[0].is_encrypted
        plain = transport_to(server, server.url(query="?starttls=never"))
        await plain.send(mail())
        await plain.close()
        assert not server.received[1].is_encrypted


async def test_encryption_from_the_first_byte_with_sign_in(authority: trustme.CA) -> None:
    """As `smtps://` means, with a password that has to be quoted in the address."""
    async with mail_server(tls=tls_of(authority), is_tls_at_once=True, needs_sign_in=True) as server:
        transport = transport_to(server, server.url(scheme="smtps", credentials=CREDENTIALS))
        await transport.send(mail())
        await transport.close()
        assert server.received[0].is_authenticated


async def test_sign_in_after_starttls(authority: trustme.CA) -> None:
    """A password is told over an encrypted connection only."""
    async with mail_server(tls=tls_of(authority), needs_sign_in=True) as server:
        transport = transport_to(server, server.url(credentials=CREDENTIALS))
        await transport.send(mail())
        await transport.close()
        assert (server.received[0].is_encrypted, server.received[0].is_authenticated) == (True, True)
        wrong = transport_to(server, server.url(credentials=f"{USER}:wrong@"))
        failure = await failure_of(wrong)
        assert (failure.reason, failure.is_permanent) == ("The mail server refused our sign-in (535).", False)


async def test_password_is_not_told_without_encryption() -> None:
    """Rather is nothing sent."""
    async with mail_server(needs_sign_in=True) as server:
        failure = await failure_of(transport_to(server, server.url(credentials=CREDENTIALS)))
        assert failure.reason.startswith("The mail server does not support what is needed: SMTP STARTTLS")
        assert not failure.is_permanent


async def test_a_server_that_is_somebody_else_gets_nothing(authority: trustme.CA) -> None:
    """Its certificate is for another name, or by another authority."""
    for tls in (tls_of(authority, "other.example"), tls_of(trustme.CA())):
        async with mail_server(tls=tls) as server:
            failure = await failure_of(transport_to(server))
            assert not failure.is_permanent
            assert server.received == []


@pytest.mark.parametrize(
    ("place", "answer", "is_permanent"),
    [
        ("RCPT", "450 Mailbox busy", False),
        ("RCPT", "550 No such user", True),
        ("DATA", "451 Try later", False),
        ("DATA", "554 Looks like spam", False),
    ],
)
async def test_refusals(place: str, answer: str, is_permanent: bool) -> None:
    """Only a recipient that is refused for good is not tried again; the connection serves the next mail."""
    async with mail_server() as server:
        transport = transport_to(server)
        server.answers[place] = answer
        failure = await failure_of(transport)
        assert (failure.reason, failure.is_permanent) == (
            f"The mail server answered {answer[:3]}: {answer[4:]}",
            is_permanent,
        )
        server.answers.clear()
        await transport.send(mail(2))
        assert server.subjects == ["2"]
        assert place == "DATA" or server.connection_count == 1
        await transport.close()


@pytest.mark.parametrize("place", ["connect", "RCPT", "DATA"])
async def test_a_server_that_hangs_costs_its_time_and_no_more(place: str) -> None:
    """Then the connection is given up."""
    async with mail_server() as server:
        server.hangs_at.add(place)
        begun = time.monotonic()
        failure = await failure_of(transport_to(server))
        assert time.monotonic() < begun + 2
        assert (failure.reason, failure.is_permanent) == ("The mail server did not answer in time.", False)


async def test_the_operator_says_how_long_the_server_may_take() -> None:
    """In a setting of the worker."""
    async with mail_server() as server:
        server.hangs_at.add("RCPT")
        settings = Settings(smtp_url=SecretStr(server.url()), smtp_timeout=0.2)
        transport = transport_of(settings, sender_of(settings))
        assert transport is not None
        begun = time.monotonic()
        with pytest.raises(HandOverFailed, match="did not answer in time"):
            await transport.send(mail())
        assert time.monotonic() < begun + 2


@pytest.mark.parametrize("place", ["connect", "RCPT", "DATA"])
async def test_a_server_that_drops_connections(place: str) -> None:
    """It is tried again later, with a connection of its own."""
    async with mail_server() as server:
        transport = transport_to(server)
        server.drops_at.add(place)
        failure = await failure_of(transport)
        assert failure.reason in ("The mail server ended the connection.", "The mail server cannot be reached.")
        assert not failure.is_permanent
        server.drops_at.clear()
        await transport.send(mail())
        assert len(server.received) == 1
        await transport.close()


async def test_a_server_that_is_away_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not with every mail; tenants read a reason that says nothing of our servers."""
    async with mail_server() as server:
        transport = transport_to(server)
        nowhere = SmtpTransport(SmtpServer.from_url("smtp://127.0.0.1:1"), local_hostname="acme.example")
        for _ in range(3):
            failure = await failure_of(nowhere)
            assert (failure.reason, failure.is_permanent) == ("The mail server cannot be reached.", False)
        assert caplog.text.count("does not take mails") == 1
        server.drops_at.add("DATA")
        await failure_of(transport)
        server.drops_at.clear()
        await transport.send(mail())
        assert caplog.text.count("takes mails again") == 1
        await transport.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail", SmtpServer("mail", 25)),
        ("smtps://mail", SmtpServer("mail", 465, uses_tls=True)),
        ("smtp://mail:2525?starttls=required", SmtpServer("mail", 2525, start_tls="required")),
        ("smtp://u:p%40%3A%2F@mail:587/", SmtpServer("mail", 587, "u", "p@:/", start_tls="required")),
        ("smtp://u:p@mail?starttls=never", SmtpServer("mail", 25, "u", "p", start_tls="never")),
        ("smtp://[::1]:25", SmtpServer("::1", 25)),
    ],
)
def test_addresses_of_servers(url: str, expected: SmtpServer) -> None:
    """Everything that an operator can say is in one address."""
    assert SmtpServer.from_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mail:25",
        "http://mail",
        "smtp://",
        "smtp://mail:x",
        "smtp://mail/box",
        "smtp://mail?starttls=x",
        "smtp://m?tls=1",
    ],
)
def test_addresses_that_make_no_sense(url: str) -> None:
    """Told at the start; the password is in none of the messages."""
    with pytest.raises(BadSettings, match="SMTP_URL"):
        SmtpServer.from_url(url)


async def test_maildir_keeps_mails_as_they_are(tmp_path: Path) -> None:
    """It is made when it is needed, for nobody else to read."""
    directory = tmp_path / "data" / "mails"
    transport = MaildirTransport(directory)
    await asyncio.gather(*(transport.send(mail(number)) for number in range(20)))
    kept = sorted((directory / "new").iterdir())
    assert len(kept) == 20
    assert {path.read_bytes().replace(b"\n", b"\r\n") for path in kept} == {
        mail(number).content for number in range(20)
    }
    assert directory.stat().st_mode & 0o077 == 0
    await transport.close()


async def test_maildir_that_is_there_already_gets_what_it_lacks(tmp_path: Path) -> None:
    """An empty directory that somebody has made for it, and one that has lost a folder."""
    transport = MaildirTransport(tmp_path)
    await transport.send(mail(1))
    (tmp_path / "tmp").rmdir()
    await transport.send(mail(2))
    assert len(list((tmp_path / "new").iterdir())) == 2


async def test_maildir_that_cannot_be_written_is_a_failure_like_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Something else is in its place, say; the log tells it once, and when it is over."""
    place = tmp_path / "file"
    place.write_text("x")
    transport = MaildirTransport(place / "mails")
    for _ in range(3):
        with pytest.raises(HandOverFailed, match="directory of mails cannot be written"):
            await transport.send(mail())
    place.unlink()
    await transport.send(mail())
    assert [record.getMessage().split(" of mails ")[1][:20] for record in caplog.records] == [
        "cannot be written: [",
        "can be written again",
    ]
