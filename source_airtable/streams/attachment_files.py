"""The stream `attachment_files`: the rows of `attachments`, each with its file.

Files are fetched when the table's scan is over: Airtable would forget a list of records that is
paged as slowly as files are downloaded. What the scan found waits on disk until then.
"""

from __future__ import annotations

import logging
import re
import tempfile
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from airbyte_cdk.models import AirbyteRecordMessageFileReference
from airbyte_cdk.sources.utils.files_directory import get_files_directory

from source_airtable.api.files import (
    FILES_AT_A_TIME,
    TOO_LARGE,
    FileDownload,
    FileUnavailableError,
)
from source_airtable.changes.moments import to_utc_text
from source_airtable.errors import AccessDeniedError, TransientError
from source_airtable.schema.field_types import TEXT
from source_airtable.streams.account_stream import described
from source_airtable.streams.attachments import (
    AttachmentReader,
    AttachmentsStream,
    iter_attachments,
    valid_until_text,
)
from source_airtable.streams.stream import FileRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.models import AirbyteStream

    from source_airtable.api.client import AirtableClient
    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.row_converter import RowConverter
    from source_airtable.streams.stream import Reader, ReaderScan, ReadRequest

LOGGER = logging.getLogger("airbyte.source_airtable")

LONGEST_FILE_NAME_BYTES = 150
MOST_FAILURES_LOGGED = 20
_NOT_IN_A_FILE_NAME = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class AttachmentFilesStream(AttachmentsStream):
    """One row for each attachment, with its file. The only file-based stream.

    The platform disables file-based streams for destinations without file transfer, and for every
    custom image, so it is offered only with the setting `transfer_attachment_files`.
    """

    stream_name = "attachment_files"
    holds = "an attachment of a cell, with its file"
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **AttachmentsStream.properties,
        "file_error": described(TEXT, "Why the row has no file."),
    }
    extra_calls = "one download each, and one call for each url that expired"

    def as_airbyte_stream(self) -> AirbyteStream:
        """Describe the stream, whose records come with files."""
        stream = super().as_airbyte_stream()
        stream.is_file_based = True
        return stream

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:  # noqa: ARG002 - always in full
        """Build what reads the attachments of one table, and their files."""
        most_bytes = self.config.max_file_megabytes * 1_000_000
        return AttachmentFileReader(self.name, table, self.row_converter, self.client, most_bytes)


