"""`mandate import`: people, courses and enrollments from files, with what the rules make of them."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.auto_assignment.condition_input import ConditionInput
from domain.auto_assignment.conditions import ConditionKind, RefOperator
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rule_editing import RuleDraft, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.unit_of_work import perform
from domain.people.models import PlaceKind
from domain.people.row_outcomes import RowOutcome
from domain.tenants.models import Tenant
from ops import importing
from ops.failures import CommandFailed
from ops.importing import Importer, ImportKind, ImportOptions, ImportReport
from tests.support import factories
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
        self, kind: ImportKind, text: str, *, maps: tuple[str, ...] = (), first_wins: bool = False
    ) -> tuple[int, int, int, int]:
        """Return how many rows were created, updated, unchanged and refused; `refused` has the messages."""
        report = await self.report(kind, text, maps=maps, first_wins=first_wins)
        return (
            report.outcomes[RowOutcome.CREATED],
            report.outcomes[RowOutcome.UPDATED],
            report.outcomes[RowOutcome.UNCHANGED],
            report.refused,
        )

    async def report(
        self, kind: ImportKind, text: str, *, maps: tuple[str, ...] = (), first_wins: bool = False
    ) -> ImportReport:
        """Import a text and return the whole report."""
        path = self.directory / "file.csv"
        path.write_text(text)
        self.capsys.readouterr()
        report = await Importer(path, kind, ImportOptions(maps, (), first_wins)).run(self.tenant.id)
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


@pytest.fixture
def imports(tenant: Tenant, tmp_path: Path, superuser: Connection, capsys: pytest.CaptureFixture[str]) -> Imports:
    """Imports into the tenant."""
    return Imports(tenant, tmp_path, superuser, capsys)


async def test_people_with_all_their_fields(imports: Imports) -> None:
    """Reference values and places included; who has no name is called by the external ID."""
    text = (
        "external_id,name,email,department,client,sublicense,ref1,ref10\n"
        "1,Ada,ada@acme.example,R&D,Panorama,Gold,Engineer,DE\n"
        "2,,,,,,,\n"
    )
    assert await imports(LEARNERS, text) == (2, 0, 0, 0)
    assert await imports.rows("SELECT external_id, name, email FROM learner ORDER BY id") == [
        ("1", "Ada", "ada@acme.example"),
        ("2", "2", None),
    ]
    assert await imports.rows("SELECT number, value FROM learner_ref ORDER BY number") == [(1, "Engineer"), (10, "DE")]
    assert await imports.places() == [("Ada", "Gold", "Panorama"), ("Ada", "Panorama", None), ("Ada", "R&D", None)]


async def test_same_file_again_changes_nothing(imports: Imports) -> None:
    """No version, no audit entry, no place."""
    text = "external_id,name,department,ref1\n1,Ada,R&D,Engineer\n2,Bo,R&D,\n"
    await imports(LEARNERS, text)
    entries = await imports.rows("SELECT count(*) FROM audit_entry")
    report = await imports.report(LEARNERS, text)
    assert list(report.lines()) == ["0 created, 0 updated, 2 unchanged, 0 refused"]
    assert await imports.rows("SELECT DISTINCT version FROM learner") == [(1,)]
    assert await imports.rows("SELECT count(*) FROM audit_entry") == entries


async def test_empty_cells_remove_values_but_neither_name_nor_email(imports: Imports) -> None:
    """A row says what its person is; columns that are not there say nothing."""
    await imports(LEARNERS, "external_id,name,email,department,ref1,ref2\n1,Ada,a@b.example,R&D,Engineer,DE\n")
    assert await imports(LEARNERS, "external_id,name,email,department,ref1\n1,,,,\n") == (0, 1, 0, 0)
    assert await imports.rows("SELECT name, email FROM learner") == [("Ada", "a@b.example")]
    assert await imports.rows("SELECT number, value FROM learner_ref") == [(2, "DE")]
    assert await imports.places() == []


async def test_refused_rows_are_named_and_the_others_done(imports: Imports) -> None:
    """Line and reason of each; a broken line is a refused row like any other."""
    text = 'external_id,name,email,ref1\n1,Ada,ada\n,Nobody,,\n3,"Cy,,\n4,Di,at nowhere,\n5,Ed,,x\n'
    assert await imports(LEARNERS, text) == (1, 0, 0, 4)
    assert imports.refused == [
        "line 2 refused: 3 columns where the header has 4",
        "line 4 refused: a quote is never closed",
        "line 3 refused: external_id: Must not be blank.",
        "line 5 refused: email: Is no email address.",
    ]
    assert await imports.rows("SELECT name FROM learner") == [("Ed",)]


async def test_places_are_matched_by_external_id_then_by_name(imports: Imports, tenant: Tenant) -> None:
    """And made when there are none; the report counts them."""
    await factories.create_place(tenant.id, kind=PlaceKind.DEPARTMENT, name="Sales", external_id="D1")
    await factories.create_place(tenant.id, kind=PlaceKind.DEPARTMENT, name="Legal")
    text = "external_id,name,department\n1,A,D1\n2,B,Legal\n3,C,Ops\n4,D,Ops\n5,E,Sales\n"
    report = await imports.report(LEARNERS, text)
    assert list(report.lines()) == ["5 created, 0 updated, 0 unchanged, 0 refused", "made on the way: department 1"]
    assert [place[:2] for place in await imports.places()] == [
        ("A", "Sales"), ("B", "Legal"), ("C", "Ops"), ("D", "Ops"), ("E", "Sales"),
    ]  # fmt: skip


async def test_blanks_around_the_name_of_a_place_do_not_count(imports: Imports) -> None:
    """The same file again finds what it has made."""
    text = "external_id,department,client,sublicense\n1, R&D ,Panorama , Gold\n2,R&D,Panorama,Gold\n"
    assert await imports(LEARNERS, text) == (2, 0, 0, 0)
    assert await imports(LEARNERS, text) == (0, 0, 2, 0)
    assert await imports.rows("SELECT name FROM place ORDER BY name") == [("Gold",), ("Panorama",), ("R&D",)]


async def test_sublicenses_of_two_clients_may_share_a_name(imports: Imports) -> None:
    """The row's client says which is meant; without one it is refused."""
    text = "external_id,name,client,sublicense\n1,A,North,Gold\n2,B,South,Gold\n3,C,North,Gold\n4,D,,Gold\n"
    report = await imports.report(LEARNERS, text)
    assert imports.refused == ["line 5 refused: sublicense: Has no client in this row."]
    assert report.made == {"client": 2, "sublicense": 2}
    assert await imports.places() == [
        ("A", "Gold", "North"), ("A", "North", None), ("B", "Gold", "South"), ("B", "South", None),
        ("C", "Gold", "North"), ("C", "North", None),
    ]  # fmt: skip


