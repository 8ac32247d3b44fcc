"""How callers name people, and which person they mean. Who may not be seen is not found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from domain.foundation.access import Principal
from domain.foundation.addresses import email_key
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, NotFound, ProblemList
from domain.foundation.keys import EmailAddress, ExternalId, Reference
from domain.foundation.text_validation import EMAIL_LENGTH, exact_text, key_text


@dataclass(frozen=True, slots=True)
class LearnerKey:
    """Names a learner by exactly one of: our ID, the partner's ID, the email address."""

    id: int | None = None
    external_id: str | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        if self.external_id is not None:
            object.__setattr__(self, "external_id", key_text(self.external_id))

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """Return the key of a person who is named where an ID is expected."""
        match reference:
            case EmailAddress():
                return cls(email=str(reference))
            case ExternalId():
                return cls(external_id=str(reference))
            case _:
                return cls(id=reference)


@dataclass(frozen=True, slots=True)
class _Named:
    id: int
    external_id: str | None
    email_key: str | None


def storable(values: Iterable[str | None]) -> list[str]:
    """Return the values that the database could hold: it refuses to even compare the others."""
    kept = []
    for value in values:
        if value is not None:
            try:
                kept.append(exact_text(value, path=(), longest=EMAIL_LENGTH))
            except Invalid:
                continue
    return kept


async def resolve_learner(
    sql: Statements, principal: Principal, key: LearnerKey, path: Sequence[str | int] = ("learner",)
) -> int:
    """Return the ID of the person that a key names; raises NotFound."""
    [found] = await find_learner_ids(sql, principal, [key])
    if found is None:
        raise NotFound(path=path)
    return found


async def resolve_learners(
    sql: Statements, principal: Principal, keys: Sequence[LearnerKey], path: Sequence[str | int] = ("learners",)
) -> list[int]:
    """Return the ID of each person named, in the order of the keys; raises NotFound for each who is not there."""
    found = await find_learner_ids(sql, principal, keys)
    problems = ProblemList()
    for index, learner_id in enumerate(found):
        if learner_id is None:
            problems.add(NotFound(path=[*path, index]))
    problems.raise_if_any()
    return [learner_id for learner_id in found if learner_id is not None]


async def find_learner_ids(sql: Statements, principal: Principal, keys: Sequence[LearnerKey]) -> list[int | None]:
    """Return the ID of each person named, or None, in one statement."""
    named = await sql.rows(
        _Named,
        """
        SELECT id, external_id, email_key FROM learner WHERE tenant_id = $1 AND id = ANY ($2::bigint[])
        UNION SELECT id, external_id, email_key FROM learner WHERE tenant_id = $1 AND external_id = ANY ($3::text[])
        UNION SELECT id, external_id, email_key FROM learner WHERE tenant_id = $1 AND email_key = ANY ($4::text[])
        """,
        principal.tenant_id,
        [key.id for key in keys if key.id is not None],
        storable(key.external_id for key in keys),
        storable(email_key(key.email) for key in keys if key.email is not None),
    )
    by_id = {row.id: row.id for row in named if _is_visible(principal, row.id)}
    # A partner's ID is no part of the directory, so trainers cannot ask for it either; the email address is.
    by_external_id = {
        row.external_id: row.id
        for row in named
        if row.id in by_id and (not principal.is_trainer or row.id == principal.learner_id)
    }
    by_email = {row.email_key: row.id for row in named if row.id in by_id}

    def find(key: LearnerKey) -> int | None:
        if key.id is not None:
            return by_id.get(key.id)
        if key.external_id is not None:
            return by_external_id.get(key.external_id)
        return by_email.get(email_key(key.email)) if key.email is not None else None

    return [find(key) for key in keys]


def _is_visible(principal: Principal, learner_id: int) -> bool:
    """Tell whether a person may be named; tools need no READ for naming whom they write."""
    is_plain_learner = principal.is_person and not principal.sees_all and not principal.is_trainer
    return not is_plain_learner or learner_id == principal.learner_id
