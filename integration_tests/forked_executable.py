"""An executable that a program starts as the connector, for the price of a fork.

``python -m integration_tests.forked_executable`` imports the connector once, on the fast clock, and
listens on a socket. The executable hands over its arguments, environment, folder and descriptors;
a forked child runs the console script's entry with them. The executable hands on signals, and ends
as the child ends.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Final

from integration_tests.connector import REPOSITORY
from integration_tests.forked_connector import import_connector

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
LONGEST_RUN_SECONDS: Final = 180
DESCRIPTORS: Final = (0, 1, 2)

EXECUTABLE: Final = """#!{python} -IS
import json, os, signal, socket, sys

server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
socket.send_fds(server, [b"."], [0, 1, 2])
server.sendall(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode() + b"\\n")
# Whoever reads the output sees its end when the child has ended.
os.close(0)
os.close(1)
answers = server.makefile()
child = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(answers.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""

_at_exit = ExitStack()
atexit.register(_at_exit.close)


@cache
def shared_executable() -> Path:
    """The executable for all tests of this process; what stands behind it ends with it."""
    folder = Path(_at_exit.enter_context(tempfile.TemporaryDirectory()))
    path = folder / "socket"
    executable = folder / "source-airtable"
    executable.write_text(EXECUTABLE.format(python=sys.executable, path=str(path)))
    executable.chmod(0o700)
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "DEPLOYMENT_MODE"}
    server = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, str(path)],
        cwd=REPOSITORY,
        env={name: text for name, text in os.environ.items() if name not in unwanted},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    # Closes its stdin, at which it ends.
    _at_exit.callback(server.communicate, timeout=STOP_SECONDS)
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], START_SECONDS)
    if not ready or not server.stdout.readline():
        server.kill()
        raise RuntimeError("the process behind the executable did not start")
    return executable


def become_next_call(path: str) -> None:
    """Fork for every call of the executable; returns in the children alone, and ends with stdin."""
    # Children of which nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:
                sys.exit()
            caller, _ = server.accept()
            with caller:
                if not os.fork():
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    server.close()
                    _become_child_of(caller)
                    return


def _become_child_of(caller: socket.socket) -> None:
    """Fork once more: the parent tells the caller how the child ends, the child returns."""
    _, descriptors, _, _ = socket.recv_fds(caller, 1, len(DESCRIPTORS))
    arguments, environment, folder = json.loads(caller.makefile().readline())
    child = os.fork()
    if child:
        for descriptor in (*descriptors, *DESCRIPTORS):
            os.close(descriptor)
        caller.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    signal.alarm(LONGEST_RUN_SECONDS)
    for descriptor, taken in zip(descriptors, DESCRIPTORS, strict=True):
        os.dup2(descriptor, taken)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments


def main() -> None:
    """Import the connector, and run it for every call."""
    run = import_connector()
    become_next_call(sys.argv[1])
    run()


if __name__ == "__main__":
    main()
