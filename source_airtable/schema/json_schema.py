"""From a table's schema to the JSON schema of its stream.

Airbyte reports a schema change when anything inside a column's node differs. So a node holds the
column's type and the field's id, and nothing that people edit in Airtable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.schema.field_types import ARRAY_OF_TEXT, LINKS_TYPE, json_schema_of
from source_airtable.schema.names import column_names, names_column_names
from source_airtable.schema.system_columns import DELETED_AT_COLUMN, SYSTEM_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.table_schema import TableSchema

ANNOTATION = "x-airtable"
"""The keyword that holds the base and table id of a stream, and the field id of a column."""
NAMES_OF = "names_of"
"""In the annotation of a column of names: the id of the field of links."""


def build_json_schema(
    table: TableSchema,
    *,
    by_field_id: bool = False,
    with_tombstones: bool = False,
    with_link_names: bool = False,
) -> JsonSchema:
    """Build the JSON schema of a table's stream; columns are named after fields or field ids."""
    columns = name_columns(table, by_field_id=by_field_id)
    names_columns = name_names_columns(table, columns) if with_link_names else {}
    properties = {
        name: column.json_schema
        for name, column in SYSTEM_COLUMNS.items()
        if with_tombstones or name != DELETED_AT_COLUMN
    }
    for field in table.fields:
        properties[columns[field["id"]]] = {
            **json_schema_of(field),
            ANNOTATION: {"field_id": field["id"]},
        }
        if field["id"] in names_columns:
            properties[names_columns[field["id"]]] = {
                **ARRAY_OF_TEXT,
                ANNOTATION: {NAMES_OF: field["id"]},
            }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "description": f"The table {table.table_name} of the base {table.base_name}. "
        "The stream fields describes its columns.",
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


def name_names_columns(table: TableSchema, columns: Mapping[str, str]) -> dict[str, str]:
    """Name the columns of names by field id, beside the columns of the fields."""
    links = [field["id"] for field in table.fields if field["type"] == LINKS_TYPE]
    return names_column_names(columns, links)
