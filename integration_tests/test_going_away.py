"""When the one who reads goes away, or asks for the end, the connector ends soon."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.bases import CELL_MARK, a_base, a_record, a_table
from integration_tests.connector import SIGTERM_EXIT_CODE, a_catalog, a_tenant, assert_told_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import LiveRun, Run

MOST_SECONDS: Final = 10.0
"""Between the cause and the end of the process."""
LONG_TABLES: Final = 4
LONG_TABLE_RECORDS: Final = 1_000


@pytest.fixture
def long_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that has emitted its first record, and has more to read than the pipe can hold."""
    records = [a_record(Name=f"{CELL_MARK} {'long ' * 400}") for _ in range(LONG_TABLE_RECORDS)]
    tables = [a_table(f"Table {number}", records=records) for number in range(LONG_TABLES)]
    base = a_base("Long", *tables)
    tenant = a_tenant(airtable, base)
    catalog = a_catalog(tenant.connector.discover())
    with tenant.connector.started("read", catalog=catalog) as live:
        live.next_of_type("RECORD")
        yield live


@pytest.fixture
def waiting_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that waits for its second page, which takes a minute."""
    base = a_base("Waiting", a_table("Slow", records=250))
    tenant = a_tenant(airtable, base)
    catalog = a_catalog(tenant.connector.discover())
    airtable.admin.plan_fault(
        "list_records", "delay", base=base["id"], page=2, seconds=60, times=None
    )
    airtable.admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog) as live:
        # The first page's records stay in the CDK's buffer until something more is said.
        while live.is_going_on and airtable.admin.stats()["faults"] == {}:
            pass
        yield live
    airtable.admin.clear_faults()


@pytest.fixture
def penalised_read(airtable: SimulatorProcess) -> Iterator[LiveRun]:
    """A read that has emitted its first page and waits 30 seconds, because of a 429."""
    base = a_base("Penalised", a_table("Shut", records=250))
    tenant = a_tenant(airtable, base)
    catalog = a_catalog(tenant.connector.discover())
    airtable.admin.plan_fault("list_records", "status", base=base["id"], page=2, status=429)
    with tenant.connector.started("read", catalog=catalog) as live:
        live.next_of_type("RECORD")
        yield live


def told_to_end(live: LiveRun) -> Run:
    """Tell a read to end, and read on until it has; one that takes too long is killed."""
    bound = threading.Timer(MOST_SECONDS, live.process.kill)
    bound.start()
    try:
        live.process.send_signal(signal.SIGTERM)
        return live.whole()
    finally:
        bound.cancel()


def test_stdout_closed_early(long_read: LiveRun) -> None:
    """With ``| head -1`` the read ends instead of reading on for nobody."""
    long_read.close_stdout()

    assert long_read.process.wait(MOST_SECONDS) != 0


def test_sigterm_while_writing(long_read: LiveRun) -> None:
    """A read that is told to end while it writes ends at the end of a line, with what is true."""
    run = told_to_end(long_read)

    assert_told_to_end(run)
    assert len(run.of_type("RECORD")) < LONG_TABLES * LONG_TABLE_RECORDS
    assert all(len(run.records[name]) == LONG_TABLE_RECORDS for name in run.state_streams)


def test_sigterm_while_nobody_reads(long_read: LiveRun) -> None:
    """A read that is told to end while its pipe is full ends, read or not."""
    long_read.process.send_signal(signal.SIGTERM)

    assert long_read.process.wait(MOST_SECONDS) == SIGTERM_EXIT_CODE


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
    """A read that is stopped from the keyboard while it waits after a 429 ends."""
    penalised_read.process.send_signal(signal.SIGINT)

    assert penalised_read.process.wait(MOST_SECONDS) != 0