async def test_refused_row_leaves_no_place_behind(imports: Imports) -> None:
    """Its department is not made; that of an accepted row in the same chunk is."""
    text = "external_id,name,email,department\n1,A,bad,Ghosts\n2,B,,Ops\n"
    report = await imports.report(LEARNERS, text)
    assert (report.refused, report.made) == (1, {"department": 1})
    assert imports.refused == ["line 2 refused: email: Is no email address."]
    assert await imports.rows("SELECT name FROM place") == [("Ops",)]


async def test_second_row_about_somebody_is_refused_unless_it_says_the_same(imports: Imports) -> None:
    """The first row wins; the message says which that is."""
    text = "external_id,name\n1,Ada\n1,Eve\n1,Ada\n,x\n,x\n"
    assert await imports(LEARNERS, text) == (1, 0, 1, 3)
    assert imports.refused == [
        "line 3 refused: line 2 is about the same and says something else",
        "line 5 refused: external_id: Must not be blank.",
        "line 6 refused: external_id: An earlier row has the same external ID.",
    ]


async def test_identical_row_fares_as_the_first_one(imports: Imports) -> None:
    """Refused with it."""
    assert await imports(LEARNERS, "external_id,email\n1,bad\n1,bad\n") == (0, 0, 0, 2)
    assert imports.refused[-1] == "line 3 refused: says the same as line 2"


