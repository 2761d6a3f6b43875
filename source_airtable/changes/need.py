"""A need says which records of a table a stream has to read.

Its formula names no field, because a field's name may hold any character and may change: formulas
use functions and ids only.
See https://support.airtable.com/docs/formula-field-reference
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from source_airtable.changes.moments import to_utc_text
from source_airtable.changes.parts import TablePart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from source_airtable.api.wire_types import RecordDict
    from source_airtable.schema.table_schema import TableSchema

RECORD_IDS_PER_CALL = 100

# Airtable shows whole seconds; it may compare finer ones.
_GRANULARITY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class WholeTable:
    """Every record."""

    @property
    def formulas(self) -> tuple[None]:
        """One list without a filter."""
        return (None,)


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """The records that were created, or by `last_modified` also edited, after a moment (UTC)."""

    method: str
    moment: datetime

    @property
    def formulas(self) -> tuple[str]:
        """One list with a filter."""
        return (self.formula,)

    @property
    def formula(self) -> str:
        """Pick at least the records that changed.

        A record that was never edited may have a blank modified time. The time of creation counts
        too, so such a record is not lost. A record for which the filter is an error is picked:
        Airtable would silently leave it out. Airtable compares whole seconds, strictly.
        """
        since = f"DATETIME_PARSE('{to_utc_text(self.moment)}')"
        created = f"IS_AFTER(CREATED_TIME(),{since})"
        if self.method == "created_time":
            changed = created
        else:
            modified = "LAST_MODIFIED_TIME()"
            changed = f"OR(IF({modified},IS_AFTER({modified},{since}),FALSE()),{created})"
        return f"IF(ISERROR({changed}),TRUE(),{changed})"


@dataclass(frozen=True, slots=True)
class RecordIds:
    """The records of these ids; no ids means that nothing has to be read."""

    ids: tuple[str, ...]

    @property
    def formulas(self) -> tuple[str, ...]:
        """Pick the records by id, 100 in each list, so that one page holds them."""
        starts = range(0, len(self.ids), RECORD_IDS_PER_CALL)
        return tuple(_pick(self.ids[start : start + RECORD_IDS_PER_CALL]) for start in starts)


def _pick(record_ids: Iterable[str]) -> str:
    conditions = ",".join(f"RECORD_ID()='{record_id}'" for record_id in record_ids)
    return f"OR({conditions})"


Need = WholeTable | ChangedSince | RecordIds | TablePart


class FilterProof:
    """Watches the records that a filter returns, and knows when Airtable ignores the filter.

    A record proves this if it is not one of those that are asked for by id, if it is not of the
    part that is asked for, or if all of its times are before the filter's moment. Without a field
    that shows the last modified time, only the method `created_time` can be proven.
    """

    def __init__(self, need: Need, table: TableSchema) -> None:
        self.is_ignored = False
        self._ids = frozenset(need.ids) if isinstance(need, RecordIds) else None
        self._part = need if isinstance(need, TablePart) else None
        self._edge: str | None = None
        self._modified_field: str | None = None
        if isinstance(need, ChangedSince):
            by_creation = need.method == "created_time"
            self._modified_field = None if by_creation else find_modified_field(table)
            if by_creation or self._modified_field is not None:
                self._edge = to_utc_text(need.moment - _GRANULARITY)

    def look_at(self, records: list[RecordDict]) -> None:
        """Compare records with what the filter picks."""
        if self._ids is not None and any(record["id"] not in self._ids for record in records):
            self.is_ignored = True
        if self._part is not None and not all(self._part.holds(one["id"]) for one in records):
            self.is_ignored = True
        edge = self._edge
        if edge is None or self.is_ignored:
            return
        for record in records:
            moments: list[object] = [record.get("createdTime")]
            if self._modified_field is not None:
                moments.append(record["fields"].get(self._modified_field))
            # Texts of one form compare as their moments do. An absent time proves nothing.
            if all(isinstance(moment, str) and moment < edge for moment in moments):
                self.is_ignored = True
                return


def find_modified_field(table: TableSchema) -> str | None:
    """Find a field that shows the last modified time of the whole record; None without one."""
    for field in table.fields:
        options = field.get("options")
        if field["type"] != "lastModifiedTime" or not isinstance(options, dict):
            continue
        result = options.get("result")
        is_whole = isinstance(result, dict) and result.get("type") == "dateTime"
        # An empty list means every field that can be edited.
        if is_whole and options.get("referencedFieldIds") == []:
            return field["id"]
    return None
