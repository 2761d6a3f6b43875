"""Converters change a cell without loss, or report that it does not fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_airtable.schema.cell_values import (
    CellMisfit,
    build_converter,
    is_error_value,
    is_nullable,
    types_of,
)
from unit_tests.conforming import as_json, nonconformities
from unit_tests.field_type_samples import VARIANTS
from unit_tests.generated import JSON_VALUES, cells_for, json_schemas, without_some_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = {"type": ["null", "string"]}
DATE = {"type": ["null", "string"], "format": "date"}
DATE_TIME = {"type": ["null", "string"], "format": "date-time"}
NUMBER = {"type": ["null", "number"]}
INTEGER = {"type": ["null", "integer"]}
BOOLEAN = {"type": ["null", "boolean"]}
TEXTS = {"type": ["null", "array"], "items": TEXT}
UNIONS: list[dict[str, Any]] = [
    {"type": ["null", *names]}
    for names in (
        ("string", "number"),
        ("number", "string"),
        ("integer", "number"),
        ("boolean", "integer"),
        ("integer", "string"),
        ("string", "array"),
        ("array", "object"),
        ("object", "string"),
        ("boolean", "array", "number"),
    )
]
ATTACHMENTS = [
    {
        "id": "attN2mlvP7kLjqFmZ",
        "url": "https://v5.airtableusercontent.com/v3/u/1",
        "filename": "Invoice 7.pdf",
        "size": 78505,
        "type": "application/pdf",
    }
]


def outcome_of(json_schema: Mapping[str, Any], cell: object) -> tuple[bool, Any]:
    """Convert a cell. Return whether it fits, and its value or the part that fits."""
    try:
        return True, build_converter(json_schema)(cell)
    except CellMisfit as misfit:
        return False, misfit.fitting


def is_without_loss(cell: object, value: object) -> bool:
    """Return whether the value still holds the whole cell."""
    if as_json(cell) == as_json(value):
        return True
    if isinstance(cell, list) and isinstance(value, list):
        return len(cell) == len(value) and all(map(is_without_loss, cell, value))
    if isinstance(cell, dict) and isinstance(value, dict):
        return cell.keys() == value.keys() and all(
            is_without_loss(cell[name], value[name]) for name in cell
        )
    if isinstance(value, str) and not isinstance(cell, str):
        return as_json(cell) == as_json(json.loads(value))
    return type(value) in (int, bool) and type(cell) in (int, float) and value == cell


@st.composite
def conversions(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw a JSON schema from the table of field types, nullable or not, or a union, and a cell."""
    json_schema = draw(json_schemas())
    cell = draw(cells_for(json_schema))
    strict = without_some_nulls(json_schema)
    return draw(st.just(json_schema) | strict | st.sampled_from(UNIONS)), cell


@settings(deadline=None, max_examples=200)
@given(conversion=conversions())
def test_what_is_emitted_is_valid(conversion: tuple[dict[str, Any], Any]) -> None:
    """For any cell, the value in the column is valid for the column's JSON schema."""
    json_schema, cell = conversion
    fits, value = outcome_of(json_schema, cell)
    is_left_out = not fits and value is None

    assert is_left_out or nonconformities(value, json_schema) == []


@settings(deadline=None, max_examples=200)
@given(conversion=conversions())
def test_what_fits_is_without_loss(conversion: tuple[dict[str, Any], Any]) -> None:
    """If a cell fits, the value in the column holds the whole cell."""
    json_schema, cell = conversion
    fits, value = outcome_of(json_schema, cell)

    assert not fits or is_without_loss(cell, value)


@settings(deadline=None, max_examples=120)
@given(conversion=conversions())
def test_conversion_is_idempotent(conversion: tuple[dict[str, Any], Any]) -> None:
    """Converting a value a second time leaves it unchanged."""
    json_schema, cell = conversion
    _, value = outcome_of(json_schema, cell)

    if value is not None:
        fits, again = outcome_of(json_schema, value)

        assert (True, as_json(value)) == (fits, as_json(again))


@settings(deadline=None, max_examples=60)
@given(conversion=conversions())
def test_cell_itself_stays(conversion: tuple[dict[str, Any], Any]) -> None:
    """Converting does not change the cell itself, because `_airtable_errors` may need it."""
    json_schema, cell = conversion
    before = as_json(cell)
    outcome_of(json_schema, cell)

    assert before == as_json(cell)


