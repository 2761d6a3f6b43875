"""The configured streams as streams of the CDK's engine, each table scanned once for all of them.

The way of a table: a stream has a partition for each table that it takes from, the partitions of a
table share one scan, a scan is passes over pages, a page is records.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator

from source_airtable.api.files import FileDownload
from source_airtable.records import RecordConverter
from source_airtable.schema.json_schema import PRIMARY_KEY
from source_airtable.streams.account_records import AccountRecordConverter
from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from source_airtable.streams.attachment_files import AttachmentFileShare
from source_airtable.streams.comments import CommentAccess, CommentShare
from source_airtable.streams.cursor import AccountCursor, StreamCursor, state_of_table
from source_airtable.streams.incremental import IncrementalShare
from source_airtable.streams.metadata import METADATA_STREAMS, MetadataPartition
from source_airtable.streams.shared_scan import SharedScan
from source_airtable.streams.table_items import (
    FIELD_TYPE_OF_ITEMS,
    AttachmentShare,
    LinkShare,
    fields_of_type,
)
from source_airtable.streams.table_share import RecordShare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

    from source_airtable.api.client import AirtableClient
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.failures import StreamFailures
    from source_airtable.streams.read_queue import ReadQueue
    from source_airtable.streams.table_share import Converter, TableShare
    from source_airtable.streams.table_stream import Account, AccountStream, TableStream

LOGGER = logging.getLogger("airbyte.source_airtable")

_Item = TypeVar("_Item")


class Partitions(PartitionGenerator):
    """Generates the partitions that it was given."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        self._partitions = partitions

    def generate(self) -> Iterable[Partition]:
        """Generate the partitions."""
        yield from self._partitions


