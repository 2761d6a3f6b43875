"""The container image at work: every command, in a container that may do little.

``make image-test`` runs these against the image named by ``CONNECTOR_IMAGE``.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.table import Table

from integration_tests.airtable_simulator import SimulatorProcess
from scripts.sync_to_duckdb import Account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.image_tests

IMAGE = os.environ.get("CONNECTOR_IMAGE", "source-airtable:dev")
BASE_IMAGE = os.environ.get("BASE_IMAGE", "docker.io/airbyte/python-connector-base:4.0.0")
# The host's network reaches the simulator; everything else is what a strict cluster grants.
CONFINED = (
    *("--rm", "--network=host", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - in the container
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"),
)
MOST_MEGABYTES_OVER_BASE = 300
START_RUNS = 3

Message = dict[str, Any]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """The simulator's sample account."""
    # Without limits: each container would begin to count its requests anew.
    with SimulatorProcess("--sample", "--no-limits") as simulator:
        yield Account(simulator.token, api_url=simulator.url)


@pytest.fixture
def config_path(account: Account, tmp_path: Path) -> Path:
    """The configuration of the sample account, where the image's user can read it."""
    tmp_path.chmod(0o755)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(account.to_connector_config()), "utf-8")
    path.chmod(0o644)
    return path


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a docker command and give back how it ended."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - docker is wherever PATH says


def run_connector(
    *arguments: str, folder: Path | None = None, api_url: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the connector in a confined container, the folder mounted as ``/config``."""
    mount = () if folder is None else ("--volume", f"{folder}:/config:ro")
    environment = () if api_url is None else ("--env", f"AIRTABLE_API_URL={api_url}")
    return docker("run", *CONFINED, *mount, *environment, IMAGE, *arguments)


def messages_of(run: subprocess.CompletedProcess[str], message_type: str) -> list[Message]:
    """The messages of one type that the connector wrote, each line of its output being one."""
    messages: list[Message] = [json.loads(line) for line in run.stdout.splitlines()]
    return [message for message in messages if message["type"] == message_type]


def megabytes(image: str) -> float:
    """The size of an image."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image).stdout) / 1e6


def shortest_seconds(*arguments: str) -> float:
    """The shortest of a few runs of a container, which tells most of what the machine can do."""

    def seconds() -> float:
        started = time.perf_counter()
        assert docker("run", "--rm", *arguments).returncode == 0
        return time.perf_counter() - started

    return min(seconds() for _ in range(START_RUNS))


def test_user_is_not_root() -> None:
    """The image's user is the base image's, with no rights of root."""
    run = docker("run", *CONFINED, "--entrypoint", "id", IMAGE, "--user", "--name")

    assert run.stdout.strip() == "airbyte"


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
    config_path.write_text(json.dumps(wrong.to_connector_config()), "utf-8")
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
    catalog_path = config_path.with_name("catalog.json")
    catalog_path.write_text(
        json.dumps({"streams": [configured(each) for each in streams]}), "utf-8"
    )
    catalog_path.chmod(0o644)

    read = run_connector(
        *("read", "--config", "/config/config.json", "--catalog", "/config/catalog.json"),
        folder=config_path.parent,
        api_url=account.api_url,
    )

    assert read.returncode == 0, read.stdout[-2000:] + read.stderr
    read_names = {message["record"]["stream"] for message in messages_of(read, "RECORD")}
    assert read_names == {stream["name"] for stream in streams}


def configured(stream: Message) -> Message:
    """The stream as a full refresh of a configured catalog has it."""
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}


def test_size_and_start() -> None:
    """The image adds a bounded size to its base; how fast both start is shown."""
    base_megabytes, megabytes_in_all = megabytes(BASE_IMAGE), megabytes(IMAGE)
    table = Table(title="image", title_justify="left")
    for column in ("", "MB", "start, s"):
        table.add_column(column, justify="right" if column else "left")
    bare_seconds = shortest_seconds(BASE_IMAGE, "python", "-c", "pass")
    spec_seconds = shortest_seconds(IMAGE, "spec")
    table.add_row("base, bare Python", f"{base_megabytes:.0f}", f"{bare_seconds:.2f}")
    table.add_row("connector, spec", f"{megabytes_in_all:.0f}", f"{spec_seconds:.2f}")
    Console().print()
    Console().print(table)

    assert megabytes_in_all - base_megabytes < MOST_MEGABYTES_OVER_BASE
