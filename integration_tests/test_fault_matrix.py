"""The fault matrix: every fault of ``fault_table.py``, at every place, through the command line.

Cells of a read share three runs, one for each number of times, with a base for each cell; cells of
``discover`` and ``check`` have a run each. The connector runs on a fast clock. What it emits is
compared with what the simulator holds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_table
from integration_tests.connector import a_catalog, a_stream_with_ids, a_tenant
from integration_tests.fast_clock import FACTOR_VARIABLE, READ_TIMEOUT_VARIABLE
from integration_tests.fault_table import (
    LATER_PAGES,
    PAGES,
    READ_CLOCK_FACTOR,
    READ_TIMEOUT_SECONDS,
    RECOVERS,
    SIMULATED_NOW,
    Place,
    Times,
    all_cells,
)
from integration_tests.forked_connector import ForkedConnector, Forks
from source_airtable.errors import InvalidTokenError, NoBaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run, Tenant
    from integration_tests.fault_table import Cell
    from source_airtable.errors import AirtableError

CELLS: Final = all_cells()
CELL_COUNT: Final = 749
PAGE_SIZE: Final = 100
RECORDS: Final = 2 * PAGE_SIZE + 5
"""Three pages."""
BASES_PAGE_SIZE: Final = 2
BASES: Final = 2 * BASES_PAGE_SIZE + 1
"""Three pages, of which the second breaks."""
WORKERS: Final = 3
COMMAND_CLOCK_FACTOR: Final = 5_000.0
COMMAND_TIMEOUT_SECONDS: Final = 0.5
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Result:
    """A run in which a cell's fault struck, and the bases that it struck."""

    # Not in its repr, which pytest shows of each failure: they are megabytes.
    run: Run = field(repr=False)
    tenant: Tenant = field(repr=False)
    bases: tuple[Message, ...] = field(repr=False)
    strikes: int

    @property
    def base(self) -> Message:
        """The base that broke, or the first one of the list that did."""
        return self.bases[0]

    @property
    def table(self) -> Message:
        """Its table."""
        table: Message = self.base["tables"][0]
        return table

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return self.tenant.stream_name(self.base, self.table)

    @property
    def truth(self) -> list[Message]:
        """What the simulator holds of the table: id and text of each record."""
        name_id = self.table["primaryFieldId"]
        dumped = self.tenant.admin.dump(self.base["id"], self.table["id"])
        return [{"id": record["id"], "name": record["fields"][name_id]} for record in dumped]

    @property
    def emitted(self) -> list[Message]:
        """What the connector emitted of the table, in the same shape."""
        records = self.run.records.get(self.stream, ())
        return [{"id": record["_airtable_id"], "name": record["name"]} for record in records]


@dataclass(frozen=True)
class Matrix:
    """The results of all cells, and of a healthy base beside the broken ones of each read."""

    cells: dict[Cell, Result] = field(repr=False)
    healthy: dict[Times, Result] = field(repr=False)


def a_simulator() -> SimulatorProcess:
    """A simulator without limits per second, whose base lists have several pages."""
    return SimulatorProcess("--no-limits", "--set", f"bases_page_size={BASES_PAGE_SIZE}")


def fault_kind(place: Place) -> str:
    """The kind of call that breaks at a place."""
    kinds = {Place.BASE_LIST: "list_bases"}
    kinds |= dict.fromkeys((Place.SCHEMA, Place.READ_SCHEMA), "base_schema")
    return kinds.get(place, "list_records")


def plan(tenant: Tenant, cell: Cell, base: Message) -> int:
    """Break what a cell breaks; gives the rule's id."""
    is_base_list = cell.place is Place.BASE_LIST
    details = dict(cell.fault.details)
    if not cell.place.is_in_read:
        details.pop("penalty_seconds", None)  # it is by the clock of reads
    return tenant.admin.plan_fault(
        fault_kind(cell.place),
        cell.fault.action,
        base=None if is_base_list else base["id"],
        page=2 if is_base_list else cell.place.page,
        times=cell.planned_times,
        **details,
    )


