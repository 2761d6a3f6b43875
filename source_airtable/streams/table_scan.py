"""Passes over one table: pages, restarts, and what a refused page means.

A pass may have to start over, since Airtable forgets lists that are paged too slowly; what was
emitted before is then left out, so that every record is emitted once in a sync.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

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
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.record_ids import RecordIdSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict, FieldId, RecordDict, RecordPage
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.read_queue import PageRoom, ReadQueue
    from source_airtable.streams.table_share import TableShare

LOGGER = logging.getLogger("airbyte.source_airtable")

RECORDS_SCOPE = "data.records:read"

MOST_RESTARTS = 5
FIRST_RESTART_WAIT_SECONDS = 1.0
"""The pause before the first restart of a pass; it doubles with each further one."""

BYTES_OF_ONE_ROOM = 1_000_000
"""What a page may have on the wire before it takes more of the queue's room than another."""
RECORDS_OF_ONE_ROOM = 1_000
"""Records that a page may give: a page of links gives many more than it has."""

_Item = TypeVar("_Item")


class TableScan:
    """Reads one table, whole or by a filter, each record once however many passes it takes."""

    def __init__(
        self,
        table: TableSchema,
        shares: Sequence[TableShare],
        client: AirtableClient,
        queue: ReadQueue,
    ) -> None:
        self.table = table
        """The table with its present fields."""
        self.shares = shares
        """Whom it is for, in the order in which they are served."""
        self._client = client
        self._queue = queue
        self._restarts = 0
        self._room = 1
        self._listed: RecordIdSet | None = None
        self.failures: dict[TableShare, Exception] = {}
        """What ended a share before the scan's end."""
        self.with_comment_counts = any(share.wants_comment_counts for share in shares)
        self.emitted = RecordIdSet()
        """The records that were emitted."""
        self.last_pass: RecordIdSet | None = None
        """The records of the last pass alone, emitted or not; kept where somebody asks for it."""
        self.was_full = False
        """Whether the whole table was read."""

    @property
    def name(self) -> str:
        """The stream that the log speaks of, the table's own where that is read."""
        return self.shares[0].stream_name

    def iter_records(
        self,
        formula: str | None = None,
        *,
        look_at: Callable[[RecordDict], None] | None = None,
        keep_ids: bool = False,
    ) -> Iterator[Record]:
        """Emit the records that a formula picks, or all, in Airtable's order, for every share.

        `look_at` is shown every record of every page. With `keep_ids` the ids of the last pass are
        kept. Raises what ends the scan.
        """

        def one_pass() -> Iterator[Record]:
            self.last_pass = RecordIdSet() if keep_ids else None
            query = self._query(self._field_ids(), formula, comment_counts=self.with_comment_counts)
            pages = self._client.iter_record_pages(query)
            while True:
                with self._queue.page_room(self._room) as room:
                    page = next(pages, None)
                    if page is None:
                        return
                    yield from room.leave_with(self._iter_records_of(page, look_at))

        yield from self._with_restarts(one_pass)

    def list_ids(self) -> RecordIdSet:
        """List the ids of all records in one uninterrupted pass, asking for one field only.

        Shares that ask for them one after the other get the same list.
        """

        def one_pass() -> Iterator[RecordIdSet]:
            found = RecordIdSet()
            primary = self.table.primary_field_id
            for page in self._client.iter_record_pages(self._query((primary,) if primary else ())):
                self._queue.sleep(0)  # ends the sweep when nobody reads any more
                for record in page["records"]:
                    found.add(record["id"])
            yield found

        if self._listed is None:
            (self._listed,) = self._with_restarts(one_pass)
        return self._listed

    def drop_comment_counts(self, refused: AirtableError) -> bool:
        """Go on without the number of comments, and tell whether they were asked for.

        Shares that need them are told why they get none.
        """
        were_asked_for, self.with_comment_counts = self.with_comment_counts, False
        for share in self.shares:
            if share.wants_comment_counts:
                share.refuse(refused)
        return were_asked_for

    def _field_ids(self) -> tuple[FieldId, ...]:
        """Give the fields that the shares need together; empty where that is all of them."""
        wanted: dict[FieldId, None] = {}
        for share in self.shares:
            field_ids = share.field_ids
            if not field_ids:
                return ()
            wanted |= dict.fromkeys(field_ids)
        return () if len(wanted) == len(self.table.fields) else tuple(wanted)

    def _query(
        self,
        field_ids: Sequence[FieldId],
        formula: str | None = None,
        *,
        comment_counts: bool = False,
    ) -> RecordQuery:
        return RecordQuery(
            self.table.base_id,
            self.table.table_id,
            field_ids,
            formula,
            with_comment_counts=comment_counts,
        )

    def _with_restarts(self, one_pass: Callable[[], Iterator[_Item]]) -> Iterator[_Item]:
        self._restarts = 0
        is_complete = False
        while not is_complete:
            try:
                yield from one_pass()
                is_complete = True
            except AirtableError as failure:  # noqa: PERF203 - one pass over a table a turn
                self._recover(failure)

    def _iter_records_of(
        self, page: RecordPage, look_at: Callable[[RecordDict], None] | None
    ) -> Iterator[Record]:
        """Emit what the shares make of a page's new records, made when they are asked for."""
        if look_at is not None:
            for record in page["records"]:
                look_at(record)
        if self.last_pass is not None:
            for record in page["records"]:
                self.last_pass.add(record["id"])
        is_new = self.emitted.add
        new = [record for record in page["records"] if is_new(record["id"])]
        count = 0
        for share in self.shares:
            if share not in self.failures:
                with self.failing_alone(share):
                    for record_of_stream in share.rows_of(new):
                        count += 1
                        yield record_of_stream
        # Pages of a table are much alike, and how large one is, is known only afterwards.
        large = max(page.get("size_bytes", 0) // BYTES_OF_ONE_ROOM, count // RECORDS_OF_ONE_ROOM)
        self._room = 1 + large

    @contextmanager
    def failing_alone(self, share: TableShare) -> Iterator[None]:
        """Let a share's own failure, such as a full disk, end that share and no other."""
        try:
            yield
        except Exception as failure:  # noqa: BLE001 - whatever it is, its stream will be told
            self.failures[share] = failure

    def room(self) -> AbstractContextManager[PageRoom]:
        """Wait for the room of a page, for records that come after the scan."""
        return self._queue.page_room()

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
            error.add_facts(base_name=self.table.base_name, table_name=self.table.table_name)
            raise

    def _prepare_restart(self, expired: OffsetExpiredError) -> None:
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            expired.add_facts(restarts=MOST_RESTARTS)
            raise expired
        wait = FIRST_RESTART_WAIT_SECONDS * 2 ** (self._restarts - 1)
        LOGGER.warning(
            "Stream %s: Airtable forgot the list of records after %d of them; reading the table "
            "again from its start in %.0f s, without emitting these twice (restart %d of %d).",
            self.name,
            len(self.emitted),
            wait,
            self._restarts,
            MOST_RESTARTS,
        )
        self._queue.sleep(wait)

    def _follow_schema_change(self, changed: SchemaChangedError) -> None:
        """Compile the table anew from its present fields; raises where they are unchanged."""
        self._restarts += 1
        table = self._present_table()
        if table is None or table.fields == self.table.fields or self._restarts > MOST_RESTARTS:
            raise changed
        LOGGER.warning(
            "Stream %s: fields were deleted while the sync was running; their columns are null "
            "from here on.",
            self.name,
        )
        self.table = table
        for share in self.shares:
            share.follow(table)

    def _explain_denial(self, denied: AccessDeniedError) -> AirtableError:
        """Find out what is gone when a scan is refused: the base, the table, or the scope."""
        facts = {
            **denied.facts,
            "base_name": self.table.base_name,
            "table_name": self.table.table_name,
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
        base: BaseDict = {"id": self.table.base_id, "name": self.table.base_name}
        for declared in self._client.get_base_schema(self.table.base_id):
            table = parse_table(base, declared)
            if table is not None and table.table_id == self.table.table_id:
                return table
        return None
