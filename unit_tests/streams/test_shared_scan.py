"""One scan for several streams: who makes it, how wide it is, and who learns of a failure."""

from __future__ import annotations

import errno
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.concurrent.partitions.types import PartitionCompleteSentinel
from airbyte_cdk.sources.types import Record
from source_airtable.streams.cursor import StreamCursor
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.packed_ids import unpack_ids
from source_airtable.streams.read_queue import ReadQueue, RecordsOfPage, SyncAbandonedError
from source_airtable.streams.shared_scan import RECORD_IDS_PER_CALL, SharedScan
from source_airtable.streams.table_share import TableShare

from source_airtable.config import IncrementalSettings
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    MissingScopeError,
    OffsetExpiredError,
)
from source_airtable.schema.json_schema import build_json_schema
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_page,
    a_record,
    a_table_schema,
    a_table_stream,
)
from unit_tests.scans import CountingQueue, a_client, an_incremental_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
    from source_airtable.streams.shared_scan import SharePartition
    from source_airtable.streams.table_share import WholeScan

    from source_airtable.api.wire_types import FieldId, RecordDict
    from source_airtable.errors import AirtableError
    from unit_tests.fake_client import FakeClient

NINE, TEN, ELEVEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10, 11))


class ToyShare(TableShare):
    """A share that needs and does what a test tells it to."""

    def __init__(
        self,
        name: str,
        edge: datetime | None = None,
        field_ids: tuple[FieldId, ...] = (),
        unknown: Iterable[str] = (),
        failure: Exception | None = None,
    ) -> None:
        super().__init__(name, a_table_schema())
        self.edge = edge
        self.unknown = frozenset(unknown)
        self.failure = failure
        """What its end fails with."""
        self.events: list[str] = []
        self._field_ids = field_ids

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields that it was told to need."""
        return self._field_ids

    def begin(self, now: datetime | None) -> datetime | None:
        """Give the edge."""
        self.events.append(f"begin {now}")
        return self.edge

    def widen(self) -> None:
        """Note it."""
        self.events.append("widen")

    def refuse(self, error: AirtableError) -> None:
        """Note it."""
        self.events.append(f"refuse {type(error).__name__}")

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Make a row of each record."""
        return [Record({"id": record["id"]}, self.stream_name) for record in records]

    def find_unknown(self, scan: WholeScan) -> frozenset[str]:
        """Name what it was told to."""
        self.events.append("find_unknown")
        return self.unknown

    def finish(self, scan: WholeScan) -> Iterator[Record]:
        """Emit a last row, or fail behind it."""
        self.events.append("finish")
        yield Record({"id": "last"}, self.stream_name)
        if self.failure is not None:
            raise self.failure

    def new_state(self) -> dict[str, Any]:
        """Give a state of its own."""
        return {"of": self.stream_name}


class CountingShare(ToyShare):
    """A share that wants the numbers of comments."""

    wants_comment_counts: ClassVar[bool] = True


class Scanned:
    """A shared scan of the one table, with the partitions of some shares."""

    def __init__(self, client: FakeClient, *shares: TableShare | Exception) -> None:
        self.client = client
        self.client.latest_date = ELEVEN
        self.queue = CountingQueue()
        self.failures = StreamFailures(may_miss_tables=False)
        scan = SharedScan(a_table_schema(), client.as_client(), self.queue, self.failures)
        self.repository = InMemoryMessageRepository()
        self.partitions: list[SharePartition] = []
        for number, share in enumerate(shares):
            name = f"broken{number}" if isinstance(share, Exception) else share.stream_name
            cursor = StreamCursor(name, self.repository)
            self.partitions.append(scan.add(name, partial(_give, share), cursor))

    def read(self) -> list[str]:
        """What the worker that comes first puts on the queue, as one word for each item."""
        return [word for item in self.partitions[0].read() for word in words_of(item)]

    def states(self) -> list[dict[str, Any]]:
        """The states of streams that are complete."""
        for partition in self.partitions:
            partition.cursor.ensure_at_least_one_state_emitted()
        return [
            vars(message.state.stream.stream_state)
            for message in self.repository.consume_queue()
            if message.state and message.state.stream
        ]


def _give(share: TableShare | Exception) -> TableShare:
    if isinstance(share, Exception):
        raise share
    return share


