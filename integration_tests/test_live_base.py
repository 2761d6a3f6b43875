"""The sample base built and edited by pyairtable in the simulator, and read by the connector."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests import live_base, live_webhook_probes, test_live
from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WORKSPACE_ID, WRITE_SCOPES
from integration_tests.connector import (
    LONGEST_RUN_SECONDS,
    REPOSITORY,
    Connector,
    a_catalog,
    a_config,
)
from integration_tests.live_api import (
    SECOND_TOKEN_VARIABLE,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    WORKSPACE_VARIABLE,
    connect,
)
from integration_tests.live_plan import plan_tables, to_written_cells
from integration_tests.live_probes import NotSettledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Run
    from integration_tests.live_api import (
        Account,
    )
    from integration_tests.live_probes import Ground

START: Final = "2026-11-01T08:30:00.000Z"
QUICK_PYTEST: Final = """
import sys
from integration_tests.fast_clock import quicken
quicken(100)
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
DAY_SECONDS: Final = 86_400.0
PARTS: Final = "cost of a filter, and parts of a table"
FOUND: Final = {
    "status of an over-long URL": "a GET of 17,000 characters: 413 REQUEST_TOO_LARGE",
    "refusal of an unknown offset": "an unknown offset: 422 LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
    "sub-second LMT": "LMT of 0 of 3 records has a fraction of a second",
    "blank LMT among records": "0 records have a blank LMT",
    "blank LMT rule": "LMT after a create by the API: set with cells, set without",
    "equal value and LMT": "writing an equal value moves LMT",
    "link-name change and LMT": "another name of a linked record does not move LMT",
    "link from its other end and LMT": "a link made at its other end moves LMT",
    "comment activity and LMT": "a comment does not move LMT",
    "pages of comments": (
        "pageSize 2 of 3 gives 2 and an offset; 100: 200, not refused; "
        "101: 422 INVALID_REQUEST_UNKNOWN"
    ),
    "scope of commentCount": (
        "without data.recordComments:read: 200, not refused, commentCount of a record with one "
        "comment: 1"
    ),
    "IS_AFTER (community thread 47358)": (
        "IS_AFTER of one record's moment: LAST_MODIFIED_TIME() as documented, CREATED_TIME() as "
        "documented"
    ),
    "option rename and LMT": (
        "not settled: the API refuses to rename a choice (422 INVALID_REQUEST_UNKNOWN): rename one "
        "by hand, and see whether an incremental sync reads its records"
    ),
    "rows deleted in mid-pagination": (
        "in mid-scan a deleted record is skipped, a new one not shown, an edited one with the new "
        "value"
    ),
    "webhook visibility across tokens": (
        "a webhook made with one token is listed for another token of the same user"
    ),
    "aged cursor of a webhook": (
        "not settled: no webhook of the base has lost payloads: run this again for a base that the "
        "connector has read by webhooks for more than a week"
    ),
    "records that a webhook names": (
        "a webhook names records that were created, edited, deleted, and numbers payloads without "
        "a gap"
    ),
    "computed cells and webhooks": (
        "not settled: the base has no lookup: add one by hand, and run this again for that base"
    ),
    "link-name change and webhooks": (
        "a linked record's new name is not reported for the one that links"
    ),
    "iterator lifetime": (
        "an idle offset is alive after 240 s, and after 300 s: 422 "
        "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
    ),
}
"""What the probes find in the simulator; a burst's finding depends on how fast this machine is."""
ADDRESS_FACT: Final = "end of an attachment's address"
ADDRESS_FINDING: Final = re.compile(
    r"an address names its end, (\d+) minutes: 200 before, 410 a minute after, 200 at a new one"
)
"""An address ends on a whole hour, so its minutes depend on the clock."""
HALF_DAY_MINUTES: Final = "720"
SECOND_SCOPES: Final = ("data.records:read", "schema.bases:read", "webhook:manage")


class Workshop:
    """A simulator with Airtable's limits, in which waiting moves the clock, and a built base."""

    def __init__(self, simulator: SimulatorThread, account: Account) -> None:
        self.simulator = simulator
        self.account = account
        self.built = live_base.build(account)
        # Older than what an incremental sync looks at again.
        simulator.admin.advance_clock(DAY_SECONDS / 4)

    @property
    def connector(self) -> Connector:
        """The connector with the same token."""
        return Connector(self.simulator.url, a_config(self.account.api.api_key))

    def truth(self) -> dict[str, dict[str, Any]]:
        """The cells of every record by record id and field name; links in no order of their own."""
        admin, base_id = self.simulator.admin, self.built.base_id
        tables = self.simulator.simulator.account.base(base_id).tables.values()
        names = {one["id"]: one["name"] for table in tables for one in table.fields}
        return {
            record["id"]: {names[key]: _sorted(cell) for key, cell in record["fields"].items()}
            for table in tables
            for record in admin.dump(base_id, table.id)
        }


