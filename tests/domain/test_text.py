"""Texts from outside: normal form, edges, and what a line may not hold."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.foundation.errors import Invalid
from domain.foundation.keys import ExternalId
from domain.foundation.text_validation import (
    external_id_text,
    key_text,
    name_key,
    name_text,
    ref_value_text,
    storable_text,
)

NFC, NFD = "Küche", unicodedata.normalize("NFD", "Küche")

texts = st.text(max_size=20)


@given(texts)
def test_every_way_to_type_a_text_gives_one_text(text: str) -> None:
    """In whichever form it comes, with whatever around it, a key is the same; and it stays what it is."""
    key = key_text(text)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert {key_text(f"\ufeff {form}\u200b\t") for form in forms} == {key_text(forms[0])} == {key}
    assert key_text(key) == key == unicodedata.normalize("NFC", key)


def test_names_external_ids_and_values_are_stored_in_one_form() -> None:
    """Also where they are looked up, and for values whose blanks count."""
    assert NFC != NFD
    assert name_text(f" {NFD} ", path=()) == NFC
    assert external_id_text(f"\ufeffA-1\u00a0{NFD}\u3000", path=()) == f"A-1\u00a0{NFC}"
    assert ExternalId(f"{NFD}\u200b") == NFC
    assert ref_value_text(f" {NFD} ", path=()) == f" {NFC} "
    assert storable_text(f"{NFD}\n", path=(), longest=6) == f"{NFC}\n"
    assert name_key(NFC) == name_key(NFD)


@pytest.mark.parametrize("hidden", ["\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"])
def test_a_line_has_no_other_lines_and_no_other_direction(hidden: str) -> None:
    """Names, IDs and values alike."""
    for check in (name_text, external_id_text, ref_value_text):
        with pytest.raises(Invalid):
            check(f"a{hidden}b", path=())


@pytest.mark.parametrize(
    "nothing", ["\u200b", "\ufeff", "\u2060\u200d", "\u3164", "\u2800", "\U000e0041", "\ufe0f", "\u00ad"]
)
def test_what_shows_nothing_is_no_text(nothing: str) -> None:
    """Whatever Unicode calls it."""
    for check in (name_text, external_id_text, ref_value_text):
        with pytest.raises(Invalid):
            check(nothing, path=())


def test_names_that_need_invisible_characters_keep_them() -> None:
    """Joiners within a word, marks of direction beside digits, and blanks as the value that somebody typed."""
    for name in ("می\u200cخواهم", "👩\u200d🚀", "חדר\u200e 5"):
        assert name_text(name, path=()) == name
    assert ref_value_text("  ", path=()) == "  "
