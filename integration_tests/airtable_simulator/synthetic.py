"""Big, plain accounts for benchmarks: many bases, tables, records and fields on request."""

from __future__ import annotations

from typing import Any, Final

from .clock import to_wire_time
from .ids import make_id

CREATED_AT: Final = 1_700_000_000
"""2023-11-14T22:13:20Z, the creation of every account's first record."""
CHOICES: Final = ("Planned", "Baking", "Ready", "Delivered")
COLORS: Final = ("blueLight2", "yellowLight2", "greenLight2", "redLight2")
TEXTS: Final = 64


def synthetic_account(
    bases: int = 1, tables: int = 1, records: int = 1000, fields: int = 20, cell_bytes: int = 24
) -> dict[str, Any]:
    """Bases to load, always the same for the same figures.

    Units: ``cell_bytes`` is the length of the text cells, the first field's excepted.
    """
    texts = [
        (f"{number:02d} lorem ipsum dolor " * (cell_bytes // 20 + 1))[:cell_bytes]
        for number in range(TEXTS)
    ]
    return {
        "bases": [
            {
                "id": make_id("app", "synthetic", base),
                "name": f"Synthetic {base + 1}",
                "permissionLevel": "create",
                "tables": [_table(base, table, records, fields, texts) for table in range(tables)],
            }
            for base in range(bases)
        ]
    }


def _table(base: int, table: int, records: int, fields: int, texts: list[str]) -> dict[str, Any]:
    key = ("synthetic", base, table)
    shown = [_field(key, position) for position in range(fields)]
    return {
        "id": make_id("tbl", *key),
        "name": f"Table {table + 1}",
        "primaryFieldId": shown[0]["id"],
        "fields": shown,
        "views": [{"id": make_id("viw", *key), "name": "Grid view", "type": "grid"}],
        "records": [
            {
                "id": make_id("rec", *key, record),
                "createdTime": to_wire_time(CREATED_AT + record),
                "fields": {
                    field["id"]: _cell(field["type"], position, record, texts)
                    for position, field in enumerate(shown)
                },
            }
            for record in range(records)
        ],
    }


def _field(key: tuple[object, ...], position: int) -> dict[str, Any]:
    kinds = FIELD_KINDS if position else FIELD_KINDS[:1]
    field_type, options = kinds[position % len(kinds)]
    if field_type == "singleSelect":
        options = {
            "choices": [
                {"id": make_id("sel", *key, position, name), "name": name, "color": color}
                for name, color in zip(CHOICES, COLORS, strict=True)
            ]
        }
    shown = {"id": make_id("fld", *key, position), "name": f"Field {position + 1}"}
    return {**shown, "type": field_type, **({} if options is None else {"options": options})}


DATE_OPTIONS: Final = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
DATE_TIME_OPTIONS: Final = {
    **DATE_OPTIONS,
    "timeFormat": {"name": "24hour", "format": "HH:mm"},
    "timeZone": "utc",
}
FIELD_KINDS: Final[tuple[tuple[str, dict[str, Any] | None], ...]] = (
    ("singleLineText", None),
    ("number", {"precision": 2}),
    ("multilineText", None),
    ("singleSelect", {}),
    ("checkbox", {"icon": "check", "color": "greenBright"}),
    ("date", DATE_OPTIONS),
    ("dateTime", DATE_TIME_OPTIONS),
    ("email", None),
    ("currency", {"precision": 2, "symbol": "€"}),
    ("singleLineText", None),
)


def _cell(field_type: str, position: int, record: int, texts: list[str]) -> Any:  # noqa: ANN401, PLR0911 - a cell is anything; one return for each type
    number = record * 31 + position
    if position == 0:
        return f"Record {record + 1}"
    match field_type:
        case "number" | "currency":
            return number % 10_000 / 4
        case "singleSelect":
            return CHOICES[number % len(CHOICES)]
        case "checkbox":
            return number % 2 == 0
        case "date":
            return to_wire_time(CREATED_AT + number * 3600)[:10]
        case "dateTime":
            return to_wire_time(CREATED_AT + number * 60)
        case "email":
            return f"person{number}@example.com"
        case _:
            return texts[number % TEXTS]
