"""One table as a stream of the CDK: its partition, its clock and its declaration."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.concurrent.partitions.types import PartitionCompleteSentinel
from source_airtable.streams.engine_streams import EngineStreams
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.table_stream import TableStream

from source_airtable.config import IncrementalSettings
from source_airtable.errors import AirtableUnavailableError, OffsetExpiredError
from source_airtable.schema.json_schema import build_json_schema
from unit_tests.builders import BASE, TABLE, a_config, a_page, a_record, a_table_stream
from unit_tests.scans import CountingQueue, a_client, consume, ids_of, unpacked

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

    from source_airtable.api.client import AirtableClient
    from unit_tests.fake_client import FakeClient

TEN_OCLOCK = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
INCREMENTAL = replace(a_table_stream(), incremental=IncrementalSettings())


@pytest.fixture
def queue() -> CountingQueue:
    """The queue that the scan takes its permits from."""
    return CountingQueue()


@pytest.fixture
def repository() -> InMemoryMessageRepository:
    """Where states go."""
    return InMemoryMessageRepository()


def a_partition(
    client: FakeClient, queue: CountingQueue, stream: TableStream | None = None
) -> Partition:
    """The one partition of a stream, of a full refresh unless another one is given."""
    (built,) = build_streams(
        [stream or a_table_stream()], client.as_client(), queue, InMemoryMessageRepository()
    )
    (partition,) = built.generate_partitions()
    return partition


def build_streams(
    streams: list[TableStream],
    client: AirtableClient,
    queue: CountingQueue,
    repository: InMemoryMessageRepository,
    failures: StreamFailures | None = None,
) -> list[AbstractStream]:
    """The engine's streams of tables."""
    failures = failures or StreamFailures(may_miss_tables=False)
    method = next((one.incremental.method for one in streams if one.incremental), "last_modified")
    config = a_config(incremental={"method": method})
    return EngineStreams(client, config, queue, repository, failures).build(streams)


def states_after(
    client: FakeClient, stream: TableStream, repository: InMemoryMessageRepository
) -> list[Any]:
    """The states that a whole scan leaves, driven as the engine does."""
    (built,) = build_streams([stream], client.as_client(), CountingQueue(), repository)
    (partition,) = built.generate_partitions()
    list(partition.read())
    built.cursor.close_partition(partition)
    built.cursor.ensure_at_least_one_state_emitted()
    return [
        vars(message.state.stream.stream_state)
        for message in repository.consume_queue()
        if message.state and message.state.stream
    ]


@pytest.mark.parametrize("stream", [a_table_stream(), INCREMENTAL], ids=["full", "incremental"])
def test_as_of(queue: CountingQueue, stream: TableStream) -> None:
    """All records carry Airtable's clock before the scan, however long the scan takes."""
    client = a_client([a_page("recA"), OffsetExpiredError()], [a_page("recA", "recB")])
    client.latest_date = TEN_OCLOCK
    moments = []
    for record in unpacked(a_partition(client, queue, stream).read()):
        client.latest_date = datetime(2026, 11, 18, 11, tzinfo=timezone.utc)
        moments.append(record.data["_airtable_as_of"])

    assert moments == ["2026-11-18T10:00:00.000Z"] * 2


@pytest.mark.parametrize("stream", [a_table_stream(), INCREMENTAL], ids=["full", "incremental"])
def test_as_of_without_date(queue: CountingQueue, stream: TableStream) -> None:
    """Without Airtable's clock the moment is not known."""
    (record,) = unpacked(a_partition(a_client([a_page("recA")]), queue, stream).read())

    assert record.data["_airtable_as_of"] is None


def test_full_refresh_ignores_the_state(queue: CountingQueue) -> None:
    """A full refresh reads the whole table, whatever state is handed to it."""
    client = a_client([a_page("recA")])
    client.latest_date = TEN_OCLOCK
    saved = {"version": 1, "as_of": "2026-11-18T09:00:00.000Z"}

    list(a_partition(client, queue, replace(a_table_stream(), saved_state=saved)).read())

    assert [query.formula for query in client.queries] == [None]


def test_state_of_a_full_refresh(repository: InMemoryMessageRepository) -> None:
    """A full refresh leaves the placeholder, even with the clock known."""
    client = a_client([a_page("recA")])
    client.latest_date = TEN_OCLOCK

    states = states_after(client, a_table_stream(), repository)

    assert states == [{"__ab_no_cursor_state_message": True}]


