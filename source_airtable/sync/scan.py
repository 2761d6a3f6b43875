"""A scan reads one table once for one need, for all readers that share the need.

A pass over the pages may have to start over, because Airtable forgets lists that are paged too
slowly. What was emitted before is then left out, so every record is emitted once.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from source_airtable.api.client import RecordQuery
from source_airtable.api.scopes import COMMENTS_SCOPE
from source_airtable.changes.need import FilterProof, RecordIds, WholeTable
from source_airtable.changes.parts import TablePart
from source_airtable.changes.record_ids import RecordIdSet
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    ContractError,
    MissingScopeError,
    OffsetExpiredError,
    SchemaChangedError,
    is_unprocessable,
)
from source_airtable.records import Page
from source_airtable.schema.filter_refusal import raise_for_refusal
from source_airtable.sync.page_queue import (
    PageRows,
    ReaderCheckpoint,
    ReaderFinished,
    SyncAbandonedError,
    places_of,
)
from source_airtable.sync.parts import PageFacts, PartsGivenUpError, TurnToParts
from source_airtable.sync.table_access import explain_denial, present_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.rate_limit import Allowance
    from source_airtable.api.wire_types import FieldId, RecordDict, RecordPage
    from source_airtable.changes.need import Need
    from source_airtable.records import Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import Fields, Reader
    from source_airtable.sync.page_queue import PageQueue, Permit

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_RESTARTS = 5
FIRST_RESTART_WAIT_SECONDS = 1.0
"""The pause before the first restart of a pass; it doubles with each further one."""

FIRST_PAGE_PLACES = 3
"""What a table's first page takes until it is there: how large it is, nobody knows before."""
ROWS_OF_ONE_ITEM = 1_000
"""A page that gives more rows than this goes through the queue in several items."""
FIRST_PIECE_RECORDS = 10
"""Records of a scan's first item, which tells how many rows a record gives."""

_REFUSALS_OF_COUNTS = (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)

_Result = TypeVar("_Result")


