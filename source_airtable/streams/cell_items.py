"""The items of cells that hold several: linked records, attachments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.streams.stream import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from source_airtable.api.wire_types import FieldDict, FieldId, RecordDict
    from source_airtable.records import Row
    from source_airtable.schema.table_schema import TableSchema


def fields_of_type(table: TableSchema, field_type: str) -> dict[FieldId, FieldDict]:
    """Give the fields of a type, by id."""
    return {field["id"]: field for field in table.fields if field["type"] == field_type}


def fields_to_ask_for(table: TableSchema, fields: Iterable[FieldId]) -> Fields:
    """Ask for these fields; for the primary one if all of them were deleted during the scan."""
    field_ids = tuple(fields)
    if not field_ids and table.primary_field_id:
        return Fields((table.primary_field_id,))
    return Fields(field_ids)


def iter_cells(
    table: TableSchema, fields: Iterable[FieldId], records: Iterable[RecordDict]
) -> Iterator[tuple[Row, FieldId, list[Any]]]:
    """Emit each cell that holds a list, with its place, in the order of records and fields.

    Shape of a place: `{"base_id": "app…", "table_id": "tbl…", "record_id": "rec…",
    "field_id": "fld…"}`.
    """
    field_ids = tuple(fields)
    for record in records:
        for field_id in field_ids:
            cell = record["fields"].get(field_id)
            if isinstance(cell, list):
                place = {
                    "base_id": table.base_id,
                    "table_id": table.table_id,
                    "record_id": record["id"],
                    "field_id": field_id,
                }
                yield place, field_id, cell
