"""Random histories: whatever happens, in whatever order, the product agrees with the oracle after every step."""

import itertools
from collections import Counter
from typing import Any

import pytest

from domain.foundation.access import Role
from gql.contract import ids
from tests.scenarios.facts import Reason
from tests.scenarios.histories import History
from tests.support import factories
from tests.support.api import Api
from tests.support.catalogue import Connection
from tests.support.company import Company

SHORT = range(25)
LONG = range(1_000, 2_000)


class Witness:
    """Reads what the product has stored, in the words of the oracle."""

    def __init__(self, superuser: Connection, history: History) -> None:
        self._superuser = superuser
        self._history = history
        self._people = {person.learner_id: name for name, person in history.people.items()}
        self._contents = {content.id: title for title, content in history.contents.items()}

    async def _rows(self, sql: str) -> list[Any]:
        return await self._superuser.fetch(sql, self._history.company.tenant.id)

    def _rules(self) -> dict[int, str]:
        found = {}
        for name, encoded in self._history.rule_ids.items():
            key = ids.find_key(ids.RULE, encoded)
            assert isinstance(key, int)
            found[key] = name
        return found

    async def enrollments(self) -> dict[tuple[str, str], tuple[bool, str, str | None]]:
        """Return whether it is active, its status and the status fact, by person and content."""
        rows = await self._rows(
            "SELECT learner_id, content_id, is_active, status, fact_status FROM enrollment WHERE tenant_id = $1"
        )
        return {(self._people[row[0]], self._contents[row[1]]): (row[2], row[3], row[4]) for row in rows}

    async def reasons(self) -> Counter[tuple[str, str, Reason]]:
        """Return every reason that holds."""
        rules = self._rules()
        rows = await self._rows(
            "SELECT learner_id, content_id, source, rule_id, path_id, is_permanent FROM enrollment_reason"
            " WHERE tenant_id = $1 AND until_at IS NULL"
        )
        found: Counter[tuple[str, str, Reason]] = Counter()
        for learner_id, content_id, source, rule_id, path_id, is_permanent in rows:
            path = self._contents[path_id] if path_id else None
            rule = rules.get(rule_id)
            # Of a deleted rule all reasons are permanent, whatever is written there: nothing looks at them.
            is_orphan = rule_id is not None and rule is None
            reason = Reason(source, rule, path, is_permanent or is_orphan)
            found[self._people[learner_id], self._contents[content_id], reason] += 1
        return found

    async def members(self) -> set[tuple[str, str]]:
        """Return who counts as meeting which rule."""
        rules = self._rules()
        rows = await self._rows("SELECT rule_id, learner_id FROM rule_member WHERE tenant_id = $1")
        return {(rules.get(row[0], f"deleted rule {row[0]}"), self._people[row[1]]) for row in rows}

    async def log(self) -> list[tuple[str, str, str, str, str | None]]:
        """Return person, content, action, source and rule of what gave and took access, in order."""
        rows = await self._rows(
            "SELECT learner_id, content_id, action, source, rule_name FROM content_action"
            " WHERE tenant_id = $1 AND action IN ('ENROLLED', 'UNENROLLED') ORDER BY id"
        )
        return [(self._people[row[0]], self._contents[row[1]], row[2], row[3], row[4]) for row in rows]


def differences(product: Any, oracle: Any) -> str:
    """Return what only one of two collections has."""
    if isinstance(product, dict) and not isinstance(product, Counter):
        product, oracle = set(product.items()), set(oracle.items())
    return (
        f"only the product: {sorted(map(str, product - oracle))}; only the oracle: {sorted(map(str, oracle - product))}"
    )


async def require_agreement(witness: Witness, history: History, logged_before: int) -> int:
    """Require that product and oracle agree and that what is stored agrees with itself; return how much is logged."""
    oracle = history.oracle
    story = "\n".join(history.steps)

    def require(what: str, product: Any, expected: Any) -> None:
        assert product == expected, f"{what}: {differences(product, expected)}\n{story}"

    log = await witness.log()
    access: set[tuple[str, str]] = set()
    for person, content, action, *_ in log:
        (access.add if action == "ENROLLED" else access.discard)((person, content))
    enrollments = await witness.enrollments()
    expected = {
        (name, content): (bool(enrollment.reasons), enrollment.status, enrollment.fact)
        for name, person in oracle.people.items()
        for content, enrollment in person.enrollments.items()
    }
    require(
        "access", {key for key, row in enrollments.items() if row[0]}, {key for key, row in expected.items() if row[0]}
    )
    require("enrollments", enrollments, expected)
    require(
        "reasons",
        await witness.reasons(),
        Counter(
            (name, content, reason)
            for name, person in oracle.people.items()
            for content, enrollment in person.enrollments.items()
            for reason in enrollment.reasons
        ),
    )
    require("access by the log", access, {key for key, row in enrollments.items() if row[0]})
    require(
        "log",
        Counter(entry for entry in log if entry[3] != "LEARNING_PATH"),
        oracle.log,
    )
    members = {(rule, name) for rule, known in oracle.rules.items() for name in known.members}
    require("members", await witness.members(), members)
    if oracle.is_enabled:
        matching = {
            (name, person)
            for name, rule in oracle.rules.items()
            for person in oracle.people
            if oracle.matches(rule, oracle.people[person])
        }
        require("memberships of the oracle", members, matching)
    for person, entries in itertools.groupby(sorted(log[logged_before:], key=lambda entry: entry[0]), lambda e: e[0]):
        by_rules = [action for _, _, action, source, _ in entries if source.startswith("AUTO_")]
        assert by_rules == sorted(by_rules, reverse=True), f"{person}: unenrollments come first\n{story}"
    return len(log)


async def play(api: Api, superuser: Connection, seed: int, length: int) -> None:
    """Play the history of one seed in a company of its own."""
    tenant = await factories.create_tenant()
    admin = await factories.create_person(tenant.id, role=Role.ADMIN)
    history = History(Company(api, tenant, admin, api.acting_as(admin)), seed)
    await history.begin()
    witness = Witness(superuser, history)
    logged = 0
    for _ in range(length):
        await history.go_on()
        logged = await require_agreement(witness, history, logged)


@pytest.mark.parametrize("seed", SHORT)
async def test_a_short_history_ends_as_the_specification_says(api: Api, superuser: Connection, seed: int) -> None:
    """Changes of people, rules, paths and the switch in random order: after each the oracle agrees."""
    await play(api, superuser, seed, 25)


@pytest.mark.soak
@pytest.mark.parametrize("seed", LONG)
async def test_a_long_history_ends_as_the_specification_says(api: Api, superuser: Connection, seed: int) -> None:
    """The same for a thousand long histories."""
    await play(api, superuser, seed, 80)
