"""Templates by strangers: what they may say, and that whatever is accepted can neither fail nor do harm."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.notifications.models import NotificationKind
from domain.notifications.templates.default_emails import default_email
from domain.notifications.templates.filters import FILTERS
from domain.notifications.templates.language import LONGEST_EMAIL, BadTemplate, read_template
from domain.notifications.templates.variables import VARIABLES, Values

VALUES: dict[str, dict[str, Any]] = {
    "learner": {"name": "Lea Learner", "email": "lea@acme.example"},
    "task": {
        "title": "First aid",
        "dueOn": "2026-03-12",
        "daysLeft": 10,
        "status": "ASSIGNED",
        "note": None,
        "url": "https://acme.example/tasks/mtk_1",
    },
    "assigner": {"name": "Tina Trainer"},
    "tenant": {"name": "Acme"},
}


def render(source: str, **task: Any) -> str:
    """Render a template, with other values of the task."""
    return read_template(source).render({**VALUES, "task": {**VALUES["task"], **task}})


def refused(source: str, **options: Any) -> str:
    """Return why a template is refused; no refusal may take long."""
    begun = time.monotonic()
    with pytest.raises(BadTemplate) as caught:
        read_template(source, **options)
    assert time.monotonic() < begun + 1
    return str(caught.value)


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_has_its_value(name: str) -> None:
    """As the contract lists them."""
    thing, field = name.split(".")
    value = VALUES[thing][field]
    assert render(f"<{{{{ {name} }}}}>") == f"<{'' if value is None else value}>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if task.daysLeft < 0 %}late{% elsif task.daysLeft == 10 %}ten{% else %}soon{% endif %}", "ten"),
        ("{% if task.note %}{{ task.note }}{% else %}no note{% endif %}", "no note"),
        ("{% unless task.status == 'OVERDUE' %}in time{% endunless %}", "in time"),
        ("{% if task.title contains 'aid' and learner.email != nil %}both{% endif %}", "both"),
        ("{{ task.dueOn | date: '%d.%m.%Y' }}", "12.03.2026"),
        ("{{ task.dueOn | date: '%A, %-d %B %y (%b %a %-m)' }}", "Thursday, 12 March 26 (Mar Thu 3)"),
        ("{{ task.title | date: '%d' }}{{ task.dueOn | date: '%s %1000000000d %' }}", "First aid%s %1000000000d %"),
        ("{{ task.note | default: 'nothing' | upcase }}", "NOTHING"),
        ("{{ task.title | truncate: 6 }}|{{ task.title | truncate: 6, '' }}", "First…|First "),
        ("{{ task.title | truncate }}", "First aid"),
        ("{{ task.title | append: '!' | prepend: '¡' | downcase | capitalize }}", "¡first aid!"),
        ("{{ ' x ' | strip }}{{ 'straße' | upcase }}", "xSTRAßE"),
        ("{% comment %}{{ nobody }}{% endcomment %}{% # neither %}{{ task['title'] }}", "First aid"),
        ("{{- task.title -}}  x", "First aidx"),
        ("{% raw %}{{ as it is }}{% endraw %} { } {", "{{ as it is }} { } {"),
        ("", ""),
    ],
)  # fmt: skip
def test_templates_can_say_what_they_need(source: str, text: str) -> None:
    """Placeholders, conditions, comments and a few filters."""
    assert render(source) == text


def test_days_that_are_over_can_be_counted() -> None:
    """Negative days are overdue ones."""
    assert (
        render("{% if task.daysLeft < 0 %}{{ task.daysLeft | abs }} days late{% endif %}", daysLeft=-3) == "3 days late"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{ learner }}",
        "{{ task }}",
        "{{ nobody }}",
        "{{ learner.nickname }}",
        "{{ Learner.name }}",
        "{{ now }}",
        "{{ today }}",
        "{{ forloop.index }}",
        "{{ learner.name.size }}",
        "{{ learner.name.first }}",
        "{{ learner[0] }}",
        "{{ learner[task.title] }}",
        "{{ [task.title] }}",
        "{% if nobody %}{% endif %}",
        "{% if task.title %}{% elsif nobody %}{% endif %}",
        "{% if false %}{{ nobody }}{% endif %}",
        "{{ task.title | append: nobody }}",
        "{{ learner.__class__ }}",
        "{{ learner.__class__.__mro__[1].__subclasses__ }}",
        "{{ learner['__init__'].__globals__ }}",
        "{{ self }}",
        "{{ task.title.__len__ }}",
    ],
)
def test_nothing_but_the_variables_can_be_seen(source: str) -> None:
    """Neither unknown ones nor Python's insides, in branches that are never taken either."""
    assert refused(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for c in task.title %}{{ c }}{% endfor %}",
        "{% tablerow i in (1..10) %}{% endtablerow %}",
        "{% assign x = task.title %}",
        "{% capture x %}{% endcapture %}",
        "{% include 'secrets' %}",
        "{% render 'secrets' %}",
        "{% liquid echo task.title %}",
        "{% echo task.title %}",
        "{% increment x %}",
        "{% cycle 'a', 'b' %}",
        "{% case task.status %}{% when 'X' %}{% endcase %}",
        "{% import os %}",
        "{{ (1..1000000000) }}",
        "{{ task.title | replace: '', task.note }}",
        "{{ task.title | split: '' | join: task.note }}",
        "{{ task.title | map: 'x' }}",
        "{{ task.title | safe }}",
        "{{ task.daysLeft | times: 99999999999 }}",
        "{{ task.title | append }}",
        "{{ task.title | append: 'x', 'y' }}",
        "{{ task.title | upcase: 1 }}",
        "{{ task.note | default: 'x', allow_false: true }}",
        "{% if task.title > 3 %}{% endif %}",
        "{% if task.note < 'b' %}{% endif %}",
        "{% if task.daysLeft contains 1 %}{% endif %}",
        "{{ task.title if true }}",
    ],
)
def test_nothing_is_allowed_that_loops_grows_or_fails(source: str) -> None:
    """There are no loops, no variables of one's own, no files, and only filters that are known to be harmless."""
    assert refused(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ task.title",
        "{{ task.title }",
        "{% if task.title %}",
        "{% endif %}",
        "{% else %}",
        "{{ 'open }}",
        "{{}}",
        "{{ | upcase }}",
        "{% %}",
        "{{ task..title }}",
        "{{ task.title task.note }}",
        "{% if %}{% endif %}",
        "{% if task.title == %}{% endif %}",
        "{{ " + "[" * 5_000 + " }}",
        "{{ a" + "[a" * 3_000 + " }}",
        "{{ " + "(" * 9_000 + " }}",
        "{{ " + "9" * 9_000 + " }}",
        "{% if task.note %}" * 500,
        "{% if " + " or ".join(["task.note"] * 600) + " %}{% endif %}",
        "{% if " + " and ".join(["task.note"] * 60) + " %}x{% endif %}",
        "{{ task.note }}" * 400,
        "{{ task.note" + " | append: task.note" * 400 + " }}",
        "{{ task.dueOn | date: task.note | append: task.note }}" * 100,
        "{" * 9_990,
        "{{" + " " * 9_900,
        ("{{" + " " * 990 + "}}") * 10,
        "{% raw %}" * 1_000,
        "{% comment %}" * 700,
        "x" * 10_001,
    ],
)
def test_what_cannot_be_read_or_is_too_much_is_refused_at_once(source: str) -> None:
    """Bad syntax, endless nesting, and what could become an email of more than a hundred thousand characters."""
    assert refused(source)


