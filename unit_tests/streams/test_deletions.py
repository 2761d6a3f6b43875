"""A tombstone for each record that is gone, and never for one that may be there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.config import IncrementalSettings
from source_airtable.errors import AirtableUnavailableError, OffsetExpiredError
from source_airtable.records import RecordConverter
from source_airtable.schema.digest import digest_columns
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.streams import deletions
from source_airtable.streams.incremental import IncrementalShare
from source_airtable.streams.packed_ids import unpack_ids
from source_airtable.streams.sync_state import SyncState, parse_utc_text
from unit_tests.builders import NAME_FIELD, a_page, a_table_stream
from unit_tests.scans import CountingQueue, a_client, a_shared_scan, consume, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.wire_types import RecordPage
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_share import WholeScan
    from source_airtable.streams.table_stream import TableStream
    from unit_tests.fake_client import FakeClient

NOW = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
NOW_TEXT = "2026-11-18T10:00:00.000Z"
DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
SETTINGS = IncrementalSettings(detect_deletions=True)
PLAIN = a_table_stream()
STREAM = replace(PLAIN, json_schema=build_json_schema(PLAIN.table, with_tombstones=True))


def a_state(*known_ids: str, sweep: datetime = NOW - DAY) -> SyncState:
    """A state that knows these records, compared a day ago."""
    return SyncState("last_modified", NOW - HOUR, NOW - DAY, "", sweep, frozenset(known_ids))


def a_share(
    stream: TableStream, settings: IncrementalSettings, saved: SyncState | None, *, is_full: bool
) -> NotingShare:
    """The share of an incremental stream, which a changed schema makes read the table in full."""

    def build_converter(table: TableSchema) -> RecordConverter:
        return RecordConverter(table, stream.json_schema)

    columns = build_converter(stream.table).columns
    digest = digest_columns(
        stream.table, ((column.name, column.field["id"], column.json_schema) for column in columns)
    )
    if saved is not None:
        saved = replace(saved, schema_digest="" if is_full else digest)
    state = {} if saved is None else saved.to_json()
    return NotingShare("contacts", stream.table, build_converter, settings, state)


UNTRACKED = SyncState("last_modified", NOW - HOUR, NOW - DAY, "")


class NotingShare(IncrementalShare):
    """A share that notes how far things are when the scan itself is over."""

    client: FakeClient

    def find_unknown(self, scan: WholeScan) -> frozenset[str]:
        """Note it, and look."""
        self.records_of_scan = len(scan.emitted)
        self.passes_of_scan = len(self.client.queries)
        return super().find_unknown(scan)


class Outcome:
    """What an incremental sync of a table comes to, with a search for deletions behind the scan."""

    def __init__(
        self,
        saved: SyncState | None,
        *scans: Sequence[RecordPage | AirtableError],
        is_full: bool = False,
        settings: IncrementalSettings = SETTINGS,
        stream: TableStream = STREAM,
    ) -> None:
        self.client: FakeClient = a_client(*scans)
        self.client.latest_date = NOW
        queue = CountingQueue()
        share = a_share(stream, settings, saved, is_full=is_full)
        share.client = self.client
        scan, _ = a_shared_scan(self.client, queue, share)
        records = consume(scan.partitions[0].read(), queue)
        self.changes = records[share.records_of_scan :]
        self.passes_of_scan = share.passes_of_scan
        self.permits = queue.in_flight
        self.state: Any = share.new_state()

    @property
    def known(self) -> set[str] | None:
        """The ids that are known from then on; None where they are not tracked."""
        packed = self.state.get("known_ids")
        return None if packed is None else unpack_ids(packed)

    @property
    def last_sweep(self) -> datetime | None:
        """When ids were compared last."""
        told = self.state.get("last_sweep")
        return None if told is None else parse_utc_text(told)

    @property
    def tombstones(self) -> list[str]:
        """The ids of the records that are said to be gone."""
        return [
            change["_airtable_id"]
            for change in self.changes
            if change.get("_ab_cdc_deleted_at") is not None
        ]

    @property
    def emitted(self) -> list[str]:
        """The ids of the records that turned up."""
        return [
            change["_airtable_id"]
            for change in self.changes
            if change.get("_ab_cdc_deleted_at") is None
        ]

    @property
    def queries_of_sweep(self) -> list[tuple[tuple[str, ...], str | None]]:
        """What was asked for behind the scan: fields and filter."""
        return [
            (tuple(query.field_ids), query.formula)
            for query in self.client.queries[self.passes_of_scan :]
        ]


def test_record_that_is_gone() -> None:
    """A known record that a sweep does not see gets a tombstone, and is forgotten."""
    outcome = Outcome(a_state("recA", "recB"), [a_page()], [a_page("recA")])

    assert outcome.tombstones == ["recB"]
    assert outcome.known == {"recA"}


def test_tombstone() -> None:
    """A tombstone says which record is gone and when that was seen, and nothing else."""
    (tombstone,) = Outcome(a_state("recA"), [a_page()], [a_page()]).changes

    assert tombstone == {
        **dict.fromkeys(STREAM.json_schema["properties"]),
        "_airtable_id": "recA",
        "_airtable_as_of": NOW_TEXT,
        "_ab_cdc_deleted_at": NOW_TEXT,
    }


def test_nothing_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Where every known record is seen, nothing is emitted and nothing said of deletions."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    outcome = Outcome(a_state("recA", "recB"), [a_page()], [a_page("recB"), a_page("recA")])

    assert outcome.changes == []
    assert "are deleted" not in caplog.text


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A sweep, what it finds gone and what it finds unseen are told with their numbers."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    Outcome(a_state("recA", "recB"), [a_page()], [a_page("recC")], [a_page("recC")])

    assert "Stream contacts: looking for deleted records." in caplog.text
    assert "Stream contacts: 2 records are deleted." in caplog.text
    assert "Stream contacts: 1 records are there that no sync has seen" in caplog.text


def test_sweep_asks_for_the_primary_field() -> None:
    """A sweep asks for the primary field alone, of the whole table."""
    outcome = Outcome(a_state("recA"), [a_page()], [a_page("recA")])

    assert outcome.queries_of_sweep == [((NAME_FIELD,), None)]


def test_time_of_the_sweep() -> None:
    """A sweep is remembered with its moment."""
    outcome = Outcome(a_state("recA"), [a_page()], [a_page("recA")])

    assert outcome.last_sweep == NOW


def test_interrupted_sweep() -> None:
    """Only the last, whole pass counts: what a broken one saw is no proof of being there."""
    outcome = Outcome(
        a_state("recA", "recB"),
        [a_page()],
        [a_page("recB"), OffsetExpiredError()],
        [a_page("recA")],
    )

    assert outcome.tombstones == ["recB"]


def test_broken_pass_is_no_proof_of_absence() -> None:
    """What a broken pass did not reach is not gone."""
    outcome = Outcome(
        a_state("recA", "recB"),
        [a_page()],
        [a_page("recA"), OffsetExpiredError()],
        [a_page("recA"), a_page("recB")],
    )

    assert outcome.changes == []


@pytest.mark.parametrize(
    "failing", [[AirtableUnavailableError()], [a_page("recA"), AirtableUnavailableError()]]
)
def test_failing_sweep(failing: list[Any]) -> None:
    """A sweep that fails ends the stream without a single tombstone."""
    emitted: list[Any] = []
    client = a_client([a_page()], failing)
    client.latest_date = NOW
    saved = a_state("recA", "recB")
    share = a_share(STREAM, SETTINGS, saved, is_full=False)
    share.client = client
    scan, _ = a_shared_scan(client, CountingQueue(), share)
    changes = unpacked(scan.partitions[0].read())

    with pytest.raises(AirtableUnavailableError):
        emitted.extend(changes)

    assert emitted == []


def test_full_scan_is_a_sweep() -> None:
    """A scan of the whole table finds deletions without another call, due or not."""
    saved = a_state("recA", "recB", sweep=NOW)
    outcome = Outcome(saved, [a_page("recA", "recC")], is_full=True)

    assert (outcome.changes[0]["_airtable_id"], outcome.queries_of_sweep) == ("recB", [])
    assert (outcome.known, outcome.last_sweep) == ({"recA", "recC"}, NOW)


def test_restarted_full_scan() -> None:
    """Of a full scan that started over, only its last pass says what is there."""
    outcome = Outcome(
        a_state("recA", "recB"),
        [a_page("recA", "recC"), OffsetExpiredError()],
        [a_page("recB")],
        is_full=True,
    )

    assert outcome.tombstones == ["recA", "recC"]
    assert outcome.known == {"recB"}


@pytest.mark.parametrize(
    ("ago", "is_due"), [(DAY, True), (DAY - timedelta(seconds=1), False), (timedelta(0), False)]
)
def test_when_a_sweep_is_due(ago: timedelta, *, is_due: bool) -> None:
    """A sweep is due when its hours have passed."""
    scans = [[a_page()], [a_page()]]
    outcome = Outcome(a_state("recA", sweep=NOW - ago), *scans)

    assert (len(outcome.queries_of_sweep), outcome.tombstones) == (
        (1, ["recA"]) if is_due else (0, [])
    )


def test_sweep_in_every_sync() -> None:
    """With 0 hours a sweep is always due."""
    settings = IncrementalSettings(detect_deletions=True, deletion_sweep_hours=0)

    outcome = Outcome(a_state("recA", sweep=NOW), [a_page()], [a_page()], settings=settings)

    assert outcome.tombstones == ["recA"]


def test_records_between_sweeps() -> None:
    """Where no sweep is due, what is emitted is known from then on, and nothing is gone."""
    saved = a_state("recA", sweep=NOW - HOUR)
    outcome = Outcome(saved, [a_page("recB")])

    assert (outcome.known, outcome.last_sweep) == (
        {"recA", "recB"},
        saved.last_sweep,
    )
    assert outcome.changes == []


def test_first_tracking_by_a_full_scan() -> None:
    """The first full scan only takes down which records there are."""
    outcome = Outcome(None, [a_page("recA", "recB")], is_full=True)

    assert (outcome.changes, outcome.known) == ([], {"recA", "recB"})


def test_first_tracking_by_a_sweep() -> None:
    """Switched on later, the first sweep takes down what is there and reads nothing of it."""
    outcome = Outcome(UNTRACKED, [a_page("recA")], [a_page("recA", "recB")])

    assert (outcome.changes, outcome.known) == ([], {"recA", "recB"})
    assert outcome.last_sweep == NOW


@pytest.mark.parametrize("saved", [UNTRACKED, a_state("recA")], ids=["first", "later"])
def test_emitted_and_gone(saved: SyncState) -> None:
    """A record that was emitted and is gone by the time of the sweep gets a tombstone."""
    outcome = Outcome(saved, [a_page("recB")], [a_page("recA")])

    assert (outcome.tombstones, outcome.known) == (["recB"], {"recA"})


def test_unknown_records() -> None:
    """Records that no sync has seen are read in full by their ids, and known from then on."""
    outcome = Outcome(
        a_state("recA"), [a_page()], [a_page("recA", "recC", "recB")], [a_page("recB", "recC")]
    )

    assert outcome.queries_of_sweep[1:] == [((), "OR(RECORD_ID()='recB',RECORD_ID()='recC')")]
    assert (outcome.emitted, outcome.tombstones) == (["recB", "recC"], [])
    assert outcome.known == {"recA", "recB", "recC"}


def test_unknown_record_is_not_deleted() -> None:
    """A record that turned up has its cells, the sync's moment, and null for its deletion."""
    (record,) = Outcome(a_state(), [a_page()], [a_page("recB")], [a_page("recB")]).changes

    assert (record["_airtable_as_of"], record["_ab_cdc_deleted_at"]) == (NOW_TEXT, None)


