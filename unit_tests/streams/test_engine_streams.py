"""The engine's streams: which partitions they have, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from source_airtable.streams.attachment_files import AttachmentFileShare
from source_airtable.streams.engine_streams import EngineStreams
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.incremental import IncrementalShare
from source_airtable.streams.metadata import METADATA_STREAMS, MetadataPartition
from source_airtable.streams.shared_scan import SharePartition
from source_airtable.streams.table_items import AttachmentShare
from source_airtable.streams.table_stream import Account
from unit_tests.builders import a_base, a_config, a_table_stream, an_account_stream
from unit_tests.fake_client import FakeClient
from unit_tests.scans import CountingQueue
from unit_tests.tables import a_field, a_table_answer

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream

    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_stream import AccountStream, TableStream

NAME = a_field(field_id="fldName0000000000")
LINKS = a_field("multipleRecordLinks", field_id="fldLinks000000000", name="Links")
FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")


def a_table_of(base_id: str, table_id: str, *more: Any) -> TableSchema:  # noqa: ANN401 - of the wire
    """A table of a base, with fields beside its first one."""
    answer: Any = a_table_answer(NAME, *more, id=table_id)
    table = parse_table(a_base(base_id), answer)
    assert table is not None
    return table


A1, A2 = a_table_of("appA", "tbl1", LINKS), a_table_of("appA", "tbl2", FILES)
B1 = a_table_of("appB", "tbl1", LINKS, FILES)
ACCOUNT = Account([a_base("appA"), a_base("appB")], [A1, A2, B1])


def build(
    *account_streams: AccountStream,
    tables: tuple[TableStream, ...] = (),
    account: Account | None = ACCOUNT,
) -> dict[str, AbstractStream]:
    """The engine's streams, by name."""
    engine = EngineStreams(
        FakeClient().as_client(),
        a_config(),
        CountingQueue(),
        InMemoryMessageRepository(),
        StreamFailures(may_miss_tables=False),
    )
    return {one.name: one for one in engine.build(tables, account_streams, account)}


def share_partitions(stream: AbstractStream) -> list[SharePartition]:
    """The partitions of a stream that takes from tables."""
    partitions = list(stream.generate_partitions())
    assert all(isinstance(one, SharePartition) for one in partitions)
    return [one for one in partitions if isinstance(one, SharePartition)]


def keys_of(stream: AbstractStream) -> list[tuple[str, str]]:
    """The tables that a stream takes from, in the order of its partitions."""
    return [one.build_share().key for one in share_partitions(stream)]


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("records", [A1, B1, A2]),
        ("comments", [A1, B1, A2]),
        ("links", [A1, B1]),
        ("attachments", [A2, B1]),
    ],
)
def test_tables_of_a_stream(name: str, tables: list[TableSchema]) -> None:
    """A stream has a partition for each table that may hold its rows, neighbours of other bases."""
    stream = build(an_account_stream(name))[name]

    assert keys_of(stream) == [table.key for table in tables]


@pytest.mark.parametrize("name", sorted(METADATA_STREAMS))
def test_streams_of_the_schemas(name: str) -> None:
    """A stream of what discovery learnt has one partition, and no scan."""
    (partition,) = build(an_account_stream(name))[name].generate_partitions()

    assert isinstance(partition, MetadataPartition)


@pytest.mark.parametrize("name", ["records", "comments", "links", "attachments"])
def test_account_without_tables(name: str) -> None:
    """Where there is no table a stream has no partition, and its state is due at once."""
    stream = build(an_account_stream(name), account=Account())[name]
    repository = InMemoryMessageRepository()

    assert list(stream.generate_partitions()) == []
    stream.cursor._message_repository = repository  # type: ignore[attr-defined]  # noqa: SLF001
    stream.cursor.ensure_at_least_one_state_emitted()
    assert len(list(repository.consume_queue())) == 1


def test_streams_of_a_table_share_its_scan() -> None:
    """A table's own stream and those of the account have one scan, other tables another one."""
    own = a_table_stream(A1, "own")
    streams = build(an_account_stream("records"), an_account_stream("links"), tables=(own,))

    scans = {
        (name, one.build_share().key): one._scan  # noqa: SLF001
        for name, stream in streams.items()
        for one in share_partitions(stream)
    }

    assert scans["own", A1.key] is scans["records", A1.key] is scans["links", A1.key]
    assert len({id(scan) for scan in scans.values()}) == 3


def test_without_account() -> None:
    """Where no stream of the account is configured there are those of tables alone."""
    assert list(build(tables=(a_table_stream(A1, "own"),), account=None)) == ["own"]


@pytest.mark.parametrize("name", ACCOUNT_STREAMS)
def test_declaration(name: str) -> None:
    """The engine knows a stream by its name and key, and only attachments as files."""
    declared = build(an_account_stream(name))[name].as_airbyte_stream()
    row = ACCOUNT_STREAMS[name]

    assert declared.name == name
    assert declared.source_defined_primary_key == [[column] for column in row.primary_key]
    assert bool(declared.is_file_based) is row.has_files


@pytest.mark.parametrize("include_files", [True, False])
def test_files_only_where_they_are_asked_for(*, include_files: bool) -> None:
    """Files are transferred only where the configured stream asks for them."""
    stream = build(an_account_stream("attachments", include_files=include_files))["attachments"]

    share = share_partitions(stream)[0].build_share()
    assert isinstance(share, AttachmentShare)
    assert isinstance(share, AttachmentFileShare) is include_files
    if isinstance(share, AttachmentFileShare):
        share._rows.close()  # noqa: SLF001 - it is never finished here


@pytest.mark.parametrize("is_incremental", [True, False])
def test_mode_of_records(*, is_incremental: bool) -> None:
    """The stream of records is incremental where it is configured so, and tells its table."""
    settings = a_config().incremental if is_incremental else None
    stream = build(an_account_stream("records", incremental=settings))["records"]

    share = share_partitions(stream)[0].build_share()
    assert isinstance(share, IncrementalShare) is is_incremental
    assert share.told_name == "records (table Contacts)"


@pytest.mark.parametrize("is_incremental", [True, False])
def test_saved_state_of_comments(*, is_incremental: bool) -> None:
    """Comments go on from the table's part of the state, unless they are read in full."""
    state = {"version": 1, "tables": {"appA/tbl1": {"version": 1, "commented": {"1": ["bad"]}}}}
    settings = a_config().incremental if is_incremental else None
    stream = build(an_account_stream("comments", incremental=settings, saved_state=state))

    with pytest.MonkeyPatch.context() as patch:
        parse = Mock(return_value={})
        patch.setattr("source_airtable.streams.comments.parse_counts", parse)
        keys_of(stream["comments"])

    expected = state["tables"]["appA/tbl1"] if is_incremental else {}  # type: ignore[index]
    assert [call.args for call in parse.call_args_list] == [(expected,), ({},), ({},)]
