"""What every stream is to Airbyte, and what reads one table for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airbyte_cdk.models import (
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_cdk.sources.streams import Stream

from source_airtable.changes.need import WholeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessageFileReference

    from source_airtable.api.wire_types import BaseDict, BaseId, FieldId
    from source_airtable.changes.need import Need
    from source_airtable.changes.record_ids import RecordIdSet
    from source_airtable.changes.shared_webhook import SharedWebhook
    from source_airtable.config import IncrementalSettings
    from source_airtable.errors import AirtableError
    from source_airtable.records import Page, Row
    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.table_schema import TableKey, TableSchema

    ReadCatalog = Callable[[ConfiguredAirbyteCatalog], Iterator[AirbyteMessage]]
    """Reads configured streams, as the command `read` does."""


@dataclass(slots=True)
class Account:
    """What the settings select of all that the token may see."""

    bases: list[BaseDict] = field(default_factory=list)
    tables: list[TableSchema] = field(default_factory=list)
    error: AirtableError | None = None
    """Why a part of it could not be read."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """How Airbyte asks for one stream."""

    incremental: IncrementalSettings | None = None
    """None asks for a full refresh."""
    saved_state: Mapping[str, Any] = field(default_factory=dict)
    """The state that the stream's last incremental sync left; empty for a full refresh."""
    webhooks: Mapping[BaseId, SharedWebhook] = field(default_factory=dict)
    """The webhook of each base; empty unless the method is `webhooks`."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a reader asks for of each record."""

    ids: tuple[FieldId, ...] = ()
    """Empty asks for all fields."""
    comment_count: bool = False
    are_named: bool = False
    """Whether all fields are asked for by id, so that Airtable refuses one that is gone."""


class FileRow(dict[str, Any]):
    """A row that comes with a file."""

    def __init__(self, row: Row, file: AirbyteRecordMessageFileReference) -> None:
        super().__init__(row)
        self.file = file


class ReaderScan(Protocol):
    """The scan that a reader took part in, when its last page is over."""

    need: Need
    """What was read; more than the reader asked for where Airtable did not honour the filter."""
    whole_listing: RecordIdSet | None
    """The ids of the table, where the scan was one uninterrupted pass over all of it."""

    def list_ids(self, *, again: bool = False) -> RecordIdSet:
        """List the ids of all records that are there now, in one uninterrupted pass."""

    def fetch(self, record_ids: Sequence[str]) -> Iterator[Page]:
        """Read records by their ids, 100 at a time; those that are gone are left out."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises as soon as the sync is abandoned."""


class Reader:
    """Reads one table for one stream. This one reads the whole table, and saves nothing."""

    fields = Fields()
    """What it asks for of each record."""

    can_resume = False
    """Whether the next sync can go on with the parts of the table that this one does not read."""

    def __init__(self, stream_name: str, table: TableSchema) -> None:
        self.stream_name = stream_name
        self.table = table

    @property
    def label(self) -> str:
        """How the log names the stream, with the table where the stream has several."""
        return f"{self.stream_name} (table {self.table.table_name})"

    def start(self, as_of: datetime | None) -> Need:  # noqa: ARG002 - for readers with a cursor
        """Say what has to be read; `as_of` is Airtable's clock (UTC) before the first request."""
        return WholeTable()

    def follow(self, table: TableSchema) -> None:
        """Go on with the table's present fields, after some were deleted during the scan."""
        self.table = table

    def rows(self, page: Page) -> list[Row]:
        """Make the stream's rows from a page, whose records come once in a sync."""
        raise NotImplementedError

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:  # noqa: ARG002 - for readers with more rows
        """Emit what comes behind the last page: tombstones, comments, files."""
        yield from ()

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Note which parts of the table are read; see `changes/parts.py`. None takes it back."""

    def state(self) -> dict[str, Any] | None:
        """Give what the next sync goes on from; None where there is nothing to save."""
        return None

    def state_after_failure(self) -> dict[str, Any] | None:
        """Give what the next sync must know of a table that was not read to its end."""
        return None


class AirtableStream(Stream, ABC):
    """A stream of Airbyte's CDK; the same class serves `discover` and `read`.

    `read` does not call `read_records`: it reads each table once for all streams that need the
    same of it (`sync/`), and asks each stream for its readers.
    """

    is_resumable = False
    """The platform clears and writes again only full refreshes that are not resumable."""

    reads_one_table = False
    """Whether the stream is its only table's, and ends with it."""

    def __init__(
        self, name: str, json_schema: JsonSchema | None, read_catalog: ReadCatalog | None = None
    ) -> None:
        self.name = name
        self._json_schema = json_schema
        self._read_catalog = read_catalog

    def get_json_schema(self) -> JsonSchema:  # type: ignore[override]  # the CDK caches it
        """Give the configured JSON schema, or the one that discovery declares."""
        if self._json_schema is None:
            return self.build_json_schema()
        return self._json_schema

    @abstractmethod
    def build_json_schema(self) -> JsonSchema:
        """Declare the stream's columns."""

    def read_records(
        self,
        sync_mode: SyncMode,  # noqa: ARG002 - the CDK's signature
        cursor_field: list[str] | None = None,  # noqa: ARG002 - the CDK's signature
        stream_slice: Mapping[str, Any] | None = None,  # noqa: ARG002 - the CDK's signature
        stream_state: Mapping[str, Any] | None = None,  # noqa: ARG002 - the CDK's signature
    ) -> Iterator[Row]:
        """Read this stream alone, in full; raises its failure."""
        if self._read_catalog is None:
            return
        configured = ConfiguredAirbyteStream(
            stream=self.as_airbyte_stream(),
            sync_mode=SyncMode.full_refresh,
            destination_sync_mode=DestinationSyncMode.overwrite,
        )
        for message in self._read_catalog(ConfiguredAirbyteCatalog(streams=[configured])):
            if message.record is not None:
                yield message.record.data

    def tables(self) -> Sequence[TableSchema]:
        """Give the tables that the stream reads."""
        return ()

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:
        """Build what reads one of these tables."""
        raise NotImplementedError

    def state_of(self, table: TableSchema, saved_state: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - for streams of several tables
        """Give what the stream's saved state holds of one table."""
        return saved_state

    def rows(self) -> Iterator[list[Row]]:
        """Emit the rows that need no table to be read."""
        yield from ()

    def combine(
        self,
        states: Mapping[TableKey, dict[str, Any]],
        request: ReadRequest,  # noqa: ARG002 - for streams of several tables
    ) -> dict[str, Any] | None:
        """Make the stream's state of its tables' states; None where there is nothing to save."""
        return next(iter(states.values()), None)
