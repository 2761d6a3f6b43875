"""Pacing: how often Airtable may be asked, so that it never has to refuse.

Airtable allows 5 requests per second for each base and 50 per second for all requests of one
token's owner, and answers the one too many with 429, after which that base stays shut for 30
seconds, for everybody who uses it.
See https://airtable.com/developers/web/api/rate-limits
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from airbyte_cdk.sources.streams.call_rate import APIBudget

from source_airtable.api.error_body import is_monthly_quota, retry_after_seconds
from source_airtable.api.slots import Slot, Window, hold_in_this_thread, slot_of_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER: Final = logging.getLogger("airbyte.source_airtable")

REQUESTS_PER_SECOND_PER_BASE = 5
REQUESTS_PER_SECOND_PER_TOKEN = 50
PENALTY_SECONDS = 30.0

_BASE_ID_IN_PATH = re.compile(r"/v0/(?:meta/bases/|bases/)?(app[A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What Airtable allows for one base, and what is left of it."""

    seconds_per_request: float
    idle_share: float
    """How much of the last second's requests nobody made, from 0 to 1."""


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
        self._token = Window(REQUESTS_PER_SECOND_PER_TOKEN, REQUESTS_PER_SECOND_PER_TOKEN)
        self._bases: defaultdict[str, Window] = defaultdict(
            lambda: Window(requests_per_second_per_base, REQUESTS_PER_SECOND_PER_BASE)
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
        former = slot_of_this_thread()
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
                    hold_in_this_thread(Slot(windows, self._lock, self._clock, self._wait))
                    return
            self._wait(opening - now)

    def allowance(self, base_id: str) -> Allowance:
        """Tell how fast a base may be asked, and how much of that is not in use."""
        with self._lock:
            now, base = self._clock(), self._bases[base_id]
            idle_share = min(window.idle_share(now) for window in (self._token, base))
            return Allowance(base.seconds_per_request, idle_share)

    def update_from_response(self, request: Any, response: Any) -> None:  # noqa: ANN401 - the CDK's signature
        """After a 429, shut the base for what Airtable asks, at least 30 s.

        A request without a base shuts the token. The monthly quota shuts nothing: waiting does
        not bring it back.
        """
        slot = slot_of_this_thread()
        now = self._clock()
        departed_at = now if slot is None else slot.answer(now)
        seconds = now - departed_at
        self._longest_answer_seconds = max(self._longest_answer_seconds, seconds)
        windows = self._windows_of(request)
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or is_monthly_quota(response):
            with self._lock:
                for window in windows:
                    window.note_answer(seconds)
            return
        pause = max(PENALTY_SECONDS, retry_after_seconds(response) or 0.0)
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

    def _windows_of(self, request: Any) -> list[Window]:  # noqa: ANN401 - the CDK's signature
        in_base = _BASE_ID_IN_PATH.search(request.path_url)
        if not in_base:
            return [self._token]
        with self._lock:
            return [self._token, self._bases[in_base.group(1)]]