def _sorted(cell: Any) -> Any:  # noqa: ANN401 - a cell is anything
    is_links = isinstance(cell, list) and all(isinstance(one, str) for one in cell)
    return sorted(cell) if is_links else cell


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """The sample base, built through pyairtable."""
    with SimulatorThread() as simulator:
        simulator.admin.set_clock(START)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        monkeypatch.setenv(URL_VARIABLE, simulator.url)
        monkeypatch.setenv(TOKEN_VARIABLE, simulator.token)
        monkeypatch.setenv(WORKSPACE_VARIABLE, WORKSPACE_ID)
        yield Workshop(simulator, connect(simulator.admin.advance_clock))


def test_build(workshop: Workshop) -> None:
    """Every table is made with its fields, links back by their names, and every record's cells."""
    built, truth = workshop.built, workshop.truth()
    expected: dict[str, dict[str, Any]] = {}
    for plan in plan_tables():
        for record in plan.records:
            new_id = built.record_ids[record["id"]]
            expected[new_id] = to_written_cells(plan, record, built.record_ids, "usr")
    backs = {link.name_back for plan in plan_tables() for link in plan.links}
    people = ("Account", "Account managers")
    written = {
        key: {name: _sorted(cell) for name, cell in cells.items() if name not in people}
        for key, cells in expected.items()
    }

    assert len(truth) == 1502
    assert {
        key: {name: cell for name, cell in cells.items() if name not in (*people, *backs)}
        for key, cells in truth.items()
    } == written
    assert sum(len(cells.get("Products", ())) for cells in truth.values()) == 48


def test_build_keeps_to_the_limits(workshop: Workshop) -> None:
    """A build never asks faster than Airtable takes it, and sends ten records at a time."""
    stats = workshop.simulator.admin.stats()

    assert stats["by_status"] == {"200": stats["calls"]}
    assert stats["by_kind"]["create_records"] == 152
    assert max(stats["most_per_second_by_base"].values()) <= 5


def read(workshop: Workshop, states: list[Any] | None = None) -> Run:
    """Read everything, incrementally."""
    workshop.simulator.admin.configure(base_requests_per_second=None)
    catalog = a_catalog(workshop.connector.discover(), sync_mode="incremental")
    run = workshop.connector.read(catalog, state=states, on_fast_clock=True)
    workshop.simulator.admin.configure(base_requests_per_second=5)
    assert run.exit_code == 0, run.failures
    return run


def read_records(run: Run) -> dict[str, dict[str, Any]]:
    """What was read, by record id."""
    rows = [row for stream in run.records.values() for row in stream]
    return {row["_airtable_id"]: row for row in rows}


def test_incremental_after_edits(workshop: Workshop) -> None:
    """The next sync reads what was edited and little else, and then knows what a full one does."""
    first = read(workshop)
    workshop.simulator.admin.advance_clock(DAY_SECONDS / 2)
    edits = live_base.edit(workshop.account, workshop.built.base_id)
    touched = {*edits.created, *edits.changed}
    workshop.simulator.admin.advance_clock(60)
    second = read(workshop, [{"type": "STREAM", "stream": one["stream"]} for one in first.states])
    before, after = read_records(first), read_records(second)

    assert len(before) == 1502
    assert touched <= after.keys()
    assert not after.keys() & set(edits.deleted)
    # Beside them, only records at the other end of the emptied order's links.
    assert len(after) <= len(touched) + 12

    merged = {key: row for key, row in {**before, **after}.items() if key not in edits.deleted}

    assert without_moments(merged) == without_moments(read_records(read(workshop)))


