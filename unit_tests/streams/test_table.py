"""The stream of one table: its columns, and which reader it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from source_airtable.config import IncrementalSettings
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.streams.incremental_reader import IncrementalRecordReader
from source_airtable.streams.record_reader import RecordReader
from source_airtable.streams.stream import ReadRequest
from source_airtable.streams.table import TableStream
from unit_tests.builders import NAME_FIELD, a_config, a_table_schema, a_table_stream

SETTINGS = IncrementalSettings()


@pytest.mark.parametrize("column_names", ["names", "ids"])
@pytest.mark.parametrize("detect", [True, False])
def test_columns_left_open(column_names: str, *, detect: bool) -> None:
    """Without configured columns, the stream has all columns that discovery declares."""
    settings: dict[str, Any] = {
        "column_names": column_names,
        "incremental": {"detect_deletions": detect},
    }
    stream = TableStream("contacts", a_table_schema(), a_config(**settings))

    assert stream.get_json_schema() == build_json_schema(
        a_table_schema(), by_field_id=column_names == "ids", with_tombstones=detect
    )


def test_configured_columns() -> None:
    """The stream has the columns that were configured."""
    stream = a_table_stream(None, "contacts", "_airtable_id", "name")

    assert list(stream.get_json_schema()["properties"]) == ["_airtable_id", "name"]
    reader = stream.reader(stream.table, ReadRequest())
    assert reader.fields.ids == (NAME_FIELD,)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (ReadRequest(), RecordReader),
        (ReadRequest(None, {"version": 2}), RecordReader),
        (ReadRequest(SETTINGS), IncrementalRecordReader),
    ],
)
def test_reader(request_: ReadRequest, kind: type[RecordReader]) -> None:
    """A full refresh reads all records, whatever the state; an incremental sync what changed."""
    stream = a_table_stream()

    reader = stream.reader(stream.table, request_)

    assert type(reader) is kind
    assert (reader.label, reader.stream_name) == ("contacts", "contacts")


def test_tables() -> None:
    """The stream reads its one table, and its state is the table's."""
    stream = a_table_stream()

    assert list(stream.tables()) == [stream.table]
    assert stream.reads_one_table
    assert stream.combine({stream.table.key: {"of": "contacts"}}, ReadRequest()) == {
        "of": "contacts"
    }
    assert stream.combine({}, ReadRequest()) is None
