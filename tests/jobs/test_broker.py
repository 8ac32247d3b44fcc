"""Which queue an address stands for. RabbitMQ is spoken to here as far as its client goes; there is no server."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import dramatiq
import pika
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

from domain.foundation.access import Principal
from domain.foundation.settings import BadSettings, Settings
from jobs.broker import SOCKET_TIMEOUT, UnknownBroker, create_broker
from jobs.dispatcher import MAX_WAITING, Dispatcher
from jobs.rounds import JOBS
from tests.jobs.test_scheduler import ask_for_job, dispatched_at
from tests.support.catalogue import Connection

RABBITMQ = "amqp://somebody:secret@127.0.0.1:1/%2Fmandate"


@dataclass
class Channel:
    """What RabbitMQ would be told."""

    declared: list[str] = field(default_factory=list)
    published: list[tuple[str, bytes, Any]] = field(default_factory=list)
    waiting: int = 0

    def queue_declare(self, queue: str, **_: Any) -> Any:
        """Make a queue."""
        self.declared.append(queue)
        return SimpleNamespace(method=SimpleNamespace(message_count=self.waiting))

    def basic_publish(self, *, routing_key: str, body: bytes, properties: Any, mandatory: bool, exchange: str) -> None:
        """Take a message; one that no queue takes has to come back."""
        assert (exchange, mandatory) == ("", True)
        self.published.append((routing_key, body, properties))


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A RabbitMQ that takes everything."""
    channel = Channel()
    monkeypatch.setattr(RabbitmqBroker, "channel", property(lambda self: channel))
    return channel  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:1/0", RedisBroker),
        ("rediss://127.0.0.1:1/0", RedisBroker),
        ("unix:///tmp/nowhere.sock", RedisBroker),
        ("amqp://127.0.0.1:1/", RabbitmqBroker),
        ("amqps://127.0.0.1:1/", RabbitmqBroker),
    ],
)
def test_the_scheme_decides(url: str, kind: type[dramatiq.Broker]) -> None:
    """Nothing is connected to before the first message."""
    broker = create_broker(url)
    assert isinstance(broker, kind)
    # What the rows do, the queue must not do as well: no retries, no limits of age and time.
    assert broker.middleware == []


def test_rabbitmq_has_seconds_to_answer() -> None:
    """Credentials and virtual host are those of the address, patience is ours."""
    broker: Any = create_broker(RABBITMQ)
    parameters = broker.parameters
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("127.0.0.1", 1, "/mandate")
    assert parameters.credentials == pika.PlainCredentials("somebody", "secret")
    assert (parameters.socket_timeout, parameters.blocked_connection_timeout) == (SOCKET_TIMEOUT, SOCKET_TIMEOUT)
    assert broker.confirm_delivery


@pytest.mark.parametrize("url", ["amqp://127.0.0.1:none/", "kafka://127.0.0.1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """With a word that does not repeat what may be a secret."""
    with pytest.raises(UnknownBroker) as raised:
        create_broker(url)
    assert "127.0.0.1" not in str(raised.value)


def test_rabbitmq_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told what to install."""
    monkeypatch.setitem(sys.modules, "dramatiq.brokers.rabbitmq", None)
    with pytest.raises(BadSettings, match=r"mandate\[rabbitmq\]"):
        create_broker(RABBITMQ)


def test_the_queue_is_where_redis_is_unless_said_otherwise() -> None:
    """Nudges and limits stay in Redis."""
    both = Settings.model_validate({"redis_url": "redis://r", "broker_url": RABBITMQ})
    assert (both.queue_url, both.redis_url.get_secret_value()) == (RABBITMQ, "redis://r")
    assert Settings.model_validate({"redis_url": "redis://r"}).queue_url == "redis://r"


async def test_a_job_goes_into_a_queue_that_lasts(
    database: None, channel: Channel, admin: Principal, now: datetime, superuser: Connection
) -> None:
    """Its message survives a restart of RabbitMQ, and the queues are made first."""
    job_id = await ask_for_job(admin, now)
    dispatcher = Dispatcher(create_broker(RABBITMQ), RABBITMQ)
    assert await dispatcher.dispatch(JOBS, now) == 1
    [(queue, body, properties)] = channel.published
    assert (queue, properties.delivery_mode) == (JOBS.name, 2)
    assert f'"job_id":{job_id}' in body.decode()
    assert set(channel.declared) == {JOBS.name, f"{JOBS.name}.DQ", f"{JOBS.name}.XQ"}
    assert await dispatched_at(superuser, job_id) == now
    await dispatcher.close()


async def test_a_full_queue_gets_nothing_more(
    database: None, channel: Channel, admin: Principal, now: datetime
) -> None:
    """As in Redis: rows wait for ever, messages need not pile up."""
    await ask_for_job(admin, now)
    channel.waiting = MAX_WAITING
    dispatcher = Dispatcher(create_broker(RABBITMQ), RABBITMQ)
    assert await dispatcher.dispatch(JOBS, now) == 0
    assert channel.published == []
    await dispatcher.close()


async def test_without_rabbitmq_no_job_counts_as_handed_out(
    database: None, admin: Principal, now: datetime, superuser: Connection
) -> None:
    """The scheduler tries again each second."""
    job_id = await ask_for_job(admin, now)
    dispatcher = Dispatcher(create_broker(RABBITMQ), RABBITMQ)
    with pytest.raises(ConnectionClosed):
        await dispatcher.dispatch(JOBS, now)
    assert await dispatched_at(superuser, job_id) is None
    await dispatcher.close()
