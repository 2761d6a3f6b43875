"""All streams of an account: one for each table, and those of the whole account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_airtable.schema.json_schema import name_columns
from source_airtable.streams.attachment_files import AttachmentFilesStream
from source_airtable.streams.attachments import AttachmentsStream
from source_airtable.streams.comments import CommentsStream
from source_airtable.streams.links import LinksStream
from source_airtable.streams.metadata import BasesStream, FieldsStream, TablesStream, ViewsStream
from source_airtable.streams.records import RecordsStream
from source_airtable.streams.stream_names import name_streams
from source_airtable.streams.table import TableStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from source_airtable.api.client import AirtableClient
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.account_stream import AccountStream
    from source_airtable.streams.stream import Account, AirtableStream, ReadCatalog

LOGGER = logging.getLogger("airbyte.source_airtable")

# In the order of the catalog. A table's readers finish in this order too, so the streams that make
# calls of their own come last.
ACCOUNT_STREAMS: Mapping[str, type[AccountStream]] = {
    kind.stream_name: kind
    for kind in (
        *(BasesStream, TablesStream, FieldsStream, ViewsStream),
        *(RecordsStream, LinksStream, AttachmentsStream, CommentsStream, AttachmentFilesStream),
    )
}


def offered_account_streams(config: Config) -> list[type[AccountStream]]:
    """Give the streams of the whole account that the settings offer."""
    return [
        kind
        for kind in ACCOUNT_STREAMS.values()
        if kind is not AttachmentFilesStream or config.transfer_attachment_files
    ]


def build_streams(
    account: Account, config: Config, client: AirtableClient, read_catalog: ReadCatalog
) -> list[AirtableStream]:
    """Build one stream a table, in the order of bases and tables, and those of the account."""
    names = name_streams(account.tables, config)
    if config.column_names == "names":
        warn_of_suffixed_columns(account.tables)
    streams: list[AirtableStream] = [
        TableStream(name, table, config, read_catalog=read_catalog)
        for name, table in zip(names, account.tables, strict=True)
    ]
    streams += [
        kind(account, config, client, read_catalog=read_catalog)
        for kind in offered_account_streams(config)
    ]
    return streams


def warn_of_suffixed_columns(tables: Iterable[TableSchema]) -> None:
    """Warn of columns that carry their field's id, because their name alone would not do."""
    for table in tables:
        columns = name_columns(table)
        suffixed = [
            field["name"]
            for field in table.fields
            if columns[field["id"]].endswith(f"_{field['id']}")
        ]
        if suffixed:
            LOGGER.warning(
                "Table %s of base %s: the columns of these fields end with their field id, because "
                "destinations would mix them up with another column, or leave nothing of their "
                "name: %s.",
                table.table_name,
                table.base_name,
                ", ".join(suffixed),
            )
