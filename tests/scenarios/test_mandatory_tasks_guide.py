"""The guide to mandatory tasks: every sentence of it is played by a test, or asks nothing of the product.

The table is in `mandatory_tasks_sentences_*`, the tests are in `test_mandatory_tasks_guide_*`.
"""

from types import ModuleType

import pytest

from tests.scenarios import (
    mandatory_tasks_sentences_assigning,
    mandatory_tasks_sentences_following,
    test_mandatory_tasks_guide_assigning,
    test_mandatory_tasks_guide_bulk,
    test_mandatory_tasks_guide_following,
    test_mandatory_tasks_guide_recurrence,
    test_mandatory_tasks_guide_reminders,
)
from tests.scenarios.sentences import Sentence

TABLE: list[tuple[int, Sentence]] = [
    *mandatory_tasks_sentences_assigning.SENTENCES.items(),
    *mandatory_tasks_sentences_following.SENTENCES.items(),
]
MODULES: list[ModuleType] = [
    test_mandatory_tasks_guide_assigning,
    test_mandatory_tasks_guide_bulk,
    test_mandatory_tasks_guide_following,
    test_mandatory_tasks_guide_recurrence,
    test_mandatory_tasks_guide_reminders,
]
SENTENCE_COUNT = 105


def test_no_sentence_of_the_guide_is_missing() -> None:
    """The numbers run from the first sentence to the last one, and each has its text."""
    assert [number for number, _ in TABLE] == [*range(1, SENTENCE_COUNT + 1)]
    assert all(sentence.text for _, sentence in TABLE)


@pytest.mark.parametrize(("number", "sentence"), TABLE)
def test_each_sentence_is_played_or_asks_nothing(number: int, sentence: Sentence) -> None:
    """A sentence has tests, which exist and say what they show, or the reason why it is not normative."""
    assert bool(sentence.tests) is not bool(sentence.not_normative)
    for name in sentence.tests:
        (test,) = [getattr(module, name) for module in MODULES if hasattr(module, name)]
        assert test.__doc__, f"sentence {number}: {name}"


def test_each_test_plays_a_sentence() -> None:
    """No test of the guide stands for nothing in it."""
    named = {name for _, sentence in TABLE for name in sentence.tests}
    tests = {name for module in MODULES for name in vars(module) if name.startswith("test_")}
    assert tests == named
