"""Which columns can change without their record being touched, so that no modified time moves.

Airtable moves a record's last modified time when somebody edits a cell of it. It does not when a
cell is computed anew because another record, another table, the time or a person's account has
changed.
See https://support.airtable.com/docs/formula-field-reference (LAST_MODIFIED_TIME)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.table_schema import TableSchema

# Why each type's cells can change by themselves.
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
    "aiText": "its text is generated apart from edits",
    "manualSort": "a person may move the record",
    "button": "its address is computed from fields that Airtable does not name",
}

# Cells of these change only when their record is edited, or when their field is, which the digest
# sees. What is in neither list is unknown, and an unknown type may do anything.
PLAIN_TYPES = frozenset(
    {
        *("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"),
        *("number", "percent", "currency", "duration", "rating", "checkbox", "autoNumber"),
        *("date", "dateTime", "createdTime", "lastModifiedTime", "barcode"),
        *("singleSelect", "multipleSelects", "multipleAttachments", "externalSyncSource"),
    }
)

_CLOCK = re.compile(r"\b(?:NOW|TODAY)\s*\(", re.IGNORECASE)


def why_volatile(table: TableSchema, field_ids: Iterable[str]) -> str | None:
    """Name the first of these fields that can change by itself, and why; None if none can.

    Shape: `Total (rollup: a linked record may change)`.
    """
    fields: dict[str, FieldDict] = {field["id"]: field for field in table.fields}
    walked: set[str] = set()
    for field in (fields[field_id] for field_id in field_ids if field_id in fields):
        reason = _reason(field, fields, walked)
        if reason:
            return f"{field['name']} ({field['type']}: {reason})"
    return None


def _reason(field: FieldDict, fields: Mapping[str, FieldDict], walked: set[str]) -> str | None:
    """Say why a field can change by itself; `walked` are formulas that are or were looked at."""
    if field["type"] in PLAIN_TYPES:
        return None
    if field["type"] == "formula":
        walked.add(field["id"])
        return _reason_of_formula(field, fields, walked)
    return SELF_CHANGING_TYPES.get(field["type"], "its type is not known to the connector")


def _reason_of_formula(
    field: FieldDict, fields: Mapping[str, FieldDict], walked: set[str]
) -> str | None:
    options = field.get("options") or {}
    if _CLOCK.search(str(options.get("formula") or "")):
        return "it depends on the time"
    referenced = options.get("referencedFieldIds")
    if not isinstance(referenced, list):
        return "Airtable does not say what it is computed from"
    # What was walked gave no reason, or this walk began there: the first reason ends it.
    for other in (one for one in referenced if one not in walked):
        if other not in fields:
            return "it is computed from a field that is gone"
        if _reason(fields[other], fields, walked):
            return f"it is computed from {fields[other]['name']}"
    return None
