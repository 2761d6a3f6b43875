"""What discovery offers: a stream for each table, and those of the whole account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode

from source_airtable.schema.discovery import Discovery
from source_airtable.streams.catalog import (
    ACCOUNT_STREAMS,
    build_streams,
    offered_account_streams,
)
from source_airtable.streams.stream import Account
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_base,
    a_config,
    a_text_table,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteStream

    from source_airtable.streams.stream import AirtableStream

COPY = "appCopyDICXNqxSDh"


def built(*tables: Any, copies: bool = False, **settings: object) -> list[AirtableStream]:  # noqa: ANN401 - tables
    """All streams of one base with these tables, and of a copy of the base."""
    given = list(tables) or [a_text_table()]
    bases = [a_base(), a_base(COPY)] if copies else [a_base()]
    client = FakeClient(bases, {base["id"]: given for base in bases}).as_client()
    config = a_config(**settings)
    account = Account(list(bases), list(Discovery(client, config).discover()))
    return build_streams(account, config, client, lambda _: iter(()))


def discovered(*tables: Any, copies: bool = False, **settings: object) -> list[AirbyteStream]:  # noqa: ANN401 - tables
    """The streams of tables, as the catalog has them."""
    streams = built(*tables, copies=copies, **settings)
    return [one.as_airbyte_stream() for one in streams if one.name not in ACCOUNT_STREAMS]


def test_sync_modes() -> None:
    """A table can be read in full and incrementally, by a cursor that the source defines."""
    (stream,) = discovered()

    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert (stream.source_defined_cursor, stream.default_cursor_field) == (
        True,
        ["_airtable_as_of"],
    )


def test_retries_of_a_full_refresh() -> None:
    """No stream is resumable: the platform clears what a retried full refresh wrote before."""
    for stream in built(transfer_attachment_files=True):
        assert stream.as_airbyte_stream().is_resumable is False


def test_identity() -> None:
    """A stream has a name without a namespace, and Airtable's id as its key."""
    (stream,) = discovered()

    assert (stream.name, stream.namespace) == (f"sales_crm/contacts/{TABLE}", None)
    assert stream.source_defined_primary_key == [["_airtable_id"]]


def test_cursor_is_a_column() -> None:
    """The cursor is a column of every stream of a table."""
    (stream,) = discovered()

    assert "_airtable_as_of" in stream.json_schema["properties"]


@pytest.mark.parametrize("detect", [True, False])
def test_column_of_deletions(*, detect: bool) -> None:
    """The column for deletions is there exactly if deletions are to be detected."""
    (stream,) = discovered(incremental={"detect_deletions": detect})

    assert ("_ab_cdc_deleted_at" in stream.json_schema["properties"]) is detect


def test_names_of_ids() -> None:
    """If the settings ask for it, streams and columns have ids as names."""
    (stream,) = discovered(stream_names="ids", column_names="ids")

    assert stream.name == f"{BASE}/{TABLE}"
    assert {NAME_FIELD, NOTES_FIELD} <= set(stream.json_schema["properties"])


def test_streams_of_a_copied_base(caplog: pytest.LogCaptureFixture) -> None:
    """Streams that would have one name contain their base's id, with a warning."""
    names = [stream.name for stream in discovered(copies=True)]

    assert names == [f"sales_crm/{base}/contacts/{TABLE}" for base in (BASE, COPY)]
    assert "The names of these streams contain their base's id" in caplog.text


def test_suffixed_columns(caplog: pytest.LogCaptureFixture) -> None:
    """A warning names columns that destinations would mix up."""
    discovered(a_text_table(fields={NAME_FIELD: "Due Date", NOTES_FIELD: "due-date"}))

    assert "leave nothing of their name: Due Date, due-date." in caplog.text


def test_suffixed_columns_of_ids(caplog: pytest.LogCaptureFixture) -> None:
    """With ids as column names there is nothing to warn of."""
    table = a_text_table(fields={NAME_FIELD: "Due Date", NOTES_FIELD: "due-date"})
    discovered(table, column_names="ids")

    assert caplog.text == ""


@pytest.mark.parametrize("transfers", [True, False])
def test_streams_of_the_account(*, transfers: bool) -> None:
    """The catalog ends with the streams of the account; files only if the settings ask for them."""
    streams = built(transfer_attachment_files=transfers)

    names = [stream.name for stream in streams]
    offered = [name for name in ACCOUNT_STREAMS if name != "attachment_files" or transfers]
    assert names[1:] == offered
    assert "/" in names[0]
    config = a_config(transfer_attachment_files=transfers)
    assert [kind.stream_name for kind in offered_account_streams(config)] == offered


@pytest.mark.parametrize("transfers", [True, False])
def test_files(*, transfers: bool) -> None:
    """Only the stream attachment_files is file-based."""
    streams = built(transfer_attachment_files=transfers)

    file_based = [one.name for one in streams if one.as_airbyte_stream().is_file_based]
    assert file_based == (["attachment_files"] if transfers else [])


def test_streams_of_an_empty_account() -> None:
    """An account without tables has the streams of the account."""
    streams = build_streams(Account(), a_config(), FakeClient().as_client(), lambda _: iter(()))

    assert [stream.name for stream in streams] == [
        name for name in ACCOUNT_STREAMS if name != "attachment_files"
    ]
