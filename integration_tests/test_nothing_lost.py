"""No edit and no deletion is lost: to a wrong clock, a damaged state, or a base that hides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_syncs import HOUR, STARTED_AT, Account, states_of
from integration_tests.airtable_simulator import SimulatorProcess, SimulatorThread
from integration_tests.bases import a_base, a_field, a_record, a_table, record_ids
from integration_tests.connector import Connector, a_catalog, a_config
from integration_tests.in_process import InProcess, nothing_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.connector import Message, Run

DELETED: Final = 5
FORBIDDEN: Final[Message] = {"status": 403, "times": None}
AFTER_SYNTHETIC: Final = "2023-11-15T02:00:00.000Z"
"""Some hours after the first generated records were created."""
YEAR_9999: Final = 253_402_300_000


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock and settings the tests change."""
    with SimulatorProcess("--no-limits") as running:
        yield running


@pytest.fixture(autouse=True)
def _right_clock(simulator: SimulatorProcess) -> None:
    simulator.admin.configure(date_header="present", date_skew_seconds=0.0)


def a_base_of(records: int, name: str = "Plain") -> Message:
    """A base with one table of so many records."""
    return a_base(name, a_table("Notes", records=records))


def an_account(simulator: SimulatorProcess, *bases: Message, **incremental: Any) -> Account:  # noqa: ANN401 - settings are JSON
    """Bases whose deletions are looked for in every sync."""
    return Account(simulator, *bases, detect_deletions=True, deletion_sweep_hours=0, **incremental)


def by_this_clock(account: Account) -> None:
    """Set Airtable's clock to this machine's, with which the connector compares it."""
    account.admin.set_clock(float(int(time.time())))


def delete(account: Account, base: Message, count: int = DELETED) -> list[str]:
    """Delete the first records of a base's first table; gives their ids."""
    table = base["tables"][0]
    gone = record_ids(table)[:count]
    for record_id in gone:
        account.admin.delete_record(base["id"], table["id"], record_id)
    return sorted(gone)


def tombstones(*runs: Run, stream: str | None = None) -> list[str]:
    """The ids of the records that are told as deleted, in alphabetical order."""
    return sorted(
        row.get("_airtable_id") or row["id"]
        for run in runs
        for name, rows in run.records.items()
        for row in rows
        if row.get("_ab_cdc_deleted_at") and stream in (None, name)
    )


def a_destination(*runs: Run) -> dict[str, Message]:
    """The rows of one stream in a destination that keeps the greatest cursor."""
    rows: dict[str, Message] = {}
    for run in runs:
        for told in run.records.values():
            for row in told:
                held = rows.get(row["_airtable_id"])
                if held is None or row["_airtable_as_of"] >= held["_airtable_as_of"]:
                    rows[row["_airtable_id"]] = row
    return rows


# Deletions survive a state that cannot be gone on from.


def _switch_method(account: Account, catalog: Message, first: Run) -> list[Run]:
    settings = account.tenant.settings["incremental"]
    settings["method"] = "created_time"
    switched = account.sync(catalog, first.states)
    settings["method"] = "last_modified"
    return [switched, account.sync(catalog, switched.states)]


def _turn_back(account: Account, catalog: Message, first: Run) -> list[Run]:
    account.admin.configure(date_skew_seconds=-300.0)
    behind = account.sync(catalog, first.states)
    account.admin.configure(date_skew_seconds=0.0)
    return [behind, account.sync(catalog, behind.states)]


def _damage(account: Account, catalog: Message, first: Run) -> list[Run]:
    states = first.states
    state = states[0]["stream"]["stream_state"]
    state |= dict.fromkeys(state.keys() & {"read_to", "as_of"}, "yesterday")
    second = account.sync(catalog, states)
    return [second, account.sync(catalog, second.states)]


def _switch_off(account: Account, catalog: Message, first: Run) -> list[Run]:
    settings = account.tenant.settings["incremental"]
    settings["detect_deletions"] = False
    off = account.sync(catalog, first.states)
    assert tombstones(off) == []
    settings["detect_deletions"] = True
    return [off, account.sync(catalog, off.states)]


