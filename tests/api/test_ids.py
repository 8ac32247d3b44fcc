"""IDs are opaque, typed and stable for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.foundation.errors import Invalid, NotFound
from domain.foundation.keys import ExternalId
from gql.contract import ids

KEYS = st.integers(min_value=1, max_value=2**63 - 1)
PREFIXES = sorted(
    value
    for name, value in vars(ids).items()
    if name.isupper() and name.strip("_") == name and isinstance(value, str) and value not in (ids.EXTERNAL, ids.EMAIL)
)


def test_ids_of_today_are_ids_for_ever() -> None:
    """Partners store IDs: the same row has the same ID in every release."""
    assert ids.encode("lrn", 1) == "lrn_57wzg238q1z2d"
    assert ids.encode("job", 2**63 - 1) == "job_d9hn39rgz6z3f"


@given(KEYS)
def test_an_id_leads_back_to_its_key(key: int) -> None:
    """Every key survives the way out and in."""
    text = ids.encode("lrn", key)
    assert ids.decode(text) == ("lrn", key)
    assert len(text) == 17
    assert text == text.lower()


def test_neighbours_do_not_look_like_neighbours() -> None:
    """Nobody reads from an ID how many objects there are."""
    first, second = ids.encode("lrn", 1), ids.encode("lrn", 2)
    assert sum(a == b for a, b in zip(first[4:], second[4:], strict=True)) < 5


def test_prefixes_are_the_contracts() -> None:
    """Each kind of object has its prefix, and none shares it."""
    assert " ".join(PREFIXES) == "act aud bas cli cnt dep enr grp job lrn mtk ntf rem rul sub svc ten tpl"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lrn",
        "lrn_",
        "lrn_0",
        "lrn_" + "u" * 13,
        "lrn_" + "z" * 13,
        ids.encode("lrn", 0),
        "lrn_" + "0" * 14,
        "LRN_" + "0" * 13,
        "17",
        "ext",
        "lrn_ééééééééééééé",
        "\x00",
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    """Malformed text finds nothing, in lookups, in mutations and in filters alike, each in its own way."""
    assert ids.find_key(ids.LEARNER, text) is None
    with pytest.raises(NotFound) as not_found:
        ids.get_key(ids.LEARNER, text, path=["learner", "id"])
    assert not_found.value.path == ["learner", "id"]
    with pytest.raises(Invalid) as invalid:
        ids.filter_key(ids.LEARNER, text, path=["filter", "learnerIds", 0])
    assert invalid.value.path == ["filter", "learnerIds", "0"]


def test_an_id_of_another_type_finds_nothing() -> None:
    """A department's ID names no learner, although the rows may have the same key."""
    assert ids.find_key(ids.LEARNER, ids.encode(ids.DEPARTMENT, 5)) is None
    with pytest.raises(Invalid):
        ids.filter_typed_key([ids.LEARNER, ids.SERVICE_ACCOUNT], ids.encode(ids.DEPARTMENT, 5), path=["actorIds"])
    assert ids.filter_typed_key([ids.LEARNER], ids.encode(ids.LEARNER, 5), path=["actorIds"]) == ("lrn", 5)


def test_partners_may_use_their_own_ids() -> None:
    """`ext:` is followed by the partner's ID as it stands."""
    assert ids.find_key(ids.DEPARTMENT, "ext:47:11 ä") == ExternalId("47:11 ä")
    assert isinstance(ids.find_key(ids.DEPARTMENT, "ext:5"), ExternalId)
    assert ids.find_key(ids.DEPARTMENT, "ext:") is None
    assert ids.find_own_key(ids.BACKGROUND_JOB, "ext:5") is None
    assert ids.get_keys(ids.DEPARTMENT, ["ext:5", ids.encode(ids.DEPARTMENT, 7)], path=["departmentIds"]) == [
        ExternalId("5"),
        7,
    ]


def test_paths_of_lists_name_the_item() -> None:
    """A form can point at the very ID that is wrong."""
    with pytest.raises(NotFound) as error:
        ids.get_keys(ids.DEPARTMENT, ["ext:5", "nonsense"], path=["departmentIds"])
    assert error.value.path == ["departmentIds", "1"]
