"""One command as a process: set up for many threads, and ended by signals between two lines."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER

from source_airtable.api.auth import OauthAuthenticator
from source_airtable.source import SourceAirtable

if TYPE_CHECKING:
    from collections import defaultdict
    from collections.abc import Collection

    from airbyte_cdk.models import AirbyteMessage
    from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

LOGGER = logging.getLogger("airbyte.source_airtable")

# Together less than the ten seconds that Docker leaves between SIGTERM and SIGKILL.
LONGEST_RENEWAL_SECONDS = 6.0
LONGEST_LAST_WORDS_SECONDS = 3.0

# glibc's name for the setting, from malloc.h.
_M_ARENA_MAX = -8
_FIRST_PROCESS = 1
_SIGNAL_EXIT_CODES = 128
"""A shell reports an end by a signal as this plus the signal's number."""


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, for a source that counts its records itself."""

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage,
        stream_message_count: defaultdict[HashableStreamDescriptor, float],  # noqa: ARG004 - the CDK's signature
    ) -> AirbyteMessage:
        """Leave a state's count as it is: whole pages of records do not pass here."""
        return message


def run_command(ending_signals: Collection[signal.Signals]) -> None:
    """Run the command of the command line; ends the process with its exit code, where it fails."""
    share_one_heap()
    end_at_signals(ending_signals)
    _collect_garbage_seldom()
    _switch_threads_seldom()
    source = SourceAirtable(write_lines=_write_lines)
    try:
        _launch(source, sys.argv[1:])
    finally:
        source.abandon()


def _launch(source: SourceAirtable, arguments: list[str]) -> None:
    """Do what the CDK's `launch` does, with our entrypoint."""
    entrypoint = Entrypoint(source)
    parsed = entrypoint.parse_args(arguments)
    with PRINT_BUFFER:
        for line in entrypoint.run(parsed):
            # One write a line: other threads log through the same buffer.
            PRINT_BUFFER.write(f"{line}\n")


def _write_lines(lines: str) -> None:
    """Write lines of records at once; the buffer would take four bytes for each character."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.write(lines)
        PRINT_BUFFER.flush()


def share_one_heap() -> None:
    """Let all threads share one heap: glibc gives each its own, and keeps what each has freed.

    For 25 workers that is 15 MB, for nothing: Python lets only one of them run at a time.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        return  # another C library, which has no such heaps; Windows has none to ask


def _collect_garbage_seldom() -> None:
    """Leave what is imported by now out of the collector's walks: a sixth of a sync's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def _switch_threads_seldom() -> None:
    """Let a thread work for 50 ms at a time: they wait for Airtable, not for each other."""
    sys.setswitchinterval(0.05)


def end_at_signals(signals: Collection[signal.Signals]) -> None:
    """Have a thread end the process at one of these signals, which all other threads hold back.

    A handler would run on the main thread, perhaps in the middle of a line that is being written.
    A signal that came earlier ends the process here, before the command begins.
    """
    if signals and signal.sigpending() & set(signals):
        _end_at(signals)
    if signals:
        threading.Thread(target=_end_at, args=[signals], name="signals", daemon=True).start()


def _end_at(signals: Collection[signal.Signals]) -> None:
    """Wait for a signal, and end the process at the end of a line, whatever its workers do.

    A worker may wait for an answer of Airtable for another 90 seconds. The process waits only for a
    renewal of OAuth tokens: without it, the grant is lost. Where nobody reads stdout, the process
    ends after a few seconds all the same.
    """
    received = signal.Signals(signal.sigwait(signals))
    OauthAuthenticator.hold_renewals(LONGEST_RENEWAL_SECONDS)
    bound = threading.Timer(LONGEST_LAST_WORDS_SECONDS, _end_by, [received])
    bound.daemon = True
    bound.start()
    # The log's handler writes out what is buffered by then.
    LOGGER.info(
        "Told to end (%s): the sync ends now. The next one reads streams without a state again.",
        received.name,
    )
    # All output goes through this buffer, line by line: whoever has its lock stands between lines.
    PRINT_BUFFER.lock.acquire()
    _end_by(received)


def _end_by(received: signal.Signals) -> None:
    """End the process by the signal itself, so that its sender sees that it worked.

    The first process of a container ignores a signal that it sends itself, so it exits with the
    signal's code.
    """
    if os.getpid() != _FIRST_PROCESS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {received})
        os.kill(os.getpid(), received)
    # Also where the process was started to ignore the signal.
    os._exit(_SIGNAL_EXIT_CODES + received)
