"""What `make bench` measures: accounts, how they are served, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from scripts.bench_changes import Changes
from source_airtable.api.rate_limit import (
    REQUESTS_PER_SECOND_PER_BASE,
    REQUESTS_PER_SECOND_PER_TOKEN,
)

RECORDS_PER_PAGE: Final = 100
BASES_PER_PAGE: Final = 1_000
LIMITS_OFF: Final = ("--no-limits",)
# What is usual between a cloud region and Airtable; the limiter's second is counted strictly.
USUAL_LATENCY: Final = ("--latency-ms", "250", "--jitter-ms", "100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An account, how it is served, and what is done with it."""

    bases: int
    tables: int
    records: int
    fields: int = 20
    cell_bytes: int = 24
    linked_ids: int = 0
    """With any, the account is one of link cells, each an array of so many record ids."""
    attachments: int = 0
    """How many an account of link cells has in each record, beside a text cell."""
    serving: tuple[str, ...] = LIMITS_OFF
    command: str = "read"
    account_streams: tuple[str, ...] = ()
    """What is read of the whole account, besides each table."""
    settings: tuple[tuple[str, int | tuple[str, ...]], ...] = ()
    """Settings of the source, besides its token."""
    output_bytes_per_second: int | None = None
    """How fast the output is read; None: as fast as it comes."""
    others_requests_per_second: int = 0
    """What another client asks of the first base meanwhile."""
    busy_loops: int = 0
    """Processes that do nothing but use the processor meanwhile."""
    changes: Changes | None = None
    """An incremental sync is measured, after one in which all was read, and after these changes."""
    container_cpus: float | None = None
    """The connector runs in its image with so many processors; None: as a process."""

    @property
    def synthetic(self) -> str:
        """The account, as the simulator's command line takes it."""
        return (
            f"bases={self.bases},tables={self.tables},records={self.records},"
            f"fields={self.fields},cell_bytes={self.cell_bytes}"
        )

    @property
    def has_limits(self) -> bool:
        """Whether the simulator refuses what is above Airtable's rates."""
        return LIMITS_OFF[0] not in self.serving

    @property
    def ideal_seconds(self) -> float:
        """What Airtable's rates alone make of the calls that the command cannot do without.

        The first request of a second is not waited for, nor are schemas counted in a read; both are
        a second at most.
        """
        if self.command == "discover":
            calls = self.bases + -(-self.bases // BASES_PER_PAGE)
            return calls / REQUESTS_PER_SECOND_PER_TOKEN
        if self.changes is not None:
            return self._calls_for_changes / REQUESTS_PER_SECOND_PER_BASE
        pages_per_base = self.tables * -(-self.records // RECORDS_PER_PAGE)
        rate = REQUESTS_PER_SECOND_PER_BASE - self.others_requests_per_second
        return max(
            pages_per_base / rate,
            pages_per_base * self.bases / REQUESTS_PER_SECOND_PER_TOKEN,
        )

    @property
    def _calls_for_changes(self) -> int:
        """The calls for schema, webhooks, and records that have changed.

        Without a webhook, each table takes one call for its changes, and its ids are listed.
        """
        changes = self.changes
        if changes is None or changes.method != "webhooks":
            return 1 + self.tables * (1 + -(-self.records // RECORDS_PER_PAGE))
        return 3 + -(-(changes.edited + changes.created) // RECORDS_PER_PAGE)


# Records of about 1 kB, with four links and two attachments each; read twice, the second time with
# what is to be had of the same scans. With bases named, both list the bases.
TABLES_ONLY: Final = Scenario(
    bases=2,
    tables=5,
    records=2_000,
    fields=3,
    linked_ids=2,
    attachments=2,
    cell_bytes=300,
    settings=(("base_ids", ("Links 1", "Links 2")),),
)

# One table whose answers take so long: a scan page after page asks for one page in that time.
LARGE_TABLE: Final = {
    milliseconds: Scenario(
        bases=1, tables=1, records=10_000, serving=("--latency-ms", str(milliseconds))
    )
    for milliseconds in (20, 300, 800)
}

# How far away Airtable is, each way; over TLS, so that a connection takes three round trips.
DISTANCES_MS: Final = (0, 10, 40, 100)
DISTANT: Final = {
    milliseconds: Scenario(
        bases=3,
        tables=4,
        records=500,
        serving=("--tls", "--one-way-ms", str(milliseconds)),
    )
    for milliseconds in DISTANCES_MS
}

METHODS: Final = ("last_modified", "webhooks")

# fmt: off
SCENARIOS: Final = {
    "many-bases": Scenario(bases=10, tables=2, records=1_000, serving=USUAL_LATENCY),
    "many-bases-tls": Scenario(
        bases=10, tables=2, records=1_000, serving=(*USUAL_LATENCY, "--tls"),
    ),
    "many-bases-4": Scenario(
        bases=10, tables=4, records=500, serving=(*USUAL_LATENCY, "--tls"),
    ),
    "many-bases-8": Scenario(
        bases=10, tables=8, records=200, serving=(*USUAL_LATENCY, "--tls"),
    ),
    "one-base": Scenario(bases=1, tables=10, records=500, serving=USUAL_LATENCY),
    "big-table": Scenario(bases=1, tables=1, records=5_000, serving=USUAL_LATENCY),
    **{f"large-table-{ms}": scenario for ms, scenario in LARGE_TABLE.items()},
    "cpu": Scenario(bases=4, tables=5, records=10_000),
    "cpu-tls": Scenario(bases=4, tables=5, records=5_000, serving=(*LIMITS_OFF, "--tls")),
    "wide": Scenario(bases=1, tables=2, records=2_000, fields=500),
    "memory-10k": Scenario(bases=2, tables=5, records=1_000, fields=10, cell_bytes=300),
    "memory-100k": Scenario(bases=2, tables=5, records=10_000, fields=10, cell_bytes=300),
    "memory-20kB": Scenario(bases=2, tables=5, records=500, fields=10, cell_bytes=9_750),
    "memory-40-workers": Scenario(
        bases=4, tables=10, records=1_000, fields=10, cell_bytes=300,
        settings=(("num_workers", 40),),
    ),
    "big-cells": Scenario(bases=2, tables=5, records=200, fields=3, cell_bytes=100_000),
    "links": Scenario(bases=1, tables=5, records=300, fields=3, linked_ids=2_000),
    "tables-only": TABLES_ONLY,
    "tables-and-more": replace(
        TABLES_ONLY, account_streams=("records", "links", "attachments"),
    ),
    "slow-consumer": Scenario(
        bases=2, tables=5, records=1_000, fields=10, cell_bytes=300,
        output_bytes_per_second=2_000_000,
    ),
    "sharing-at-5": Scenario(
        bases=1, tables=2, records=800, serving=USUAL_LATENCY, others_requests_per_second=3,
        settings=(("requests_per_second_per_base", 5),),
    ),
    "sharing-at-2": Scenario(
        bases=1, tables=2, records=800, serving=USUAL_LATENCY, others_requests_per_second=3,
        settings=(("requests_per_second_per_base", 2),),
    ),
    **{f"distance-{ms}": DISTANT[ms] for ms in DISTANCES_MS},
    "distance-jitter": replace(
        DISTANT[40], serving=(*DISTANT[40].serving, "--one-way-jitter-ms", "40"),
    ),
    **{f"busy-{ms}": replace(DISTANT[ms], busy_loops=2) for ms in DISTANCES_MS},
    **{
        f"container-{cpus}-{ms}": replace(DISTANT[ms], container_cpus=cpus)
        for cpus in (0.5, 0.25) for ms in DISTANCES_MS
    },
    **{
        f"{method}-changed": Scenario(
            bases=1, tables=1, records=20_000,
            changes=Changes(method=method, edited=100, created=10, deleted=7),
        )
        for method in METHODS
    },
    **{
        f"{method}-idle": Scenario(
            bases=1, tables=50, records=50, fields=5, changes=Changes(method=method),
        )
        for method in METHODS
    },
    "webhooks-deleted": Scenario(
        bases=1, tables=1, records=120_000, fields=3,
        changes=Changes(method="webhooks", deleted=50),
    ),
    "discover": Scenario(bases=5, tables=40, records=1, fields=150, command="discover"),
    "large-account": Scenario(
        bases=1_000, tables=10, records=0, serving=USUAL_LATENCY, command="discover",
    ),
}
# fmt: on