def read_results(
    simulator: SimulatorProcess, times: Times, cells: list[Cell]
) -> tuple[dict[Cell, Result], Result]:
    """Read a base for each cell in one run, and a healthy one among them."""
    bases = {
        cell: a_base(f"Cell {at}", a_table("T", records=RECORDS)) for at, cell in enumerate(cells)
    }
    healthy = a_base("Healthy", a_table("T", records=RECORDS))
    tenant = a_tenant(simulator, *bases.values(), healthy, num_workers=40)
    rules = {cell: plan(tenant, cell, base) for cell, base in bases.items()}
    environment = {
        FACTOR_VARIABLE: str(READ_CLOCK_FACTOR),
        READ_TIMEOUT_VARIABLE: str(READ_TIMEOUT_SECONDS),
    }
    connector = replace(tenant.connector, environment=environment)
    catalog = a_catalog(
        [a_stream_with_ids(base, base["tables"][0]) for base in (*bases.values(), healthy)]
    )
    run = connector.read(catalog, on_fast_clock=True)
    strikes = {rule["id"]: rule["applied"] for rule in tenant.admin.faults()}
    results = {
        cell: Result(run, tenant, (base,), strikes[rules[cell]]) for cell, base in bases.items()
    }
    return results, Result(run, tenant, (healthy,), 0)


def command_result(simulator: SimulatorProcess, forks: Forks, cell: Cell) -> Result:
    """Run discover or check once, on an account in which one call breaks."""
    base_count = BASES if cell.place is Place.BASE_LIST else 1
    bases = [a_base(f"Base {number}", a_table("T", records=1)) for number in range(base_count)]
    tenant = a_tenant(simulator, *bases)
    plan(tenant, cell, bases[0])
    connector = ForkedConnector(
        simulator.url,
        tenant.connector.config,
        environment={READ_TIMEOUT_VARIABLE: str(COMMAND_TIMEOUT_SECONDS)},
        forks=forks,
    )
    run = connector.run("check" if cell.place is Place.RECORD else "discover")
    (rule,) = tenant.admin.faults()
    tenant.admin.clear_faults()
    return Result(run, tenant, tuple(bases), rule["applied"])


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    """The results of all cells, run side by side."""
    with ExitStack() as stack:
        readers = {times: stack.enter_context(a_simulator()) for times in Times}
        for simulator in readers.values():
            simulator.admin.set_clock(SIMULATED_NOW)
            simulator.admin.run_clock()
        workers: SimpleQueue[tuple[SimulatorProcess, Forks]] = SimpleQueue()
        for _ in range(WORKERS):
            simulator = stack.enter_context(a_simulator())
            simulator.admin.set_clock(SIMULATED_NOW)
            workers.put((simulator, stack.enter_context(Forks(COMMAND_CLOCK_FACTOR))))

        def run_command(cell: Cell) -> Result:
            worker = workers.get()
            try:
                return command_result(*worker, cell)
            finally:
                workers.put(worker)

        pool = stack.enter_context(ThreadPoolExecutor(WORKERS + len(readers)))
        of_reads = {
            times: pool.submit(
                read_results,
                simulator,
                times,
                [cell for cell in CELLS if cell.place.is_in_read and cell.times is times],
            )
            for times, simulator in readers.items()
        }
        commands = [cell for cell in CELLS if not cell.place.is_in_read]
        results = dict(zip(commands, pool.map(run_command, commands), strict=True))
        healthy = {}
        for times, running in of_reads.items():
            of_read, healthy[times] = running.result()
            results |= of_read
        yield Matrix(results, healthy)


def test_number_of_cells() -> None:
    """A cell that is lost or added by a change of the table is noticed."""
    assert len(set(CELLS)) == CELL_COUNT


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(matrix: Matrix, cell: Cell) -> None:
    """Each fault, at each place, comes to what the table says; nothing is lost, nothing is twice.

    It struck as often as it was planned, or as the connector's tries allow.
    """
    result = matrix.cells[cell]
    assert result.strikes == cell.most_strikes or (cell.most_strikes is None and result.strikes)
    if cell.outcome is RECOVERS:
        expectations = {Place.RECORD: assert_check_succeeds}
        expectations |= dict.fromkeys((Place.BASE_LIST, Place.SCHEMA), assert_all_is_discovered)
        expectations.get(cell.place, assert_stream_is_complete)(result)
    elif cell.place.is_in_read:
        assert_stream_fails(result, cell.outcome, cell.place)
    else:
        assert_command_fails(result, cell.outcome, cell.place)


