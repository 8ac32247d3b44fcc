"""Servers, databases and people that tests ask for by name. Tables are empty again after each test that used them.

Whoever asks for `database` (or for `tenant` or anybody in it) may use the domain; who asks for nothing gets no server.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

import domain.reactions  # noqa: F401  Changes need the table of reactions.
from domain.foundation.access import Principal, Role, Scope
from domain.foundation.database import sessions as process_database
from domain.foundation.settings import Settings
from domain.tenants.accounts import forget_tenants
from domain.tenants.models import Tenant
from ops.servers.embedded import EmbeddedValkey
from tests.support import factories
from tests.support.api import SECRET, Api, ApiClient
from tests.support.catalogue import Connection
from tests.support.pgbouncer import VARIABLE, PgBouncer, pgbouncer_before
from tests.support.servers import EMPTY_ALL_TABLES, Databases, TestCluster, clone, run

_CLUSTER = pytest.StashKey[TestCluster]()


def _cluster(config: pytest.Config) -> TestCluster:
    if _CLUSTER not in config.stash:
        config.stash[_CLUSTER] = TestCluster()
        config.stash[_CLUSTER].start()
    return config.stash[_CLUSTER]


def pytest_configure() -> None:
    """Say at once what a run through PgBouncer lacks."""
    if VARIABLE in os.environ and PgBouncer.find() is None:
        raise pytest.UsageError(f"{VARIABLE} is set and there is no pgbouncer: install it (apt install pgbouncer).")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker of pytest-xdist where the one cluster of the run is."""
    node.workerinput["superuser_url"] = _cluster(node.config).superuser_url


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the cluster in the process that started it."""
    if _CLUSTER in config.stash:
        config.stash[_CLUSTER].stop()


@pytest.fixture(scope="session")
def cluster_url(request: pytest.FixtureRequest) -> str:
    """Where the superuser of the run's cluster connects."""
    worker_input: dict[str, str] | None = getattr(request.config, "workerinput", None)
    return worker_input["superuser_url"] if worker_input else _cluster(request.config).superuser_url


