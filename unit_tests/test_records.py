"""Records are converted by the configured catalog: its columns, its types, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_airtable.records import Page, RecordConverter
from source_airtable.schema.field_types import json_schema_of
from source_airtable.schema.json_schema import build_json_schema, name_columns
from source_airtable.schema.system_columns import SYSTEM_COLUMNS
from unit_tests.builders import (
    AS_OF,
    BASE,
    CREATED_TIME,
    RECORD_ID,
    a_field,
    a_record,
    a_table,
)
from unit_tests.conforming import as_json, nonconformities
from unit_tests.generated import JSON_VALUES, cells_for, fields

NAME = a_field()
RATING = a_field("rating", field_id="flduXcitSIELy995e", name="Priority")
DONE = a_field("checkbox", field_id="fldv1t1tCm0igYOjo", name="Done")
FILES = a_field("multipleAttachments", field_id="fldLz7K2GWznfGAxw", name="Files")
TABLE = a_table(NAME, RATING, DONE, FILES)
CELLS = {
    NAME["id"]: "Acme Ltd",
    RATING["id"]: 4.0,
    DONE["id"]: True,
    FILES["id"]: [{"id": "attN2mlvP7kLjqFmZ", "size": 7}],
}
FILES_AS_TEXT = '[{"id":"attN2mlvP7kLjqFmZ","size":7}]'

# As Airbyte's own connector declares this table: no ids, and text where objects are.
UPSTREAM_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "_airtable_id": {"type": ["null", "string"]},
        "_airtable_created_time": {"type": ["null", "string"]},
        "_airtable_table_name": {"type": ["null", "string"]},
        "company_name": {"type": ["null", "string"]},
        "priority": {"type": ["null", "number"]},
        "done": {"type": ["null", "boolean"]},
        "files": {"type": ["null", "string"]},
    },
}


def a_schema_of(*columns: str, **others: object) -> dict[str, Any]:
    """Build the table's schema with these columns selected, and others written by hand."""
    properties = build_json_schema(TABLE)["properties"]
    return {"properties": {**{name: properties[name] for name in columns}, **others}}


def row_of(converter: RecordConverter, record: Any, as_of: str | None = AS_OF) -> Any:  # noqa: ANN401
    """Convert one record."""
    (row,) = converter.rows(Page([record]), as_of)
    return row


def data_of(json_schema: dict[str, Any], cells: dict[str, Any], table: Any = TABLE) -> Any:  # noqa: ANN401
    """Convert one record of a table by a configured schema."""
    return row_of(RecordConverter.for_table(table, json_schema), a_record(cells))


def test_whole_record() -> None:
    """A record has the system columns and one column for each field."""
    assert data_of(build_json_schema(TABLE), CELLS) == {
        "_airtable_id": RECORD_ID,
        "_airtable_created_time": CREATED_TIME,
        "_airtable_table_name": "Contacts",
        "_airtable_base_id": BASE,
        "_airtable_table_id": TABLE.table_id,
        "_airtable_as_of": AS_OF,
        "_airtable_errors": None,
        "company_name": "Acme Ltd",
        "priority": 4,
        "done": True,
        "files": [{"id": "attN2mlvP7kLjqFmZ", "size": 7}],
    }


def test_blank_record() -> None:
    """A record without cells is emitted with nulls, its checkbox false."""
    emitted = data_of(a_schema_of("_airtable_id", "company_name", "done", "files"), {})

    assert emitted == {
        "_airtable_id": RECORD_ID,
        "company_name": None,
        "done": False,
        "files": None,
    }


def test_converter_by_field_ids() -> None:
    """Columns that are called by field ids are fed by these fields."""
    json_schema = build_json_schema(TABLE, by_field_id=True)

    assert data_of(json_schema, CELLS)[RATING["id"]] == 4


def test_renamed_field_feeds_its_old_column() -> None:
    """A field that was renamed after discovery is found by its id."""
    renamed = a_table({**NAME, "name": "Trade Name"}, RATING)

    assert data_of(a_schema_of("company_name"), CELLS, renamed) == {"company_name": "Acme Ltd"}


