"""The files of the stream `attachments`, where the configured stream asks for them.

They are fetched when the table's scan is over: Airtable would forget a list of records that is
paged as slowly as files are downloaded. What the scan found waits on disk until then.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import orjson
from airbyte_cdk.models import AirbyteRecordMessageFileReference
from airbyte_cdk.sources.utils.files_directory import get_files_directory

from source_airtable.api.files import FILES_AT_A_TIME, TOO_LARGE, FileUnavailableError
from source_airtable.errors import AccessDeniedError, TransientError
from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.table_items import AttachmentShare, valid_until_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.files import FileDownload
    from source_airtable.api.wire_types import RecordDict
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.account_rows import RowWriter
    from source_airtable.streams.table_items import Row
    from source_airtable.streams.table_share import WholeScan

LOGGER = logging.getLogger("airbyte.source_airtable")

LONGEST_FILE_NAME_BYTES = 150
MOST_FAILURES_TOLD = 20
_NOT_IN_A_FILE_NAME = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class AttachmentFileShare(AttachmentShare):
    """The share of the stream `attachments` that transfers the files as well."""

    is_slow: ClassVar[bool] = True

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        writer: RowWriter,
        client: AirtableClient,
        files: FileDownload,
    ) -> None:
        super().__init__(stream_name, table, writer, client)
        self._files = files
        # Rows of a large table are more than memory should hold.
        self._rows = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the share
        self._failed: Counter[str] = Counter()

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Put the rows by, and emit none yet."""
        for row in self.iter_rows(records):
            self._rows.write(orjson.dumps(row) + b"\n")
        return []

    def finish(self, scan: WholeScan) -> Iterator[Record]:
        """Transfer the files, several at a time, and emit each row with its file.

        Files that nobody has taken yet are bounded as pages are.
        """
        transferred = 0
        self._rows.seek(0)
        with ThreadPoolExecutor(FILES_AT_A_TIME, "attachment") as workers:
            while lines := list(islice(self._rows, FILES_AT_A_TIME)):
                self._files.pulse()
                with scan.room() as room:
                    records = list(workers.map(self._transfer, map(orjson.loads, lines)))
                    transferred += sum(one.file_reference is not None for one in records)
                    yield from room.leave_with(records)
        if transferred or self._failed:
            self._tell_end(transferred)

    def close(self) -> None:
        """Forget the rows."""
        with suppress(OSError):  # what a full disk did not take
            self._rows.close()

    def _transfer(self, row: Row) -> Record:
        """Give the record of a row, with its file or with the reason why it has none."""
        reference: AirbyteRecordMessageFileReference | None = None
        try:
            reference = self._fetch(row)
        except FileUnavailableError as failure:
            row["file_error"] = str(failure)
            self._failed[str(failure)] += 1
            if self._failed.total() <= MOST_FAILURES_TOLD:
                LOGGER.warning(
                    "Stream %s: the file of attachment %s, record %s of table %s, was not "
                    "transferred: %s.",
                    self.stream_name,
                    row["id"],
                    row["record_id"],
                    self._table.table_name,
                    failure,
                )
        record = self._writer.to_record(row)
        if reference is not None:
            record.file_reference = reference
        return record

    def _fetch(self, row: Row) -> AirbyteRecordMessageFileReference:
        """Download a row's file, from a new address where the row's has expired."""
        size = row.get("size")
        if isinstance(size, (int, float)) and size > self._files.most_bytes:
            raise FileUnavailableError(TOO_LARGE)
        root = Path(get_files_directory())
        relative = Path(self.stream_name, *_path_of(row))
        url = row.get("url")
        try:
            if not isinstance(url, str) or self._has_expired(row):
                raise FileUnavailableError("it has no address", may_have_expired=True)  # noqa: TRY301 - one place says what follows
            written = self._files.download(url, root / relative)
        except FileUnavailableError as failure:
            if not failure.may_have_expired:
                raise
            written = self._files.download(self._renew_url(row), root / relative)
        return AirbyteRecordMessageFileReference(
            staging_file_url=str(root / relative),
            source_file_relative_path=str(relative),
            file_size_bytes=written,
        )

    def _has_expired(self, row: Row) -> bool:
        now = self._client.latest_date
        valid_until: str | None = row["url_valid_until"]
        # Times as Airtable writes them compare as their moments do.
        return now is not None and valid_until is not None and to_utc_text(now) >= valid_until

    def _renew_url(self, row: Row) -> str:
        """Ask Airtable for the record again, and take the attachment's new address from it."""
        base_id, table_id = self.key
        try:
            record = self._client.get_record(base_id, table_id, row["record_id"])
        except AccessDeniedError:
            raise FileUnavailableError("its record is not there any more") from None
        except TransientError as failure:
            raise FileUnavailableError(
                f"its address has expired and could not be renewed ({type(failure).__name__})"
            ) from None
        cell = record["fields"].get(row["field_id"])
        for attachment in cell if isinstance(cell, list) else []:
            if attachment.get("id") == row["id"] and isinstance(attachment.get("url"), str):
                row["url"] = attachment["url"]
                row["url_valid_until"] = valid_until_text(self._client.latest_date)
                return str(attachment["url"])
        raise FileUnavailableError("it is not in its cell any more")

    def _tell_end(self, transferred: int) -> None:
        failed = "; ".join(f"{count}: {reason}" for reason, count in self._failed.items())
        LOGGER.info(
            "Stream %s: %d files of table %s were transferred, %d were not%s.",
            self.stream_name,
            transferred,
            self._table.table_name,
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
