"""Values for arguments and inputs: right ones, and every wrong one that is known to have broken something somewhere."""

from collections.abc import Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
)

from tests.security.inputs import KEYS, KINDS
from tests.security.world import Named

#: Part of texts that are sent: no error and no line of a log may repeat it.
CANARY = "canary7f3a"
#: Name of nothing, where a document or an input has names: errors say which one it is that they do not know.
NAME = "odd7f3a"

TEXTS = (
    "",
    " ",
    "\x00",
    f"{CANARY}\x00",
    f"{CANARY}\ud800",
    "\udfff",
    "\u202e\u200b\ufeff",
    "İıſK",
    "a\u0301" * 90,
    "\U0001f9d1\u200d\U0001f692" * 40,
    "'; DROP TABLE learner; --",
    "%_\\%",
    "$1",
    "{{ constructor.constructor('x')() }}",
    "{% for x in (1..999999999) %}x{% endfor %}",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "\r\nX-Injected: 1",
    "=cmd|' /C calc'!A0",
    "null",
    "ext:",
    "ext:\x00",
    "Europe/../../etc/passwd",
    "a@b@c",
    f"{CANARY}@example.test",
)
NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 101, 2**31 - 1, -(2**31), 2**31, 2**63, -(2**63) - 1, 10**40, 0.5, -0.0, 1e308, 1e999),
    *(float("nan"), "1", "1e3", True, None),
)
DATES = (
    *("0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2026-13-01", "-2026-01-01"),
    *("٢٠٢٦-٠١-٠١", "2026-W01-1", "20260101", "2026-06-30", "2026-06-30 ", "2027-01-01T00:00:00Z", CANARY, ""),
)
INSTANTS = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999-12:00", "2026-06-30T24:00:00Z"),
    *("2026-06-30T10:00:60Z", "2026-06-30T10:00:00", "2026-06-30T10:00:00+99:99", "2026-06-30T10:00:00Z", CANARY),
    *("1969-12-31T23:59:59Z", "2026-06-30T10:00:00.1234567890Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
)
IDS = (
    *("", "0", "-1", "lrn_", "lrn_0", "lrn_zzzzzzzzzzzzz", "lrn_0000000000000", "LRN_0000000000001", "ext:", "ext: "),
    *("ext:\x00", f"ext:{CANARY}", "ext:" + "x" * 5_000, "ext:\ud800", f"{CANARY}", "lrn_" + "z" * 1_000, "cnt_é"),
)
#: Elements of a list that is longer than any may be.
GIANT = 1_200


class Values:
    """Makes values of types of the schema; so many of a hundred are wrong."""

    def __init__(
        self, random: Random, ours: Mapping[str, Named], theirs: Mapping[str, Named], *, wrong: int = 12
    ) -> None:
        self._random = random
        self._ours = ours
        self._theirs = theirs
        self._wrong = wrong

    def arguments(self, field: Any, owner: str) -> dict[str, Any]:
        """Return the arguments of a field: what is required, and some of the rest."""
        return {
            name: self.of(argument.type, owner=owner, holder=name)
            for name, argument in field.args.items()
            if self._is_given(argument)
        }

    def of(self, type_: GraphQLInputType, *, owner: str = "", holder: str = "", depth: int = 0) -> Any:
        """Return a value of a type for a field `holder` of `owner`."""
        random = self._random
        if isinstance(type_, GraphQLNonNull):
            return self.of(type_.of_type, owner=owner, holder=holder, depth=depth)
        if random.random() * 100 < self._wrong / 4:
            return self._of_any_type()
        if isinstance(type_, GraphQLList):
            return self._list(type_, owner, holder, depth)
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, holder, depth)
        is_wrong = random.random() * 100 < self._wrong
        if isinstance(type_, GraphQLEnumType):
            return random.choice(["", CANARY, "admin", 1, None]) if is_wrong else random.choice(list(type_.values))
        if type_.name == "ID" or owner in KEYS:
            return self._name(owner, holder, type_.name == "ID")
        return self._scalar(type_.name, holder, is_wrong)

    def _of_any_type(self) -> Any:
        nested: Any = CANARY
        for _ in range(self._random.choice([1, 3, 60])):
            nested = [nested] if self._random.random() < 0.5 else {"a": nested}
        return self._random.choice([None, True, CANARY, 10**30, {}, [], nested, {"__proto__": 1}, [[[None]]]])

    def _list(self, type_: Any, owner: str, holder: str, depth: int) -> Any:
        chance = self._random.random()
        if chance < 0.05:
            return []
        one = self.of(type_.of_type, owner=owner, holder=holder, depth=depth)
        if chance < 0.05 + self._wrong / 2_000:
            return [one] * GIANT
        if chance < 0.4:
            return [one]
        if chance < 0.45:
            return one
        return [one, self.of(type_.of_type, owner=owner, holder=holder, depth=depth)]

    def _object(self, type_: GraphQLInputObjectType, holder: str, depth: int) -> Any:
        fields = type_.fields
        if type_.is_one_of:
            names = [self._random.choice(list(fields))]
            if self._random.random() * 100 < self._wrong / 3:
                names = list(fields)[: self._random.choice([0, 2])]
        else:
            names = [name for name, field in fields.items() if self._is_given(field, depth)]
        within = holder if type_.name in KEYS else None
        values = {
            name: self.of(fields[name].type, owner=type_.name, holder=within or name, depth=depth + 1) for name in names
        }
        if self._random.random() * 100 < self._wrong / 6:
            values[NAME] = CANARY
        return values

    def _is_given(self, field: Any, depth: int = 0) -> bool:
        if isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined:
            return self._random.random() * 100 >= self._wrong / 12
        return self._random.random() < 0.3 / (1 + depth)

    def _name(self, owner: str, holder: str, is_id: bool) -> Any:
        """Return what names an object: of ours, of theirs, of another kind, or of nobody."""
        kind = KEYS.get(owner) or KINDS.get(f"{owner}.{holder}") or KINDS.get(holder, "learner")
        chance = self._random.random()
        if chance < 0.25:
            return self._random.choice(IDS)
        if chance < 0.5:
            kind = self._random.choice(list(self._theirs)) if chance < 0.3 else kind
            named = self._theirs[kind]
        elif chance < 0.6:
            named = self._ours[self._random.choice(list(self._ours))]
        else:
            named = self._ours[kind]
        if is_id and not (named.external_id and self._random.random() < 0.2):
            return named.id
        return f"ext:{named.external_id}" if is_id else named.external_id or named.email

    def _scalar(self, name: str, holder: str, is_wrong: bool) -> Any:
        random = self._random
        if name in ("Int", "Float"):
            return random.choice(NUMBERS) if is_wrong or random.random() < 0.3 else random.randint(1, 50)
        if name == "Boolean":
            return random.choice([0, "true", CANARY]) if is_wrong else random.random() < 0.5
        if name == "Date":
            return random.choice(DATES)
        if name == "DateTime":
            return random.choice(INSTANTS)
        if is_wrong and random.random() < 0.3:
            return CANARY * random.choice([30, 300, 20_000])
        return random.choice(TEXTS) if is_wrong or random.random() < 0.3 else f"n{random.randrange(10**6)}@new.test"
