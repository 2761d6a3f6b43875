"""Two workers are enough for all streams, and a table that fails is the failure of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.account_catalog import (
    ACCOUNT,
    FROM_SCANS,
    assert_sound,
    assert_statuses,
)
from integration_tests.account_syncs import (
    Account,
    change,
    mixed_bases,
    rows_of_records,
    states_of,
    tables_of,
)
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_table
from integration_tests.connector import a_catalog
from integration_tests.photo_studio import a_photo_studio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Run

BASES: Final = 4
TABLES_OF_A_BASE: Final = 12
WORKERS: Final = 2
VANISHING: Final = 10


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


def ended_streams(run: Run) -> list[str]:
    """The streams in the order in which they ended."""
    statuses = [
        trace["stream_status"]
        for trace in run.of_type("TRACE")
        if trace["type"] == "STREAM_STATUS" and trace["stream_status"]["status"] == "COMPLETE"
    ]
    return [status["stream_descriptor"]["name"] for status in statuses]


def a_large_account(simulator: SimulatorProcess) -> Account:
    """Several bases of many tables, two of them studios, and two workers."""
    bases = [
        a_base(
            f"Base {number}",
            *(a_table(f"Table {table}", records=2) for table in range(TABLES_OF_A_BASE)),
        )
        for number in range(BASES)
    ]
    return Account(simulator, *bases, a_photo_studio(), a_photo_studio("Other"), workers=WORKERS)


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_two_workers(simulator: SimulatorProcess, sync_mode: str, *, is_reversed: bool) -> None:
    """With two workers and all streams, in whatever order, everything is complete."""
    account = a_large_account(simulator)
    streams = account.found.streams[:: -1 if is_reversed else 1]
    account.admin.reset_stats()
    run = account.sync(a_catalog(streams, sync_mode=sync_mode))

    assert_statuses(run, streams)
    assert_sound(run, streams)
    assert sorted(run.state_streams) == sorted(stream["name"] for stream in streams)
    tables = tables_of(account)
    assert account.admin.stats()["by_kind"]["list_records"] == len(tables)
    assert len(run.records["records"]) == sum(len(table["records"]) for table in tables)
    assert account.rows_of_tables(run) == rows_of_records(run)


def test_slow_scan_is_waited_for_by_its_streams(simulator: SimulatorProcess) -> None:
    """While one worker scans a table, the other one ends none of the streams that share it."""
    table = a_table("Slow", records=250)
    account = Account(simulator, a_base("Slow", table), workers=WORKERS)
    for page in (1, 3):
        account.admin.plan_fault("list_records", "delay", page=page, seconds=0.5)
    streams = [*account.found.tables, *account.found.of("records", "comments", "tables")]
    run = account.sync(a_catalog(streams, sync_mode="incremental"))

    assert_statuses(run, streams, empty=["comments"])
    assert len(run.records["records"]) == 250
    # The metadata need not wait for the scan.
    assert ended_streams(run)[0] == "tables"
    assert sorted(run.state_streams) == sorted(stream["name"] for stream in streams)


def test_two_workers_and_failures(simulator: SimulatorProcess) -> None:
    """Of a table that fails, every stream that takes from it is incomplete, and the others end."""
    account = a_large_account(simulator)
    first, studio = account.tenant.bases[0], account.tenant.bases[-1]
    failing = {first["tables"][3]["id"], first["tables"][7]["id"], studio["tables"][1]["id"]}
    for table_id in failing:
        account.admin.plan_fault("list_records", "status", table=table_id, status=500, times=None)
    run = account.sync(a_catalog(account.found.streams, sync_mode="incremental"), exit_code=1)

    incomplete = {
        stream["name"]
        for (_, table_id), stream in account.found.by_place.items()
        if table_id in failing
    }
    incomplete |= {*FROM_SCANS, "comments"}
    names = {stream["name"] for stream in account.found.streams}
    assert {name for name, last in run.last_statuses.items() if last == "INCOMPLETE"} == incomplete
    assert run.last_statuses.keys() == names
    # The others' tables that were read to their end need not be read again.
    assert set(run.state_streams) == (names - incomplete) | {"records", "comments"}
    for name in ACCOUNT:
        assert run.statuses[name][0] == "STARTED"
        assert len(run.statuses[name]) == 3
    # What the other tables hold was emitted all the same.
    left = sum(len(table["records"]) for table in tables_of(account) if table["id"] not in failing)
    assert len(run.records["records"]) == left
    assert {failure["stream"] for failure in run.failures} == {None, *incomplete}


def test_failed_table_keeps_its_state(simulator: SimulatorProcess) -> None:
    """In the state of ``records`` a failing table stays where it was; the next sync catches up."""
    account = Account(simulator, *mixed_bases())
    streams = account.incremental(*account.found.tables, account.found.account["records"])
    first = account.sync(streams)
    change(account, 0)
    (_, plain) = account.tenant.bases
    account.admin.plan_fault(
        "list_records", "status", table=plain["tables"][0]["id"], status=500, times=None
    )
    failed = account.sync(streams, first.states, exit_code=1)
    account.admin.clear_faults()
    kept = states_of(first) | states_of(failed)
    state = [
        {**one, "stream": {**one["stream"], "stream_state": kept[name]}}
        for one, name in zip(first.states, first.state_streams, strict=True)
    ]
    caught_up = account.sync(streams, state)

    names = {stream["name"] for stream in account.found.tables}
    missing = names - set(failed.state_streams)
    assert failed.last_statuses["records"] == "INCOMPLETE"
    assert ["/notes/" in name for name in missing] == [True]
    before, after = (states_of(run)["records"]["tables"] for run in (first, failed))
    stayed = {key for key, table_state in after.items() if table_state == before[key]}
    assert stayed == {f"{plain['id']}/{plain['tables'][0]['id']}"}
    seen = rows_of_records(failed).keys() | rows_of_records(caught_up).keys()
    assert len(seen) == 5
    assert {key[1] for key in rows_of_records(caught_up)} >= {plain["tables"][0]["id"]}


def a_vanishing_account(simulator: SimulatorProcess) -> tuple[Account, list[str]]:
    """Tables, of which the first ten go away between discovery and their scans; and all ids."""
    base = a_base("Vanishing", *(a_table(f"Table {number}") for number in range(VANISHING + 4)))
    account = Account(simulator, base)
    table_ids = [table["id"] for table in base["tables"]]
    for table_id in table_ids[:VANISHING]:
        account.admin.plan_fault("list_records", "status", table=table_id, status=403, times=None)
    account.admin.plan_fault(
        "base_schema", "status", nth=2, times=None, status=200, body={"tables": []}
    )
    return account, table_ids


def test_several_tables_to_be_skipped(simulator: SimulatorProcess) -> None:
    """Each table that goes away is a warning of its own where tables may be skipped."""
    account, table_ids = a_vanishing_account(simulator)
    account.tenant.settings["on_missing_table"] = "skip"
    run = account.sync(a_catalog(account.found.of("records")))

    assert run.failures == []
    skipped = [line for line in run.warnings if "Stream records goes on without a table" in line]
    assert {key for key in table_ids for line in skipped if key in line} == set(
        table_ids[:VANISHING]
    )
    assert len(run.records["records"]) == 4 * 3
    assert run.last_statuses == {"records": "COMPLETE"}
    assert run.state_streams == ["records"]


def test_skipped_table_hides_no_failure(simulator: SimulatorProcess) -> None:
    """Where one table may be skipped and another one fails, the sync fails."""
    account, table_ids = a_vanishing_account(simulator)
    account.tenant.settings["on_missing_table"] = "skip"
    account.admin.plan_fault(
        "list_records", "status", table=table_ids[VANISHING], status=500, times=None
    )
    run = account.sync(a_catalog(account.found.of("records")), exit_code=1)

    assert {one["failure_type"] for one in run.failures} == {"transient_error"}
    assert "1 of 1 streams failed: records" in run.failures[-1]["message"]
