"""One record of Airtable becomes the data of one record message, compiled once per table.

There are two layouts: a table's own stream has a column for each field, and the stream `records`
holds the cells of any table in objects.

The *configured* JSON schema, from which the destination's table was made, decides what a column
holds: its property finds the field (by field id, else by name), and its type decides how the cell
is converted. So a catalog of an older version, or of Airbyte's own connector, stays true, and a
field that is not selected is neither asked for nor emitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from source_airtable.schema.cell_values import (
    CellMisfit,
    build_converter,
    is_nullable,
    types_of,
    wrap_single,
)
from source_airtable.schema.field_types import json_schema_of, row_of
from source_airtable.schema.fingerprint import fingerprint_columns
from source_airtable.schema.json_schema import ANNOTATION, build_json_schema, name_columns
from source_airtable.schema.link_names import NamesColumns, find_no_names
from source_airtable.schema.names import clean_name
from source_airtable.schema.system_columns import (
    CURSOR_COLUMN,
    DELETED_AT_COLUMN,
    ERRORS_COLUMN,
    PRIMARY_KEY,
    SYSTEM_COLUMNS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from source_airtable.api.wire_types import FieldDict, FieldId, RecordDict
    from source_airtable.schema.cell_values import Converter
    from source_airtable.schema.link_names import FindNames, NamesColumn
    from source_airtable.schema.table_schema import TableSchema

Row = dict[str, Any]
"""The data of one record message."""

Cells = tuple[dict[str, Any], dict[str, Any]]
"""One record's values by field id, and the cells that do not fit, as Airtable sent them."""


@dataclass(slots=True)
class Page:
    """Records that one answer of Airtable holds."""

    records: list[RecordDict]
    answered_at: datetime | None = None
    """Airtable's clock (UTC) when it answered; None where the answer had no usable `Date`."""
    _converted: dict[bytes, list[Cells]] = field(default_factory=dict)

    def cells(self, converter: CellConverter) -> list[Cells]:
        """Convert the cells of each record, once for all streams that convert them alike."""
        cells = self._converted.get(converter.key)
        if cells is None:
            cells = self._converted[converter.key] = converter.convert(self.records)
        return cells


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


