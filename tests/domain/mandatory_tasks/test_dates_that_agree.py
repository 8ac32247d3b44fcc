"""Whatever is reported in whatever order: enrollment, path, task, cycle and log tell the same dates."""

import random
from itertools import permutations
from typing import Any

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from tests.support import factories
from tests.support.assigning import Assigning
from tests.support.company import Company

DUE = "2026-03-16"
#: What is true after every report: no date in the log but the last one of its completion, and the same everywhere.
_DISAGREEMENTS = """
SELECT e.learner_id, c.title, e.completed_at, a.occurred_at, t.completed_at, y.completed_at
  FROM enrollment e JOIN content c ON c.id = e.content_id
  LEFT JOIN LATERAL (SELECT occurred_at, resulting_status FROM content_action a
                      WHERE a.learner_id = e.learner_id AND a.content_id = e.content_id AND a.action = 'COMPLETED'
                      ORDER BY id DESC LIMIT 1) a ON true
  LEFT JOIN mandatory_task t ON t.learner_id = e.learner_id AND t.target_id = e.content_id
  LEFT JOIN task_cycle y ON y.task_id = t.id AND y.number = t.cycle_number
 WHERE e.completed_at IS DISTINCT FROM a.occurred_at
    OR (t.id IS NOT NULL AND (t.completed_at, y.completed_at) IS DISTINCT FROM (e.completed_at, e.completed_at))
"""


async def disagreements(tenant_id: int) -> list[Any]:
    """Return every completion about which two places tell different dates."""
    async with writing(tenant_id) as sql:
        return [tuple(row) for row in await sql.fetch(_DISAGREEMENTS)]


async def dates(tenant_id: int, person: Principal) -> list[Any]:
    """Return status and completion of everything that somebody is in, by content."""
    async with writing(tenant_id) as sql:
        return [
            tuple(row)
            for row in await sql.fetch(
                "SELECT content_id, status, completed_at, score FROM enrollment WHERE learner_id = $1 ORDER BY 1",
                person.learner_id,
            )
        ]


def some_reports(chance: random.Random, courses: list[Content], count: int) -> list[tuple[Content, dict[str, Any]]]:
    """Return reports that finish the courses somehow, with everything that a report can say."""
    reports = []
    for number in range(count):
        said: dict[str, Any] = {"occurredAt": f"2026-02-{chance.randint(1, 20):02}T10:00:00Z"}
        if chance.random() < 0.7:
            said["score"] = chance.choice([40, 70, 90])
        if chance.random() < 0.5:
            said["lessonsDone"] = chance.randint(1, 2)
        if chance.random() < 0.5:
            said["isFinished"] = True
        reports.append((courses[number % len(courses)], said))
    return reports


@pytest.mark.parametrize("seed", range(6))
async def test_all_dates_agree_after_every_order_of_random_reports(
    company: Company, assigning: Assigning, admin: Principal, seed: int
) -> None:
    """Scores, lessons and finishing, in two courses, their path, and repeated tasks for the path and a course."""
    chance = random.Random(seed)
    courses = [await company.course(f"{title}{seed}", lesson_count=2, minimum_score=70) for title in "AB"]
    path = await company.path(f"Path {seed}", *courses)
    reports = some_reports(chance, courses, 6)
    outcomes = []
    for _ in range(6):
        person = await factories.create_person(admin.tenant_id)
        await assigning.assign(person, path, DUE, repeatEveryWeeks=4)
        await assigning.assign(person, courses[0], DUE, repeatEveryWeeks=4)
        chance.shuffle(reports)
        for course, said in reports:
            await assigning.report(person, course, **said)
        assert await disagreements(admin.tenant_id) == []
        outcomes.append(await dates(admin.tenant_id, person))
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_all_orders_of_five_reports_end_with_one_date(company: Company, admin: Principal) -> None:
    """Two finish, two reach the score, one does neither: the last entry of the log has the date of the rest."""
    course = await company.course("A", lesson_count=2, minimum_score=70)
    reports: list[dict[str, Any]] = [
        {"occurredAt": "2026-02-01T10:00:00Z", "score": 40},
        {"occurredAt": "2026-02-02T10:00:00Z", "isFinished": True},
        {"occurredAt": "2026-02-03T10:00:00Z", "score": 80},
        {"occurredAt": "2026-02-04T10:00:00Z", "lessonsDone": 2},
        {"occurredAt": "2026-02-05T10:00:00Z", "score": 90},
    ]
    found = set()
    for order in permutations(reports):
        person = await factories.create_person(admin.tenant_id)
        await company.enroll(person, course)
        for said in order:
            await company.report(person, course, **said)
        found.add(str(await dates(admin.tenant_id, person)))
    assert await disagreements(admin.tenant_id) == []
    assert len(found) == 1
