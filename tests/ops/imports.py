"""Importing texts as files, and looking at what they have made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.foundation.row_outcomes import RowOutcome
from domain.tenants.models import Tenant
from ops.imports.running import Importer, ImportKind, ImportOptions, ImportReport
from tests.support.catalogue import Connection

LEARNERS, CONTENT, ENROLLMENTS = ImportKind.LEARNERS, ImportKind.CONTENT, ImportKind.ENROLLMENTS


@dataclass(slots=True)
class Imports:
    """Imports texts into a tenant and tells what is in the database."""

    tenant: Tenant
    directory: Path
    superuser: Connection
    capsys: pytest.CaptureFixture[str]
    refused: list[str] = field(default_factory=list)

    async def __call__(
        self, kind: ImportKind, text: str, *, maps: tuple[str, ...] = (), first_wins: bool = False, **options: Any
    ) -> tuple[int, int, int, int]:
        """Return how many rows were created, updated, unchanged and refused; `refused` has the messages."""
        report = await self.report(kind, text, maps=maps, first_wins=first_wins, **options)
        return (
            report.outcomes[RowOutcome.CREATED],
            report.outcomes[RowOutcome.UPDATED],
            report.outcomes[RowOutcome.UNCHANGED],
            report.refused,
        )

    async def report(
        self, kind: ImportKind, text: str, *, maps: tuple[str, ...] = (), first_wins: bool = False, **options: Any
    ) -> ImportReport:
        """Import a text and return the whole report."""
        path = self.directory / "file.csv"
        path.write_text(text)
        self.capsys.readouterr()
        report = await Importer(path, kind, ImportOptions(maps, (), first_wins, **options)).run(self.tenant.id)
        self.refused = self.capsys.readouterr().out.splitlines()
        return report

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of a query."""
        return [tuple(record) for record in await self.superuser.fetch(sql)]

    async def places(self) -> list[tuple[str, str, str | None]]:
        """Return (person, place, client of the place) for each placement."""
        return await self.rows(
            "SELECT l.name, p.name, c.name FROM learner_place x JOIN learner l ON l.id = x.learner_id"
            " JOIN place p ON p.id = x.place_id LEFT JOIN place c ON c.id = p.client_id ORDER BY l.name, p.name"
        )