class CellConverter:
    """Converts the cells of one table's records by the types of their columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._convert_of: dict[str, Converter] = {
            column.field["id"]: column.convert for column in columns
        }
        by_field: dict[str, Any] = {
            column.field["id"]: _without_annotations(column) for column in columns
        }
        self.key = orjson.dumps(by_field, option=orjson.OPT_SORT_KEYS)
        """Equal for converters that convert every record alike."""

    def convert(self, records: Sequence[RecordDict]) -> list[Cells]:
        """Convert records, one to one; empty cells and cells without a column are left out."""
        convert_of = self._convert_of.get
        converted: list[Cells] = []
        for record in records:
            values: dict[str, Any] = {}
            misfits: dict[str, Any] = {}
            for field_id, cell in record["fields"].items():
                convert = convert_of(field_id)
                if convert is None or cell is None:
                    continue
                try:
                    values[field_id] = convert(cell)
                except CellMisfit as misfit:
                    misfits[field_id] = cell
                    values[field_id] = misfit.fitting
            converted.append((values, misfits))
        return converted


class Layout(Protocol):
    """Places the converted cells of a record in a row."""

    constants: Mapping[str, Any]
    """What stands in every row and may change without an edit of the record."""

    errors_column: str
    keeps_errors: bool
    """Whether the column for cells that do not fit is selected."""
    has_tombstones: bool
    """Whether the column that marks deleted records is selected."""

    def row(self, record: RecordDict, cells: Cells, as_of: str | None) -> Row:
        """Place one record."""

    def tombstone(self, record_id: str, as_of: str) -> Row:
        """Give the row that stands for a record that is gone."""


class RecordConverter:
    """Turns the records of one table into rows.

    >>> converter = RecordConverter.for_table(table, configured_json_schema)
    >>> record = {"id": "recAdw9EjV90xbZ00", "createdTime": "…", "fields": {"fldRating00000": 7.0}}
    >>> converter.rows(Page([record]), "2026-11-18T10:00:00.000Z")
    [{'_airtable_id': 'recAdw9EjV90xbZ00', …, 'rating': 7, '_airtable_errors': None}]
    """

    def __init__(
        self,
        table: TableSchema,
        columns: Sequence[Column],
        layout: Layout,
        columns_without_field: Sequence[str] = (),
        names: NamesColumns | None = None,
    ) -> None:
        self.table = table
        self.columns = columns
        self.layout = layout
        self.columns_without_field = columns_without_field
        """Columns that a catalog still has, and whose field is gone."""
        self.misfits = 0
        """Cells so far that did not fit their column."""
        self._cells = CellConverter(columns)
        self.names = names or NamesColumns(table, {})

    @classmethod
    def for_table(
        cls,
        table: TableSchema,
        json_schema: Mapping[str, Any],
        find_names: FindNames = find_no_names,
    ) -> RecordConverter:
        """Compile a table's own stream: one column a field, and one for the names of its links."""
        properties = _properties_of(json_schema)
        names = NamesColumns(table, properties, find_names)
        columns, without_field = _match_columns(table, names.other_properties)
        without_field += names.without_field
        layout = TableLayout(table, properties, columns, without_field)
        return cls(table, columns, layout, without_field, names)

    @classmethod
    def for_records(cls, table: TableSchema, json_schema: Mapping[str, Any]) -> RecordConverter:
        """Compile a table for the stream `records`; values are those of the table's own stream."""
        selected = frozenset(_properties_of(json_schema))
        fields: Mapping[str, Any] = {}
        if selected & {"fields", "fields_by_id", "_errors"}:
            fields = build_json_schema(table, by_field_id=True)["properties"]
        columns, _ = _match_columns(table, fields)
        names = _unique_field_names(table)
        if "fields" in selected:
            # A renamed field changes rows, so the fingerprint must see the name.
            columns = [replace(column, name=names[column.field["id"]]) for column in columns]
        return cls(table, columns, RecordsLayout(table, selected, columns, names))

    @property
    def all_columns(self) -> list[Column | NamesColumn]:
        """The columns of fields, and those of the names of linked records."""
        return [*self.columns, *self.names.columns]

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """The fields of the columns.

        Where no field is selected, one is asked for and left out: an empty list would mean all.
        """
        wanted = tuple(dict.fromkeys(column.field["id"] for column in self.all_columns))
        if not wanted and self.table.fields:
            return (self.table.primary_field_id or self.table.fields[0]["id"],)
        return wanted

    def fingerprint(self) -> str:
        """Give the fingerprint of all that decides what a record's row holds."""
        columns = ((one.name, one.field["id"], one.json_schema) for one in self.all_columns)
        return fingerprint_columns(self.table, columns, self.layout.constants)

    def rows(self, page: Page, as_of: str | None) -> list[Row]:
        """Convert a page, one row a record; `as_of` is the cursor of the rows."""
        cells = page.cells(self._cells)
        self.misfits += sum(len(misfits) for _, misfits in cells)
        place = self.layout.row
        rows = [place(record, own, as_of) for record, own in zip(page.records, cells, strict=True)]
        self.names.fill(rows, page.records)
        return rows


class TableLayout:
    """The rows of a table's own stream."""

    errors_column = ERRORS_COLUMN

    def __init__(
        self,
        table: TableSchema,
        properties: Mapping[str, Any],
        columns: Sequence[Column],
        columns_without_field: Sequence[str],
    ) -> None:
        self._selected = selected = frozenset(SYSTEM_COLUMNS).intersection(properties)
        self.keeps_errors = self.errors_column in selected
        self.has_tombstones = DELETED_AT_COLUMN in selected
        self._has_id = PRIMARY_KEY in selected
        self._has_created_time = "_airtable_created_time" in selected
        self._has_as_of = CURSOR_COLUMN in selected
        errors_schema = properties.get(self.errors_column)
        # A catalog may have the errors as text.
        self._convert_errors = build_converter(
            errors_schema if isinstance(errors_schema, Mapping) else {}
        )
        self._name_of: dict[str, str] = {column.field["id"]: column.name for column in columns}
        self._not_nullable = {column.field["id"] for column in columns if not column.nullable}
        self._template = self._build_template(table, columns, columns_without_field)
        self.constants: Mapping[str, Any] = {}
        if "_airtable_table_name" in selected:
            self.constants = {"_airtable_table_name": table.table_name}

    def row(self, record: RecordDict, cells: Cells, as_of: str | None) -> Row:
        """Place one record; cells that do not fit their column are in `_airtable_errors`."""
        values, misfits = cells
        name_of = self._name_of
        row = self._template.copy()
        for field_id, value in values.items():
            row[name_of[field_id]] = value
        if self._has_id:
            row[PRIMARY_KEY] = record["id"]
        if self._has_created_time:
            row["_airtable_created_time"] = record.get("createdTime")
        if self._has_as_of:
            row[CURSOR_COLUMN] = as_of
        if misfits:
            self._place_misfits(row, cells)
        return row

    def tombstone(self, record_id: str, as_of: str) -> Row:
        """Give a row of nulls that only says which record is gone, and since when (UTC)."""
        known = {PRIMARY_KEY: record_id, CURSOR_COLUMN: as_of, DELETED_AT_COLUMN: as_of}
        row: Row = dict.fromkeys(self._template)
        return row | {name: value for name, value in known.items() if name in self._selected}

    def _place_misfits(self, row: Row, cells: Cells) -> None:
        values, misfits = cells
        for field_id in self._not_nullable.intersection(misfits):
            if values[field_id] is None:
                del row[self._name_of[field_id]]
        if self.keeps_errors:
            errors = {self._name_of[field_id]: cell for field_id, cell in misfits.items()}
            row[self.errors_column] = self._convert_errors(errors)

    def _build_template(
        self, table: TableSchema, columns: Sequence[Column], columns_without_field: Sequence[str]
    ) -> Row:
        """Give the row of a record without cells, in the order in which people read columns."""
        constants = {
            "_airtable_table_name": table.table_name,
            "_airtable_base_id": table.base_id,
            "_airtable_table_id": table.table_id,
        }
        template: Row = {
            name: constants.get(name) for name in SYSTEM_COLUMNS if name in self._selected
        }
        template |= dict.fromkeys(columns_without_field)
        for column in columns:
            if column.absent is not None or column.nullable:
                template[column.name] = column.absent
        return template


