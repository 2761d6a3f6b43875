"""One record of the simulator: its cells, its comments, and the JSON it is served as."""

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
    """Which cells a listing shows, and under which keys; ``keys`` is JSON key by field id."""

    keys: dict[str, str]
    has_comment_count: bool


@dataclass(eq=False, slots=True)
class Record:
    """A record; its cells are keyed by field id and never empty."""

    id: str
    created_at: float
    modified_at: float | None
    """Seconds since 1970; None: LAST_MODIFIED_TIME() is blank."""
    cells: Cells
    comments: tuple[Comment, ...] = ()
    """In the order in which they were added."""
    json: dict[Projection, bytes] = field(default_factory=dict)
    edited_at: dict[str, float] | None = None
    """By field id, from the first edit on; until then every cell is as old as the record."""

    def cells_modified_at(self, field_ids: Iterable[str]) -> float | None:
        """LAST_MODIFIED_TIME() of some fields; None where none of them ever had a cell."""
        if self.edited_at is None:
            return self.modified_at if any(key in self.cells for key in field_ids) else None
        known = self.edited_at
        return max((known[key] for key in field_ids if key in known), default=None)

    def note_edit(self, field_ids: Iterable[str], at: float) -> None:
        """Move the modified time, the record's and that of its edited cells."""
        if self.edited_at is None:
            since = self.modified_at
            self.edited_at = {} if since is None else dict.fromkeys(self.cells, since)
        self.edited_at |= dict.fromkeys(field_ids, at)
        self.modified_at = at

    def to_json(self, projection: Projection) -> bytes:
        """The record as a listing shows it; made once for each projection until it changes."""
        known = self.json.get(projection)
        if known is not None:
            return known
        # A copy of the exact size: the encoder's own buffer would keep ten times the memory.
        self.json[projection] = made = bytes(memoryview(self.render(projection, self.cells)))
        return made

    def render(self, projection: Projection, cells: Cells) -> bytes:
        """The record as a listing shows it, with these cells for its own."""
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
        """Give the record other comments; its modified time stays."""
        self.comments = comments
        self.json.clear()
