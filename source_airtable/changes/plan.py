"""The plan of one incremental read: what has to be read of a table, and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from source_airtable.changes.moments import MOST_CLOCK_SKEW, TICK, is_over, to_utc_text
from source_airtable.changes.need import (
    RECORD_IDS_PER_CALL,
    ChangedSince,
    RecordIds,
    WholeTable,
)
from source_airtable.changes.parts import TablePart, join_units
from source_airtable.schema.fingerprint import has_changed, has_filter_changed

if TYPE_CHECKING:
    from source_airtable.changes.need import Need
    from source_airtable.changes.payloads import TableChanges
    from source_airtable.changes.state import SavedState, SyncState
    from source_airtable.changes.webhook_position import WebhookPosition
    from source_airtable.config import IncrementalSettings

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_NAMED_RECORDS = 10_000
"""Records that a webhook may name before the table is read in full."""

_BEFORE_AIRTABLE = datetime(2000, 1, 1, tzinfo=timezone.utc)

# Both read all edits, so each goes on from a state of the other.
_METHODS_OF_EDITS = frozenset({"last_modified", "webhooks"})


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """What the base's webhook says of the table."""

    position: WebhookPosition
    """Where the next sync goes on."""
    changes: TableChanges
    """What changed since the saved state, where that is known."""
    why_unknown: str | None = None
    """Why it is not known what changed; None where it is."""
    has_changed_columns: bool = False
    """Whether a field that the stream reads was created, deleted or changed."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The table as it is now, besides its saved state."""

    label: str
    """How the log names the stream."""
    fingerprint: str
    why_volatile: str | None
    """The first column whose cells can change without an edit, if there is one."""
    now: datetime | None
    """Airtable's clock before the scan, in UTC; None where no answer had a usable `Date`."""
    webhook: WebhookFacts | None = None
    """None where no webhook is read."""
    why_filter_volatile: str | None = None
    """Why records can enter the table's filter without an edit, if they can."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read, and the cursor of what is emitted."""

    need: Need
    as_of: datetime | None
    """The cursor of every row and tombstone, in UTC; above all that any sync emitted before."""
    is_anew: bool = False
    """Whether the sync cannot use the saved state."""
    has_other_filter: bool = False
    """Whether the saved state comes from another filter, so that known records may have left."""
    begun_at: datetime | None = None
    """Airtable's clock before the first read of the table began, where it goes on with this one."""


def plan_read(saved: SavedState, facts: TableFacts, settings: IncrementalSettings) -> Plan:
    """Decide what to read, and log why where that is the whole table."""
    state = saved.state
    as_of = cursor_above(state.cursor_floor if state else None, facts.now)
    problem = saved.problem or (state and _why_unusable(state, facts, settings))
    if problem:
        LOGGER.warning("Stream %s is read in full: %s.", facts.label, problem)
        return Plan(WholeTable(), as_of, is_anew=True)
    if state is None:
        LOGGER.info("Stream %s is read in full: there is no saved state.", facts.label)
        return Plan(WholeTable(), as_of)
    edge = _edge_of_window(state, settings)
    rest = _missing_part(state, facts)
    if rest is not None:
        LOGGER.info(
            "Stream %s: going on with the parts of the table that the last sync did not read.",
            facts.label,
        )
        return Plan(rest, as_of, begun_at=state.begun_at)
    reason = _why_full(state, facts, settings)
    if reason or edge is None:
        LOGGER.info("Stream %s is read in full: %s.", facts.label, reason)
        has_other_filter = has_filter_changed(state.fingerprint, facts.fingerprint)
        return Plan(WholeTable(), as_of, has_other_filter=has_other_filter)
    if facts.webhook is not None:
        changed = facts.webhook.changes.changed
        LOGGER.info("Stream %s: the webhook names %d changed records.", facts.label, len(changed))
        return Plan(RecordIds(changed), as_of)
    LOGGER.info("Stream %s: reading what changed after %s.", facts.label, to_utc_text(edge))
    return Plan(ChangedSince(settings.method, edge), as_of)


