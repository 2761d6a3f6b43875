"""PyAirbyte copies the sample base into DuckDB, again and again: incremental for every stream.

PyAirbyte changes much of its process when it is imported, so it runs in one of its own, which
writes what it found as one line of JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess, sample_account
from integration_tests.airtable_simulator.sample_schema import BASE_ID, field_id, table_id
from integration_tests.bases import a_base, a_field, a_record, a_table
from integration_tests.connector import CONSOLE_SCRIPT, REPOSITORY, a_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.connector import Message

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13) or importlib.util.find_spec("airbyte") is None,
    reason="PyAirbyte is not installed (requirements/sync.txt), or has no such Python yet",
)

LONGEST_RUN_SECONDS: Final = 120
PRODUCTS: Final = table_id("products")
HOSTILE: Final = a_base(
    "Hostile",
    a_table(
        "Names",
        *(a_field(name) for name in ("Due Date", "due_date", "a.b", "a-b", "名前", "é", "1st")),
        a_field("_airtable_id"),
        records=[
            a_record(
                **{
                    "Name": "n",
                    "Due Date": "0",
                    "due_date": "1",
                    "a.b": "2",
                    "a-b": "3",
                    "名前": "4",
                    "é": "5",
                    "1st": "6",
                    "_airtable_id": "7",
                }
            )
        ],
    ),
)

PROGRAM: Final = """
import contextlib, json, os, sys
given = json.load(sys.stdin)
out = sys.stdout
with contextlib.redirect_stdout(sys.stderr):
    import airbyte
    from airbyte.caches import DuckDBCache
    import duckdb
    from integration_tests.airtable_simulator import AdminClient
    admin = AdminClient(given["url"])
    source = airbyte.get_source(
        "source-airtable", config=given["config"], local_executable=given["executable"]
    )
    source.select_all_streams()
    found = []
    for step in given["steps"]:
        for command, arguments in step.get("before", []):
            admin.call(command, **arguments)
        admin.reset_stats()
        cache = DuckDBCache(db_path=step["database"], cache_dir=given["folder"])
        result = source.read(cache=cache, force_full_refresh=step.get("full", False))
        names = {name: dataset.to_sql_table().name for name, dataset in result.items()}
        processed = result.processed_records
        cache.close()
        tables = {}
        with duckdb.connect(step["database"], read_only=True) as database:
            for stream, table in names.items():
                relation = database.sql(f'select * from "{table}" order by _airtable_id')
                columns = [c for c in relation.columns if not c.startswith("_airbyte_")]
                rows = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
                tables[stream] = [{c: row[c] for c in columns} for row in rows]
        calls = admin.stats(last=0)["by_kind"].get("list_records", 0)
        found.append({"processed": processed, "calls": calls, "tables": tables})
json.dump(found, out, default=str)
"""


def read_with_pyairbyte(
    simulator: SimulatorProcess, folder: Path, steps: list[Message]
) -> list[Message]:
    """Run reads one after another; of each: processed records, calls, and tables by stream."""
    given = {
        "url": simulator.url,
        "config": a_config(simulator.token),
        "executable": CONSOLE_SCRIPT[0],
        "folder": str(folder),
        "steps": [{**step, "database": str(folder / step["database"])} for step in steps],
    }
    environment = {
        **os.environ,
        "AIRTABLE_API_URL": simulator.url,
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
        "AIRBYTE_CACHE_ROOT": str(folder),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(REPOSITORY),
    }
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(given),
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_RUN_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
    found: list[Message] = json.loads(ended.stdout)
    return found


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """The sample base and one of hostile names, with a clock that stands still."""
    with SimulatorProcess("--sample", "--no-limits") as running:
        running.admin.set_clock("2026-11-18T10:00:00.000Z")
        running.admin.load({"bases": [HOSTILE]})
        yield running


EDITED: Final = sample_account()["bases"][0]["tables"]
"""The sample's tables, to pick records from."""


