"""Reading email templates: trainers, admins and READ see all of the tenant; reached from a reminder, everybody does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.foundation.access import Principal
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import NotFound
from domain.foundation.paging import Order, Page, PageRequest, Query, SortKey, read_page
from domain.foundation.text_validation import NAME_LENGTH, key_text, storable_text
from domain.notifications.templates.access import may_change, require_seeing_templates, sees_templates
from domain.people.search_patterns import contains_pattern

_COLUMNS = "id, name, name_key, subject, body, created_by_learner_id, created_by_service_account_id, version"
_BY_NAME = Order((SortKey("name_key", "name_key", "text"), SortKey("id", "id")))


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template that is not deleted; who created it is None where the viewer may not see templates as such."""

    id: int
    name: str
    name_key: str
    subject: str
    body: str
    created_by_learner_id: int | None
    created_by_service_account_id: int | None
    version: int
    can_update: bool = False


def _shown(row: TemplateRow, principal: Principal) -> TemplateRow:
    row = replace(row, can_update=may_change(principal, row.created_by_learner_id))
    if sees_templates(principal):
        return row
    return replace(row, created_by_learner_id=None, created_by_service_account_id=None)


def _templates(principal: Principal) -> Query:
    return Query(_COLUMNS, "email_template").where("tenant_id = ? AND deleted_at IS NULL", principal.tenant_id)


async def list_templates(
    reads: Statements, principal: Principal, request: PageRequest, *, search: str | None = None
) -> Page[TemplateRow]:
    """Return a page of the tenant's templates, by name. Raises Forbidden for those who may not see them."""
    require_seeing_templates(principal)
    query = _templates(principal)
    if search is not None and key_text(search):
        text = storable_text(key_text(search), path=["search"], longest=NAME_LENGTH)
        query.where("name_key LIKE ?", contains_pattern(text))
    page = await read_page(reads, TemplateRow, query, _BY_NAME, request)
    return replace(page, rows=[_shown(row, principal) for row in page.rows])


async def get_template(
    reads: Statements, principal: Principal, template_id: int, *, path: Sequence[str | int]
) -> TemplateRow:
    """Return a template that the viewer may look up; raises NotFound at `path`."""
    row = (await load_visible_templates_by_id(reads, principal, [template_id]))[0]
    if row is None:
        raise NotFound(path=path)
    return row


async def load_visible_templates_by_id(
    reads: Statements, principal: Principal, ids: Sequence[int]
) -> list[TemplateRow | None]:
    """Return templates aligned with their IDs, none of them to those who may not look them up."""
    return await load_templates_by_id(reads, principal, ids) if sees_templates(principal) else [None for _ in ids]


async def load_templates_by_id(reads: Statements, principal: Principal, ids: Sequence[int]) -> list[TemplateRow | None]:
    """Return templates that are reached from something visible, or were just written; None for deleted ones."""
    query = _templates(principal).where("id = ANY (?::bigint[])", list(ids))
    rows = {row.id: _shown(row, principal) for row in await reads.rows(TemplateRow, query.text, *query.args)}
    return [rows.get(template_id) for template_id in ids]
