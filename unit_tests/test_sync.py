"""One sync: the order of streams, and of what is said about those that fail."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    FailureType,
    StreamDescriptor,
    SyncMode,
    TraceType,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
)
from source_airtable.records import RecordConverter
from source_airtable.streams import engine_streams
from source_airtable.streams.engine_streams import interleave_bases
from source_airtable.streams.read_queue import ReadQueue
from source_airtable.sync import Sync
from unit_tests.builders import (
    a_base,
    a_config,
    a_configured_stream,
    a_page,
    a_table,
    a_table_schema,
    a_table_stream,
    an_airbyte_stream,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airbyte_cdk.models import (
        AirbyteMessage,
        AirbyteStream,
        ConfiguredAirbyteStream,
    )

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage
    from source_airtable.errors import (
        AirtableError,
    )
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_stream import TableStream


class FakeAccount(FakeClient):
    """Bases app0, app1, …, each with one table tbl0, tbl1, …, of two records or an error."""

    def __init__(self, count: int) -> None:
        super().__init__(
            [a_base(f"app{n}", f"Base {n}") for n in range(count)],
            {f"app{n}": [a_table(f"tbl{n}", f"Table {n}")] for n in range(count)},
        )
        self.streams = [
            an_airbyte_stream(
                f"stream{n}",
                a_table_schema(a_base(f"app{n}", f"Base {n}"), a_table(f"tbl{n}", f"Table {n}")),
            )
            for n in range(count)
        ]

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give two records, or raise the table's error."""
        self.queries.append(query)
        if query.table_id in self.record_errors:
            raise self.record_errors[query.table_id]
        yield a_page(f"rec{query.table_id}A", f"rec{query.table_id}B")


def run(
    client: FakeClient, streams: list[AirbyteStream], **settings: object
) -> tuple[list[AirbyteMessage], AirbyteTracedException | None]:
    """What a sync of full refreshes emits, and what it raises at the end."""
    configured = [a_configured_stream(stream) for stream in streams]
    return run_configured(client, configured, (), **settings)


def run_configured(
    client: FakeClient,
    streams: list[ConfiguredAirbyteStream],
    states: Sequence[AirbyteStateMessage] = (),
    **settings: object,
) -> tuple[list[AirbyteMessage], AirbyteTracedException | None]:
    """What a sync emits, and what it raises at the end."""
    config = a_config(num_workers=2, **settings)
    queue = ReadQueue(config.pages_in_flight)
    sync = Sync(client.as_client(), config, queue, InMemoryMessageRepository())
    messages: list[AirbyteMessage] = []
    try:
        messages.extend(sync.run(streams, ConnectorStateManager(list(states))))
    except AirbyteTracedException as failure:
        return messages, failure
    return messages, None


def failures_in(messages: list[AirbyteMessage]) -> list[tuple[str, FailureType | None]]:
    """Streams and failure types of the failures among messages, in order."""
    return [
        (error.stream_descriptor.name, error.failure_type)
        for message in messages
        if message.trace and (error := message.trace.error) and error.stream_descriptor
    ]


def statuses_in(messages: list[AirbyteMessage]) -> dict[str, AirbyteStreamStatus]:
    """The last status of each stream."""
    return {
        status.stream_descriptor.name: status.status
        for message in messages
        if message.trace
        and message.trace.type is TraceType.STREAM_STATUS
        and (status := message.trace.stream_status)
    }


def counts_of(messages: list[AirbyteMessage]) -> Counter[str]:
    """How many messages there are of records and states, by stream."""
    counts: Counter[str] = Counter()
    for message in messages:
        if message.type is Type.RECORD and message.record:
            counts[f"records {message.record.stream}"] += 1
        if message.type is Type.STATE and message.state and message.state.stream:
            counts[f"state {message.state.stream.stream_descriptor.name}"] += 1
    return counts


def base_id_of(stream: TableStream) -> str:
    """The base of a stream's table."""
    return stream.table.base_id


def streams_of(*base_ids: str) -> list[TableStream]:
    """One stream for each base id, numbered within its base."""
    numbers: Counter[str] = Counter()
    streams = []
    for base_id in base_ids:
        numbers[base_id] += 1
        table = a_table_schema(a_base(base_id))
        streams.append(a_table_stream(table, f"{base_id}{numbers[base_id]}"))
    return streams


