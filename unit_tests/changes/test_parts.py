"""Parts of a table: together they are the table, and a record's part is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_tests.airtable_simulator.formulas import compile_filter
from integration_tests.airtable_simulator.ids import ID_ALPHABET
from integration_tests.airtable_simulator.settings import Settings
from integration_tests.airtable_simulator.table import Table
from source_airtable.changes.parts import UNITS, TablePart, join_units, split_units
from unit_tests.generated import airtable_ids

OTHER_IDS = st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=20)
RECORD_IDS = st.lists(airtable_ids("rec") | OTHER_IDS, unique=True, max_size=60)


def parts_of(units: list[str], sizes: list[int]) -> list[TablePart]:
    """The units in this order, in parts of these sizes; the last part is the rest."""
    parts: list[TablePart] = []
    start = 0
    for size in sizes:
        if start + size >= len(units):
            break
        parts.append(TablePart("".join(units[start : start + size])))
        start += size
    return [*parts, TablePart("".join(units[:start]), is_rest=True)]


PARTS = st.builds(
    parts_of,
    st.permutations(UNITS),
    st.lists(st.integers(1, 12), max_size=31),
)


def picked_by(part: TablePart, record_ids: list[str], **settings: object) -> set[str]:
    """What Airtable picks for a part, in one reading of FIND."""
    records = [
        {"id": one, "createdTime": "2026-11-18T10:00:00.000Z", "fields": {}} for one in record_ids
    ]
    given = {"id": "tbl1", "name": "T", "primaryFieldId": "fld1", "fields": [], "records": records}
    table = Table(given, 0)
    keeps = compile_filter(part.formula, table, Settings().changed(settings), 0)
    assert keeps is not None
    return {one.id for one in table.records.values() if keeps(one)}


@pytest.mark.parametrize("ignores_case", [False, True])
@given(record_ids=RECORD_IDS, parts=PARTS)
def test_parts_are_the_table(
    *, ignores_case: bool, record_ids: list[str], parts: list[TablePart]
) -> None:
    """For any ids, the parts together are all of them, whether FIND looks at case or not."""
    found = [picked_by(part, record_ids, find_ignores_case=ignores_case) for part in parts]

    assert set().union(*found) == set(record_ids)


@given(record_ids=RECORD_IDS, parts=PARTS)
def test_part_of_a_record(record_ids: list[str], parts: list[TablePart]) -> None:
    """A record belongs to exactly one part, the one that Airtable gives it with."""
    for record_id in record_ids:
        assert sum(part.holds(record_id) for part in parts) == 1
    for part in parts:
        assert picked_by(part, record_ids) == {one for one in record_ids if part.holds(one)}


@given(record_ids=st.lists(airtable_ids("rec"), unique=True, max_size=60), parts=PARTS)
def test_case_makes_no_difference(record_ids: list[str], parts: list[TablePart]) -> None:
    """Ids of Airtable's form are in the same part in both readings of FIND."""
    for part in parts:
        usual = picked_by(part, record_ids)
        assert picked_by(part, record_ids, find_ignores_case=True) == usual


def test_units() -> None:
    """The units hold each character of ids once, two each, and a letter beside its capital."""
    characters = "".join(UNITS)

    assert sorted(characters) == sorted(ID_ALPHABET)
    assert {len(unit) for unit in UNITS} == {2}
    assert all(unit[0].upper() == unit[1] for unit in UNITS if unit.isalpha())


def test_formula() -> None:
    """A record for which the filter is an error belongs to every part."""
    part = "FIND(RIGHT(RECORD_ID(),1),'01aA')>0"

    assert TablePart("01aA").formula == f"IF(ISERROR({part}),TRUE(),{part})"
    assert TablePart("01aA", is_rest=True).formula == (
        f"IF(ISERROR(NOT({part})),TRUE(),NOT({part}))"
    )
    assert TablePart("01aA").formulas == (TablePart("01aA").formula,)


@given(st.lists(st.sampled_from(UNITS), unique=True))
def test_units_in_a_state(units: list[str]) -> None:
    """Units come back as they were saved."""
    assert split_units(join_units(units)) == tuple(units)


@pytest.mark.parametrize("saved", [7, None, ["01"], "0", "01a", "10", "aa", "0101", "01 aA"])
def test_damaged_units(saved: object) -> None:
    """Text that no state holds is refused."""
    with pytest.raises(ValueError, match="parts"):
        split_units(saved)
