"""What one action changes in a base: noted by its tables, and taken by its webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized


@dataclass(slots=True)
class TableChanges:
    """What one action changes in a table. A record or field that comes and goes leaves no trace."""

    created_records: dict[str, None] = field(default_factory=dict)
    changed_records: dict[str, set[str]] = field(default_factory=dict)
    """By record: the fields whose cells the actor changed."""
    recomputed_records: dict[str, set[str]] = field(default_factory=dict)
    """By record: the fields whose cells Airtable computed anew."""
    destroyed_records: list[str] = field(default_factory=list)
    created_fields: dict[str, None] = field(default_factory=dict)
    changed_fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By field: its definition before."""
    destroyed_fields: list[str] = field(default_factory=list)
    previous_metadata: dict[str, Any] | None = None
    """Name and description before. None: both stay."""

    def create_record(self, record_id: str) -> None:
        """Note a new record."""
        self.created_records[record_id] = None

    def change_record(
        self, record_id: str, field_ids: Iterable[str], *, is_recomputed: bool = False
    ) -> None:
        """Note changed cells."""
        changed = set(field_ids)
        if not changed or record_id in self.created_records:
            return
        noted = self.recomputed_records if is_recomputed else self.changed_records
        noted.setdefault(record_id, set()).update(changed)

    def destroy_record(self, record_id: str) -> None:
        """Note a deleted record."""
        self.changed_records.pop(record_id, None)
        self.recomputed_records.pop(record_id, None)
        if record_id in self.created_records:
            del self.created_records[record_id]
        else:
            self.destroyed_records.append(record_id)

    def create_field(self, field_id: str) -> None:
        """Note a new field."""
        self.created_fields[field_id] = None

    def change_field(self, field_id: str, before: dict[str, Any]) -> None:
        """Note a changed field."""
        if field_id not in self.created_fields:
            self.changed_fields.setdefault(field_id, before)

    def destroy_field(self, field_id: str) -> None:
        """Note a deleted field."""
        self.changed_fields.pop(field_id, None)
        if field_id in self.created_fields:
            del self.created_fields[field_id]
        else:
            self.destroyed_fields.append(field_id)

    def change_metadata(self, before: dict[str, Any]) -> None:
        """Note a new name or description."""
        if self.previous_metadata is None:
            self.previous_metadata = before


class Changes:
    """What the current action changes in a base. Nothing is noted while nobody watches."""

    def __init__(self, watchers: Sized = ()) -> None:
        """Note changes for watchers."""
        self._watchers = watchers
        self.tables: dict[str, TableChanges] = {}
        self.created_tables: dict[str, None] = {}
        self.destroyed_tables: list[str] = []

    @property
    def is_watched(self) -> bool:
        """Whether changes need to be noted."""
        return bool(self._watchers)

    def table(self, table_id: str) -> TableChanges:
        """The changes of one table."""
        return self.tables.setdefault(table_id, TableChanges())

    def create_table(self, table_id: str) -> None:
        """Note a new table."""
        if self.is_watched:
            self.created_tables[table_id] = None

    def destroy_table(self, table_id: str) -> None:
        """Note a deleted table."""
        self.tables.pop(table_id, None)
        if table_id in self.created_tables:
            del self.created_tables[table_id]
        elif self.is_watched:
            self.destroyed_tables.append(table_id)

    def take(self) -> Changes | None:
        """Return what is noted and start anew. None: nothing is noted."""
        if not (self.tables or self.created_tables or self.destroyed_tables):
            return None
        taken = Changes()
        taken.tables, self.tables = self.tables, {}
        taken.created_tables, self.created_tables = self.created_tables, {}
        taken.destroyed_tables, self.destroyed_tables = self.destroyed_tables, []
        return taken
