"""Which columns, and which filters, can change while a record's last modified time stays the same.

Airtable updates the last modified time when somebody edits a cell of the record. It does not when
it recomputes a cell because another record, another table, the time or a person's account changed.
See https://support.airtable.com/docs/formula-field-reference (LAST_MODIFIED_TIME)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from source_airtable.schema.fingerprint import find_sources
from source_airtable.schema.formula_fields import CLOCK_FUNCTIONS, find_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.table_schema import TableSchema

# Why the cells of each type can change by themselves.
SELF_CHANGING_TYPES: Mapping[str, str] = {
    "multipleRecordLinks": "a linked record may be deleted",
    "multipleLookupValues": "a linked record may change",
    "lookup": "a linked record may change",
    "rollup": "a linked record may change",
    "count": "a linked record may be deleted",
    "singleCollaborator": "a person may change their name or address",
    "multipleCollaborators": "a person may change their name or address",
    "createdBy": "a person may change their name or address",
    "lastModifiedBy": "a person may change their name or address",
    "aiText": "Airtable generates its text apart from edits",
    "manualSort": "a person may move the record",
    "button": "Airtable does not say which fields its address depends on",
}

# Cells of these types change only when somebody edits the record or the field. The digest shows
# edits of fields. A type in neither list is unknown, so its cells may change at any time.
PLAIN_TYPES = frozenset(
    {
        *("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"),
        *("number", "percent", "currency", "duration", "rating", "checkbox", "autoNumber"),
        *("date", "dateTime", "createdTime", "lastModifiedTime", "barcode"),
        *("singleSelect", "multipleSelects", "multipleAttachments", "externalSyncSource"),
    }
)

_CLOCK = re.compile(rf"\b(?:{'|'.join(CLOCK_FUNCTIONS)})\s*\(", re.IGNORECASE)


def why_volatile(table: TableSchema, field_ids: Iterable[str]) -> str | None:
    """Name the first of these fields that can change by itself, with the reason, else None.

    Shape: `Total (rollup: a linked record may change)`.
    """
    fields: dict[str, FieldDict] = {field["id"]: field for field in table.fields}
    visited: set[str] = set()
    for field in (fields[field_id] for field_id in field_ids if field_id in fields):
        reason = _reason(field, fields, visited)
        if reason:
            return f"{field['name']} ({field['type']}: {reason})"
    return None


def why_clock_driven(table: TableSchema, field_ids: Iterable[str]) -> str | None:
    """Name the first of these fields that the time changes, with the reason, else None."""
    fields: dict[str, FieldDict] = {field["id"]: field for field in table.fields}
    for field_id in field_ids:
        for source in find_sources([field_id], fields):
            if _CLOCK.search(str((source.get("options") or {}).get("formula") or "")):
                return f"{fields[field_id]['name']} (it depends on the time)"
    return None


def why_filter_volatile(table: TableSchema) -> str | None:
    """Say why a record can enter or leave the table's filter without an edit; None if it cannot.

    Shape: `its formula reads Total (rollup: a linked record may change)`.
    """
    if table.filter.view_id is not None:
        return "Airtable does not say what its view depends on"
    if table.filter.formula is None:
        return None
    parts = find_fields(table.filter.formula, table)
    if parts.clock_function is not None:
        return f"its formula depends on the time ({parts.clock_function})"
    if parts.doubt is not None:
        return f"the table has no field {parts.doubt}, which its formula names"
    reason = why_volatile(table, parts.field_ids)
    return reason and f"its formula reads {reason}"


def _reason(field: FieldDict, fields: Mapping[str, FieldDict], visited: set[str]) -> str | None:
    """Return why a field can change by itself. `visited` holds the formulas seen so far."""
    if field["type"] in PLAIN_TYPES:
        return None
    if field["type"] == "formula":
        visited.add(field["id"])
        return _reason_of_formula(field, fields, visited)
    return SELF_CHANGING_TYPES.get(field["type"], "the connector does not know its type")


def _reason_of_formula(
    field: FieldDict, fields: Mapping[str, FieldDict], visited: set[str]
) -> str | None:
    options = field.get("options") or {}
    if _CLOCK.search(str(options.get("formula") or "")):
        return "it depends on the time"
    referenced = options.get("referencedFieldIds")
    if not isinstance(referenced, list):
        return "Airtable does not say which fields it depends on"
    # The search ends at the first reason, so a formula seen before has none or is being searched.
    for other in (one for one in referenced if one not in visited):
        if other not in fields:
            return "it depends on a field that no longer exists"
        if _reason(fields[other], fields, visited):
            return f"it depends on {fields[other]['name']}"
    return None
