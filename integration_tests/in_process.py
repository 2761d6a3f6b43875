"""The connector in this process: syncs that wait for nothing, and what a destination makes of them.

The destination is append-dedup as the platform promises it: a row by primary key, replaced where
the cursor is not behind, taken away by a tombstone; a state counts only for records before it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.api.client import AirtableClient
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.source import SourceAirtable
from source_airtable.sync.page_queue import PageQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airbyte_cdk.models import AirbyteMessage, AirbyteStream

Json = dict[str, Any]

DELETED_AT: Final = "_ab_cdc_deleted_at"
OF_TABLE: Final = ("_airtable_id",)
"""The primary key of a table's own stream."""
KEYS: Final = {
    "records": ("_base_id", "_table_id", "id"),
    "comments": ("base_id", "table_id", "record_id", "id"),
}
"""The primary keys of the account's streams that are read here."""
LONGEST_WAIT_SECONDS: Final = 20.0
LOGGER: Final = logging.getLogger("airbyte.source_airtable")


def cursor_of(stream: str) -> str:
    """The column that a destination deduplicates by."""
    return "_as_of" if stream in KEYS else "_airtable_as_of"


def key_of(stream: str, data: Json) -> tuple[str, ...]:
    """The primary key of a row."""
    return tuple(data[column] for column in KEYS.get(stream, OF_TABLE))


class ShortenedWaits:
    """The time by which this process waits: it passes only by waiting, and costs nothing."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds waited so far."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        with self._lock:
            self._now += max(0.0, seconds)


@contextmanager
def nothing_waits(api_url: str) -> Iterator[pytest.MonkeyPatch]:
    """Send the connector to an address, and let every wait of it pass at once."""
    waits = ShortenedWaits()
    defaults = AirtableBudget.__init__.__kwdefaults__
    assert defaults is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRTABLE_API_URL", api_url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr("time.sleep", waits.sleep)
        patch.setitem(defaults, "clock", waits.now)
        patch.setattr(PageQueue, "sleep", lambda _, seconds: waits.sleep(seconds))
        # Thousands of syncs would fill the memory with what they say.
        patch.setattr(LOGGER, "isEnabledFor", lambda level: level >= logging.WARNING)
        patch.setattr(logging.getLogger("airbyte"), "isEnabledFor", lambda _: False)
        yield patch


@contextmanager
def before_each_page(hook: Callable[[str], None]) -> Iterator[None]:
    """Call something with the table's id before each page of records is asked for."""
    real = AirtableClient.get_record_page

    def get_record_page(client: Any, query: Any, offset: str | None = None) -> Any:  # noqa: ANN401 - as the real one
        hook(query.table_id)
        return real(client, query, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AirtableClient, "get_record_page", get_record_page)
        yield


@contextmanager
def before_each_list_of_comments(hook: Callable[[str], None]) -> Iterator[None]:
    """Call something with the record's id before its comments are asked for."""
    real = AirtableClient.list_comments

    def list_comments(client: Any, base_id: Any, table_id: Any, record_id: str) -> Any:  # noqa: ANN401 - as the real one
        hook(record_id)
        return real(client, base_id, table_id, record_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AirtableClient, "list_comments", list_comments)
        yield


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())


@dataclass
class Outcome:
    """What one sync said, by stream."""

    records: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    """In their order, tombstones among them."""
    states: dict[str, Json] = field(default_factory=dict)
    """Of streams that failed, too."""
    before_state: dict[str, int] = field(default_factory=dict)
    """How many records of a stream came before its last state."""
    complete: set[str] = field(default_factory=set)
    """Streams that were read to their end."""
    warnings: list[str] = field(default_factory=list)
    failure: str | None = None
    is_killed: bool = False


