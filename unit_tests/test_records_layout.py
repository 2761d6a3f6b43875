"""The data of the stream `records`: the values of each table's own stream, in objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.records import CellConverter, Page, RecordConverter
from source_airtable.schema.fingerprint import fingerprint_columns, has_changed
from source_airtable.schema.json_schema import build_json_schema, name_columns
from unit_tests.builders import (
    AS_OF,
    CREATED_TIME,
    RECORD_ID,
    a_field,
    a_record,
    a_table,
    an_account_stream,
)
from unit_tests.conforming import as_json, nonconformities
from unit_tests.generated import cells_for, fields

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema

NAME = a_field(field_id="fldName0000000000", name="Name")
RATING = a_field("rating", field_id="fldRating00000000", name="Rating")
TABLE = a_table(NAME, RATING)
DELETED_AT = "2026-11-18T11:00:00.000Z"


def a_json_schema(*columns: str) -> dict[str, Any]:
    """The stream's configured JSON schema, with all columns or some of them."""
    incremental = {"detect_deletions": True}
    return an_account_stream("records", *columns, incremental=incremental).get_json_schema()


def row_of(converter: RecordConverter, cells: dict[str, Any]) -> dict[str, Any]:
    """Convert one record."""
    (row,) = converter.rows(Page([a_record(cells)]), AS_OF)
    return row


def a_converter(*columns: str, table: TableSchema = TABLE) -> RecordConverter:
    """The converter of a table, for all columns or some of them."""
    return RecordConverter.for_records(table, a_json_schema(*columns))


def data_of(cells: dict[str, Any], *columns: str, table: TableSchema = TABLE) -> dict[str, Any]:
    """The data of a record with these cells."""
    return row_of(a_converter(*columns, table=table), cells)


def test_record() -> None:
    """A record has its table's ids, and its cells by name and by id."""
    assert data_of({NAME["id"]: "Ada", RATING["id"]: 4.0}) == {
        "_base_id": "appLkNDICXNqxSDhG",
        "_table_id": "tblltp8DGLhqbUmjK",
        "id": RECORD_ID,
        "created_time": CREATED_TIME,
        "fields": {"Name": "Ada", "Rating": 4},
        "fields_by_id": {NAME["id"]: "Ada", RATING["id"]: 4},
        "_errors": None,
        "_as_of": AS_OF,
        "_ab_cdc_deleted_at": None,
    }


def test_blank_record() -> None:
    """A record without cells has objects without keys."""
    data = data_of({})

    assert (data["fields"], data["fields_by_id"]) == ({}, {})


def test_cell_that_does_not_fit() -> None:
    """A cell that does not fit is in the column for errors alone, by field id, and is counted."""
    converter = a_converter()
    cells = {NAME["id"]: "Ada", RATING["id"]: {"error": "#ERROR!"}}
    data = row_of(converter, cells)

    assert data["_errors"] == {RATING["id"]: {"error": "#ERROR!"}}
    assert data["fields"] == {"Name": "Ada"}
    assert converter.misfits == 1


def test_count_that_is_carried_over() -> None:
    """A table that is compiled anew goes on counting."""
    converter = a_converter()
    converter.misfits = 7
    row_of(converter, {RATING["id"]: "much"})

    assert converter.misfits == 8


@pytest.mark.parametrize("names", [("N", "N", "N"), ("N", "N", "N (fld1)"), ("N (fld2)", "N", "N")])
def test_fields_of_one_name(names: tuple[str, ...]) -> None:
    """Fields of one name keep a key each, the later ones with their id; no cell is lost."""
    table = a_table(*(a_field(field_id=f"fld{n}", name=name) for n, name in enumerate(names)))

    data = data_of({"fld0": "a", "fld1": "b", "fld2": "c"}, table=table)

    assert sorted(data["fields"].values()) == ["a", "b", "c"]
    assert data["fields"][names[0]] == "a"
    assert data["fields_by_id"] == {"fld0": "a", "fld1": "b", "fld2": "c"}


def test_selected_columns() -> None:
    """Only the configured columns are emitted."""
    assert data_of({NAME["id"]: "Ada"}, "id", "fields") == {
        "id": RECORD_ID,
        "fields": {"Name": "Ada"},
    }