def test_ten_thousand_characters_are_not_too_many() -> None:
    """The limit is what the contract says."""
    assert read_template("x" * 10_000).render(VALUES) == "x" * 10_000
    assert refused("x" * 10_001) == "At most 10,000 characters."


def test_reasons_help_the_author() -> None:
    """They say what is wrong and in which line, and hold nothing that a log or a form could choke on."""
    assert refused("Hello\n\n{{ learner.nickname }}").startswith(
        "Line 3: unknown variable 'learner.nickname'; there are"
    )
    assert refused("{{ task.title | shout }}").startswith("Line 1: unknown filter 'shout'; there are abs, append,")
    assert refused("{% for x in y %}") == "Line 1: unexpected tag 'for'."
    long_reason = refused("{{ a['\x07" + "b" * 5_000 + "'] }}")
    assert len(long_reason) < 400
    assert long_reason.isprintable()


@pytest.mark.parametrize(
    "source",
    [
        "one\ntwo",
        "one\rtwo",
        "\x00",
        "tab\there",
        "a\u2028b",
        "a\x85b",
        "{{ 'x\ny' }}",
        "{% if task.note %}\n{% endif %}",
    ],
)
def test_a_subject_is_one_line(source: str) -> None:
    """Wherever in it the end of a line would stand, and whether or not it would be reached."""
    assert refused(source, is_one_line=True) == "Must be one line without control characters."


