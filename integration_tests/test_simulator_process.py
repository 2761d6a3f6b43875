"""The simulator as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.process import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "integration_tests.airtable_simulator"]
WAIT_SECONDS = 60


def test_process_answers_and_ends() -> None:
    """It says where it listens, serves the sample base, and is gone after the block."""
    with SimulatorProcess("--sample", "--no-limits") as simulator:
        pid = simulator.pid
        caller = Caller(simulator)
        (base,) = caller.get("meta", "bases").json()["bases"]
        caller.close()

    assert base["name"] == "🥐 Crumb & Co. Bakery"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_process_takes_files_figures_and_settings(tmp_path: Path) -> None:
    """Bases come from files and figures, settings from the command line."""
    path = tmp_path / "bases.json"
    path.write_text(json.dumps({"bases": [{"id": "appAbCdEfGhIjKlMn", "name": "From a file"}]}))
    arguments = ("--synthetic", "bases=1,tables=1,records=2,fields=2", "--set", "bases_page_size=1")
    with SimulatorProcess(*arguments, bases=[path]) as simulator:
        caller = Caller(simulator)
        first = caller.get("meta", "bases").json()
        second = caller.get("meta", "bases", offset=first["offset"]).json()
        caller.close()

    names = [page["bases"][0]["name"] for page in (first, second)]
    assert names == ["From a file", "Synthetic 1"]


def test_first_line_is_json() -> None:
    """The first line on stdout is one JSON object with the URL and the token."""
    with subprocess.Popen(  # noqa: S603 - our own module
        COMMAND, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        out, _ = process.communicate(timeout=WAIT_SECONDS)

    (line,) = out.splitlines()
    said = json.loads(line)
    assert said.keys() == {"url", "token"}
    assert said["url"].startswith("http://127.0.0.1:")
    assert said["token"].startswith("pat")
    assert process.returncode == 0


def test_process_ends_after_its_time() -> None:
    """It ends by itself after the bound, with nobody at its stdin."""
    command = [*COMMAND, "--keep-running", "--stop-after-seconds", "0.1"]
    ended = subprocess.run(  # noqa: S603 - our own module
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 1)


def test_process_that_does_not_start() -> None:
    """A wrong command line is told as such."""
    with pytest.raises(RuntimeError, match="did not start"):
        SimulatorProcess("--no-such-option").start()
