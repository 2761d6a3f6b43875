"""Reads the records of one table: all of them, or only what changed since the last sync."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.changes.deletions import DeletionTracker
from source_airtable.changes.moments import to_utc_text
from source_airtable.changes.need import ChangedSince, WholeTable
from source_airtable.changes.parts import TablePart
from source_airtable.changes.plan import Plan, TableFacts, plan_read
from source_airtable.changes.record_ids import RecordIdSet
from source_airtable.changes.state import SyncState, parse_state
from source_airtable.schema.volatility import why_volatile
from source_airtable.streams.stream import Fields, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from source_airtable.changes.need import Need
    from source_airtable.config import IncrementalSettings
    from source_airtable.records import Page, RecordConverter, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import ReaderScan

    CompileTable = Callable[[TableSchema], RecordConverter]

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_RECENT_RECORDS = 250_000
"""Records of the look-back up to which the method `created_time` remembers not to repeat them."""


@dataclass(frozen=True, slots=True)
class IncrementalRequest:
    """How to read what changed of one table, and from where on."""

    settings: IncrementalSettings
    saved_state: Mapping[str, Any]


class RecordReader(Reader):
    """Reads all records of a table."""

    def __init__(
        self, stream_name: str, label: str, table: TableSchema, compile_table: CompileTable
    ) -> None:
        super().__init__(stream_name, table)
        self._label = label
        self._compile = compile_table
        self._names_fields = False
        """Whether a field that vanishes during the scan must be noticed."""
        self.converter = compile_table(table)
        self.as_of: str | None = None
        """The cursor of the rows."""

    @property
    def label(self) -> str:
        """How the log names the stream."""
        return self._label

    @property
    def fields(self) -> Fields:  # type: ignore[override]  # the table's present ones
        """The fields of the configured columns."""
        return Fields(self.converter.field_ids, are_named=self._names_fields)

    def start(self, as_of: datetime | None) -> Need:
        """Read the whole table, and warn of columns whose field is gone."""
        self.as_of = None if as_of is None else to_utc_text(as_of)
        if self.converter.columns_without_field:
            LOGGER.warning(
                "Stream %s: these columns have no field in Airtable any more and are null: %s. "
                "Refresh the connection's schema to drop them.",
                self.label,
                ", ".join(self.converter.columns_without_field),
            )
        return WholeTable()

    def follow(self, table: TableSchema) -> None:
        """Compile the table anew."""
        super().follow(table)
        misfits = self.converter.misfits
        self.converter = self._compile(table)
        self.converter.misfits = misfits

    def rows(self, page: Page) -> list[Row]:
        """Convert a page, one row a record."""
        return self.converter.rows(page, self.as_of)

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:  # noqa: ARG002 - the base class's signature
        """Emit nothing more, and log how many cells did not fit their column."""
        layout = self.converter.layout
        if self.converter.misfits:
            where = (
                f"The column {layout.errors_column} keeps them"
                if layout.keeps_errors
                else f"Select the column {layout.errors_column} to keep them"
            )
            LOGGER.info(
                "Stream %s: %d cells did not fit their column (formula errors, NaN and the like) "
                "and are null there. %s.",
                self.label,
                self.converter.misfits,
                where,
            )
        yield from ()


class IncrementalRecordReader(RecordReader):
    """Reads the records of a table that changed since the saved state."""

    def __init__(
        self,
        stream_name: str,
        label: str,
        table: TableSchema,
        compile_table: CompileTable,
        request: IncrementalRequest,
    ) -> None:
        super().__init__(stream_name, label, table, compile_table)
        # The fingerprint in the state must be that of the fields that were read.
        self._names_fields = True
        self._settings = request.settings
        self._saved = parse_state(request.saved_state)
        self._now: datetime | None = None
        self._plan = Plan(WholeTable(), None)
        self._tells_deletions = self._can_tell_deletions()
        self._deletions = self._track_deletions()
        self._repeated = RecordIdSet()
        """The records of the look-back that the last sync has emitted."""
        self._recent = RecordIdSet()
        """The records that the next sync's look-back will bring again."""
        self._recent_from = ""
        """The time of creation from which on they do; empty, for all, where no moment is known."""
        self._fingerprint = ""
        """What all rows of this read were made of."""
        self._begun_at: datetime | None = None
        """Airtable's clock before this read began, or the one that it goes on with."""
        self._read_parts: tuple[str, ...] = ()
        """The parts of a first read that the next sync does not read again."""
        self._was_whole = False
        self._has_emitted = False

    def start(self, as_of: datetime | None) -> Need:
        """Plan the read from the saved state."""
        self._now = as_of
        columns = self.converter.columns
        volatile = why_volatile(self.table, (column.field["id"] for column in columns))
        self._fingerprint = self.converter.fingerprint()
        facts = TableFacts(self.label, self._fingerprint, volatile, as_of)
        self._plan = plan_read(self._saved, facts, self._settings)
        super().start(self._plan.as_of)
        need, state = self._plan.need, self._saved.state
        self._begun_at = self._plan.begun_at or as_of
        self.can_resume = self._begun_at is not None and self._is_first_read()
        if self._settings.method == "created_time":
            if self._begun_at is not None:
                lookback = timedelta(minutes=self._settings.lookback_minutes)
                self._recent_from = to_utc_text(self._begun_at - lookback)
            if isinstance(need, ChangedSince) and state and state.recent_ids:
                self._repeated = state.recent_ids
        if isinstance(need, TablePart) and state:
            self._read_parts = state.read_parts
            self._recent = state.recent_ids or self._recent
        return need

    def follow(self, table: TableSchema) -> None:
        """Compile the table anew; the next sync reads again what else changed in it."""
        super().follow(table)
        before = set(self._fingerprint.split())
        parts = self.converter.fingerprint().split()
        self._fingerprint = " ".join(part for part in parts if part in before)

    def rows(self, page: Page) -> list[Row]:
        """Convert the records of a page that the last sync has not emitted."""
        if self._settings.method == "created_time":
            page = self._without_repeated(page)
        rows = super().rows(page)
        if self._deletions is not None:
            self._deletions.note_emitted(record["id"] for record in page.records)
        self._has_emitted = self._has_emitted or bool(rows)
        return rows

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Note which parts of a first read the next sync does not have to read."""
        self._read_parts = units if self.can_resume else ()

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """Emit the records that no sync has seen, and a tombstone for each one that is gone."""
        self._was_whole = isinstance(scan.need, WholeTable)
        tracker = self._deletions if self._tells_deletions else None
        if tracker is not None and self._now is not None and self.as_of is not None:
            unseen = tracker.compare(scan, self._now)
            if unseen:
                LOGGER.info(
                    "Stream %s: found %d records that no sync has emitted; reading them.",
                    self.label,
                    len(unseen),
                )
            for page in scan.fetch(unseen):
                yield self.rows(page)
            tombstone, as_of = self.converter.layout.tombstone, self.as_of
            gone = tracker.take_gone()
            yield [tombstone(record_id, as_of) for record_id in gone]
            # One that is restored now has to be emitted again.
            self._recent.discard(gone)
        yield from super().finish(scan)

    def state(self) -> dict[str, Any] | None:
        """Give the state to go on from after a complete read.

        Without a usable `Date`, the saved moments stay; only the cursor and the ids move on.
        """
        saved, now, tracker = self._saved.state, self._begun_at, self._deletions
        if now is None and saved is None:
            return self.state_after_failure()
        known = tracker.known_ids() if tracker else None
        if now is None:
            return replace(
                saved or SyncState(),
                cursor_floor=self._plan.as_of,
                known_ids=known,
                recent_ids=self._recent_with(saved),
                read_parts=(),
            ).to_json()
        if tracker is not None and tracker.is_disputed and self._was_whole:
            self._read_parts = ()
            return self._state_to_read_again()
        is_full = self._was_whole or self._plan.begun_at is not None
        last_full_scan = saved.last_full_scan if saved else None
        state = SyncState(
            method=self._settings.method,
            read_to=now,
            cursor_floor=self._plan.as_of,
            last_full_scan=now if is_full else last_full_scan,
            fingerprint=self._fingerprint,
            last_sweep=tracker.last_sweep if tracker else None,
            known_ids=known,
            untracked_records=tracker.untracked_records if tracker else None,
            recent_ids=self._recent,
        )
        return state.to_json()

    def state_after_failure(self) -> dict[str, Any] | None:
        """Give a state that knows the rows that went out; None where no row did."""
        return self._state_to_read_again() if self._has_emitted else None

    def _state_to_read_again(self) -> dict[str, Any]:
        """Give a state that knows the rows that went out, and lets the next sync read them again.

        The window does not move: `read_to` is the saved one, or absent where the next sync has to
        read the whole table. If other columns were read than before, their fingerprint is dropped,
        since some rows hold them now and some do not.
        """
        saved, tracker = self._saved.state or SyncState(), self._deletions
        fingerprint = saved.fingerprint if saved.fingerprint == self._fingerprint else ""
        begun_at, last_sweep = None, saved.last_sweep
        if self._read_parts:
            # All rows of the parts were made of these columns. What a position in a feed of changes
            # is to a method, it has to be the one of `begun_at`, too.
            fingerprint, begun_at = self._fingerprint, self._begun_at
            # Nothing is missing yet of what was emitted since.
            if tracker is not None:
                last_sweep = last_sweep or begun_at
        known = tracker.known_ids_after_failure() if tracker else saved.known_ids
        return replace(
            saved,
            method=self._settings.method,
            read_to=None if self._plan.is_anew else saved.read_to,
            cursor_floor=self._plan.as_of,
            fingerprint=fingerprint,
            last_sweep=last_sweep,
            known_ids=known,
            untracked_records=tracker.untracked_records if tracker else saved.untracked_records,
            recent_ids=self._recent if self._read_parts else None,
            read_parts=self._read_parts,
            begun_at=begun_at,
        ).to_json()

    def _is_first_read(self) -> bool:
        """Tell whether no state lets a sync read only what changed."""
        saved = self._saved.state
        if isinstance(self._plan.need, TablePart) or self._plan.is_anew or saved is None:
            return True
        return saved.read_to is None

    def _recent_with(self, saved: SyncState | None) -> RecordIdSet:
        """Give the records that the saved state and this sync would repeat."""
        for record_id in (saved and saved.recent_ids) or ():
            self._recent.add(record_id)
        return self._recent

    def _can_tell_deletions(self) -> bool:
        if not self._settings.detect_deletions:
            return False
        if not self.converter.layout.has_tombstones:
            LOGGER.warning(
                "Stream %s: deletions are not detected, because the column _ab_cdc_deleted_at is "
                "not selected; refresh the connection's schema.",
                self.label,
            )
            return False
        return True

    def _track_deletions(self) -> DeletionTracker | None:
        """Go on tracking while deletions are not told: once they are again, none is lost."""
        saved = self._saved.state
        if not self._tells_deletions and (saved is None or saved.known_ids is None):
            return None
        return DeletionTracker(self.label, self._settings, saved)

    def _without_repeated(self, page: Page) -> Page:
        """Leave out what the last sync has emitted, and note what the next one would repeat."""
        taken = []
        for record in page.records:
            record_id = record["id"]
            is_recent = str(record.get("createdTime")) >= self._recent_from
            if is_recent and len(self._recent) < MOST_RECENT_RECORDS:
                self._recent.add(record_id)
            if record_id not in self._repeated:
                taken.append(record)
        if len(taken) == len(page.records):
            return page
        return type(page)(taken, page.answered_at)
