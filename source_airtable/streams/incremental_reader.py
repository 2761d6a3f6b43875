"""Reads the records of one table that changed since the last sync, and tells what is gone."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.changes.deletions import UNCONFIRMED_DELETIONS, DeletionTracker
from source_airtable.changes.moments import to_utc_text
from source_airtable.changes.need import ChangedSince, WholeTable
from source_airtable.changes.parts import TablePart
from source_airtable.changes.plan import Plan, TableFacts, WebhookFacts, plan_read
from source_airtable.changes.record_ids import RecordIdSet
from source_airtable.changes.state import SyncState, parse_state
from source_airtable.config import IncrementalSettings
from source_airtable.schema.table_filter import NO_FILTER
from source_airtable.schema.volatility import why_clock_driven, why_filter_volatile, why_volatile
from source_airtable.streams.record_reader import RecordReader
from source_airtable.streams.webhook_facts import ask_webhook, deletions_unknown_since

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from source_airtable.changes.need import Need
    from source_airtable.changes.webhook_position import WebhookPosition
    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.record_reader import CompileTable
    from source_airtable.streams.stream import ReaderScan, ReadRequest

LOGGER = logging.getLogger("airbyte.source_airtable")

SECOND_LOOK_SECONDS = 2.0
"""The pause before a record that a webhook names, and that is not there, is looked up again."""

MOST_RECENT_RECORDS = 250_000
"""Records of the look-back up to which the method `created_time` remembers not to repeat them."""


class IncrementalRecordReader(RecordReader):
    """Reads the records of a table that changed since the saved state."""

    def __init__(
        self,
        stream_name: str,
        label: str,
        table: TableSchema,
        compile_table: CompileTable,
        request: ReadRequest,
    ) -> None:
        super().__init__(stream_name, label, table, compile_table)
        # The fingerprint in the state must be that of the fields that were read.
        self._names_fields = True
        self._settings = request.incremental or IncrementalSettings()
        self._saved = parse_state(request.saved_state)
        self._shared_webhook = request.webhooks.get(table.base_id)
        self._webhook: WebhookFacts | None = None
        """What the webhook says of the table; None where none is read."""
        self._now: datetime | None = None
        self._plan = Plan(WholeTable(), None)
        self._tells_deletions = False
        self._deletions: DeletionTracker | None = None
        self._unread: set[str] = set()
        """Records that the webhook names as changed, and that no page had so far."""
        self._destroyed: set[str] = set()
        """Records that the webhook names as deleted, and that no page had so far."""
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
        self._is_disputed = False
        """Whether Airtable did not give records that are there."""
        self._was_whole = False
        self._has_emitted = False
        self._read_records = 0

    def start(self, as_of: datetime | None) -> Need:
        """Plan the read from the saved state, and from what the base's webhook says."""
        self._now = as_of
        self._webhook = ask_webhook(self._shared_webhook, self._saved.state, self.converter, as_of)
        if self._webhook is None and self._settings.method == "webhooks":
            self._settings = self._settings.model_copy(update={"method": "last_modified"})
        self._tells_deletions = self._can_tell_deletions()
        self._deletions = self._track_deletions()
        self._fingerprint = self.converter.fingerprint()
        facts = TableFacts(
            self.label,
            self._fingerprint,
            self._why_volatile(),
            as_of,
            self._webhook,
            why_filter_volatile(self.table),
        )
        self._plan = plan_read(self._saved, facts, self._settings)
        super().start(self._plan.as_of)
        self._warn_of_unknown_leavers()
        need, state = self._plan.need, self._saved.state
        self._begun_at = self._plan.begun_at or as_of
        # With another filter, known records have to be compared with a whole list first.
        is_comparable = self._begun_at is not None and not self._plan.has_other_filter
        self.can_resume = is_comparable and self._is_first_read()
        if self._webhook is not None and not isinstance(need, TablePart):
            self._destroyed = set(self._webhook.changes.destroyed)
            self._unread = set(self._webhook.changes.changed)
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
        ids = [record["id"] for record in page.records]
        if self._deletions is not None:
            self._deletions.note_emitted(ids)
        self._unread.difference_update(ids)
        # A record that was deleted and is there again was restored.
        self._destroyed.difference_update(ids)
        self._has_emitted = self._has_emitted or bool(rows)
        self._read_records += len(ids)
        return rows

    def note_read_parts(self, units: tuple[str, ...]) -> None:
        """Note which parts of a first read the next sync does not have to read."""
        self._read_parts = units if self.can_resume else ()

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """Emit the records that no sync has seen, and a tombstone for each one that is gone."""
        self._was_whole = isinstance(scan.need, WholeTable)
        if self._unread:
            yield from self._look_again(scan)
        tracker = self._deletions if self._tells_deletions and not self._is_disputed else None
        if tracker is not None and self._now is not None and self.as_of is not None:
            tracker.note_destroyed(self._possibly_known(self._destroyed))
            unseen = tracker.compare(scan, self._now, is_due=self._plan.has_other_filter)
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
            self._has_emitted = self._has_emitted or bool(gone)
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
        if self._is_disputed or (tracker is not None and tracker.is_disputed and self._was_whole):
            self._read_parts = ()
            return self._state_to_read_again()
        saved = saved or SyncState()
        # The next sync may have to do without the webhook: then it reads from this moment on.
        position = self._next_position()
        read_to = min(now, position.read_at) if self._webhook and position else now
        if tracker is not None and self._tells_deletions and self._webhook and position:
            tracker.note_known_to(position.read_at)
        is_full = self._was_whole or self._plan.begun_at is not None
        state = SyncState(
            method=self._settings.method,
            read_to=read_to,
            cursor_floor=self._plan.as_of,
            last_full_scan=now if is_full else saved.last_full_scan,
            fingerprint=self._fingerprint,
            last_sweep=tracker.last_sweep if tracker else self._last_sweep_of(saved),
            known_ids=known,
            untracked_records=(tracker or saved).untracked_records,
            recent_ids=self._recent,
            webhook=position,
            scanned_records=self._scanned_records(saved),
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
            # All rows of the parts were made of these columns.
            fingerprint, begun_at = self._fingerprint, self._begun_at
            # Without an earlier comparison, only what was emitted since the beginning counts.
            if tracker is not None and not tracker.has_missed_some:
                last_sweep = last_sweep or begun_at
        known, untracked = saved.known_ids, saved.untracked_records
        if tracker is not None:
            known, untracked = tracker.known_ids_so_far()
        return replace(
            saved,
            method=self._settings.method,
            read_to=None if self._plan.is_anew else saved.read_to,
            cursor_floor=self._plan.as_of,
            fingerprint=fingerprint,
            last_sweep=last_sweep,
            known_ids=known,
            untracked_records=untracked,
            recent_ids=self._recent if self._read_parts else None,
            read_parts=self._read_parts,
            begun_at=begun_at,
            webhook=self._oldest_position(),
        ).to_json()

    def _next_position(self) -> WebhookPosition | None:
        """Give where the webhook is read next time; a sync that does without one keeps the place.

        A resumed read does not read the webhook's changes, so the position stays.
        """
        if self._webhook is None or self._plan.begun_at is not None:
            return self._saved.state.webhook if self._saved.state else None
        return self._webhook.position

    def _oldest_position(self) -> WebhookPosition | None:
        """Give where the webhook has to be read again, since not all of this read is emitted."""
        saved = self._saved.state.webhook if self._saved.state else None
        if self._webhook is None or (saved is not None and not self._webhook.why_unknown):
            return saved
        return self._webhook.position

    def _scanned_records(self, saved: SyncState) -> int | None:
        if self._webhook is None or not self._was_whole:
            return saved.scanned_records
        return self._read_records

    @staticmethod
    def _last_sweep_of(saved: SyncState) -> datetime | None:
        """Keep up to when deletions are known, where nobody asks for them for a while."""
        return saved.last_sweep if saved.untracked_records is not None else None

    def _why_volatile(self) -> str | None:
        """Name a column whose cells can change without the method's noticing."""
        columns = [column.field["id"] for column in self.converter.all_columns]
        if self._webhook is None or not self._settings.webhooks_report_computed_cells:
            return why_volatile(self.table, columns)
        # A linked record's new name changes no cell of the records that link to it.
        names = [column.field["id"] for column in self.converter.names.columns]
        return why_clock_driven(self.table, columns) or why_volatile(self.table, names)

    def _look_again(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """Read again the records that the webhook names and that were not found.

        Airtable may not show a new record at once. What is missing again was deleted, or has left
        the table's filter. Where that are many, a list of all ids has to confirm it.
        """
        scan.sleep(SECOND_LOOK_SECONDS)
        for page in scan.fetch(sorted(self._unread)):
            if self._deletions is not None:
                self._deletions.note_found(record["id"] for record in page.records)
            yield self.rows(page)
        missing = self._possibly_known(self._unread)
        if len(missing) > UNCONFIRMED_DELETIONS:
            listed = scan.list_ids()
            if any(one in listed for one in missing):
                self._is_disputed = True
                LOGGER.warning(
                    "Stream %s: %d records that the webhook names were not found, and some of them "
                    "are in the list of all records. No record counts as deleted in this sync, and "
                    "the next one reads them again.",
                    self.label,
                    len(missing),
                )
                return
        self._destroyed |= missing

    def _possibly_known(self, record_ids: set[str]) -> set[str]:
        """Leave out records that never were in the table's filter, as far as that is known."""
        tracker = self._deletions
        if tracker is None or self.table.filter == NO_FILTER:
            return set(record_ids)
        return {one for one in record_ids if tracker.may_know(one)}

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
        saved, webhook = self._saved.state, self._webhook
        if not self._tells_deletions and (saved is None or saved.known_ids is None):
            return None
        tracker = DeletionTracker(self.label, self._settings, saved)
        if webhook is None or saved is None:
            return tracker
        tracker.has_missed_some = webhook.why_unknown is not None
        since = deletions_unknown_since(saved, webhook)
        if self._tells_deletions and saved.known_ids is None and since is not None:
            LOGGER.warning(
                "Stream %s: records that were deleted between %s and %s stay in the destination, "
                "because no webhook was read for the stream in that time, and the state does not "
                "hold the ids of the table's records. Clear the stream in Airbyte to remove them.",
                self.label,
                to_utc_text(since),
                to_utc_text(webhook.position.read_at),
            )
        return tracker

    def _warn_of_unknown_leavers(self) -> None:
        """Warn where nobody knows which records another filter leaves out."""
        state = self._saved.state
        if not self._plan.has_other_filter or not self._tells_deletions:
            return
        if state is not None and state.known_ids is None:
            LOGGER.warning(
                "Stream %s: records that the table's filter leaves out now stay in the "
                "destination, because the state does not hold the ids of the table's records. "
                "Clear the stream in Airbyte to remove them.",
                self.label,
            )

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


def build_record_reader(
    stream_name: str,
    label: str,
    table: TableSchema,
    compile_table: CompileTable,
    request: ReadRequest,
) -> RecordReader:
    """Build what reads a table as Airbyte asks for it; the request's state is that of the table."""
    if request.incremental is None:
        return RecordReader(stream_name, label, table, compile_table)
    return IncrementalRecordReader(stream_name, label, table, compile_table, request)
