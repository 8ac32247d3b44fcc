"""What commands say when something expected goes wrong: one line, and no traceback."""

import asyncpg
from pydantic import ValidationError

from domain.foundation.database.migrating import NotMigrated, UnknownRole
from domain.foundation.database.server import StatementsLost, UnsafeRole
from domain.foundation.errors import DomainError, Problems, RequestFailure
from domain.foundation.settings import BadSettings
from ops.servers.server_process import ServerError
from ops.servers.unprivileged import NoServerBinaries


class CommandFailed(Exception):
    """A command cannot do what it was asked for; the message says why and what helps."""


def explanation(error: BaseException) -> str | None:
    """Return what to tell the operator, or None for a bug, whose traceback is worth more."""
    match error:
        case Problems():
            return "; ".join(explanation(one) or "" for one in error.errors)
        case DomainError():
            return f"{'.'.join(error.path)}: {error.message}" if error.path else error.message
        case RequestFailure():
            return error.message
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedFunctionError():
            return str(NotMigrated())
        case ValidationError():
            problems = [f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
            return "; ".join(problems)
        case CommandFailed() | ServerError() | NoServerBinaries() | BadSettings() | NotMigrated():
            return str(error)
        case UnknownRole() | UnsafeRole() | StatementsLost():
            return str(error)
    return None
