"""A table as the connector sees it: two ids that identify it, and well-formed fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from source_airtable.api.wire_types import BaseId, FieldDict, TableId
from source_airtable.schema.table_filter import NO_FILTER, TableFilter, find_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.wire_types import BaseDict, FieldId, FieldOptions, TableDict
    from source_airtable.config import TableFilterSetting

_DECISIVE_OPTIONS = (
    "isValid",
    "formula",
    "referencedFieldIds",
    "linkedTableId",
    "recordLinkFieldId",
    "fieldIdInLinkedTable",
)

TableKey = tuple[BaseId, TableId]
"""Identifies a table. A duplicated base may keep the ids of its tables, so both ids are needed."""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table and its fields."""

    base_id: BaseId
    base_name: str
    table_id: TableId
    table_name: str
    primary_field_id: FieldId | None
    fields: tuple[FieldDict, ...]
    declared: TableDict | None = None
    """Airtable's whole description of the table, if the caller asked to keep it."""
    filter: TableFilter = NO_FILTER
    """Which of its records are read."""

    @property
    def key(self) -> TableKey:
        """The two ids that identify the table."""
        return (self.base_id, self.table_id)


def parse_table(
    base: BaseDict,
    table: TableDict,
    filters: Sequence[TableFilterSetting] = (),
    *,
    keep_declared: bool = False,
) -> TableSchema | None:
    """Parse one table of a base's schema. A table without an id gives None: it cannot be read.

    A field without an id is left out for the same reason. A field without a name has its id as
    name. A second field with the same id is ignored.
    """
    table_id = table.get("id")
    if not isinstance(table_id, str):
        return None
    declared = table.get("fields")
    fields: dict[str, FieldDict] = {}
    for field in declared if isinstance(declared, list) else []:
        parsed = _parse_field(field)
        if parsed is not None:
            fields.setdefault(parsed["id"], parsed)
    primary = table.get("primaryFieldId")
    table_name = str(table.get("name") or table_id)
    return TableSchema(
        base_id=base["id"],
        base_name=str(base.get("name") or base["id"]),
        table_id=table_id,
        table_name=table_name,
        primary_field_id=primary if isinstance(primary, str) and primary in fields else None,
        fields=tuple(fields.values()),
        declared=table if keep_declared else None,
        filter=find_filter(filters, table_id, table_name, table.get("views")),
    )


def _parse_field(field: object) -> FieldDict | None:
    """Return a field with its id, name and type, and the options that decide its column.

    Colours, formats and the like decide nothing. With tens of thousands of fields, they would take
    most of the memory.
    """
    if not isinstance(field, dict) or not isinstance(field.get("id"), str):
        return None
    parsed = FieldDict(
        id=field["id"],
        name=str(field.get("name") or field["id"]),
        type=sys.intern(str(field.get("type") or "unknown")),
    )
    if isinstance(field.get("description"), str):
        parsed["description"] = field["description"]
    options = _decisive_options(field.get("options"))
    if options:
        parsed["options"] = cast("FieldOptions", options)
    return parsed


def _decisive_options(options: object) -> dict[str, Any]:
    """Keep the options that say how cells are computed and which choices they can name."""
    if not isinstance(options, dict):
        return {}
    kept = {name: options[name] for name in _DECISIVE_OPTIONS if name in options}
    referenced = kept.get("referencedFieldIds")
    if isinstance(referenced, list):
        kept["referencedFieldIds"] = sorted(str(field_id) for field_id in referenced)
    result = options.get("result")
    if isinstance(result, dict):
        kept["result"] = {
            "type": result.get("type"),
            "options": _decisive_options(result.get("options")),
        }
    choices = options.get("choices")
    if isinstance(choices, list):
        kept["choices"] = [
            [choice.get("id"), choice.get("name")] for choice in choices if isinstance(choice, dict)
        ]
    return kept
