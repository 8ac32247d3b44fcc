"""Every change of a status or an access is in the log, also one that a time zone, a rest or a withdrawal brings."""

from typing import Any

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.foundation.database.sessions import writing
from tests.support.assigning import Assigning
from tests.support.company import Company
from tests.support.passing_time import midnight

DUE = "2026-03-16"


async def steps(assigning: Assigning, person: Principal) -> list[tuple[str, str]]:
    """Return action and source of what the log tells of somebody, oldest first."""
    return [(entry["action"], entry["source"]) for entry in await assigning.log(person)]


async def test_an_overdue_that_a_time_zone_ends_or_brings_is_logged(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Midnight in Berlin is the afternoon before in Honolulu; and back again it is overdue at once."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-17"))
    assert await assigning.status(task) == "OVERDUE"
    await company.change(learner, timeZone="Pacific/Honolulu")
    assert await assigning.status(task) == "ASSIGNED"
    assert (await steps(assigning, learner))[-2:] == [("TASK_OVERDUE", "SYSTEM"), ("TASK_CHANGED", "MANDATORY_TASK")]
    await company.change(learner, timeZone="Asia/Tokyo")
    assert await assigning.status(task) == "OVERDUE"
    assert (await steps(assigning, learner))[-1] == ("TASK_OVERDUE", "SYSTEM")


async def test_an_overdue_that_rests_is_logged_when_it_ends_and_when_it_comes_back(
    assigning: Assigning, learner: Principal, course: Content
) -> None:
    """Nothing that rests is overdue."""
    await assigning.assign(learner, course, DUE)
    await assigning.pass_time(until=midnight("2026-03-18"))
    await assigning.deactivate(learner)
    assert (await steps(assigning, learner))[-2:] == [("TASK_OVERDUE", "SYSTEM"), ("TASK_CHANGED", "MANDATORY_TASK")]
    await assigning.reactivate(learner)
    assert (await steps(assigning, learner))[-1] == ("TASK_OVERDUE", "SYSTEM")


async def test_access_that_is_kept_has_an_entry_that_tells_why(
    company: Company, assigning: Assigning, learner: Principal, course: Content
) -> None:
    """The account that withdraws is the reason from then on; where it was one before, nothing is new."""
    task = await assigning.assign(learner, course, DUE)
    await assigning.withdraw(task)
    assert (await steps(assigning, learner))[-2:] == [("TASK_WITHDRAWN", "MANDATORY_TASK"), ("ENROLLED", "MANAGER")]
    task = await assigning.assign(learner, course, DUE)
    await assigning.withdraw(task)
    assert (await steps(assigning, learner))[-1] == ("TASK_WITHDRAWN", "MANDATORY_TASK")
    assert await told_and_true(learner) == []


async def told_and_true(person: Principal) -> list[Any]:
    """Return the enrollments of somebody whose access or status the log, replayed, tells otherwise than they are."""
    async with writing(person.tenant_id) as sql:
        return await sql.fetch(
            """
            SELECT e.content_id FROM enrollment e
              CROSS JOIN LATERAL (SELECT action FROM content_action a
                WHERE a.learner_id = e.learner_id AND a.content_id = e.content_id
                  AND action IN ('ENROLLED', 'UNENROLLED', 'EXPIRED') ORDER BY id DESC LIMIT 1) a
             WHERE e.learner_id = $1 AND e.is_active <> (a.action = 'ENROLLED')
            """,
            person.learner_id,
        )
