"""A state comes back as it was saved. A damaged part costs a full scan, and no other part."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes.parts import UNITS
from source_airtable.changes.record_ids import RecordIdSet, pack_ids
from source_airtable.changes.state import SavedState, SyncState, parse_state
from source_airtable.changes.webhook_position import WebhookPosition, parse_position
from unit_tests.generated import JSON_VALUES, airtable_ids
from unit_tests.state_samples import a_state_sample

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
NINE = TEN - timedelta(hours=1)
DAMAGED = "the saved state is damaged"
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the next line
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
IDS = st.frozensets(airtable_ids("rec"))
POSITIONS = st.builds(WebhookPosition, airtable_ids("ach"), st.integers(1), MOMENTS)
PLAIN = SyncState("last_modified", TEN, TEN + timedelta(seconds=1), NINE, "1a2b3c4d 5e6f7a8b")


def a_whole_state() -> SyncState:
    """A state with all of its parts."""
    return replace(
        PLAIN,
        method="created_time",
        last_sweep=NINE,
        known_ids=RecordIdSet(["recA"]),
        untracked_records=300_000,
        recent_ids=RecordIdSet(["recB", "recC"]),
        webhook=WebhookPosition("achA", 42, NINE),
        scanned_records=1_000,
        read_parts=("01", "aA"),
        begun_at=NINE,
    )


@st.composite
def states(draw: st.DrawFn) -> SyncState:
    """Any state."""
    return SyncState(
        method=draw(st.sampled_from(["last_modified", "created_time", "webhooks"])),
        read_to=draw(MOMENTS | st.none()),
        cursor_floor=draw(MOMENTS | st.none()),
        last_full_scan=draw(MOMENTS | st.none()),
        fingerprint=draw(st.text()),
        last_sweep=draw(MOMENTS | st.none()),
        known_ids=draw(IDS.map(RecordIdSet) | st.none()),
        untracked_records=draw(st.integers(0) | st.none()),
        recent_ids=draw(IDS.filter(bool).map(RecordIdSet) | st.none()),
        webhook=draw(POSITIONS | st.none()),
        scanned_records=draw(st.integers(0) | st.none()),
        read_parts=tuple(draw(st.lists(st.sampled_from(UNITS), unique=True))),
        begun_at=draw(MOMENTS | st.none()),
    )


def as_saved(state: SyncState, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What Airbyte keeps of a state, with some of it damaged; a change to `...` takes it away."""
    saved = {**json.loads(json.dumps(state.to_json())), **changes}
    return {name: part for name, part in saved.items() if part is not ...}


def parts_of(state: SyncState | None) -> dict[str, Any]:
    """The parts of a state, its ids as sets that can be compared."""
    assert state is not None
    parts = {name: getattr(state, name) for name in SyncState.__slots__}
    return {n: set(part) if isinstance(part, RecordIdSet) else part for n, part in parts.items()}


@given(states())
def test_round_trip(state: SyncState) -> None:
    """A saved state is read as it was."""
    parsed = parse_state(as_saved(state))

    assert (parts_of(parsed.state), parsed.problem) == (parts_of(state), None)


def test_shape() -> None:
    """A state has its version, its method and its moments. An unused part has no key."""
    assert PLAIN.to_json() == {
        "version": 2,
        "method": "last_modified",
        "read_to": "2026-11-18T10:00:00.000Z",
        "cursor_floor": "2026-11-18T10:00:01.000Z",
        "last_full_scan": "2026-11-18T09:00:00.000Z",
        "fingerprint": "1a2b3c4d 5e6f7a8b",
    }


def test_keys_of_other_parts() -> None:
    """Ids, parts of a first read and what a webhook needs have keys of their own."""
    more = set(a_whole_state().to_json()) - set(PLAIN.to_json())

    assert more == {
        *("last_sweep", "known_ids", "untracked_records", "recent_ids"),
        *("webhook", "scanned_records", "read_parts", "begun_at"),
    }


def test_webhook_in_a_state() -> None:
    """A state says up to where a webhook was read."""
    saved = a_whole_state().to_json()

    assert saved["webhook"] == {"id": "achA", "cursor": 42, "read_at": "2026-11-18T09:00:00.000Z"}
    assert saved["scanned_records"] == 1_000


def test_webhook_of_version_2() -> None:
    """A state that the method webhooks saved in version 2 can be read."""
    sample = a_state_sample("version_2_webhooks")

    parsed = parse_state(sample.state)

    assert (parsed.problem, parsed.state and parsed.state.to_json()) == (None, sample.state)
    assert parsed.state is not None
    assert sorted(parsed.state.known_ids or ()) == sample.holds["known_ids"]
    assert parsed.state.webhook == parse_position(sample.holds["webhook"])
    assert parsed.state.scanned_records == sample.holds["scanned_records"]


