"""Copies an Airtable account into ``airtable.duckdb`` with PyAirbyte, and shows what arrived.

``make sync`` runs it. With ``AIRTABLE_TOKEN`` it reads that account, or of it only the bases in
``AIRTABLE_BASE_IDS`` (comma-separated); without, a sample base in the simulator.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from integration_tests.airtable_simulator import SimulatorProcess
from source_airtable.streams.catalog import ACCOUNT_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    from airbyte import ReadResult, Source

ROOT: Final = Path(__file__).resolve().parent.parent
DATABASE: Final = ROOT / "airtable.duckdb"
CONNECTOR: Final = "source-airtable"
LOGS: Final = ROOT / ".cache" / "logs"
AIRBYTE_COLUMN_PREFIX: Final = "_airbyte_"
FIRST_LOOK_RECORDS: Final = 5
FIRST_LOOK_COLUMNS: Final = 4
WIDEST_CELL_CHARACTERS: Final = 28
END_LINE: Final = re.compile(r"\d+ calls for \d+ records in [\d.]+ s")


class SyncError(Exception):
    """A sync that failed for a reason a person can act on; its text is that reason."""


@dataclass(frozen=True, slots=True)
class Account:
    """The Airtable account that is read."""

    token: str
    base_ids: tuple[str, ...] = ()
    api_url: str | None = None
    """Where its API is; None: Airtable's own address."""

    def to_connector_config(self) -> dict[str, Any]:
        """The connector's configuration for this account."""
        return {
            "credentials": {"auth_method": "api_key", "api_key": self.token},
            "base_ids": list(self.base_ids),
        }


@dataclass(frozen=True, slots=True)
class Arrival:
    """One stream as it arrived in DuckDB."""

    stream_name: str
    table_name: str
    columns: tuple[str, ...]
    """Without those that PyAirbyte adds."""
    record_count: int


