"""A state comes back as it was left; what is none says so, and nothing else happens."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.streams.sync_state import (
    SyncState,
    UnusableStateError,
    parse_state,
    parse_utc_text,
    to_utc_text,
)
from unit_tests.generated import JSON_VALUES, airtable_ids

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
NINE = TEN - timedelta(hours=1)
STATE = SyncState("last_modified", TEN, NINE, "1a2b3c4d 5e6f7a8b")
WHOLE = SyncState(
    "created_time", TEN, NINE, "1a2b3c4d", NINE, frozenset({"recA"}), frozenset({"recB", "recC"})
)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the next line
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
IDS = st.frozensets(airtable_ids("rec"))


@st.composite
def states(draw: st.DrawFn) -> SyncState:
    """Any state; ids to compare with come with the moment of the comparison."""
    sweep, known = draw(st.just((None, None)) | st.tuples(MOMENTS, IDS))
    method = draw(st.sampled_from(["last_modified", "created_time"]))
    return SyncState(method, draw(MOMENTS), draw(MOMENTS), draw(st.text()), sweep, known, draw(IDS))


def as_saved(state: SyncState, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What Airbyte keeps of a state, with some of it damaged; a change to `...` takes it away."""
    saved = {**json.loads(json.dumps(state.to_json())), **changes}
    return {name: part for name, part in saved.items() if part is not ...}


@given(states())
def test_round_trip(state: SyncState) -> None:
    """Whatever state is left, the same one is gone on from."""
    assert parse_state(as_saved(state)) == state


def test_shape() -> None:
    """A state says its version, its method and its moments; what is not in use has no key."""
    assert STATE.to_json() == {
        "version": 1,
        "method": "last_modified",
        "as_of": "2026-11-18T10:00:00.000Z",
        "last_full_scan": "2026-11-18T09:00:00.000Z",
        "schema_digest": "1a2b3c4d 5e6f7a8b",
    }


def test_keys_of_ids() -> None:
    """Ids have keys of their own where there are some."""
    assert set(WHOLE.to_json()) - set(STATE.to_json()) == {"last_sweep", "known_ids", "recent_ids"}


def test_no_known_records() -> None:
    """A tracked table without records is not one that is not tracked."""
    state = SyncState("last_modified", TEN, NINE, "", NINE, frozenset())

    assert parse_state(as_saved(state)) == state


def test_plain_size() -> None:
    """The state of a table of fifty columns, deletions not tracked, is below 700 bytes."""
    digest = " ".join(f"{number:08x}" for number in range(50))

    assert len(json.dumps(SyncState("last_modified", TEN, NINE, digest).to_json())) < 700


def test_no_state() -> None:
    """Where there is no state yet, there is none."""
    assert parse_state({}) is None


@pytest.mark.parametrize(
    "saved",
    [
        {"__ab_no_cursor_state_message": True},
        {"__ab_full_refresh_sync_complete": True},
        {**as_saved(STATE), "__ab_no_cursor_state_message": True},
    ],
)
def test_placeholder(saved: dict[str, Any]) -> None:
    """What a full refresh leaves is no state to go on from, and is called what it is."""
    with pytest.raises(UnusableStateError, match="a full refresh, which leaves no cursor"):
        parse_state(saved)


@pytest.mark.parametrize("version", [..., None, 0, 2, "1", [1]])
def test_other_version(version: object) -> None:
    """A state of another version, or of another program, is not gone on from."""
    with pytest.raises(UnusableStateError, match="not written by this connector"):
        parse_state(as_saved(STATE, version=version))


@pytest.mark.parametrize("name", ["method", "as_of", "last_full_scan", "schema_digest"])
@pytest.mark.parametrize("part", [..., None, 7, [], {}, True])
def test_damaged_part(name: str, part: object) -> None:
    """A state of which a part is missing or of another form is damaged."""
    with pytest.raises(UnusableStateError, match="the saved state is damaged"):
        parse_state(as_saved(STATE, **{name: part}))


@pytest.mark.parametrize("name", ["as_of", "last_full_scan", "last_sweep"])
@pytest.mark.parametrize(
    "moment",
    [
        "",
        "today",
        "2026-11-18",
        "2026-11-18T10:00:00Z",
        "2026-11-18T10:00:00.000+01:00",
        "2026-13-18T10:00:00.000Z",
        "2026-11-18T10:00:00.000Z ",
    ],
)
def test_moment_of_another_form(name: str, moment: str) -> None:
    """A moment is read only as it is written."""
    with pytest.raises(UnusableStateError):
        parse_state(as_saved(WHOLE, **{name: moment}))


@pytest.mark.parametrize("name", ["known_ids", "recent_ids"])
@pytest.mark.parametrize("ids", ["recA", "1:84:", 7, ["recA"], f"1:{10**20}:zz", f"1:{10**6}:zz"])
def test_damaged_ids(name: str, ids: object) -> None:
    """Ids that cannot be read make the state a damaged one."""
    with pytest.raises(UnusableStateError):
        parse_state(as_saved(WHOLE, **{name: ids}))


@given(JSON_VALUES.filter(lambda value: isinstance(value, dict)), st.data())
def test_any_state(saved: dict[str, Any], data: st.DataObject) -> None:
    """Whatever JSON is handed over as state, it is one or is refused with the one error."""
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(WHOLE.to_json())))
        saved = as_saved(WHOLE, **{name: data.draw(JSON_VALUES)})
    try:
        state = parse_state(saved)
    except UnusableStateError:
        return

    assert state is None or isinstance(state, SyncState)


def test_utc_text() -> None:
    """A moment is written as Airtable writes it."""
    assert to_utc_text(TEN) == "2026-11-18T10:00:00.000Z"


@given(MOMENTS)
def test_round_trip_of_a_moment(moment: datetime) -> None:
    """Whole seconds come back as they were."""
    assert parse_utc_text(to_utc_text(moment)) == moment
