"""Record ids in a state are short, and come back as they were."""

from __future__ import annotations

import string
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.streams.packed_ids import pack_ids, unpack_ids
from unit_tests.generated import airtable_ids

FIRST, LAST = "rec" + "0" * 14, "rec" + "z" * 14
# Other ids than Airtable's; a blank or line break is in no id.
UNUSUAL_IDS = st.text(string.ascii_letters + string.digits + "é:-_📦", min_size=1, max_size=20)


def some_ids(count: int) -> set[str]:
    """Give this many ids in Airtable's form, the same ones each time."""
    randomness = Random(20261118)  # noqa: S311 - no secret
    letters = string.ascii_letters + string.digits
    return {"rec" + "".join(randomness.choices(letters, k=14)) for _ in range(count)}


@given(st.sets(airtable_ids("rec") | UNUSUAL_IDS | st.sampled_from([FIRST, LAST])))
def test_round_trip(record_ids: set[str]) -> None:
    """Whatever ids are packed, the same ones come out."""
    assert unpack_ids(pack_ids(record_ids)) == record_ids


@pytest.mark.parametrize(
    "record_ids",
    [
        set(),
        {FIRST},
        {LAST},
        {FIRST, LAST},
        {FIRST, "rec" + "0" * 13 + "1"},
        {f"rec{number:014d}" for number in range(300)},
        {"recOdd", "rec" + "é" * 14, FIRST, f"{FIRST}0", FIRST.upper()},
    ],
    ids=["none", "first", "last", "both ends", "neighbours", "dense", "unusual"],
)
def test_ids_at_the_edges(record_ids: set[str]) -> None:
    """Ids at the edges of what there is come out as they were."""
    assert unpack_ids(pack_ids(record_ids)) == record_ids


@pytest.mark.parametrize(("count", "most_characters"), [(10_000, 12), (50_000, 11)])
def test_size(count: int, most_characters: int) -> None:
    """Many ids take no more than twelve characters each, very many no more than eleven."""
    record_ids = some_ids(count)
    packed = pack_ids(record_ids)

    assert unpack_ids(packed) == record_ids
    assert len(packed) / count <= most_characters


def test_order() -> None:
    """The same ids give the same text, in whichever order they are."""
    record_ids = [*sorted(some_ids(100)), "recOdd", "recEven"]

    assert pack_ids(record_ids) == pack_ids(record_ids[::-1])


def test_nothing() -> None:
    """An empty text holds no ids."""
    assert unpack_ids("") == set()


def test_text_is_json_as_it_stands() -> None:
    """No character of packed ids is longer in JSON."""
    assert not set('"\\\n') & set(pack_ids(some_ids(1000)))


@pytest.mark.parametrize(
    "packed",
    [
        "rec",
        "1",
        "1:2",
        "one:2:00",
        "1:two:00",
        "1:2:",
        "3:3:00",
        "1:2:é",
        "1:2:\x00",
        f"1:84:{'~' * 5}",
        f"1:84:{'z' * 20}",
        "1:-1:zz",
        f"1:{10**20}:zz",
        f"1:{10**6}:zz",
        f"{10**20}:1:zz",
        f"1:84:{'s' * 400}",
    ],
)
def test_text_that_holds_no_ids(packed: str) -> None:
    """Any other text is refused, quickly, with the one error that says so."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        unpack_ids(packed)


@given(
    st.text(max_size=30)
    | st.builds(
        "{}:{}:{}".format,
        st.integers(-3, 99),
        st.integers(-3, 99) | st.just(10**20),
        st.text(string.printable, max_size=40),
    )
)
def test_any_text(packed: str) -> None:
    """Whatever text there is, it holds ids or is refused."""
    try:
        found = unpack_ids(packed)
    except ValueError:
        return

    assert all(isinstance(record_id, str) for record_id in found)