def test_field_that_took_another_ones_name() -> None:
    """A field that has the column's name, but not its id, does not feed it."""
    swapped = a_table({**RATING, "name": "Company Name"})

    assert data_of(a_schema_of("company_name"), CELLS, swapped) == {"company_name": None}


@pytest.mark.parametrize("name", ["company_name", "Company Name", "fld1VnoyuotSTyxW1"])
def test_column_without_a_field_id(name: str) -> None:
    """Without a field id, a column is matched by our name, Airtable's, or the id as name."""
    emitted = data_of({"properties": {name: {"type": ["null", "string"]}}}, CELLS)

    assert emitted == {name: "Acme Ltd"}


def test_our_name_comes_before_another_fields_own() -> None:
    """A name that could mean two fields means the one that we call so."""
    first = a_field(field_id="fldAAAAAAAAAAAAAA", name="Notes!")
    second = a_field(field_id="fldBBBBBBBBBBBBBB", name="notes_fldAAAAAAAAAAAAAA")
    table = a_table(first, second, a_field(field_id="fldCCCCCCCCCCCCCC", name="notes"))
    column = name_columns(table)[first["id"]]
    converter = RecordConverter.for_table(table, {"properties": {column: {}}})

    assert converter.field_ids == (first["id"],)


@pytest.mark.parametrize("annotation", [None, "fld1VnoyuotSTyxW1", {}, {"type": "rating"}])
def test_column_whose_annotation_has_no_id(annotation: object) -> None:
    """An annotation without a field id is none, and the column is matched by its name."""
    columns = {"company_name": {"type": "string", "x-airtable": annotation}}

    assert data_of({"properties": columns}, CELLS) == {"company_name": "Acme Ltd"}


def test_upstream_catalog() -> None:
    """A catalog of Airbyte's own connector stays true, attachments in its text column are JSON."""
    assert data_of(UPSTREAM_SCHEMA, CELLS) == {
        "_airtable_id": RECORD_ID,
        "_airtable_created_time": CREATED_TIME,
        "_airtable_table_name": "Contacts",
        "company_name": "Acme Ltd",
        "priority": 4.0,
        "done": True,
        "files": FILES_AS_TEXT,
    }


def test_checkbox_that_is_text_in_the_catalog() -> None:
    """An absent checkbox has the value that a column of text can hold for false."""
    json_schema = {"properties": {"done": {"type": ["null", "string"]}}}

    assert data_of(json_schema, {}) == {"done": "false"}


def test_checkbox_that_no_longer_fits_its_column() -> None:
    """An absent checkbox is null where the column cannot hold false."""
    json_schema = {"properties": {"done": {"type": ["null", "array"]}}}

    assert data_of(json_schema, {}) == {"done": None}


def test_one_value_in_an_array_of_the_catalog() -> None:
    """In an array of an older catalog, a field's one value is the array's only element."""
    json_schema = {
        "properties": {"priority": {"type": ["null", "array"], "items": {"type": "number"}}}
    }

    assert data_of(json_schema, {RATING["id"]: 4}) == {"priority": [4]}


def test_error_in_an_array_of_the_catalog() -> None:
    """An error is not an element of an array of an older catalog."""
    json_schema = {
        "properties": {"priority": {"type": ["null", "array"], "items": {"type": "number"}}}
    }

    assert data_of(json_schema, {RATING["id"]: {"specialValue": "NaN"}}) == {"priority": None}


def test_field_that_became_a_checkbox() -> None:
    """A field that is a checkbox now is a number in an older catalog's column of numbers."""
    json_schema = {"properties": {"done": {"type": ["null", "number"]}, "_airtable_errors": {}}}

    assert data_of(json_schema, CELLS) == {"done": None, "_airtable_errors": {"done": True}}


def test_deselected_column_is_not_emitted() -> None:
    """What is not selected is not in the record."""
    assert data_of(a_schema_of("priority"), CELLS) == {"priority": 4}


