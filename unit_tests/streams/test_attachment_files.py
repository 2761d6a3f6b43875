"""The files of attachments: where they are put, which addresses are renewed, what is told."""

from __future__ import annotations

import errno
import io
import string
import threading
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from source_airtable.api.files import FILES_AT_A_TIME, TOO_LARGE, FileUnavailableError
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    InvalidTokenError,
    QuotaExceededError,
)
from source_airtable.streams import attachment_files
from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.attachment_files import (
    LONGEST_FILE_NAME_BYTES,
    MOST_FAILURES_TOLD,
    AttachmentFileShare,
    _path_of,
    _to_file_name,
)
from source_airtable.streams.read_queue import LastRecordOfPage, ReadQueue, SyncAbandonedError
from source_airtable.streams.table_scan import TableScan
from unit_tests.builders import an_account_stream
from unit_tests.fake_client import FakeClient
from unit_tests.scans import CountingQueue, consume
from unit_tests.tables import BASE_ID, RECORD_ID, TABLE_ID, a_field, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.files import FileDownload
    from source_airtable.errors import AirtableError

FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")
MORE_FILES = a_field("multipleAttachments", field_id="fldMoreFiles00000", name="More")
TABLE = a_table(FILES, MORE_FILES)
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
PHOTO: Any = {"id": "attA", "filename": "photo.png", "size": 7, "url": "https://files/a"}


class FakeDownload:
    """Downloads that write a few bytes, or raise what an address is to raise."""

    def __init__(self, most_bytes: float = 1000) -> None:
        self.most_bytes = most_bytes
        self.failures: dict[str, Exception] = {}
        """What becomes of an address."""
        self.urls: list[str] = []
        self.paths: list[Path] = []
        self.pulse: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def download(self, url: str, path: Path) -> int:
        """Write seven bytes, or raise."""
        with self._lock:
            self.urls.append(url)
            self.paths.append(path)
        if url in self.failures:
            raise self.failures[url]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_bytes(b"content")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are put."""
    monkeypatch.setattr(attachment_files, "get_files_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def files() -> FakeDownload:
    """Downloads that all succeed."""
    return FakeDownload()


@pytest.fixture
def client() -> FakeClient:
    """Airtable, at ten o'clock."""
    client = FakeClient()
    client.latest_date = TEN
    return client


def a_share(client: FakeClient, files: FakeDownload, *columns: str) -> AttachmentFileShare:
    """The share of the stream in the scan of one table."""
    writer = RowWriter("attachments", an_account_stream("attachments", *columns).json_schema)
    download = cast("FileDownload", files)
    return AttachmentFileShare("attachments", TABLE, writer, client.as_client(), download)


def finish(share: AttachmentFileShare, queue: ReadQueue | None = None) -> list[Record]:
    """What the share emits when the scan is over."""
    with closing(share):
        return list(share.finish(a_scan(share, queue or CountingQueue())))


def a_scan(share: AttachmentFileShare, queue: ReadQueue) -> TableScan:
    """The table's scan, which is over."""
    return TableScan(TABLE, [share], FakeClient().as_client(), queue)


def a_share_of(client: FakeClient, files: FakeDownload, count: int) -> AttachmentFileShare:
    """A share that found so many attachments."""
    photos = [{**PHOTO, "id": f"att{n}", "url": f"https://files/{n}"} for n in range(count)]
    share = a_share(client, files)
    share.rows_of([a_record({FILES["id"]: photos})])
    return share


def read(
    client: FakeClient, files: FakeDownload, *attachments: object, columns: tuple[str, ...] = ()
) -> list[Record]:
    """What the stream emits for one record with these attachments."""
    share = a_share(client, files, *columns)
    assert share.rows_of([a_record({FILES["id"]: list(attachments)})]) == []
    return finish(share)


def errors_of(records: list[Record]) -> list[str | None]:
    """Why records have no file."""
    return [record.data["file_error"] for record in records]


def test_file(client: FakeClient, files: FakeDownload, folder: Path) -> None:
    """A row comes with its file, whose place is told in full and from the folder on."""
    (record,) = read(client, files, PHOTO)

    relative = f"attachments/{BASE_ID}/{TABLE_ID}/{RECORD_ID}/{FILES['id']}/attA/photo.png"
    assert record.file_reference is not None
    assert record.file_reference.source_file_relative_path == relative
    assert record.file_reference.staging_file_url == str(folder / relative)
    assert record.file_reference.file_size_bytes == 7
    assert (folder / relative).read_bytes() == b"content"
    assert (record.data["url"], record.data["file_error"]) == ("https://files/a", None)