class RecordsLayout:
    """The rows of the stream `records`: the same columns for every table, cells in objects.

    Shape: `{'_base_id': 'appLkNDICXNqxSDhG', '_table_id': 'tblltp8DGLhqbUmjK',
    'id': 'recAdw9EjV90xbZ00', 'created_time': '…', 'fields': {'Name': 'Ada'},
    'fields_by_id': {'fld1VnoyuotSTyxW1': 'Ada'}, '_errors': None, '_as_of': '…'}`.
    """

    errors_column = "_errors"

    def __init__(
        self,
        table: TableSchema,
        selected: frozenset[str],
        columns: Sequence[Column],
        names: Mapping[str, str],
    ) -> None:
        self._table = table
        self._selected = selected
        self._names = names
        # Without a field that is deleted, the objects of cells are others.
        self.constants: Mapping[str, Any] = {
            "fields": sorted(column.field["id"] for column in columns)
        }
        self._absent: dict[str, Any] = {
            column.field["id"]: column.absent for column in columns if column.absent is not None
        }
        self.keeps_errors = self.errors_column in selected
        self.has_tombstones = DELETED_AT_COLUMN in selected

    def row(self, record: RecordDict, cells: Cells, as_of: str | None) -> Row:
        """Place one record; cells that are empty have no key."""
        values, misfits = cells
        by_id = self._absent | values if self._absent else values
        by_id = {field_id: value for field_id, value in by_id.items() if value is not None}
        names = self._names
        row: Row = {
            "_base_id": self._table.base_id,
            "_table_id": self._table.table_id,
            "id": record["id"],
            "created_time": record.get("createdTime"),
            "fields": {names[field_id]: value for field_id, value in by_id.items()},
            "fields_by_id": by_id,
            self.errors_column: misfits or None,
            "_as_of": as_of,
            DELETED_AT_COLUMN: None,
        }
        return {name: value for name, value in row.items() if name in self._selected}

    def tombstone(self, record_id: str, as_of: str) -> Row:
        """Give a row of nulls that only says which record is gone, and since when (UTC)."""
        known = {
            "_base_id": self._table.base_id,
            "_table_id": self._table.table_id,
            "id": record_id,
            "_as_of": as_of,
            DELETED_AT_COLUMN: as_of,
        }
        row: Row = dict.fromkeys(self._selected)
        return row | {name: value for name, value in known.items() if name in self._selected}


def _properties_of(json_schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = json_schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _without_annotations(column: Column) -> dict[str, Any]:
    return {
        key: part
        for key, part in column.json_schema.items()
        if key not in ("description", ANNOTATION)
    }


def _unique_field_names(table: TableSchema) -> dict[str, str]:
    """Name the cells of a table by field id; a name that comes twice gets its field's id."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for one in table.fields:
        name = one["name"]
        while name in taken:
            name = f"{name} ({one['id']})"
        taken.add(name)
        names[one["id"]] = name
    return names


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
    for one in table.fields:
        index[columns[one["id"]]] = one
    for one in table.fields:
        for name in (one["id"], clean_name(one["name"]), one["name"]):
            index.setdefault(name, one)
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
