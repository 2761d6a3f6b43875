"""The method ``webhooks``: what it reads, what it costs, and what it does without a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests.account_syncs import HOUR, STARTED_AT, Account
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.tokens import READ_SCOPES
from integration_tests.bases import a_base, a_field, a_record, a_table, record_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from integration_tests.connector import Message, Run

SCOPES: Final = (*READ_SCOPES, "webhook:manage")
OURS: Final[Message] = {"options": {"filters": {"dataTypes": ["tableData", "tableFields"]}}}
DAY: Final = 24 * HOUR
MINUTE: Final = 60
AS_AIRTABLE: Final[dict[str, Any]] = {
    "aged_webhook_cursor": "go_on",
    "gone_webhook_status": 404,
    "webhook_error_answer": "payload",
    "webhook_lists_prolong": True,
    "webhook_records_per_payload": None,
    "webhooks_are_private": False,
    "webhooks_report_computed": True,
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock and settings the tests change."""
    with SimulatorProcess("--no-limits") as running:
        yield running


@pytest.fixture(autouse=True)
def _as_airtable(simulator: SimulatorProcess) -> None:
    simulator.admin.configure(**AS_AIRTABLE)


def a_plain_base(*fields: Message, records: int | list[Message] = 300, tables: int = 1) -> Message:
    """A base in which the token's owner is a creator."""
    made = [a_table(f"Notes {n}", *fields, records=records) for n in range(tables)]
    return a_base("Plain", *made, permissionLevel="create")


class Syncs:
    """Syncs of one base by its webhook, one after another."""

    def __init__(self, simulator: SimulatorProcess, base: Message, **incremental: Any) -> None:  # noqa: ANN401 - settings
        settings = {"method": "webhooks", "detect_deletions": True, **incremental}
        self.account = Account(simulator, base, **settings)
        self.settings: Message = self.account.tenant.settings
        self.admin = simulator.admin
        self.admin.set_token_scopes(*SCOPES, token=self.account.tenant.token)
        self.base = base
        self.place = base["id"], base["tables"][0]["id"]
        self.ids = record_ids(base["tables"][0])
        self.catalog = self.account.incremental(*self.account.found.by_place.values())
        self.calls: dict[str, int] = {}
        """What the last sync asked for, by kind."""
        self.states: list[Message] | None = None

    def first(self) -> Run:
        """Sync for the first time, as a connection of its own."""
        self.states = None
        return self.sync()

    def sync(self, *, exit_code: int = 0, wait_seconds: float = 2 * MINUTE) -> Run:
        """Sync after a while, by default later than what is read once more; keep the states."""
        self.admin.advance_clock(wait_seconds)
        self.admin.reset_stats()
        run = self.account.sync(self.catalog, self.states, exit_code=exit_code)
        self.calls = self.admin.stats()["by_kind"]
        if run.states:
            self.states = run.states
        return run

    def edit(self, *numbers: int, text: str = "edited") -> set[str]:
        """Edit records of the first table; gives their ids."""
        self.admin.advance_clock(1)
        for number in numbers:
            self.admin.edit_record(*self.place, self.ids[number], {"Name": text})
        return {self.ids[number] for number in numbers}

    def delete(self, *numbers: int) -> set[str]:
        """Delete records of the first table; gives their ids."""
        gone = [self.ids[number] for number in numbers]
        self.admin.delete_records(*self.place, gone)
        return set(gone)

    def forget_ids(self) -> None:
        """Have the saved state be that of a table with too many records."""
        assert self.states is not None
        state = self.states[0]["stream"]["stream_state"]
        del state["known_ids"]
        state["untracked_records"] = 300_000

    @property
    def position(self) -> Message:
        """What the state of the first stream keeps of the webhook."""
        assert self.states is not None
        position: Message = self.states[0]["stream"]["stream_state"]["webhook"]
        return position

    def webhook_ids(self) -> list[str]:
        """The webhooks of the base."""
        return [one["id"] for one in self.admin.webhooks(self.place[0])]