class TableScan:
    """Reads one table for one need, and reports the end of each reader."""

    def __init__(  # noqa: PLR0913 - what a scan reads, for whom, and by which means
        self,
        table: TableSchema,
        need: Need,
        readers: Sequence[Reader],
        client: AirtableClient,
        queue: PageQueue,
        *,
        reads_parts: bool = False,
    ) -> None:
        self.table = table
        """The table with its present fields."""
        self.need = need
        self.whole_listing: RecordIdSet | None = None
        self._readers = list(readers)
        """The readers that have not ended."""
        self._client = client
        self._queue = queue
        self._emitted = RecordIdSet()
        self._listed: RecordIdSet | None = None
        self._restarts = 0
        self._places = FIRST_PAGE_PLACES
        self._piece_records = FIRST_PIECE_RECORDS
        self._parts = TurnToParts(self, self._allowance, is_allowed=reads_parts)
        # Threads that read parts share the readers. They ask for pages without it; only a change of
        # fields and the first names of linked records are asked for with it.
        self._lock = threading.RLock()

    def run(self) -> None:
        """Read the table, and put the rows and the end of each reader on the queue.

        Whatever happens, each reader gets exactly one end, unless the sync is abandoned.
        """
        try:
            self._read()
        except SyncAbandonedError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it is, each stream must learn of it
            for reader in list(self._readers):
                self._end(reader, failure)
        for reader in list(self._readers):
            self._finish(reader)

    def list_ids(self, *, again: bool = False) -> RecordIdSet:
        """List the ids of all records in one uninterrupted pass, asking for one field only.

        Readers that ask one after the other get the same list, unless they ask for it `again`.
        """
        if self._listed is None or again:
            self._listed = self._with_restarts(self._list_ids)
        return self._listed

    def fetch(self, record_ids: Sequence[str]) -> Iterator[Page]:
        """Read records by their ids, 100 at a time; those that are gone are left out."""
        left = frozenset(record_ids)
        for formula in RecordIds(tuple(record_ids)).formulas:
            try:
                page = self._with_restarts(partial(self._pick_records, left, formula))
            except ContractError as refused:
                if not is_unprocessable(refused):
                    raise
                yield self._with_restarts(partial(self._pick_records, left, None))
                return
            left -= {record["id"] for record in page.records}
            yield page

    def read_primary_cells(
        self, take: Callable[[FieldId | None, Iterator[RecordDict]], _Result]
    ) -> _Result:
        """Have the primary field and all records taken, again from the start after a restart."""
        return self._with_restarts(
            lambda: take(self.table.primary_field_id, self._iter_primary_cells())
        )

    def sleep(self, seconds: float) -> None:
        """Wait; raises SyncAbandonedError as soon as the sync is abandoned."""
        self._queue.sleep(seconds)

    def _read(self) -> None:
        """Read what is needed, or the whole table where Airtable does not honour the filter."""
        proof = FilterProof(self.need, self.table)
        try:
            self._with_restarts(lambda: self._pass_over_pages(proof))
        except ContractError as refused:
            if isinstance(self.need, WholeTable) or not is_unprocessable(refused):
                raise
            self._read_in_full("Airtable refuses the filter")
        else:
            if proof.is_ignored:
                self._read_in_full("Airtable does not honour the filter")
        if isinstance(self.need, WholeTable) and not self._restarts:
            self.whole_listing = self._emitted

    def _read_in_full(self, reason: str) -> None:
        LOGGER.warning(
            "Stream %s is read in full: %s for the table %s of base %s.",
            self.label,
            reason,
            self.table.table_name,
            self.table.base_name,
        )
        self.need = WholeTable()
        self._parts.is_allowed = False
        # The pass that failed has emitted a part of the table, so this one is not all of it.
        self._restarts = 1
        self._with_restarts(lambda: self._pass_over_pages(FilterProof(self.need, self.table)))

    def _pass_over_pages(self, proof: FilterProof) -> None:
        """Read page after page, as long as the filter is honoured, or go over to parts."""
        if isinstance(self.need, TablePart) and self._parts.read(self.need):
            return
        for formula in self.need.formulas:
            pages = self._iter_pages(self._query(formula))
            while self._readers and not proof.is_ignored:
                page = self._read_page(pages, proof)
                if page is None:
                    break
                is_whole = isinstance(self.need, WholeTable)
                if is_whole and self._parts.is_due(page) and self._parts.read():
                    return

    def _allowance(self) -> Allowance:
        return self._client.budget.allowance(self.table.base_id)

    def read_part(self, part: TablePart, after_page: Callable[[PageFacts], None]) -> int:
        """Read a part to its end, and give the number of its records."""
        return self._with_restarts(lambda: self._pass_over_part(part, after_page))

    def _pass_over_part(self, part: TablePart, after_page: Callable[[PageFacts], None]) -> int:
        proof, records = FilterProof(part, self.table), 0
        with self._lock:
            pages = self._iter_pages(self._query(part.formula))
        while self._readers and (page := self._read_page(pages, proof)) is not None:
            if proof.is_ignored:
                raise PartsGivenUpError("Airtable does not honour the filter")
            records += page.records
            after_page(page)
        return records

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Have readers that can be resumed save which parts are read."""
        with self._lock:
            for reader in self._readers:
                reader.note_read_parts(units)
                state = reader.state_after_failure() if units and reader.can_resume else None
                if state is not None:
                    self._queue.put(ReaderCheckpoint(reader.stream_name, self.table.key, state))

    def _read_page(self, pages: Iterator[RecordPage], proof: FilterProof) -> PageFacts | None:
        """Read one page and pass it on; tell of it, None if there was none.

        Nothing holds the page when this returns, so a worker that waits for the next permit has
        none in memory.
        """
        permit = self._queue.acquire(self._places)
        try:
            answer = next(pages, None)
            if answer is None:
                return None
            permit.keep(places_of(answer.get("size_bytes", 0)))
            proof.look_at(answer["records"])
            with self._lock:
                self._deliver(answer, permit)
            return PageFacts(
                len(answer["records"]),
                has_more=bool(answer.get("offset")),
                answer_seconds=answer.get("answer_seconds", 0.0),
            )
        finally:
            if not permit.is_passed_on:
                permit.release()

    def _iter_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """List the pages of a query; only its first page may refuse the number of comments."""
        pages = self._client.iter_record_pages(query)
        try:
            first = list(islice(pages, 1))
        except (AccessDeniedError, ContractError) as refused:
            if (
                not query.with_comment_counts
                or refused.facts.get("status") not in _REFUSALS_OF_COUNTS
            ):
                raise
            plain = replace(query, with_comment_counts=False)
            pages = self._client.iter_record_pages(plain)
            try:
                first = list(islice(pages, 1))
            except AirtableError:
                raise refused from None
            with self._lock:
                self._end_comment_readers(refused)
        while first:
            yield first.pop()
        yield from pages

    def _end_comment_readers(self, refused: AirtableError) -> None:
        error = refused
        if isinstance(refused, AccessDeniedError):
            error = MissingScopeError(**{**refused.facts, "scope": COMMENTS_SCOPE})
        error.add_facts(base_name=self.table.base_name, table_name=self.table.table_name)
        for reader in list(self._readers):
            if reader.fields.comment_count:
                self._end(reader, error)

    def _deliver(self, answer: RecordPage, permit: Permit) -> None:
        """Have each reader make its rows of a page's new records, and put them on the queue."""
        is_new = self._emitted.add
        new = [record for record in answer["records"] if is_new(record["id"])]
        answered_at = answer.get("answered_at")
        start, made = 0, 0
        while start < len(new) or start == 0:
            piece = new[start : start + self._piece_records]
            start += max(1, len(piece))
            rows = self._rows_of(Page(piece, answered_at))
            count = sum(len(own) for _, own in rows)
            made += count
            is_last = start >= len(new)
            if is_last:
                permit.pass_on()
            self._queue.put(PageRows(rows, permit if is_last else None))
            self._piece_records = max(1, ROWS_OF_ONE_ITEM * len(piece) // max(1, count))
        # Pages of a table are much alike, and only a fetched one tells how large they are.
        self._places = max(places_of(answer.get("size_bytes", 0)), 1 + made // ROWS_OF_ONE_ITEM)

    def _rows_of(self, page: Page) -> list[tuple[str, list[Row]]]:
        """Give the rows by stream; a reader's own failure ends that reader alone."""
        rows: list[tuple[str, list[Row]]] = []
        for reader in list(self._readers):
            try:
                rows.append((reader.stream_name, reader.rows(page)))
            except Exception as failure:  # noqa: BLE001, PERF203 - the other streams go on
                self._end(reader, failure)
        return rows

    def _finish(self, reader: Reader) -> None:
        """Put what comes behind the last page on the queue, then the reader's end."""
        failure: Exception | None = None
        try:
            for rows in reader.finish(self):
                for start in range(0, len(rows), ROWS_OF_ONE_ITEM):
                    permit = self._queue.acquire()
                    piece = rows[start : start + ROWS_OF_ONE_ITEM]
                    self._queue.put(PageRows([(reader.stream_name, piece)], permit))
        except SyncAbandonedError:
            raise
        except AccessDeniedError as denied:
            failure = explain_denial(self._client, self.table, denied)
        except Exception as error:  # noqa: BLE001 - the other readers go on
            failure = error
        self._end(reader, failure)

    def _end(self, reader: Reader, failure: Exception | None = None) -> None:
        state = None
        try:
            state = reader.state() if failure is None else reader.state_after_failure()
        except Exception as error:  # noqa: BLE001 - the other readers go on
            failure = failure or error
        self._readers.remove(reader)
        self._queue.put(ReaderFinished(reader.stream_name, self.table.key, state, failure))

    @property
    def can_resume(self) -> bool:
        """Whether the next sync can go on with the parts that this one does not read."""
        return any(reader.can_resume for reader in self._readers)

    @property
    def label(self) -> str:
        """The stream that the log names: the first one, a table's own where that is read."""
        return self._readers[0].label if self._readers else f"of table {self.table.table_name}"

    def _query(self, formula: str | None) -> RecordQuery:
        """Ask for the fields that the readers need together."""
        wanted: dict[FieldId, None] = {}
        wants_all = wants_counts = are_named = False
        for reader in self._readers:
            fields: Fields = reader.fields
            wants_all = wants_all or not fields.ids
            wants_counts = wants_counts or fields.comment_count
            are_named = are_named or fields.are_named
            wanted |= dict.fromkeys(fields.ids)
        if len(wanted) == len(self.table.fields):
            wants_all = not are_named
        query = RecordQuery(
            *self.table.key,
            () if wants_all else tuple(wanted),
            formula,
            with_comment_counts=wants_counts,
        )
        return self.table.filter.apply(query)

    def _list_ids(self) -> RecordIdSet:
        found = RecordIdSet()
        for record in self._iter_primary_cells():
            found.add(record["id"])
        return found

    def _iter_primary_cells(self) -> Iterator[RecordDict]:
        primary = self.table.primary_field_id
        query = self.table.filter.apply(RecordQuery(*self.table.key, (primary,) if primary else ()))
        for page in self._client.iter_record_pages(query):
            self._queue.sleep(0)  # raises once the sync is abandoned
            yield from page["records"]

    def _pick_records(self, record_ids: frozenset[str], formula: str | None) -> Page:
        """Read records by their ids, among all of them where Airtable refuses a filter."""
        found: dict[str, RecordDict] = {}
        answered_at = None
        for answer in self._client.iter_record_pages(self._query(formula)):
            self._queue.sleep(0)  # raises once the sync is abandoned
            found |= {one["id"]: one for one in answer["records"] if one["id"] in record_ids}
            answered_at = answer.get("answered_at")
        return Page(list(found.values()), answered_at)

    def _with_restarts(self, read: Callable[[], _Result]) -> _Result:
        attempt = 0
        while True:
            table = self.table
            try:
                return read()
            except AirtableError as failure:
                attempt += 1
                self._prepare_restart(failure, attempt, table)

    def _prepare_restart(self, failure: AirtableError, attempt: int, asked: TableSchema) -> None:
        """Prepare for another pass over the table; raises what ends the scan, explained."""
        try:
            raise_for_refusal(self._client, self.table, failure)
            if isinstance(failure, OffsetExpiredError):
                self._wait_for_new_list(failure, attempt)
            elif isinstance(failure, SchemaChangedError):
                self._follow_schema(failure, attempt, asked)
            else:
                raise failure
        except AccessDeniedError as denied:
            raise explain_denial(self._client, self.table, denied) from None
        except AirtableError as error:
            error.add_facts(base_name=self.table.base_name, table_name=self.table.table_name)
            raise
        self._restarts += 1

    def _wait_for_new_list(self, expired: OffsetExpiredError, attempt: int) -> None:
        if attempt > MOST_RESTARTS:
            expired.add_facts(restarts=MOST_RESTARTS)
            raise expired
        wait = FIRST_RESTART_WAIT_SECONDS * 2 ** (attempt - 1)
        LOGGER.warning(
            "Stream %s: Airtable forgot the list of records after %d of them. The scan starts "
            "again in %.0f s, and emits no record twice (restart %d of %d).",
            self.label,
            len(self._emitted),
            wait,
            attempt,
            MOST_RESTARTS,
        )
        self._queue.sleep(wait)

    def _follow_schema(self, changed: SchemaChangedError, attempt: int, asked: TableSchema) -> None:
        """Go on with the table's present fields; raises where they are unchanged."""
        with self._lock:
            if self.table is not asked:
                return  # another thread has met the same change
            table = present_table(self._client, self.table)
            if table is None or table.fields == self.table.fields or attempt > MOST_RESTARTS:
                raise changed
            LOGGER.warning(
                "Stream %s: fields were deleted while the sync was running; their columns are null "
                "from here on.",
                self.label,
            )
            self.table = table
            for reader in self._readers:
                reader.follow(table)