async def test_first_wins_leaves_out_later_rows(imports: Imports) -> None:
    """Counted, not refused: the file has a row per course, say."""
    report = await imports.report(LEARNERS, "external_id,name\n1,Ada\n1,Eve\n1,Ada\n", first_wins=True)
    assert list(report.lines()) == ["1 created, 0 updated, 0 unchanged, 0 refused; 2 repeated rows left out"]
    assert await imports.rows("SELECT name FROM learner") == [("Ada",)]


async def test_rows_of_several_chunks_are_all_done(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are known across chunks."""
    monkeypatch.setattr(importing, "CHUNK", 10)
    rows = "".join(f"{number},Person {number}\n" for number in range(35))
    assert await imports(LEARNERS, f"external_id,name\n{rows}3,Somebody else\n") == (35, 0, 0, 1)
    assert imports.refused == ["line 37 refused: line 5 is about the same and says something else"]


@pytest.fixture
async def engineers_rule(tenant: Tenant, admin: Principal) -> None:
    """Engineers are enrolled in a course."""
    course = await factories.create_course(tenant.id, title="Lasers")
    engineers = ConditionInput(
        ConditionKind.REF_VALUE, field_number=1, operator=RefOperator.EQUALS, ref_values=["Engineer"]
    )
    draft = RuleDraft(
        name="Engineers",
        contents=[ContentKey(id=course.id)],
        match=ConditionMatch.ALL,
        conditions=[engineers],
        when_unmet=UnmetPolicy.RELEASE,
        backfills_existing_learners=True,
    )
    await perform(admin, clock.now(), "createAutoAssignmentRule", lambda work: create_rule(work, draft=draft))


@pytest.mark.usefixtures("engineers_rule")
async def test_rules_act_in_the_transaction_of_the_import(imports: Imports) -> None:
    """However many people it is: nothing is left to a job."""
    rows = "".join(f"{number},{'Engineer' if number % 2 else 'Cook'}\n" for number in range(300))
    assert await imports(LEARNERS, f"external_id,ref1\n{rows}") == (300, 0, 0, 0)
    assert await imports.rows("SELECT count(*) FROM enrollment WHERE is_active") == [(150,)]
    assert await imports.rows("SELECT source, count(*) FROM content_action GROUP BY source") == [
        ("AUTO_ENROLLMENT", 150)
    ]
    await imports(LEARNERS, f"external_id,ref1\n{rows.replace('Engineer', 'Cook')}")
    assert await imports.rows("SELECT count(*) FROM enrollment WHERE is_active") == [(0,)]
    assert await imports.rows("SELECT count(*) FROM background_job WHERE kind = 'RULE_REEVALUATION'") == [(0,)]


async def test_courses(imports: Imports) -> None:
    """By external ID; without a title they are called by it."""
    text = "external_id,title,lesson_count,minimum_score\nA,Alpha,5,80\nB,,,\nC,Gamma,0,\n"
    assert await imports(CONTENT, text) == (2, 0, 0, 1)
    assert imports.refused[0].startswith("line 4 refused: lesson_count: From 1 to ")
    courses = "SELECT external_id, title, lesson_count, minimum_score FROM content ORDER BY id"
    assert await imports.rows(courses) == [("A", "Alpha", 5, 80), ("B", "B", 1, None)]
    assert await imports(CONTENT, "external_id,title\nA,Alpha\nB,Beta\n") == (0, 1, 1, 0)


async def test_imports_of_the_same_courses_at_once(imports: Imports, tenant: Tenant) -> None:
    """Whoever comes second finds the courses of the first."""
    rows = [f"c{number},Course {number}\n" for number in range(200)]
    importers = []
    for name, lines in (("up.csv", rows), ("down.csv", rows[::-1]), ("again.csv", rows)):
        path = imports.directory / name
        path.write_text("external_id,title\n" + "".join(lines))
        importers.append(Importer(path, CONTENT, ImportOptions()))
    reports = await asyncio.gather(*(importer.run(tenant.id) for importer in importers))
    outcomes = sum((report.outcomes for report in reports), Counter())
    assert outcomes == {RowOutcome.CREATED: 200, RowOutcome.UNCHANGED: 400}
    assert await imports.rows("SELECT count(*) FROM audit_entry") == [(200,)]


async def test_enrollments_with_what_was_reached(imports: Imports) -> None:
    """Logged with source IMPORT; a repeated person in a course is no mistake, the furthest status counts."""
    await imports(LEARNERS, "external_id,name,email\n1,Ada,ada@acme.example\n2,Bo,\n")
    await imports(CONTENT, "external_id\nA\nB\n")
    text = (
        "learner,content,status,score\n1,A,COMPLETED,90\n2,A,IN_PROGRESS,\nada@acme.example,B,,\n"
        "9,A,,\n1,Z,,\n2,B,DONE,\n2,A,NOT_STARTED,\n"
    )
    assert await imports(ENROLLMENTS, text) == (3, 0, 1, 3)
    assert [line.partition(": ")[2].partition(":")[0] for line in imports.refused] == ["learner", "content", "status"]
    assert await imports.rows(
        "SELECT l.name, c.external_id, e.status, e.score, e.is_active FROM enrollment e"
        " JOIN learner l ON l.id = e.learner_id JOIN content c ON c.id = e.content_id ORDER BY 1, 2"
    ) == [
        ("Ada", "A", "COMPLETED", 90, True),
        ("Ada", "B", "NOT_STARTED", None, True),
        ("Bo", "A", "IN_PROGRESS", None, True),
    ]
    assert await imports.rows("SELECT DISTINCT source FROM content_action") == [("IMPORT",)]
    actions = await imports.rows("SELECT count(*) FROM content_action")
    assert await imports(ENROLLMENTS, text) == (0, 0, 4, 3)
    assert await imports.rows("SELECT count(*) FROM content_action") == actions


@pytest.mark.parametrize(
    ("kind", "text", "maps", "reason"),
    [
        (LEARNERS, "id,name\n1,A\n", (), "No column is external_id"),
        (LEARNERS, "external_id,sublicense\n1,A\n", (), "No column is client"),
        (LEARNERS, "external_id,name\n1,A\n", ("name=nickname",), "there is no field nickname"),
        (CONTENT, "title\nA\n", (), "No column is external_id"),
        (ENROLLMENTS, "learner\n1\n", (), "No column is content"),
    ],
)
async def test_call_that_is_wrong_writes_nothing(
    imports: Imports, kind: ImportKind, text: str, maps: tuple[str, ...], reason: str
) -> None:
    """It fails as a whole, before the first row."""
    with pytest.raises(CommandFailed, match=reason):
        await imports(kind, text, maps=maps)
    assert await imports.rows("SELECT count(*) FROM learner") == [(0,)]


async def test_two_tenants_do_not_meet(imports: Imports, another_tenant: Tenant) -> None:
    """The same file is somebody else there."""
    text = "external_id,name,department\n1,Ada,R&D\n"
    assert await imports(LEARNERS, text) == (1, 0, 0, 0)
    imports.tenant = another_tenant
    assert await imports(LEARNERS, text) == (1, 0, 0, 0)
    assert await imports.rows("SELECT count(*), count(DISTINCT tenant_id) FROM learner") == [(2, 2)]
    assert await imports.rows("SELECT count(*) FROM place") == [(2,)]
