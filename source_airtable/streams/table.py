"""The stream of one table: a column for each field, a row for each record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.records import RecordConverter
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.link_names import find_no_names
from source_airtable.schema.system_columns import CURSOR_COLUMN, PRIMARY_KEY
from source_airtable.streams.incremental_reader import build_record_reader
from source_airtable.streams.stream import AirtableStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.config import Config
    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.link_names import FindNames
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import ReadCatalog, Reader, ReadRequest


class TableStream(AirtableStream):
    """The stream of one table."""

    primary_key = PRIMARY_KEY
    cursor_field = CURSOR_COLUMN
    reads_one_table = True

    def __init__(  # noqa: PLR0913 - the last two are for one command each
        self,
        name: str,
        table: TableSchema,
        config: Config,
        json_schema: JsonSchema | None = None,
        *,
        read_catalog: ReadCatalog | None = None,
        find_names: FindNames = find_no_names,
    ) -> None:
        super().__init__(name, json_schema, read_catalog)
        self.table = table
        self._config = config
        self._find_names = find_names

    def build_json_schema(self) -> JsonSchema:
        """Declare the columns of each field, as the settings say."""
        return build_json_schema(
            self.table,
            by_field_id=self._config.column_names == "ids",
            with_tombstones=self._config.incremental.detect_deletions,
            with_link_names=self._config.link_names,
        )

    def tables(self) -> Sequence[TableSchema]:
        """Give the one table."""
        return [self.table]

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:
        """Build what reads the table's records."""
        json_schema = self.get_json_schema()

        def compile_table(present: TableSchema) -> RecordConverter:
            return RecordConverter.for_table(present, json_schema, self._find_names)

        return build_record_reader(self.name, self.name, table, compile_table, request)
