"""Builders of Airtable's answers, and of tables made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.api.wire_types import BaseId
from source_airtable.schema.table_schema import parse_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.wire_types import RecordDict
    from source_airtable.schema.table_schema import TableSchema

BASE_ID = BaseId("appLkNDICXNqxSDhG")
TABLE_ID = "tblltp8DGLhqbUmjK"
RECORD_ID = "recAdw9EjV90xbZ00"
CREATED_TIME = "2026-11-17T08:00:00.000Z"
AS_OF = "2026-11-18T10:00:00Z"


def a_field(
    field_type: str = "singleLineText",
    *,
    field_id: str = "fld1VnoyuotSTyxW1",
    name: str = "Company Name",
    **others: object,
) -> dict[str, Any]:
    """Build a field as `GET /v0/meta/bases/{baseId}/tables` describes it."""
    return {"id": field_id, "name": name, "type": field_type, **others}


def a_table_answer(*fields: Mapping[str, Any], **others: object) -> dict[str, Any]:
    """Build a table as `GET /v0/meta/bases/{baseId}/tables` describes it."""
    return {
        "id": TABLE_ID,
        "name": "Contacts",
        "primaryFieldId": fields[0]["id"] if fields else None,
        "fields": list(fields),
        "views": [{"id": "viwQpsuEDqHFqegkp", "name": "Grid view", "type": "grid"}],
        **others,
    }


def a_table(*fields: Mapping[str, Any], **others: object) -> TableSchema:
    """Build a table as the connector sees it."""
    answer = a_table_answer(*fields, **others)
    parsed = parse_table({"id": BASE_ID, "name": "Sales CRM"}, answer)  # type: ignore[arg-type]  # hostile on purpose
    assert parsed is not None
    return parsed


def a_record(cells: Mapping[str, Any] | None = None) -> RecordDict:
    """Build a record as `GET /v0/{baseId}/{tableId}` with field ids gives it."""
    record: Any = {"id": RECORD_ID, "createdTime": CREATED_TIME, "fields": dict(cells or {})}
    return record  # type: ignore[no-any-return]  # ids are plain text here


def ids(things: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give the ids of things that have one, in their order."""
    return [thing["id"] for thing in things]