@pytest.mark.parametrize("column", ["fields", "fields_by_id", "_errors"])
def test_fields_to_ask_for(column: str) -> None:
    """A column with cells needs all fields."""
    wanted = a_converter("id", column).field_ids

    assert wanted == tuple(field["id"] for field in TABLE.fields)


def test_fields_to_ask_for_without_cells() -> None:
    """Without a column with cells one field is asked for, and not one cell is emitted."""
    converter = a_converter("id", "created_time")

    assert converter.field_ids == (NAME["id"],)
    assert converter.columns == []
    assert row_of(converter, {NAME["id"]: "Ada"}) == {
        "id": RECORD_ID,
        "created_time": CREATED_TIME,
    }


@pytest.mark.parametrize("columns", [(), ("fields",), ("fields_by_id",)])
def test_columns_behind_the_cells(columns: tuple[str, ...]) -> None:
    """What an incremental sync watches are the fields, all of them, and none is ever missing."""
    converter = a_converter(*columns)

    assert [column.field["id"] for column in converter.columns] == [NAME["id"], RATING["id"]]
    assert converter.columns_without_field == ()


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ((), True),
        (("fields",), True),
        (("fields", "fields_by_id"), True),
        (("fields_by_id",), False),
    ],
)
def test_renamed_field(columns: tuple[str, ...], *, counts: bool) -> None:
    """A field that is renamed is a change where cells are emitted by name, and there alone."""
    renamed = a_table({**NAME, "name": "Full name"}, RATING)

    assert has_changed(fingerprint_of(TABLE, columns), fingerprint_of(renamed, columns)) is counts


def fingerprint_of(table: TableSchema, columns: tuple[str, ...]) -> str:
    """What an incremental sync remembers of a table's columns."""
    watched = a_converter(*columns, table=table).columns
    return fingerprint_columns(
        table, ((one.name, one.field["id"], one.json_schema) for one in watched)
    )


@pytest.mark.parametrize(("columns", "kept"), [(("id", "_errors"), True), (("id",), False)])
def test_keeps_errors(columns: tuple[str, ...], *, kept: bool) -> None:
    """Whether cells that do not fit are kept is whether their column is selected."""
    assert a_converter(*columns).layout.keeps_errors is kept


def test_errors_that_are_not_selected() -> None:
    """Where their column is not selected, cells that do not fit are nowhere."""
    data = data_of({RATING["id"]: "much"}, "id", "fields", "fields_by_id")

    assert data == {"id": RECORD_ID, "fields": {}, "fields_by_id": {}}


def test_schema_without_columns() -> None:
    """A configured JSON schema of no use has no columns."""
    converter = RecordConverter.for_records(TABLE, {"properties": None})

    assert row_of(converter, {NAME["id"]: "Ada"}) == {}
    assert not converter.layout.has_tombstones


def test_tombstone() -> None:
    """What stands for a deleted record is its key and when it was found to be gone; else null."""
    converter = a_converter()
    selected = a_json_schema()

    tombstone = converter.layout.tombstone(RECORD_ID, DELETED_AT)

    assert converter.layout.has_tombstones
    assert nonconformities(tombstone, selected) == []
    assert tombstone == {
        **dict.fromkeys(selected["properties"]),
        "_base_id": "appLkNDICXNqxSDhG",
        "_table_id": "tblltp8DGLhqbUmjK",
        "id": RECORD_ID,
        "_as_of": DELETED_AT,
        "_ab_cdc_deleted_at": DELETED_AT,
    }


def test_tombstone_of_selected_columns() -> None:
    """A tombstone has no more columns than a record."""
    tombstone = a_converter("id", "_ab_cdc_deleted_at").layout.tombstone(RECORD_ID, DELETED_AT)

    assert tombstone == {"id": RECORD_ID, "_ab_cdc_deleted_at": DELETED_AT}