@pytest.mark.parametrize("kind", NotificationKind)
@pytest.mark.parametrize("is_for_assigner", [False, True])
def test_default_emails_are_templates_like_all(kind: NotificationKind, is_for_assigner: bool) -> None:
    """They have to pass what the texts of strangers have to pass."""
    text = default_email(kind, is_for_assigner=is_for_assigner)
    assert read_template(text.subject, is_one_line=True).render(VALUES)
    assert "Acme" in read_template(text.body).render(VALUES)


NAMES = st.sampled_from(
    [*VARIABLES, "learner", "nobody", "task.title.size", "'text'", "''", "3", "-1", "nil", "true", "blank"]
)
CALLS = st.tuples(st.sampled_from([*FILTERS, "replace"]), st.lists(NAMES, max_size=2)).map(
    lambda call: f" | {call[0]}{': ' if call[1] else ''}{', '.join(call[1])}"
)
OUTPUTS = st.tuples(NAMES, st.lists(CALLS, max_size=4)).map(lambda parts: f"{{{{ {parts[0]}{''.join(parts[1])} }}}}")
CONDITIONS = st.tuples(NAMES, st.sampled_from(["==", "!=", "<", ">=", "contains", "and", "or"]), NAMES).map(" ".join)
SOURCES = st.recursive(
    OUTPUTS | st.text(max_size=5),
    lambda inner: st.tuples(CONDITIONS, inner, inner).map(
        lambda parts: f"{{% if {parts[0]} %}}{parts[1]}{{% else %}}{parts[2]}{{% endif %}}"
    ),
    max_leaves=6,
)
TEXTS = st.none() | st.text(max_size=20) | st.just("\ud800") | st.just("x" * 1_000)


def values_with(text: str | None, days: int) -> Values:
    """Return values that are all this text, as long as they may be."""
    every: dict[str, dict[str, Any]] = {}
    for name, longest in VARIABLES.items():
        thing, field = name.split(".")
        cut = None if text is None else text.encode("utf-8", "replace").decode()[:longest]
        every.setdefault(thing, {})[field] = days if name == "task.daysLeft" else cut
    return every


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(source=SOURCES, text=TEXTS, days=st.integers(-9_999, 9_999))
@example(source="{{ task.note | truncate: -1, task.note }}", text="x" * 1_000, days=0)
@example(source="{{ 'x' | truncate: 0, task.note }}", text="x" * 1_000, days=0)
@example(source="{% if task.daysLeft < 1.5 or task.note contains task.title %}{% endif %}", text=None, days=0)
@example(source="{{ task.dueOn | date: '%A%B%A%B' }}", text="2026-09-23", days=0)
def test_what_is_accepted_never_fails_and_keeps_its_bound(source: str, text: str | None, days: int) -> None:
    """Whatever the values are: an email that could not be written would be noticed by nobody."""
    try:
        template = read_template(source)
    except BadTemplate:
        return
    rendered = template.render(values_with(text, days))
    assert len(rendered) <= LONGEST_EMAIL
