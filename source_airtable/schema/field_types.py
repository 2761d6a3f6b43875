"""The table of field types: one row for each of Airtable's types.

A row holds the JSON schema of a field's column. The converter of its cells follows from that schema
(`cell_values.build_converter`). The documentation and the tests use the same rows. A formula, a
rollup or a lookup has the schema of its result, by recursion through these rows.

The column is text if the table does not have the field's type, or if the field's options do not say
what it holds (missing, null, `isValid: false`). Text accepts every cell: as it is, or as JSON text.

No column depends on any other option. Choices, formats, precision and formulas can change while the
column's schema stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_airtable.api.wire_types import FieldDict

JsonSchema = dict[str, Any]

_FIELD_MODEL = "https://airtable.com/developers/web/api/field-model#"

# A lookup can look up a lookup, so results nest. Anything deeper than this is text.
_DEEPEST_RESULT = 8

LINKS_TYPE = "multipleRecordLinks"

TEXT: JsonSchema = {"type": ["null", "string"]}
NUMBER: JsonSchema = {"type": ["null", "number"]}
INTEGER: JsonSchema = {"type": ["null", "integer"]}
BOOLEAN: JsonSchema = {"type": ["null", "boolean"]}
DATE: JsonSchema = {"type": ["null", "string"], "format": "date"}
DATE_TIME: JsonSchema = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}


OBJECT: JsonSchema = {"type": ["null", "object"]}
"""An object with any members. JSON Schema allows those that a schema does not name."""


def _object(**properties: JsonSchema) -> JsonSchema:
    return {**OBJECT, "properties": properties}


def _array(items: JsonSchema) -> JsonSchema:
    return {"type": ["null", "array"], "items": items}


ARRAY_OF_TEXT = _array(TEXT)
COLLABORATOR = _object(id=TEXT, email=TEXT, name=TEXT)
BARCODE = _object(text=TEXT, type=TEXT)
BUTTON = _object(label=TEXT, url=TEXT)
AI_TEXT = _object(state=TEXT, isStale=BOOLEAN, value=TEXT, errorType=TEXT)
THUMBNAIL = _object(url=TEXT, width=NUMBER, height=NUMBER)
ATTACHMENT = _object(
    id=TEXT,
    url=TEXT,
    filename=TEXT,
    size=NUMBER,
    type=TEXT,
    width=NUMBER,
    height=NUMBER,
    thumbnails=_object(small=THUMBNAIL, large=THUMBNAIL, full=THUMBNAIL),
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """One row: a field type and its column."""

    name: str
    json_schema: JsonSchema | Callable[[FieldDict, int], JsonSchema]
    """The column's schema, or a function that finds it for a field at a depth of results."""
    page: str
    """Airtable's page about the type."""
    holds: str
    """What the documentation says about the column."""
    absent: bool | None = None
    """The column's value in a record that lacks the cell."""


def json_schema_of(field: Mapping[str, Any], depth: int = 0) -> JsonSchema:
    """Return the JSON schema of a field's cells. Works for any description of a field.

    Shape: `{"type": "count", "options": {"isValid": true}}` gives `{"type": ["null", "integer"]}`.
    """
    options = field.get("options")
    if isinstance(options, Mapping) and options.get("isValid") is False:
        return TEXT
    row = row_of(field)
    if callable(row.json_schema):
        return row.json_schema(field, depth)  # type: ignore[arg-type]  # the field may have any shape
    return row.json_schema


def row_of(field: Mapping[str, Any]) -> FieldType:
    """Return the row of a field's type, or the row for unknown types."""
    return FIELD_TYPES.get(str(field.get("type")), UNKNOWN_TYPE)


def _of_result(field: FieldDict, depth: int) -> JsonSchema:
    result = _result(field)
    if result is None or depth >= _DEEPEST_RESULT:
        return TEXT
    return json_schema_of(result, depth + 1)


