"""Slots: a request's place in a window of time, which begins when the request's bytes have left.

Not when its thread gets the permission: opening a connection takes two to three round trips, and a
busy processor takes its time. So a slot is held without an end until its request departs
(`paced_connection.py`), and is free again a window after that.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Airtable's second is counted where requests arrive, ours where they depart. Departures are dated
# after the bytes are sent, so that delays of our own only widen the gap between two requests. What
# is left is how differently long two requests are on their way: a tenth of a second more than
# Airtable's second absorbs it, unless an answer comes late. Then its request may have arrived late,
# too, and its slot is free so much later. `make bench` shows both: the rows `distance-…` and
# `many-bases` need the tenth, `busy-…` and `many-bases-tls` had requests arrive 0.12 s late.
WINDOW_SECONDS = 1.1
AIRTABLE_WINDOW_SECONDS = 1.02
"""Airtable's second, and what clocks and their readings may differ by."""
# Answers vary for other reasons, too, so that more would cost more than it saves.
MOST_LATENESS_SECONDS = 0.3
# So many answers say what is usual; the quickest of them is no later than it has to be.
USUAL_ANSWERS = 20
# A network with more jitter than that shows by a 429; each one that we may have caused adds this.
WIDENING_SECONDS = 0.4
MOST_WIDENINGS = 3


@dataclass(slots=True)
class Departure:
    """A request that has left; moments of the budget's clock."""

    moment: float
    answered_at: float | None = None


class Window:
    """The requests of one base, or of the token: those under way, and the latest that departed.

    Its callers hold the budget's lock.
    """

    def __init__(self, requests_per_window: int, airtable_limit: int) -> None:
        self._requests_per_window = requests_per_window
        self._airtable_limit = airtable_limit
        self._taken = 0
        """Slots of requests that have not departed."""
        # More than the widest window can hold.
        self._departures: deque[Departure] = deque(maxlen=4 * airtable_limit)
        self._answer_seconds: deque[float] = deque(maxlen=USUAL_ANSWERS)
        self._widenings = 0
        self._refused_at = 0.0
        self.shut_until = 0.0

    def next_opening(self, now: float) -> float:
        """Give the earliest moment at which one more slot may be free."""
        room = self._requests_per_window - self._taken
        if room <= 0:
            # No request has departed before now.
            return max(self.shut_until, now + self._seconds())
        endings = sorted(self._end_of(departure, now) for departure in self._departures)
        return max(self.shut_until, endings[-room] if len(endings) >= room else 0.0)

    def take(self) -> None:
        """Hold a slot."""
        self._taken += 1

    def give_back(self) -> None:
        """Free a slot at once."""
        self._taken -= 1

    def depart(self, departure: Departure) -> None:
        """Have a slot end a window from now."""
        self._taken -= 1
        self._departures.append(departure)

    def note_answer(self, seconds: float) -> None:
        """Note how long an answer took that was no 429: those are quicker than usual."""
        self._answer_seconds.append(seconds)

    @property
    def seconds_per_request(self) -> float:
        """The pace at which requests may follow one another."""
        return max(self._seconds(), AIRTABLE_WINDOW_SECONDS) / self._requests_per_window

    def idle_share(self, now: float) -> float:
        """Give how much of the allowance of the last window is not in use: from 0 to 1."""
        if self.shut_until > now:
            return 0.0
        begin = now - self._seconds()
        used = self._taken + sum(departure.moment > begin for departure in self._departures)
        return max(0.0, 1 - used / self._requests_per_window)

    def _seconds(self, lateness: float = 0.0) -> float:
        window = max(WINDOW_SECONDS, AIRTABLE_WINDOW_SECONDS + lateness) if WINDOW_SECONDS else 0.0
        return window + self._widenings * WIDENING_SECONDS

    def _end_of(self, departure: Departure, now: float) -> float:
        """Give when the slot of a departed request is free again, as far as is known by now."""
        waited = (
            now if departure.answered_at is None else departure.answered_at
        ) - departure.moment
        lateness = waited - min(self._answer_seconds, default=waited)
        return departure.moment + self._seconds(min(lateness, MOST_LATENESS_SECONDS))

    def learn_from_429(self, departed_at: float, now: float, longest_answer_seconds: float) -> None:
        """Widen the window if our requests alone may have caused a 429.

        They may if one more than Airtable allows departed within the window and the time by which
        their ways can differ, which is less than the longest answer took. A request that was under
        way at an earlier 429 was refused for the same cause, and teaches nothing.
        """
        if departed_at < self._refused_at:
            return
        self._refused_at = now
        earliest = departed_at - self._seconds() - longest_answer_seconds
        sent = sum(departure.moment >= earliest for departure in self._departures)
        if sent > self._airtable_limit:
            self._widenings = min(self._widenings + 1, MOST_WIDENINGS)


class Slot:
    """The place of one request in the windows of its base and of its token.

    It is held from the permission on, has no end until the request departs, and is free again a
    window after that.
    """

    def __init__(
        self,
        windows: list[Window],
        lock: threading.Lock,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        self._windows = windows
        self._lock = lock
        self._clock = clock
        self._sleep = sleep
        self._is_held = True
        self._departure: Departure | None = None

    def wait_while_shut(self) -> bool:
        """Return when no 429 holds the request up, and tell whether that took a while."""
        has_waited = False
        while True:
            with self._lock:
                seconds = max(window.shut_until for window in self._windows) - self._clock()
            if seconds <= 0:
                return has_waited
            self._sleep(seconds)
            has_waited = True

    def depart(self) -> None:
        """Date the request: its bytes have left, or some of them may have."""
        with self._lock:
            if self._is_held:
                self._is_held = False
                self._departure = Departure(self._clock())
                for window in self._windows:
                    window.depart(self._departure)

    def answer(self, now: float) -> float:
        """Note that the request is answered, and give when it departed."""
        self.depart()  # held only if the request was sent past `paced_connection.py`
        with self._lock:
            departure = self._departure
            if departure is None:
                return now
            if departure.answered_at is None:
                departure.answered_at = now
            return min(departure.moment, now)

    def give_back(self) -> None:
        """Free a slot whose request was not sent."""
        with self._lock:
            if self._is_held:
                self._is_held = False
                for window in self._windows:
                    window.give_back()


class _ThreadSlot(threading.local):
    # urllib3 hands nothing of a request down to the connection that sends it. But one thread does
    # it all, from the permission to the answer.
    slot: Slot | None = None


_THREAD: Final = _ThreadSlot()


def slot_of_this_thread() -> Slot | None:
    """Give the slot of the request that this thread is sending."""
    return _THREAD.slot


def hold_in_this_thread(slot: Slot | None) -> None:
    """Say which slot this thread's next request is sent with."""
    _THREAD.slot = slot


def leave_slot_of_this_thread() -> None:
    """End what this thread is sending; a slot is free again at once if nothing was sent."""
    slot, _THREAD.slot = _THREAD.slot, None
    if slot is not None:
        slot.give_back()
