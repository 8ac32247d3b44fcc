"""Emails as they go out: a subject of one line, no header that strangers wrote, and HTML with everything escaped."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.foundation.settings import BadSettings, Settings
from domain.notifications.deliveries.mails import Mail, Sender, UnusableAddress, compose, message_id, sender_of
from domain.notifications.models import NotificationKind
from domain.notifications.templates.default_emails import EmailText, default_email
from domain.notifications.templates.rendering import (
    SUBJECT_LENGTH,
    Circumstances,
    RenderedEmail,
    one_line,
    render_email,
    task_values,
)

NOW = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
SENDER = Sender("Acme Academy", "no-reply@acme.example", "acme.example", "https://acme.example/tasks/{id}")
DEFAULT = default_email(NotificationKind.TASK_REMINDER)
FACTS: dict[str, Any] = {
    "title": "First aid",
    "due_on": "2026-03-05",
    "status": "ASSIGNED",
    "note": None,
    "assigner_name": "Tina Trainer",
    "time_zone": "Europe/Berlin",
    "task_id": 5,
}
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
#: What strangers may try to end a header or a tag with.
NASTY = "Hi\r\nBcc: evil@example.com\n\nx\x00\x0b\x0c\x1c\x85\u2028\u2029\ud800<script>&\"'"


def rendered(
    text: EmailText = DEFAULT, *, name: str = "Lea Learner", now: datetime = NOW, **facts: Any
) -> RenderedEmail:
    """Render an email about a task."""
    circumstances = Circumstances(
        now=now,
        tenant_name="Acme",
        learner_name=name,
        learner_email="lea@acme.example",
        task_url="https://acme.example/tasks/{id}",
    )
    return render_email(text, task_values({**FACTS, **facts}, circumstances), default=DEFAULT)


def sent(content: RenderedEmail, *, name: str = "Lea Learner", address: str = "lea@acme.example") -> Mail:
    """Compose the mail that carries it."""
    return compose(content, sender=SENDER, name=name, address=address, message_id="<1@acme.example>", now=NOW)


def parsed(mail: Mail) -> EmailMessage:
    """Read a mail as a mail program does."""
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    message = email.message_from_bytes(mail.content, policy=email.policy.SMTP)
    assert message.keys() == HEADERS
    assert message.defects == []
    return message


def part(message: EmailMessage, kind: str) -> str:
    """Return the plain or the HTML text of a mail."""
    body = message.get_body(preferencelist=(kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_text_and_html_say_the_same() -> None:
    """Both come from one text: paragraphs, lines, and the address of the task as a link."""
    text = EmailText("{{ task.title }}", "Hello {{ learner.name }},\nplease.\n\n\n\n\n{{ task.url }}\n")
    message = parsed(sent(rendered(text)))
    url = "https://acme.example/tasks/mtk_1qkq6t72dnaqm"
    assert message["Subject"] == "First aid"
    assert part(message, "plain") == f"Hello Lea Learner,\nplease.\n\n\n{url}\n"
    assert f'<p>Hello Lea Learner,<br>\nplease.</p>\n<p><a href="{url}">{url}</a></p>' in part(message, "html")


def test_nothing_in_the_html_is_markup_of_strangers() -> None:
    """Neither from values nor from the template itself."""
    text = EmailText("x", "<b>{{ learner.name }}</b> & {{ task.note }} <a href='{{ task.url }}'>")
    html = rendered(text, name="<img src=x>", note="</p><script>alert(1)</script>").html
    assert "&lt;b&gt;&lt;img src=x&gt;&lt;/b&gt; &amp; &lt;/p&gt;&lt;script&gt;" in html
    assert html.count("<a ") == html.count("</a>") == 1
    assert "<b>" not in html and "<script" not in html and "<img" not in html  # noqa: PT018


@pytest.mark.parametrize("kind", NotificationKind)
def test_default_emails_take_whatever_is_in_names_and_titles(kind: NotificationKind) -> None:
    """One line of subject, no further header, no control character in the text."""
    text = default_email(kind)
    message = parsed(sent(rendered(text, name=NASTY, title=NASTY, note=NASTY, assigner_name=NASTY), name=NASTY))
    assert "Bcc: evil@example.com" in message["Subject"]
    assert message["Subject"].isprintable()
    assert [one.addr_spec for one in message["To"].addresses] == ["lea@acme.example"]
    assert all(line.isprintable() for line in part(message, "plain").splitlines())


@pytest.mark.parametrize(
    ("now", "time_zone", "days"),
    [
        (datetime(2026, 3, 2, 22, 59, tzinfo=UTC), "Europe/Berlin", 3),
        (datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "Europe/Berlin", 2),
        (datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "America/New_York", 3),
        (datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "Nowhere/Atlantis", 3),
        (datetime(2026, 3, 7, 12, 0, tzinfo=UTC), "Europe/Berlin", -2),
    ],
)
def test_days_are_counted_where_the_learner_is(now: datetime, time_zone: str, days: int) -> None:
    """From their today to the due date, at the moment of sending; negative ones are over."""
    assert rendered(EmailText("{{ task.daysLeft }}", "x"), now=now, time_zone=time_zone).subject == str(days)


def test_subject_is_never_empty_and_never_endless() -> None:
    """What has nothing to say gives way to the default; what is too long is cut."""
    assert rendered(EmailText("{% if task.note %}x{% endif %}", "x")).subject == rendered().subject
    long = rendered(EmailText("{{ task.title }}" * 20, "x"), title="Ä" * 200)
    assert len(long.subject) == SUBJECT_LENGTH
    assert parsed(sent(long))["Subject"] == long.subject


def test_a_template_that_fails_all_the_same_gives_way_to_the_default(caplog: pytest.LogCaptureFixture) -> None:
    """One from before a stricter judgement, say: the email goes out."""
    assert rendered(EmailText("{{ nobody }}", "x")) == rendered()
    assert rendered(EmailText("x", "{% for i in (1..9) %}{% endfor %}")) == rendered()
    assert "an email template failed: BadTemplate" in caplog.text


@settings(deadline=None, max_examples=150)
@given(subject=st.text(max_size=600), name=st.text(max_size=150))
def test_headers_hold_what_they_are_given_and_nothing_else(subject: str, name: str) -> None:
    """Any text at all: it is read again as it was written, on one line."""
    line = one_line(subject)
    message = parsed(sent(RenderedEmail(line, "text\n", "<p>text</p>"), name=name))
    assert message["Subject"] == line
    assert [one.addr_spec for one in message["To"].addresses] == ["lea@acme.example"]
    assert [one.addr_spec for one in message["From"].addresses] == ["no-reply@acme.example"]


def test_blanks_between_long_words_stay() -> None:
    """Python's own way of folding headers loses some of them."""
    subject = "Hilfe Erste b Hilfe übermäßig übermäßig Übung größer größer Straße größer b für – Straße Übung Führung"
    assert parsed(sent(RenderedEmail(subject, "x", "x")))["Subject"] == subject


