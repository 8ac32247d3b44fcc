"""Emails from their rows to a real mail server: what they say, when they are tried again, and what is not sent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.notifications.deliveries.mails import message_id
from domain.notifications.deliveries.rows import LEASE, MAX_ATTEMPTS, PAUSES, begin_attempt, lease_emails, renew_leases
from domain.notifications.deliveries.sending import deliver_emails
from domain.notifications.messages import suppress_emails
from domain.notifications.models import NotificationCategory, NotificationKind
from domain.notifications.preferences import set_preference
from domain.tenants.models import Tenant
from jobs.emails import deliver_due_emails
from jobs.smtp import SmtpServer, SmtpTransport
from tests.jobs.messages import SENDER, deliveries, message_ids, tell, wait_for
from tests.support import factories
from tests.support.catalogue import Connection
from tests.support.mail_server import MailServer, mail_server

OUTCOME = ("status", "attempt_count", "email", "failure_reason")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """A mail server."""
    async with mail_server() as server:
        yield server


@pytest.fixture
async def transport(server: MailServer) -> AsyncIterator[SmtpTransport]:
    """The way to the mail server, with little patience."""
    transport = SmtpTransport(
        SmtpServer.from_url(server.url()), local_hostname="acme.example", patience=1.0, longest=2.0
    )
    yield transport
    await transport.close()


@pytest.fixture
async def lea(tenant: Tenant) -> Principal:
    """A learner with an email address."""
    return await factories.create_person(tenant.id, name="Lea Learner", email="Lea@acme.example")


async def deliver(now: datetime, transport: SmtpTransport) -> int:
    """Hand over what is due."""
    return await deliver_due_emails(now, transport, sender=SENDER)


async def test_an_email_is_accepted(
    tenant: Tenant, lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """It says what the facts say, under a Message-ID made from its key; once accepted it is not sent again."""
    await tell(lea, now, "First aid", key="task_assigned/5/1")
    assert await deliver(now - timedelta(seconds=1), transport) == 0
    later = now + timedelta(seconds=2)
    assert await deliver(later, transport) == 1
    [mail] = server.received
    message = mail.message
    assert (mail.sender, mail.recipients) == ("no-reply@acme.example", ["Lea@acme.example"])
    assert message["From"] == "Acme Academy <no-reply@acme.example>"
    assert message["To"] == "Lea Learner <Lea@acme.example>"
    assert message["Subject"] == "First aid: to be completed by 2026-03-12"
    assert message["Message-ID"] == message_id(tenant.id, "task_assigned/5/1", "acme.example")
    assert message["Date"].datetime == later
    text: Any = message.get_body(preferencelist=("plain",))
    assert "Tina Trainer has assigned" in text.get_content()
    assert "https://acme.example/tasks/mtk_1qkq6t72dnaqm" in text.get_content()
    assert await deliveries(superuser, *OUTCOME, "attempted_at", "leased_until") == [
        ("ACCEPTED", 1, "Lea@acme.example", None, later, None)
    ]
    assert await deliver(now + timedelta(days=9), transport) == 0
    assert len(server.received) == 1


async def test_words_are_those_of_the_template_while_it_is_there(
    tenant: Tenant, lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """Days are counted when it is sent; what a deleted or a broken template would say, the default says."""
    template = await factories.create_template(tenant.id, subject="{{ task.title }} {{ task.daysLeft }}", body="Hi")
    broken = await factories.create_template(tenant.id, subject="{{ nobody }}", body="Hi")
    gone = await factories.create_template(tenant.id, subject="Gone", deleted_at=now)
    for title, one in (("A", template), ("B", broken), ("C", gone)):
        await tell(lea, now, title, template_id=one.id, kind=NotificationKind.TASK_REMINDER)
    await deliver(now + timedelta(days=2), transport)
    assert sorted(server.subjects) == [
        "A 8",
        "Reminder: B is due on 2026-03-12, in 8 days",
        "Reminder: C is due on 2026-03-12, in 8 days",
    ]


async def test_who_assigned_is_told_about_the_learner(
    lea: Principal, tenant: Tenant, now: datetime, server: MailServer, transport: SmtpTransport
) -> None:
    """By their name at the time of sending."""
    tina = await factories.create_person(tenant.id, name="Tina Trainer", email="tina@acme.example")
    await tell(
        lea,
        now,
        "First aid",
        recipient_id=tina.learner_id,
        recipient_part="ASSIGNER",
        kind=NotificationKind.TASK_REMINDER,
    )
    await deliver(now, transport)
    assert server.subjects == ["Reminder: First aid of Lea Learner is due on 2026-03-12, in 10 days"]
    assert server.received[0].recipients == ["tina@acme.example"]


async def test_a_failure_is_tried_again_after_growing_pauses(
    lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """Under the same Message-ID, and given up after a good day; the reason is kept."""
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(hours=24) < sum(PAUSES, timedelta()) < timedelta(hours=36)
    server.answers["DATA"] = "451 Try later"
    await tell(lea, now, "First aid")
    for number, pause in enumerate(PAUSES, start=1):
        assert await deliver(now, transport) == 0
        assert await deliveries(superuser, *OUTCOME, "next_attempt_at") == [
            ("PENDING", number, "Lea@acme.example", "The mail server answered 451: Try later", now + pause)
        ]
        assert await deliver(now + pause - timedelta(seconds=1), transport) == 0
        now += pause
    assert await deliver(now, transport) == 0
    assert await deliveries(superuser, *OUTCOME) == [
        ("FAILED", MAX_ATTEMPTS, "Lea@acme.example", "The mail server answered 451: Try later")
    ]
    server.answers.clear()
    assert await deliver(now + timedelta(days=30), transport) == 0


async def test_second_try_succeeds_at_the_address_of_that_day(
    lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """A new address counts from the next attempt on."""
    server.drops_at.add("DATA")
    await tell(lea, now, "First aid")
    await deliver(now, transport)
    server.drops_at.clear()
    await superuser.execute("UPDATE learner SET email = 'new@acme.example' WHERE id = $1", lea.learner_id)
    assert await deliver(now + PAUSES[0], transport) == 1
    assert await deliveries(superuser, *OUTCOME) == [("ACCEPTED", 2, "new@acme.example", None)]


async def test_a_recipient_that_is_refused_for_good_is_not_tried_again(
    lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """The reason does not show the address, which not everybody sees who sees the delivery."""
    server.answers["RCPT"] = "550 <lea@acme.example> Lea@acme.example is unknown here"
    await tell(lea, now, "First aid")
    await deliver(now, transport)
    reason = "The mail server answered 550: <the recipient> the recipient is unknown here"
    assert await deliveries(superuser, *OUTCOME) == [("FAILED", 1, "Lea@acme.example", reason)]


async def test_an_address_that_cannot_be_used_fails_at_once(
    tenant: Tenant, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """Without a word to the mail server."""
    odd = await factories.create_person(tenant.id, email="a,b@acme.example")
    await tell(odd, now, "First aid")
    await deliver(now, transport)
    assert await deliveries(superuser, *OUTCOME) == [
        ("FAILED", 1, "a,b@acme.example", "The email address cannot be used.")
    ]
    assert server.connection_count == 0


async def test_what_nobody_wants_or_can_get_is_suppressed(
    tenant: Tenant, lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """Judged when it is sent, not when it is said; the reason tells which it is. Notifications stay."""
    silent = await factories.create_person(tenant.id, name="Silent", email="silent@acme.example")
    nobody = await factories.create_person(tenant.id, name="Without address")
    gone = await factories.create_person(tenant.id, name="Gone", email="gone@acme.example")
    again = await factories.create_person(tenant.id, name="Again", email="again@acme.example")
    for person in (silent, nobody, gone, again):
        await tell(person, now, "First aid")
    await tell(lea, now, "Nobody at all", recipient_id=1)

    async def choose(person: Principal, is_enabled: bool) -> None:
        async def action(work: UnitOfWork) -> None:
            await set_preference(work, category=NotificationCategory.MANDATORY_TASKS, is_email_enabled=is_enabled)

        await perform(person, now, "test", action)

    await choose(silent, False)
    await choose(again, False)
    await choose(again, True)
    await superuser.execute("UPDATE learner SET is_active = false WHERE id = $1", gone.learner_id)
    assert await deliver(now, transport) == 1
    assert await deliveries(superuser, *OUTCOME) == [
        ("SUPPRESSED", 0, None, "The recipient has switched off emails of this kind."),
        ("SUPPRESSED", 0, None, "The recipient has no email address."),
        ("SUPPRESSED", 0, None, "The recipient is inactive."),
        ("ACCEPTED", 1, "again@acme.example", None),
        ("SUPPRESSED", 0, None, "The recipient is inactive."),
    ]
    assert await superuser.fetchval("SELECT count(*) FROM notification") == 5


async def suppress(person: Principal, now: datetime) -> None:
    """Hold back what is to be said about the task, as withdrawing it does."""

    async def action(work: UnitOfWork) -> None:
        await suppress_emails(work, [5], kinds=list(NotificationKind), reason="The task was withdrawn.")

    await perform(person, now, "test", action)


async def test_what_is_held_back_before_its_turn_is_not_sent(
    tenant: Tenant, lea: Principal, now: datetime, server: MailServer, superuser: Connection
) -> None:
    """Although somebody has it in hand already: it is looked at once more, right before."""
    await tell(lea, now, "First aid")
    [[email_id]] = await deliveries(superuser, "id")
    [email] = await lease_emails(tenant.id, [email_id], now)
    await suppress(lea, now)
    assert await begin_attempt(tenant.id, email, now) is None
    await renew_leases(tenant.id, [email], now)
    assert await deliveries(superuser, *OUTCOME) == [("SUPPRESSED", 0, None, "The task was withdrawn.")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, ("ACCEPTED", 1, "Lea@acme.example", None)),
        ("451 Try later", ("SUPPRESSED", 1, "Lea@acme.example", "The task was withdrawn.")),
        ("554 Never", ("SUPPRESSED", 1, "Lea@acme.example", "The task was withdrawn.")),
    ],
)
async def test_what_is_held_back_while_the_server_has_it_is_told_as_it_is(
    lea: Principal,
    now: datetime,
    server: MailServer,
    transport: SmtpTransport,
    superuser: Connection,
    answer: str | None,
    outcome: tuple[Any, ...],
) -> None:
    """Taken is taken; what was not taken is not tried again."""
    server.hangs_at.add("DATA")
    server.answers["DATA"] = answer
    await tell(lea, now, "First aid")
    sending = asyncio.ensure_future(deliver(now, transport))
    await wait_for(superuser, "attempt_count = 1")
    await suppress(lea, now)
    server.go_on.set()
    await sending
    assert await deliveries(superuser, *OUTCOME) == [outcome]
    assert await deliver(now + timedelta(days=1), transport) == 0


async def test_many_at_once_send_each_once(
    tenant: Tenant, lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """Whoever has leased an email sends it; messages that come twice find nothing."""
    await tell(lea, now, *(f"Title {number}" for number in range(40)))
    ids = [row[0] for row in await deliveries(superuser, "id")]
    counts = await asyncio.gather(
        *(deliver_emails(tenant.id, ids, lambda: now, transport, SENDER) for _ in range(3)), deliver(now, transport)
    )
    assert sum(counts) == 40
    assert len(set(message_ids(server.received))) == len(server.received) == 40


async def test_an_expired_lease_is_taken_over_and_only_one_goes_on(
    tenant: Tenant, lea: Principal, now: datetime, superuser: Connection
) -> None:
    """A worker that was only asleep finds that the attempt is another's."""
    await tell(lea, now, "First aid")
    [[email_id]] = await deliveries(superuser, "id")
    [sleeper] = await lease_emails(tenant.id, [email_id], now)
    assert await lease_emails(tenant.id, [email_id], now + LEASE) == []
    [other] = await lease_emails(tenant.id, [email_id], now + LEASE + timedelta(seconds=1))
    assert await begin_attempt(tenant.id, other, now) == 1
    assert await begin_attempt(tenant.id, sleeper, now) is None


