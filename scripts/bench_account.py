"""Accounts of cells that hold several things: links to other records, and attachments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.ids import make_id

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.bench_scenarios import Scenario

CREATED_TIME: Final = "2026-11-01T08:30:00.000Z"
TEXT: Final = "lorem ipsum dolor "


def write_account_of_items(scenario: Scenario, path: Path) -> None:
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
    files = {"id": make_id("fld", *key, "files"), "name": "Files", "type": "multipleAttachments"}
    notes = {"id": make_id("fld", *key, "notes"), "name": "Notes", "type": "multilineText"}
    text = (TEXT * (scenario.cell_bytes // len(TEXT) + 1))[: scenario.cell_bytes]
    more = [files, notes] if scenario.attachments else []
    return {
        "id": table_id,
        "name": f"Table {table + 1}",
        "primaryFieldId": primary["id"],
        "fields": [primary, *links, *more],
        "views": [],
        "records": [
            {
                "id": make_id("rec", *key, number),
                "createdTime": CREATED_TIME,
                "fields": {
                    "Name": f"Record {number + 1}",
                    **{field["name"]: linked for field in links},
                    **({"Files": _files(scenario, key, number), "Notes": text} if more else {}),
                },
            }
            for number in range(scenario.records)
        ],
    }


def _files(scenario: Scenario, key: tuple[object, ...], number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": make_id("att", *key, number, position),
            "url": "https://v5.airtableusercontent.com/v3/u/1/1/1793529000000/photo/photo.jpg",
            "filename": f"photo-{number}-{position}.jpg",
            "size": 1_000,
            "type": "image/jpeg",
        }
        for position in range(scenario.attachments)
    ]
