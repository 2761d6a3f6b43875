"""Reads with PyAirbyte as it is told on stdin, and says on stdout what happened.

PyAirbyte changes much of its process when it is imported, so it runs in one of its own:
``read_with_pyairbyte`` starts this module as a program.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import AdminClient
from integration_tests.connector import REPOSITORY
from integration_tests.forked_executable import shared_executable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airbyte import Source

    from integration_tests.connector import Message

LONGEST_RUN_SECONDS: Final = 180

needs_pyairbyte: Final = pytest.mark.skipif(
    sys.version_info >= (3, 13) or importlib.util.find_spec("airbyte") is None,
    reason="PyAirbyte is not installed (requirements/sync.txt), or has no such Python yet",
)


def read_with_pyairbyte(api_url: str, folder: Path, *sources: Message) -> list[Message]:
    """Let one source after another read, each in some steps, and say of each what happened.

    Shape: ``{"config": {…}, "steps": [{"database": "a.duckdb", "full": true, "before":
    [["advance_clock", {"seconds": 60}]]}]}`` gives ``{"saved": [], "failure": null, "reads":
    [{"processed": 7, "calls": 2, "renewals": 0, "database": "…/a-1.duckdb", "tables":
    {"crm/contacts/tbl…": "crm_contacts_tbl…"}}]}``. A step ``{"sample": "bases", "limit": 5}``
    takes no more records of a stream, and gives ``{"records": 5, "stderr": ""}``. A source
    without ``config`` begins with the settings that were saved last; one with ``"adopts": true``
    goes on with what it saves; one with ``"of_account": true`` reads the streams of the whole
    account, too.
    """
    given = {
        "url": api_url,
        "executable": str(shared_executable()),
        "folder": str(folder),
        "sources": sources,
    }
    environment = {
        **os.environ,
        "AIRTABLE_API_URL": api_url,
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
        "AIRBYTE_CACHE_ROOT": str(folder),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(REPOSITORY),
    }
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", __name__],
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


def tables_of(read: Message) -> dict[str, tuple[dict[str, str], list[Message]]]:
    """The tables that a read left, by stream: types by column, and rows; without PyAirbyte's own.

    The rows of a table are in the order of their ids.
    """
    import duckdb  # noqa: PLC0415 - it comes with PyAirbyte

    tables = {}
    with duckdb.connect(read["database"], read_only=True) as database:
        for stream, table in read["tables"].items():
            found = database.table(table)
            relation = found.order("_airtable_id" if "_airtable_id" in found.columns else "all")
            types = {
                name: str(kind)
                for name, kind in zip(relation.columns, relation.types, strict=True)
                if not name.startswith("_airbyte_")
            }
            rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
            tables[stream] = types, [{name: row[name] for name in types} for row in rows]
    return tables


class _Program:
    """The reads of one process."""

    def __init__(self, given: Message) -> None:
        self.given = given
        self.admin = AdminClient(given["url"])
        self.folder = Path(given["folder"])
        self.last_saved: Message = {}
        self.reads = 0

    def run(self, wanted: Message) -> Message:
        """One source with its steps."""
        import airbyte  # noqa: PLC0415 - it reads its settings at import

        from scripts.sync_to_duckdb import (  # noqa: PLC0415 - to be imported after it
            SyncError,
            failures_in_plain_words,
            select_tables,
        )

        saved: list[Message] = []

        def save(config: Message) -> None:
            saved.append(config)
            if wanted.get("adopts"):
                source.set_config(config, validate=False)

        source = airbyte.get_source(
            "source-airtable",
            config=wanted.get("config", self.last_saved),
            config_change_callback=save,
            local_executable=self.given["executable"],
        )
        reads: list[Message] = []
        failure = None
        try:
            with failures_in_plain_words():
                if wanted.get("of_account"):
                    source.select_all_streams()
                else:
                    select_tables(source)
                for step in wanted["steps"]:
                    do = self._sample if "sample" in step else self._read
                    reads.append(do(source, step))
        except SyncError as error:
            failure = str(error)
        if saved:
            self.last_saved = saved[-1]
        return {"saved": saved, "failure": failure, "reads": reads}

    def _sample(self, source: Source, step: Message) -> Message:
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            records = len(list(source.get_records(step["sample"], limit=step["limit"])))
        return {"records": records, "stderr": stderr.getvalue()}

    def _read(self, source: Source, step: Message) -> Message:
        from airbyte.caches import DuckDBCache  # noqa: PLC0415 - it reads its settings at import

        for command, arguments in step.get("before", ()):
            self.admin.call(command, **arguments)
        self.admin.reset_stats()
        database = self.folder / step["database"]
        cache = DuckDBCache(db_path=database, cache_dir=self.folder)
        is_full = step.get("full", False)
        result = source.read(
            cache=cache,
            force_full_refresh=is_full,
            # By itself it merges a full refresh, too.
            write_strategy="replace" if is_full else "auto",
        )
        # By the stream's name alone: to ask for the table itself costs a look at its columns.
        tables = {name: cache.processor.get_sql_table_name(name) for name in result}
        processed = result.processed_records
        cache.close()
        stats = self.admin.stats(last=0)
        self.reads += 1
        return {
            "processed": processed,
            "calls": stats["by_kind"].get("list_records", 0),
            "renewals": stats["renewals"].get("granted", 0),
            # The next read writes into the same file.
            "database": shutil.copy(database, self.folder / f"{database.stem}-{self.reads}.duckdb"),
            "tables": tables,
        }


def main(given: Any) -> Sequence[Message]:  # noqa: ANN401 - JSON
    """Do what is wanted of all sources."""
    program = _Program(given)
    return [program.run(source) for source in given["sources"]]


if __name__ == "__main__":
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        found_by_all = main(json.load(sys.stdin))
    json.dump(found_by_all, out, default=str)
