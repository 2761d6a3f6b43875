"""Download the files of attachments to disk.

Airtable's URLs are valid for two hours. They need no token, so none is sent. The CDK's HTTP client
would hold each file in memory, so `requests` streams it to disk.
See https://support.airtable.com/docs/airtable-attachment-url-behavior
"""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from source_airtable.api.connection import CONNECT_TIMEOUT_SECONDS, HEADERS, READ_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIES = 3
"""The most requests for one file, the first one included."""
FIRST_WAIT_SECONDS = 1.0
"""The wait before the second request. It doubles before each further one."""
FILES_AT_A_TIME = 4
"""Downloads of one table that run in parallel."""
TOO_LARGE = "it is larger than the setting max_file_megabytes allows"
_CHUNK_BYTES = 256 * 1024
_SLEEP_SECONDS = 0.1

_RETRIED = frozenset({429, *range(500, 600)})
# File servers answer with these if a URL has expired or never existed.
_EXPIRED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
    }
)


class FileUnavailableError(Exception):
    """A file cannot be downloaded. The text says why, without the file's URL or name."""

    def __init__(self, reason: str, *, may_have_expired: bool = False) -> None:
        super().__init__(reason)
        self.may_have_expired = may_have_expired
        """Whether a new URL may help."""


class _FileServerBusyError(FileUnavailableError):
    """The file server may answer another try."""


class FileDownload:
    """Downloads files up to a size in bytes. Threads may share it."""

    def __init__(self, most_bytes: float, pulse: Callable[[], object] = lambda: None) -> None:
        self.most_bytes = most_bytes
        self.pulse = pulse
        """Called often during downloads and waits. It can raise to stop them."""
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=50))

    def download(self, url: str, path: Path) -> int:
        """Write the file at a URL to a path, and return its size in bytes.

        Raises FileUnavailableError, and then leaves nothing at the path.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._write_with_retries(url, path)
        except BaseException as failure:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            # The texts of these exceptions contain URLs and names.
            if isinstance(failure, requests.RequestException):
                reason = f"the download failed ({type(failure).__name__})"
                raise FileUnavailableError(reason) from None
            if isinstance(failure, OSError):
                reason = f"it could not be written ({failure.strerror})"
                raise FileUnavailableError(reason) from None
            raise

    def _write_with_retries(self, url: str, path: Path) -> int:
        """Start again if the server is busy, or the connection fails or breaks."""
        for failed_tries in range(TRIES - 1):
            try:
                return self._write(url, path)
            except (  # noqa: PERF203 - each round is a download
                _FileServerBusyError,
                requests.ConnectionError,
                requests.exceptions.ChunkedEncodingError,
            ):
                # Not for as long as a Retry-After asks, which may be hours.
                self._wait(FIRST_WAIT_SECONDS * 2**failed_tries)
        return self._write(url, path)

    def _wait(self, seconds: float) -> None:
        for _ in range(round(seconds / _SLEEP_SECONDS)):
            self.pulse()
            time.sleep(_SLEEP_SECONDS)

    def _write(self, url: str, path: Path) -> int:
        timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        with self._session.get(url, headers=HEADERS, stream=True, timeout=timeout) as response:
            status = response.status_code
            if status in _RETRIED:
                raise _FileServerBusyError(f"the file server answers {status}")
            if not response.ok:
                raise FileUnavailableError(
                    f"the file server answers {status}", may_have_expired=status in _EXPIRED
                )
            written = 0
            with path.open("wb") as file:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    self.pulse()
                    written += len(chunk)
                    if written > self.most_bytes:
                        raise FileUnavailableError(TOO_LARGE)
                    file.write(chunk)
        return written
