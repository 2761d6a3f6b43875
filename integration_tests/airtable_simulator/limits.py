"""Airtable's rate limits, applied at the arrival of a request, and the monthly quota.

See: https://airtable.com/developers/web/api/rate-limits
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .settings import Settings

MOST_CSV_SYNCS: Final = 20
CSV_SYNC_WINDOW_SECONDS: Final = 300.0
"""Requests per window of seconds; https://airtable.com/developers/web/api/post-sync-api-endpoint"""


class Window:
    """The requests of the last second to one base or by one user, and the penalty."""

    def __init__(self) -> None:
        """Start with no request."""
        self.arrivals: deque[float] = deque()
        self.penalty_until = 0.0
        self.most_in_window = 0

    def admits(self, now: float, limit: int | None, settings: Settings) -> bool:
        """Whether a request is admitted. A refused one starts the penalty.

        A request counts together with those that arrived less than a window before it.
        """
        if now < self.penalty_until:
            if settings.penalty_is_prolonged:
                self.penalty_until = now + settings.penalty_seconds
            return False
        arrivals = self.arrivals
        while arrivals and now - arrivals[0] >= settings.window_seconds:
            arrivals.popleft()
        if limit is not None and len(arrivals) >= limit:
            self.penalty_until = now + settings.penalty_seconds
            return False
        arrivals.append(now)
        self.most_in_window = max(self.most_in_window, len(arrivals))
        return True


class Limits:
    """All windows and the calls of the month."""

    def __init__(self) -> None:
        """Start with no request."""
        self.bases: dict[str, Window] = {}
        self.users: dict[str, Window] = {}
        self.calls_this_month = 0
        self._csv_syncs: dict[str, deque[float]] = {}
        self._month: tuple[int, int] | None = None
        self._answers_429 = 0

    def refusal(self, now: float, base_id: str | None, user_id: str, settings: Settings) -> str:
        """The reason to refuse a request: ``token_limit``, ``base_limit`` or empty."""
        user = self.users.setdefault(user_id, Window())
        if not user.admits(now, settings.token_requests_per_second, settings):
            return "token_limit"
        if base_id is not None:
            base = self.bases.setdefault(base_id, Window())
            if not base.admits(now, settings.base_requests_per_second, settings):
                return "base_limit"
        return ""

    def penalise(self, base_id: str, until: float) -> None:
        """Refuse all requests to a base until then, as if another client had exceeded its limit."""
        self.bases.setdefault(base_id, Window()).penalty_until = until

    def admits_csv_sync(self, now: float, base_id: str) -> bool:
        """Whether a request to the Sync API is admitted. Counts it if so."""
        arrivals = self._csv_syncs.setdefault(base_id, deque())
        while arrivals and now - arrivals[0] >= CSV_SYNC_WINDOW_SECONDS:
            arrivals.popleft()
        if len(arrivals) >= MOST_CSV_SYNCS:
            return False
        arrivals.append(now)
        return True

    def takes_from_quota(self, now: float, settings: Settings) -> bool:
        """Whether the monthly quota admits a call. Counts it if so."""
        moment = datetime.fromtimestamp(now, tz=timezone.utc)
        month = (moment.year, moment.month)
        if month != self._month:
            self._month = month
            self.calls_this_month = 0
        if settings.monthly_calls is not None and self.calls_this_month >= settings.monthly_calls:
            return False
        self.calls_this_month += 1
        return True

    def retry_after(self, settings: Settings) -> str | None:
        """The ``Retry-After`` of the next 429."""
        if not settings.retry_after:
            return None
        position = min(self._answers_429, len(settings.retry_after) - 1)
        self._answers_429 += 1
        return settings.retry_after[position]
