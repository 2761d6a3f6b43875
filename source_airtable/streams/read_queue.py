"""The queue between the workers that read pages and the thread that writes messages.

The engine bounds its queue by a count of records, which for large records is no bound at all. This
one bounds the pages that are fetched or waiting: a worker takes room for a page before it asks for
it, and the room comes back when the page's last record is taken out of the queue. It also lets the
workers end when nobody reads any more: the engine alone would leave them waiting for room for ever,
and the process with them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.types import (
    PartitionCompleteSentinel,
    QueueItem,
)
from airbyte_cdk.sources.types import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airbyte_cdk.models import AirbyteRecordMessageFileReference

# Items are pages, which have a bound of their own, and a few messages for each stream.
QUEUE_SIZE_ITEMS = 2_000
MOST_RECORDS_OF_AN_ITEM = 100


class SyncAbandonedError(Exception):
    """Nobody reads the messages any more, so that a worker should end where it stands."""


class LastRecordOfPage(Record):
    """A record whose leaving of the queue ends its page's time in flight."""

    def __init__(
        self,
        data: Mapping[str, Any],
        stream_name: str,
        room: int = 1,
        file_reference: AirbyteRecordMessageFileReference | None = None,
    ) -> None:
        super().__init__(data=data, stream_name=stream_name, file_reference=file_reference)
        self.room = room
        """What its page takes of the queue's room."""

    @classmethod
    def of(cls, record: Record, room: int) -> LastRecordOfPage:
        """Make the last record of a page of a record."""
        return cls(record.data, record.stream_name, room, record.file_reference)


class RecordsOfPage(Record):
    """Records that go through the queue as one item, which costs a tenth of the CPU time less."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(data={}, stream_name=records[0].stream_name)
        self.records = records


class PageRoom:
    """The room of one page, which goes with its records, or is given back where there are none."""

    def __init__(self, queue: ReadQueue, room: int) -> None:
        self._queue = queue
        self._room = room
        self._is_gone = False

    def leave_with(self, records: Iterable[Record]) -> Iterator[Record]:
        """Emit records of which the last takes the room along, until it leaves the queue."""
        last: Record | None = None
        for record in records:
            if last is not None:
                yield last
            last = record
        if last is not None and not self._is_gone:
            self._is_gone = True
            last = LastRecordOfPage.of(last, self._room)
        if last is not None:
            yield last

    def give_back(self) -> None:
        """Give the room back, unless it has gone with records."""
        if not self._is_gone:
            self._is_gone = True
            self._queue.release_page(self._room)


class HeldPartition(Partition):
    """A partition that may outlive the worker that came for it."""

    def __init__(self) -> None:
        self.is_held = False
        """Whether somebody else will end the partition."""
        self.is_closed = False
        """Whether the partition was ended."""


class ReadQueue(Queue[QueueItem]):
    """A bounded queue with room for a number of pages in flight, which can be abandoned.

    A page of usual size takes room for one; a larger one takes more.
    """

    def __init__(self, pages_in_flight: int) -> None:
        super().__init__(maxsize=QUEUE_SIZE_ITEMS)
        self._most_room = pages_in_flight
        self._free_room = pages_in_flight
        self._has_room = threading.Condition()
        # Held while waiting for room, so that a large page is not overtaken by small ones for ever.
        self._entrance = threading.Lock()
        self._abandoned = threading.Event()
        self._unpacked: Iterator[Record] = iter(())

    def acquire_page(self, room: int = 1) -> int:
        """Wait until a page may be fetched, and give the room that it got.

        Raises SyncAbandonedError when nobody reads any more.
        """
        room = min(room, self._most_room)
        with self._entrance, self._has_room:
            self._has_room.wait_for(lambda: self._abandoned.is_set() or self._free_room >= room)
            if self._abandoned.is_set():
                raise SyncAbandonedError
            self._free_room -= room
        return room

    @contextmanager
    def page_room(self, room: int = 1) -> Iterator[PageRoom]:
        """Wait for the room of a page, which is given back where no records take it along."""
        page_room = PageRoom(self, self.acquire_page(room))
        try:
            yield page_room
        finally:
            page_room.give_back()

    def release_page(self, room: int = 1) -> None:
        """Give the room of a page back."""
        with self._has_room:
            self._free_room += room
            self._has_room.notify_all()

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - Queue's signature
        """Put an item, but not the end of a partition that is held: another one will come.

        Raises SyncAbandonedError when nobody reads any more.
        """
        if self._abandoned.is_set():
            raise SyncAbandonedError
        if isinstance(item, PartitionCompleteSentinel):
            partition = item.partition
            if isinstance(partition, HeldPartition) and partition.is_held:
                return
            # It finds room always: the ends of partitions that others have ended may come when the
            # engine reads no more, and is waiting for their workers.
            with self.mutex:
                self._put(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()
            return
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> QueueItem:  # noqa: FBT001, FBT002 - Queue's signature
        """Get an item, records one by one, and end a page's time in flight with its last."""
        item: QueueItem | None = next(self._unpacked, None)
        while item is None:
            item = super().get(block, timeout)
            if type(item) is RecordsOfPage:
                self._unpacked = iter(item.records)
                item = next(self._unpacked, None)
        if type(item) is LastRecordOfPage:
            self.release_page(item.room)
        return item

    def abandon(self) -> None:
        """Throw away what is queued and wake every worker that waits, so that it ends."""
        self._abandoned.set()
        self._unpacked = iter(())
        with self.mutex:
            self.queue.clear()
            self.not_full.notify_all()
        with self._has_room:
            self._has_room.notify_all()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the sync; raises SyncAbandonedError when nobody reads any more."""
        if self._abandoned.wait(seconds):
            raise SyncAbandonedError


def pack(records: Iterable[Record]) -> Iterator[RecordsOfPage]:
    """Pack records into items for the queue, at the end of each page at the latest."""
    packed: list[Record] = []
    for record in records:
        packed.append(record)
        if type(record) is LastRecordOfPage or len(packed) == MOST_RECORDS_OF_AN_ITEM:
            yield RecordsOfPage(packed)
            packed = []
    if packed:
        yield RecordsOfPage(packed)
