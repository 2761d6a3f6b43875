"""Measure the connector as a user runs it: the console script as a process, against the simulator.

`make bench` runs every scenario; `make bench ARGS="many-bases cpu"` some of them, and
`ARGS="--runs 10 many-bases"` one several times. The table has for each run the wall time (process
start included), the time that Airtable's rates alone would take, records per second, calls, answers
of 429, CPU seconds and the highest resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from integration_tests.airtable_simulator.process import SimulatorProcess
from source_airtable.api.rate_limit import (
    REQUESTS_PER_SECOND_PER_BASE,
    REQUESTS_PER_SECOND_PER_TOKEN,
)

CONSOLE_SCRIPT: Final = (str(Path(sys.executable).with_name("source-airtable")),)
# The same connector with its own pacing taken out, to see what the rest of it can do.
UNPACED: Final = (
    sys.executable,
    "-c",
    (
        "from source_airtable.api import rate_limit; rate_limit.WINDOW_SECONDS = 0.0; "
        "from source_airtable.run import run; run()"
    ),
)
LIMITS_OFF: Final = ("--no-limits",)
# What is usual between a cloud region and Airtable; the limiter's second is counted strictly.
USUAL_LATENCY: Final = ("--latency-ms", "250", "--jitter-ms", "100")
RECORDS_PER_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Scenario:
    """An account, how it is served, and what is done with it."""

    bases: int
    tables: int
    records: int
    fields: int = 20
    cell_bytes: int = 24
    serving: tuple[str, ...] = LIMITS_OFF
    command: str = "read"

    @property
    def synthetic(self) -> str:
        """The account, as the simulator's command line takes it."""
        return (
            f"bases={self.bases},tables={self.tables},records={self.records},"
            f"fields={self.fields},cell_bytes={self.cell_bytes}"
        )

    @property
    def is_paced(self) -> bool:
        """Whether the limits count, so that the connector must keep its pace."""
        return self.serving != LIMITS_OFF or self.command == "discover"

    @property
    def ideal_seconds(self) -> float:
        """What Airtable's rates alone make of the calls."""
        pages_per_base = self.tables * -(-self.records // RECORDS_PER_PAGE)
        if self.command == "discover" or not self.is_paced:
            pages_per_base = 0
        return max(
            pages_per_base / REQUESTS_PER_SECOND_PER_BASE,
            pages_per_base * self.bases / REQUESTS_PER_SECOND_PER_TOKEN,
        )


# fmt: off
SCENARIOS: Final = {
    "many-bases": Scenario(bases=10, tables=2, records=1_000, serving=USUAL_LATENCY),
    "one-base": Scenario(bases=1, tables=10, records=500, serving=USUAL_LATENCY),
    "big-table": Scenario(bases=1, tables=1, records=5_000, serving=USUAL_LATENCY),
    "cpu": Scenario(bases=4, tables=5, records=10_000),
    "wide": Scenario(bases=1, tables=2, records=2_000, fields=500),
    "memory-10k": Scenario(bases=2, tables=5, records=1_000, fields=10, cell_bytes=130),
    "memory-100k": Scenario(bases=2, tables=5, records=10_000, fields=10, cell_bytes=130),
    "memory-20kB": Scenario(bases=2, tables=5, records=500, fields=10, cell_bytes=2_700),
    "discover": Scenario(bases=5, tables=40, records=1, fields=150, command="discover"),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    records: int
    calls: int
    refusals: int


def measure(scenario: Scenario) -> Measurement:
    """Serve the account, run the command on it, and measure the command's process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatorProcess("--synthetic", scenario.synthetic, *scenario.serving) as simulator,
    ):
        work = Path(folder)
        config = work / "config.json"
        config.write_text(json.dumps({"credentials": {"api_key": simulator.token}}))
        environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("PYTHON")},
            "AIRTABLE_API_URL": simulator.url,
        }
        arguments = [scenario.command, "--config", str(config)]
        if scenario.command == "read":
            catalog = _write_catalog(arguments, work, environment)
            arguments += ["--catalog", str(catalog)]
        simulator.admin.reset_stats()
        simulator.admin.forget_limits()
        program = CONSOLE_SCRIPT if scenario.is_paced else UNPACED
        output = work / "messages.jsonl"
        wall, usage = _run([*program, *arguments], output, environment)
        stats = simulator.admin.stats(last=0)
        return Measurement(
            wall_seconds=wall,
            cpu_seconds=usage[0],
            peak_megabytes=usage[1],
            records=_count_records(output),
            calls=stats["calls"],
            refusals=stats["served_429"],
        )


def _write_catalog(arguments: list[str], work: Path, environment: dict[str, str]) -> Path:
    discovered = subprocess.run(  # noqa: S603 - our own program
        [*CONSOLE_SCRIPT, "discover", *arguments[1:]],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    messages = map(json.loads, discovered.stdout.splitlines())
    streams = next(said["catalog"]["streams"] for said in messages if said["type"] == "CATALOG")
    configured = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        for stream in streams
    ]
    catalog = work / "catalog.json"
    catalog.write_text(json.dumps({"streams": configured}))
    return catalog


def _run(
    command: list[str], output: Path, environment: dict[str, str]
) -> tuple[float, tuple[float, float]]:
    """Run a command; gives the wall seconds, and its CPU seconds and peak megabytes."""
    with output.open("wb") as messages:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=messages, env=environment)  # noqa: S603 - our own program
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}, see {output}")
    return wall, (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _count_records(output: Path) -> int:
    with output.open("rb") as messages:
        return sum(line.startswith(b'{"type":"RECORD"') for line in messages)


def main() -> None:
    """Run the scenarios that the command line names, and print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--runs", type=int, default=1, help="how often each is run")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    print(
        f"{'scenario':<13}{'wall s':>8}{'ideal s':>9}{'records':>9}{'per s':>8}"
        f"{'calls':>7}{'429s':>6}{'CPU s':>7}{'peak MB':>9}"
    )
    for name in arguments.scenarios or SCENARIOS:
        for _ in range(arguments.runs):
            scenario = SCENARIOS[name]
            taken = measure(scenario)
            print(
                f"{name:<13}{taken.wall_seconds:>8.1f}{scenario.ideal_seconds:>9.1f}"
                f"{taken.records:>9}{taken.records / taken.wall_seconds:>8.0f}{taken.calls:>7}"
                f"{taken.refusals:>6}{taken.cpu_seconds:>7.1f}{taken.peak_megabytes:>9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
