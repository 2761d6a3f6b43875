"""The stream `attachments`: one row for each attachment of a cell, without its file.

An attachment that is taken away leaves no trace, so the stream is always read in full.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from source_airtable.changes.moments import to_utc_text
from source_airtable.schema.field_types import DATE_TIME, INTEGER, TEXT
from source_airtable.streams.account_stream import (
    CELL_ID,
    KEY,
    AccountTablesStream,
    described,
)
from source_airtable.streams.cell_items import fields_of_type, fields_to_ask_for, iter_cells
from source_airtable.streams.stream import Fields, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.row_converter import RowConverter
    from source_airtable.streams.stream import ReadRequest

ATTACHMENTS_TYPE = "multipleAttachments"

URL_LIFETIME = timedelta(hours=2)
"""How long the url of an attachment is good for.

See https://support.airtable.com/docs/airtable-attachment-url-behavior
"""


class AttachmentsStream(AccountTablesStream):
    """One row for each attachment."""

    stream_name = "attachments"
    holds = "an attachment of a cell, with the url of its file"
    key = ("base_id", "table_id", "record_id", "field_id", "id")
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **CELL_ID,
        "id": described(KEY, "The attachment's id."),
        "filename": TEXT,
        "size": described(INTEGER, "In bytes."),
        "type": described(TEXT, "The media type, such as image/png."),
        "width": described(INTEGER, "In pixels, for images."),
        "height": described(INTEGER, "In pixels, for images."),
        "url": described(TEXT, "Where the file can be had until `url_valid_until`."),
        "url_valid_until": described(DATE_TIME, "Two hours after Airtable gave the url, in UTC."),
    }

    def tables(self) -> Sequence[TableSchema]:
        """Give the tables that have a field of attachments."""
        return [table for table in super().tables() if fields_of_type(table, ATTACHMENTS_TYPE)]

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:  # noqa: ARG002 - always in full
        """Build what reads the attachments of one table."""
        return AttachmentReader(self.name, table, self.row_converter)


class AttachmentReader(Reader):
    """Reads the attachments of one table.

    See https://airtable.com/developers/web/api/field-model#multipleattachment
    """

    def __init__(self, stream_name: str, table: TableSchema, converter: RowConverter) -> None:
        super().__init__(stream_name, table)
        self._convert = converter.convert

    @property
    def fields(self) -> Fields:  # type: ignore[override]  # the table's present ones
        """The fields of attachments."""
        return fields_to_ask_for(self.table, fields_of_type(self.table, ATTACHMENTS_TYPE))

    def rows(self, page: Page) -> list[Row]:
        """Make one row for each attachment."""
        return [self._convert(row) for row in iter_attachments(self.table, page)]


def iter_attachments(table: TableSchema, page: Page) -> Iterator[Row]:
    """Emit what Airtable says of each attachment of a page, with its place, once a cell."""
    valid_until = valid_until_text(page.answered_at)
    fields = fields_of_type(table, ATTACHMENTS_TYPE)
    for place, _, cell in iter_cells(table, fields, page.records):
        seen: set[str] = set()
        for attachment in cell:
            attachment_id = attachment.get("id") if isinstance(attachment, dict) else None
            if isinstance(attachment_id, str) and attachment_id not in seen:
                seen.add(attachment_id)
                yield {**place, **attachment, "url_valid_until": valid_until}


def valid_until_text(answered_at: datetime | None) -> str | None:
    """Give the time until which a url is good that Airtable gave at a moment (UTC)."""
    return None if answered_at is None else to_utc_text(answered_at + URL_LIFETIME)
