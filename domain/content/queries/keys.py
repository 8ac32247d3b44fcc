"""How callers name contents, and which one they mean. What may not be seen is not found."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.content.models import ContentKind
from domain.content.queries.visibility import visibility
from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Invalid, NotFound, ProblemList
from domain.foundation.keys import ExternalId, Reference
from domain.foundation.text_validation import EXTERNAL_ID_LENGTH, key_text, storable_text


@dataclass(frozen=True, slots=True)
class ContentKey:
    """Names a course or learning path by exactly one of: our ID, the partner's ID."""

    id: int | None = None
    external_id: str | None = None

    def __post_init__(self) -> None:
        if self.external_id is not None:
            object.__setattr__(self, "external_id", key_text(self.external_id))

    @classmethod
    def of(cls, reference: Reference) -> "ContentKey":
        """Return the key that a reference stands for."""
        return cls(external_id=str(reference)) if isinstance(reference, ExternalId) else cls(id=reference)


async def resolve_content(
    sql: Statements,
    principal: Principal,
    key: ContentKey,
    path: Sequence[str | int] = ("content",),
    *,
    kind: ContentKind | None = None,
) -> int:
    """Return the ID of the content that a key names; raises NotFound, also when it is of another kind than `kind`."""
    [found] = await find_content_ids(sql, principal, [key], kind=kind)
    if found is None:
        raise NotFound(path=path)
    return found


async def resolve_contents(
    sql: Statements,
    principal: Principal,
    keys: Sequence[ContentKey],
    path: Sequence[str | int] = ("contents",),
    *,
    kind: ContentKind | None = None,
) -> list[int]:
    """Return the ID of each content named, in the order of the keys; raises NotFound for each that is not there."""
    found = await find_content_ids(sql, principal, keys, kind=kind)
    problems = ProblemList()
    for index, content_id in enumerate(found):
        if content_id is None:
            problems.add(NotFound(path=[*path, index]))
    problems.raise_if_any()
    return [content_id for content_id in found if content_id is not None]


async def find_content_ids(
    sql: Statements, principal: Principal, keys: Sequence[ContentKey], *, kind: ContentKind | None = None
) -> list[int | None]:
    """Return the ID of each content named, or None, in one statement."""
    # Tools need no READ for naming what they write.
    condition = "true" if principal.service_account_id is not None else visibility(principal)
    records = await sql.fetch(
        f"""
        SELECT c.id, c.external_id FROM content c
         WHERE c.tenant_id = $1 AND (c.id = ANY ($2::bigint[]) OR c.external_id = ANY ($3::text[]))
           AND ($4::text IS NULL OR c.kind = $4) AND {condition}
        """,
        principal.tenant_id,
        [key.id for key in keys if key.id is not None],
        _storable(keys),
        None if kind is None else kind.value,
    )
    by_id = {record["id"]: record["id"] for record in records}
    by_external_id = {record["external_id"]: record["id"] for record in records}
    return [by_id.get(key.id) if key.id is not None else by_external_id.get(key.external_id) for key in keys]


def _storable(keys: Sequence[ContentKey]) -> list[str]:
    """Return the external IDs that the database could hold: it refuses to even compare the others."""
    kept = []
    for key in keys:
        if key.external_id is not None:
            try:
                kept.append(storable_text(key.external_id, path=(), longest=EXTERNAL_ID_LENGTH))
            except Invalid:
                continue
    return kept