def test_parts_of_a_first_read() -> None:
    """A read that was broken off has its beginning and the characters of what is read."""
    state = replace(PLAIN, read_to=None, read_parts=("01", "aA"), begun_at=NINE).to_json()

    assert (state["read_parts"], state["begun_at"]) == ("01aA", "2026-11-18T09:00:00.000Z")
    assert "read_to" not in state


def test_no_known_records() -> None:
    """A table without records is tracked, unlike one whose ids are not kept."""
    state = replace(PLAIN, last_sweep=NINE, known_ids=RecordIdSet())

    parsed = parse_state(as_saved(state)).state

    assert parsed is not None
    assert parsed.known_ids is not None
    assert len(parsed.known_ids) == 0


def test_plain_size() -> None:
    """The state of a table of fifty columns, without ids, is below 700 bytes."""
    fingerprint = " ".join(f"{number:08x}" for number in range(50))

    assert len(json.dumps(replace(PLAIN, fingerprint=fingerprint).to_json())) < 700


def test_no_state() -> None:
    """Before the first sync there is no state, and nothing is wrong."""
    assert parse_state({}) == SavedState(None, None)


@pytest.mark.parametrize(
    "saved",
    [
        {"__ab_no_cursor_state_message": True},
        {"__ab_full_refresh_sync_complete": True},
        {**as_saved(PLAIN), "__ab_no_cursor_state_message": True},
    ],
)
def test_placeholder(saved: dict[str, Any]) -> None:
    """The placeholder of a full refresh is no state, and the reason names it."""
    assert parse_state(saved) == SavedState(
        None, "the last sync was a full refresh, which leaves no cursor"
    )


@pytest.mark.parametrize("version", [..., None, 0, 3, "2", [2], {}, 2.5])
def test_other_version(version: object) -> None:
    """A state of another version, or of another program, is not used."""
    assert parse_state(as_saved(PLAIN, version=version)) == SavedState(
        None, "this connector did not write the saved state"
    )


MOMENT_PARTS = ["read_to", "cursor_floor", "last_full_scan", "last_sweep", "begun_at"]
ID_PARTS = ["known_ids", "recent_ids"]


POSITION = a_whole_state().to_json()["webhook"]

DAMAGED_PARTS: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("method", "fingerprint"), (7, [], {}, True)),
    **dict.fromkeys(
        MOMENT_PARTS, ("", "today", "2026-11-18", "2026-11-18T10:00:00Z", 7, [], {}, True)
    ),
    **dict.fromkeys(ID_PARTS, ("", "recA", "1:84:", f"1:{10**20}:zz", 7, ["recA"], {})),
    **dict.fromkeys(("untracked_records", "scanned_records"), ("many", [], {})),
    "webhook": ("achA", 7, [], {}, {"id": "achA", "cursor": 1}, {**POSITION, "read_at": "today"}),
    "read_parts": (7, "0", "01 aA", "aa", "0101", ["01"], {}, True),
}
EMPTY_PARTS: dict[str, object] = {"method": "", "fingerprint": "", "read_parts": ()}


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, part) for name, parts in DAMAGED_PARTS.items() for part in parts],
)
def test_damaged_part(name: str, part: object) -> None:
    """A damaged part counts as absent, the rest stays true, and the damage is noted."""
    whole = a_whole_state()

    parsed = parse_state(as_saved(whole, **{name: part}))

    assert parts_of(parsed.state) == {**parts_of(whole), name: EMPTY_PARTS.get(name)}
    assert parsed.problem == DAMAGED


@pytest.mark.parametrize(
    "name", [*MOMENT_PARTS, *ID_PARTS, "untracked_records", "webhook", "scanned_records"]
)
@pytest.mark.parametrize("part", [..., None])
def test_absent_part(name: str, part: object) -> None:
    """An absent part is no damage."""
    parsed = parse_state(as_saved(a_whole_state(), **{name: part}))

    assert (parts_of(parsed.state)[name], parsed.problem) == (None, None)


@given(JSON_VALUES.filter(lambda value: isinstance(value, dict)), st.data())
def test_any_state(saved: dict[str, Any], data: st.DataObject) -> None:
    """Any JSON object can be read as a state, or has a problem that says why not."""
    if data.draw(st.booleans()):
        whole = a_whole_state()
        name = data.draw(st.sampled_from(sorted(whole.to_json())))
        saved = as_saved(whole, **{name: data.draw(JSON_VALUES)})

    parsed = parse_state(saved)

    assert parsed.state is not None or parsed.problem is not None or saved == {}


def test_ids_in_a_state() -> None:
    """Ids are packed in a state."""
    saved = a_whole_state().to_json()

    assert (saved["known_ids"], saved["recent_ids"]) == (
        pack_ids(["recA"]),
        pack_ids(["recB", "recC"]),
    )
