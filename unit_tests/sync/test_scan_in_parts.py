"""A scan that goes over to parts: each record once, whatever the threads and Airtable do."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.airtable_simulator.ids import make_id
from source_airtable.api.rate_limit import Allowance
from source_airtable.changes.need import ChangedSince, WholeTable
from source_airtable.changes.parts import UNITS, TablePart
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
    SchemaChangedError,
)
from source_airtable.streams.stream import Fields
from source_airtable.sync import parts as parts_module
from source_airtable.sync.page_queue import (
    PageQueue,
    PageRows,
    ReaderCheckpoint,
    ReaderFinished,
    SyncAbandonedError,
)
from source_airtable.sync.scan import TableScan
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_page,
    a_table_schema,
    a_text_table,
)
from unit_tests.fake_client import FakeClient
from unit_tests.sync.test_scan import TEN
from unit_tests.toy_reader import ToyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage
    from source_airtable.changes.need import Need
    from source_airtable.sync.page_queue import Item

LONGEST_WAIT = 20.0
PAGE_RECORDS = 5
IDS = [make_id("rec", "parts", number) for number in range(600)]
PART_FORMULA = re.compile(r"(NOT\()?FIND\(RIGHT\(RECORD_ID\(\),1\),'(\w*)'\)>0")


class Budget:
    """An allowance of which much is idle."""

    idle_share = 0.8

    def allowance(self, base_id: str) -> Allowance:
        """Give it."""
        assert base_id == BASE
        return Allowance(0.22, self.idle_share)


class TableClient(FakeClient):
    """A table whose answers are slow; threads may share it."""

    def __init__(self, ids: list[str] = IDS) -> None:
        super().__init__(schemas={BASE: [a_text_table()]})
        self.budget: Any = Budget()
        self.ids = ids
        self.ignores_case = False
        self.ignores_filter = False
        self.seconds = 0.8
        self.filtered_seconds = 0.8
        self.before_page: Callable[[RecordQuery, int], None] = lambda _query, _page: None
        """Called before each page; what it raises is what the page fails with."""
        self._client_lock = threading.Lock()

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give the pages of a part, or of all."""
        with self._client_lock:
            self.queries.append(query)
        ids = [one for one in self.ids if self.picks(query.formula, one)]
        seconds = self.seconds if query.formula is None else self.filtered_seconds
        starts = range(0, max(1, len(ids)), PAGE_RECORDS)
        for page, start in enumerate(starts, start=1):
            self.before_page(query, page)
            with self._client_lock:
                self.calls.append(f"page {query.table_id}")
            more = {"offset": "more"} if page < len(starts) else {}
            some = ids[start : start + PAGE_RECORDS]
            yield a_page(*some, answer_seconds=seconds, **more)

    def picks(self, formula: str | None, record_id: str) -> bool:
        """Whether a filter picks a record."""
        if formula is None or self.ignores_filter:
            return True
        found = PART_FORMULA.search(formula)
        assert found, formula
        characters, last = found[2], record_id[-1]
        if self.ignores_case:
            characters, last = characters.lower(), last.lower()
        return (last in characters) is not bool(found[1])


