"""The filter, as text and as the simulator computes it, and what records prove of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_tests.airtable_simulator.formula_parser import field_names, parse_formula
from integration_tests.airtable_simulator.formulas import compile_filter
from integration_tests.airtable_simulator.settings import Settings
from integration_tests.airtable_simulator.table import Table
from source_airtable.changes.need import (
    ChangedSince,
    FilterProof,
    RecordIds,
    WholeTable,
    find_modified_field,
)
from source_airtable.changes.parts import TablePart
from unit_tests.builders import a_field, a_table

SINCE = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
BEFORE, AFTER = SINCE - SECOND, SINCE + SECOND
NAME = a_field()
EDITED = "fldEdited00000001"
# What the function gives for a blank time, and what IS_AFTER says of it: nobody knows.
READINGS = [(time, comparison) for time in ("blank", "error") for comparison in ("false", "error")]


def modified_after(moment: datetime) -> str:
    """The filter of edits."""
    return ChangedSince("last_modified", moment).formula


def created_after(moment: datetime) -> str:
    """The filter of new records."""
    return ChangedSince("created_time", moment).formula


def with_ids(*record_ids: str) -> str:
    """The filter of ids."""
    (formula,) = RecordIds(record_ids).formulas
    return formula


def as_text(moment: datetime) -> str:
    """A moment as Airtable writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_modified_field(referenced: object = (), result: object = "dateTime") -> dict[str, Any]:
    """A field of last modified times."""
    given = list(referenced) if isinstance(referenced, tuple) else referenced
    return a_field(
        "lastModifiedTime",
        field_id=EDITED,
        name="Edited",
        options={"isValid": True, "referencedFieldIds": given, "result": {"type": result}},
    )


def is_picked(
    formula: str,
    created: datetime,
    modified: datetime | None,
    reading: tuple[str, str] = READINGS[0],
    **settings: object,
) -> bool:
    """Whether the simulator picks a record of these times."""
    record: dict[str, Any] = {
        "id": "recAdw9EjV90xbZ00",
        "createdTime": as_text(created),
        "lastModifiedTime": modified and as_text(modified),
        "fields": {},
    }
    table = Table({"id": "tbl", "name": "T", "fields": [NAME], "records": [record]}, 0)
    time, comparison = reading
    changed = Settings().changed(
        {"blank_modified_time": time, "blank_comparison": comparison, **settings}
    )
    keeps = compile_filter(formula, table, changed, SINCE.timestamp())
    return keeps is None or keeps(table.record("recAdw9EjV90xbZ00"))


def test_formula_of_edits() -> None:
    """Edited or created after the moment, or not to be computed: the contract's filter."""
    parsed = "DATETIME_PARSE('2026-11-18T10:00:00.000Z')"
    either = (
        f"OR(IF(LAST_MODIFIED_TIME(),IS_AFTER(LAST_MODIFIED_TIME(),{parsed}),FALSE()),"
        f"IS_AFTER(CREATED_TIME(),{parsed}))"
    )

    assert modified_after(SINCE) == f"IF(ISERROR({either}),TRUE(),{either})"


def test_formula_of_new_records() -> None:
    """Created after the moment, or not to be computed."""
    after = "IS_AFTER(CREATED_TIME(),DATETIME_PARSE('2026-11-18T10:00:00.000Z'))"

    assert created_after(SINCE) == f"IF(ISERROR({after}),TRUE(),{after})"


def test_formula_of_ids() -> None:
    """Records are picked by their ids."""
    assert with_ids("recA", "recB") == "OR(RECORD_ID()='recA',RECORD_ID()='recB')"


@pytest.mark.parametrize("formula", [modified_after(SINCE), created_after(SINCE), with_ids("r")])
def test_formula_names_no_field(formula: str) -> None:
    """No field is named, whose name might hold a brace or change."""
    assert list(field_names(parse_formula(formula))) == []
    assert "{" not in formula


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    ("created", "modified", "expected"),
    [
        (BEFORE, BEFORE, False),
        (BEFORE, SINCE, False),
        (BEFORE, AFTER, True),
        (SINCE, SINCE, False),
        (AFTER, AFTER, True),
        (AFTER, BEFORE, True),
        (AFTER, None, True),
        (BEFORE - 999 * SECOND, BEFORE + 999 * SECOND, True),
    ],
)
def test_picked_by_edit(
    created: datetime,
    modified: datetime | None,
    reading: tuple[str, str],
    *,
    expected: bool,
) -> None:
    """What was edited or created after the second of the edge is picked, however blank is read."""
    assert is_picked(modified_after(SINCE), created, modified, reading) is expected


