"""`mandate up`: servers of its own, the schema, a demo tenant, and web, worker and scheduler until a signal comes."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from pydantic import SecretStr

from domain.foundation import clock
from domain.foundation.access import Role
from domain.foundation.database.migrating import migrate
from domain.foundation.settings import LOCAL_ORIGINS, Settings
from ops.accounts import Person, make_token
from ops.connecting import DATA, SERVERS, database_of, database_role, require_database, say_where_to
from ops.demo_company import making as demo
from ops.failures import CommandFailed
from ops.servers.data_directory import DataDirectory
from ops.servers.database_setup import prepare_database
from ops.servers.embedded import EmbeddedPostgres, EmbeddedValkey
from ops.supervision.supervisor import Program, Supervisor, answers

HOST = "127.0.0.1"
TOKENS_LAST = timedelta(days=30)
FIRST_QUERY = (
    "{ viewer { actor { name } role } autoAssignmentRules(first: 3) { totalCount nodes { name enrolledLearnerCount } } "
    "contentActions(first: 3) { nodes { action source learner { name } content { title } } } }"
)


@dataclass(frozen=True, slots=True)
class _Servers:
    """The servers that everything uses, and those of them that are ours."""

    environment: dict[str, str]
    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None


def run_everything(data: Path | None, *, port: int, with_demo: bool) -> int:
    """Run all of Mandate on this machine and return the exit code.

    With a directory that was named, the servers are private ones, whatever the environment says.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    directory = DataDirectory(data or DATA)
    directory.create()
    port = _free_port(port)
    with _servers(directory, port, is_private=data is not None) as servers:
        settings = Settings.model_validate({name.lower(): value for name, value in servers.environment.items()})
        tokens = asyncio.run(_prepare_demo(settings)) if with_demo else {}
        directory.publish(servers.environment)
        try:
            return _supervise(servers, port, tokens)
        finally:
            directory.withdraw()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Leave through every `finally`, as Ctrl-C does."""
    raise KeyboardInterrupt


def _free_port(port: int) -> int:
    """Return the port if it is free, or any for 0; raises CommandFailed."""
    with socket.socket() as probe:
        # As the web server does: the remains of earlier connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandFailed(
                f"Port {port} cannot be used ({error.strerror}): choose another with --port."
            ) from error
        free: int = probe.getsockname()[1]
        return free


@contextlib.contextmanager
def _servers(directory: DataDirectory, port: int, *, is_private: bool) -> Iterator[_Servers]:
    """Start the servers that the environment does not name, or all of them, and bring the database up to date."""
    given = Settings()
    if is_private:
        given = given.model_copy(update=dict.fromkeys(SERVERS, SecretStr("")))
    secrets = directory.kept_secrets()
    with contextlib.ExitStack() as running:
        postgres = valkey = None
        if given.database_url.get_secret_value():
            asyncio.run(_migrate_given(given))
            owner_url, database_url = given.owner_database_url.get_secret_value(), given.database_url.get_secret_value()
        else:
            postgres = running.enter_context(EmbeddedPostgres(directory.postgres, durable=True))
            urls = asyncio.run(prepare_database(postgres.superuser_url, secrets))
            owner_url, database_url = urls.owner, urls.application
        redis_url = given.redis_url.get_secret_value()
        if not redis_url:
            valkey = running.enter_context(EmbeddedValkey(directory.valkey))
            redis_url = valkey.url
        environment = {
            "ENVIRONMENT": "development",
            "DATABASE_URL": database_url,
            "OWNER_DATABASE_URL": owner_url,
            "REDIS_URL": redis_url,
            "BROKER_URL": given.broker_url.get_secret_value(),
            # Where it is set, tokens are made elsewhere.
            "JWKS_URL": given.jwks_url or "",
            "SECRET_KEY": given.secret_key.get_secret_value() or secrets.secret_key,
            "PUBLIC_URL": given.public_url if "public_url" in given.model_fields_set else f"http://{HOST}:{port}",
            # Front ends that are being developed are served by this machine, too.
            "ALLOWED_ORIGINS": ",".join(dict.fromkeys([*given.allowed_origins, *LOCAL_ORIGINS])),
            # Nobody watches whether it is ready, and somebody waits for its end.
            "DRAIN_SECONDS": "0",
            # What an SMTP_URL takes goes there; all else can be read here.
            "MAIL_DIRECTORY": str(given.mail_directory or directory.mails),
        }
        yield _Servers(environment, postgres, valkey)


async def _migrate_given(settings: Settings) -> None:
    owner_url = settings.owner_database_url.get_secret_value()
    if not owner_url:
        raise CommandFailed("DATABASE_URL is set, so OWNER_DATABASE_URL is needed too: who may migrate it.")
    await require_database(owner_url)
    say_where_to(owner_url)
    await migrate(owner_url, database_role(settings))


async def _prepare_demo(settings: Settings) -> dict[Role, str]:
    async with database_of(settings, tenant=demo.SLUG):
        now = clock.now()
        await demo.create_demo_tenant(now)
        if settings.issuers:
            return {}
        return {
            role: await make_token(settings, Person(demo.SLUG, email, None), now, TOKENS_LAST)
            for role, email in demo.ACCOUNTS.items()
        }


def _supervise(servers: _Servers, port: int, tokens: dict[Role, str]) -> int:
    metrics_port = Settings().metrics_port

    def program(name: str, *arguments: str, stops_after_others: bool = False, number: int) -> Program:
        # -P: whatever lies in the present directory is not to be taken for our modules.
        command = [sys.executable, "-P", "-m", "ops.cli", name, *arguments]
        # One port after the other, as each process has figures of its own.
        port = {"METRICS_PORT": str(metrics_port + number if metrics_port else 0)}
        return Program(name, command, servers.environment | port, stops_after_others=stops_after_others)

    needs = {}
    if (postgres := servers.postgres) is not None:
        needs["PostgreSQL"] = lambda: postgres.running
    if (valkey := servers.valkey) is not None:
        needs["Valkey"] = lambda: valkey.running
    supervisor = Supervisor(
        [
            program("web", "--host", HOST, "--port", str(port), number=0),
            program("worker", stops_after_others=True, number=1),
            program("scheduler", number=2),
        ],
        is_ready=answers(HOST, port, "/readyz"),
        when_ready=lambda: print(_banner(f"http://{HOST}:{port}/graphql", tokens), flush=True),
        needs=needs,
    )
    code = supervisor.run()
    # What is left to do is stopping the servers: one more signal must not leave one of them behind.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _banner(address: str, tokens: dict[Role, str]) -> str:
    lines = [f"ready {address}", ""]
    if tokens:
        lines.append(f"A token for each role of the tenant `{demo.SLUG}`:")
        lines += [f"{role.value.lower():8} {token}" for role, token in tokens.items()]
        lines += [
            "",
            "A first query, to paste into another terminal (or open the address in a browser):",
            f"curl -s {address} -H 'Content-Type: application/json' \\",
            f"  -H 'Authorization: Bearer {tokens[Role.ADMIN]}' \\",
            f"""  -d '{{"query": "{FIRST_QUERY}"}}'""",
        ]
    else:
        lines += [
            "mandate tenant create NAME --slug SLUG --time-zone ZONE    makes a tenant",
            "mandate token --tenant SLUG --email EMAIL --role ADMIN     makes somebody who may do everything there",
        ]
    return "\n".join([*lines, "", f"Ctrl-C stops everything (process {os.getpid()})."])
