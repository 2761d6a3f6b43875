"""One answer that Airtable does not stand by decides nothing; pages without an end do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_syncs import Account
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_EMPTY_PAGES: Final = 1_000
STRAY: Final[dict[str, dict[str, Any]]] = {
    "forbidden": {"action": "status", "status": 403},
    "not found": {"action": "status", "status": 404},
    "malformed": {"action": "malformed"},
    "record without fields": {"action": "malformed", "body": {"records": [{"id": "rec"}]}},
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own."""
    with SimulatorProcess("--no-limits") as running:
        yield running


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("name", STRAY)
def test_one_stray_answer(
    simulator: SimulatorProcess, name: str, page: int, sync_mode: str
) -> None:
    """A single refused or malformed page is asked for again, and the sync is complete."""
    account = Account(simulator, a_base("Plain", a_table("Notes", records=250)))
    (stream,) = account.found.tables
    account.admin.plan_fault("list_records", page=page, **STRAY[name])
    catalog = account.incremental(stream)
    catalog["streams"][0]["sync_mode"] = sync_mode
    run = account.sync(catalog)

    assert len(set(run.record_ids(stream["name"]))) == 250
    assert len(run.record_ids(stream["name"])) == 250


@pytest.mark.parametrize("name", STRAY)
def test_answer_that_stays(simulator: SimulatorProcess, name: str) -> None:
    """What Airtable answers twice counts."""
    account = Account(simulator, a_base("Plain", a_table("Notes", records=250)))
    (stream,) = account.found.tables
    account.admin.plan_fault("list_records", page=2, times=None, **STRAY[name])
    run = account.sync(account.incremental(stream), exit_code=1)

    assert run.last_statuses == {stream["name"]: "INCOMPLETE"}
    assert len(run.record_ids(stream["name"])) == 100


def test_empty_pages_without_end(simulator: SimulatorProcess) -> None:
    """Pages that are empty, with ever new offsets, end with an error that says so."""
    account = Account(simulator, a_base("Plain", a_table("Notes", records=250)))
    (stream,) = account.found.tables
    account.admin.plan_fault("list_records", "empty_page", times=None)
    account.admin.reset_stats()
    run = account.sync(account.incremental(stream), exit_code=1)

    assert f"more than {MOST_EMPTY_PAGES} empty pages" in run.failure_of(stream["name"])["message"]
    assert account.admin.stats()["by_kind"]["list_records"] == MOST_EMPTY_PAGES + 1


def test_some_empty_pages(simulator: SimulatorProcess) -> None:
    """Some empty pages in a list are no failure."""
    account = Account(simulator, a_base("Plain", a_table("Notes", records=250)))
    (stream,) = account.found.tables
    account.admin.plan_fault("list_records", "empty_page", times=20, nth=2)

    assert len(account.sync(account.incremental(stream)).record_ids(stream["name"])) == 250
