"""Resolvers that wait are stepped through together: rows come by one call for a page, whatever else they wait for."""

from collections.abc import Sequence
from typing import Any

from gql.execution.loading import Loads
from tests.compiled.school import Pupil, both_ways

PAGE = [Pupil(name=f"P{number}", number=number) for number in range(10)]


async def test_a_page_asks_once() -> None:
    """One call for all rows of a batch function, and one more for what depends on them."""
    answer = await both_ways(PAGE, "{ pupils { name teacher { name subject } teachers(first: 3) { name } } }")
    assert answer.is_compiled
    assert [name for name, _ in answer.batches] == ["teachers", "keys", "teachers"]


async def test_depth_counts_and_not_the_number_of_rows() -> None:
    """Relations of what was loaded are loaded for all of it together."""
    document = "{ slowPupils { teacher { pupils { name teacher { name pupils { name } } } } } }"
    answer = await both_ways(PAGE, document)
    assert answer.is_compiled
    assert len(answer.batches) == 4


async def test_lists_under_several_root_fields_share_their_calls() -> None:
    """What two root fields ask for at the same time goes into one call."""
    answer = await both_ways(PAGE, "{ a: slowPupils { teacher { name } } b: pupils { teacher { name } } }")
    assert answer.is_compiled
    assert [name for name, _ in answer.batches] == ["teachers"]


async def test_declared_fields_load_a_page_at_once() -> None:
    """Also those that lead to many rows; what is not there is left out, and one call does for both kinds."""
    answer = await both_ways(PAGE, "{ pupils { substitute { name } substitutes { name pupils { name } } } }")
    assert answer.is_compiled
    assert [name for name, _ in answer.batches] == ["teachers", "keys"]
    assert answer.data["pupils"][0]["substitute"] is None
    assert answer.data["pupils"][4]["substitute"] == {"name": "Substitute Teacher 4"}
    assert [one["name"] for one in answer.data["pupils"][3]["substitutes"]] == [
        "Substitute Teacher 4",
        "Substitute Teacher 6",
    ]


async def test_declared_fields_fail_like_others() -> None:
    """Each of those that asked for what cannot be loaded says so."""
    given = [Pupil(name="A", number=11), Pupil(name="B", number=2)]
    answer = await both_ways(given, "{ pupils { name substitutes { name } } }")
    assert not answer.is_compiled
    assert len(answer.batches) == 1
    assert answer.told.count(b"staff room") >= 1


async def test_null_where_there_has_to_be_a_row() -> None:
    """It is reported for each, in the order of the page, and nothing is loaded twice."""
    answer = await both_ways(PAGE, "{ slowPupils { name homeTeacher { name } } }")
    assert not answer.is_compiled
    assert len(answer.batches) == 1
    assert b'"path":["slowPupils",1,"homeTeacher"]' in answer.told


async def test_what_cannot_be_loaded_is_reported_and_not_tried_again() -> None:
    """The error of the batch function, for whoever asked."""
    given = [Pupil(name="Unlucky", number=13), Pupil(name="Beside", number=2)]
    answer = await both_ways(given, "{ pupils { name teacher { name } } }")
    assert not answer.is_compiled
    assert answer.batches == [("teachers", [13, 2])]
    assert answer.told.count(b"staff room") == 2


async def test_resolvers_that_wait_for_something_else() -> None:
    """They are awaited, with timeouts and tasks of their own."""
    answer = await both_ways(PAGE[:4], "{ pupils { name lunch teacher { name } gathered } }")
    assert answer.is_compiled
    assert answer.data["pupils"][2]["lunch"] == "[2, 3, 4, 5] Teacher 2"


async def test_a_failure_among_those_that_wait() -> None:
    """What was started is ended: nothing is left that was never awaited."""
    given = [Pupil(name="A", number=13), Pupil(name="B", number=2)]
    answer = await both_ways(given, "{ pupils { lunch teacher { name } teachers { name } gathered brokenForGood } }")
    assert not answer.is_compiled


async def test_objects_belong_to_the_question_that_they_answer() -> None:
    """One batch function may hide what another one shows: what was made of one answer is never the other's."""

    async def answer(batch: Any, keys: list[Any]) -> Sequence[Any]:
        return [None if batch == "visible" else f"row {key}" for key in keys]

    loads = Loads(answer)
    assert await loads.load_as("related", 1, str.upper) == "ROW 1"
    assert await loads.load_as("visible", 1, str.upper) is None
    assert await loads.load_many_as("visible", [1, 2], str.upper) == [None, None]
    assert await loads.load_many_as("related", [2, 1], str.upper) == ["ROW 2", "ROW 1"]