def cursor_above(floor: datetime | None, now: datetime | None) -> datetime | None:
    """Give the cursor of this sync's rows: the present, but above all that was emitted before.

    A destination that deduplicates keeps the row with the greatest cursor.
    """
    if floor is None:
        return now
    try:
        above = floor + TICK
    except OverflowError:
        above = floor
    return above if now is None else max(above, now)


def _missing_part(state: SyncState, facts: TableFacts) -> TablePart | None:
    """Give what a first read that was broken off has left; None where the table is read anew."""
    begun_at, now = state.begun_at, facts.now
    if state.read_to is not None or begun_at is None or not state.read_parts:
        return None
    if now is not None and begun_at > now + MOST_CLOCK_SKEW:
        return None
    if _why_full_by_columns(state, facts) or (facts.webhook and facts.webhook.why_unknown):
        return None
    return TablePart(join_units(state.read_parts), is_rest=True)


def _edge_of_window(state: SyncState, settings: IncrementalSettings) -> datetime | None:
    """Give the moment after which changes are read; None where no moment is known."""
    if state.read_to is None:
        return None
    try:
        return state.read_to - timedelta(minutes=settings.lookback_minutes)
    except OverflowError:
        return _BEFORE_AIRTABLE


def _why_unusable(state: SyncState, facts: TableFacts, settings: IncrementalSettings) -> str | None:
    if state.method != settings.method and not _METHODS_OF_EDITS.issuperset(
        (state.method, settings.method)
    ):
        return f"the saved state comes from the method {state.method}"
    now = facts.now
    if now is not None and state.read_to is not None and state.read_to > now + MOST_CLOCK_SKEW:
        return "the saved state is from the future"
    return None


def _why_full(state: SyncState, facts: TableFacts, settings: IncrementalSettings) -> str | None:
    if state.read_to is None:
        return "the last sync did not read the table to its end"
    by_webhook = _why_full_by_webhook(facts.webhook, state) if facts.webhook else None
    by_columns = _why_full_by_columns(state, facts)
    return by_webhook or by_columns or _why_full_again(state, facts, settings)


def _why_full_by_columns(state: SyncState, facts: TableFacts) -> str | None:
    if has_filter_changed(state.fingerprint, facts.fingerprint):
        return "the table has another filter than in the last sync"
    if has_changed(state.fingerprint, facts.fingerprint):
        return "fields were added, selected or changed since the last sync"
    return None


def _why_full_again(
    state: SyncState, facts: TableFacts, settings: IncrementalSettings
) -> str | None:
    every = settings.full_rescan_hours
    why_rescan = _why_rescan(facts)
    if settings.method == "created_time" or why_rescan is None or not every:
        return None
    last, now = state.last_full_scan, facts.now
    if last is None or (now is not None and is_over(timedelta(hours=every), last, now)):
        return f"{every:g} hours have passed, and {why_rescan}"
    return None


def _why_rescan(facts: TableFacts) -> str | None:
    if facts.why_volatile:
        return f"cells can change without their record being edited, as in {facts.why_volatile}"
    if facts.why_filter_volatile:
        return (
            "records can enter the table's filter without being edited, because "
            f"{facts.why_filter_volatile}"
        )
    return None


def _why_full_by_webhook(webhook: WebhookFacts, state: SyncState) -> str | None:
    changes = webhook.changes
    if webhook.why_unknown:
        return webhook.why_unknown
    if changes.was_replaced:
        return "the table was created, deleted or restored since the last sync"
    if webhook.has_changed_columns:
        return "fields were changed since the last sync"
    named = len(changes.changed)
    calls, of_all = (-(-n // RECORD_IDS_PER_CALL) for n in (named, state.scanned_records or named))
    if named > MOST_NAMED_RECORDS or calls > of_all:
        return f"the webhook names {named:,} changed records, and the whole table costs less"
    return None