def synced(simulator: SimulatorProcess, base: Message, **incremental: Any) -> Syncs:  # noqa: ANN401 - settings
    """Syncs of a base, the first of which has been made."""
    syncs = Syncs(simulator, base, **incremental)
    syncs.first()
    return syncs


def rows(run: Run) -> set[str]:
    """The ids of the records that are there."""
    return {r["_airtable_id"] for r in all_rows(run) if not r.get("_ab_cdc_deleted_at")}


def tombstones(run: Run) -> set[str]:
    """The ids of the records that are gone."""
    return {r["_airtable_id"] for r in all_rows(run) if r.get("_ab_cdc_deleted_at")}


def all_rows(run: Run) -> list[Message]:
    """The rows of all streams."""
    return [row for told in run.records.values() for row in told]


def reasons(run: Run) -> list[str]:
    """Why streams were read in full."""
    return [line for line in run.logs if "is read in full" in line]


# What a sync reads, and what it costs.


def test_first_sync_makes_one_webhook(simulator: SimulatorProcess) -> None:
    """The first sync makes one webhook for all tables of a base, and reads them in full."""
    syncs = Syncs(simulator, a_plain_base(tables=3))
    run = syncs.first()
    (webhook,) = syncs.admin.webhooks(syncs.place[0])

    assert webhook["specification"] == OURS
    assert webhook["notification_url"] is None
    assert (syncs.calls["create_webhook"], len(reasons(run))) == (1, 3)
    assert len(rows(run)) == 900
    assert syncs.position == {
        "id": webhook["id"],
        "cursor": 1,
        "read_at": syncs.position["read_at"],
    }


def test_sync_of_what_changed(simulator: SimulatorProcess) -> None:
    """Edited and new records are read by their ids; deleted ones give tombstones at once."""
    syncs = synced(simulator, a_plain_base())
    edited = syncs.edit(*range(0, 240, 2))
    created = syncs.admin.create_record(*syncs.place, {"Name": "new"})["id"]
    gone = syncs.delete(241, 243)
    run = syncs.sync()

    assert rows(run) == {*edited, created}
    assert tombstones(run) == gone
    assert (syncs.calls["list_records"], reasons(run)) == (2, [])


def test_idle_base_of_fifty_tables(simulator: SimulatorProcess) -> None:
    """An idle base costs three calls for any number of tables: its schema, and two of webhooks."""
    syncs = synced(simulator, a_plain_base(records=5, tables=50))
    run = syncs.sync()

    assert all_rows(run) == []
    assert sum(syncs.calls.values()) <= 4
    assert syncs.calls["list_webhooks"] == syncs.calls["list_webhook_payloads"] == 1


def test_state_of_an_idle_sync(simulator: SimulatorProcess) -> None:
    """An idle sync moves the time at which the webhook was read, and nothing is read twice."""
    syncs = synced(simulator, a_plain_base())
    edited = syncs.edit(1)
    second, idle = syncs.sync(), syncs.sync()

    assert (rows(second), rows(idle)) == (edited, set())


def test_record_that_was_restored(simulator: SimulatorProcess) -> None:
    """A record that was deleted and restored between two syncs is read, and gives no tombstone."""
    syncs = synced(simulator, a_plain_base())
    (gone,) = syncs.delete(7)
    syncs.admin.restore_record(*syncs.place, gone)
    run = syncs.sync()

    assert (rows(run), tombstones(run)) == ({gone}, set())


def test_record_that_comes_and_goes(simulator: SimulatorProcess) -> None:
    """A record that was created and deleted between two syncs is no row."""
    syncs = synced(simulator, a_plain_base())
    created = syncs.admin.create_record(*syncs.place, {"Name": "new"})["id"]
    syncs.admin.delete_record(*syncs.place, created)
    run = syncs.sync()

    assert rows(run) == set()
    assert tombstones(run) <= {created}