@pytest.fixture(scope="session")
def databases(cluster_url: str) -> Databases:
    """The migrated database of this process."""
    return run(clone(cluster_url, f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"))


@pytest.fixture(scope="session")
def superuser_url(databases: Databases) -> str:
    """This process's database as the superuser."""
    return databases.superuser_url


@pytest.fixture(scope="session")
def owner_url(databases: Databases) -> str:
    """This process's database as the owner of the tables."""
    return databases.owner_url


@pytest.fixture(scope="session")
def app_url(databases: Databases) -> Iterator[str]:
    """This process's database as the application, bound by row level security; through PgBouncer where asked."""
    if VARIABLE not in os.environ:
        yield databases.app_url
        return
    with pgbouncer_before(databases.app_url) as pooler:
        yield pooler.before(databases.app_url)


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    """A Valkey of this process alone: channels know no databases, so workers must not share one."""
    with (
        tempfile.TemporaryDirectory(prefix="mandate-tests-", ignore_cleanup_errors=True) as directory,
        EmbeddedValkey(Path(directory) / "valkey") as server,
    ):
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey: EmbeddedValkey) -> str:
    """Where clients of the Redis protocol connect."""
    return valkey.url


@pytest.fixture(scope="session")
async def database(app_url: str) -> AsyncIterator[None]:
    """The domain's connection pool, open in this process."""
    async with process_database.connected(app_url, application_name="test", pool_size=20):
        yield


@pytest.fixture(scope="session")
async def superuser(superuser_url: str) -> AsyncIterator[Connection]:
    """A connection that sees everything, for looking and for emptying tables."""
    connection = await asyncpg.connect(superuser_url, server_settings={"lock_timeout": "5s", "timezone": "UTC"})
    yield connection
    await connection.close()


@pytest.fixture
async def emptied_database(superuser: Connection) -> AsyncIterator[None]:
    """Empty all tables. A lock timeout here means that the test left a transaction open."""
    yield
    await superuser.execute(EMPTY_ALL_TABLES)
    forget_tenants()


@pytest.fixture
async def emptied_redis(redis_url: str) -> AsyncIterator[None]:
    """Empty the Valkey."""
    yield
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    """Empty after the test what it is going to use."""
    if "databases" in request.fixturenames:
        request.getfixturevalue("emptied_database")
    if "redis_url" in request.fixturenames:
        request.getfixturevalue("emptied_redis")


@pytest.fixture
def now() -> datetime:
    """The instant at which tests happen: a Monday morning."""
    return datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
async def tenant(database: None) -> Tenant:
    """An empty tenant."""
    return await factories.create_tenant(slug="acme", name="Acme")


@pytest.fixture
async def another_tenant(database: None) -> Tenant:
    """A second empty tenant, which nobody of the first may notice."""
    return await factories.create_tenant(slug="globex", name="Globex")


@pytest.fixture
async def admin(tenant: Tenant) -> Principal:
    """An administrator of the tenant."""
    return await factories.create_person(tenant.id, role=Role.ADMIN, name="Ada Admin")


@pytest.fixture
async def trainer(tenant: Tenant) -> Principal:
    """A trainer of the tenant."""
    return await factories.create_person(tenant.id, role=Role.TRAINER, name="Tina Trainer")


@pytest.fixture
async def learner(tenant: Tenant) -> Principal:
    """A learner of the tenant."""
    return await factories.create_person(tenant.id, role=Role.LEARNER, name="Lea Learner")


@pytest.fixture
async def another_admin(another_tenant: Tenant) -> Principal:
    """An administrator of the other tenant."""
    return await factories.create_person(another_tenant.id, role=Role.ADMIN, name="Otto Other")


@pytest.fixture
async def read_account(tenant: Tenant) -> Principal:
    """A service account that reads the whole tenant and writes nothing."""
    return await factories.create_service_account(tenant.id, scopes=[Scope.READ], name="Reporting")


@pytest.fixture
async def sync_account(tenant: Tenant) -> Principal:
    """A service account with every scope."""
    return await factories.create_service_account(tenant.id, scopes=list(Scope), name="HR sync")


@pytest.fixture
def settings(app_url: str) -> Settings:
    """Settings of the application; without Redis unless a test gives it."""
    return Settings(
        database_url=SecretStr(app_url),
        secret_key=SecretStr(SECRET),
        redis_url=SecretStr(""),
        task_url="https://academy.acme.example/tasks/{id}",
        # Tests do in seconds what people do in days.
        cost_per_minute=1_000_000,
    )


@pytest.fixture
async def api(database: None, settings: Settings, now: datetime) -> AsyncIterator[Api]:
    """The application; `api.acting_as(somebody)` is a client."""
    async with Api(settings, now).opened() as api:
        yield api


@pytest.fixture
def answered_once(api: Api) -> None:
    """Answer queries one way only: for tests that count what happens in the process."""
    assert api.transport is not None
    api.transport.is_on = False


@pytest.fixture
def as_admin(api: Api, admin: Principal) -> ApiClient:
    """A client that calls as the administrator."""
    return api.acting_as(admin)


@pytest.fixture
def as_trainer(api: Api, trainer: Principal) -> ApiClient:
    """A client that calls as the trainer."""
    return api.acting_as(trainer)


@pytest.fixture
def as_learner(api: Api, learner: Principal) -> ApiClient:
    """A client that calls as the learner."""
    return api.acting_as(learner)


@pytest.fixture
def as_reader(api: Api, read_account: Principal) -> ApiClient:
    """A client that calls as the service account that only reads."""
    return api.acting_as(read_account)


@pytest.fixture
def as_sync(api: Api, sync_account: Principal) -> ApiClient:
    """A client that calls as the service account with every scope."""
    return api.acting_as(sync_account)
