"""The files of attachments, downloaded to disk from where Airtable says that they are.

The addresses are good for two hours and need no token, which therefore is not sent. Not by the
CDK's HTTP client, which would hold each file in memory: `requests` streams it to disk, and
`urllib3` asks again after a refusal that may pass.
See https://support.airtable.com/docs/airtable-attachment-url-behavior
"""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from source_airtable.api.connection import CONNECT_TIMEOUT_SECONDS, HEADERS, READ_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIES = 3
"""Downloads made of a file in all, the first one included."""
FIRST_WAIT_SECONDS = 1.0
FILES_AT_A_TIME = 4
"""Downloads of one table that run side by side."""
TOO_LARGE = "it is larger than the setting max_file_megabytes allows"
_CHUNK_BYTES = 256 * 1024

_TRIED_AGAIN = (429, *range(500, 600))
# What file servers answer to an address that has expired, or that never was.
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
    """A file cannot be had; the text says why, without its address or name."""

    def __init__(self, reason: str, *, may_have_expired: bool = False) -> None:
        super().__init__(reason)
        self.may_have_expired = may_have_expired
        """Whether another address may help."""


class FileDownload:
    """Downloads files up to a size (bytes); may be used by many threads at once."""

    def __init__(self, most_bytes: float, pulse: Callable[[], object] = lambda: None) -> None:
        self.most_bytes = most_bytes
        self.pulse = pulse
        """Called again and again while a file arrives; ends the download by raising."""
        retry = Retry(
            total=TRIES - 1,
            # urllib3 would write the address into the log when it tries again.
            connect=0,
            read=0,
            backoff_factor=FIRST_WAIT_SECONDS / 2,
            status_forcelist=_TRIED_AGAIN,
            raise_on_status=False,
            respect_retry_after_header=False,  # it may ask for hours
        )
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=50))

    def download(self, url: str, path: Path) -> int:
        """Write the file at an address to a path, and give its size in bytes.

        Raises FileUnavailableError; nothing is left at the path then.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._try_often(url, path)
        except BaseException as failure:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            # Not the exceptions' texts, which hold addresses and names.
            if isinstance(failure, requests.RequestException):
                reason = f"the download failed ({type(failure).__name__})"
                raise FileUnavailableError(reason) from None
            if isinstance(failure, OSError):
                reason = f"it could not be written ({failure.strerror})"
                raise FileUnavailableError(reason) from None
            raise

    def _try_often(self, url: str, path: Path) -> int:
        """Begin anew where the connection fails, or is cut in the middle of a file."""
        for turn in range(TRIES - 1):
            try:
                return self._write(url, path)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):  # noqa: PERF203 - a download a turn
                time.sleep(FIRST_WAIT_SECONDS * 2**turn)
        return self._write(url, path)

    def _write(self, url: str, path: Path) -> int:
        timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        with self._session.get(url, headers=HEADERS, stream=True, timeout=timeout) as response:
            if not response.ok:
                raise FileUnavailableError(
                    f"the file server answers {response.status_code}",
                    may_have_expired=response.status_code in _EXPIRED,
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
