"""One incremental sync of a table: what changed, what is gone, and the state to go on from."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.errors import ContractError
from source_airtable.schema.digest import digest_columns
from source_airtable.schema.volatility import why_volatile
from source_airtable.streams.deletions import DeletionTracker
from source_airtable.streams.scan_plan import TableFacts, plan_scan
from source_airtable.streams.sync_state import SyncState, to_utc_text
from source_airtable.streams.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airbyte_cdk.sources.types import Record

    from source_airtable.config import IncrementalSettings
    from source_airtable.streams.scan_plan import ScanPlan
    from source_airtable.streams.table_scan import TableScan

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_RECENT_RECORDS = 10_000
"""Records of the look-back up to which the method created_time remembers not to repeat them."""


class IncrementalScan:
    """Reads what changed in a table since its saved state, or all of it where it must."""

    def __init__(
        self,
        scan: TableScan,
        stream_name: str,
        saved: Mapping[str, Any],
        settings: IncrementalSettings,
        now: datetime | None,
    ) -> None:
        self._scan = scan
        self._stream_name = stream_name
        self._settings = settings
        self._now = now
        """Airtable's clock before the scan's first request, in UTC."""
        columns = scan.converter.columns
        self._digest = digest_columns(
            scan.table,
            ((column.name, column.field["id"], column.json_schema) for column in columns),
        )
        volatile = why_volatile(scan.table, (column.field["id"] for column in columns))
        facts = TableFacts(stream_name, self._digest, volatile, now)
        self._plan: ScanPlan = plan_scan(saved, facts, settings)
        self._recent_ids: set[str] = set()
        self._deletions = DeletionTracker(scan, stream_name, settings, self._plan.state)
        self._was_full = False

    def iter_records(self) -> Iterator[Record]:
        """Emit changed and new records, and then a tombstone for each one that is gone."""
        as_of = self._as_of
        as_of_text = None if as_of is None else to_utc_text(as_of)
        if self._plan.since is not None:
            yield from self._iter_window(self._plan.since, as_of_text)
        else:
            yield from self._iter_whole_table(as_of_text)
        if self._now is not None and as_of is not None:
            yield from self._deletions.iter_changes(as_of, is_full=self._was_full)

    def new_state(self) -> dict[str, Any] | None:
        """Give the state to go on from after a complete scan.

        Without a usable `Date` the saved one does not move, but for the ids of what was emitted;
        None where there is none either.
        """
        saved, as_of = self._plan.state, self._as_of
        if self._now is None or as_of is None:
            return None if saved is None else self._deletions.extend(saved).to_json()
        is_full = self._was_full or saved is None
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

    def _iter_whole_table(self, as_of: str | None) -> Iterator[Record]:
        self._was_full = True
        yield from self._scan.iter_records(
            as_of, look_at=self._note_recent, keep_ids=self._deletions.is_on
        )

    def _iter_window(self, since: datetime, as_of: str | None) -> Iterator[Record]:
        """Emit what the filter picks, or everything where Airtable does not honour it."""
        window = Window(self._settings.method, since, self._scan.table)
        if self._plan.state is not None:
            for record_id in self._plan.state.recent_ids:
                self._scan.emitted.add(record_id)

        def look_at(record: Any) -> None:  # noqa: ANN401 - a record
            self._note_recent(record)
            window.look_at(record)

        try:
            yield from self._scan.iter_records(as_of, window.formula, look_at=look_at)
        except ContractError as refused:
            if refused.facts.get("status") != 422:  # noqa: PLR2004 - the status of a refused filter
                raise
            self._warn_of_filter("Airtable refuses the filter")
            yield from self._iter_whole_table(as_of)
        else:
            if window.is_ignored:
                self._warn_of_filter("Airtable does not honour the filter")
                yield from self._iter_whole_table(as_of)

    def _warn_of_filter(self, reason: str) -> None:
        table = self._scan.table
        LOGGER.warning(
            "Stream %s is read in full: %s for the table %s of base %s.",
            self._stream_name,
            reason,
            table.table_name,
            table.base_name,
        )

    def _note_recent(self, record: Any) -> None:  # noqa: ANN401 - a record
        """Remember a record that the next window will pick again."""
        if self._settings.method != "created_time" or self._as_of is None:
            return
        edge = to_utc_text(self._as_of - timedelta(minutes=self._settings.lookback_minutes))
        if str(record.get("createdTime")) >= edge and len(self._recent_ids) < MOST_RECENT_RECORDS:
            self._recent_ids.add(record["id"])
