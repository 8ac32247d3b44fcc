"""How plans are kept: by document and flags, as long as the document is, and within what all documents may take."""

import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gql.execution import documents
from gql.execution.compiled import plans
from gql.execution.compiled.plans import plans_of
from gql.execution.documents import MAX_PLANS, MAX_REMEMBERED_BYTES, Documents, read_document
from tests.compiled.school import Pupil, ask, both_ways

FEW_BYTES, FEW_DOCUMENTS = 2 * 1024 * 1024, 150
MANY_DOCUMENTS = 10_000


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Documents:
    """Documents of this test alone."""
    return keep_here(monkeypatch, Documents())


def keep_here(monkeypatch: pytest.MonkeyPatch, kept: Documents) -> Documents:
    """Let documents be kept there."""
    monkeypatch.setattr(documents, "DOCUMENTS", kept)
    monkeypatch.setattr(plans, "DOCUMENTS", kept)
    return kept


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    """Nobody looks for garbage."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def running(kept: Documents, document: str, **variables: Any) -> Any:
    """Return what the plans look at of an executor."""
    remembered = kept.keep(document, read_document(document))
    return SimpleNamespace(
        operation=next(remembered.operations), schema=None, variable_values=SimpleNamespace(coerced=variables)
    )


def test_plans_belong_to_a_document_and_its_flags(kept: Documents) -> None:
    """Other variables do not matter."""
    document = "query ($a: Boolean!, $n: Int, $b: Boolean, $l: [Boolean]) { x }"
    one = running(kept, document, a=True, n=1, b=None, l=[True])
    assert plans_of(one) is plans_of(one)
    first = plans_of(one)
    one.variable_values.coerced["n"] = 2
    assert plans_of(one) is first
    one.variable_values.coerced["b"] = False
    assert plans_of(one) is not first
    assert plans_of(running(kept, "{ x }")) is not plans_of(running(kept, "{ y }"))


def test_flags_are_many_and_plans_are_few(kept: Documents) -> None:
    """A document with ten flags has a thousand sets of plans, of which some are kept."""
    one = running(kept, "query ($a: Boolean) { x }")
    for number in range(100):
        one.variable_values.coerced["a"] = number
        plans_of(one)
    remembered = kept.of(one.operation)
    assert remembered is not None
    assert len(remembered.plans) <= MAX_PLANS


@pytest.mark.usefixtures("without_garbage_collection")
def test_what_was_not_used_for_longest_goes_first_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its plans and its syntax tree, and without anybody looking for garbage."""
    kept = keep_here(monkeypatch, Documents(2 * (documents.ENTRY_BYTES + 6 * documents.NODE_BYTES)))
    first = running(kept, "{ x }")
    trees = [weakref.ref(first.operation)]
    second = running(kept, "{ y }")
    trees.append(weakref.ref(second.operation))
    plan = weakref.ref(plans_of(second))
    kept.find("{ x }")
    del second
    running(kept, "{ z }")
    assert kept.find("{ x }") is not None
    assert kept.find("{ y }") is None
    assert trees[0]() is first.operation
    assert trees[1]() is None
    assert plan() is None
    assert len(kept) == 2


@pytest.mark.usefixtures("without_garbage_collection")
@pytest.mark.parametrize(
    ("most", "documents_sent"),
    [(FEW_BYTES, FEW_DOCUMENTS), pytest.param(MAX_REMEMBERED_BYTES, MANY_DOCUMENTS, marks=pytest.mark.soak)],
)
async def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch, most: int, documents_sent: int) -> None:
    """However many different documents come, and however long they are, they take no more than they may."""
    kept = keep_here(monkeypatch, Documents(most))
    given = [Pupil(name="Ann", friends=[Pupil(name="Ben")])]
    await ask(given, "{ pupils { name age friends { name age } } }", is_compiling=True)
    tracemalloc.start()
    try:
        for number in range(documents_sent):
            # Long ones of few nodes, short ones of many.
            filling = f"#{'x' * 10_000}" if number % 3 else " ".join(f"b{field}: name" for field in range(200))
            document = f"{{ pupils {{ a{number}: name age friends {{ name age }} {filling}\n }} }}"
            await ask(given, document, is_compiling=True)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 3 < len(kept) < documents_sent
    assert kept.size <= most
    assert taken < most + 1_000_000
    assert (await both_ways(given, "{ pupils { name } }")).is_compiled