@pytest.fixture(scope="module")
def reads(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """Three incremental reads with changes before the last one, and two full refreshes."""
    folder = tmp_path_factory.mktemp("pyairbyte")
    cells = {field_id("products", "Name"): "edited"}
    where: Message = {"base": BASE_ID, "table": PRODUCTS}
    changes = [
        ("advance_clock", {"seconds": 10}),
        ("edit_record", {**where, "record": edited_product(), "fields": cells}),
        (
            "create_record",
            {**where, "id": "recCreatedBetween", "fields": {**cells}},
        ),
    ]
    rest = [("advance_clock", {"seconds": 7200})]
    return read_with_pyairbyte(
        simulator,
        folder,
        [
            {"database": "incremental.duckdb"},
            {"database": "incremental.duckdb", "before": rest},
            {"database": "incremental.duckdb", "before": changes},
            {"database": "full.duckdb", "full": True},
            {"database": "full.duckdb", "full": True},
        ],
    )


def edited_product() -> str:
    """The id of the product that is edited between two reads."""
    products = next(table for table in EDITED if table["id"] == PRODUCTS)
    record_id: str = products["records"][0]["id"]
    return record_id


def rows_of(read: Message, table: str) -> list[Message]:
    """The rows of the stream of a table's id."""
    (rows,) = (rows for name, rows in read["tables"].items() if name.endswith(table))
    found: list[Message] = rows
    return found


def without_moments(read: Message) -> dict[str, list[Message]]:
    """The tables without the moments at which they were read."""
    return {
        name: [{key: row[key] for key in row if key != "_airtable_as_of"} for row in rows]
        for name, rows in read["tables"].items()
    }


def test_second_read_changes_nothing(reads: list[Message]) -> None:
    """A second read makes one call for each table and leaves the tables as they were."""
    first, second = reads[:2]

    assert first["processed"] > 1_500
    assert second["processed"] == 0
    assert second["calls"] == len(second["tables"])
    assert second["tables"] == first["tables"]


def test_changes_arrive(reads: list[Message]) -> None:
    """An edit and a creation between two reads arrive, and nothing else changes."""
    before = {row["_airtable_id"]: row for row in rows_of(reads[1], PRODUCTS)}
    after = {row["_airtable_id"]: row for row in rows_of(reads[2], PRODUCTS)}
    changed = {key for key, row in after.items() if before.get(key) != row}

    assert changed == {edited_product(), "recCreatedBetween"}
    assert {after[key]["name"] for key in changed} == {"edited"}
    assert before.keys() <= after.keys()
    assert len(rows_of(reads[2], PRODUCTS)) == len(after)


def test_full_refreshes_are_equal(reads: list[Message]) -> None:
    """Two full refreshes give equal tables, equal to those of the incremental reads."""
    assert without_moments(reads[3]) == without_moments(reads[4]) == without_moments(reads[2])


def test_hostile_names(reads: list[Message]) -> None:
    """Names that a destination would mix up arrive in columns of their own."""
    (row,) = rows_of(reads[0], HOSTILE["tables"][0]["id"])
    system = {column for column in row if column.startswith("_airtable_")}
    cells = sorted(str(row[column]) for column in row.keys() - system)

    assert set("01234567") <= set(cells) | {
        str(row[column]) for column in system if "fld" in column
    }


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a cell
    return json.loads(value) if isinstance(value, str) else value


def test_values_equal_airtables(simulator: SimulatorProcess, reads: list[Message]) -> None:
    """Texts, numbers and lists arrive as Airtable has them."""
    truth = {one["id"]: one["fields"] for one in simulator.admin.dump(BASE_ID, PRODUCTS)}
    for row in rows_of(reads[2], PRODUCTS):
        cells = truth[row["_airtable_id"]]
        price = cells.get(field_id("products", "Unit price"))
        # Beside "Unit price (€)", of which a destination leaves the same name.
        arrived = row[f"unit_price_{field_id('products', 'Unit price').lower()}"]
        assert row["name"] == cells.get(field_id("products", "Name"))
        assert (None if arrived is None else float(arrived)) == price
        assert row["sku"] == cells.get(field_id("products", "SKU"))
        assert _as_json(row["allergens"]) == cells.get(field_id("products", "Allergens"))


def test_moments_equal_airtables(simulator: SimulatorProcess, reads: list[Message]) -> None:
    """Moments arrive to the second."""
    orders = table_id("orders")
    truth = {one["id"]: one["fields"] for one in simulator.admin.dump(BASE_ID, orders)}
    for row in rows_of(reads[2], orders):
        created = truth[row["_airtable_id"]][field_id("orders", "Created")]
        assert str(row["created"])[:19] == created[:19].replace("T", " ")
