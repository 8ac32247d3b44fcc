"""Judging a template as a whole: everything that it can do, whichever way its conditions go.

What is not known here is refused, so a new release of the library allows nothing that was not looked at.
"""

import unicodedata

from liquid import BoundTemplate, RenderContext
from liquid.ast import BlockNode, ConditionalBlockNode, Node
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
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression

from domain.notifications.templates.filters import FILTERS, GROWTH_OF_DATES
from domain.notifications.templates.variables import NUMBERS, VARIABLES

#: Conditions that are joined to one; each costs a level of the stack.
_DEEPEST = 40
_NAME_SHOWN = 60

_NODES = (BlockNode, CommentNode, ConditionalBlockNode, ContentNode, IfNode, OutputNode, UnlessNode)
_COMPARISONS = (GeExpression, GtExpression, LeExpression, LtExpression)
_BINARY = (ContainsExpression, EqExpression, NeExpression, LogicalAndExpression, LogicalOrExpression, *_COMPARISONS)
_VALUES = (Blank, Empty, FalseLiteral, FloatLiteral, IntegerLiteral, Nil, StringLiteral, TrueLiteral)


def longest_text(template: BoundTemplate, *, is_one_line: bool) -> int:
    """Return how many characters a template becomes at most; raises LiquidError for one that is not harmless.

    With `is_one_line`, control characters in its texts are no harmless thing.
    """
    return _Judge(template, is_one_line).judge()


def has_control_characters(text: str) -> bool:
    """Tell whether a text has anything in it that ends or garbles a line."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


class _Judge:
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
