"""How the process ends when it is told to: soon, between two lines, and with its tokens saved."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from airbyte_cdk.logger import PRINT_BUFFER

from source_airtable.api.auth import OauthAuthenticator

if TYPE_CHECKING:
    from collections.abc import Collection

LOGGER = logging.getLogger("airbyte.source_airtable")

# Together less than the ten seconds that Docker leaves between SIGTERM and SIGKILL.
LONGEST_RENEWAL_SECONDS = 6.0
LONGEST_LAST_WORDS_SECONDS = 3.0

_FIRST_PROCESS = 1
_SIGNAL_EXIT_CODES = 128
"""A shell tells of an end by a signal by this and the signal's number."""


def end_when_told(signals: Collection[signal.Signals]) -> None:
    """Have a thread end the process at one of these signals, which all other threads hold back.

    A handler would run on the main thread, in the middle of a line that is being written perhaps.
    A signal that has come already ends the process here, before the command begins.
    """
    if signals and signal.sigpending() & set(signals):
        _end_at(signals)
    if signals:
        threading.Thread(target=_end_at, args=[signals], name="signals", daemon=True).start()


def _end_at(signals: Collection[signal.Signals]) -> None:
    """Wait for a signal, and end the process at the end of a line, whatever its workers do.

    A worker may be waiting for an answer of Airtable's for another 90 seconds. Only one for a
    renewal of OAuth's tokens is waited for: without it, the grant is lost. Where nobody reads
    stdout, the process ends after a few seconds all the same.
    """
    told = signal.Signals(signal.sigwait(signals))
    OauthAuthenticator.hold_renewals(LONGEST_RENEWAL_SECONDS)
    bound = threading.Timer(LONGEST_LAST_WORDS_SECONDS, _end_by, [told])
    bound.daemon = True
    bound.start()
    # The log's handler writes out what is buffered by then.
    LOGGER.info(
        "Told to end (%s): ending now. Streams without a state are to be read again.", told.name
    )
    # All output goes through this buffer, line by line: whoever has its lock stands between lines.
    PRINT_BUFFER.lock.acquire()
    _end_by(told)


def _end_by(told: signal.Signals) -> None:
    """End the process by the signal itself, which is how whoever sent it knows that it did.

    No signal of its own ends the first process of a container; it tells by its exit code.
    """
    if os.getpid() != _FIRST_PROCESS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {told})
        os.kill(os.getpid(), told)
    # Also where the process was started to ignore the signal.
    os._exit(_SIGNAL_EXIT_CODES + told)
