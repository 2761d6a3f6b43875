"""What a failed sync has written is remembered: the next one reads and deletes accordingly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.account_syncs import HOUR, Account, states_of
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_comment, a_field, a_record, a_table, record_ids
from integration_tests.connector import a_catalog, without_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run

RECORDS: Final = 250


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


def a_base_with_columns(records: int = RECORDS) -> Message:
    """A base whose table has the columns A, B and C, all filled."""
    fields = [a_field(name) for name in "ABC"]
    cells = [a_record(**{name: f"{name} {at}" for name in "ABC"}) for at in range(records)]
    return a_base("Columns", a_table("Notes", *fields, records=cells))


def the_stream(account: Account) -> Message:
    """The stream of the only table."""
    (stream,) = account.found.tables
    return stream


def fail_on_page(account: Account, page: int) -> None:
    """Let a page of records fail from now on."""
    account.admin.plan_fault("list_records", "status", status=500, page=page, times=None)


def events_of(run: Run) -> list[str]:
    """States, failures and the streams' last statuses, in their order."""
    events = []
    for message in run.messages:
        trace = message.get("trace", {})
        if message["type"] == "STATE":
            events.append("state")
        elif "error" in trace:
            name = (trace["error"].get("stream_descriptor") or {}).get("name")
            events.append("failure of the stream" if name else "failure of the sync")
        elif trace.get("stream_status", {}).get("status") in ("COMPLETE", "INCOMPLETE"):
            events.append(trace["stream_status"]["status"])
    return events


def merged(stream: str, *runs: Run) -> dict[str, Message]:
    """The rows of a stream in a destination that keeps the greatest cursor, without the deleted."""
    rows: dict[str, Message] = {}
    for run in runs:
        for row in run.records.get(stream, ()):
            held = rows.get(row["_airtable_id"])
            assert held is None or row["_airtable_as_of"] > held["_airtable_as_of"]
            rows[row["_airtable_id"]] = row
    return {key: row for key, row in rows.items() if not row.get("_ab_cdc_deleted_at")}


def test_columns_that_a_failed_sync_left_out(simulator: SimulatorProcess) -> None:
    """After a failed sync of other columns, the columns of before are filled again."""
    account = Account(simulator, a_base_with_columns())
    stream = the_stream(account)
    with_b, with_c = without_columns(stream, "c"), without_columns(stream, "b")
    first = account.sync(account.incremental(with_b))
    account.admin.advance_clock(2 * HOUR)
    fail_on_page(account, 3)
    failed = account.sync(account.incremental(with_c), first.states, exit_code=1)
    account.admin.clear_faults()
    account.admin.advance_clock(2 * HOUR)
    third = account.sync(account.incremental(with_b), failed.states or first.states)
    rows = merged(stream["name"], first, failed, third)

    assert len(failed.record_ids(stream["name"])) == 200
    assert [row for row in rows.values() if not row.get("b")] == []
    assert len(rows) == RECORDS


def test_messages_of_a_failed_stream(simulator: SimulatorProcess) -> None:
    """The state comes before the failure and the status INCOMPLETE, and nothing says COMPLETE."""
    account = Account(simulator, a_base_with_columns())
    fail_on_page(account, 3)
    failed = account.sync(account.incremental(the_stream(account)), exit_code=1)
    (state,) = states_of(failed).values()

    assert events_of(failed) == [
        *("state", "failure of the stream", "INCOMPLETE", "failure of the sync")
    ]
    assert "read_to" not in state
    assert state["cursor_floor"] == "2026-11-18T10:00:00.000Z"
    assert state["fingerprint"] == ""


@pytest.mark.parametrize("page", [1, 3])
def test_full_refresh_that_fails(simulator: SimulatorProcess, page: int) -> None:
    """A full refresh that fails writes no state, whether or not rows went out."""
    account = Account(simulator, a_base_with_columns())
    fail_on_page(account, page)
    failed = account.sync(a_catalog([the_stream(account)]), exit_code=1)

    assert failed.states == []
    assert failed.last_statuses == {the_stream(account)["name"]: "INCOMPLETE"}


