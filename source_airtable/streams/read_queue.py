"""The queue between the workers that read pages and the thread that writes messages.

The engine bounds its queue by a count of records, which for large records is no bound at all. This
one also bounds the pages that are fetched or waiting: a worker takes a permit before it asks for a
page, and the permit comes back when the page's last record is taken out of the queue. It also lets
the workers end when nobody reads any more: the engine alone would leave them waiting for room for
ever, and the process with them.
"""

from __future__ import annotations

import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
from airbyte_cdk.sources.types import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

# Records are small beside their pages; this many let the workers run ahead of the writer by some
# pages.
QUEUE_SIZE_ITEMS = 2_000


class SyncAbandonedError(Exception):
    """Nobody reads the messages any more, so that a worker should end where it stands."""


class LastRecordOfPage(Record):
    """A record whose leaving of the queue ends its page's time in flight."""

    def __init__(self, data: Mapping[str, Any], stream_name: str) -> None:
        super().__init__(data=data, stream_name=stream_name)


class ReadQueue(Queue[QueueItem]):
    """A bounded queue with permits for pages in flight, which can be abandoned."""

    def __init__(self, pages_in_flight: int) -> None:
        super().__init__(maxsize=QUEUE_SIZE_ITEMS)
        self._permits = threading.Semaphore(pages_in_flight)
        self._abandoned = threading.Event()

    def acquire_page(self) -> None:
        """Wait until one more page may be fetched; raises SyncAbandonedError."""
        self._permits.acquire()
        if self._abandoned.is_set():
            self._permits.release()
            raise SyncAbandonedError

    def release_page(self) -> None:
        """Give the permit of a page back that puts no last record into the queue."""
        self._permits.release()

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - Queue's signature
        """Put an item; raises SyncAbandonedError when nobody reads any more."""
        if self._abandoned.is_set():
            raise SyncAbandonedError
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> QueueItem:  # noqa: FBT001, FBT002 - Queue's signature
        """Get an item, and end its page's time in flight if it is the last of a page."""
        item = super().get(block, timeout)
        if type(item) is LastRecordOfPage:
            self._permits.release()
        return item

    def abandon(self) -> None:
        """Throw away what is queued and wake every worker that waits, so that it ends."""
        self._abandoned.set()
        with self.mutex:
            self.queue.clear()
            self.not_full.notify_all()
        self._permits.release()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the sync; raises SyncAbandonedError when nobody reads any more."""
        if self._abandoned.wait(seconds):
            raise SyncAbandonedError
