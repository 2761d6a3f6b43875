"""The files of attachments, downloaded to disk from the urls that Airtable gives.

The urls are good for two hours and need no token, so no token is sent. The CDK's HTTP client would
hold each file in memory; `requests` streams it to disk.
See https://support.airtable.com/docs/airtable-attachment-url-behavior
"""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from source_airtable.api.connection import CONNECT_TIMEOUT_SECONDS, HEADERS, READ_TIMEOUT_SECONDS
from source_airtable.errors import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIES = 3
"""Requests made for a file, the first one included."""
FIRST_WAIT_SECONDS = 1.0
"""The wait before the second request; it doubles before the third."""
FILES_AT_A_TIME = 4
"""Downloads of one table that run side by side."""
TOO_LARGE = "it is larger than the setting max_file_megabytes allows"
_CHUNK_BYTES = 256 * 1024

# What file servers answer to a url that has expired, or that never was.
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
    """A file cannot be had; the text says why, without its url or name."""

    def __init__(
        self, reason: str, *, may_have_expired: bool = False, may_pass: bool = False
    ) -> None:
        super().__init__(reason)
        self.may_have_expired = may_have_expired
        """Whether another url may help."""
        self.may_pass = may_pass
        """Whether another request may help."""


class FileDownload:
    """Downloads files up to a size (bytes); may be used by many threads at once.

    `sleep` waits, and ends a download by raising; it is called for every chunk of a file.
    """

    def __init__(self, most_bytes: float, sleep: Callable[[float], object] = time.sleep) -> None:
        self._most_bytes = most_bytes
        self._sleep = sleep
        self._session = requests.Session()
        for scheme in ("https://", "http://"):  # ignore-https-check
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=FILES_AT_A_TIME))

    def download(self, url: str, path: Path) -> int:
        """Write the file at a url to a path, and give its size in bytes.

        Raises FileUnavailableError where this file cannot be had, and DiskFullError; nothing is
        left at the path then.
        """
        turn = 0
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                return self._write(url, path)
            except BaseException as failure:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                explained = _explain(failure)
                if explained is None:
                    raise
                if not explained.may_pass or turn == TRIES - 1:
                    raise explained from None
            self._sleep(FIRST_WAIT_SECONDS * 2**turn)
            turn += 1

    def _write(self, url: str, path: Path) -> int:
        timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        with self._session.get(url, headers=HEADERS, stream=True, timeout=timeout) as response:
            if not response.ok:
                status = response.status_code
                raise FileUnavailableError(
                    f"the file server answers {status}",
                    may_have_expired=status in _EXPIRED,
                    may_pass=status == HTTPStatus.TOO_MANY_REQUESTS
                    or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
                )
            written = 0
            with path.open("wb") as file:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    self._sleep(0)
                    written += len(chunk)
                    if written > self._most_bytes:
                        raise FileUnavailableError(TOO_LARGE)
                    file.write(chunk)
        return written


def _explain(failure: BaseException) -> FileUnavailableError | None:
    """Say why a file cannot be had; None for what is not this file's own failure.

    An exception's own text may hold the url or the file's name. Raises DiskFullError.
    """
    if isinstance(failure, FileUnavailableError):
        return failure
    # urllib3 and the codec of host names raise errors of their own for a malformed host.
    if isinstance(failure, (requests.RequestException, HTTPError, UnicodeError)):
        return FileUnavailableError(
            f"the download failed ({type(failure).__name__})",
            may_pass=isinstance(
                failure, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
            ),
        )
    if isinstance(failure, OSError):
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(reason=failure.strerror) from None
        return FileUnavailableError(f"it could not be written ({failure.strerror})")
    return None
