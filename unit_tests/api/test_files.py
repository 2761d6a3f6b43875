"""Downloads of files: tries, bounds, and what is left behind."""

from __future__ import annotations

import errno
import io
import socket
from typing import TYPE_CHECKING

import pytest

from source_airtable.api.files import TOO_LARGE, TRIES, FileDownload, FileUnavailableError
from source_airtable.errors import DiskFullError
from unit_tests.file_server import Answer, FileServer

if TYPE_CHECKING:
    from pathlib import Path

    from unit_tests.fake_clock import FakeClock

MANY = 1_000_000
PHOTO = b"photo" * 100
CUT = Answer(content=PHOTO[:50], declared_bytes=len(PHOTO))
WHOLE = Answer(content=PHOTO)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the file, in a folder that does not exist yet."""
    return tmp_path / "attachments" / "photo.png"


def no_sleep(seconds: float) -> None:
    """Wait for nothing."""


def files_in(folder: Path) -> list[Path]:
    """All files of a folder and those inside it."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_download(path: Path) -> None:
    """The download makes the folder, writes the file and returns its size."""
    with FileServer(WHOLE) as server:
        written = FileDownload(MANY, no_sleep).download(server.url, path)

    assert (written, path.read_bytes()) == (len(PHOTO), PHOTO)


def test_token_is_not_sent(path: Path) -> None:
    """A request to a file server has the connector's name and no token."""
    with FileServer(WHOLE) as server:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert server.requests[0]["User-Agent"].startswith("source-airtable/")
    assert "Authorization" not in server.requests[0]


def test_empty_file(path: Path) -> None:
    """A file may be empty."""
    with FileServer(Answer()) as server:
        assert FileDownload(MANY, no_sleep).download(server.url, path) == 0

    assert path.read_bytes() == b""


FAILURES = (Answer(429), Answer(500), Answer(503), CUT)


@pytest.mark.parametrize("first", FAILURES)
@pytest.mark.parametrize("second", FAILURES)
def test_failure_that_passes(path: Path, first: Answer, second: Answer) -> None:
    """The third request may succeed, and nothing of the others stays."""
    with FileServer(first, second, WHOLE) as server:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert (len(server.requests), path.read_bytes()) == (TRIES, PHOTO)


def test_pauses(path: Path, clock: FakeClock) -> None:
    """The waits for a busy file server take seconds, not the hours that it asks for."""
    busy = Answer(503, headers={"Retry-After": "7200"})
    with FileServer(busy) as server, pytest.raises(FileUnavailableError):
        FileDownload(MANY, clock.sleep).download(server.url, path)

    assert clock.slept_seconds == 1 + 2


@pytest.mark.parametrize("first", FAILURES)
@pytest.mark.parametrize("second", FAILURES)
@pytest.mark.parametrize("third", FAILURES)
def test_most_requests(path: Path, first: Answer, second: Answer, third: Answer) -> None:
    """A file costs three requests at most, whichever way each of them fails."""
    answers = (first, second, third, WHOLE)
    with FileServer(*answers) as server, pytest.raises(FileUnavailableError):
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert len(server.requests) == TRIES


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failure_that_stays(path: Path, status: int) -> None:
    """If a file server keeps failing, the error gives its status."""
    with FileServer(Answer(status)) as server, pytest.raises(FileUnavailableError) as one:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert str(one.value) == f"the file server answers {status}"
    assert len(server.requests) == TRIES
    assert not one.value.may_have_expired
    assert files_in(path.parent) == []


def test_connection_that_is_cut_again_and_again(path: Path) -> None:
    """A file that never arrives whole leaves nothing on the disk."""
    with FileServer(CUT) as server, pytest.raises(FileUnavailableError) as raised:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert len(server.requests) == TRIES
    assert str(raised.value) == "the download failed (ChunkedEncodingError)"
    assert files_in(path.parent) == []


