"""Tables of mandatory tasks, their cycles and reminders, and of assigning them in bulk."""

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model

from domain.mandatory_tasks.reminders.schedule import ReminderReason, ReminderStatus
from domain.mandatory_tasks.status import TaskStage


class MandatoryTask(Model):
    """A target that a learner has to complete by a date; the row is the task in its current cycle.

    `stage` is the status without what time makes of it: whether the task is overdue follows from `due_at`.
    """

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    learner_id = fields.BigIntField()
    target_id = fields.BigIntField()
    assigner_learner_id = fields.BigIntField(null=True)
    assigner_service_account_id = fields.BigIntField(null=True)
    bulk_assignment_id = fields.BigIntField(null=True)
    note = fields.TextField(null=True)
    every_weeks = fields.IntField(null=True)
    #: Days that the first assignment gave.
    first_lead_days = fields.IntField()
    cycle_number = fields.IntField(default=1)
    due_on = fields.DateField()
    #: End of the due date in the learner's time zone.
    due_at = fields.DatetimeField()
    stage = fields.CharEnumField(TaskStage, max_length=32)
    completed_at = fields.DatetimeField(null=True)
    #: Whether the log and the feed have been told that the task is overdue.
    is_overdue_noted = fields.BooleanField(default=False)
    is_suspended = fields.BooleanField(default=False)
    #: Of a repeated task that is completed: the next cycle, and the instant at which it opens.
    next_due_on = fields.DateField(null=True)
    next_opens_on = fields.DateField(null=True)
    next_opens_at = fields.DatetimeField(null=True)
    withdrawn_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    version = fields.IntField(default=1)
    edited_version = fields.IntField(default=1)

    class Meta:
        table = "mandatory_task"
        indexes = (("tenant_id", "created_at", "id"), ("tenant_id", "updated_at", "id"), ("bulk_assignment_id", "id"))


class TaskCycle(Model):
    """One round of a task, kept for ever; a task that is not repeated has one."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    task_id = fields.BigIntField()
    number = fields.IntField()
    opened_on = fields.DateField()
    due_on = fields.DateField()
    due_at = fields.DatetimeField()
    every_weeks = fields.IntField(null=True)
    completed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "task_cycle"
        unique_together = (("task_id", "number"),)


class TaskReminderSetting(Model):
    """Reminder that a task is set up with. One that is taken out stays as a row: put in again, it is the same."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    task_id = fields.BigIntField()
    days_before_due = fields.IntField()
    template_id = fields.BigIntField(null=True)
    #: Sorted values of `ReminderRecipient`.
    recipients = ArrayField(element_type="text")
    removed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "task_reminder_setting"


class TaskReminder(Model):
    """Entry of the ledger: a reminder of one cycle, planned for one due date."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    task_id = fields.BigIntField()
    cycle_number = fields.IntField()
    setting_id = fields.BigIntField()
    due_on = fields.DateField()
    scheduled_at = fields.DatetimeField()
    status = fields.CharEnumField(ReminderStatus, max_length=32)
    reason = fields.CharEnumField(ReminderReason, max_length=32, null=True)
    #: When the entry got its final state.
    settled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "task_reminder"
        unique_together = (("task_id", "cycle_number", "setting_id", "due_on"),)


class BulkAssignment(Model):
    """Tasks given to an audience at once. Who is in it, and how early each may be due, is fixed as it is confirmed."""

    id = fields.BigIntField(primary_key=True)
    tenant_id = fields.BigIntField()
    target_id = fields.BigIntField()
    due_on = fields.DateField()
    note = fields.TextField(null=True)
    every_weeks = fields.IntField(null=True)
    #: `[{"days_before_due": …, "template_id": …, "recipients": […]}]`
    reminders = fields.JSONField()  # type: ignore[var-annotated]
    job_id = fields.BigIntField(null=True)
    created_by_learner_id = fields.BigIntField(null=True)
    created_by_service_account_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "bulk_assignment"
        indexes = (("tenant_id", "id"),)
