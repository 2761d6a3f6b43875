"""Incremental syncs as a platform runs them: the console script, its state handed on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.bases import a_base, a_field, a_table
from integration_tests.connector import Connector, a_catalog, a_config, without_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import AdminClient
    from integration_tests.connector import Message, Run

STARTED_AT: Final = "2026-11-18T10:00:00.000Z"
A_TICK_LATER: Final = "2026-11-18T10:00:00.001Z"
EDITED_AT: Final = "2026-11-18T09:00:00.000Z"
RECORDS: Final = 20_000
PAGES: Final = RECORDS // 100
DAY_SECONDS: Final = 86_400
PLACEHOLDERS: Final[dict[str, Message]] = {
    "full refresh": {"__ab_no_cursor_state_message": True},
    "upstream": {"__ab_full_refresh_sync_complete": True},
}


@dataclass
class Account:
    """A simulator of its own with a stopped clock, and the connector with settings."""

    simulator: SimulatorProcess
    settings: Message

    @property
    def admin(self) -> AdminClient:
        """Commands to the simulator."""
        return self.simulator.admin

    @property
    def connector(self) -> Connector:
        """The connector with these settings."""
        config = {**a_config(self.simulator.token), "incremental": self.settings}
        return Connector(self.simulator.url, config)

    def discover(self) -> list[Message]:
        """The streams of all bases."""
        return self.connector.discover()

    def sync(
        self,
        streams: list[Message],
        state: list[Message] | None = None,
        *,
        sync_mode: str = "incremental",
    ) -> Synced:
        """Sync from a state, and count the calls."""
        self.admin.reset_stats()
        catalog = a_catalog(streams, sync_mode=sync_mode)
        run = self.connector.read(catalog, state=state, on_fast_clock=True)
        stats = self.admin.stats()

        assert run.exit_code == 0, run.failures
        return Synced(run, stats["by_kind"].get("list_records", 0))


@dataclass
class Synced:
    """One complete sync."""

    run: Run
    record_calls: int

    @property
    def records(self) -> list[Message]:
        """The records of all streams."""
        return [record for records in self.run.records.values() for record in records]

    @property
    def ids(self) -> list[str]:
        """The ids of the records."""
        return [record["_airtable_id"] for record in self.records]

    @property
    def stream_state(self) -> Message:
        """The last state of the only stream."""
        state = self.run.states[-1]
        stream_state: Message = state["stream"]["stream_state"]
        return stream_state


def an_account(
    simulator: SimulatorProcess,
    *bases: Message,
    **incremental: Any,  # noqa: ANN401 - settings are JSON
) -> Account:
    """Nothing but these bases, before anybody has synced them, and a clock that stands still."""
    admin = simulator.admin
    admin.clear_faults()
    admin.configure(
        date_header="present",
        date_skew_seconds=0.0,
        filter_is_honoured=True,
        filter_is_rejected=False,
    )
    admin.set_clock(STARTED_AT)
    admin.load({"bases": list(bases)})
    admin.set_token_bases(*(base["id"] for base in bases))
    return Account(simulator, incremental)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


def a_plain_base(records: int = 5, *fields: Message) -> Message:
    """A base with one table that only edits can change."""
    return a_base("Plain", a_table("Notes", *fields, records=records))


def place(base: Message) -> tuple[str, str]:
    """The ids of a base and its first table."""
    return base["id"], base["tables"][0]["id"]


def edit(account: Account, base: Message, number: int, text: str = "edited") -> str:
    """Edit the n-th record of a base's first table; gives its id."""
    record_id: str = base["tables"][0]["records"][number]["id"]
    account.admin.edit_record(*place(base), record_id, {"Name": text})
    return record_id


# The figures of the issue.


@pytest.fixture(scope="module")
def large() -> Iterator[Account]:
    """A table of 20,000 records, with a clock that stands still."""
    figures = f"bases=1,tables=1,records={RECORDS},fields=20"
    with SimulatorProcess("--synthetic", figures, "--no-limits") as running:
        running.admin.set_clock(STARTED_AT)
        yield Account(running, {})


@dataclass
class Figures:
    """The syncs of the large table, one after another."""

    full_refresh: Synced
    first: Synced
    second: Synced
    third: Synced
    full_refresh_with_state: Synced
    changed: set[str]