def assert_stream_is_complete(result: Result) -> None:
    """The stream has every record once, in order, with its cell and one state."""
    # Half an emoji has no place in text: U+FFFD stands for it.
    emitted = [{**one, "name": one["name"].replace(REPLACEMENT, "")} for one in result.emitted]

    assert emitted == result.truth
    assert result.run.last_statuses[result.stream] == "COMPLETE"
    assert result.run.state_streams.count(result.stream) == 1
    assert [f for f in result.run.failures if f["stream"] == result.stream] == []


def assert_stream_fails(result: Result, error: type[AirtableError], place: Place) -> None:
    """The stream has what came before the fault, once, no state, and one failure that names it."""
    failures = [f for f in result.run.failures if f["stream"] == result.stream]
    before = PAGES.index(place) * PAGE_SIZE if place in PAGES else 0
    named = [result.base["id"], *([result.table["id"]] if place in PAGES else [])]

    assert result.emitted == result.truth[:before]
    assert [failure["failure_type"] for failure in failures] == [error.consequence.value]
    assert failures[0]["message"].startswith(error.cause)
    assert [name for name in named if name not in failures[0]["message"]] == []
    assert result.run.last_statuses[result.stream] == "INCOMPLETE"
    assert result.stream not in result.run.state_streams
    assert result.run.exit_code == 1


def assert_command_fails(result: Result, error: type[AirtableError], place: Place) -> None:
    """The command says so by the error's class, names the base, and gives no catalog."""
    first = result.run.failures[0]
    is_told_by_exit_code = place is not Place.RECORD or error.consequence.value != "config_error"
    has_base = place is not Place.BASE_LIST and error is not NoBaseError
    statuses = {status["status"] for status in result.run.of_type("CONNECTION_STATUS")}

    assert first["message"].startswith(error.cause)
    assert first["failure_type"] == error.consequence.value
    assert not has_base or result.base["id"] in first["message"]
    assert result.run.exit_code == int(is_told_by_exit_code)
    assert result.run.of_type("CATALOG") == []
    assert statuses <= {"FAILED"}


def assert_all_is_discovered(result: Result) -> None:
    """Every table of every base is discovered once, in order."""
    found = [stream["json_schema"]["x-airtable"] for stream in result.run.streams]
    there = [
        {"base_id": base["id"], "table_id": table["id"]}
        for base in result.bases
        for table in base["tables"]
    ]

    assert found == there
    assert (result.run.exit_code, result.run.failures) == (0, [])


def assert_check_succeeds(result: Result) -> None:
    """The check says that all is well."""
    assert result.run.connection_status == "SUCCEEDED"
    assert (result.run.exit_code, result.run.failures) == (0, [])


@pytest.mark.parametrize("times", Times, ids=lambda times: times.value)
def test_healthy_base_beside_faults(matrix: Matrix, times: Times) -> None:
    """A base that is well is complete beside a hundred broken ones."""
    assert_stream_is_complete(matrix.healthy[times])


def test_read_with_mended_faults_succeeds(matrix: Matrix) -> None:
    """A read succeeds, without a failure, when the last try mends each of its faults."""
    run = matrix.healthy[Times.ALL_BUT_ONE].run

    assert (run.exit_code, run.failures) == (0, [])


def test_lone_surrogate_in_a_cell(matrix: Matrix) -> None:
    """Half an emoji in a cell becomes U+FFFD there, and nowhere else."""
    cell = next(
        cell for cell in CELLS if cell.fault_name == "lone surrogate" and cell.place in LATER_PAGES
    )
    marked = [one["name"] for one in matrix.cells[cell].emitted if REPLACEMENT in one["name"]]

    assert len(marked) == 1
    assert marked[0].endswith(REPLACEMENT)


def test_token_refused_at_a_schema_of_read(airtable: SimulatorProcess) -> None:
    """A 401 when a read asks for a base's tables ends the read at once: it concerns every base."""
    bases = [a_base(f"Base {number}", a_table("T")) for number in range(3)]
    tenant = a_tenant(airtable, *bases)
    airtable.admin.plan_fault("base_schema", "status", base=bases[1]["id"], status=401)
    catalog = a_catalog([a_stream_with_ids(base, base["tables"][0]) for base in bases])
    run = tenant.connector.read(catalog, on_fast_clock=True)

    assert run.failures[0]["message"].startswith(InvalidTokenError.cause)
    assert run.failures[0]["failure_type"] == "config_error"
    assert (run.exit_code, run.records, run.states) == (1, {}, [])
