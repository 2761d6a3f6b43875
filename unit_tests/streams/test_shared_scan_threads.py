"""Many workers at once: every partition ends once, behind its last record, whoever scans."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.concurrent.partitions.types import PartitionCompleteSentinel
from airbyte_cdk.sources.types import Record
from source_airtable.streams.cursor import StreamCursor
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.read_queue import ReadQueue
from source_airtable.streams.shared_scan import SharedScan, SharePartition
from source_airtable.streams.table_share import TableShare

from unit_tests.builders import a_page, a_table, a_table_schema
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
    from source_airtable.streams.table_share import WholeScan

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordDict, RecordPage

LONGEST_WAIT = 10.0
"""Seconds without an item after which a run hangs; only a failing test waits for them."""
PAGES, RECORDS = 3, 2


class PagedClient(FakeClient):
    """Tables that all have a few pages of records."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give the pages."""
        self.queries.append(query)
        for page in range(PAGES):
            yield a_page(*(f"rec{query.table_id}{page}{n}" for n in range(RECORDS)))


class PlainShare(TableShare):
    """A share that emits all records, and one more at its end, or fails there."""

    fails = False

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Make a row of each record."""
        return [Record({"key": self.key, "id": one["id"]}, self.stream_name) for one in records]

    def finish(self, scan: WholeScan) -> Iterator[Record]:
        """Emit a last row, or fail."""
        if self.fails:
            raise ValueError("at its end")
        yield Record({"key": self.key, "id": "last"}, self.stream_name)


class Engine:
    """What of the CDK's engine matters here: workers, and a count of partitions that are running.

    A partition runs from when the main thread gets to know of it until its first end.
    """

    def __init__(self, randomness: random.Random, workers: int) -> None:
        self._queue = ReadQueue(pages_in_flight=2)
        self._workers = workers
        self._randomness = randomness
        self.client = PagedClient()
        self.failures = StreamFailures(may_miss_tables=False)
        self.partitions: list[SharePartition] = []
        self.ended: list[tuple[SharePartition, bool]] = []
        self.rows: list[tuple[str, Any, str]] = []
        self.late: list[object] = []
        """What came behind the end of its partition."""
        self.told: list[str] = []
        """The streams of which a failure was told whose partition has not ended."""

    def add_scans(self, tables: int, streams: int, failing: float) -> None:
        """Let each stream take from each table."""
        for table_number in range(tables):
            table = a_table_schema(table=a_table(f"tbl{table_number}"))
            scan = SharedScan(table, self.client.as_client(), self._queue, self.failures)
            for stream_number in range(streams):
                name = f"stream{stream_number}"
                share = PlainShare(name, table)
                share.fails = self._randomness.random() < failing
                cursor = StreamCursor(name, InMemoryMessageRepository())
                self.partitions.append(scan.add(name, partial(_give, share), cursor))

    def run(self) -> None:
        """Let the workers come to the partitions in a random order, and take what they emit."""
        order = list(self.partitions)
        self._randomness.shuffle(order)
        running: set[SharePartition] = set()
        with ThreadPoolExecutor(self._workers) as workers:
            for start in range(0, len(order), 3):
                workers.submit(self._generate, order[start : start + 3])
            try:
                while len(self.ended) < len(order):
                    item = self._queue.get(timeout=LONGEST_WAIT)
                    if isinstance(item, SharePartition):
                        running.add(item)
                        workers.submit(self._work, item)
                    elif isinstance(item, PartitionCompleteSentinel):
                        partition = item.partition
                        if isinstance(partition, SharePartition) and partition in running:
                            running.remove(partition)
                            self.ended.append((partition, item.is_successful))
                            if not item.is_successful:
                                self.told.remove(partition.stream_name())
                    else:
                        self._take(item)
            except BaseException:
                self._queue.abandon()  # or the workers would wait for ever
                raise
        while not self._queue.empty():
            item = self._queue.get()
            if not isinstance(item, PartitionCompleteSentinel):
                self.late.append(item)

    def _take(self, item: QueueItem) -> None:
        if isinstance(item, StreamThreadException):
            self.told.append(item.stream_name)
        if isinstance(item, Record):
            row = (item.stream_name, item.data["key"], item.data["id"])
            self.rows.append(row)
            if any(
                (one.stream_name(), one._scan.table.key) == row[:2]  # noqa: SLF001
                for one, _ in self.ended
            ):
                self.late.append(row)

    def _generate(self, partitions: list[SharePartition]) -> None:
        for partition in partitions:
            self._queue.put(partition)

    def _work(self, partition: SharePartition) -> None:
        for item in partition.read():
            self._queue.put(item)
        self._queue.put(PartitionCompleteSentinel(partition))


def _give(share: TableShare) -> TableShare:
    return share


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Let threads take turns far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_workers(seed: int) -> None:
    """However workers come to partitions, each table is scanned once and each stream gets all."""
    randomness = random.Random(seed)  # noqa: S311 - of a test
    engine = Engine(randomness, workers=randomness.randint(1, 8))
    tables, streams = randomness.randint(1, 4), randomness.randint(1, 5)
    engine.add_scans(tables, streams, failing=0)

    engine.run()

    assert len(engine.client.queries) == tables
    assert len(engine.rows) == len(set(engine.rows)) == tables * streams * (PAGES * RECORDS + 1)
    assert engine.late == []
    assert engine.failures.by_stream == {}
    assert [successful for _, successful in engine.ended] == [True] * tables * streams


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_workers_with_failures(seed: int) -> None:
    """Shares that fail take no other share with them, and end behind their failure."""
    randomness = random.Random(seed)  # noqa: S311 - of a test
    engine = Engine(randomness, workers=randomness.randint(1, 8))
    engine.add_scans(tables=3, streams=4, failing=0.5)
    failing = [one for one in engine.partitions if one.build_share().fails]  # type: ignore[attr-defined]

    engine.run()

    assert len(engine.rows) == 3 * 4 * (PAGES * RECORDS + 1) - len(failing)
    assert engine.late == []
    assert {one for one, successful in engine.ended if not successful} == set(failing)
    assert sum(map(len, engine.failures.by_stream.values())) == len(failing)
    assert engine.told == []
