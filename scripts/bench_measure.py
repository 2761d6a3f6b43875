"""One run of one scenario: serve the account, run the command on it, and measure the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.process import SimulatorProcess
from scripts.bench_account import write_account_of_items
from scripts.bench_busy import BusyLoops
from scripts.bench_changes import allow_webhooks, make, sync_first
from scripts.bench_container import container_command
from scripts.bench_neighbour import Neighbour
from scripts.bench_process import CONSOLE_SCRIPT, LONGEST_RUN_SECONDS, run_measured
from source_airtable.streams.catalog import ACCOUNT_STREAMS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from scripts.bench_scenarios import Scenario

# The connector with its own pacing taken out, to see what the rest of it can do.
UNPACED: Final = (
    sys.executable,
    "-c",
    (
        "from source_airtable.api import slots; slots.WINDOW_SECONDS = 0.0; "
        "from source_airtable.run import run; run()"
    ),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took."""

    wall_seconds: float
    ideal_seconds: float
    records: int
    records_per_second: float
    calls: int
    record_calls: int
    """Those of the calls that list records."""
    refusals: int
    cpu_seconds: float
    peak_megabytes: float
    exit_code: int
    neighbour_calls: int
    neighbour_refusals: int


def measure(scenario: Scenario, connector: tuple[str, ...] = CONSOLE_SCRIPT) -> Measurement:
    """Run a scenario once, with a simulator of its own."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with _serve(scenario, work) as simulator:
            return _measure_served(scenario, simulator, work, connector)


def _measure_served(
    scenario: Scenario, simulator: SimulatorProcess, work: Path, connector: tuple[str, ...]
) -> Measurement:
    config = work / "config.json"
    settings = {"credentials": {"api_key": simulator.token}, **dict(scenario.settings)}
    changes = scenario.changes
    if changes is not None:
        settings |= changes.settings
    config.write_text(json.dumps(settings))
    environment = environment_for(simulator.url)
    if simulator.certificate:
        certificate = work / "certificate.pem"
        shutil.copy(simulator.certificate, certificate)
        environment["REQUESTS_CA_BUNDLE"] = str(certificate)
    arguments = [scenario.command, "--config", str(config)]
    path = ""
    if scenario.command == "read":
        streams = discover(config, environment, scenario.account_streams)
        catalog = work / "catalog.json"
        catalog.write_text(json.dumps(configure(streams, is_incremental=changes is not None)))
        arguments += ["--catalog", str(catalog)]
        path = path_of(streams[0])
    if changes is not None:
        base_id, _, table_id = path.partition("/")
        state = work / "state.json"
        allow_webhooks(simulator, base_id)
        sync_first(arguments, environment, state)
        make(changes, simulator, base_id, table_id)
        arguments += ["--state", str(state)]
    simulator.admin.forget_limits()
    simulator.admin.reset_stats()
    program = connector if scenario.has_limits else UNPACED
    output = work / "messages.jsonl"
    rate = scenario.others_requests_per_second
    running = (
        nullcontext(program)
        if scenario.container_cpus is None
        else container_command(scenario.container_cpus, work, environment)
    )
    with (
        Neighbour(simulator.near_url, simulator.token, path, rate) as neighbour,
        BusyLoops(scenario.busy_loops),
        running as command,
    ):
        usage = run_measured(
            [*command, *arguments],
            output,
            environment,
            output_bytes_per_second=scenario.output_bytes_per_second,
        )
    stats = simulator.admin.stats(last=0)
    records = _count_records(output)
    return Measurement(
        wall_seconds=usage.wall_seconds,
        ideal_seconds=scenario.ideal_seconds,
        records=records,
        records_per_second=records / usage.wall_seconds,
        calls=stats["calls"] - neighbour.calls,
        record_calls=stats["by_kind"].get("list_records", 0) - neighbour.calls,
        refusals=stats["served_429"] - neighbour.refusals,
        cpu_seconds=usage.cpu_seconds,
        peak_megabytes=usage.peak_megabytes,
        exit_code=usage.exit_code,
        neighbour_calls=neighbour.calls,
        neighbour_refusals=neighbour.refusals,
    )


def _serve(scenario: Scenario, work: Path) -> SimulatorProcess:
    if not scenario.linked_ids:
        return SimulatorProcess("--synthetic", scenario.synthetic, *scenario.serving)
    account = work / "account.json"
    write_account_of_items(scenario, account)
    return SimulatorProcess(*scenario.serving, bases=[account])


def environment_for(url: str) -> dict[str, str]:
    """Give this environment without what is this interpreter's own, and the simulator's address."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "AIRTABLE_API_URL": url, "NO_PROXY": "127.0.0.1"}


def discover(
    config: Path, environment: dict[str, str], account_streams: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Discover the tables' streams with the console script, and these of the whole account."""
    discovered = subprocess.run(  # noqa: S603 - our own program
        [*CONSOLE_SCRIPT, "discover", "--config", str(config)],
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        timeout=LONGEST_RUN_SECONDS,
    )
    messages = map(json.loads, discovered.stdout.splitlines())
    streams: list[dict[str, Any]] = next(
        said["catalog"]["streams"] for said in messages if said["type"] == "CATALOG"
    )
    left_out = ACCOUNT_STREAMS.keys() - set(account_streams)
    return [stream for stream in streams if stream["name"] not in left_out]


def configure(streams: list[dict[str, Any]], *, is_incremental: bool = False) -> dict[str, Any]:
    """Configure a full refresh of all streams, or that they are read incrementally."""
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    if is_incremental:
        modes = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    return {"streams": [{"stream": stream, **modes} for stream in streams]}


def path_of(stream: Mapping[str, Any]) -> str:
    """Give the path of a stream's table in Airtable's API: `app…/tbl…`."""
    ids = stream["json_schema"]["x-airtable"]
    return f"{ids['base_id']}/{ids['table_id']}"


def _count_records(output: Path) -> int:
    with output.open("rb") as messages:
        return sum(line.startswith(b'{"type":"RECORD"') for line in messages)
