"""A server on loopback that does with each connection what a test tells it to."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
END_SECONDS = 10.0


class TcpServer:
    """Serves every connection on a thread of its own, over TLS if it has a context."""

    def __init__(
        self, talk: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None
    ) -> None:
        self._talk = talk
        self._tls = tls
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._has_accepted = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """A path of one base."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v0/appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK"

    @property
    def connections(self) -> int:
        """How many connections came."""
        return len(self._connections)

    def wait_for_connection(self) -> None:
        """Wait until the first connection is accepted: the kernel opens it before."""
        with self._has_accepted:
            assert self._has_accepted.wait_for(lambda: bool(self._connections), END_SECONDS)

    def hang_up(self) -> None:
        """End what is connected.

        Each thread closes its own socket: another connection would get the number of one that is
        still in use. TLS says no goodbye.
        """
        for connection in self._connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._tls:
                # Wrapped before the handshake, so that `hang_up` ends that, too.
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            with self._has_accepted:
                self._connections.append(connection)
                self._has_accepted.notify_all()
            serving = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(serving)
            serving.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            self._talk(connection)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and leave neither a connection nor a thread behind."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(END_SECONDS)
        self.hang_up()
        for thread in self._threads:
            thread.join(END_SECONDS)


def read_head(connection: socket.socket) -> bytes:
    """Read to the end of a request's headers; empty when the client has closed."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        head += chunk
    return head


def answer_all(connection: socket.socket) -> None:
    """Answer every request of a connection."""
    while read_head(connection):
        connection.sendall(ANSWER)
