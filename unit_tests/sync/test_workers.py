"""Many workers at once: every reader ends once, behind its last row, whatever happens."""

from __future__ import annotations

import random
import sys
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.changes.need import ChangedSince, RecordIds, WholeTable
from source_airtable.errors import AirtableUnavailableError
from source_airtable.streams.stream import ReadRequest
from source_airtable.sync import workers as workers_module
from source_airtable.sync.page_queue import (
    PageQueue,
    ReaderCheckpoint,
    ReaderFinished,
)
from source_airtable.sync.plan import PlannedStream, TableRead
from source_airtable.sync.workers import Workers
from unit_tests.builders import a_page, a_table_schema, a_text_table
from unit_tests.fake_client import FakeClient
from unit_tests.toy_reader import ToyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage
    from source_airtable.changes.need import Need
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.stream import Reader
    from source_airtable.sync.page_queue import Item

LONGEST_WAIT = 20.0
"""Seconds after which a sync hangs; only a failing test waits for them."""
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
CHANGED = ChangedSince("last_modified", TEN)
LATER = ChangedSince("last_modified", TEN + timedelta(hours=1))
PAGES, RECORDS = 3, 2
TABLES = [f"tbl{number}" for number in range(4)]
ALL_IDS = RecordIds(
    tuple(f"rec{one}{page}{n}" for one in TABLES for page in range(PAGES) for n in range(RECORDS))
)


class PagedClient(FakeClient):
    """Tables that all have a few pages of records."""

    def __init__(self) -> None:
        super().__init__()
        self.latest_date = TEN
        self._lock = threading.Lock()
        self.failing: set[str] = set()
        """Tables whose scans fail at their second page."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give the pages."""
        with self._lock:
            self.queries.append(query)
        for page in range(PAGES):
            if page == 1 and query.table_id in self.failing:
                raise AirtableUnavailableError(status=503)
            yield a_page(*(f"rec{query.table_id}{page}{n}" for n in range(RECORDS)))


class ToyStream:
    """A stream whose readers a test makes."""

    def __init__(self, name: str, make_reader: Callable[[TableSchema], Reader]) -> None:
        self.name = name
        self._make_reader = make_reader

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:
        """Make a reader."""
        return self._make_reader(table)


def a_stream(name: str, need: Need | None = None, **failing: Any) -> ToyStream:  # noqa: ANN401 - as of ToyReader
    """A stream whose readers need one thing, and may fail."""
    return ToyStream(name, lambda table: ToyReader(name, need, table=table, **failing))


def a_table(table_id: str = "tbl0") -> TableSchema:
    """A table."""
    return a_table_schema(table=a_text_table(table_id))


def a_read(*streams: ToyStream, table: TableSchema | None = None) -> TableRead:
    """The read of one table for these streams."""
    table = table or a_table()
    planned: Any = [PlannedStream(stream, ReadRequest(), [table]) for stream in streams]  # type: ignore[arg-type]  # a toy
    return TableRead(table, planned)