@st.composite
def tables_and_cells(draw: st.DrawFn) -> tuple[TableSchema, dict[str, Any]]:
    """Give a table and a record's cells, hostile ones too."""
    table = a_table(*draw(st.lists(fields(), max_size=4, unique_by=lambda field: field["id"])))
    properties = build_json_schema(table, by_field_id=True)["properties"]
    cells: dict[str, Any] = {
        field["id"]: draw(cells_for(properties[field["id"]]))
        for field in table.fields
        if draw(st.booleans())
    }
    return table, cells


@given(tables_and_cells())
def test_values_are_those_of_the_tables_stream(given_: tuple[TableSchema, dict[str, Any]]) -> None:
    """Whatever table and cells: each value that is not null is there by id and by name."""
    table, cells = given_
    own = row_of(RecordConverter.for_table(table, build_json_schema(table)), cells)
    columns = name_columns(table)

    data = data_of(cells, table=table)

    expected = {
        field["id"]: own[columns[field["id"]]]
        for field in table.fields
        if own[columns[field["id"]]] is not None
    }
    assert as_json(data["fields_by_id"]) == as_json(expected)
    by_name, by_id = data["fields"].values(), data["fields_by_id"].values()
    assert as_json(list(by_name)) == as_json(list(by_id))
    assert set(data["_errors"] or {}) == {
        field["id"]
        for field in table.fields
        if columns[field["id"]] in (own["_airtable_errors"] or {})
    }


@given(tables_and_cells())
def test_any_record_fits(given_: tuple[TableSchema, dict[str, Any]]) -> None:
    """Whatever table and cells, the record fits the stream's JSON schema, and JSON."""
    table, cells = given_
    data = data_of(cells, table=table)

    assert nonconformities(data, a_json_schema()) == []
    as_json(data)


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each conversion of cells takes."""
    taken: list[int] = []
    convert = CellConverter.convert

    def counted(self: CellConverter, records: Any) -> Any:  # noqa: ANN401 - as the real one
        taken.append(len(records))
        return convert(self, records)

    monkeypatch.setattr(CellConverter, "convert", counted)
    return taken


def test_page_of_both_layouts(converted: list[int]) -> None:
    """A table's stream and `records` that read the same page convert its cells once."""
    page = Page([a_record({NAME["id"]: "Ada", RATING["id"]: 4.0}), a_record({RATING["id"]: "x"})])
    own = RecordConverter.for_table(TABLE, build_json_schema(TABLE))
    of_account = a_converter()

    own_rows, rows = own.rows(page, AS_OF), of_account.rows(page, AS_OF)

    assert converted == [2]
    assert [row["fields"] for row in rows] == [{"Name": "Ada", "Rating": 4}, {}]
    assert [(row["name"], row["rating"]) for row in own_rows] == [("Ada", 4), (None, None)]
    assert (own.misfits, of_account.misfits) == (1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"type": ["null", "string"]},
        {"type": ["null", "array"], "items": {"type": ["null", "integer"]}},
    ],
)
def test_page_of_columns_of_other_types(converted: list[int], changed: dict[str, Any]) -> None:
    """Streams whose columns have other types convert the cells of a page each for itself."""
    page = Page([a_record({RATING["id"]: 4.0})])
    json_schema = build_json_schema(TABLE)
    json_schema["properties"]["rating"] |= changed

    (own,) = RecordConverter.for_table(TABLE, json_schema).rows(page, AS_OF)
    (row,) = a_converter().rows(page, AS_OF)

    assert converted == [1, 1]
    assert (own["rating"] == 4, row["fields"]) == (False, {"Rating": 4})


@given(tables_and_cells(), st.booleans())
def test_order_of_layouts_changes_no_value(
    given_: tuple[TableSchema, dict[str, Any]],
    own_first: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """Whichever layout reads a page first, both give what they give of a page of their own."""
    table, cells = given_
    converters = [
        RecordConverter.for_table(table, build_json_schema(table)),
        RecordConverter.for_records(table, a_json_schema()),
    ]
    alone = [as_json(row_of(one, cells)) for one in converters]
    page = Page([a_record(cells)])
    order = converters if own_first else converters[::-1]

    together = {id(one): as_json(one.rows(page, AS_OF)[0]) for one in order}

    assert [together[id(one)] for one in converters] == alone
