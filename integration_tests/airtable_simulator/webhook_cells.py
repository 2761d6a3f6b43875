"""Cells as webhooks show them: choices, links and lookups differ from those of a listing.

See: https://airtable.com/developers/web/api/field-model
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .account import Base, FieldDict, Record, Table

Cell = Any
Show: TypeAlias = Callable[["Record", Cell], Cell]


class CellView:
    """Shows the cells of one table's records."""

    def __init__(self, base: Base, table: Table) -> None:
        """Show the table's cells as they are now."""
        shows = {given["id"]: _show_for(base, table, given) for given in table.fields}
        self._shows = {key: show for key, show in shows.items() if show is not None}

    def every_cell(self, record: Record) -> dict[str, Cell]:
        """The cells of a record that are not empty."""
        return self.some_cells(record, record.cells)

    def some_cells(self, record: Record, field_ids: Iterable[str]) -> dict[str, Cell]:
        """Some cells of a record. An empty cell is null."""
        shown: dict[str, Cell] = {}
        for field_id in field_ids:
            cell = record.cells.get(field_id)
            show = self._shows.get(field_id)
            shown[field_id] = cell if show is None or cell is None else show(record, cell)
        return shown


def _show_for(base: Base, table: Table, field: FieldDict) -> Show | None:
    options = field.get("options") or {}
    field_type = field["type"]
    if field_type in ("singleSelect", "multipleSelects"):
        choices = {one["name"]: one for one in options.get("choices", ())}
        return partial(_show_choices, choices)
    if field_type == "multipleRecordLinks":
        return partial(_show_links, base.tables.get(options.get("linkedTableId", "")))
    if field_type == "multipleLookupValues":
        link_id = options.get("recordLinkFieldId", "")
        is_known = table.field_id(link_id) is not None
        link_options = (table.field(link_id).get("options") or {}) if is_known else {}
        linked = base.tables.get(link_options.get("linkedTableId", ""))
        return partial(_show_lookup, link_id, linked, options.get("fieldIdInLinkedTable", ""))
    return None


def _show_choices(choices: dict[str, dict[str, Any]], _: Record, cell: Cell) -> Cell:
    if isinstance(cell, list):
        return [choices.get(one, {"name": one}) for one in cell]
    return choices.get(cell, {"name": cell})


def _show_links(linked: Table | None, _: Record, cell: Cell) -> Cell:
    return [{"id": one, "name": _name_of(linked, one)} for one in cell]


def _name_of(linked: Table | None, record_id: str) -> str:
    record = linked.records.get(record_id) if linked else None
    return str(record.cells.get(linked.primary_field_id, "")) if linked and record else ""


def _show_lookup(
    link_id: str, linked: Table | None, looked_up_id: str, record: Record, cell: Cell
) -> Cell:
    ids = record.cells.get(link_id) or []
    known = linked.records if linked else {}
    values = {one: known[one].cells.get(looked_up_id) for one in ids if one in known}
    if not values:
        return cell
    shown = {
        one: value if isinstance(value, list) else [value]
        for one, value in values.items()
        if value is not None
    }
    return {"linkedRecordIds": ids, "valuesByLinkedRecordId": shown}
