"""What emails say where the tenant has no template of its own, written in the language of templates."""

from dataclasses import dataclass

from domain.notifications.models import NotificationKind


@dataclass(frozen=True, slots=True)
class EmailText:
    """Subject and body of an email, with placeholders."""

    subject: str
    body: str


#: Without an address for links, people look for their task where they learn.
_FOOT = """
{% if task.url %}{{ task.url }}

{{ tenant.name }}{% else %}You find it in the academy of {{ tenant.name }}.{% endif %}
"""

_NOTE = """{% if task.note %}
{{ task.note }}
{% endif %}"""

_IS_COMPLETED = "{% if task.status == 'COMPLETED' %}"

_ASSIGNED = EmailText(
    "{{ task.title }}: " + _IS_COMPLETED + "completed already{% else %}to be completed by {{ task.dueOn }}{% endif %}",
    """Hello {{ learner.name }},

{{ assigner.name | default: tenant.name }} has assigned "{{ task.title }}" to you.
"""
    + _IS_COMPLETED
    + """You have completed it already, so there is nothing to do.
{% else %}Please complete it by {{ task.dueOn }}.
{% endif %}"""
    + _NOTE
    + _FOOT,
)

_CHANGED = EmailText(
    "{{ task.title }}: changed, " + _IS_COMPLETED + "completed already"
    "{% else %}to be completed by {{ task.dueOn }}{% endif %}",
    """Hello {{ learner.name }},

your task "{{ task.title }}" has been changed. """
    + _IS_COMPLETED
    + """You have completed it already, so there is nothing to do now.
{% else %}It is to be completed by {{ task.dueOn }}.
{% endif %}"""
    + _NOTE
    + _FOOT,
)

_WITHDRAWN = EmailText(
    "{{ task.title }}: no longer needed",
    """Hello {{ learner.name }},

your task "{{ task.title }}" has been withdrawn. You do not need to complete it any more.

{{ tenant.name }}
""",
)

_REOPENED = EmailText(
    "{{ task.title }}: again to be completed by {{ task.dueOn }}",
    """Hello {{ learner.name }},

it is time for "{{ task.title }}" again. Please complete it by {{ task.dueOn }}.
"""
    + _NOTE
    + _FOOT,
)

_DUE = (
    "{% if task.daysLeft < 0 %}was due on {{ task.dueOn }}"
    "{% elsif task.daysLeft == 0 %}is due today"
    "{% elsif task.daysLeft == 1 %}is due tomorrow"
    "{% else %}is due on {{ task.dueOn }}, in {{ task.daysLeft }} days{% endif %}"
)

_REMINDER = EmailText(
    "Reminder: {{ task.title }} " + _DUE,
    """Hello {{ learner.name }},

your task "{{ task.title }}" """
    + _DUE
    + """.
"""
    + _NOTE
    + _FOOT,
)

_REMINDER_OF_ASSIGNER = EmailText(
    "Reminder: {{ task.title }} of {{ learner.name }} " + _DUE,
    """Hello {{ assigner.name }},

the task "{{ task.title }}", which you assigned to {{ learner.name }}, """
    + _DUE
    + """.
"""
    + _FOOT,
)

_EMAILS = {
    NotificationKind.TASK_ASSIGNED: _ASSIGNED,
    NotificationKind.TASK_CHANGED: _CHANGED,
    NotificationKind.TASK_WITHDRAWN: _WITHDRAWN,
    NotificationKind.TASK_REOPENED: _REOPENED,
    NotificationKind.TASK_REMINDER: _REMINDER,
}


def default_email(kind: NotificationKind, *, is_for_assigner: bool = False) -> EmailText:
    """Return the default email of a kind; who assigned the task is told about the learner, not about themselves."""
    if is_for_assigner and kind is NotificationKind.TASK_REMINDER:
        return _REMINDER_OF_ASSIGNER
    return _EMAILS[kind]
