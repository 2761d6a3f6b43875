"""Reads a large table in parts, side by side, while Airtable's answers are slow.

One scan asks for a page when it has the one before, so it makes at most one request in the time of
an answer. Several threads, each with a part of the table, use the rest of the base's allowance. The
parts also tell how far a table is read, so that its first incremental sync can be resumed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, Protocol

from source_airtable.changes.parts import UNITS, TablePart, join_units, split_units
from source_airtable.errors import AirtableError, is_unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from source_airtable.api.rate_limit import Allowance

LOGGER = logging.getLogger("airbyte.source_airtable")

PAGES_BEFORE = 2
"""Pages that one scan reads before it may go over to parts."""
RESUMED_PAGES_BEFORE = 5
"""The same where parts are not faster: a small table does not pay for what a large one gains."""
MOST_THREADS = 8
"""Parts of one table that are read at the same time."""
PART_RECORDS = 4_000
"""About how many records a part has. Each part costs half a page more than its records need."""
RESUMED_PART_RECORDS = 2_000
"""The same where the next sync would have to read again the parts that are not finished."""
LEAST_IDLE_SHARE = 0.2
"""How much of the base's allowance is left unused where parts are faster: a request a second."""
LEAST_GAIN = 0.1
"""How much faster parts have to be, as a share of the time that one scan takes."""
LEAST_REMAINDER = 5
"""A table must have about this many times the pages that are read already."""
RESUMED_TRIAL_PAGES = 5
"""Pages of the smallest part in a table whose read is worth resuming: 15,000 records."""


class PageFacts(NamedTuple):
    """What is known of a page when its rows are on the queue."""

    records: int
    has_more: bool
    """Whether another page follows."""
    answer_seconds: float


class PartsScan(Protocol):
    """The scan whose table is read in parts; threads may share it."""

    def read_part(self, part: TablePart, after_page: Callable[[PageFacts], None]) -> int:
        """Read a part to its end, and give the number of its records.

        Raises PartsGivenUpError if Airtable ignores the filter.
        """

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Take in which units are read, and save them for the next sync."""

    @property
    def label(self) -> str:
        """How the log names the stream."""

    @property
    def can_resume(self) -> bool:
        """Whether the next sync can go on with the parts that this one does not read."""


class TurnToParts:
    """Decides when a scan goes over to parts, which it does once at most."""

    def __init__(
        self, scan: PartsScan, allowance: Callable[[], Allowance], *, is_allowed: bool
    ) -> None:
        self._scan = scan
        self._allowance = allowance
        self._occasion = Occasion(allowance)
        self.is_allowed = is_allowed

    def is_due(self, page: PageFacts) -> bool:
        """Tell, behind a page, whether parts may be faster, or let the next sync go on."""
        # Empty pages may have no end, and say nothing of how large the table is.
        if not self.is_allowed or not page.has_more or not page.records:
            return False
        self._occasion.note(page)
        if self._scan.can_resume and self._occasion.pages >= RESUMED_PAGES_BEFORE:
            return True
        return self._occasion.is_idle

    def read(self, missing: TablePart | None = None) -> bool:
        """Read the table, or what an earlier sync has left of it; tell whether all is read."""
        if not self.is_allowed:
            return False
        self.is_allowed = False
        reading = PartsReading(
            self._scan,
            self._allowance,
            read=split_units(missing.characters) if missing else (),
            trial=None if missing else Trial(self._occasion, self._allowance),
        )
        reading.run()
        if reading.why_given_up is None:
            return True
        LOGGER.info("Stream %s: one scan goes on: %s.", self._scan.label, reading.why_given_up)
        self._scan.note_read_parts(())
        return False


class PartsGivenUpError(Exception):
    """One scan is better than parts; the text says why."""


class _OverError(Exception):
    """Another thread has failed or given up."""


class Occasion:
    """Watches the pages of one scan, and knows when parts may be faster."""

    def __init__(self, allowance: Callable[[], Allowance]) -> None:
        self._allowance = allowance
        self._latest: deque[tuple[float, float]] = deque(maxlen=PAGES_BEFORE)
        """The seconds of each answer, and the share of the allowance that was idle then."""
        self.pages = 0

    def note(self, page: PageFacts) -> None:
        """Note a page that another one follows."""
        self.pages += 1
        self._latest.append((page.answer_seconds, self._allowance().idle_share))

    @property
    def answer_seconds(self) -> float:
        """How long an answer took on the last pages."""
        return sum(seconds for seconds, _ in self._latest) / max(1, len(self._latest))

    @property
    def is_idle(self) -> bool:
        """Whether slow answers, and no other table, leave a part of the allowance idle."""
        if self.pages < PAGES_BEFORE or min(idle for _, idle in self._latest) < LEAST_IDLE_SHARE:
            return False
        return self._allowance().seconds_per_request < (1 - LEAST_GAIN) * self.answer_seconds


class Trial:
    """Reads the first part, and decides whether others follow.

    The part has a 31st of the records: its pages tell how large the table is, and what a filter
    costs.
    """

    def __init__(self, occasion: Occasion, allowance: Callable[[], Allowance]) -> None:
        is_idle = occasion.is_idle
        self._pages_wanted = (
            1 + LEAST_REMAINDER * occasion.pages // len(UNITS) if is_idle else RESUMED_TRIAL_PAGES
        )
        pace = allowance().seconds_per_request
        share = 1 - LEAST_GAIN if is_idle else 1 + LEAST_GAIN
        self._longest_seconds = share * MOST_THREADS * max(pace, occasion.answer_seconds)
        self._seconds: list[float] = []

    def is_decided(self, page: PageFacts) -> bool:
        """Look at a page; raises PartsGivenUpError where one scan is better."""
        self._seconds.append(page.answer_seconds)
        if not page.has_more:
            raise PartsGivenUpError("the table is not large enough")
        if len(self._seconds) < self._pages_wanted:
            return False
        if sum(self._seconds) / len(self._seconds) > self._longest_seconds:
            raise PartsGivenUpError("Airtable's answers take too long with a filter")
        return True


class Share(NamedTuple):
    """What a thread reads next."""

    units: tuple[str, ...]
    part: TablePart
    is_measured: bool
    """Whether its size was chosen by what is known of the table's."""