def _array_of_result(field: FieldDict, depth: int) -> JsonSchema:
    result = _result(field)
    if result is None or depth >= _DEEPEST_RESULT:
        return TEXT
    looked_up = json_schema_of(result, depth + 1)
    # A lookup of a field with several values is one flat list of them.
    return looked_up if "array" in looked_up["type"] else _array(looked_up)


def _result(field: FieldDict) -> Mapping[str, Any] | None:
    options = field.get("options")
    result = options.get("result") if isinstance(options, Mapping) else None
    return result if isinstance(result, Mapping) and result.get("type") else None


def _row(
    name: str,
    json_schema: JsonSchema | Callable[[FieldDict, int], JsonSchema],
    anchor: str,
    holds: str,
    *,
    absent: bool | None = None,
) -> FieldType:
    return FieldType(name, json_schema, _FIELD_MODEL + anchor, holds, absent)


_ROWS = (
    _row("singleLineText", TEXT, "simpletext", "text"),
    _row("email", TEXT, "email", "text"),
    _row("url", TEXT, "url", "text"),
    _row("phoneNumber", TEXT, "phone", "text"),
    _row("multilineText", TEXT, "multilinetext", "text"),
    _row("richText", TEXT, "rich-text", "text in Airtable's Markdown"),
    _row("number", NUMBER, "decimalorintegernumber", "number"),
    _row("percent", NUMBER, "percentnumber", "number; 0.123 is 12.3 %"),
    _row("currency", NUMBER, "currencynumber", "number"),
    _row("duration", NUMBER, "durationnumber", "number of seconds"),
    _row("rating", INTEGER, "rating", "integer"),
    _row("autoNumber", INTEGER, "autonumber", "integer"),
    _row("count", INTEGER, "count", "integer"),
    _row("checkbox", BOOLEAN, "checkbox", "boolean; false if it is not ticked", absent=False),
    _row("date", DATE, "dateonly", "date"),
    _row("dateTime", DATE_TIME, "dateandtime", "date-time in UTC"),
    _row("createdTime", _of_result, "createdtime", "date or date-time, by the field's options"),
    _row(
        "lastModifiedTime",
        _of_result,
        "lastmodifiedtime",
        "date or date-time, by the field's options",
    ),
    _row("singleSelect", TEXT, "select", "text: the choice's name"),
    _row("multipleSelects", _array(TEXT), "multiselect", "array of text: the choices' names"),
    _row("externalSyncSource", TEXT, "syncsource", "text: the source's name"),
    _row(LINKS_TYPE, ARRAY_OF_TEXT, "foreignkey", "array of record ids"),
    _row("singleCollaborator", COLLABORATOR, "collaborator", "object: id, email, name"),
    _row("createdBy", COLLABORATOR, "createdby", "object: id, email, name"),
    _row("lastModifiedBy", COLLABORATOR, "lastmodifiedby", "object: id, email, name"),
    _row(
        "multipleCollaborators",
        _array(COLLABORATOR),
        "multicollaborator",
        "array of objects: id, email, name",
    ),
    _row(
        "multipleAttachments",
        _array(ATTACHMENT),
        "multipleattachment",
        "array of objects: id, url (valid for 2 hours), filename, size, type, width, height, "
        "thumbnails",
    ),
    _row("barcode", BARCODE, "barcode", "object: text, type"),
    _row("button", BUTTON, "button", "object: label, url"),
    _row("aiText", AI_TEXT, "aitext", "object: state, isStale, value, errorType"),
    _row("formula", _of_result, "formula", "what the formula's result is"),
    _row("rollup", _of_result, "rollup", "what the rollup's result is"),
    _row("multipleLookupValues", _array_of_result, "lookup", "array of what is looked up"),
    # Older answers use this name for multipleLookupValues.
    _row("lookup", _array_of_result, "lookup", "array of what is looked up"),
    # Airtable does not document this type. Its cells are keys that sort the records.
    _row("manualSort", TEXT, "", "text"),
)

FIELD_TYPES: Mapping[str, FieldType] = {row.name: row for row in _ROWS}
UNKNOWN_TYPE = _row("(any other type)", TEXT, "", "text; JSON text for other values")
