"""What tests of scans share: a queue that counts, a client with scripted scans, a consumer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.types import Record

from source_airtable.records import RecordConverter
from source_airtable.streams.cursor import StreamCursor
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.incremental import IncrementalShare
from source_airtable.streams.read_queue import LastRecordOfPage, ReadQueue, RecordsOfPage
from source_airtable.streams.shared_scan import SharedScan
from source_airtable.streams.table_scan import TableScan
from source_airtable.streams.table_share import RecordShare
from unit_tests.builders import BASE, a_table, a_table_schema, a_table_stream
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem

    from source_airtable.api.wire_types import RecordPage
    from source_airtable.config import IncrementalSettings
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_share import TableShare
    from source_airtable.streams.table_stream import TableStream


class CountingQueue(ReadQueue):
    """A queue that waits for nothing, and counts."""

    def __init__(self) -> None:
        super().__init__(pages_in_flight=1)
        self.in_flight = 0
        self.acquired = 0
        self.sleeps: list[float] = []

    def acquire_page(self, room: int = 1) -> int:
        """Count room out, as much as is wanted."""
        self.acquired += 1
        self.in_flight += room
        return room

    def release_page(self, room: int = 1) -> None:
        """Count room in."""
        self.in_flight -= room

    def sleep(self, seconds: float) -> None:
        """Note a sleep."""
        self.sleeps.append(seconds)


def a_client(*scans: Sequence[RecordPage | AirtableError]) -> FakeClient:
    """A client that gives these scans one after the other, and a base with the one table."""
    client = FakeClient(schemas={BASE: [a_table()]})
    client.scans = list(scans)
    return client


def a_scan(client: FakeClient, queue: ReadQueue, stream: TableStream | None = None) -> TableScan:
    """A scan of a stream's table, or of the one table, for that stream alone."""
    stream = stream or a_table_stream()
    return TableScan(stream.table, [a_record_share(stream)], client.as_client(), queue)


def a_record_share(stream: TableStream | None = None) -> RecordShare:
    """The share of a stream that emits all records."""
    stream = stream or a_table_stream()
    return RecordShare(
        stream.name, stream.table, lambda table: RecordConverter(table, stream.json_schema)
    )


def an_incremental_share(
    stream: TableStream, settings: IncrementalSettings, saved: Mapping[str, Any]
) -> IncrementalShare:
    """The share of a stream that emits what changed since a state."""

    def build_converter(table: TableSchema) -> RecordConverter:
        return RecordConverter(table, stream.json_schema)

    return IncrementalShare(stream.name, stream.table, build_converter, settings, saved)


def a_shared_scan(
    client: FakeClient,
    queue: ReadQueue,
    *shares: TableShare,
    table: TableSchema | None = None,
) -> tuple[SharedScan, list[StreamCursor]]:
    """A scan of the one table that these shares share, and the cursor of each one."""
    failures = StreamFailures(may_miss_tables=False)
    scan = SharedScan(table or a_table_schema(), client.as_client(), queue, failures)
    cursors = [StreamCursor(share.stream_name, InMemoryMessageRepository()) for share in shares]
    for share, cursor in zip(shares, cursors, strict=True):
        scan.add(share.stream_name, partial(_itself, share), cursor)
    return scan, cursors


def _itself(share: TableShare) -> TableShare:
    return share


def unpacked(items: Iterable[QueueItem]) -> Iterator[Record]:
    """Give records one by one, those of a packed item too; raises what an item says has failed."""
    for item in items:
        if isinstance(item, RecordsOfPage):
            yield from item.records
        elif isinstance(item, StreamThreadException):
            raise item.exception
        elif isinstance(item, Record):
            yield item


def consume(records: Iterable[QueueItem], queue: CountingQueue) -> list[dict[str, Any]]:
    """Take records as the writer does, which gives the room of their pages back."""
    taken = []
    for record in unpacked(records):
        taken.append(dict(record.data))
        if isinstance(record, LastRecordOfPage):
            queue.release_page(record.room)
    return taken


def ids_of(records: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of records."""
    return [record["_airtable_id"] for record in records]
