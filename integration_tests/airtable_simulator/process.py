"""The simulator for tests, in its own process or on a thread, with the same interface."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from .account import DEFAULT_TOKEN
from .admin_client import AdminClient
from .app import build_app
from .settings import AIRTABLE_MAX_URL_LENGTH, UNLIMITED, Settings
from .simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

REPOSITORY: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 0.1
"""How long the server waits at its end for answers that are being sent."""


async def start_server(simulator: Simulator, port: int) -> tuple[web.AppRunner, str]:
    """Listen on 127.0.0.1. Return the runner and the URL."""
    longest = 4 * AIRTABLE_MAX_URL_LENGTH
    runner = web.AppRunner(
        build_app(simulator),
        access_log=None,
        max_line_size=longest,
        max_field_size=longest,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=512)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


class SimulatorProcess:
    """A simulator in its own process, which stops when the block ends."""

    def __init__(self, *arguments: str, bases: Iterable[Path] = ()) -> None:
        """Take the arguments of the command line; see ``python -m … --help``."""
        files = [text for path in bases for text in ("--bases", str(path))]
        self._command = [sys.executable, "-m", "integration_tests.airtable_simulator"]
        self._command += [*files, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.near_url = ""
        """The URL without distance and TLS."""
        self.certificate = ""
        """The path of the certificate that clients must trust. Empty without TLS."""
        self.token = ""

    @property
    def pid(self) -> int:
        """The process id."""
        if self._process is None:
            raise RuntimeError("the simulator is not running")
        return self._process.pid

    @property
    def admin(self) -> AdminClient:
        """Commands to the simulator."""
        return AdminClient(self.near_url)

    def start(self) -> Self:
        """Start and wait until it answers."""
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        giving_up = threading.Timer(START_SECONDS, self._process.kill)
        giving_up.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else ""
        finally:
            giving_up.cancel()
        if not line:
            self.stop()
            raise RuntimeError("the simulator did not start")
        said = json.loads(line)
        self.url, self.token = said["url"], said["token"]
        self.near_url = said.get("near_url", self.url)
        self.certificate = said.get("certificate", "")
        return self

    def stop(self) -> int:
        """Stop it by closing its stdin, or else by a signal. Return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.stdin and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        if process.stdout:
            process.stdout.close()
        self._process = None
        return process.returncode

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


class SimulatorThread:
    """A simulator on a thread. Read ``simulator`` only while no call is running."""

    def __init__(
        self,
        document: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        has_limits: bool = True,
    ) -> None:
        """Serve the bases of a document such as ``{"bases": […]}``."""
        chosen = {**({} if has_limits else UNLIMITED), **(settings or {})}
        self.simulator = Simulator(Settings().changed(chosen))
        if document is not None:
            self.simulator.account.load(dict(document), self.simulator.clock.now())
        self.url = ""
        self.token = DEFAULT_TOKEN
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="simulator", daemon=True)
        self._is_up = threading.Event()
        self._is_over = asyncio.Event()

    @property
    def admin(self) -> AdminClient:
        """Commands to the simulator."""
        return AdminClient(self.url)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self) -> None:
        try:
            runner, self.url = await start_server(self.simulator, 0)
        finally:
            self._is_up.set()
        await self._is_over.wait()
        await runner.cleanup()

    def start(self) -> Self:
        """Start and wait until it answers."""
        self._thread.start()
        if not self._is_up.wait(START_SECONDS) or not self.url:
            raise RuntimeError("the simulator did not start")
        return self

    def stop(self) -> None:
        """Stop listening and end the thread."""
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()
