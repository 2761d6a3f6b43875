"""One Airtable table as a stream of the CDK's concurrent engine.

The way of a table: a stream has one partition, a partition is a full refresh or an incremental
scan, a scan is passes over pages, a page is records.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator

from source_airtable.schema.json_schema import PRIMARY_KEY
from source_airtable.streams.cursor import TableCursor
from source_airtable.streams.incremental import IncrementalScan
from source_airtable.streams.read_queue import pack
from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.table_scan import TableScan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.config import IncrementalSettings
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.read_queue import ReadQueue

LOGGER = logging.getLogger("airbyte.source_airtable")


@dataclass(frozen=True, slots=True)
class TableStream:
    """What makes a stream: a table, how Airbyte knows it, and how it is to be read."""

    name: str
    table: TableSchema
    json_schema: Mapping[str, Any]
    incremental: IncrementalSettings | None = None
    """How to read incrementally; None for a full refresh."""
    saved_state: Mapping[str, Any] | None = None
    """The state of the last incremental sync; a full refresh does not look at it."""


class TablePartition(Partition):
    """The one partition of a table's stream."""

    def __init__(
        self,
        stream: TableStream,
        client: AirtableClient,
        queue: ReadQueue,
        cursor: TableCursor,
        failures: dict[str, Exception],
    ) -> None:
        self._stream = stream
        self._client = client
        self._queue = queue
        self._cursor = cursor
        self._failures = failures

    def read(self) -> Iterable[Record]:
        """Emit the records of the table; notes a failure, of which the engine keeps the text."""
        try:
            stream = self._stream
            scan = TableScan(
                stream.name, stream.table, stream.json_schema, self._client, self._queue
            )
            yield from pack(self._read(scan))
        except Exception as failure:
            self._failures[self._stream.name] = failure
            raise

    def to_slice(self) -> Mapping[str, Any] | None:
        """Give nothing: a table is not sliced."""
        return None

    def stream_name(self) -> str:
        """Give the name of the stream."""
        return self._stream.name

    def __hash__(self) -> int:
        """Hash by stream, which has no other partition."""
        return hash(self._stream.name)

    def _read(self, scan: TableScan) -> Iterator[Record]:
        scan.warn_of_columns_without_field()
        # The clock before the scan's first request: what is edited from now on is read next time.
        now = self._client.latest_date
        if self._stream.incremental is None:
            yield from scan.iter_records(None if now is None else to_utc_text(now))
        else:
            incremental = IncrementalScan(
                scan,
                self._stream.name,
                self._stream.saved_state or {},
                self._stream.incremental,
                now,
            )
            yield from incremental.iter_records()
            state = incremental.new_state()
            if state is not None:
                self._cursor.leave(state)
        scan.tell_misfits()


class WholeTable(PartitionGenerator):
    """Generates a table's one partition."""

    def __init__(self, partition: TablePartition) -> None:
        self._partition = partition

    def generate(self) -> Iterable[Partition]:
        """Generate the partition."""
        yield self._partition


def build_streams(
    streams: Iterable[TableStream],
    client: AirtableClient,
    queue: ReadQueue,
    message_repository: MessageRepository,
    failures: dict[str, Exception] | None = None,
) -> list[AbstractStream]:
    """Build the CDK's streams of tables; what makes one fail is noted in `failures`, by name."""
    failures = {} if failures is None else failures
    return [
        _build_stream(stream, client, queue, TableCursor(stream.name, message_repository), failures)
        for stream in streams
    ]


def _build_stream(
    stream: TableStream,
    client: AirtableClient,
    queue: ReadQueue,
    cursor: TableCursor,
    failures: dict[str, Exception],
) -> AbstractStream:
    partition = TablePartition(stream, client, queue, cursor, failures)
    return DefaultStream(
        partition_generator=WholeTable(partition),
        name=stream.name,
        json_schema=stream.json_schema,
        primary_key=[PRIMARY_KEY],
        # The catalog offers incremental syncs; a cursor field here would make a full refresh
        # resumable, too.
        cursor_field=None,
        logger=LOGGER,
        cursor=cursor,
    )
