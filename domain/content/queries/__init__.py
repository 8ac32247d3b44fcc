"""Reading contents: by key, by ID for the API's loaders, and page by page."""

from domain.content.queries.contents import (
    ContentFilter,
    ContentRow,
    PathItemRow,
    find_content,
    find_content_by_key,
    list_contents,
    load_changed_contents_by_id,
    load_contents_by_id,
    load_items_by_path,
    load_trainer_ids_by_content,
)
from domain.content.queries.keys import ContentKey, find_content_ids, resolve_content, resolve_contents
from domain.content.queries.visibility import assignability, trained_by, visibility

__all__ = [
    "ContentFilter",
    "ContentKey",
    "ContentRow",
    "PathItemRow",
    "assignability",
    "find_content",
    "find_content_by_key",
    "find_content_ids",
    "list_contents",
    "load_changed_contents_by_id",
    "load_contents_by_id",
    "load_items_by_path",
    "load_trainer_ids_by_content",
    "resolve_content",
    "resolve_contents",
    "trained_by",
    "visibility",
]