def without_moments(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Records without the moment at which they were read."""
    return {
        key: {name: cell for name, cell in row.items() if name != "_airtable_as_of"}
        for key, row in rows.items()
    }


def test_push(workshop: Workshop) -> None:
    """A CSV becomes the rows of a synced table, which the connector reads."""
    base_id, table_id = workshop.built.base_id, workshop.built.table_ids["ideas"]
    sync_id = workshop.simulator.admin.add_sync(base_id, table_id)
    pushed = live_base.push(workshop.account, base_id, table_id, sync_id)
    rows = workshop.simulator.admin.dump(base_id, table_id)

    assert len(rows) == pushed


def test_remove(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    """All records go; what is left to do by hand is said."""
    live_base.main(["remove", workshop.built.base_id], workshop.account)
    said = capsys.readouterr().out

    assert workshop.truth() == {}
    assert said.startswith("1502 records deleted")
    assert f"https://airtable.com/{workshop.built.base_id}" in said


def test_other_bases_are_left_alone(workshop: Workshop) -> None:
    """A base that was not built here is neither edited nor emptied."""
    workshop.simulator.admin.rename_base(workshop.built.base_id, "Accounts 2026")
    before = workshop.truth()
    for command in ("edit", "remove"):
        with pytest.raises(SystemExit, match="left alone"):
            live_base.main([command, workshop.built.base_id], workshop.account)

    assert workshop.truth() == before


def test_without_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token nothing is done, and the variable is named."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    with pytest.raises(SystemExit, match=TOKEN_VARIABLE):
        connect()


def ask_all(ground: Ground) -> dict[str, str]:
    """What every probe finds, as the live tests note it."""
    findings: dict[str, str] = {}
    for fact, probe in test_live.PROBES.items():
        with suppress(NotSettledError):
            test_live.ask(probe, ground, findings, fact)
    return findings


@pytest.fixture
def ground(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """The built base, a second token, and all the time that probes may want."""
    admin = workshop.simulator.admin
    admin.configure(serves_attachments=True)
    monkeypatch.setenv(SECOND_TOKEN_VARIABLE, admin.add_token(scopes=list(SECOND_SCOPES)))
    monkeypatch.setenv(test_live.BASE_VARIABLE, workshop.built.base_id)
    monkeypatch.setenv(test_live.WAIT_VARIABLE, HALF_DAY_MINUTES)
    other = connect(admin.advance_clock, SECOND_TOKEN_VARIABLE)
    return test_live.find_ground(workshop.account, other)


def test_probes(workshop: Workshop, ground: Ground) -> None:
    """Every probe of a real account runs against the simulator and finds what is true there."""
    before = workshop.truth()
    findings = ask_all(ground)
    refusals = findings.pop("Retry-After on 429")
    address = ADDRESS_FINDING.fullmatch(findings.pop(ADDRESS_FACT))
    parts = findings.pop(PARTS)

    assert findings == FOUND
    assert address is not None
    assert 120 <= int(address[1]) <= 180
    assert re.fullmatch(
        r"with the filter of a part, first pages take \d\.\d\d s instead of \d\.\d\d s, "
        r"later pages take \d\.\d\d s instead of \d\.\d\d s; FIND takes a letter for its case",
        parts,
    )
    assert "429 RATE_LIMIT_REACHED in errors[], Retry-After absent" in refusals
    assert workshop.truth() == before
    assert workshop.simulator.simulator.account.base(ground.base_id).webhooks == {}
    assert workshop.simulator.admin.stats()["files"]["with_authorization"] == 0


@pytest.mark.parametrize(
    ("settings", "fact", "finding"),
    [
        ({"webhooks_are_private": True}, "webhook visibility across tokens", "is not listed for"),
        (
            {"webhooks_report_link_renames": True},
            "link-name change and webhooks",
            "is reported for",
        ),
        ({"expired_file_status": 403}, ADDRESS_FACT, "403 a minute after"),
        ({"iterator_idle_seconds": 1e6}, "iterator lifetime", "is alive after 1200 s"),
        ({"filter_is_honoured": False}, "IS_AFTER (community thread 47358)", "_TIME() 18 records"),
        ({"filter_is_honoured": False}, PARTS, "not settled: a part holds records of another"),
        ({"find_ignores_case": True}, PARTS, "FIND takes a letter for both cases"),
    ],
)
def test_probes_of_another_airtable(
    workshop: Workshop, ground: Ground, settings: dict[str, Any], fact: str, finding: str
) -> None:
    """A probe tells an Airtable that behaves otherwise from one that does not."""
    workshop.simulator.admin.configure(**settings)
    findings: dict[str, str] = {}
    with suppress(NotSettledError):
        test_live.ask(test_live.PROBES[fact], ground, findings, fact)

    assert finding in findings[fact]


@pytest.mark.parametrize("is_reported", [True, False])
def test_probe_of_a_lookup(workshop: Workshop, ground: Ground, is_reported: bool) -> None:  # noqa: FBT001 - a parameter
    """A lookup that somebody added by hand shows whether computed cells are reported."""
    admin = workshop.simulator.admin
    admin.configure(webhooks_report_computed=is_reported)
    lines, products = ground.table("lines").schema(), ground.table("products").schema()
    options = {
        "isValid": True,
        "recordLinkFieldId": lines.field("Product").id,
        "fieldIdInLinkedTable": products.field("Name").id,
        "result": {"type": "singleLineText"},
    }
    field = {"name": "Name of product", "type": "multipleLookupValues", "options": options}
    admin.add_field(ground.base_id, lines.id, field)
    found = live_webhook_probes.probe_reported_computed_cells(ground)

    assert found.endswith("is reported" if is_reported else "is not reported")


@pytest.mark.parametrize(
    ("reading", "answer"), [("go_on", "goes on with"), ("refuse", "422 INVALID")]
)
def test_probe_of_an_aged_cursor(
    workshop: Workshop, ground: Ground, reading: str, answer: str
) -> None:
    """A webhook that has lived for more than a week shows what an aged cursor gives."""
    admin = workshop.simulator.admin
    admin.configure(aged_webhook_cursor=reading)
    specification = live_webhook_probes.SPECIFICATION
    webhook_id = admin.add_webhook(
        ground.base_id, specification=specification, token=workshop.account.api.api_key
    )
    admin.add_payloads(ground.base_id, 3)
    path = ("bases", ground.base_id, "webhooks", webhook_id, "payloads")
    for _ in range(2):
        admin.advance_clock(5 * DAY_SECONDS)
        workshop.account.call("GET", *path, params={"cursor": 4})

    assert answer in live_webhook_probes.probe_aged_cursor(ground)


def test_probes_that_lack_what_they_need(workshop: Workshop, ground: Ground) -> None:
    """Without a second token, scopes or time a question is told to be open, and what it takes."""
    workshop.simulator.admin.set_token_scopes(
        *set(WRITE_SCOPES) - {"data.recordComments:write", "webhook:manage"}
    )
    findings = ask_all(replace(ground, other=None, longest_wait=120.0))
    needed = {
        "comment activity and LMT": "data.recordComments:write",
        "pages of comments": "data.recordComments:write",
        "scope of commentCount": "data.recordComments:write",
        "webhook visibility across tokens": SECOND_TOKEN_VARIABLE,
        "records that a webhook names": "webhook:manage",
        "aged cursor of a webhook": "webhook:manage",
        "iterator lifetime": "alive after 120 s, and no longer wait was allowed",
        ADDRESS_FACT: "minutes, and so long a wait was not allowed",
    }

    for fact, word in needed.items():
        assert findings[fact].startswith("not settled: "), fact
        assert word in findings[fact]
    assert "\n  12 of 23 questions are settled." in test_live.format_findings(findings)


def test_probes_of_an_empty_table(workshop: Workshop, ground: Ground) -> None:
    """Of a table without records nothing is claimed."""
    table = workshop.account.base(ground.base_id).table(ground.table_id)
    table.batch_delete([one["id"] for one in table.all(fields=[])])
    findings = ask_all(ground)

    for fact in ("sub-second LMT", "blank LMT among records", "iterator lifetime", PARTS):
        assert findings[fact].startswith("not settled: the table to read has ")


@pytest.fixture
def empty_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorThread]:
    """An account without a base, and the environment that leads to it."""
    with SimulatorThread() as simulator:
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        # The clock of the tests' process runs faster than the simulator's.
        simulator.admin.configure(base_requests_per_second=None, token_requests_per_second=None)
        simulator.admin.configure(serves_attachments=True)
        monkeypatch.setenv(URL_VARIABLE, simulator.url)
        monkeypatch.setenv(TOKEN_VARIABLE, simulator.token)
        monkeypatch.setenv(WORKSPACE_VARIABLE, WORKSPACE_ID)
        monkeypatch.setenv(test_live.WAIT_VARIABLE, "0.5")
        yield simulator


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the live tests in a process on a quickened clock."""
    return subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-c", QUICK_PYTEST, test_live.__file__, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_RUN_SECONDS,
        check=False,
    )


def test_live_tests(empty_account: SimulatorThread) -> None:
    """One command builds a base, asks, prints a table of answers, and empties the base."""
    ended = run_pytest("-m", "requires_creds")
    (base,) = empty_account.simulator.account.bases.values()
    stats = empty_account.admin.stats()

    assert ended.returncode == 0, ended.stdout
    # Open are the renaming of choices, the limits, the two long waits, and what takes a second
    # token.
    assert "15 passed, 8 skipped" in ended.stdout
    assert "15 of 24 questions are settled." in ended.stdout
    assert all(fact in ended.stdout for fact in (*FOUND, *test_live.NOT_ASKED))
    assert f"https://airtable.com/{base.id}" in ended.stdout
    assert [len(table.records) for table in base.tables.values()] == [0] * 7
    assert stats["by_kind"]["create_records"] < 60
    assert stats["calls"] < 450


def test_a_run_of_all_tests_asks_nobody(empty_account: SimulatorThread) -> None:
    """A token in the environment does not make ``make test`` call the account that it opens."""
    ended = run_pytest()

    assert ended.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, ended.stdout
    assert "23 deselected" in ended.stdout
    assert empty_account.admin.stats()["calls"] == 0
