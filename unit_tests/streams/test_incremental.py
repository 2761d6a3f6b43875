"""One incremental sync after the other: what is asked for, emitted and remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pytest

from source_airtable.config import IncrementalSettings
from source_airtable.errors import AirtableUnavailableError, ContractError
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.streams import deletions, incremental
from source_airtable.streams.packed_ids import pack_ids
from source_airtable.streams.sync_state import SyncState
from source_airtable.streams.table_stream import TableStream
from source_airtable.streams.window import created_after, modified_after
from unit_tests.builders import BASE, a_page, a_table_schema
from unit_tests.scans import (
    CountingQueue,
    a_client,
    a_shared_scan,
    an_incremental_share,
    consume,
    ids_of,
)
from unit_tests.tables import a_field, a_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.wire_types import RecordPage
    from source_airtable.errors import AirtableError

NINE, TEN, ELEVEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10, 11))
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
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
TABLE = a_table_schema()
PROVING_TABLE = replace(a_table(NAME, MODIFIED), base_id=BASE)
REFUSED = ContractError(status=422, error_type="INVALID_FILTER_BY_FORMULA")
OLD = "2020-01-01T00:00:00.000Z"


def text(moment: datetime) -> str:
    """A moment as Airtable writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def a_stream(table: Any = TABLE, *, with_tombstones: bool = False) -> TableStream:  # noqa: ANN401 - a table
    """A stream of a table."""
    json_schema = build_json_schema(table, with_tombstones=with_tombstones)
    return TableStream("contacts", table, json_schema)


def a_page_of(*records: tuple[str, str, str | None]) -> RecordPage:
    """A page of records by id, time of creation and time of the last edit."""
    return cast(
        "RecordPage",
        {
            "records": [
                {"id": one, "createdTime": created, "fields": {EDITED: edited} if edited else {}}
                for one, created, edited in records
            ]
        },
    )


class Synced:
    """What one incremental sync comes to."""

    def __init__(
        self,
        saved: Mapping[str, Any] | None,
        now: datetime | None,
        *scans: Sequence[RecordPage | AirtableError],
        settings: IncrementalSettings = SETTINGS,
        stream: TableStream | None = None,
    ) -> None:
        tracks = settings.detect_deletions
        stream = stream or a_stream(with_tombstones=tracks)
        self.client = a_client(*scans)
        self.client.latest_date = now
        queue = CountingQueue()
        share = an_incremental_share(stream, settings, saved or {})
        scan, _ = a_shared_scan(self.client, queue, share, table=stream.table)
        self.records = consume(scan.partitions[0].read(), queue)
        self.state: Any = share.new_state()

    @property
    def ids(self) -> list[str]:
        """The ids of the records, in their order."""
        return ids_of(self.records)

    @property
    def formulas(self) -> list[str | None]:
        """The filters that were asked for."""
        return [query.formula for query in self.client.queries]

    @property
    def moments(self) -> set[str | None]:
        """The moments that the records are said to be of."""
        return {record["_airtable_as_of"] for record in self.records}