class Units:
    """Hands out the units of a table in parts of a similar size."""

    def __init__(self, read: tuple[str, ...] = (), part_records: int = PART_RECORDS) -> None:
        self._part_records = part_records
        self.read = read
        self.left = [unit for unit in UNITS if unit not in read]
        self._given = list(read)
        self._measured_units = self._records = 0
        self._large_parts = 0
        """Parts of a chosen size that are being read."""

    def take(self, threads: int) -> Share | None:
        """Give the next part to one of so many threads; None where nothing is left."""
        if not self.left:
            return None
        count, is_measured = 1, self._measured_units > 0
        if is_measured:
            units_of_part = self._part_records * self._measured_units // max(1, self._records)
            evenly = ceil(len(self.left) / max(1, threads - self._large_parts))
            count = max(1, min(units_of_part, evenly))
        self._large_parts += is_measured
        units, self.left = tuple(self.left[:count]), self.left[count:]
        part = (
            TablePart(join_units(units))
            if self.left
            else TablePart(join_units(self._given), is_rest=True)
        )
        self._given += units
        return Share(units, part, is_measured)

    def finish(self, share: Share, records: int) -> None:
        """Take in that a part is read."""
        self._large_parts -= share.is_measured
        self._measured_units += len(share.units)
        self._records += records
        self.read += share.units


class PartsReading:
    """Reads all parts of a table that are not read yet."""

    def __init__(
        self,
        scan: PartsScan,
        allowance: Callable[[], Allowance],
        *,
        read: tuple[str, ...] = (),
        trial: Trial | None = None,
    ) -> None:
        self._scan = scan
        self._allowance = allowance
        self._units = Units(read, RESUMED_PART_RECORDS if scan.can_resume else PART_RECORDS)
        self._trial = trial
        """None where it is decided that all parts are read."""
        self._executor = ThreadPoolExecutor(MOST_THREADS, "part")
        self._helpers: list[Future[None]] = []
        self._lock = threading.Lock()
        self._threads = 1
        self._pages_since_start = 0
        """Pages since the last threads were started."""
        self._is_over = False
        self.why_given_up: str | None = None
        """Why one scan has to read the table; None where the parts are all of it."""

    def run(self) -> None:
        """Read, and return when no thread reads any more; raises what one of them failed with."""
        with self._executor:
            self._read_on()
            while self._helpers:
                self._helpers.pop().result()

    def _read_on(self) -> None:
        try:
            while (share := self._take()) is not None:
                records = self._scan.read_part(share.part, self._after_page)
                with self._lock:
                    self._units.finish(share, records)
                    self._scan.note_read_parts(self._units.read)
        except _OverError:
            return
        except PartsGivenUpError as reason:
            self._give_up(str(reason))
        except AirtableError as failure:
            if self._trial is None and not is_unprocessable(failure):
                self._is_over = True
                raise
            # Where the parts are only tried, the scan goes on, and meets the failure if it lasts.
            self._give_up(f"Airtable does not answer with a filter ({type(failure).__name__})")
        except BaseException:
            self._is_over = True
            raise

    def _give_up(self, reason: str) -> None:
        self.why_given_up = reason
        self._is_over = True

    def _take(self) -> Share | None:
        with self._lock:
            return None if self._is_over else self._units.take(self._threads)

    def _after_page(self, page: PageFacts) -> None:
        """Decide whether to go on, and start more threads if the allowance has room for them."""
        if self._is_over:
            raise _OverError
        if self._trial is not None:
            if not self._trial.is_decided(page):
                return
            self._trial = None
        allowance = self._allowance()
        with self._lock:
            self._pages_since_start += 1
            if self._pages_since_start < self._threads or allowance.idle_share < LEAST_IDLE_SHARE:
                return
            # So many requests fit into the time of an answer; one more evens out the answers.
            fitting = allowance.idle_share * page.answer_seconds / allowance.seconds_per_request
            room = min(MOST_THREADS - self._threads, len(self._units.left))
            for _ in range(min(1 + ceil(fitting), room)):
                self._threads += 1
                self._pages_since_start = 0
                self._helpers.append(self._executor.submit(self._help))

    def _help(self) -> None:
        try:
            self._read_on()
        finally:
            with self._lock:
                self._threads -= 1