def words_of(item: QueueItem) -> list[str]:
    """Tell an item: `a:recA` for records, `a!ContractError` for failures, `a.` for ends."""
    if isinstance(item, RecordsOfPage):
        return [
            f"{record.stream_name}:{record.data.get('id') or record.data['_airtable_id']}"
            for record in item.records
        ]
    if isinstance(item, StreamThreadException):
        return [f"{item.stream_name}!{type(item.exception).__name__}"]
    assert isinstance(item, PartitionCompleteSentinel)
    return [f"{item.partition.stream_name()}{'.' if item.is_successful else '-'}"]


def test_one_scan_for_all() -> None:
    """The worker that comes first scans for all, and closes each stream behind its last row."""
    scanned = Scanned(a_client([a_page("recA", "recB")]), ToyShare("a"), ToyShare("b"))

    assert scanned.read() == [
        *("a:recA", "a:recB", "b:recA", "b:recB"),
        *("a:last", "a."),
        *("b:last", "b."),
    ]
    assert len(scanned.client.queries) == 1
    assert scanned.failures.by_stream == {}


def test_states() -> None:
    """Each stream leaves the state of its own share."""
    scanned = Scanned(a_client([a_page()]), ToyShare("a"), ToyShare("b"))
    scanned.read()

    assert scanned.states() == [{"of": "a"}, {"of": "b"}]


def test_shares_are_not_kept() -> None:
    """Shares are built when the scan begins, and are told Airtable's clock before it."""
    built = []

    def build() -> TableShare:
        built.append(ToyShare("a"))
        return built[-1]

    client = a_client([a_page()])
    client.latest_date = ELEVEN
    scan = SharedScan(
        a_table_schema(), client.as_client(), CountingQueue(), StreamFailures(may_miss_tables=False)
    )
    partition = scan.add("a", build, StreamCursor("a", InMemoryMessageRepository()))
    assert built == []
    list(partition.read())

    assert built[0].events == [f"begin {ELEVEN}", "find_unknown", "finish"]


def test_second_worker() -> None:
    """A second worker leaves at once, and its partition's end is held back until the scan's end."""
    scanned = Scanned(a_client([a_page("recA")]), ToyShare("a"), ToyShare("b"))
    first, second = scanned.partitions
    scan = first.read()
    next(scan)
    queue = ReadQueue(1)

    assert list(second.read()) == []
    queue.put(PartitionCompleteSentinel(second))
    assert queue.empty()

    for item in scan:
        queue.put(item)
    ends = [item for item in queue.queue if isinstance(item, PartitionCompleteSentinel)]
    assert [end.partition for end in ends] == [first, second]
    assert not second.is_held


def test_worker_that_comes_first_of_the_others() -> None:
    """Any partition's worker may be the one that scans, and the rows are the same."""
    scanned = Scanned(a_client([a_page("recA")]), ToyShare("a"), ToyShare("b"))

    items = [word for item in scanned.partitions[1].read() for word in words_of(item)]

    assert items == ["a:recA", "b:recA", "a:last", "a.", "b:last", "b."]
    assert not scanned.partitions[1].is_held


def test_worker_that_comes_late() -> None:
    """The end of a partition whose worker comes after the scan is not held back."""
    scanned = Scanned(a_client([a_page("recA")]), ToyShare("a"), ToyShare("b"))
    scanned.read()
    late = scanned.partitions[1]
    queue = ReadQueue(1)

    assert list(late.read()) == []
    queue.put(PartitionCompleteSentinel(late))

    assert queue.qsize() == 1
    assert len(scanned.client.queries) == 1


def test_partition() -> None:
    """The engine knows a partition by its stream and table."""
    first, second = Scanned(a_client(), ToyShare("a"), ToyShare("b")).partitions

    assert (first.stream_name(), first.to_slice()) == ("a", None)
    assert hash(first) == hash(("a", (BASE, TABLE)))
    assert hash(second) != hash(first)


def test_share_that_cannot_be_built() -> None:
    """A share that cannot be built fails its own stream, before the scan of the others."""
    scanned = Scanned(a_client([a_page("recA")]), ValueError("no such column"), ToyShare("b"))

    assert scanned.read() == ["broken0!ValueError", "broken0-", "b:recA", "b:last", "b."]
    assert list(scanned.failures.by_stream) == ["broken0"]
    assert scanned.states() == [{"of": "b"}]


def test_no_share_that_can_be_built() -> None:
    """Where no share can be built nothing is scanned."""
    scanned = Scanned(a_client(), ValueError(), ValueError())

    assert scanned.read() == ["broken0!ValueError", "broken0-", "broken1!ValueError", "broken1-"]
    assert scanned.client.queries == []


