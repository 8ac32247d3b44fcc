"""Mandatory tasks of a generated company: ten for each learner, four in five of those that were due are completed.

Nearly all were assigned by the administrator, the others by a few learners who are trainers here, each of two courses.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bench.database import Connection
from bench.world import Company
from domain.foundation.access import Principal, Role

TASKS_PER_LEARNER = 10
TRAINERS = 20
#: Days over which due dates are spread evenly: most have passed.
DAYS_BEFORE, DAYS_AFTER = 270, 90


@dataclass(frozen=True, slots=True)
class GivenTasks:
    """What there is to look at."""

    count: int
    #: Trains two courses and has assigned a few tasks.
    trainer: Principal
    today: date


async def give_tasks(owner: Connection, company: Company, now: datetime) -> GivenTasks:
    """Give everybody their tasks, with the enrollments; statistics are the caller's business, see `settle`."""
    today = now.date()
    first_trainer = company.first_learner + 1
    await owner.execute(
        "UPDATE learner SET role = 'TRAINER' WHERE tenant_id = $1 AND id BETWEEN $2 AND $3",
        company.tenant_id,
        first_trainer,
        first_trainer + TRAINERS - 1,
    )
    await owner.execute(
        "INSERT INTO content_trainer (content_id, learner_id, tenant_id)"
        " SELECT ($3::bigint[])[1 + n], $2::bigint + n / 2, $1 FROM generate_series(0, $4::int) n",
        company.tenant_id,
        first_trainer,
        list(company.courses),
        2 * TRAINERS - 1,
    )
    # The due date and the rest are drawn from hashes, so that neighbours have nothing in common.
    await owner.execute(
        """
        INSERT INTO mandatory_task (tenant_id, learner_id, target_id, assigner_learner_id, first_lead_days,
               cycle_number, due_on, due_at, stage, completed_at, is_overdue_noted, is_suspended, created_at,
               updated_at, version, edited_version)
        SELECT $1, l.id, ($2::bigint[])[1 + (l.id * 7 + n * 31) % cardinality($2::bigint[])],
               CASE WHEN d.hash % 100 = 7 THEN $3::bigint + d.hash / 100 % $4::int ELSE $5::bigint END, 14, 1, d.due_on,
               (d.due_on + 1)::timestamp AT TIME ZONE 'Europe/Berlin', s.stage,
               CASE WHEN s.stage = 'COMPLETED' THEN $6::timestamptz - interval '1 day' END,
               s.stage <> 'COMPLETED' AND d.due_on < $7::date, false, $6::timestamptz - d.hash % 1000 * interval '1 h',
               $6::timestamptz - d.hash % 100000 * interval '1 min', 1, 1
          FROM learner l CROSS JOIN generate_series(0, $8::int - 1) n
          CROSS JOIN LATERAL (SELECT h AS hash, $7::date - $9::int + h / 8 % ($9::int + $10::int) AS due_on
                                FROM (SELECT (hashint8extended(l.id * 16 + n, 3) & 1073741823)::int AS h) drawn) d
          CROSS JOIN LATERAL (SELECT CASE WHEN d.due_on < $7::date AND d.hash % 5 > 0 THEN 'COMPLETED'
                                          WHEN d.hash % 3 = 0 THEN 'IN_PROGRESS' ELSE 'ASSIGNED' END AS stage) s
         WHERE l.tenant_id = $1 ORDER BY hashint8(l.id * 16 + n)
        """,
        company.tenant_id,
        list(company.courses),
        first_trainer,
        TRAINERS,
        company.admin.learner_id,
        now,
        today,
        TASKS_PER_LEARNER,
        DAYS_BEFORE,
        DAYS_AFTER,
    )
    await owner.execute(
        "INSERT INTO enrollment (tenant_id, learner_id, content_id, status, is_active, is_waitlisted,"
        " progress_percent, lessons_done, attempt, enrolled_at, version)"
        " SELECT $1, learner_id, target_id, CASE stage WHEN 'ASSIGNED' THEN 'NOT_STARTED' ELSE stage END, true, false,"
        " 0, 0, 1, $2, 1 FROM mandatory_task WHERE tenant_id = $1 ON CONFLICT (learner_id, content_id) DO NOTHING",
        company.tenant_id,
        now,
    )
    trainer = Principal(tenant_id=company.tenant_id, learner_id=first_trainer, role=Role.TRAINER)
    return GivenTasks(company.learner_count * TASKS_PER_LEARNER, trainer, today)
