"""Importing courses from rows of text."""

from datetime import datetime

from domain.content.importing import ContentImportRow, import_content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from domain.foundation.unit_of_work import perform
from domain.tenants.models import Tenant
from tests.support import factories


async def outcomes(tenant: Tenant, now: datetime, *rows: ContentImportRow) -> list[tuple[str, list[str]]]:
    """Import rows and return outcome and the columns that were wrong of each."""
    done = await perform(
        Principal.operator(tenant.id), now, "import content", lambda work: import_content(work, list(rows))
    )
    return [(result.outcome, [error.path[0] for error in result.errors]) for result in done.result]


async def test_courses_are_created_and_updated(tenant: Tenant, now: datetime) -> None:
    """By external ID; empty cells keep title and lessons and remove a minimum score; the same again is no change."""
    await factories.create_course(tenant.id, external_id="old", title="Old", lesson_count=3, minimum_score=50)
    rows = [
        ContentImportRow(external_id="new", title="New", lesson_count="4", minimum_score=" 60.0 "),
        ContentImportRow(external_id="bare", title="", lesson_count="", minimum_score=""),
        ContentImportRow(external_id="old", title="Renamed", lesson_count="", minimum_score=""),
    ]
    assert await outcomes(tenant, now, *rows) == [("CREATED", []), ("CREATED", []), ("UPDATED", [])]
    assert await outcomes(tenant, now, *rows) == [("UNCHANGED", [])] * 3
    async with writing(tenant.id) as sql:
        found = await sql.fetch(
            "SELECT external_id, title, lesson_count, minimum_score, version FROM content ORDER BY 1"
        )
        assert [tuple(row) for row in found] == [
            ("bare", "bare", 1, None, 1),
            ("new", "New", 4, 60, 1),
            ("old", "Renamed", 3, None, 2),
        ]
        assert await sql.value("SELECT count(*) FROM audit_entry WHERE operation = 'import content'") == 3
        assert await sql.values("SELECT version FROM change_pending ORDER BY version") == [1, 1, 2]


async def test_rows_that_are_wrong_keep_no_other_back(tenant: Tenant, now: datetime) -> None:
    """Each says which column is wrong."""
    await factories.create_path(tenant.id, external_id="path")
    assert await outcomes(
        tenant,
        now,
        ContentImportRow(external_id="a", lesson_count="many", minimum_score="101"),
        ContentImportRow(external_id=""),
        ContentImportRow(external_id="path"),
        ContentImportRow(external_id="b", lesson_count="0"),
        ContentImportRow(external_id="c"),
        ContentImportRow(external_id="c"),
    ) == [
        ("FAILED", ["lesson_count", "minimum_score"]),
        ("FAILED", ["external_id"]),
        ("FAILED", ["external_id"]),
        ("FAILED", ["lesson_count"]),
        ("CREATED", []),
        ("FAILED", ["external_id"]),
    ]
