"""A set of record ids."""

from __future__ import annotations

import string
import tracemalloc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.streams import record_ids as record_ids_module
from source_airtable.streams.record_ids import RecordIdSet

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

        assert ids.add(record_id) is is_new

    assert len(ids) == len(known)


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
