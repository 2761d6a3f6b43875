"""The table of field types, row by row, against `samples/field_types/*.json`."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft7Validator

from source_airtable.records import Page, RecordConverter
from source_airtable.schema.field_types import FIELD_TYPES, UNKNOWN_TYPE, json_schema_of, row_of
from source_airtable.schema.json_schema import build_json_schema
from unit_tests.builders import AS_OF, a_record, a_table
from unit_tests.conforming import as_json, nonconformities
from unit_tests.field_type_samples import CELLS, SAMPLES, VARIANTS

ROWS = [*FIELD_TYPES.values(), UNKNOWN_TYPE]
UNDOCUMENTED = {"manualSort", UNKNOWN_TYPE.name}
FIELD_MODEL_PAGE = "https://airtable.com/developers/web/api/field-model"

every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
every_cell = pytest.mark.parametrize(("variant", "sample"), CELLS.values(), ids=CELLS.keys())


def record_data_of(variant: dict[str, Any], cells: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Emit a record of a table whose only field is a variant's; gives column name and data."""
    table = a_table(variant["field"])
    converter = RecordConverter.for_table(table, build_json_schema(table))
    (column,) = converter.columns
    return column.name, converter.rows(Page([a_record(cells)]), AS_OF)[0]


def lookup_of(result: dict[str, Any], times: int) -> dict[str, Any]:
    """Describe a lookup of a lookup of … a result."""
    for _ in range(times):
        result = {"type": "multipleLookupValues", "options": {"isValid": True, "result": result}}
    return result


def test_rows_and_samples_are_the_same() -> None:
    """Every row of the table has a sample file, and every sample file has a row."""
    sampled = sorted(sample["row"] for sample in SAMPLES.values())

    assert sorted(row.name for row in ROWS) == sampled


def test_sample_files_are_called_like_their_row() -> None:
    """A sample file is found under its type's name."""
    misnamed = [stem for stem, sample in SAMPLES.items() if stem != sample["row"]]

    assert misnamed == ["any_other_type"]


@every_variant
def test_variant_is_of_its_samples_row(
    variant: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """A field in a sample file is of the type that the file is about."""
    stem = request.node.callspec.id.partition(":")[0]

    assert row_of(variant["field"]).name == SAMPLES[stem]["row"]


@every_variant
def test_variant_has_cells(variant: dict[str, Any]) -> None:
    """Each variant shows at least one cell."""
    assert variant["cells"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_links_airtables_page(row: Any) -> None:  # noqa: ANN401 - a row
    """Each documented row links its section of Airtable's page about field types."""
    page, _, section = row.page.partition("#")

    assert (FIELD_MODEL_PAGE, row.name in UNDOCUMENTED) == (page, section == "")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_says_what_its_column_holds(row: Any) -> None:  # noqa: ANN401 - a row
    """Each row has its words for README's table of types."""
    assert row.holds.strip()


@every_variant
def test_json_schema_is_the_samples(variant: dict[str, Any]) -> None:
    """A field has the JSON schema that its sample states."""
    assert variant["json_schema"] == json_schema_of(variant["field"])


@every_variant
def test_json_schema_is_valid(variant: dict[str, Any]) -> None:
    """A field's JSON schema is one of Draft 7."""
    Draft7Validator.check_schema(json_schema_of(variant["field"]))


@every_cell
def test_value_is_the_samples(variant: dict[str, Any], sample: dict[str, Any]) -> None:
    """A cell arrives in its column as its sample states, to the type of a number."""
    column, emitted = record_data_of(variant, {variant["field"]["id"]: sample["cell"]})

    assert as_json(sample["value"]) == as_json(emitted[column])


@every_cell
def test_error_is_the_samples(variant: dict[str, Any], sample: dict[str, Any]) -> None:
    """A cell that does not fit is in `_airtable_errors` as Airtable sent it, any other is not."""
    column, emitted = record_data_of(variant, {variant["field"]["id"]: sample["cell"]})
    errors = {column: sample["error"]} if "error" in sample else None

    assert as_json(errors) == as_json(emitted["_airtable_errors"])


@every_cell
def test_record_conforms(variant: dict[str, Any], sample: dict[str, Any]) -> None:
    """A record with the cell is valid for its stream's JSON schema, formats and integers too."""
    _, emitted = record_data_of(variant, {variant["field"]["id"]: sample["cell"]})
    stream_schema = build_json_schema(a_table(variant["field"]))

    assert nonconformities(emitted, stream_schema) == []


@every_variant
def test_absent_cell_is_the_samples(variant: dict[str, Any]) -> None:
    """A record without the cell has null in the column, or false for a checkbox."""
    column, emitted = record_data_of(variant, {})

    assert as_json(variant["absent"]) == as_json(emitted[column])


@every_variant
def test_null_cell_is_an_absent_one(variant: dict[str, Any]) -> None:
    """A cell that is null, which Airtable does not document, counts as absent."""
    column, emitted = record_data_of(variant, {variant["field"]["id"]: None})

    assert as_json(variant["absent"]) == as_json(emitted[column])


def test_lookup_of_lookups_keeps_its_type() -> None:
    """A chain of lookups has the type of what is at its end."""
    chain = lookup_of({"type": "number"}, times=8)

    assert json_schema_of(chain) == {
        "type": ["null", "array"],
        "items": {"type": ["null", "number"]},
    }


@pytest.mark.parametrize("times", [10, 200])
def test_endless_chain_of_lookups_ends_as_text(times: int) -> None:
    """A chain of lookups longer than any base has is cut, and its elements are text."""
    chain = lookup_of({"type": "number"}, times)

    assert json_schema_of(chain) == {
        "type": ["null", "array"],
        "items": {"type": ["null", "string"]},
    }


def test_endless_chain_of_formulas_ends_as_text() -> None:
    """A formula whose result is a formula whose … is text."""
    chain: dict[str, Any] = {"type": "number"}
    for _ in range(200):
        chain = {"type": "formula", "options": {"result": chain}}

    assert json_schema_of(chain) == {"type": ["null", "string"]}


@pytest.mark.parametrize("field_type", [None, 7, "", [], {}, "constructor"])
def test_type_that_is_no_type(field_type: object) -> None:
    """A field whose type is not even text is a column of text."""
    assert json_schema_of({"type": field_type}) == {"type": ["null", "string"]}


@pytest.mark.parametrize("options", [None, [], "isValid", 0, {"isValid": None}, {"result": []}])
def test_options_that_are_no_options(options: object) -> None:
    """A computed field whose options make no sense is a column of text."""
    assert json_schema_of({"type": "formula", "options": options}) == {"type": ["null", "string"]}