@pytest.mark.parametrize(
    ("reading", "expected"),
    list(zip(READINGS, [False, False, True, True], strict=True)),
)
def test_old_record_that_was_never_edited(reading: tuple[str, str], *, expected: bool) -> None:
    """A blank time loses no new record; where it is an error, old ones come as well."""
    assert is_picked(modified_after(SINCE), BEFORE, None, reading) is expected


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(("created", "expected"), [(BEFORE, False), (SINCE, False), (AFTER, True)])
def test_picked_by_creation(
    created: datetime,
    reading: tuple[str, str],
    *,
    expected: bool,
) -> None:
    """By creation only new records are picked, edited or not."""
    assert is_picked(created_after(SINCE), created, AFTER, reading) is expected


@pytest.mark.parametrize("keeps_milliseconds", [True, False])
@given(after=st.integers(0, 5_000), is_new=st.booleans(), is_blank=st.booleans())
def test_no_edit_is_lost(
    after: int,
    *,
    is_new: bool,
    is_blank: bool,
    keeps_milliseconds: bool,
) -> None:
    """With the least look-back no edit since the saved moment is lost, to the millisecond."""
    moment = SINCE + timedelta(milliseconds=after)
    formula = modified_after(SINCE - timedelta(minutes=1))

    assert is_picked(
        formula,
        moment if is_new else BEFORE,
        None if is_new and is_blank else moment,
        times_keep_milliseconds=keeps_milliseconds,
    )


@pytest.mark.parametrize("record_id", ["recAdw9EjV90xbZ00", "recOther000000000"])
def test_picked_by_id(record_id: str) -> None:
    """By id the record of that id is picked, and no other."""
    picked = is_picked(with_ids("recX", record_id), BEFORE, None)

    assert picked is (record_id == "recAdw9EjV90xbZ00")


def test_field_that_proves() -> None:
    """A field of whole last modified times, of all fields, shows each record's."""
    assert find_modified_field(a_table(NAME, a_modified_field())) == EDITED


@pytest.mark.parametrize(
    "field",
    [
        NAME,
        a_modified_field(referenced=(NAME["id"],)),
        a_modified_field(referenced=None),
        a_modified_field(referenced=...),
        a_modified_field(result="date"),
        a_modified_field(result=None),
        {**a_modified_field(), "options": None},
        {**a_modified_field(), "options": {"referencedFieldIds": []}},
        {**a_modified_field(), "type": "dateTime"},
    ],
    ids=[
        "other",
        "some fields",
        "null",
        "no list",
        "dates",
        "no type",
        "no options",
        "no result",
        "no modified time",
    ],
)
def test_field_that_proves_nothing(field: dict[str, Any]) -> None:
    """A field that shows days, or some fields' edits, or is not what it seems, proves nothing."""
    if field.get("options") and field["options"].get("referencedFieldIds") is ...:
        del field["options"]["referencedFieldIds"]

    assert find_modified_field(a_table(field)) is None


def test_second_field_that_proves() -> None:
    """One field that proves is enough, wherever it stands."""
    days = {**a_modified_field(result="date"), "id": "fldDays0000000001"}

    assert find_modified_field(a_table(days, a_modified_field())) == EDITED


def is_ignored_after(
    *pages: list[tuple[object, object]],
    method: str = "last_modified",
    field: Any = None,  # noqa: ANN401 - a field
) -> bool:
    """Whether pages of records of these times of creation and last edit prove a filter ignored."""
    table = a_table(NAME, a_modified_field() if field is None else field)
    proof = FilterProof(ChangedSince(method, SINCE), table)
    for page in pages:
        records: Any = [
            {"id": "rec", "createdTime": created, "fields": {EDITED: edited} if edited else {}}
            for created, edited in page
        ]
        proof.look_at(records)
    return proof.is_ignored


