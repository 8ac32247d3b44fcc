"""The language of email templates: Liquid's placeholders, conditions and a few filters. There are no loops in it.

Strangers write these texts. A template is read once, judged as a whole, and can then neither fail, nor see anything but
its ten variables, nor become longer than a bound: whatever is not known to be harmless is refused when it is saved.
"""

import re
from functools import lru_cache

from liquid import BoundTemplate, Environment, Mode, StrictUndefined
from liquid.builtin import content, illegal, output
from liquid.builtin.tags import comment_tag, if_tag, inline_comment_tag, unless_tag
from liquid.exceptions import LiquidError

from domain.notifications.templates.filters import FILTERS
from domain.notifications.templates.validation import has_control_characters, longest_text
from domain.notifications.templates.variables import Values

#: Characters of a template, and of the longest email that may come of it.
LONGEST_TEMPLATE = 10_000
LONGEST_EMAIL = 100_000
#: Characters between the braces of one placeholder or tag.
_LONGEST_MARKUP = 1_000
_REASON_LENGTH = 300
_BYTES_OF_A_CHARACTER = 4
_OPENING = re.compile(r"\{[{%]")
_WIDE_BLANKS = re.compile(r"\s{50}")


class BadTemplate(ValueError):
    """The template cannot be accepted; the message says why, and in which line."""


class _Language(Environment):
    block_nesting_limit = 30
    # Judged templates stay far below; this is for what the judgement would have missed.
    output_stream_limit = LONGEST_EMAIL * _BYTES_OF_A_CHARACTER * 2
    suppress_blank_control_flow_blocks = False

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in (
            content.Literal,
            output.Output,
            illegal.Illegal,
            if_tag.IfTag,
            unless_tag.UnlessTag,
            comment_tag.CommentTag,
            inline_comment_tag.InlineCommentTag,
        ):
            self.add_tag(tag)
        for name, filter in FILTERS.items():
            self.add_filter(name, filter.apply)


_LANGUAGE = _Language(tolerance=Mode.STRICT, undefined=StrictUndefined, strict_filters=True)


class Template:
    """A template that has been judged."""

    def __init__(self, bound: BoundTemplate) -> None:
        self._bound = bound

    def render(self, values: Values) -> str:
        """Return the text for these values: every variable has one, None where there is nothing to say."""
        return self._bound.render(**values)


@lru_cache(maxsize=512)
def read_template(source: str, *, is_one_line: bool = False) -> Template:
    """Return a template, ready to be rendered; raises BadTemplate, with the reason, for any that is not harmless.

    With `is_one_line`, control characters are refused too, wherever in the template they stand.
    """
    if len(source) > LONGEST_TEMPLATE:
        raise BadTemplate(f"At most {LONGEST_TEMPLATE:,} characters.")
    if is_one_line and has_control_characters(source):
        raise BadTemplate("Must be one line without control characters.")
    _require_short_markup(source)
    try:
        bound = _LANGUAGE.from_string(source)
        longest = longest_text(bound, is_one_line=is_one_line)
    except (LiquidError, RecursionError) as error:
        raise BadTemplate(_reason(error, source)) from error
    if longest > LONGEST_EMAIL:
        raise BadTemplate(f"Could become an email of {longest:,} characters; at most {LONGEST_EMAIL:,}.")
    return Template(bound)


def _require_short_markup(source: str) -> None:
    """Refuse braces that stay open or hold too much: the library's search for their ends would take seconds."""
    start = -1
    while match := _OPENING.search(source, start + 1):
        start, closing = match.start(), {"{{": "}}", "{%": "%}"}[match[0]]
        end = source.find(closing, match.end(), match.end() + _LONGEST_MARKUP)
        place = f"Line {_line(source, start)}:"
        if end < 0:
            raise BadTemplate(f"{place} no '{closing}' within {_LONGEST_MARKUP:,} characters of '{match[0]}'.")
        if _WIDE_BLANKS.search(source, match.end(), end):
            raise BadTemplate(f"{place} too many blanks in a row behind '{match[0]}'.")
        start = end + len(closing) - 1


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1


def _reason(error: LiquidError | RecursionError, source: str) -> str:
    if isinstance(error, RecursionError) or not error.args:
        return "Cannot be read as a template."
    told = str(error.args[0])
    # The library quotes the template, which may be long and hold anything.
    told = "".join(character if character.isprintable() else " " for character in told)[:_REASON_LENGTH]
    start = error.token.start_index if error.token is not None else -1
    return f"Line {_line(source, start)}: {told}." if start >= 0 else f"{told}."