@pytest.mark.parametrize("failure", [AirtableUnavailableError(), ValueError("of ours")])
def test_failure_of_the_scan(failure: Exception) -> None:
    """A scan that fails fails every stream, behind the rows that came; no state is left."""
    pages: Any = [a_page("recA"), failure]
    client = a_client(pages)
    if not isinstance(failure, AirtableUnavailableError):
        client.iter_record_pages = partial(_raise_behind, a_page("recA"), failure)  # type: ignore[method-assign]
    scanned = Scanned(client, ToyShare("a"), ToyShare("b"))
    name = type(failure).__name__

    assert scanned.read() == ["a:recA", "b:recA", f"a!{name}", "a-", f"b!{name}", "b-"]
    assert scanned.failures.by_stream == {"a": [failure], "b": [failure]}
    assert scanned.states() == []


def _raise_behind(page: object, failure: Exception, query: object) -> Iterator[Any]:
    yield page
    raise failure


def test_failure_of_one_end() -> None:
    """A share that fails at its end, behind rows, fails alone."""
    failing = ToyShare("a", failure=MissingScopeError(scope="data.recordComments:read"))
    scanned = Scanned(a_client([a_page("recA")]), failing, ToyShare("b"))

    assert scanned.read() == [
        *("a:recA", "b:recA"),
        *("a!MissingScopeError", "a-"),
        *("b:last", "b."),
    ]
    assert scanned.states() == [{"of": "b"}]


