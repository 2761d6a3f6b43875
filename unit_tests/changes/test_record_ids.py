"""Record ids: a small set of many, and the text that stands for them in a state."""

from __future__ import annotations

import string
import tracemalloc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes import record_ids as record_ids_module
from source_airtable.changes.record_ids import RecordIdSet, checksum, pack_ids, unpack_ids
from unit_tests.generated import airtable_ids

IDS = st.text(st.sampled_from("recAB0"), max_size=20) | st.from_regex(r"rec[A-Za-z0-9]{14}")

# Few letters, of one byte and of several, so that ids share beginnings, ends, and themselves.
ODD_IDS = st.text("recAé\x00 ", max_size=9) | st.text(max_size=8).filter(
    lambda id_: "\n" not in id_
)

MOST_BYTES_A_RECORD = 20


def some_ids(count: int) -> list[str]:
    """Give this many ids in Airtable's form, the same ones each time."""
    randomness = Random(20261118)  # noqa: S311 - no secret
    letters = string.ascii_letters + string.digits
    return ["rec" + "".join(randomness.choices(letters, k=14)) for _ in range(count)]


@given(st.lists(IDS.map(lambda record_id: record_id.replace("\n", ""))))
def test_behaves_like_a_set(record_ids: list[str]) -> None:
    """It tells of each id whether it is new, as Python's own set would, ids of any length alike."""
    ids, known = RecordIdSet(), set[str]()
    for record_id in record_ids:
        is_new = record_id not in known
        known.add(record_id)

        assert (record_id in ids) is not is_new
        assert ids.add(record_id) is is_new
        assert record_id in ids

    assert len(ids) == len(known)
    assert sorted(ids) == sorted(known)


@given(st.lists(IDS.map(lambda record_id: record_id.replace("\n", ""))), IDS)
def test_membership(record_ids: list[str], other: str) -> None:
    """It contains what it was made of, and nothing else."""
    assert (other in RecordIdSet(record_ids)) is (other in record_ids)


def test_end_of_another_id() -> None:
    """An id that ends like a known one of its bucket is new."""
    ids = RecordIdSet()
    ids.add("recABxyz")

    assert ids.add("recABz")


@given(st.lists(ODD_IDS, max_size=40))
def test_ids_of_other_forms(record_ids: list[str]) -> None:
    """Ids of any other form than Airtable's are told apart as well."""
    ids = RecordIdSet()
    for record_id in record_ids:
        ids.add(record_id)

    assert (len(set(record_ids)), False) == (len(ids), any(map(ids.add, record_ids)))


@given(st.lists(ODD_IDS, max_size=40), st.integers(1, 40))
def test_ids_that_become_many(record_ids: list[str], most: int) -> None:
    """Where ids become too many for few buckets, none is lost and none comes twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_ids_module, "_MOST_IN_FEW_BUCKETS", most)
        ids = RecordIdSet()
        told = [ids.add(record_id) for record_id in record_ids]

    assert sorted(ids) == sorted(set(record_ids))
    assert (sum(told), len(ids)) == (len(set(record_ids)),) * 2


@pytest.mark.parametrize("count", [2_000, 19_000, 100_000])
def test_memory_of_ids(count: int) -> None:
    """However many they are, ids take no more than 20 bytes each."""
    record_ids = some_ids(count)
    tracemalloc.start()
    try:
        ids = RecordIdSet()
        for record_id in record_ids:
            ids.add(record_id)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held_bytes / len(ids) <= MOST_BYTES_A_RECORD


FIRST, LAST = "rec" + "0" * 14, "rec" + "z" * 14
# Ids of another form than Airtable's; no id has a blank or a line break.
UNUSUAL_IDS = st.text(string.ascii_letters + string.digits + "é:-_📦", min_size=1, max_size=20)


@given(st.sets(airtable_ids("rec") | UNUSUAL_IDS | st.sampled_from([FIRST, LAST])))
def test_round_trip(record_ids: set[str]) -> None:
    """Unpacking gives the ids that were packed."""
    assert set(unpack_ids(pack_ids(record_ids))) == record_ids


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
    """Ids at the edges of the alphabet, and of other forms, survive packing."""
    unpacked = unpack_ids(pack_ids(record_ids))

    assert (set(unpacked), len(unpacked)) == (record_ids, len(record_ids))


def test_size() -> None:
    """Packed ids take 14 characters each, and a checksum."""
    assert len(pack_ids(some_ids(1000))) == 14 * 1000 + len("1a2b3c4d:")


def test_order() -> None:
    """The same ids give the same text, in any order."""
    record_ids = [*sorted(some_ids(100)), "recOdd", "recEven"]

    assert pack_ids(record_ids) == pack_ids(record_ids[::-1])


def test_text_is_json_as_it_stands() -> None:
    """JSON escapes no character of packed ids."""
    assert not set('"\\\n') & set(pack_ids(some_ids(1000)))


@pytest.mark.parametrize("packed", ["", "rec", ":", "00000001:", f"{checksum('a')}:b", f"{FIRST}"])
def test_text_that_holds_no_ids(packed: str) -> None:
    """Any other text is refused with a ValueError."""
    with pytest.raises(ValueError, match="the ids are damaged"):
        unpack_ids(packed)


@given(st.sets(airtable_ids("rec"), min_size=1), st.data())
def test_damaged_text(record_ids: set[str], data: st.DataObject) -> None:
    """Packed ids that lost or changed a character are refused, so no record seems deleted."""
    packed = pack_ids(record_ids)
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = packed[:place] + data.draw(st.sampled_from(["", "~"])) + packed[place + 1 :]

    with pytest.raises(ValueError, match="the ids are damaged"):
        unpack_ids(changed)


@given(st.text(max_size=30))
def test_any_text(packed: str) -> None:
    """Any text holds ids or is refused."""
    try:
        found = unpack_ids(packed)
    except ValueError:
        return

    assert all(isinstance(record_id, str) for record_id in found)
