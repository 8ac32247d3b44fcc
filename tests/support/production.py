"""All of Mandate as an operator runs it: servers of its own and a process each, any of which can be taken away."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ops.servers.data_directory import Secrets
from ops.servers.database_setup import prepare_database
from ops.servers.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.support.api import SECRET
from tests.support.command import CLEAN, MANDATE, Command
from tests.support.servers import run
from tests.support.web_process import free_port

SENDER_DOMAIN = "acme.example"


@dataclass(slots=True)
class Service:
    """One process that can be killed and started again at its place."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting for anything."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**CLEAN, **self.environment},
                cwd=self.log.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its ID in the operating system."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it without a chance to do anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it politely."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass(slots=True)
class Production:
    """Servers and processes in a directory."""

    directory: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    environment: dict[str, str]
    ports: tuple[int, ...]
    services: dict[str, Service] = field(default_factory=dict)

    @classmethod
    def started(cls, directory: Path, *, web_processes: int = 2, hurried: str = "") -> "Production":
        """Start everything; `hurried` is a program that workers and schedulers run first."""
        postgres = EmbeddedPostgres(directory / "postgres", durable=True)
        postgres.start()
        valkey = EmbeddedValkey(directory / "valkey")
        valkey.start()
        urls = run(prepare_database(postgres.superuser_url, Secrets("owner-password", "app-password", SECRET)))
        environment = {
            "DATABASE_URL": urls.application,
            "REDIS_URL": valkey.url,
            "SECRET_KEY": SECRET,
            "MAIL_DIRECTORY": str(directory / "mails"),
            "MAIL_FROM": f"Acme <post@{SENDER_DOMAIN}>",
            # A few clients do here what thousands do.
            "COST_PER_MINUTE": "1000000000",
        }
        ports = tuple(free_port() for _ in range(web_processes))
        production = cls(directory, postgres, valkey, environment, ports)
        for number, port in enumerate(ports):
            production._add(f"web-{number}", [*MANDATE, "web", "--port", str(port)])
        for name in ("worker", "scheduler"):
            for number in range(2):
                production._add(f"{name}-{number}", _hurried(name, hurried) if hurried else [*MANDATE, name])
        for service in production.services.values():
            service.start()
        return production

    def _add(self, name: str, command: list[str]) -> None:
        self.services[name] = Service(name, command, self.environment, self.directory / f"{name}.log")

    def command(self) -> Command:
        """Return the command with these servers."""
        return Command(self.environment, self.directory)

    def restart_what_has_ended(self) -> list[str]:
        """Start again what has ended, as every supervisor does; return its names."""
        ended = [
            service for service in self.services.values() if service.process and service.process.poll() is not None
        ]
        for service in ended:
            service.start()
        return [service.name for service in ended]

    def wait_until_ready(self, port: int, seconds: float = 60) -> None:
        """Wait until a web process serves."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    @property
    def output(self) -> str:
        """What all processes have said."""
        return "\n".join(f"{name}: {service.log.read_text()}" for name, service in self.services.items())

    def restart_postgres(self, *, crash: bool) -> None:
        """Take PostgreSQL away, politely or in the middle of everything, and bring it back at its place."""
        if crash:
            status = (self.postgres.directory / "files" / "postmaster.pid").read_text()
            os.kill(int(status.splitlines()[0]), signal.SIGQUIT)
        self.postgres.stop()
        self.postgres = EmbeddedPostgres(self.postgres.directory, durable=True, port=self.postgres.port)
        self.postgres.start()

    def restart_valkey(self) -> None:
        """Take Valkey away with all that it holds, and bring back an empty one."""
        self.valkey.stop()
        self.valkey = EmbeddedValkey(self.valkey.directory, port=self.valkey.port)
        self.valkey.start()

    def stop(self) -> None:
        """End everything."""
        for service in self.services.values():
            service.stop()
        self.valkey.stop()
        self.postgres.stop()


def _hurried(name: str, program: str) -> list[str]:
    import sys

    configured = "from domain.foundation.settings import settings; from ops.log_output import configure_logging"
    runs = f"configure_logging(settings()); from jobs.{name} import run_{name}; run_{name}(settings())"
    return [sys.executable, "-c", f"{configured}; {program}; {runs}"]
