"""The log as CSV."""

from collections.abc import AsyncGenerator
from datetime import datetime

from domain.enrollments.action_log.export import ReportedAction, report_content_actions
from domain.enrollments.action_log.filter import ActionFilter
from domain.foundation.access import Principal
from domain.foundation.database.sessions import ReadScope
from gql.contract.ids import CONTENT, LEARNER, MANDATORY_TASK, RULE, SERVICE_ACCOUNT, encode
from gql.contract.scalars import print_instant
from gql.enrollments.inputs import ContentActionFilterInput, action_filter
from gql.exports.reports import Report

#: Each ID has the partner's own beside it. Rules, tasks and tools have none, but the columns are there all the same.
COLUMNS = (
    *("recordedAt", "occurredAt"),
    *("learner", "learnerExternalId", "learnerName"),
    *("content", "contentExternalId", "contentTitle"),
    *("action", "source"),
    *("rule", "ruleExternalId", "ruleName"),
    *("task", "taskExternalId"),
    *("path", "pathExternalId", "pathTitle"),
    *("actor", "actorExternalId", "actorName"),
    "resultingStatus",
)


def _cells(reported: ReportedAction, now: datetime) -> tuple[str | None, ...]:
    action, learner, content, path = reported.action, reported.learner, reported.content, reported.path
    return (
        *(print_instant(action.recorded_at), print_instant(action.occurred_at)),
        *(encode(LEARNER, learner.id), learner.external_id, learner.name),
        *(encode(CONTENT, content.id), content.external_id, content.title),
        *(action.action, action.source),
        *(_id(RULE, action.rule_id), None, action.rule_name),
        *(_id(MANDATORY_TASK, action.task_id), None),
        *(_id(CONTENT, action.path_id), *((path.external_id, path.title) if path else (None, None))),
        *(
            _id(LEARNER, action.actor_learner_id) or _id(SERVICE_ACCOUNT, action.actor_service_account_id),
            reported.actor.external_id if reported.actor else None,
            reported.actor.name if reported.actor else reported.tool_name,
        ),
        action.resulting_status,
    )


def _id(prefix: str, key: int | None) -> str | None:
    return None if key is None else encode(prefix, key)


def _batches(
    reads: ReadScope, principal: Principal, restriction: ActionFilter, now: datetime
) -> AsyncGenerator[list[ReportedAction], None]:
    return report_content_actions(reads, principal, restriction)


CONTENT_ACTIONS = Report(
    name="content-actions.csv",
    columns=COLUMNS,
    filter_type=ContentActionFilterInput,
    restriction=action_filter,
    batches=_batches,
    cells=_cells,
)
