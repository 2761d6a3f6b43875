"""The queue between the workers that read pages and the main thread that writes messages.

A worker takes a permit before it asks for a page, and the main thread releases the permit when the
rows of the page are written. So the pages in memory are bounded, however slow a destination is.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_airtable.records import Row
    from source_airtable.schema.table_schema import TableKey

# A page that gives many rows, as one of links may, goes through the queue in several items.
MOST_ITEMS = 64

BYTES_OF_ONE_PLACE = 1_000_000
"""A page of more bytes than this takes more than one place in flight."""


class SyncAbandonedError(Exception):
    """Nobody reads the messages any more, so a worker ends where it stands."""


@dataclass(frozen=True, slots=True)
class PageRows:
    """The rows of one page, or of a part of it, by stream."""

    rows: list[tuple[str, list[Row]]]
    permit: Permit | None = None
    """Released when the rows are written."""


@dataclass(frozen=True, slots=True)
class ReaderFinished:
    """A stream's reader is done with one table; all of its rows are in the queue before this."""

    stream_name: str
    key: TableKey
    state: dict[str, Any] | None = None
    """What the next sync goes on from; after an error, what it must know of the rows."""
    error: Exception | None = None
    """Why the table is not read to its end; None where it is."""


@dataclass(frozen=True, slots=True)
class ReaderCheckpoint:
    """A state in the middle of a table; the rows that it knows are in the queue before this."""

    stream_name: str
    key: TableKey
    state: dict[str, Any]


Item = PageRows | ReaderCheckpoint | ReaderFinished


class Permit:
    """The right to hold a page in memory; a large page takes more than one place."""

    def __init__(self, queue: PageQueue, places: int) -> None:
        self._queue = queue
        self._places = places
        self.is_passed_on = False
        """Whether the permit went along with rows; the main thread releases it then."""

    def pass_on(self) -> None:
        """Let the permit go along with rows."""
        self.is_passed_on = True

    def keep(self, places: int) -> None:
        """Give back the places above these."""
        spare = max(0, self._places - places)
        self._places -= spare
        if spare:
            self._queue.release(spare)

    def release(self) -> None:
        """Give the places back; a second call does nothing."""
        places, self._places = self._places, 0
        if places:
            self._queue.release(places)


class PageQueue:
    """A bounded queue, with permits for the pages in flight, that can be abandoned."""

    def __init__(self, pages_in_flight: int) -> None:
        self._all_places = self._free_places = pages_in_flight
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._has_place = threading.Condition(self._lock)
        self._has_room = threading.Condition(self._lock)
        self._has_item = threading.Condition(self._lock)
        # Held while a worker waits for places, so that small pages do not overtake a large one for
        # ever.
        self._entrance = threading.Lock()
        self._abandoned = threading.Event()
        self._failure: BaseException | None = None

    def acquire(self, places: int = 1) -> Permit:
        """Wait until a page may be fetched; raises SyncAbandonedError when nobody reads."""
        places = min(places, self._all_places)
        with self._entrance, self._has_place:
            self._has_place.wait_for(
                lambda: self._abandoned.is_set() or self._free_places >= places
            )
            self._raise_if_abandoned()
            self._free_places -= places
        return Permit(self, places)

    def release(self, places: int) -> None:
        """Give places back."""
        with self._has_place:
            self._free_places += places
            self._has_place.notify_all()

    def put(self, item: Item) -> None:
        """Wait for room and put an item; raises SyncAbandonedError when nobody reads."""
        with self._has_room:
            self._has_room.wait_for(
                lambda: self._abandoned.is_set() or len(self._items) < MOST_ITEMS
            )
            self._raise_if_abandoned()
            self._items.append(item)
            self._has_item.notify()

    def get(self) -> Item:
        """Wait for an item and take it; raises what a worker failed with."""
        with self._has_item:
            self._has_item.wait_for(lambda: bool(self._items) or self._failure is not None)
            if not self._items and self._failure is not None:
                raise self._failure
            item = self._items.popleft()
            self._has_room.notify()
        return item

    def fail(self, failure: BaseException) -> None:
        """Have `get` raise a worker's failure when the queue is empty."""
        with self._has_item:
            self._failure = failure
            self._has_item.notify()

    def abandon(self) -> None:
        """Throw away what is queued, and wake every worker that waits, so that it ends."""
        self._abandoned.set()
        with self._lock:
            self._items.clear()
            self._has_place.notify_all()
            self._has_room.notify_all()

    def sleep(self, seconds: float) -> None:
        """Sleep; raises SyncAbandonedError as soon as nobody reads."""
        if self._abandoned.wait(seconds):
            raise SyncAbandonedError

    def _raise_if_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise SyncAbandonedError


def places_of(size_bytes: int) -> int:
    """Give how many places a page of this size takes in flight."""
    return 1 + size_bytes // BYTES_OF_ONE_PLACE
