"""The console entry: `source-airtable spec|check|discover|read`.

Imports nothing that takes time: as long as Python still imports the rest, the first process of a
container would lose a signal that tells it to end.
"""

from __future__ import annotations

import gc
import signal


def run() -> None:
    """Run the command of the command line and end with its exit code."""
    # Imports make much and drop little: collecting garbage meanwhile takes a fifth of their time.
    gc.disable()
    held_back = hold_signals_back()
    from source_airtable.process import run_command  # noqa: PLC0415 - imports for a second

    run_command(held_back)


def hold_signals_back() -> set[signal.Signals]:
    """Have SIGTERM, and Ctrl-C's SIGINT, wait for a thread to take them; gives those that do.

    SIGINT is left as it is where the process was started to ignore it, and both are on Windows,
    where a signal cannot wait.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return set()
    held_back = {signal.SIGTERM}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        held_back.add(signal.SIGINT)
    # Threads inherit this: a signal then comes to the one that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, held_back)
    if signal.SIGINT in held_back:
        # The system's own action ends the process; Python's handler would only note the signal.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return held_back


if __name__ == "__main__":
    run()
