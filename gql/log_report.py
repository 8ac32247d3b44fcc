"""The log as CSV: its columns, and cells that no spreadsheet takes for a formula.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front, as spreadsheets
would run what follows as a formula. Whoever reads the file by program takes it off again.
"""

import csv
import io
from collections.abc import Sequence

from domain.enrollments.log_export import ReportedAction
from gql.ids import CONTENT, LEARNER, MANDATORY_TASK, RULE, SERVICE_ACCOUNT, encode
from gql.scalars import print_instant

#: Each ID has the partner's own beside it. Rules, tasks and tools have none, but the columns are there all the same.
COLUMNS = (
    *("recordedAt", "occurredAt"),
    *("learner", "learnerExternalId", "learnerName"),
    *("content", "contentExternalId", "contentTitle"),
    *("action", "source"),
    *("rule", "ruleExternalId"),
    *("task", "taskExternalId"),
    *("path", "pathExternalId"),
    *("actor", "actorExternalId"),
    "resultingStatus",
)

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def disarmed(cell: str | None) -> str:
    """Return the text of a cell so that spreadsheets show it and do not run it; nothing for None."""
    if cell is None:
        return ""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def header() -> bytes:
    """Return the first line of the file."""
    return _lines([COLUMNS])


def lines_of(reported: Sequence[ReportedAction]) -> bytes:
    """Return the lines of entries of the log."""
    return _lines([_cells(one) for one in reported])


def _lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([disarmed(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _cells(reported: ReportedAction) -> tuple[str | None, ...]:
    action, learner, content, path = reported.action, reported.learner, reported.content, reported.path
    return (
        *(print_instant(action.recorded_at), print_instant(action.occurred_at)),
        *(encode(LEARNER, learner.id), learner.external_id, learner.name),
        *(encode(CONTENT, content.id), content.external_id, content.title),
        *(action.action, action.source),
        *(_id(RULE, action.rule_id), None),
        *(_id(MANDATORY_TASK, action.task_id), None),
        *(_id(CONTENT, action.path_id), path.external_id if path else None),
        *(
            _id(LEARNER, action.actor_learner_id) or _id(SERVICE_ACCOUNT, action.actor_service_account_id),
            reported.actor.external_id if reported.actor else None,
        ),
        action.resulting_status,
    )


def _id(prefix: str, key: int | None) -> str | None:
    return None if key is None else encode(prefix, key)
