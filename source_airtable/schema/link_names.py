"""The columns of names beside fields of links: `orders_names` beside `orders`.

Such a column holds the primary values of the linked records, in the order of the link's cell. It is
the second column of its field, and its annotation says so: `{"names_of": "fld…"}`. Only the
configured catalog decides whether names are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from source_airtable.schema.cell_values import (
    INTEGER_LIMIT,
    CellMisfit,
    build_converter,
    is_error_value,
    is_nullable,
)
from source_airtable.schema.field_types import LINKS_TYPE
from source_airtable.schema.json_schema import ANNOTATION, NAMES_OF
from source_airtable.schema.table_schema import TableSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.wire_types import CellValue, FieldDict, RecordDict

NameOf = Callable[[str], "str | None"]
"""Gives the name of a record by its id; None where it cannot be seen or has none."""
FindNames = Callable[[TableSchema, "FieldDict"], NameOf]
"""Gives the names of the records that a table's field links to."""

# What people see of an object: a collaborator's name, a barcode's text, a button's label, the text
# of an AI field, an attachment's file name; else a collaborator's address, else an id.
_SHOWN_KEYS = ("name", "text", "label", "value", "filename", "email", "id")


def find_no_names(table: TableSchema, field: FieldDict) -> NameOf:  # noqa: ARG001 - as FindNames
    """Find no names, where nothing can read them."""
    return lambda _: None


def linked_table_id(field: FieldDict) -> str | None:
    """Return the id of the table that a field links to, if Airtable says it."""
    options: Any = field.get("options") or {}
    table_id = options.get("linkedTableId")
    return table_id if isinstance(table_id, str) else None


def linked_record_id(item: Any) -> str | None:  # noqa: ANN401 - whatever Airtable sends
    """Return the record id of one item of a link's cell.

    Some answers name the record beside its id.
    """
    record_id = item.get("id") if isinstance(item, dict) else item
    return record_id if isinstance(record_id, str) else None


def to_name(cell: CellValue) -> str | None:
    """Write a primary cell as text. An empty cell and an error of Airtable's give None.

    Shapes: `"Ada"` and `{"text": "Ada"}` become `Ada`, `7.0` becomes `7`, `["a", "b"]` becomes
    `a, b`.
    """
    if isinstance(cell, str):
        return cell or None
    if cell is None or is_error_value(cell):
        return None
    if isinstance(cell, list):
        return ", ".join(name for name in map(to_name, cell) if name) or None
    if isinstance(cell, dict):
        shown = [cell[key] for key in _SHOWN_KEYS if key in cell]
        if shown:
            return next((text for text in shown if isinstance(text, str) and text), None)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < INTEGER_LIMIT:
        cell = int(cell)
    return orjson.dumps(cell).decode()


class NamesColumn:
    """One column of names."""

    def __init__(
        self,
        name: str,
        table: TableSchema,
        field: FieldDict,
        json_schema: Mapping[str, Any],
        find_names: FindNames,
    ) -> None:
        self.name = name
        self.field = field
        self.json_schema = json_schema
        self._table = table
        self._find_names = find_names
        self._name_of: NameOf | None = None
        self._convert = build_converter(json_schema)
        self._is_nullable = is_nullable(json_schema)

    def fill(self, row: dict[str, Any], record: RecordDict) -> None:
        """Place the names of one record's links. The first link has the names found."""
        cell = record["fields"].get(self.field["id"])
        names = self._names_of(cell) if isinstance(cell, list) and cell else None
        if names is not None or self._is_nullable:
            row[self.name] = names

    def _names_of(self, cell: list[Any]) -> Any:  # noqa: ANN401 - what the column holds
        if self._name_of is None:
            self._name_of = self._find_names(self._table, self.field)
        record_ids = map(linked_record_id, cell)
        names = [None if one is None else self._name_of(one) for one in record_ids]
        try:
            return self._convert(names)
        except CellMisfit as misfit:
            return misfit.fitting


class NamesColumns:
    """The columns of names that a configured catalog has of one table."""

    def __init__(
        self,
        table: TableSchema,
        properties: Mapping[str, Any],
        find_names: FindNames = find_no_names,
    ) -> None:
        fields = {str(one["id"]): one for one in table.fields if one["type"] == LINKS_TYPE}
        self.columns: list[NamesColumn] = []
        self.without_field: list[str] = []
        """Columns that the catalog still has, and whose field is gone or holds no links now."""
        self.other_properties: dict[str, Any] = {}
        """The columns that hold something else than names."""
        for name, json_schema in properties.items():
            annotation = _annotation_of(json_schema)
            if NAMES_OF not in annotation:
                self.other_properties[name] = json_schema
                continue
            field = fields.get(str(annotation[NAMES_OF]))
            if field is not None:
                self.columns.append(NamesColumn(name, table, field, json_schema, find_names))
            elif is_nullable(json_schema):
                self.without_field.append(name)

    def fill(self, rows: Sequence[dict[str, Any]], records: Sequence[RecordDict]) -> None:
        """Place the names of the links of each record in its row."""
        for column in self.columns:
            for row, record in zip(rows, records, strict=True):
                column.fill(row, record)


def _annotation_of(json_schema: Any) -> Mapping[str, Any]:  # noqa: ANN401 - of any catalog
    annotation = json_schema.get(ANNOTATION) if isinstance(json_schema, Mapping) else None
    return annotation if isinstance(annotation, Mapping) else {}
