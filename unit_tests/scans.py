"""What tests of scans share: a queue that waits for nothing, and what a scan puts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.changes.need import WholeTable
from source_airtable.changes.record_ids import RecordIdSet
from source_airtable.records import Page
from source_airtable.sync.page_queue import (
    PageQueue,
    PageRows,
    Permit,
    ReaderCheckpoint,
    ReaderFinished,
)
from source_airtable.sync.scan import TableScan
from unit_tests.builders import BASE, a_record, a_table_schema, a_text_table
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from source_airtable.api.wire_types import RecordPage
    from source_airtable.changes.need import Need
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import Reader
    from source_airtable.sync.page_queue import Item


class RecordingQueue(PageQueue):
    """Keeps what is put, waits for nothing, and writes rows at once, as a fast main thread does."""

    def __init__(self) -> None:
        super().__init__(pages_in_flight=1)
        self.items: list[Item] = []
        self.places: list[int] = []
        """The places of each permit."""
        self.in_flight = 0
        self.sleeps: list[float] = []

    def acquire(self, places: int = 1) -> Permit:
        """Give a permit for as many places as are wanted."""
        self.places.append(places)
        self.in_flight += places
        return Permit(self, places)

    def release(self, places: int) -> None:
        """Count places back."""
        self.in_flight -= places

    def put(self, item: Item) -> None:
        """Keep an item, and release its permit."""
        self.items.append(item)
        if isinstance(item, PageRows) and item.permit is not None:
            item.permit.release()

    def sleep(self, seconds: float) -> None:
        """Note a wait."""
        if seconds:
            self.sleeps.append(seconds)


def a_client(*scans: Sequence[RecordPage | Exception]) -> FakeClient:
    """A client that gives these scans one after the other, and a base with the one table."""
    client = FakeClient(schemas={BASE: [a_text_table()]})
    client.scans = list(scans)
    return client


class Scanned:
    """What a scan of one table gives its readers, started as a worker starts them."""

    def __init__(
        self,
        client: FakeClient,
        *readers: Reader,
        need: Need | None = None,
        table: TableSchema | None = None,
        queue: RecordingQueue | None = None,
    ) -> None:
        self.client = client
        self.queue = queue or RecordingQueue()
        needs = {reader.start(client.latest_date) for reader in readers}
        if need is None:
            (need,) = needs
        self.scan = TableScan(
            table or a_table_schema(), need, readers, client.as_client(), self.queue
        )
        self.scan.run()

    @property
    def ends(self) -> dict[str, ReaderFinished]:
        """The end of each reader, by stream; a second one of the same stream is a failure."""
        ends = [item for item in self.queue.items if isinstance(item, ReaderFinished)]
        by_stream = {end.stream_name: end for end in ends}
        assert len(by_stream) == len(ends)
        return by_stream

    @property
    def errors(self) -> dict[str, str]:
        """The class of the error of each stream that failed."""
        return {n: type(end.error).__name__ for n, end in self.ends.items() if end.error}

    @property
    def words(self) -> list[str]:
        """The items in order: `a:recA` for a row, `a.` for an end, `a!OSError` for a failure."""
        words: list[str] = []
        for item in self.queue.items:
            if isinstance(item, PageRows):
                words += [f"{name}:{_id_of(row)}" for name, rows in item.rows for row in rows]
            elif isinstance(item, ReaderCheckpoint):
                words.append(f"{item.stream_name} saved")
            elif item.error is None:
                words.append(f"{item.stream_name}.")
            else:
                words.append(f"{item.stream_name}!{type(item.error).__name__}")
        return words

    def rows(self, stream_name: str = "contacts") -> list[dict[str, Any]]:
        """The rows of a stream; raises the failure that it ended with."""
        error = self.ends[stream_name].error
        if error is not None:
            raise error
        return self.rows_so_far(stream_name)

    def rows_so_far(self, stream_name: str = "contacts") -> list[dict[str, Any]]:
        """The rows of a stream, however it ended."""
        return [
            row
            for item in self.queue.items
            if isinstance(item, PageRows)
            for name, rows in item.rows
            if name == stream_name
            for row in rows
        ]

    def ids(self, stream_name: str = "contacts") -> list[str]:
        """The ids of a stream's rows."""
        return [_id_of(row) for row in self.rows(stream_name)]

    def state(self, stream_name: str = "contacts") -> Any:  # noqa: ANN401 - JSON
        """The state that a stream leaves."""
        return self.ends[stream_name].state

    @property
    def formulas(self) -> list[str | None]:
        """The filters that were asked for."""
        return [query.formula for query in self.client.queries]


def _id_of(row: dict[str, Any]) -> str:
    return str(row.get("_airtable_id") or row.get("id"))


class FinishedScan:
    """What a reader sees of a scan whose last page is over."""

    def __init__(self, *lists: Sequence[str], need: Need | None = None) -> None:
        self.need = need or WholeTable()
        self.whole_listing: RecordIdSet | None = None
        self.pauses = 0
        self._lists = [RecordIdSet(ids) for ids in lists]

    def list_ids(self, *, again: bool = False) -> RecordIdSet:
        """Give the next list."""
        return self._lists.pop(0)

    def fetch(self, record_ids: Sequence[str]) -> Iterator[Page]:
        """Give one page of records without cells."""
        yield Page([a_record(record_id=record_id) for record_id in record_ids])

    def sleep(self, seconds: float) -> None:
        """Count a look at whether the sync is abandoned."""
        assert seconds == 0
        self.pauses += 1