class Sync:
    """What workers give the main thread."""

    def __init__(
        self, *reads: TableRead, count: int = 2, client: PagedClient | None = None
    ) -> None:
        self.client = client or PagedClient()
        self.queue = PageQueue(pages_in_flight=2)
        self.workers = Workers(self.client.as_client(), self.queue, count)
        self.rows: list[tuple[str, str]] = []
        """Each row's stream and id, in order."""
        self.ends: list[tuple[str, TableKey]] = []
        self.errors: dict[tuple[str, TableKey], str] = {}
        self.late: list[tuple[str, str]] = []
        """Rows that came behind their reader's end."""
        self.failure: BaseException | None = None
        self._reads = reads

    def run(self) -> Sync:
        """Read the tables to their end, in a thread that is left behind if the sync hangs."""
        main = threading.Thread(target=self._main, daemon=True)
        main.start()
        main.join(LONGEST_WAIT)
        hangs = main.is_alive()
        self.workers.stop()
        assert not hangs, "the main thread waits for ever"
        return self

    def _main(self) -> None:
        try:
            self.workers.start(self._reads)
            for item in self.workers.iter_items():
                self._take(item)
        except BaseException as failure:  # noqa: BLE001 - kept for the assertion
            self.failure = failure

    def _take(self, item: Item) -> None:
        assert not isinstance(item, ReaderCheckpoint)
        if isinstance(item, ReaderFinished):
            self.ends.append((item.stream_name, item.key))
            if item.error is not None:
                self.errors[item.stream_name, item.key] = type(item.error).__name__
            return
        for name, rows in item.rows:
            self.rows += [(name, row["id"]) for row in rows]
            for row in rows:
                table_id = row["id"][3:-2]
                if any(n == name and key[1] == table_id for n, key in self.ends):
                    self.late.append((name, row["id"]))
        if item.permit is not None:
            item.permit.release()


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let threads take turns far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_one_scan_for_each_need() -> None:
    """Readers with the same need share a scan, those with another need have their own."""
    streams = [
        a_stream("whole"),
        a_stream("changed", CHANGED),
        a_stream("also whole", WholeTable()),
        a_stream("also changed", ChangedSince("last_modified", TEN)),
        a_stream("later", LATER),
    ]

    sync = Sync(a_read(*streams)).run()

    asked = sorted(str(query.formula) for query in sync.client.queries)
    assert asked == sorted(["None", CHANGED.formula, LATER.formula])
    assert len(sync.ends) == 5
    assert sync.errors == {}


def test_one_moment_for_all_scans_of_a_table() -> None:
    """All scans of a table carry Airtable's clock before the first of them."""
    readers: list[ToyReader] = []

    def make(need: Need) -> Callable[[TableSchema], Reader]:
        def make_reader(table: TableSchema) -> Reader:
            client.latest_date = datetime(2026, 11, 18, 11, tzinfo=timezone.utc)
            readers.append(ToyReader("a", need, table=table))
            return readers[-1]

        return make_reader

    client = PagedClient()
    streams = [ToyStream("a", make(WholeTable())), ToyStream("b", make(CHANGED))]
    Sync(a_read(*streams), client=client).run()

    assert [reader.started for reader in readers] == [[TEN], [TEN]]


def test_readers_are_built_late() -> None:
    """A table's readers are built when a worker comes to the table."""
    built: list[str] = []

    def make_reader(table: TableSchema) -> Reader:
        built.append(table.table_id)
        return ToyReader("a", table=table)

    sync = Sync(a_read(ToyStream("a", make_reader)))
    assert built == []

    sync.run()
    assert built == ["tbl0"]


def broken(failure: BaseException) -> Callable[[TableSchema], Reader]:
    """What fails to build a reader."""

    def make_reader(table: TableSchema) -> Reader:
        raise failure

    return make_reader


@pytest.mark.parametrize(
    "failing",
    [
        ToyStream("a", broken(KeyError("no such column"))),
        a_stream("a", start_failure=KeyError()),
        a_stream("a", failing_page=0),
        a_stream("a", failing_page=1),
        a_stream("a", finish_failure=KeyError()),
        a_stream("a", state_failure=KeyError()),
    ],
    ids=["build", "start", "first page", "second page", "finish", "state"],
)
def test_reader_that_fails(failing: ToyStream) -> None:
    """However a reader fails, it ends once, and the others of its table go on."""
    sync = Sync(a_read(failing, a_stream("b"), a_stream("c", CHANGED))).run()

    assert sorted(name for name, _ in sync.ends) == ["a", "b", "c"]
    assert [name for name, _ in sync.errors] == ["a"]
    assert len([row for row in sync.rows if row[0] == "b"]) == PAGES * RECORDS + 1
    assert sync.failure is None


def test_readers_that_all_fail_to_start() -> None:
    """If no reader of a table can start, nothing is asked for, and each one ends."""
    streams = [a_stream(name, start_failure=OSError()) for name in "ab"]

    sync = Sync(a_read(*streams)).run()

    assert [name for name, _ in sync.ends] == ["a", "b"]
    assert set(sync.errors.values()) == {"OSError"}
    assert sync.client.queries == []


def test_scan_that_fails() -> None:
    """A scan that fails ends each of its readers once."""
    client = PagedClient()
    client.failing = {"tbl0"}

    sync = Sync(a_read(a_stream("a"), a_stream("b", CHANGED)), client=client).run()

    assert sorted(sync.ends) == sorted(sync.errors)
    assert set(sync.errors.values()) == {"AirtableUnavailableError"}


