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

from source_airtable.streams.sync_state import to_utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from source_airtable.config import IncrementalSettings
    from source_airtable.records import RecordData
    from source_airtable.streams.sync_state import SyncState
    from source_airtable.streams.table_share import Converter, WholeScan

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_TRACKED_RECORDS = 50_000
"""Records of a table up to which their ids are kept: about 550 kB of state."""


class DeletionTracker:
    """Knows which records the destination has, and finds out which of them are gone."""

    def __init__(
        self,
        converter: Converter,
        stream_name: str,
        settings: IncrementalSettings,
        saved: SyncState | None,
    ) -> None:
        self._converter = converter
        self._stream_name = stream_name
        self._settings = settings
        self._every = timedelta(hours=settings.deletion_sweep_hours)
        self.is_on = settings.detect_deletions and converter.has_tombstones
        self.known_ids = saved.known_ids if self.is_on and saved else None
        """The records that the destination has; None where that is not tracked."""
        self.last_sweep = saved.last_sweep if self.is_on and saved else None
        self._gone: frozenset[str] = frozenset()

    def warn_where_off(self) -> None:
        """Warn of deletions that the settings want detected, and the columns do not allow."""
        if self._settings.detect_deletions and not self.is_on:
            LOGGER.warning(
                "Stream %s: deletions are not detected, because the column _ab_cdc_deleted_at is "
                "not selected; refresh the connection's schema.",
                self._stream_name,
            )

    def find_unknown(
        self, scan: WholeScan, emitted: frozenset[str], as_of: datetime
    ) -> frozenset[str]:
        """Compare ids where it is time to, and name the records that turned up without a change.

        Comes after the scan. A scan of the whole table is a sweep as well; else there is one when
        it is due, which asks for one field only.
        """
        present: frozenset[str] | None = None
        if not self.is_on:
            return frozenset()
        if scan.was_full and scan.last_pass is not None:
            present = frozenset(scan.last_pass)
        elif self._is_due(as_of):
            LOGGER.info("Stream %s: looking for deleted records.", self._stream_name)
            present = frozenset(scan.list_ids())
        if present is None:
            return frozenset()
        self.last_sweep = as_of
        if self.known_ids is None:
            # Nothing is known of earlier syncs, so that only what this one emitted can be gone.
            self._gone = emitted - present
            self.known_ids = present
            return frozenset()
        self._gone = (self.known_ids | emitted) - present
        return present - self.known_ids - emitted

    def iter_tombstones(self, emitted: frozenset[str], as_of: datetime) -> Iterator[RecordData]:
        """Give a tombstone for each record that was found to be gone.

        Comes when the records that turned up are emitted: they are known from then on.
        """
        if not self.is_on:
            return
        if self.known_ids is not None:
            self.known_ids = (self.known_ids | emitted) - self._gone
        for record_id in sorted(self._gone):
            yield self._converter.to_tombstone(record_id, to_utc_text(as_of))
        if self._gone:
            LOGGER.info("Stream %s: %d records are deleted.", self._stream_name, len(self._gone))
        self._keep_within_bounds()

    def extend(self, saved: SyncState, emitted: frozenset[str]) -> SyncState:
        """Give a saved state that also knows the records of this sync, where it knows any."""
        if not self.is_on or saved.known_ids is None:
            return saved
        return replace(saved, known_ids=saved.known_ids | emitted)

    def _is_due(self, as_of: datetime) -> bool:
        return self.last_sweep is None or as_of - self.last_sweep >= self._every

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
