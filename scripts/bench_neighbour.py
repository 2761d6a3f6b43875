"""Another client of the same base, which asks so many times a second whatever it is told."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

ANSWER_SECONDS: Final = 10.0
END_SECONDS: Final = 60.0


class Neighbour:
    """A client with requests at an even pace while the block runs, which counts its 429s.

    It does not wait after one, as many a script does not. At a pace of 0 it asks for nothing.
    """

    def __init__(self, url: str, token: str, path: str, requests_per_second: int) -> None:
        self.calls = 0
        self.refusals = 0
        # A little slower, so that no second ever holds one more.
        self._interval = 1.05 / requests_per_second if requests_per_second else 0.0
        self._request = Request(  # noqa: S310 - always http on 127.0.0.1
            f"{url}/v0/{path}?pageSize=1", headers={"Authorization": f"Bearer {token}"}
        )
        # Without proxies: the environment's must not see calls to 127.0.0.1.
        self._opener = build_opener(ProxyHandler({}))
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pacing = threading.Thread(target=self._keep_pace, daemon=True)

    def _keep_pace(self) -> None:
        if not self._interval:
            return
        following = time.monotonic()
        while not self._is_over.wait(max(0.0, following - time.monotonic())):
            following += self._interval
            # Each request on a thread of its own: an answer's latency must not slow the pace.
            asking = threading.Thread(target=self._ask, daemon=True)
            asking.start()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._threads.append(asking)

    def _ask(self) -> None:
        self.calls += 1
        try:
            with self._opener.open(self._request, timeout=ANSWER_SECONDS) as answer:
                answer.read()
        except HTTPError as error:
            with error:
                self.refusals += error.code == HTTPStatus.TOO_MANY_REQUESTS
        except (URLError, OSError):
            return

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._pacing.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, when the last answers are there."""
        self._is_over.set()
        self._pacing.join(END_SECONDS)
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)
