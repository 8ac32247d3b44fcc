"""Pages of the API over HTTP beside floors: the same rows without GraphQL, and GraphQL without compiled selections.

One worker process each as `mandate web` runs it, a real token, limits and row level security on. The rows without
GraphQL are there twice: for whoever asks, and behind the same token, limits and row level security. All take turns.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson

from bench.database import Addresses, Connection, settle, without_indexes
from bench.load import Load, graphql_request, send_all
from bench.mutation import Web, web_server
from bench.processes import HOST, cpu_seconds, free_port, running, until_ready
from bench.read_cases import PAGE, ReadCase, cursor_document, read_cases
from bench.report import Figure, Spread
from bench.rules import give_rules
from bench.size import Size
from bench.tasks import TASKS_PER_LEARNER, give_tasks
from bench.world import Company, found_company
from domain.foundation import clock
from gql.contract.ids import LEARNER, encode

NAME = "reads"
FILLED = ("learner", "learner_ref", "learner_place", "enrollment", "enrollment_reason", "content_action")
RULES, LOGGED = 100, 2_000
DEEP_PAGE = 1_000
CONNECTIONS = (1, 8)
WARM_UP, TURNS = 60, 4
#: How much of the rate without GraphQL there should be, and how many times the rate without compiled selections.
OF_ROWS, OF_ORDINARY = 0.5, 2.5


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure each case, with one connection and with eight."""
    now = clock.now()
    async with without_indexes(owner, (*FILLED, "mandatory_task")):
        company = await found_company(owner, NAME, size.overview_tasks // TASKS_PER_LEARNER, now)
        await give_tasks(owner, company, now)
    await give_rules(owner, company, RULES, now)
    await _give_conditions(owner, company)
    await _log(owner, company, now)
    await settle(owner)
    figures: list[Figure] = []
    with (
        web_server(addresses, company) as web,
        web_server(addresses, company, more={"IS_COMPILATION_ENABLED": "false"}) as ordinary,
        _bare(web, "create_signed_in_app", addresses.application) as signed_in,
        _bare(web, "create_app", addresses.owner) as plain,
    ):
        for server, path in ((web, "/readyz"), (ordinary, "/readyz"), (signed_in, "/healthz"), (plain, "/healthz")):
            await until_ready(server.port, path)
        for case in await _cases(owner, company, web):
            figures += await _measure(case, web, (ordinary, signed_in, plain), size)
    return figures


@contextmanager
def _bare(web: Web, factory: str, database_url: str) -> Iterator[Web]:
    """Run a server of `bare_reads`, which takes the tokens of another one."""
    port = free_port()
    arguments = ["-m", "uvicorn", "--factory", f"bench.bare_reads:{factory}", "--port", str(port), "--no-access-log",
                 "--log-level", "warning"]  # fmt: skip
    environment = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": web.secret_key,
        "REDIS_URL": "",
        "COST_PER_MINUTE": "1000000000",
    }
    with running(arguments, environment) as pid:
        yield Web(port, pid, web.token, web.secret_key)


async def _give_conditions(owner: Connection, company: Company) -> None:
    """Give the rules what people see of them: three conditions each, of three kinds."""
    await owner.execute(
        """
        INSERT INTO rule_condition (rule_id, number, tenant_id, kind, field_number, operator, status, object_ids,
               ref_values)
        SELECT r.id, k.number, $1, k.kind, k.field, k.operator, k.status,
               CASE k.kind WHEN 'DEPARTMENT' THEN ($2::bigint[])[1 + r.id % 40 : 3 + r.id % 40]
                           WHEN 'CONTENT_STATUS' THEN ($3::bigint[])[1 + r.id % 200 : 2 + r.id % 200]
                           ELSE '{}'::bigint[] END,
               CASE k.kind WHEN 'REF_VALUE' THEN ARRAY['a', 'b'] ELSE '{}'::text[] END
          FROM rule r CROSS JOIN (VALUES (1, 'REF_VALUE', 2, 'EQUALS', NULL), (2, 'DEPARTMENT', NULL, NULL, NULL),
                                         (3, 'CONTENT_STATUS', NULL, NULL, 'COMPLETED'))
                                 AS k (number, kind, field, operator, status)
         WHERE r.tenant_id = $1
        """,
        company.tenant_id,
        list(company.departments),
        list(company.courses),
    )


