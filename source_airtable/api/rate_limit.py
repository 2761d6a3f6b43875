"""Pacing: how often Airtable may be asked, so that it never has to refuse.

Airtable allows 5 requests per second for each base and 50 per second for all requests of one
token's owner, and answers the one too many with 429, after which that base stays shut for 30
seconds, for everybody who uses it.
See https://airtable.com/developers/web/api/rate-limits
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict, deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.call_rate import APIBudget

from source_airtable.api.error_body import is_monthly_quota, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTS_PER_SECOND_PER_BASE = 5
REQUESTS_PER_SECOND_PER_TOKEN = 50
PENALTY_SECONDS = 30.0

# Airtable's second is counted where requests arrive, ours where they leave. A tenth of a second
# more absorbs the jitter of the way between: with 1.05 s some requests in a thousand were refused,
# with 1.1 s none (`make bench`).
WINDOW_SECONDS = 1.1

_BASE_ID_IN_PATH = re.compile(r"/v0/(?:meta/bases/|bases/)?(app[A-Za-z0-9]+)")


class _Window:
    """The latest requests that were let through, and until when none may pass."""

    def __init__(self, requests_per_window: int) -> None:
        self._let_through: deque[float] = deque(maxlen=requests_per_window)
        self.shut_until = 0.0

    def next_opening(self) -> float:
        """Give the first moment (clock's seconds) at which one more request fits."""
        full = len(self._let_through) == self._let_through.maxlen
        return max(self.shut_until, self._let_through[0] + WINDOW_SECONDS if full else 0.0)

    def let_through(self, moment: float) -> None:
        self._let_through.append(moment)


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
        self._token = _Window(REQUESTS_PER_SECOND_PER_TOKEN)
        self._bases: defaultdict[str, _Window] = defaultdict(
            lambda: _Window(requests_per_second_per_base)
        )
        self.calls = 0
        self.refusals = 0
        self.waited_seconds = 0.0

    def acquire_call(
        self,
        request: Any,  # noqa: ANN401 - the CDK's signature
        block: bool = True,  # noqa: FBT001, FBT002, ARG002 - the CDK's signature
        timeout: float | None = None,  # noqa: ARG002 - the CDK's signature
    ) -> None:
        """Return when the request may leave; after a 429 of its base, not before 30 s are over."""
        windows = self._windows_of(request)
        while True:
            with self._lock:
                now = self._clock()
                opening = max(window.next_opening() for window in windows)
                if opening <= now:
                    for window in windows:
                        window.let_through(now)
                    self.calls += 1
                    return
            self._sleep(opening - now)
            with self._lock:
                self.waited_seconds += opening - now

    def update_from_response(self, request: Any, response: Any) -> None:  # noqa: ANN401 - the CDK's signature
        """After a 429, shut the base for what Airtable asks, at least 30 s.

        A request without a base shuts the token. The monthly quota shuts nothing: waiting does
        not bring it back.
        """
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or is_monthly_quota(response):
            return
        pause = max(PENALTY_SECONDS, retry_after_seconds(response) or 0.0)
        window = self._windows_of(request)[-1]
        with self._lock:
            self.refusals += 1
            window.shut_until = max(window.shut_until, self._clock() + pause)

    def _windows_of(self, request: Any) -> list[_Window]:  # noqa: ANN401 - the CDK's signature
        in_base = _BASE_ID_IN_PATH.search(request.path_url)
        if not in_base:
            return [self._token]
        with self._lock:
            return [self._token, self._bases[in_base.group(1)]]
