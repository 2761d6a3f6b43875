"""A relay on 127.0.0.1 in front of a server, which makes the way to it as long as a real one."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

READ_BYTES: Final = 1 << 16
SMALLEST_STEP_SECONDS: Final = 1e-6
"""Keeps two chunks that are due together in their order: timers of one moment have none."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How long bytes are on their way, in one direction."""

    one_way_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Each chunk takes up to this much longer, evenly spread; the order stays."""
    delays_connection: bool = False
    """Whether a new connection costs its round trip before the client's first bytes travel.

    `connect` itself returns at once on this machine. A client that speaks TLS waits for the answer
    to its first bytes and so pays the round trip. One that does not would send its request earlier
    than any real network lets it.
    """


class _Lane:
    """One direction of one connection."""

    def __init__(self, distance: Distance, target: asyncio.StreamWriter, not_before: float) -> None:
        self._distance = distance
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._not_before = not_before
        self._latest_due = 0.0

    async def carry(self, source: asyncio.StreamReader) -> None:
        """Carry all bytes, then the end, and return when the end has arrived."""
        try:
            while chunk := await source.read(READ_BYTES):
                self._loop.call_at(self._next_due(), self._target.write, chunk)
        except ConnectionError:
            pass  # a connection that breaks off ends, too
        await asyncio.sleep(self._next_due() - self._loop.time())
        self._target.close()

    def _next_due(self) -> float:
        jitter = random.uniform(0.0, self._distance.jitter_seconds)  # noqa: S311 - not secret
        left_at = max(self._loop.time(), self._not_before)
        due = left_at + self._distance.one_way_seconds + jitter
        self._latest_due = max(due, self._latest_due + SMALLEST_STEP_SECONDS)
        return self._latest_due


class Relay:
    """Passes connections on to a port of this machine, as slowly as a distance demands."""

    def __init__(self, target_port: int, distance: Distance) -> None:
        """Remember where the server is, and how far."""
        self._target_port = target_port
        self._distance = distance
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1, and give the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, backlog=512)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._pass_on(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time()
        round_trip = 2 * self._distance.one_way_seconds if self._distance.delays_connection else 0.0
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(
                _Lane(self._distance, far_writer, now + round_trip).carry(reader),
                _Lane(self._distance, writer, now).carry(far_reader),
            )
        finally:
            far_writer.close()
            writer.close()
