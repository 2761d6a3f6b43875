"""The stream `records`: which reader it asks for, and what that saves of each table."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.changes.need import ChangedSince
from source_airtable.config import IncrementalSettings
from source_airtable.streams.incremental_reader import IncrementalRecordReader
from source_airtable.streams.record_reader import RecordReader
from source_airtable.streams.stream import ReadRequest
from unit_tests.builders import (
    BASE,
    TABLE,
    a_page,
    a_table_schema,
    an_account_stream,
)
from unit_tests.scans import Scanned, a_client
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.wire_types import RecordPage

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TRACKING = IncrementalSettings(detect_deletions=True)
STREAM = an_account_stream("records", incremental={"detect_deletions": True})


def sync(
    saved: Mapping[str, Any],
    now: datetime,
    *scans: Sequence[RecordPage],
    table: Any = None,  # noqa: ANN401 - a table
) -> Scanned:
    """An incremental sync of one table."""
    table = table or a_table_schema()
    client = a_client(*scans)
    client.latest_date = now
    reader = STREAM.reader(table, ReadRequest(TRACKING, saved))
    return Scanned(client, reader, table=table)


@pytest.mark.parametrize(
    ("settings", "kind"), [(None, RecordReader), (TRACKING, IncrementalRecordReader)]
)
def test_reader(settings: IncrementalSettings | None, kind: type[RecordReader]) -> None:
    """A full refresh reads all records, an incremental sync what changed."""
    assert type(STREAM.reader(a_table_schema(), ReadRequest(settings))) is kind


def test_state_of_each_table() -> None:
    """A table goes on from its own part of the state."""
    first = sync({}, TEN, [a_page("recA")])
    saved = {"version": 2, "tables": {f"{BASE}/{TABLE}": first.state("records")}}

    second = sync(saved, TEN + HOUR, [])
    of_another_table = sync({"version": 2, "tables": {}}, TEN + HOUR, [])

    assert second.formulas == [ChangedSince("last_modified", TEN - HOUR).formula]
    assert of_another_table.formulas == [None]


@pytest.mark.parametrize("saved", [{"__ab_no_cursor_state_message": True}, {"version": 3}])
def test_state_of_no_use(saved: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A state of another form means a full scan, with a warning that names the table."""
    assert sync(saved, TEN, []).formulas == [None]
    assert "Stream records (table Contacts) is read in full: " in caplog.text


def test_deleted_record() -> None:
    """A record that is gone gets a tombstone with its key."""
    first = sync({}, TEN, [a_page("recA", "recB")])
    saved = {"version": 2, "tables": {f"{BASE}/{TABLE}": first.state("records")}}

    (tombstone,) = sync(saved, TEN + 24 * HOUR, [], [a_page("recA")]).rows("records")

    assert {name: value for name, value in tombstone.items() if value is not None} == {
        "_base_id": BASE,
        "_table_id": TABLE,
        "id": "recB",
        "_as_of": "2026-11-19T10:00:00.000Z",
        "_ab_cdc_deleted_at": "2026-11-19T10:00:00.000Z",
    }


def test_deletions_after_an_upgrade() -> None:
    """With a state of version 1 the next sync finds what was deleted."""
    sample = a_state_sample("version_1_records")
    known = sample.holds["known_ids"]
    rest = [a_page(*known[2:])]

    synced = sync(sample.state, TEN + 24 * HOUR, [], rest, table=sample.table)

    assert synced.ids("records") == known[:2]
    assert synced.formulas == [ChangedSince("last_modified", TEN - HOUR).formula, None]
