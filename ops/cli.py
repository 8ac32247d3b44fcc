"""The `mandate` command. Everything here is reading arguments and printing results; the work is elsewhere in `ops`.

What only one command needs is imported there: the schema alone takes a second, and `up` starts four processes at once.
"""

import asyncio
import contextlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from domain.foundation import clock
from domain.foundation.access import Role
from domain.foundation.database.cells import MAX_CELL
from ops.connecting import (
    command_settings,
    database_of,
    database_role,
    get_tenant_id,
    missing_migrations,
    require_database,
    require_migrated_database,
    require_queue,
    say_where_to,
)
from ops.failures import CommandFailed, explanation
from ops.imports.dates import DateOrder
from ops.imports.running import Importer, ImportKind, ImportOptions, ImportReport
from ops.log_output import configure_logging
from ops.metrics_server import serve_metrics

#: Seconds that open requests and streams have to end when the web server stops.
WEB_GRACE = 3

app = typer.Typer(
    help="Mandate: who must learn what by when.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
tenant_app = typer.Typer(help="Make and change tenants.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(tenant_app, name="tenant")

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Directory of a `mandate up`, whose servers are used whatever the environment says; without this option"
        " those of DATABASE_URL, else of .mandate.",
    ),
]
Slug = Annotated[str, typer.Option("--slug", help="Short name of the tenant, as in tokens.")]
TenantSlug = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="Short name of the tenant.")]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to serve; 0 for any free port.")] = 8000,
    data: Data = None,
    demo: Annotated[bool, typer.Option(help="Make a tenant to play with.")] = True,
) -> None:
    """Run everything on this machine: private PostgreSQL and Valkey, web, worker, scheduler, demo tenant."""
    from ops.up import run_everything

    raise typer.Exit(run_everything(data, port=port, with_demo=demo))


@app.command()
def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    data: Data = None,
) -> None:
    """Serve the API."""
    import uvicorn

    from gql.limits.document import MAX_BODY_BYTES
    from gql.transport.app import create_app
    from ops.garbage_collection import look_for_garbage_rarely
    from ops.web.http_transport import IDLE_TIMEOUT, PatientHttpProtocol
    from ops.web.server import DrainingServer
    from ops.web.websocket_transport import PatientWebSocketProtocol

    settings = command_settings(data)
    configure_logging(settings)
    served = create_app(settings)
    asyncio.run(require_database(settings.database_url.get_secret_value()))
    serve_metrics(settings)
    look_for_garbage_rarely()
    config = uvicorn.Config(
        served,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        http=PatientHttpProtocol,
        ws=PatientWebSocketProtocol,
        # What is sent is the same for many: to compress it anew for each costs more than it saves.
        ws_per_message_deflate=False,
        # A message is a body.
        ws_max_size=MAX_BODY_BYTES,
        timeout_keep_alive=IDLE_TIMEOUT,
        timeout_graceful_shutdown=WEB_GRACE,
    )

    def withdraw() -> None:
        served.state.is_stopping = True

    server = DrainingServer(config, seconds=settings.drain_seconds, when_draining=withdraw)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(uvicorn.config.STARTUP_FAILURE)


@app.command()
def worker(
    threads: Annotated[int, typer.Option(min=1, max=100, help="Jobs to work on at the same time.")] = 4,
    data: Data = None,
) -> None:
    """Run background jobs and send emails."""
    from jobs.worker import NotConnected, run_worker

    settings = command_settings(data)
    require_queue(settings)
    configure_logging(settings)
    asyncio.run(require_migrated_database(settings.database_url.get_secret_value()))
    serve_metrics(settings)
    try:
        run_worker(settings, threads=threads)
    except NotConnected as error:
        raise CommandFailed(str(error)) from error


@app.command()
def scheduler(data: Data = None) -> None:
    """Hand out background jobs and emails, number the change feed, delete what is old."""
    from jobs.scheduler import run_scheduler

    settings = command_settings(data)
    require_queue(settings)
    configure_logging(settings)
    asyncio.run(require_migrated_database(settings.database_url.get_secret_value()))
    serve_metrics(settings)
    run_scheduler(settings)


@app.command()
def migrate(
    cell: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_CELL, help="Cell whose keys this database gives out from now on; no other database has it."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is missing; exit code 1 if anything is.")
    ] = False,
    data: Data = None,
) -> None:
    """Bring the database to the schema of this release; safe to run twice at once."""
    from domain.foundation.database.migrating import migrate as apply_migrations
    from ops.shared_addresses import find_shared_addresses

    settings = command_settings(data)
    owner_url = settings.owner_database_url.get_secret_value()
    if check:
        missing = asyncio.run(missing_migrations(owner_url or settings.database_url.get_secret_value()))
        print("\n".join(f"missing {name}" for name in missing) or "up to date")
        raise typer.Exit(1 if missing else 0)
    if not owner_url:
        raise CommandFailed("OWNER_DATABASE_URL is missing: PostgreSQL as the role that owns the tables.")

    async def run() -> list[str]:
        await require_database(owner_url)
        say_where_to(owner_url)
        applied = await apply_migrations(owner_url, database_role(settings), cell=cell)
        if shared := await find_shared_addresses(owner_url):
            print(
                "The email addresses of these people count as those of others, so they are not found by them and cannot"
                f" sign in by them until they are given others: {', '.join(shared)}"
            )
        return applied

    print("\n".join(f"applied {name}" for name in asyncio.run(run())) or "up to date")


