"""The one clock of business time. Everything below `gql`, `jobs` and `ops` is handed `now` instead of asking."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)
