"""What a stream saves of one table for its next sync.

Shape: `{"version": 2, "method": "last_modified", "read_to": "2026-11-18T10:00:00.000Z",
"cursor_floor": "2026-11-18T10:00:00.000Z", "last_full_scan": "2026-11-18T00:00:00.000Z",
"fingerprint": "1a2b3c4d 5e6f7a8b"}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from source_airtable.changes import version_1
from source_airtable.changes.moments import parse_utc_text, to_utc_text
from source_airtable.changes.parts import join_units, split_units
from source_airtable.changes.record_ids import RecordIdSet, pack_ids, unpack_ids
from source_airtable.changes.webhook_position import parse_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from source_airtable.changes.webhook_position import WebhookPosition

VERSION = 2

_Part = TypeVar("_Part")

# States that stand for "no cursor": of a full refresh, of Airbyte's own connector, of PyAirbyte.
_PLACEHOLDERS = ("__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete")

_UNPACK: Mapping[int, Callable[[str], RecordIdSet]] = {
    VERSION: unpack_ids,
    version_1.VERSION: version_1.unpack_ids,
}


@dataclass(frozen=True, slots=True)
class SyncState:
    """One saved state; all moments are UTC."""

    method: str = ""
    read_to: datetime | None = None
    """Airtable's clock before the last complete scan: the edge of the next window. It may go back.
    None means that the table has to be read in full."""
    cursor_floor: datetime | None = None
    """The highest cursor that any sync emitted, failed ones too. It never goes back."""
    last_full_scan: datetime | None = None
    fingerprint: str = ""
    """What the columns were made of, see `schema/fingerprint.py`."""
    last_sweep: datetime | None = None
    """When ids were last compared with those in the table."""
    known_ids: RecordIdSet | None = None
    """The records that the destination has; None where deletions are not tracked."""
    untracked_records: int | None = None
    """How many records the table has, where these are too many for their ids to be kept."""
    recent_ids: RecordIdSet | None = None
    """The records of the look-back, which the method `created_time` does not emit again."""
    webhook: WebhookPosition | None = None
    """Up to where the base's webhook was read."""
    scanned_records: int | None = None
    """How many records the last full scan read; only where a webhook is read."""
    read_parts: tuple[str, ...] = ()
    """The units of a table's first read that are read, where it was broken off."""
    begun_at: datetime | None = None
    """Airtable's clock before that read began, which becomes `read_to` when it is complete."""

    def to_json(self) -> dict[str, Any]:
        """Write the state; a part that is not in use has no key."""
        moments = {
            "read_to": self.read_to,
            "cursor_floor": self.cursor_floor,
            "last_full_scan": self.last_full_scan,
            "last_sweep": self.last_sweep,
            "begun_at": self.begun_at,
        }
        written: dict[str, Any] = {"version": VERSION, "method": self.method}
        written |= {name: to_utc_text(moment) for name, moment in moments.items() if moment}
        written["fingerprint"] = self.fingerprint
        if self.known_ids is not None:
            written["known_ids"] = pack_ids(self.known_ids)
        if self.untracked_records is not None:
            written["untracked_records"] = self.untracked_records
        if self.recent_ids:
            written["recent_ids"] = pack_ids(self.recent_ids)
        if self.webhook is not None:
            written["webhook"] = self.webhook.to_json()
        if self.scanned_records is not None:
            written["scanned_records"] = self.scanned_records
        if self.read_parts:
            written["read_parts"] = join_units(self.read_parts)
        return written


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state as it was found, and what is wrong with it."""

    state: SyncState | None = None
    """What is still true; None where nothing was saved, or nothing of it can be used."""
    problem: str | None = None
    """Why the next sync cannot go on from it; None where it can, or where nothing was saved."""


def parse_state(saved: Mapping[str, Any]) -> SavedState:
    """Read a saved state as far as it can be read.

    A damaged part counts as absent. What else is in the state stays true: the ids of the records
    that the destination has must outlive a damaged moment, or their deletions would be lost.
    """
    if not saved:
        return SavedState()
    if any(name in saved for name in _PLACEHOLDERS):
        return SavedState(problem="the last sync was a full refresh, which leaves no cursor")
    unpack = unpacker_of(saved)
    if unpack is None:
        return SavedState(problem="this connector did not write the saved state")
    if saved.get("version") == version_1.VERSION:
        saved = version_1.upgrade(saved)
    parts = _Parts(saved)
    state = SyncState(
        method=parts.read("method", _text) or "",
        read_to=parts.read("read_to", parse_utc_text),
        cursor_floor=parts.read("cursor_floor", parse_utc_text),
        last_full_scan=parts.read("last_full_scan", parse_utc_text),
        fingerprint=parts.read("fingerprint", _text) or "",
        last_sweep=parts.read("last_sweep", parse_utc_text),
        known_ids=parts.read("known_ids", lambda packed: unpack(_text(packed))),
        untracked_records=parts.read("untracked_records", int),
        recent_ids=parts.read("recent_ids", lambda packed: unpack(_text(packed))),
        webhook=parts.read("webhook", parse_position),
        scanned_records=parts.read("scanned_records", int),
        read_parts=parts.read("read_parts", split_units) or (),
        begun_at=parts.read("begun_at", parse_utc_text),
    )
    return SavedState(state, "the saved state is damaged" if parts.are_damaged else None)


def unpacker_of(saved: Mapping[str, Any]) -> Callable[[str], RecordIdSet] | None:
    """Give what reads the packed ids of a state; None where its version is unknown."""
    version = saved.get("version")
    return _UNPACK.get(version) if isinstance(version, int) else None


class _Parts:
    """Reads the parts of a state, and remembers whether one is damaged."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        self._saved = saved
        self.are_damaged = False

    def read(self, name: str, parse: Callable[[Any], _Part]) -> _Part | None:
        """Read one part; None where it is absent or damaged."""
        part = self._saved.get(name)
        if part is None:
            return None
        try:
            return parse(part)
        except (TypeError, ValueError):
            self.are_damaged = True
            return None


def _text(part: object) -> str:
    if not isinstance(part, str):
        raise TypeError
    return part