@dataclass
class InProcess:
    """The connector with its settings."""

    config: Json

    def discover(self) -> list[AirbyteStream]:
        """The streams of tables, which alone have a table's ids, and two of the account's."""
        source = SourceAirtable()
        catalog = source.discover(LOGGER, source.configure(self.config, ""))
        return [
            stream
            for stream in catalog.streams
            if "x-airtable" in stream.json_schema or stream.name in KEYS
        ]

    def read(
        self,
        streams: list[AirbyteStream],
        states: Mapping[str, Json],
        *,
        killed_after: int | None = None,
    ) -> Outcome:
        """Read streams incrementally from what the platform kept of each.

        `killed_after` so many states, the platform hears nothing more.
        """
        source = SourceAirtable()
        warnings = _Warnings()
        outcome = Outcome(warnings=warnings.sentences)
        catalog = ConfiguredAirbyteCatalog([_configure(stream) for stream in streams])
        given = [_to_message(name, state) for name, state in states.items()]
        LOGGER.addHandler(warnings)
        states_left = killed_after
        try:
            with closing(source.read(LOGGER, self.config, catalog, given)) as messages:  # type: ignore[type-var]  # a generator
                for message in messages:
                    _take(outcome, message)
                    if states_left is not None and message.type is Type.STATE:
                        states_left -= 1
                        if not states_left:
                            outcome.is_killed = True
                            break
        except AirbyteTracedException as failure:
            outcome.failure = failure.message
        finally:
            LOGGER.removeHandler(warnings)
        _wait_for_workers()
        late = {n for n in outcome.complete if outcome.before_state[n] < len(outcome.records[n])}
        assert not late, f"records came behind the last states of {late}"
        return outcome


def _wait_for_workers() -> None:
    """What a killed process would not do any more must not reach into the next sync."""
    for thread in threading.enumerate():
        if thread.name.startswith(("table", "part")):
            thread.join(LONGEST_WAIT_SECONDS)
            assert not thread.is_alive(), "a worker outlives its sync"


def _configure(stream: AirbyteStream) -> ConfiguredAirbyteStream:
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=SyncMode.incremental,
        destination_sync_mode=DestinationSyncMode.append_dedup,
        cursor_field=[cursor_of(stream.name)],
        primary_key=[[column] for column in KEYS.get(stream.name, OF_TABLE)],
    )


def _to_message(name: str, state: Json) -> AirbyteStateMessage:
    return AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=name), stream_state=AirbyteStateBlob(state)
        ),
    )


def _take(outcome: Outcome, message: AirbyteMessage) -> None:
    if message.type is Type.RECORD and message.record is not None:
        name = message.record.stream
        outcome.records[name].append(dict(message.record.data))
    elif message.type is Type.STATE and message.state is not None:
        stream = message.state.stream
        assert stream is not None
        state = stream.stream_state
        # As the platform keeps it: JSON.
        kept = json.loads(json.dumps(None if state is None else state.__dict__))
        name = stream.stream_descriptor.name
        outcome.states[name] = kept
        outcome.before_state[name] = len(outcome.records[name])
    elif message.trace is not None and message.trace.stream_status is not None:
        told = message.trace.stream_status
        if told.status is AirbyteStreamStatus.COMPLETE:
            outcome.complete.add(told.stream_descriptor.name)


class Destination:
    """The tables of a destination, and the states that the platform keeps."""

    def __init__(self) -> None:
        """Begin empty."""
        self.tables: dict[str, dict[tuple[str, ...], Json]] = defaultdict(dict)
        """Rows by stream and primary key."""
        self.states: dict[str, Json] = {}
        self._tombstones: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)

    def forget_all_but(self, names: set[str]) -> None:
        """Drop streams that a refreshed catalog does not have."""
        for kept in (self.tables, self._tombstones, self.states):
            for name in kept.keys() - names:
                del kept[name]

    def write(self, name: str, data: Json) -> bool:
        """Take one record; False where the row has a later cursor."""
        rows, tombstones = self.tables[name], self._tombstones[name]
        key, cursor = key_of(name, data), cursor_of(name)
        row = rows.get(key)
        stored = row[cursor] if row else tombstones.get(key)
        if stored is not None and (data[cursor] is None or data[cursor] < stored):
            return False
        if data.get(DELETED_AT) is not None:
            rows.pop(key, None)
            tombstones[key] = data[cursor]
        else:
            rows[key] = data
            tombstones.pop(key, None)
        return True
