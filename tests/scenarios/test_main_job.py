"""The main job from files to enrollments: import, rules with backfill through the API, numbers computed apart.

The files have the shape of a university's registers: a row per student and course, six attributes repeated in each.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.tenants.models import Tenant
from ops.imports.running import Importer, ImportKind, ImportOptions
from tests.support.api import Api, ApiClient
from tests.support.jobs import run_all_jobs

HEADER = ["module", "presentation", "student", "gender", "region", "education", "band", "age", "disability", "result"]
REGIONS = ["Scotland", "Wales", "London Region", "East Anglian Region"]
EDUCATION = ["A Level or Equivalent", "HE Qualification", "Lower Than A Level"]
BANDS = ["0-10%", "50-60%", "90-100%", ""]
RESULTS = {"Pass": "COMPLETED", "Distinction": "COMPLETED", "Fail": "IN_PROGRESS", "Withdrawn": "NOT_STARTED"}
MODULES = ["AAA", "BBB", "CCC"]
PRESENTATIONS = ["2013J", "2014B"]
STUDENTS = 450

#: Whether a student's attributes and statuses, as the file has them, meet a rule.
Meets = Callable[[list[str], dict[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Register:
    """What the files say, read without the product."""

    attributes: dict[str, list[str]]
    statuses: dict[str, dict[str, str]]


def _write_files(directory: Path) -> None:
    dice = random.Random(20140117)
    with (directory / "students.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(HEADER)
        for student in range(11_391, 11_391 + STUDENTS):
            attributes = [
                dice.choice("MF"),
                dice.choice(REGIONS),
                dice.choice(EDUCATION),
                dice.choice(BANDS),
                dice.choice(["0-35", "35-55", "55<="]),
                dice.choice("YNNN"),
            ]
            courses = dice.sample([(m, p) for m in MODULES for p in PRESENTATIONS], dice.choice([1, 1, 1, 2, 3]))
            for number, (module, presentation) in enumerate(courses):
                # A later row may say something else of a person: the first one wins.
                region = attributes[1] if number == 0 else dice.choice(REGIONS)
                row = [attributes[0], region, *attributes[2:]]
                writer.writerow([module, presentation, student, *row, dice.choice(list(RESULTS))])
    with (directory / "courses.csv").open("w", newline="", encoding="utf-8") as file:
        courses_writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        courses_writer.writerow(["module", "presentation", "length"])
        courses_writer.writerows([m, p, "268"] for m in MODULES for p in PRESENTATIONS)


def _read_files(directory: Path) -> Register:
    attributes: dict[str, list[str]] = {}
    statuses: dict[str, dict[str, str]] = defaultdict(dict)
    with (directory / "students.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            attributes.setdefault(row["student"], [row[name] for name in HEADER[3:9]])
            statuses[row["student"]][f"{row['module']}-{row['presentation']}"] = RESULTS[row["result"]]
    return Register(attributes, statuses)


async def _import(directory: Path, tenant: Tenant) -> list[int]:
    """Import people, courses and enrollments; return how many rows of each were created."""
    refs = tuple(f"{name}=ref{number}" for number, name in enumerate(HEADER[3:9], start=1))
    course = "module+presentation"
    jobs = [
        ("students.csv", ImportKind.LEARNERS, ImportOptions(("student=external_id", *refs), (), True)),
        ("courses.csv", ImportKind.CONTENT, ImportOptions((f"{course}=external_id", f"{course}=title"), (), False)),
        (
            "students.csv",
            ImportKind.ENROLLMENTS,
            ImportOptions(
                ("student=learner", f"{course}=content", "result=status"),
                tuple(f"status:{text}={value}" for text, value in RESULTS.items()),
                False,
            ),
        ),
    ]
    created = []
    for name, kind, options in jobs:
        report = await Importer(directory / name, kind, options).run(tenant.id)
        assert report.refused == 0
        created.append(sum(report.outcomes.values()))
    return created


def _ref(number: int, operator: str, *values: str) -> dict[str, Any]:
    return {"refValue": {"fieldNumber": number, "operator": operator, "values": list(values)}}


def _status(status: str, *courses: str) -> dict[str, Any]:
    return {"contentStatus": {"contents": [{"externalId": course} for course in courses], "status": status}}


def _scots(refs: list[str], _: dict[str, str]) -> bool:
    return refs[1] == "Scotland"


def _women_without_a_level(refs: list[str], _: dict[str, str]) -> bool:
    return refs[0] == "F" and refs[2] != "A Level or Equivalent"


def _poor_or_unknown(refs: list[str], _: dict[str, str]) -> bool:
    return refs[3] == "0-10%" or refs[3] not in ("50-60%", "90-100%", "0-10%")


def _completed_a(_: list[str], statuses: dict[str, str]) -> bool:
    return "COMPLETED" in (statuses.get("AAA-2013J"), statuses.get("AAA-2014B"))


def _old_and_withdrawn(refs: list[str], statuses: dict[str, str]) -> bool:
    return refs[4] == "55<=" and "NOT_STARTED" in (statuses.get("BBB-2013J"), statuses.get("CCC-2013J"))


RULES: list[tuple[str, str, list[dict[str, Any]], Meets, list[str]]] = [
    ("Scots", "ALL", [_ref(2, "EQUALS", "Scotland")], _scots, ["BBB-2014B"]),
    (
        "Women without A Level",
        "ALL",
        [_ref(1, "EQUALS", "F"), _ref(3, "NOT_EQUALS", "A Level or Equivalent")],
        _women_without_a_level,
        ["AAA-2013J", "CCC-2014B"],
    ),
    (
        "Poor or unknown",
        "ANY",
        [_ref(4, "NOT_EQUALS", "0-10%", "50-60%", "90-100%"), _ref(4, "EQUALS", "0-10%")],
        _poor_or_unknown,
        ["CCC-2013J"],
    ),
    ("Completed A", "ALL", [_status("COMPLETED", "AAA-2013J", "AAA-2014B")], _completed_a, ["BBB-2013J"]),
    (
        "Old and withdrawn",
        "ALL",
        [_ref(5, "EQUALS", "55<="), _status("NOT_STARTED", "BBB-2013J", "CCC-2013J")],
        _old_and_withdrawn,
        ["AAA-2014B"],
    ),
]

PREVIEW = """
query ($input: AutoAssignmentRulePreviewInput!) {
  autoAssignmentRulePreview(input: $input) { matchingLearnerCount effects { newlyEnrolledCount alreadyEnrolledCount } }
}
"""
CREATE = """
mutation ($input: CreateAutoAssignmentRuleInput!) {
  createAutoAssignmentRule(input: $input) { rule { id } errors { code path message } }
}
"""
RULE = """
query ($id: ID!) {
  autoAssignmentRule(id: $id) {
    enrolledLearnerCount matchingLearners(first: 1) { totalCount } contentActions(first: 1) { totalCount }
    latestBackfill { status totalCount processedCount }
  }
}
"""
UPDATE = """
mutation ($input: UpdateLearnerInput!) {
  updateLearner(input: $input) {
    autoAssignmentActionCount autoAssignmentActions { action source content { title } rule { name } }
    errors { code path message }
  }
}
"""


async def test_what_rules_do_with_imported_people_is_what_the_files_say(
    api: Api, tenant: Tenant, as_admin: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Previews, backfills, memberships and log rows of five rules, compared number by number with the files."""
    _write_files(tmp_path)
    register = _read_files(tmp_path)
    rows = sum(len(courses) for courses in register.statuses.values())
    assert await _import(tmp_path, tenant) == [STUDENTS, 6, rows]
    # The administrator who calls has no reference values, and so meets what the absence of values meets.
    register.attributes["admin"] = [""] * 6
    register.statuses["admin"] = {}
    enrolled = {student: set(courses) for student, courses in register.statuses.items()}
    for name, match, conditions, meets, targets in RULES:
        expected = {student for student, refs in register.attributes.items() if meets(refs, register.statuses[student])}
        assert expected, name
        rule = {
            "match": match,
            "conditions": conditions,
            "contents": [{"externalId": target} for target in targets],
        }
        new = [sum(target not in enrolled[student] for student in expected) for target in targets]
        preview = await as_admin.value(PREVIEW, input=rule)
        assert preview["matchingLearnerCount"] == len(expected), name
        assert preview["effects"] == [
            {"newlyEnrolledCount": count, "alreadyEnrolledCount": len(expected) - count} for count in new
        ]
        created = await as_admin.value(CREATE, input=rule | {"name": name})
        await run_all_jobs(tenant, lambda: api.now)
        assert await as_admin.value(RULE, id=created["rule"]["id"]) == {
            "enrolledLearnerCount": len(expected),
            "matchingLearners": {"totalCount": len(expected)},
            "contentActions": {"totalCount": len(expected) * len(targets)},
            "latestBackfill": {
                "status": "SUCCEEDED",
                "totalCount": len(expected),
                "processedCount": len(expected),
            },
        }, name
        for student in expected:
            enrolled[student].update(targets)
    await _changing_one_ref_answers_with_what_followed(as_admin, register)


async def _changing_one_ref_answers_with_what_followed(as_admin: ApiClient, register: Register) -> None:
    student = next(student for student, refs in register.attributes.items() if refs[0] == "M" and refs[1] == "Wales")
    changes = {"refValues": [{"number": 2, "value": "Scotland"}]}
    answer = await as_admin.value(UPDATE, input={"learner": {"externalId": student}, "changes": changes})
    assert answer["autoAssignmentActionCount"] == 1
    assert answer["autoAssignmentActions"] == [
        {
            "action": "ENROLLED",
            "source": "AUTO_ENROLLMENT",
            "content": {"title": "BBB-2014B"},
            "rule": {"name": "Scots"},
        }
    ]
