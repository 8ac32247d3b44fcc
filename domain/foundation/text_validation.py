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


#: What has no place at either end of a name or an ID: blanks, and what takes no room (a byte order mark is such).
_EDGES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "\u180e\u200b\u200c\u200d\u2060\ufeff"
#: Overrides, embeddings and isolates make a line read otherwise than it is. (Names that mix scripts need the marks
#: U+200E, U+200F and U+061C, which turn nothing but what is next to them.)
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Letters, marks and symbols that show nothing, beside what their categories tell.
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))


def _is_visible(character: str) -> bool:
    if character in _BLANK_CHARACTERS or "\ufe00" <= character <= "\ufe0f" or "\U000e0000" <= character <= "\U000e0fff":
        return False
    return unicodedata.category(character) not in _INVISIBLE_CATEGORIES


def normal_text(value: str) -> str:
    """Return the text in Unicode normal form C: what looks the same is the same, whoever typed it."""
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def key_text(value: str) -> str:
    """Return an ID or a name as it is stored and looked up: in normal form, nothing invisible around it."""
    return value.strip() if value.isascii() else normal_text(value.strip(_EDGES))


def storable_text(value: str, *, path: Sequence[str | int], longest: int, is_blank_allowed: bool = False) -> str:
    """Return the text in normal form if it can be stored and is neither blank nor too long, else raise Invalid.

    A blank text that is allowed holds blanks that people can type, not characters that take no room.
    """
    return exact_text(normal_text(value), path=path, longest=longest, is_blank_allowed=is_blank_allowed)


def exact_text(value: str, *, path: Sequence[str | int], longest: int, is_blank_allowed: bool = False) -> str:
    """Return `value` unchanged if `storable_text` took it: for addresses, which must not become those of others.

    The normal form of some letters is another one's (that of the sign for kelvin is K).
    """
    if len(value) > longest:
        raise Invalid(f"At most {longest} characters.", path=path)
    is_blank = not value.strip() if value.isascii() else not any(map(_is_visible, value))
    if is_blank and not (is_blank_allowed and not value.strip()):
        raise Invalid("Must not be blank.", path=path)
    # NUL cannot be stored by PostgreSQL; lone surrogates cannot be encoded as UTF-8.
    if "\x00" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
        raise Invalid("Contains characters that cannot be stored.", path=path)
    return value


def line_text(value: str, *, path: Sequence[str | int], longest: int, is_blank_allowed: bool = False) -> str:
    """Return a text of one line like `storable_text`: no separators of lines, nothing that turns the direction."""
    if not value.isascii() and any(
        character in _BIDI_CONTROLS or unicodedata.category(character) in ("Zl", "Zp") for character in value
    ):
        raise Invalid("Must be one line without characters that turn its direction.", path=path)
    return storable_text(value, path=path, longest=longest, is_blank_allowed=is_blank_allowed)


def name_text(value: str, *, path: Sequence[str | int]) -> str:
    """Return a display name or title as `key_text` makes it: one line without control characters."""
    stripped = key_text(value)
    if stripped.isascii() and stripped.isprintable():
        return storable_text(stripped, path=path, longest=NAME_LENGTH)
    if any(unicodedata.category(character) == "Cc" for character in stripped):
        raise Invalid("Must be one line without control characters.", path=path)
    return line_text(stripped, path=path, longest=NAME_LENGTH)


def external_id_text(value: str | None, *, path: Sequence[str | int]) -> str | None:
    """Return a partner's ID as `key_text` makes it, or None."""
    return None if value is None else line_text(key_text(value), path=path, longest=EXTERNAL_ID_LENGTH)


def ref_value_text(value: str, *, path: Sequence[str | int]) -> str:
    """Return a reference value of a person or of a rule: in normal form, as they are compared, else as it stands."""
    return line_text(value, path=path, longest=REF_VALUE_LENGTH, is_blank_allowed=True)
