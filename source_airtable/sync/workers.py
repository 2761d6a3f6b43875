"""The workers: each reads one table at a time, and they share a queue to the main thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from source_airtable.changes.clock import Clock
from source_airtable.schema.filter_refusal import raise_for_problem
from source_airtable.sync.page_queue import ReaderFinished, SyncAbandonedError
from source_airtable.sync.scan import TableScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from source_airtable.api.client import AirtableClient
    from source_airtable.changes.need import Need
    from source_airtable.streams.stream import Reader
    from source_airtable.sync.page_queue import Item, PageQueue
    from source_airtable.sync.plan import TableRead


class Workers:
    """Reads tables side by side."""

    def __init__(
        self, client: AirtableClient, queue: PageQueue, count: int, *, reads_parts: bool = False
    ) -> None:
        self._reads_parts = reads_parts
        self._client = client
        self._queue = queue
        self._clock = Clock()
        self._executor = ThreadPoolExecutor(count, "table")
        self._open_readers = 0

    def start(self, reads: Sequence[TableRead]) -> None:
        """Start reading tables, in this order."""
        self._open_readers = sum(len(read.streams) for read in reads)
        for read in reads:
            future = self._executor.submit(self._read_table, read)
            future.add_done_callback(self._pass_on_failure)

    def iter_items(self) -> Iterator[Item]:
        """Emit rows and ends until every reader has ended."""
        while self._open_readers:
            item = self._queue.get()
            self._open_readers -= isinstance(item, ReaderFinished)
            yield item

    def stop(self) -> None:
        """Have workers that still read end soon; nobody waits for them here."""
        self._queue.abandon()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _pass_on_failure(self, future: Future[None]) -> None:
        """Have the main thread raise what no worker handles, rather than wait for ever."""
        failure = None if future.cancelled() else future.exception()
        if failure is not None and not isinstance(failure, SyncAbandonedError):
            self._queue.fail(failure)

    def _read_table(self, read: TableRead) -> None:
        """Build the readers of a table, and scan it once for each need that they have.

        Readers are built only now: of thousands of tables, few are read at a time.
        """
        # The clock before the table's first request: what is edited from now on is read next time.
        as_of = self._clock.moment(self._client.latest_date)
        by_need: dict[Need, list[Reader]] = {}
        for planned in read.streams:
            try:
                raise_for_problem(read.table)
                reader = planned.stream.reader(read.table, planned.request)
                by_need.setdefault(reader.start(as_of), []).append(reader)
            except Exception as failure:  # noqa: BLE001, PERF203 - the other streams go on
                name = planned.stream.name
                self._queue.put(ReaderFinished(name, read.table.key, error=failure))
        for need, readers in by_need.items():
            TableScan(
                read.table,
                need,
                readers,
                self._client,
                self._queue,
                reads_parts=self._reads_parts,
            ).run()
