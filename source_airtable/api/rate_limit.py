"""Pacing: how often Airtable may be asked, so that it never has to refuse.

Airtable allows 5 requests per second for each base and 50 per second for all requests of one
token's owner, and answers the one too many with 429, after which that base stays shut for 30
seconds, for everybody who uses it.
See https://airtable.com/developers/web/api/rate-limits

What counts is when a request's bytes leave, not when a thread gets its permission: opening a
connection takes round trips, and a busy processor takes its time. So a request takes a slot of its
base and of its token, and a window of time begins only when it departs (`paced_connection.py`).
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict, deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from airbyte_cdk.sources.streams.call_rate import APIBudget

from source_airtable.api.error_body import is_monthly_quota, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER: Final = logging.getLogger("airbyte.source_airtable")

REQUESTS_PER_SECOND_PER_BASE = 5
REQUESTS_PER_SECOND_PER_TOKEN = 50
PENALTY_SECONDS = 30.0

# Airtable's second is counted where requests arrive, ours where they depart. Departures are dated
# after the bytes are sent, so that delays of our own only widen the gap between two requests. What
# is left is how differently long the network takes for two requests: a tenth of a second more than
# Airtable's second absorbs it (`make bench`, rows `distance-…`, `busy-…` and `container-…`).
WINDOW_SECONDS = 1.1
# A network with more jitter than that shows by a 429; each one that we may have caused adds this.
WIDENING_SECONDS = 0.4
MOST_WIDENINGS = 3

_BASE_ID_IN_PATH = re.compile(r"/v0/(?:meta/bases/|bases/)?(app[A-Za-z0-9]+)")


class _Window:
    """The requests of one base, or of the token: those under way, and the latest that departed."""

    def __init__(self, requests_per_window: int, airtable_limit: int) -> None:
        self._requests_per_window = requests_per_window
        self._taken = 0
        """Slots of requests that have not departed."""
        # So many within a second, one above Airtable's limit, cause a 429.
        self._departures: deque[float] = deque(maxlen=airtable_limit + 1)
        self._widenings = 0
        self._refused_at = 0.0
        self.shut_until = 0.0

    @property
    def seconds(self) -> float:
        return WINDOW_SECONDS + self._widenings * WIDENING_SECONDS

    def next_opening(self, now: float) -> float:
        """Give the earliest moment at which one more slot may be free."""
        departures_left = self._requests_per_window - self._taken
        if departures_left <= 0:
            # No request has departed before now.
            return max(self.shut_until, now + self.seconds)
        if len(self._departures) < departures_left:
            return self.shut_until
        return max(self.shut_until, self._departures[-departures_left] + self.seconds)

    def take(self) -> None:
        self._taken += 1

    def give_back(self) -> None:
        self._taken -= 1

    def depart(self, moment: float) -> None:
        self._taken -= 1
        self._departures.append(moment)

    def learn_from_429(self, departed_at: float, now: float, longest_answer_seconds: float) -> None:
        """Widen the window if our requests alone may have caused a 429.

        They may if one more than Airtable allows departed within the window and the time by which
        their ways can differ, which is less than the longest answer took. A request that was under
        way at an earlier 429 was refused for the same cause, and teaches nothing.
        """
        if departed_at < self._refused_at:
            return
        self._refused_at = now
        is_full = len(self._departures) == self._departures.maxlen
        if is_full and departed_at - self._departures[0] <= self.seconds + longest_answer_seconds:
            self._widenings = min(self._widenings + 1, MOST_WIDENINGS)


class Slot:
    """The place of one request in the windows of its base and of its token.

    It is held from the permission on, has no end until the request departs, and is free again a
    window after that.
    """

    def __init__(
        self,
        windows: list[_Window],
        lock: threading.Lock,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        self._windows = windows
        self._lock = lock
        self._clock = clock
        self._sleep = sleep
        self._is_held = True
        self.departed_at: float | None = None

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
                self.departed_at = self._clock()
                for window in self._windows:
                    window.depart(self.departed_at)

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


def leave_slot_of_this_thread() -> None:
    """End what this thread is sending; a slot is free again at once if nothing was sent."""
    slot, _THREAD.slot = _THREAD.slot, None
    if slot is not None:
        slot.give_back()


class AirtableBudget(APIBudget):
    """Lets a request go when both its base's and the token's allowance have room.

    The CDK's stock policies cannot say this: a budget applies only the first policy that matches,
    and after a 429 it waits one window instead of what Airtable asks for. Its session calls this
    class for every request, retries included, so that nothing passes uncounted.

    Units: seconds of the given clock. `sleep` may raise, as it does when a sync is abandoned.
    """

    def __init__(
        self,
        requests_per_second_per_base: int = REQUESTS_PER_SECOND_PER_BASE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__(policies=[])
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._token = _Window(REQUESTS_PER_SECOND_PER_TOKEN, REQUESTS_PER_SECOND_PER_TOKEN)
        self._bases: defaultdict[str, _Window] = defaultdict(
            lambda: _Window(requests_per_second_per_base, REQUESTS_PER_SECOND_PER_BASE)
        )
        self._warned: set[str] = set()
        self._longest_answer_seconds = 0.0
        self.calls = 0
        self.refusals = 0
        self.waited_seconds = 0.0

    def acquire_call(
        self,
        request: Any,  # noqa: ANN401 - the CDK's signature
        block: bool = True,  # noqa: FBT001, FBT002, ARG002 - the CDK's signature
        timeout: float | None = None,  # noqa: ARG002 - the CDK's signature
    ) -> None:
        """Take a slot for the request, as soon as there is one, for this thread to send it."""
        former = _THREAD.slot
        if former is not None:
            # Held only if the former request was sent past `paced_connection.py`.
            former.depart()
        windows = self._windows_of(request)
        while True:
            with self._lock:
                now = self._clock()
                opening = max(window.next_opening(now) for window in windows)
                if opening <= now:
                    for window in windows:
                        window.take()
                    self.calls += 1
                    _THREAD.slot = Slot(windows, self._lock, self._clock, self._wait)
                    return
            self._wait(opening - now)

    def update_from_response(self, request: Any, response: Any) -> None:  # noqa: ANN401 - the CDK's signature
        """After a 429, shut the base for what Airtable asks, at least 30 s.

        A request without a base shuts the token. The monthly quota shuts nothing: waiting does
        not bring it back.
        """
        slot = _THREAD.slot
        if slot is not None:
            slot.depart()  # held only if the request was sent past `paced_connection.py`
        now = self._clock()
        departed_at = slot.departed_at if slot is not None and slot.departed_at else now
        self._longest_answer_seconds = max(self._longest_answer_seconds, now - departed_at)
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or is_monthly_quota(response):
            return
        pause = max(PENALTY_SECONDS, retry_after_seconds(response) or 0.0)
        windows = self._windows_of(request)
        with self._lock:
            self.refusals += 1
            for window in windows:
                window.learn_from_429(departed_at, now, self._longest_answer_seconds)
            windows[-1].shut_until = max(windows[-1].shut_until, now + pause)
        self._warn_once(request, pause)

    def _warn_once(self, request: Any, pause: float) -> None:  # noqa: ANN401 - as the CDK has it
        in_base = _BASE_ID_IN_PATH.search(request.path_url)
        base_id = in_base.group(1) if in_base else ""
        with self._lock:
            if base_id in self._warned:
                return
            self._warned.add(base_id)
        if base_id:
            LOGGER.warning(
                "Airtable refused a request to base %s (429); the base answers nobody for %.0f "
                "seconds. If another integration uses this base, lower the setting "
                "requests_per_second_per_base.",
                base_id,
                pause,
            )
        else:
            LOGGER.warning(
                "Airtable refused a request (429); it answers none of this account's requests for "
                "%.0f seconds. Another integration may use the same account.",
                pause,
            )

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)
        with self._lock:
            self.waited_seconds += seconds

    def _windows_of(self, request: Any) -> list[_Window]:  # noqa: ANN401 - the CDK's signature
        in_base = _BASE_ID_IN_PATH.search(request.path_url)
        if not in_base:
            return [self._token]
        with self._lock:
            return [self._token, self._bases[in_base.group(1)]]