def test_deselected_field_is_not_asked_for() -> None:
    """What is not selected is not requested from Airtable."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("priority", "done"))

    assert converter.field_ids == (RATING["id"], DONE["id"])


def test_misfit_of_a_deselected_field_is_private() -> None:
    """A cell of a field that is not selected is not in `_airtable_errors` either."""
    emitted = data_of(a_schema_of("priority", "_airtable_errors"), {NAME["id"]: {"error": "#X"}})

    assert emitted == {"priority": None, "_airtable_errors": None}


def test_all_selected() -> None:
    """Where every field is selected, each of them is wanted."""
    wanted = RecordConverter.for_table(TABLE, build_json_schema(TABLE)).field_ids

    assert wanted == tuple(field["id"] for field in TABLE.fields)


def test_one_field_in_two_columns() -> None:
    """A field that feeds two columns of a catalog is asked for once."""
    text = {"type": ["null", "string"]}
    converter = RecordConverter.for_table(
        TABLE, {"properties": {"company_name": text, "Company Name": text}}
    )

    assert converter.field_ids == (NAME["id"],)


def test_one_field_feeds_one_column() -> None:
    """Of two columns of a catalog that mean one field, the first holds its cells."""
    text = {"type": ["null", "string"]}
    json_schema = {"properties": {"company_name": text, "Company Name": text}}

    assert data_of(json_schema, CELLS) == {"company_name": "Acme Ltd", "Company Name": None}


def test_no_field_selected_asks_for_the_primary_one() -> None:
    """Where no field is selected the primary field is asked for, since none would mean all."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("_airtable_id"))

    assert converter.field_ids == (NAME["id"],)


def test_no_field_selected_emits_no_cell() -> None:
    """The primary field that stands in is not emitted."""
    assert data_of(a_schema_of("_airtable_id"), CELLS) == {"_airtable_id": RECORD_ID}


def test_no_field_selected_of_a_table_without_a_known_primary_one() -> None:
    """Where no field is selected, some field is named in the request even without a primary one."""
    table = a_table(NAME, RATING, primaryFieldId=None)
    converter = RecordConverter.for_table(table, a_schema_of("_airtable_id"))

    assert len(converter.field_ids) == 1


def test_table_without_fields() -> None:
    """A table without fields has nothing to ask for by name."""
    table = a_table()

    assert RecordConverter.for_table(table, build_json_schema(table)).field_ids == ()


def test_column_whose_field_is_gone() -> None:
    """A column whose field was deleted is null in every record."""
    table = a_table(NAME)

    assert data_of(a_schema_of("priority"), CELLS, table) == {"priority": None}


def test_columns_whose_fields_are_gone_are_told() -> None:
    """Columns whose fields were deleted are known by name."""
    converter = RecordConverter.for_table(
        a_table(NAME), a_schema_of("company_name", "priority", "files")
    )

    assert converter.columns_without_field == ["priority", "files"]


def test_column_that_cannot_be_null_and_has_no_field() -> None:
    """A column that cannot be null has no key in any record once its field is gone."""
    assert data_of(a_schema_of(sales={"type": "number"}), CELLS) == {}


def test_absent_cell_of_a_column_that_cannot_be_null() -> None:
    """A record without the cell has no key for a column that cannot be null."""
    assert data_of(a_schema_of(priority={"type": "integer"}), {}) == {}


def test_misfit_of_a_column_that_cannot_be_null() -> None:
    """A cell that does not fit has no key for a column that cannot be null, and is kept."""
    json_schema = a_schema_of("_airtable_errors", priority={"type": "integer"})

    assert data_of(json_schema, {RATING["id"]: 4.5}) == {"_airtable_errors": {"priority": 4.5}}


def test_half_a_misfit_of_a_column_that_cannot_be_null() -> None:
    """A cell that fits in part keeps its part where the column cannot be null."""
    numbers = {"type": "array", "items": {"type": ["null", "number"]}}
    json_schema = a_schema_of("_airtable_errors", files=numbers)

    assert data_of(json_schema, {FILES["id"]: [1, "x"]}) == {
        "_airtable_errors": {"files": [1, "x"]},
        "files": [1, None],
    }