@settings(deadline=None, max_examples=30)
@given(cell=JSON_VALUES)
@pytest.mark.parametrize(
    "json_schema",
    [{}, {"anyOf": [{"type": "string"}, {"type": "object"}]}, {"type": []}, {"type": 7}],
    ids=as_json,
)
def test_untyped_column_takes_all(json_schema: dict[str, Any], cell: object) -> None:
    """A column without a type accepts every cell as it is."""
    assert outcome_of(json_schema, cell) == (True, cell)


@pytest.mark.parametrize(
    "cell",
    ["2024-01-01", "2024-02-29", "1900-02-28", "0001-01-01", "9999-12-31"],
)
def test_date(cell: str) -> None:
    """A calendar date fits."""
    assert outcome_of(DATE, cell) == (True, cell)


@pytest.mark.parametrize(
    "cell",
    [
        "2024-02-30",
        "2023-02-29",
        "1900-02-29",
        "0000-01-01",
        "10000-01-01",
        "12024-1-01",
        "20241118",
        "2024-W05-3",
        "2024W053",
        "2024-1-18",
        "2024/11/18",
        "18-11-2024",
        " 2024-11-1",
        "2024-11-18\n",
        "2024-11-18T00:00:00.000Z",
        "٢٠٢٤-١١-١٨",  # noqa: RUF001 - digits of another script are the case
        "2024-11-1८",
        "",
        20241118,
        None,
        True,
        ["2024-11-18"],
    ],
)
def test_no_date(cell: object) -> None:
    """Only a full calendar date in ASCII fits."""
    assert outcome_of(DATE, cell) == (False, None)


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-18T10:00:00.000Z",
        "2026-11-18T10:00:00Z",
        "2026-11-18T10:00:00.123456789Z",
        "2026-11-18T10:00:00.5+02:00",
        "2026-11-18T23:59:59-11:30",
        "0001-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
    ],
)
def test_date_time(cell: str) -> None:
    """A time with its zone fits, with or without fractions of seconds."""
    assert outcome_of(DATE_TIME, cell) == (True, cell)


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-18T10:00:00",
        "2026-11-18T10:00:00.000",
        "2026-11-18T10:00Z",
        "2026-11-18T10:00:00.Z",
        "2026-11-18t10:00:00z",
        "2026-11-18 10:00:00Z",
        "2026-11-18",
        "2026-02-30T10:00:00.000Z",
        "2026-11-18T24:00:00.000Z",
        "2026-11-18T10:60:00.000Z",
        "2026-11-18T10:00:60.000Z",
        "2026-11-18T10:00:00+0200",
        "2026-11-18T10:00:00+24:00",
        "2026-11-18T10:00:00-00:60",
        "2026-11-18T10:00:00.000ZZ",
        "2026-11-18T10:00:00.000Z\n",
        "+010000-01-01T00:00:00.000Z",
        "10000-01-01T00:00:00.000Z",
        "20261118T100000Z",
        "2026-W47-3T10:00:00.000Z",
        "٢٠٢٦-11-18T10:00:00.000Z",
        "",
        1795082400000,
        None,
        {"dateTime": "2026-11-18T10:00:00.000Z"},
    ],
)
def test_no_date_time(cell: object) -> None:
    """A text that is not a time, or a time without a zone, does not fit."""
    assert outcome_of(DATE_TIME, cell) == (False, None)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("", ""),
        ("7", "7"),
        (7, "7"),
        (7.5, "7.5"),
        (False, "false"),
        ([], "[]"),
        ({"id": "usrPnLezZNh82BzJC", "name": "Zoë"}, '{"id":"usrPnLezZNh82BzJC","name":"Zoë"}'),
        ({"error": "#ERROR!", "more": 1}, '{"error":"#ERROR!","more":1}'),
        ({"error": 7}, '{"error":7}'),
    ],
)
def test_text(cell: object, text: str) -> None:
    """Text fits. Any other value becomes JSON text."""
    assert outcome_of(TEXT, cell) == (True, text)


@pytest.mark.parametrize("json_type", ["string", "number", "integer", "boolean", "object", "array"])
@pytest.mark.parametrize("cell", [{"error": "#ERROR!"}, {"specialValue": "Infinity"}])
def test_error_value_fits_no_type(json_type: str, cell: dict[str, str]) -> None:
    """Airtable's error values fit no typed column, not even one of objects."""
    assert outcome_of({"type": ["null", json_type]}, cell) == (False, None)


