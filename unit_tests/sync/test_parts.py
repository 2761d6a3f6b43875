"""When a scan goes over to parts, how large they are, and how threads share them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.api.rate_limit import Allowance
from source_airtable.changes.parts import UNITS, TablePart
from source_airtable.errors import AccessDeniedError, ContractError
from source_airtable.sync.page_queue import SyncAbandonedError
from source_airtable.sync.parts import (
    LEAST_REMAINDER,
    MOST_THREADS,
    PAGES_BEFORE,
    RESUMED_PAGES_BEFORE,
    RESUMED_TRIAL_PAGES,
    Occasion,
    PageFacts,
    PartsGivenUpError,
    PartsReading,
    Trial,
    TurnToParts,
    Units,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACE = 0.22
SLOW, FAST = 0.8, 0.02
LONGEST_WAIT = 20.0
"""Seconds after which a reading hangs; only a failing test waits for them."""


def a_page(seconds: float = SLOW, records: int = 100, *, has_more: bool = True) -> PageFacts:
    """A page."""
    return PageFacts(records, has_more, seconds)


def idle(share: float = 0.8) -> Callable[[], Allowance]:
    """An allowance of which so much is not in use."""
    return lambda: Allowance(PACE, share)


def an_occasion(*seconds: float, idle_share: float = 0.8) -> Occasion:
    """What a scan has seen after pages that took so long."""
    occasion = Occasion(idle(idle_share))
    for one in seconds:
        occasion.note(a_page(one))
    return occasion


# When


@pytest.mark.parametrize(
    ("seconds", "idle_share", "expected"),
    [
        ([SLOW] * PAGES_BEFORE, 0.8, True),
        ([SLOW] * (PAGES_BEFORE - 1), 0.8, False),
        ([FAST] * PAGES_BEFORE, 0.8, False),
        ([SLOW] * PAGES_BEFORE, 0.0, False),
        ([0.3] * PAGES_BEFORE, 0.2, True),
        ([0.23] * PAGES_BEFORE, 0.2, False),
        ([FAST] * 5 + [SLOW] * PAGES_BEFORE, 0.8, True),
        ([], 0.8, False),
    ],
    ids=["slow", "few pages", "fast", "siblings", "300 ms", "no gain", "slow of late", "no page"],
)
def test_occasion(seconds: list[float], idle_share: float, *, expected: bool) -> None:
    """Parts are worth it where slow answers, and no other table, leave the allowance idle."""
    assert an_occasion(*seconds, idle_share=idle_share).is_idle is expected


def test_idle_moment() -> None:
    """One page at which other tables filled the allowance is enough to wait."""
    shares = iter([0.8, 0.0, 0.8, 0.8, 0.8])
    occasion = Occasion(lambda: Allowance(PACE, next(shares)))
    for _ in range(PAGES_BEFORE):
        occasion.note(a_page())

    assert not occasion.is_idle


def a_trial(
    pages_before: int = PAGES_BEFORE, plain: float = SLOW, idle_share: float = 0.8
) -> Trial:
    """A trial behind pages of one scan."""
    return Trial(an_occasion(*[plain] * pages_before, idle_share=idle_share), idle(idle_share))


def decides(trial: Trial, *pages: PageFacts) -> list[bool | str]:
    """What a trial says of each page."""
    said: list[bool | str] = []
    for page in pages:
        try:
            said.append(trial.is_decided(page))
        except PartsGivenUpError as reason:  # noqa: PERF203 - what each page says
            said.append(str(reason))
    return said


def test_trial_of_a_large_table() -> None:
    """A first part that has a second page is one of a large table."""
    assert decides(a_trial(), a_page()) == [True]


def test_trial_of_a_small_table() -> None:
    """A first part of one page is not."""
    assert decides(a_trial(), a_page(has_more=False)) == ["the table is not large enough"]


def test_trial_of_a_scan_that_is_far() -> None:
    """The more a scan has read, the more the table has to have."""
    trial = a_trial(pages_before=2 * len(UNITS) // LEAST_REMAINDER + 1)

    assert decides(trial, a_page(), a_page(), a_page()) == [False, False, True]


def test_trial_of_a_read_to_resume() -> None:
    """Without idle allowance, parts are read in large tables only, one after the other."""
    trial = a_trial(plain=FAST)
    pages = [a_page(FAST)] * RESUMED_TRIAL_PAGES

    assert decides(trial, *pages) == [False] * (RESUMED_TRIAL_PAGES - 1) + [True]


@pytest.mark.parametrize(
    ("plain", "filtered", "is_slow"),
    [
        (SLOW, SLOW, False),
        (SLOW, 0.85 * MOST_THREADS * SLOW, False),
        (SLOW, 0.95 * MOST_THREADS * SLOW, True),
        (FAST, 1.05 * MOST_THREADS * PACE, False),
        (FAST, 1.2 * MOST_THREADS * PACE, True),
    ],
)
def test_trial_of_a_slow_filter(plain: float, filtered: float, *, is_slow: bool) -> None:
    """A filter that costs more than all threads together gain is not used."""
    last = decides(a_trial(plain=plain), *[a_page(filtered)] * RESUMED_TRIAL_PAGES)[-1]

    assert (last == "Airtable's answers take too long with a filter") is is_slow


# How large


def read_all(units: Units, records_of_unit: int, threads: int = 1) -> list[TablePart]:
    """Take and finish parts until none is left, so many at a time."""
    parts, open_shares = [], []
    while True:
        share = units.take(threads)
        if share is not None:
            parts.append(share.part)
            open_shares.append(share)
        if open_shares and (share is None or len(open_shares) == threads):
            done = open_shares.pop(0)
            units.finish(done, records_of_unit * len(done.units))
        elif share is None:
            return parts


def test_first_part_is_the_smallest() -> None:
    """As long as the table's size is unknown, each thread reads one unit."""
    units = Units()
    shares = [units.take(3) for _ in range(3)]

    assert [share and share.part for share in shares] == [TablePart(one) for one in UNITS[:3]]


