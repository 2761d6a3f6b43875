"""Processes that keep the processor busy while something else is measured."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

# Ends by itself, should this program be killed.
LOOP: Final = "import time; end = time.monotonic() + 600\nwhile time.monotonic() < end: pass"


class BusyLoops:
    """So many busy processes while the block runs."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Begin to be busy."""
        for _ in range(self._count):
            self._processes.append(
                subprocess.Popen([sys.executable, "-c", LOOP], stdin=subprocess.DEVNULL)  # noqa: S603 - the loop above
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End them by their pids."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
