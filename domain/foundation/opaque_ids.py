"""IDs as the outside knows them: a prefix for the type and the row's key, mixed so that neighbours do not look alike.

The mixing is fixed and has no secret: partners store IDs for ever, and an ID never gives access to anything.
"""

from functools import lru_cache

#: Prefix of mandatory tasks: the one kind of object whose IDs the domain itself tells, in links of emails.
MANDATORY_TASK = "mtk"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
#: IDs that are not worked out again: pages show the same departments, courses, rules and people over and over.
MOST_REMEMBERED = 16_384
_LENGTH = 13
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_MASK = 2**64 - 1
# Constants of splitmix64; any offset and odd factors would do, as long as they never change.
_OFFSET = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_INVERSES = tuple(pow(factor, -1, 2**64) for factor in _FACTORS)


@lru_cache(maxsize=MOST_REMEMBERED)
def opaque_id(prefix: str, key: int) -> str:
    """Return the ID of a row."""
    mixed = key + _OFFSET & _MASK
    for factor in _FACTORS:
        mixed = mixed * factor & _MASK
        mixed ^= mixed >> 32
    # Written out: a page has hundreds of IDs.
    return (
        f"{prefix}_{_ALPHABET[mixed >> 60]}{_PAIRS[mixed >> 50 & 1023]}{_PAIRS[mixed >> 40 & 1023]}"
        f"{_PAIRS[mixed >> 30 & 1023]}{_PAIRS[mixed >> 20 & 1023]}{_PAIRS[mixed >> 10 & 1023]}{_PAIRS[mixed & 1023]}"
    )


def read_opaque_id(text: str) -> tuple[str, int] | None:
    """Return prefix and key of an ID, or None when it is none of ours."""
    prefix, _, letters = text.partition("_")
    if len(letters) != _LENGTH:
        return None
    mixed = 0
    for letter in letters:
        digit = _DIGITS.get(letter)
        if digit is None:
            return None
        mixed = mixed << 5 | digit
    if mixed > _MASK:
        return None
    for inverse in reversed(_INVERSES):
        mixed ^= mixed >> 32
        mixed = mixed * inverse & _MASK
    key = mixed - _OFFSET & _MASK
    return (prefix, key) if 0 < key < 2**63 else None
