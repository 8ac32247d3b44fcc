"""How plans are kept: by document and flags, a bounded number of them."""

import gc
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import parse

from gql.compiled import executor
from gql.compiled.plans import PlanCache
from gql.documents import MOST_REMEMBERED
from tests.compiled.school import Pupil, ask, both_ways

FEW_KEPT, FEW_DOCUMENTS = 200, 800
MANY_DOCUMENTS = 10_000


@pytest.fixture(autouse=True)
def plans(monkeypatch: pytest.MonkeyPatch) -> PlanCache:
    """Plans of this test alone."""
    cache = PlanCache()
    monkeypatch.setattr(executor, "PLANS", cache)
    return cache


def running(document: str, **variables: Any) -> Any:
    """Return what the cache looks at of an executor."""
    return SimpleNamespace(
        operation=parse(document).definitions[0], schema=None, variable_values=SimpleNamespace(coerced=variables)
    )


def test_plans_belong_to_a_document_and_its_flags(plans: PlanCache) -> None:
    """Other variables do not matter."""
    one = running("query ($a: Boolean!, $n: Int, $b: Boolean, $l: [Boolean]) { x }", a=True, n=1, b=None, l=[True])
    assert plans.of(one) is plans.of(one)
    first = plans.of(one)
    one.variable_values.coerced["n"] = 2
    assert plans.of(one) is first
    one.variable_values.coerced["b"] = False
    assert plans.of(one) is not first
    assert plans.of(running("{ x }")) is not plans.of(running("{ x }"))


def test_those_not_used_for_longest_go_first() -> None:
    """What is in use stays."""
    cache = PlanCache(most=2)
    first, second, third = (running("{ x }") for _ in range(3))
    kept, dropped = cache.of(first), cache.of(second)
    cache.of(first)
    cache.of(third)
    assert cache.of(first) is kept
    assert cache.of(second) is not dropped
    assert len(cache) == 2


@pytest.mark.parametrize(
    ("kept", "documents"),
    [(FEW_KEPT, FEW_DOCUMENTS), pytest.param(MOST_REMEMBERED, MANY_DOCUMENTS, marks=pytest.mark.soak)],
)
async def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch, kept: int, documents: int) -> None:
    """However many different documents come, they take no more than the first ones have taken."""
    cache = PlanCache(kept)
    monkeypatch.setattr(executor, "PLANS", cache)
    given = [Pupil(name="Ann", friends=[Pupil(name="Ben")])]
    tracemalloc.start()
    try:
        sizes = []
        for number in range(documents):
            await ask(given, f"{{ pupils {{ a{number}: name age friends {{ name age }} }} }}", is_compiling=True)
            if number in (2 * kept, documents - 1):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(cache) == kept
    # A plan takes about ten kilobytes.
    assert sizes[1] - sizes[0] < 500_000
    assert (await both_ways(given, "{ pupils { name } }")).is_compiled
