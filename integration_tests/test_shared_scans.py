"""One scan of a table feeds every stream that takes from it, as wide as the widest one needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.account_catalog import assert_sound, both
from integration_tests.account_syncs import (
    HOUR,
    Account,
    change,
    mixed_bases,
    rows_of_records,
    states_of,
    tables_of,
)
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.connector import a_catalog
from integration_tests.photo_studio import a_photo_studio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message

METHODS: Final = ("last_modified", "created_time")


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


# Incremental: `records` is the union of the tables' streams.


@pytest.mark.parametrize("detects_deletions", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_records_are_the_union(
    simulator: SimulatorProcess, method: str, *, detects_deletions: bool
) -> None:
    """Sync by sync, the stream says what the tables' streams say, together with them or alone."""
    account = Account(
        simulator,
        *mixed_bases(),
        method=method,
        detect_deletions=detects_deletions,
        deletion_sweep_hours=0,
    )
    tables = account.incremental(*account.found.tables)
    records = account.incremental(account.found.account["records"])
    states: dict[str, list[Message]] = {"tables": [], "records": [], "both": []}
    said = []
    for step in range(4):
        if step:
            change(account, step - 1)
        runs = {
            "tables": account.sync(tables, states["tables"]),
            "records": account.sync(records, states["records"]),
            "both": account.sync(both(tables, records), states["both"]),
        }
        expected = account.rows_of_tables(runs["tables"])

        assert rows_of_records(runs["records"]) == expected
        assert account.rows_of_tables(runs["both"]) == expected
        assert rows_of_records(runs["both"]) == expected
        assert_sound(runs["both"], [*account.found.tables, *account.found.of("records")])
        states = {name: run.states for name, run in runs.items()}
        said.append(expected)

    changed = [len(rows) for rows in said]
    deleted = [sum(row["deleted_at"] is not None for row in rows.values()) for rows in said]
    assert changed[0] == sum(len(table["records"]) for table in tables_of(account))
    assert all(0 < count < changed[0] for count in changed[1:])
    assert deleted == ([0, 2, 2, 2] if detects_deletions else [0, 0, 0, 0])


@pytest.mark.parametrize("method", METHODS)
def test_state_holds_that_of_each_table(simulator: SimulatorProcess, method: str) -> None:
    """The state of ``records`` holds for each table what its own stream's state says."""
    account = Account(simulator, *mixed_bases(), method=method, detect_deletions=True)
    streams = account.incremental(*account.found.streams)
    first = account.sync(streams)
    change(account, 0)
    second = account.sync(streams, first.states)

    for run in (first, second):
        states = states_of(run)
        of_tables = states["records"]["tables"]
        assert of_tables.keys() == {"/".join(place) for place in account.found.by_place}
        for place, stream in account.found.by_place.items():
            own, shared = states[stream["name"]], of_tables["/".join(place)]
            # Its columns are others, and so is their digest.
            assert {**shared, "schema_digest": ""} == {**own, "schema_digest": ""}


def test_some_tables_are_streams(simulator: SimulatorProcess) -> None:
    """Beside only one table's stream, ``records`` holds what changed in all tables."""
    account = Account(simulator, *mixed_bases())
    names = [stream["name"] for stream in account.found.tables]
    one = next(stream for stream in account.found.tables if "/notes/" in stream["name"])
    streams = account.incremental(one, account.found.account["records"])
    everything = account.incremental(*account.found.tables)
    first, whole = account.sync(streams), account.sync(everything)
    change(account, 0)
    second = account.sync(streams, first.states)
    expected = account.rows_of_tables(account.sync(everything, whole.states))

    assert len(names) == 5
    assert rows_of_records(second) == expected
    own = account.rows_of_tables(second)
    assert own == {key: row for key, row in expected.items() if key[1] in one["name"]}
    assert 0 < len(own) < len(expected)


# A scan is as wide as the widest share.


def test_full_refresh_widens_the_scan(simulator: SimulatorProcess) -> None:
    """A full refresh beside incremental streams has the table read in full, and states advance."""
    account = Account(simulator, *mixed_bases())
    streams = account.incremental(*account.found.tables, account.found.account["records"])
    first = account.sync(streams)
    account.admin.advance_clock(2 * HOUR)
    links = a_catalog(account.found.of("links"))
    second = account.sync(both(links, streams), first.states)

    studio, plain = account.tenant.bases
    with_links = {table["id"] for table in studio["tables"]}
    for (_, table_id), stream in account.found.by_place.items():
        told = f"INFO: Stream {stream['name']} is read in full: stream links, which shares the scan"
        assert any(line.startswith(told) for line in second.logs) is (table_id in with_links)
        before, after = (states_of(run)[stream["name"]] for run in (first, second))
        assert before["as_of"] < after["as_of"]
        assert (before["last_full_scan"] < after["last_full_scan"]) is (table_id in with_links)
    counts = {key[1]: 0 for key in rows_of_records(second)}
    assert counts.keys() == with_links
    assert account.rows_of_tables(second) == rows_of_records(second)
    assert plain["tables"][0]["id"] not in counts


def test_widest_window_counts(simulator: SimulatorProcess) -> None:
    """Streams with states of different age share one scan, from the older moment on."""
    account = Account(simulator, *mixed_bases())
    notes = next(stream for stream in account.found.tables if "/notes/" in stream["name"])
    records = account.incremental(account.found.account["records"])
    table = account.incremental(notes)
    old = account.sync(records)
    account.admin.advance_clock(5 * HOUR)
    change(account, 0)
    young = account.sync(table)
    account.admin.advance_clock(5 * HOUR)
    account.admin.reset_stats()
    run = account.sync(both(table, records), [*old.states, *young.states])

    told = [line for line in run.logs if "for a stream that shares the scan" in line]
    assert [notes["name"] in line for line in told] == [True]
    assert account.admin.stats()["by_kind"]["list_records"] == len(account.found.tables)
    changed = {key[2] for key in rows_of_records(run) if key[1] in notes["name"]}
    assert len(changed) == 2
    assert set(run.record_ids(notes["name"])) == changed


def test_created_time_repeats_nothing(simulator: SimulatorProcess) -> None:
    """By the time of creation, a scan that another stream has widened repeats no old record."""
    account = Account(simulator, a_photo_studio(), method="created_time")
    streams = account.incremental(*account.found.tables, account.found.account["records"])
    wide = both(a_catalog(account.found.of("links", "attachments")), streams)
    (studio,) = account.tenant.bases
    place = studio["id"], studio["tables"][0]["id"]
    run = account.sync(wide)
    # Some are made within the look-back of the next sync, others are not.
    for minutes in (10, 10, 90, 10):
        account.admin.advance_clock(60)
        created = account.admin.create_record(*place, {"Name": "new"})["id"]
        account.admin.advance_clock(minutes * 60)
        run = account.sync(wide, run.states)

        assert {key[2] for key in rows_of_records(run)} == {created}
        assert account.rows_of_tables(run) == rows_of_records(run)
