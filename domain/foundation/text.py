"""Text from outside: what is accepted, and how names are compared and sorted."""

import unicodedata
from collections.abc import Sequence

from domain.foundation.errors import Invalid

NAME_LENGTH = 200
EXTERNAL_ID_LENGTH = 255
EMAIL_LENGTH = 320
REF_VALUE_LENGTH = 255


def name_key(name: str) -> str:
    """Return the key by which people expect names to be sorted and found: no case, no accents."""
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def storable_text(value: str, *, path: Sequence[str | int], longest: int, is_blank_allowed: bool = False) -> str:
    """Return `value` unchanged if PostgreSQL can store it and it is neither blank nor too long, else raise Invalid."""
    if len(value) > longest:
        raise Invalid(f"At most {longest} characters.", path=path)
    if not is_blank_allowed and not value.strip():
        raise Invalid("Must not be blank.", path=path)
    # NUL cannot be stored by PostgreSQL; lone surrogates cannot be encoded as UTF-8.
    if "\x00" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
        raise Invalid("Contains characters that cannot be stored.", path=path)
    return value


def name_text(value: str, *, path: Sequence[str | int]) -> str:
    """Return a display name or title without surrounding blanks: one line without control characters."""
    stripped = value.strip()
    if stripped.isascii() and stripped.isprintable():
        return storable_text(stripped, path=path, longest=NAME_LENGTH)
    if any(unicodedata.category(character) == "Cc" for character in stripped):
        raise Invalid("Must be one line without control characters.", path=path)
    return storable_text(stripped, path=path, longest=NAME_LENGTH)


def external_id_text(value: str | None, *, path: Sequence[str | int]) -> str | None:
    """Return a partner's ID as it stands, or None."""
    return None if value is None else storable_text(value, path=path, longest=EXTERNAL_ID_LENGTH)