def test_emitted_record_is_not_unknown() -> None:
    """What the scan emitted is not read again by the sweep."""
    outcome = Outcome(a_state("recA"), [a_page("recB")], [a_page("recA", "recB")])

    assert (outcome.changes, outcome.known) == ([], {"recA", "recB"})


def test_unknown_record_that_goes_meanwhile() -> None:
    """A record that turned up and is gone when it is read is neither emitted nor known."""
    outcome = Outcome(a_state("recA"), [a_page()], [a_page("recA", "recB")], [a_page()])

    assert (outcome.changes, outcome.known) == ([], {"recA"})


@pytest.mark.parametrize(
    ("count", "batches"), [(99, [99]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_batches_of_unknown_records(count: int, batches: list[int]) -> None:
    """Unknown records are read a hundred at a time."""
    unknown = [f"rec{number:014d}" for number in range(count)]
    parts = [unknown[start : start + 100] for start in range(0, count, 100)]

    outcome = Outcome(
        a_state(), [a_page()], [a_page(*unknown)], *([a_page(*part)] for part in parts)
    )

    assert outcome.emitted == unknown
    assert [
        str(formula).count("RECORD_ID()") for _, formula in outcome.queries_of_sweep[1:]
    ] == batches
    assert outcome.permits == 0


def test_record_that_was_made_anew() -> None:
    """A record that was deleted and made anew with its id is there, and no deletion."""
    outcome = Outcome(a_state("recA"), [a_page("recA")], [a_page("recA")])

    assert (outcome.changes, outcome.known) == ([], {"recA"})


def test_switched_off() -> None:
    """Where deletions are not detected, nothing is asked for and nothing known of them."""
    outcome = Outcome(a_state("recA"), [a_page()], settings=IncrementalSettings())

    assert (outcome.changes, outcome.queries_of_sweep) == ([], [])
    assert (outcome.known, outcome.last_sweep) == (None, None)


@pytest.mark.parametrize("is_full", [True, False])
def test_column_that_is_not_selected(caplog: pytest.LogCaptureFixture, *, is_full: bool) -> None:
    """Without the column for deletions none is detected, and a warning says what to do."""
    outcome = Outcome(a_state("recA"), [a_page()], stream=PLAIN, is_full=is_full)

    assert (outcome.changes, outcome.known) == ([], None)
    assert "the column _ab_cdc_deleted_at is not selected" in caplog.text
    assert "refresh the connection's schema" in caplog.text


def test_no_warning_without_need(caplog: pytest.LogCaptureFixture) -> None:
    """Where deletions are not to be detected, nothing is said of their column."""
    Outcome(None, [a_page()], stream=PLAIN, settings=IncrementalSettings())

    assert "_ab_cdc_deleted_at" not in caplog.text


def test_most_records(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As many records as the state may hold are tracked."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)

    outcome = Outcome(None, [a_page("recA", "recB")], is_full=True)

    assert outcome.known == {"recA", "recB"}
    assert "not tracked" not in caplog.text


@pytest.mark.parametrize("is_full", [True, False])
def test_too_many_records(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_full: bool
) -> None:
    """A table with more records is not tracked, and a warning gives both numbers."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)
    saved = a_state("recA", "recB", sweep=NOW)

    outcome = Outcome(saved, [a_page("recA", "recB", "recC")], is_full=is_full)

    assert outcome.known is None
    assert "deletions are not tracked, because the table has 3 records" in caplog.text
    assert "holds the ids of at most 2." in caplog.text
