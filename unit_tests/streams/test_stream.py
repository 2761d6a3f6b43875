"""What every stream is to Airbyte's CDK, and what a reader does unless it says otherwise."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteRecordMessageFileReference,
    ConfiguredAirbyteCatalog,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.changes.need import WholeTable
from source_airtable.records import Page
from source_airtable.streams.stream import FileRow, Reader, ReadRequest
from source_airtable.streams.table import TableStream
from unit_tests.builders import a_config, a_table_schema, a_table_stream, an_account_stream
from unit_tests.scans import FinishedScan

if TYPE_CHECKING:
    from collections.abc import Iterator

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)


def test_plain_reader() -> None:
    """A reader reads the whole table with all fields, emits nothing more, and saves nothing."""
    table = a_table_schema()
    reader = Reader("records", table)

    assert (reader.start(TEN), reader.fields.ids) == (WholeTable(), ())
    assert reader.label == "records (table Contacts)"
    assert (list(reader.finish(FinishedScan())), reader.state()) == ([], None)
    with pytest.raises(NotImplementedError):
        reader.rows(Page([]))


def test_reader_follows_the_table() -> None:
    """A reader goes on with the table's present fields."""
    reader, present = Reader("records", a_table_schema()), a_table_schema()

    reader.follow(present)

    assert reader.table is present


def test_row_with_a_file() -> None:
    """A row with a file is a row like any other, and has the file beside it."""
    file = AirbyteRecordMessageFileReference(
        staging_file_url="/staging/photo.png",
        source_file_relative_path="photo.png",
        file_size_bytes=7,
    )

    row = FileRow({"id": "attA"}, file)

    assert (row, row.file) == ({"id": "attA"}, file)


def test_stream_without_tables() -> None:
    """A stream of the schemas has no reader to give."""
    with pytest.raises(NotImplementedError):
        an_account_stream("bases").reader(a_table_schema(), ReadRequest())


def a_readable_stream(
    *messages: AirbyteMessage, failure: Exception | None = None
) -> tuple[TableStream, list[ConfiguredAirbyteCatalog]]:
    """A stream whose sync gives these messages, and the catalogs that it is asked for."""
    catalogs: list[ConfiguredAirbyteCatalog] = []

    def read_catalog(catalog: ConfiguredAirbyteCatalog) -> Iterator[AirbyteMessage]:
        catalogs.append(catalog)
        yield from messages
        if failure is not None:
            raise failure

    stream = TableStream("contacts", a_table_schema(), a_config(), read_catalog=read_catalog)
    return stream, catalogs


def a_record_message(**data: Any) -> AirbyteMessage:  # noqa: ANN401 - of any type
    """A message with a record."""
    record = AirbyteRecordMessage(stream="contacts", data=data, emitted_at=1)
    return AirbyteMessage(type=Type.RECORD, record=record)


def test_stream_by_itself() -> None:
    """A stream reads its records by a sync of itself alone, in full."""
    stream, catalogs = a_readable_stream(
        a_record_message(name="Ada"), AirbyteMessage(type=Type.LOG), a_record_message(name="Bo")
    )

    rows = list(stream.read_records(SyncMode.incremental, ["_airtable_as_of"], {}, {"of": "old"}))

    assert rows == [{"name": "Ada"}, {"name": "Bo"}]
    (configured,) = catalogs[0].streams
    assert configured.stream == stream.as_airbyte_stream()
    assert configured.sync_mode is SyncMode.full_refresh
    assert configured.destination_sync_mode is DestinationSyncMode.overwrite


def test_failure_of_a_stream_by_itself() -> None:
    """The failure of a stream that is read by itself is raised."""
    failure = AirbyteTracedException(message="1 of 1 streams failed")
    stream, _ = a_readable_stream(a_record_message(name="Ada"), failure=failure)

    with pytest.raises(AirbyteTracedException, match="1 of 1 streams failed"):
        list(stream.read_records(SyncMode.full_refresh))


def test_stream_of_a_sync() -> None:
    """A stream that a sync has built reads nothing by itself."""
    assert list(a_table_stream().read_records(SyncMode.full_refresh)) == []
