"""Addresses of people and names of hosts: what can be mailed, where it goes, and what counts as the same."""

import pytest

from domain.foundation.addresses import ascii_host, email_key, email_text, wire_address, with_ascii_host
from domain.foundation.errors import Invalid

MAILABLE = {
    "lea@acme.example": "lea@acme.example",
    "Lea@ACME.example": "Lea@ACME.example",
    "lea@straße.example": "lea@xn--strae-oqa.example",
    "lea@faß.example": "lea@xn--fa-hia.example",
    "lea@ẞ.example": "lea@xn--zca.example",
    "lea@MÜLLER.example": "lea@xn--mller-kva.example",
    "lea@mu\u0308ller.example": "lea@xn--mller-kva.example",
    "lea@βόλος.example": "lea@xn--nxasmm1c.example",
    "lea@نامه\u200cای.example": "lea@xn--mgba3gch31f060k.example",
    "lea@xn--strae-oqa.example": "lea@xn--strae-oqa.example",
    "lea@ab--cd.example": "lea@ab--cd.example",
    "lea@my_host.example": "lea@my_host.example",
    "lea@localhost": "lea@localhost",
}
NEVER = [
    *("lëa@acme.example", "a..b@acme.example", ".a@acme.example", "<lea@acme.example>", "a<b@acme.example"),
    *("a\u200bb@acme.example", "a\u202e@acme.example", "lea@acme\u200b.example", "lea@ac\xadme.example"),
    *("lea@\u212aelvin.example", "lea@ｂ.example", "lea@İ.example", "lea@acme。example", "lea@-acme.example"),
    *("lea@acme..example", "lea@acme.example.", "lea@xn--zzzzzz.example", "lea@" + "ü" * 80 + ".example"),
    *("lea@", "@acme.example", "lea", "lea@acme.example, eve@acme.example", "lea@[127.0.0.1]", "\ud800@acme.example"),
    "lea@" + "a." * 140 + "example",
]


@pytest.mark.parametrize(("address", "wire"), MAILABLE.items())
def test_mail_goes_to_the_domain_that_is_meant(address: str, wire: str) -> None:
    """Not to the one that older rules make of it."""
    assert wire_address(address) == wire
    assert email_text(f" {address} ", path=()) == address


@pytest.mark.parametrize("address", NEVER, ids=ascii)
def test_what_can_never_be_mailed_is_refused(address: str) -> None:
    """When it is saved; what is there from before is not mailed, and has a key of its own."""
    assert wire_address(address) is None
    with pytest.raises(Invalid):
        email_text(address, path=())
    assert email_key(address) not in {email_key(other) for other in MAILABLE}


def test_addresses_are_compared_by_what_they_mean() -> None:
    """ASCII letters without case and domains as they are encoded; letters that only look alike are others."""
    same = ["Lea@STRAßE.example", "lea@straße.example", "LEA@xn--STRAE-oqa.example", " lea@straße.example "]
    assert {email_key(one) for one in same} == {"lea@xn--strae-oqa.example"}
    different = [
        "lea@strasse.example",
        "\u212aai@acme.example",
        "kai@acme.example",
        "LËA@acme.example",
        "lëa@acme.example",
    ]
    assert len({email_key(one) for one in different}) == 5


def test_hosts_of_addresses_are_encoded_and_nothing_else_is_touched() -> None:
    """Credentials, ports and paths stay; what is no name is told."""
    url = "smtps://us%40er:p%C3%A4ss@straße.example:465/?starttls=never"
    assert with_ascii_host(url) == url.replace("straße", "xn--strae-oqa")
    assert with_ascii_host("unix:///run/valkey.sock") == "unix:///run/valkey.sock"
    assert with_ascii_host("http://[::1]:8000/é") == "http://[::1]:8000/é"
    with pytest.raises(ValueError, match="host"):
        with_ascii_host("https://\u212aelvin.example")
    assert ascii_host("ACME.example") == "acme.example"
