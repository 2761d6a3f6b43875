"""A clock that moves only when somebody sleeps by it."""

from __future__ import annotations

import threading


class FakeClock:
    """Seconds that pass when they are slept; threads that sleep at the same time share them.

    A thread sleeps from the moment that it read last, so that five threads which wait for the same
    moment reach it together and do not add their waits up.
    """

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept_seconds = 0.0
        self._lock = threading.Lock()
        self._read = threading.local()

    def __call__(self) -> float:
        """Read the clock."""
        with self._lock:
            self._read.moment = self.now
            return self.now

    @property
    def last_read(self) -> float:
        """What this thread read last."""
        return float(getattr(self._read, "moment", self.now))

    def sleep(self, seconds: float) -> None:
        """Let the clock reach the end of a sleep, at once."""
        with self._lock:
            end = float(getattr(self._read, "moment", self.now)) + seconds
            self.slept_seconds += max(0.0, end - self.now)
            self.now = max(self.now, end)
            self._read.moment = self.now

    def advance(self, seconds: float) -> None:
        """Let time pass in which nobody sleeps."""
        with self._lock:
            self.now += seconds