def test_interleaved_bases() -> None:
    """Streams take turns by base, those of a large base last."""
    streams = interleave_bases(streams_of("a", "a", "a", "b", "c", "c"), base_id_of)

    assert [stream.name for stream in streams] == ["a1", "b1", "c1", "a2", "c2", "a3"]


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_interleaving_any_bases(base_ids: list[str]) -> None:
    """No stream is lost, each base keeps its order, and no base is a whole turn ahead."""
    names = [stream.name for stream in interleave_bases(streams_of(*base_ids), base_id_of)]

    sizes = Counter(base_ids)
    assert sorted(names) == sorted(stream.name for stream in streams_of(*base_ids))
    for base in sizes:
        own = [name for name in names if name[0] == base]
        assert own == [f"{base}{turn}" for turn in range(1, sizes[base] + 1)]
    for end in range(len(names) + 1):
        turns = Counter(name[0] for name in names[:end])
        assert all(
            turns[base] >= min(sizes[base], max(turns.values(), default=0) - 1) for base in sizes
        )


def test_whole_sync() -> None:
    """Every stream gives its records and one state, and ends complete."""
    client = FakeAccount(3)

    messages, failure = run(client, client.streams)

    assert failure is None
    assert counts_of(messages) == {
        f"{what} stream{n}": count
        for n in range(3)
        for what, count in (("records", 2), ("state", 1))
    }
    assert set(statuses_in(messages).values()) == {AirbyteStreamStatus.COMPLETE}


def test_no_streams() -> None:
    """A sync of nothing ends, and emits nothing."""
    assert run(FakeAccount(1), []) == ([], None)


def test_order_of_failures() -> None:
    """What a later sync may cure is said first, missing tables last."""
    client = FakeAccount(5)
    client.schemas["app1"] = []
    client.schemas["app2"] = AccessDeniedError(status=403)
    client.schemas["app3"] = AirtableUnavailableError(status=503)
    client.record_errors["tbl4"] = ContractError(answer="no list of records")

    messages, failure = run(client, client.streams)

    assert failures_in(messages) == [
        ("stream3", FailureType.transient_error),
        ("stream4", FailureType.system_error),
        ("stream2", FailureType.config_error),
        ("stream1", FailureType.config_error),
    ]
    assert failure is not None
    assert str(failure).startswith("4 of 5 streams failed: ")


def test_failure_for_a_person_waits() -> None:
    """A failure that a person must mend goes out behind all records."""
    client = FakeAccount(3)
    client.record_errors["tbl0"] = AccessDeniedError(status=403)

    messages, _ = run(client, client.streams)

    last_record = max(n for n, message in enumerate(messages) if message.type is Type.RECORD)
    assert failures_in(messages[:last_record]) == []
    assert failures_in(messages[last_record:]) == [("stream0", FailureType.config_error)]


@pytest.mark.parametrize(
    "error", [AirtableUnavailableError(), AccessDeniedError(), ContractError()]
)
def test_failed_stream(error: AirtableError) -> None:
    """A stream that fails is incomplete and leaves no state; the others are complete."""
    client = FakeAccount(2)
    client.record_errors["tbl0"] = error

    messages, failure = run(client, client.streams)

    assert failure is not None
    assert counts_of(messages) == {"records stream1": 2, "state stream1": 1}
    assert statuses_in(messages) == {
        "stream0": AirbyteStreamStatus.INCOMPLETE,
        "stream1": AirbyteStreamStatus.COMPLETE,
    }


def test_failure_type_of_the_sync() -> None:
    """The sync fails as its first failure does."""
    client = FakeAccount(2)
    client.schemas["app0"] = []
    client.schemas["app1"] = AirtableUnavailableError(status=503)

    _, failure = run(client, client.streams)

    assert failure is not None
    assert failure.failure_type is FailureType.transient_error


