"""Plausible cells for every field type, made from a field's schema; equal seeds give equal cells.

Odd cells are part of what is plausible: absent ones, error and special values, null elements.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from .cell_generators import CREATED_AT, Surroundings, generate_filled_cell
from .clock import to_wire_time
from .ids import make_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cell_generators import FieldDict

ABSENT_SHARE: Final = 0.2
ALWAYS_PRESENT: Final = frozenset(
    {"autoNumber", "button", "count", "createdBy", "createdTime", "manualSort"}
)


def generate_cell(given: FieldDict, luck: random.Random, around: Surroundings) -> Any:  # noqa: ANN401 - a cell is anything
    """One cell of a field; None: the record does not list it."""
    field_type = given["type"]
    if field_type not in ALWAYS_PRESENT and luck.random() < ABSENT_SHARE:
        return None
    return generate_filled_cell(given, luck, around)


def fill_empty_tables(
    document: dict[str, Any], records_per_table: int, seed: int = 0
) -> dict[str, Any]:
    """The same bases, with records in every table that has none.

    Shape: ``{"bases": […]}`` in and out; record ids are unique in a base, links point to records.
    """
    return {
        **document,
        "bases": [_fill_base(base, records_per_table, seed) for base in document["bases"]],
    }


def _fill_base(base: dict[str, Any], records_per_table: int, seed: int) -> dict[str, Any]:
    record_ids: dict[str, list[str]] = {}
    for table in base["tables"]:
        known = [record["id"] for record in table.get("records") or ()]
        made = [
            make_id("rec", seed, base["id"], table["id"], number)
            for number in range(records_per_table)
        ]
        record_ids[table["id"]] = known or made
    tables = [
        table
        if table.get("records")
        else {**table, "records": _generate_records(base["id"], table, record_ids, seed)}
        for table in base["tables"]
    ]
    return {**base, "tables": tables}


def _generate_records(
    base_id: str, table: dict[str, Any], record_ids: Mapping[str, Sequence[str]], seed: int
) -> list[dict[str, Any]]:
    luck = random.Random(f"{seed}/{base_id}/{table['id']}")  # noqa: S311 - repeatable, not secret
    records = []
    for number, record_id in enumerate(record_ids[table["id"]], start=1):
        created_at = CREATED_AT + 97 * number
        around = Surroundings(number, created_at, record_ids)
        cells = {one["id"]: generate_cell(one, luck, around) for one in table["fields"]}
        records.append(
            {
                "id": record_id,
                "createdTime": to_wire_time(created_at),
                "fields": {key: cell for key, cell in cells.items() if cell is not None},
            }
        )
    return records
