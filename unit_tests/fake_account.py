"""An account of several bases, and a source that reads it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    StreamDescriptor,
    SyncMode,
    TraceType,
)
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable import source as source_module
from source_airtable.source import SourceAirtable
from unit_tests.builders import (
    TOKEN,
    a_base,
    a_configured_stream,
    a_page,
    a_table_schema,
    a_text_table,
    an_airbyte_stream,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pytest
    from airbyte_cdk.models import (
        AirbyteMessage,
        AirbyteStream,
        AirbyteStreamStatus,
        ConfiguredAirbyteStream,
    )

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage


class FakeAccount(FakeClient):
    """Bases app0, app1, …, each with one table tbl0, tbl1, …, of two records or an error."""

    def __init__(self, count: int) -> None:
        super().__init__(
            [a_base(f"app{n}", f"Base {n}") for n in range(count)],
            {f"app{n}": [a_text_table(f"tbl{n}", f"Table {n}")] for n in range(count)},
        )
        self.streams = [
            an_airbyte_stream(
                f"stream{n}",
                a_table_schema(
                    a_base(f"app{n}", f"Base {n}"), a_text_table(f"tbl{n}", f"Table {n}")
                ),
            )
            for n in range(count)
        ]

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give two records, or raise the table's error."""
        self.queries.append(query)
        if query.table_id in self.record_errors:
            raise self.record_errors[query.table_id]
        yield a_page(f"rec{query.table_id}A", f"rec{query.table_id}B")


class Ran:
    """What one sync says, and what it raises at its end."""

    def __init__(self, messages: Iterator[AirbyteMessage]) -> None:
        self.messages: list[AirbyteMessage] = []
        self.failure: AirbyteTracedException | None = None
        try:
            self.messages.extend(messages)
        except AirbyteTracedException as failure:
            self.failure = failure

    @property
    def records(self) -> dict[str, list[Any]]:
        """The data of the records, by stream."""
        records: dict[str, list[Any]] = {}
        for message in self.messages:
            if message.record is not None:
                records.setdefault(message.record.stream, []).append(message.record.data)
        return records

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The state of each stream; a second one is a failure."""
        states = [
            message.state.stream
            for message in self.messages
            if message.state is not None and message.state.stream is not None
        ]
        by_stream = {one.stream_descriptor.name: vars(one.stream_state) for one in states}
        assert len(by_stream) == len(states)
        return by_stream

    @property
    def statuses(self) -> dict[str, list[AirbyteStreamStatus]]:
        """The statuses of each stream, in order."""
        statuses: dict[str, list[AirbyteStreamStatus]] = {}
        for message in self.messages:
            trace = message.trace
            if trace is not None and trace.type is TraceType.STREAM_STATUS and trace.stream_status:
                name = trace.stream_status.stream_descriptor.name
                statuses.setdefault(name, []).append(trace.stream_status.status)
        return statuses

    @property
    def failed_streams(self) -> list[str]:
        """The streams of the failures, in order."""
        return [
            message.trace.error.stream_descriptor.name
            for message in self.messages
            if message.trace and message.trace.error and message.trace.error.stream_descriptor
        ]


def raw_config(**settings: object) -> dict[str, Any]:
    """Settings as Airbyte hands them over."""
    return {"credentials": {"api_key": TOKEN}, "num_workers": 2, **settings}


def a_source(client: FakeClient, patch: pytest.MonkeyPatch) -> SourceAirtable:
    """A source that reads a fake account."""
    patch.setattr(source_module, "_build_client", lambda *_, **__: client.as_client())
    return SourceAirtable()


def run(
    source: SourceAirtable,
    streams: Sequence[AirbyteStream | ConfiguredAirbyteStream],
    states: Mapping[str, Mapping[str, Any]] | None = None,
    mode: SyncMode = SyncMode.full_refresh,
    **settings: object,
) -> Ran:
    """Read streams, in one mode unless they have one, from the given states."""
    configured: Any = [
        a_configured_stream(one, mode) if hasattr(one, "json_schema") else one for one in streams
    ]
    catalog = ConfiguredAirbyteCatalog(streams=configured)
    given = [
        AirbyteStateMessage(
            type=AirbyteStateType.STREAM,
            stream=AirbyteStreamState(
                stream_descriptor=StreamDescriptor(name=name),
                stream_state=AirbyteStateBlob(**state),
            ),
        )
        for name, state in (states or {}).items()
    ]
    return Ran(source.read(logging.getLogger(), raw_config(**settings), catalog, given))
