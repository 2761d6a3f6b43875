"""A file server on loopback that answers what it was told to, one answer after the other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self


@dataclass(frozen=True)
class Answer:
    """One answer; a connection is cut where more bytes are declared than come."""

    status: int = 200
    content: bytes = b""
    declared_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FileServer:
    """Serves one file; the last of the answers is given again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, str]] = []
        """The headers of each request."""
        serve = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The file's address, with what must not be told."""
        return f"http://127.0.0.1:{self._server.server_port}/secret-name.png?signature=secret"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        handler.send_response(answer.status)
        declared = answer.declared_bytes
        handler.send_header("Content-Length", str(declared or len(answer.content)))
        handler.send_header("Connection", "close")
        for name, text in answer.headers.items():
            handler.send_header(name, text)
        handler.end_headers()
        handler.wfile.write(answer.content)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and leave no thread behind."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
