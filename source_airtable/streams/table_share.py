"""What one stream takes from the scan of one table.

A table is scanned once in a sync, for however many streams: its own, and those of the whole account
(`records`, `links`, ...). Each of them has a share in the scan, which says what it needs of the
table and makes the stream's records from the pages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airbyte_cdk.sources.types import Record

from source_airtable.streams.sync_state import to_utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from source_airtable.api.wire_types import FieldId, RecordDict
    from source_airtable.errors import AirtableError
    from source_airtable.records import Column, RecordData
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.read_queue import PageRoom
    from source_airtable.streams.record_ids import RecordIdSet

LOGGER = logging.getLogger("airbyte.source_airtable")


class WholeScan(Protocol):
    """What a share may ask of the table's scan when that is over."""

    emitted: RecordIdSet
    """The records that came, each once."""
    last_pass: RecordIdSet | None
    """The records of the last pass alone, where somebody asked for them."""
    was_full: bool
    """Whether the whole table was read."""

    def list_ids(self) -> RecordIdSet:
        """List the ids of all records that are there now."""

    def room(self) -> AbstractContextManager[PageRoom]:
        """Wait for the room of a page, for records that come after the scan."""


class TableShare:
    """One stream's share in the scan of one table; a plain one needs the whole table, each sync."""

    wants_comment_counts: ClassVar[bool] = False
    """Whether records are to come with the number of their comments."""
    is_slow: ClassVar[bool] = False
    """Whether it has calls to make when the scan is over, for which others should not wait."""
    method: str = "last_modified"
    """How an incremental sync finds out what changed."""
    tracks_ids: bool = False
    """Whether a scan of the whole table is to keep its ids."""

    def __init__(self, stream_name: str, table: TableSchema) -> None:
        self.stream_name = stream_name
        self.key: TableKey = table.key
        self.told_name = stream_name
        """What the log calls it; a stream of several tables adds which one is meant."""

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields that the share needs; empty for all of them."""
        return ()

    def begin(self, now: datetime | None) -> datetime | None:  # noqa: ARG002 - for shares with a cursor
        """Prepare for a scan, `now` being Airtable's clock (UTC) before its first request.

        Gives the moment after which changes are enough; None where the whole table is needed.
        """
        return None

    def widen(self) -> None:
        """Prepare for more than was needed: a scan is as wide as the widest of its shares."""

    def refuse(self, error: AirtableError) -> None:
        """Take notice that the records come without what the share cannot do without."""

    def follow(self, table: TableSchema) -> None:
        """Go on with the table's present fields, after some were deleted during the scan."""

    def rows_of(self, records: Sequence[RecordDict]) -> Iterable[Record]:
        """Make the stream's records from records of the table, each of which comes once."""
        raise NotImplementedError

    def find_unknown(self, scan: WholeScan) -> frozenset[str]:  # noqa: ARG002 - for shares that track ids
        """Name records that are there, although no sync has seen them, when the scan is over."""
        return frozenset()

    def finish(self, scan: WholeScan) -> Iterator[Record]:  # noqa: ARG002 - for shares with more to say
        """Emit what follows from the scan as a whole, when it is over."""
        yield from ()

    def new_state(self) -> dict[str, Any] | None:
        """Give the state to go on from, when the share is complete; None where there is none."""
        return None

    def close(self) -> None:
        """Give back what the share holds outside of memory, complete or not."""


class Converter(Protocol):
    """What makes the data of a stream's records from those of a table."""

    misfits: int
    errors_column: str

    @property
    def columns(self) -> Sequence[Column]:
        """The columns that are fed by fields."""

    @property
    def columns_without_field(self) -> Sequence[str]:
        """The columns that nothing will be in."""

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields to ask for; empty for all of them."""

    @property
    def keeps_errors(self) -> bool:
        """Whether cells that do not fit are kept."""

    @property
    def has_tombstones(self) -> bool:
        """Whether deleted records can be told of."""

    def to_record_data(self, record: RecordDict, as_of: str | None) -> RecordData:
        """Convert one record."""

    def to_tombstone(self, record_id: str, deleted_at: str) -> RecordData:
        """Give what stands for a record that is gone."""


class RecordShare(TableShare):
    """The share of a stream that emits the table's records, all of them."""

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        build_converter: Callable[[TableSchema], Converter],
    ) -> None:
        super().__init__(stream_name, table)
        self.table = table
        self._build_converter = build_converter
        self.converter = build_converter(table)
        self.as_of: str | None = None
        """The moment that the records are said to be of."""

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields of the configured columns."""
        return self.converter.field_ids

    def begin(self, now: datetime | None) -> datetime | None:
        """Note the moment of the scan, and warn of columns that a refresh of the schema drops."""
        self.as_of = None if now is None else to_utc_text(now)
        if self.converter.columns_without_field:
            LOGGER.warning(
                "Stream %s: these columns have no field in Airtable any more and are null: %s. "
                "Refresh the connection's schema to drop them.",
                self.told_name,
                ", ".join(self.converter.columns_without_field),
            )
        return None

    def follow(self, table: TableSchema) -> None:
        """Compile the table anew."""
        misfits = self.converter.misfits
        self.table = table
        self.converter = self._build_converter(table)
        self.converter.misfits = misfits

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Convert records, one to one."""
        convert, as_of, name = self.converter.to_record_data, self.as_of, self.stream_name
        return [Record(convert(record, as_of), name) for record in records]

    def finish(self, scan: WholeScan) -> Iterator[Record]:  # noqa: ARG002 - the base class's signature
        """Emit nothing more, and log how many cells did not fit their column."""
        if self.converter.misfits:
            where = (
                f"kept in the column {self.converter.errors_column}"
                if self.converter.keeps_errors
                else f"select the column {self.converter.errors_column} to keep them"
            )
            LOGGER.info(
                "Stream %s: %d cells did not fit their column (formula errors, NaN and the like) "
                "and are null there: %s.",
                self.told_name,
                self.converter.misfits,
                where,
            )
        yield from ()