def test_last_part_is_the_rest() -> None:
    """The last part is what all others leave."""
    *others, last = read_all(Units(), 300)

    assert not any(part.is_rest for part in others)
    assert last == TablePart("".join(part.characters for part in others), is_rest=True)


@pytest.mark.parametrize(
    ("records_of_unit", "threads", "parts"),
    [(322, 1, 4), (322, 3, 6), (322, 6, 12), (16_000, 3, 31), (0, 1, 2)],
    ids=["10,000", "10,000 by three", "10,000 by six", "500,000", "empty"],
)
def test_sizes(records_of_unit: int, threads: int, parts: int) -> None:
    """Parts hold about 4,000 records, and as many for one thread as for the other."""
    assert len(read_all(Units(), records_of_unit, threads)) == parts


@given(
    read=st.sets(st.sampled_from(UNITS)),
    records=st.integers(0, 20_000),
    threads=st.integers(1, 8),
    part_records=st.integers(1, 5_000),
)
def test_all_units_once(read: set[str], records: int, threads: int, part_records: int) -> None:
    """Whatever the sizes are, each unit that is not read is handed out once."""
    units = Units(tuple(sorted(read)), part_records)
    parts = read_all(units, records, threads)

    assert sorted(units.read) == sorted(UNITS)
    taken = "".join(part.characters for part in parts if not part.is_rest)
    assert len(set(taken)) == len(taken)
    assert [part.is_rest for part in parts] == [False] * (len(parts) - 1) + [True] * bool(parts)


# Side by side


