"""One sync of a table after the other: what is asked for, emitted and saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.changes import deletions
from source_airtable.changes.need import ChangedSince, RecordIds
from source_airtable.changes.record_ids import RecordIdSet, pack_ids, unpack_ids
from source_airtable.config import IncrementalSettings
from source_airtable.errors import (
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
    SchemaChangedError,
)
from source_airtable.schema.table_filter import TableFilter
from source_airtable.streams import incremental_reader
from source_airtable.streams.incremental_reader import IncrementalRecordReader
from source_airtable.streams.stream import ReadRequest
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    a_field,
    a_page,
    a_page_of,
    a_record,
    a_table,
    a_table_schema,
    a_table_stream,
    a_text_table,
)
from unit_tests.scans import Scanned, a_client
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.wire_types import RecordDict, RecordPage
    from source_airtable.streams.table import TableStream
    from unit_tests.fake_client import FakeClient

NINE, TEN, ELEVEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10, 11))
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TICK = timedelta(milliseconds=1)
SETTINGS = IncrementalSettings()
CREATED = IncrementalSettings(method="created_time")
TRACKING = IncrementalSettings(detect_deletions=True)
EDITED = "fldEdited00000001"
NAME = a_field()
MODIFIED = a_field(
    "lastModifiedTime",
    field_id=EDITED,
    name="Edited",
    options={"referencedFieldIds": [], "result": {"type": "dateTime"}},
)
PROVING_TABLE = a_table(NAME, MODIFIED)
REFUSED = ContractError(status=422, error_type="INVALID_FILTER_BY_FORMULA")
OLD = "2020-01-01T00:00:00.000Z"


def text(moment: datetime) -> str:
    """A moment as Airtable writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_stream(table: Any = None, *columns: str, with_tombstones: bool = False) -> TableStream:  # noqa: ANN401 - a table
    """A stream of a table."""
    incremental = {"detect_deletions": with_tombstones}
    return a_table_stream(table, "contacts", *columns, incremental=incremental)


def a_timed_record(record_id: str, created: str, edited: str | None = None) -> RecordDict:
    """A record that was created, and perhaps edited, at these times."""
    record = a_record({EDITED: edited} if edited else {}, record_id)
    record["createdTime"] = created
    return record


class Synced(Scanned):
    """What one incremental sync of a stream comes to."""

    def __init__(
        self,
        saved: Mapping[str, Any] | None,
        now: datetime | None,
        *scans: Sequence[RecordPage | Exception],
        settings: IncrementalSettings = SETTINGS,
        stream: TableStream | None = None,
    ) -> None:
        stream = stream or a_stream(with_tombstones=settings.detect_deletions)
        client = a_client(*scans)
        client.latest_date = now
        reader = stream.reader(stream.table, ReadRequest(settings, saved or {}))
        assert isinstance(reader, IncrementalRecordReader)
        self.reader = reader
        super().__init__(client, reader, table=stream.table)

    @property
    def saved(self) -> Any:  # noqa: ANN401 - JSON
        """The state that the sync leaves; raises the failure that it ended with."""
        self.rows()
        return self.state()

    @property
    def emitted(self) -> list[str]:
        """The ids of the records, without tombstones."""
        return [r["_airtable_id"] for r in self.rows() if not r.get("_ab_cdc_deleted_at")]

    @property
    def deleted(self) -> list[str]:
        """The ids of the tombstones."""
        return [r["_airtable_id"] for r in self.rows() if r.get("_ab_cdc_deleted_at")]

    @property
    def cursors(self) -> set[str | None]:
        """The cursors of all rows."""
        return {row["_airtable_as_of"] for row in self.rows()}

    @property
    def known(self) -> set[str] | None:
        """The records that the next sync knows; None where they are not tracked."""
        packed = self.saved.get("known_ids")
        return None if packed is None else set(unpack_ids(packed))


