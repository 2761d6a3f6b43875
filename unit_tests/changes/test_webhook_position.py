"""What a state keeps of a webhook comes back as it was, or counts as absent."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes.webhook_position import (
    WebhookPosition,
    find_position,
    parse_position,
)
from unit_tests.generated import JSON_VALUES, airtable_ids

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the next line
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
SAVED = {"id": "achA", "cursor": 42, "read_at": "2026-11-18T10:00:00.000Z"}


def test_shape() -> None:
    """A position has an id, a number and a moment."""
    assert WebhookPosition("achA", 42, TEN).to_json() == SAVED


@given(airtable_ids("ach"), st.integers(1), MOMENTS)
def test_round_trip(webhook_id: str, cursor: int, read_at: datetime) -> None:
    """A position is read as it was saved."""
    position = WebhookPosition(webhook_id, cursor, read_at)
    saved = json.loads(json.dumps(position.to_json()))

    assert parse_position(saved) == position
    assert find_position({"version": 2, "webhook": saved}) == position


ODD_POSITIONS: list[Any] = [
    [],
    "achA",
    {},
    {**SAVED, "id": 7},
    {**SAVED, "id": None},
    {**SAVED, "cursor": "42"},
    {**SAVED, "cursor": None},
    {**SAVED, "cursor": 4.5},
    {**SAVED, "read_at": "today"},
    {**SAVED, "read_at": 7},
    {**SAVED, "read_at": None},
]


@pytest.mark.parametrize("saved", ODD_POSITIONS)
def test_odd_position(saved: object) -> None:
    """Anything else cannot be read, and counts as absent in a state."""
    with pytest.raises((TypeError, ValueError)):
        parse_position(saved)

    assert find_position({"webhook": saved}) is None


@pytest.mark.parametrize("state", [{}, {"webhook": None}, {"version": 1, "method": "webhooks"}])
def test_no_position(state: dict[str, Any]) -> None:
    """A state without a position has none."""
    assert find_position(state) is None


@given(JSON_VALUES | st.fixed_dictionaries(dict.fromkeys(SAVED, JSON_VALUES)))
def test_any_position(saved: object) -> None:
    """Whatever stands in a state, it is a position or none."""
    position = find_position({"webhook": saved})

    assert position is None or parse_position(saved) == position
