"""Everything about one person as JSON: `GET /export/learners/{id}.json`, for admins and for the person themselves.

Fields are named, and objects are identified, as in the API. Lists come oldest first and are written batch by batch, so
memory stays flat however long somebody has been there.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeVar

import orjson
from starlette.requests import Request

from domain.content.queries import ContentRow
from domain.enrollments.action_log.export import ReportedAction, report_content_actions
from domain.enrollments.action_log.filter import ActionFilter
from domain.enrollments.person_export import ExportedEnrollment, export_enrollments
from domain.enrollments.reason_queries import ReasonRow
from domain.foundation.access import Principal
from domain.foundation.audit.queries import AuditEntryRow
from domain.foundation.database.sessions import ReadScope
from domain.foundation.errors import Invalid, NotFound
from domain.mandatory_tasks.person_export import ExportedTask, export_tasks
from domain.mandatory_tasks.reminders.queries import DeliveryRow, ReminderRow
from domain.mandatory_tasks.task_rows import status_of
from domain.notifications.inbox import NotificationRow
from domain.notifications.messages import LEARNER as LEARNER_PART
from domain.notifications.person_export import EmailRow, export_emails, export_notifications, export_preferences
from domain.people.learners.person_export import ExportedPerson, export_audit_entries, export_person
from domain.people.models import PlaceKind
from domain.people.queries import LearnerKey, LearnerRow, PlaceRow
from gql.contract import ids
from gql.contract.ids import encode
from gql.schema import Schema

Item = TypeVar("Item")
Json = dict[str, Any]

_PLACES = (
    (PlaceKind.LEARNING_GROUP, "learningGroups", ids.LEARNING_GROUP),
    (PlaceKind.CLIENT, "clients", ids.CLIENT),
    (PlaceKind.SUBLICENSE, "sublicenses", ids.SUBLICENSE),
)


class PersonReport:
    """The export of a person."""

    #: Of the file; the ID would say in every list of downloads whom it is about.
    name = "learner.json"
    media_type = "application/json"

    def wanted(self, schema: Schema, request: Request) -> LearnerKey:
        """Return whom the address names; raises NotFound for what can name nobody, and Invalid for parameters."""
        if request.query_params:
            raise Invalid("There are no parameters.", path=[next(iter(request.query_params))])
        named = ids.find_key(ids.LEARNER, request.path_params["id"])
        if named is None:
            raise NotFound
        return LearnerKey.of(named)

    async def content(
        self, reads: ReadScope, principal: Principal, wanted: LearnerKey, now: datetime
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file part by part. Raises Forbidden and NotFound before the first one."""
        person = await export_person(reads, principal, wanted)
        key = person.row.id
        preferences = await export_preferences(reads, principal, key)
        head = {
            "exportedAt": now,
            "learner": _learner(person),
            "notificationPreferences": [
                {"category": one.category, "isEmailEnabled": one.is_email_enabled} for one in preferences
            ],
        }
        yield _dumped(head).removesuffix(b"}")
        tells_all = principal.sees_all
        for name, part in (
            ("enrollments", _list(export_enrollments(reads, principal, key), _enrollment)),
            ("mandatoryTasks", _list(export_tasks(reads, principal, key), lambda one: _task(one, now, tells_all))),
            (
                "contentActions",
                _list(report_content_actions(reads, principal, ActionFilter(learners=(key,))), _action),
            ),
            ("notifications", _list(export_notifications(reads, principal, key), _notification)),
            ("emails", _list(export_emails(reads, principal, key), _email)),
            ("auditEntries", _list(export_audit_entries(reads, principal, key), _entry)),
        ):
            yield f',"{name}":'.encode()
            async with aclosing(part) as pieces:
                async for piece in pieces:
                    yield piece
        yield b"}\n"


async def _list(
    batches: AsyncGenerator[list[Item], None], as_json: Callable[[Item], Json]
) -> AsyncGenerator[bytes, None]:
    """Yield a list piece by piece."""
    opening = b"["
    async with aclosing(batches) as found:
        async for batch in found:
            # Beside the loop, which has other requests to serve.
            yield opening + await asyncio.to_thread(_items, batch, as_json)
            opening = b","
    yield b"]" if opening == b"," else b"[]"


def _items(batch: Sequence[Item], as_json: Callable[[Item], Json]) -> bytes:
    return b",".join(_dumped(as_json(item)) for item in batch)


