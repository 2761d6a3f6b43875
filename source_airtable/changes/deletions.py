"""Deletions, found by comparing the ids that the destination has with those in the table.

Only a webhook reports deleted records. Without one, or for a time in which it was not read, the
state's ids count: a sweep lists the ids that are there, and what is missing gets a tombstone.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from source_airtable.changes.moments import is_over
from source_airtable.changes.record_ids import RecordIdSet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from source_airtable.changes.state import SyncState
    from source_airtable.config import IncrementalSettings

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_TRACKED_RECORDS = 250_000
"""Records of a table up to which their ids are kept: about 3.5 MB of state."""

# Airtable is known to have answered with lists that were cut short. A sweep that would delete more
# than both of these is confirmed by a second list.
UNCONFIRMED_DELETIONS = 50
UNCONFIRMED_SHARE = 0.2


class IdListing(Protocol):
    """What a finished scan says of the ids in the table."""

    whole_listing: RecordIdSet | None
    """The ids of the table, where the scan was one uninterrupted pass over all of it."""

    def list_ids(self, *, again: bool = False) -> RecordIdSet:
        """List the ids of all records that are there now, in one uninterrupted pass.

        `again` makes a new list where one was made before.
        """


class DeletionTracker:
    """Knows which records the destination has, and finds out which of them are gone."""

    def __init__(self, label: str, settings: IncrementalSettings, saved: SyncState | None) -> None:
        self._label = label
        self._every = timedelta(hours=settings.deletion_sweep_hours)
        self._has_webhook = settings.method == "webhooks"
        self._webhook = saved.webhook if saved else None
        self._known = saved.known_ids if saved else None
        self._emitted = RecordIdSet()
        self._gone: list[str] = []
        self._found: set[str] = set()
        self.last_sweep = saved.last_sweep if saved else None
        """Up to when deletions are known."""
        self.has_missed_some = False
        """Whether the webhook does not know of all deletions since the last sync."""
        self.untracked_records = saved.untracked_records if saved else None
        """How many records the table has, where these are too many for their ids to be kept."""
        self.is_disputed = False
        """Whether two lists disagree on many records, so that neither can be relied on."""

    def note_emitted(self, record_ids: Iterable[str]) -> None:
        """Note records that the destination gets in this sync."""
        for record_id in record_ids:
            self._emitted.add(record_id)

    def note_found(self, record_ids: Iterable[str]) -> None:
        """Note records that were read by their ids, and may be missing from an earlier list."""
        self._found.update(record_ids)

    def compare(self, listing: IdListing, now: datetime, *, is_due: bool = False) -> list[str]:
        """Find the records that are gone, and give those that no sync has seen.

        A record is unseen if it was restored, imported or synced without an edit. A scan of
        the whole table stands for a sweep; else one is made when it is due, or now if `is_due`.
        """
        present = listing.whole_listing
        if present is None and (self._is_due(now) or is_due):
            LOGGER.info("Stream %s: looking for deleted records.", self._label)
            present = listing.list_ids()
        if present is None:
            return []
        self.untracked_records = None
        known = RecordIdSet() if self._known is None else self._known
        there = (known, self._emitted)
        missing = {one for ids in there for one in ids if one not in present}
        gone = missing.difference(self._gone, self._found)
        if self._needs_confirmation(gone, known):
            listed = listing.list_ids(again=True)
            if any(one in listed for one in gone):
                self.is_disputed = True
                LOGGER.warning(
                    "Stream %s: %d of %d known records were missing from one list, and some of "
                    "them are in a second one. No record counts as deleted in this sync.",
                    self._label,
                    len(gone),
                    len(known),
                )
                return []
        is_first, self.last_sweep = self.last_sweep is None, now
        self._known = known
        self.note_destroyed(gone)
        unseen = (one for one in present if one not in known and one not in self._emitted)
        if not is_first:
            return sorted(unseen)
        # Before the first comparison, few ids or none are known, and the destination has them all.
        for record_id in unseen:
            known.add(record_id)
        return []

    def note_known_to(self, moment: datetime) -> None:
        """Note that a webhook has reported all deletions up to a moment."""
        if self.last_sweep is not None and not self.is_disputed:
            self.last_sweep = max(self.last_sweep, moment)

    def may_know(self, record_id: str) -> bool:
        """Tell whether the destination may have a record."""
        return self._known is None or record_id in self._known or record_id in self._emitted

    def note_destroyed(self, record_ids: Iterable[str]) -> None:
        """Note records that are gone, whoever knows of it."""
        self._gone = sorted({*self._gone, *record_ids})

    def take_gone(self) -> list[str]:
        """Give the records that are gone, each once; the tracker forgets them."""
        gone, self._gone = self._gone, []
        if gone:
            LOGGER.info("Stream %s: %d records are deleted.", self._label, len(gone))
            for ids in (self._known or RecordIdSet(), self._emitted):
                ids.discard(gone)
        return gone

    def known_ids_so_far(self) -> tuple[RecordIdSet | None, int | None]:
        """Give the records that the destination has before the end of a read.

        None where they are too many to be saved; the number says then how many they are.
        """
        if self._known is None and self.untracked_records is not None:
            return None, self.untracked_records
        known = RecordIdSet(chain(self._known or (), self._emitted))
        if len(known) > MOST_TRACKED_RECORDS:
            return None, len(known)
        return known, self.untracked_records

    def known_ids(self) -> RecordIdSet | None:
        """Give the records that the destination has; None where they are too many to be saved."""
        if self._known is None:
            return None
        for record_id in self._emitted:
            self._known.add(record_id)
        if len(self._known) <= MOST_TRACKED_RECORDS:
            return self._known
        if self.untracked_records is None and not self._has_webhook:
            LOGGER.warning(
                "Stream %s: deletions are not detected, because the table has %d records and the "
                "state holds the ids of at most %d.",
                self._label,
                len(self._known),
                MOST_TRACKED_RECORDS,
            )
        self.untracked_records = len(self._known)
        return None

    def _is_due(self, now: datetime) -> bool:
        if self.untracked_records is not None:
            return False  # there is nothing to compare with
        if self._has_webhook:
            # A sync that nobody asked for deletions read the webhook and dropped them.
            last, webhook = self.last_sweep, self._webhook
            return self.has_missed_some or last is None or not webhook or last < webhook.read_at
        return is_over(self._every, self.last_sweep, now)

    @staticmethod
    def _needs_confirmation(gone: Collection[str], known: RecordIdSet) -> bool:
        return len(gone) > max(UNCONFIRMED_DELETIONS, UNCONFIRMED_SHARE * len(known))
