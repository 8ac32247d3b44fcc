"""Which column is which field, and what a text in it means."""

import pytest

from ops.failures import CommandFailed
from ops.imports.column_mapping import ColumnMapping, FieldSet

FIELDS = FieldSet(known=("external_id", "name", "ref1"), needed=("external_id",))
HEADER = ["external_id", "first", "last", "gender", "C++"]
CELLS = ["4711", "Ada", "Lovelace", "F", "yes"]


def test_columns_called_like_a_field_need_no_mapping() -> None:
    """All other columns are ignored."""
    assert ColumnMapping(HEADER, FIELDS).row(CELLS) == {"external_id": "4711"}


def test_columns_are_renamed_joined_and_used_twice() -> None:
    """A plus joins two columns by a hyphen."""
    mapping = ColumnMapping(HEADER, FIELDS, maps=["first+last=name", "last=external_id"])
    assert mapping.row(CELLS) == {"name": "Ada-Lovelace", "external_id": "Lovelace"}
    assert mapping.row(["", "", "", "", ""]) == {"name": "", "external_id": ""}


def test_plus_may_be_part_of_a_name() -> None:
    """The column that is called so goes first."""
    assert ColumnMapping(HEADER, FIELDS, maps=["C++=ref1"]).row(CELLS)["ref1"] == "yes"


def test_values_are_translated_and_others_stay() -> None:
    """The text of the field counts, an empty one too."""
    mapping = ColumnMapping(HEADER, FIELDS, maps=["gender=ref1"], values=["ref1:F=female", "ref1:=unknown"])
    assert mapping.row(CELLS)["ref1"] == "female"
    assert mapping.row(["1", "", "", "", ""])["ref1"] == "unknown"
    assert mapping.row(["1", "", "", "X", ""])["ref1"] == "X"


@pytest.mark.parametrize(
    ("maps", "values", "reason"),
    [
        (["gender"], [], "--map gender: has to be column=field"),
        (["gender=sex"], [], "there is no field sex. Fields: external_id, name, ref1"),
        (["sex=ref1"], [], "there is no column 'sex'. Columns: external_id, first"),
        (["first+middle=name"], [], "there is no column 'middle'"),
        (["first=name", "last=name"], [], "name is mapped twice"),
        ([], ["ref1=x"], "--value ref1=x: has to be field:text=value"),
        ([], ["sex:F=x"], "there is no field sex"),
    ],
)
def test_mapping_that_makes_no_sense_is_refused(maps: list[str], values: list[str], reason: str) -> None:
    """Before anything is read."""
    with pytest.raises(CommandFailed, match=reason.replace("+", r"\+").replace(".", r"\.")):
        ColumnMapping(HEADER, FIELDS, maps=maps, values=values)


def test_needed_field_has_to_have_a_column() -> None:
    """The message says how to give it one."""
    with pytest.raises(CommandFailed, match="No column is external_id: give one by --map column=external_id"):
        ColumnMapping(["id"], FIELDS)
