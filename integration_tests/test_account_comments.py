"""The stream ``comments``: what it asks for, what it holds, and what stands in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests import photo_studio
from integration_tests.account_catalog import (
    Discovered,
    assert_sound,
    assert_statuses,
    fields_asked,
    keys_of,
)
from integration_tests.airtable_simulator import SimulatorProcess, sample_account
from integration_tests.airtable_simulator.account import READ_SCOPES
from integration_tests.bases import a_base, a_comment, a_record, a_table
from integration_tests.connector import a_catalog, a_tenant, without_columns
from integration_tests.photo_studio import a_photo_studio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from integration_tests.connector import Message, Run, Tenant

SCOPE: Final = "data.recordComments:read"
WITHOUT_COMMENTS: Final = tuple(scope for scope in READ_SCOPES if scope != SCOPE)
EDITED_AT: Final = "2026-11-20T12:00:00.000Z"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose settings the tests change."""
    with SimulatorProcess("--no-limits") as running:
        yield running


class Account:
    """Some bases, and syncs of them of which the calls are counted."""

    def __init__(self, simulator: SimulatorProcess, *bases: Message, **more: Any) -> None:  # noqa: ANN401 - as of a_tenant
        simulator.admin.clear_faults()
        self.admin = simulator.admin
        self.tenant: Tenant = a_tenant(simulator, *bases, **more)
        self.found = Discovered(self.tenant.connector)
        self.comments = self.found.account["comments"]

    def sync(
        self,
        *streams: Message,
        state: Sequence[Message] | None = None,
        sync_mode: str = "full_refresh",
        exit_code: int = 0,
    ) -> tuple[Run, dict[str, int]]:
        """A sync, of the comments if no streams are named, and its calls by kind."""
        self.admin.reset_stats()
        catalog = a_catalog(streams or [self.comments], sync_mode=sync_mode)
        run = self.tenant.connector.read(catalog, state=state, on_fast_clock=True)
        assert run.exit_code == exit_code, run.failures
        return run, self.admin.stats()["by_kind"]

    def sync_changes(self, state: Sequence[Message] | None = None) -> tuple[Run, int]:
        """An incremental sync of the comments, and how many lists of comments it asked for."""
        run, calls = self.sync(state=state, sync_mode="incremental")
        return run, calls.get("list_comments", 0)


def a_talk(*texts: Sequence[str]) -> Message:
    """A base with one record for each list of comments' texts."""
    records = [{**a_record(), "comments": [a_comment(text) for text in talk]} for talk in texts]
    return a_base("Talk", a_table("Notes", records=records))


def place(base: Message, number: int = 0) -> tuple[str, str, str]:
    """The ids of a base, its first table, and one of the table's records."""
    (table, *_) = base["tables"]
    return base["id"], table["id"], table["records"][number]["id"]


def texts(run: Run) -> list[str]:
    """The texts of all comments, in alphabetical order."""
    return sorted(row["text"] for row in run.records.get("comments", ()))


# What is asked, and what comes.


@pytest.mark.parametrize("last_offset", ["null", "absent"])
def test_calls_and_rows(simulator: SimulatorProcess, last_offset: str) -> None:
    """The studio's 129 comments on 4 records cost 5 calls, however the last page says its end."""
    account = Account(simulator, a_photo_studio())
    account.admin.configure(last_comments_offset=last_offset)
    run, calls = account.sync()
    account.admin.configure(last_comments_offset="null")

    assert calls == {
        "list_bases": 1,
        "base_schema": 1,
        "list_records": 2,
        "list_comments": photo_studio.COMMENT_PAGES,
    }
    assert len(run.records["comments"]) == photo_studio.COMMENTS
    assert len({row["record_id"] for row in run.records["comments"]}) == 4
    assert_sound(run, [account.comments])
    assert_statuses(run, [account.comments])


