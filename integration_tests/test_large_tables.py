"""A large table behind slow answers: read in parts, and gone on with after a kill.

The simulator answers after 0.3 s until it is settled how the table is read, and at once from then
on. The connector's clock is fast.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_table, record_ids
from integration_tests.connector import a_catalog, a_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run, Tenant

RECORDS: Final = 4_500
"""A 31st of them is more than a page."""
PAGES: Final = RECORDS // 100
LOOK_SECONDS: Final = 0.05
SETTLED_CALLS: Final = 6
"""Two pages of one scan, the first part's first page, and what it decides."""
SLOW: Final = {"filter_latency_ms": 2_500.0}
REFUSED: Final = {"filter_is_rejected": True}
IGNORED: Final = {"filter_is_honoured": False}
ANY_CASE: Final = {"find_ignores_case": True}
AS_DOCUMENTED: Final[dict[str, Any]] = {
    "latency_ms": 300.0,
    "filter_is_rejected": False,
    "filter_is_honoured": True,
    "find_ignores_case": False,
    "filter_latency_ms": 0.0,
}


@pytest.fixture(scope="module")
def airtable() -> Iterator[SimulatorProcess]:
    """A simulator whose answers are slow."""
    with SimulatorProcess("--no-limits", "--latency-ms", "300") as simulator:
        yield simulator


@pytest.fixture
def tenant(airtable: SimulatorProcess) -> Iterator[Tenant]:
    """A base with one large table."""
    base = a_base("Large", a_table("Orders", records=RECORDS))
    yield a_tenant(airtable, base)
    airtable.admin.clear_faults()
    airtable.admin.configure(**AS_DOCUMENTED)
    airtable.admin.delete_base(base["id"])


def ids_of(tenant: Tenant) -> list[str]:
    """The ids in the table as it was loaded."""
    return record_ids(tenant.bases[0]["tables"][0])


def read(tenant: Tenant, mode: str = "full_refresh", **settings: Any) -> Run:  # noqa: ANN401 - JSON
    """Read the table on the fast clock, and count its calls from zero."""
    connector = tenant.connector_with(**settings)
    catalog = a_catalog(connector.discover(), sync_mode=mode)
    tenant.admin.reset_stats()
    with quick_once_settled(tenant):
        return connector.read(catalog, on_fast_clock=True)