class ResumableReader(ToyReader):
    """A reader whose state says which units are read and which records came."""

    def __init__(self, name: str, need: Need | None = None, **more: Any) -> None:  # noqa: ANN401 - as of ToyReader
        super().__init__(name, need, **more)
        self.can_resume = True
        self.units: tuple[str, ...] = ()
        self.came: list[str] = []

    def rows(self, page: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a page
        """Note the records."""
        self.came += [record["id"] for record in page.records]
        return super().rows(page)

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Note the units."""
        self.units = units

    def state_after_failure(self) -> dict[str, Any]:
        """Say what there is."""
        return {"units": self.units, "came": list(self.came)}


class WaitlessQueue(PageQueue):
    """A queue on which nothing waits for time to pass."""

    def sleep(self, seconds: float) -> None:
        """Return at once."""


class Reading:
    """A scan on a thread of its own, its items taken by another, bounded in time."""

    def __init__(
        self,
        client: TableClient,
        *readers: ToyReader,
        need: Need | None = None,
        places: int = 4,
        reads_parts: bool = True,
    ) -> None:
        self.client = client
        self.readers = readers
        self.queue = WaitlessQueue(places)
        self.items: list[Item] = []
        self.failure: BaseException | None = None
        scan = TableScan(
            a_table_schema(),
            need or WholeTable(),
            readers,
            client.as_client(),
            self.queue,
            reads_parts=reads_parts,
        )
        self.scan = scan
        self._worker = threading.Thread(target=self._run, daemon=True)
        self._worker.start()
        main = threading.Thread(target=self._take, daemon=True)
        main.start()
        main.join(LONGEST_WAIT)
        self._worker.join(LONGEST_WAIT)
        assert not main.is_alive(), "the main thread waits for ever"
        assert not self._worker.is_alive(), "the scan hangs"
        if self.failure is not None:
            raise self.failure
        ended = sum(isinstance(item, ReaderFinished) for item in self.items)
        assert ended == len(readers), "not each reader has ended"

    def _run(self) -> None:
        try:
            self.scan.run()
        except BaseException as failure:  # noqa: BLE001 - raised again
            self.failure = failure
        # A page may come behind the end of the last reader, so the worker says when it is over.
        self.queue.fail(self.failure or SyncAbandonedError())

    def _take(self) -> None:
        while True:
            try:
                item = self.queue.get()
            except BaseException:  # noqa: BLE001 - the worker's own
                return
            self.items.append(item)
            if isinstance(item, PageRows) and item.permit is not None:
                item.permit.release()

    def ids(self, stream: str = "a") -> list[str]:
        """The ids of a stream's records, in their order."""
        rows = [
            row["id"]
            for item in self.items
            if isinstance(item, PageRows)
            for name, own in item.rows
            if name == stream
            for row in own
        ]
        return [one for one in rows if one != "last"]

    @property
    def errors(self) -> dict[str, str | None]:
        """The error of each stream; each ends once."""
        ends = [item for item in self.items if isinstance(item, ReaderFinished)]
        assert len({end.stream_name for end in ends}) == len(ends) == len(self.readers)
        return {end.stream_name: type(end.error).__name__ if end.error else None for end in ends}

    @property
    def parts(self) -> list[str]:
        """The filters that were asked for, those of the parts."""
        return [query.formula for query in self.client.queries if query.formula is not None]

    def assert_each_once(self, ids: list[str] = IDS) -> None:
        """Each record came once, to each reader."""
        assert set(self.errors.values()) == {None}
        for reader in self.readers:
            assert Counter(self.ids(reader.stream_name)) == Counter(ids)


@pytest.fixture(autouse=True)
def _frequent_switches() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("ignores_case", [False, True])
@pytest.mark.parametrize("places", [1, 2, 9])
def test_each_record_once(*, ignores_case: bool, places: int) -> None:
    """In both readings of FIND, each record comes once to each reader."""
    client = TableClient()
    client.ignores_case = ignores_case

    reading = Reading(client, ToyReader("a"), ToyReader("b"), places=places)

    reading.assert_each_once()
    assert len(reading.parts) > 1
    assert client.queries[0].formula is None
    pages_of_one_scan = len(IDS) // PAGE_RECORDS
    assert len(client.calls) <= pages_of_one_scan + len(reading.parts) + parts_module.PAGES_BEFORE


def test_odd_ids() -> None:
    """Ids of another form come with the rest."""
    ids = [*IDS, "rec-", "rec!", "record é"]

    Reading(TableClient(ids), ToyReader("a")).assert_each_once(ids)


def test_whole_listing() -> None:
    """Parts that nothing interrupts say which records there are."""
    reader = ToyReader("a")
    Reading(TableClient(), reader)

    assert reader.whole_listing is not None
    assert set(reader.whole_listing) == set(IDS)


def failing_once(failure: Exception, *, at: int = 2) -> Callable[[RecordQuery, int], None]:
    """A failure of one page of the second part."""
    seen: list[RecordQuery] = []

    def before_page(query: RecordQuery, page: int) -> None:
        if query.formula is None or page != at:
            return
        seen.append(query)
        if len(seen) == 2:
            raise failure

    return before_page


def test_part_whose_list_expires() -> None:
    """Only the part whose list Airtable forgot is read again, and no deletion is told from it."""
    client, reader = TableClient(), ToyReader("a")
    client.before_page = failing_once(OffsetExpiredError())

    reading = Reading(client, reader)

    reading.assert_each_once()
    asked = Counter(query.formula for query in client.queries)
    assert sorted(asked.values())[-2:] == [1, 2]
    assert asked[None] == 1
    assert reader.whole_listing is None


def test_part_that_always_expires() -> None:
    """If a part's list expires again and again, one scan reads the table."""
    client = TableClient()
    usual = client.before_page

    def before_page(query: RecordQuery, page: int) -> None:
        usual(query, page)
        if query.formula is not None and "NOT" in query.formula:
            raise OffsetExpiredError

    client.before_page = before_page

    Reading(client, ToyReader("a")).assert_each_once()


@pytest.mark.parametrize("idle_share", [0.0, 0.8])
def test_field_that_is_deleted(idle_share: float) -> None:
    """A field that is gone is met by many threads, and followed once."""
    client, reader = TableClient(), ResumableReader("a")
    reader.fields = Fields((NAME_FIELD, NOTES_FIELD), are_named=True)
    client.budget.idle_share = idle_share
    deleted = threading.Event()
    usual = reader.follow

    def follow(table: Any) -> None:  # noqa: ANN401 - a table
        usual(table)
        reader.fields = Fields((NAME_FIELD,), are_named=True)

    reader.follow = follow  # type: ignore[method-assign]  # what it does besides

    def before_page(query: RecordQuery, page: int) -> None:
        if query.formula is not None and page == 3:
            client.schemas[BASE] = [a_text_table(fields={NAME_FIELD: "Name"})]
            deleted.set()
        if deleted.is_set() and NOTES_FIELD in query.field_ids:
            raise SchemaChangedError(base=BASE, table=TABLE)

    client.before_page = before_page
    reading = Reading(client, reader)

    reading.assert_each_once()
    assert len(reader.followed) == 1
    assert client.calls.count(f"schema {BASE}") == 1


@pytest.mark.parametrize("number", [1, 3])
def test_filter_that_is_ignored(number: int) -> None:
    """A record outside of its part shows that the filter is ignored: one scan goes on."""
    client, reader = TableClient(), ToyReader("a")
    seen: list[int] = []

    def before_page(query: RecordQuery, page: int) -> None:
        if query.formula is not None and page == 1:
            seen.append(page)

    def picks(formula: str | None, record_id: str) -> bool:
        return TableClient.picks(client, formula, record_id) or len(seen) >= number - 1

    client.before_page = before_page
    client.picks = picks  # type: ignore[method-assign]  # an Airtable that changes its mind
    reading = Reading(client, reader)

    reading.assert_each_once()
    assert [query.formula for query in client.queries].count(None) == 1
    assert reader.whole_listing is not None


def test_filter_that_is_refused() -> None:
    """Where Airtable refuses the filter, the scan goes on where it was."""
    client = TableClient()

    def before_page(query: RecordQuery, page: int) -> None:
        if query.formula is not None:
            raise ContractError(status=422)

    client.before_page = before_page
    reading = Reading(client, ToyReader("a"))

    reading.assert_each_once()
    assert len(client.queries) == 2


def test_filter_that_is_slow(caplog: pytest.LogCaptureFixture) -> None:
    """A filter that costs more than it saves is given up after the first part's first pages."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    client = TableClient()
    client.filtered_seconds = 10.0

    reading = Reading(client, ToyReader("a"))

    reading.assert_each_once()
    assert len(client.queries) == 2
    assert "Stream a (table Contacts): one scan goes on: Airtable's answers take too long" in (
        caplog.text
    )


def test_filter_that_makes_airtable_fail() -> None:
    """A filter to which Airtable gives no answer is not the table's failure."""
    client = TableClient()

    def before_page(query: RecordQuery, page: int) -> None:
        if query.formula is not None:
            raise AirtableUnavailableError(status=503)

    client.before_page = before_page

    Reading(client, ToyReader("a")).assert_each_once()


@pytest.mark.parametrize(
    ("ids", "idle_share"), [(IDS[:100], 0.8), (IDS, 0.0)], ids=["small", "siblings"]
)
def test_no_parts(ids: list[str], idle_share: float) -> None:
    """A small table, and one whose siblings fill the allowance, is read in one scan."""
    client = TableClient(ids)
    client.budget.idle_share = idle_share

    reading = Reading(client, ToyReader("a"))

    reading.assert_each_once(ids)
    assert len(reading.parts) <= 1


def test_changes_are_read_in_one_scan() -> None:
    """What changed is read page after page."""
    client = TableClient()
    client.picks = lambda *_: True  # type: ignore[method-assign]  # of any filter
    changed = ChangedSince("last_modified", TEN)

    reading = Reading(client, ToyReader("a", changed), need=changed)

    assert len(client.queries) == 1
    reading.assert_each_once()


def test_denial_in_a_part() -> None:
    """A table that is gone in the middle of its parts is explained, once."""
    client = TableClient()
    client.before_page = failing_once(AccessDeniedError(status=403))
    client.schemas[BASE] = []

    reading = Reading(client, ToyReader("a"), ResumableReader("b"))

    assert reading.errors == dict.fromkeys("ab", "TableNotFoundError")


def test_reader_that_fails_in_parts() -> None:
    """A reader's own failure ends it once, and the other one goes on."""
    reading = Reading(TableClient(), ToyReader("a", failing_page=9), ToyReader("b"))

    assert reading.errors == {"a": "OSError", "b": None}
    assert Counter(reading.ids("b")) == Counter(IDS)


def test_readers_that_all_fail_in_parts() -> None:
    """When no reader is left, no page is asked for."""
    reading = Reading(TableClient(), ToyReader("a", failing_page=6))

    assert reading.errors == {"a": "OSError"}
    assert len(reading.client.calls) < len(IDS) // PAGE_RECORDS // 2


def test_abandoned() -> None:
    """Threads of parts end when nobody reads the messages."""
    client = TableClient()
    readers = [ToyReader("a")]
    pages: list[int] = []

    class AbandonedReader(ToyReader):
        def rows(self, page: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a page
            pages.append(1)
            if len(pages) == 12:
                raise SyncAbandonedError
            return super().rows(page)

    queue_of: list[PageQueue] = []

    def before_page(query: RecordQuery, page: int) -> None:
        if len(client.calls) == 12:
            queue_of[0].abandon()

    client.before_page = before_page
    queue = PageQueue(2)
    queue_of.append(queue)
    scan = TableScan(
        a_table_schema(), WholeTable(), readers, client.as_client(), queue, reads_parts=True
    )
    failures: list[BaseException] = []

    def run() -> None:
        try:
            scan.run()
        except BaseException as failure:  # noqa: BLE001 - looked at below
            failures.append(failure)

    def take() -> None:
        while not failures:
            item = queue.get()
            if isinstance(item, PageRows) and item.permit is not None:
                item.permit.release()

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    threading.Thread(target=take, daemon=True).start()
    worker.join(LONGEST_WAIT)

    assert not worker.is_alive()
    assert isinstance(failures[0], SyncAbandonedError)
    assert not [one for one in threading.enumerate() if one.name.startswith("part")]


# What the next sync goes on from


def test_checkpoints() -> None:
    """After each part comes a state, behind all records that it knows."""
    reading = Reading(TableClient(), ResumableReader("a"), ToyReader("b"))

    reading.assert_each_once()
    written: set[str] = set()
    states = []
    for item in reading.items:
        if isinstance(item, PageRows):
            written |= {row["id"] for name, rows in item.rows if name == "a" for row in rows}
        elif isinstance(item, ReaderCheckpoint):
            states.append(item.state)
            assert (item.stream_name, item.key) == ("a", (BASE, TABLE))
            assert set(item.state["came"]) <= written
            done = "".join(item.state["units"])
            assert {one for one in IDS if one[-1] in done} <= written
    assert len(states) == len(reading.parts)
    assert set(states[-1]["units"]) == set(UNITS)


@pytest.mark.parametrize("reads_parts", [False, True])
def test_going_on(*, reads_parts: bool) -> None:
    """What an earlier sync has left is read, in parts or in one scan, and nothing else."""
    rest = TablePart("".join(UNITS[:20]), is_rest=True)
    reader = ResumableReader("a", rest)

    reading = Reading(TableClient(), reader, need=rest, reads_parts=reads_parts)

    reading.assert_each_once([one for one in IDS if rest.holds(one)])
    assert (len(reading.parts) > 1) is reads_parts
    assert reader.whole_listing is None


@pytest.mark.parametrize("way", ["refused", "ignored"])
def test_going_on_without_filters(way: str) -> None:
    """Where Airtable takes no filter any more, the table is read in full, and no part counts."""
    rest = TablePart("".join(UNITS[:20]), is_rest=True)
    reader = ResumableReader("a", rest)
    client = TableClient()
    client.ignores_filter = way == "ignored"

    def before_page(query: RecordQuery, page: int) -> None:
        if way == "refused" and query.formula is not None:
            raise ContractError(status=422)

    client.before_page = before_page
    reading = Reading(client, reader, need=rest)

    reading.assert_each_once()
    assert isinstance(reading.scan.need, WholeTable)
    assert reader.units == ()


@pytest.mark.parametrize("seed", range(15))
def test_any_order_of_threads(seed: int) -> None:
    """However threads take turns, expire and meet changes, each record comes once."""
    client = TableClient(IDS[seed * 7 :])
    lock = threading.Lock()
    count = [seed]

    def before_page(query: RecordQuery, page: int) -> None:
        with lock:
            count[0] += 1
            is_bad = query.formula is not None and count[0] % 29 == 0
        if is_bad:
            raise OffsetExpiredError

    client.before_page = before_page
    readers = (ToyReader("a"), ResumableReader("b"))

    Reading(client, *readers, places=1 + seed % 5).assert_each_once(client.ids)
