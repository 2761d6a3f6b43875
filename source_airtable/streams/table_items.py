"""The streams `links` and `attachments`: one row for each item of the cells that hold several.

A link or an attachment that is taken away leaves no trace, so that both are read in full.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.table_share import TableShare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import FieldDict, FieldId, RecordDict
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.account_rows import RowWriter

LOGGER = logging.getLogger("airbyte.source_airtable")

LINKS_TYPE = "multipleRecordLinks"
ATTACHMENTS_TYPE = "multipleAttachments"
FIELD_TYPE_OF_ITEMS = {"links": LINKS_TYPE, "attachments": ATTACHMENTS_TYPE}
"""What the streams of items find in a table, and which tables they need."""

URL_LIFETIME = timedelta(hours=2)
"""How long an attachment's url is good for.

See https://support.airtable.com/docs/airtable-attachment-url-behavior
"""

Row = dict[str, Any]


def fields_of_type(table: TableSchema, field_type: str) -> dict[FieldId, FieldDict]:
    """Give the fields of a type, by id."""
    return {field["id"]: field for field in table.fields if field["type"] == field_type}


class ItemShare(TableShare):
    """The share of a stream whose rows are the items of some fields' cells."""

    field_type: str

    def __init__(self, stream_name: str, table: TableSchema, writer: RowWriter) -> None:
        super().__init__(stream_name, table)
        self._table = table
        self._fields = fields_of_type(table, self.field_type)
        self._writer = writer

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields of the type."""
        return tuple(self._fields)

    def follow(self, table: TableSchema) -> None:
        """Go on with the fields that are left."""
        self._table = table
        self._fields = fields_of_type(table, self.field_type)

    def rows_of(self, records: Sequence[RecordDict]) -> Iterable[Record]:
        """Make a row for each item, when it is asked for: a page may hold hundreds of thousands."""
        return map(self._writer.to_record, self.iter_rows(records))

    def iter_rows(self, records: Sequence[RecordDict]) -> Iterator[Row]:
        """Emit the items' rows, in the order of records, fields and cells."""
        for record in records:
            for field_id, field in self._fields.items():
                cell = record["fields"].get(field_id)
                if isinstance(cell, list):
                    place = {
                        "base_id": self._table.base_id,
                        "table_id": self._table.table_id,
                        "record_id": record["id"],
                        "field_id": field_id,
                    }
                    for row in self.rows_of_cell(cell, field):
                        yield {**place, **row}

    def rows_of_cell(self, cell: list[Any], field: FieldDict) -> Iterator[Row]:
        """Emit the rows of one cell, without the place of the cell."""
        raise NotImplementedError


class LinkShare(ItemShare):
    """The share of the stream `links`.

    See https://airtable.com/developers/web/api/field-model#foreignkey
    """

    field_type = LINKS_TYPE

    def rows_of_cell(self, cell: list[Any], field: FieldDict) -> Iterator[Row]:
        """Emit one row for each linked record."""
        options: Any = field.get("options") or {}
        for position, linked in enumerate(cell):
            # Some answers name the record beside its id.
            record_id = linked.get("id") if isinstance(linked, dict) else linked
            if isinstance(record_id, str):
                yield {
                    "position": position,
                    "linked_table_id": options.get("linkedTableId"),
                    "linked_record_id": record_id,
                }


class AttachmentShare(ItemShare):
    """The share of the stream `attachments`, without their files.

    See https://airtable.com/developers/web/api/field-model#multipleattachment
    """

    field_type = ATTACHMENTS_TYPE

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        writer: RowWriter,
        client: AirtableClient,
    ) -> None:
        super().__init__(stream_name, table, writer)
        self._client = client

    def rows_of_cell(self, cell: list[Any], field: FieldDict) -> Iterator[Row]:  # noqa: ARG002 - the base class's signature
        """Emit one row for each attachment."""
        valid_until = valid_until_text(self._client.latest_date)
        seen: set[str] = set()
        for attachment in cell:
            attachment_id = attachment.get("id") if isinstance(attachment, dict) else None
            if not isinstance(attachment_id, str) or attachment_id in seen:
                continue
            seen.add(attachment_id)
            yield {**attachment, "url_valid_until": valid_until}


def valid_until_text(given: datetime | None) -> str | None:
    """Give the time until which an url is good that Airtable gave at a moment (UTC)."""
    return None if given is None else to_utc_text(given + URL_LIFETIME)
