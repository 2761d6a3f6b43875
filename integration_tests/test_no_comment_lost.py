"""No comment is lost where its record's number of comments cannot show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.account_syncs import HOUR, Account
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_comment, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


def a_talk() -> Message:
    """A base with one record of two comments."""
    comments = [a_comment("first"), a_comment("second")]
    return a_base("Talk", a_table("Notes", records=[{**a_record(), "comments": comments}]))


def place(base: Message) -> tuple[str, str, str]:
    """The ids of the base, its table and its record."""
    (table,) = base["tables"]
    return base["id"], table["id"], table["records"][0]["id"]


def texts(run: Run) -> list[str]:
    """The texts of all comments, in alphabetical order."""
    return sorted(row["text"] for row in run.records.get("comments", ()))


def test_comment_deleted_between_count_and_list(simulator: SimulatorProcess) -> None:
    """What was listed is saved, not what was counted: a later comment is found."""
    base = a_talk()
    account = Account(simulator, base)
    catalog = account.incremental(account.found.account["comments"])
    gone = base["tables"][0]["records"][0]["comments"][1]["id"]
    account.admin.plan_fault("list_records", "hold")
    account.admin.reset_stats()
    with account.tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        live.go_on_until(lambda: account.admin.stats()["faults"].get("hold"))
        account.admin.delete_comment(*place(base), gone)
        account.admin.release_answers()
        first = live.whole()
    account.admin.clear_faults()
    account.admin.add_comment(*place(base), "third")
    second = account.sync(catalog, first.states)

    assert texts(first) == ["first"]
    assert texts(second) == ["first", "third"]


def test_comment_that_replaces_another(simulator: SimulatorProcess) -> None:
    """A comment that came when another went is found by the full listing of the day."""
    base = a_talk()
    account = Account(simulator, base)
    catalog = account.incremental(account.found.account["comments"])
    first = account.sync(catalog)
    gone = base["tables"][0]["records"][0]["comments"][1]["id"]
    account.admin.delete_comment(*place(base), gone)
    account.admin.add_comment(*place(base), "third")
    account.admin.advance_clock(HOUR)
    second = account.sync(catalog, first.states)
    account.admin.advance_clock(24 * HOUR)
    third = account.sync(catalog, second.states)
    account.admin.advance_clock(HOUR)
    fourth = account.sync(catalog, third.states)

    assert texts(second) == []
    assert texts(third) == ["first", "third"]
    assert texts(fourth) == []


def test_full_listing_that_is_never_due(simulator: SimulatorProcess) -> None:
    """With full_rescan_hours 0 only the number of comments counts."""
    base = a_talk()
    account = Account(simulator, base, full_rescan_hours=0)
    catalog = account.incremental(account.found.account["comments"])
    first = account.sync(catalog)
    account.admin.advance_clock(240 * HOUR)

    assert texts(account.sync(catalog, first.states)) == []


@pytest.mark.parametrize("date_header", ["present", "absent"])
def test_cursor_of_comments(simulator: SimulatorProcess, date_header: str) -> None:
    """After a step back of the clock, or without one, comments come with a greater cursor."""
    base = a_talk()
    account = Account(simulator, base)
    catalog = account.incremental(account.found.account["comments"])
    first = account.sync(catalog)
    account.admin.add_comment(*place(base), "third")
    account.admin.configure(date_skew_seconds=-600.0, date_header=date_header)
    second = account.sync(catalog, first.states)
    account.admin.configure(date_skew_seconds=0.0, date_header="present")

    assert texts(second) == ["first", "second", "third"]
    assert {row["_as_of"] for row in first.records["comments"]} == {"2026-11-18T10:00:00.000Z"}
    assert {row["_as_of"] for row in second.records["comments"]} == {"2026-11-18T10:00:00.001Z"}
