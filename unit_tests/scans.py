"""What tests of scans share: a queue that counts, a client with scripted scans, a consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.streams.read_queue import LastRecordOfPage, ReadQueue, RecordsOfPage
from source_airtable.streams.table_scan import TableScan
from unit_tests.builders import BASE, a_table, a_table_stream
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.wire_types import RecordPage
    from source_airtable.errors import AirtableError
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
    """A scan of a stream's table, or of the one table."""
    stream = stream or a_table_stream()
    return TableScan(stream.name, stream.table, stream.json_schema, client.as_client(), queue)


def unpacked(items: Iterable[Record]) -> Iterator[Record]:
    """Give records one by one, those of an item of the queue as well."""
    for item in items:
        if isinstance(item, RecordsOfPage):
            yield from item.records
        else:
            yield item


def consume(records: Iterable[Record], queue: CountingQueue) -> list[dict[str, Any]]:
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