class AttachmentFileReader(AttachmentReader):
    """Reads the attachments of one table, and downloads their files."""

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        converter: RowConverter,
        client: AirtableClient,
        most_bytes: float,
    ) -> None:
        super().__init__(stream_name, table, converter)
        self._client = client
        self._most_bytes = most_bytes
        # Rows of a large table are more than memory should hold.
        self._rows = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the reader, by the next line
        weakref.finalize(self, self._rows.close)
        self._failed: Counter[str] = Counter()

    def rows(self, page: Page) -> list[Row]:
        """Write the rows to disk; `finish` emits them."""
        for row in iter_attachments(self.table, page):
            self._rows.write(orjson.dumps(row) + b"\n")
        return []

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """Download the files, several at a time, and emit each row with its file."""
        transferred = 0
        download = FileDownload(self._most_bytes, scan.sleep)
        self._rows.seek(0)
        with ThreadPoolExecutor(FILES_AT_A_TIME, "attachment") as workers:
            while lines := list(islice(self._rows, FILES_AT_A_TIME)):
                scan.sleep(0)  # raises once the sync is abandoned
                transfer = partial(self._transfer, download)
                rows = list(workers.map(transfer, map(orjson.loads, lines)))
                transferred += sum(isinstance(row, FileRow) for row in rows)
                yield rows
        if transferred or self._failed:
            self._log_end(transferred)

    def _transfer(self, download: FileDownload, row: Row) -> Row:
        """Give the row with its file, or with the reason why it has none."""
        try:
            file = self._fetch(download, row)
        except FileUnavailableError as failure:
            self._failed[str(failure)] += 1
            if self._failed.total() <= MOST_FAILURES_LOGGED:
                LOGGER.warning(
                    "Stream %s: the file of attachment %s, record %s of table %s, is not "
                    "transferred: %s.",
                    self.stream_name,
                    row["id"],
                    row["record_id"],
                    self.table.table_name,
                    failure,
                )
            return self._convert({**row, "file_error": str(failure)})
        return FileRow(self._convert(row), file)

    def _fetch(self, download: FileDownload, row: Row) -> AirbyteRecordMessageFileReference:
        """Download a row's file, from a new url where the row's has expired."""
        size = row.get("size")
        if isinstance(size, (int, float)) and size > self._most_bytes:
            raise FileUnavailableError(TOO_LARGE)
        root = Path(get_files_directory())
        relative = Path(self.stream_name, *_path_of(row))
        written = self._download(download, row, root / relative)
        if isinstance(size, (int, float)) and written != size:
            (root / relative).unlink(missing_ok=True)
            raise FileUnavailableError(f"it has {written} bytes instead of {size}")
        return AirbyteRecordMessageFileReference(
            staging_file_url=str(root / relative),
            source_file_relative_path=str(relative),
            file_size_bytes=written,
        )

    def _download(self, download: FileDownload, row: Row, path: Path) -> int:
        url = row.get("url")
        if isinstance(url, str) and not self._has_expired(row):
            try:
                return download.download(url, path)
            except FileUnavailableError as failure:
                if not failure.may_have_expired:
                    raise
        return download.download(self._renew_url(row), path)

    def _has_expired(self, row: Row) -> bool:
        now = self._client.latest_date
        valid_until: str | None = row["url_valid_until"]
        # Times as Airtable writes them compare as their moments do.
        return now is not None and valid_until is not None and to_utc_text(now) >= valid_until

    def _renew_url(self, row: Row) -> str:
        """Ask Airtable for the record again, and take the attachment's new url from it."""
        base_id, table_id = self.table.key
        try:
            record = self._client.get_record(base_id, table_id, row["record_id"])
        except AccessDeniedError:
            raise FileUnavailableError("its record does not exist any more") from None
        except TransientError as failure:
            raise FileUnavailableError(
                f"its url has expired and could not be renewed ({type(failure).__name__})"
            ) from None
        cell = record["fields"].get(row["field_id"])
        for attachment in cell if isinstance(cell, list) else []:
            if isinstance(attachment, dict) and attachment.get("id") == row["id"]:
                url = attachment.get("url")
                if not isinstance(url, str):
                    raise FileUnavailableError("Airtable gives no url for it")
                row["url"] = url
                row["url_valid_until"] = valid_until_text(self._client.latest_date)
                return url
        raise FileUnavailableError("it is not in its cell any more")

    def _log_end(self, transferred: int) -> None:
        failed = "; ".join(f"{count}: {reason}" for reason, count in self._failed.items())
        LOGGER.info(
            "Stream %s: table %s: transferred %d files, could not transfer %d%s.",
            self.stream_name,
            self.table.table_name,
            transferred,
            self._failed.total(),
            f" ({failed})" if failed else "",
        )


def _path_of(row: Row) -> tuple[str, ...]:
    """Give the place of a row's file, by its key, and a name that any file system takes.

    Shape: `appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK/recAdw9EjV90xbZ00/fldLz7K2GWznfGAxw/
    attO3KJMbvVsrm8n1/photo.jpg`.
    """
    key = (row["base_id"], row["table_id"], row["record_id"], row["field_id"], row["id"])
    return (*(_to_file_name(one) for one in key), _to_file_name(str(row.get("filename") or "")))


def _to_file_name(name: str) -> str:
    """Give a name without what a file system refuses, bounded, its ending kept."""
    plain = _NOT_IN_A_FILE_NAME.sub("_", name).strip(". ") or "file"
    stem, dot, ending = plain.rpartition(".")
    room = LONGEST_FILE_NAME_BYTES - len(dot.encode()) - len(ending.encode())
    if not stem or room < 1:
        return plain.encode(errors="replace")[:LONGEST_FILE_NAME_BYTES].decode(errors="ignore")
    return stem.encode(errors="replace")[:room].decode(errors="ignore") + dot + ending