def test_action_split_over_many_payloads(simulator: SimulatorProcess) -> None:
    """An action that Airtable reports in 120 payloads is read as a whole."""
    syncs = synced(simulator, a_plain_base())
    syncs.admin.configure(webhook_records_per_payload=1)
    ids = syncs.ids[:120]
    syncs.admin.edit_records(*syncs.place, {one: {"Name": "edited"} for one in ids})
    run = syncs.sync()

    assert (rows(run), syncs.calls["list_webhook_payloads"]) == (set(ids), 3)


def test_stream_records(simulator: SimulatorProcess) -> None:
    """The stream records reads the same ids from the same payloads."""
    base = a_plain_base(tables=2)
    syncs = Syncs(simulator, base)
    found = syncs.account.found
    syncs.catalog = syncs.account.incremental(*found.tables, found.account["records"])
    syncs.first()
    edited = syncs.edit(4, 5)
    run = syncs.sync()

    assert {row["id"] for row in run.records["records"]} == edited
    assert syncs.calls["list_webhook_payloads"] == syncs.calls["list_records"] == 1


# One webhook for everybody.


def test_second_connection_shares_the_webhook(simulator: SimulatorProcess) -> None:
    """Another connection uses the webhook that is there; neither takes payloads from the other."""
    syncs = synced(simulator, a_plain_base())
    first, theirs = syncs.states, syncs.webhook_ids()
    syncs.first()
    second, edited = syncs.states, syncs.edit(3)
    found = []
    for states in (first, second):
        syncs.states = states
        found.append(rows(syncs.sync()))

    assert syncs.webhook_ids() == theirs
    assert found == [edited, edited]