def a_first_sync(
    now: datetime = NINE,
    settings: IncrementalSettings = SETTINGS,
    stream: TableStream | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """The state that a first sync leaves."""
    return Synced(None, now, [a_page("recA", "recB")], settings=settings, stream=stream).state


def test_first_sync() -> None:
    """The first sync reads everything and remembers when, how, and what the columns are."""
    synced = Synced(None, NINE, [a_page("recA"), a_page("recB")])

    assert (synced.ids, synced.formulas) == (["recA", "recB"], [None])
    assert {**synced.state, "schema_digest": "…"} == {
        "version": 1,
        "method": "last_modified",
        "as_of": text(NINE),
        "last_full_scan": text(NINE),
        "schema_digest": "…",
    }


def test_next_sync() -> None:
    """The next sync asks for what changed since, and remembers its own moment."""
    synced = Synced(a_first_sync(), TEN, [a_page("recB")])

    assert synced.formulas == [modified_after(NINE - HOUR)]
    assert synced.moments == {text(TEN)}
    assert (synced.state["as_of"], synced.state["last_full_scan"]) == (text(TEN), text(NINE))


def test_nothing_changed() -> None:
    """Where nothing changed, one page is asked for and the state still moves."""
    synced = Synced(a_first_sync(), TEN, [a_page()])

    assert (synced.records, synced.client.calls) == ([], ["page tblltp8DGLhqbUmjK"])
    assert synced.state["as_of"] == text(TEN)


def test_changed_schema() -> None:
    """After a change of the columns everything is read, and the new columns are remembered."""
    saved = {**a_first_sync(), "schema_digest": "9f9f9f9f"}

    synced = Synced(saved, TEN, [a_page("recA")])

    assert synced.formulas == [None]
    assert synced.state == {**a_first_sync(TEN)}


def test_deselected_column_is_forgotten() -> None:
    """A column that is selected again later was not read meanwhile: it is read in full."""
    whole = a_stream()
    properties = {n: p for n, p in whole.json_schema["properties"].items() if n != "notes"}
    partly = replace(whole, json_schema={**whole.json_schema, "properties": properties})
    first = a_first_sync()

    second = Synced(first, TEN, [a_page()], stream=partly)
    third = Synced(second.state, ELEVEN, [a_page()], stream=whole)

    assert second.formulas[0] is not None
    assert third.formulas == [None]


def test_full_rescan() -> None:
    """A table whose cells change by themselves is read in full when that is due."""
    link = a_field("multipleRecordLinks", field_id="fldLink0000000001", name="Orders")
    stream = a_stream(replace(a_table(NAME, link), base_id=BASE))
    first = a_first_sync(stream=stream)

    early = Synced(first, NINE + 23 * HOUR, [a_page()], stream=stream)
    late = Synced(early.state, NINE + 24 * HOUR, [a_page()], stream=stream)

    assert (early.formulas[0] is None, late.formulas) == (False, [None])
    assert late.state["last_full_scan"] == text(NINE + 24 * HOUR)


@pytest.mark.parametrize("behind", [timedelta(seconds=1), MINUTE])
def test_clock_that_goes_back(behind: timedelta) -> None:
    """Where Airtable's clock went back a little, records and state keep the saved moment."""
    synced = Synced(a_first_sync(TEN), TEN - behind, [a_page("recA")])

    assert (synced.moments, synced.state["as_of"]) == ({text(TEN)}, text(TEN))
    assert synced.formulas == [modified_after(TEN - HOUR)]


def test_clock_that_was_far_ahead() -> None:
    """After a state from the future everything is read, and the cursor stays where it was.

    A destination would drop the newer record of a cursor that goes back.
    """
    synced = Synced(a_first_sync(ELEVEN), TEN, [a_page("recA")])

    assert (synced.formulas, synced.state["as_of"]) == ([None], text(ELEVEN))


def test_clock_that_leaps_ahead() -> None:
    """A clock that leaps ahead moves the state with it, and the window begins where it should."""
    synced = Synced(a_first_sync(), NINE + 1000 * HOUR, [a_page("recA")])

    assert synced.formulas == [modified_after(NINE - HOUR)]
    assert synced.state["as_of"] == text(NINE + 1000 * HOUR)


@pytest.mark.parametrize("moments", [(NINE, TEN, ELEVEN), (TEN, TEN - MINUTE, TEN, NINE + HOUR)])
def test_moments_never_go_back(moments: tuple[datetime, ...]) -> None:
    """From sync to sync the moment never becomes less."""
    state, seen = None, []
    for moment in moments:
        state = Synced(state, moment, [a_page()]).state
        seen.append(state["as_of"])

    assert seen == sorted(seen)


def test_no_date() -> None:
    """Without Airtable's clock records carry the saved moment, and the state does not move."""
    saved = a_first_sync()
    synced = Synced(saved, None, [a_page("recA")])

    assert synced.formulas == [modified_after(NINE - HOUR)]
    assert (synced.moments, synced.state) == ({text(NINE)}, saved)


def test_no_date_in_the_first_sync() -> None:
    """Without Airtable's clock the first sync knows no moment, and leaves no state."""
    synced = Synced(None, None, [a_page("recA")])

    assert (synced.ids, synced.moments, synced.state) == (["recA"], {None}, None)


def test_no_date_after_an_unusable_state() -> None:
    """Without a clock an unusable state leaves nothing to go on from."""
    assert Synced({"version": 7}, None, [a_page("recA")]).state is None


def test_no_date_keeps_a_changed_schema_in_mind() -> None:
    """Without a clock a full scan for changed columns is done again by the next sync."""
    saved = {**a_first_sync(), "schema_digest": "9f9f9f9f"}
    synced = Synced(saved, None, [a_page("recA")])

    assert (synced.formulas, synced.state) == ([None], saved)


def test_no_date_no_sweep() -> None:
    """Without a clock deletions wait, and what is known of records stays."""
    saved = a_first_sync(settings=TRACKING)
    synced = Synced(saved, None, [a_page()], settings=TRACKING)

    assert (synced.records, synced.state, len(synced.formulas)) == ([], saved, 1)


@pytest.mark.parametrize("settings", [SETTINGS, CREATED])
def test_refused_filter(caplog: pytest.LogCaptureFixture, settings: IncrementalSettings) -> None:
    """Where Airtable refuses the filter, everything is read, with a warning for the table."""
    synced = Synced(
        a_first_sync(settings=settings), TEN, [REFUSED], [a_page("recC")], settings=settings
    )

    assert (synced.ids, synced.formulas[1:]) == (["recC"], [None])
    assert synced.state["last_full_scan"] == text(TEN)
    assert (
        "read in full: Airtable refuses the filter for the table Contacts of base Sales CRM."
        in (caplog.text)
    )


@pytest.mark.parametrize("status", [400, 418, None])
def test_other_refusal(status: int | None) -> None:
    """Another answer that is not as documented ends the stream."""
    facts = {} if status is None else {"status": status}

    with pytest.raises(ContractError):
        Synced(a_first_sync(), TEN, [ContractError(**facts)])


def test_ignored_filter(caplog: pytest.LogCaptureFixture) -> None:
    """Where the filter is evidently ignored, everything is read, each record emitted once."""
    stream = a_stream(PROVING_TABLE)
    pages = [a_page_of(("recA", OLD, OLD), ("recB", OLD, text(TEN)))]

    synced = Synced(
        a_first_sync(stream=stream),
        TEN,
        pages,
        [*pages, a_page_of(("recC", OLD, OLD))],
        stream=stream,
    )

    assert (synced.ids, synced.formulas[1:]) == (["recA", "recB", "recC"], [None])
    assert synced.state["last_full_scan"] == text(TEN)
    assert "Airtable does not honour the filter for the table Contacts" in caplog.text


def test_old_records_that_prove_nothing() -> None:
    """Where no field proves it, old records are no sign of an ignored filter."""
    synced = Synced(a_first_sync(), TEN, [a_page_of(("recA", OLD, None))])

    assert (synced.ids, len(synced.formulas)) == (["recA"], 1)


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_state_of_another_method(method: Any) -> None:  # noqa: ANN401 - a literal
    """Under another method everything is read anew."""
    settings = IncrementalSettings(method=method)
    other = CREATED if method == "last_modified" else SETTINGS

    synced = Synced(a_first_sync(settings=other), TEN, [a_page("recA")], settings=settings)

    assert (synced.formulas, synced.state["method"]) == ([None], method)


def a_created_state(*recent_ids: str) -> Any:  # noqa: ANN401 - JSON
    """A state of the method created_time that has emitted these records of its look-back."""
    saved = a_first_sync(TEN, settings=CREATED)
    return {**saved, "recent_ids": pack_ids(recent_ids)}


def test_created_records_are_not_repeated() -> None:
    """By creation, records of the look-back that were emitted before are left out."""
    page = a_page_of(("recA", text(TEN - MINUTE), None), ("recB", text(TEN), None))

    synced = Synced(a_created_state("recA"), ELEVEN, [page], settings=CREATED)

    assert synced.formulas == [created_after(TEN - HOUR)]
    assert synced.ids == ["recB"]


@pytest.mark.parametrize("is_first", [True, False])
def test_created_records_that_are_remembered(*, is_first: bool) -> None:
    """Remembered are the records that the next look-back will pick again, emitted or not."""
    edge = ELEVEN - HOUR
    page = a_page_of(
        ("recA", text(edge - timedelta(seconds=1)), None),
        ("recB", text(edge), None),
        ("recC", text(ELEVEN), None),
    )
    saved = None if is_first else a_created_state("recB", "recX")

    synced = Synced(saved, ELEVEN, [page], settings=CREATED)

    assert synced.state["recent_ids"] == pack_ids({"recB", "recC"})


def test_created_records_are_forgotten() -> None:
    """Records that leave the look-back are not remembered any more."""
    synced = Synced(a_created_state("recA"), ELEVEN, [a_page()], settings=CREATED)

    assert "recent_ids" not in synced.state


def test_chain_of_created_records() -> None:
    """From sync to sync each new record is emitted once."""
    page = a_page_of(("recA", text(TEN - MINUTE), None))
    first = Synced(None, TEN, [page], settings=CREATED)
    second = Synced(first.state, TEN + MINUTE, [page], settings=CREATED)
    third = Synced(second.state, TEN + 2 * MINUTE, [page], settings=CREATED)

    assert (first.ids, second.ids, third.ids) == (["recA"], [], [])


def test_too_many_created_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound records are not remembered: they are repeated rather than lost."""
    monkeypatch.setattr(incremental, "MOST_RECENT_RECORDS", 1)
    page = a_page_of(("recA", text(TEN), None), ("recB", text(TEN), None))
    first = Synced(None, TEN, [page], settings=CREATED)

    second = Synced(first.state, TEN + MINUTE, [page], settings=CREATED)

    assert second.ids == ["recB"]


def test_edits_are_repeated_in_the_look_back() -> None:
    """By edit, records of the look-back come again, since they may have been edited again."""
    synced = Synced(a_first_sync(), TEN, [a_page("recA", "recB")])

    assert synced.ids == ["recA", "recB"]
    assert "recent_ids" not in synced.state


def test_created_records_after_an_ignored_filter() -> None:
    """By creation, a filter that is ignored repeats no record of the look-back."""
    page = a_page_of(("recA", text(TEN - MINUTE), None), ("recB", OLD, None))

    synced = Synced(a_created_state("recA"), ELEVEN, [page], [page], settings=CREATED)

    assert (synced.ids, synced.formulas[1:]) == (["recB"], [None])


def test_failing_scan() -> None:
    """A scan that fails raises, so that no state is asked for."""
    with pytest.raises(AirtableUnavailableError):
        Synced(a_first_sync(), TEN, [a_page("recA"), AirtableUnavailableError(status=503)])


def test_failing_scan_after_a_refused_filter() -> None:
    """A full scan in the filter's place may fail like any other."""
    with pytest.raises(AirtableUnavailableError):
        Synced(a_first_sync(), TEN, [REFUSED], [AirtableUnavailableError(status=503)])


def test_tracked_records() -> None:
    """With deletions detected the first sync remembers which records there are."""
    saved = a_first_sync(settings=TRACKING)

    assert (saved["known_ids"], saved["last_sweep"]) == (pack_ids({"recA", "recB"}), text(NINE))


def test_deleted_record() -> None:
    """A record that is gone when a sweep is due gets its tombstone, behind the records."""
    saved = a_first_sync(settings=TRACKING)

    synced = Synced(
        saved, NINE + 24 * HOUR, [a_page("recC")], [a_page("recA", "recC")], settings=TRACKING
    )

    assert [(r["_airtable_id"], r["_ab_cdc_deleted_at"]) for r in synced.records] == [
        ("recC", None),
        ("recB", text(NINE + 24 * HOUR)),
    ]
    assert synced.state["known_ids"] == pack_ids({"recA", "recC"})


@pytest.mark.parametrize("first", [[REFUSED], [a_page("recA", "recC")]])
def test_full_scan_in_the_filters_place_is_a_sweep(first: list[Any]) -> None:
    """A full scan in place of a refused or ignored filter finds deletions without another call."""
    stream = a_stream(PROVING_TABLE, with_tombstones=True)
    saved = a_first_sync(settings=TRACKING, stream=stream)
    scans = [first if first[0] is REFUSED else [a_page_of(("recA", OLD, OLD))]]

    synced = Synced(saved, TEN, *scans, [a_page("recA")], settings=TRACKING, stream=stream)

    assert synced.records[-1]["_airtable_id"] == "recB"
    assert synced.records[-1]["_ab_cdc_deleted_at"] == text(TEN)
    assert len(synced.formulas) == 2


def test_failing_sweep() -> None:
    """A sweep that fails ends the stream, though its records are out."""
    saved = a_first_sync(settings=TRACKING)

    with pytest.raises(AirtableUnavailableError):
        Synced(
            saved,
            NINE + 24 * HOUR,
            [a_page("recC")],
            [AirtableUnavailableError(status=503)],
            settings=TRACKING,
        )


def test_table_that_outgrew_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of too many records is not swept in every sync after that."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    first = Synced(None, NINE, [a_page("recA", "recB")], settings=TRACKING)

    second = Synced(first.state, TEN, [a_page()], [a_page("recA", "recB")], settings=TRACKING)

    assert "known_ids" not in first.state
    assert (second.ids, len(second.formulas)) == ([], 1)


def test_table_that_shrank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that has become small enough is tracked again when a sweep is due."""
    with monkeypatch.context() as patch:
        patch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
        first = Synced(None, NINE, [a_page("recA", "recB")], settings=TRACKING)

    second = Synced(first.state, NINE + 24 * HOUR, [a_page()], [a_page("recA")], settings=TRACKING)

    assert second.state["known_ids"] == pack_ids({"recA"})


def test_state_when_tracking_is_switched_off() -> None:
    """Ids that are of no use any more are not kept."""
    state = Synced(a_first_sync(settings=TRACKING), TEN, [a_page()]).state

    assert not {"known_ids", "last_sweep"} & set(state)


def test_state_can_be_read_again() -> None:
    """What a sync leaves is a whole state."""
    saved = a_first_sync(settings=TRACKING)

    assert (
        SyncState(
            "last_modified", NINE, NINE, saved["schema_digest"], NINE, frozenset({"recA", "recB"})
        ).to_json()
        == saved
    )
