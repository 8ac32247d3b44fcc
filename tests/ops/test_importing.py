"""`mandate import`: people, courses and enrollments from files, with what the rules make of them."""

import asyncio
from collections import Counter

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, create_rule
from domain.content.queries import ContentKey
from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.row_outcomes import RowOutcome
from domain.foundation.unit_of_work import perform
from domain.people.errors import LastAdmin
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from ops.failures import CommandFailed
from ops.imports import running as importing
from ops.imports.running import Importer, ImportKind, ImportOptions
from tests.ops.imports import CONTENT, ENROLLMENTS, LEARNERS, Imports
from tests.support import factories


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
        "line 5 (4) refused: email: Is no email address.",
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
    assert imports.refused == ["line 5 (4) refused: sublicense: Has no client in this row."]
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
    assert imports.refused == ["line 2 (1) refused: email: Is no email address."]
    assert await imports.rows("SELECT name FROM place") == [("Ops",)]


async def test_second_row_about_somebody_is_refused_unless_it_says_the_same(imports: Imports) -> None:
    """The first row wins; the message says which that is."""
    text = "external_id,name\n1,Ada\n1,Eve\n1,Ada\n,x\n,x\n"
    assert await imports(LEARNERS, text) == (1, 0, 1, 3)
    assert imports.refused == [
        "line 3 (1) refused: line 2 is about the same and says something else",
        "line 5 refused: external_id: Must not be blank.",
        "line 6 refused: external_id: An earlier row has the same external ID.",
    ]


async def test_identical_row_fares_as_the_first_one(imports: Imports) -> None:
    """Refused with it."""
    assert await imports(LEARNERS, "external_id,email\n1,bad\n1,bad\n") == (0, 0, 0, 2)
    assert imports.refused[-1] == "line 3 (1) refused: says the same as line 2"


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
    assert imports.refused == ["line 37 (3) refused: line 5 is about the same and says something else"]


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
    assert imports.refused[0].startswith("line 4 (C) refused: lesson_count: From 1 to ")
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


async def test_what_decides_about_people_can_be_imported(imports: Imports, tenant: Tenant, trainer: Principal) -> None:
    """Active or not, role, time zone and groups; empty cells of the first two say nothing."""
    for name, external_id in (("Wardens", "G1"), ("First aid", None)):
        await factories.create_place(
            tenant.id, kind=PlaceKind.LEARNING_GROUP, name=name, external_id=external_id, owner_id=trainer.learner_id
        )
    text = (
        "external_id,is_active,role,time_zone,learning_groups\n"
        "1,true,Admin,Europe/Oslo,G1| First aid \n2,No,,,\n3,,,Mars/Olympus,\n4,perhaps,,,\n5,,boss,,\n6,,,,Nobody\n"
    )
    assert await imports(LEARNERS, text) == (2, 0, 0, 4)
    assert [line.partition(" refused: ")[2].partition(":")[0] for line in imports.refused] == [
        "time_zone", "is_active", "role", "learning_groups",
    ]  # fmt: skip
    people = "SELECT external_id, is_active, role, time_zone FROM learner WHERE external_id IN ('1', '2') ORDER BY id"
    assert await imports.rows(people) == [("1", True, "ADMIN", "Europe/Oslo"), ("2", False, "LEARNER", None)]
    assert [place[:2] for place in await imports.places()] == [("1", "First aid"), ("1", "Wardens")]
    assert await imports(LEARNERS, text) == (0, 0, 2, 4)
    assert await imports(LEARNERS, "external_id,time_zone,learning_groups\n1,,\n") == (0, 1, 0, 0)
    assert await imports.places() == []


async def test_the_last_administrator_stays_and_may_hand_over(imports: Imports) -> None:
    """Demoted alone they are refused; in one file with a successor, in whatever order, they are not."""
    await imports(LEARNERS, "external_id,role\n1,ADMIN\n")
    assert await imports(LEARNERS, "external_id,role\n1,LEARNER\n") == (0, 0, 0, 1)
    assert imports.refused == [f"line 2 (1) refused: role: {LastAdmin().message}"]
    assert await imports(LEARNERS, "external_id,is_active\n1,false\n") == (0, 0, 0, 1)
    assert await imports(LEARNERS, "external_id,role\n1,LEARNER\n2,ADMIN\n") == (1, 1, 0, 0)
    assert await imports.rows("SELECT external_id FROM learner WHERE role = 'ADMIN'") == [("2",)]


