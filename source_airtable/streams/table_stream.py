"""One Airtable table as a stream of the CDK's concurrent engine.

The way of a table: a stream has one partition, a partition is one scan, a scan is pages, a page is
records. The scan may have to start over, since Airtable forgets lists that are paged too slowly;
what was emitted before is then left out, so that every record is emitted once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.sources.types import Record

from source_airtable.api.client import RecordQuery
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    BaseNotFoundError,
    MissingScopeError,
    OffsetExpiredError,
    SchemaChangedError,
    TableNotFoundError,
)
from source_airtable.records import RecordConverter
from source_airtable.schema.json_schema import PRIMARY_KEY
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.cursor import FullRefreshCursor
from source_airtable.streams.read_queue import LastRecordOfPage
from source_airtable.streams.record_ids import RecordIdSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict, RecordPage
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.read_queue import ReadQueue

LOGGER = logging.getLogger("airbyte.source_airtable")

RECORDS_SCOPE = "data.records:read"

MOST_RESTARTS = 5
FIRST_RESTART_WAIT_SECONDS = 1.0
"""The pause before the first restart of a scan; it doubles with each further one."""


@dataclass(frozen=True, slots=True)
class TableStream:
    """What makes a stream: a table, the name and the schema that Airbyte knows it by."""

    name: str
    table: TableSchema
    json_schema: Mapping[str, Any]


class TableScan:
    """Reads one table from its first record to its last, each record once."""

    def __init__(self, stream: TableStream, client: AirtableClient, queue: ReadQueue) -> None:
        self._stream = stream
        self._table = stream.table
        self._client = client
        self._queue = queue
        self._converter = RecordConverter(stream.table, stream.json_schema)
        self._seen = RecordIdSet()
        self._restarts = 0

    def iter_records(self) -> Iterator[Record]:
        """Emit every record of the table, in Airtable's order; raises what ends the stream.

        All records carry the same `_airtable_as_of`: Airtable's clock before the first request of
        the scan.
        """
        as_of = to_utc_text(self._client.latest_date)
        self._warn_of_columns_without_field()
        is_complete = False
        while not is_complete:
            try:
                yield from self._iter_once(as_of)
                is_complete = True
            except AirtableError as failure:  # noqa: PERF203 - one pass over a table a turn
                self._recover(failure)
        self._tell_misfits()

    def _recover(self, failure: AirtableError) -> None:
        """Prepare for another pass over the table; raises what ends the stream, explained."""
        try:
            if isinstance(failure, OffsetExpiredError):
                self._prepare_restart(failure)
            elif isinstance(failure, SchemaChangedError):
                self._follow_schema_change(failure)
            else:
                raise failure
        except AccessDeniedError as denied:
            raise self._explain_denial(denied) from None
        except AirtableError as error:
            error.add_facts(base_name=self._table.base_name, table_name=self._table.table_name)
            raise

    def _iter_once(self, as_of: str | None) -> Iterator[Record]:
        query = RecordQuery(self._table.base_id, self._table.table_id, self._converter.field_ids)
        pages = self._client.iter_record_pages(query)
        while (records := self._next_page(pages, as_of)) is not None:
            yield from records

    def _next_page(self, pages: Iterator[RecordPage], as_of: str | None) -> list[Record] | None:
        """Fetch a page and give its new records, or None behind the last page.

        The page's permit goes with its last record, and comes back when that leaves the queue.
        """
        self._queue.acquire_page()
        records: list[Record] = []
        try:
            page = next(pages, None)
            if page is None:
                return None
            records = self._records_of(page, as_of)
        finally:
            if not records:
                self._queue.release_page()
        if records:
            records[-1] = LastRecordOfPage(records[-1].data, self._stream.name)
        return records

    def _records_of(self, page: RecordPage, as_of: str | None) -> list[Record]:
        convert, name, is_new = self._converter.to_record_data, self._stream.name, self._seen.add
        return [
            Record(convert(record, as_of), name)
            for record in page["records"]
            if is_new(record["id"])
        ]

    def _prepare_restart(self, expired: OffsetExpiredError) -> None:
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            expired.add_facts(restarts=MOST_RESTARTS)
            raise expired
        wait = FIRST_RESTART_WAIT_SECONDS * 2 ** (self._restarts - 1)
        LOGGER.warning(
            "Stream %s: Airtable forgot the list of records after %d of them; reading the table "
            "again from its start in %.0f s, without emitting these twice (restart %d of %d).",
            self._stream.name,
            len(self._seen),
            wait,
            self._restarts,
            MOST_RESTARTS,
        )
        self._queue.sleep(wait)

    def _follow_schema_change(self, changed: SchemaChangedError) -> None:
        """Compile the table anew from its present fields; raises where they are unchanged."""
        self._restarts += 1
        table = self._present_table()
        if table is None or table.fields == self._table.fields or self._restarts > MOST_RESTARTS:
            raise changed
        LOGGER.warning(
            "Stream %s: fields were deleted while the sync was running; their columns are null "
            "from here on.",
            self._stream.name,
        )
        misfits = self._converter.misfits
        self._table = table
        self._converter = RecordConverter(table, self._stream.json_schema)
        self._converter.misfits = misfits

    def _explain_denial(self, denied: AccessDeniedError) -> AirtableError:
        """Find out what is gone when a scan is refused: the base, the table, or the scope."""
        facts = {
            **denied.facts,
            "base_name": self._table.base_name,
            "table_name": self._table.table_name,
        }
        try:
            table = self._present_table()
        except AccessDeniedError:
            return BaseNotFoundError(**facts)
        except AirtableError:
            return denied
        if table is None:
            return TableNotFoundError(**facts)
        return MissingScopeError(scope=RECORDS_SCOPE, **facts)

    def _present_table(self) -> TableSchema | None:
        base: BaseDict = {"id": self._table.base_id, "name": self._table.base_name}
        for declared in self._client.get_base_schema(self._table.base_id):
            table = parse_table(base, declared)
            if table is not None and table.table_id == self._table.table_id:
                return table
        return None

    def _warn_of_columns_without_field(self) -> None:
        if self._converter.columns_without_field:
            LOGGER.warning(
                "Stream %s: these columns have no field in Airtable any more and are null: %s. "
                "Refresh the connection's schema to drop them.",
                self._stream.name,
                ", ".join(self._converter.columns_without_field),
            )

    def _tell_misfits(self) -> None:
        if self._converter.misfits:
            where = (
                "they are null there and kept in the column _airtable_errors"
                if self._converter.keeps_errors
                else "they are null there; select the column _airtable_errors to keep them"
            )
            LOGGER.info(
                "Stream %s: %d cells did not fit their column (formula errors, NaN and the like): "
                "%s.",
                self._stream.name,
                self._converter.misfits,
                where,
            )


class TablePartition(Partition):
    """The one partition of a table's stream: all of its records."""

    def __init__(
        self,
        stream: TableStream,
        client: AirtableClient,
        queue: ReadQueue,
        failures: dict[str, Exception],
    ) -> None:
        self._stream = stream
        self._client = client
        self._queue = queue
        self._failures = failures

    def read(self) -> Iterable[Record]:
        """Emit every record of the table; notes a failure, of which the engine keeps the text."""
        try:
            yield from TableScan(self._stream, self._client, self._queue).iter_records()
        except Exception as failure:
            self._failures[self._stream.name] = failure
            raise

    def to_slice(self) -> Mapping[str, Any] | None:
        """Give nothing: a table is not sliced."""
        return None

    def stream_name(self) -> str:
        """Give the name of the stream."""
        return self._stream.name

    def __hash__(self) -> int:
        """Hash by stream, which has no other partition."""
        return hash(self._stream.name)


class WholeTable(PartitionGenerator):
    """Generates a table's one partition."""

    def __init__(self, partition: TablePartition) -> None:
        self._partition = partition

    def generate(self) -> Iterable[Partition]:
        """Generate the partition."""
        yield self._partition


def build_streams(
    streams: Iterable[TableStream],
    client: AirtableClient,
    queue: ReadQueue,
    message_repository: MessageRepository,
    failures: dict[str, Exception] | None = None,
) -> list[AbstractStream]:
    """Build the CDK's streams of tables; what makes one fail is noted in `failures`, by name."""
    failures = {} if failures is None else failures
    return [
        DefaultStream(
            partition_generator=WholeTable(TablePartition(stream, client, queue, failures)),
            name=stream.name,
            json_schema=stream.json_schema,
            primary_key=[PRIMARY_KEY],
            cursor_field=None,
            logger=LOGGER,
            cursor=FullRefreshCursor(stream.name, message_repository),
        )
        for stream in streams
    ]


def to_utc_text(moment: datetime | None) -> str | None:
    """Write a moment in UTC as Airtable does: `2026-11-18T10:00:00.000Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z") if moment else None
