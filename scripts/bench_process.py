"""A command as a process of its own, bounded in time: its seconds, its memory, its output."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import resource
    from collections.abc import Sequence

REPOSITORY: Final = Path(__file__).resolve().parents[1]
CONSOLE_SCRIPT: Final = (str(Path(sys.executable).with_name("source-airtable")),)
LONGEST_RUN_SECONDS: Final = 600.0
SAMPLE_SECONDS: Final = 0.02
READS_PER_SECOND: Final = 20
MEGABYTE: Final = 1 << 20
# Where there is no /proc: macOS counts resident memory in bytes, everything else in kilobytes.
MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took, from its start to its end."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def run_measured(
    command: Sequence[str],
    output: Path,
    environment: dict[str, str],
    *,
    output_bytes_per_second: int | None = None,
    longest_seconds: float = LONGEST_RUN_SECONDS,
) -> Usage:
    """Run a command with its stdout into a file, and end it by its pid when it takes too long."""
    with output.open("wb") as messages:
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=messages if output_bytes_per_second is None else subprocess.PIPE,
            env=environment,
        )
        bound = threading.Timer(longest_seconds, process.kill)
        bound.start()
        memory = _MemoryWatch(process.pid)
        memory.start()
        try:
            if output_bytes_per_second is not None and process.stdout is not None:
                _copy_slowly(process.stdout.fileno(), messages.fileno(), output_bytes_per_second)
            # wait4 and no other: it alone tells this one child's CPU seconds.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            bound.cancel()
            if process.returncode is None:
                process.kill()
            if process.stdout is not None:
                process.stdout.close()
        wall = time.monotonic() - started
    return Usage(
        exit_code=process.returncode,
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_megabytes=memory.peak_megabytes(usage),
    )


def _copy_slowly(source: int, target: int, bytes_per_second: int) -> None:
    """Copy to the end of the source, never faster than told, as a busy destination reads."""
    share = bytes_per_second // READS_PER_SECOND
    following = time.monotonic()
    while True:
        wanted = share
        while wanted and (chunk := os.read(source, wanted)):
            os.write(target, chunk)
            wanted -= len(chunk)
        if wanted:
            return
        # What a pause of the source has left unread is not made up for.
        following = max(following + 1 / READS_PER_SECOND, time.monotonic())
        time.sleep(max(0.0, following - time.monotonic()))


class _MemoryWatch(threading.Thread):
    """Follows a process's highest resident memory until the process ends.

    The kernel's own `ru_maxrss` begins with the memory of whoever started the process, so that it
    says nothing where this program is the larger one.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._peak_kilobytes = 0

    def run(self) -> None:
        """Sample until the process is gone, or a zombie, which has no memory to tell of."""
        while True:
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            found = [line for line in lines if line.startswith("VmHWM:")]
            if not found and self._peak_kilobytes:
                return
            if found:
                self._peak_kilobytes = int(found[0].split()[1])
            time.sleep(SAMPLE_SECONDS)

    def peak_megabytes(self, usage: resource.struct_rusage) -> float:
        """The highest resident memory seen."""
        self.join(1.0)
        if self._peak_kilobytes:
            return self._peak_kilobytes * 1024 / MEGABYTE
        return usage.ru_maxrss * MAXRSS_UNIT / MEGABYTE
