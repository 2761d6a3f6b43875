"""One scan of a table feeds every stream that needs the same of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.account_catalog import assert_sound, both, keys_of
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
            # Its columns are others, and so is their fingerprint.
            assert {**shared, "fingerprint": ""} == {**own, "fingerprint": ""}


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


# Streams of different needs do not interact.


def test_full_refresh_leaves_incremental_alone(simulator: SimulatorProcess) -> None:
    """Beside streams that are read in full, incremental ones emit only what changed."""
    account = Account(simulator, *mixed_bases())
    streams = account.incremental(*account.found.tables, account.found.account["records"])
    first = account.sync(streams)
    account.admin.advance_clock(2 * HOUR)
    change(account, 0)
    in_full = a_catalog(account.found.of("links", "attachments"))
    alone = account.sync(streams, first.states)
    beside = account.sync(both(in_full, streams), first.states)

    expected = account.rows_of_tables(alone)
    assert account.rows_of_tables(beside) == rows_of_records(beside) == expected
    assert 0 < len(expected) < sum(len(table["records"]) for table in tables_of(account))
    links = (run.records["links"] for run in (beside, account.sync(in_full)))
    assert len({tuple(sorted(keys_of(rows, "links"))) for rows in links}) == 1
    assert not [line for line in beside.logs if "read in full" in line]
    for stream in account.found.tables:
        before, after = (states_of(run)[stream["name"]] for run in (first, beside))
        assert before["read_to"] < after["read_to"]
        assert before["last_full_scan"] == after["last_full_scan"]


def test_two_needs_are_two_scans(simulator: SimulatorProcess) -> None:
    """A table that one stream reads in full, and another by what changed, is listed twice."""
    account = Account(simulator, a_photo_studio())
    (studio,) = account.tenant.bases
    tables = account.incremental(*account.found.tables)
    first = account.sync(tables)
    account.admin.reset_stats()
    account.sync(both(a_catalog(account.found.of("links")), tables), first.states)

    with_links = [
        table
        for table in studio["tables"]
        if any(field["type"] == "multipleRecordLinks" for field in table["fields"])
    ]
    calls = account.admin.stats()["by_kind"]["list_records"]
    assert calls == len(studio["tables"]) + len(with_links)


def test_states_of_different_age_are_different_needs(simulator: SimulatorProcess) -> None:
    """Streams whose states differ in age read what each of them lacks, and share the next scan."""
    account = Account(simulator, *mixed_bases())
    notes = next(stream for stream in account.found.tables if "/notes/" in stream["name"])
    records = account.incremental(account.found.account["records"])
    table = account.incremental(notes)
    old = account.sync(records)
    account.admin.advance_clock(5 * HOUR)
    change(account, 0)
    # Farther than the look-back of the young state reaches.
    account.admin.advance_clock(2 * HOUR)
    young = account.sync(table)
    account.admin.advance_clock(5 * HOUR)
    account.admin.reset_stats()
    run = account.sync(both(table, records), [*old.states, *young.states])
    calls = account.admin.stats()["by_kind"]["list_records"]
    account.admin.reset_stats()
    account.sync(both(table, records), run.states)

    assert calls == len(account.found.tables) + 1
    assert account.admin.stats()["by_kind"]["list_records"] == len(account.found.tables)
    changed = {key[2] for key in rows_of_records(run) if key[1] in notes["name"]}
    assert len(changed) == 2
    assert run.record_ids(notes["name"]) == []


def test_created_time_repeats_nothing(simulator: SimulatorProcess) -> None:
    """By the time of creation, streams beside ones that are read in full repeat no old record."""
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