@pytest.mark.parametrize(
    ("address", "recipient"),
    [
        ("lea@acme.example", "lea@acme.example"),
        ('"lea learner"@acme.example', '"lea learner"@acme.example'),
        ("lea@müller.example", "lea@xn--mller-kva.example"),
        ("lea@straße.example", "lea@xn--strae-oqa.example"),
    ],
)
def test_addresses_are_as_mail_servers_know_them(address: str, recipient: str) -> None:
    """Names of domains are ASCII on the wire."""
    mail = sent(rendered(), address=address)
    assert mail.recipient == recipient
    assert [one.addr_spec for one in parsed(mail)["To"].addresses] == [recipient]


@pytest.mark.parametrize(
    "address",
    [
        "a,b@acme.example",
        "x> <evil@acme.example",
        "a@b@acme.example",
        "a..b@acme.example",
        "lëa@acme.example",
        "a(evil)@acme.example",
        "a@" + "ü" * 80 + ".example",
        "group:a@acme.example;",
        "=?utf-8?q?x?=@acme.example",
        "a\r\nBcc: evil@acme.example",
        "\ud800@acme.example",
        "@",
        "",
    ],
)
def test_addresses_that_could_mean_something_else_are_refused(address: str) -> None:
    """For good: another try would end like the first one."""
    with pytest.raises(UnusableAddress) as caught:
        sent(rendered(), address=address)
    assert caught.value.is_permanent