def parse_base_ids(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; blanks around and between its entries are dropped."""
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def account_in(environment: Mapping[str, str]) -> Account | None:
    """The account that the environment names, or None if it holds no token."""
    token = environment.get("AIRTABLE_TOKEN", "").strip()
    if not token:
        return None
    return Account(token=token, base_ids=parse_base_ids(environment.get("AIRTABLE_BASE_IDS", "")))


def shorten(value: object) -> str:
    """The value on one line, cut to what a terminal's column holds."""
    if isinstance(value, Decimal):  # DuckDB's numbers carry nine decimal places, zero or not
        value = f"{value.normalize():f}"
    text = "" if value is None else " ".join(str(value).split())
    if len(text) <= WIDEST_CELL_CHARACTERS:
        return text
    return text[: WIDEST_CELL_CHARACTERS - 1] + "…"


def reason_of(error: BaseException) -> str:
    """What the connector said when its check failed; else what PyAirbyte says."""
    context = getattr(error, "context", None) or {}
    if failure_reason := context.get("failure_reason"):
        # The CDK writes a plain sentence as Python text, with its quotes.
        return str(failure_reason).strip("'\"")
    original = getattr(error, "original_exception", None)
    if isinstance(original, BaseException):
        return reason_of(original)
    return str(getattr(error, "message", None) or error).splitlines()[0]


class ConnectorLog(logging.Handler):
    """Keeps the connector's error traces, and its own sum of the sync.

    PyAirbyte writes them to its log and drops them from most of its exceptions.
    """

    def __init__(self) -> None:
        """Begin without one."""
        super().__init__(logging.INFO)
        self.errors: list[str] = []
        self.end_line = ""
        """What the connector says of its calls and records at the end of a sync."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error's message, and the end line."""
        message = record.getMessage()
        if record.levelno >= logging.ERROR:
            self.errors.append(message)
        found = END_LINE.search(message)
        if found:
            self.end_line = found.group(0)

    def to_sync_error(self, error: BaseException) -> SyncError:
        """The failure in the connector's words: the first trace is the cause, others follow it."""
        return SyncError(self.errors[0] if self.errors else reason_of(error))


def quote(identifier: str) -> str:
    """The identifier as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'


def first_look_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The table's first own columns; the connector's system columns say little at first sight."""
    own = tuple(column for column in columns if not column.startswith("_"))
    return (own or columns)[:FIRST_LOOK_COLUMNS]


def further_command(arrivals: list[Arrival]) -> str:
    """A command that prints the largest table, to be pasted into a terminal."""
    largest = max(arrivals, key=lambda arrival: arrival.record_count)
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    database = DATABASE.relative_to(Path.cwd()) if DATABASE.is_relative_to(Path.cwd()) else DATABASE
    steps = (
        "import duckdb",
        f'airtable = duckdb.connect("{database}")',
        f'airtable.table("{largest.table_name}").show()',
    )
    return f"{python} -c '{'; '.join(steps)}'"


def prepare_pyairbyte() -> None:
    """Set what PyAirbyte reads from the environment when it is imported."""
    os.environ.update(
        AIRBYTE_OFFLINE_MODE="1",  # else it looks the connector up in Airbyte's registry
        DO_NOT_TRACK="1",
        AIRBYTE_LOGGING_ROOT=str(LOGS),
        AIRBYTE_CACHE_ROOT=str(LOGS.parent),
    )
    LOGS.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")


@contextlib.contextmanager
def failures_in_plain_words() -> Iterator[ConnectorLog]:
    """Turn PyAirbyte's exceptions into the connector's own sentence, and keep its remarks away."""
    from airbyte.exceptions import PyAirbyteError  # noqa: PLC0415 - see prepare_pyairbyte

    log = ConnectorLog()
    logger = logging.getLogger(f"airbyte.{CONNECTOR}")
    logger.addHandler(log)
    try:
        # Remarks on log files and sync modes; failures come as exceptions.
        with contextlib.redirect_stderr(io.StringIO()):
            yield log
    except PyAirbyteError as error:
        raise log.to_sync_error(error) from error
    finally:
        logger.removeHandler(log)


def connect(account: Account) -> Source:
    """The connector of this environment as a PyAirbyte source: checked, all tables selected."""
    import airbyte  # noqa: PLC0415 - it reads its settings at import, see prepare_pyairbyte

    with contextlib.redirect_stderr(io.StringIO()):
        source = airbyte.get_source(
            CONNECTOR,
            config=account.to_connector_config(),
            local_executable=Path(sys.executable).parent / CONNECTOR,
        )
    with failures_in_plain_words():
        source.check()
        select_tables(source)
    return source


def select_tables(source: Source) -> None:
    """Select the streams of tables: those of the account would bring every record once more."""
    streams = source.get_available_streams()
    source.select_streams([name for name in streams if name not in ACCOUNT_STREAMS])


def read_all(source: Source) -> tuple[ReadResult, str]:
    """Copy every table, after the first time only what changed; gives the connector's sum, too.

    PyAirbyte merges by record id, so that records deleted in Airtable stay: delete the database
    file to begin anew.
    """
    from airbyte.caches import DuckDBCache  # noqa: PLC0415 - see prepare_pyairbyte

    with (
        tempfile.TemporaryDirectory(prefix="airtable-sync-") as staging,
        failures_in_plain_words() as log,
    ):
        cache = DuckDBCache(db_path=DATABASE, cache_dir=Path(staging))
        result = source.read(cache=cache)
    return result, log.end_line


def describe(database: duckdb.DuckDBPyConnection, stream_name: str, table_name: str) -> Arrival:
    """What arrived of one stream."""
    relation = database.table(quote(table_name))
    columns = tuple(name for name in relation.columns if not name.startswith(AIRBYTE_COLUMN_PREFIX))
    record_count = relation.count("*").fetchall()[0][0]
    return Arrival(stream_name, table_name, columns, record_count)


def overview(arrivals: list[Arrival]) -> Table:
    """All streams: their tables in DuckDB, columns and records."""
    table = Table(title=f"{DATABASE.name}", title_justify="left")
    table.add_column("table", overflow="fold")
    table.add_column("columns", justify="right")
    table.add_column("records", justify="right")
    for arrival in arrivals:
        table.add_row(
            Text(arrival.table_name), str(len(arrival.columns)), f"{arrival.record_count:,}"
        )
    table.add_section()
    table.add_row("all", "", f"{sum(arrival.record_count for arrival in arrivals):,}")
    return table


def first_look(database: duckdb.DuckDBPyConnection, arrival: Arrival) -> Table:
    """A few records of one table."""
    columns = first_look_columns(arrival.columns)
    relation = database.table(quote(arrival.table_name))
    records = relation.select(*map(quote, columns)).limit(FIRST_LOOK_RECORDS).fetchall()
    table = Table(title=Text(arrival.table_name), title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="ellipsis", no_wrap=True, min_width=8)
    for record in records:
        table.add_row(*(Text(shorten(value)) for value in record))
    return table


def show(console: Console, result: ReadResult) -> None:
    """Print what arrived, a first look at the largest tables, and how to look further."""
    import duckdb  # noqa: PLC0415 - it comes with PyAirbyte, see connect

    processor = result.cache.processor
    table_names = {name: processor.get_sql_table_name(name) for name in result}
    result.cache.close()
    with duckdb.connect(DATABASE, read_only=True) as database:
        arrivals = [describe(database, name, table) for name, table in sorted(table_names.items())]
        console.print(overview(arrivals))
        for arrival in sorted(arrivals, key=lambda each: -each.record_count)[:2]:
            console.print(first_look(database, arrival))
    console.print("\nLook further with DuckDB:")
    console.print(Text("  " + further_command(arrivals)), soft_wrap=True)


def sync(account: Account, console: Console) -> None:
    """Copy the account and show what arrived."""
    if account.api_url:
        os.environ["AIRTABLE_API_URL"] = account.api_url
    console.print("1/3 checking the connection")
    source = connect(account)
    console.print(f"2/3 copying tables: {len(source.get_selected_streams())}")
    kind = "what changed since the last time" if DATABASE.exists() else "everything"
    result, end_line = read_all(source)
    console.print(f"3/3 done, {kind}: {end_line}\n")
    show(console, result)


def main(console: Console | None = None) -> int:
    """Run one sync; the exit code is 1 where it failed for a reason a person can act on."""
    console = console or Console(highlight=False)
    prepare_pyairbyte()
    try:
        account = account_in(os.environ)
        if account:
            console.print("Airtable, the account of AIRTABLE_TOKEN, into airtable.duckdb")
            sync(account, console)
        else:
            console.print("No AIRTABLE_TOKEN: a sample base, simulated here, into airtable.duckdb")
            with SimulatorProcess("--sample") as simulator:
                sync(Account(simulator.token, api_url=simulator.url), console)
    except SyncError as error:
        console.print(Text(f"The sync failed: {error}"), soft_wrap=True)
        console.print(Text(f"Logs: {LOGS}"), soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