def test_false_in_a_column_that_cannot_be_null() -> None:
    """A checkbox that is not ticked is false where it cannot be null."""
    assert data_of(a_schema_of(done={"type": "boolean"}), {}) == {"done": False}


def test_misfits_are_kept_by_column() -> None:
    """What does not fit is in `_airtable_errors` under its column, as Airtable sent it."""
    json_schema = a_schema_of("priority", "done", "company_name", "_airtable_errors")
    cells = {RATING["id"]: {"specialValue": "NaN"}, DONE["id"]: 7, NAME["id"]: "Acme Ltd"}

    assert data_of(json_schema, cells) == {
        "priority": None,
        "done": None,
        "company_name": "Acme Ltd",
        "_airtable_errors": {"priority": {"specialValue": "NaN"}, "done": 7},
    }


def test_misfits_are_counted() -> None:
    """The cells that did not fit are counted over all records."""
    converter = RecordConverter.for_table(TABLE, build_json_schema(TABLE))
    for cells in ({RATING["id"]: 4.5, DONE["id"]: 7}, CELLS, {RATING["id"]: "4"}):
        row_of(converter, a_record(cells), AS_OF)

    assert converter.misfits == 3


def test_misfits_are_counted_where_they_are_not_kept() -> None:
    """The count also holds cells for which no column was selected."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("priority"))
    emitted = row_of(converter, a_record({RATING["id"]: 4.5}), AS_OF)

    assert (emitted, converter.misfits) == ({"priority": None}, 1)


def test_misfits_of_one_record_are_not_the_nexts() -> None:
    """A record that fits has no errors after one that does not."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("priority", "_airtable_errors"))
    row_of(converter, a_record({RATING["id"]: 4.5}), AS_OF)

    assert row_of(converter, a_record(), AS_OF)["_airtable_errors"] is None


@pytest.mark.parametrize("kept", [True, False])
def test_keeps_errors(*, kept: bool) -> None:
    """Cells that do not fit are kept if their column is selected."""
    selected = ["company_name", *(["_airtable_errors"] if kept else [])]

    assert kept == RecordConverter.for_table(TABLE, a_schema_of(*selected)).layout.keeps_errors


@pytest.mark.parametrize("column", [True, None, [], "string"])
def test_column_whose_schema_is_none(column: object) -> None:
    """A column that is not described takes its cells as they are."""
    emitted = data_of({"properties": {"priority": column}}, CELLS)

    assert as_json(emitted) == '{"priority": 4.0}'


@pytest.mark.parametrize("properties", [None, [], "company_name"])
def test_columns_that_are_no_object(properties: object) -> None:
    """Where a catalog's columns are no object, there are none."""
    assert data_of({"properties": properties}, CELLS) == {}


def test_record_without_a_created_time() -> None:
    """A record for which Airtable gives no time of creation has none."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("_airtable_created_time"))
    record: Any = {"id": RECORD_ID, "fields": {}}

    assert row_of(converter, record, None) == {"_airtable_created_time": None}


def test_unknown_moment() -> None:
    """Where Airtable's clock is unknown, so is the moment of which a record is."""
    converter = RecordConverter.for_table(TABLE, a_schema_of("_airtable_as_of"))

    assert row_of(converter, a_record(), None) == {"_airtable_as_of": None}


def test_table_renamed_after_discovery() -> None:
    """The table's name in a record is today's."""
    renamed = a_table(NAME, name="Companies")

    assert data_of(a_schema_of("_airtable_table_name"), {}, renamed) == {
        "_airtable_table_name": "Companies"
    }


def test_columns_come_in_one_order() -> None:
    """A reader finds system columns first, whatever the catalog's order."""
    emitted = data_of(a_schema_of("priority", "_airtable_as_of", "_airtable_id"), CELLS)

    assert list(emitted) == ["_airtable_id", "_airtable_as_of", "priority"]


