"""What a template would send, stored or on trial, for a task or an example."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, ProblemList
from domain.notifications.models import NotificationKind
from domain.notifications.templates.access import require_seeing_templates
from domain.notifications.templates.default_emails import EmailText, default_email
from domain.notifications.templates.operations import body_text, subject_text
from domain.notifications.templates.queries import get_template
from domain.notifications.templates.rendering import Circumstances, RenderedEmail, render_email, task_values
from domain.people.queries import load_learners_by_id
from domain.tenants.queries import get_tenant

#: Days that the task of the example has left.
_DAYS_LEFT = 7
_EXAMPLE = {
    "title": "Example course",
    "status": "ASSIGNED",
    "note": "A note of the person who assigns.",
    "assigner_name": "Alex Assigner",
    # The key of no task.
    "task_id": 0,
}
_EXAMPLE_LEARNER: tuple[str, str | None] = ("Lee Learner", "lee.learner@example.com")


async def preview_email(
    reads: Statements,
    principal: Principal,
    *,
    now: datetime,
    task_url: str | None,
    template_id: int | None = None,
    subject: str | None = None,
    body: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> RenderedEmail:
    """Return what would be sent: a stored template, or the default reminder, with a subject or body on trial instead.

    `facts` are those of a task that the viewer may see, as in `Message`; without them it is an example. Needs TRAINER
    or READ. Raises NotFound and, for a text on trial, Invalid.
    """
    require_seeing_templates(principal)
    default = default_email(NotificationKind.TASK_REMINDER)
    text = default
    if template_id is not None:
        stored = await get_template(reads, principal, template_id, path=["emailTemplateId"])
        text = EmailText(stored.subject, stored.body)
    problems = ProblemList()
    for value, check, name in ((subject, subject_text, "subject"), (body, body_text, "body")):
        if value is not None:
            try:
                check(value, path=[name])
            except Invalid as error:
                problems.add(error)
    problems.raise_if_any()
    tried = EmailText(text.subject if subject is None else subject, text.body if body is None else body)
    tenant = await get_tenant(reads, principal.tenant_id)
    learner = _EXAMPLE_LEARNER
    if facts is not None:
        [person] = await load_learners_by_id(reads, principal, [facts["learner_id"]])
        learner = (person.name, person.email) if person is not None else ("", None)
    circumstances = Circumstances(
        now=now,
        tenant_name=tenant.name,
        learner_name=learner[0],
        learner_email=learner[1],
        task_url=task_url,
    )
    shown = _example(now, tenant.time_zone) if facts is None else facts
    return render_email(tried, task_values(shown, circumstances), default=default)


def _example(now: datetime, time_zone: str) -> dict[str, Any]:
    due_on = now.astimezone(ZoneInfo(time_zone)).date() + timedelta(days=_DAYS_LEFT)
    return {**_EXAMPLE, "due_on": due_on.isoformat(), "time_zone": time_zone}