OTHERS: Final[dict[str, dict[str, Any]]] = {
    "notifies somebody": {"specification": OURS, "notification_url": "https://example.invalid"},
    "reports one table": {
        "specification": {
            "options": {"filters": {**OURS["options"]["filters"], "changeTypes": ["add"]}}
        }
    },
    "reports less": {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_webhook_that_does_not_fit(simulator: SimulatorProcess, name: str) -> None:
    """A webhook that somebody else's program needs in another form is left alone."""
    syncs = Syncs(simulator, a_plain_base())
    other = syncs.admin.add_webhook(syncs.place[0], **OTHERS[name])
    syncs.first()

    assert syncs.position["id"] != other
    assert other in syncs.webhook_ids()


def test_webhook_of_another_program(simulator: SimulatorProcess) -> None:
    """A webhook of our form is used, whoever made it, from the payload that comes next."""
    syncs = Syncs(simulator, a_plain_base())
    theirs = syncs.admin.add_webhook(syncs.place[0], specification=OURS)
    syncs.edit(1)
    syncs.first()

    assert (syncs.position["id"], syncs.position["cursor"]) == (theirs, 2)
    assert "create_webhook" not in syncs.calls
    edited = syncs.edit(2)
    assert rows(syncs.sync()) == edited


def test_answer_that_is_lost(simulator: SimulatorProcess) -> None:
    """A webhook whose answer is lost is found, and no second one is made."""
    syncs = Syncs(simulator, a_plain_base())
    syncs.admin.plan_fault("create_webhook", "cut_body")
    run = syncs.first()

    assert syncs.webhook_ids() == [syncs.position["id"]]
    assert len(rows(run)) == 300


def test_webhook_that_cannot_be_made(simulator: SimulatorProcess) -> None:
    """The sync fails where nobody knows whether a webhook was made, and says of which base."""
    syncs = Syncs(simulator, a_plain_base())
    syncs.admin.plan_fault("create_webhook", "status", status=503)
    run = syncs.sync(exit_code=1)

    assert run.failures[0]["failure_type"] == "transient_error"
    assert syncs.place[0] in run.failures[0]["message"]
    assert syncs.calls["create_webhook"] == 1


# When nobody knows what changed.


def drop(syncs: Syncs) -> None:
    """Delete the webhook."""
    syncs.admin.drop_webhooks(syncs.place[0])


def disable(syncs: Syncs) -> None:
    """Disable the webhook."""
    syncs.admin.disable_webhooks(syncs.place[0])


def fail(syncs: Syncs) -> None:
    """Put the webhook in error."""
    syncs.admin.fail_webhooks(syncs.place[0])


def refuse(syncs: Syncs) -> None:
    """Put the webhook in error, so that a list of its payloads is refused."""
    syncs.admin.configure(webhook_error_answer="refusal")
    fail(syncs)


def lose_one(syncs: Syncs) -> None:
    """Lose one payload."""
    syncs.admin.fail_webhooks(syncs.place[0], code="INTERNAL_ERROR")


def wait_a_week(syncs: Syncs) -> None:
    """Wait for almost a week."""
    syncs.admin.advance_clock(6.6 * DAY)


def wait_a_month(syncs: Syncs) -> None:
    """Wait until the webhook is gone."""
    syncs.admin.advance_clock(30 * DAY)


def fill(syncs: Syncs) -> None:
    """Have more payloads than a sync reads."""
    syncs.admin.add_payloads(syncs.place[0], 5_001)


GAPS: Final = {
    "dropped": (drop, "is gone, or reports nothing more"),
    "disabled": (disable, "is gone, or reports nothing more"),
    "in error": (fail, "is gone, or reports nothing more"),
    "in error, refused": (refuse, "is gone, or reports nothing more"),
    "one payload lost": (lose_one, "is gone, or reports nothing more"),
    "not read for a week": (wait_a_week, "more than six days ago"),
    "not read for a month": (wait_a_month, "is gone, or reports nothing more"),
    "too many payloads": (fill, "more than 5,000 payloads"),
}


@pytest.mark.parametrize("name", GAPS)
def test_time_that_no_webhook_covers(simulator: SimulatorProcess, name: str) -> None:
    """All is read again, with the reason in the log, and known ids tell what was deleted."""
    happen, reason = GAPS[name]
    syncs = synced(simulator, a_plain_base())
    gone = syncs.delete(3, 5)
    happen(syncs)
    edited = syncs.edit(7)
    run = syncs.sync()

    assert reason in reasons(run)[0]
    assert len(rows(run)) == 298
    assert tombstones(run) == gone
    later = syncs.edit(9)
    assert rows(syncs.sync()) == later
    assert edited <= rows(run)


def test_deletions_of_a_table_whose_ids_are_not_kept(simulator: SimulatorProcess) -> None:
    """Deletions are found without ids in the state, as in a table of too many records."""
    syncs = synced(simulator, a_plain_base())
    assert syncs.states is not None
    state = syncs.states[0]["stream"]["stream_state"]
    del state["known_ids"]
    state["untracked_records"] = 300_000
    gone = syncs.delete(3, 5)
    run = syncs.sync()

    assert (tombstones(run), rows(run)) == (gone, set())
    assert syncs.calls.get("list_records") is None


@pytest.mark.parametrize("status", [403, 404])
def test_deletions_that_nobody_knows(simulator: SimulatorProcess, status: int) -> None:
    """Without ids in the state, a warning names the time whose deletions are not known."""
    syncs = synced(simulator, a_plain_base(), detect_deletions=True)
    syncs.admin.configure(gone_webhook_status=status)
    assert syncs.states is not None
    del syncs.states[0]["stream"]["stream_state"]["known_ids"]
    drop(syncs)
    syncs.admin.advance_clock(HOUR)
    run = syncs.sync()

    (warning,) = (line for line in run.warnings if "stay in the destination" in line)
    assert "between 2026-11-18T10:02:00.000Z and 2026-11-18T11:04:00.000Z" in warning


@pytest.mark.parametrize("error_type", ["INVALID_OFFSET_VALUE", "UNKNOWN_FIELD_NAME"])
def test_refusal_in_the_words_of_records(simulator: SimulatorProcess, error_type: str) -> None:
    """A webhook that refuses a cursor as a list of records refuses an offset costs a full read."""
    syncs = synced(simulator, a_plain_base())
    body = {"error": {"type": error_type}}
    syncs.admin.plan_fault("list_webhook_payloads", "status", status=422, body=body)
    gone, edited = syncs.delete(3), syncs.edit(7)
    run = syncs.sync()

    assert "does not give the payloads" in reasons(run)[0]
    assert tombstones(run) == gone
    assert edited <= rows(run)


def test_more_records_than_a_scan_reads(simulator: SimulatorProcess) -> None:
    """Where the ids cost more than a scan, the table is read in full, and deletions count."""
    syncs = synced(simulator, a_plain_base(records=101))
    created = syncs.admin.create_records(*syncs.place, [{"fields": {"Name": "new"}}] * 120)
    gone = syncs.delete(3)
    syncs.edit(*range(10, 100))
    run = syncs.sync()

    assert "names 210 changed records" in reasons(run)[0]
    assert (len(rows(run)), tombstones(run)) == (220, gone)
    assert set(created) <= rows(run)


def retype(syncs: Syncs) -> None:
    """Change a field's type."""
    syncs.admin.retype_field(*syncs.place, "Amount", "singleLineText")


def retype_and_back(syncs: Syncs) -> None:
    """Change a field's type, and change it back."""
    retype(syncs)
    syncs.admin.retype_field(*syncs.place, "Amount", "number", {"precision": 0})


def delete_field(syncs: Syncs) -> None:
    """Delete a field."""
    syncs.admin.delete_field(*syncs.place, "Amount")


CHANGES_OF_FIELDS: Final = {
    "retyped": retype,
    "to and fro": retype_and_back,
    "deleted": delete_field,
}


@pytest.mark.parametrize("name", CHANGES_OF_FIELDS)
def test_field_that_changed(simulator: SimulatorProcess, name: str) -> None:
    """A change of a field that the stream reads has all records read, one of another field not."""
    amount = a_field("Amount", "number", options={"precision": 0})
    syncs = synced(simulator, a_plain_base(amount))
    syncs.admin.add_field(*syncs.place, a_field("Added later"))
    syncs.admin.rename_field(*syncs.place, "Amount", "Sum")
    harmless = syncs.sync()
    syncs.admin.rename_field(*syncs.place, "Sum", "Amount")
    CHANGES_OF_FIELDS[name](syncs)
    run = syncs.sync()

    assert reasons(harmless) == []
    assert "fields were" in reasons(run)[0]


def test_table_that_was_restored(simulator: SimulatorProcess) -> None:
    """A table that was deleted and restored between two syncs is as it was in the destination."""
    syncs = synced(simulator, a_plain_base(tables=2))
    syncs.edit(1)
    syncs.admin.delete_table(*syncs.place)
    syncs.admin.restore_table(*syncs.place)
    (gone,) = syncs.delete(4)
    run = syncs.sync()

    assert syncs.ids[1] in rows(run)
    assert tombstones(run) == {gone}


def test_names_that_change(simulator: SimulatorProcess) -> None:
    """A renamed base changes nothing; a renamed table has its rows read again, for they name it."""
    syncs = synced(simulator, a_plain_base())
    syncs.admin.rename_base(syncs.place[0], "Another name")
    base_renamed = syncs.sync()
    syncs.admin.rename_table(*syncs.place, "Another name")
    table_renamed = syncs.sync()

    assert all_rows(base_renamed) == []
    assert {row["_airtable_table_name"] for row in all_rows(table_renamed)} == {"Another name"}
    assert len(rows(table_renamed)) == 300


def test_duplicated_table(simulator: SimulatorProcess) -> None:
    """A copy of a table is a stream of its own, and its records are none of the first table's."""
    syncs = synced(simulator, a_plain_base())
    syncs.admin.duplicate_table(*syncs.place)
    before = syncs.sync()
    found = syncs.account.tenant.connector.discover()
    syncs.catalog = syncs.account.incremental(*found)
    after = syncs.sync()

    assert all_rows(before) == []
    assert (len(found), len(rows(after))) == (2, 300)
    assert rows(after).isdisjoint(syncs.ids)


def test_records_of_a_synced_table(simulator: SimulatorProcess) -> None:
    """Records that Airtable's own sync changes, adds and removes are found like any others."""
    syncs = synced(simulator, a_plain_base(records=[a_record(Name="Ada"), a_record(Name="Bob")]))
    sync_id = syncs.admin.add_sync(*syncs.place)
    token = syncs.admin.add_token(scopes=["data.records:write", "schema.bases:write"])
    answer = requests.post(
        f"{simulator.url}/v0/{'/'.join(syncs.place)}/sync/{sync_id}",
        data="Name\nAda\nCy\n",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv"},
        timeout=10,
    )
    run = syncs.sync()

    assert answer.ok
    assert tombstones(run) == {syncs.ids[1]}
    assert "Cy" in {row.get("name") for row in all_rows(run)}


def test_computed_cells(simulator: SimulatorProcess) -> None:
    """A table whose cells change by themselves is read again every so many hours, or not."""
    options = {
        "isValid": True,
        "formula": "NOW()",
        "referencedFieldIds": [],
        "result": {"type": "date"},
    }
    now = a_field("Now", "formula", options=options)
    count = a_field("Count", "count", options={"isValid": True})
    found = {}
    for field in (now, count):
        for is_reported in (True, False):
            syncs = synced(
                simulator,
                a_plain_base(field),
                full_rescan_hours=24,
                webhooks_report_computed_cells=is_reported,
            )
            syncs.admin.advance_clock(25 * HOUR)
            found[field["name"], is_reported] = bool(reasons(syncs.sync()))

    assert found == {
        ("Now", True): True,
        ("Now", False): True,
        ("Count", True): False,
        ("Count", False): True,
    }


# Answers of Airtable that are late, old or cut short.


def answer(syncs: Syncs, record_ids: Collection[str], times: int = 1) -> None:
    """Have lists of records hold these, without cells."""
    records = [{"id": one, "createdTime": STARTED_AT, "fields": {}} for one in record_ids]
    body = {"records": records}
    syncs.admin.plan_fault("list_records", "status", status=200, body=body, times=times)


def retype_name(syncs: Syncs) -> None:
    """Change a field, so that the table is read in full."""
    syncs.admin.retype_field(*syncs.place, "Name", "multilineText")


def test_records_that_lists_leave_out(simulator: SimulatorProcess) -> None:
    """Records that two lists leave out, and a list of all ids shows, are read by the next sync."""
    syncs = synced(simulator, a_plain_base())
    edited = syncs.edit(*range(90))
    answer(syncs, (), times=2)
    first = syncs.sync()
    second = syncs.sync()

    assert (rows(first), tombstones(first)) == (set(), set())
    assert any("were not found" in line for line in first.warnings)
    assert (rows(second), tombstones(second)) == (edited, set())


def test_new_record_that_a_whole_list_leaves_out(simulator: SimulatorProcess) -> None:
    """A record that the webhook names and the list of a full read leaves out is looked up."""
    syncs = synced(simulator, a_plain_base(records=30))
    created = syncs.admin.create_record(*syncs.place, {"Name": "new"})["id"]
    retype_name(syncs)
    answer(syncs, syncs.ids)
    run = syncs.sync()

    assert reasons(run)
    assert created in rows(run)


def test_old_cells(simulator: SimulatorProcess) -> None:
    """A record that Airtable still shows as it was is read again by the next sync."""
    syncs = synced(simulator, a_plain_base(records=3))
    (edited,) = syncs.edit(1)
    answer(syncs, [edited])
    first = syncs.sync(wait_seconds=0)
    second = syncs.sync()

    assert [row.get("name") for row in all_rows(first)] == [None]
    assert [row.get("name") for row in all_rows(second)] == ["edited"]


def test_errors_that_pass(simulator: SimulatorProcess) -> None:
    """A report that is an error, with others behind it, costs a full read and no webhook."""
    syncs = synced(simulator, a_plain_base(records=3))
    made = syncs.webhook_ids()
    syncs.admin.fail_webhooks(syncs.place[0], code="INTERNAL_ERROR")
    run = syncs.sync()

    assert reasons(run)
    assert len(syncs.webhook_ids()) <= len(made) + 1


# Deletions of tables whose ids are too many.


def test_first_sync_that_fails(simulator: SimulatorProcess) -> None:
    """What a first sync emitted before it failed, and was deleted since, is found by webhook."""
    syncs = Syncs(simulator, a_plain_base())
    syncs.admin.plan_fault("list_records", "status", status=500, page=3, times=None)
    syncs.states = None
    syncs.sync(exit_code=1)
    syncs.admin.clear_faults()
    syncs.forget_ids()
    gone = syncs.delete(3)

    assert tombstones(syncs.sync()) == gone


def test_deletions_that_nobody_asked_for(simulator: SimulatorProcess) -> None:
    """A warning names the time in which nobody asked for deletions."""
    syncs = synced(simulator, a_plain_base())
    syncs.forget_ids()
    syncs.settings["incremental"]["detect_deletions"] = False
    syncs.delete(3)
    syncs.sync()
    syncs.settings["incremental"]["detect_deletions"] = True
    run = syncs.sync()

    assert [line for line in run.warnings if "stay in the destination" in line]
    assert syncs.calls.get("list_records") is None


def test_another_method_in_between(simulator: SimulatorProcess) -> None:
    """What was deleted while created_time was chosen is found by webhook."""
    syncs = synced(simulator, a_plain_base())
    syncs.forget_ids()
    gone = syncs.delete(3)
    syncs.settings["incremental"]["method"] = "created_time"
    syncs.sync()
    syncs.forget_ids()
    syncs.settings["incremental"]["method"] = "webhooks"

    assert tombstones(syncs.sync()) == gone


# With a filter of the table.


@pytest.fixture
def filtered(simulator: SimulatorProcess) -> Syncs:
    """Syncs of the records that nobody has archived."""
    records = [a_record(Name=f"note {number}") for number in range(300)]
    syncs = Syncs(simulator, a_plain_base(a_field("Archived", "checkbox"), records=records))
    syncs.settings["table_filters"] = [{"table": syncs.place[1], "formula": "NOT({Archived})"}]
    syncs.first()
    return syncs


def archive(syncs: Syncs, number: int) -> set[str]:
    """Have a record leave the filter; gives its id."""
    syncs.admin.edit_record(*syncs.place, syncs.ids[number], {"Archived": True})
    return {syncs.ids[number]}


def test_record_that_leaves_the_filter(filtered: Syncs) -> None:
    """A record that leaves the filter has a tombstone in the next sync, and only once."""
    gone = archive(filtered, 7)
    first = filtered.sync()
    filtered.edit(7)
    second = filtered.sync()

    assert (tombstones(first), rows(first)) == (gone, set())
    assert all_rows(second) == []


def test_record_that_leaves_during_a_full_read(filtered: Syncs) -> None:
    """It has one where the table is read in full too, and the list has to start over."""
    gone = archive(filtered, 7)
    retype_name(filtered)
    filtered.admin.plan_fault("list_records", "expire_iterator", page=2)
    run = filtered.sync()

    assert reasons(run)
    assert tombstones(run) == gone


def test_record_that_leaves_while_filters_are_refused(filtered: Syncs) -> None:
    """It has one where Airtable refuses the connector's own filter, too."""
    gone = archive(filtered, 7)
    filtered.admin.configure(refused_function="RECORD_ID")
    run = filtered.sync()
    filtered.admin.configure(refused_function="")
    later = filtered.sync()

    assert gone <= tombstones(run) | tombstones(later)


# Where there is no webhook to read.


def lack_scope(syncs: Syncs) -> None:
    """Take the scope of webhooks from the token."""
    syncs.admin.set_token_scopes(*READ_SCOPES, token=syncs.account.tenant.token)


def lack_role(syncs: Syncs) -> None:
    """Have the owner of the token be no creator."""
    drop(syncs)
    syncs.admin.set_permission_level(syncs.place[0], "edit")


def lack_place(syncs: Syncs) -> None:
    """Have other programs take all places of the base."""
    drop(syncs)
    syncs.admin.fill_webhooks(syncs.place[0])


LACKS: Final = {
    "scope": (lack_scope, "needs the scope webhook:manage"),
    "role": (lack_role, "creator role"),
    "place": (lack_place, "as many as Airtable allows"),
}


@pytest.mark.parametrize("name", LACKS)
def test_base_without_webhook(simulator: SimulatorProcess, name: str) -> None:
    """A base without a webhook is read by last_modified, with a warning, until there is one."""
    happen, reason = LACKS[name]
    syncs = synced(simulator, a_plain_base(tables=2), deletion_sweep_hours=0)
    kept = syncs.position
    happen(syncs)
    edited = syncs.edit(3)
    gone = syncs.delete(5)
    without = syncs.sync()
    position_without = syncs.position
    syncs.admin.set_token_scopes(*SCOPES, token=syncs.account.tenant.token)
    syncs.admin.set_permission_level(syncs.place[0], "create")
    syncs.admin.drop_webhooks(syncs.place[0]) if name == "place" else None
    more = syncs.edit(4)
    again = syncs.sync()

    (warning,) = (line for line in without.warnings if "has no webhook" in line)
    assert reason in warning
    assert (rows(without), tombstones(without)) == (edited, gone)
    assert position_without == kept
    assert more <= rows(again)
    assert bool(reasons(again)) == (name != "scope")


def test_member_who_only_reads(simulator: SimulatorProcess) -> None:
    """Somebody who may only read uses the webhook that a creator has made."""
    syncs = synced(simulator, a_plain_base())
    syncs.admin.set_permission_level(syncs.place[0], "read")
    edited = syncs.edit(3)

    assert rows(syncs.sync()) == edited


def test_switching_methods(simulator: SimulatorProcess) -> None:
    """A connection goes over to last_modified and back, and loses nothing."""
    syncs = synced(simulator, a_plain_base(), deletion_sweep_hours=0)
    settings = syncs.account.tenant.settings["incremental"]
    found: list[set[str]] = []
    expected: list[set[str]] = []
    for method in ("last_modified", "webhooks", "last_modified", "webhooks"):
        settings["method"] = method
        expected.append(syncs.edit(len(expected)))
        run = syncs.sync()
        found.append(rows(run))
        assert reasons(run) == []

    assert all(edited <= ids for edited, ids in zip(expected, found, strict=True))


def test_webhook_near_its_end(simulator: SimulatorProcess) -> None:
    """A webhook with less than three days to live is prolonged, unless a list has done so."""
    syncs = synced(simulator, a_plain_base())
    calls = []
    for days, prolongs in ((1, True), (5, True), (5, False)):
        syncs.admin.configure(webhook_lists_prolong=prolongs)
        syncs.admin.advance_clock(days * DAY)
        syncs.sync()
        calls.append((syncs.calls["list_webhooks"], syncs.calls.get("refresh_webhook", 0)))

    assert calls == [(1, 0), (2, 0), (2, 1)]


def test_what_was_reported_a_moment_ago(simulator: SimulatorProcess) -> None:
    """What changed in the minute before a sync is read once more by the next one."""
    syncs = synced(simulator, a_plain_base())
    edited = syncs.edit(1)
    found = [rows(syncs.sync(wait_seconds=seconds)) for seconds in (0, 2 * MINUTE, 2 * MINUTE)]

    assert found == [edited, edited, set()]


def test_check_tells_what_is_missing(simulator: SimulatorProcess) -> None:
    """The check succeeds, and warns where a sync would have to do without a webhook."""
    syncs = Syncs(simulator, a_plain_base())
    found = {}
    for name, (happen, _) in LACKS.items():
        happen(syncs)
        run = syncs.account.tenant.connector.run("check")
        found[name] = [line for line in run.warnings if "webhook" in line]
        syncs.admin.drop_webhooks(syncs.place[0])
        syncs.admin.set_token_scopes(*SCOPES, token=syncs.account.tenant.token)
        syncs.admin.set_permission_level(syncs.place[0], "create")

    assert {name: len(lines) for name, lines in found.items()} == dict.fromkeys(LACKS, 1)
    fine = syncs.account.tenant.connector.run("check")
    assert [line for line in fine.warnings if "webhook" in line] == []
    assert syncs.webhook_ids() == []
