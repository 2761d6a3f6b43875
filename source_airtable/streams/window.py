"""The window of an incremental scan: which records Airtable is asked to pick, and whether it does.

The formulas name no field, since a name may hold any character and may change: only functions and
ids.
See https://support.airtable.com/docs/formula-field-reference
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.streams.sync_state import to_utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from source_airtable.schema.table_schema import TableSchema

# Airtable shows whole seconds; what it compares with may be finer.
_GRANULARITY = timedelta(seconds=2)


class Window:
    """A filter, and what its records prove of it."""

    def __init__(self, method: str, since: datetime, table: TableSchema) -> None:
        self.formula = created_after(since) if method == "created_time" else modified_after(since)
        self.is_ignored = False
        """Whether a record has come that the filter must have left out."""
        self._edge = to_utc_text(since - _GRANULARITY)
        self._modified_field = None if method == "created_time" else find_modified_field(table)
        self._proves = method == "created_time" or self._modified_field is not None

    def look_at(self, record: Mapping[str, Any]) -> None:
        """Compare a record's times with the window, where they are known."""
        if not self._proves or self.is_ignored:
            return
        moments = [record.get("createdTime")]
        if self._modified_field is not None:
            moments.append(record["fields"].get(self._modified_field))
        # Texts of the same form compare as their moments do. A time that is absent proves nothing.
        self.is_ignored = all(isinstance(moment, str) and moment < self._edge for moment in moments)


def find_modified_field(table: TableSchema) -> str | None:
    """Find a field that shows each record's last modified time whole; None if there is none."""
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


def modified_after(moment: datetime) -> str:
    """Pick records that were edited or created after a moment, at least.

    A record that was never edited may have a blank modified time, or one that is an error: neither
    loses it, since the time of creation counts as well, and a record of which the formula cannot be
    computed is picked. Times are compared as whole seconds and strictly.
    """
    since = f"DATETIME_PARSE('{to_utc_text(moment)}')"
    return _picked_on_error(
        f"OR(IF(LAST_MODIFIED_TIME(),IS_AFTER(LAST_MODIFIED_TIME(),{since}),FALSE()),"
        f"IS_AFTER(CREATED_TIME(),{since}))"
    )


def created_after(moment: datetime) -> str:
    """Pick records that were created after a moment, at least."""
    return _picked_on_error(f"IS_AFTER(CREATED_TIME(),DATETIME_PARSE('{to_utc_text(moment)}'))")


def with_ids(record_ids: Iterable[str]) -> str:
    """Pick the records of these ids."""
    conditions = ",".join(f"RECORD_ID()='{record_id}'" for record_id in record_ids)
    return f"OR({conditions})"


def _picked_on_error(formula: str) -> str:
    # Airtable leaves out records of which the filter is an error, without a word.
    return f"IF(ISERROR({formula}),TRUE(),{formula})"
