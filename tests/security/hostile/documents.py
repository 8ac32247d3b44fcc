"""Documents that are to cost much, to confuse the parser, or to get past its limits."""

import json
from collections.abc import Callable
from random import Random

from tests.security.hostile.request import JSON_BODY, Request, encoded, graphql
from tests.security.hostile.values import CANARY, NAME

Maker = Callable[[Random], str]


def _deep_selection(random: Random) -> str:
    depth = random.choice([5, 13, 60, 300, 20_000])
    return "{ " + "viewer { learner { enrollments { nodes { " * depth + "id" + " }" * (4 * depth) + " }"


def _deep_list(random: Random) -> str:
    depth = random.choice([10, 400, 900, 100_000])
    return f"{{ nodes(ids: {'[' * depth}{']' * depth}) {{ id }} }}"


def _deep_object(random: Random) -> str:
    depth = random.choice([10, 300, 30_000])
    return f"{{ learners(filter: {'{a: ' * depth}1{'}' * depth}) {{ totalCount }} }}"


def _deep_type(random: Random) -> str:
    depth = random.choice([10, 400, 50_000])
    return f"query ($a: {'[' * depth}Int{']' * depth}) {{ viewer {{ __typename }} }}"


def _aliases(random: Random) -> str:
    count = random.choice([20, 31, 200, 5_000])
    return "{ " + " ".join(f"a{n}: learners(first: 100) {{ totalCount }}" for n in range(count)) + " }"


def _directives(random: Random) -> str:
    count = random.choice([9, 11, 500, 20_000])
    return f"{{ viewer {{ __typename {random.choice(['@skip(if: false)', '@a', '@include(if: $x)']) * count} }} }}"


def _repeated_fields(random: Random) -> str:
    return "{ " + random.choice(["__typename ", "viewer { __typename } ", "tenant { id } "]) * 400 + "}"


def _fragment_cycle(random: Random) -> str:
    count = random.choice([1, 2, 50])
    parts = [f"fragment f{n} on Learner {{ id ...f{(n + 1) % count} }}" for n in range(count)]
    return f"{{ learners(first: 1) {{ nodes {{ ...f0 }} }} }} {' '.join(parts)}"


def _fragment_bomb(random: Random) -> str:
    count = random.choice([5, 15, 60])
    parts = [f"fragment f{n} on Learner {{ id ...f{n + 1} ...f{n + 1} }}" for n in range(count)]
    return f"{{ learners(first: 1) {{ nodes {{ ...f0 }} }} }} {' '.join(parts)} fragment f{count} on Learner {{ id }}"


def _overlapping(random: Random) -> str:
    count = random.choice([10, 80])
    field = "learners(first: 1) { nodes { id name } } "
    return "{ " + field * count + " }"


def _introspection(random: Random) -> str:
    depth = random.choice([1, 3, 10])
    return "{ __schema { types { " + "fields { type { " * depth + "name" + " } }" * depth + " } } }"


def _strings(random: Random) -> str:
    text = random.choice(
        [
            '"\\uD800"',
            '"\\uDC00\\uD800"',
            '"\\u{10FFFF}"',
            '"\\u{110000}"',
            '"\\u{FFFFFFFFFFFFFFFF}"',
            '"\\u0000"',
            '"\\x"',
            f'"{CANARY}',
            f'"""{CANARY}',
            '"""\\""" \\u0000 """',
            '"' + "x" * 100_000 + '"',
            '""""""',
            f'"{CANARY}\n"',
            '"\u0000"',
            '"\U0001f9d1"',
        ]
    )
    return f"{{ node(id: {text}) {{ id }} }}"


def _numbers(random: Random) -> str:
    number = random.choice(["9" * 100_000, "1e999999999", "-0", "00", "0x1", "1.", ".5", "1e", "2147483648", "-" * 50])
    return f"{{ learners(first: {number}) {{ totalCount }} }}"


def _noise(random: Random) -> str:
    size = random.choice([1, 10, 200])
    return "".join(random.choice("{}()[]:!$@|&=,#\"' \n\t\ufeff\x00\x7fé𝒳aquerymutation0129.\\") for _ in range(size))


def _comments(random: Random) -> str:
    return f"#{CANARY}{'x' * random.choice([10, 200_000])}\n" * random.choice([1, 10]) + "{ viewer { __typename } }"


def _several(random: Random) -> str:
    return random.choice(
        [
            "query a { viewer { __typename } } query a { viewer { __typename } }",
            "query a { viewer { __typename } } query b { viewer { __typename } }",
            "query a { viewer { __typename } } mutation a { renewCalendarUrl(input: {}) { calendarUrl } }",
            "fragment f on Query { viewer { __typename } }",
            "type Query { a: Int }",
            "schema { query: Query } { viewer { __typename } }",
            "subscription { a: notificationsReceived { cursor } b: notificationsReceived { cursor } }",
            "subscription { ...f } fragment f on Subscription { notificationsReceived { cursor } __typename }",
            "{ viewer { __typename } ... @defer { tenant { id } } }",
            "{ learners { nodes @stream { id } } }",
            "query ($a: Int, $a: Int) { learners(first: $a) { totalCount } }",
            "query ($a: Nothing!) { learners(first: $a) { totalCount } }",
            "query ($a: Learner) { learners(first: $a) { totalCount } }",
            "query ($a: Int = $b, $b: Int = 1) { learners(first: $a) { totalCount } }",
            "query ($a: ID! = null) { node(id: $a) { id } }",
            f"{{ learners(filter: {{roles: [{NAME}]}}) {{ totalCount }} }}",
            f'{{ learners(filter: {{roles: ["{CANARY}"]}}) {{ totalCount }} }}',
            f'{{ learners(first: "{CANARY}") {{ totalCount }} }}',
            f'{{ learners(filter: {{isActive: "{CANARY}"}}) {{ totalCount }} }}',
            f'{{ mandatoryTasks(filter: {{dueOn: {{from: "{CANARY}"}}}}) {{ totalCount }} }}',
            f'{{ learners(filter: "{CANARY}") {{ totalCount }} }}',
            f'{{ learner(by: {{id: "{CANARY}", email: "{CANARY}"}}) {{ id }} }}',
            f"{{ {NAME} }}",
            f"{{ viewer {{ {NAME}: __typename }} }}",
            "",
            " ",
        ]
    )


MAKERS: tuple[Maker, ...] = (
    *(_deep_selection, _deep_list, _deep_object, _deep_type, _aliases, _directives, _repeated_fields),
    *(_fragment_cycle, _fragment_bomb, _overlapping, _introspection, _strings, _numbers, _noise, _comments, _several),
)


def bomb(random: Random) -> Request:
    """Return a request with such a document."""
    maker = random.choice(MAKERS)
    label = f"document {maker.__name__[1:]}"
    variables = random.choice([None, None, {}, {"x": True}, {"a": 1}, {NAME: CANARY}])
    body = {"query": maker(random), "variables": variables, "operationName": random.choice([None, None, "a", NAME])}
    if random.random() < 0.1:
        return Request(label, json.dumps(body).encode(), headers=dict(JSON_BODY))
    return Request(label, encoded(body))


def generated(document: str) -> Request:
    """Return a document that somebody else's generator has made."""
    return graphql("generated", document)