@pytest.mark.parametrize("vanishes", ["before the scan", "during the scan"])
def test_skipped_table(vanishes: str, caplog: pytest.LogCaptureFixture) -> None:
    """With on_missing_table = skip, a missing table is only warned of, its stream incomplete."""
    client = FakeAccount(2)
    if vanishes == "before the scan":
        client.schemas["app0"] = []
    else:
        client.vanishing = {"app0"}
        client.record_errors["tbl0"] = AccessDeniedError(status=404)

    messages, failure = run(client, client.streams, on_missing_table="skip")

    assert (failure, failures_in(messages)) == (None, [])
    assert statuses_in(messages)["stream0"] is AirbyteStreamStatus.INCOMPLETE
    assert "Stream stream0 is skipped, as on_missing_table says" in caplog.text


def break_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the table tbl1 fail before its scan begins, as only a mistake of ours could."""

    class BrokenConverter(RecordConverter):
        def __init__(self, table: TableSchema, json_schema: Mapping[str, Any]) -> None:
            if table.table_id == "tbl1":
                raise KeyError(table.table_id)
            super().__init__(table, json_schema)

    monkeypatch.setattr(engine_streams, "RecordConverter", BrokenConverter)


def test_failure_before_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that fails before its scan begins fails the sync, too."""
    break_compilation(monkeypatch)
    client = FakeAccount(2)

    messages, failure = run(client, client.streams)

    assert failure is not None
    assert statuses_in(messages)["stream1"] is AirbyteStreamStatus.INCOMPLETE


def test_failure_beside_a_skipped_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is skipped does not hide that another stream failed."""
    break_compilation(monkeypatch)
    client = FakeAccount(2)
    client.vanishing = {"app0"}
    client.record_errors["tbl0"] = AccessDeniedError(status=404)

    messages, failure = run(client, client.streams, on_missing_table="skip")

    assert statuses_in(messages)["stream1"] is AirbyteStreamStatus.INCOMPLETE
    assert failure is not None


def test_only_skipped_tables() -> None:
    """A sync of which nothing is left but skipped tables ends without waiting for anything."""
    client = FakeAccount(1)
    client.schemas["app0"] = []

    _, failure = run(client, client.streams, on_missing_table="skip")

    assert failure is None


def test_summary(caplog: pytest.LogCaptureFixture) -> None:
    """At the end one line tells calls, records and what was waited for."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    client = FakeAccount(2)
    client.budget.calls, client.budget.refusals, client.backoff_strategy.retries = 7, 2, 3

    run(client, client.streams)

    summary = next(r.getMessage() for r in caplog.records if " calls for " in r.getMessage())
    assert summary.startswith("Airtable: 7 calls for 4 records in ")
    assert "refused by them (429): 2; tried again after other failures: 1." in summary


def test_calls_of_a_month(caplog: pytest.LogCaptureFixture) -> None:
    """At the end the calls of a month are told, for an hourly and a daily schedule."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    client = FakeAccount(1)
    client.budget.calls = 7

    run(client, client.streams)

    summary = next(r.getMessage() for r in caplog.records if " calls for " in r.getMessage())
    assert summary.endswith("every hour makes 5,040 calls a month, a daily one 210.")


def test_abandoned_sync() -> None:
    """A reader that goes away ends the workers."""
    client = FakeAccount(3)
    queue = ReadQueue(1)
    messages = Sync(
        client.as_client(), a_config(num_workers=2), queue, InMemoryMessageRepository()
    ).run([a_configured_stream(stream) for stream in client.streams], ConnectorStateManager([]))
    next(messages)
    messages.close()  # type: ignore[attr-defined]

    assert queue._abandoned.is_set()  # noqa: SLF001 - seen from outside it is a process that ends


NINE, TEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10))
PLACEHOLDER = {"__ab_no_cursor_state_message": True}


def a_state(name: str, state: Mapping[str, Any]) -> AirbyteStateMessage:
    """A stream's state as Airbyte hands it over."""
    descriptor = StreamDescriptor(name=name)
    return AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=descriptor, stream_state=AirbyteStateBlob(**state)
        ),
    )


def states_in(messages: list[AirbyteMessage]) -> dict[str, dict[str, Any]]:
    """The last state of each stream."""
    return {
        message.state.stream.stream_descriptor.name: vars(message.state.stream.stream_state)
        for message in messages
        if message.state and message.state.stream
    }


