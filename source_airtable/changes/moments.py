"""Moments as Airtable writes them: UTC, to the millisecond."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

TICK = timedelta(milliseconds=1)
"""The smallest step between two moments."""

MOST_CLOCK_SKEW = timedelta(minutes=1)
"""How far Airtable's servers may differ. What is saved further ahead is of another clock."""

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def to_utc_text(moment: datetime) -> str:
    """Write a moment: `2026-11-18T10:00:00.000Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_utc_text(text: object) -> datetime:
    """Read a moment that `to_utc_text` wrote; raises ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("a moment is text")  # noqa: TRY004 - damaged either way
    return datetime.strptime(text, _FORMAT).replace(tzinfo=timezone.utc)


def is_over(period: timedelta, since: datetime | None, now: datetime) -> bool:
    """Tell whether a period is over; it is where its start is unknown, or of another clock."""
    return since is None or not period or not -MOST_CLOCK_SKEW <= now - since < period
