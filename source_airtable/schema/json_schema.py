"""From a table's schema to the JSON schema of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.schema.field_types import DATE_TIME, TEXT, json_schema_of
from source_airtable.schema.names import DELETED_AT_COLUMN, column_names

if TYPE_CHECKING:
    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.table_schema import TableSchema

ANNOTATION = "x-airtable"
"""The keyword under which a stream carries its base and table id, and a column its field id and
type."""

PRIMARY_KEY = "_airtable_id"
CURSOR_COLUMN = "_airtable_as_of"

_SYSTEM_COLUMNS: dict[str, dict[str, Any]] = {
    # The first three are plain text as in Airbyte's own connector, so that a moved connection keeps
    # its columns.
    "_airtable_id": {"type": "string", "description": "The record's id in Airtable."},
    "_airtable_created_time": {**TEXT, "description": "When the record was created, in UTC."},
    "_airtable_table_name": {**TEXT, "description": "The table's name in Airtable."},
    "_airtable_base_id": {**TEXT, "description": "The id of the base that the record is in."},
    "_airtable_table_id": {**TEXT, "description": "The id of the table that the record is in."},
    "_airtable_as_of": {
        **DATE_TIME,
        "description": "The record is at least as new as this moment, by Airtable's clock, in UTC.",
    },
    "_airtable_errors": {
        "type": ["null", "object"],
        "additionalProperties": True,
        "description": "Cells that do not fit their column (formula errors, NaN, ...), by column, "
        "as Airtable sent them.",
    },
}


DELETED_AT: dict[str, Any] = {
    **DATE_TIME,
    "description": "When the record was found to be deleted, in UTC; null as long as it is there.",
}


def build_json_schema(
    table: TableSchema, *, by_field_id: bool = False, with_tombstones: bool = False
) -> dict[str, Any]:
    """Build the JSON schema of a table's stream; columns are named after fields or field ids."""
    columns = name_columns(table, by_field_id=by_field_id)
    properties = dict(_SYSTEM_COLUMNS)
    if with_tombstones:
        properties[DELETED_AT_COLUMN] = DELETED_AT
    for field in table.fields:
        properties[columns[field["id"]]] = {
            **json_schema_of(field),
            "description": _describe(field),
            ANNOTATION: {"field_id": field["id"], "type": field["type"]},
        }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
        ANNOTATION: {"base_id": table.base_id, "table_id": table.table_id},
        "properties": properties,
    }


def name_columns(table: TableSchema, *, by_field_id: bool = False) -> dict[str, str]:
    """Name the columns of a table by field id."""
    if by_field_id:
        return {field["id"]: field["id"] for field in table.fields}
    return column_names({field["id"]: field["name"] for field in table.fields})


def _describe(field: FieldDict) -> str:
    """Tell where a column comes from: `Due Date (date, fldgrx5mWw7ytnoll). When it is due`."""
    origin = f"{field['name']} ({field['type']}, {field['id']})"
    description = field.get("description")
    return f"{origin}. {description}" if isinstance(description, str) and description else origin
