"""Lists take as many statements as their selections are deep, however many rows they have."""

from typing import Any

import pytest

from domain.enrollments.models import ContentActionKind, EnrollmentStatus
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import ReadScope, writing
from domain.people.models import PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.support import factories
from tests.support.api import ApiClient
from tests.support.company import CREATE_RULE, belongs_to, ref_is, rule_input, status_is
from tests.support.given_tasks import create_task

SIZES = (1, 10, 100)

LEARNER = "id name department { id name }"
CONTENT = "__typename id title viewerEnrollment { status }"
TASK = f"""
id status learner {{ {LEARNER} refValues {{ value }} }} target {{ {CONTENT} }} assignedBy {{ __typename name }}
enrollment {{ status reasons {{ actor {{ name }} }} }}
cycles(first: 1) {{ totalCount nodes {{ number }} }} reminders {{ status }} reminderSettings {{ __typename }}
"""
RULE = f"""
id name contents {{ {CONTENT} }} enrolledLearnerCount createdBy {{ name }}
matchingLearners(first: 2) {{ totalCount nodes {{ name department {{ name }} }} }}
contentActions(first: 2) {{ totalCount nodes {{ action }} }}
conditions {{
  __typename
  ... on RefValueCondition {{ field {{ label }} values }} ... on DepartmentCondition {{ departments {{ name }} }}
  ... on ContentStatusCondition {{ status contents {{ id title }} }}
}}
"""
ENROLLMENT = f"""
id status learner {{ {LEARNER} }} content {{ {CONTENT} }} reasons {{ source actor {{ name }} }}
reasonHistory {{ source }} mandatoryTasks {{ id }}
"""
ACTION = f"""
id learner {{ {LEARNER} }} content {{ {CONTENT} }} actor {{ name }} mandatoryTask {{ id }}
rule {{ id name contents {{ title }} conditions {{ __typename }} }}
"""

#: What is selected of each list, by its field; pages of pages are as short as limits want them.
LISTS = {
    "mandatoryTasks": (100, TASK),
    "autoAssignmentRules": (100, RULE),
    "enrollments": (100, ENROLLMENT),
    "contentActions": (100, ACTION),
    "learners": (
        100,
        f"{LEARNER} learningGroups {{ name owner {{ name }} }}"
        " mandatoryTasks(first: 3) { totalCount nodes { status target { title } } }"
        " enrollments(first: 3) { totalCount nodes { status content { title } } }"
        " contentActions(first: 3) { totalCount nodes { action } }",
    ),
    "contents": (100, f"{CONTENT} trainers {{ name }} ... on LearningPath {{ items {{ course {{ title }} }} }}"),
    "departments": (100, "id name memberCount"),
    "learningGroups": (100, "id name memberCount owner { name department { name } }"),
    "auditEntries": (100, "id actor { name }"),
    "serviceAccounts": (100, "id name"),
}


async def grow(tenant: Tenant, admin: Principal, client: ApiClient, *, begin: int, end: int) -> None:
    """Add one of everything for each number."""
    for number in range(begin, end):
        department = await factories.create_place(tenant.id, kind=PlaceKind.DEPARTMENT, name=f"Department {number}")
        group = await factories.create_place(
            tenant.id, kind=PlaceKind.LEARNING_GROUP, name=f"Group {number}", owner_id=admin.learner_id
        )
        person = await factories.create_learner(
            tenant.id, name=f"Learner {number}", places=[department, group], refs={1: str(number)}
        )
        course = await factories.create_course(tenant.id, trainers=[person.id], title=f"{number} course")
        await factories.create_path(tenant.id, courses=[course], title=f"{number} path")
        await factories.create_service_account(tenant.id)
        await create_task(person.id, course.id, by=admin, due_on=factories.LONG_AGO.date())
        other = await factories.create_course(tenant.id, title=f"{number} other")
        await factories.create_enrollment(tenant.id, person.id, other.id)
        rule = rule_input(
            f"Rule {number}", ref_is(1, "none"), belongs_to(department), status_is("COMPLETED", course), gives=[course]
        )
        saved = (await client.value(CREATE_RULE, input=rule))["rule"]
        decoded = ids.decode(saved["id"])
        assert decoded is not None
        await _log(tenant, admin, person.id, course.id, rule_id=decoded[1])


async def _log(tenant: Tenant, admin: Principal, learner_id: int, content_id: int, *, rule_id: int) -> None:
    async with writing(tenant.id) as session:
        await session.execute(
            "INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name,"
            " actor_learner_id, resulting_status, occurred_at, recorded_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, 'Rule', $7, $8, $9, $9)",
            tenant.id,
            learner_id,
            content_id,
            ContentActionKind.ENROLLED.value,
            Source.AUTO_ENROLLMENT.value,
            rule_id,
            admin.learner_id,
            EnrollmentStatus.NOT_STARTED.value,
            factories.LONG_AGO,
        )


@pytest.mark.usefixtures("answered_once")
async def test_statements_do_not_grow_with_rows(
    tenant: Tenant, admin: Principal, as_admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number for one row, for ten and for a hundred."""
    count = 0
    fetch = ReadScope.fetch

    async def counting(self: ReadScope, sql: str, *args: Any) -> Any:
        nonlocal count
        count += 1
        return await fetch(self, sql, *args)

    async with writing(tenant.id) as session:
        await session.execute("UPDATE tenant SET rule_limit = 1000 WHERE id = $1", tenant.id)
    monkeypatch.setattr(ReadScope, "fetch", counting)
    counts: dict[str, list[int]] = {name: [] for name in LISTS}
    for begin, end in zip((0, *SIZES), SIZES, strict=False):
        await grow(tenant, admin, as_admin, begin=begin, end=end)
        for name, (first, selection) in LISTS.items():
            count = 0
            data = await as_admin.run(f"{{ {name}(first: {first}) {{ nodes {{ {selection} }} }} }}")
            counts[name].append(count)
            assert len(data[name]["nodes"]) >= min(end, first)
    assert {name: set(found) for name, found in counts.items()} == {name: {found[0]} for name, found in counts.items()}
