"""One command of the command line, in a process that is set up for many threads."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import TYPE_CHECKING

from airbyte_cdk.entrypoint import launch

from source_airtable.ending import end_when_told
from source_airtable.source import SourceAirtable

if TYPE_CHECKING:
    import signal
    from collections.abc import Collection

# glibc's name for the setting, from malloc.h.
_M_ARENA_MAX = -8


def run_command(ending_signals: Collection[signal.Signals]) -> None:
    """Run the command of the command line; ends the process with its exit code, where it fails."""
    share_one_heap()
    end_when_told(ending_signals)
    _collect_garbage_seldom()
    _switch_threads_seldom()
    source = SourceAirtable()
    try:
        launch(source, sys.argv[1:])
    finally:
        source.abandon()


def share_one_heap() -> None:
    """Let all threads share one heap: glibc gives each its own, and keeps what each has freed.

    For 25 workers that is 15 MB, for nothing: Python lets only one of them run at a time.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        return  # another C library, which has no such heaps; on Windows there is none to ask


def _collect_garbage_seldom() -> None:
    """Leave what is imported by now out of the collector's walks: a sixth of a sync's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _switch_threads_seldom() -> None:
    """Let a thread work for 50 ms at a time: they wait for Airtable, not for each other."""
    sys.setswitchinterval(0.05)