def test_rows_are_those_of_the_json(simulator: SimulatorProcess) -> None:
    """Each comment has its place, text, times, parent, reactions and mentions."""
    base = a_photo_studio()
    (shoots, _) = base["tables"]
    run, _ = Account(simulator, base).sync()
    rows = dict(
        zip(keys_of(run.records["comments"], "comments"), run.records["comments"], strict=True)
    )

    given = [(one, told) for one in shoots["records"] for told in one.get("comments", ())]
    assert len(given) == 3 * len(photo_studio.TALKED_ABOUT)
    for record, comment in given:
        row = rows[base["id"], shoots["id"], record["id"], comment["id"]]
        assert row["text"] == comment["text"]
        assert row["created_time"] == comment["createdTime"]
        assert row.get("last_updated_time") == comment.get("lastUpdatedTime")
        assert row.get("parent_comment_id") == comment.get("parentCommentId")
        assert row.get("reactions") == comment.get("reactions")
        assert row["author"].keys() == {"id", "email", "name"}
        mentioned = ["usrL2PNC5o3H4lBE1"] if "@[" in comment["text"] else []
        assert list(row.get("mentioned") or ()) == mentioned


def test_no_cells_are_asked_for(simulator: SimulatorProcess) -> None:
    """Alone, the stream asks of each table for one field; beside the others, for no page more."""
    account = Account(simulator, a_photo_studio())
    account.sync()
    tables = account.tenant.bases[0]["tables"]
    asked = fields_asked(account.admin.stats()["last_calls"])
    _, calls = account.sync(*account.found.streams)

    assert asked == {table["id"]: {table["primaryFieldId"]} for table in tables}
    assert calls["list_records"] == 2
    assert calls["list_comments"] == photo_studio.COMMENT_PAGES


