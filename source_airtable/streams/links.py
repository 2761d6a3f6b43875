"""The stream `links`: one row for each linked record of a cell.

A link that is taken away leaves no trace, so the stream is always read in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.schema.field_types import LINKS_TYPE, TEXT
from source_airtable.schema.link_names import linked_record_id, linked_table_id
from source_airtable.streams.account_stream import CELL_ID, AccountTablesStream, described
from source_airtable.streams.cell_items import fields_of_type, fields_to_ask_for, iter_cells
from source_airtable.streams.stream import Fields, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.wire_types import FieldDict, FieldId
    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.row_converter import RowConverter
    from source_airtable.streams.stream import ReadRequest


class LinksStream(AccountTablesStream):
    """One row for each linked record."""

    stream_name = "links"
    holds = "a linked record of a cell"
    key = ("base_id", "table_id", "record_id", "field_id", "position")
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **CELL_ID,
        "position": described({"type": "integer"}, "Where the link stands in its cell, from 0 on."),
        "linked_table_id": described(TEXT, "The table of the linked record."),
        "linked_record_id": described(TEXT, "The linked record's id."),
    }

    def tables(self) -> Sequence[TableSchema]:
        """Give the tables that have a field of links."""
        return [table for table in super().tables() if fields_of_type(table, LINKS_TYPE)]

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:  # noqa: ARG002 - always in full
        """Build what reads the links of one table."""
        return LinkReader(self.name, table, self.row_converter)


class LinkReader(Reader):
    """Reads the links of one table.

    See https://airtable.com/developers/web/api/field-model#foreignkey
    """

    def __init__(self, stream_name: str, table: TableSchema, converter: RowConverter) -> None:
        super().__init__(stream_name, table)
        self._convert = converter.convert

    @property
    def _link_fields(self) -> dict[FieldId, FieldDict]:
        return fields_of_type(self.table, LINKS_TYPE)

    @property
    def fields(self) -> Fields:  # type: ignore[override]  # the table's present ones
        """The fields of links."""
        return fields_to_ask_for(self.table, self._link_fields)

    def rows(self, page: Page) -> list[Row]:
        """Make one row for each linked record."""
        fields = self._link_fields
        linked_table_of = {field_id: linked_table_id(field) for field_id, field in fields.items()}
        rows: list[Row] = []
        for place, field_id, cell in iter_cells(self.table, fields, page.records):
            place["linked_table_id"] = linked_table_of[field_id]
            for position, linked in enumerate(cell):
                record_id = linked_record_id(linked)
                if record_id is not None:
                    row = {**place, "position": position, "linked_record_id": record_id}
                    rows.append(self._convert(row))
        return rows
