"""The simulator's clock: real until set, then moved only by command. Always UTC."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from email.utils import formatdate


class Clock:
    """Tells the simulator's time as seconds since 1970."""

    def __init__(self) -> None:
        """Start as a real clock."""
        # Monotonic underneath, so that a step of the host's clock never breaks the limits.
        self._ahead_seconds = time.time() - time.monotonic()
        self._frozen_at: float | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether the time stands still until it is advanced."""
        return self._frozen_at is not None

    def now(self) -> float:
        """Seconds since 1970."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.monotonic() + self._ahead_seconds

    def freeze(self, at: float | None = None) -> None:
        """Stand still at a moment, the present one if none is given."""
        self._frozen_at = self.now() if at is None else at

    def advance(self, seconds: float) -> None:
        """Move on; a running clock goes on running from there."""
        if self._frozen_at is not None:
            self._frozen_at += seconds
        else:
            self._ahead_seconds += seconds

    def run(self) -> None:
        """Go on from the present moment in real time."""
        if self._frozen_at is not None:
            self._ahead_seconds = self._frozen_at - time.monotonic()
            self._frozen_at = None


def to_wire_time(seconds: float, *, keeps_milliseconds: bool = False) -> str:
    """Airtable's way to write a moment.

    Shape: ``1700000000`` -> ``"2023-11-14T22:13:20.000Z"``: whole seconds, as in recorded answers.
    """
    moment = datetime.fromtimestamp(int(seconds), tz=timezone.utc)
    milliseconds = round(seconds * 1000) % 1000 if keeps_milliseconds else 0
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def to_wire_date(seconds: float) -> str:
    """The UTC day of a moment, as cells of type date show it."""
    return f"{datetime.fromtimestamp(int(seconds), tz=timezone.utc):%Y-%m-%d}"


def parse_time(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 moment; one without a zone is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def to_http_date(seconds: float) -> str:
    """The form of the ``Date`` header."""
    return formatdate(int(seconds), usegmt=True)
