"""The container image at work: every command, in a container that may do little.

``make image-test`` runs these against the image named by ``CONNECTOR_IMAGE``.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from rich.console import Console
from rich.table import Table

from integration_tests.airtable_simulator import SimulatorProcess, synthetic_account
from integration_tests.bases import a_base, a_record, a_table
from integration_tests.connector import (
    SIGNAL_AT_IMPORT,
    a_catalog,
    a_config,
    a_stream_with_ids,
    a_tenant,
    assert_told_to_end,
)
from integration_tests.container import (
    BASE_IMAGE,
    CONFINED,
    IMAGE,
    SIGTERM_EXIT_CODE,
    docker,
    options_of,
    run_connector,
    started_connector,
    stop,
)
from integration_tests.image_secrets import secrets_in_image
from scripts.sync_to_duckdb import Account

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.connector import Tenant

pytestmark = pytest.mark.image_tests

MOST_MEGABYTES_OVER_BASE = 80
MOST_MEGABYTES_OF_A_READ = 200
MOST_SECONDS_OVER_BASE = 5
"""Until ``spec`` has answered, above a bare Python in the base image; about 1 where measured."""
START_RUNS = 3
READ_BASES = 20
"""Of 1,000 records each; a single base would be read at 500 records a second."""
READ = ("read", "--config", "/config/config.json", "--catalog", "/config/catalog.json")
SMALL: Final = ("--cpus", "0.5", "--memory", "256m", "--memory-swap", "256m")
"""What a small pod gets, and no swap."""
# Runs a command, and writes the most memory that it held at once, in kilobytes, to stderr.
WITH_PEAK = (
    "import resource, subprocess, sys\n"
    "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    "sys.exit(code)\n"
)

Message = dict[str, Any]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """The simulator's sample account."""
    # Without limits: each container would begin to count its requests anew.
    with SimulatorProcess("--sample", "--no-limits") as simulator:
        yield Account(simulator.token, api_url=simulator.url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that the image's user can read."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def config_path(account: Account, folder: Path) -> Path:
    """The configuration of the sample account."""
    return write_json(folder / "config.json", account.to_connector_config())


def write_json(path: Path, content: Message) -> Path:
    """Write a file that the image's user can read."""
    path.write_text(json.dumps(content), "utf-8")
    path.chmod(0o644)
    return path


def messages_of(run: subprocess.CompletedProcess[str], message_type: str) -> list[Message]:
    """The messages of one type that the connector wrote, each line of its output being one."""
    messages: list[Message] = [json.loads(line) for line in run.stdout.splitlines()]
    return [message for message in messages if message["type"] == message_type]


def told(*arguments: str) -> str:
    """What a docker command that must succeed writes."""
    run = docker(*arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture
def base_image() -> str:
    """The base image, in the engine's own list: a build by BuildKit does not put it there."""
    if docker("image", "inspect", BASE_IMAGE).returncode != 0:
        told("pull", "--quiet", BASE_IMAGE)
    return BASE_IMAGE


def megabytes(image: str) -> float:
    """The size of an image."""
    return int(told("image", "inspect", "--format", "{{.Size}}", image)) / 1e6


def shortest_seconds(*arguments: str) -> float:
    """The shortest of a few runs of a container, which tells most of what the machine can do."""

    def seconds() -> float:
        started = time.perf_counter()
        told("run", "--rm", *arguments)
        return time.perf_counter() - started

    return min(seconds() for _ in range(START_RUNS))


def peak_megabytes(
    image: str, *command: str, folder: Path | None = None, api_url: str | None = None
) -> float:
    """The most memory that a command holds at once in a confined container."""
    options = options_of(folder, api_url)
    run = docker("run", *options, "--entrypoint", "python", image, "-c", WITH_PEAK, *command)
    assert run.returncode == 0, run.stderr
    return int(run.stderr.splitlines()[-1]) * 1024 / 1e6


def test_user_is_not_root() -> None:
    """The image's user is the base image's, not root, and told by number as clusters ask for."""
    number = told("image", "inspect", "--format", "{{.Config.User}}", IMAGE)

    assert int(number) != 0
    assert told("run", *CONFINED, "--entrypoint", "id", IMAGE, "--user") == number
    assert told("run", *CONFINED, "--entrypoint", "id", IMAGE, "--user", "--name") == "airbyte"


def test_spec() -> None:
    """``spec`` answers with the connection's form."""
    run = run_connector("spec")

    assert run.returncode == 0, run.stdout + run.stderr
    assert len(messages_of(run, "SPEC")) == 1


def test_entry_point_that_airbyte_starts() -> None:
    """``AIRBYTE_ENTRYPOINT``, which the platform starts through a shell, is the connector."""
    run = docker(
        "run", *CONFINED, "--entrypoint", "sh", IMAGE, "-c", "eval $AIRBYTE_ENTRYPOINT spec"
    )

    assert len(messages_of(run, "SPEC")) == 1


def test_check(account: Account, config_path: Path) -> None:
    """``check`` of a good configuration succeeds."""
    run = run_connector(
        *("check", "--config", "/config/config.json"),
        folder=config_path.parent,
        api_url=account.api_url,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    statuses = [
        each["connectionStatus"]["status"] for each in messages_of(run, "CONNECTION_STATUS")
    ]
    assert statuses == ["SUCCEEDED"]


def test_check_of_a_wrong_token(account: Account, config_path: Path) -> None:
    """``check`` of a wrong token fails by its status, and ends well all the same."""
    wrong = Account(token="patUnknownToken.0000", api_url=account.api_url)  # noqa: S106 - no secret
    write_json(config_path, wrong.to_connector_config())
    run = run_connector(
        *("check", "--config", "/config/config.json"),
        folder=config_path.parent,
        api_url=account.api_url,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    statuses = [
        each["connectionStatus"]["status"] for each in messages_of(run, "CONNECTION_STATUS")
    ]
    assert statuses == ["FAILED"]


def test_unreadable_catalog(account: Account, config_path: Path) -> None:
    """``read`` without a catalog file fails by its exit code."""
    run = run_connector(
        *("read", "--config", "/config/config.json", "--catalog", "/config/missing.json"),
        folder=config_path.parent,
        api_url=account.api_url,
    )

    assert run.returncode != 0


def test_discover_and_read(account: Account, config_path: Path) -> None:
    """Every stream that ``discover`` finds is read to its end, with records."""
    discover = run_connector(
        *("discover", "--config", "/config/config.json"),
        folder=config_path.parent,
        api_url=account.api_url,
    )
    assert discover.returncode == 0, discover.stdout + discover.stderr
    streams = messages_of(discover, "CATALOG")[0]["catalog"]["streams"]
    write_json(config_path.with_name("catalog.json"), a_catalog(streams))

    read = run_connector(
        *READ,
        folder=config_path.parent,
        api_url=account.api_url,
    )

    assert read.returncode == 0, read.stdout[-2000:] + read.stderr
    read_names = {message["record"]["stream"] for message in messages_of(read, "RECORD")}
    assert read_names == {stream["name"] for stream in streams}


def test_stop_while_waiting_for_a_page(airtable: SimulatorProcess, folder: Path) -> None:
    """A container that is stopped while Airtable is silent ends at once, with 143 and no state."""
    base = a_base("Held", a_table("Slow", records=250))
    write_read_of(a_tenant(airtable, base), folder)
    airtable.admin.plan_fault(
        "list_records", "delay", base=base["id"], page=2, seconds=60, times=None
    )
    airtable.admin.reset_stats()
    with started_connector(*READ, folder=folder, api_url=airtable.url) as (name, live):
        live.go_on_until(lambda: airtable.admin.stats()["faults"])
        run = stop(name, live)
    airtable.admin.clear_faults()

    assert_told_to_end(run, SIGTERM_EXIT_CODE)
    assert run.states == []


def test_stop_while_writing(airtable: SimulatorProcess, folder: Path) -> None:
    """A container that is stopped while it writes ends at the end of a line, with 143."""
    records = [a_record(Name="long " * 2_000) for _ in range(2_000)]
    write_read_of(a_tenant(airtable, a_base("Long", a_table("Long", records=records))), folder)
    with started_connector(*READ, folder=folder, api_url=airtable.url) as (name, live):
        live.next_of_type("RECORD")
        run = stop(name, live)

    assert_told_to_end(run, SIGTERM_EXIT_CODE)
    assert 0 < len(run.of_type("RECORD")) < len(records)
    assert run.states == []


def test_stop_while_starting(airtable: SimulatorProcess, folder: Path) -> None:
    """A container that is stopped before the connector has imported its parts ends with 143."""
    write_read_of(a_tenant(airtable, a_base("Early", a_table("Unread"))), folder)
    program = folder / "sitecustomize.py"
    shutil.copy(SIGNAL_AT_IMPORT, program)
    program.chmod(0o644)
    more = ("--env", "PYTHONPATH=/config")
    with started_connector(*READ, folder=folder, api_url=airtable.url, more=more) as (_, live):
        run = live.whole()

    assert_told_to_end(run, SIGTERM_EXIT_CODE)
    assert run.records == {}


def write_read_of(tenant: Tenant, folder: Path) -> None:
    """Write what a read of all tables of a tenant takes."""
    write_json(folder / "config.json", a_config(tenant.token))
    streams = [a_stream_with_ids(base, table) for base in tenant.bases for table in base["tables"]]
    write_json(folder / "catalog.json", a_catalog(streams))


def test_read_in_a_small_container(airtable: SimulatorProcess, folder: Path) -> None:
    """Half a processor and 256 MB are enough to read every record of 20 bases."""
    bases = synthetic_account(bases=READ_BASES)["bases"]
    write_read_of(a_tenant(airtable, *bases), folder)
    run = run_connector(*READ, folder=folder, api_url=airtable.url, more=SMALL)

    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    assert len(messages_of(run, "RECORD")) == 20_000


def test_labels() -> None:
    """The image says what it is by OCI's keys, and what it is built on."""
    labels = json.loads(told("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))

    assert labels["org.opencontainers.image.title"] == "source-airtable"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.base.name"] == BASE_IMAGE
    assert labels["org.opencontainers.image.version"] == labels["io.airbyte.version"]


def test_no_secret_in_the_image(tmp_path: Path, base_image: str) -> None:
    """No layer above the base holds a token, a private key or a private file; no step names one."""
    image = tmp_path / "image.tar"
    told("save", "--output", str(image), IMAGE)
    of_base = json.loads(
        told("image", "inspect", "--format", "{{json .RootFS.Layers}}", base_image)
    )

    assert secrets_in_image(image, base_layers=len(of_base)) == []


def test_size_start_and_memory(airtable: SimulatorProcess, folder: Path, base_image: str) -> None:
    """The image adds bounded size and time to its base, a read takes bounded memory; all shown."""
    bases = synthetic_account(bases=READ_BASES)["bases"]
    write_read_of(a_tenant(airtable, *bases), folder)
    read_peak = peak_megabytes(
        *(IMAGE, "source-airtable", *READ), folder=folder, api_url=airtable.url
    )
    bare = Figures.of(base_image, "python", "-c", "pass")
    spec = Figures.of(IMAGE, "source-airtable", "spec")
    table = Table(title="image", title_justify="left")
    for column in ("", "image, MB", "start, s", "peak memory, MB"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("base, bare Python", *bare.shown)
    table.add_row("connector, spec", *spec.shown)
    records = sum(len(table["records"]) for base in bases for table in base["tables"])
    table.add_row(f"connector, read of {records:,} records", "", "", f"{read_peak:.0f}")
    Console().print()
    Console().print(table)

    assert spec.megabytes - bare.megabytes < MOST_MEGABYTES_OVER_BASE
    assert spec.seconds - bare.seconds < MOST_SECONDS_OVER_BASE
    assert read_peak < MOST_MEGABYTES_OF_A_READ


@dataclass(frozen=True)
class Figures:
    """The size of an image; the time and memory that a command takes in it."""

    megabytes: float
    seconds: float
    peak_megabytes: float

    @classmethod
    def of(cls, image: str, *command: str) -> Figures:
        """Measure them."""
        return cls(
            megabytes(image),
            shortest_seconds("--entrypoint", command[0], image, *command[1:]),
            peak_megabytes(image, *command),
        )

    @property
    def shown(self) -> tuple[str, ...]:
        """The cells of a row."""
        return f"{self.megabytes:.0f}", f"{self.seconds:.2f}", f"{self.peak_megabytes:.0f}"
