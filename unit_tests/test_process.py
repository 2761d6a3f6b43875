"""The process of a command, where no command line shows it."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateStats,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
    Type,
)

from source_airtable.process import Entrypoint, end_at_signals, share_one_heap
from source_airtable.run import hold_signals_back

if TYPE_CHECKING:
    from pytest_mock import MockerFixture


def test_signals_that_cannot_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the signals are left as they are, and no thread waits for them."""
    monkeypatch.delattr(signal, "pthread_sigmask")
    monkeypatch.delattr(signal, "sigwait")
    handler = signal.getsignal(signal.SIGINT)
    threads = threading.active_count()

    end_at_signals(hold_signals_back())

    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_ignored_interrupt(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in the background, which is not to mind Ctrl-C, waits for SIGTERM alone."""
    block = mocker.patch.object(signal, "pthread_sigmask")
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)

    assert hold_signals_back() == {signal.SIGTERM}
    block.assert_called_once_with(signal.SIG_BLOCK, {signal.SIGTERM})


def test_signal_that_has_come(mocker: MockerFixture) -> None:
    """A signal from before the threads ends the process before its command begins."""
    mocker.patch.object(signal, "sigpending", return_value={signal.SIGTERM})
    end = mocker.patch("source_airtable.process._end_at", side_effect=SystemExit)

    with pytest.raises(SystemExit):
        end_at_signals({signal.SIGTERM, signal.SIGINT})
    end.assert_called_once_with({signal.SIGTERM, signal.SIGINT})


def test_no_c_library_to_ask(mocker: MockerFixture) -> None:
    """On Windows, where the process has no C library of its own, the heaps are left alone."""
    load = mocker.patch.object(ctypes, "CDLL", side_effect=TypeError)

    share_one_heap()

    load.assert_called_once_with(None)


def test_entry_imports_nothing_long() -> None:
    """Nothing that takes time is imported before the signals are held back."""
    program = (
        "import __future__, importlib, signal, sys, typing\n"
        "before = set(sys.modules)\n"
        "import source_airtable.run\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    # Coverage has imported gc before.
    assert set(ended.stdout.split()) - {"gc"} == {"source_airtable", "source_airtable.run"}


def test_counts_of_states() -> None:
    """The entrypoint leaves the count that the source wrote into a state."""
    stats = AirbyteStateStats(recordCount=7.0)
    state = AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name="contacts"), stream_state=AirbyteStateBlob()
        ),
        sourceStats=stats,
    )
    message = AirbyteMessage(type=Type.STATE, state=state)

    handled = Entrypoint.handle_record_counts(message, defaultdict(float))

    assert handled is message
    assert state.sourceStats is stats
    assert stats == AirbyteStateStats(recordCount=7.0)
