"""Mandatory tasks as CSV."""

from datetime import datetime

from domain.mandatory_tasks.overview.export import ReportedTask, report_tasks
from domain.mandatory_tasks.task_rows import status_of
from gql.contract.ids import CONTENT, DEPARTMENT, LEARNER, MANDATORY_TASK, SERVICE_ACCOUNT, encode
from gql.contract.scalars import print_instant
from gql.exports.reports import Report
from gql.mandatory_tasks.list_inputs import MandatoryTaskFilterInput, task_filter

#: Each ID has the partner's own beside it. Tasks and tools have none, but the columns are there all the same.
COLUMNS = (
    *("task", "taskExternalId"),
    *("learner", "learnerExternalId", "learnerName", "learnerEmail"),
    *("department", "departmentExternalId", "departmentName"),
    *("target", "targetExternalId", "targetTitle"),
    *("status", "progressPercent", "score", "cycle", "dueOn", "completedAt"),
    *("assignedBy", "assignedByExternalId", "assignedByName"),
    *("note", "everyWeeks", "createdAt"),
)


def _cells(reported: ReportedTask, now: datetime) -> tuple[str | None, ...]:
    task, learner, target = reported.task, reported.learner, reported.target
    department, assigner = reported.department, reported.assigner
    return (
        *(encode(MANDATORY_TASK, task.id), None),
        *(encode(LEARNER, learner.id), learner.external_id, learner.name, learner.email),
        *(
            (encode(DEPARTMENT, department.id), department.external_id, department.name)
            if department
            else (None, None, None)
        ),
        *(encode(CONTENT, target.id), target.external_id, target.title),
        status_of(task.stage, task.due_at, now, is_suspended=task.is_suspended).value,
        *(_number(reported.progress_percent), _number(reported.score), str(task.cycle_number)),
        task.due_on.isoformat(),
        None if task.completed_at is None else print_instant(task.completed_at),
        *(
            (encode(LEARNER, assigner.id), assigner.external_id, assigner.name)
            if assigner
            else (encode(SERVICE_ACCOUNT, task.assigner_service_account_id or 0), None, reported.tool_name)
        ),
        task.note,
        _number(task.every_weeks),
        print_instant(task.created_at),
    )


def _number(number: int | None) -> str | None:
    return None if number is None else str(number)


MANDATORY_TASKS = Report(
    name="mandatory-tasks.csv",
    columns=COLUMNS,
    filter_type=MandatoryTaskFilterInput,
    restriction=task_filter,
    batches=report_tasks,
    cells=_cells,
)