class EngineStreams:
    """Builds the engine's streams of one sync, and lets those that need the same table share it.

    What makes a stream fail is noted in `failures`, by the stream's name; each of its tables may.
    """

    def __init__(
        self,
        client: AirtableClient,
        config: Config,
        queue: ReadQueue,
        message_repository: MessageRepository,
        failures: StreamFailures,
    ) -> None:
        self._client = client
        self._config = config
        self._queue = queue
        self._message_repository = message_repository
        self._failures = failures
        self._scans: dict[TableKey, SharedScan] = {}

    def build(
        self,
        table_streams: Iterable[TableStream],
        account_streams: Iterable[AccountStream] = (),
        account: Account | None = None,
    ) -> list[AbstractStream]:
        """Build all streams; neighbours are of different bases, which do not share a rate limit."""
        of_tables = [
            self._build_table_stream(stream)
            for stream in interleave_bases(table_streams, lambda stream: stream.table.base_id)
        ]
        if account is None:
            return of_tables
        return of_tables + [self._build_account_stream(one, account) for one in account_streams]

    def _build_table_stream(self, stream: TableStream) -> AbstractStream:
        def build_converter(table: TableSchema) -> RecordConverter:
            return RecordConverter(table, stream.json_schema)

        cursor = StreamCursor(stream.name, self._message_repository)
        build_share = partial(
            _share_of_records, stream, stream.table, build_converter, stream.saved_state
        )
        partition = self._scan_of(stream.table).add(stream.name, build_share, cursor)
        return _as_engine_stream(stream, [partition], cursor, (PRIMARY_KEY,))

    def _build_account_stream(self, stream: AccountStream, account: Account) -> AbstractStream:
        row = ACCOUNT_STREAMS[stream.name]
        partitions: list[Partition]
        if stream.name in METADATA_STREAMS:
            cursor = StreamCursor(stream.name, self._message_repository)
            partitions = [MetadataPartition(stream, account, self._config, cursor)]
        else:
            tables = account.tables
            build_share = self._account_shares(stream)
            if stream.name in FIELD_TYPE_OF_ITEMS:
                field_type = FIELD_TYPE_OF_ITEMS[stream.name]
                tables = [table for table in tables if fields_of_type(table, field_type)]
            tables = interleave_bases(tables, lambda table: table.base_id)
            cursor = AccountCursor(
                stream.name,
                self._message_repository,
                len(tables),
                skips_missing=self._config.on_missing_table == "skip",
                saved_state=stream.saved_state,
            )
            partitions = [
                self._scan_of(table).add(stream.name, partial(build_share, table), cursor)
                for table in tables
            ]
        return _as_engine_stream(
            stream, partitions, cursor, row.primary_key, has_files=row.has_files
        )

    def _account_shares(self, stream: AccountStream) -> Callable[[TableSchema], TableShare]:
        """Give what builds the stream's share in the scan of a table."""
        client, writer = self._client, RowWriter(stream.name, stream.json_schema)
        saved_state = (stream.saved_state if stream.incremental else None) or {}

        def of_records(table: TableSchema) -> TableShare:
            def build_converter(table: TableSchema) -> AccountRecordConverter:
                return AccountRecordConverter(table, stream.json_schema)

            saved = state_of_table(saved_state, table.key)
            share = _share_of_records(stream, table, build_converter, saved)
            share.told_name = f"{stream.name} (table {table.table_name})"
            return share

        def of_links(table: TableSchema) -> TableShare:
            return LinkShare(stream.name, table, writer)

        def of_attachments(table: TableSchema) -> TableShare:
            if stream.include_files:
                return AttachmentFileShare(stream.name, table, writer, client, files)
            return AttachmentShare(stream.name, table, writer, client)

        def of_comments(table: TableSchema) -> TableShare:
            saved = state_of_table(saved_state, table.key)
            return CommentShare(stream.name, table, writer, access, saved)

        access = CommentAccess(client)
        files = FileDownload(
            self._config.max_file_megabytes * 1_000_000, pulse=lambda: self._queue.sleep(0)
        )
        builders: dict[str, Callable[[TableSchema], TableShare]] = {
            "records": of_records,
            "links": of_links,
            "attachments": of_attachments,
            "comments": of_comments,
        }
        return builders[stream.name]

    def _scan_of(self, table: TableSchema) -> SharedScan:
        scan = self._scans.get(table.key)
        if scan is None:
            scan = self._scans[table.key] = SharedScan(
                table, self._client, self._queue, self._failures
            )
        return scan


def _share_of_records(
    stream: TableStream | AccountStream,
    table: TableSchema,
    build_converter: Callable[[TableSchema], Converter],
    saved_state: Mapping[str, Any] | None,
) -> RecordShare:
    if stream.incremental is None:
        return RecordShare(stream.name, table, build_converter)
    return IncrementalShare(
        stream.name, table, build_converter, stream.incremental, saved_state or {}
    )


def _as_engine_stream(
    stream: TableStream | AccountStream,
    partitions: Sequence[Partition],
    cursor: StreamCursor,
    primary_key: Sequence[str],
    *,
    has_files: bool = False,
) -> AbstractStream:
    return DefaultStream(
        partition_generator=Partitions(partitions),
        name=stream.name,
        json_schema=stream.json_schema,
        primary_key=list(primary_key),
        # The catalog offers incremental syncs; a cursor field here would make a full refresh
        # resumable, too.
        cursor_field=None,
        logger=LOGGER,
        cursor=cursor,
        supports_file_transfer=has_files,
    )


def interleave_bases(items: Iterable[_Item], base_id_of: Callable[[_Item], str]) -> list[_Item]:
    """Order items so that neighbours are of different bases, which do not share a rate limit.

    Shape: tables a1, a2, a3, b1 of bases a and b become a1, b1, a2, a3.
    """
    by_base: dict[str, list[_Item]] = {}
    for item in items:
        by_base.setdefault(base_id_of(item), []).append(item)
    rounds = zip_longest(*by_base.values())
    return [item for item in chain.from_iterable(rounds) if item is not None]
