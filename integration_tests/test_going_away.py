"""When the one who reads goes away, or asks for the end, the connector ends soon."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.bases import CELL_MARK, a_base, a_record, a_table
from integration_tests.connector import (
    SIGNAL_AT_IMPORT,
    Connector,
    a_catalog,
    a_stream_with_ids,
    a_tenant,
    assert_told_to_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import LiveRun, Message, Run, Tenant

MOST_SECONDS: Final = 10.0
"""Between the cause and the end of the process."""
LONG_TABLES: Final = 4
LONG_TABLE_RECORDS: Final = 1_000
SMALL_TABLE_RECORDS: Final = 3


def a_catalog_of_tables(tenant: Tenant) -> Message:
    """The streams of a tenant's tables, without those of the whole account."""
    return a_catalog(
        [a_stream_with_ids(base, table) for base in tenant.bases for table in base["tables"]]
    )


@pytest.fixture
def long_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that has emitted its first record, and has more to read than the pipe can hold.

    Its small table is read to its end before the others, which take many pages.
    """
    records = [a_record(Name=f"{CELL_MARK} {'long ' * 400}") for _ in range(LONG_TABLE_RECORDS)]
    tables = [a_table(f"Table {number}", records=records) for number in range(LONG_TABLES)]
    base = a_base("Long", a_table("Small", records=SMALL_TABLE_RECORDS), *tables)
    tenant = a_tenant(airtable, base)
    catalog = a_catalog_of_tables(tenant)
    with tenant.connector.started("read", catalog=catalog) as live:
        live.next_of_type("RECORD")
        yield live


@pytest.fixture
def waiting_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that waits for its second page, which takes a minute."""
    base = a_base("Waiting", a_table("Slow", records=250))
    tenant = a_tenant(airtable, base)
    catalog = a_catalog_of_tables(tenant)
    airtable.admin.plan_fault(
        "list_records", "delay", base=base["id"], page=2, seconds=60, times=None
    )
    airtable.admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog) as live:
        # The first page's records stay in the CDK's buffer until something more is said.
        live.go_on_until(lambda: airtable.admin.stats()["faults"])
        yield live
    airtable.admin.clear_faults()


@pytest.fixture
def penalised_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that has emitted its first page and waits 30 seconds, because of a 429."""
    base = a_base("Penalised", a_table("Shut", records=250))
    tenant = a_tenant(airtable, base)
    catalog = a_catalog_of_tables(tenant)
    airtable.admin.plan_fault("list_records", "status", base=base["id"], page=2, status=429)
    airtable.admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog) as live:
        # The first page's records may stay in the CDK's buffer until the 30 seconds are over.
        live.go_on_until(lambda: airtable.admin.stats()["faults"])
        yield live
    airtable.admin.clear_faults()


def told_to_end(live: LiveRun, number: signal.Signals = signal.SIGTERM) -> Run:
    """Tell a read to end, and read on until it has; one that takes too long is killed."""
    bound = threading.Timer(MOST_SECONDS, live.process.kill)
    bound.start()
    try:
        live.process.send_signal(number)
        return live.whole()
    finally:
        bound.cancel()


def test_stdout_closed_early(long_read: LiveRun) -> None:
    """With ``| head -1`` the read ends instead of reading on for nobody."""
    long_read.close_stdout()

    assert long_read.process.wait(MOST_SECONDS) != 0


def test_sigterm_while_writing(long_read: LiveRun) -> None:
    """A read that is told to end while it writes ends at the end of a line, with what is true."""
    long_read.next_of_type("STATE")
    run = told_to_end(long_read)
    complete = {name.split("/")[1]: len(run.records[name]) for name in run.state_streams}

    assert_told_to_end(run)
    assert len(run.of_type("RECORD")) < LONG_TABLES * LONG_TABLE_RECORDS
    assert complete.pop("small") == SMALL_TABLE_RECORDS
    assert set(complete.values()) <= {LONG_TABLE_RECORDS}


def test_sigterm_while_nobody_reads(long_read: LiveRun) -> None:
    """A read that is told to end while its pipe is full ends, read or not."""
    long_read.process.send_signal(signal.SIGTERM)

    assert long_read.process.wait(MOST_SECONDS) == -signal.SIGTERM


def test_sigterm_while_waiting_for_a_page(waiting_read: LiveRun) -> None:
    """A read that is told to end while Airtable is silent ends, without a state."""
    run = told_to_end(waiting_read)

    assert_told_to_end(run)
    assert run.states == []


def test_sigterm_while_shut_out(penalised_read: LiveRun) -> None:
    """A read that is told to end while it waits after a 429 ends, without a state."""
    run = told_to_end(penalised_read)

    assert_told_to_end(run)
    assert run.states == []


def test_sigint_while_shut_out(penalised_read: LiveRun) -> None:
    """A read that is stopped from the keyboard while it waits after a 429 ends, without a state."""
    run = told_to_end(penalised_read, signal.SIGINT)

    assert_told_to_end(run, -signal.SIGINT)
    assert run.states == []


def test_sigterm_while_starting(tmp_path: Path) -> None:
    """A command that is told to end before it has imported its parts ends when it has."""
    shutil.copy(SIGNAL_AT_IMPORT, tmp_path / "sitecustomize.py")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    run = Connector("http://127.0.0.1:9", {}, environment={"PYTHONPATH": path}).run("spec")

    assert_told_to_end(run)
    assert run.of_type("SPEC") == []