def an_incremental_run(
    client: FakeAccount, now: datetime | None, states: Mapping[str, Mapping[str, Any]] | None = None
) -> list[AirbyteMessage]:
    """What an incremental sync of all streams emits, from the given states by stream."""
    client.latest_date = now
    messages, failure = run_configured(
        client,
        [a_configured_stream(stream, SyncMode.incremental) for stream in client.streams],
        [a_state(name, state) for name, state in (states or {}).items()],
    )
    assert failure is None
    return messages


def test_first_incremental_sync() -> None:
    """The first incremental sync reads everything and leaves a state of its own."""
    client = FakeAccount(2)

    messages = an_incremental_run(client, NINE)

    assert [query.formula for query in client.queries] == [None, None]
    assert {state["as_of"] for state in states_in(messages).values()} == {
        "2026-11-18T09:00:00.000Z"
    }


def test_second_incremental_sync() -> None:
    """The second incremental sync asks only for what changed since the first one's state."""
    client = FakeAccount(1)
    states = states_in(an_incremental_run(client, NINE))

    messages = an_incremental_run(client, TEN, states)

    assert "DATETIME_PARSE('2026-11-18T08:00:00.000Z')" in str(client.queries[-1].formula)
    assert states_in(messages)["stream0"]["as_of"] == "2026-11-18T10:00:00.000Z"


def test_state_behind_records() -> None:
    """The state comes behind all records of its stream."""
    messages = an_incremental_run(FakeAccount(1), NINE)

    assert [message.type for message in messages if message.type in (Type.RECORD, Type.STATE)] == [
        Type.RECORD,
        Type.RECORD,
        Type.STATE,
    ]


def test_full_refresh_with_the_state_of_an_incremental_sync() -> None:
    """A full refresh reads everything whatever the state, and leaves the placeholder."""
    client = FakeAccount(1)
    states = states_in(an_incremental_run(client, NINE))

    messages, _ = run_configured(
        client,
        [a_configured_stream(client.streams[0])],
        [a_state("stream0", states["stream0"])],
    )

    assert client.queries[-1].formula is None
    assert states_in(messages) == {"stream0": PLACEHOLDER}


def test_incremental_sync_behind_a_full_refresh() -> None:
    """After a full refresh an incremental sync reads everything, and goes on from there."""
    client = FakeAccount(1)

    messages = an_incremental_run(client, NINE, {"stream0": PLACEHOLDER})

    assert client.queries[-1].formula is None
    assert states_in(messages)["stream0"]["as_of"] == "2026-11-18T09:00:00.000Z"


def test_mixed_modes() -> None:
    """Each stream is read in the mode that was chosen for it, from its own state."""
    client = FakeAccount(2)
    states = states_in(an_incremental_run(client, NINE))
    client.latest_date = TEN
    modes = [SyncMode.full_refresh, SyncMode.incremental]

    messages, _ = run_configured(
        client,
        [a_configured_stream(s, mode) for s, mode in zip(client.streams, modes, strict=True)],
        [a_state(name, state) for name, state in states.items()],
    )

    assert states_in(messages)["stream0"] == PLACEHOLDER
    assert states_in(messages)["stream1"]["last_full_scan"] == "2026-11-18T09:00:00.000Z"


def test_catalog_of_pyairbyte() -> None:
    """PyAirbyte configures every stream as incremental, without naming a cursor: that is enough."""
    client = FakeAccount(1)
    client.latest_date = NINE
    configured = a_configured_stream(client.streams[0], SyncMode.incremental)
    configured.cursor_field, configured.primary_key = None, None

    messages, failure = run_configured(client, [configured])

    assert failure is None
    assert states_in(messages)["stream0"]["as_of"] == "2026-11-18T09:00:00.000Z"


def test_failed_incremental_stream() -> None:
    """An incremental stream that fails leaves no state, so that the saved one stays."""
    client = FakeAccount(2)
    states = states_in(an_incremental_run(client, NINE))
    client.latest_date = TEN
    client.record_errors["tbl0"] = AirtableUnavailableError(status=503)

    messages, failure = run_configured(
        client,
        [a_configured_stream(stream, SyncMode.incremental) for stream in client.streams],
        [a_state(name, state) for name, state in states.items()],
    )

    assert failure is not None
    assert list(states_in(messages)) == ["stream1"]
