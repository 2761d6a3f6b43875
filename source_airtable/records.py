"""From Airtable's records to record data, compiled once per table.

What a column holds is decided by the *configured* JSON schema, the one that the destination's table
was made from: its property finds the field (by field id, else by name), and its type decides how
the cell is converted. So an older catalog, or one of Airbyte's own connector, stays true, and a
field that was not selected is neither asked for nor emitted anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from source_airtable.schema.cell_values import (
    CellMisfit,
    build_converter,
    is_nullable,
    types_of,
    wrap_single,
)
from source_airtable.schema.field_types import json_schema_of, row_of
from source_airtable.schema.json_schema import ANNOTATION, name_columns
from source_airtable.schema.names import DELETED_AT_COLUMN, SYSTEM_COLUMNS, clean_name

if TYPE_CHECKING:
    from source_airtable.api.wire_types import FieldDict, FieldId, RecordDict
    from source_airtable.schema.cell_values import Converter
    from source_airtable.schema.table_schema import TableSchema

RecordData = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is fed by a field."""

    name: str
    field: FieldDict
    json_schema: Mapping[str, Any]
    convert: Converter
    absent: Any
    """What the column holds for a record without the cell."""
    nullable: bool
    """Where a column cannot be null, a record without a value has no key for it."""


class RecordConverter:
    """Turns the records of one table into the data of record messages.

    >>> converter = RecordConverter(table, configured_json_schema)
    >>> record = {"id": "recAdw9EjV90xbZ00", "createdTime": "…", "fields": {"fldRating00000": 7.0}}
    >>> converter.to_record_data(record, as_of)
    {'_airtable_id': 'recAdw9EjV90xbZ00', …, 'rating': 7, '_airtable_errors': None}
    """

    errors_column = "_airtable_errors"

    def __init__(self, table: TableSchema, json_schema: Mapping[str, Any]) -> None:
        self._table = table
        properties = json_schema.get("properties")
        if not isinstance(properties, Mapping):
            properties = {}
        self._system_columns = frozenset(SYSTEM_COLUMNS).intersection(properties)
        errors_schema = properties.get("_airtable_errors")
        # A catalog may have it as text.
        self._convert_errors = build_converter(
            errors_schema if isinstance(errors_schema, Mapping) else {}
        )
        self.columns, self.columns_without_field = _match_columns(table, properties)
        self._column_of: dict[str, Column] = {column.field["id"]: column for column in self.columns}
        self._template = self._build_template()
        self.misfits = 0
        """Cells so far that did not fit their column."""

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields to ask Airtable for; empty where that is all of them.

        Where no field is selected, one is asked for and left out: an empty list would mean all.
        """
        wanted = dict.fromkeys(column.field["id"] for column in self.columns)
        if not wanted and self._table.fields:
            return (self._table.primary_field_id or self._table.fields[0]["id"],)
        if len(wanted) == len(self._table.fields):
            return ()
        return tuple(wanted)

    @property
    def keeps_errors(self) -> bool:
        """Whether the column for cells that do not fit is selected."""
        return "_airtable_errors" in self._system_columns

    def to_record_data(self, record: RecordDict, as_of: str | None) -> RecordData:
        """Convert one record; cells that do not fit their column are in `_airtable_errors`."""
        data = self._template.copy()
        errors: dict[str, Any] = {}
        for field_id, cell in record["fields"].items():
            column = self._column_of.get(field_id)
            if column is None or cell is None:
                continue
            try:
                data[column.name] = column.convert(cell)
            except CellMisfit as misfit:
                errors[column.name] = cell
                data[column.name] = misfit.fitting
                if misfit.fitting is None and not column.nullable:
                    del data[column.name]
        self._add_system_columns(data, record, as_of, errors)
        return data

    @property
    def has_tombstones(self) -> bool:
        """Whether the column that marks deleted records is selected."""
        return DELETED_AT_COLUMN in self._system_columns

    def to_tombstone(self, record_id: str, deleted_at: str) -> RecordData:
        """Give the data that stands for a record that is gone; `deleted_at` is in UTC."""
        data: RecordData = dict.fromkeys(self._template)
        marks = {"_airtable_id": record_id, "_airtable_as_of": deleted_at}
        data |= {name: mark for name, mark in marks.items() if name in self._system_columns}
        data[DELETED_AT_COLUMN] = deleted_at
        return data

    def _add_system_columns(
        self, data: RecordData, record: RecordDict, as_of: str | None, errors: dict[str, Any]
    ) -> None:
        selected = self._system_columns
        if "_airtable_id" in selected:
            data["_airtable_id"] = record["id"]
        if "_airtable_created_time" in selected:
            data["_airtable_created_time"] = record.get("createdTime")
        if "_airtable_as_of" in selected:
            data["_airtable_as_of"] = as_of
        if errors:
            self.misfits += len(errors)
            if "_airtable_errors" in selected:
                data["_airtable_errors"] = self._convert_errors(errors)

    def _build_template(self) -> RecordData:
        """Give the data of a record without cells, in the order in which people read columns."""
        constants = {
            "_airtable_table_name": self._table.table_name,
            "_airtable_base_id": self._table.base_id,
            "_airtable_table_id": self._table.table_id,
        }
        template: RecordData = {
            name: constants.get(name) for name in SYSTEM_COLUMNS if name in self._system_columns
        }
        template |= dict.fromkeys(self.columns_without_field)
        for column in self.columns:
            if column.absent is not None or column.nullable:
                template[column.name] = column.absent
        return template


def _match_columns(
    table: TableSchema, properties: Mapping[str, Any]
) -> tuple[list[Column], list[str]]:
    """Find the field of each column; gives the columns, and the names of those without one."""
    by_id = {str(field["id"]): field for field in table.fields}
    by_name = _fields_by_column_name(table)
    columns: dict[FieldId, Column] = {}
    without_field: list[str] = []
    declared = {
        name: json_schema if isinstance(json_schema, Mapping) else {}
        for name, json_schema in properties.items()
        if name not in SYSTEM_COLUMNS
    }
    # Ids first. A name counts only where there is no id: the field that has it now may be another.
    for name in sorted(declared, key=lambda name: not _field_id(declared[name])):
        field_id = _field_id(declared[name])
        field = by_id.get(field_id) if field_id else by_name.get(name)
        if field is not None and field["id"] not in columns:
            columns[field["id"]] = _build_column(name, field, declared[name])
        elif is_nullable(declared[name]):
            without_field.append(name)
    return list(columns.values()), without_field


def _field_id(json_schema: Mapping[str, Any]) -> str:
    """Give the field id that discovery wrote into a column's schema, or an empty text."""
    annotation = json_schema.get(ANNOTATION)
    return str(annotation.get("field_id") or "") if isinstance(annotation, Mapping) else ""


def _fields_by_column_name(table: TableSchema) -> dict[str, FieldDict]:
    """Index fields by what a catalog without field ids may call them, our own names first."""
    columns = name_columns(table)
    index: dict[str, FieldDict] = {}
    for field in table.fields:
        index[columns[field["id"]]] = field
    for field in table.fields:
        for name in (field["id"], clean_name(field["name"]), field["name"]):
            index.setdefault(name, field)
    return index


def _build_column(name: str, field: FieldDict, json_schema: Mapping[str, Any]) -> Column:
    convert = build_converter(json_schema)
    absent = row_of(field).absent
    if absent is not None:
        try:
            absent = convert(absent)
        except CellMisfit:
            absent = None
    if types_of(json_schema) == ["array"] and "array" not in types_of(json_schema_of(field)):
        # An older catalog's array, for a field that holds one value.
        convert = wrap_single(convert)
    return Column(name, field, json_schema, convert, absent, is_nullable(json_schema))
