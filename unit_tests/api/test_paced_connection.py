"""A request leaves after its connection is open and its base is not shut, and keeps no slot."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import requests_mock
import urllib3
import urllib3.connection
from airbyte_cdk.sources.http_config import MAX_CONNECTION_POOL_SIZE
from airbyte_cdk.sources.streams.http.tcp_keepalive import tcp_keepalive_socket_options

from integration_tests.airtable_simulator.certificate import server_context, write_certificate
from source_airtable.api.paced_connection import PacedSession
from source_airtable.api.rate_limit import AirtableBudget
from unit_tests.tcp_server import ANSWER, TcpServer, answer_all, read_head

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from unit_tests.fake_clock import FakeClock

FREE_AT_ONCE = 0.0
FREE_AFTER_A_WINDOW = 1.1
WAIT_SECONDS = 10.0
RATE_LIMIT = b'{"errors":[{"error":"RATE_LIMIT_REACHED"}]}'
TIMEOUT = (0.2, 0.2)


class AbandonedError(Exception):
    """What a sleep raises in an abandoned sync."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=[False, True], ids=["http", "https"])
def tls(
    request: pytest.FixtureRequest, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """What a server needs to speak TLS, which the environment makes this process trust."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    if not request.param:
        return None
    context = server_context(certificate)
    # A session ticket that nobody has read looks as a closed connection does.
    context.num_tickets = 0
    return context


@pytest.fixture
def budget(clock: FakeClock) -> AirtableBudget:
    """A budget of one request in a window."""
    return AirtableBudget(1, clock=clock, sleep=clock.sleep)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this machine's own proxies alone."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def session(budget: AirtableBudget) -> Iterator[PacedSession]:
    """The session of one client."""
    with PacedSession(budget) as session:
        yield session


def seconds_until_free(budget: AirtableBudget, clock: FakeClock, url: str) -> float:
    """How long the next request of the base would wait."""
    before = clock.slept_seconds
    # On another thread, as in a sync: a new request of this one would settle the former.
    asking = threading.Thread(
        target=budget.acquire_call, args=(requests.Request("GET", url).prepare(),)
    )
    asking.start()
    asking.join(WAIT_SECONDS)
    assert not asking.is_alive()
    return clock.slept_seconds - before


def shut(budget: AirtableBudget, url: str) -> None:
    """Have another thread's request of the base refused."""
    refusal = requests.Response()
    refusal.status_code = 429
    refusal._content = RATE_LIMIT  # noqa: SLF001 - requests has no other way in
    request = requests.Request("GET", url).prepare()
    refused = threading.Thread(target=budget.update_from_response, args=(request, refusal))
    refused.start()
    refused.join(WAIT_SECONDS)


def after_connecting(monkeypatch: pytest.MonkeyPatch, hook: Callable[[], None]) -> None:
    """Call something at the end of every `connect`."""
    for connection in (
        urllib3.connection.HTTPConnection,
        urllib3.connection.HTTPSConnection,
    ):
        real = connection.connect

        def connect(this: Any, real: Callable[[Any], None] = real) -> None:  # noqa: ANN401 - either
            real(this)
            hook()

        monkeypatch.setattr(connection, "connect", connect)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[str]:
    """What happens to a request, in its order."""
    events: list[str] = []
    after_connecting(monkeypatch, lambda: events.append("connect"))
    real_send = http.client.HTTPConnection.send
    real_sleep = clock.sleep

    def send(this: http.client.HTTPConnection, content: Any) -> None:  # noqa: ANN401 - bytes or a file
        events.append("bytes" if not content.startswith(b"CONNECT") else "tunnel")
        real_send(this, content)

    def sleep(seconds: float) -> None:
        events.append(f"wait {seconds:.1f}")
        real_sleep(seconds)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send)
    monkeypatch.setattr(clock, "sleep", sleep)
    return events


