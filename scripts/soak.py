"""Read an account again and again while requests fail at random; compare each sync with the truth.

`make soak` does so for ten minutes, `make soak ARGS="--minutes 2 --seed 7"` for two. Each sync is
the connector as a process, its clock a hundred times faster, so that its waits are short. Exits
with 1 if a record was lost, duplicate, unknown or different, or if a stream failed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from integration_tests.airtable_simulator import SimulatorProcess
from scripts.bench_measure import configure, discover, environment_for
from scripts.bench_process import run_measured
from scripts.soak_faults import FAST_CLOCK_FACTOR, count_faults, plan_faults
from scripts.soak_truth import MOST_EXAMPLES, Findings, Truth

if TYPE_CHECKING:
    from scripts.bench_process import Usage

FAST_CLOCK: Final = (sys.executable, "-m", "integration_tests.fast_clock")
ACCOUNT: Final = "bases=4,tables=5,records=2500,fields=20,cell_bytes=60"
LONGEST_SYNC_SECONDS: Final = 180.0
SEEDS: Final = 1_000_000


@dataclass
class Soak:
    """What is known so far."""

    syncs: int = 0
    failed_syncs: int = 0
    calls: int = 0
    found: Findings = field(default_factory=Findings)
    faults: dict[str, int] = field(default_factory=dict)
    peaks_by_minute: dict[int, list[float]] = field(default_factory=dict)

    def note(self, minute: int, usage: Usage, found: Findings) -> None:
        """Add a sync."""
        self.syncs += 1
        self.failed_syncs += usage.exit_code != 0
        self.found.add(found)
        self.peaks_by_minute.setdefault(minute, []).append(usage.peak_megabytes)

    def table(self) -> str:
        """What a person wants to read at the end."""
        found = self.found
        rows: list[tuple[str, object]] = [
            ("syncs", self.syncs),
            ("syncs that ended with an error", self.failed_syncs),
            ("requests", self.calls),
            ("records compared", found.records),
            ("records lost", found.lost),
            ("records duplicate", found.duplicate),
            ("records unknown to the simulator", found.unknown),
            ("cells different", found.different_cells),
            ("streams failed", len(found.failed_streams)),
            ("faults met", sum(self.faults.values())),
            *((f"  {kind}", count) for kind, count in self.faults.items()),
        ]
        for minute, peaks in self.peaks_by_minute.items():
            shown = f"{min(peaks):.0f} to {max(peaks):.0f}"
            rows.append((f"peak MB of the syncs of minute {minute + 1}", shown))
        return "\n".join(f"{name:<42}{value:>14}" for name, value in rows)


def main() -> None:
    """Soak for the time that the command line gives, print the table, and exit with the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long, about")
    parser.add_argument("--percent", type=float, default=2.0, help="of requests that fail")
    parser.add_argument("--seed", type=int, help="of the faults' order; else any")
    arguments = parser.parse_args()
    if arguments.minutes <= 0 or not 0 <= arguments.percent < 100:  # noqa: PLR2004 - a percentage
        parser.error("--minutes is above 0, and --percent from 0 to below 100")
    seed = random.randrange(SEEDS) if arguments.seed is None else arguments.seed  # noqa: S311 - repeatable, not secret
    print(f"--seed {seed} --minutes {arguments.minutes:g} --percent {arguments.percent:g}")
    soak = run_soak(arguments.minutes * 60, arguments.percent / 100, seed)
    print(soak.table())
    for line in [*soak.found.failed_streams, *soak.found.examples][:MOST_EXAMPLES]:
        print(line)
    if not soak.syncs or soak.failed_syncs or not soak.found.is_clean:
        raise SystemExit(1)


def run_soak(seconds: float, probability: float, seed: int) -> Soak:
    """Sync until the time is over; the last sync is let to its end."""
    soak = Soak()
    longest = seconds + 2 * LONGEST_SYNC_SECONDS
    serving = ("--synthetic", ACCOUNT, "--no-limits", "--stop-after-seconds", str(longest))
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess(*serving) as simulator:
        work = Path(folder)
        config, catalog, output = (work / name for name in ("config", "catalog", "messages"))
        config.write_text(json.dumps({"credentials": {"api_key": simulator.token}}))
        environment = environment_for(simulator.url)
        environment["FAST_CLOCK_FACTOR"] = str(FAST_CLOCK_FACTOR)
        streams = discover(config, environment)
        catalog.write_text(json.dumps(configure(streams)))
        truth = Truth(simulator, streams)
        print(f"{len(streams)} streams, {len(truth)} records", flush=True)
        planned = plan_faults(simulator.admin, probability, seed)
        simulator.admin.reset_stats()
        command = (*FAST_CLOCK, "read", "--config", str(config), "--catalog", str(catalog))
        started = told = time.monotonic()
        while time.monotonic() - started < seconds:
            minute = int((time.monotonic() - started) // 60)
            usage = run_measured(command, output, environment, longest_seconds=LONGEST_SYNC_SECONDS)
            soak.note(minute, usage, truth.compare(output))
            soak.faults = count_faults(simulator.admin, planned)
            soak.calls = simulator.admin.stats(last=0)["calls"]
            if time.monotonic() - told > 60:  # noqa: PLR2004 - a minute
                told = time.monotonic()
                print(_progress(soak), flush=True)
    return soak


def _progress(soak: Soak) -> str:
    state = "all as it should be" if soak.found.is_clean else "with findings"
    return (
        f"{soak.syncs} syncs, {soak.found.records} records, {sum(soak.faults.values())} faults, "
        f"{state}"
    )


if __name__ == "__main__":
    main()