@st.composite
def records(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """Give a table of odd fields, and the cells of one of its records."""
    table = a_table(*draw(st.lists(fields(), max_size=4)))
    cells: dict[str, Any] = {
        str(field["id"]): draw(cells_for(json_schema_of(field)) | JSON_VALUES)
        for field in table.fields
        if draw(st.booleans())
    }
    return table, cells


@settings(deadline=None, max_examples=100)
@given(record=records())
def test_any_record_conforms(record: tuple[Any, dict[str, Any]]) -> None:
    """Whatever is in its cells, a record is valid for its stream's schema, in every column."""
    table, cells = record
    json_schema = build_json_schema(table)
    emitted = data_of(json_schema, cells, table)

    assert (nonconformities(emitted, json_schema), emitted.keys()) == (
        [],
        json_schema["properties"].keys(),
    )


@settings(deadline=None, max_examples=100)
@given(record=records())
def test_no_cell_is_lost(record: tuple[Any, dict[str, Any]]) -> None:
    """Each cell is in its column, or in `_airtable_errors` as it was sent."""
    table, cells = record
    emitted = data_of(build_json_schema(table), cells, table)
    columns = name_columns(table)
    errors = emitted["_airtable_errors"] or {}
    lost = [
        field_id
        for field_id, cell in cells.items()
        if cell is not None
        and emitted[columns[field_id]] is None
        and as_json(errors.get(columns[field_id])) != as_json(cell)
    ]

    assert lost == []


@settings(deadline=None, max_examples=40)
@given(record=records(), randomness=st.randoms(use_true_random=False))
def test_selection_changes_no_value(record: tuple[Any, dict[str, Any]], randomness: Any) -> None:  # noqa: ANN401
    """A column holds the same whichever others are selected."""
    table, cells = record
    json_schema = build_json_schema(table)
    whole = data_of(json_schema, cells, table)
    names = [name for name in json_schema["properties"] if name not in SYSTEM_COLUMNS]
    names = [*randomness.sample(names, len(names) // 2), "_airtable_id"]
    selected = {"properties": {name: json_schema["properties"][name] for name in names}}

    assert as_json({name: whole[name] for name in names}) == as_json(
        data_of(selected, cells, table)
    )


DELETED_AT = "2026-11-18T11:00:00.000Z"


def test_tombstone() -> None:
    """What stands for a deleted record is its id and when it was found to be gone; else null."""
    json_schema = build_json_schema(TABLE, with_tombstones=True)
    tombstone = RecordConverter.for_table(TABLE, json_schema).layout.tombstone(
        RECORD_ID, DELETED_AT
    )

    assert tombstone == {
        **dict.fromkeys(json_schema["properties"]),
        "_airtable_id": RECORD_ID,
        "_airtable_as_of": DELETED_AT,
        "_ab_cdc_deleted_at": DELETED_AT,
    }


def test_record_that_is_not_deleted() -> None:
    """Where deletions are told, a record that is there has null in their column."""
    data = data_of(build_json_schema(TABLE, with_tombstones=True), CELLS)

    assert data["_ab_cdc_deleted_at"] is None


def test_tombstone_conforms() -> None:
    """What stands for a deleted record fits the stream's schema."""
    json_schema = build_json_schema(TABLE, with_tombstones=True)
    tombstone = RecordConverter.for_table(TABLE, json_schema).layout.tombstone(
        RECORD_ID, DELETED_AT
    )

    assert nonconformities(tombstone, json_schema) == []


@pytest.mark.parametrize("with_tombstones", [True, False])
def test_column_of_deletions(*, with_tombstones: bool) -> None:
    """Whether deletions can be told is whether their column is selected."""
    json_schema = build_json_schema(TABLE, with_tombstones=with_tombstones)

    assert RecordConverter.for_table(TABLE, json_schema).layout.has_tombstones is with_tombstones


def test_columns_know_their_field() -> None:
    """Each column has the field that feeds it and its configured schema, in the schema's order."""
    json_schema = a_schema_of("priority", "company_name")

    columns = RecordConverter.for_table(TABLE, json_schema).columns

    assert [(column.field["id"], column.json_schema) for column in columns] == [
        (RATING["id"], json_schema["properties"]["priority"]),
        (NAME["id"], json_schema["properties"]["company_name"]),
    ]