async def test_leases_are_kept_while_a_server_takes_its_time(
    tenant: Tenant, lea: Principal, server: MailServer, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a lease lasts; nobody else sends it meanwhile."""
    monkeypatch.setattr("domain.notifications.deliveries.sending.LEASE", timedelta(seconds=0.3))
    monkeypatch.setattr("domain.notifications.deliveries.rows.LEASE", timedelta(seconds=0.3))
    patient = SmtpTransport(SmtpServer.from_url(server.url()), local_hostname="acme.example")
    server.hangs_at.add("DATA")
    await tell(lea, datetime.now(UTC), "First aid")
    [[email_id]] = await deliveries(superuser, "id")

    def send() -> Any:
        return deliver_emails(tenant.id, [email_id], lambda: datetime.now(UTC), patient, SENDER)

    first = asyncio.ensure_future(send())
    await wait_for(superuser, "attempt_count = 1")
    for _ in range(8):
        await asyncio.sleep(0.1)
        assert await send() == 0
    server.go_on.set()
    assert await first == 1
    assert len(server.received) == 1
    await patient.close()


async def test_whoever_stops_gives_back_what_was_not_begun(
    tenant: Tenant, lea: Principal, now: datetime, transport: SmtpTransport, superuser: Connection
) -> None:
    """Others can have it at once, and no attempt is counted."""
    await tell(lea, now, *(f"Title {number}" for number in range(20)))
    ids = [row[0] for row in await deliveries(superuser, "id")]
    answers = iter([False] * 6)
    sent = await deliver_emails(tenant.id, ids, lambda: now, transport, SENDER, should_stop=lambda: next(answers, True))
    assert sent == 6
    rest = [
        row for row in await deliveries(superuser, "status", "attempt_count", "leased_until") if row[0] == "PENDING"
    ]
    assert rest == [("PENDING", 0, None)] * 14


async def test_facts_that_nobody_can_read_hold_up_nothing(
    lea: Principal, now: datetime, server: MailServer, transport: SmtpTransport, superuser: Connection
) -> None:
    """The email is tried again, in case a newer release can, and given up in the end; the log has the rest."""
    for facts in ({}, {"learner_id": "x", "title": 3}, {"learner_id": 2**70}):
        await tell(lea, now, "Odd", facts=facts)
    await tell(lea, now, "First aid")
    assert await deliver(now, transport) == 1
    assert [row[:2] for row in await deliveries(superuser, *OUTCOME)] == [("PENDING", 1)] * 3 + [("ACCEPTED", 1)]
    reasons = [row[0] for row in await deliveries(superuser, "failure_reason")]
    assert all("logged under" in reason for reason in reasons[:3])


async def test_attempts_that_never_end_are_not_made_for_ever(
    lea: Principal, now: datetime, transport: SmtpTransport, superuser: Connection
) -> None:
    """An email that kills whoever sends it."""
    await tell(lea, now, "First aid")
    await superuser.execute("UPDATE email_delivery SET attempt_count = $1", MAX_ATTEMPTS)
    assert await deliver(now, transport) == 0
    assert await deliveries(superuser, *OUTCOME) == [("FAILED", MAX_ATTEMPTS, None, "No attempt came to an end.")]


async def test_tenants_do_not_get_in_each_others_way(
    lea: Principal, another_tenant: Tenant, now: datetime, server: MailServer, transport: SmtpTransport
) -> None:
    """The same key is another message there, and has another Message-ID."""
    other = await factories.create_person(another_tenant.id, email="other@globex.example")
    for person in (lea, other):
        await tell(person, now, "First aid", key="same")
    assert await deliver(now, transport) == 2
    assert len(set(message_ids(server.received))) == 2
