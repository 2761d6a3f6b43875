"""The moment of a read: Airtable's clock, checked against this machine's."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone

LOGGER = logging.getLogger("airbyte.source_airtable")

TOLERANCE = timedelta(minutes=5)
"""How far Airtable's clock may be ahead of this machine's before it counts as wrong."""


class Clock:
    """Takes Airtable's clock, but never one far ahead of this machine's.

    A moment that is too late would hide edits from every later sync. One that is too early only
    makes the next sync read some records again. So where the two disagree, this machine's clock
    counts without the tolerance: a look-back may be shorter.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_warned = False

    def moment(self, date: datetime | None) -> datetime | None:
        """Give the moment of a read from the `Date` of an answer (UTC); None without one."""
        if date is None:
            return None
        own = datetime.now(timezone.utc).replace(microsecond=0)
        if date <= own + TOLERANCE:
            return date
        with self._lock:
            if not self._has_warned:
                self._has_warned = True
                LOGGER.warning(
                    "Airtable's clock is %.0f minutes ahead of this machine's. The sync goes by "
                    "this machine's clock; check that it is right.",
                    (date - own).total_seconds() / 60,
                )
        return own
