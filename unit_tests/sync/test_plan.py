"""The plan of a sync: which streams take part, and in which order tables are read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
    SyncMode,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    TableFilterError,
)
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.stream import ReadRequest
from source_airtable.streams.table import TableStream
from source_airtable.sync.link_names import LinkedNames
from source_airtable.sync.page_queue import PageQueue
from source_airtable.sync.plan import (
    PlannedStream,
    SyncPlan,
    interleave_bases,
    once_each,
    plan_sync,
)
from unit_tests.builders import (
    a_base,
    a_config,
    a_configured_stream,
    a_table_schema,
    a_text_table,
    an_account_stream,
    an_airbyte_stream,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airbyte_cdk.models import AirbyteStream, ConfiguredAirbyteStream

    from source_airtable.api.wire_types import BaseId
    from source_airtable.changes.shared_webhook import SharedWebhook
    from source_airtable.schema.table_schema import TableSchema

BASES = [a_base("appA", "A"), a_base("appB", "B")]


RENAMED = {"table": "Renamed", "formula": "TRUE()"}
"""A filter that gives a name which no table has."""


def a_client() -> FakeClient:
    """An account of two bases with two tables each."""
    return FakeClient(
        BASES,
        {
            base["id"]: [a_text_table(f"tbl{base['name']}{n}", f"Table {n}") for n in (1, 2)]
            for base in BASES
        },
    )


def a_table(base: str, number: int) -> TableSchema:
    """A table of the account."""
    return a_table_schema(
        a_base(f"app{base}", base), a_text_table(f"tbl{base}{number}", f"Table {number}")
    )


def of_table(base: str, number: int) -> AirbyteStream:
    """A table's configured stream."""
    return an_airbyte_stream(f"{base}{number}", a_table(base, number))


def of_account(name: str) -> AirbyteStream:
    """A configured stream of the account."""
    return an_account_stream(name).as_airbyte_stream()


def plan_of(
    *configured: AirbyteStream | ConfiguredAirbyteStream,
    client: FakeClient | None = None,
    states: list[AirbyteStateMessage] | None = None,
    **settings: object,
) -> SyncPlan:
    """The plan of a sync."""
    streams: Any = [
        a_configured_stream(one) if hasattr(one, "json_schema") else one for one in configured
    ]
    manager = ConnectorStateManager(states or [])
    asked = (client or a_client()).as_client()
    names = LinkedNames(asked, PageQueue(1))
    return plan_sync(streams, manager, asked, a_config(**settings), names)


def names_of(plan: SyncPlan) -> list[str]:
    """The streams of a plan."""
    return [planned.stream.name for planned in plan.streams]


def test_streams_of_tables() -> None:
    """Each configured stream reads its table, by the ids in its schema."""
    plan = plan_of(of_table("B", 2), of_table("A", 1))

    assert [(one.stream.name, [t.key for t in one.tables]) for one in plan.streams] == [
        ("B2", [("appB", "tblB2")]),
        ("A1", [("appA", "tblA1")]),
    ]
    assert plan.errors == {}
    assert plan.stream_count == 2


def test_calls_of_tables_alone() -> None:
    """Without a stream of the account, only the bases of the configured streams are read."""
    client = a_client()

    plan_of(of_table("A", 1), client=client)

    assert client.calls == ["schema appA"]


def test_calls_of_the_account() -> None:
    """With a stream of the account, every schema is read once."""
    client = a_client()

    plan_of(of_table("A", 1), of_account("records"), of_account("fields"), client=client)

    assert sorted(client.calls) == ["bases", "schema appA", "schema appB"]


def test_no_streams() -> None:
    """A sync of nothing has nothing to read, and asks for nothing, whatever its filters."""
    client = a_client()
    plan = plan_of(client=client, table_filters=[RENAMED])

    assert (plan.table_reads(), plan.stream_count, client.calls) == ([], 0, [])


def test_filter_of_no_table() -> None:
    """If nobody knows which table a filter is meant for, every stream that reads tables fails."""
    names = list(ACCOUNT_STREAMS)
    plan = plan_of(of_table("A", 1), *map(of_account, names), table_filters=[RENAMED])

    assert names_of(plan) == ["bases", "tables", "fields", "views"]
    assert set(plan.errors) == {"A1", *names} - set(names_of(plan))
    assert {type(error) for error in plan.errors.values()} == {TableFilterError}


@pytest.mark.parametrize(("name", "keeps"), [("fields", True), ("bases", False)])
def test_whole_schemas(name: str, *, keeps: bool) -> None:
    """Tables keep all that Airtable declares of them only where a stream shows it."""
    plan = plan_of(of_account(name), of_account("records"))

    tables = plan.streams[1].tables
    assert [table.declared is not None for table in tables] == [keeps] * 4


