"""What compiled functions complete is what the ordinary way completes, and what they cannot is left to it."""

from typing import Any

import pytest

from tests.compiled.school import Grade, Headmaster, Pupil, Robot, Teacher, both_ways

PLAIN = "{ pupils { id name age height isHere grade nickname __typename } }"


def class_name(value: object) -> str:
    """Name a case: the same in every process."""
    return type(value).__name__


def pupil(name: str = "Ann", /, **values: Any) -> Pupil:
    """Return a pupil, with attributes of any kind."""
    made = Pupil(name=name)
    for key, value in values.items():
        setattr(made, key, value)
    return made


async def test_attributes_of_all_kinds() -> None:
    """Scalars, enums and the name of the type, given and null."""
    given = [pupil(height=1.5, grade=Grade.GOOD, nickname="A"), pupil("Ben", is_here=False)]
    answer = await both_ways(given, PLAIN)
    assert answer.is_compiled
    assert answer.data["pupils"][0]["grade"] == "GOOD"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", 7),
        ("name", True),
        ("name", ["a"]),
        ("name", ValueError("stored")),
        ("id", 5),
        ("id", None),
        ("age", None),
        ("age", "7"),
        ("age", 7.0),
        ("age", 7.5),
        ("age", True),
        ("age", 2**31),
        ("age", -(2**31)),
        ("age", -(2**31) - 1),
        ("height", 1),
        ("height", float("nan")),
        ("height", "tall"),
        ("is_here", None),
        ("is_here", 1),
        ("is_here", "yes"),
        ("grade", "good"),
        ("grade", "GOOD"),
        ("grade", 3),
        ("nickname", object()),
    ],
)
async def test_values_of_other_classes(field: str, value: object) -> None:
    """They are coerced, or reported, as always; for the others on the page too."""
    answer = await both_ways([pupil(), pupil("Ben", **{field: value}), pupil("Cid")], PLAIN)
    await both_ways(pupil(**{field: value}), PLAIN.replace("pupils", "pupil"))
    assert answer.data is None or len(answer.data["pupils"]) == 3


async def test_an_attribute_that_is_not_there() -> None:
    """An object without the attribute is reported."""
    made = pupil()
    del made.name
    answer = await both_ways([made], PLAIN)
    assert not answer.is_compiled
    assert b"pupils" in answer.told


@pytest.mark.parametrize(
    "given",
    [
        [],
        [pupil()],
        [None],
        [pupil(), None],
        (pupil(), pupil("Ben")),
        None,
        "text",
        7,
        iter([]),
        [Teacher(name="T")],
        [object()],
    ],
    ids=class_name,
)
@pytest.mark.parametrize("field", ["pupils", "slowPupils"])
async def test_lists_that_are_and_are_not(given: Any, field: str) -> None:
    """Nulls in lists that may and may not have some, and what is no list, or none of these objects."""
    await both_ways(given, f"{{ {field} {{ name age }} }}")


@pytest.mark.parametrize("value", [None, [], [None], ["a", None], "text", [7], ("a",), {"a": 1}], ids=class_name)
@pytest.mark.parametrize("field", ["hobbies", "marks", "rivals", "friends", "best_friend"])
async def test_nullability_at_each_level(field: str, value: Any) -> None:
    """Lists of lists, of nulls, of scalars and objects."""
    names = {"best_friend": "bestFriend { name }", "rivals": "rivals { name }", "friends": "friends { name }"}
    document = f"{{ pupils {{ name {names.get(field, field)} }} }}"
    await both_ways([pupil(), pupil("Ben", **{field: value})], document)


@pytest.mark.parametrize("value", [[[1, 2], []], [[1], None], [[None]], [["x"]], [[2**40]]], ids=class_name)
async def test_lists_of_lists(value: Any) -> None:
    """Each level has its own nullability."""
    await both_ways([pupil(marks=value)], "{ pupils { marks } }")


async def test_deep_nulls_go_up_as_far_as_they_have_to() -> None:
    """The path of an error names the place, with aliases."""
    broken = pupil("Cid", age=None)
    given = [pupil(friends=[pupil("Ben", best_friend=broken)]), pupil("Dan", rivals=[broken, pupil("Eve")])]
    answer = await both_ways(
        given, "{ all: pupils { mates: friends { bestFriend { name years: age } } rivals { age } } }"
    )
    assert not answer.is_compiled
    assert b'"path":["all",0,"mates",0,"bestFriend","years"]' in answer.told


@pytest.mark.parametrize("field", ["broken", "brokenForGood"])
async def test_resolvers_that_raise(field: str) -> None:
    """All of them are reported, once each."""
    answer = await both_ways([pupil(), pupil("Ben")], f"{{ pupils {{ name {field} }} slowPupils {{ name {field} }} }}")
    assert b"is broken" in answer.told