def test_failure_before_the_first_row(simulator: SimulatorProcess) -> None:
    """Where no row went out, the saved state stays as it is."""
    account = Account(simulator, a_base_with_columns(records=5))
    fail_on_page(account, 1)

    assert account.sync(account.incremental(the_stream(account)), exit_code=1).states == []


@pytest.mark.parametrize("stream_kind", ["table", "records"])
@pytest.mark.parametrize("is_first", [True, False])
def test_record_that_only_a_failed_sync_emitted(
    simulator: SimulatorProcess, stream_kind: str, *, is_first: bool
) -> None:
    """A record that a failed sync emitted, and that is deleted then, gets its tombstone."""
    base = a_base_with_columns(records=150)
    table_id = base["tables"][0]["id"]
    account = Account(simulator, base, detect_deletions=True, deletion_sweep_hours=0)
    is_table = stream_kind == "table"
    stream = the_stream(account) if is_table else account.found.account["records"]
    key = "_airtable_id" if is_table else "id"
    catalog = account.incremental(stream)
    states: list[Message] = [] if is_first else account.sync(catalog).states
    account.admin.advance_clock(2 * HOUR)
    created = account.admin.create_record(base["id"], table_id, {"A": "short-lived"})["id"]
    for number in range(120):
        account.admin.create_record(base["id"], table_id, {"A": f"A {number}"})
    fail_on_page(account, 3 if is_first else 2)
    failed = account.sync(catalog, states, exit_code=1)
    account.admin.clear_faults()
    account.admin.delete_record(base["id"], table_id, created)
    account.admin.advance_clock(60)
    later = account.sync(catalog, failed.states or states)
    told = {row[key]: row.get("_ab_cdc_deleted_at") for row in later.records[stream["name"]]}

    assert created in {row[key] for row in failed.records[stream["name"]]}
    assert [one for one, deleted_at in told.items() if deleted_at] == [created]


def test_comments_of_a_failed_sync(simulator: SimulatorProcess) -> None:
    """Comments that a failed sync emitted come again, with a greater cursor by any clock."""
    records = [{**a_record(), "comments": [a_comment(f"talk {at}")]} for at in range(3)]
    base = a_base("Talk", a_table("Notes", records=records))
    account = Account(simulator, base)
    catalog = account.incremental(account.found.account["comments"])
    last = record_ids(base["tables"][0])[-1]
    account.admin.plan_fault("list_comments", "status", record=last, status=500, times=None)
    failed = account.sync(catalog, exit_code=1)
    account.admin.clear_faults()
    account.admin.configure(date_skew_seconds=-600.0)
    later = account.sync(catalog, failed.states)
    account.admin.configure(date_skew_seconds=0.0)
    emitted, again = (run.records["comments"] for run in (failed, later))

    assert failed.last_statuses == {"comments": "INCOMPLETE"}
    assert (len(emitted), len(again)) == (2, 3)
    assert min(row["_as_of"] for row in again) > max(row["_as_of"] for row in emitted)


def test_field_deleted_in_mid_scan_and_restored(simulator: SimulatorProcess) -> None:
    """The cells of a field that was away during a scan, and is back, come with the next sync."""
    base = a_base_with_columns()
    account = Account(simulator, base)
    table = base["tables"][0]
    gone = table["fields"][2]
    catalog = account.incremental(the_stream(account))
    account.admin.plan_fault("list_records", "hold", page=2)
    account.admin.reset_stats()
    with account.tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        live.go_on_until(lambda: account.admin.stats()["faults"].get("hold"))
        account.admin.delete_field(base["id"], table["id"], gone["id"])
        account.admin.release_answers()
        first = live.whole()
    account.admin.clear_faults()
    account.admin.add_field(base["id"], table["id"], gone)
    for at, record_id in enumerate(record_ids(table)):
        cells = {"B": f"B {at}"}
        account.admin.edit_record(base["id"], table["id"], record_id, cells, is_user_edit=False)
    account.admin.advance_clock(2 * HOUR)
    second = account.sync(catalog, first.states)
    rows = merged(the_stream(account)["name"], first, second)

    assert first.exit_code == 0, first.failures
    assert [row for row in rows.values() if not row.get("b")] == []
