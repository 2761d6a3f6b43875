"""The console entry: `source-airtable spec|check|discover|read`."""

from __future__ import annotations

import ctypes
import gc
import sys

from airbyte_cdk.entrypoint import launch

from source_airtable.source import SourceAirtable

# glibc's name for the setting, from malloc.h.
_M_ARENA_MAX = -8


def run() -> None:
    """Run the command of the command line and end with its exit code."""
    _collect_garbage_seldom()
    _switch_threads_seldom()
    _share_one_heap()
    source = SourceAirtable()
    try:
        launch(source, sys.argv[1:])
    finally:
        source.abandon()


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
