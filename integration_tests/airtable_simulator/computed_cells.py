"""The computed cells of records that the API writes, and of records that look at them.

A recomputation is not a user's edit: it moves no modified time. Cells whose formula or aggregation
is not known stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import Refusal
from .formula_aggregates import compile_rollup
from .formula_values import to_cell
from .formulas import compile_formula, field_reader
from .table import UnknownModelError
from .wire import is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .account import Base
    from .record import Cells, Record
    from .settings import Settings
    from .table import FieldDict, Table

    Compute: TypeAlias = Callable[[Record], Any]

FIRST_AI_TEXT: Final = {"state": "empty", "isStale": True, "value": None}
BUTTON: Final = {"label": "Open URL", "url": None}
MOST_STEPS: Final = 25
"""From a written record to the farthest one that looks at it, link by link."""


def first_cells(table: Table, user: dict[str, str]) -> Cells:
    """The cells that a record has from its creation on."""
    made: dict[str, dict[str, Any]] = {
        "aiText": FIRST_AI_TEXT,
        "button": BUTTON,
        "createdBy": user,
        "lastModifiedBy": user,
    }
    fields = (given for given in table.fields if given["type"] in made)
    return {given["id"]: dict(made[given["type"]]) for given in fields}


def editor_cells(table: Table, user: dict[str, str]) -> Cells:
    """The cells that an edit changes without naming them."""
    fields = (given for given in table.fields if given["type"] == "lastModifiedBy")
    return {given["id"]: dict(user) for given in fields}


class Recomputation:
    """Computes cells of one base."""

    def __init__(self, base: Base, settings: Settings, now: float) -> None:
        """Compute at a moment, for NOW() and TODAY()."""
        self._tables = base.tables
        self._settings = settings
        self._now = now
        self._known: dict[str, dict[str, Compute]] = {}

    def run(self, written: Iterable[tuple[Table, str]]) -> None:
        """Compute written records, those linked to them, and so on while cells change."""
        waiting = {(table.id, key): table for table, key in written}
        for step in range(MOST_STEPS):
            linkers: dict[tuple[str, str], Table] = {}
            for (_, key), table in waiting.items():
                record = table.records.get(key)
                if record is not None and (self._compute(table, record) or step == 0):
                    linkers |= {(one.id, other): one for one, other in self._linkers(table, record)}
            waiting = linkers

    def _compute(self, table: Table, record: Record) -> bool:
        """Compute a record's cells. Return whether one has changed."""
        computers = self._computers(table)
        has_changed = False
        # A formula may name others, in any order.
        for _ in computers:
            cells = {key: compute(record) for key, compute in computers.items()}
            new = {key: cell for key, cell in cells.items() if _differs(record, key, cell)}
            if not new:
                break
            table.edit_record(record.id, new, self._now, is_user_edit=False)
            has_changed = True
        return has_changed

    def _linkers(self, table: Table, record: Record) -> Iterator[tuple[Table, str]]:
        """The records with computed cells that link to a record."""
        for other in self._tables.values():
            for link in other.fields:
                if link["type"] != "multipleRecordLinks":
                    continue
                options = link.get("options") or {}
                if options.get("linkedTableId") != table.id or not self._computers(other):
                    continue
                inverse = table.field_id(options.get("inverseLinkFieldId", ""))
                if inverse is not None:
                    keys = record.cells.get(inverse) or ()
                else:
                    every = other.records.values()
                    keys = [one.id for one in every if record.id in one.cells.get(link["id"], ())]
                yield from ((other, key) for key in keys)

    def _computers(self, table: Table) -> dict[str, Compute]:
        """What computes the table's cells, by field id."""
        known = self._known.get(table.id)
        if known is None:
            made = {given["id"]: self._computer(table, given) for given in table.fields}
            known = {key: compute for key, compute in made.items() if compute is not None}
            self._known[table.id] = known
        return known

    def _computer(self, table: Table, given: FieldDict) -> Compute | None:
        options = given.get("options") or {}
        try:
            match given["type"]:
                case "formula" if options.get("formula"):
                    return self._formula(table, options)
                case "count":
                    link = table.field(options["recordLinkFieldId"])["id"]
                    return lambda record: len(record.cells.get(link) or ())
                case "multipleLookupValues":
                    return self._lookup(table, options)
                case "rollup" if given["id"] in table.aggregations:
                    return self._rollup(table, options, table.aggregations[given["id"]])
        except (KeyError, Refusal, UnknownModelError):
            # The schema lacks a part, or names what the simulator does not know.
            return None
        return None

    def _formula(self, table: Table, options: dict[str, Any]) -> Compute:
        formula, kind = options["formula"], _result_type(options)
        evaluate = compile_formula(formula, table, self._settings, self._now, self._tables)
        return lambda record: to_cell(evaluate(record), kind)

    def _lookup(self, table: Table, options: dict[str, Any]) -> Compute:
        find, _, key = self._linked_field(table, options)

        def look_up(record: Record) -> list[Any]:
            found: list[Any] = []
            for linked in find(record):
                cell = linked.cells.get(key)
                # Lookups of cells with several values are flat.
                found += cell if isinstance(cell, list) else [] if cell is None else [cell]
            return found

        return look_up

    def _rollup(self, table: Table, options: dict[str, Any], formula: str) -> Compute | None:
        find, linked_table, key = self._linked_field(table, options)
        read = field_reader(linked_table.field(key), self._tables)
        aggregate, kind = compile_rollup(formula), _result_type(options)
        if aggregate is None:
            return None
        return lambda record: to_cell(aggregate([read(one) for one in find(record)]), kind)

    def _linked_field(
        self, table: Table, options: dict[str, Any]
    ) -> tuple[Callable[[Record], list[Record]], Table, str]:
        """What finds the linked records, their table, and the id of the field that is looked at."""
        link = table.field(options["recordLinkFieldId"])
        linked = self._tables[link["options"]["linkedTableId"]]
        link_id, records = link["id"], linked.records

        def find(record: Record) -> list[Record]:
            return [records[key] for key in record.cells.get(link_id) or () if key in records]

        return find, linked, linked.field(options["fieldIdInLinkedTable"])["id"]


def _result_type(options: dict[str, Any]) -> str:
    return (options.get("result") or {}).get("type") or ""


def _differs(record: Record, key: str, cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    known = record.cells.get(key)
    return known is not None if is_empty(cell) else bool(known != cell)
