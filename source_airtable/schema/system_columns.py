"""The columns that a table's stream has beside those of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_airtable.schema.field_types import DATE_TIME, OBJECT, TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.schema.field_types import JsonSchema

PRIMARY_KEY = "_airtable_id"
CURSOR_COLUMN = "_airtable_as_of"
ERRORS_COLUMN = "_airtable_errors"
DELETED_AT_COLUMN = "_ab_cdc_deleted_at"
"""Exists only with `incremental.detect_deletions`. Destinations know this name."""


@dataclass(frozen=True, slots=True)
class SystemColumn:
    """One system column: its JSON schema, and the description in the documentation."""

    json_schema: JsonSchema
    description: str


SYSTEM_COLUMNS: Mapping[str, SystemColumn] = {
    # Airbyte's own connector has the first three as plain text. A connection that moves over keeps
    # these columns.
    PRIMARY_KEY: SystemColumn({"type": "string"}, "The record's id in Airtable."),
    "_airtable_created_time": SystemColumn(TEXT, "When the record was created, in UTC."),
    "_airtable_table_name": SystemColumn(TEXT, "The table's name in Airtable."),
    "_airtable_base_id": SystemColumn(TEXT, "The id of the record's base."),
    "_airtable_table_id": SystemColumn(TEXT, "The id of the record's table."),
    CURSOR_COLUMN: SystemColumn(
        DATE_TIME,
        "The record is at least as new as this moment, by Airtable's clock, in UTC.",
    ),
    ERRORS_COLUMN: SystemColumn(
        OBJECT,
        "The cells that do not fit their column (formula errors, NaN, ...), by column, as Airtable "
        "sent them.",
    ),
    DELETED_AT_COLUMN: SystemColumn(
        DATE_TIME,
        "When the connector found the record deleted, in UTC. Null while the record exists.",
    ),
}
