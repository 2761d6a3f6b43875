"""The catalog stays small, and a warning comes before the platform's limits."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from integration_tests.airtable_simulator.sample_base import sample_account
from integration_tests.airtable_simulator.synthetic import synthetic_account
from integration_tests.real_bases import ARE_ABSENT, REASON, real_bases
from source_airtable.schema.catalog_size import (
    WARNING_BYTES,
    WARNING_COLUMNS,
    warning_of_size,
)
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.system_columns import DELETED_AT_COLUMN, SYSTEM_COLUMNS
from source_airtable.schema.table_schema import parse_table

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_PER_PROPERTY = 120
STREAM_BYTES = 500
"""More than a stream takes beside its JSON schema: its name, modes and keys."""
SYSTEM = len(set(SYSTEM_COLUMNS) - {DELETED_AT_COLUMN})
BASES = {base["name"]: base for base in sample_account()["bases"]}
REAL_BASES = {} if ARE_ABSENT else {base["name"]: base for base in real_bases()}


def json_schemas_of(base: dict[str, Any], **settings: bool) -> list[dict[str, Any]]:
    """The JSON schemas of a base's streams."""
    tables = [parse_table(base, table) for table in base["tables"]]  # type: ignore[arg-type]  # as it was recorded
    return [build_json_schema(table, **settings) for table in tables if table is not None]


def size_of(json_schemas: list[dict[str, Any]]) -> int:
    """The bytes of schemas as JSON."""
    return len(orjson.dumps(json_schemas))


def bytes_per_property(base: dict[str, Any], **settings: bool) -> float:
    """The average size of a column in a base's catalog, its name included."""
    all_properties = [one["properties"] for one in json_schemas_of(base, **settings)]
    return size_of(all_properties) / sum(map(len, all_properties))


def a_large_base(tables: int, fields: int) -> dict[str, Any]:
    """A base with the sample base's types of fields, each with an id and a name of its own."""
    kinds = cycle(
        field for base in BASES.values() for table in base["tables"] for field in table["fields"]
    )
    return {
        "id": "appLkNDICXNqxSDhG",
        "name": "Sales CRM",
        "tables": [
            {
                "id": f"tbl{table:014}",
                "name": f"Table {table}",
                "fields": [
                    {
                        **next(kinds),
                        "id": f"fld{table:07}{field:07}",
                        "name": f"Due in week {field}",
                    }
                    for field in range(fields)
                ],
            }
            for table in range(tables)
        ],
    }


def columns_and_bytes(columns: int, description_bytes: int = 0) -> Iterator[dict[str, Any]]:
    """Give schemas with so many columns together, and a description of so many bytes."""
    yield {"description": "x" * description_bytes, "properties": {}}
    for start in range(0, columns, 100):
        numbers = range(start, min(start + 100, columns))
        yield {"properties": {f"c{number}": {} for number in numbers}}


@pytest.mark.skipif(ARE_ABSENT, reason=REASON)
@pytest.mark.parametrize("by_field_id", [False, True], ids=["names", "ids"])
@pytest.mark.parametrize("name", REAL_BASES)
def test_columns_of_a_real_base_are_small(name: str, *, by_field_id: bool) -> None:
    """A column of a real base takes 120 bytes of the catalog at most, on average."""
    assert bytes_per_property(REAL_BASES[name], by_field_id=by_field_id) <= BYTES_PER_PROPERTY


@pytest.mark.parametrize("by_field_id", [False, True], ids=["names", "ids"])
@pytest.mark.parametrize("name", BASES)
def test_columns_of_the_sample_base_are_small(name: str, *, by_field_id: bool) -> None:
    """A column of the sample base takes 120 bytes of the catalog at most, on average."""
    assert bytes_per_property(BASES[name], by_field_id=by_field_id) <= BYTES_PER_PROPERTY


@pytest.mark.parametrize("by_field_id", [False, True], ids=["names", "ids"])
@pytest.mark.parametrize("name", [*BASES, *REAL_BASES])
def test_columns_of_names_are_small(name: str, *, by_field_id: bool) -> None:
    """With names of links, a column still takes 120 bytes on average; up to 2 more by ids."""
    base = {**BASES, **REAL_BASES}[name]
    settings = {"by_field_id": by_field_id, "with_link_names": True}

    assert bytes_per_property(base, **settings) <= BYTES_PER_PROPERTY + 2 * by_field_id


def test_catalog_of_many_tables() -> None:
    """With 200 tables of 150 plain fields each, the catalog stays below 3.6 MB."""
    account = synthetic_account(bases=5, tables=40, records=0, fields=150)
    json_schemas = [one for base in account["bases"] for one in json_schemas_of(base)]

    assert sum(len(one["properties"]) for one in json_schemas) == 200 * (150 + SYSTEM)
    assert size_of(json_schemas) + 200 * STREAM_BYTES < 3_600_000


def test_catalog_of_many_fields() -> None:
    """The platform takes a catalog of 40,000 fields, which is below 10 MiB."""
    json_schemas = json_schemas_of(a_large_base(tables=100, fields=400))

    assert size_of(json_schemas) + 100 * STREAM_BYTES < 10 * 1024 * 1024


@pytest.mark.parametrize("columns", [0, 1, WARNING_COLUMNS - 1])
def test_small_catalog(columns: int) -> None:
    """A catalog that is far from the platform's limits gives no warning."""
    assert warning_of_size(columns_and_bytes(columns)) is None


def test_warning_of_many_columns() -> None:
    """From 15,000 columns on, a warning names the number, the limit and the settings."""
    warning = warning_of_size(columns_and_bytes(WARNING_COLUMNS))

    assert warning is not None
    assert "15,000 columns" in warning
    assert "20,000 selected columns" in warning
    assert "base_ids or table_ids" in warning


def test_warning_of_many_bytes() -> None:
    """From 8 MiB on, a warning names the size and the limit."""
    warning = warning_of_size(columns_and_bytes(1, description_bytes=WARNING_BYTES))

    assert warning is not None
    assert "8.0 MiB" in warning
    assert "more than 10 MiB" in warning


def test_bytes_below_the_warning() -> None:
    """Just below 8 MiB there is no warning."""
    assert warning_of_size(columns_and_bytes(1, description_bytes=WARNING_BYTES - 200)) is None
