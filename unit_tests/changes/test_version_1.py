"""States of version 1 are read whole: what they know outlives the upgrade."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes import version_1
from source_airtable.changes.need import ChangedSince, WholeTable
from source_airtable.changes.plan import TableFacts, plan_read
from source_airtable.changes.record_ids import RecordIdSet, checksum
from source_airtable.changes.state import SyncState, parse_state
from source_airtable.config import IncrementalSettings
from unit_tests.state_samples import a_state_sample

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def a_saved_state(method: str = "last_modified") -> dict[str, Any]:
    """A state of version 1, as a sync of 300 records at ten o'clock saved it."""
    return a_state_sample(f"version_1_{method}").state


def read(saved: dict[str, Any]) -> SyncState:
    """Read a state in which nothing is damaged."""
    parsed = parse_state(saved)
    assert parsed.problem is None
    assert parsed.state is not None
    return parsed.state


def ids_in(record_ids: RecordIdSet | None) -> set[str] | None:
    """Record ids as a set that can be compared."""
    return None if record_ids is None else set(record_ids)


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_whole_state(method: str) -> None:
    """Every part of the old state is in the new one; its one moment stands for both."""
    saved, holds = a_saved_state(method), a_state_sample(f"version_1_{method}").holds

    state = read(saved)

    assert (state.method, state.fingerprint) == (method, saved["schema_digest"])
    assert state.read_to == state.cursor_floor == state.last_full_scan == state.last_sweep == TEN
    assert ids_in(state.known_ids) == set(holds["known_ids"])
    assert ids_in(state.recent_ids) == (set(holds["recent_ids"]) if "recent_ids" in holds else None)
    assert len(holds["known_ids"]) == 300


def test_next_state() -> None:
    """The state that is saved next is of version 2, and reads the same."""
    state = read(a_saved_state("created_time"))

    saved = state.to_json()
    again = read(saved)

    assert saved["version"] == 2
    assert not {"as_of", "schema_digest"} & set(saved)
    assert ids_in(again.known_ids) == ids_in(state.known_ids)
    assert replace(again, known_ids=None, recent_ids=None) == replace(
        state, known_ids=None, recent_ids=None
    )


def plan(saved: dict[str, Any], now: datetime = TEN + HOUR) -> object:
    """What the next sync needs."""
    facts = TableFacts("contacts", str(saved.get("schema_digest")), None, now)
    return plan_read(parse_state(saved), facts, IncrementalSettings()).need


def test_next_window() -> None:
    """The next sync reads what changed since, as it would have without the upgrade."""
    assert plan(a_saved_state()) == ChangedSince("last_modified", TEN - HOUR)


@pytest.mark.parametrize(
    ("damaged", "now"),
    [
        ({"as_of": "yesterday"}, TEN),
        ({"last_full_scan": 7}, TEN),
        ({"method": "created_time"}, TEN),
        ({"recent_ids": "1a2b3c4d:2:71:zz"}, TEN),
        ({}, TEN - 2 * HOUR),
    ],
    ids=["moment", "full scan", "other method", "recent ids", "future"],
)
def test_damage_that_leaves_the_known_ids(
    caplog: pytest.LogCaptureFixture, damaged: dict[str, Any], now: datetime
) -> None:
    """A damaged part of an old state means a full scan with a warning. The known ids stay."""
    saved = {**a_saved_state(), **damaged}
    state = parse_state(saved).state

    assert plan(saved, now) == WholeTable()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert state is not None
    assert ids_in(state.known_ids) == set(
        a_state_sample("version_1_last_modified").holds["known_ids"]
    )


def test_nothing() -> None:
    """An empty text holds no ids."""
    assert len(version_1.unpack_ids("")) == 0


def test_ids_of_another_form() -> None:
    """Ids of another form follow whole, after a blank."""
    packed = "0:0: recOdd recEven"

    found = version_1.unpack_ids(f"{checksum(packed)}:{packed}")

    assert set(found) == {"recOdd", "recEven"}


def test_first_and_last_id() -> None:
    """Gaps of 84 bits reach from the first id to the last."""
    last = 62**14 - 1
    bits = f"0{0:084b}0{last - 1:084b}"
    content = int(bits.ljust(176, "1"), 2).to_bytes(22, "big")
    packed = f"2:84:{base64.b85encode(content).decode()}"

    found = version_1.unpack_ids(f"{checksum(packed)}:{packed}")

    assert set(found) == {"rec" + "0" * 14, "rec" + "z" * 14}


@pytest.mark.parametrize("is_summed", [True, False])
@pytest.mark.parametrize(
    "packed",
    [
        "rec",
        "1",
        "1:2",
        "one:2:00",
        "1:two:00",
        "1:2:",
        "3:3:00",
        "1:2:é",
        "1:2:\x00",
        f"1:84:{'~' * 5}",
        f"1:84:{'z' * 20}",
        "1:-1:zz",
        f"1:{10**20}:zz",
        f"1:{10**6}:zz",
        f"{10**20}:1:zz",
        f"1:84:{'s' * 400}",
    ],
)
def test_text_that_holds_no_ids(packed: str, *, is_summed: bool) -> None:
    """Any other text is refused with a ValueError, whether its checksum fits or not."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        version_1.unpack_ids(f"{checksum(packed)}:{packed}" if is_summed else packed)


@given(
    st.text(max_size=30)
    | st.builds("{}:{}:{}".format, st.integers(-3, 99), st.integers(-3, 99), st.text(max_size=40))
)
def test_any_text(packed: str) -> None:
    """Any text with a fitting checksum holds ids or is refused."""
    try:
        found = version_1.unpack_ids(f"{checksum(packed)}:{packed}")
    except ValueError:
        return

    assert all(isinstance(record_id, str) for record_id in found)
