"""The queue between workers and writer: permits for pages, and an end for everybody who waits."""

from __future__ import annotations

import threading
from queue import Empty, Full
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import AirbyteRecordMessageFileReference
from airbyte_cdk.sources.streams.concurrent.partitions.types import PartitionCompleteSentinel
from airbyte_cdk.sources.types import Record
from source_airtable.streams.read_queue import (
    MOST_RECORDS_OF_AN_ITEM,
    QUEUE_SIZE_ITEMS,
    HeldPartition,
    LastRecordOfPage,
    PageRoom,
    ReadQueue,
    RecordsOfPage,
    SyncAbandonedError,
    pack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SOON = 5.0
"""Seconds within which a thread has to end; only a failing test waits for them."""


def a_record() -> Record:
    """A record that is not its page's last."""
    return Record({}, "contacts")


def a_last_record() -> LastRecordOfPage:
    """A page's last record."""
    return LastRecordOfPage({}, "contacts")


def permits_of(queue: ReadQueue) -> int:
    """How many pages may be fetched now; to ask by waiting would take real time."""
    return queue._free_room  # noqa: SLF001


class Worker:
    """A thread that does one thing and remembers how it ended."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as failure:  # noqa: BLE001 - kept for the assertion
            self.failure = failure

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends."""
        self._thread.join(timeout=seconds)
        return not self._thread.is_alive()


def test_items_leave_in_order() -> None:
    """What is put first leaves first."""
    queue = ReadQueue(pages_in_flight=1)
    records = [a_record(), a_last_record()]
    for record in records:
        queue.put(record)

    assert [queue.get(), queue.get()] == records


def test_permits() -> None:
    """As many pages may be in flight as the queue was made for."""
    queue = ReadQueue(pages_in_flight=2)
    queue.acquire_page()

    assert permits_of(queue) == 1


def test_permit_returns_with_the_last_record() -> None:
    """A page's permit comes back when its last record leaves the queue, not before."""
    queue = ReadQueue(pages_in_flight=1)
    queue.acquire_page()
    permits = [permits_of(queue)]
    for record in (a_record(), a_last_record()):
        queue.put(record)
        permits.append(permits_of(queue))
    for _ in range(2):
        queue.get()
        permits.append(permits_of(queue))

    assert permits == [0, 0, 0, 0, 1]


def test_permit_is_waited_for() -> None:
    """A worker without a permit waits until a page is written."""
    queue = ReadQueue(pages_in_flight=1)
    queue.acquire_page()
    worker = Worker(queue.acquire_page)
    queue.put(a_last_record())
    queue.get()

    assert worker.ends_within(SOON)
    assert permits_of(queue) == 0


def test_released_permit() -> None:
    """A page without a last record gives its permit back by itself."""
    queue = ReadQueue(pages_in_flight=1)
    queue.acquire_page()
    queue.release_page()

    assert permits_of(queue) == 1


def test_room_that_goes_with_records() -> None:
    """A page's room goes with the last of its records, and comes back with it."""
    queue = ReadQueue(pages_in_flight=3)
    with queue.page_room(2) as room:
        records = list(room.leave_with([a_record(), a_record()]))

    assert [type(record) is LastRecordOfPage for record in records] == [False, True]
    assert permits_of(queue) == 1
    queue.put(RecordsOfPage(records))
    assert [(queue.get(), permits_of(queue))[1] for _ in records] == [1, 3]


def test_room_of_a_page_without_records() -> None:
    """A page without records gives its room back when it is done with."""
    queue = ReadQueue(pages_in_flight=3)
    with queue.page_room(2) as room:
        assert list(room.leave_with([])) == []
        assert permits_of(queue) == 1

    assert permits_of(queue) == 3


def test_room_of_a_page_that_fails() -> None:
    """A page that cannot be fetched gives its room back."""
    queue = ReadQueue(pages_in_flight=3)

    with pytest.raises(OSError, match="no space"), queue.page_room(2):
        raise OSError("no space")

    assert permits_of(queue) == 3


def test_room_is_given_once() -> None:
    """A page's room neither goes twice nor comes back twice."""
    queue = ReadQueue(pages_in_flight=3)
    room = PageRoom(queue, queue.acquire_page(2))
    room.give_back()
    room.give_back()

    assert [type(one) for one in room.leave_with([a_record()])] == [Record]
    assert permits_of(queue) == 3


def test_page_larger_than_the_queue() -> None:
    """A page that wants more room than there is gets all of it, and gives no more back."""
    queue = ReadQueue(pages_in_flight=3)
    with queue.page_room(50) as room:
        (last,) = room.leave_with([a_record()])
        assert permits_of(queue) == 0
    queue.put(last)
    queue.get()

    assert permits_of(queue) == 3


def test_last_record_of_a_page() -> None:
    """A record stays what it is when it is its page's last, its file included."""
    file = AirbyteRecordMessageFileReference(
        staging_file_url="/staging/photo.png",
        source_file_relative_path="photo.png",
        file_size_bytes=7,
    )
    record = Record({"id": "attA"}, "attachments", file_reference=file)

    last = LastRecordOfPage.of(record, 2)

    assert (last.data, last.stream_name, last.room) == ({"id": "attA"}, "attachments", 2)
    assert last.file_reference is file


def test_bound() -> None:
    """The queue holds so many items and no more."""
    queue = ReadQueue(pages_in_flight=1)
    for _ in range(QUEUE_SIZE_ITEMS):
        queue.put(a_record(), block=False)

    with pytest.raises(Full):
        queue.put(a_record(), block=False)


def test_get_without_waiting() -> None:
    """An empty queue can be asked without waiting."""
    with pytest.raises(Empty):
        ReadQueue(pages_in_flight=1).get(block=False)


def test_abandoned_putters() -> None:
    """Workers that wait for room end when the sync is abandoned, at their next record at last."""
    queue = ReadQueue(pages_in_flight=1)
    for _ in range(QUEUE_SIZE_ITEMS):
        queue.put(a_record())

    def put_for_ever() -> None:
        while True:
            queue.put(a_record())

    workers = [Worker(put_for_ever) for _ in range(8)]
    queue.abandon()

    assert all(worker.ends_within(SOON) for worker in workers)
    assert {type(worker.failure) for worker in workers} == {SyncAbandonedError}


def test_abandoned_permit_waiters() -> None:
    """Workers that wait for a permit all end when the sync is abandoned."""
    queue = ReadQueue(pages_in_flight=1)
    queue.acquire_page()
    workers = [Worker(queue.acquire_page) for _ in range(8)]
    queue.abandon()

    assert all(worker.ends_within(SOON) for worker in workers)
    assert {type(worker.failure) for worker in workers} == {SyncAbandonedError}


def test_abandoned_sleepers() -> None:
    """Workers that sleep wake up and end when the sync is abandoned."""
    queue = ReadQueue(pages_in_flight=1)
    workers = [Worker(lambda: queue.sleep(3_600.0)) for _ in range(8)]
    queue.abandon()

    assert all(worker.ends_within(SOON) for worker in workers)
    assert {type(worker.failure) for worker in workers} == {SyncAbandonedError}


def test_sleep() -> None:
    """A sleep ends by itself while the sync goes on."""
    worker = Worker(lambda: ReadQueue(pages_in_flight=1).sleep(0.0))

    assert worker.ends_within(SOON)
    assert worker.failure is None


def test_abandoned_queue_is_empty() -> None:
    """What was queued is thrown away."""
    queue = ReadQueue(pages_in_flight=1)
    queue.put(a_record())
    queue.abandon()

    assert queue.empty()


@pytest.mark.parametrize(
    "use",
    [lambda queue: queue.put(a_record()), ReadQueue.acquire_page, lambda queue: queue.sleep(1.0)],
    ids=["put", "acquire_page", "sleep"],
)
def test_abandoned_queue_takes_nothing(use: Callable[[ReadQueue], None]) -> None:
    """Nothing can be put, asked for or slept upon afterwards."""
    queue = ReadQueue(pages_in_flight=1)
    queue.abandon()

    with pytest.raises(SyncAbandonedError):
        use(queue)


class APartition(HeldPartition):
    """A partition that somebody else may end."""

    def read(self) -> Iterable[Record]:
        """Give nothing."""
        return []

    def to_slice(self) -> Mapping[str, object] | None:
        """Give nothing."""
        return None

    def stream_name(self) -> str:
        """Give a name."""
        return "contacts"

    def __hash__(self) -> int:
        """Hash by identity."""
        return id(self)


@pytest.mark.parametrize("is_held", [True, False])
def test_end_of_a_partition(*, is_held: bool) -> None:
    """The end of a partition that is held does not get into the queue, any other one does."""
    queue = ReadQueue(pages_in_flight=1)
    partition = APartition()
    partition.is_held = is_held

    queue.put(PartitionCompleteSentinel(partition))

    assert queue.empty() is is_held


def test_end_of_a_partition_behind_a_full_queue() -> None:
    """The end of a partition finds room always: the queue's reader may wait for its worker."""
    queue = ReadQueue(pages_in_flight=1)
    for _ in range(QUEUE_SIZE_ITEMS):
        queue.put(a_record(), block=False)
    end = PartitionCompleteSentinel(APartition())

    worker = Worker(lambda: queue.put(end))

    assert worker.ends_within(SOON)
    assert worker.failure is None
    assert [queue.get() for _ in range(QUEUE_SIZE_ITEMS + 1)][-1] is end


def test_end_of_a_partition_that_is_waited_for() -> None:
    """Who waits for an item gets the end of a partition."""
    queue = ReadQueue(pages_in_flight=1)
    worker = Worker(queue.get)

    queue.put(PartitionCompleteSentinel(APartition()))

    assert worker.ends_within(SOON)


def test_partition_that_is_held() -> None:
    """Only the end of a held partition is kept back, not what it holds."""
    queue = ReadQueue(pages_in_flight=1)
    partition = APartition()
    partition.is_held = True
    record = a_record()

    queue.put(partition)
    queue.put(record)

    assert [queue.get(), queue.get()] == [partition, record]


def test_held_end_of_an_abandoned_sync() -> None:
    """A worker whose partition is held learns that nobody reads any more, like any other."""
    queue = ReadQueue(pages_in_flight=1)
    partition = APartition()
    partition.is_held = True
    queue.abandon()

    with pytest.raises(SyncAbandonedError):
        queue.put(PartitionCompleteSentinel(partition))


def test_records_that_are_packed() -> None:
    """Records travel as items, which end with a page or hold so many; none is lost or moved."""
    page = [a_record() for _ in range(3)] + [a_last_record()]
    others = [a_record() for _ in range(MOST_RECORDS_OF_AN_ITEM + 1)]

    items = list(pack([*page, *others]))

    assert [len(item.records) for item in items] == [4, MOST_RECORDS_OF_AN_ITEM, 1]
    assert [record for item in items for record in item.records] == [*page, *others]


def test_packed_records_leave_one_by_one() -> None:
    """What was packed leaves the queue record by record, before what was put behind it."""
    queue = ReadQueue(pages_in_flight=1)
    records, behind = [a_record(), a_last_record()], a_record()
    queue.put(RecordsOfPage(list(records)))
    queue.put(behind)

    assert [queue.get() for _ in range(3)] == [*records, behind]
