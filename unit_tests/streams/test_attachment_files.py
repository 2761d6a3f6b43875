"""The files of attachments: where they are put, which addresses are renewed, what is told."""

from __future__ import annotations

import gc
import string
import threading
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from source_airtable.api.files import FILES_AT_A_TIME, TOO_LARGE, FileUnavailableError
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    DiskFullError,
    InvalidTokenError,
    QuotaExceededError,
)
from source_airtable.records import Page
from source_airtable.streams import attachment_files
from source_airtable.streams.attachment_files import (
    LONGEST_FILE_NAME_BYTES,
    MOST_FAILURES_LOGGED,
    AttachmentFileReader,
    _path_of,
    _to_file_name,
)
from source_airtable.streams.stream import FileRow, ReadRequest
from source_airtable.sync.page_queue import PageRows, SyncAbandonedError
from unit_tests.builders import (
    BASE,
    RECORD_ID,
    TABLE,
    a_field,
    a_page_of,
    a_record,
    a_table,
    an_account_stream,
)
from unit_tests.fake_client import FakeClient
from unit_tests.scans import FinishedScan, Scanned, a_client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airbyte_cdk.models import AirbyteRecordMessageFileReference

    from source_airtable.errors import AirtableError

FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")
MORE_FILES = a_field("multipleAttachments", field_id="fldMoreFiles00000", name="More")
PHOTOS = a_table(FILES, MORE_FILES)
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
PHOTO: Any = {"id": "attA", "filename": "photo.png", "size": 7, "url": "https://files/a"}


class FakeDownload:
    """Downloads that write a few bytes, or raise what an address is to raise."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        """What becomes of an address."""
        self.urls: list[str] = []
        self.paths: list[Path] = []
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
def files(monkeypatch: pytest.MonkeyPatch) -> FakeDownload:
    """Downloads that all succeed."""
    files = FakeDownload()
    monkeypatch.setattr(attachment_files, "FileDownload", lambda *_: files)
    return files


@pytest.fixture
def client() -> FakeClient:
    """Airtable, at ten o'clock."""
    client = FakeClient()
    client.latest_date = TEN
    return client


def a_reader(client: FakeClient, *columns: str) -> AttachmentFileReader:
    """What reads the files of the one table, up to a megabyte each."""
    stream = an_account_stream(
        "attachment_files", *columns, client=client.as_client(), max_file_megabytes=1
    )
    reader = stream.reader(PHOTOS, ReadRequest())
    assert isinstance(reader, AttachmentFileReader)
    return reader


def some_photos(count: int) -> list[Any]:
    """So many attachments."""
    return [{**PHOTO, "id": f"att{n}", "url": f"https://files/{n}"} for n in range(count)]


def a_reader_of(client: FakeClient, count: int) -> AttachmentFileReader:
    """A reader that found so many attachments."""
    reader = a_reader(client)
    reader.rows(a_page({FILES["id"]: some_photos(count)}))
    return reader


def a_page(cells: Mapping[str, Any]) -> Page:
    """A page of one record, as Airtable gave it at ten o'clock."""
    return Page([a_record(cells)], TEN)


def finish(reader: AttachmentFileReader) -> list[dict[str, Any]]:
    """What the reader emits when the scan is over."""
    return [row for rows in reader.finish(FinishedScan()) for row in rows]