TROUBLES: Final[dict[str, Callable[[Account, Message, Run], list[Run]]]] = {
    "method switched and back": _switch_method,
    "clock 5 minutes behind": _turn_back,
    "damaged moment": _damage,
    "detection switched off and on": _switch_off,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_deletions_survive(simulator: SimulatorProcess, trouble: str) -> None:
    """Records deleted before a state is given up get one tombstone each."""
    base = a_base_of(12)
    account = an_account(simulator, base)
    catalog = account.incremental(*account.found.tables)
    first = account.sync(catalog)
    gone = delete(account, base)

    assert tombstones(*TROUBLES[trouble](account, catalog, first)) == gone


@pytest.mark.parametrize("skew", [2 * HOUR, YEAR_9999], ids=["two hours ahead", "year 9999"])
def test_deletions_survive_a_clock_ahead(simulator: SimulatorProcess, skew: float) -> None:
    """Records deleted after a sync by a wrong clock get one tombstone each, and syncs go on."""
    base = a_base_of(12)
    account = an_account(simulator, base)
    by_this_clock(account)
    catalog = account.incremental(*account.found.tables)
    account.admin.configure(date_skew_seconds=min(skew, YEAR_9999 - time.time()))
    first = account.sync(catalog)
    account.admin.configure(date_skew_seconds=0.0)
    gone = delete(account, base)
    second = account.sync(catalog, first.states)
    third = account.sync(catalog, second.states)

    assert tombstones(second, third) == gone
    assert third.warnings == []


# A wrong clock loses nothing.


@pytest.mark.parametrize("skew", [2 * HOUR, YEAR_9999], ids=["two hours ahead", "year 9999"])
@pytest.mark.parametrize("lookback_minutes", [1, 60])
def test_edits_after_a_clock_ahead(
    simulator: SimulatorProcess, skew: float, lookback_minutes: int
) -> None:
    """Edits ten minutes after a sync by a clock far ahead are found, with greater cursors."""
    base = a_base("Plain", a_table("Notes", records=12), a_table("More"))
    account = Account(simulator, base, lookback_minutes=lookback_minutes)
    by_this_clock(account)
    catalog = account.incremental(*account.found.tables)
    account.admin.configure(date_skew_seconds=min(skew, YEAR_9999 - time.time()))
    first = account.sync(catalog)
    account.admin.advance_clock(600)
    notes = base["tables"][0]
    for record_id in record_ids(notes)[:5]:
        account.admin.edit_record(base["id"], notes["id"], record_id, {"Name": "edited"})
    # Airtable's clock is right again: this machine's has not moved.
    account.admin.configure(date_skew_seconds=-600.0)
    second = account.sync(catalog, first.states)
    held = a_destination(first, second)

    assert len([line for line in first.warnings if "clock" in line]) == 1
    assert second.warnings == []
    assert {one for one, row in held.items() if row["name"] == "edited"} == set(
        record_ids(notes)[:5]
    )


@pytest.mark.parametrize("skew", [250.0, -900.0])
def test_cursor_after_a_step_back(simulator: SimulatorProcess, skew: float) -> None:
    """Where the clock steps back, a destination that keeps the greatest cursor has newer rows."""
    base = a_base_of(3)
    account = Account(simulator, base)
    by_this_clock(account)
    catalog = account.incremental(*account.found.tables)
    account.admin.configure(date_skew_seconds=max(skew, 0.0))
    first = account.sync(catalog)
    edited = record_ids(base["tables"][0])[0]
    table_id = base["tables"][0]["id"]
    account.admin.edit_record(base["id"], table_id, edited, {"Name": "edited"})
    account.admin.configure(date_skew_seconds=min(skew, 0.0))
    second = account.sync(catalog, first.states)

    assert a_destination(first, second)[edited]["name"] == "edited"


# States of streams of the whole account are merged.


def _hide_schema(account: Account, base: Message) -> None:
    account.admin.plan_fault("base_schema", "status", base=base["id"], **FORBIDDEN)


def _refuse_scan(account: Account, base: Message) -> None:
    account.admin.plan_fault("list_records", "status", base=base["id"], **FORBIDDEN)
    account.admin.plan_fault("base_schema", "status", base=base["id"], nth=2, **FORBIDDEN)


def _unshare(account: Account, base: Message) -> None:
    account.admin.unshare_base(base["id"])


HIDINGS: Final = {
    "base refused": (_hide_schema, "skip"),
    "table refused": (_refuse_scan, "skip"),
    "base not listed": (_unshare, "fail"),
}


@pytest.mark.parametrize("hiding", HIDINGS)
def test_states_are_merged(simulator: SimulatorProcess, hiding: str) -> None:
    """What hides in one sync keeps its part of the state, and its deletions are told later."""
    hide, on_missing_table = HIDINGS[hiding]
    base = a_base_of(12)
    # Where no base at all is listed, the sync fails.
    others = [a_base_of(1, "Other")] if hide is _unshare else []
    account = an_account(simulator, base, *others)
    account.tenant.settings["on_missing_table"] = on_missing_table
    catalog = account.incremental(account.found.account["records"])
    first = account.sync(catalog)
    gone = delete(account, base)
    account.admin.advance_clock(2 * HOUR)
    hide(account, base)
    hidden = account.sync(catalog, first.states)
    account.admin.clear_faults()
    account.admin.share_base(base["id"])
    later = account.sync(catalog, hidden.states)
    place = f"{base['id']}/{base['tables'][0]['id']}"
    before, after = (states_of(run)["records"]["tables"][place] for run in (first, hidden))

    assert before == after
    assert hidden.records == {}
    assert tombstones(later) == gone
    assert len(later.records["records"]) <= 12


# Large tables, and lists that come back short.


def test_no_sweep_above_the_bound() -> None:
    """Where a table has more records than a state tracks, no sweep lists their ids in vain."""
    base = a_base_of(350)
    with (
        SimulatorThread({"bases": [base]}, has_limits=False) as running,
        nothing_waits(running.url) as patch,
    ):
        patch.setattr("source_airtable.changes.deletions.MOST_TRACKED_RECORDS", 300)
        running.admin.set_clock(STARTED_AT)
        incremental = {"detect_deletions": True, "deletion_sweep_hours": 0}
        credentials = {"auth_method": "api_key", "api_key": running.token}
        connector = InProcess({"credentials": credentials, "incremental": incremental})
        (stream,) = (one for one in connector.discover() if "x-airtable" in one.json_schema)
        first = connector.read([stream], {})
        calls = []
        outcome = first
        for _ in range(2):
            running.admin.reset_stats()
            running.admin.advance_clock(2 * HOUR)
            outcome = connector.read([stream], outcome.states)
            calls.append(running.admin.stats()["by_kind"]["list_records"])

    assert len(first.records[stream.name]) == 350
    assert any("deletions are not detected" in line for line in first.warnings)
    assert calls == [1, 1]


def test_list_cut_short_once(simulator: SimulatorProcess) -> None:
    """Where one list lacks many records, another one decides; real deletions are told later."""
    base = a_base_of(140)
    account = an_account(simulator, base)
    catalog = account.incremental(*account.found.tables)
    first = account.sync(catalog)
    account.admin.advance_clock(2 * HOUR)
    account.admin.plan_fault("list_records", "malformed", page=1, nth=2, body={"records": []})
    cut = account.sync(catalog, first.states)
    gone = delete(account, base, 112)
    later = account.sync(catalog, cut.states)

    assert cut.records == {}
    assert ["140 of 140 known records" in line for line in cut.warnings] == [True]
    assert tombstones(later) == gone


def test_scan_cut_short_once(simulator: SimulatorProcess) -> None:
    """A scan that lacks many records deletes none, and the next sync reads the table again."""
    base = a_base_of(240)
    account = an_account(simulator, base, full_rescan_hours=1)
    catalog = account.incremental(*account.found.tables)
    first = account.sync(catalog)
    account.admin.add_field(base["id"], "Notes", a_field("More"))
    catalog = account.incremental(*account.tenant.connector.discover())
    account.admin.plan_fault("list_records", "malformed", page=2, body={"records": []})
    cut = account.sync(catalog, first.states)
    later = account.sync(catalog, cut.states)

    assert tombstones(cut, later) == []
    assert any("140 of 240 known records" in line for line in cut.warnings)
    assert len(later.record_ids(account.found.tables[0]["name"])) == 240


def test_created_while_filters_are_refused(simulator: SimulatorProcess) -> None:
    """A record that only the list of ids shows is read, though Airtable refuses every filter."""
    base = a_base_of(240)
    account = an_account(simulator, base)
    catalog = account.incremental(*account.found.tables)
    first = account.sync(catalog)
    account.admin.configure(filter_is_rejected=True)
    account.admin.plan_fault("list_records", "hold", page=2)
    account.admin.reset_stats()
    with account.tenant.connector.started(
        "read", catalog=catalog, state=first.states, on_fast_clock=True
    ) as live:
        live.go_on_until(lambda: account.admin.stats()["faults"].get("hold"))
        created = account.admin.create_record(base["id"], "Notes", {"Name": "late"})["id"]
        account.admin.release_answers()
        second = live.whole()
    account.admin.configure(filter_is_rejected=False)

    assert second.exit_code == 0, second.failures
    assert second.record_ids(account.found.tables[0]["name"]).count(created) == 1


# The method created_time repeats nothing.


def test_created_time_repeats_no_record() -> None:
    """Of more than 10,000 records in the look-back none comes twice."""
    figures = "bases=1,tables=1,records=10050,fields=1"
    incremental = {"method": "created_time", "lookback_minutes": 525_600}
    with SimulatorProcess("--synthetic", figures, "--no-limits") as running:
        running.admin.set_clock(AFTER_SYNTHETIC)
        config = {**a_config(running.token), "incremental": incremental}
        connector = Connector(running.url, config)
        (stream,) = connector.discover()
        catalog = a_catalog([stream], sync_mode="incremental")
        first = connector.read(catalog, on_fast_clock=True)
        second = connector.read(catalog, state=first.states, on_fast_clock=True)

    assert len(first.record_ids(stream["name"])) == 10_050
    assert (second.exit_code, second.records) == (0, {})


def test_created_time_without_a_date(simulator: SimulatorProcess) -> None:
    """A sync without a date forgets none of the records that came before."""
    base = a_base("Plain", a_table("Notes", records=[]))
    account = Account(simulator, base, method="created_time")
    catalog = account.incremental(*account.found.tables)
    first = account.sync(catalog)
    for number in range(3):
        account.admin.create_record(base["id"], "Notes", {"Name": f"new {number}"})
    second = account.sync(catalog, first.states)
    account.admin.configure(date_header="absent")
    third = account.sync(catalog, second.states)
    account.admin.configure(date_header="present")
    fourth = account.sync(catalog, third.states)

    assert sum(len(rows) for rows in second.records.values()) == 3
    assert (third.records, fourth.records) == ({}, {})


def test_restored_amid_a_created_time_sync(simulator: SimulatorProcess) -> None:
    """A recent record that was told as deleted comes again once it is restored."""
    base = a_base("Plain", a_table("Notes", records=[]))
    account = an_account(simulator, base, method="created_time")
    catalog = account.incremental(*account.found.tables)
    (stream,) = (one["name"] for one in account.found.tables)
    first = account.sync(catalog)
    created = account.admin.create_record(base["id"], "Notes", {"Name": "here"})
    second = account.sync(catalog, first.states)
    # The window still lists it; the list of ids does not any more.
    account.admin.plan_fault("list_records", "malformed", nth=2, body={"records": []})
    third = account.sync(catalog, second.states)
    account.admin.clear_faults()
    fourth = account.sync(catalog, third.states)

    assert second.record_ids(stream) == [created["id"]]
    assert tombstones(third) == [created["id"]]
    assert fourth.record_ids(stream) == [created["id"]]


# What no edit mends.


def test_renamed_table_with_ids(simulator: SimulatorProcess) -> None:
    """Where streams are named by ids, a renamed table comes again with its name."""
    base = a_base_of(5)
    account = Account(simulator, base)
    account.tenant.settings["stream_names"] = "ids"
    streams = account.tenant.connector.discover()
    catalog = account.incremental(*streams)
    first = account.sync(catalog)
    account.admin.advance_clock(2 * HOUR)
    account.admin.rename_table(base["id"], "Notes", "Remarks")
    second = account.sync(catalog, first.states)
    rows = second.records[streams[0]["name"]]

    assert [row["_airtable_table_name"] for row in rows] == ["Remarks"] * 5


def test_deleted_field_leaves_records(simulator: SimulatorProcess) -> None:
    """A deleted field leaves the cells of all records in the stream ``records``."""
    note = a_field("Note")
    cells = [a_record(Name="one", Note="noted"), a_record(Name="two", Note="noted")]
    base = a_base("Plain", a_table("Notes", note, records=cells))
    account = Account(simulator, base)
    catalog = account.incremental(account.found.account["records"])
    first = account.sync(catalog)
    account.admin.advance_clock(2 * HOUR)
    account.admin.delete_field(base["id"], "Notes", "Note")
    second = account.sync(catalog, first.states)

    assert [row["fields"].keys() for row in first.records["records"]] == [{"Name", "Note"}] * 2
    assert [row["fields"].keys() for row in second.records["records"]] == [{"Name"}] * 2