@pytest.fixture(scope="module")
def figures(large: Account) -> Figures:
    """A full refresh, and three incremental syncs with 100 edits and 10 creations between."""
    streams = large.discover()
    base = streams[0]["json_schema"]["x-airtable"]["base_id"]
    table = streams[0]["json_schema"]["x-airtable"]["table_id"]
    field_id = streams[0]["json_schema"]["properties"]["field_1"]["x-airtable"]["field_id"]
    full_refresh = large.sync(streams, sync_mode="full_refresh")
    first = large.sync(streams)
    again = large.sync(streams, first.run.states, sync_mode="full_refresh")
    large.admin.advance_clock(1)
    changed = set(first.ids[::200])
    for record_id in changed:
        large.admin.edit_record(base, table, record_id, {field_id: "edited"})
    for number in range(10):
        created = large.admin.create_record(base, table, {field_id: f"created {number}"})
        changed.add(created["id"])
    second = large.sync(streams, first.run.states)
    large.admin.advance_clock(2 * 3600)
    quiet = large.sync(streams, second.run.states)
    large.admin.advance_clock(2 * 3600)
    third = large.sync(streams, quiet.run.states)
    return Figures(full_refresh, first, second, third, again, changed)


def test_first_sync_costs_little_more_than_a_full_refresh(figures: Figures) -> None:
    """The first incremental sync reads the same records, in parts so that it can be resumed."""
    assert figures.full_refresh.record_calls == PAGES
    assert PAGES < figures.first.record_calls <= 1.1 * PAGES
    assert sorted(figures.first.ids) == sorted(figures.full_refresh.ids)


def test_second_sync_reads_what_changed(figures: Figures) -> None:
    """100 edits and 10 creations among 20,000 records are read in at most 2 calls."""
    assert figures.second.record_calls <= 2
    assert len(figures.second.records) >= 110
    assert figures.changed <= set(figures.second.ids)


def test_third_sync_makes_one_call(figures: Figures) -> None:
    """When nothing has changed since before the look-back, one call says so."""
    assert figures.third.record_calls == 1
    assert figures.third.records == []


def test_full_refresh_does_not_look_at_the_state(figures: Figures) -> None:
    """A full refresh that is handed an incremental state reads everything, as without one."""
    again, plain = figures.full_refresh_with_state, figures.full_refresh

    assert again.record_calls == PAGES
    assert again.records == plain.records
    assert again.stream_state == plain.stream_state == {"__ab_no_cursor_state_message": True}


def test_plain_state_is_small(figures: Figures) -> None:
    """Without tracked deletions the state's size does not depend on the number of records."""
    size = len(json.dumps(figures.first.stream_state))
    print(f"plain state, 20 columns: {size} bytes")  # noqa: T201 - a figure to be read

    assert size < 1_000


@pytest.mark.parametrize("records", [10_000, 50_000])
def test_size_of_tracking_state(records: int) -> None:
    """A state that tracks deletions takes some fourteen bytes for each record."""
    figures = f"bases=1,tables=1,records={records},fields=2"
    with SimulatorProcess("--synthetic", figures, "--no-limits") as running:
        account = Account(running, {"detect_deletions": True})
        state = account.sync(account.discover()).stream_state
    size = len(json.dumps(state))
    print(f"state with {records} tracked records: {size} bytes")  # noqa: T201 - to be read

    assert 14 * records < size < 15 * records


# States that cannot be gone on from.


