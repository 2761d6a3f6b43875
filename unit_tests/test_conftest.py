"""The ground that all tests stand on holds."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_no_network(connect: str) -> None:
    """A test that would leave this machine fails instead."""
    with socket.socket() as outward, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        getattr(outward, connect)(("192.0.2.1", 443))


def test_loopback() -> None:
    """A server on this machine can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())

        assert client.getpeername() == server.getsockname()
