"""Measure the connector as a user runs it: the console script as a process, against the simulator.

`make bench` runs every scenario; `make bench ARGS="many-bases cpu"` some of them,
`ARGS="--runs 10 many-bases"` one several times, and `ARGS="--json rows.json"` writes the rows, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.bench_container import why_no_container
from scripts.bench_measure import measure
from scripts.bench_process import CONSOLE_SCRIPT
from scripts.bench_scenarios import SCENARIOS
from source_airtable.api.rate_limit import (
    REQUESTS_PER_SECOND_PER_BASE,
    REQUESTS_PER_SECOND_PER_TOKEN,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripts.bench_measure import Measurement
    from scripts.bench_scenarios import Scenario

CPU_NAMES: Final = Path("/proc/cpuinfo")
COLUMNS: Final = (
    f"{'scenario':<18}{'limits':>7}{'wall s':>8}{'ideal s':>9}{'records':>9}{'per s':>8}"
    f"{'calls':>7}{'for records':>13}{'429s':>6}{'CPU s':>7}{'peak MB':>9}"
)


def main() -> None:
    """Run the scenarios that the command line names, and print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--runs", type=int, default=1, help="how often each is run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the rows, too")
    parser.add_argument(
        "--connector", default=CONSOLE_SCRIPT[0], help="the command, to compare another checkout's"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if arguments.runs < 1:
        parser.error("--runs is at least 1")
    machine = _machine()
    print(_heading(machine), flush=True)
    rows: list[dict[str, Any]] = []
    for name in arguments.scenarios or SCENARIOS:
        scenario = SCENARIOS[name]
        obstacle = "" if scenario.container_cpus is None else why_no_container()
        if obstacle:
            print(f"{name:<18} skipped: {obstacle}", flush=True)
            continue
        measured: list[Measurement] = []
        for run in range(1, arguments.runs + 1):
            measured.append(measure(scenario, (arguments.connector,)))
            print(_row(name, scenario, measured[-1]), flush=True)
            rows.append({"scenario": name, "run": run, **asdict(measured[-1])})
        if len(measured) > 1:
            print(_row("  worst of them", scenario, _worst_of(measured)), flush=True)
        if arguments.json:
            document = {"machine": machine, "rows": rows}
            arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if any(row["exit_code"] for row in rows):
        raise SystemExit("a run of the connector failed, see its row")


def _heading(machine: str) -> str:
    """Say where this was measured, and what the columns mean that do not speak for themselves."""
    return (
        f"Measured on: {machine}.\n"
        "wall: from the start of the process to its end. ideal: what the calls take at Airtable's "
        f"{REQUESTS_PER_SECOND_PER_BASE} requests a second for a base\n"
        f"and {REQUESTS_PER_SECOND_PER_TOKEN} for a token, also where the simulator's limits are "
        "off and the connector's pacing with them.\n"
        "for records: the calls that list records; the others are for bases and their schemas. "
        "tables-and-more reads the account of\n"
        "tables-only with records, links and attachments.\n"
        f"{COLUMNS}"
    )


def _machine() -> str:
    names = [platform.processor() or platform.machine()]
    if CPU_NAMES.exists():
        lines = CPU_NAMES.read_text(encoding="utf-8").splitlines()
        found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        names = found or names
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores {names[0]}, {platform.system()}, {python}, {load} at the start"


def _row(name: str, scenario: Scenario, taken: Measurement) -> str:
    row = (
        f"{name:<18}{'on' if scenario.has_limits else 'off':>7}{taken.wall_seconds:>8.1f}"
        f"{taken.ideal_seconds:>9.1f}{taken.records:>9}{taken.records_per_second:>8.0f}"
        f"{taken.calls:>7}{taken.record_calls:>13}{taken.refusals:>6}{taken.cpu_seconds:>7.1f}"
        f"{taken.peak_megabytes:>9.0f}"
    )
    if scenario.others_requests_per_second:
        row += f"  the other client: {taken.neighbour_calls} calls, {taken.neighbour_refusals} 429s"
    if scenario.output_bytes_per_second:
        row += f"  output read at {scenario.output_bytes_per_second / 1e6:.0f} MB/s"
    if scenario.busy_loops:
        row += f"  beside {scenario.busy_loops} busy loops"
    if scenario.container_cpus is not None:
        row += "  CPU and memory are those of the Docker client"
    if taken.exit_code:
        row += f"  FAILED with {taken.exit_code}"
    return row


def _worst_of(measured: Sequence[Measurement]) -> Measurement:
    """Give each figure's worst; they may be of different runs."""
    return replace(
        measured[0],
        wall_seconds=max(taken.wall_seconds for taken in measured),
        records=min(taken.records for taken in measured),
        records_per_second=min(taken.records_per_second for taken in measured),
        calls=max(taken.calls for taken in measured),
        record_calls=max(taken.record_calls for taken in measured),
        refusals=max(taken.refusals for taken in measured),
        cpu_seconds=max(taken.cpu_seconds for taken in measured),
        peak_megabytes=max(taken.peak_megabytes for taken in measured),
        exit_code=max((taken.exit_code for taken in measured), key=abs),
        neighbour_calls=max(taken.neighbour_calls for taken in measured),
        neighbour_refusals=max(taken.neighbour_refusals for taken in measured),
    )


if __name__ == "__main__":
    main()
