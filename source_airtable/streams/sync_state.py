"""What a table's stream remembers from one incremental sync to the next.

Shape: `{"version": 1, "method": "last_modified", "as_of": "2026-11-18T10:00:00.000Z",
"last_full_scan": "2026-11-18T00:00:00.000Z", "schema_digest": "1a2b3c4d 5e6f7a8b"}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from source_airtable.streams.packed_ids import pack_ids, unpack_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

_WIRE_FORMAT = "%Y-%m-%dT%H:%M:%S.000Z"

# States that stand for "no cursor": of a full refresh, of Airbyte's own connector, of PyAirbyte.
_PLACEHOLDERS = ("__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete")


@dataclass(frozen=True, slots=True)
class SyncState:
    """One saved state; all moments are UTC and by Airtable's clock."""

    method: str
    as_of: datetime
    """The records that the destination has are at least as new as this."""
    last_full_scan: datetime
    schema_digest: str
    last_sweep: datetime | None = None
    """When ids were last compared with those in the table, tracked after that or not."""
    known_ids: frozenset[str] | None = None
    """The records that the destination has; None where deletions are not tracked."""
    recent_ids: frozenset[str] = frozenset()
    """The records of the look-back, which the method created_time does not read twice."""

    def to_json(self) -> dict[str, Any]:
        """Write the state; what is not in use has no key."""
        written: dict[str, Any] = {
            "version": VERSION,
            "method": self.method,
            "as_of": to_utc_text(self.as_of),
            "last_full_scan": to_utc_text(self.last_full_scan),
            "schema_digest": self.schema_digest,
        }
        if self.last_sweep is not None:
            written["last_sweep"] = to_utc_text(self.last_sweep)
        if self.known_ids is not None:
            written["known_ids"] = pack_ids(self.known_ids)
        if self.recent_ids:
            written["recent_ids"] = pack_ids(self.recent_ids)
        return written


class UnusableStateError(Exception):
    """A state cannot be gone on from; its text says why."""


def parse_state(saved: Mapping[str, Any]) -> SyncState | None:
    """Read a saved state; None where there is none yet.

    Raises UnusableStateError for a placeholder, another version, and anything malformed.
    """
    if not saved:
        return None
    if any(name in saved for name in _PLACEHOLDERS):
        raise UnusableStateError("the last sync was a full refresh, which leaves no cursor")
    if saved.get("version") != VERSION:
        raise UnusableStateError("the saved state was not written by this connector")
    try:
        sweep = saved.get("last_sweep")
        known = saved.get("known_ids")
        return SyncState(
            method=_text(saved["method"]),
            as_of=parse_utc_text(saved["as_of"]),
            last_full_scan=parse_utc_text(saved["last_full_scan"]),
            schema_digest=_text(saved["schema_digest"]),
            last_sweep=None if sweep is None else parse_utc_text(sweep),
            known_ids=None if known is None else frozenset(unpack_ids(_text(known))),
            recent_ids=frozenset(unpack_ids(_text(saved.get("recent_ids", "")))),
        )
    except (KeyError, TypeError, ValueError):
        raise UnusableStateError("the saved state is damaged") from None


def to_utc_text(moment: datetime) -> str:
    """Write a moment in UTC as Airtable does: `2026-11-18T10:00:00.000Z`."""
    return moment.strftime(_WIRE_FORMAT)


def parse_utc_text(text: object) -> datetime:
    """Read a moment that `to_utc_text` wrote; raises ValueError or TypeError."""
    return datetime.strptime(_text(text), _WIRE_FORMAT).replace(tzinfo=timezone.utc)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