class ToyScan:
    """A scan that reads parts of some pages, and notes who reads what."""

    label = "a"

    def __init__(self, pages: int = 3, *, can_resume: bool = False) -> None:
        self.can_resume = can_resume
        self.parts: list[TablePart] = []
        self.saved: list[tuple[str, ...]] = []
        self.threads: set[str] = set()
        self.most_at_once = 0
        self.failures: dict[int, Exception] = {}
        """What the n-th part fails with, at its second page."""
        self.seconds = SLOW
        self._pages = pages
        self._at_once = 0
        self._lock = threading.Lock()
        self._meeting = threading.Condition(self._lock)

    def read_part(self, part: TablePart, after_page: Callable[[PageFacts], None]) -> int:
        """Read pages, each of which lets other threads come."""
        with self._lock:
            number = len(self.parts)
            self.parts.append(part)
            self.threads.add(threading.current_thread().name)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._meeting.notify_all()
        try:
            for page in range(self._pages):
                if page == 1 and number in self.failures:
                    raise self.failures[number]
                after_page(a_page(self.seconds, has_more=page < self._pages - 1))
        finally:
            with self._lock:
                self._at_once -= 1
        return 100 * self._pages

    def wait_for(self, count: int) -> None:
        """Wait until so many parts are being read."""
        with self._lock:
            assert self._meeting.wait_for(lambda: self.most_at_once >= count, LONGEST_WAIT)

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Note what is saved."""
        self.saved.append(units)


def run(
    scan: ToyScan,
    idle_share: float = 0.8,
    *,
    read: Sequence[str] = (),
    trial: Trial | None = None,
) -> PartsReading:
    """Read in parts, bounded in time."""
    reading = PartsReading(scan, idle(idle_share), read=tuple(read), trial=trial)
    failures: list[BaseException] = []

    def read_on() -> None:
        try:
            reading.run()
        except BaseException as failure:  # noqa: BLE001 - raised again
            failures.append(failure)

    thread = threading.Thread(target=read_on, daemon=True)
    thread.start()
    thread.join(LONGEST_WAIT)
    assert not thread.is_alive(), "the reading hangs"
    if failures:
        raise failures[0]
    return reading


def test_one_thread_without_idle_allowance() -> None:
    """Where the allowance is in use, the parts are read one after the other."""
    scan = ToyScan()
    reading = run(scan, idle_share=0.0)

    assert reading.why_given_up is None
    assert len(scan.threads) == scan.most_at_once == 1
    assert scan.parts[-1].is_rest


def test_threads_come_as_long_as_allowance_is_idle() -> None:
    """With idle allowance, other threads read parts at the same time, and never too many."""
    scan = ToyScan(pages=20)
    usual = scan.read_part

    def read_part(part: TablePart, after_page: Callable[[PageFacts], None]) -> int:
        def after(page: PageFacts) -> None:
            after_page(page)
            scan.wait_for(2)

        # The first part waits until another thread has come; the others would wait for ever.
        return usual(part, after_page if scan.parts else after)

    scan.read_part = read_part  # type: ignore[method-assign]  # what it does besides
    run(scan)

    assert 2 <= scan.most_at_once <= MOST_THREADS


def test_what_is_read_is_saved() -> None:
    """After each part, the units that are read are saved, and none is taken back."""
    scan = ToyScan()
    run(scan, read=UNITS[:4])

    assert set(scan.saved[-1]) == set(UNITS)
    assert all(set(UNITS[:4]) < set(one) for one in scan.saved)
    assert [len(one) for one in scan.saved] == sorted({len(one) for one in scan.saved})


def test_nothing_is_left() -> None:
    """Where all units are read, the last of them was the rest, and so is the table."""
    scan = ToyScan()

    assert (run(scan, read=UNITS).why_given_up, scan.parts) == (None, [])


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (PartsGivenUpError("it is ignored"), "it is ignored"),
        (ContractError(status=422), "Airtable does not answer with a filter (ContractError)"),
    ],
)
@pytest.mark.parametrize("number", [0, 3])
def test_given_up(failure: Exception, reason: str, number: int) -> None:
    """A filter that is ignored or refused, in whichever part, ends all of them."""
    scan = ToyScan()
    scan.failures[number] = failure

    assert run(scan).why_given_up == reason
    assert len(scan.parts) < len(UNITS)


def test_failure_in_a_trial() -> None:
    """A failure of the first part is the one scan's business."""
    scan = ToyScan()
    trial = a_trial(pages_before=50)
    scan.failures[0] = AccessDeniedError(status=403)

    reason = "Airtable does not answer with a filter (AccessDeniedError)"
    assert run(scan, trial=trial).why_given_up == reason
    assert len(scan.parts) == 1


@pytest.mark.parametrize(
    "failure", [AccessDeniedError(status=403), SyncAbandonedError(), KeyError("ours")]
)
@pytest.mark.parametrize("number", [0, 4])
def test_failure(failure: Exception, number: int) -> None:
    """Another failure ends all threads, and is raised."""
    scan = ToyScan()
    scan.failures[number] = failure

    with pytest.raises(type(failure)):
        run(scan)


def test_small_table_is_tried_once() -> None:
    """A scan whose table is too small tries no second time."""
    scan = ToyScan(pages=1)
    turn = TurnToParts(scan, idle(), is_allowed=True)
    due = [turn.is_due(a_page()) for _ in range(PAGES_BEFORE)]

    assert due == [False] * (PAGES_BEFORE - 1) + [True]
    assert not turn.read()
    assert not turn.is_due(a_page())
    assert not turn.read()
    assert (len(scan.parts), scan.saved) == (1, [()])


def test_setting() -> None:
    """Without the setting, a table is read in one scan, and so is what a sync left of it."""
    scan = ToyScan(can_resume=True)
    turn = TurnToParts(scan, idle(), is_allowed=False)

    assert not any(turn.is_due(a_page()) for _ in range(9))
    assert not turn.read(TablePart("01", is_rest=True))
    assert scan.parts == []


def test_read_that_can_be_resumed() -> None:
    """A first incremental sync goes over to parts, however fast the answers are."""
    turn = TurnToParts(ToyScan(can_resume=True), idle(0.0), is_allowed=True)
    due = [turn.is_due(a_page(FAST)) for _ in range(RESUMED_PAGES_BEFORE)]

    assert due == [False] * (RESUMED_PAGES_BEFORE - 1) + [True]


def test_last_page() -> None:
    """Behind the last page nothing is to be gained."""
    turn = TurnToParts(ToyScan(can_resume=True), idle(), is_allowed=True)
    for _ in range(PAGES_BEFORE):
        turn.is_due(a_page())

    assert not turn.is_due(a_page(has_more=False))


def test_going_on() -> None:
    """What an earlier sync has left is read in parts without a trial."""
    scan = ToyScan(can_resume=True)

    assert TurnToParts(scan, idle(), is_allowed=True).read(TablePart("01aA", is_rest=True))
    assert {"01", "aA"}.isdisjoint(part.characters for part in scan.parts)