def test_message_id_is_made_from_tenant_and_key() -> None:
    """The same whenever it is asked for, another for another tenant, and it tells neither."""
    first = message_id(1, "task_assigned/5/1", "acme.example")
    assert first == message_id(1, "task_assigned/5/1", "acme.example")
    assert first.endswith("@acme.example>")
    assert len({first, message_id(2, "task_assigned/5/1", "acme.example"), message_id(1, "x", "acme.example")}) == 3
    assert "assigned" not in first


@pytest.mark.parametrize(
    ("mail_from", "public_url", "expected"),
    [
        (None, "https://academy.example.com/", ("Mandate", "no-reply@academy.example.com", "academy.example.com")),
        (None, "http://127.0.0.1:8000", ("Mandate", "no-reply@localhost", "localhost")),
        ("post@acme.example", "http://localhost:1", ("", "post@acme.example", "acme.example")),
        (None, "https://straße.example", ("Mandate", "no-reply@xn--strae-oqa.example", "xn--strae-oqa.example")),
        ("Acme <post@müller.example>", "http://x", ("Acme", "post@xn--mller-kva.example", "xn--mller-kva.example")),
    ],
)
def test_sender_comes_from_the_settings(mail_from: str | None, public_url: str, expected: tuple[str, str, str]) -> None:
    """MAIL_FROM, else the host of PUBLIC_URL."""
    sender = sender_of(Settings(mail_from=mail_from, public_url=public_url, secret_key=SecretStr("")))
    assert (sender.name, sender.address, sender.domain) == expected
    assert sender.task_url is None


@pytest.mark.parametrize(("mail_from", "public_url"), [("nobody", "http://x"), ("a b@c d", "http://x"), (None, "acme")])
def test_a_sender_that_makes_no_sense_is_a_bad_setting(mail_from: str | None, public_url: str) -> None:
    """Told at the start, not by a mail server."""
    with pytest.raises(BadSettings):
        sender_of(Settings(mail_from=mail_from, public_url=public_url))


def test_without_a_page_of_tasks_mails_name_the_academy() -> None:
    """No link leads anywhere; templates that ask for it have nothing in its place."""
    circumstances = Circumstances(
        now=NOW, tenant_name="Acme", learner_name="Lea", learner_email="lea@acme.example", task_url=None
    )
    values = task_values(FACTS, circumstances)
    for kind in NotificationKind:
        email = render_email(default_email(kind), values, default=DEFAULT)
        assert "http" not in email.text + email.html
        assert email.text.rstrip().rstrip(".").endswith("Acme")
    own = render_email(EmailText("S", "Open {{ task.url }}{% if task.url %} now{% endif %}!"), values, default=DEFAULT)
    assert own.text == "Open !\n"


@pytest.mark.parametrize(
    "task_url",
    [
        *("https://academy.example/tasks", "/tasks/{id}", "ftp://academy.example/{id}", "https://{id}.example/"),
        *("https://academy.example/{id}/{id}", "https://academy.example/ {id}", "javascript:alert({id})"),
        "https://academy.example/{id}/" + "x" * 500,
    ],
)
def test_a_page_of_tasks_that_makes_no_sense_is_a_bad_setting(task_url: str) -> None:
    """Told at the start, not by who follows the link."""
    with pytest.raises(ValueError, match="task_url"):
        Settings(task_url=task_url)


def test_a_production_says_what_it_lacks() -> None:
    """Only a production, and only what is not set."""
    assert len(Settings(environment="production").missing_in_production) == 3
    assert Settings(environment="development").missing_in_production == []
    complete = Settings(
        public_url="https://api.example", task_url="https://academy.example/{id}", mail_from="post@acme.example"
    )
    assert complete.missing_in_production == []
