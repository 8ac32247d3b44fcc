"""The people who have tasks, and the time zones that their dates are in: their own, or the tenant's."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.foundation.database.sessions import Statements
from domain.foundation.unit_of_work import UnitOfWork
from domain.mandatory_tasks.dates.local_time import local_date


@dataclass(frozen=True, slots=True)
class Assignee:
    """A person, their time zone, and whether they are active."""

    id: int
    zone: ZoneInfo
    is_active: bool

    def today(self, now: datetime) -> date:
        """Return the date that their calendar shows."""
        return local_date(now, self.zone)


async def load_assignees(work: UnitOfWork, learner_ids: Collection[int]) -> Mapping[int, Assignee]:
    """Return people by ID; as they stay where they are locked."""
    records = await work.sql.fetch(
        """
        SELECT l.id, coalesce(l.time_zone, t.time_zone) AS zone, l.is_active
          FROM learner l JOIN tenant t ON t.id = l.tenant_id
         WHERE l.tenant_id = $1 AND l.id = ANY ($2::bigint[])
        """,
        work.tenant_id,
        list(learner_ids),
    )
    return {record["id"]: Assignee(record["id"], ZoneInfo(record["zone"]), record["is_active"]) for record in records}


async def minimum_lead_days(sql: Statements, tenant_id: int) -> int:
    """Return how many days after today a new task of the tenant may be due at the earliest."""
    days: int = await sql.value("SELECT minimum_lead_days FROM tenant WHERE id = $1", tenant_id)
    return days
