"""Many short commands of the connector, each a process of its own, for the price of one start.

``python -m integration_tests.forked_connector`` imports the connector once, on the fast clock or on
the real one, and forks for every command that it reads: the child takes the command's arguments,
environment and files for its output, runs the console script's entry and ends as any process does.
An import costs more than a second of CPU, a fork some hundredths.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from integration_tests.connector import LONGEST_RUN_SECONDS, REPOSITORY, Connector, Run
from integration_tests.fast_clock import (
    DEFAULT_FACTOR,
    FACTOR_VARIABLE,
    quicken,
    shorten_read_timeout,
)
from integration_tests.left_out import hide_left_out_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

SERVER: Final = (sys.executable, "-m", "integration_tests.forked_connector")
OUTPUTS: Final = ("stdout", "stderr")
REAL_FACTOR: Final = 1.0
"""Leaves the clock as it is."""

_at_exit = ExitStack()
atexit.register(_at_exit.close)


class Forks:
    """A process that runs one command after the other, each in a child; ended with its block."""

    def __init__(
        self,
        clock_factor: float = DEFAULT_FACTOR,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Remember how fast the clock of all children is, and variables that the import reads."""
        self._factor = clock_factor
        self._environment = environment or {}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Start."""
        unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "DEPLOYMENT_MODE"}
        kept = {name: text for name, text in os.environ.items() if name not in unwanted}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            SERVER,
            cwd=REPOSITORY,
            env={**kept, **self._environment, FACTOR_VARIABLE: str(self._factor)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it by closing its stdin."""
        if self._process is not None:
            self._process.communicate(timeout=LONGEST_RUN_SECONDS)

    def run(self, arguments: Sequence[str], environment: dict[str, str]) -> Run:
        """Run one command to its end."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the forking process is not running")
        with self._lock, tempfile.TemporaryDirectory() as folder:
            files = {name: str(Path(folder, name)) for name in OUTPUTS}
            wanted = {"arguments": list(arguments), "environment": environment, "files": files}
            process.stdin.write(json.dumps(wanted) + "\n")
            process.stdin.flush()
            exit_code = int(process.stdout.readline())
            said = [Path(files[name]).read_text("utf-8") for name in OUTPUTS]
        return Run(exit_code, *said)


@cache
def shared_forks(*, is_fast: bool) -> Forks:
    """The process that forks for all tests of this one, on one of the clocks; it ends with it."""
    return _at_exit.enter_context(Forks(DEFAULT_FACTOR if is_fast else REAL_FACTOR))


@dataclass(frozen=True, kw_only=True)
class ForkedConnector(Connector):
    """The connector, its commands run as children of a process that has it imported already."""

    forks: Forks

    def _run_process(self, arguments: Sequence[str], *, on_fast_clock: bool) -> Run:
        return self.forks.run(arguments, self._environment())


def become_next_command() -> None:
    """Fork for every line of stdin; returns in the children alone, and ends with stdin."""
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if not child:
            signal.alarm(int(LONGEST_RUN_SECONDS))
            _take(0, os.devnull, os.O_RDONLY)
            for descriptor, name in enumerate(OUTPUTS, start=1):
                _take(descriptor, wanted["files"][name], os.O_WRONLY | os.O_CREAT)
            os.environ.update(wanted["environment"])
            sys.argv[1:] = wanted["arguments"]
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    sys.exit()


def _take(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def import_connector() -> Callable[[], None]:
    """Import the connector on the clock that the environment names; gives the entry."""
    factor = float(os.environ.get(FACTOR_VARIABLE, DEFAULT_FACTOR))
    if factor != REAL_FACTOR:
        quicken(factor)
    hide_left_out_packages()
    # Only now: default arguments of the connector hold on to the clock they are made with.
    from source_airtable.run import run  # noqa: PLC0415 - after the clock is quickened

    # What the entry itself imports only when it runs.
    import_module("source_airtable.process")
    # Every child collects garbage first, and would walk through all that is imported.
    gc.collect()
    gc.freeze()
    return run


def main() -> None:
    """Import the connector, and run the commands."""
    run = import_connector()
    become_next_command()
    shorten_read_timeout()
    run()


if __name__ == "__main__":
    main()
