"""What a table of Airtable's is in DuckDB when PyAirbyte has read it, row by row.

It is said here apart from the connector's code, after README: its names, its types, and where cells
go that fit no type. PyAirbyte's own part is to leave of a name only ``a-z``, digits and ``_``, and
to give each JSON type a type of DuckDB's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from integration_tests.real_bases import is_error_value, is_same, sent_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.connector import Message

TEXT, NUMBER, INTEGER, JSON = "VARCHAR", "DECIMAL(38,9)", "BIGINT", "JSON"
BOOLEAN, DATE, MOMENT = "BOOLEAN", "DATE", "TIMESTAMP"
TYPES: Final = {
    **dict.fromkeys(("number", "percent", "currency", "duration"), NUMBER),
    **dict.fromkeys(("rating", "autoNumber", "count"), INTEGER),
    "checkbox": BOOLEAN,
    "date": DATE,
    "dateTime": MOMENT,
    **dict.fromkeys(("multipleSelects", "multipleRecordLinks", "multipleAttachments"), JSON),
    **dict.fromkeys(("singleCollaborator", "createdBy", "lastModifiedBy"), JSON),
    **dict.fromkeys(("multipleCollaborators", "barcode", "button", "aiText"), JSON),
}
"""All others are text."""
LOOKUPS: Final = ("multipleLookupValues", "lookup")
RESULTS: Final = ("formula", "rollup", "createdTime", "lastModifiedTime")
SYSTEM_TYPES: Final = {
    **dict.fromkeys(("_airtable_id", "_airtable_created_time", "_airtable_table_name"), TEXT),
    **dict.fromkeys(("_airtable_base_id", "_airtable_table_id"), TEXT),
    "_airtable_as_of": MOMENT,
    "_airtable_errors": JSON,
}
RENAMED_BY_PLATFORM: Final = ("$id", "$schema", "$comment")
NANO: Final = Decimal("1e-9")
WIDE: Final = Context(prec=60)
LARGEST_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Column:
    """One field's column."""

    field: Message
    name_on_the_wire: str
    """As the connector calls it, also in ``_airtable_errors``."""
    name: str
    type: str


def columns_of(table: Message) -> list[Column]:
    """The columns of a table's fields, in their order."""
    plain = [given["name"].replace(" ", "_").lower().strip()[:255] for given in table["fields"]]
    left = [re.sub("[^a-z0-9_]", "_", name).strip("_") for name in plain]
    taken = Counter([*left, *(name.strip("_") for name in SYSTEM_TYPES)])
    columns = []
    for given, name, rest in zip(table["fields"], plain, left, strict=True):
        is_alone = rest and taken[rest] == 1 and name not in RENAMED_BY_PLATFORM
        full = name if is_alone else f"{name[: 254 - len(given['id'])]}_{given['id']}"
        columns.append(Column(given, full, in_duckdb(full), type_of(given)))
    assert len({column.name for column in columns}) == len(columns)
    return columns


def in_duckdb(name: str) -> str:
    """What PyAirbyte makes of a name."""
    reduced = re.sub("[^a-z0-9]", "_", name.lower())
    return f"_{reduced}" if reduced[0].isdigit() else reduced


def type_of(given: Message) -> str:
    """DuckDB's type for the cells of a field."""
    options = given.get("options") or {}
    result = options.get("result")
    if given["type"] in (*LOOKUPS, *RESULTS):
        if options.get("isValid") is False or not result:
            return TEXT
        return JSON if given["type"] in LOOKUPS else type_of(result)
    return TYPES.get(given["type"], TEXT)


def expected_row(base: Message, table: Message, record: Message) -> Message:
    """A record's row, without the moment it was read at."""
    cells, errors = sent_cells(table, record), {}
    row = {
        "_airtable_id": record["id"],
        "_airtable_created_time": record["createdTime"],
        "_airtable_table_name": table["name"],
        "_airtable_table_id": table["id"],
        "_airtable_base_id": base["id"],
    }
    for column in columns_of(table):
        cell = cells.get(column.field["id"])
        if cell is None:
            row[column.name] = False if column.field["type"] == "checkbox" else None
            continue
        row[column.name], is_misfit = VALUES[column.type](cell)
        if is_misfit:
            errors[column.name_on_the_wire] = cell
    return {**row, "_airtable_errors": errors or None}


Value = tuple[Any, bool]
"""What the column holds, and whether the cell is among the errors."""
NOTHING: Final[Value] = (None, True)


def _text(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    return NOTHING if is_error_value(cell) else (cell, False)


def _number(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    if type(cell) not in (int, float) or abs(cell) >= 1e29:
        return NOTHING
    return Decimal(repr(cell)).quantize(NANO, ROUND_HALF_UP, WIDE), False


def _integer(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    return (int(cell), False) if type(cell) in (int, float) and cell == int(cell) else NOTHING


def _boolean(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    return (bool(cell), False) if cell in (True, False) else NOTHING


def _date(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    return (date.fromisoformat(cell), False) if isinstance(cell, str) else NOTHING


def _moment(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    if not isinstance(cell, str):
        return NOTHING
    moment = datetime.fromisoformat(cell.replace("Z", "+00:00"))
    return moment.astimezone(timezone.utc).replace(tzinfo=None), False


def _json(cell: Any) -> Value:  # noqa: ANN401 - a cell is anything
    if isinstance(cell, list):
        kept = [None if is_error_value(element) else element for element in cell]
        return kept, any(map(is_error_value, cell))
    return NOTHING if is_error_value(cell) else (cell, False)


VALUES: Final[dict[str, Callable[[Any], Value]]] = {
    TEXT: _text,
    NUMBER: _number,
    INTEGER: _integer,
    BOOLEAN: _boolean,
    DATE: _date,
    MOMENT: _moment,
    JSON: _json,
}


def differences(expected: Message, row: Message) -> Iterator[tuple[str, Any, Any]]:
    """The columns in which a row of DuckDB's is not as expected; more and fewer columns, too."""
    for name in sorted(expected.keys() ^ (row.keys() - {"_airtable_as_of"})):
        yield name, expected.get(name, "no column"), row.get(name, "no column")
    for name in sorted(expected.keys() & row.keys()):
        wanted, arrived = expected[name], row[name]
        if isinstance(wanted, list | dict | int | float) and isinstance(arrived, str):
            arrived = json.loads(arrived)
        if not (type(wanted) is type(arrived) and _is_equal(wanted, arrived)):
            yield name, wanted, arrived


def _is_equal(wanted: Any, arrived: Any) -> bool:  # noqa: ANN401 - a cell is anything
    if isinstance(wanted, Decimal) and abs(wanted) > LARGEST_EXACT:
        # DuckDB computes the decimal from a float, whose last bit is noise.
        return bool(abs(wanted - arrived) <= abs(wanted) / LARGEST_EXACT)
    return is_same(arrived, wanted)