def warnings_of_full(synced: Synced) -> list[str]:
    """The warnings that say why a stream was read in full."""
    return [line for line in synced.run.warnings if "is read in full" in line]


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_placeholder_state(simulator: SimulatorProcess, name: str) -> None:
    """After a full refresh, or a sync of Airbyte's own connector, all is read, with a warning."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    synced = account.sync(streams, [a_state(streams[0]["name"], PLACEHOLDERS[name])])

    assert len(synced.records) == 5
    assert len(warnings_of_full(synced)) == 1
    assert "notes" in warnings_of_full(synced)[0]
    assert synced.stream_state["read_to"] == STARTED_AT


def a_state(stream_name: str, stream_state: Message) -> Message:
    """A state as the platform hands it over."""
    descriptor = {"name": stream_name}
    return {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor, "stream_state": stream_state},
    }


BROKEN: Final[dict[str, Message]] = {
    "another method": {"method": "created_time"},
    "another version": {"version": 99},
    "damaged moment": {"read_to": "yesterday"},
    "damaged type": {"read_to": 7},
    "damaged ids": {"known_ids": "3:x:!!", "last_sweep": STARTED_AT},
    "damaged fingerprint": {"fingerprint": 7},
}


@pytest.mark.parametrize("name", BROKEN)
def test_unusable_state(simulator: SimulatorProcess, name: str) -> None:
    """A state that cannot be gone on from costs a full scan and a warning, never a record."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    good = account.sync(streams).stream_state
    synced = account.sync(streams, [a_state(streams[0]["name"], {**good, **BROKEN[name]})])

    assert len(synced.records) == 5
    assert len(warnings_of_full(synced)) == 1
    assert {**synced.stream_state, "cursor_floor": STARTED_AT} == good


def test_state_from_the_future(simulator: SimulatorProcess) -> None:
    """A state ahead of Airtable's clock costs a full scan and a warning."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    first = account.sync(streams)
    account.admin.set_clock("2026-11-18T09:00:00.000Z")
    second = account.sync(streams, first.run.states)

    assert len(second.records) == 5
    assert len(warnings_of_full(second)) == 1


def test_cursor_never_goes_back(simulator: SimulatorProcess) -> None:
    """After a state from the future too, a record's cursor is above the one it had before.

    A destination that keeps the latest cursor would drop the newer record.
    """
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    account.admin.configure(date_skew_seconds=600.0)
    first = account.sync(streams)
    account.admin.configure(date_skew_seconds=0.0)
    edited = edit(account, base, 2)
    second = account.sync(streams, first.run.states)
    cursors = {record["_airtable_id"]: record["_airtable_as_of"] for record in second.records}

    assert cursors[edited] > first.stream_state["cursor_floor"]
    assert second.stream_state["cursor_floor"] > first.stream_state["cursor_floor"]
    assert second.stream_state["read_to"] < first.stream_state["read_to"]


# Airtable's clock.


def test_skew_within_the_look_back_loses_nothing(simulator: SimulatorProcess) -> None:
    """Dates of servers that differ by half a minute lose no edit."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    state: list[Message] | None = None
    seen, edited = [], []
    for number, skew in enumerate([30.0, -30.0, 30.0, 0.0]):
        account.admin.configure(date_skew_seconds=skew)
        synced = account.sync(streams, state)
        state = synced.run.states
        seen.append(synced)
        edited.append(edit(account, base, number))
    last = account.sync(streams, state)
    found = [{*after.ids} for after in (*seen[1:], last)]

    assert all(record_id in ids for record_id, ids in zip(edited, found, strict=True))


def test_missing_date_carries_the_state(simulator: SimulatorProcess) -> None:
    """Without a ``Date`` changes are read, and only the cursor of the state moves on."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    first = account.sync(streams)
    edited = edit(account, base, 1)
    account.admin.advance_clock(DAY_SECONDS * 3)
    account.admin.configure(date_header="absent")
    second = account.sync(streams, first.run.states)

    assert edited in second.ids
    assert {record["_airtable_as_of"] for record in second.records} == {A_TICK_LATER}
    assert second.stream_state == {**first.stream_state, "cursor_floor": A_TICK_LATER}


def test_missing_date_at_first(simulator: SimulatorProcess) -> None:
    """A first sync without a ``Date`` reads all, and the next one reads all again."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    account.admin.configure(date_header="absent")
    first = account.sync(streams)
    account.admin.configure(date_header="present")
    second = account.sync(streams, first.run.states)

    assert len(first.records) == len(second.records) == 5
    assert {record.get("_airtable_as_of") for record in first.records} == {None}
    assert second.stream_state["read_to"] == STARTED_AT