@contextmanager
def quick_once_settled(tenant: Tenant) -> Iterator[None]:
    """Have the simulator answer at once from some call on."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(LOOK_SECONDS):
            if calls_of(tenant)[0] >= SETTLED_CALLS:
                tenant.admin.configure(latency_ms=0.0)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def assert_each_once(tenant: Tenant, run: Run) -> None:
    """Each record came once, and the sync is a good one."""
    (stream,) = run.last_statuses
    assert (run.exit_code, run.failures) == (0, [])
    assert Counter(run.record_ids(stream)) == Counter(ids_of(tenant))


def calls_of(tenant: Tenant) -> tuple[int, int]:
    """The calls that listed records, and how many of them had a filter."""
    listed = [
        call
        for call in tenant.admin.stats(last=1_000)["last_calls"]
        if call["kind"] == "list_records"
    ]
    return len(listed), sum("filterByFormula" in call["parameters"] for call in listed)


@pytest.mark.parametrize("reading", [{}, ANY_CASE], ids=["FIND", "FIND in any case"])
def test_parts(tenant: Tenant, reading: dict[str, Any]) -> None:
    """A large table is read in parts, with few calls more than one scan takes."""
    tenant.admin.configure(**reading)
    run = read(tenant)

    assert_each_once(tenant, run)
    calls, with_filter = calls_of(tenant)
    assert with_filter >= PAGES
    assert calls <= PAGES + 3 + 18
    assert len(run.states) == 1


@pytest.mark.parametrize("obstacle", [REFUSED, IGNORED, SLOW], ids=["refused", "ignored", "slow"])
def test_one_scan_goes_on(tenant: Tenant, obstacle: dict[str, Any]) -> None:
    """Where filters do not work or cost too much, one call finds out, and the scan goes on."""
    tenant.admin.configure(**obstacle)
    run = read(tenant)

    assert_each_once(tenant, run)
    assert calls_of(tenant) == (PAGES + 1, 1)
    assert any("one scan goes on" in line for line in run.logs)
    assert run.warnings == []


def test_never(tenant: Tenant) -> None:
    """With the setting, no part is tried."""
    run = read(tenant, read_large_tables_in_parts="never")

    assert_each_once(tenant, run)
    assert calls_of(tenant) == (PAGES, 0)


def test_list_of_a_part_expires(tenant: Tenant) -> None:
    """Only the part whose list Airtable forgets is read again."""
    base = tenant.bases[0]
    tenant.admin.plan_fault("list_records", "expire_iterator", base=base["id"], page=2, nth=4)
    run = read(tenant)

    assert_each_once(tenant, run)
    assert any("(restart 1 of 5)" in line for line in run.warnings)
    calls, _ = calls_of(tenant)
    assert calls <= PAGES + 3 + 18 + 3


@pytest.mark.parametrize("states", [1, 4])
def test_killed_first_sync(tenant: Tenant, states: int) -> None:
    """A first sync that is killed goes on from its last state, and no record is missing."""
    base, table = tenant.bases[0], tenant.bases[0]["tables"][0]
    settings = {"incremental": {"detect_deletions": True}}
    connector = tenant.connector_with(**settings)
    catalog = a_catalog(connector.discover(), sync_mode="incremental")
    with connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        state = live.next_of_type("STATE")
        for _ in range(states - 1):
            state = live.next_of_type("STATE")
            tenant.admin.configure(latency_ms=50.0)
        written = set(live.record_ids_so_far)
        live.process.kill()
    read_parts = state["state"]["stream"]["stream_state"]["read_parts"]
    gone = next(one for one in ids_of(tenant) if one[-1] in read_parts)
    tenant.admin.delete_record(base["id"], table["id"], gone)
    tenant.admin.reset_stats()
    tenant.admin.configure(latency_ms=0.0)

    second = connector.read(catalog, state=[state["state"]], on_fast_clock=True)

    (stream,) = second.last_statuses
    assert (second.exit_code, second.failures) == (0, [])
    came = second.record_ids(stream)
    assert len(came) == len(set(came)) < RECORDS
    assert written | set(came) == set(ids_of(tenant))
    assert {one for one in ids_of(tenant) if one[-1] not in read_parts} == set(came)
    assert calls_of(tenant)[0] < PAGES + 9

    every = {"detect_deletions": True, "deletion_sweep_hours": 0}
    connector = tenant.connector_with(incremental=every)
    third = connector.read(catalog, state=second.states[-1:], on_fast_clock=True)

    assert _tombstones(third, stream) == [gone]


def _tombstones(run: Run, stream: str) -> list[str]:
    return [
        record["_airtable_id"]
        for record in run.records.get(stream, ())
        if record.get("_ab_cdc_deleted_at")
    ]


def test_state_of_a_full_refresh(tenant: Tenant) -> None:
    """A full refresh leaves no state before its end, whatever is read beside it."""
    streams = tenant.connector.discover_all()
    chosen = [one for one in streams if "x-airtable" in one["json_schema"]]
    chosen += [one for one in streams if one["name"] in ("records", "attachments")]
    catalog: Message = a_catalog(chosen)
    catalog["streams"][1]["sync_mode"] = "incremental"
    tenant.admin.reset_stats()
    with quick_once_settled(tenant):
        run = tenant.connector.read(catalog, on_fast_clock=True)

    assert run.exit_code == 0
    counts = Counter(run.state_streams)
    assert {name: count for name, count in counts.items() if count == 1} == {
        name: 1 for name in counts if name != "records"
    }
    assert counts["records"] > 1
