"""How much of a table one incremental sync has to read, and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from source_airtable.schema.digest import has_changed
from source_airtable.streams.sync_state import (
    UnusableStateError,
    parse_state,
    to_utc_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.config import IncrementalSettings
    from source_airtable.streams.sync_state import (
        SyncState,
    )

LOGGER = logging.getLogger("airbyte.source_airtable")

# Airtable's servers may differ by some seconds; a state further ahead than this is of another
# clock.
MOST_CLOCK_SKEW = timedelta(minutes=1)

_BEFORE_AIRTABLE = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a plan is made from, besides the state: the table as it is now."""

    stream_name: str
    schema_digest: str
    why_volatile: str | None
    """The first column that can change by itself, if there is one."""
    now: datetime | None
    """Airtable's clock before the scan, in UTC; None where no answer had a usable `Date`."""


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """Whether a scan reads the whole table or only what changed since a moment."""

    state: SyncState | None
    """The state to go on from; None where the sync begins anew."""
    since: datetime | None
    """The edge of the window, in UTC; None for a scan of the whole table."""
    abandoned_as_of: datetime | None = None
    """The cursor of a saved state that the sync does not go on from, in UTC."""

    @property
    def floor(self) -> datetime | None:
        """The moment behind which the cursor must not go, also where the sync begins anew.

        A destination keeps the record with the greatest cursor.
        """
        return self.state.as_of if self.state else self.abandoned_as_of


def plan_scan(
    saved: Mapping[str, Any], facts: TableFacts, settings: IncrementalSettings
) -> ScanPlan:
    """Decide what to read, and log why where that is the whole table."""
    state: SyncState | None = None
    try:
        state = parse_state(saved)
        if state is not None:
            _refuse_foreign_state(state, facts, settings)
    except UnusableStateError as unusable:
        LOGGER.warning("Stream %s is read in full: %s.", facts.stream_name, unusable)
        return ScanPlan(None, None, state.as_of if state else None)
    reason = "there is no saved state" if state is None else _why_full(state, facts, settings)
    if state is None or reason:
        LOGGER.info("Stream %s is read in full: %s.", facts.stream_name, reason)
        return ScanPlan(state, None)
    since = _edge_of_window(state, settings)
    LOGGER.info("Stream %s: reading what changed after %s.", facts.stream_name, to_utc_text(since))
    return ScanPlan(state, since)


def _edge_of_window(state: SyncState, settings: IncrementalSettings) -> datetime:
    """Give the moment after which changes are read."""
    try:
        return state.as_of - timedelta(minutes=settings.lookback_minutes)
    except OverflowError:
        return _BEFORE_AIRTABLE


def _refuse_foreign_state(
    state: SyncState, facts: TableFacts, settings: IncrementalSettings
) -> None:
    if state.method != settings.method:
        raise UnusableStateError(f"the saved state is of the method {state.method}")
    if facts.now is not None and state.as_of > facts.now + MOST_CLOCK_SKEW:
        raise UnusableStateError("the saved state is from the future")


def _why_full(state: SyncState, facts: TableFacts, settings: IncrementalSettings) -> str | None:
    if has_changed(state.schema_digest, facts.schema_digest):
        return "fields were added, selected or changed since the last sync"
    every = settings.full_rescan_hours
    if (
        settings.method == "last_modified"
        and facts.why_volatile
        and every
        and facts.now is not None
        and facts.now - state.last_full_scan >= timedelta(hours=every)
    ):
        return (
            f"{every:g} hours have passed, and cells can change without their record being edited, "
            f"as in {facts.why_volatile}"
        )
    return None
