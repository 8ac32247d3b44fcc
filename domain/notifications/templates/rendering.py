"""From facts and a text with placeholders to an email: a subject of one line, plain text, and HTML made from that."""

import html
import logging
import re
import unicodedata
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from domain.foundation.opaque_ids import MANDATORY_TASK, opaque_id
from domain.foundation.settings import TASK_PLACEHOLDER
from domain.notifications.templates.default_emails import EmailText
from domain.notifications.templates.language import read_template
from domain.notifications.templates.variables import VARIABLES, Values

log = logging.getLogger(__name__)

#: Characters of a subject with its placeholders, and of what becomes of it.
SUBJECT_LENGTH = 500


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """What somebody reads."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an email says besides the facts of its task."""

    now: datetime
    tenant_name: str
    learner_name: str
    learner_email: str | None
    #: Address of a task's page with `{id}` in place of its ID; None where there is no such page.
    task_url: str | None


def one_line(text: str, longest: int = SUBJECT_LENGTH) -> str:
    """Return a text as one line, whatever it holds: what ends a line becomes a blank, what cannot be sent a mark."""
    spaced = "".join(
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in _encodable(text)
    )
    line = " ".join(spaced.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def task_values(facts: Mapping[str, Any], circumstances: Circumstances) -> Values:
    """Return the values of the variables for the facts of a task.

    Facts: `title`, `due_on` (ISO date), `status`, `note`, `assigner_name`, `time_zone` (IANA name) and `task_id`. Days
    are counted from today in that time zone; negative ones mean that the task is overdue.
    """
    due_on = date.fromisoformat(facts["due_on"])
    today = circumstances.now.astimezone(_zone(facts.get("time_zone"))).date()
    return {
        "learner": {
            "name": _line("learner.name", circumstances.learner_name),
            "email": _line("learner.email", circumstances.learner_email),
        },
        "task": {
            "title": _line("task.title", facts["title"]),
            "dueOn": due_on.isoformat(),
            "daysLeft": (due_on - today).days,
            "status": _line("task.status", facts["status"]),
            "note": _note(facts.get("note")),
            "url": task_page(circumstances.task_url, facts["task_id"]),
        },
        "assigner": {"name": _line("assigner.name", facts.get("assigner_name"))},
        "tenant": {"name": _line("tenant.name", circumstances.tenant_name)},
    }


def task_page(task_url: str | None, task_id: int) -> str | None:
    """Return the address of a task's page, None where tasks have none."""
    return None if task_url is None else task_url.replace(TASK_PLACEHOLDER, opaque_id(MANDATORY_TASK, task_id))


def render_email(text: EmailText, values: Values, *, default: EmailText) -> RenderedEmail:
    """Return the email. A text that fails all the same, or has nothing to say, gives way to the default."""
    try:
        return _render(text, values, default)
    except Exception as error:
        # Texts are judged when they are saved. One from before a stricter judgement must not keep back a reminder.
        log.warning("an email template failed: %s", type(error).__name__)
        return _render(default, values, default)


def _render(text: EmailText, values: Values, default: EmailText) -> RenderedEmail:
    subject = one_line(read_template(text.subject, is_one_line=True).render(values))
    if not subject:
        subject = one_line(read_template(default.subject, is_one_line=True).render(values))
    body = _clean_body(read_template(text.body).render(values))
    url = values["task"]["url"]
    return RenderedEmail(subject, body, _as_html(body, None if url is None else str(url)))


def _clean_body(text: str) -> str:
    """Return lines without control characters and with at most two empty lines in a row."""
    lines = re.split(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text)
    kept = "\n".join(
        "".join(
            character for character in line if character == "\t" or unicodedata.category(character) != "Cc"
        ).rstrip()
        for line in lines
    )
    return re.sub(r"\n{4,}", "\n\n\n", kept).strip("\n") + "\n"


def _as_html(text: str, url: str | None) -> str:
    """Return the same text as HTML: all of it escaped, empty lines between paragraphs, the task's address a link."""
    escaped = html.escape(text.strip("\n"))
    if url is not None:
        address = html.escape(url)
        escaped = escaped.replace(address, f'<a href="{address}">{address}</a>')
    paragraphs = "".join(
        f"<p>{paragraph.replace(chr(10), '<br>' + chr(10))}</p>\n" for paragraph in re.split(r"\n{2,}", escaped)
    )
    return f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{paragraphs}</body>\n</html>\n'


def _line(variable: str, value: str | None) -> str | None:
    return None if value is None else one_line(value, VARIABLES[variable])


def _note(value: str | None) -> str | None:
    # The only value that may have several lines.
    return None if value is None else _encodable(value)[: VARIABLES["task.note"]]


def _encodable(text: str) -> str:
    return "".join("\ufffd" if unicodedata.category(character) == "Cs" else character for character in text)


def _zone(name: str | None) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A zone that the operating system has given up since; a day more or less must not keep back the email.
        return UTC