def shut_after_first_connecting(
    monkeypatch: pytest.MonkeyPatch, budget: AirtableBudget, url: str
) -> None:
    """Have the base refuse somebody while the first connection is being opened."""
    is_shut = threading.Event()

    def shut_once() -> None:
        if not is_shut.is_set():
            is_shut.set()
            shut(budget, url)

    after_connecting(monkeypatch, shut_once)


def hang_up_during_waits(
    monkeypatch: pytest.MonkeyPatch, budget: AirtableBudget, *servers: TcpServer
) -> None:
    """Have servers close their connections whenever the budget waits."""
    real_sleep = budget._sleep  # noqa: SLF001 - what the budget was made with

    def sleep(seconds: float) -> None:
        for server in servers:
            server.wait_for_connection()
            server.hang_up()
        real_sleep(seconds)

    monkeypatch.setattr(budget, "_sleep", sleep)


def test_order(
    tls: ssl.SSLContext | None,
    events: list[str],
    budget: AirtableBudget,
    session: PacedSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request connects, then waits while its base is shut, then sends its bytes."""
    with TcpServer(answer_all, tls) as server:
        shut_after_first_connecting(monkeypatch, budget, server.url)
        session.get(server.url)
        session.close()

    assert events == ["connect", "wait 30.0", "bytes"]
    assert server.connections == 1


def test_departure_is_dated_after_the_bytes(
    clock: FakeClock,
    budget: AirtableBudget,
    session: PacedSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seconds of connecting and of sending are no part of the window."""
    after_connecting(monkeypatch, lambda: clock.advance(3.0))
    real_send = http.client.HTTPConnection.send

    def send(this: http.client.HTTPConnection, content: Any) -> None:  # noqa: ANN401 - bytes or a file
        real_send(this, content)
        clock.advance(2.0)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send)
    with TcpServer(answer_all) as server:
        session.get(server.url)
        session.close()

    assert seconds_until_free(budget, clock, server.url) == pytest.approx(FREE_AFTER_A_WINDOW)


def test_slot_is_held_until_the_bytes_leave(
    clock: FakeClock, session: PacedSession, monkeypatch: pytest.MonkeyPatch, budget: AirtableBudget
) -> None:
    """While a request is connecting, no other takes its slot, however long that takes."""
    openings: list[float] = []

    def look() -> None:
        clock.advance(5.0)
        request = requests.Request("GET", server.url).prepare()
        window = budget._windows_of(request)[-1]  # noqa: SLF001 - taking a slot would hang
        openings.append(window.next_opening(clock()) - clock())

    after_connecting(monkeypatch, look)
    with TcpServer(answer_all) as server:
        session.get(server.url)
        session.close()

    assert openings == [pytest.approx(FREE_AFTER_A_WINDOW)]


def test_connection_is_used_again(session: PacedSession, tls: ssl.SSLContext | None) -> None:
    """Requests one after the other share a connection."""
    with TcpServer(answer_all, tls) as server:
        for _ in range(3):
            session.get(server.url)
        session.close()

    assert server.connections == 1