def test_many_files(client: FakeClient, files: FakeDownload) -> None:
    """Rows come in the scan's order, however many there are."""
    photos = [{**PHOTO, "id": f"att{n}", "url": f"https://files/{n}"} for n in range(50)]

    records = read(client, files, *photos)

    assert [record.data["id"] for record in records] == [photo["id"] for photo in photos]
    assert all(record.file_reference for record in records)
    assert sorted(files.urls) == sorted(photo["url"] for photo in photos)


def test_attachment_of_two_cells(client: FakeClient, files: FakeDownload) -> None:
    """An attachment that stands in two cells of a record has two files, as it has two rows."""
    share = a_share(client, files)
    share.rows_of([a_record({FILES["id"]: [PHOTO], MORE_FILES["id"]: [PHOTO]})])

    finish(share)

    assert len(set(files.paths)) == 2


def test_no_attachments(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """A table without attachments has nothing to tell."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    assert read(client, files) == []
    assert caplog.messages == []


@pytest.mark.parametrize(("size", "is_asked_for"), [(1000, True), (1001, False), (1001.5, False)])
def test_size_that_is_known(
    client: FakeClient, files: FakeDownload, size: float, *, is_asked_for: bool
) -> None:
    """A file that Airtable says is too large is not asked for."""
    records = read(client, files, {**PHOTO, "size": size})

    assert bool(files.urls) is is_asked_for
    assert errors_of(records) == [None if is_asked_for else TOO_LARGE]


@pytest.mark.parametrize("size", [None, "many", []])
def test_size_that_is_not_known(client: FakeClient, files: FakeDownload, size: object) -> None:
    """Of a file of unknown size the download finds it out."""
    assert errors_of(read(client, files, {**PHOTO, "size": size})) == [None]


def test_file_that_cannot_be_had(client: FakeClient, files: FakeDownload) -> None:
    """A file that cannot be had leaves its row, with the reason; the others have theirs."""
    files.failures["https://files/a"] = FileUnavailableError("the file server answers 503")

    first, second = read(client, files, PHOTO, {**PHOTO, "id": "attB", "url": "https://files/b"})

    assert first.file_reference is None
    assert first.data["file_error"] == "the file server answers 503"
    assert second.file_reference is not None
    assert client.calls == []


def a_renewed(url: object = "https://files/new", attachment_id: str = "attA") -> Any:  # noqa: ANN401
    """The record as Airtable gives it now."""
    return a_record({FILES["id"]: [{"id": "attZ"}, {**PHOTO, "id": attachment_id, "url": url}]})


def expire(files: FakeDownload) -> None:
    """Let the file server refuse the first address."""
    files.failures["https://files/a"] = FileUnavailableError("403", may_have_expired=True)


def test_address_that_is_refused(client: FakeClient, files: FakeDownload) -> None:
    """Where the address may have expired, another one is asked for, and told in the row."""
    expire(files)
    client.records[RECORD_ID] = a_renewed()

    (record,) = read(client, files, PHOTO)

    assert files.urls == ["https://files/a", "https://files/new"]
    assert record.file_reference is not None
    assert record.data["url"] == "https://files/new"
    assert record.data["url_valid_until"] == "2026-11-18T12:00:00.000Z"
    assert record.data["file_error"] is None


@pytest.mark.parametrize(
    ("hours", "urls"), [(1.99, ["https://files/a"]), (2, ["https://files/new"])]
)
def test_address_that_is_old(
    client: FakeClient, files: FakeDownload, hours: float, urls: list[str]
) -> None:
    """An address is used for two hours, and then renewed without being tried."""
    client.records[RECORD_ID] = a_renewed()
    share = a_share(client, files)
    share.rows_of([a_record({FILES["id"]: [PHOTO]})])
    client.latest_date = TEN + timedelta(hours=hours)

    finish(share)

    assert files.urls == urls


def test_unknown_moment(client: FakeClient, files: FakeDownload) -> None:
    """Without Airtable's clock the file server says whether an address has expired."""
    client.latest_date = None

    assert errors_of(read(client, files, PHOTO)) == [None]
    assert files.urls == ["https://files/a"]


@pytest.mark.parametrize("url", [None, 7, {}])
def test_attachment_without_address(client: FakeClient, files: FakeDownload, url: object) -> None:
    """An attachment without an address is asked for once more."""
    client.records[RECORD_ID] = a_renewed()

    assert errors_of(read(client, files, {**PHOTO, "url": url})) == [None]
    assert files.urls == ["https://files/new"]


def test_new_address_that_is_refused(client: FakeClient, files: FakeDownload) -> None:
    """An address is renewed once."""
    expire(files)
    files.failures["https://files/new"] = FileUnavailableError("404", may_have_expired=True)
    client.records[RECORD_ID] = a_renewed()

    assert errors_of(read(client, files, PHOTO)) == ["404"]
    assert client.calls == [f"record {RECORD_ID}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (AccessDeniedError(status=404), "its record is not there any more"),
        (
            AirtableUnavailableError(status=503),
            "its address has expired and could not be renewed (AirtableUnavailableError)",
        ),
        (a_record({}), "it is not in its cell any more"),
        (a_record({FILES["id"]: "attA"}), "it is not in its cell any more"),
        (a_renewed(attachment_id="attB"), "it is not in its cell any more"),
        (a_renewed(url=None), "it is not in its cell any more"),
    ],
)
def test_address_that_cannot_be_renewed(
    client: FakeClient,
    files: FakeDownload,
    answer: Any,  # noqa: ANN401 - or an error
    reason: str,
) -> None:
    """Why there is no other address is told in the row."""
    expire(files)
    client.records[RECORD_ID] = answer

    assert errors_of(read(client, files, PHOTO)) == [reason]


