"""The order of failures: the platform takes the first one that it sees for the sync's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator.errors import monthly_quota_exceeded
from integration_tests.bases import a_base, a_table, record_ids
from integration_tests.connector import a_catalog, a_stream_with_ids, a_tenant
from source_airtable.errors import (
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    QuotaExceededError,
    TableNotFoundError,
)

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

CAUSES: Final = {
    error.cause: error
    for error in (
        *(AirtableUnavailableError, BaseNotFoundError, ContractError),
        *(QuotaExceededError, TableNotFoundError),
    )
}
LATER: Final = ("transient_error", "system_error")


@dataclass(frozen=True)
class Broken:
    """An account in which everything goes wrong at once, and the read of it."""

    tenant: Tenant
    bases: dict[str, Message]
    run: Run

    def stream(self, name: str) -> str:
        """The stream of one of its bases."""
        return self.tenant.stream_name(self.bases[name], self.bases[name]["tables"][0])

    @property
    def errors_in_order(self) -> list[Any]:
        """The class of each stream's failure, in the order of the traces."""
        return [
            next(error for cause, error in CAUSES.items() if failure["message"].startswith(cause))
            for failure in self.run.failures
            if failure["stream"]
        ]


def a_broken_read(simulator: SimulatorProcess, on_missing_table: str) -> Broken:
    """Read six bases, of which one is well.

    ``vanishing`` loses its table after its first page, and only then ``quota`` fails: what happens
    first must not be said first.
    """
    names = ("gone", "vanishing", "quota", "transient", "system", "well")
    bases = {name: a_base(name, a_table("T", records=350), a_table("Kept")) for name in names}
    tenant = a_tenant(simulator, *bases.values(), on_missing_table=on_missing_table)
    ids = {name: base["id"] for name, base in bases.items()}
    plan, admin = tenant.admin.plan_fault, tenant.admin
    admin.delete_table(ids["gone"], "T")
    plan("list_records", "hold", base=ids["vanishing"], page=2)
    for page in (1, 2):
        plan("list_records", "hold", base=ids["quota"], page=page)
    body = monthly_quota_exceeded("errors").body
    plan("list_records", "status", base=ids["quota"], page=3, times=None, status=429, body=body)
    plan("list_records", "status", base=ids["transient"], page=2, times=None, status=500)
    plan("list_records", "malformed", base=ids["system"], page=2, times=None, body={"odd": 1})
    catalog = a_catalog([a_stream_with_ids(base, base["tables"][0]) for base in bases.values()])
    vanishing = f"{ids['vanishing']}/{bases['vanishing']['tables'][0]['id']}"

    def has_gone_on(held: int, pages_of_vanishing: int) -> bool:
        stats = admin.stats()
        pages: int = stats["by_table"].get(vanishing, 0)
        return stats["faults"].get("hold") == held and pages >= pages_of_vanishing

    admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        live.go_on_until(lambda: has_gone_on(2, 2))
        admin.delete_table(ids["vanishing"], "T")
        admin.release_answers()
        live.go_on_until(lambda: has_gone_on(3, 3))
        admin.release_answers()
        run = live.whole()
    admin.clear_faults()
    return Broken(tenant, bases, run)


@pytest.fixture(scope="module")
def failing(airtable: SimulatorProcess) -> Broken:
    """A read whose missing tables fail."""
    return a_broken_read(airtable, "fail")


@pytest.fixture(scope="module")
def skipping(airtable: SimulatorProcess) -> Broken:
    """A read whose missing tables are skipped."""
    return a_broken_read(airtable, "skip")


def test_first_trace_is_one_for_later(failing: Broken) -> None:
    """The first failure is one that a later sync, not a person, may cure."""
    assert failing.run.failures[0]["failure_type"] in LATER


def test_config_comes_after_what_may_pass(failing: Broken) -> None:
    """What a person must mend comes after all that may pass, and missing tables come last."""
    errors = failing.errors_in_order

    assert set(errors[:2]) == {AirtableUnavailableError, ContractError}
    assert errors[2:] == [QuotaExceededError, TableNotFoundError, TableNotFoundError]


def test_stream_that_is_well_is_complete(failing: Broken) -> None:
    """One stream is complete beside five failures; the exit code tells of these."""
    name = failing.stream("well")
    complete = [name for name, last in failing.run.last_statuses.items() if last == "COMPLETE"]

    assert failing.run.record_ids(name) == record_ids(failing.bases["well"]["tables"][0])
    assert complete == [name]
    assert failing.run.state_streams == [name]
    assert failing.run.exit_code == 1


def test_skipped_tables_are_no_failures(skipping: Broken) -> None:
    """With on_missing_table skip, the same order holds without the missing tables."""
    errors = skipping.errors_in_order

    assert set(errors[:2]) == {AirtableUnavailableError, ContractError}
    assert errors[2:] == [QuotaExceededError]
    assert skipping.run.failures[0]["failure_type"] in LATER
    assert skipping.run.exit_code == 1


@pytest.mark.parametrize("name", ["gone", "vanishing"])
def test_skipped_table_is_warned_of(skipping: Broken, name: str) -> None:
    """A table that is skipped is INCOMPLETE, without a state, and named in a warning."""
    stream = skipping.stream(name)

    assert skipping.run.last_statuses[stream] == "INCOMPLETE"
    assert stream not in skipping.run.state_streams
    assert any(stream in warning for warning in skipping.run.warnings)