def test_sample_base(simulator: SimulatorProcess) -> None:
    """Of the sample base come as many comments as its JSON counts, asked record by record."""
    bases = sample_account()["bases"]
    counts = {
        record["id"]: record.get("commentCount") or len(record.get("comments") or ())
        for base in bases
        for table in base["tables"]
        for record in table["records"]
    }
    account = Account(simulator, *bases)
    run, calls = account.sync()
    came = [row["record_id"] for row in run.records.get("comments", ())]

    assert {one: came.count(one) for one in set(came)} == {k: n for k, n in counts.items() if n}
    assert calls.get("list_comments", 0) == sum(-(-count // 100) for count in counts.values())


def test_no_comments(simulator: SimulatorProcess) -> None:
    """Without a commented record nothing is asked, and the stream ends empty."""
    account = Account(simulator, a_base("Silent", a_table("Notes")))
    run, calls = account.sync()

    assert "list_comments" not in calls
    assert_statuses(run, [account.comments], empty=["comments"])


def test_deselected_columns(simulator: SimulatorProcess) -> None:
    """Columns that are not selected are not emitted."""
    account = Account(simulator, a_talk(["one"]))
    stream = without_columns(account.comments, "author", "text", "_as_of", "created_time")
    run, _ = account.sync(stream)

    (row,) = run.records["comments"]
    assert row.keys() == {"base_id", "table_id", "record_id", "id"}


# Incremental.


def test_only_changed_counts_are_asked(simulator: SimulatorProcess) -> None:
    """A next sync asks only for records with other counts, and gives all of their comments."""
    base = a_talk(["a"], ["b"], [], ["c1", "c2"])
    account = Account(simulator, base)
    first, asked_first = account.sync_changes()
    second, asked_second = account.sync_changes(first.states)
    account.admin.add_comment(*place(base, 0), "a, too")
    account.admin.add_comment(*place(base, 2), "d")
    gone = base["tables"][0]["records"][3]["comments"][1]["id"]
    account.admin.delete_comment(*place(base, 3), gone)
    third, asked_third = account.sync_changes(second.states)
    fourth, asked_fourth = account.sync_changes(third.states)

    assert (asked_first, asked_second, asked_third, asked_fourth) == (3, 0, 3, 0)
    assert texts(first) == ["a", "b", "c1", "c2"]
    assert texts(third) == ["a", "a, too", "c1", "d"]
    assert texts(second) == texts(fourth) == []


def test_edited_comment_is_the_blind_spot(simulator: SimulatorProcess) -> None:
    """A comment that is edited leaves the count, so that only a full refresh brings its words."""
    base = a_talk(["before"])
    account = Account(simulator, base)
    first, _ = account.sync_changes()
    (comment,) = base["tables"][0]["records"][0]["comments"]
    account.admin.edit_comment(*place(base), comment["id"], text="after")
    changes, asked = account.sync_changes(first.states)
    whole, _ = account.sync(state=first.states)

    assert (texts(changes), asked) == ([], 0)
    assert texts(whole) == ["after"]


def test_comments_after_silence_are_asked_again(simulator: SimulatorProcess) -> None:
    """Where the last comment went and another one came later, the record is asked again."""
    base = a_talk(["first"])
    account = Account(simulator, base)
    run, _ = account.sync_changes()
    (comment,) = base["tables"][0]["records"][0]["comments"]
    account.admin.delete_comment(*place(base), comment["id"])
    run, _ = account.sync_changes(run.states)
    account.admin.add_comment(*place(base), "second")
    run, asked = account.sync_changes(run.states)

    assert (texts(run), asked) == (["second"], 1)


def test_full_refresh_ignores_a_state(simulator: SimulatorProcess) -> None:
    """A full refresh asks for everything, whatever state it is given."""
    account = Account(simulator, a_talk(["a"], ["b"]))
    first, _ = account.sync_changes()
    again, calls = account.sync(state=first.states)

    assert texts(again) == ["a", "b"]
    assert calls["list_comments"] == 2


# What stands in its way.


def test_missing_scope(simulator: SimulatorProcess) -> None:
    """Without the scope the stream fails once, with its name, and the other streams complete."""
    account = Account(simulator, a_photo_studio(), a_photo_studio("Other"), scopes=WITHOUT_COMMENTS)
    run, _ = account.sync(*account.found.streams, sync_mode="incremental", exit_code=1)

    (failure,) = [one for one in run.failures if one["stream"] == "comments"]
    assert f"scope: {SCOPE}" in failure["message"]
    assert failure["failure_type"] == "config_error"
    assert len(run.failures) == 2
    names = {stream["name"] for stream in account.found.streams} - {"comments"}
    assert {run.last_statuses[name] for name in names} == {"COMPLETE"}
    assert set(run.state_streams) == names
    assert run.last_statuses["comments"] == "INCOMPLETE"
    assert "comments" not in run.records


def test_scope_is_not_missed_in_silence(simulator: SimulatorProcess) -> None:
    """Without a commented record the missing scope stays unnoticed, and nothing is lost."""
    base = a_base("Silent", a_table("Notes"))
    account = Account(simulator, base, scopes=WITHOUT_COMMENTS)
    run, _ = account.sync()

    assert run.last_statuses == {"comments": "COMPLETE"}


def test_record_deleted_before_it_is_asked(simulator: SimulatorProcess) -> None:
    """A record that is deleted between the scan and the question is no failure."""
    base = a_talk(["gone"], ["there"])
    account = Account(simulator, base)
    record = place(base, 0)[2]
    for kind in ("list_comments", "get_record"):
        account.admin.plan_fault(kind, "status", status=403, record=record)
    run, calls = account.sync()

    assert texts(run) == ["there"]
    assert (calls["list_comments"], calls["get_record"]) == (2, 1)
    assert run.last_statuses == {"comments": "COMPLETE"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failing_list_is_tried_again(simulator: SimulatorProcess, status: int) -> None:
    """A list of comments that fails once is asked for again."""
    account = Account(simulator, a_talk(["a"], ["b"]))
    account.admin.plan_fault("list_comments", "status", status=status)
    run, calls = account.sync()

    assert texts(run) == ["a", "b"]
    assert calls["list_comments"] == 3


def test_stale_offset_of_comments(simulator: SimulatorProcess) -> None:
    """Where Airtable forgets a list of comments half way, no comment is lost or doubled."""
    base = a_base("Busy", a_table("Notes", records=[{**a_record(), "commentCount": 250}]))
    account = Account(simulator, base)
    account.admin.plan_fault("list_comments", "expire_iterator", page=2)
    run, _ = account.sync()

    assert len(run.records["comments"]) == 250
    assert_sound(run, [account.comments])


def test_lasting_failure(simulator: SimulatorProcess) -> None:
    """Comments that cannot be had fail their stream alone, which leaves no state."""
    account = Account(simulator, a_talk(["a"]))
    account.admin.plan_fault("list_comments", "status", status=500, times=None)
    run, _ = account.sync(*account.found.streams, sync_mode="incremental", exit_code=1)

    failing = {name for name, last in run.last_statuses.items() if last == "INCOMPLETE"}
    assert failing == {"comments"}
    assert "comments" not in run.state_streams
    assert {one["stream"] for one in run.failures} == {None, "comments"}
