"""A Content Actions Log of any size, written by the owner of the tables in a few statements, the same in every run.

Three years of entries, recorded one after the other and committed nearly in that order. What is rare is spread over all
of them; one content and each rule have theirs close together, as backfills leave them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.foundation.access import Principal, Role
from tests.support.catalogue import Connection

YEARS = timedelta(days=3 * 365)
CONTENTS = 300
RULES = 50
#: Entries of whoever and whatever is rare.
RARE = 5


@dataclass(frozen=True, slots=True)
class LargeLog:
    """A tenant with such a log, and who and what is in it."""

    tenant_id: int
    began_at: datetime
    rows: int
    admin: Principal
    #: Trains every tenth content, which is a tenth of the log.
    trainer: Principal
    learners: range
    contents: range
    #: Has its entries close together, in the oldest tenth.
    clustered_content: int
    frequent_tool: int
    rare_tool: int
    first_rule: int

    def at(self, share: float) -> datetime:
        """Return when that share of the log had been recorded."""
        return self.began_at + YEARS * share


async def write_log(owner: Connection, tenant_id: int, rows: int, now: datetime) -> LargeLog:
    """Fill an empty tenant with a log of so many entries; statistics are up to date afterwards."""
    learner_count = max(rows // 100, 100)
    learners = await owner.fetch(
        "INSERT INTO learner (tenant_id, external_id, name, name_key, role, is_active, created_at, version,"
        " edited_version)"
        " SELECT $1, 'P' || n, 'Learner ' || n, 'learner ' || n,"
        "        CASE n WHEN 1 THEN 'ADMIN' WHEN 2 THEN 'TRAINER' ELSE 'LEARNER' END, true, $3, 1, 1"
        "   FROM generate_series(1, $2::int) n RETURNING id",
        tenant_id,
        learner_count,
        now,
    )
    contents = await owner.fetch(
        "INSERT INTO content (tenant_id, kind, external_id, title, title_key, lesson_count, is_self_enrollable,"
        " has_waitlist, version, edited_version)"
        " SELECT $1, 'COURSE', 'C' || n, 'Course ' || n, 'course ' || n, 1, false, false, 1, 1"
        "   FROM generate_series(1, $2::int) n RETURNING id",
        tenant_id,
        CONTENTS,
    )
    tools = await owner.fetch(
        "INSERT INTO service_account (tenant_id, name, name_key, scopes, key_hash, created_at)"
        " SELECT $1::bigint, 'Tool ' || n, 'tool ' || n, '[]', sha256(($1 || '-' || n)::bytea), $2"
        "   FROM generate_series(1, 2) n RETURNING id",
        tenant_id,
        now,
    )
    rules = await owner.fetch(
        "INSERT INTO rule (tenant_id, name, name_key, match, when_unmet, state, full_mask, negative_mask,"
        " is_met_by_default, has_enrolled, created_at, updated_at, version, edited_version)"
        " SELECT $1, 'Rule ' || n, 'rule ' || n, 'ALL', 'KEEP', 'ACTIVE', 1, 0, false, true, $3, $3, 1, 1"
        "   FROM generate_series(1, $2::int) n RETURNING id",
        tenant_id,
        RULES,
        now,
    )
    log = LargeLog(
        tenant_id=tenant_id,
        began_at=now - YEARS,
        rows=rows,
        admin=Principal(tenant_id=tenant_id, learner_id=learners[0]["id"], role=Role.ADMIN),
        trainer=Principal(tenant_id=tenant_id, learner_id=learners[1]["id"], role=Role.TRAINER),
        learners=range(learners[0]["id"], learners[-1]["id"] + 1),
        contents=range(contents[0]["id"], contents[-1]["id"] + 1),
        clustered_content=contents[-1]["id"],
        frequent_tool=tools[0]["id"],
        rare_tool=tools[1]["id"],
        first_rule=rules[0]["id"],
    )
    await owner.execute(
        "INSERT INTO content_trainer (content_id, learner_id, tenant_id)"
        " SELECT id, $2, $1 FROM content WHERE tenant_id = $1 AND id % 10 = 0",
        tenant_id,
        log.trainer.learner_id,
    )
    await _write_entries(owner, log)
    await owner.execute("VACUUM ANALYZE")
    return log


async def _write_entries(owner: Connection, log: LargeLog) -> None:
    await owner.execute(
        """
        INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name,
               actor_learner_id, actor_service_account_id, resulting_status, occurred_at, recorded_at)
        SELECT $1, $2::bigint + drawn.learner % $3::int,
               CASE WHEN n BETWEEN $5 / 20 AND $5 / 10 AND n % 2 = 0 THEN $6::bigint
                    ELSE $4::bigint + drawn.content % ($7::int - 1) END,
               CASE WHEN n % ($5::bigint / $8::int) = 7 THEN 'RETAINED' WHEN drawn.action < 45 THEN 'ENROLLED'
                    WHEN drawn.action < 70 THEN 'STARTED' WHEN drawn.action < 90 THEN 'COMPLETED' ELSE 'UNENROLLED' END,
               cause.source,
               CASE WHEN cause.source = 'AUTO_ENROLLMENT' THEN $9::bigint + n * $10::int / ($5 + 1) END,
               CASE WHEN cause.source = 'AUTO_ENROLLMENT' THEN 'Rule ' || 1 + n * $10 / ($5 + 1) END,
               CASE WHEN cause.source IN ('MANAGER', 'PURCHASE') THEN $2 END,
               CASE WHEN n % ($5::bigint / $8::int) = 13 THEN $12::bigint
                    WHEN cause.source = 'INTEGRATION' THEN $11::bigint END,
               'NOT_STARTED', at - CASE WHEN n % 100 = 0 THEN drawn.delay * interval '1 day' ELSE interval '0' END, at
          FROM generate_series(1::bigint, $5) n
          CROSS JOIN LATERAL (SELECT $13::timestamptz + $14::interval * (n / $5::float) AS at) moment
          CROSS JOIN LATERAL (
            SELECT hashint8(n) & 1048575 AS learner, hashint8(n + 1000000007) & 1048575 AS content,
                   (hashint8(n + 2000000011) & 1048575) % 100 AS action,
                   (hashint8(n + 3000000019) & 1048575) % 100 AS source, (hashint8(n) & 1048575) % 90 AS delay) drawn
          CROSS JOIN LATERAL (
            SELECT CASE WHEN n % ($5::bigint / $8::int) = 11 THEN 'PURCHASE' WHEN n % ($5 / $8) = 13 THEN 'INTEGRATION'
                        WHEN drawn.source < 40 THEN 'AUTO_ENROLLMENT' WHEN drawn.source < 80 THEN 'INTEGRATION'
                        WHEN drawn.source < 95 THEN 'MANAGER' ELSE 'LEARNER' END AS source) cause
         ORDER BY n
        """,
        log.tenant_id,
        log.learners.start,
        len(log.learners),
        log.contents.start,
        log.rows,
        log.clustered_content,
        CONTENTS,
        RARE,
        log.first_rule,
        RULES,
        log.frequent_tool,
        log.rare_tool,
        log.began_at,
        YEARS,
    )
    await owner.execute(
        """
        WITH placed AS (
          INSERT INTO content_action_position (tenant_id, position, content_action_id)
          SELECT $1, row_number() OVER (ORDER BY id + (hashint8(id) & 1048575) % 50, id), id
            FROM content_action WHERE tenant_id = $1
          RETURNING position)
        UPDATE feed_head SET position = (SELECT max(position) FROM placed) WHERE tenant_id = $1
        """,
        log.tenant_id,
    )