def test_connection_that_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file server that cannot be reached gets as many tries as one that fails."""
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    connect = socket.socket.connect

    def counted(this: socket.socket, address: tuple[str, int]) -> None:
        tries.append(address)
        connect(this, address)

    monkeypatch.setattr(socket.socket, "connect", counted)

    with pytest.raises(FileUnavailableError) as raised:
        FileDownload(MANY, no_sleep).download(f"http://127.0.0.1:{port}/secret", path)

    assert len(tries) == TRIES
    assert str(raised.value) == "the download failed (ConnectionError)"
    assert files_in(path.parent) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_address_that_has_expired(path: Path, status: int) -> None:
    """A refusal of an expired URL gets no further try. A new URL may help."""
    with FileServer(Answer(status)) as server, pytest.raises(FileUnavailableError) as raised:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert raised.value.may_have_expired
    assert len(server.requests) == 1
    assert files_in(path.parent) == []


@pytest.mark.parametrize("status", [402, 405, 451])
def test_other_refusal(path: Path, status: int) -> None:
    """A new URL does not help against other refusals."""
    with FileServer(Answer(status)) as server, pytest.raises(FileUnavailableError) as raised:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert not raised.value.may_have_expired


@pytest.mark.parametrize(("most_bytes", "fits"), [(len(PHOTO), True), (len(PHOTO) - 1, False)])
def test_bound_of_size(path: Path, most_bytes: int, *, fits: bool) -> None:
    """A file of the largest size is written. A larger one leaves nothing."""
    with FileServer(WHOLE) as server:
        if fits:
            assert FileDownload(most_bytes, no_sleep).download(server.url, path) == most_bytes
        else:
            with pytest.raises(FileUnavailableError, match=TOO_LARGE):
                FileDownload(most_bytes, no_sleep).download(server.url, path)

    assert len(server.requests) == 1
    assert bool(files_in(path.parent)) is fits


def test_address_that_is_none(path: Path) -> None:
    """An invalid URL fails as a failed download."""
    with pytest.raises(FileUnavailableError, match=r"the download failed \(InvalidURL\)"):
        FileDownload(MANY, no_sleep).download("http://", path)


@pytest.mark.parametrize(
    "url",
    [
        f"https://{'x' * 64}.example/secret",
        "https://.secret/",
        "https://[secret/",
        "http://\u2100secret.example/",
        "http://exa mple/secret",
        "ftp://secret.example/",
        "secret",
        "",
    ],
    ids=["long label", "empty label", "half an IPv6", "IDNA", "blank", "scheme", "path", "empty"],
)
def test_malformed_url(path: Path, url: str) -> None:
    """A URL that no request can be sent to is this file's own failure, without the URL."""
    with pytest.raises(FileUnavailableError, match=r"^the download failed \(\w+\)$") as caught:
        FileDownload(MANY, no_sleep).download(url, path)

    assert "secret" not in str(caught.value)
    assert files_in(path.parent) == []


def test_nothing_is_told_of_the_address(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor the log contains a file's URL or name."""
    caplog.set_level("INFO")
    with FileServer(Answer(500)) as server, pytest.raises(FileUnavailableError) as failed:
        FileDownload(MANY, no_sleep).download(server.url, path)
    with FileServer(CUT) as server, pytest.raises(FileUnavailableError) as cut:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert "secret" not in f"{failed.value}{cut.value}"
    assert cut.value.__cause__ is None
    assert cut.value.__suppress_context__


class AbandonedError(Exception):
    """The error that stops downloads in these tests."""


def test_abandoned_download(path: Path) -> None:
    """A download that is stopped leaves nothing."""

    def abandon(seconds: float) -> None:
        assert seconds == 0
        raise AbandonedError

    with FileServer(WHOLE) as server, pytest.raises(AbandonedError):
        FileDownload(MANY, abandon).download(server.url, path)

    assert len(server.requests) == 1
    assert files_in(path.parent) == []


def test_abandoned_wait(path: Path) -> None:
    """A download that is stopped while it waits makes no further request."""

    def abandon(seconds: float) -> None:
        if seconds:
            raise AbandonedError

    with FileServer(Answer(503), WHOLE) as server, pytest.raises(AbandonedError):
        FileDownload(MANY, abandon).download(server.url, path)

    assert len(server.requests) == 1


class FullDisk(io.BytesIO):
    """A file on a disk without room."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self._code = code

    def write(self, content: object) -> int:
        """Fail."""
        raise OSError(self._code, "no room", "/staging/secret")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A full disk ends the stream at once, because no other file would fit either."""
    monkeypatch.setattr(type(path), "open", lambda *_: FullDisk(code))
    with FileServer(WHOLE) as server, pytest.raises(DiskFullError) as caught:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert len(server.requests) == 1
    assert caught.value.facts == {"reason": "no room"}


def test_other_failure_of_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in another way fails this file alone."""
    monkeypatch.setattr(type(path), "open", lambda *_: FullDisk(errno.EIO))
    with FileServer(WHOLE) as server, pytest.raises(FileUnavailableError) as caught:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert str(caught.value) == "it could not be written (no room)"
    assert len(server.requests) == 1


def test_place_that_cannot_be_written(path: Path) -> None:
    """If the disk refuses a file, the error contains no path."""
    path.parent.write_text("a file in the folder's place", "utf-8")
    with FileServer(WHOLE) as server, pytest.raises(FileUnavailableError) as caught:
        FileDownload(MANY, no_sleep).download(server.url, path)

    assert str(caught.value).startswith("it could not be written (")
    assert str(path.parent) not in str(caught.value)
    assert server.requests == []