class OurMistakeError(BaseException):
    """What no worker handles."""


@pytest.mark.parametrize(
    "reads",
    [
        [a_read(ToyStream("a", broken(OurMistakeError())))],
        [a_read(a_stream("a")), a_read(ToyStream("b", broken(OurMistakeError())))],
        [a_read(a_stream("a", finish_failure=OurMistakeError()))],
    ],
    ids=["build", "beside others", "finish"],
)
def test_failure_outside_of_a_scan(reads: list[TableRead]) -> None:
    """A failure that no worker handles reaches the main thread, which does not wait for ever."""
    sync = Sync(*reads).run()

    assert isinstance(sync.failure, OurMistakeError)


def test_scan_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake between two scans reaches the main thread, too."""

    def no_scan(*_: object, **__: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(workers_module, "TableScan", no_scan)

    assert isinstance(Sync(a_read(a_stream("a"))).run().failure, KeyError)


def test_no_reads() -> None:
    """A sync of no table ends at once."""
    sync = Sync().run()

    assert (sync.ends, sync.failure) == ([], None)


def test_stop() -> None:
    """Workers that are stopped end, and tables that no worker has begun are not read."""
    client = PagedClient()
    queue = PageQueue(pages_in_flight=1)
    workers = Workers(client.as_client(), queue, 2)
    workers.start([a_read(a_stream("a"), table=a_table(f"tbl{n}")) for n in range(20)])
    next(workers.iter_items())

    workers.stop()

    for thread in threading.enumerate():
        if thread.name.startswith("table"):
            thread.join(LONGEST_WAIT)
            assert not thread.is_alive()
    assert len(client.queries) < 20


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_workers(seed: int) -> None:
    """However workers take turns, each table is scanned once for each need, and nothing is lost."""
    randomness = random.Random(seed)  # noqa: S311 - of a test
    tables, streams = randomness.randint(1, 4), randomness.randint(1, 5)
    needs: list[Need] = [WholeTable(), CHANGED, LATER, ALL_IDS]
    chosen: list[Need] = [
        randomness.choice(needs[: randomness.randint(1, 4)]) for _ in range(streams)
    ]
    reads = [
        a_read(
            *(a_stream(f"stream{n}", need) for n, need in enumerate(chosen)),
            table=a_table(table_id),
        )
        for table_id in TABLES[:tables]
    ]

    sync = Sync(*reads, count=randomness.randint(1, 8)).run()

    assert sync.failure is None
    assert len(sync.client.queries) == tables * len(set(chosen))
    of_pages = [row for row in sync.rows if row[1] != "last"]
    assert len(of_pages) == len(set(of_pages)) == tables * streams * PAGES * RECORDS
    assert len(sync.rows) - len(of_pages) == tables * streams
    assert len(sync.ends) == len(set(sync.ends)) == tables * streams
    assert (sync.errors, sync.late) == ({}, [])


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_workers_with_failures(seed: int) -> None:
    """Readers and scans that fail end once each, and take no reader of another scan with them."""
    randomness = random.Random(seed)  # noqa: S311 - of a test
    client = PagedClient()
    client.failing = {f"tbl{n}" for n in range(4) if randomness.random() < 0.3}
    ways = ("start_failure", "finish_failure", "state_failure")
    expected: set[tuple[str, str]] = set()
    reads = []
    for number in range(4):
        table = a_table(f"tbl{number}")
        streams = []
        for n in range(4):
            failing = {randomness.choice(ways): OSError()} if randomness.random() < 0.4 else {}
            need = WholeTable() if randomness.random() < 0.5 else CHANGED
            streams.append(a_stream(f"stream{n}", need, **failing))
            if failing or table.table_id in client.failing:
                expected.add((f"stream{n}", table.table_id))
        reads.append(a_read(*streams, table=table))

    sync = Sync(*reads, count=randomness.randint(1, 8), client=client).run()

    assert sync.failure is None
    assert len(sync.ends) == len(set(sync.ends)) == 16
    assert {(name, key[1]) for name, key in sync.errors} == expected
    assert sync.late == []