@pytest.mark.parametrize("limit", [1e29, -1e29, 10**29, float("inf"), float("-inf"), float("nan")])
def test_number_that_warehouses_cannot_hold(limit: float) -> None:
    """A number beyond the decimals of common warehouses does not fit."""
    assert outcome_of(NUMBER, limit) == (False, None)


@pytest.mark.parametrize("number", [0, 0.0, 9.99e28, -9.99e28, 2**64 - 1, 5e-324])
def test_number(number: float) -> None:
    """A number stays as it is, whole or not."""
    fits, value = outcome_of(NUMBER, number)

    assert (True, as_json(number)) == (fits, as_json(value))


@pytest.mark.parametrize(
    ("cell", "integer"), [(7, 7), (7.0, 7), (-0.0, 0), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63))]
)
def test_integer(cell: float, integer: int) -> None:
    """An integer of 64 bits fits. A float with a whole value becomes an integer."""
    fits, value = outcome_of(INTEGER, cell)

    assert (True, as_json(integer)) == (fits, as_json(value))


@pytest.mark.parametrize("cell", [7.5, 2**63, -(2**63) - 1, 1e19, float("nan"), float("inf"), True])
def test_no_integer(cell: object) -> None:
    """A fraction, a number of more than 64 bits and a boolean are no integers."""
    assert outcome_of(INTEGER, cell) == (False, None)


@pytest.mark.parametrize(
    ("cell", "boolean"), [(True, True), (False, False), (1, True), (0, False), (1.0, True)]
)
def test_boolean(cell: object, *, boolean: bool) -> None:
    """A boolean fits, and 1 and 0 become booleans."""
    fits, value = outcome_of(BOOLEAN, cell)

    assert (True, as_json(boolean)) == (fits, as_json(value))


@pytest.mark.parametrize("cell", [2, -1, 0.5, "true", "", [], None])
def test_no_boolean(cell: object) -> None:
    """No other value becomes a boolean."""
    assert outcome_of(BOOLEAN, cell) == (False, None)


@pytest.mark.parametrize("json_schema", [TEXT, {"type": "string"}])
def test_attachments_in_a_text_column(json_schema: dict[str, Any]) -> None:
    """Attachments in a column of text, as in Airbyte's own connector, become JSON text."""
    _, text = outcome_of(json_schema, ATTACHMENTS)

    assert json.loads(text) == ATTACHMENTS


@pytest.mark.parametrize(
    ("names", "cell", "value"),
    [
        (("string", "number"), 7, 7),
        (("string", "number"), "7", "7"),
        (("string", "number"), 1e30, "1e+30"),
        (("integer", "number"), 7.0, 7),
        (("integer", "number"), 7.5, 7.5),
        (("number", "integer"), 7.0, 7.0),
        (("string", "array"), ["a"], ["a"]),
        (("string", "array"), {"a": 1}, '{"a":1}'),
        (("object", "string"), [1], "[1]"),
    ],
)
def test_union_takes_the_first_type_that_fits(
    names: tuple[str, ...], cell: object, value: object
) -> None:
    """The first type that fits applies. Text comes last because it accepts everything."""
    fits, converted = outcome_of({"type": ["null", *names]}, cell)

    assert (True, as_json(value)) == (fits, as_json(converted))


def test_union_that_takes_a_date_or_a_number() -> None:
    """A format also applies to text in a union."""
    union = {"type": ["null", "string", "number"], "format": "date"}

    assert outcome_of(union, "18 November") == (False, None)


def test_union_of_which_no_type_fits() -> None:
    """If no type fits, the part that fits is that of the first type."""
    union = {"type": ["array", "number"], "items": NUMBER}

    assert outcome_of(union, [1, "2"]) == (False, [1, None])


@pytest.mark.parametrize("null", [{"type": "null"}, {"type": ["null"]}])
def test_column_of_nothing_but_null(null: dict[str, Any]) -> None:
    """A column that can only be null accepts no cell."""
    assert outcome_of(null, "Acme Ltd") == (False, None)


@pytest.mark.parametrize(
    ("cell", "fitting"),
    [
        (["a", None], ["a"]),
        ([{"error": "#ERROR!"}, "b"], ["b"]),
        ([["a", None], "b"], ["a", "b"]),
        ([None], []),
    ],
)
def test_elements_that_cannot_be_null(cell: list[Any], fitting: list[Any]) -> None:
    """If elements cannot be null, the array leaves out those that do not fit."""
    json_schema = {"type": "array", "items": {"type": "string"}}

    assert outcome_of(json_schema, cell) == (False, fitting)


