"""A record: its cells, its comments and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .clock import to_wire_time
from .wire import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .comments import Comment

Cells = dict[str, Any]


@dataclass(eq=False, slots=True)
class Projection:
    """Which cells a listing shows. ``keys`` has their JSON keys by field id."""

    keys: dict[str, str]
    has_comment_count: bool


@dataclass(eq=False, slots=True)
class Record:
    """A record. Its cells are keyed by field id and never empty."""

    id: str
    created_at: float
    modified_at: float | None
    """Seconds since 1970; None: LAST_MODIFIED_TIME() is blank."""
    cells: Cells
    comments: tuple[Comment, ...] = ()
    """Oldest first."""
    json: dict[Projection, bytes] = field(default_factory=dict)
    edited_at: dict[str, float] | None = None
    """By field id, since the first edit. None: every cell has the record's modified time."""

    def cells_modified_at(self, field_ids: Iterable[str]) -> float | None:
        """LAST_MODIFIED_TIME() of some fields. None: no such cell was ever filled."""
        if self.edited_at is None:
            return self.modified_at if any(key in self.cells for key in field_ids) else None
        known = self.edited_at
        return max((known[key] for key in field_ids if key in known), default=None)

    def note_edit(self, field_ids: Iterable[str], at: float) -> None:
        """Set the modified time of the record and of its edited cells."""
        if self.edited_at is None:
            since = self.modified_at
            self.edited_at = {} if since is None else dict.fromkeys(self.cells, since)
        self.edited_at |= dict.fromkeys(field_ids, at)
        self.modified_at = at

    def to_json(self, projection: Projection) -> bytes:
        """The record as a listing shows it. The JSON is kept until the record changes."""
        known = self.json.get(projection)
        if known is not None:
            return known
        # A copy of the exact size, because the encoder's buffer takes ten times the memory.
        self.json[projection] = made = bytes(memoryview(self.render(projection, self.cells)))
        return made

    def render(self, projection: Projection, cells: Cells) -> bytes:
        """The record as a listing shows it, with other cells."""
        keys = projection.keys
        shown: dict[str, Any] = {
            "id": self.id,
            "createdTime": to_wire_time(self.created_at),
            "fields": {keys[key]: cell for key, cell in cells.items() if key in keys},
        }
        if projection.has_comment_count and self.comments:
            shown["commentCount"] = len(self.comments)
        return to_json(shown)

    def change_comments(self, comments: tuple[Comment, ...]) -> None:
        """Replace the comments. The modified time stays."""
        self.comments = comments
        self.json.clear()