class BrokenShare(ToyShare):
    """A share that breaks at the n-th page, or at its beginning where n is 0."""

    def __init__(self, name: str, breaks_at: int) -> None:
        super().__init__(name, unknown=["recZ"])
        self.pages_left = breaks_at

    def begin(self, now: datetime | None) -> datetime | None:
        """Break, or give the edge."""
        self._count_down()
        return super().begin(now)

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Break, or make a row of each record."""
        self._count_down()
        return super().rows_of(records)

    def _count_down(self) -> None:
        if self.pages_left == 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.pages_left -= 1


@pytest.mark.parametrize(("breaks_at", "rows"), [(0, []), (1, []), (2, ["a:recA"])])
def test_share_that_breaks(breaks_at: int, rows: list[str]) -> None:
    """What breaks one share alone, such as a full disk, takes no record from the others."""
    broken, other = BrokenShare("a", breaks_at), ToyShare("b")
    scanned = Scanned(a_client([a_page("recA"), a_page("recB"), a_page("recC")]), broken, other)

    words = scanned.read()

    assert words == [
        *(*rows, "b:recA", "b:recB", "b:recC"),
        *("a!OSError", "a-"),
        *("b:last", "b."),
    ]
    assert [type(one) for one in scanned.failures.by_stream["a"]] == [OSError]
    assert list(scanned.failures.by_stream) == ["a"]
    assert scanned.states() == [{"of": "b"}]
    assert not {"find_unknown", "finish"} & set(broken.events)


def test_shares_that_all_break() -> None:
    """Where no share can begin nothing is asked for, and each one is closed with its failure."""
    scanned = Scanned(a_client(), BrokenShare("a", 0), BrokenShare("b", 0))

    assert scanned.read() == ["a!OSError", "a-", "b!OSError", "b-"]
    assert scanned.client.queries == []


class SlowShare(ToyShare):
    """A share that has calls to make when the scan is over."""

    is_slow: ClassVar[bool] = True


def test_slow_shares_end_last() -> None:
    """Nobody waits for a share that has calls to make when the scan is over."""
    scanned = Scanned(a_client([a_page("recA")]), SlowShare("a"), ToyShare("b"), ToyShare("c"))

    assert scanned.read()[3:] == ["b:last", "b.", "c:last", "c.", "a:last", "a."]


def test_failures_of_two_tables() -> None:
    """A stream over several tables has the failures of all."""
    failures = StreamFailures(may_miss_tables=False)
    for _ in range(2):
        client = a_client([AirtableUnavailableError()])
        scan = SharedScan(a_table_schema(), client.as_client(), CountingQueue(), failures)
        cursor = StreamCursor("a", InMemoryMessageRepository(), tables=2)
        list(scan.add("a", partial(_give, ToyShare("a")), cursor).read())

    assert [type(one) for one in failures.by_stream["a"]] == [AirtableUnavailableError] * 2


def test_abandoned_scan() -> None:
    """Nobody is told of a failure when nobody reads any more: the worker ends."""
    scanned = Scanned(a_client([a_page("recA"), OffsetExpiredError()]), ToyShare("a"))

    def sleep(seconds: float) -> None:
        raise SyncAbandonedError

    scanned.queue.sleep = sleep  # type: ignore[method-assign]

    with pytest.raises(SyncAbandonedError):
        scanned.read()
    assert scanned.failures.by_stream == {}


def test_abandoned_end() -> None:
    """The same goes for the end of a share."""
    scanned = Scanned(a_client([a_page("recA")]), ToyShare("a", failure=SyncAbandonedError()))

    with pytest.raises(SyncAbandonedError):
        scanned.read()
    assert scanned.failures.by_stream == {}


@pytest.mark.parametrize(
    ("edges", "asked", "widened"),
    [
        ((NINE, TEN), "2026-11-18T09:00:00.000Z", "b"),
        ((TEN, NINE), "2026-11-18T09:00:00.000Z", "a"),
        ((TEN, TEN), "2026-11-18T10:00:00.000Z", ""),
        ((NINE, None), None, "a"),
        ((None, TEN), None, "b"),
        ((None, None), None, ""),
        ((TEN, None, NINE), None, "ac"),
    ],
)
def test_widest_share(edges: tuple[datetime | None, ...], asked: str | None, widened: str) -> None:
    """The scan is as wide as its widest share needs; those that need less are told."""
    shares = [ToyShare(name, edge) for name, edge in zip("abc", edges, strict=False)]
    scanned = Scanned(a_client([a_page()]), *shares)
    scanned.read()

    (query,) = scanned.client.queries
    assert (query.formula is None) is (asked is None)
    assert asked is None or f"'{asked}'" in str(query.formula)
    assert "".join(one.stream_name for one in shares if "widen" in one.events) == widened


def test_why_a_scan_is_wide(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells for which stream another one is read in full, or from an earlier moment."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    table_share = ToyShare("a", NINE)
    table_share.told_name = "a (table Contacts)"
    Scanned(a_client([a_page()]), table_share, ToyShare("b")).read()
    Scanned(a_client([a_page()]), ToyShare("a", TEN), ToyShare("b", NINE)).read()

    assert [message for message in caplog.messages if "share" in message] == [
        "Stream a (table Contacts) is read in full: stream b, which shares the scan, needs it.",
        (
            "Stream a: reading what changed after 2026-11-18T09:00:00.000Z, for a stream that "
            "shares the scan."
        ),
    ]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (((NAME_FIELD,), (NAME_FIELD,)), (NAME_FIELD,)),
        (((NAME_FIELD,), (NOTES_FIELD,)), ()),
        (((NAME_FIELD,), ()), ()),
    ],
)
def test_fields_of_all_shares(
    fields: tuple[tuple[FieldId, ...], ...], asked: tuple[FieldId, ...]
) -> None:
    """The fields that the shares need together are asked for; all of them by naming none."""
    shares = [ToyShare(name, field_ids=ids) for name, ids in zip("ab", fields, strict=True)]
    scanned = Scanned(a_client([a_page()]), *shares)
    scanned.read()

    assert scanned.client.queries[0].field_ids == asked


def test_filter_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Where Airtable refuses the filter the table is read in full, with a warning."""
    client = a_client([ContractError(status=422)], [a_page("recA")])
    scanned = Scanned(client, ToyShare("a", TEN))

    assert scanned.read() == ["a:recA", "a:last", "a."]
    assert [query.formula is None for query in client.queries] == [False, True]
    assert "read in full: Airtable refuses the filter" in caplog.text


