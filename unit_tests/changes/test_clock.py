"""A clock far ahead of this machine's is not believed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from freezegun import freeze_time

from source_airtable.changes.clock import TOLERANCE, Clock

OWN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (OWN, OWN),
        (OWN - timedelta(days=900), OWN - timedelta(days=900)),
        (OWN + TOLERANCE, OWN + TOLERANCE),
        (OWN + TOLERANCE + SECOND, OWN),
        (OWN.replace(year=9999), OWN),
        (None, None),
    ],
    ids=["equal", "behind", "a little ahead", "ahead", "absurd", "absent"],
)
def test_moment(date: datetime | None, expected: datetime | None) -> None:
    """Airtable's clock counts up to the tolerance, and this machine's own from there on."""
    with freeze_time(OWN):
        moment = Clock().moment(date)

    assert moment == expected


def test_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """However many tables see the wrong clock, one line says so, with the difference."""
    clock = Clock()
    with freeze_time(OWN):
        for _ in range(3):
            clock.moment(OWN + timedelta(hours=2))

    assert [line.split(".")[0] for line in caplog.messages] == [
        "Airtable's clock is 120 minutes ahead of this machine's"
    ]
