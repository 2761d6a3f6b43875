"""The real bases in ``../shared/real_bases``: where they are, and what their own JSON says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator import fill_empty_tables
from integration_tests.airtable_simulator.wire import is_empty
from integration_tests.connector import REPOSITORY

if TYPE_CHECKING:
    from integration_tests.connector import Message

FOLDER: Final = Path(os.environ.get("REAL_BASES", REPOSITORY.parent / "shared" / "real_bases"))
WITH_RECORDS: Final = ("all_field_types", "cmip_data_request")
SCHEMAS_ONLY: Final = ("crm_template", "shop")
GENERATED_RECORDS_PER_TABLE: Final = 40
ARE_ABSENT: Final = not FOLDER.is_dir()
REASON: Final = f"the real bases are not at {FOLDER} (REAL_BASES names the folder)"


def real_bases() -> list[Message]:
    """The four bases; those without records of their own get generated ones."""
    documents = [json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in WITH_RECORDS]
    documents += [
        fill_empty_tables(
            json.loads((FOLDER / f"{name}.json").read_text("utf-8")), GENERATED_RECORDS_PER_TABLE
        )
        for name in SCHEMAS_ONLY
    ]
    return [base for document in documents for base in document["bases"]]


def sent_cells(table: Message, record: Message) -> dict[str, Any]:
    """The cells of a record by field id, as Airtable sends them: none that are empty."""
    ids = {given["name"]: given["id"] for given in table["fields"]}
    return {ids.get(key, key): cell for key, cell in record["fields"].items() if not is_empty(cell)}


def is_same(value: Any, cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether a value is what was sent; true is not 1, but 7 may have been 7.0."""
    if isinstance(value, bool) != isinstance(cell, bool):
        return False
    if isinstance(value, list) and isinstance(cell, list):
        return len(value) == len(cell) and all(map(is_same, value, cell))
    if isinstance(value, dict) and isinstance(cell, dict):
        return value.keys() == cell.keys() and all(is_same(value[key], cell[key]) for key in cell)
    return bool(value == cell)


def is_error_value(cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether Airtable says with the cell that it has no value for it."""
    return (
        isinstance(cell, dict) and len(cell) == 1 and not {"error", "specialValue"}.isdisjoint(cell)
    )
