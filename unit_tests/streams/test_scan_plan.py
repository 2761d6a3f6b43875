"""How much an incremental sync reads, and what it says about that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from source_airtable.config import IncrementalSettings
from source_airtable.streams.scan_plan import ScanPlan, TableFacts, plan_scan
from source_airtable.streams.sync_state import SyncState

NOW = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
STATE = SyncState("last_modified", NOW - HOUR, NOW - 30 * HOUR, "1a2b3c4d")
SAVED = STATE.to_json()
FACTS = TableFacts("contacts", "1a2b3c4d", None, NOW)
VOLATILE = replace(FACTS, why_volatile="Total (rollup: a linked record may change)")
SETTINGS = IncrementalSettings()
NO_CURSOR = "the last sync was a full refresh, which leaves no cursor"


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "airbyte.source_airtable")


def told(caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """Level and text of the one line of the log."""
    (record,) = caplog.records
    return record.levelname, record.getMessage()


@pytest.mark.parametrize(
    ("saved", "now", "reason"),
    [
        pytest.param({"__ab_no_cursor_state_message": True}, NOW, NO_CURSOR, id="CDK, upstream"),
        pytest.param({"__ab_full_refresh_sync_complete": True}, NOW, NO_CURSOR, id="PyAirbyte"),
        pytest.param(
            {"_airtable_as_of": "2026-11-18"},
            NOW,
            "the saved state was not written by this connector",
            id="foreign",
        ),
        pytest.param({**SAVED, "as_of": 7}, NOW, "the saved state is damaged", id="broken"),
        pytest.param(
            {**SAVED, "method": "created_time"},
            NOW,
            "the saved state is of the method created_time",
            id="other method",
        ),
        pytest.param(
            {**SAVED, "method": "webhooks"},
            None,
            "the saved state is of the method webhooks",
            id="unknown method",
        ),
        pytest.param(
            replace(STATE, as_of=NOW + timedelta(seconds=61)).to_json(),
            NOW,
            "the saved state is from the future",
            id="future",
        ),
    ],
)
def test_unusable_state(
    caplog: pytest.LogCaptureFixture, saved: dict[str, Any], now: datetime | None, reason: str
) -> None:
    """Where the state cannot be gone on from, everything is read anew, with a warning."""
    plan = plan_scan(saved, replace(FACTS, now=now), SETTINGS)

    assert (plan.state, plan.since) == (None, None)
    assert told(caplog) == ("WARNING", f"Stream contacts is read in full: {reason}.")


def test_no_state(caplog: pytest.LogCaptureFixture) -> None:
    """The first sync reads everything, which nobody needs to be warned of."""
    assert plan_scan({}, FACTS, SETTINGS) == ScanPlan(None, None)
    assert told(caplog) == ("INFO", "Stream contacts is read in full: there is no saved state.")


def test_window(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise what changed since the saved moment is read, and the look-back before it."""
    plan = plan_scan(SAVED, FACTS, SETTINGS)

    assert plan == ScanPlan(STATE, NOW - 2 * HOUR)
    assert told(caplog) == (
        "INFO",
        "Stream contacts: reading what changed after 2026-11-18T08:00:00.000Z.",
    )


@pytest.mark.parametrize("minutes", [1, 1.5, 5, 1440])
def test_lookback(minutes: float) -> None:
    """The edge of the window is the saved moment less the look-back."""
    settings = IncrementalSettings(lookback_minutes=minutes)

    assert plan_scan(SAVED, FACTS, settings).since == STATE.as_of - timedelta(minutes=minutes)


@pytest.mark.parametrize("ahead", [timedelta(0), SECOND, timedelta(minutes=1)])
def test_state_of_a_clock_slightly_ahead(ahead: timedelta) -> None:
    """A state that another of Airtable's servers dated a little later is gone on from."""
    state = replace(STATE, as_of=NOW + ahead)

    assert plan_scan(state.to_json(), FACTS, SETTINGS).state == state


def test_future_state_without_date() -> None:
    """Where Airtable's clock is not known, nothing says that a state is from the future."""
    state = replace(STATE, as_of=NOW + 100 * HOUR)

    plan = plan_scan(state.to_json(), replace(FACTS, now=None), SETTINGS)

    assert plan == ScanPlan(state, state.as_of - HOUR)


def test_oldest_state() -> None:
    """A state from the beginning of time is no reason to fail."""
    saved = {**SAVED, "as_of": "0001-01-01T00:00:00.000Z"}

    plan_scan(saved, FACTS, SETTINGS)


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_changed_schema(caplog: pytest.LogCaptureFixture, method: Any) -> None:  # noqa: ANN401 - a literal
    """Columns made of something else are read in full, and the state is gone on from."""
    state = replace(STATE, method=method)

    plan = plan_scan(
        state.to_json(),
        replace(FACTS, schema_digest="9f9f9f9f"),
        IncrementalSettings(method=method),
    )

    assert plan == ScanPlan(state, None)
    assert told(caplog) == (
        "INFO",
        (
            "Stream contacts is read in full: fields were added, selected or changed since the "
            "last sync."
        ),
    )


def test_deselected_column() -> None:
    """A column less is no reason to read everything."""
    state = replace(STATE, schema_digest="1a2b3c4d 5e6f7a8b")

    assert plan_scan(state.to_json(), FACTS, SETTINGS).since is not None


@pytest.mark.parametrize("hours", [24, 30, 0.5])
def test_full_scan_that_is_due(caplog: pytest.LogCaptureFixture, hours: float) -> None:
    """A table whose cells change by themselves is read in full when the time has come."""
    plan = plan_scan(SAVED, VOLATILE, IncrementalSettings(full_rescan_hours=hours))

    assert plan == ScanPlan(STATE, None)
    assert told(caplog) == (
        "INFO",
        (
            f"Stream contacts is read in full: {hours:g} hours have passed, and cells can change "
            "without their record being edited, as in Total (rollup: a linked record may change)."
        ),
    )


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        pytest.param(
            VOLATILE, IncrementalSettings(full_rescan_hours=30 + 1 / 3600), id="a second too early"
        ),
        pytest.param(VOLATILE, IncrementalSettings(full_rescan_hours=0), id="never"),
        pytest.param(FACTS, SETTINGS, id="nothing volatile"),
        pytest.param(replace(VOLATILE, now=None), SETTINGS, id="clock not known"),
    ],
)
def test_full_scan_that_is_not_due(facts: TableFacts, settings: IncrementalSettings) -> None:
    """Too early, switched off, without need or without a clock, only the window is read."""
    assert plan_scan(SAVED, facts, settings).since == NOW - 2 * HOUR


def test_created_time_of_a_volatile_table() -> None:
    """The method created_time sees no changes, so that it never reads everything for them."""
    state = replace(STATE, method="created_time")

    plan = plan_scan(state.to_json(), VOLATILE, IncrementalSettings(method="created_time"))

    assert plan.since == NOW - 2 * HOUR