@pytest.mark.parametrize("items", [None, True, [], {}, [{"type": "string"}]])
def test_array_of_anything(items: object) -> None:
    """An array without a schema for its items accepts every element as it is."""
    cell = [1, "a", None, [2], {"error": "#ERROR!"}]

    assert outcome_of({"type": "array", "items": items}, cell) == (True, cell)


def test_array_of_arrays_keeps_its_nesting() -> None:
    """Nested cells fit if the catalog nests arrays, as that of Airbyte's own connector does."""
    json_schema = {"type": "array", "items": TEXTS}

    assert outcome_of(json_schema, [["a"], ["b", "c"]]) == (True, [["a"], ["b", "c"]])


def test_flat_cell_in_an_array_of_arrays() -> None:
    """If the catalog nests arrays, each value of a flat lookup becomes an array of one."""
    json_schema = {"type": "array", "items": TEXTS}

    assert outcome_of(json_schema, ["a", ["b"]]) == (True, [["a"], ["b"]])


def test_error_in_an_array_of_arrays() -> None:
    """An error does not become an array of one."""
    json_schema = {"type": "array", "items": TEXTS}

    assert outcome_of(json_schema, [{"error": "#ERROR!"}, ["b"]]) == (False, [None, ["b"]])


def test_member_that_cannot_be_null_and_does_not_fit() -> None:
    """An object leaves out a member that does not fit and cannot be null."""
    json_schema = {"type": "object", "properties": {"size": {"type": "number"}, "type": TEXT}}

    assert outcome_of(json_schema, {"size": "0", "type": "a"}) == (False, {"type": "a"})


def test_member_that_is_null_and_cannot_be() -> None:
    """An object leaves out a null member that cannot be null."""
    json_schema = {"type": "object", "properties": {"size": {"type": "number"}, "type": TEXT}}

    assert outcome_of(json_schema, {"size": None, "type": None}) == (False, {"type": None})


def test_member_of_which_a_part_fits() -> None:
    """If a part of a member fits, the object keeps that part."""
    json_schema = {"type": "object", "properties": {"sizes": {"type": "array", "items": NUMBER}}}

    assert outcome_of(json_schema, {"sizes": [1, "2"]}) == (False, {"sizes": [1, None]})


@pytest.mark.parametrize("properties", [None, [], {"size": True}, {"size": None}])
def test_object_of_anything(properties: object) -> None:
    """An object without a schema for its members accepts every member as it is."""
    cell = {"size": [1, None], "error": None}

    assert outcome_of({"type": "object", "properties": properties}, cell) == (True, cell)


@pytest.mark.parametrize(
    ("declared", "types"),
    [
        ("string", ["string"]),
        (["null", "number", "string"], ["number", "string"]),
        ("null", []),
        (None, []),
        (["date"], []),
    ],
)
def test_types_of(declared: object, types: list[str]) -> None:
    """The types of a JSON schema come in its order, without null."""
    assert types_of({"type": declared}) == types


@pytest.mark.parametrize(
    ("json_schema", "nullable"),
    [
        ({}, True),
        ({"type": "null"}, True),
        ({"type": ["string", "null"]}, True),
        ({"type": "string"}, False),
        ({"type": ["string"]}, False),
    ],
)
def test_is_nullable(json_schema: dict[str, Any], *, nullable: bool) -> None:
    """A column can be null if its types say so, or if it has none."""
    assert nullable == is_nullable(json_schema)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"error": "#ERROR!"}, True),
        ({"specialValue": "NaN"}, True),
        ({"error": None}, False),
        ({"error": {"type": "x"}}, False),
        ({"error": "#ERROR!", "value": 1}, False),
        ({"url": "#ERROR!"}, False),
        ({}, False),
        ("#ERROR!", False),
        (["error"], False),
    ],
)
def test_is_error_value(cell: object, *, expected: bool) -> None:
    """An error value is an object of one text, called error or specialValue."""
    assert expected == is_error_value(cell)


def test_every_sampled_schema_is_used_here() -> None:
    """The properties above draw from the samples of all types."""
    assert len(VARIANTS) >= 90
