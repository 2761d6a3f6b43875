"""Deletions, found by comparing the ids that the destination has with those in the table.

Airtable says nothing of a record that is gone. A state can hold the ids of what was emitted; a
sweep lists the ids that are there, and what is missing gets a tombstone. Only one uninterrupted
pass over the whole table may say that a record is gone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airbyte_cdk.sources.types import Record

from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.window import with_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from source_airtable.config import IncrementalSettings
    from source_airtable.streams.sync_state import SyncState
    from source_airtable.streams.table_scan import TableScan

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_TRACKED_RECORDS = 50_000
"""Records of a table up to which their ids are kept: about 550 kB of state."""
RECORD_IDS_PER_CALL = 100


class DeletionTracker:
    """Knows which records the destination has, and finds out which of them are gone."""

    def __init__(
        self,
        scan: TableScan,
        stream_name: str,
        settings: IncrementalSettings,
        saved: SyncState | None,
    ) -> None:
        self._scan = scan
        self._stream_name = stream_name
        self._every = timedelta(hours=settings.deletion_sweep_hours)
        self.is_on = settings.detect_deletions and scan.converter.has_tombstones
        self.known_ids = saved.known_ids if self.is_on and saved else None
        """The records that the destination has; None where that is not tracked."""
        self.last_sweep = saved.last_sweep if self.is_on and saved else None
        if settings.detect_deletions and not self.is_on:
            LOGGER.warning(
                "Stream %s: deletions are not detected, because the column _ab_cdc_deleted_at is "
                "not selected; refresh the connection's schema.",
                stream_name,
            )

    def iter_changes(self, as_of: datetime, *, is_full: bool) -> Iterator[Record]:
        """Emit tombstones, and records that turned up without having changed.

        Comes after the scan. A scan of the whole table is a sweep as well; else there is one when
        it is due, which asks for one field only.
        """
        if not self.is_on:
            return
        present: set[str] | None = None
        if is_full and self._scan.last_pass is not None:
            present = set(self._scan.last_pass)
        elif self._is_due(as_of):
            LOGGER.info("Stream %s: looking for deleted records.", self._stream_name)
            present = set(self._scan.list_ids())
        if present is not None:
            yield from self._compare(present, as_of)
            self.last_sweep = as_of
        elif self.known_ids is not None:
            self.known_ids |= frozenset(self._scan.emitted)
        self._keep_within_bounds()

    def extend(self, saved: SyncState) -> SyncState:
        """Give a saved state that also knows the records of this sync, where it knows any."""
        if not self.is_on or saved.known_ids is None:
            return saved
        return replace(saved, known_ids=saved.known_ids | frozenset(self._scan.emitted))

    def _is_due(self, as_of: datetime) -> bool:
        return self.last_sweep is None or as_of - self.last_sweep >= self._every

    def _compare(self, present: set[str], as_of: datetime) -> Iterator[Record]:
        emitted = set(self._scan.emitted)
        known = self.known_ids
        if known is None:
            # Nothing is known of earlier syncs, so that only what this one emitted can be gone.
            gone = emitted - present
            self.known_ids = frozenset(present)
        else:
            gone = {*known, *emitted} - present
            yield from self._iter_unknown(sorted(present - known - emitted), as_of)
            self.known_ids = frozenset({*known, *self._scan.emitted} - gone)
        yield from self._iter_tombstones(sorted(gone), as_of)

    def _iter_unknown(self, record_ids: list[str], as_of: datetime) -> Iterator[Record]:
        """Emit records that came without being created or edited: restored, imported, synced."""
        if record_ids:
            LOGGER.info(
                "Stream %s: %d records are there that no sync has seen; reading them.",
                self._stream_name,
                len(record_ids),
            )
        for start in range(0, len(record_ids), RECORD_IDS_PER_CALL):
            formula = with_ids(record_ids[start : start + RECORD_IDS_PER_CALL])
            yield from self._scan.iter_records(to_utc_text(as_of), formula)

    def _iter_tombstones(self, record_ids: Iterable[str], as_of: datetime) -> Iterator[Record]:
        count = 0
        for record_id in record_ids:
            count += 1
            data = self._scan.converter.to_tombstone(record_id, to_utc_text(as_of))
            yield Record(data, self._stream_name)
        if count:
            LOGGER.info("Stream %s: %d records are deleted.", self._stream_name, count)

    def _keep_within_bounds(self) -> None:
        if self.known_ids is not None and len(self.known_ids) > MOST_TRACKED_RECORDS:
            LOGGER.warning(
                "Stream %s: deletions are not tracked, because the table has %d records and the "
                "state holds the ids of at most %d.",
                self._stream_name,
                len(self.known_ids),
                MOST_TRACKED_RECORDS,
            )
            self.known_ids = None