OLD, EDGE, NEW = as_text(SINCE - 3 * SECOND), as_text(SINCE - 2 * SECOND), as_text(AFTER)


def test_formula_of_a_whole_table() -> None:
    """The need for the whole table has no filter."""
    assert WholeTable().formulas == (None,)


@pytest.mark.parametrize("need", [WholeTable(), RecordIds(("recA", "rec"))])
def test_need_that_an_old_record_fits(need: WholeTable | RecordIds) -> None:
    """An old record proves nothing where no moment is asked for."""
    proof = FilterProof(need, a_table(NAME, a_modified_field()))
    old: Any = {"id": "rec", "createdTime": OLD, "fields": {EDITED: OLD}}
    proof.look_at([old])

    assert not proof.is_ignored


@pytest.mark.parametrize(("record_id", "expected"), [("rec0", False), ("recB", True)])
def test_record_of_another_part(record_id: str, *, expected: bool) -> None:
    """A record that belongs to another part proves that the filter is ignored."""
    proof = FilterProof(TablePart("01aA"), a_table(NAME))
    record: Any = {"id": record_id, "createdTime": NEW, "fields": {}}
    proof.look_at([record])

    assert proof.is_ignored is expected


def test_record_of_another_id() -> None:
    """A record that was not asked for proves that the filter by ids is ignored."""
    proof = FilterProof(RecordIds(("recA",)), a_table(NAME))
    other: Any = {"id": "recB", "createdTime": NEW, "fields": {}}
    proof.look_at([other])

    assert proof.is_ignored


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (201, [100, 100, 1])]
)
def test_ids_of_several_lists(count: int, sizes: list[int]) -> None:
    """A filter picks at most 100 ids, each id once."""
    ids = tuple(f"rec{number}" for number in range(count))
    formulas = RecordIds(ids).formulas

    assert [formula.count("RECORD_ID()") for formula in formulas] == sizes
    assert all(sum(f"'{one}'" in formula for formula in formulas) == 1 for one in ids)


def test_equal_needs() -> None:
    """Needs of the same method and moment are equal, so that streams share a scan."""
    needs = {
        ChangedSince("last_modified", SINCE),
        ChangedSince("last_modified", SINCE + 0 * SECOND),
        ChangedSince("last_modified", AFTER),
        ChangedSince("created_time", SINCE),
        WholeTable(),
        WholeTable(),
    }

    assert len(needs) == 4


def test_record_outside_the_window() -> None:
    """A record that was neither created nor edited in the window proves that it is ignored."""
    assert is_ignored_after([(OLD, OLD)])


@pytest.mark.parametrize(
    "record",
    [
        pytest.param((NEW, NEW), id="new"),
        pytest.param((OLD, NEW), id="edited"),
        pytest.param((NEW, OLD), id="new, with an odd time"),
        pytest.param((EDGE, EDGE), id="two seconds before the edge"),
        pytest.param((OLD, EDGE), id="edited two seconds before the edge"),
        pytest.param((OLD, None), id="blank"),
        pytest.param((OLD, {"error": "#ERROR!"}), id="error"),
        pytest.param((None, OLD), id="no time of creation"),
    ],
)
def test_record_that_proves_nothing(record: tuple[object, object]) -> None:
    """A record inside the window, near its edge, or of unknown times proves nothing."""
    assert not is_ignored_after([record])


def test_proof_among_others() -> None:
    """One record that proves it is enough, whatever comes behind it."""
    assert is_ignored_after([(NEW, NEW), (OLD, OLD), (NEW, NEW)], [(NEW, NEW)], [])


def test_table_without_proof() -> None:
    """Without a field that proves, an old record may have been edited."""
    field = a_modified_field(result="date")

    assert not is_ignored_after([(OLD, OLD)], field=field)


@pytest.mark.parametrize(
    ("created", "expected"), [(OLD, True), (EDGE, False), (NEW, False), (None, False)]
)
def test_proof_of_creation(created: object, *, expected: bool) -> None:
    """By creation, each record's own time is the proof, whatever fields there are."""
    field = a_modified_field(("x",))

    assert is_ignored_after([(created, NEW)], method="created_time", field=field) is expected
