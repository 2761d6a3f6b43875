"""Stream and column names: Airtable's own, in a form in which no two of them become one.

Destinations change names further: they replace all but letters, digits and underscores, whereupon
`Due Date` and `due-date`, or two names in another script, become one column, and the last one wins.
`reduce_name` foresees that.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_airtable.schema import system_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_COLUMN_NAME = 255
"""Characters; Airtable's own limit for field names."""
LONGEST_STREAM_NAME_BYTES = 200
"""Destinations make file and table names of it, which are bounded in bytes."""

SYSTEM_COLUMNS = tuple(system_columns.SYSTEM_COLUMNS)
DELETED_AT_COLUMN = system_columns.DELETED_AT_COLUMN
# Columns that Airbyte or PyAirbyte adds beside a table's own.
_COLUMNS_OF_OTHERS = (
    "_airbyte_raw_id",
    "_airbyte_extracted_at",
    "_airbyte_loaded_at",
    "_airbyte_generation_id",
    "_airbyte_meta",
)

# Airbyte's platform takes the `$` from exactly these names, and loses the values of their columns.
_RENAMED_BY_PLATFORM = frozenset({"$id", "$schema", "$comment"})

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_]")


def clean_name(name: str) -> str:
    """Give a name as Airbyte's own connector spells it.

    Shape: `Order Lines 📦` gives `order_lines_📦`.
    """
    return name.replace(" ", "_").lower().strip()


def reduce_name(name: str) -> str:
    """Give what destinations leave of a name: two names that reduce alike may become one column.

    Shape: `due-date` and `Due Date` give `due_date`; `名前` gives an empty string.
    """
    return _NOT_IN_A_NAME.sub("_", name.lower()).strip("_")


_RESERVED = frozenset(reduce_name(name) for name in (*SYSTEM_COLUMNS, *_COLUMNS_OF_OTHERS))


def column_names(field_names: Mapping[str, str]) -> dict[str, str]:
    """Name the columns of one table, by field id; independent of the fields' order.

    A name that would share its column with another one, or with a system column, or of which a
    destination leaves nothing, gets `_<field id>`; a field that is added later changes the names of
    others only where it collides.

    Shape: `{"fldA": "Due Date", "fldB": "Notes", "fldC": "notes!"}` gives
    `{"fldA": "due_date", "fldB": "notes_fldB", "fldC": "notes!_fldC"}`.
    """
    names = {
        field_id: clean_name(name)[:LONGEST_COLUMN_NAME] for field_id, name in field_names.items()
    }
    suffixed: set[str] = set()
    while True:
        claims = Counter(reduce_name(name) for name in names.values())
        colliding = {
            field_id
            for field_id, name in names.items()
            if field_id not in suffixed
            and (
                claims[reduce_name(name)] > 1
                or reduce_name(name) in _RESERVED | {""}
                or name in _RENAMED_BY_PLATFORM
            )
        }
        if not colliding:
            return names
        for field_id in colliding:
            room = LONGEST_COLUMN_NAME - len(field_id) - 1
            names[field_id] = f"{names[field_id][:room]}_{field_id}"
        # A suffixed name can be the plain name of another field, which is then suffixed in the next
        # round.
        suffixed |= colliding


@dataclass(frozen=True, slots=True)
class TableNames:
    """What a stream is named after."""

    base_id: str
    base_name: str
    table_id: str
    table_name: str


def stream_names(tables: Sequence[TableNames], *, add_base_id: bool = False) -> list[str]:
    """Name the streams of all tables, in their order.

    Tables of duplicated bases may share their ids and names: names that would collide all get the
    base's id.

    Shape: `Sales CRM`, `Contacts` gives `sales_crm/contacts/tblltp8DGLhqbUmjK`.
    """
    names = [_stream_name(table, add_base_id=add_base_id) for table in tables]
    with_base_id: set[int] = set(range(len(names))) if add_base_id else set()
    while True:
        claims = Counter(reduce_name(name) for name in names)
        colliding = {
            place for place, name in enumerate(names) if claims[reduce_name(name)] > 1
        } - with_base_id
        if not colliding:
            return names
        for place in colliding:
            names[place] = _stream_name(tables[place], add_base_id=True)
        with_base_id |= colliding


def stream_name_of_ids(base_id: str, table_id: str) -> str:
    """Name a stream by ids, which no rename changes: `appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK`."""
    return f"{base_id}/{table_id}"


def stream_name_prefix(base_name: str) -> str:
    """Give what the names of all streams of a base begin with, as far as they are not cut."""
    return f"{clean_name(base_name)}/"


def _stream_name(table: TableNames, *, add_base_id: bool) -> str:
    base, name = clean_name(table.base_name), clean_name(table.table_name)
    ids = f"/{table.base_id}/{table.table_id}/" if add_base_id else f"/{table.table_id}/"
    room = LONGEST_STREAM_NAME_BYTES - len(ids.encode())
    if len(base.encode()) + len(name.encode()) > room:
        base = _cut(base, max(room // 2, room - len(name.encode())))
        name = _cut(name, room - len(base.encode()))
    parts = (
        [base, table.base_id, name, table.table_id] if add_base_id else [base, name, table.table_id]
    )
    return "/".join(parts)


def _cut(name: str, most_bytes: int) -> str:
    return name.encode()[:most_bytes].decode(errors="ignore")
