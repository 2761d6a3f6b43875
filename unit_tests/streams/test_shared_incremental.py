"""Incremental streams that share a scan: each knows only the records that it was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pytest

from source_airtable.config import IncrementalSettings
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.streams.packed_ids import unpack_ids
from source_airtable.streams.window import with_ids
from unit_tests.builders import NAME_FIELD, a_record, a_table_stream
from unit_tests.scans import (
    CountingQueue,
    a_client,
    a_record_share,
    a_shared_scan,
    an_incremental_share,
    unpacked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.wire_types import RecordPage

ADA, BO, NEW = (f"rec{name:0<14}" for name in ("Ada", "Bo", "New"))
OLD = "2020-01-01T00:00:00.000Z"
NOON = datetime(2026, 11, 18, 12, tzinfo=timezone.utc)
NOON_TEXT = "2026-11-18T12:00:00.000Z"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
PLAIN = a_table_stream()
STREAM = replace(PLAIN, json_schema=build_json_schema(PLAIN.table, with_tombstones=True))
STREAMS = {name: replace(STREAM, name=name) for name in ("contacts", "records")}
BY_EDIT, BY_CREATION = (
    IncrementalSettings(method=method, detect_deletions=True)
    for method in ("last_modified", "created_time")
)
UNTRACKED = IncrementalSettings(method="created_time")


def a_page_of(*record_ids: str, created: str = OLD) -> RecordPage:
    """A page of records that were created at one moment."""
    records = [
        {**a_record(one, **{NAME_FIELD: "Ada"}), "createdTime": created} for one in record_ids
    ]
    return cast("RecordPage", {"records": records})


class Synced:
    """What a sync of two incremental streams over one table comes to."""

    def __init__(
        self,
        saved: Mapping[str, Any],
        now: datetime,
        *scans: Sequence[RecordPage],
        settings: IncrementalSettings = BY_EDIT,
    ) -> None:
        self.client = a_client(*scans)
        self.client.latest_date = now
        shares = [
            an_incremental_share(stream, settings, saved.get(name, {}))
            for name, stream in STREAMS.items()
        ]
        scan, _ = a_shared_scan(self.client, CountingQueue(), *shares)
        self.emitted = [
            (record.stream_name, record.data["_airtable_id"])
            for record in unpacked(scan.partitions[0].read())
        ]
        self.states = {share.stream_name: cast("Any", share.new_state()) for share in shares}

    def known(self, stream_name: str) -> set[str]:
        """The records that a stream knows from then on."""
        return unpack_ids(self.states[stream_name]["known_ids"])

    def recent(self, stream_name: str) -> set[str]:
        """The records that the next look-back of a stream does not repeat."""
        return unpack_ids(self.states[stream_name].get("recent_ids", ""))


def states_of_different_sweeps(settings: IncrementalSettings) -> dict[str, Any]:
    """States that know one record, of which that of `contacts` is due for a sweep at noon."""
    first = Synced({}, NOON - MINUTE, [a_page_of(ADA)], settings=settings)
    earlier = (NOON - 2 * DAY).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {**first.states, "contacts": {**first.states["contacts"], "last_sweep": earlier}}


@pytest.mark.parametrize("settings", [BY_EDIT, BY_CREATION])
def test_record_that_came_for_another_stream(settings: IncrementalSettings) -> None:
    """A restored record that one stream's sweep finds is new to the other until its own sweep."""
    second = Synced(
        states_of_different_sweeps(settings),
        NOON,
        [],
        [a_page_of(ADA, BO)],
        [a_page_of(BO)],
        settings=settings,
    )
    assert second.emitted == [("contacts", BO)]
    assert second.known("contacts") == {ADA, BO}
    assert second.known("records") == {ADA}

    third = Synced(
        second.states,
        NOON + 2 * DAY,
        [],
        [a_page_of(ADA, BO)],
        [a_page_of(BO)],
        settings=settings,
    )

    assert third.emitted == [("records", BO)]
    assert third.known("contacts") == third.known("records") == {ADA, BO}
    assert third.client.queries[-1].formula == with_ids([BO])


def test_recent_record_that_came_for_another_stream() -> None:
    """A record that is created during one stream's sweep is in the other's next look-back."""
    second = Synced(
        states_of_different_sweeps(BY_CREATION),
        NOON,
        [],
        [a_page_of(ADA, NEW)],
        [a_page_of(NEW, created=NOON_TEXT)],
        settings=BY_CREATION,
    )
    assert second.emitted == [("contacts", NEW)]
    assert (second.recent("contacts"), second.recent("records")) == ({NEW}, set())

    third = Synced(
        second.states,
        NOON + MINUTE,
        [a_page_of(NEW, created=NOON_TEXT)],
        settings=BY_CREATION,
    )

    assert third.emitted == [("records", NEW)]
    assert third.recent("contacts") == third.recent("records") == {NEW}


@pytest.mark.parametrize(("settings", "expected"), [(BY_CREATION, [BO, NEW]), (UNTRACKED, [NEW])])
def test_full_scan_for_another_stream(settings: IncrementalSettings, expected: list[str]) -> None:
    """Of a whole table a stream by creation takes what is new, and what it does not know."""
    stream = STREAMS["contacts"]
    saved = Synced({}, NOON - DAY, [a_page_of(ADA)], settings=settings).states["contacts"]
    client = a_client([a_page_of(ADA, BO), a_page_of(NEW, created=NOON_TEXT)])
    client.latest_date = NOON
    share = an_incremental_share(stream, settings, saved)
    other = a_record_share(STREAMS["records"])
    scan, _ = a_shared_scan(client, CountingQueue(), share, other)

    emitted = [
        record.data["_airtable_id"]
        for record in unpacked(scan.partitions[0].read())
        if record.stream_name == "contacts"
    ]

    assert emitted == expected
    assert len(client.queries) == 1
    state = cast("Any", share.new_state())
    if settings.detect_deletions:
        assert unpack_ids(state["known_ids"]) == {ADA, BO, NEW}