def test_configured_columns() -> None:
    """A stream has its configured columns; where a catalog leaves them open, all of them."""
    configured = of_table("A", 1)
    configured.json_schema["properties"] = {"name": {"type": ["null", "string"]}}
    left_open = of_account("links")
    left_open.json_schema = {"type": "object", "properties": {}}

    first, second = plan_of(configured, left_open).streams

    assert first.stream.get_json_schema() == configured.json_schema
    declared = an_account_stream("links").get_json_schema()
    assert second.stream.get_json_schema() == declared


def test_columns_of_a_table_left_open() -> None:
    """A catalog that names a table's stream and no column means all that discovery has."""
    name = "a/table_1/tblA1"

    (planned,) = plan_of(an_airbyte_stream(name), column_names="ids").streams

    stream = planned.stream
    assert (
        stream.get_json_schema()
        == TableStream(name, a_table("A", 1), a_config(column_names="ids")).get_json_schema()
    )


def a_state(name: str, **state: object) -> AirbyteStateMessage:
    """A stream's state as Airbyte hands it over."""
    return AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=name), stream_state=AirbyteStateBlob(**state)
        ),
    )


def test_requests() -> None:
    """An incremental stream goes on from its own state; a full refresh ignores it."""
    states = [a_state("A1", of="A1"), a_state("A2", of="A2")]
    full = a_configured_stream(of_table("A", 1))
    incremental = a_configured_stream(of_table("A", 2), SyncMode.incremental)
    first_time = a_configured_stream(of_account("records"), SyncMode.incremental)

    plan = plan_of(full, incremental, first_time, states=states)

    settings = a_config().incremental
    assert [one.request for one in plan.streams] == [
        ReadRequest(None, {}),
        ReadRequest(settings, {"of": "A2"}),
        ReadRequest(settings, {}),
    ]


POSITION = {"id": "achA", "cursor": 4, "read_at": "2026-11-18T10:00:00.000Z"}


def webhooks_of(plan: SyncPlan) -> Mapping[BaseId, SharedWebhook]:
    """What the incremental streams of a plan learn from, which is the same for all of them."""
    incremental = [one.request for one in plan.streams if one.request.incremental]
    assert all(one.webhooks is incremental[0].webhooks for one in incremental)
    return incremental[0].webhooks


def noted(webhook: SharedWebhook) -> list[int]:
    """The cursors that a webhook is read from."""
    return [position.cursor for position in webhook._saved]  # noqa: SLF001 - what it notes


def test_webhooks() -> None:
    """Each base has one webhook for all incremental streams, which knows where each goes on."""
    states = [
        a_state("A1", version=2, webhook=POSITION),
        a_state("A2", version=2, webhook={**POSITION, "cursor": 2}),
        a_state("B1", version=2, webhook="odd"),
        a_state(
            "records", version=2, tables={"appB/tblB2": {"webhook": {**POSITION, "cursor": 7}}}
        ),
    ]
    streams = [of_table("A", 1), of_table("A", 2), of_table("B", 1), of_account("records")]
    client = a_client()

    plan = plan_of(
        *(a_configured_stream(one, SyncMode.incremental) for one in streams),
        client=client,
        states=states,
        incremental={"method": "webhooks"},
    )

    webhooks = webhooks_of(plan)
    assert {base: noted(webhook) for base, webhook in webhooks.items()} == {
        "appA": [4, 2],
        "appB": [7],
    }
    assert {call.split()[0] for call in client.calls} == {"bases", "schema"}


def test_webhooks_of_incremental_streams() -> None:
    """A full refresh needs no webhook, and neither does another base."""
    full = a_configured_stream(of_table("B", 1))
    incremental = a_configured_stream(of_table("A", 1), SyncMode.incremental)

    plan = plan_of(full, incremental, incremental={"method": "webhooks"})

    assert set(webhooks_of(plan)) == {"appA"}
    assert plan.streams[0].request == ReadRequest()


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_no_webhooks(method: str) -> None:
    """Other methods need no webhook, even with a state that knows one."""
    incremental = a_configured_stream(of_table("A", 1), SyncMode.incremental)

    plan = plan_of(
        incremental,
        states=[a_state("A1", version=2, webhook=POSITION)],
        incremental={"method": method},
    )

    assert webhooks_of(plan) == {}


def test_stream_without_a_table() -> None:
    """A stream whose table is not there has an error, and the others are read."""
    client = a_client()
    client.schemas["appA"] = AirtableUnavailableError(status=503)

    plan = plan_of(of_table("A", 1), of_table("B", 1), client=client)

    assert names_of(plan) == ["B1"]
    assert {name: type(error) for name, error in plan.errors.items()} == {
        "A1": AirtableUnavailableError
    }
    assert plan.stream_count == 2


