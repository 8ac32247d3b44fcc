"""Searching by a part of a name."""

from domain.foundation.text_validation import name_key


def contains_pattern(text: str) -> str:
    """Return the LIKE pattern for names that contain `text`, ignoring case and accents."""
    escaped = name_key(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
