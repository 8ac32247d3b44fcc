"""Requests that ask for as much as they can: to stop a process, to fill its memory, or to get all of it for free."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.security.hostile.request import EVENTS, JSON_BODY, Request, encoded

Made = tuple[str, dict[str, Any] | None]
Maker = Callable[[Random], Made]


def _lines(random: Random) -> Made:
    ends = random.choice(["\n", "\r\n", ",", " ", "#\n"]) * random.choice([1_000, 30_000, 60_000, 2_000_000])
    unknown = " ".join(f"unknown{number}" for number in range(random.choice([1, 120, 900])))
    forbidden = " ".join(f"a{number}: auditEntries(first: 1) {{ totalCount }}" for number in range(28))
    block = f'node(id: """{ends}""") {{ id }}'
    return "{" + random.choice([ends + unknown, ends + forbidden, block]) + "}", None


def _escapes(random: Random) -> Made:
    text = random.choice(["\\u0041", "\\n", "\\u{1F9D1}", "\\\\"]) * random.choice([5_000, 9_000, 500_000])
    return f'{{ node(id: "{text}") {{ id }} }}', None


def _names(random: Random) -> Made:
    name = "a" * random.choice([100, 101, 4_000, 2_000_000])
    form = random.choice(
        [
            "{{ learners(first: 100) {{ nodes {{ {}: id }} }} }}",
            "query {} {{ tenant {{ id }} }}",
            "query (${}: Int) {{ tenant {{ id }} }}",
            "{{ {} }}",
            "{{ learners({}: 1) {{ totalCount }} }}",
            "{{ tenant {{ ...{} }} }}",
            "{{ tenant {{ id @{} }} }}",
            "{}",
        ]
    )
    return form.format(name), None


def _unknown_names(random: Random) -> Made:
    length = random.choice([10, 60, 4_000])
    return "{" + " ".join(f"u{number}{'x' * length}" for number in range(900)) + "}", None


def _long_lists(random: Random) -> Made:
    field, type_, value = random.choice(
        [
            ("enrollments(filter: {statuses: $l})", "[EnrollmentStatus!]", "COMPLETED"),
            ("mandatoryTasks(filter: {departmentIds: $l})", "[ID!]", "x"),
            ("contentActions(filter: {actions: $l})", "[ContentActionKind!]", "ENROLLED"),
            ("learners(filter: {roles: $l})", "[Role!]", "ADMIN"),
            ("learners(filter: {clientIds: $l})", "[ID!]", "x"),
            ("nodes(ids: $l)", "[ID!]!", "x"),
        ]
    )
    length = random.choice([99, 100, 101, 5_000, 250_000])
    fields = " ".join(f"a{number}: {field} {{ __typename }}" for number in range(random.choice([1, 28])))
    return f"query ($l: {type_}) {{ {fields} }}", {"l": [value] * length}


def _rows(random: Random) -> Made:
    length = random.choice([1, 1_001, 2_001, 100_000])
    document = random.choice(
        [
            "mutation ($l: [LearnerKeyInput!]!) "
            '{ addMembers(input: {target: {clientId: "x"}, learners: $l}) { errors { code } } }',
            "mutation ($l: [LearnerRowInput!]!) { bulkUpsertLearners(input: {rows: $l}) { errors { code } } }",
        ]
    )
    return document, {"l": [{"externalId": "ext:x"}] * length}


def _introspection(random: Random) -> Made:
    types = random.choice(
        [
            "types { fields { args { type { name } } type { name } } }",
            "types { name description fields { name description } }",
            "types { name }",
        ]
    )
    often = " ".join(f"a{number}: {types}" for number in range(random.choice([1, 3, 20, 30])))
    chain = "ofType { " * random.choice([9, 60, 150])
    return random.choice(
        [
            f"{{ __schema {{ {often} }} }}",
            "{ " + " ".join(f'a{n}: __type(name: "Query") {{ fields {{ name }} }}' for n in range(30)) + " }",
            f"{{ __schema {{ types {{ {chain} name {'}' * chain.count('{')} }} }} }}",
        ]
    ), None


def _spread(random: Random) -> Made:
    aliased = " ".join(f"a{number}: name" for number in range(30))
    spreads = " ".join(f"t{number}: tenant {{ ...F }}" for number in range(random.choice([1, 20])))
    nested = " ".join(f"fragment F{n} on Learner {{ a: manager {{ ...F{n + 1} }} }}" for n in range(40))
    same = " ".join(f"fragment G{n} on Query {{ tenant {{ id name }} }}" for n in range(60))
    return random.choice(
        [
            f"{{ {spreads} }} fragment F on Tenant {{ {aliased} }}",
            f"{{ {' '.join(f'...G{n}' for n in range(60))} }} {same}",
            "{ " + "... on Query { tenant { id } } " * 60 + "}",
            f"{{ learners {{ nodes {{ ...F0 }} }} }} {nested}",
        ]
    ), None


def _wide(random: Random) -> Made:
    aliases = " ".join(f"{'a' * 90}{number}: name" for number in range(30))
    return f"{{ learners(first: 100) {{ nodes {{ {aliases} enrollments(first: 90) {{ nodes {{ id }} }} }} }} }}", None


def _different(random: Random) -> Made:
    """Return a document that nobody has sent yet."""
    number = random.getrandbits(60)
    filling = random.choice(["#" + "x" * 20_000, " ".join(f"b{number}: name" for number in range(20)), ""])
    return f"{{ a{number}: tenant {{ id name {filling}\n }} }}", None


def _variables(random: Random) -> Made:
    value: Any = random.choice(
        [
            {f"u{number}": 1 for number in range(50_000)},
            [{"x": [[]]}] * 50_000,
            {"search": "x" * 3_000_000},
            {"search": "\U0001f9d1" + "x" * 2_000_000},
            [[[[[["x"]]]]]] * 100,
            {"departmentIds": [{}] * 100},
            10**30,
            "x" * 1_000_000,
        ]
    )
    return "query ($f: LearnerFilterInput) { learners(filter: $f) { totalCount } }", {"f": value}


def _stream(random: Random) -> Made:
    filling = random.choice(["", "\n" * 60_000, "\n" * 100_000])
    lists = {"f": {"statuses": ["COMPLETED"] * random.choice([1, 101, 100_000])}}
    document = "subscription ($f: MandatoryTaskFilterInput) { mandatoryTaskChanges(filter: $f) { nonsense } }"
    return document + filling, lists


MAKERS: tuple[Maker, ...] = (
    *(_lines, _escapes, _names, _unknown_names, _long_lists, _rows, _introspection, _spread, _wide, _different),
    *(_variables, _stream),
)


def excessive(random: Random) -> Request:
    """Return a request that asks for as much as it can, by one of the ways in."""
    maker = random.choice(MAKERS)
    document, variables = maker(random)
    body = {"query": document, "variables": variables}
    headers = dict(EVENTS if random.random() < 0.2 else JSON_BODY)
    caller = random.choice(["ADMIN", "ADMIN", "LEARNER"])
    return Request(f"excess {maker.__name__[1:]}", encoded(body), headers=headers, caller=caller)
