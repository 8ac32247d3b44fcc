"""Email addresses and names of hosts: which of them can be meant, how they are written on the wire and compared.

Names are encoded by IDNA 2008 and nothing else: the older encoding, which Python's own codec speaks, turns some of them
into names that belong to somebody else (`straße.example` into `strasse.example`).
"""

import re
import unicodedata
from collections.abc import Sequence
from email.errors import MessageError
from email.headerregistry import Address
from urllib.parse import urlsplit, urlunsplit

import idna

from domain.foundation.errors import Invalid
from domain.foundation.text_validation import EMAIL_LENGTH, exact_text

#: Of names that are ASCII, whatever servers may be called is taken; IDNA has a say where a label is encoded.
_PLAIN_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
MAX_HOST_LENGTH = 253


def ascii_host(name: str) -> str | None:
    """Return the name of a host as it stands on the wire, in lower case; None for what can be no name of a host."""
    # A label has 63 octets, and no encoding makes fewer of the letters.
    if not name or len(name) > MAX_HOST_LENGTH:
        return None
    try:
        host = ".".join(_ascii_label(label) for label in name.split("."))
    except (idna.IDNAError, UnicodeError):
        return None
    return host if len(host) <= MAX_HOST_LENGTH else None


def _ascii_label(label: str) -> str:
    if label.isascii():
        plain = label.lower()
        if not _PLAIN_LABEL.fullmatch(plain):
            raise idna.IDNAError("Is no label.")
        return idna.alabel(plain).decode() if plain.startswith("xn--") else plain
    # Letters that would become ASCII (the sign for kelvin) stay, and IDNA refuses them: they only look like others.
    lowered = "".join(
        small if (small := letter.lower()).isascii() == letter.isascii() and len(small) == 1 else letter
        for letter in label
    )
    if any(not letter.isascii() and unicodedata.normalize("NFC", letter).isascii() for letter in lowered):
        raise idna.IDNAError("Holds letters that are others.")
    return idna.alabel(unicodedata.normalize("NFC", lowered)).decode()


def with_ascii_host(url: str) -> str:
    """Return an address with the name of its host as it stands on the wire; raises ValueError where that is none."""
    parts = urlsplit(url)
    if parts.netloc.isascii():
        return url
    credentials, at, place = parts.netloc.rpartition("@")
    name, colon, port = place.partition(":")
    host = ascii_host(name)
    if host is None:
        raise ValueError("the name of the host is none")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}{colon}{port}"))


def wire_address(address: str) -> str | None:
    """Return an email address as mail servers know it, all of it ASCII; None for one that can never be mailed.

    Whatever a reader could understand in another way is none: comments, groups, more than one address.
    """
    local, _, domain = address.rpartition("@")
    host = ascii_host(domain)
    if host is None or not local.isascii():
        return None
    # As it is written where it is ASCII: that is what people know.
    wanted = f"{local}@{domain if domain.isascii() else host}"
    try:
        return wanted if Address(addr_spec=wanted).addr_spec == wanted else None
    except (MessageError, ValueError, IndexError):
        return None


def email_key(email: str) -> str:
    """Return what makes an email address unique and findable: ASCII letters without case, the domain by IDNA 2008.

    Addresses from before they were checked have a key too, which that of no other address can be.
    """
    local, at, domain = _ascii_lower(email.strip()).rpartition("@")
    return f"{local}{at}{ascii_host(domain) or domain}"


def _ascii_lower(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def email_text(value: str, *, path: Sequence[str | int]) -> str:
    """Return an email address without surrounding blanks; raises Invalid for one that can never be mailed."""
    stripped = exact_text(value.strip(), path=path, longest=EMAIL_LENGTH)
    if wire_address(stripped) is None:
        raise Invalid("Is no email address.", path=path)
    return stripped
