"""Moments are written as Airtable writes them, and read only so."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes.moments import parse_utc_text, to_utc_text

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 1, 1)).map(  # noqa: DTZ001 - the next lines
    lambda moment: moment.replace(
        microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone.utc
    )
)


def test_utc_text() -> None:
    """A moment is text in UTC, to the millisecond."""
    moment = datetime(2026, 11, 18, 10, 0, 0, 7999, tzinfo=timezone.utc)

    assert to_utc_text(moment) == "2026-11-18T10:00:00.007Z"


@given(MOMENTS.filter(lambda moment: moment.year >= 1000))
def test_round_trip(moment: datetime) -> None:
    """A moment that was written is read as it was."""
    assert parse_utc_text(to_utc_text(moment)) == moment


@given(MOMENTS.filter(lambda moment: moment.year >= 1000), MOMENTS)
def test_order(moment: datetime, other: datetime) -> None:
    """Texts compare as their moments do."""
    if other.year >= 1000:
        assert (to_utc_text(moment) < to_utc_text(other)) is (moment < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2026-11-18",
        "2026-11-18T10:00:00Z",
        "2026-11-18T10:00:00.000+01:00",
        "2026-13-18T10:00:00.000Z",
        "2026-11-18T10:00:00.000Z ",
        None,
        7,
        ["2026-11-18T10:00:00.000Z"],
    ],
)
def test_text_of_another_form(text: object) -> None:
    """Anything else is refused with a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        parse_utc_text(text)
