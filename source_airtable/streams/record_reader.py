"""Reads all records of one table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_airtable.changes.moments import to_utc_text
from source_airtable.changes.need import WholeTable
from source_airtable.streams.stream import Fields, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from source_airtable.changes.need import Need
    from source_airtable.records import Page, RecordConverter, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import ReaderScan

    CompileTable = Callable[[TableSchema], RecordConverter]

LOGGER = logging.getLogger("airbyte.source_airtable")


class RecordReader(Reader):
    """Reads all records of a table."""

    def __init__(
        self, stream_name: str, label: str, table: TableSchema, compile_table: CompileTable
    ) -> None:
        super().__init__(stream_name, table)
        self._label = label
        self._compile = compile_table
        self._names_fields = False
        """Whether a field that vanishes during the scan must be noticed."""
        self.converter = compile_table(table)
        self.as_of: str | None = None
        """The cursor of the rows."""

    @property
    def label(self) -> str:
        """How the log names the stream."""
        return self._label

    @property
    def fields(self) -> Fields:  # type: ignore[override]  # the table's present ones
        """The fields of the configured columns."""
        return Fields(self.converter.field_ids, are_named=self._names_fields)

    def start(self, as_of: datetime | None) -> Need:
        """Read the whole table, and warn of columns whose field is gone."""
        self.as_of = None if as_of is None else to_utc_text(as_of)
        if self.converter.columns_without_field:
            LOGGER.warning(
                "Stream %s: these columns have no field in Airtable any more and are null: %s. "
                "Refresh the connection's schema to drop them.",
                self.label,
                ", ".join(self.converter.columns_without_field),
            )
        return WholeTable()

    def follow(self, table: TableSchema) -> None:
        """Compile the table anew."""
        super().follow(table)
        misfits = self.converter.misfits
        self.converter = self._compile(table)
        self.converter.misfits = misfits

    def rows(self, page: Page) -> list[Row]:
        """Convert a page, one row a record."""
        return self.converter.rows(page, self.as_of)

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:  # noqa: ARG002 - the base class's signature
        """Emit nothing more, and log how many cells did not fit their column."""
        layout = self.converter.layout
        if self.converter.misfits:
            where = (
                f"The column {layout.errors_column} keeps them"
                if layout.keeps_errors
                else f"Select the column {layout.errors_column} to keep them"
            )
            LOGGER.info(
                "Stream %s: %d cells did not fit their column (formula errors, NaN and the like) "
                "and are null there. %s.",
                self.label,
                self.converter.misfits,
                where,
            )
        yield from ()
