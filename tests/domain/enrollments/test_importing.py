"""Importing enrollments from rows of text."""

from datetime import datetime
from time import perf_counter

from domain.enrollments.importing import EnrollmentImportRow, import_enrollments
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.tenants.models import Tenant
from tests.api.enrollments.operations import facts_of, log_of, statuses_of
from tests.support import factories


async def outcomes(
    tenant: Tenant, now: datetime, *rows: EnrollmentImportRow, trusts_status: bool = False
) -> list[tuple[str, list[str]]]:
    """Import rows and return outcome and the columns that were wrong of each."""

    async def action(work: UnitOfWork) -> list[tuple[str, list[str]]]:
        work.evaluates_at_once = True
        results = await import_enrollments(work, list(rows), trusts_status=trusts_status)
        return [(result.outcome, [error.path[0] for error in result.errors]) for result in results]

    return (await perform(Principal.operator(tenant.id), now, "import enrollments", action)).result


def row(learner: str, content: str, status: str | None = None, score: str | None = None) -> EnrollmentImportRow:
    """Return a row of the file."""
    return EnrollmentImportRow(learner=learner, content=content, status=status, score=score)


async def test_people_are_enrolled_and_their_status_is_as_given(tenant: Tenant, now: datetime) -> None:
    """Reason and source IMPORT; facts are written; paths follow; the same again changes nothing."""
    person = await factories.create_person(tenant.id, external_id="p", email="P@x.test")
    courses = [
        await factories.create_course(tenant.id, title=title, external_id=title, minimum_score=90) for title in "ABC"
    ]
    await factories.create_path(tenant.id, title="Path", external_id="Path", courses=courses[:2])
    rows = [
        row("p", "A", "COMPLETED", "95"),
        row("p@x.test", "B", " in_progress "),
        row("p", "C", None, "12"),
        row("p", "Path"),
    ]
    assert await outcomes(tenant, now, *rows) == [("CREATED", [])] * 4
    assert await statuses_of(tenant.id, person) == {
        "A": ("COMPLETED", 100, True),
        "B": ("IN_PROGRESS", 0, True),
        "C": ("IN_PROGRESS", 0, True),
        "Path": ("IN_PROGRESS", 50, True),
    }
    assert sorted(await log_of(tenant.id)) == [
        ("A", "COMPLETED", "IMPORT"),
        ("A", "ENROLLED", "IMPORT"),
        ("B", "ENROLLED", "IMPORT"),
        ("B", "STARTED", "IMPORT"),
        ("C", "ENROLLED", "IMPORT"),
        ("C", "STARTED", "IMPORT"),
        ("Path", "ENROLLED", "IMPORT"),
        ("Path", "STARTED", "LEARNING_PATH"),
    ]
    assert await facts_of(tenant.id, person) == {
        "A": "COMPLETED",
        "B": "IN_PROGRESS",
        "C": "IN_PROGRESS",
        "Path": "IN_PROGRESS",
    }
    logged = await log_of(tenant.id)
    assert await outcomes(tenant, now, *rows) == [("UNCHANGED", [])] * 4
    assert await log_of(tenant.id) == logged


async def test_nothing_that_was_reached_is_taken_back(tenant: Tenant, now: datetime) -> None:
    """A lower status or score is no change; on top of a rule's enrollment the fact is written."""
    person = await factories.create_person(tenant.id, external_id="p")
    course = await factories.create_course(tenant.id, title="A", external_id="A")
    await factories.create_enrollment(
        tenant.id, person.learner_id or 0, course.id, source=Source.AUTO_ENROLLMENT, fact_status=None, score=50
    )
    assert await outcomes(
        tenant, now, row("p", "A", "IN_PROGRESS", "20"), row("p", "A", "COMPLETED"), row("p", "A", "NOT_STARTED")
    ) == [("UPDATED", []), ("UPDATED", []), ("UNCHANGED", [])]
    async with writing(tenant.id) as sql:
        assert await sql.values("SELECT score FROM enrollment") == [50]
        assert await sql.values("SELECT source FROM enrollment_reason ORDER BY id") == ["AUTO_ENROLLMENT", "IMPORT"]
    assert await facts_of(tenant.id, person) == {"A": "COMPLETED"}
    assert [step[1] for step in await log_of(tenant.id)] == ["STARTED", "COMPLETED"]


async def test_rows_that_are_wrong_keep_no_other_back(tenant: Tenant, now: datetime) -> None:
    """Each says everything that is wrong with it."""
    await factories.create_person(tenant.id, external_id="p")
    await factories.create_course(tenant.id, external_id="A")
    assert await outcomes(
        tenant, now, row("x", "y", "DONE", "high"), row("p", "A", "COMPLETED", "101"), row("p", "A")
    ) == [("FAILED", ["learner", "content", "score", "status"]), ("FAILED", ["score"]), ("CREATED", [])]


async def test_many_rows_take_few_statements(tenant: Tenant, now: datetime) -> None:
    """A thousand rows are one transaction of a fixed number of statements."""
    async with writing(tenant.id) as sql:
        await sql.execute(
            "INSERT INTO learner (tenant_id, external_id, name, name_key, role, is_active, created_at, version,"
            " edited_version) SELECT $1, 'p' || n, 'P', 'p', 'LEARNER', true, $2, 1, 1 FROM generate_series(1, 1000) n",
            tenant.id,
            now,
        )
    for name in "AB":
        await factories.create_course(tenant.id, external_id=name)
    began = perf_counter()
    rows = [row(f"p{n}", "AB"[n % 2], ("COMPLETED", "IN_PROGRESS", "NOT_STARTED")[n % 3]) for n in range(1, 1001)]
    assert await outcomes(tenant, now, *rows) == [("CREATED", [])] * 1000
    # Ten times what it takes, for a machine that does other things too.
    assert perf_counter() - began < 3