def test_connection_closed_during_the_wait(
    tls: ssl.SSLContext | None,
    budget: AirtableBudget,
    session: PacedSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that the server closes while the base is shut is opened again."""
    with TcpServer(answer_all, tls) as server:
        hang_up_during_waits(monkeypatch, budget, server)
        shut_after_first_connecting(monkeypatch, budget, server.url)
        answer = session.get(server.url)
        session.close()

    assert (answer.status_code, server.connections) == (200, 2)


def test_refused_connection(
    budget: AirtableBudget, session: PacedSession, clock: FakeClock
) -> None:
    """Where nobody listens, nothing was sent, and the slot is free at once."""
    with TcpServer(answer_all) as server:
        url = server.url
    with pytest.raises(requests.ConnectionError):
        session.get(url)

    assert seconds_until_free(budget, clock, url) == FREE_AT_ONCE


def test_timeout_in_the_handshake(
    budget: AirtableBudget, session: PacedSession, clock: FakeClock
) -> None:
    """Where the handshake does not end, nothing was sent, and the slot is free at once."""
    with TcpServer(say_nothing) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(requests.RequestException):
            session.get(url, timeout=TIMEOUT)

    assert seconds_until_free(budget, clock, url) == FREE_AT_ONCE


def test_error_in_sending(
    budget: AirtableBudget,
    session: PacedSession,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where sending fails, some bytes may have arrived, and the request counts."""

    def fail(this: http.client.HTTPConnection, content: bytes) -> None:
        raise OSError

    monkeypatch.setattr(http.client.HTTPConnection, "send", fail)
    with TcpServer(answer_all) as server, pytest.raises(requests.ConnectionError):
        session.get(server.url)

    assert seconds_until_free(budget, clock, server.url) == pytest.approx(FREE_AFTER_A_WINDOW)


def test_timeout_of_the_answer(
    budget: AirtableBudget, session: PacedSession, clock: FakeClock
) -> None:
    """A request that nobody answers counts from its departure."""
    with (
        TcpServer(say_nothing) as server,
        pytest.raises(requests.RequestException),
    ):
        session.get(server.url, timeout=TIMEOUT)

    assert seconds_until_free(budget, clock, server.url) == pytest.approx(FREE_AFTER_A_WINDOW)


def test_wait_that_is_abandoned(
    budget: AirtableBudget,
    session: PacedSession,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request whose wait on its open connection is abandoned was not sent."""

    def abandon(seconds: float) -> None:
        raise AbandonedError

    with TcpServer(answer_all) as server:
        shut_after_first_connecting(monkeypatch, budget, server.url)
        with monkeypatch.context() as patch:
            patch.setattr(budget, "_sleep", abandon)
            with pytest.raises(AbandonedError):
                session.get(server.url)
        clock.advance(30.0)

        assert seconds_until_free(budget, clock, server.url) == FREE_AT_ONCE


def test_wait_for_a_slot_that_is_abandoned(
    budget: AirtableBudget,
    session: PacedSession,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that is abandoned before it has a slot takes none."""

    def abandon(seconds: float) -> None:
        raise AbandonedError

    with TcpServer(answer_all) as server:
        session.get(server.url)
        with monkeypatch.context() as patch:
            patch.setattr(budget, "_sleep", abandon)
            with pytest.raises(AbandonedError):
                session.get(server.url)
        clock.advance(1.2)

        assert seconds_until_free(budget, clock, server.url) == FREE_AT_ONCE
        session.close()


def test_address_without_an_adapter(
    budget: AirtableBudget, session: PacedSession, clock: FakeClock
) -> None:
    """A request that no adapter takes was not sent."""
    url = "ftp://127.0.0.1/v0/appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK"
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.get(url)

    assert seconds_until_free(budget, clock, url) == FREE_AT_ONCE


def test_other_adapter(budget: AirtableBudget, session: PacedSession, clock: FakeClock) -> None:
    """A request that another adapter sends counts from its answer."""
    url = "http://127.0.0.1/v0/appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK"
    with requests_mock.Mocker() as mocker:
        mocker.get(url, text="{}")
        session.get(url)

    assert seconds_until_free(budget, clock, url) == pytest.approx(FREE_AFTER_A_WINDOW)


def test_redirect(budget: AirtableBudget, session: PacedSession, clock: FakeClock) -> None:
    """The request that a redirect leads to needs a slot of its own."""
    heads: list[bytes] = []

    def redirect_once(connection: socket.socket) -> None:
        while head := read_head(connection):
            heads.append(head)
            moved = b"HTTP/1.1 302 Found\r\nLocation: /v0/appLkNDICXNqxSDhG/b\r\n"
            connection.sendall(ANSWER if len(heads) > 1 else moved + b"Content-Length: 0\r\n\r\n")

    with TcpServer(redirect_once) as server:
        session.get(server.url)
        session.close()

    assert (len(heads), budget.calls) == (2, 2)
    assert clock.slept_seconds == pytest.approx(1.1)
    assert seconds_until_free(budget, clock, server.url) == pytest.approx(FREE_AFTER_A_WINDOW)


def say_nothing(connection: socket.socket) -> None:
    """Read to the end, and answer nothing."""
    while connection.recv(65_536):
        pass


def cut(connection: socket.socket) -> None:
    """Answer with less than the head promises, and hang up."""
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")


@pytest.mark.parametrize("talk", [cut, say_nothing], ids=["cut answer", "no answer"])
def test_failure_carries_its_request(
    session: PacedSession, talk: Callable[[socket.socket], None]
) -> None:
    """Whichever way an exchange fails, the failure says which request it was."""
    with TcpServer(talk) as server, pytest.raises(requests.RequestException) as caught:
        session.post(server.url, timeout=TIMEOUT)

    assert caught.value.request is not None
    assert (caught.value.request.method, caught.value.request.url) == ("POST", server.url)


def tunnel(connection: socket.socket) -> None:
    """Do what a CONNECT proxy does."""
    target = read_head(connection).split()[1].decode()
    host, _, port = target.partition(":")
    with socket.create_connection((host, int(port)), WAIT_SECONDS) as far:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=copy, args=(far, connection))
        back.start()
        copy(connection, far)
        back.join(WAIT_SECONDS)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy to the end of the source, and end the target."""
    with suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("tls", [True], indirect=True, ids=["https"])
def test_proxy(
    tls: ssl.SSLContext | None,
    events: list[str],
    budget: AirtableBudget,
    session: PacedSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a proxy the order is the same, and a tunnel that closes is opened again."""
    with TcpServer(answer_all, tls) as server, TcpServer(tunnel) as proxy:
        hang_up_during_waits(monkeypatch, budget, server, proxy)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        shut_after_first_connecting(monkeypatch, budget, server.url)
        answer = session.get(server.url)
        session.close()

    assert events == ["tunnel", "connect", "wait 30.0", "tunnel", "connect", "bytes"]
    assert (answer.status_code, proxy.connections, server.connections) == (200, 2, 2)


def test_plain_proxy(
    session: PacedSession, budget: AirtableBudget, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is asked for plain HTTP answers, and the request counts."""
    url = "http://airtable.test/v0/appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK"
    with TcpServer(answer_all) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        answer = session.get(url)
        session.close()

    assert answer.status_code == 200
    assert seconds_until_free(budget, clock, url) == pytest.approx(FREE_AFTER_A_WINDOW)


def test_pool_and_keepalive(session: PacedSession) -> None:
    """The pool holds as many connections as the CDK's, with its TCP keepalive."""
    adapter = session.get_adapter("https://api.airtable.com")
    pool = adapter.poolmanager.connection_from_url("https://api.airtable.com")  # type: ignore[attr-defined]  # ours has one

    assert pool.pool is not None
    assert pool.pool.maxsize == MAX_CONNECTION_POOL_SIZE
    assert pool.conn_kw["socket_options"] == tcp_keepalive_socket_options()


def test_socks_proxy(session: PacedSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy keeps its own connections, which know the way."""
    adapter = session.get_adapter("https://api.airtable.com")
    socks = urllib3.PoolManager()
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", lambda *_, **__: socks)
    classes = dict(socks.pool_classes_by_scheme)

    assert adapter.proxy_manager_for("socks5://127.0.0.1:1080") is socks  # type: ignore[attr-defined]  # ours has it
    assert socks.pool_classes_by_scheme == classes


def test_request_without_a_slot(session: PacedSession) -> None:
    """A request that no session has counted goes at once."""
    adapter = session.get_adapter("http://127.0.0.1")
    with TcpServer(answer_all) as server:
        answer = adapter.send(requests.Request("GET", server.url).prepare())
        session.close()

    assert answer.status_code == 200