def a_first_sync(
    now: datetime = NINE,
    settings: IncrementalSettings = SETTINGS,
    stream: TableStream | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """The state that a first sync leaves."""
    return Synced(None, now, [a_page("recA", "recB")], settings=settings, stream=stream).saved


def since(moment: datetime, method: str = "last_modified") -> str:
    """The filter of what changed after a moment."""
    return ChangedSince(method, moment).formula


def test_first_sync() -> None:
    """The first sync reads everything, and saves when, how, and what the columns are."""
    synced = Synced(None, NINE, [a_page("recA"), a_page("recB")])

    assert (synced.emitted, synced.formulas) == (["recA", "recB"], [None])
    assert {**synced.saved, "fingerprint": "…"} == {
        "version": 2,
        "method": "last_modified",
        "read_to": text(NINE),
        "cursor_floor": text(NINE),
        "last_full_scan": text(NINE),
        "fingerprint": "…",
    }


def test_next_sync() -> None:
    """The next sync asks for what changed since, and saves its own moment."""
    synced = Synced(a_first_sync(), TEN, [a_page("recB")])

    assert synced.formulas == [since(NINE - HOUR)]
    assert synced.cursors == {text(TEN)}
    assert (synced.saved["read_to"], synced.saved["last_full_scan"]) == (text(TEN), text(NINE))


def test_clock_that_moves_during_the_scan() -> None:
    """All rows carry Airtable's clock before the scan, and so does the state."""
    pages = [a_page("recA", answered_at=ELEVEN), a_page("recB", answered_at=ELEVEN)]

    synced = Synced(None, TEN, pages)

    assert (synced.cursors, synced.saved["read_to"]) == ({text(TEN)}, text(TEN))


def test_nothing_changed() -> None:
    """If nothing changed, one page is asked for, and the state still moves."""
    synced = Synced(a_first_sync(), TEN, [a_page()])

    assert (synced.emitted, synced.client.calls) == ([], ["page tblltp8DGLhqbUmjK"])
    assert synced.saved["read_to"] == text(TEN)


def test_changed_schema() -> None:
    """After a change of the columns everything is read, and the new columns are saved."""
    saved = {**a_first_sync(), "fingerprint": "9f9f9f9f"}

    synced = Synced(saved, TEN, [a_page("recA")])

    assert synced.formulas == [None]
    assert synced.saved == a_first_sync(TEN)


def test_deselected_column_is_forgotten() -> None:
    """A column that is selected again later was not read meanwhile, so everything is read."""
    whole = a_stream()
    columns = [name for name in whole.get_json_schema()["properties"] if name != "notes"]
    partly = a_stream(None, *columns)
    first = a_first_sync()

    second = Synced(first, TEN, [a_page()], stream=partly)
    third = Synced(second.saved, ELEVEN, [a_page()], stream=whole)

    assert second.formulas[0] is not None
    assert third.formulas == [None]


def test_full_rescan() -> None:
    """A table whose cells change by themselves is read in full when that is due."""
    link = a_field("multipleRecordLinks", field_id="fldLink0000000001", name="Orders")
    stream = a_stream(a_table(NAME, link))
    first = a_first_sync(stream=stream)

    early = Synced(first, NINE + 23 * HOUR, [a_page()], stream=stream)
    late = Synced(early.saved, NINE + 24 * HOUR, [a_page()], stream=stream)

    assert (early.formulas[0] is None, late.formulas) == (False, [None])
    assert late.saved["last_full_scan"] == text(NINE + 24 * HOUR)


@pytest.mark.parametrize("behind", [timedelta(seconds=1), MINUTE])
def test_clock_that_goes_back(behind: timedelta) -> None:
    """If Airtable's clock goes back a little, the window follows it, and the cursor does not."""
    synced = Synced(a_first_sync(TEN), TEN - behind, [a_page("recA")])

    assert synced.formulas == [since(TEN - HOUR)]
    assert synced.saved["read_to"] == text(TEN - behind)
    assert synced.cursors == {synced.saved["cursor_floor"]} == {text(TEN + TICK)}


def test_clock_that_was_far_ahead() -> None:
    """After a state from the future everything is read, and the cursor stays above it.

    A destination would drop the newer record of a cursor that goes back.
    """
    synced = Synced(a_first_sync(ELEVEN), TEN, [a_page("recA")])

    assert (synced.formulas, synced.saved["read_to"]) == ([None], text(TEN))
    assert synced.cursors == {text(ELEVEN + TICK)}


def test_clock_that_leaps_ahead() -> None:
    """A clock that leaps ahead moves the state, and the window begins where the last one ended."""
    synced = Synced(a_first_sync(), NINE + 1000 * HOUR, [a_page("recA")])

    assert synced.formulas == [since(NINE - HOUR)]
    assert synced.saved["read_to"] == text(NINE + 1000 * HOUR)


@pytest.mark.parametrize(
    "moments", [(NINE, TEN, ELEVEN), (TEN, TEN - MINUTE, TEN, NINE + HOUR), (TEN, TEN, None, TEN)]
)
def test_cursors_rise(moments: tuple[datetime | None, ...]) -> None:
    """From sync to sync the cursor becomes greater, whatever the clock does."""
    state: Any = None
    cursors: list[str | None] = []
    for moment in moments:
        synced = Synced(state, moment, [a_page("recA")])
        state = synced.saved
        cursors += synced.cursors

    assert cursors == sorted(set(cursors), key=str)


def test_no_date() -> None:
    """Without Airtable's clock the window stays, and the cursor rises all the same."""
    saved = a_first_sync()
    synced = Synced(saved, None, [a_page("recA")])

    assert synced.formulas == [since(NINE - HOUR)]
    assert synced.cursors == {text(NINE + TICK)}
    assert synced.saved == {**saved, "cursor_floor": text(NINE + TICK)}


def test_no_date_in_the_first_sync() -> None:
    """Without Airtable's clock the first sync knows no moment; the next one reads all again."""
    synced = Synced(None, None, [a_page("recA")])

    assert (synced.emitted, synced.cursors) == (["recA"], {None})
    assert not {"read_to", "cursor_floor"} & set(synced.saved)


def test_no_date_after_an_unusable_state() -> None:
    """Without a clock, a state of no use leaves no moment to go on from."""
    assert "read_to" not in Synced({"version": 7}, None, [a_page("recA")]).saved


def test_no_date_keeps_a_changed_schema_in_mind() -> None:
    """Without a clock, the next sync repeats a full scan for changed columns."""
    saved = {**a_first_sync(), "fingerprint": "9f9f9f9f"}
    synced = Synced(saved, None, [a_page("recA")])

    assert synced.formulas == [None]
    assert synced.saved == {**saved, "cursor_floor": text(NINE + TICK)}


def test_no_date_no_sweep() -> None:
    """Without a clock deletions wait, and emitted records become known."""
    saved = a_first_sync(settings=TRACKING)
    synced = Synced(saved, None, [a_page("recC")], settings=TRACKING)

    assert (synced.deleted, len(synced.formulas)) == ([], 1)
    assert synced.known == {"recA", "recB", "recC"}
    assert synced.saved["last_sweep"] == text(NINE)


@pytest.mark.parametrize("settings", [SETTINGS, CREATED])
def test_refused_filter(caplog: pytest.LogCaptureFixture, settings: IncrementalSettings) -> None:
    """If Airtable refuses the filter, everything is read, with a warning for the table."""
    synced = Synced(
        a_first_sync(settings=settings), TEN, [REFUSED], [a_page("recC")], settings=settings
    )

    assert (synced.emitted, synced.formulas[1:]) == (["recC"], [None])
    assert synced.saved["last_full_scan"] == text(TEN)
    assert (
        "read in full: Airtable refuses the filter for the table Contacts of base Sales CRM."
        in caplog.text
    )


@pytest.mark.parametrize("status", [400, 418, None])
def test_other_refusal(status: int | None) -> None:
    """Another answer that is not as documented ends the stream."""
    facts = {} if status is None else {"status": status}

    synced = Synced(a_first_sync(), TEN, [ContractError(**facts)])

    assert synced.errors == {"contacts": "ContractError"}


def test_ignored_filter(caplog: pytest.LogCaptureFixture) -> None:
    """If the filter is evidently ignored, everything is read, each record emitted once."""
    stream = a_stream(PROVING_TABLE)
    page = a_page_of(a_timed_record("recA", OLD, OLD), a_timed_record("recB", OLD, text(TEN)))

    synced = Synced(
        a_first_sync(stream=stream),
        TEN,
        [page],
        [page, a_page_of(a_timed_record("recC", OLD, OLD))],
        stream=stream,
    )

    assert (synced.emitted, synced.formulas[1:]) == (["recA", "recB", "recC"], [None])
    assert synced.saved["last_full_scan"] == text(TEN)
    assert "Airtable does not honour the filter for the table Contacts" in caplog.text


def test_old_records_that_prove_nothing() -> None:
    """If no field proves it, old records are no sign of an ignored filter."""
    synced = Synced(a_first_sync(), TEN, [a_page_of(a_timed_record("recA", OLD))])

    assert (synced.emitted, len(synced.formulas)) == (["recA"], 1)


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_state_of_another_method(method: Any) -> None:  # noqa: ANN401 - a literal
    """With another method everything is read anew."""
    settings = IncrementalSettings(method=method)
    other = CREATED if method == "last_modified" else SETTINGS

    synced = Synced(a_first_sync(settings=other), TEN, [a_page("recA")], settings=settings)

    assert (synced.formulas, synced.saved["method"]) == ([None], method)


def a_created_state(*recent_ids: str) -> Any:  # noqa: ANN401 - JSON
    """A state of the method created_time that has emitted these records of its look-back."""
    return {**a_first_sync(TEN, settings=CREATED), "recent_ids": pack_ids(recent_ids)}


def test_created_records_are_not_repeated() -> None:
    """By creation, the sync leaves out records of the look-back that were emitted before."""
    page = a_page_of(a_timed_record("recA", text(TEN - MINUTE)), a_timed_record("recB", text(TEN)))

    synced = Synced(a_created_state("recA"), ELEVEN, [page], settings=CREATED)

    assert synced.formulas == [since(TEN - HOUR, "created_time")]
    assert synced.emitted == ["recB"]


@pytest.mark.parametrize("is_first", [True, False])
def test_created_records_that_are_remembered(*, is_first: bool) -> None:
    """The state holds the records that the next look-back picks again, emitted or not."""
    edge = ELEVEN - HOUR
    page = a_page_of(
        a_timed_record("recA", text(edge - timedelta(seconds=1))),
        a_timed_record("recB", text(edge)),
        a_timed_record("recC", text(ELEVEN)),
    )
    saved = None if is_first else a_created_state("recB", "recX")

    synced = Synced(saved, ELEVEN, [page], settings=CREATED)

    assert synced.saved["recent_ids"] == pack_ids({"recB", "recC"})


def test_created_records_are_forgotten() -> None:
    """Records that leave the look-back are not remembered any more."""
    synced = Synced(a_created_state("recA"), ELEVEN, [a_page()], settings=CREATED)

    assert "recent_ids" not in synced.saved


def test_chain_of_created_records() -> None:
    """From sync to sync each new record is emitted once."""
    page = a_page_of(a_timed_record("recA", text(TEN - MINUTE)))
    first = Synced(None, TEN, [page], settings=CREATED)
    second = Synced(first.saved, TEN + MINUTE, [page], settings=CREATED)
    third = Synced(second.saved, TEN + 2 * MINUTE, [page], settings=CREATED)

    assert (first.emitted, second.emitted, third.emitted) == (["recA"], [], [])


def test_too_many_created_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound records are not remembered: they are repeated rather than lost."""
    monkeypatch.setattr(incremental_reader, "MOST_RECENT_RECORDS", 1)
    page = a_page_of(a_timed_record("recA", text(TEN)), a_timed_record("recB", text(TEN)))
    first = Synced(None, TEN, [page], settings=CREATED)

    second = Synced(first.saved, TEN + MINUTE, [page], settings=CREATED)

    assert second.emitted == ["recB"]


def test_edits_are_repeated_in_the_look_back() -> None:
    """By edit, records of the look-back come again, since they may have been edited again."""
    synced = Synced(a_first_sync(), TEN, [a_page("recA", "recB")])

    assert synced.emitted == ["recA", "recB"]
    assert "recent_ids" not in synced.saved


def test_created_records_after_an_ignored_filter() -> None:
    """By creation, a filter that is ignored repeats no record of the look-back."""
    page = a_page_of(a_timed_record("recA", text(TEN - MINUTE)), a_timed_record("recB", OLD))

    synced = Synced(a_created_state("recA"), ELEVEN, [page], [page], settings=CREATED)

    assert (synced.emitted, synced.formulas[1:]) == (["recB"], [None])


@pytest.mark.parametrize(
    "scans",
    [
        [[a_page("recA"), AirtableUnavailableError(status=503)]],
        [[REFUSED], [AirtableUnavailableError(status=503)]],
    ],
    ids=["scan", "scan in a refused filter's place"],
)
def test_failing_scan(scans: list[Any]) -> None:
    """After a scan that fails, only the cursor of the rows that went out moves on."""
    saved = a_first_sync()
    synced = Synced(saved, TEN, *scans)

    assert synced.errors == {"contacts": "AirtableUnavailableError"}
    went_out = [word for word in synced.words if word.startswith("contacts:")]
    assert synced.state() == ({**saved, "cursor_floor": text(TEN)} if went_out else None)


def test_untracked_reader() -> None:
    """Without detection of deletions, no id is kept beyond those of the scan's own set."""
    synced = Synced(a_first_sync(), TEN, [a_page("recA", "recB")])

    kept = [name for name, part in vars(synced.reader).items() if isinstance(part, RecordIdSet)]
    assert sum(len(getattr(synced.reader, name)) for name in kept) == 0
    assert synced.reader._deletions is None  # noqa: SLF001 - what it keeps is the point


def test_tracked_records() -> None:
    """With deletions detected, the first sync saves which records there are."""
    saved = a_first_sync(settings=TRACKING)

    assert (saved["known_ids"], saved["last_sweep"]) == (pack_ids({"recA", "recB"}), text(NINE))


def test_deleted_record() -> None:
    """A record that is gone when a sweep is due gets its tombstone, behind the records."""
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(
        saved, NINE + DAY, [a_page("recC")], [a_page("recA", "recC")], settings=TRACKING
    )

    assert synced.words == ["contacts:recC", "contacts:recB", "contacts."]
    assert (synced.emitted, synced.deleted) == (["recC"], ["recB"])
    assert synced.known == {"recA", "recC"}


def test_tombstone() -> None:
    """A tombstone has the record's id and the moment of the sync, and nothing else."""
    stream = a_stream(with_tombstones=True)
    saved = a_first_sync(settings=TRACKING)

    (tombstone, _) = Synced(saved, NINE + DAY, [], [a_page()], settings=TRACKING).rows()

    assert tombstone == {
        **dict.fromkeys(stream.get_json_schema()["properties"]),
        "_airtable_id": "recA",
        "_airtable_as_of": text(NINE + DAY),
        "_ab_cdc_deleted_at": text(NINE + DAY),
    }


def test_sweep_asks_for_the_primary_field() -> None:
    """A sweep asks for the primary field alone, of the whole table."""
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(saved, NINE + DAY, [], [a_page("recA", "recB")], settings=TRACKING)

    query = synced.client.queries[1]
    assert (tuple(query.field_ids), query.formula) == ((NAME_FIELD,), None)


@pytest.mark.parametrize(
    ("broken", "whole", "deleted"),
    [
        (["recB"], ["recA"], ["recB"]),
        (["recA"], ["recA", "recB"], []),
    ],
    ids=["no proof of presence", "no proof of absence"],
)
def test_interrupted_sweep(broken: list[str], whole: list[str], deleted: list[str]) -> None:
    """Only the last, whole pass of a sweep counts."""
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(
        saved,
        NINE + DAY,
        [],
        [a_page(*broken), OffsetExpiredError()],
        [a_page(*whole)],
        settings=TRACKING,
    )

    assert synced.deleted == deleted


@pytest.mark.parametrize(
    "failing", [[AirtableUnavailableError()], [a_page("recA"), AirtableUnavailableError()]]
)
def test_failing_sweep(failing: list[Any]) -> None:
    """A sweep that fails ends the stream behind its records, without a single tombstone.

    The record that went out is known, so its deletion is found later.
    """
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(saved, NINE + DAY, [a_page("recC")], failing, settings=TRACKING)

    assert synced.words == ["contacts:recC", "contacts!AirtableUnavailableError"]
    known = pack_ids({"recA", "recB", "recC"})
    assert synced.state() == {**saved, "cursor_floor": text(NINE + DAY), "known_ids": known}


def test_whole_scan_is_a_sweep() -> None:
    """A scan of the whole table finds deletions without another call."""
    saved = {**a_first_sync(settings=TRACKING), "fingerprint": "9f9f9f9f"}

    synced = Synced(saved, TEN, [a_page("recA", "recC")], settings=TRACKING)

    assert (synced.deleted, len(synced.formulas)) == (["recB"], 1)
    assert (synced.known, synced.saved["last_sweep"]) == ({"recA", "recC"}, text(TEN))


@pytest.mark.parametrize("is_due", [True, False])
def test_restarted_whole_scan(*, is_due: bool) -> None:
    """A whole scan that started over does not stand for a sweep: one is made when it is due."""
    saved = {**a_first_sync(settings=TRACKING), "fingerprint": "9f9f9f9f"}
    now = NINE + DAY if is_due else TEN

    synced = Synced(
        saved,
        now,
        [a_page("recA", "recC"), OffsetExpiredError()],
        [a_page("recC")],
        [a_page("recC")],
        settings=TRACKING,
    )

    assert synced.deleted == (["recA", "recB"] if is_due else [])
    assert synced.known == ({"recC"} if is_due else {"recA", "recB", "recC"})


@pytest.mark.parametrize("first", [[REFUSED], [a_page_of(a_timed_record("recA", OLD, OLD))]])
@pytest.mark.parametrize("is_due", [True, False])
def test_whole_scan_in_the_filters_place(first: list[Any], *, is_due: bool) -> None:
    """A whole scan in place of a refused or ignored filter leaves deletions to the next sweep."""
    stream = a_stream(PROVING_TABLE, with_tombstones=True)
    saved = a_first_sync(settings=TRACKING, stream=stream)
    now = NINE + DAY if is_due else TEN
    scans = [first, [a_page("recA")], [a_page("recA")]]

    synced = Synced(saved, now, *scans, settings=TRACKING, stream=stream)

    assert synced.deleted == (["recB"] if is_due else [])
    assert synced.emitted == ["recA"]


def test_unseen_records() -> None:
    """Records that no sync has seen are read whole by their ids, and known from then on."""
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(
        saved,
        NINE + DAY,
        [],
        [a_page("recA", "recB", "recD", "recC")],
        [a_page("recC", "recD")],
        settings=TRACKING,
    )

    assert synced.formulas[2:] == [*RecordIds(("recC", "recD")).formulas]
    assert synced.client.queries[2].field_ids == synced.client.queries[0].field_ids != ()
    assert (synced.emitted, synced.deleted) == (["recC", "recD"], [])
    assert (synced.cursors, synced.known) == (
        {text(NINE + DAY)},
        {"recA", "recB", "recC", "recD"},
    )


def test_unseen_records_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says how many records no sync has seen."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    saved = a_first_sync(settings=TRACKING)

    page = a_page("recA", "recB", "recC")
    Synced(saved, NINE + DAY, [], [page], [a_page("recC")], settings=TRACKING)

    assert "Stream contacts: found 1 records that no sync has emitted; reading them." in (
        caplog.messages
    )


def test_unseen_record_that_goes_meanwhile() -> None:
    """An unseen record that is gone when it is read is neither emitted nor known."""
    saved = a_first_sync(settings=TRACKING)
    page = a_page("recA", "recB", "recC")

    synced = Synced(saved, NINE + DAY, [], [page], [a_page()], settings=TRACKING)

    assert (synced.rows(), synced.known) == ([], {"recA", "recB"})


@pytest.mark.parametrize(
    ("count", "batches"), [(99, [99]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_batches_of_unseen_records(count: int, batches: list[int]) -> None:
    """Unseen records are read a hundred at a time."""
    saved = a_first_sync(settings=TRACKING)
    unseen = [f"recZ{number:013d}" for number in range(count)]
    parts = [[a_page(*unseen[start : start + 100])] for start in range(0, count, 100)]
    listed = a_page("recA", "recB", *unseen)

    synced = Synced(saved, NINE + DAY, [], [listed], *parts, settings=TRACKING)

    assert synced.emitted == unseen
    assert [str(one).count("RECORD_ID()") for one in synced.formulas[2:]] == batches
    assert synced.queue.in_flight == 0


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_restored_record(method: Any) -> None:  # noqa: ANN401 - a literal
    """A restored record that is older than any window reaches the stream by the sweep."""
    settings = IncrementalSettings(method=method, detect_deletions=True)
    first = Synced(None, NINE, [a_page("recA")], settings=settings)
    restored = a_page_of(a_timed_record("recOld", OLD))

    second = Synced(
        first.saved, NINE + DAY, [], [a_page("recA", "recOld")], [restored], settings=settings
    )

    assert (second.emitted, second.known) == (["recOld"], {"recA", "recOld"})


def test_restored_record_beside_another_stream() -> None:
    """A record that one stream's sweep finds is new to another stream until its own sweep."""
    swept = a_first_sync(settings=TRACKING)
    early = {**swept, "last_sweep": text(NINE + 23 * HOUR)}
    stream = a_stream(with_tombstones=True)
    client = a_client([], [a_page("recA", "recB", "recC")], [a_page("recC")])
    client.latest_date = NINE + DAY
    readers = [
        replace_name(stream, name).reader(stream.table, ReadRequest(TRACKING, saved))
        for name, saved in (("due", swept), ("early", early))
    ]

    scanned = Scanned(client, *readers)

    assert scanned.words == ["due:recC", "due.", "early."]
    assert set(unpack_ids(scanned.state("due")["known_ids"])) == {"recA", "recB", "recC"}
    assert set(unpack_ids(scanned.state("early")["known_ids"])) == {"recA", "recB"}


def replace_name(stream: TableStream, name: str) -> TableStream:
    """The same stream with another name."""
    return a_table_stream(stream.table, name, incremental={"detect_deletions": True})


def test_two_sweeps_of_one_scan() -> None:
    """Streams that share a scan share the list of a sweep, too."""
    saved = a_first_sync(settings=TRACKING)
    stream = a_stream(with_tombstones=True)
    client = a_client([], [a_page("recA")])
    client.latest_date = NINE + DAY

    scanned = Scanned(
        client,
        *(
            replace_name(stream, name).reader(stream.table, ReadRequest(TRACKING, saved))
            for name in "ab"
        ),
    )

    assert scanned.words == ["a:recB", "a.", "b:recB", "b."]
    assert len(client.queries) == 2


def test_deletions_after_an_upgrade() -> None:
    """With a state of version 1 the next sync reads what changed, and finds what is deleted."""
    sample = a_state_sample("version_1_last_modified")
    stream = a_stream(sample.table, with_tombstones=True)
    known = sample.holds["known_ids"]
    now = TEN + DAY

    synced = Synced(sample.state, now, [], [a_page(*known[3:])], settings=TRACKING, stream=stream)

    assert synced.formulas == [since(TEN - HOUR), None]
    assert (synced.emitted, synced.deleted) == ([], known[:3])
    assert (synced.saved["version"], synced.known) == (2, set(known[3:]))


def a_large_state(**changes: object) -> Any:  # noqa: ANN401 - JSON
    """The state of a table of a hundred records."""
    page = a_page(*(f"rec{number:014d}" for number in range(100)))
    return {**Synced(None, NINE, [page], settings=TRACKING).saved, **changes}


def test_confirmed_deletions() -> None:
    """A sweep that finds most records gone is confirmed by a second list."""
    left = a_page("rec00000000000000")

    synced = Synced(a_large_state(), NINE + DAY, [], [left], [left], settings=TRACKING)

    assert (len(synced.deleted), len(synced.formulas)) == (99, 3)
    assert synced.known == {"rec00000000000000"}


@pytest.mark.parametrize("is_whole", [True, False])
def test_disputed_deletions(*, is_whole: bool) -> None:
    """If the second list disagrees, nothing is deleted, and the sweep is repeated.

    Where the scan itself was the first list, it may have missed changes, so its window is repeated.
    """
    saved = a_large_state(**({"fingerprint": "9f9f9f9f"} if is_whole else {}))
    left, second = a_page("rec00000000000000"), a_page("rec00000000000000", "rec00000000000001")
    scans = [[left], [second]] if is_whole else [[], [left], [second]]

    synced = Synced(saved, NINE + DAY, *scans, settings=TRACKING)

    assert (synced.deleted, len(synced.known or ())) == ([], 100)
    assert synced.saved["last_sweep"] == text(NINE)
    assert synced.saved["read_to"] == text(NINE if is_whole else NINE + DAY)
    assert synced.saved["last_full_scan"] == text(NINE)
    assert synced.saved["cursor_floor"] == text(NINE + DAY)


def test_table_that_outgrew_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with too many records is marked, and not swept after that."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    first = Synced(None, NINE, [a_page("recA", "recB")], settings=TRACKING)

    second = Synced(first.saved, NINE + 2 * DAY, [a_page("recC")], settings=TRACKING)

    assert (first.known, first.saved["untracked_records"]) == (None, 2)
    assert (second.emitted, len(second.formulas)) == (["recC"], 1)
    assert (second.known, second.saved["untracked_records"]) == (None, 2)


def test_table_that_shrank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that has become small enough is tracked again after a whole scan."""
    with monkeypatch.context() as patch:
        patch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
        first = Synced(None, NINE, [a_page("recA", "recB")], settings=TRACKING)
    saved = {**first.saved, "fingerprint": "9f9f9f9f"}

    second = Synced(saved, TEN, [a_page("recA")], settings=TRACKING)

    assert second.known == {"recA"}
    assert "untracked_records" not in second.saved


FILTERED_TABLE = replace(a_table_schema(), filter=TableFilter(formula="TRUE()"))
LEAVERS = (
    "Stream contacts: records that the table's filter leaves out now stay in the destination, "
    "because the state does not hold the ids of the table's records. Clear the stream in Airbyte "
    "to remove them."
)


@pytest.mark.parametrize("is_tracked", [True, False])
def test_changed_filter(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, is_tracked: bool
) -> None:
    """Known records that another filter leaves out get tombstones; of others a warning tells."""
    if not is_tracked:
        monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    saved = a_first_sync(settings=TRACKING)
    filtered = a_stream(FILTERED_TABLE, with_tombstones=True)

    synced = Synced(saved, TEN, [a_page("recA")], settings=TRACKING, stream=filtered)

    assert synced.deleted == (["recB"] if is_tracked else [])
    assert (LEAVERS in caplog.messages) is not is_tracked


def test_changed_filter_of_a_table_without_records(caplog: pytest.LogCaptureFixture) -> None:
    """Where no record was in the old filter, none can leave it, and no warning says so."""
    saved = Synced(None, NINE, [a_page()], settings=TRACKING).saved
    filtered = a_stream(FILTERED_TABLE, with_tombstones=True)

    synced = Synced(saved, TEN, [a_page("recA")], settings=TRACKING, stream=filtered)

    assert (synced.deleted, synced.known) == ([], {"recA"})
    assert LEAVERS not in caplog.messages


def test_changed_filter_without_tombstones(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody asks for deletions, nothing is said of records that leave the filter."""
    Synced(a_first_sync(), TEN, [a_page("recA")], stream=a_stream(FILTERED_TABLE)).rows()

    assert LEAVERS not in caplog.messages


def test_state_when_tracking_is_switched_off() -> None:
    """Known ids stay while deletions are not told, so none is lost once they are told again."""
    synced = Synced(a_first_sync(settings=TRACKING), TEN, [a_page("recC")])

    assert synced.known == {"recA", "recB", "recC"}


@pytest.mark.parametrize("is_first", [True, False])
def test_column_of_deletions_that_is_not_selected(
    caplog: pytest.LogCaptureFixture, *, is_first: bool
) -> None:
    """Without the column for deletions none is detected, and a warning says what to do."""
    saved = None if is_first else a_first_sync(settings=TRACKING)

    synced = Synced(saved, NINE + DAY, [a_page()], settings=TRACKING, stream=a_stream())

    known = None if is_first else {"recA", "recB"}
    assert (synced.rows(), synced.known, len(synced.formulas)) == ([], known, 1)
    assert "the column _ab_cdc_deleted_at is not selected" in caplog.text
    assert "refresh the connection's schema" in caplog.text


def test_no_warning_without_need(caplog: pytest.LogCaptureFixture) -> None:
    """If deletions are not to be detected, nothing is said of their column."""
    Synced(None, NINE, [a_page()])

    assert "_ab_cdc_deleted_at" not in caplog.text


def a_full_refresh(client: FakeClient, stream: TableStream | None = None) -> Scanned:
    """A full refresh of a stream."""
    stream = stream or a_stream()
    return Scanned(client, stream.reader(stream.table, ReadRequest()), table=stream.table)


def test_full_refresh() -> None:
    """A full refresh reads the whole table, with the clock before it as cursor, and no state."""
    client = a_client([a_page("recA"), OffsetExpiredError()], [a_page("recA", "recB")])
    client.latest_date = TEN

    scanned = a_full_refresh(client)

    assert [row["_airtable_as_of"] for row in scanned.rows()] == [text(TEN)] * 2
    assert (scanned.state(), scanned.formulas) == (None, [None, None])


def test_full_refresh_without_date() -> None:
    """Without Airtable's clock the cursor of a full refresh is null."""
    (row,) = a_full_refresh(a_client([a_page("recA")])).rows()

    assert row["_airtable_as_of"] is None


def test_columns_without_field(caplog: pytest.LogCaptureFixture) -> None:
    """A configured column whose field is gone is null, with a warning that names it."""
    whole = a_table_schema()
    json_schema = a_table_stream(whole).get_json_schema()
    table = replace(whole, primary_field_id=None, fields=whole.fields[:1])
    stream = a_table_stream(table)
    stream._json_schema = json_schema  # noqa: SLF001 - a catalog older than the table

    (row,) = a_full_refresh(a_client([a_page("recA")]), stream).rows()

    assert row["notes"] is None
    assert "these columns have no field in Airtable any more and are null: notes" in caplog.text


def test_columns_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    """If every column has its field, no warning is given."""
    a_full_refresh(a_client([a_page("recA")]))

    assert caplog.text == ""


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("_airtable_errors", "The column _airtable_errors keeps them."),
        ("notes", "Select the column _airtable_errors to keep them."),
    ],
)
def test_misfits_are_counted(caplog: pytest.LogCaptureFixture, column: str, expected: str) -> None:
    """Cells that did not fit are counted in one line, without their contents."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    cell = {"error": "#ERROR! Zebra"}
    client = a_client([a_page_of(a_record({NAME_FIELD: cell}))])

    a_full_refresh(client, a_stream(None, "_airtable_id", "name", column)).rows()

    assert "1 cells did not fit their column (formula errors, NaN and the like)" in caplog.text
    assert expected in caplog.text
    assert "Zebra" not in caplog.text


def test_misfits_before_a_deleted_field(caplog: pytest.LogCaptureFixture) -> None:
    """Cells that did not fit before the schema changed are counted as well."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    page = a_page_of(a_record({NAME_FIELD: {"error": "#ERROR!"}}, "recA"))
    client = a_client([page, SchemaChangedError(base=BASE)], [a_page("recA")])
    client.schemas[BASE] = [a_text_table(fields={NAME_FIELD: "Name"})]

    a_full_refresh(client).rows()

    assert "1 cells did not fit their column" in caplog.text


@pytest.mark.parametrize("selected", [("name",), ("notes", "name"), ("_airtable_id",)])
def test_fields_to_ask_for(selected: tuple[str, ...]) -> None:
    """The reader asks for the fields of the selected columns."""
    scanned = a_full_refresh(a_client([a_page()]), a_stream(None, *selected))

    asked = {"name": NAME_FIELD, "_airtable_id": NAME_FIELD}
    expected = () if len(selected) > 1 else (asked[selected[0]],)
    assert scanned.client.queries[0].field_ids == expected