@pytest.mark.parametrize("chunk", [1, 2, 1_000])
async def test_addresses_may_be_swapped_within_a_file(
    imports: Imports, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far apart the rows are; a chain and a circle of three likewise."""
    before = "external_id,email\n1,a@x.example\n2,b@x.example\n3,c@x.example\n4,d@x.example\n"
    await imports(LEARNERS, before)
    monkeypatch.setattr(importing, "CHUNK", chunk)
    after = "external_id,email\n1,b@x.example\n2,c@x.example\n3,a@x.example\n4,e@x.example\n5,d@x.example\n"
    assert await imports(LEARNERS, after) == (1, 4, 0, 0)
    assert await imports.rows("SELECT external_id, email_key FROM learner ORDER BY external_id") == [
        ("1", "b@x.example"), ("2", "c@x.example"), ("3", "a@x.example"), ("4", "e@x.example"), ("5", "d@x.example"),
    ]  # fmt: skip
    assert await imports(LEARNERS, after) == (0, 0, 5, 0)


async def test_an_address_is_not_free_when_its_holder_is_refused(imports: Imports) -> None:
    """Who keeps it, keeps it; whoever wanted it is told, and so is who wanted theirs."""
    await imports(LEARNERS, "external_id,email\n1,a@x.example\n2,b@x.example\n3,c@x.example\n")
    text = "external_id,email,time_zone\n1,b@x.example,\n2,c@x.example,\n3,d@x.example,nowhere\n4,new@x.example,\n"
    assert await imports(LEARNERS, text) == (1, 0, 0, 3)
    assert sorted(line.partition(" refused: ")[0] for line in imports.refused) == [
        "line 2 (1)", "line 3 (2)", "line 4 (3)",
    ]  # fmt: skip
    assert await imports.rows("SELECT count(*) FROM learner WHERE email_key LIKE '%@x.example'") == [(4,)]


async def test_columns_that_nothing_is_done_with_are_named(imports: Imports) -> None:
    """A date that was meant to count would be lost without a word."""
    report = await imports.report(LEARNERS, "external_id,joined,,Shoe size\n1,2020-01-01,,44\n")
    assert list(report.lines()) == [
        "1 created, 0 updated, 0 unchanged, 0 refused",
        "columns that no field takes: joined, Shoe size",
    ]


@pytest.mark.usefixtures("engineers_rule")
async def test_leavers_are_told_and_deactivated(imports: Imports, tenant: Tenant) -> None:
    """People of earlier imports whom the file lacks; administrators, and who came from elsewhere, stay."""
    await factories.create_person(tenant.id, external_id="by hand", name="Hand")
    await imports(LEARNERS, "external_id,name,ref1,role\n1,Ada,Engineer,\n2,Bo,Engineer,\n3,Cy,,ADMIN\n4,Di,,\n")
    report = await imports.report(LEARNERS, "external_id,email\n1,a@x.example\n4,nowhere\n", deactivates_missing=True)
    assert imports.refused == [
        "line 3 (4) refused: email: Is no email address.",
        "missing, deactivated: 2 (Bo)",
        "missing, stays as ADMIN: 3 (Cy)",
    ]
    assert "1 deactivated who were missing" in list(report.lines())
    assert await imports.rows("SELECT name FROM learner WHERE NOT is_active") == [("Bo",)]
    assert await imports.rows(
        "SELECT l.name, e.is_active FROM enrollment e JOIN learner l ON l.id = e.learner_id ORDER BY 1"
    ) == [("Ada", True), ("Bo", False)]


async def test_many_leavers_have_to_be_counted_first(imports: Imports) -> None:
    """More than 100 and more than 5 %: a file that is cut off looks like everybody having left."""
    rows = [f"{number}\n" for number in range(300)]
    await imports(LEARNERS, "external_id\n" + "".join(rows))
    half = "external_id\n" + "".join(rows[:150])
    for confirmed in (None, 149):
        with pytest.raises(CommandFailed, match=r"150 of 300 active people .* --yes=150 "):
            await imports(LEARNERS, half + "new\n", deactivates_missing=True, confirmed_count=confirmed)
    assert await imports.rows("SELECT count(*), bool_and(is_active) FROM learner") == [(300, True)]
    await imports(LEARNERS, half, deactivates_missing=True, confirmed_count=150)
    assert await imports.rows("SELECT count(*) FROM learner WHERE is_active") == [(150,)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("external_id\n", "names nobody"), ("external_id,name\n1,A\n2\n", "line 3"), ("external_id,name\n,A\n", "line 2")],
)
async def test_a_file_that_does_not_name_everybody_deactivates_nobody(imports: Imports, text: str, reason: str) -> None:
    """It might be the one whose row is broken."""
    await imports(LEARNERS, "external_id\n1\n2\n")
    with pytest.raises(CommandFailed, match=reason):
        await imports(LEARNERS, text, deactivates_missing=True)
    assert await imports.rows("SELECT count(*), bool_and(is_active) FROM learner") == [(2, True)]
