"""An account of link cells: tables whose records each hold thousands of other records' ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.ids import make_id

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.bench_scenarios import Scenario

CREATED_TIME: Final = "2026-11-01T08:30:00.000Z"


def write_link_account(scenario: Scenario, path: Path) -> None:
    """Write the bases' JSON, one table at a time: this program's memory is to stay small."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"bases": [')
        for base in range(scenario.bases):
            shown = {"id": make_id("app", "links", base), "name": f"Links {base + 1}"}
            file.write(f'{", " if base else ""}{json.dumps(shown)[:-1]}, "tables": [')
            for table in range(scenario.tables):
                file.write(", " if table else "")
                json.dump(_table(scenario, base, table), file)
            file.write("]}")
        file.write("]}")


def _table(scenario: Scenario, base: int, table: int) -> dict[str, Any]:
    key = ("links", base, table)
    table_id = make_id("tbl", *key)
    primary = {"id": make_id("fld", *key, 0), "name": "Name", "type": "singleLineText"}
    links = [
        {
            "id": make_id("fld", *key, position),
            "name": f"Links {position}",
            "type": "multipleRecordLinks",
            "options": {"linkedTableId": table_id, "isReversed": False},
        }
        for position in range(1, scenario.fields)
    ]
    linked = [make_id("rec", *key, "linked", number) for number in range(scenario.linked_ids)]
    return {
        "id": table_id,
        "name": f"Table {table + 1}",
        "primaryFieldId": primary["id"],
        "fields": [primary, *links],
        "views": [],
        "records": [
            {
                "id": make_id("rec", *key, number),
                "createdTime": CREATED_TIME,
                "fields": {"Name": f"Record {number + 1}", **{f["name"]: linked for f in links}},
            }
            for number in range(scenario.records)
        ],
    }
