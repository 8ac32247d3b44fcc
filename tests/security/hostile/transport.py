"""Requests that are wrong before any GraphQL is read: bodies, headers, credentials, addresses, cursors."""

import base64
import json
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import quote

from tests.security.hostile.request import JSON_BODY, Request, encoded, graphql
from tests.security.hostile.values import CANARY, DATES, IDS, INSTANTS, NAME, NUMBERS, TEXTS
from tests.security.world import Named

GOOD = b'{"query": "{ viewer { __typename } }"}'
BODIES: tuple[bytes, ...] = (
    *(b"", b" ", b"{", b"null", b"[]", b"1", b'"x"', b"\x00", b"\xff\xfe{\x00", b"\xef\xbb\xbf" + GOOD, b"{]"),
    *(GOOD[:-1], GOOD + GOOD, b"[" + GOOD + b"]", b"[" * 100_000, b'{"a":' * 50_000, b'{"query": 1}', b'{"query": []}'),
    *(b'{"query": "\\ud800"}', b'{"query": "{ viewer { __typename } }\\u0000"}', b'{"query": "\xff"}'),
    *(b'{"query": null, "variables": null}', b'{"variables": {}}', b'{"query": "{ viewer { id } }", "variables": "x"}'),
    *(b'{"query": "{ viewer { __typename } }", "extensions": 1}', b'{"query": "a", "operationName": {}}'),
    b'{"query": "query ($a: Int) { learners(first: $a) { totalCount } }", "variables": {"a": 1' + b"0" * 5_000 + b"}}",
    b'{"query": "query ($a: Int) { learners(first: $a) { totalCount } }", "variables": {"a": 1e999}}',
    b'{"query": "query ($a: Int) { learners(first: $a) { totalCount } }", "variables": {"a": NaN}}',
    b'{"query": "query ($a: ID!) { node(id: $a) { id } }", "variables": {"a": "\\ud800\\u0000"}}',
    b'{"query": "query ($a: ID!) { node(id: $a) { id } }", "variables": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
    b'{"query": "query ($a: [ID!]!) { nodes(ids: $a) { id } }", "variables": {"a": ["' + b'","'.join([b"x"] * 9_000)
    + b'"]}}',
    b'{"query": "{ viewer { __typename } }", "query": 1}',
    b'{"query": "{ viewer { __typename } }", "extensions": {"persistedQuery": {"sha256Hash": "x"}}}',
)  # fmt: skip
TYPES = (
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; a"),
    *("application/json; charset=utf-16", "application/json;charset=UTF-8", "application/graphql", "\xe9", "a/b;" * 90),
    *("APPLICATION/JSON", "application/json, text/plain", "application/json+x", "application/json; charset=latin1"),
)
ACCEPTS = (
    "",
    "*/*",
    "text/html",
    "application/json;q=nan",
    "text/event-stream",
    "a" * 5_000,
    "\xff",
    "*/*;q=1e999",
    ";",
)
CREDENTIALS = (
    *("", "Bearer", "Bearer ", "bearer x", "Basic eDp4", f"Bearer {CANARY}", "Bearer mk_", f"Bearer mk_{CANARY}"),
    *("Bearer eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJhY21lIn0.", "Bearer a.b.c", "Bearer " + "x" * 30_000, "Bearer \xff"),
    *(
        "Bearer ...",
        "Bearer eyJhbGciOiJIUzI1NiJ9.W10.x",
        "Bearer eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ.e30.x",
        "Bearer\tx",
    ),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE")


def body(random: Random) -> Request:
    """Return a body that is no request, or hardly one."""
    content = random.choice(BODIES)
    if random.random() < 0.02:
        content = b'{"query": "' + b"x" * (4 * 1024 * 1024) + b'"}'
    elif random.random() < 0.3:
        cut = random.randrange(len(content) + 1)
        content = content[:cut] + bytes([random.randrange(256)]) + content[cut:]
    return Request("body", content)


def headers(random: Random) -> Request:
    """Return a request whose headers or method are wrong."""
    chosen = dict(JSON_BODY)
    caller = "ADMIN"
    what = random.choice(["type", "accept", "credential", "encoding", "method", "request id", "length"])
    if what == "type":
        chosen["Content-Type"] = random.choice(TYPES)
    elif what == "accept":
        chosen["Accept"] = random.choice(ACCEPTS)
    elif what == "credential":
        caller, chosen["Authorization"] = "", random.choice(CREDENTIALS)
    elif what == "encoding":
        chosen["Content-Encoding"] = random.choice(["gzip", "br", "x"])
    elif what == "request id":
        chosen["X-Request-ID"] = random.choice([CANARY + "\xff", "x" * 9_000, "a b", "\t", "{}"])
    method = random.choice(METHODS) if what == "method" else "POST"
    return Request(f"header {what}", GOOD, headers=chosen, caller=caller, method=method)


class Addresses:
    """Makes requests to the routes besides `/graphql`, and GraphQL in an address."""

    def __init__(self, random: Random, ours: Mapping[str, Named], theirs: Mapping[str, Named]) -> None:
        self._random = random
        self._names = [named.id for named in (*ours.values(), *theirs.values())]

    def export(self) -> Request:
        """Return a report with parameters of any kind."""
        random = self._random
        names = (
            *("learnerIds", "departmentIds", "learningGroupIds", "targetIds", "assignerIds", "statuses", "dueOnFrom"),
            *("search", "actions", "sources", "occurredFrom", "occurredUntil", "contentIds", "ruleId", "actorIds"),
            *("includesSuspended", "dueFrom", "dueUntil", "after", "a", "", "bulkAssignmentId", "mandatoryTaskId"),
        )
        parameters = "&".join(
            f"{quote(random.choice(names))}={quote(str(self._value()), errors='surrogatepass')}"
            for _ in range(random.choice([0, 1, 1, 2, 3, 150]))
        )
        name = random.choice(
            ["content-actions.csv", "mandatory-tasks.csv", "mandatory-tasks.csv", "x.csv", "../graphql"]
        )
        method = "GET" if random.random() < 0.95 else random.choice(METHODS)
        caller = random.choice(["ADMIN", "LEARNER", "TRAINER", "NO_SCOPE", "READ", ""])
        return Request("export", path=f"/export/{name}?{parameters}", method=method, headers={}, caller=caller)

    def calendar(self) -> Request:
        """Return a calendar that nobody has."""
        random = self._random
        secret = random.choice(
            [
                *("x", "0" * 45, "z" * 13 + "f" * 32, "%00" * 45, "..%2f..%2fgraphql", "a" * 5_000, "%ff", CANARY),
                "".join(random.choice("0123456789abcdef") for _ in range(45)),
                random.choice(self._names).partition("_")[2] + "0" * 32,
                random.choice(self._names).partition("_")[2] + "٣" * 32,
            ]
        )
        method = "GET" if random.random() < 0.9 else random.choice(METHODS)
        path = f"/calendar/{quote(secret, safe='%')}.ics"
        return Request("calendar", path=path, method=method, headers={}, caller="")

    def graphql(self) -> Request:
        """Return an address of `/graphql` that is wrong."""
        random = self._random
        query = random.choice(["{viewer{__typename}}", "mutation{renewCalendarUrl(input:{}){calendarUrl}}", NAME, ""])
        parts = [f"query={quote(query)}"]
        for name in ("variables", "operationName", "extensions", NAME):
            if random.random() < 0.3:
                text = random.choice(["{", "null", "1", "{}", "[]", '{"a":NaN}', "%FF", "\x00", NAME, "[" * 900, "é"])
                parts.append(f"{name}={quote(text, safe='%')}")
        headers = {"Accept": random.choice(ACCEPTS[:5])}
        return Request("GET", path=f"/graphql?{'&'.join(parts)}", method="GET", headers=headers)

    def _value(self) -> Any:
        return self._random.choice(
            [
                *(self._random.choice(choices) for choices in (TEXTS, NUMBERS, DATES, INSTANTS, IDS)),
                *("OVERDUE", "ENROLLED", "true", self._random.choice(self._names)),
            ]
        )


#: Lists with the arguments that they need, of the admin.
LISTS = (
    *("learners", "departments", "learningGroups", "clients", "sublicenses", "contents", "enrollments"),
    *("contentActions", "mandatoryTasks", "bulkAssignments", "backgroundJobs", "emailTemplates", "auditEntries"),
    *("serviceAccounts", "autoAssignmentRules"),
)
STREAMS = ("mandatoryTaskChanges", "enrollmentChanges", "contentActionsLogged", "notificationsReceived")


def cursor(random: Random, known: Mapping[str, str]) -> Request:
    """Return a list that is to go on after a cursor which was one; `known` has a true one of each list."""
    name = random.choice(LISTS)
    text = known.get(name) or random.choice(list(known.values()))
    values: list[Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    what = random.random()
    if what < 0.5:
        # The list and the filter are right, where it is to go on is not.
        wrong = random.choice([*TEXTS, *NUMBERS, *DATES, *INSTANTS, [], {}, [[1]], True])
        values[random.randrange(1, len(values)) if len(values) > 1 else 0] = wrong
    elif what < 0.7:
        values = values[: random.randrange(len(values) + 1)] + [wrong for wrong in (1, CANARY) if random.random() < 0.5]
    elif what < 0.8:
        values[0] = random.choice([None, 1, CANARY, [], values[-1]])
    packed = base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()
    if what >= 0.8:
        packed = random.choice([*IDS, "[" * 50_000, base64.b64encode(b"[" * 90_000).decode(), packed[:-2], packed * 2])
    document = f"query ($after: String) {{ {name}(first: 2, after: $after) {{ __typename pageInfo {{ endCursor }} }} }}"
    return graphql(f"cursor of {name}", document, {"after": packed})


def claims(random: Random, good: Mapping[str, Any], secret: str) -> Request:
    """Return a request with a token that is signed, but says something odd."""
    import jwt

    said = dict(good)
    name = random.choice(["tenant", "sub", "email", "exp", "iat", "nbf", "email_verified", "iss"])
    said[name] = random.choice([*TEXTS, *NUMBERS, *IDS, [], {}, "globex", -(10**18), 10**18])
    try:
        token = jwt.encode(said, secret, algorithm="HS256")
    except (TypeError, ValueError, OverflowError):
        header, payload = (base64.urlsafe_b64encode(encoded(part)).rstrip(b"=") for part in ({"alg": "HS256"}, said))
        token = f"{header.decode()}.{payload.decode()}.x"
    headers = {**JSON_BODY, "Authorization": f"Bearer {token}"}
    return Request(f"claim {name}", b'{"query": "{ viewer { __typename } }"}', headers=headers, caller="")