def test_state_of_an_incremental_scan(repository: InMemoryMessageRepository) -> None:
    """An incremental scan leaves a state of its own."""
    client = a_client([a_page("recA")])
    client.latest_date = TEN_OCLOCK

    (state,) = states_after(client, INCREMENTAL, repository)

    assert (state["method"], state["as_of"]) == ("last_modified", "2026-11-18T10:00:00.000Z")


def test_first_incremental_scan_without_date(repository: InMemoryMessageRepository) -> None:
    """Without a clock the first incremental scan leaves the placeholder: nothing to go on from."""
    states = states_after(a_client([a_page("recA")]), INCREMENTAL, repository)

    assert states == [{"__ab_no_cursor_state_message": True}]


def test_tombstones_behind_the_last_page(queue: CountingQueue) -> None:
    """Tombstones, which are of no page, are handed over as well, behind the records."""
    settings = IncrementalSettings(detect_deletions=True)
    table = a_table_stream().table
    json_schema = build_json_schema(table, with_tombstones=True)
    stream = TableStream("contacts", table, json_schema, settings)
    client = a_client([a_page("recA", "recB"), OffsetExpiredError()], [a_page("recC")])
    client.latest_date = TEN_OCLOCK

    records = consume(a_partition(client, queue, stream).read(), queue)

    assert [(one["_airtable_id"], one["_ab_cdc_deleted_at"] is None) for one in records] == [
        ("recA", True),
        ("recB", True),
        ("recC", True),
        ("recA", False),
        ("recB", False),
    ]
    assert queue.in_flight == 0


def test_scan_that_is_broken_off(repository: InMemoryMessageRepository) -> None:
    """An incremental scan whose records nobody takes to the end puts no state in place."""
    client = a_client([a_page("recA", "recB")])
    client.latest_date = TEN_OCLOCK
    (built,) = build_streams([INCREMENTAL], client.as_client(), CountingQueue(), repository)
    (partition,) = built.generate_partitions()
    next(iter(partition.read()))

    assert built.cursor.state == {"__ab_no_cursor_state_message": True}


def test_what_is_told_of_a_scan(queue: CountingQueue, caplog: pytest.LogCaptureFixture) -> None:
    """Columns without field are told before a scan, cells that did not fit behind it."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    stream = a_table_stream()
    table = replace(stream.table, fields=stream.table.fields[:1])
    cells = {table.fields[0]["id"]: {"error": "#ERROR!"}}
    client = a_client([{"records": [a_record("recA", **cells)]}])

    list(a_partition(client, queue, replace(stream, table=table)).read())

    told = [record.getMessage().split(":")[1][:30] for record in caplog.records]
    assert told == [" these columns have no field i", " 1 cells did not fit their col"]


def test_partition(queue: CountingQueue) -> None:
    """A table's stream has one partition, which is not sliced and known by the stream's name."""
    (stream,) = build_streams(
        [a_table_stream()],
        a_client([a_page("recA")]).as_client(),
        queue,
        InMemoryMessageRepository(),
    )

    partition, *more = stream.generate_partitions()

    assert (more, partition.to_slice(), partition.stream_name()) == ([], None, "contacts")
    assert hash(partition) == hash(("contacts", (BASE, TABLE)))
    assert ids_of(consume(partition.read(), queue)) == ["recA"]


def test_stream_of_the_cdk(queue: CountingQueue) -> None:
    """To Airbyte a table is a full refresh stream without namespace, its key the record's id."""
    repository = InMemoryMessageRepository()
    (stream,) = build_streams([a_table_stream()], a_client().as_client(), queue, repository)

    declared = stream.as_airbyte_stream()

    assert (declared.name, declared.namespace, declared.is_resumable) == ("contacts", None, False)
    assert declared.source_defined_primary_key == [["_airtable_id"]]
    assert declared.supported_sync_modes == [SyncMode.full_refresh]


def test_failures_of_streams_of_the_cdk(queue: CountingQueue) -> None:
    """The streams of one sync note their failures in one place."""
    failures = StreamFailures(may_miss_tables=False)
    client = a_client([AirtableUnavailableError()])
    (stream,) = build_streams(
        [a_table_stream()], client.as_client(), queue, InMemoryMessageRepository(), failures
    )

    (partition,) = stream.generate_partitions()
    failed, ended = partition.read()

    assert isinstance(failed, StreamThreadException)
    assert isinstance(ended, PartitionCompleteSentinel)
    assert (list(failures.by_stream), ended.is_successful) == (["contacts"], False)
