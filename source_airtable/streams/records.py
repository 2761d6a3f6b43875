"""The stream `records`: the records of all tables in one form, their cells in objects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from source_airtable.records import RecordConverter
from source_airtable.schema.field_types import DATE_TIME, OBJECT
from source_airtable.schema.system_columns import DELETED_AT_COLUMN, SYSTEM_COLUMNS
from source_airtable.streams.account_stream import (
    AS_OF,
    AS_OF_COLUMN,
    KEY,
    AccountTablesStream,
    described,
)
from source_airtable.streams.incremental_reader import build_record_reader

if TYPE_CHECKING:
    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import Reader, ReadRequest


class RecordsStream(AccountTablesStream):
    """One row for each record of any table."""

    stream_name = "records"
    holds = "a record of any table, its cells in objects"
    key = ("_base_id", "_table_id", "id")
    cursor_field = AS_OF_COLUMN
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        "_base_id": described(KEY, "The id of the record's base."),
        "_table_id": described(KEY, "The id of the record's table."),
        "id": described(KEY, "The record's id."),
        "created_time": described(DATE_TIME, "When the record was created, in UTC."),
        "fields": described(OBJECT, "The cells that are not empty, by field name."),
        "fields_by_id": described(OBJECT, "The cells that are not empty, by field id."),
        "_errors": described(
            OBJECT,
            "Cells that do not fit their field's type (formula errors, NaN, ...), by field id, as "
            "Airtable sent them.",
        ),
        **AS_OF,
    }

    def build_json_schema(self) -> JsonSchema:
        """Declare the columns, with the one for deleted records where they are detected."""
        json_schema = super().build_json_schema()
        if self.config.incremental.detect_deletions:
            deleted_at = SYSTEM_COLUMNS[DELETED_AT_COLUMN].json_schema
            json_schema["properties"][DELETED_AT_COLUMN] = deleted_at
        return json_schema

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:
        """Build what reads the records of one table."""
        json_schema = self.get_json_schema()
        label = f"{self.name} (table {table.table_name})"

        def compile_table(present: TableSchema) -> RecordConverter:
            return RecordConverter.for_records(present, json_schema)

        of_table = replace(request, saved_state=self.state_of(table, request.saved_state))
        return build_record_reader(self.name, label, table, compile_table, of_table)
