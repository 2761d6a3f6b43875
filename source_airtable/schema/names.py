"""Names of streams and columns: Airtable's own, made unique.

Destinations change names again. They replace every character except letters, digits and
underscores. So `Due Date` and `due-date` become one column, and so do two names in another script.
The last one overwrites the others. `reduce_name` predicts this.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_airtable.schema.system_columns import SYSTEM_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST_COLUMN_NAME = 255
"""In characters. This is Airtable's own limit for field names."""
LONGEST_STREAM_NAME_BYTES = 200
"""Destinations turn it into names of files and tables, whose limits are in bytes."""

# Airbyte and PyAirbyte add these columns to every table.
_AIRBYTE_COLUMNS = (
    "_airbyte_raw_id",
    "_airbyte_extracted_at",
    "_airbyte_loaded_at",
    "_airbyte_generation_id",
    "_airbyte_meta",
)

# Airbyte's platform removes the `$` from exactly these names, and then drops the column's values.
_RENAMED_BY_PLATFORM = frozenset({"$id", "$schema", "$comment"})

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_]")


def clean_name(name: str) -> str:
    """Spell a name as Airbyte's own connector does.

    Shape: `Order Lines 📦` becomes `order_lines_📦`.
    """
    return name.replace(" ", "_").lower().strip()


def reduce_name(name: str) -> str:
    """Return what destinations keep of a name. Two equal results may become one column.

    Shape: `due-date` and `Due Date` become `due_date`, and `名前` becomes an empty string.
    """
    return _NOT_IN_A_NAME.sub("_", name.lower()).strip("_")


_RESERVED = frozenset(reduce_name(name) for name in (*SYSTEM_COLUMNS, *_AIRBYTE_COLUMNS))


def column_names(field_names: Mapping[str, str]) -> dict[str, str]:
    """Name the columns of one table by field id. The order of the fields does not matter.

    A name gets the suffix `_<field id>` if it collides with another name or a system column, if
    destinations keep nothing of it, or if Airbyte's platform renames it. A new field changes the
    names of other fields only if it collides with them.

    Shape: `{"fldA": "Due Date", "fldB": "Notes", "fldC": "notes!"}` becomes
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
            name_length = LONGEST_COLUMN_NAME - len(field_id) - 1
            names[field_id] = f"{names[field_id][:name_length]}_{field_id}"
        # The new name may be the plain name of another field, which gets its suffix in the next
        # round.
        suffixed |= colliding


def names_column_names(columns: Mapping[str, str], link_fields: Iterable[str]) -> dict[str, str]:
    """Name the columns of names beside the columns of fields, by field id.

    The columns of fields keep their names. A name gets the suffix `_<field id>` if it collides
    with one of theirs or with another one of these.

    Shape: `{"fldA": "orders", "fldB": "orders_names", "fldC": "customers"}` with links in `fldA`
    and `fldC` becomes `{"fldA": "orders_names_fldA", "fldC": "customers_names"}`.
    """
    plain = {field_id: _append(columns[field_id], "_names") for field_id in link_fields}
    claims = Counter(map(reduce_name, (*columns.values(), *plain.values())))
    names: dict[str, str] = {}
    for field_id, plain_name in plain.items():
        name, ending = plain_name, "_names"
        if claims[reduce_name(name)] > 1:
            while reduce_name(name) in claims:
                ending += f"_{field_id}"
                name = _append(columns[field_id], ending)
        names[field_id] = name
    return names


def _append(name: str, suffix: str) -> str:
    return f"{name[: LONGEST_COLUMN_NAME - len(suffix)]}{suffix}"


@dataclass(frozen=True, slots=True)
class TableNames:
    """The ids and names that a stream's name is made from."""

    base_id: str
    base_name: str
    table_id: str
    table_name: str


def stream_names(tables: Sequence[TableNames], *, add_base_id: bool = False) -> list[str]:
    """Name the streams of all tables, in the order of the tables.

    A duplicated base may keep the ids and names of its tables. Names that collide get the id of
    their base.

    Shape: `Sales CRM` and `Contacts` become `sales_crm/contacts/tblltp8DGLhqbUmjK`.
    """
    names = [_stream_name(table, add_base_id=add_base_id) for table in tables]
    with_base_id: set[int] = set(range(len(names))) if add_base_id else set()
    while True:
        claims = Counter(reduce_name(name) for name in names)
        colliding = {
            index for index, name in enumerate(names) if claims[reduce_name(name)] > 1
        } - with_base_id
        if not colliding:
            return names
        for index in colliding:
            names[index] = _stream_name(tables[index], add_base_id=True)
        with_base_id |= colliding


def stream_name_of_ids(base_id: str, table_id: str) -> str:
    """Name a stream by ids, so that renames do not change it: `app…/tbl…`."""
    return f"{base_id}/{table_id}"


def stream_name_prefix(base_name: str) -> str:
    """Return the beginning of every stream name of a base, unless the name was cut."""
    return f"{clean_name(base_name)}/"


def _stream_name(table: TableNames, *, add_base_id: bool) -> str:
    base, name = clean_name(table.base_name), clean_name(table.table_name)
    ids = f"/{table.base_id}/{table.table_id}/" if add_base_id else f"/{table.table_id}/"
    names_bytes = LONGEST_STREAM_NAME_BYTES - len(ids.encode())
    if len(base.encode()) + len(name.encode()) > names_bytes:
        base = _cut(base, max(names_bytes // 2, names_bytes - len(name.encode())))
        name = _cut(name, names_bytes - len(base.encode()))
    parts = (
        [base, table.base_id, name, table.table_id] if add_base_id else [base, name, table.table_id]
    )
    return "/".join(parts)


def _cut(name: str, max_bytes: int) -> str:
    return name.encode()[:max_bytes].decode(errors="ignore")
