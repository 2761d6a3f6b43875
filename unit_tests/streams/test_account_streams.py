"""The table of the account's streams: what each row promises Airbyte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import SyncMode
from jsonschema import Draft7Validator

from source_airtable.streams.account_streams import (
    ACCOUNT_STREAMS,
    AS_OF_COLUMN,
)
from source_airtable.streams.metadata import METADATA_STREAMS
from source_airtable.streams.table_items import FIELD_TYPE_OF_ITEMS

if TYPE_CHECKING:
    from source_airtable.streams.account_streams import (
        AccountStreamType,
    )

ROWS = pytest.mark.parametrize("row", ACCOUNT_STREAMS.values(), ids=list(ACCOUNT_STREAMS))


def test_names() -> None:
    """There are eight streams, and none of them looks like that of a table, which has a slash."""
    assert list(ACCOUNT_STREAMS) == [
        "bases",
        "tables",
        "fields",
        "views",
        "records",
        "comments",
        "attachments",
        "links",
    ]


def test_names_elsewhere() -> None:
    """What other modules call the streams is what they are called here."""
    assert {*METADATA_STREAMS, *FIELD_TYPE_OF_ITEMS} < set(ACCOUNT_STREAMS)


@ROWS
def test_key(row: AccountStreamType) -> None:
    """A stream's key is made of columns that are never null."""
    assert row.primary_key
    for column in row.primary_key:
        assert row.properties[column]["type"] in ("string", "integer")


@ROWS
def test_other_columns(row: AccountStreamType) -> None:
    """A column outside the key may be null, as Airtable may leave everything else out."""
    for name, declared in row.properties.items():
        is_place = name.endswith("_id") and declared["type"] == "string"
        assert name in row.primary_key or is_place or "null" in declared["type"], name


@ROWS
@pytest.mark.parametrize("with_tombstones", [False, True])
def test_json_schema(row: AccountStreamType, *, with_tombstones: bool) -> None:
    """Every JSON schema is a valid one, of an object."""
    json_schema = row.json_schema(with_tombstones=with_tombstones)

    Draft7Validator.check_schema(json_schema)
    assert json_schema["type"] == "object"


@ROWS
def test_column_of_deleted_records(row: AccountStreamType) -> None:
    """Only the stream of records marks deleted ones, and only where they are detected."""
    with_it = row.json_schema(with_tombstones=True)["properties"]
    without = row.json_schema()["properties"]

    assert set(with_it) - set(without) == (
        {"_ab_cdc_deleted_at"} if row.name == "records" else set()
    )


@ROWS
def test_schemas_are_of_their_own(row: AccountStreamType) -> None:
    """Whoever changes the JSON schema that was given changes nobody else's."""
    given = row.json_schema()
    given["properties"][row.primary_key[0]]["type"] = "boolean"

    assert row.json_schema()["properties"][row.primary_key[0]]["type"] != "boolean"


@ROWS
def test_declaration(row: AccountStreamType) -> None:
    """Airbyte is told the key, and never that a full refresh could be resumed."""
    declared = row.as_airbyte_stream()

    assert (declared.name, declared.namespace, declared.is_resumable) == (row.name, None, False)
    assert declared.source_defined_primary_key == [[column] for column in row.primary_key]
    assert declared.json_schema == row.json_schema()


@ROWS
def test_declared_modes(row: AccountStreamType) -> None:
    """A stream with a cursor says so, and has a column for it; the others are read in full."""
    declared = row.as_airbyte_stream()

    is_incremental = row.name in ("records", "comments")
    modes = [SyncMode.full_refresh, SyncMode.incremental][: 1 + is_incremental]
    assert declared.supported_sync_modes == modes
    assert declared.source_defined_cursor is (True if is_incremental else None)
    assert declared.default_cursor_field == ([AS_OF_COLUMN] if is_incremental else None)
    assert (AS_OF_COLUMN in row.properties) is is_incremental


@ROWS
def test_declared_files(row: AccountStreamType) -> None:
    """Only attachments have files."""
    has_files = row.as_airbyte_stream().is_file_based

    assert has_files is (True if row.name == "attachments" else None)


@ROWS
def test_scopes(row: AccountStreamType) -> None:
    """Every stream needs the schemas, and comments need a scope of their own."""
    assert row.scopes[0] == "schema.bases:read"
    assert ("data.recordComments:read" in row.scopes) is (row.name == "comments")
