"""Convert a cell to a value that fits its column's JSON schema.

A converter takes a cell that has a value and returns a value that is valid for the JSON schema. It
changes a cell only if nothing is lost: 7.0 becomes 7 in an integer column, and an object becomes
JSON text in a string column. Otherwise it raises `CellMisfit` with the part of the cell that fits,
which is often nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import orjson

from source_airtable.api.wire_types import CellValue

Converter = Callable[[CellValue], Any]

# Larger numbers overflow the decimal columns of common warehouses and fail a whole load. DuckDB and
# PyAirbyte hold 38 digits, 9 of them after the point.
NUMBER_LIMIT = 1e29
INTEGER_LIMIT = 2**63

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_ERROR_KEYS = ("error", "specialValue")


class CellMisfit(Exception):  # noqa: N818 - a finding about a cell, not a failure
    """A cell does not fit its column; `fitting` is the part that fits, often None."""

    def __init__(self, fitting: Any = None) -> None:  # noqa: ANN401 - whatever the column holds
        super().__init__()
        self.fitting = fitting


def build_converter(json_schema: Mapping[str, Any]) -> Converter:
    """Build the converter for a column, an array element or a property with this JSON schema.

    A schema without a type accepts any value. If it has several types, the first one that fits the
    value applies.
    """
    converters = [_build_typed(json_type, json_schema) for json_type in types_of(json_schema)]
    if not converters:
        return to_nothing if json_schema.get("type") in ("null", ["null"]) else to_anything
    return converters[0] if len(converters) == 1 else _first_fitting(converters)


def types_of(json_schema: Mapping[str, Any]) -> list[str]:
    """Return the JSON types that a schema allows besides null, in its order."""
    declared = json_schema.get("type")
    if isinstance(declared, str):
        declared = [declared]
    if not isinstance(declared, list):
        return []
    return [json_type for json_type in declared if json_type in _BUILDERS]


def is_nullable(json_schema: Mapping[str, Any]) -> bool:
    """Return whether a schema allows null."""
    declared = json_schema.get("type")
    return (
        declared is None
        or declared == "null"
        or (isinstance(declared, list) and "null" in declared)
    )


def wrap_single(convert: Converter) -> Converter:
    """Let an array column accept a single value, as an array of one.

    Catalogs of Airbyte's own connector declare arrays for rollups, although most rollups are one
    number. They declare arrays of arrays for lookups, although lookups are flat.
    """

    def to_wrapped(cell: CellValue) -> Any:  # noqa: ANN401 - what the column holds
        return convert(cell if isinstance(cell, list) or is_error_value(cell) else [cell])

    return to_wrapped


def is_error_value(cell: CellValue) -> bool:
    """Return whether a cell is an error of Airtable's.

    Shapes: `{"error": "#ERROR!"}`, `{"specialValue": "NaN"}`.

    See https://airtable.com/developers/web/api/field-model#formula
    """
    return (
        isinstance(cell, dict)
        and len(cell) == 1
        and any(isinstance(cell.get(key), str) for key in _ERROR_KEYS)
    )


def to_anything(cell: CellValue) -> Any:  # noqa: ANN401 - an untyped column
    """Accept any cell."""
    return cell


def to_nothing(cell: CellValue) -> None:  # noqa: ARG001 - a converter takes a cell
    """Refuse every cell. The column can only be null."""
    raise CellMisfit


def to_text(cell: CellValue) -> str:
    """Accept text. Write any other value except an error as JSON text."""
    if isinstance(cell, str):
        return cell
    if is_error_value(cell):
        raise CellMisfit
    return orjson.dumps(cell).decode()


def to_date(cell: CellValue) -> str:
    """Accept a calendar date such as `2026-11-18`."""
    if isinstance(cell, str) and _DATE.fullmatch(cell):
        try:
            date.fromisoformat(cell)
        except ValueError:
            raise CellMisfit from None
        return cell
    raise CellMisfit


def to_date_time(cell: CellValue) -> str:
    """Accept a time with its zone, such as `2026-11-18T10:00:00.000Z`."""
    matched = _DATE_TIME.fullmatch(cell) if isinstance(cell, str) else None
    if matched is None:
        raise CellMisfit
    try:
        datetime.fromisoformat(matched.group(1))
    except ValueError:
        raise CellMisfit from None
    return str(cell)


def to_number(cell: CellValue) -> float:
    """Accept a number that a decimal column can hold."""
    if type(cell) in (int, float) and -NUMBER_LIMIT < cell < NUMBER_LIMIT:
        return cell  # type: ignore[no-any-return]  # the line above checks the type
    raise CellMisfit


def to_integer(cell: CellValue) -> int:
    """Accept an integer of 64 bits, and a float with the value of one, such as 7.0."""
    if type(cell) is float and cell.is_integer():
        cell = int(cell)
    if type(cell) is int and -INTEGER_LIMIT <= cell < INTEGER_LIMIT:
        return cell
    raise CellMisfit


def to_boolean(cell: CellValue) -> bool:
    """Accept a boolean, and the 0 and 1 that formulas give instead."""
    if cell is True or cell is False:
        return cell
    if type(cell) in (int, float) and cell in (0, 1):
        return bool(cell)
    raise CellMisfit


def _build_typed(json_type: str, json_schema: Mapping[str, Any]) -> Converter:
    return _BUILDERS[json_type](json_schema)


def _build_text(json_schema: Mapping[str, Any]) -> Converter:
    by_format = {"date": to_date, "date-time": to_date_time}
    return by_format.get(str(json_schema.get("format")), to_text)


def _build_array(json_schema: Mapping[str, Any]) -> Converter:
    items = json_schema.get("items")
    items = items if isinstance(items, Mapping) else {}
    convert = build_converter(items)
    if "array" in types_of(items):
        convert = wrap_single(convert)
    null_allowed = is_nullable(items)
    holds_arrays = "array" in types_of(items) or not types_of(items)

    def to_array(cell: CellValue) -> list[Any]:
        if not isinstance(cell, list):
            raise CellMisfit
        fits = True
        elements: list[Any] = []
        for element in cell:
            if element is None:
                fits = fits and null_allowed
                elements += [None] if null_allowed else []
                continue
            if isinstance(element, list) and not holds_arrays:
                # Airtable sends a lookup of a field with several values flat or nested. The schema
                # declares it flat.
                fits = False
                elements += _fitting_elements(to_array, element)
                continue
            try:
                elements.append(convert(element))
            except CellMisfit as misfit:
                fits = False
                elements += [misfit.fitting] if null_allowed or misfit.fitting is not None else []
        if fits:
            return elements
        raise CellMisfit(elements)

    return to_array


def _fitting_elements(to_array: Converter, nested: list[Any]) -> list[Any]:
    try:
        elements: list[Any] = to_array(nested)
    except CellMisfit as misfit:
        return list(misfit.fitting or [])
    return elements


def _build_object(json_schema: Mapping[str, Any]) -> Converter:
    properties = json_schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    converters = {
        name: (build_converter(schema), is_nullable(schema))
        for name, schema in properties.items()
        if isinstance(schema, Mapping)
    }

    def to_object(cell: CellValue) -> dict[str, Any]:
        if not isinstance(cell, dict) or is_error_value(cell):
            raise CellMisfit
        fits = True
        members = dict(cell)
        for name, (convert, null_allowed) in converters.items():
            if name not in members:
                continue
            member = members[name]
            try:
                if member is not None:
                    members[name] = convert(member)
                elif not null_allowed:
                    raise CellMisfit  # noqa: TRY301 - one place handles misfits
            except CellMisfit as misfit:
                fits = False
                members[name] = misfit.fitting
                if members[name] is None and not null_allowed:
                    del members[name]
        if fits:
            return members
        raise CellMisfit(members)

    return to_object


def _first_fitting(converters: list[Converter]) -> Converter:
    def to_first_fitting(cell: CellValue) -> Any:  # noqa: ANN401 - one of several types
        misfits = []
        # Text comes last because it accepts every value, as JSON text.
        for convert in sorted(converters, key=lambda converter: converter is to_text):
            try:
                return convert(cell)
            except CellMisfit as misfit:  # noqa: PERF203 - each type has its own try
                misfits.append(misfit)
        raise misfits[0]

    return to_first_fitting


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Converter]] = {
    "string": _build_text,
    "number": lambda _: to_number,
    "integer": lambda _: to_integer,
    "boolean": lambda _: to_boolean,
    "array": _build_array,
    "object": _build_object,
}
