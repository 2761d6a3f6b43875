"""The simulator's clock, in UTC. It runs in real time until a command stops it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from email.utils import formatdate


class Clock:
    """The simulator's time in seconds since 1970."""

    def __init__(self) -> None:
        """Start in real time."""
        # Monotonic, so that a step of the host's clock does not break the rate limits.
        self._ahead_seconds = time.time() - time.monotonic()
        self._frozen_at: float | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._frozen_at is not None

    def now(self) -> float:
        """Seconds since 1970."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.monotonic() + self._ahead_seconds

    def freeze(self, at: float | None = None) -> None:
        """Stop at a moment, or now."""
        self._frozen_at = self.now() if at is None else at

    def advance(self, seconds: float) -> None:
        """Move forward. A running clock continues from there."""
        if self._frozen_at is not None:
            self._frozen_at += seconds
        else:
            self._ahead_seconds += seconds

    def run(self) -> None:
        """Continue in real time from where the clock stands."""
        if self._frozen_at is not None:
            self._ahead_seconds = self._frozen_at - time.monotonic()
            self._frozen_at = None


def to_wire_time(seconds: float, *, keeps_milliseconds: bool = False) -> str:
    """A moment as Airtable writes it.

    Shape: ``1700000000`` -> ``"2023-11-14T22:13:20.000Z"``: whole seconds, as in recorded answers.
    """
    moment = datetime.fromtimestamp(int(seconds), tz=timezone.utc)
    milliseconds = round(seconds * 1000) % 1000 if keeps_milliseconds else 0
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def to_wire_date(seconds: float) -> str:
    """The UTC day of a moment, as date cells show it."""
    return f"{datetime.fromtimestamp(int(seconds), tz=timezone.utc):%Y-%m-%d}"


def parse_time(text: str) -> float:
    """The seconds since 1970 of an ISO 8601 moment. Without a zone it is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def to_http_date(seconds: float) -> str:
    """A moment as the ``Date`` header has it."""
    return formatdate(int(seconds), usegmt=True)
