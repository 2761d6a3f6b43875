"""A stream's share in a table's scan when it reads only what changed.

It says from which moment on changes are needed, knows afterwards what is gone, and gives the state
to go on from.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.types import Record

from source_airtable.schema.digest import digest_columns
from source_airtable.schema.volatility import why_volatile
from source_airtable.streams.deletions import DeletionTracker
from source_airtable.streams.scan_plan import ScanPlan, TableFacts, plan_scan
from source_airtable.streams.sync_state import SyncState, to_utc_text
from source_airtable.streams.table_share import RecordShare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from source_airtable.api.wire_types import RecordDict
    from source_airtable.config import IncrementalSettings
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_share import Converter, WholeScan

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_RECENT_RECORDS = 10_000
"""Records of the look-back up to which the method created_time remembers not to repeat them."""


class IncrementalShare(RecordShare):
    """The share of a stream that emits what changed in a table since its saved state."""

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        build_converter: Callable[[TableSchema], Converter],
        settings: IncrementalSettings,
        saved: Mapping[str, Any],
    ) -> None:
        super().__init__(stream_name, table, build_converter)
        self.method = settings.method
        self._settings = settings
        self._saved = saved
        self._now: datetime | None = None
        self._plan = ScanPlan(None, None)
        self._digest = ""
        self._only: frozenset[str] | None = None
        """The records to be emitted from here on, where that is not all of them."""
        self._withheld: set[str] = set()
        """The records that the scan brought for other streams alone; kept where ids are tracked."""
        self._recent_ids: set[str] = set()
        self._recent_from: str | None = None
        """The time of creation from which on the next window will pick a record again."""
        self._deletions = DeletionTracker(self.converter, stream_name, settings, None)
        self._created_after: str | None = None
        """The time of creation after which records are emitted, where the scan brings others."""
        self._scan: WholeScan | None = None
        """The scan, when it is over."""

    def begin(self, now: datetime | None) -> datetime | None:
        """Plan the scan from the saved state."""
        super().begin(now)
        self._now = now
        columns = self.converter.columns
        self._digest = digest_columns(
            self.table,
            ((column.name, column.field["id"], column.json_schema) for column in columns),
        )
        volatile = why_volatile(self.table, (column.field["id"] for column in columns))
        facts = TableFacts(self.told_name, self._digest, volatile, now)
        self._plan = plan_scan(self._saved, facts, self._settings)
        self._deletions = DeletionTracker(
            self.converter, self.told_name, self._settings, self._plan.state
        )
        self._deletions.warn_where_off()
        self.tracks_ids = self._deletions.is_on
        as_of = self._as_of
        self.as_of = None if as_of is None else to_utc_text(as_of)
        if self._settings.method == "created_time" and as_of is not None:
            lookback = timedelta(minutes=self._settings.lookback_minutes)
            self._recent_from = to_utc_text(as_of - lookback)
        return self._plan.since

    def widen(self) -> None:
        """Leave out by ourselves what the filter would, where the time of creation tells."""
        if self._settings.method == "created_time" and self._plan.since is not None:
            self._created_after = to_utc_text(self._plan.since)

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Convert the records that the stream is to be given, of those that the scan brings."""
        return super().rows_of([record for record in records if self._takes(record)])

    def find_unknown(self, scan: WholeScan) -> frozenset[str]:
        """Compare the ids that the destination has with those in the table, where it is time to."""
        self._scan = scan
        if self._now is None or self._as_of is None:
            return frozenset()
        self._only = self._deletions.find_unknown(scan, self._emitted(), self._as_of)
        return self._only

    def finish(self, scan: WholeScan) -> Iterator[Record]:
        """Emit a tombstone for each record that is gone."""
        if self._now is not None and self._as_of is not None:
            for data in self._deletions.iter_tombstones(self._emitted(), self._as_of):
                yield Record(data, self.stream_name)
        yield from super().finish(scan)

    def new_state(self) -> dict[str, Any] | None:
        """Give the state to go on from after a complete scan.

        Without a usable `Date` the saved one does not move, but for the ids of what was emitted;
        None where there is none either.
        """
        saved, as_of = self._plan.state, self._as_of
        if self._now is None or as_of is None:
            return (
                None if saved is None else self._deletions.extend(saved, self._emitted()).to_json()
            )
        is_full = saved is None or (self._scan is not None and self._scan.was_full)
        state = SyncState(
            method=self._settings.method,
            as_of=as_of,
            last_full_scan=as_of if is_full or saved is None else saved.last_full_scan,
            schema_digest=self._digest,
            last_sweep=self._deletions.last_sweep,
            known_ids=self._deletions.known_ids,
            recent_ids=frozenset(self._recent_ids),
        )
        return state.to_json()

    @property
    def _as_of(self) -> datetime | None:
        """Give the moment that the records are said to be of: it never goes back."""
        return max((one for one in (self._plan.floor, self._now) if one), default=None)

    def _takes(self, record: RecordDict) -> bool:
        """Tell whether a record is for this stream, and remember what the next sync must know."""
        record_id = record["id"]
        is_repeated = self._plan.state is not None and record_id in self._plan.state.recent_ids
        if self._only is not None:
            is_taken = record_id in self._only
        else:
            is_taken = not is_repeated and self._is_in_window(record)
        if is_taken or is_repeated:
            self._note_recent(record)
        elif self.tracks_ids:
            self._withheld.add(record_id)
        return is_taken

    def _is_in_window(self, record: RecordDict) -> bool:
        """Do what the filter would, where the scan brings more; a record nobody knows is taken."""
        if self._created_after is None or str(record.get("createdTime")) > self._created_after:
            return True
        known_ids = self._deletions.known_ids
        return known_ids is not None and record["id"] not in known_ids

    def _note_recent(self, record: RecordDict) -> None:
        """Remember a record that the next window will pick again."""
        is_recent = (
            self._recent_from is not None and str(record.get("createdTime")) >= self._recent_from
        )
        if is_recent and len(self._recent_ids) < MOST_RECENT_RECORDS:
            self._recent_ids.add(record["id"])

    def _emitted(self) -> frozenset[str]:
        """Give the records that the destination has got of this scan, or had of its look-back."""
        return frozenset() if self._scan is None else frozenset(self._scan.emitted) - self._withheld