def test_base_that_cannot_be_read() -> None:
    """A base that is listed and cannot be read is an error of every stream of the account."""
    client = a_client()
    client.schemas["appA"] = AccessDeniedError(status=404)

    plan = plan_of(of_account("records"), of_account("bases"), of_table("B", 1), client=client)

    assert names_of(plan) == ["B1"]
    assert {name: type(error) for name, error in plan.errors.items()} == {
        "records": BaseNotFoundError,
        "bases": BaseNotFoundError,
    }


def test_account_that_cannot_be_listed() -> None:
    """If the bases cannot be listed, the streams of the account fail, and not those of tables."""
    client = a_client()
    client.bases = AirtableUnavailableError(status=503)

    plan = plan_of(of_account("records"), of_table("B", 1), client=client)

    assert (names_of(plan), list(plan.errors)) == (["B1"], ["records"])


def test_base_that_may_be_missing(caplog: pytest.LogCaptureFixture) -> None:
    """If bases may be missing, the account is read without them, with a warning."""
    client = a_client()
    client.schemas["appA"] = AccessDeniedError(status=404)

    (planned,) = plan_of(of_account("records"), client=client, on_missing_table="skip").streams

    assert [table.key for table in planned.tables] == [("appB", "tblB1"), ("appB", "tblB2")]
    assert "Skipping a base" in caplog.text


def test_stream_that_stands_twice(caplog: pytest.LogCaptureFixture) -> None:
    """The first of two streams of the same name counts, with a warning."""
    first = a_configured_stream(of_table("A", 1), SyncMode.incremental)
    second = a_configured_stream(of_table("A", 1))
    other = a_configured_stream(of_table("B", 1))

    assert once_each([first, second, other]) == [first, other]
    assert "Stream A1 stands twice in the configured catalog" in caplog.text
    assert names_of(plan_of(first, second)) == ["A1"]


def test_streams_of_a_table() -> None:
    """A table is read for all streams that take from it, those of the account in their order."""
    plan = plan_of(
        *(of_account(name) for name in ("comments", "records", "bases")),
        of_table("B", 1),
        of_table("A", 1),
    )

    reads = plan.table_reads()

    streams = {read.table.table_id: [one.stream.name for one in read.streams] for read in reads}
    assert streams == {
        "tblB1": ["B1", "records", "comments"],
        "tblA1": ["A1", "records", "comments"],
        "tblA2": ["records", "comments"],
        "tblB2": ["records", "comments"],
    }


def test_order_of_account_streams() -> None:
    """Streams that make calls of their own come last in every read."""
    plan = plan_of(*(of_account(name) for name in reversed(list(ACCOUNT_STREAMS))))

    orders = {tuple(one.stream.name for one in read.streams) for read in plan.table_reads()}
    assert orders == {("records", "comments")}


def test_order_of_tables() -> None:
    """Neighbours are of different bases."""
    plan = plan_of(*(of_table(base, number) for base in "AB" for number in (1, 2)))

    assert [read.table.table_id for read in plan.table_reads()] == [
        *("tblA1", "tblB1"),
        *("tblA2", "tblB2"),
    ]


def items_of(*base_ids: str) -> list[str]:
    """One item for each base id, numbered within its base."""
    numbers: Counter[str] = Counter()
    items = []
    for base_id in base_ids:
        numbers[base_id] += 1
        items.append(f"{base_id}{numbers[base_id]}")
    return items


def test_interleaved_bases() -> None:
    """Items take turns by base, those of a large base last."""
    items = interleave_bases(items_of("a", "a", "a", "b", "c", "c"), lambda item: item[0])

    assert items == ["a1", "b1", "c1", "a2", "c2", "a3"]


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_interleaving_any_bases(base_ids: list[str]) -> None:
    """No item is lost, each base keeps its order, and no base is a whole turn ahead."""
    items = interleave_bases(items_of(*base_ids), lambda item: item[0])

    sizes = Counter(base_ids)
    assert sorted(items) == sorted(items_of(*base_ids))
    for base in sizes:
        own = [item for item in items if item[0] == base]
        assert own == [f"{base}{turn}" for turn in range(1, sizes[base] + 1)]
    for end in range(len(items) + 1):
        turns = Counter(item[0] for item in items[:end])
        assert all(
            turns[base] >= min(sizes[base], max(turns.values(), default=0) - 1) for base in sizes
        )


def test_planned_stream() -> None:
    """A plan counts the streams that are read and those that are not."""
    stream = an_account_stream("bases")
    planned = PlannedStream(stream, ReadRequest(), [])

    assert SyncPlan([planned], {"gone": BaseNotFoundError()}).stream_count == 2
