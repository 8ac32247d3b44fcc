"""What a guide says, sentence by sentence: which tests play it, or why there is nothing to play."""

from typing import NamedTuple


class Sentence(NamedTuple):
    """A sentence of a guide, with the tests that play it or the reason why it is not normative."""

    text: str
    tests: tuple[str, ...] = ()
    not_normative: str = ""


def played(text: str, *tests: str) -> Sentence:
    """Return a sentence that tests play."""
    return Sentence(text, tests)


def other(text: str, reason: str) -> Sentence:
    """Return a sentence that asks nothing of the product."""
    return Sentence(text, not_normative=reason)
