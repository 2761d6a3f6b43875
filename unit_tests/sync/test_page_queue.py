"""The queue between workers and the main thread: bounded, and with an end for all who wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from source_airtable.sync.page_queue import (
    MOST_ITEMS,
    PageQueue,
    PageRows,
    ReaderFinished,
    SyncAbandonedError,
)
from unit_tests.builders import BASE, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_airtable.sync.page_queue import Item

SOON = 5.0
"""Seconds within which a thread has to end; only a failing test waits for them."""


def free_places(queue: PageQueue) -> int:
    """How many pages may be fetched now; to ask by waiting would take real time."""
    return queue._free_places  # noqa: SLF001


def an_item() -> PageRows:
    """Rows without a permit."""
    return PageRows([("contacts", [])])


class Worker:
    """A thread that does one thing and remembers how it ended."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - kept for the assertion
            self.failure = failure

    def ends(self) -> bool:
        """Whether it ends soon."""
        self._thread.join(timeout=SOON)
        return not self._thread.is_alive()


def test_items_leave_in_order() -> None:
    """What is put first leaves first."""
    queue = PageQueue(pages_in_flight=1)
    items: list[Item] = [an_item(), ReaderFinished("contacts", (BASE, TABLE)), an_item()]
    for item in items:
        queue.put(item)

    assert [queue.get() for _ in items] == items


def test_places() -> None:
    """As many pages may be in flight as the queue has places."""
    queue = PageQueue(pages_in_flight=2)
    permit = queue.acquire()
    assert free_places(queue) == 1

    permit.release()
    assert free_places(queue) == 2


def test_permit_is_released_once() -> None:
    """A second release of a permit gives nothing back."""
    queue = PageQueue(pages_in_flight=3)
    permit = queue.acquire(2)

    permit.release()
    permit.release()

    assert free_places(queue) == 3


def test_permit_that_goes_along() -> None:
    """A permit knows that it went along with rows, which does not release it."""
    queue = PageQueue(pages_in_flight=1)
    permit = queue.acquire()
    told = [permit.is_passed_on]

    permit.pass_on()
    told.append(permit.is_passed_on)

    assert (told, free_places(queue)) == ([False, True], 0)


def test_permit_is_waited_for() -> None:
    """A worker waits for a place until a page is written."""
    queue = PageQueue(pages_in_flight=1)
    permit = queue.acquire()
    worker = Worker(queue.acquire)

    permit.release()

    assert worker.ends()
    assert (worker.failure, free_places(queue)) == (None, 0)


def test_page_larger_than_the_queue() -> None:
    """A page that wants more places than there are gets all of them, and gives no more back."""
    queue = PageQueue(pages_in_flight=3)
    permit = queue.acquire(50)
    assert free_places(queue) == 0

    permit.release()
    assert free_places(queue) == 3


def test_small_pages_do_not_overtake_a_large_one() -> None:
    """Who waits for many places gets them before workers that come later."""
    queue = PageQueue(pages_in_flight=2)
    first = queue.acquire()
    order: list[str] = []
    large = Worker(lambda: order.append(f"large {queue.acquire(2) is not None}"))
    deadline = time.monotonic() + SOON
    while not queue._entrance.locked():  # noqa: SLF001 - the large one waits inside
        assert time.monotonic() < deadline
    small = Worker(lambda: order.append(f"small {queue.acquire() is not None}"))

    first.release()
    assert large.ends()
    queue.release(2)

    assert small.ends()
    assert order == ["large True", "small True"]


def test_bound() -> None:
    """A worker waits until the queue has room for another item."""
    queue = PageQueue(pages_in_flight=1)
    for _ in range(MOST_ITEMS):
        queue.put(an_item())
    last = ReaderFinished("contacts", (BASE, TABLE))
    worker = Worker(lambda: queue.put(last))

    items = [queue.get() for _ in range(MOST_ITEMS)]

    assert worker.ends()
    assert (worker.failure, len(items), queue.get()) == (None, MOST_ITEMS, last)


def test_item_is_waited_for() -> None:
    """The main thread waits for an item."""
    queue = PageQueue(pages_in_flight=1)
    taken: list[object] = []
    main = Worker(lambda: taken.append(queue.get()))
    item = an_item()

    queue.put(item)

    assert main.ends()
    assert taken == [item]


def test_failure_of_a_worker() -> None:
    """A worker's failure reaches the main thread that waits for an item."""
    queue = PageQueue(pages_in_flight=1)
    main = Worker(queue.get)
    failure = ValueError("of no scan")

    queue.fail(failure)

    assert main.ends()
    assert main.failure is failure


def test_failure_behind_items() -> None:
    """What was put before a worker failed is written first."""
    queue = PageQueue(pages_in_flight=1)
    item = an_item()
    queue.put(item)
    queue.fail(ValueError("of no scan"))

    assert queue.get() is item
    with pytest.raises(ValueError, match="of no scan"):
        queue.get()


def fill(queue: PageQueue) -> None:
    """Put items until the queue is abandoned."""
    while True:
        queue.put(an_item())


WAITS: list[Callable[[PageQueue], object]] = [
    fill,
    lambda queue: queue.acquire(),
    lambda queue: queue.acquire(9),
    lambda queue: queue.sleep(3_600.0),
]


@pytest.mark.parametrize("wait", WAITS, ids=["put", "acquire", "acquire many", "sleep"])
def test_abandoned_workers(wait: Callable[[PageQueue], object]) -> None:
    """All workers that wait, for whatever, end when the sync is abandoned."""
    queue = PageQueue(pages_in_flight=1)
    queue.acquire()
    workers = [Worker(lambda: wait(queue)) for _ in range(8)]

    queue.abandon()

    assert all(worker.ends() for worker in workers)
    assert {type(worker.failure) for worker in workers} == {SyncAbandonedError}


@pytest.mark.parametrize(
    "use",
    [lambda queue: queue.put(an_item()), PageQueue.acquire, lambda queue: queue.sleep(0)],
    ids=["put", "acquire", "sleep"],
)
def test_abandoned_queue(use: Callable[[PageQueue], object]) -> None:
    """An abandoned queue takes nothing, gives no permit, and lets nobody sleep."""
    queue = PageQueue(pages_in_flight=1)
    queue.abandon()

    with pytest.raises(SyncAbandonedError):
        use(queue)


def test_abandoned_items() -> None:
    """An abandoned queue throws away what it holds."""
    queue = PageQueue(pages_in_flight=1)
    queue.put(an_item())

    queue.abandon()

    assert not queue._items  # noqa: SLF001 - to ask by waiting would take real time


def test_sleep() -> None:
    """A sleep ends by itself while the sync goes on."""
    worker = Worker(lambda: PageQueue(pages_in_flight=1).sleep(0.0))

    assert worker.ends()
    assert worker.failure is None


def test_kept_places() -> None:
    """A permit that needs fewer places than it took gives the others back at once."""
    queue = PageQueue(pages_in_flight=3)
    permit = queue.acquire(3)

    permit.keep(1)
    queue.acquire(2).release()
    permit.keep(2)
    permit.release()

    assert queue.acquire(3) is not None
