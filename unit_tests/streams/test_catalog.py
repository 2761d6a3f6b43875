"""What discovery tells Airbyte of the tables that it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode
from source_airtable.streams.account_streams import ACCOUNT_STREAMS

from source_airtable.schema.discovery import Discovery
from source_airtable.streams.catalog import all_table_streams, build_catalog, json_schema_to_read
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_base,
    a_config,
    a_table_schema,
    a_text_table,
    an_airbyte_stream,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteStream

COPY = "appCopyDICXNqxSDh"


def discovered(*tables: Any, copies: bool = False, **settings: object) -> list[AirbyteStream]:  # noqa: ANN401 - tables
    """The streams of one base's tables, and of a copy of the base, without the account's."""
    given = list(tables) or [a_text_table()]
    bases = [a_base(), a_base(COPY)] if copies else [a_base()]
    client = FakeClient(bases, {base["id"]: given for base in bases})
    config = a_config(**settings)
    catalog = build_catalog(Discovery(client.as_client(), config), config)
    return [stream for stream in catalog.streams if stream.name not in ACCOUNT_STREAMS]


def test_sync_modes() -> None:
    """Every stream can be read in full and incrementally, by a cursor that the source defines."""
    (stream,) = discovered()

    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert (stream.source_defined_cursor, stream.default_cursor_field) == (
        True,
        ["_airtable_as_of"],
    )


def test_retries_of_a_full_refresh() -> None:
    """No stream is resumable: the platform clears what a retried full refresh wrote before."""
    (stream,) = discovered()

    assert stream.is_resumable is False


def test_identity() -> None:
    """A stream is known by name, without a namespace, and its records by Airtable's id."""
    (stream,) = discovered()

    assert (stream.name, stream.namespace) == (f"sales_crm/contacts/{TABLE}", None)
    assert stream.source_defined_primary_key == [["_airtable_id"]]


def test_cursor_is_a_column() -> None:
    """The cursor is a column of every stream."""
    (stream,) = discovered()

    assert "_airtable_as_of" in stream.json_schema["properties"]


@pytest.mark.parametrize("detect", [True, False])
def test_column_of_deletions(*, detect: bool) -> None:
    """The column for deletions is there exactly if deletions are to be detected."""
    (stream,) = discovered(incremental={"detect_deletions": detect})

    assert ("_ab_cdc_deleted_at" in stream.json_schema["properties"]) is detect


def test_names_of_ids() -> None:
    """If asked for, streams and columns are called by ids."""
    (stream,) = discovered(stream_names="ids", column_names="ids")

    assert stream.name == f"{BASE}/{TABLE}"
    assert {NAME_FIELD, NOTES_FIELD} <= set(stream.json_schema["properties"])


def test_streams_of_a_copied_base(caplog: pytest.LogCaptureFixture) -> None:
    """Streams that would have one name get their base's id, with a warning."""
    names = [stream.name for stream in discovered(copies=True)]

    assert names == [f"sales_crm/{base}/contacts/{TABLE}" for base in (BASE, COPY)]
    assert "These streams got their base's id into their name" in caplog.text


def test_base_id_that_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Where base ids in names were asked for, nobody is warned of them."""
    discovered(copies=True, add_base_id_to_stream_name=True)

    assert caplog.text == ""


def test_suffixed_columns(caplog: pytest.LogCaptureFixture) -> None:
    """Columns that destinations would mix up are named in a warning."""
    discovered(a_text_table(fields={NAME_FIELD: "Due Date", NOTES_FIELD: "due-date"}))

    assert "leave nothing of their name: Due Date, due-date." in caplog.text


@pytest.mark.parametrize("column_names", ["names", "ids"])
def test_streams_to_be_read(column_names: str) -> None:
    """Streams that are read one by one are those of the catalog."""
    client = FakeClient([a_base()], {BASE: [a_text_table()]})
    config = a_config(column_names=column_names)
    tables = list(Discovery(client.as_client(), config).discover())
    (stream,) = all_table_streams(tables, config)
    (of_catalog,) = discovered(column_names=column_names)

    assert (stream.name, stream.json_schema) == (of_catalog.name, of_catalog.json_schema)
    assert stream.incremental is None


def test_configured_columns() -> None:
    """A stream is read with the columns that were configured."""
    configured = an_airbyte_stream("contacts", a_table_schema(table=a_text_table(fields={})))

    assert json_schema_to_read(configured, a_table_schema(), a_config()) == configured.json_schema


@pytest.mark.parametrize("column_names", ["names", "ids"])
@pytest.mark.parametrize("detect", [True, False])
def test_columns_left_open(column_names: str, *, detect: bool) -> None:
    """A catalog written by hand that leaves the columns open means all that discovery has."""
    settings: dict[str, Any] = {
        "column_names": column_names,
        "incremental": {"detect_deletions": detect},
    }
    config = a_config(**settings)
    (of_catalog,) = discovered(**settings)

    read = json_schema_to_read(an_airbyte_stream("contacts"), a_table_schema(), config)

    assert read == of_catalog.json_schema


@pytest.mark.parametrize("detect", [True, False])
def test_streams_of_the_account(*, detect: bool) -> None:
    """The catalog ends with the streams of the account, whose names no table's stream can have."""
    client = FakeClient([a_base()], {a_base()["id"]: [a_text_table()]})
    config = a_config(incremental={"detect_deletions": detect})

    catalog = build_catalog(Discovery(client.as_client(), config), config)

    names = [stream.name for stream in catalog.streams]
    assert names[1:] == list(ACCOUNT_STREAMS)
    assert "/" in names[0]
    assert catalog.streams[1:] == [
        row.as_airbyte_stream(with_tombstones=detect) for row in ACCOUNT_STREAMS.values()
    ]


@pytest.mark.parametrize("name", ACCOUNT_STREAMS)
def test_account_columns_left_open(name: str) -> None:
    """A stream of the account whose columns a catalog leaves open has all of them."""
    left_open = an_airbyte_stream(name)
    config = a_config()

    assert json_schema_to_read(left_open, None, config) == ACCOUNT_STREAMS[name].json_schema()
