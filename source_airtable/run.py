"""The console entry: `source-airtable spec|check|discover|read`."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.logger import PRINT_BUFFER

from source_airtable.source import SourceAirtable

LOGGER = logging.getLogger("airbyte.source_airtable")

# As of a shell: 128 and the signal's number.
SIGTERM_EXIT_CODE = 143
LONGEST_LAST_WORDS_SECONDS = 3.0
# glibc's name for the setting, from malloc.h.
_M_ARENA_MAX = -8


def run() -> None:
    """Run the command of the command line and end with its exit code."""
    _share_one_heap()
    _await_sigterm()
    _collect_garbage_seldom()
    _switch_threads_seldom()
    source = SourceAirtable()
    try:
        launch(source, sys.argv[1:])
    finally:
        source.abandon()


def _await_sigterm() -> None:
    """Have a thread wait for SIGTERM, which a container's first process must see to by itself.

    A handler would run on the main thread, in the middle of a line that is being written perhaps.
    """
    # Threads inherit this: the signal then comes to the one that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_at_sigterm, name="sigterm", daemon=True).start()


def _end_at_sigterm() -> None:
    """Wait for SIGTERM, and end the process at the end of a line, whatever its workers do.

    A worker may be waiting for an answer of Airtable's for another 90 seconds. Where nobody reads
    stdout, the process ends after a few seconds all the same.
    """
    signal.sigwait({signal.SIGTERM})
    bound = threading.Timer(LONGEST_LAST_WORDS_SECONDS, os._exit, [SIGTERM_EXIT_CODE])
    bound.daemon = True
    bound.start()
    # The log's handler writes out what is buffered by then.
    LOGGER.info("Told to end (SIGTERM): ending now. Streams without a state are to be read again.")
    # All output goes through this buffer, line by line: whoever has its lock stands between lines.
    PRINT_BUFFER.lock.acquire()
    os._exit(SIGTERM_EXIT_CODE)


def _collect_garbage_seldom() -> None:
    """Leave what is imported by now out of the collector's walks: a sixth of a sync's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _switch_threads_seldom() -> None:
    """Let a thread work for 50 ms at a time: they wait for Airtable, not for each other."""
    sys.setswitchinterval(0.05)


def _share_one_heap() -> None:
    """Let all threads share one heap: glibc gives each its own, and keeps what each has freed.

    For 25 workers that is 15 MB, for nothing: Python lets only one of them run at a time.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError):
        return  # another C library, which has no such heaps


if __name__ == "__main__":
    run()
