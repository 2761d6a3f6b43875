"""The data of the stream `records`: the records of all tables in one form, cells in objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from source_airtable.records import RecordConverter
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.names import DELETED_AT_COLUMN
from source_airtable.streams.account_streams import AS_OF_COLUMN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.wire_types import FieldId, RecordDict
    from source_airtable.records import Column, RecordData
    from source_airtable.schema.table_schema import TableSchema


class AccountRecordConverter:
    """Turns the records of one table into the data of the stream `records`.

    The values are those of the table's own stream.

    >>> converter = AccountRecordConverter(table, configured_json_schema)
    >>> converter.to_record_data(record, as_of)
    {'_base_id': 'appLkNDICXNqxSDhG', '_table_id': 'tblltp8DGLhqbUmjK', 'id': 'recAdw9EjV90xbZ00',
    'created_time': '…', 'fields': {'Name': 'Ada'}, 'fields_by_id': {'fld1VnoyuotSTyxW1': 'Ada'}, …}
    """

    errors_column = "_errors"

    def __init__(self, table: TableSchema, json_schema: Mapping[str, Any]) -> None:
        properties = json_schema.get("properties")
        self._selected = frozenset(properties if isinstance(properties, Mapping) else ())
        self._has_cells = bool(self._selected & {"fields", "fields_by_id", "_errors"})
        by_id = build_json_schema(table, by_field_id=True)
        kept = {"_airtable_errors"} | ({field["id"] for field in table.fields})
        by_id["properties"] = {
            name: declared
            for name, declared in by_id["properties"].items()
            if name in kept and self._has_cells
        }
        self._cells = RecordConverter(table, by_id)
        self._table = table
        self._names = _name_fields(table)

    @property
    def misfits(self) -> int:
        """Cells so far that did not fit their field's type."""
        return self._cells.misfits

    @misfits.setter
    def misfits(self, misfits: int) -> None:
        self._cells.misfits = misfits

    @property
    def columns(self) -> Sequence[Column]:
        """What stands for the fields: by name where names are emitted, so that renames count."""
        if "fields" not in self._selected:
            return self._cells.columns
        names = self._names
        return [replace(one, name=names[one.field["id"]]) for one in self._cells.columns]

    @property
    def columns_without_field(self) -> Sequence[str]:
        """None: the columns are the same for all tables."""
        return ()

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields to ask for: all, unless no column with cells is selected."""
        return self._cells.field_ids

    @property
    def keeps_errors(self) -> bool:
        """Whether the column for cells that do not fit is selected."""
        return self.errors_column in self._selected

    @property
    def has_tombstones(self) -> bool:
        """Whether the column that marks deleted records is selected."""
        return DELETED_AT_COLUMN in self._selected

    def to_record_data(self, record: RecordDict, as_of: str | None) -> RecordData:
        """Convert one record; cells that are empty have no key."""
        cells = self._cells.to_record_data(record, as_of)
        errors = cells.pop("_airtable_errors", None)
        by_id = {field_id: value for field_id, value in cells.items() if value is not None}
        names = self._names
        data = {
            "_base_id": self._table.base_id,
            "_table_id": self._table.table_id,
            "id": record["id"],
            "created_time": record.get("createdTime"),
            "fields": {names[field_id]: value for field_id, value in by_id.items()},
            "fields_by_id": by_id,
            "_errors": errors,
            AS_OF_COLUMN: as_of,
            DELETED_AT_COLUMN: None,
        }
        return {name: value for name, value in data.items() if name in self._selected}

    def to_tombstone(self, record_id: str, deleted_at: str) -> RecordData:
        """Give the data that stands for a record that is gone; `deleted_at` is in UTC."""
        data: RecordData = dict.fromkeys(self._selected)
        marks = {
            "_base_id": self._table.base_id,
            "_table_id": self._table.table_id,
            "id": record_id,
            AS_OF_COLUMN: deleted_at,
            DELETED_AT_COLUMN: deleted_at,
        }
        return data | {name: mark for name, mark in marks.items() if name in self._selected}


def _name_fields(table: TableSchema) -> dict[str, str]:
    """Name the cells of a table by field id; a name that comes twice gets its field's id."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for field in table.fields:
        name = field["name"]
        while name in taken:
            name = f"{name} ({field['id']})"
        taken.add(name)
        names[field["id"]] = name
    return names