async def _log(owner: Connection, company: Company, now: datetime) -> None:
    """Write entries that rules have caused, the latest of the log."""
    await owner.execute(
        """
        INSERT INTO content_action (tenant_id, learner_id, content_id, action, source, rule_id, rule_name,
               actor_learner_id, resulting_status, occurred_at, recorded_at)
        SELECT $1, $2::bigint + n % $3::int, ($4::bigint[])[1 + n % 300], 'ENROLLED', 'AUTO_ENROLLMENT', r.id, r.name,
               $2::bigint + n % 3, 'NOT_STARTED', $5::timestamptz + n * interval '1 ms',
               $5::timestamptz + n * interval '1 ms'
          FROM generate_series(1, $6::int) n
          JOIN (SELECT id, name, row_number() OVER (ORDER BY id) AS place FROM rule WHERE tenant_id = $1) r
            ON r.place = 1 + n % 100
        """,
        company.tenant_id,
        company.first_learner,
        company.learner_count,
        list(company.courses),
        now,
        LOGGED,
    )


async def _cases(owner: Connection, company: Company, web: Web) -> list[ReadCase]:
    cursor: str | None = None
    page = 1
    while page < DEEP_PAGE:
        info = (await _ask(web, cursor_document(), {"after": cursor}))["mandatoryTasks"]["pageInfo"]
        if not info["hasNextPage"]:
            break
        cursor, page = info["endCursor"], page + 1
    position = await owner.fetchrow(
        "SELECT due_on::text, id FROM mandatory_task WHERE tenant_id = $1 AND withdrawn_at IS NULL"
        " AND NOT is_suspended AND stage <> 'COMPLETED' ORDER BY mandatory_task.due_on, id OFFSET $2 LIMIT 1",
        company.tenant_id,
        PAGE * (page - 1) - 1,
    )
    assert cursor is not None
    assert position is not None
    learner_id = company.first_learner + company.learner_count // 2
    return read_cases(
        company.tenant_id,
        learner=(learner_id, encode(LEARNER, learner_id)),
        deep_page=page,
        deep_cursor=cursor,
        deep_position=(position["due_on"], position["id"]),
    )


async def _ask(web: Web, document: str, variables: dict[str, Any]) -> Any:
    reader, writer = await asyncio.open_connection(HOST, web.port)
    request = graphql_request(document, variables, web.token)
    writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    answer = await reader.read()
    writer.close()
    return orjson.loads(answer.partition(b"\r\n\r\n")[2])["data"]


async def _measure(case: ReadCase, web: Web, floors: tuple[Web, Web, Web], size: Size) -> list[Figure]:
    ordinary, signed_in, plain = floors
    statement, arguments = case.statement, {"args": case.args}
    servers = (
        (web, graphql_request(case.document, case.variables, web.token), case.expected),
        (ordinary, graphql_request(case.document, case.variables, ordinary.token), case.expected),
        (signed_in, graphql_request(statement, arguments, signed_in.token), b"{"),
        (plain, graphql_request(statement, arguments), b"{"),
    )
    for server, request, expected in servers:
        await send_all(server.port, [request] * WARM_UP, max(CONNECTIONS), expected)
    figures = []
    batch = size.requests // TURNS
    for connections in CONNECTIONS:
        loads: list[list[Load]] = [[] for _ in servers]
        before = [cpu_seconds(server.pid) for server, _, _ in servers]
        for _ in range(TURNS):
            for found, (server, request, expected) in zip(loads, servers, strict=True):
                found.append(await send_all(server.port, [request] * batch, connections, expected))
        cpu = [
            None if begun is None else ((cpu_seconds(server.pid) or 0.0) - begun) * 1_000 / (batch * TURNS)
            for begun, (server, _, _) in zip(before, servers, strict=True)
        ]
        figures += _figures(case, connections, [_together(one) for one in loads], cpu)
    return figures


def _together(loads: Sequence[Load]) -> Load:
    return Load(sum(load.seconds for load in loads), [one for load in loads for one in load.latencies])


def _figures(case: ReadCase, connections: int, loads: Sequence[Load], cpu: Sequence[float | None]) -> list[Figure]:
    name = f"{case.name}, {connections} connection{'s' if connections > 1 else ''}"
    whole, *floors = loads
    goals = (("uncompiled GraphQL", OF_ORDINARY), ("rows for the same account", OF_ROWS), ("rows alone", OF_ROWS))
    figures = []
    for (compared_with, goal), floor, floor_cpu in zip(goals, floors, cpu[1:], strict=True):
        details: dict[str, Any] = {
            "median ms": round(Spread.of(whole.latencies).median, 2),
            "median of floor": round(Spread.of(floor.latencies).median, 2),
        }
        if cpu[0] is not None and floor_cpu is not None:
            details |= {"CPU ms": round(cpu[0], 2), "CPU ms of floor": round(floor_cpu, 2)}
        ratio = whole.rate / floor.rate
        figures.append(
            Figure(NAME, name, whole.rate, "requests/s", floor.rate, ratio, compared_with=compared_with,
                   goal=f"at least {goal}", is_met=ratio >= goal, details=details)
        )  # fmt: skip
    return figures