@tenant_app.command("create")
def tenant_create(
    name: Annotated[str, typer.Argument(help="Name of the company.")],
    slug: Slug,
    time_zone: Annotated[str, typer.Option(help="IANA time zone, such as Europe/Berlin.")],
    admin: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Email address of the first administrator, who is made as well.")
    ] = None,
    data: Data = None,
) -> None:
    """Make a tenant and print its ID."""
    from gql.contract.ids import TENANT, encode
    from ops.accounts import make_tenant

    settings = command_settings(data)

    async def run() -> int:
        async with database_of(settings, tenant=slug):
            return await make_tenant(slug=slug, name=name, time_zone=time_zone, admin_email=admin, now=clock.now())

    print(encode(TENANT, asyncio.run(run())))


@tenant_app.command("set")
def tenant_set(
    slug: Slug,
    rule_limit: Annotated[int, typer.Option(help="How many Auto Assignment rules the tenant may have.")],
    data: Data = None,
) -> None:
    """Change what only the operator may change about a tenant."""
    from ops.accounts import change_rule_limit

    settings = command_settings(data)

    async def run() -> None:
        async with database_of(settings, tenant=slug):
            await change_rule_limit(slug, rule_limit, clock.now())

    asyncio.run(run())


@app.command()
def token(
    tenant: TenantSlug,
    email: Annotated[str, typer.Option(help="Whom the token is for; created when there is nobody with this address.")],
    role: Annotated[Role | None, typer.Option(case_sensitive=False, help="Role to give them.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 365, help="How long the token is valid.")] = 12,
    data: Data = None,
) -> None:
    """Print a token to call the API with, and nothing else."""
    from ops.accounts import Person, make_token

    settings = command_settings(data)
    settings.require_proper_secret()

    async def run() -> str:
        async with database_of(settings, tenant=tenant):
            return await make_token(settings, Person(tenant, email, role), clock.now(), timedelta(hours=hours))

    print(asyncio.run(run()))


@app.command("import")
def import_file(
    kind: Annotated[ImportKind, typer.Argument(help="What the file holds.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="UTF-8, with a line of column names; - to read standard input.")
    ],
    tenant: TenantSlug,
    maps: Annotated[
        list[str],
        typer.Option("--map", metavar="COLUMN=FIELD", help="Column of a field; A+B=FIELD joins two by a hyphen."),
    ] = [],  # noqa: B006  Typer reads the default and makes a new list.
    values: Annotated[
        list[str],
        typer.Option("--value", metavar="FIELD:TEXT=VALUE", help="What a text in a field means."),
    ] = [],  # noqa: B006
    first_wins: Annotated[
        bool, typer.Option("--first-wins", help="Leave out rows about somebody who was there before in the file.")
    ] = False,
    separator: Annotated[str, typer.Option(help="What stands between several learning groups in one cell.")] = "|",
    date_format: Annotated[
        DateOrder | None,
        typer.Option(help="Whether the day or the month comes first in dates like 03/04/2025.", case_sensitive=False),
    ] = None,
    trust_status: Annotated[
        bool, typer.Option("--trust-status", help="Take COMPLETED as given beside a score that is not enough.")
    ] = False,
    deactivate_missing: Annotated[
        bool,
        typer.Option("--deactivate-missing", help="Deactivate learners of earlier imports whom this file lacks."),
    ] = False,
    yes: Annotated[
        int | None, typer.Option("--yes", metavar="N", help="Number of people to deactivate, where these are many.")
    ] = None,
    data: Data = None,
) -> None:
    """Import people, courses or enrollments. Refused rows are listed, all others are done; exit code 1 if any were."""
    settings = command_settings(data)
    importer = Importer(
        file,
        kind,
        ImportOptions(
            maps,
            values,
            first_wins,
            separator=separator,
            date_order=date_format,
            trusts_status=trust_status,
            deactivates_missing=deactivate_missing,
            confirmed_count=yes,
        ),
    )

    async def run() -> ImportReport:
        async with database_of(settings, tenant=tenant):
            return await importer.run(await get_tenant_id(tenant))

    report = asyncio.run(run())
    for line in report.lines():
        print(line)
    raise typer.Exit(1 if report.refused else 0)


@app.command()
def schema(data: Data = None) -> None:
    """Print the GraphQL schema; needs no servers."""
    from gql.schema import schema as graphql_schema

    print(graphql_schema().as_str())


def main() -> None:
    """Run a command; what goes wrong as expected is one line on standard error."""
    try:
        app(prog_name="mandate")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        reason = explanation(error)
        if reason is None:
            raise
        print(f"mandate: {reason}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
