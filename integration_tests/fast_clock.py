"""The connector with a clock that runs faster: ``python -m integration_tests.fast_clock read …``.

Runs the very entry of the console script, ``source_airtable.run.run``, in a process whose
``time.sleep`` and ``threading.Event.wait`` take a hundredth of what they are asked for (or one
divided by ``FAST_CLOCK_FACTOR``), and whose ``time.monotonic`` counts that many seconds for each
real one. So the 30 seconds after a 429 pass in 0.3 s, and the connector still believes in 30.

Only waits are shortened: dates (``time.time``, ``datetime.now``) and the timeouts of sockets, which
the kernel keeps, stay real; ``FAST_CLOCK_READ_TIMEOUT``, in real seconds, replaces the one for an
answer. As the connector's rate limits run on the same clock, it may ask a
hundred times as often as Airtable allows: for a simulator without limits per second only.
"""

from __future__ import annotations

import os
import threading
import time

FACTOR_VARIABLE = "FAST_CLOCK_FACTOR"
DEFAULT_FACTOR = 100.0
READ_TIMEOUT_VARIABLE = "FAST_CLOCK_READ_TIMEOUT"


def quicken(factor: float) -> None:
    """Make this process's clock run that many times faster; before anything binds its parts."""
    real_sleep, real_monotonic, real_wait = time.sleep, time.monotonic, threading.Event.wait
    started = real_monotonic()

    def sleep(seconds: float) -> None:
        real_sleep(seconds / factor)

    def monotonic() -> float:
        return started + (real_monotonic() - started) * factor

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        return real_wait(event, None if timeout is None else timeout / factor)

    time.sleep = sleep  # type: ignore[assignment]  # what this module is for
    time.monotonic = monotonic
    threading.Event.wait = wait  # type: ignore[assignment, method-assign]  # what this module is for


def shorten_read_timeout() -> None:
    """Wait less long for an answer, where the environment says so."""
    from source_airtable.api import connection  # noqa: PLC0415 - after the clock is quickened

    wanted = os.environ.get(READ_TIMEOUT_VARIABLE)
    if wanted is not None:
        connection.READ_TIMEOUT_SECONDS = float(wanted)


def main() -> None:
    """Run the console script's entry on the fast clock."""
    quicken(float(os.environ.get(FACTOR_VARIABLE, DEFAULT_FACTOR)))
    # Only now: default arguments of the connector hold on to the clock they are made with.
    from source_airtable.run import run  # noqa: PLC0415 - after the clock is quickened

    shorten_read_timeout()
    run()


if __name__ == "__main__":
    main()