def _dumped(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def _id(prefix: str, key: int | None) -> str | None:
    return None if key is None else encode(prefix, key)


def _account(learner_id: int | None, service_account_id: int | None) -> str | None:
    return _id(ids.LEARNER, learner_id) or _id(ids.SERVICE_ACCOUNT, service_account_id)


def _learner(person: ExportedPerson) -> Json:
    row = person.row
    departments = person.belongs_to(PlaceKind.DEPARTMENT)
    return {
        "id": encode(ids.LEARNER, row.id),
        "externalId": row.external_id,
        "name": row.name,
        "email": row.email,
        "role": row.role,
        "timeZone": row.time_zone,
        "isActive": row.is_active,
        "createdAt": row.created_at,
        "version": row.version,
        "department": _place(ids.DEPARTMENT, departments[0]) if departments else None,
        **{name: [_place(prefix, place) for place in person.belongs_to(kind)] for kind, name, prefix in _PLACES},
        "refValues": [{"number": ref.number, "label": ref.label, "value": ref.value} for ref in person.refs],
    }


def _place(prefix: str, place: PlaceRow) -> Json:
    return {"id": encode(prefix, place.id), "externalId": place.external_id, "name": place.name}


def _content(content: ContentRow) -> Json:
    return {
        "id": encode(ids.CONTENT, content.id),
        "externalId": content.external_id,
        "title": content.title,
        "kind": content.kind,
    }


def _named(learner: LearnerRow | None, service_account_id: int | None) -> Json | None:
    """Return an account with the name of a person; tools are told by their ID."""
    if learner is not None:
        return {"id": encode(ids.LEARNER, learner.id), "name": learner.name}
    return None if service_account_id is None else {"id": encode(ids.SERVICE_ACCOUNT, service_account_id)}


def _enrollment(exported: ExportedEnrollment) -> Json:
    row = exported.enrollment
    return {
        "id": encode(ids.ENROLLMENT, row.id),
        "content": _content(exported.content),
        "status": row.status,
        "progressPercent": row.progress_percent,
        "lessonsDone": row.lessons_done,
        "score": row.score,
        "isActive": row.is_active,
        "isWaitlisted": row.is_waitlisted,
        "enrolledAt": row.enrolled_at,
        "completedAt": row.completed_at,
        "expiresAt": row.expires_at,
        "reasons": [_reason(reason) for reason in exported.reasons],
    }


def _reason(reason: ReasonRow) -> Json:
    return {
        "source": reason.source,
        "ruleId": _id(ids.RULE, reason.rule_id),
        "ruleName": reason.rule_name,
        "mandatoryTaskId": _id(ids.MANDATORY_TASK, reason.task_id),
        "learningPathId": _id(ids.CONTENT, reason.path_id),
        "actorId": _account(reason.actor_learner_id, reason.actor_service_account_id),
        "sinceAt": reason.since_at,
        "untilAt": reason.until_at,
    }


def _task(exported: ExportedTask, now: datetime, tells_all: bool) -> Json:
    task = exported.task
    return {
        "id": encode(ids.MANDATORY_TASK, task.id),
        "target": _content(exported.target),
        "status": status_of(task.stage, task.due_at, now, is_suspended=task.is_suspended),
        "dueOn": task.due_on,
        "note": task.note,
        "assignedBy": _named(exported.assigner, task.assigner_service_account_id),
        "isSuspended": task.is_suspended,
        "completedAt": task.completed_at,
        "withdrawnAt": task.withdrawn_at,
        "everyWeeks": task.every_weeks,
        "nextDueOn": task.next_due_on,
        "nextOpensOn": task.next_opens_on,
        "createdAt": task.created_at,
        "updatedAt": task.updated_at,
        "cycles": [
            {
                "number": cycle.number,
                "openedOn": cycle.opened_on,
                "dueOn": cycle.due_on,
                "completedAt": cycle.completed_at,
                "reminders": [
                    _reminder(reminder, exported.deliveries[reminder.id], tells_all)
                    for reminder in exported.reminders[cycle.number]
                ],
            }
            for cycle in exported.cycles
        ],
    }


def _reminder(reminder: ReminderRow, deliveries: Sequence[DeliveryRow], tells_all: bool) -> Json:
    return {
        "id": encode(ids.REMINDER, reminder.id),
        "dueOn": reminder.due_on,
        "daysBeforeDue": reminder.days_before_due,
        "recipients": reminder.recipients,
        "scheduledAt": reminder.scheduled_at,
        "status": reminder.status,
        "reason": reminder.reason,
        "deliveries": [
            {
                "recipient": delivery.recipient_part,
                "email": delivery.email,
                "status": delivery.status,
                "attemptedAt": delivery.attempted_at,
                # Mail servers repeat addresses, and that of the assigner is none of the learner's data.
                "failureReason": delivery.failure_reason
                if tells_all or delivery.recipient_part == LEARNER_PART
                else None,
            }
            for delivery in deliveries
        ],
    }


def _action(reported: ReportedAction) -> Json:
    action = reported.action
    return {
        "id": encode(ids.CONTENT_ACTION, action.id),
        "occurredAt": action.occurred_at,
        "recordedAt": action.recorded_at,
        "content": _content(reported.content),
        "action": action.action,
        "source": action.source,
        "ruleId": _id(ids.RULE, action.rule_id),
        "ruleName": action.rule_name,
        "mandatoryTaskId": _id(ids.MANDATORY_TASK, action.task_id),
        "learningPath": None if reported.path is None else _content(reported.path),
        "actor": _named(reported.actor, action.actor_service_account_id),
        "resultingStatus": action.resulting_status,
    }


def _notification(row: NotificationRow) -> Json:
    return {
        "id": encode(ids.NOTIFICATION, row.id),
        "category": row.category,
        "kind": row.kind,
        "title": row.title,
        "mandatoryTaskId": _id(ids.MANDATORY_TASK, row.task_id),
        "contentId": _id(ids.CONTENT, row.content_id),
        "createdAt": row.created_at,
        "readAt": row.read_at,
    }


def _email(row: EmailRow) -> Json:
    return {
        "kind": row.kind,
        "mandatoryTaskId": _id(ids.MANDATORY_TASK, row.task_id),
        "status": row.status,
        "email": row.email,
        "createdAt": row.created_at,
        "attemptedAt": row.attempted_at,
        "failureReason": row.failure_reason,
    }


def _entry(row: AuditEntryRow) -> Json:
    return {
        "id": encode(ids.AUDIT_ENTRY, row.id),
        "operation": row.operation,
        "actorId": _account(row.actor_learner_id, row.actor_service_account_id),
        "occurredAt": row.occurred_at,
        "changes": row.changes,
    }