def read(
    client: FakeClient, *attachments: object, columns: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """What the stream emits for one record with these attachments."""
    reader = a_reader(client, *columns)
    assert reader.rows(a_page({FILES["id"]: list(attachments)})) == []
    return finish(reader)


def file_of(row: dict[str, Any]) -> AirbyteRecordMessageFileReference:
    """The file that comes with a row."""
    assert isinstance(row, FileRow)
    return row.file


def errors_of(rows: list[dict[str, Any]]) -> list[str | None]:
    """Why records have no file."""
    return [row["file_error"] for row in rows]


def test_file(client: FakeClient, files: FakeDownload, folder: Path) -> None:
    """A row comes with its file, whose place is told in full and from the folder on."""
    (record,) = read(client, PHOTO)

    relative = f"attachment_files/{BASE}/{TABLE}/{RECORD_ID}/{FILES['id']}/attA/photo.png"
    assert file_of(record).source_file_relative_path == relative
    assert file_of(record).staging_file_url == str(folder / relative)
    assert file_of(record).file_size_bytes == 7
    assert (folder / relative).read_bytes() == b"content"
    assert (record["url"], record["file_error"]) == ("https://files/a", None)


def test_many_files(client: FakeClient, files: FakeDownload) -> None:
    """Rows come in the scan's order, however many there are."""
    photos = some_photos(50)

    records = read(client, *photos)

    assert [record["id"] for record in records] == [photo["id"] for photo in photos]
    assert all(isinstance(record, FileRow) for record in records)
    assert sorted(files.urls) == sorted(photo["url"] for photo in photos)


def test_attachment_of_two_cells(client: FakeClient, files: FakeDownload) -> None:
    """An attachment that stands in two cells of a record has two files, as it has two rows."""
    reader = a_reader(client)
    reader.rows(a_page({FILES["id"]: [PHOTO], MORE_FILES["id"]: [PHOTO]}))

    finish(reader)

    assert len(set(files.paths)) == 2


def test_no_attachments(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """A table without attachments has nothing to tell."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    assert read(client) == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("size", "is_asked_for"), [(1_000_000, True), (1_000_001, False), (1_000_000.5, False)]
)
def test_size_that_is_known(
    client: FakeClient, files: FakeDownload, size: float, *, is_asked_for: bool
) -> None:
    """A file that Airtable says is too large is not asked for."""
    records = read(client, {**PHOTO, "size": size})

    assert bool(files.urls) is is_asked_for
    short = f"it has 7 bytes instead of {size}"
    assert errors_of(records) == [short if is_asked_for else TOO_LARGE]


@pytest.mark.parametrize("size", [None, "many", []])
def test_size_that_is_not_known(client: FakeClient, files: FakeDownload, size: object) -> None:
    """Of a file of unknown size the download finds it out."""
    assert errors_of(read(client, {**PHOTO, "size": size})) == [None]


def test_file_that_cannot_be_had(client: FakeClient, files: FakeDownload) -> None:
    """A file that cannot be had leaves its row, with the reason; the others have theirs."""
    files.failures["https://files/a"] = FileUnavailableError("the file server answers 503")

    first, second = read(client, PHOTO, {**PHOTO, "id": "attB", "url": "https://files/b"})

    assert not isinstance(first, FileRow)
    assert first["file_error"] == "the file server answers 503"
    assert isinstance(second, FileRow)
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

    (record,) = read(client, PHOTO)

    assert files.urls == ["https://files/a", "https://files/new"]
    assert isinstance(record, FileRow)
    assert record["url"] == "https://files/new"
    assert record["url_valid_until"] == "2026-11-18T12:00:00.000Z"
    assert record["file_error"] is None


@pytest.mark.parametrize(
    ("hours", "urls"), [(1.99, ["https://files/a"]), (2, ["https://files/new"])]
)
def test_address_that_is_old(
    client: FakeClient, files: FakeDownload, hours: float, urls: list[str]
) -> None:
    """An address is used for two hours, and then renewed without being tried."""
    client.records[RECORD_ID] = a_renewed()
    reader = a_reader(client)
    reader.rows(a_page({FILES["id"]: [PHOTO]}))
    client.latest_date = TEN + timedelta(hours=hours)

    finish(reader)

    assert files.urls == urls


def test_unknown_moment(client: FakeClient, files: FakeDownload) -> None:
    """Without Airtable's clock the file server says whether an address has expired."""
    client.latest_date = None

    assert errors_of(read(client, PHOTO)) == [None]
    assert files.urls == ["https://files/a"]


@pytest.mark.parametrize("url", [None, 7, {}])
def test_attachment_without_address(client: FakeClient, files: FakeDownload, url: object) -> None:
    """An attachment without an address is asked for once more."""
    client.records[RECORD_ID] = a_renewed()

    assert errors_of(read(client, {**PHOTO, "url": url})) == [None]
    assert files.urls == ["https://files/new"]


def test_new_address_that_is_refused(client: FakeClient, files: FakeDownload) -> None:
    """An address is renewed once."""
    expire(files)
    files.failures["https://files/new"] = FileUnavailableError("404", may_have_expired=True)
    client.records[RECORD_ID] = a_renewed()

    assert errors_of(read(client, PHOTO)) == ["404"]
    assert client.calls == [f"record {RECORD_ID}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (AccessDeniedError(status=404), "its record does not exist any more"),
        (
            AirtableUnavailableError(status=503),
            "its url has expired and could not be renewed (AirtableUnavailableError)",
        ),
        (a_record({}), "it is not in its cell any more"),
        (a_record({FILES["id"]: "attA"}), "it is not in its cell any more"),
        (a_renewed(attachment_id="attB"), "it is not in its cell any more"),
        (a_renewed(url=None), "Airtable gives no url for it"),
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

    assert errors_of(read(client, PHOTO)) == [reason]


@pytest.mark.parametrize("refused", [QuotaExceededError(status=429), InvalidTokenError(status=401)])
def test_refusal_that_is_not_of_one_record(
    client: FakeClient, files: FakeDownload, refused: AirtableError
) -> None:
    """Where Airtable would renew no address at all, the stream fails, and no row tells of it."""
    expire(files)
    client.records[RECORD_ID] = refused

    with pytest.raises(type(refused)):
        read(client, PHOTO)


def test_failures_are_told_up_to_a_bound(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells the first failures one by one, and all of them by reason; never an address."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    photos = [{**PHOTO, "id": f"att{n}", "size": 5e6} for n in range(MOST_FAILURES_LOGGED + 5)]

    read(client, PHOTO, *photos)

    told = [message for message in caplog.messages if "is not transferred" in message]
    assert len(told) == MOST_FAILURES_LOGGED
    assert caplog.messages[-1] == (
        "Stream attachment_files: table Contacts: transferred 1 files, could not transfer "
        f"{len(photos)} ({len(photos)}: {TOO_LARGE})."
    )
    assert "https" not in caplog.text
    assert "photo" not in caplog.text


def test_end_without_failures(
    client: FakeClient, files: FakeDownload, caplog: pytest.LogCaptureFixture
) -> None:
    """Where all files were transferred, their number is told."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    read(client, PHOTO)

    assert caplog.messages == [
        "Stream attachment_files: table Contacts: transferred 1 files, could not transfer 0."
    ]


def test_selected_columns(client: FakeClient, files: FakeDownload) -> None:
    """Files come whichever columns are selected."""
    (record,) = read(client, PHOTO, columns=("id",))

    assert record == {"id": "attA"}
    assert isinstance(record, FileRow)


class AbandonedScan(FinishedScan):
    """A scan of a sync that is abandoned."""

    def sleep(self, seconds: float) -> None:
        """End."""
        raise SyncAbandonedError


def test_abandoned_between_files(client: FakeClient, files: FakeDownload) -> None:
    """When the sync is abandoned, no further file is asked for."""
    with pytest.raises(SyncAbandonedError):
        list(a_reader_of(client, 1).finish(AbandonedScan()))

    assert files.urls == []


def test_abandoned_download(client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download waits by the scan's clock, so that it ends with the sync."""
    given: list[object] = []
    files = FakeDownload()

    def a_download(*how: object) -> FakeDownload:
        given.append(how)
        return files

    monkeypatch.setattr(attachment_files, "FileDownload", a_download)
    scan = FinishedScan()

    list(a_reader_of(client, 1).finish(scan))

    assert given == [(1_000_000, scan.sleep)]


@pytest.mark.parametrize(
    "failure", [SyncAbandonedError(), DiskFullError(), OSError("not of one file")]
)
def test_failure_that_is_not_of_one_file(
    client: FakeClient, files: FakeDownload, failure: Exception
) -> None:
    """What would befall every file ends the stream."""
    files.failures["https://files/a"] = failure

    with pytest.raises(type(failure)):
        read(client, PHOTO)


def test_items_of_files(files: FakeDownload) -> None:
    """Files that are downloaded together go to the main thread as one item with its permit."""
    photos = some_photos(FILES_AT_A_TIME + 1)
    client = a_client([a_page_of(a_record({FILES["id"]: photos}))])

    scanned = Scanned(client, a_reader(client), table=PHOTOS)

    items = [item for item in scanned.queue.items if isinstance(item, PageRows)]
    files_of = [sum(len(rows) for _, rows in item.rows) for item in items]
    assert files_of == [0, FILES_AT_A_TIME, 1]
    assert all(item.permit is not None for item in items)
    assert scanned.queue.in_flight == 0


def test_files_that_nobody_has_taken(client: FakeClient, files: FakeDownload) -> None:
    """No file is fetched before those in front of it are taken."""
    rows = a_reader_of(client, 3 * FILES_AT_A_TIME).finish(FinishedScan())
    next(rows)
    assert len(files.urls) == FILES_AT_A_TIME
    next(rows)
    assert len(files.urls) == 2 * FILES_AT_A_TIME


def test_rows_on_disk_are_forgotten(client: FakeClient, files: FakeDownload) -> None:
    """What waits on disk is gone with its reader, finished or not."""
    reader = a_reader_of(client, 1)
    waiting = reader._rows  # noqa: SLF001 - it must not outlive its reader

    del reader
    gc.collect()

    assert waiting.closed


def test_url_of_another_page(client: FakeClient, files: FakeDownload) -> None:
    """Each url's age counts from its own page."""
    client.records[RECORD_ID] = a_renewed()
    reader = a_reader(client)
    early = Page([a_record({FILES["id"]: [PHOTO]})], TEN - timedelta(hours=2))
    late = Page([a_record({FILES["id"]: [{**PHOTO, "url": "https://files/b"}]}, "recB")], TEN)
    reader.rows(early)
    reader.rows(late)

    finish(reader)

    assert sorted(files.urls) == ["https://files/b", "https://files/new"]


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
        "base_id": BASE,
        "table_id": TABLE,
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
    read(client, {**PHOTO, "filename": filename})

    assert [path.name for path in files.paths] == ["file"]
