"""Up to where a stream has read a webhook: what a state keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from source_airtable.changes.moments import parse_utc_text, to_utc_text

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class WebhookPosition:
    """A place among the payloads of a webhook.

    Shape in a state: `{"id": "achw6YqL2cF0bT9kx", "cursor": 42,
    "read_at": "2026-11-18T10:00:00.000Z"}`.
    """

    webhook_id: str
    cursor: int
    """The number of the first payload that the stream has not read."""
    read_at: datetime
    """Airtable's clock (UTC) before the payloads were listed."""

    def to_json(self) -> dict[str, Any]:
        """Write the position for a state."""
        return {"id": self.webhook_id, "cursor": self.cursor, "read_at": to_utc_text(self.read_at)}


def parse_position(saved: object) -> WebhookPosition:
    """Read what `to_json` wrote; raises TypeError or ValueError for anything else."""
    if not isinstance(saved, Mapping):
        raise TypeError("a position is an object")
    webhook_id, cursor = saved.get("id"), saved.get("cursor")
    if not isinstance(webhook_id, str) or type(cursor) is not int or cursor < 1:
        raise TypeError("a position has an id and a number")
    return WebhookPosition(webhook_id, cursor, parse_utc_text(saved.get("read_at")))


def find_position(state: Mapping[str, Any]) -> WebhookPosition | None:
    """Find the position in a saved state; None where it holds none that can be used."""
    try:
        return parse_position(state.get("webhook"))
    except (TypeError, ValueError):
        return None
