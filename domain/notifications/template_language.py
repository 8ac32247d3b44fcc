"""The language of email templates: Liquid's placeholders, conditions and a few filters. There are no loops in it.

Strangers write these texts. A template is read once, judged as a whole, and can then neither fail, nor see anything but
its ten variables, nor become longer than a bound: whatever is not known to be harmless is refused when it is saved.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from liquid import BoundTemplate, Environment, Mode, RenderContext, StrictUndefined
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin import content, illegal, output
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import BooleanExpression, Nil, Path, StringLiteral
from liquid.builtin.expressions import FilteredExpression as Filtered
from liquid.builtin.expressions.arguments import PositionalArgument
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    FloatLiteral,
    IntegerLiteral,
    TrueLiteral,
)
from liquid.builtin.output import OutputNode
from liquid.builtin.tags import comment_tag, if_tag, inline_comment_tag, unless_tag
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression

from domain.notifications.template_filters import FILTERS, GROWTH_OF_DATES

#: Characters of a template, and of the longest email that may come of it.
LONGEST_TEMPLATE = 10_000
LONGEST_EMAIL = 100_000
#: The variables, each with the most characters that its value has; longer ones are cut.
VARIABLES: Mapping[str, int] = MappingProxyType(
    {
        "learner.name": 255,
        "learner.email": 320,
        "task.title": 200,
        "task.dueOn": 10,
        "task.daysLeft": 8,
        "task.status": 20,
        "task.note": 500,
        "task.url": 500,
        "assigner.name": 255,
        "tenant.name": 200,
    }
)
NUMBERS = frozenset({"task.daysLeft"})
#: Values by object and field, as in `{"task": {"title": "First aid"}}`.
Values = Mapping[str, Mapping[str, str | int | None]]

_DEEPEST = 40
_NAME_SHOWN = 60
_REASON_LENGTH = 300
_BYTES_OF_A_CHARACTER = 4

_NODES = (BlockNode, CommentNode, ConditionalBlockNode, ContentNode, IfNode, OutputNode, UnlessNode)
_COMPARISONS = (GeExpression, GtExpression, LeExpression, LtExpression)
_BINARY = (ContainsExpression, EqExpression, NeExpression, LogicalAndExpression, LogicalOrExpression, *_COMPARISONS)
_VALUES = (Blank, Empty, FalseLiteral, FloatLiteral, IntegerLiteral, Nil, StringLiteral, TrueLiteral)


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
    try:
        bound = _LANGUAGE.from_string(source)
        longest = _Judge(bound, is_one_line).judge()
    except (LiquidError, RecursionError) as error:
        raise BadTemplate(_reason(error, source)) from error
    if longest > LONGEST_EMAIL:
        raise BadTemplate(f"Could become an email of {longest:,} characters; at most {LONGEST_EMAIL:,}.")
    return Template(bound)


def has_control_characters(text: str) -> bool:
    """Tell whether a text has anything in it that ends or garbles a line."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


def _reason(error: LiquidError | RecursionError, source: str) -> str:
    if isinstance(error, RecursionError) or not error.args:
        return "Cannot be read as a template."
    told = str(error.args[0])
    # The library quotes the template, which may be long and hold anything.
    told = "".join(character if character.isprintable() else " " for character in told)[:_REASON_LENGTH]
    start = error.token.start_index if error.token is not None else -1
    return f"Line {source.count(chr(10), 0, start) + 1}: {told}." if start >= 0 else f"{told}."


class _Judge:
    """Walks through everything that a template can do, whichever way its conditions go."""

    def __init__(self, template: BoundTemplate, is_one_line: bool) -> None:
        self._template = template
        self._is_one_line = is_one_line
        self._context = RenderContext(template)

    def judge(self) -> int:
        """Return how many characters the template becomes at most."""
        return sum(self._node(node) for node in self._template.nodes)

    def _node(self, node: Node) -> int:
        if not isinstance(node, _NODES):
            raise LiquidError("this cannot be used here", token=node.token)
        if isinstance(node, ContentNode):
            self._require_one_line(node.text, node)
            return len(node.text)
        longest = sum(self._expression(expression) for expression in node.expressions())
        below = sum(self._node(child) for child in node.children(self._context))
        # Conditions are judged as well, but only what is put out counts.
        return longest if isinstance(node, OutputNode) else below

    def _expression(self, expression: Expression, depth: int = 0) -> int:
        """Return how many characters the value of an expression has at most."""
        if depth > _DEEPEST:
            raise LiquidError(f"at most {_DEEPEST} conditions can be joined", token=expression.token)
        match expression:
            case Path():
                return VARIABLES[self._variable(expression)]
            case StringLiteral():
                self._require_one_line(expression.value, expression)
                return len(expression.value)
            case _ if isinstance(expression, _VALUES):
                return len(str(expression))
            case BooleanExpression():
                return self._expression(expression.expression, depth + 1)
            case Filtered():
                return self._filtered(expression, depth)
        if isinstance(expression, _BINARY):
            sides = (expression.left, expression.right)
            if isinstance(expression, _COMPARISONS) and not all(self._is_number(side) for side in sides):
                raise LiquidError("only numbers can be compared by size", token=expression.token)
            if isinstance(expression, ContainsExpression) and self._is_no_text(expression.left):
                raise LiquidError("only texts contain something", token=expression.token)
            return sum(self._expression(side, depth + 1) for side in sides)
        raise LiquidError("this cannot be used here", token=expression.token)

    def _variable(self, path: Path) -> str:
        name = ".".join(str(part) for part in path.path)
        if not all(isinstance(part, str) for part in path.path) or name not in VARIABLES:
            known = ", ".join(VARIABLES)
            raise LiquidError(f"unknown variable '{name[:_NAME_SHOWN]}'; there are {known}", token=path.token)
        return name

    def _filtered(self, expression: Filtered, depth: int) -> int:
        longest = self._expression(expression.left, depth + 1)
        for used in expression.filters or ():
            filter = FILTERS.get(used.name)
            if filter is None:
                known = ", ".join(FILTERS)
                raise LiquidError(f"unknown filter '{used.name[:_NAME_SHOWN]}'; there are {known}", token=used.token)
            if not all(isinstance(argument, PositionalArgument) for argument in used.args) or not (
                filter.fewest <= len(used.args) <= filter.most
            ):
                raise LiquidError(f"filter '{used.name}' is given other arguments than it takes", token=used.token)
            added = sum(self._expression(argument.value, depth + 1) for argument in used.args)
            longest += added * GROWTH_OF_DATES if used.name == "date" else added
        return longest

    def _is_number(self, expression: Expression) -> bool:
        if isinstance(expression, Path):
            return self._variable(expression) in NUMBERS
        return isinstance(expression, IntegerLiteral | FloatLiteral)

    def _is_no_text(self, expression: Expression) -> bool:
        if isinstance(expression, Path):
            return self._variable(expression) in NUMBERS
        return not isinstance(expression, StringLiteral)

    def _require_one_line(self, text: str, where: Node | Expression) -> None:
        if self._is_one_line and has_control_characters(text):
            raise LiquidError("must be one line without control characters", token=where.token)


def variables_of(values: Values) -> Iterator[str]:
    """Yield the names of the variables that have a value here."""
    return (f"{thing}.{field}" for thing, fields in values.items() for field in fields)