async def test_fields_that_are_computed_have_arguments() -> None:
    """Given, by variables, left out; also wrong ones."""
    document = """query ($word: String, $times: Int = 2) {
      pupils { shouted greeting one: greeting(word: "Hi") two: greeting(word: $word, times: $times) } }"""
    answer = await both_ways([pupil(), pupil("Ben")], document, word="Hey")
    assert answer.is_compiled
    assert answer.data["pupils"][0]["two"] == "HeyHey Ann of greeting"
    await both_ways([pupil()], document)
    await both_ways([pupil()], document, word=None)


async def test_fragments_aliases_and_fields_selected_twice() -> None:
    """Selections of one field at several places are merged, in the order of the first mention."""
    given = [pupil(friends=[pupil("Ben", best_friend=pupil("Cid"))])]
    answer = await both_ways(
        given,
        """
        { pupils { ...Named friends { age } ... on Being { who: name } friends { ...Named bestFriend { name } } } }
        fragment Named on Pupil { name friends { id ... on Pupil { bestFriend { id } } } }
        """,
    )
    assert answer.is_compiled
    [ben] = answer.data["pupils"][0]["friends"]
    assert list(ben) == ["id", "bestFriend", "age", "name", "friends"]
    assert ben["bestFriend"] == {"id": "1", "name": "Cid"}


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("hidden", [True, False])
async def test_directives_by_the_values_of_variables(*, shown: bool, hidden: bool) -> None:
    """On fields, inline fragments and spreads, constant and by variable; the same document for all values."""
    answer = await both_ways(
        [pupil(friends=[pupil("Ben")])],
        """
        query ($shown: Boolean!, $hidden: Boolean = false) {
          pupils {
            name @include(if: $shown)
            age @skip(if: $hidden)
            ... @include(if: $shown) { nickname id @skip(if: $hidden) }
            ...Friends @skip(if: $hidden)
            isHere @include(if: false)
            grade @skip(if: false) @include(if: $shown)
            __typename
          }
        }
        fragment Friends on Pupil { friends @include(if: $shown) { name age @skip(if: $shown) } }
        """,
        shown=shown,
        hidden=hidden,
    )
    assert answer.is_compiled
    assert ("name" in answer.data["pupils"][0]) is shown
    assert ("age" in answer.data["pupils"][0]) is not hidden


@pytest.mark.parametrize("field", ["pupils", "slowPupils"])
@pytest.mark.parametrize(
    "given", [[], [pupil()], [pupil(best_friend=pupil()), pupil(best_friend=pupil())], [None]], ids=len
)
@pytest.mark.parametrize(
    "selection",
    [
        "name @include(if: $shown)",
        "name bestFriend { name @skip(if: $shown) }",
        "name ... @include(if: $shown) { age }",
    ],
)
async def test_directives_whose_variable_is_null(field: str, given: Any, selection: str) -> None:
    """It is told for each object that it decides about, and for none where there is none."""
    document = f"query ($shown: Boolean = true) {{ {field} {{ {selection} }} }}"
    await both_ways(given, document, shown=None)
    assert (await both_ways([pupil()], document)).is_compiled


@pytest.mark.parametrize(
    "given", [pupil(), Teacher(name="T"), Headmaster(name="H"), Robot(model="R"), None, object()], ids=class_name
)
async def test_interfaces_by_class(given: Any) -> None:
    """Classes that are not of the interface are reported; subclasses go the ordinary way."""
    document = "{ being { __typename name ... on Pupil { age } ... on Teacher { subject pupils { name } } } }"
    answer = await both_ways(given, document)
    assert answer.is_compiled is (type(given) in (Pupil, Teacher))


@pytest.mark.parametrize(
    "given", [[pupil(), Teacher(name="T"), Robot(model="R")], [Headmaster(name="H")], [None], [object(), pupil()]]
)
async def test_unions_by_class(given: Any) -> None:
    """With fields of the same name in several members."""
    await both_ways(
        given,
        "{ anyone { __typename ... on Being { name } ... on Pupil { age } ... on Robot { name: model } ... on Teacher"
        " { subject } } }",
    )


async def test_what_the_schema_says_about_itself_goes_the_ordinary_way() -> None:
    """Introspection beside data."""
    await both_ways([pupil()], "{ __schema { queryType { name } } __typename pupils { name } }")


async def test_deep_selections() -> None:
    """Deeper than Python nests."""
    depth = 60
    document = "{ pupils " + "{ bestFriend " * depth + "{ name }" + "}" * depth + " }"
    deepest = pupil()
    for _ in range(depth):
        deepest = pupil(best_friend=deepest)
    await both_ways([deepest], document)
