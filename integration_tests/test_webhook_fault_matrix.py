"""The fault matrix at calls to webhooks, through the command line.

All cells of one number of times share three runs, with a base for each cell: one that makes the
webhooks, one in which the calls break, and one after all is well again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.tokens import READ_SCOPES
from integration_tests.bases import CELL_MARK, a_base, a_table, record_ids
from integration_tests.connector import a_catalog, a_stream_with_ids, a_tenant
from integration_tests.fast_clock import FACTOR_VARIABLE, READ_TIMEOUT_VARIABLE
from integration_tests.fault_table import (
    READ_CLOCK_FACTOR,
    READ_TIMEOUT_SECONDS,
    SIMULATED_NOW,
    Times,
)
from integration_tests.webhook_fault_table import Call, Sync, all_webhook_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run
    from integration_tests.webhook_fault_table import WebhookCell
    from source_airtable.errors import AirtableError

CELLS: Final = all_webhook_cells()
CELL_COUNT: Final = 380
RECORDS: Final = 5
FIVE_DAYS_BEFORE: Final = "2026-11-13T10:00:00Z"
"""So that the webhooks have two days left when the calls break."""


@dataclass(frozen=True)
class Result:
    """What three runs said of one base."""

    base: Message = field(repr=False)
    stream: str
    runs: tuple[Run, Run, Run] = field(repr=False)
    """Before the fault, with it and after it."""
    strikes: int
    webhooks: int
    """How many the base has in the end."""
    truth: dict[str, str] = field(repr=False)
    """The text of each record in the end."""

    @property
    def ids(self) -> list[str]:
        """The records that the base began with."""
        return record_ids(self.base["tables"][0])

    def rows(self, run: Run) -> set[str]:
        """The records that a run read."""
        of_stream = run.records.get(self.stream, ())
        return {row["_airtable_id"] for row in of_stream if not row.get("_ab_cdc_deleted_at")}

    def tombstones(self, run: Run) -> set[str]:
        """The records that a run deleted."""
        of_stream = run.records.get(self.stream, ())
        return {row["_airtable_id"] for row in of_stream if row.get("_ab_cdc_deleted_at")}

    def state(self, run: Run) -> Message:
        """The state that a run left; empty where it left none."""
        states = {one["stream"]["stream_descriptor"]["name"]: one["stream"] for one in run.states}
        state: Message = states.get(self.stream, {}).get("stream_state", {})
        return state

    def warnings(self, run: Run) -> list[str]:
        """The warnings of a run that concern the base."""
        return [line for line in run.warnings if self.base["id"] in line]

    @property
    def destination(self) -> dict[str, str]:
        """What a destination has in the end: the text of each record."""
        rows: dict[str, Any] = {}
        for run in self.runs:
            for row in run.records.get(self.stream, ()):
                rows[row["_airtable_id"]] = row
        return {key: row["name"] for key, row in rows.items() if not row.get("_ab_cdc_deleted_at")}


def read_results(
    simulator: SimulatorProcess, cells: list[WebhookCell]
) -> dict[WebhookCell, Result]:
    """Read a base for each cell three times; the calls of the second run break."""
    bases = {
        cell: a_base(f"Cell {at}", a_table("T", records=RECORDS), permissionLevel="create")
        for at, cell in enumerate(cells)
    }
    admin = simulator.admin
    tenant = a_tenant(
        simulator,
        *bases.values(),
        scopes=[*READ_SCOPES, "webhook:manage"],
        num_workers=40,
        incremental={"method": "webhooks", "detect_deletions": True},
    )
    environment = {
        FACTOR_VARIABLE: str(READ_CLOCK_FACTOR),
        READ_TIMEOUT_VARIABLE: str(READ_TIMEOUT_SECONDS),
    }
    connector = replace(tenant.connector, environment=environment)

    def read(given: list[Message], states: dict[str, Message]) -> Run:
        streams = [_stream(base) for base in given]
        run = connector.read(
            a_catalog(streams, sync_mode="incremental"),
            state=list(states.values()),
            on_fast_clock=True,
        )
        states |= {one["stream"]["stream_descriptor"]["name"]: one for one in run.states}
        return run

    states: dict[str, Message] = {}
    # A list of payloads would make a refresh needless.
    admin.configure(webhook_lists_prolong=False)
    admin.set_clock(FIVE_DAYS_BEFORE)
    before = read([base for cell, base in bases.items() if cell.call is not Call.CREATE], states)
    admin.set_clock(SIMULATED_NOW)
    rules = {}
    for cell, base in bases.items():
        place = base["id"], base["tables"][0]["id"]
        ids = record_ids(base["tables"][0])
        admin.edit_record(*place, ids[0], {"Name": f"{CELL_MARK} edited"})
        admin.delete_record(*place, ids[1])
        rules[cell] = admin.plan_fault(
            cell.call.value,
            cell.fault.action,
            base=base["id"],
            times=cell.planned_times,
            **cell.fault.details,
        )
    admin.run_clock()
    broken = read(list(bases.values()), states)
    strikes = {rule["id"]: rule["applied"] for rule in admin.faults()}
    admin.clear_faults()
    after = read(list(bases.values()), states)
    return {
        cell: Result(
            base,
            _stream(base)["name"],
            (before, broken, after),
            strikes[rules[cell]],
            len(admin.webhooks(base["id"])),
            _texts(simulator, base),
        )
        for cell, base in bases.items()
    }


def _stream(base: Message) -> Message:
    stream = a_stream_with_ids(base, base["tables"][0])
    deleted = {"_ab_cdc_deleted_at": {"type": ["null", "string"]}}
    as_of = {"_airtable_as_of": {"type": ["null", "string"]}}
    schema = stream["json_schema"]
    properties = {**schema["properties"], **deleted, **as_of}
    return {
        **stream,
        "json_schema": {**schema, "properties": properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["_airtable_as_of"],
    }


def _texts(simulator: SimulatorProcess, base: Message) -> dict[str, str]:
    table = base["tables"][0]
    dumped = simulator.admin.dump(base["id"], table["id"])
    return {one["id"]: one["fields"][table["primaryFieldId"]] for one in dumped}


@pytest.fixture(scope="module")
def matrix() -> Iterator[dict[WebhookCell, Result]]:
    """The results of all cells, run side by side."""
    with ExitStack() as stack:
        simulators = {
            times: stack.enter_context(SimulatorProcess("--no-limits")) for times in Times
        }
        pool = stack.enter_context(ThreadPoolExecutor(len(simulators)))
        running = [
            pool.submit(read_results, simulator, [cell for cell in CELLS if cell.times is times])
            for times, simulator in simulators.items()
        ]
        yield {cell: result for one in running for cell, result in one.result().items()}


def test_number_of_cells() -> None:
    """A cell that is lost or added by a change of the table is noticed."""
    assert len(set(CELLS)) == CELL_COUNT


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(matrix: dict[WebhookCell, Result], cell: WebhookCell) -> None:
    """Each fault, at each call to a webhook, comes to what the table says."""
    result, outcome = matrix[cell], cell.outcome
    after = result.runs[-1]
    assert result.strikes == cell.strikes or (cell.strikes is None and result.strikes)
    if not isinstance(outcome, Sync):
        assert_stream_fails(result, outcome)
    elif cell.call is Call.CREATE:
        assert_first_sync(result, outcome)
    else:
        assert_sync(result, outcome)
    assert result.destination == result.truth
    assert after.last_statuses[result.stream] == "COMPLETE"
    assert result.state(after)["method"] == "webhooks"
    assert result.webhooks <= 1 + (outcome is Sync.FULL)


def assert_stream_fails(result: Result, error: type[AirtableError]) -> None:
    """The stream fails with an error that names the base, reads nothing, and leaves no state."""
    run = result.runs[1]
    failures = [one for one in run.failures if one["stream"] == result.stream]

    assert [one["failure_type"] for one in failures] == [error.consequence.value]
    assert failures[0]["message"].startswith(error.cause)
    assert result.base["id"] in failures[0]["message"]
    assert (result.rows(run), result.state(run)) == (set(), {})


def assert_first_sync(result: Result, outcome: Sync) -> None:
    """A sync that was to make the webhook reads all, with the webhook or with a warning."""
    run = result.runs[1]
    is_by_webhook = outcome is Sync.NORMAL

    assert result.rows(run) == {*result.ids} - {result.ids[1]}
    assert result.state(run)["method"] == ("webhooks" if is_by_webhook else "last_modified")
    assert ("webhook" in result.state(run)) == is_by_webhook
    assert any("has no webhook" in line for line in result.warnings(run)) != is_by_webhook


def assert_sync(result: Result, outcome: Sync) -> None:
    """A sync reads what changed, or all, and tells what was deleted."""
    before, run, _ = result.runs
    edited, deleted, *others = result.ids
    saved, state = result.state(before), result.state(run)
    warnings = result.warnings(run)

    is_full, falls_back = outcome is Sync.FULL, outcome is Sync.FALLS_BACK
    assert result.rows(run) == ({edited, *others} if is_full else {edited})
    assert result.tombstones(run) == {deleted}
    assert state["method"] == ("last_modified" if falls_back else "webhooks")
    assert (state["webhook"] == saved["webhook"]) == falls_back
    assert any("has no webhook" in line for line in warnings) == falls_back
    assert any("could not prolong it" in line for line in warnings) == (outcome is Sync.WARNS)
    if outcome is Sync.NORMAL:
        assert [line for line in warnings if "webhook" in line] == []
