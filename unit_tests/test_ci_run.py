"""What continuous integration does with and without a Docker engine; every tool in it is a stub."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINE: Final = "shared/docker/engine.sh"
LONGEST_SECONDS: Final = 30
ENV_ONLY: Final = '[ "$1" = env ] && exit 0\n'


class Machine:
    """A folder in which ``.ci/run`` finds stubs of the tools that it calls."""

    def __init__(self, folder: Path) -> None:
        """Copy the script; make, id and docker do nothing, and there is no engine."""
        self._folder = folder
        self.path = folder / "clone" / ".ci" / "run"
        self.path.parent.mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", self.path)
        self.write("bin/make", 'echo "made $*"\n')
        self.write("bin/id", "echo 0\n")
        self.write("bin/docker", "exit 1\n")

    def write(self, name: str, script: str) -> Path:
        """Put a shell script in the place of a tool."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}", "utf-8")
        path.chmod(0o755)
        return path

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        temporary = self._folder / "tmp"
        temporary.mkdir()
        environment = {"PATH": f"{self._folder}/bin:/usr/bin:/bin", "TMPDIR": str(temporary)}
        return subprocess.run(  # noqa: S603 - our own script
            [str(self.path)],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST_SECONDS,
            check=False,
        )

    @property
    def left_files(self) -> list[str]:
        """The temporary files that the script left behind."""
        return [path.name for path in (self._folder / "tmp").iterdir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without an engine."""
    if shutil.which("bash") is None:
        pytest.skip("the script needs bash")
    return Machine(tmp_path)


def test_without_an_engine(machine: Machine) -> None:
    """Where no engine is to be had, the image is skipped with the reason, and the rest runs."""
    run = machine.run()

    assert run.returncode == 0, run.stderr
    assert "SKIPPED, no docker command that reaches an engine" in run.stdout
    assert "made image image-test" not in run.stdout
    assert run.stdout.endswith("made test\n")


def test_with_an_engine(machine: Machine) -> None:
    """With an engine that answers, the image is built and tried."""
    machine.write(ENGINE, "")
    machine.write("bin/docker", "")
    run = machine.run()

    assert run.returncode == 0, run.stderr
    assert "made image image-test" in run.stdout
    assert machine.left_files == []


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (f"{ENV_ONLY}echo no cgroup mount >&2; exit 3\n", "no cgroup mount"),
        (f"{ENV_ONLY}:\n", ""),
    ],
    ids=["does not start", "does not answer"],
)
def test_engine_that_fails(machine: Machine, engine: str, said: str) -> None:
    """With an engine that does not work the image is skipped, with what it said."""
    machine.write(ENGINE, engine)
    run = machine.run()

    assert run.returncode == 0, run.stderr
    assert "make image image-test: SKIPPED, " in run.stdout
    assert said in run.stderr
    assert run.stdout.endswith("made test\n")


def test_failing_check_ends_the_start_of_the_engine(machine: Machine, tmp_path: Path) -> None:
    """When the first step fails, the engine's start does not go on in the background."""
    started, ended = tmp_path / "started", tmp_path / "ended"
    machine.write(
        ENGINE,
        f"trap 'touch {ended}; exit 143' TERM\ntouch {started}\nwhile :; do sleep 0.05; done\n",
    )
    machine.write("bin/make", f"while [ ! -e {started} ]; do sleep 0.05; done\nexit 2\n")
    run = machine.run()

    assert run.returncode == 2
    assert ended.exists()
    assert machine.left_files == []
