"""States that released versions saved, with what they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unit_tests.builders import a_table_schema

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema

FOLDER = Path(__file__).parent / "samples" / "states"


@dataclass(frozen=True)
class StateSample:
    """One saved state."""

    table: TableSchema
    state: dict[str, Any]
    holds: dict[str, Any]
    """What can be read from it."""

    @property
    def state_of_table(self) -> dict[str, Any]:
        """The table's part of the state of a stream over many tables."""
        part: dict[str, Any] = self.state["tables"]["/".join(self.table.key)]
        return part


def a_state_sample(name: str) -> StateSample:
    """Read a sample."""
    sample = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return StateSample(a_table_schema(table=sample["table"]), sample["state"], sample["holds"])