@pytest.mark.parametrize("refused", [QuotaExceededError(status=429), InvalidTokenError(status=401)])
def test_refusal_that_is_not_of_one_record(
    client: FakeClient, files: FakeDownload, refused: AirtableError
) -> None:
    """Where Airtable would renew no address at all, the stream fails, and no row tells of it."""
    expire(files)
    client.records[RECORD_ID] = refused

    with pytest.raises(type(refused)):
        read(client, files, PHOTO)


def test_failures_are_told_up_to_a_bound(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells the first failures one by one, and all of them by reason; never an address."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    photos = [{**PHOTO, "id": f"att{n}", "size": 5000} for n in range(MOST_FAILURES_TOLD + 5)]

    read(client, files, PHOTO, *photos)

    told = [message for message in caplog.messages if "was not transferred" in message]
    assert len(told) == MOST_FAILURES_TOLD
    assert caplog.messages[-1] == (
        "Stream attachments: 1 files of table Contacts were transferred, "
        f"{len(photos)} were not ({len(photos)}: {TOO_LARGE})."
    )
    assert "https" not in caplog.text
    assert "photo" not in caplog.text


def test_end_without_failures(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """Where all files were transferred, their number is told."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    read(client, files, PHOTO)

    assert caplog.messages == [
        "Stream attachments: 1 files of table Contacts were transferred, 0 were not."
    ]


def test_selected_columns(client: FakeClient, files: FakeDownload) -> None:
    """Files come whichever columns are selected."""
    (record,) = read(client, files, PHOTO, columns=("id",))

    assert record.data == {"id": "attA"}
    assert record.file_reference is not None


def test_abandoned_between_files(client: FakeClient, files: FakeDownload) -> None:
    """When nobody reads any more, no further file is asked for."""

    def pulse() -> None:
        raise SyncAbandonedError

    files.pulse = pulse

    with pytest.raises(SyncAbandonedError):
        read(client, files, PHOTO)
    assert files.urls == []


@pytest.mark.parametrize("failure", [SyncAbandonedError(), OSError("no space left on device")])
def test_failure_that_is_not_of_one_file(
    client: FakeClient, files: FakeDownload, failure: Exception
) -> None:
    """What would befall every file ends the stream."""
    files.failures["https://files/a"] = failure

    with pytest.raises(type(failure)):
        read(client, files, PHOTO)


def test_room_goes_with_the_records(client: FakeClient, files: FakeDownload) -> None:
    """Files that are transferred together take room for one page, until the last of them left."""
    queue = CountingQueue()
    records = finish(a_share_of(client, files, FILES_AT_A_TIME + 1), queue)

    is_last = [type(record) is LastRecordOfPage for record in records]
    assert is_last == [False] * (FILES_AT_A_TIME - 1) + [True, True]
    assert (queue.acquired, queue.in_flight) == (2, 2)
    assert all(record.file_reference for record in records)
    consume(records, queue)
    assert queue.in_flight == 0


def test_room_comes_back_after_a_failure(client: FakeClient, files: FakeDownload) -> None:
    """Where a transfer ends the stream, the room for its files is free again."""
    files.failures["https://files/0"] = OSError(errno.ENOSPC, "no space left on device")
    queue = CountingQueue()

    with pytest.raises(OSError, match="no space"):
        finish(a_share_of(client, files, 2), queue)

    assert (queue.acquired, queue.in_flight) == (1, 0)


def test_files_that_nobody_has_taken(client: FakeClient, files: FakeDownload) -> None:
    """No more files are fetched ahead than the queue has room for, until some are taken."""
    queue = ReadQueue(pages_in_flight=2)
    share = a_share_of(client, files, 3 * FILES_AT_A_TIME)
    with closing(share):
        records = share.finish(a_scan(share, queue))
        for _ in range(2 * FILES_AT_A_TIME):
            queue.put(next(records))
        assert len(files.urls) == 2 * FILES_AT_A_TIME
        assert queue._free_room == 0  # noqa: SLF001 - a waiting test would have to sleep
        for _ in range(FILES_AT_A_TIME):
            queue.get()
        assert queue._free_room == 1  # noqa: SLF001
        assert len(list(records)) == FILES_AT_A_TIME


def test_rows_that_cannot_be_forgotten(
    client: FakeClient, files: FakeDownload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not take the last of the rows when they are forgotten hurts nobody."""
    disk = FullDisk()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: disk)

    a_share_of(client, files, 1).close()

    assert disk.closed


class FullDisk(io.BytesIO):
    """A file that is written when it is closed, to a disk without space."""

    def close(self) -> None:
        """Fail, the first time."""
        was_open = not self.closed
        super().close()
        if was_open:
            raise OSError(errno.ENOSPC, "no space left on device")


NAMES = st.text(max_size=300) | st.text("./\\: \u00e9\U0001f4e6" + string.ascii_letters)


@given(NAMES, st.lists(st.text(max_size=5) | st.sampled_from(["..", ".", "/", ""]), max_size=1))
@example("../../etc/passwd", [])
@example("..", [".."])
@example("/etc/passwd", ["/"])
@example("C:\\x.exe", [])
@example("", [])
@example("x" * 400 + ".png", [])
@example("x." + "y" * 400, [])
@example("\U0001f4e6" * 100 + ".png", [])
def test_any_file_name_stays_inside(name: str, ids: list[str]) -> None:
    """Whatever names and ids Airtable sends, a file stays below its folder, in names of a bound."""
    record_id = ids[0] if ids else RECORD_ID
    row = {
        "base_id": BASE_ID,
        "table_id": TABLE_ID,
        "record_id": record_id,
        "field_id": FILES["id"],
        "id": "attA",
        "filename": name,
    }

    parts = _path_of(row)

    assert len(parts) == 6
    assert len(PurePosixPath("/folder", *parts).parts) == 8
    for part in parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set('/\\:*?"<>|\x00\n')
        assert 0 < len(part.encode()) <= LONGEST_FILE_NAME_BYTES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.png", "photo.png"),
        ("Ren\u00e9 \U0001f4e6.tar.gz", "Ren\u00e9 \U0001f4e6.tar.gz"),
        ("a/b\\c:d.png", "a_b_c_d.png"),
        (" .photo.png. ", "photo.png"),
        ("...", "file"),
        ("", "file"),
        ("README", "README"),
        ("x" * 300 + ".png", "x" * (LONGEST_FILE_NAME_BYTES - 4) + ".png"),
        ("\u00e9" * 300 + ".png", "\u00e9" * ((LONGEST_FILE_NAME_BYTES - 4) // 2) + ".png"),
        ("x" * 300, "x" * LONGEST_FILE_NAME_BYTES),
        ("a." + "y" * 300, "a." + "y" * (LONGEST_FILE_NAME_BYTES - 2)),
    ],
)
def test_file_name(name: str, expected: str) -> None:
    """A file keeps its name as far as file systems take it, and its ending where it is cut."""
    assert _to_file_name(name) == expected


@pytest.mark.parametrize("filename", [None, 0, ""])
def test_attachment_without_a_name(client: FakeClient, files: FakeDownload, filename: Any) -> None:  # noqa: ANN401
    """A file without a name is called one."""
    read(client, files, {**PHOTO, "filename": filename})

    assert [path.name for path in files.paths] == ["file"]