def test_filter_that_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Where Airtable sends what the filter leaves out the table is read in full, each row once."""
    old: Any = {**a_record("recA"), "createdTime": "2026-01-01T00:00:00.000Z"}
    share = ToyShare("a", TEN)
    share.method = "created_time"
    client = a_client([{"records": [old]}], [a_page("recA", "recB")])
    scanned = Scanned(client, share)

    assert scanned.read() == ["a:recA", "a:recB", "a:last", "a."]
    assert "read in full: Airtable does not honour the filter" in caplog.text


def test_failure_that_is_none_of_the_filter() -> None:
    """Another failure of a filtered scan ends it."""
    scanned = Scanned(a_client([ContractError(status=200)]), ToyShare("a", TEN))

    assert scanned.read() == ["a!ContractError", "a-"]
    assert len(scanned.client.queries) == 1


def test_unknown_records() -> None:
    """Records that came without a change are read once, for all shares together, in portions."""
    ids = [f"rec{n:014}" for n in range(RECORD_IDS_PER_CALL + 1)]
    client = a_client([a_page()], [a_page(*ids[:RECORD_IDS_PER_CALL])], [a_page(ids[-1])])
    scanned = Scanned(client, ToyShare("a", unknown=ids[:60]), ToyShare("b", unknown=ids[50:]))

    words = scanned.read()

    assert words.count("a:" + ids[-1]) == words.count("b:" + ids[0]) == 1
    assert len(client.queries) == 3
    asked = "".join(str(query.formula) for query in client.queries[1:])
    assert [asked.count(record_id) for record_id in ids] == [1] * len(ids)


def test_unknown_records_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """How many records are read that no sync has seen is in the log."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    Scanned(a_client([a_page()], [a_page()]), ToyShare("a", unknown=["recA", "recB"])).read()

    assert "Stream a: 2 records are there that no sync has seen; reading them." in caplog.messages


def test_unknown_record_that_is_older_than_the_window() -> None:
    """A restored record reaches a stream by time of creation also in a scan wider than its own."""
    plain = a_table_stream()
    stream = replace(plain, json_schema=build_json_schema(plain.table, with_tombstones=True))
    settings = IncrementalSettings(
        method="created_time", detect_deletions=True, deletion_sweep_hours=0
    )
    first = Scanned(
        a_client([a_page("recKnown000000000")]), an_incremental_share(stream, settings, {})
    )
    first.read()
    restored: Any = {
        **a_record("recRestored000000", **{NAME_FIELD: "Ada"}),
        "createdTime": "2026-01-01T00:00:00.000Z",
    }
    wider = ToyShare("wider", NINE)
    wider.method = "created_time"
    listed = a_page("recKnown000000000", "recRestored000000")
    second = Scanned(
        a_client([a_page()], [listed], [{"records": [restored]}]),
        an_incremental_share(stream, settings, first.states()[0]),
        wider,
    )

    assert "contacts:recRestored000000" in second.read()
    assert set(unpack_ids(second.states()[0]["known_ids"])) == {
        "recKnown000000000",
        "recRestored000000",
    }


def test_numbers_of_comments_that_are_refused() -> None:
    """Where Airtable tells no numbers of comments, the others' records are read without them."""
    counting, other = CountingShare("a", failure=ValueError("no numbers")), ToyShare("b")
    scanned = Scanned(a_client([ContractError(status=422)], [a_page("recA")]), counting, other)

    words = scanned.read()

    assert [query.with_comment_counts for query in scanned.client.queries] == [True, False]
    assert "refuse ContractError" in counting.events
    assert "b:recA" in words
    assert words[-1] == "b."
    assert list(scanned.failures.by_stream) == ["a"]


def test_scan_that_is_refused_without_numbers_too() -> None:
    """Where the records are refused without the numbers too, everybody fails, after two scans."""
    client = a_client([ContractError(status=422)], [ContractError(status=422)])
    scanned = Scanned(client, CountingShare("a"), ToyShare("b"))

    assert scanned.read() == ["a!ContractError", "a-", "b!ContractError", "b-"]
    assert len(client.queries) == 2


def test_scan_that_is_refused_where_nobody_wants_numbers() -> None:
    """Where no numbers were asked for, a refused scan is not made again."""
    client = a_client([ContractError(status=422)])
    scanned = Scanned(client, ToyShare("a"))

    assert scanned.read() == ["a!ContractError", "a-"]
    assert len(client.queries) == 1


def test_numbers_of_comments_that_need_a_scope() -> None:
    """A token that may read records, but not the numbers of comments, reads the records."""
    client = a_client([AccessDeniedError(status=403)], [a_page("recA")])
    counting = CountingShare("a")
    scanned = Scanned(client, counting, ToyShare("b"))

    assert "b:recA" in scanned.read()
    assert "refuse MissingScopeError" in counting.events


@pytest.mark.parametrize(
    "shares", [(CountingShare("a"), ToyShare("b")), (ToyShare("a"), CountingShare("b"))]
)
def test_numbers_of_comments_are_asked_for(shares: tuple[ToyShare, ...]) -> None:
    """One share that wants the numbers of comments is enough for them to be asked for."""
    scanned = Scanned(a_client([a_page()]), *shares)
    scanned.read()

    assert scanned.client.queries[0].with_comment_counts