def test_records_of_a_sync_without_date_are_tracked(simulator: SimulatorProcess) -> None:
    """A record that came in a sync without a ``Date`` gets its tombstone when it is deleted."""
    base = a_plain_base()
    account = an_account(simulator, base, detect_deletions=True)
    streams = account.discover()
    first = account.sync(streams)
    created = account.admin.create_record(*place(base), {"Name": "short-lived"})["id"]
    account.admin.configure(date_header="absent")
    second = account.sync(streams, first.run.states)
    account.admin.configure(date_header="present")
    account.admin.delete_record(*place(base), created)
    account.admin.advance_clock(DAY_SECONDS * 2)
    third = account.sync(streams, second.run.states)

    assert created in second.ids
    assert created in third.ids


# Filters that do not work.


def test_refused_filter(simulator: SimulatorProcess) -> None:
    """Where Airtable refuses the filter, the table is read in full with a warning that names it."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    first = account.sync(streams)
    account.admin.configure(filter_is_rejected=True)
    second = account.sync(streams, first.run.states)

    assert len(second.records) == 5
    assert len(warnings_of_full(second)) == 1
    assert f"the table Notes of base {base['id']}" in warnings_of_full(second)[0]


def test_ignored_filter(simulator: SimulatorProcess) -> None:
    """Where a modified time proves the filter ignored, a warning that names the table says so."""
    options = {"referencedFieldIds": [], "result": {"type": "dateTime"}}
    changed = a_field("Changed", "lastModifiedTime", options=options)
    base = a_plain_base(5, changed)
    for record in base["tables"][0]["records"]:
        record["fields"]["Changed"] = "2026-11-01T08:30:00.000Z"
    account = an_account(simulator, base)
    streams = account.discover()
    first = account.sync(streams)
    account.admin.configure(filter_is_honoured=False)
    second = account.sync(streams, first.run.states)

    assert sorted(second.ids) == sorted(first.ids)
    assert len(warnings_of_full(second)) == 1
    assert f"the table Notes of base {base['id']}" in warnings_of_full(second)[0]


def test_refused_filter_of_ids(simulator: SimulatorProcess) -> None:
    """A sweep that finds records nobody has seen reads them, though the filter was refused."""
    base = a_plain_base()
    account = an_account(simulator, base, detect_deletions=True, deletion_sweep_hours=0)
    streams = account.discover()
    first = account.sync(streams)
    account.admin.advance_clock(2 * 3600)
    restored = account.admin.create_record(
        *place(base), {"Name": "restored"}, createdTime=EDITED_AT, lastModifiedTime=EDITED_AT
    )["id"]
    account.admin.configure(filter_is_rejected=True)
    second = account.sync(streams, first.run.states)

    assert second.ids.count(restored) == 1


def test_failing_sweep_of_one_stream(simulator: SimulatorProcess) -> None:
    """A sweep that fails fails its stream alone, and the others of its scan are complete."""
    base = a_plain_base()
    account = an_account(simulator, base, detect_deletions=True, deletion_sweep_hours=0)
    everything = account.connector.discover_all()
    (table,) = [stream for stream in everything if "x-airtable" in stream["json_schema"]]
    (records,) = [stream for stream in everything if stream["name"] == "records"]
    streams = [table, without_columns(records, "_ab_cdc_deleted_at")]
    first = account.sync(streams)
    account.admin.advance_clock(60)
    edited = edit(account, base, 0)
    # The first list of the next sync is the scan, the second one the sweep.
    account.admin.plan_fault("list_records", "status", status=422, nth=2, times=None)
    run = account.connector.read(
        a_catalog(streams, sync_mode="incremental"), state=first.run.states, on_fast_clock=True
    )
    account.admin.clear_faults()

    assert run.exit_code == 1
    assert run.last_statuses == {table["name"]: "INCOMPLETE", "records": "COMPLETE"}
    # The stream that failed has written a row, so it has a state, too.
    assert sorted(run.state_streams) == sorted([table["name"], "records"])
    assert edited in [record["id"] for record in run.records["records"]]
    assert run.failure_of(table["name"])["failure_type"] == "system_error"


# What makes a scan full, and deletions.


def a_formula(name: str, formula: str, *fields: Message) -> Message:
    """A formula that gives a number."""
    ids = [field["id"] for field in fields]
    options = {"isValid": True, "formula": formula, "referencedFieldIds": ids}
    return a_field(name, "formula", options={**options, "result": {"type": "number"}})


def test_renamed_field_fills_its_new_column(simulator: SimulatorProcess) -> None:
    """When the catalog is refreshed after a rename, every record fills the new column."""
    base = a_plain_base()
    account = an_account(simulator, base)
    first = account.sync(account.discover())
    account.admin.rename_field(*place(base), "Name", "Title")
    account.admin.advance_clock(2 * 3600)
    second = account.sync(account.discover(), first.run.states)

    assert len([record for record in second.records if record["title"]]) == 5


def test_formula_behind_a_deselected_one(simulator: SimulatorProcess) -> None:
    """An edited formula changes the columns that are computed from it, though it is deselected."""
    number = a_field("Number", "number", options={"precision": 0})
    doubled = a_formula("Doubled", f"{{{number['id']}}}*2", number)
    again = a_formula("Again", f"{{{doubled['id']}}}+1", doubled)
    base = a_plain_base(5, number, doubled, again)
    account = an_account(simulator, base)
    streams = [without_columns(account.discover()[0], "doubled")]
    first = account.sync(streams)
    options = {**doubled["options"], "formula": f"{{{number['id']}}}*3"}
    account.admin.change_field(*place(base), doubled["id"], options=options)
    account.admin.advance_clock(2 * 3600)
    second = account.sync(streams, first.run.states)

    assert len(second.records) == 5


def test_added_column_is_filled(simulator: SimulatorProcess) -> None:
    """A new column causes one full re-scan, and no second one."""
    base = a_plain_base()
    account = an_account(simulator, base)
    first = account.sync(account.discover())
    field_id = make_id("fld", "added")
    account.admin.add_field(*place(base), {**a_formula("New", "1"), "id": field_id})
    account.admin.advance_clock(2 * 3600)
    streams = account.discover()
    second = account.sync(streams, first.run.states)
    account.admin.advance_clock(2 * 3600)
    third = account.sync(streams, second.run.states)

    assert len(second.records) == 5
    assert third.records == []


@pytest.mark.parametrize("detects", [False, True])
def test_deleted_at_column(simulator: SimulatorProcess, *, detects: bool) -> None:
    """The column of tombstones is in the schema only where deletions are detected."""
    account = an_account(simulator, a_plain_base(), detect_deletions=detects)
    (stream,) = account.discover()

    assert ("_ab_cdc_deleted_at" in stream["json_schema"]["properties"]) == detects


def test_deleted_record_gets_a_tombstone(simulator: SimulatorProcess) -> None:
    """A sweep emits one tombstone for a record that is gone, and none the next time."""
    base = a_plain_base()
    account = an_account(simulator, base, detect_deletions=True)
    streams = account.discover()
    first = account.sync(streams)
    gone = base["tables"][0]["records"][3]["id"]
    account.admin.delete_record(*place(base), gone)
    account.admin.advance_clock(DAY_SECONDS + 1)
    second = account.sync(streams, first.run.states)
    account.admin.advance_clock(DAY_SECONDS + 1)
    third = account.sync(streams, second.run.states)
    moment = second.stream_state["read_to"]
    told = {key: value for key, value in second.records[0].items() if value is not None}

    assert second.ids == [gone]
    assert told == {
        "_airtable_id": gone,
        "_airtable_as_of": moment,
        "_ab_cdc_deleted_at": moment,
    }
    assert third.records == []


def test_deletions_go_unseen_without_the_setting(simulator: SimulatorProcess) -> None:
    """By default nothing tells of a deleted record."""
    base = a_plain_base()
    account = an_account(simulator, base)
    streams = account.discover()
    first = account.sync(streams)
    account.admin.delete_record(*place(base), base["tables"][0]["records"][3]["id"])
    account.admin.advance_clock(DAY_SECONDS * 2)

    assert account.sync(streams, first.run.states).records == []


def test_created_time_reads_new_records_once(simulator: SimulatorProcess) -> None:
    """The method created_time reads a new record once and does not see an edit."""
    base = a_plain_base()
    account = an_account(simulator, base, method="created_time")
    streams = account.discover()
    first = account.sync(streams)
    account.admin.advance_clock(5)
    created = account.admin.create_record(*place(base), {"Name": "new"})["id"]
    edit(account, base, 0)
    second = account.sync(streams, first.run.states)
    third = account.sync(streams, second.run.states)

    assert second.ids == [created]
    assert third.ids == []
