"""A consumer that is slower than Airtable: the connector waits, and nothing is lost meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.bases import a_base, a_table, record_ids
from integration_tests.connector import a_catalog, a_stream_with_ids, a_tenant

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import AdminClient, SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

TABLES: Final = 4
PAGES: Final = 30
PAGE_SIZE: Final = 100
WORKERS: Final = 4
PERMITS: Final = WORKERS + 7
"""Pages in flight, by ``Config.pages_in_flight``."""
PAGES_IN_PIPES: Final = 5
"""Two pipes of 64 kB and two buffers of 8 kB, at 400 bytes a record."""
STEPS: Final = 3
RECORDS_PER_STEP: Final = 500
QUIET_POLLS: Final = 250
MOST_POLLS: Final = 20_000


@dataclass(frozen=True)
class Slow:
    """A read whose consumer stopped several times."""

    tenant: Tenant
    bases: list[Message]
    asked: list[int]
    """Pages that had been asked for at each stop."""
    expired: int
    """Scans that Airtable forgot at the last stop."""
    run: Run


def pages_asked_when_quiet(admin: AdminClient, base_ids: list[str]) -> int:
    """How many pages have been asked for, when no more are, many looks in a row."""
    seen = 0
    quiet = 0
    for _ in range(MOST_POLLS):
        by_table: dict[str, int] = admin.stats(last=0)["by_table"]
        asked = sum(count for key, count in by_table.items() if key.split("/")[0] in base_ids)
        quiet = quiet + 1 if asked == seen else 0
        seen = asked
        if seen and quiet == QUIET_POLLS:
            return seen
    raise AssertionError("the connector does not stop asking")


@pytest.fixture(scope="module")
def slow(airtable: SimulatorProcess) -> Slow:
    """Read some records, stop until the connector has stopped too; at last all scans expire."""
    bases = [
        a_base(f"Slow {number}", a_table("Long", records=PAGES * PAGE_SIZE))
        for number in range(TABLES)
    ]
    tenant = a_tenant(airtable, *bases, num_workers=WORKERS)
    airtable.admin.reset_stats()
    catalog = a_catalog([a_stream_with_ids(base, base["tables"][0]) for base in bases])
    asked = []
    with tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        for _ in range(STEPS):
            for _ in range(RECORDS_PER_STEP):
                live.next_of_type("RECORD")
            asked.append(pages_asked_when_quiet(airtable.admin, [base["id"] for base in bases]))
        expired = airtable.admin.expire_iterators()
        run = live.whole()
    return Slow(tenant, bases, asked, expired, run)


def test_pages_are_asked_for_as_they_are_taken(slow: Slow) -> None:
    """At every stop no more pages were asked for than were taken, are in flight, or in pipes."""
    taken = [step * RECORDS_PER_STEP // PAGE_SIZE for step in range(1, STEPS + 1)]
    ahead = [asked - pages for asked, pages in zip(slow.asked, taken, strict=True)]

    assert max(ahead) <= PERMITS + PAGES_IN_PIPES
    assert max(slow.asked) < TABLES * PAGES


def test_connector_goes_on_when_records_are_taken(slow: Slow) -> None:
    """After each stop more pages are asked for."""
    assert slow.asked == sorted(set(slow.asked))


def test_scans_that_expired_meanwhile_are_read_again(slow: Slow) -> None:
    """Lists that Airtable forgot while nobody read are restarted, with a warning each."""
    warned = [line for line in slow.run.warnings if "forgot the list" in line]

    assert slow.expired >= TABLES
    assert len(warned) == TABLES


def test_every_record_once_in_spite_of_it(slow: Slow) -> None:
    """Every record of every table arrives once, and every stream is complete."""
    emitted = [record["data"]["_airtable_id"] for record in slow.run.of_type("RECORD")]
    there = [record_id for base in slow.bases for record_id in record_ids(base["tables"][0])]
    streams = sorted(slow.tenant.stream_name(base, base["tables"][0]) for base in slow.bases)

    assert len(emitted) == len(there)
    assert set(emitted) == set(there)
    assert slow.run.last_statuses == dict.fromkeys(streams, "COMPLETE")
    assert sorted(slow.run.state_streams) == streams
    assert slow.run.exit_code == 0
