"""The simulator at a distance: TLS, and a way that takes its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import requests

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.distance import Distance, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

CALL_SECONDS = 20.0
ONE_WAY_SECONDS = 0.05


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without proxies."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


def list_bases(url: str, token: str) -> requests.Response:
    """Ask for the bases."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{url}/v0/meta/bases", headers=headers, timeout=CALL_SECONDS)


def test_tls_is_trusted_by_the_environment_alone(environment: pytest.MonkeyPatch) -> None:
    """Its certificate is refused, but for clients whose environment names it."""
    with SimulatorProcess("--sample", "--no-limits", "--tls") as simulator:
        with pytest.raises(requests.exceptions.SSLError):
            list_bases(simulator.url, simulator.token)
        environment.setenv("REQUESTS_CA_BUNDLE", simulator.certificate)
        answer = list_bases(simulator.url, simulator.token)
        calls = simulator.admin.stats()["calls"]

    assert simulator.url.startswith("https://127.0.0.1:")
    assert (answer.status_code, calls) == (200, 1)


def test_tls_at_a_distance(environment: pytest.MonkeyPatch) -> None:
    """A first request takes the round trips of its connection and handshake, and its own."""
    distance = ("--one-way-ms", "50", "--one-way-jitter-ms", "5")
    with SimulatorProcess("--sample", "--no-limits", "--tls", *distance) as simulator:
        environment.setenv("REQUESTS_CA_BUNDLE", simulator.certificate)
        with requests.Session() as session:
            headers = {"Authorization": f"Bearer {simulator.token}"}
            first, second = (
                session.get(f"{simulator.url}/v0/meta/bases", headers=headers, timeout=CALL_SECONDS)
                for _ in range(2)
            )
            near = list_bases(simulator.near_url, simulator.token)

    # `elapsed` has the connection in it: its round trip, the handshake's, the request's.
    assert first.elapsed.total_seconds() >= 6 * ONE_WAY_SECONDS
    assert second.elapsed.total_seconds() >= 2 * ONE_WAY_SECONDS
    assert near.status_code == 200


def test_distance_without_tls(environment: pytest.MonkeyPatch) -> None:
    """Plain HTTP takes the way there and back."""
    with SimulatorProcess("--sample", "--no-limits", "--one-way-ms", "50") as simulator:
        answer = list_bases(simulator.url, simulator.token)

    assert simulator.url.startswith("http://")
    assert simulator.certificate == ""
    assert answer.elapsed.total_seconds() >= 2 * ONE_WAY_SECONDS


def through_a_relay(
    distance: Distance,
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]],
    ask: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]],
) -> None:
    """Let a client and a server talk through a relay."""

    async def talk() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        relay = Relay(server.sockets[0].getsockname()[1], distance)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        await asyncio.wait_for(ask(reader, writer), CALL_SECONDS)
        writer.close()
        await relay.stop()
        server.close()

    asyncio.run(talk())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, and end when the client does."""
    while chunk := await reader.read(65_536):
        writer.write(chunk)
    writer.close()


def test_order_of_bytes() -> None:
    """Whatever the jitter of each chunk, bytes arrive in the order in which they left."""
    sent = [f"{number:04}".encode() for number in range(200)]
    received = bytearray()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in sent:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        received.extend(await reader.readexactly(4 * len(sent)))

    through_a_relay(Distance(0.001, jitter_seconds=0.02), echo, ask)

    assert bytes(received) == b"".join(sent)


def test_times_of_a_connection() -> None:
    """A new connection's first bytes wait for its round trip; later ones take their way alone."""
    times: list[float] = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(5):
            begin = loop.time()
            writer.write(b"ping")
            await reader.readexactly(4)
            times.append(loop.time() - begin)

    through_a_relay(Distance(ONE_WAY_SECONDS, delays_connection=True), echo, ask)

    first, *later = times
    assert first >= 4 * ONE_WAY_SECONDS * 0.95
    # The quickest: a busy machine may hold up any one of them.
    assert 2 * ONE_WAY_SECONDS * 0.95 <= min(later) < first


def test_end_of_a_connection() -> None:
    """What a client has sent before it ends arrives, and so does the end."""
    received: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read() == b""

    through_a_relay(Distance(0.01), collect, ask)

    assert received == [b"last words"]


def test_server_that_is_gone() -> None:
    """A connection that the relay cannot pass on ends."""

    async def talk() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        relay = Relay(port, Distance())
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        read = await asyncio.wait_for(reader.read(), CALL_SECONDS)
        writer.close()
        await relay.stop()
        return read

    assert asyncio.run(talk()) == b""
