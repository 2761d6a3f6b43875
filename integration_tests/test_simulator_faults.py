"""The simulator breaks on demand, in each way that a network and Airtable can break."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from integration_tests.airtable_simulator import (
    CommandRefusedError,
    SimulatorThread,
    synthetic_account,
)
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.faults import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = synthetic_account(bases=2, tables=2, records=250, fields=4)
BASE = ACCOUNT["bases"][0]["id"]
OTHER_BASE = ACCOUNT["bases"][1]["id"]
TABLE = ACCOUNT["bases"][0]["tables"][0]["id"]
OTHER_TABLE = ACCOUNT["bases"][0]["tables"][1]["id"]


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator without limits per second."""
    with SimulatorThread(ACCOUNT, has_limits=False) as running:
        yield running


@pytest.fixture
def caller(simulator: SimulatorThread) -> Iterator[Caller]:
    """A caller with the simulator's token."""
    calling = Caller(simulator)
    yield calling
    calling.close()


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (401, "AUTHENTICATION_REQUIRED"),
        (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (422, "INVALID_REQUEST_UNKNOWN"),
        (500, "SERVER_ERROR"),
        (502, "SERVER_ERROR"),
        (503, "RETRIABLE_ERROR"),
        (504, "SERVER_ERROR"),
    ],
)
def test_status(simulator: SimulatorThread, caller: Caller, status: int, error_type: str) -> None:
    """A planned status is answered once, with Airtable's body, then all is well."""
    simulator.admin.plan_fault("list_records", "status", status=status)
    broken = caller.get(BASE, TABLE)

    assert (broken.status_code, broken.json()["error"]["type"]) == (status, error_type)
    assert caller.get(BASE, TABLE).status_code == 200


def test_status_with_body_and_headers(simulator: SimulatorThread, caller: Caller) -> None:
    """A planned status can have any body and headers."""
    simulator.admin.plan_fault(
        "base_schema", "status", status=429, body={"a": 1}, headers={"Retry-After": "3"}
    )
    broken = caller.get("meta", "bases", BASE, "tables")

    assert (broken.json(), broken.headers["Retry-After"]) == ({"a": 1}, "3")


def test_planned_429_with_penalty(simulator: SimulatorThread, caller: Caller) -> None:
    """A planned 429 can put the base into the penalty, as when others were too quick."""
    simulator.admin.set_clock()
    simulator.admin.plan_fault("list_records", "status", status=429, penalty_seconds=30)
    seen = [caller.get(BASE, TABLE).status_code for _ in range(2)]
    simulator.admin.advance_clock(30)

    assert [*seen, caller.get(BASE, TABLE).status_code] == [429, 429, 200]


@pytest.mark.parametrize("status", [200, 502])
def test_html(simulator: SimulatorThread, caller: Caller, status: int) -> None:
    """A gateway's page comes instead of JSON."""
    simulator.admin.plan_fault("list_bases", "html", status=status)
    broken = caller.get("meta", "bases")

    assert broken.status_code == status
    assert broken.text.startswith("<html>")


def test_empty_body(simulator: SimulatorThread, caller: Caller) -> None:
    """An answer can be 200 and empty."""
    simulator.admin.plan_fault("list_records", "empty_body")
    broken = caller.get(BASE, TABLE)

    assert (broken.status_code, broken.content) == (200, b"")


def test_reset(simulator: SimulatorThread, caller: Caller) -> None:
    """The connection is reset before an answer."""
    simulator.admin.plan_fault("list_records", "reset")

    with pytest.raises(requests.ConnectionError):
        caller.get(BASE, TABLE)
    assert caller.get(BASE, TABLE).status_code == 200


def test_cut_body(simulator: SimulatorThread, caller: Caller) -> None:
    """The connection ends in the middle of a body whose length was promised."""
    simulator.admin.plan_fault("list_records", "cut_body")

    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        caller.get(BASE, TABLE)
    assert caller.get(BASE, TABLE).status_code == 200


def test_truncated_json(simulator: SimulatorThread, caller: Caller) -> None:
    """Half of the JSON comes with the right length."""
    simulator.admin.plan_fault("list_records", "truncated_json")
    broken = caller.get(BASE, TABLE)

    assert len(broken.content) == int(broken.headers["Content-Length"])
    with pytest.raises(requests.exceptions.JSONDecodeError):
        broken.json()


def test_stall(simulator: SimulatorThread, caller: Caller) -> None:
    """An answer stops in the middle; a caller with a time limit gives up."""
    simulator.admin.plan_fault("list_records", "stall", seconds=20)

    with pytest.raises(requests.RequestException):
        caller.session.get(caller.path(BASE, TABLE), timeout=0.2)


def test_short_stall(simulator: SimulatorThread, caller: Caller) -> None:
    """A stalled answer is complete in the end."""
    simulator.admin.plan_fault("list_records", "stall", seconds=0.01)

    assert len(caller.get(BASE, TABLE).json()["records"]) == 100


def test_delay(simulator: SimulatorThread, caller: Caller) -> None:
    """An answer is held back before it begins, for no longer than said."""
    simulator.admin.plan_fault("list_records", "delay", seconds=20)
    simulator.admin.plan_fault("list_records", "delay", seconds=0.01)

    with pytest.raises(requests.ReadTimeout):
        caller.session.get(caller.path(BASE, TABLE), timeout=0.2)
    assert caller.get(BASE, TABLE).status_code == 200


def test_held_answer(simulator: SimulatorThread, caller: Caller) -> None:
    """An answer is held back, as it was when it was asked for, until a command releases it."""
    simulator.admin.plan_fault("list_records", "hold")
    with ThreadPoolExecutor(1) as worker:
        held = worker.submit(caller.get, BASE, TABLE)
        while "hold" not in simulator.admin.stats()["faults"]:
            assert not held.done()
        simulator.admin.delete_table(BASE, TABLE)
        assert not held.done()
        simulator.admin.release_answers()

        assert len(held.result().json()["records"]) == 100
    assert caller.get(BASE, TABLE).status_code != 200


def test_repeated_offset(simulator: SimulatorThread, caller: Caller) -> None:
    """A page gives the offset it was asked with, so that a careless client goes round."""
    simulator.admin.plan_fault("list_records", "repeat_offset", page=2, times=None)
    first = caller.get(BASE, TABLE).json()
    second = caller.get(BASE, TABLE, offset=first["offset"]).json()
    again = caller.get(BASE, TABLE, offset=second["offset"]).json()

    assert second["offset"] == first["offset"]
    assert again == second


@pytest.mark.parametrize(
    ("action", "sizes"),
    [("empty_page", [100, 0, 100, 50]), ("short_page", [100, 3, 100, 47])],
)
def test_page_shorter_than_asked(
    simulator: SimulatorThread, caller: Caller, action: str, sizes: list[int]
) -> None:
    """A page can be short or empty and still have an offset; no record is lost by it."""
    simulator.admin.plan_fault("list_records", action, page=2, count=3)
    pages = caller.pages(BASE, TABLE)
    ids = {record["id"] for page in pages for record in page["records"]}
    offsets = [page["offset"] for page in pages[:-1]]

    assert [len(page["records"]) for page in pages] == sizes
    assert len(ids) == 250
    assert len(set(offsets)) == len(offsets)


def test_empty_page_at_the_end(simulator: SimulatorThread, caller: Caller) -> None:
    """An empty page in place of the last one leads to the last one."""
    simulator.admin.plan_fault("list_records", "empty_page", page=3)

    assert [len(page["records"]) for page in caller.pages(BASE, TABLE)] == [100, 100, 0, 50]


def test_expired_iterator(simulator: SimulatorThread, caller: Caller) -> None:
    """An iterator is lost on the way; a new scan is not affected."""
    simulator.admin.plan_fault("list_records", "expire_iterator", page=3)
    second = caller.pages(BASE, TABLE, maxRecords=200)[0]
    lost = caller.get(BASE, TABLE, pageSize=50).json()["offset"]
    third = caller.get(BASE, TABLE, pageSize=50, offset=lost).json()["offset"]

    assert len(second["records"]) == 100
    assert caller.get(BASE, TABLE, pageSize=50, offset=third).status_code == 422
    assert caller.get(BASE, TABLE, pageSize=50, offset=third).status_code == 422
    assert len(caller.record_ids(BASE, TABLE)) == 250


@pytest.mark.parametrize("body", [{}, {"records": None}, {"records": {}}, [], None, "text"])
def test_malformed_payload(simulator: SimulatorThread, caller: Caller, body: object) -> None:
    """An answer can be JSON of a wrong shape."""
    simulator.admin.plan_fault("list_records", "malformed", body=body)

    assert caller.get(BASE, TABLE).json() == body


def test_duplicate_record(simulator: SimulatorThread, caller: Caller) -> None:
    """A later page can repeat the scan's first record."""
    simulator.admin.plan_fault("list_records", "duplicate_record", page=2)
    ids = caller.record_ids(BASE, TABLE)

    assert (len(ids), len(set(ids))) == (251, 250)
    assert ids[100] == ids[0]


def test_invalid_utf8(simulator: SimulatorThread, caller: Caller) -> None:
    """A text cell can be bytes that are not UTF-8, in JSON that is well-formed otherwise."""
    simulator.admin.plan_fault("list_records", "invalid_utf8")
    broken = caller.get(BASE, TABLE).content

    with pytest.raises(UnicodeDecodeError):
        broken.decode()
    assert len(json.loads(broken.decode(errors="replace"))["records"]) == 100


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("list_records", (BASE, TABLE)),
        ("list_bases", ("meta", "bases")),
        ("base_schema", ("meta", "bases", BASE, "tables")),
    ],
)
def test_lone_surrogate(
    simulator: SimulatorThread, caller: Caller, kind: str, path: tuple[str, ...]
) -> None:
    """A text can end in half a character, escaped."""
    simulator.admin.plan_fault(kind, "lone_surrogate")
    broken = caller.get(*path).content

    assert rb'\ud83d"' in broken
    assert json.loads(broken)


def test_lone_surrogate_in_a_named_field(simulator: SimulatorThread, caller: Caller) -> None:
    """The cell to break can be named by its key in the answer."""
    simulator.admin.plan_fault("list_records", "lone_surrogate", field="Field 3")
    record = caller.get(BASE, TABLE).json()["records"][0]

    assert record["fields"]["Field 3"].endswith("\ud83d")


def test_match_by_base_table_and_page(simulator: SimulatorThread, caller: Caller) -> None:
    """A fault waits for its base, its table by id or name, and its page."""
    simulator.admin.plan_fault(
        "list_records", "status", status=503, base=BASE, table="Table 2", page=3
    )
    elsewhere = [
        caller.get(OTHER_BASE, "Table 2").status_code,
        len(caller.record_ids(BASE, TABLE)),
        caller.get("meta", "bases", BASE, "tables").status_code,
    ]
    first = caller.get(BASE, OTHER_TABLE).json()
    second = caller.get(BASE, OTHER_TABLE, offset=first["offset"]).json()
    third = caller.get(BASE, OTHER_TABLE, offset=second["offset"])

    assert elsewhere == [200, 250, 200]
    assert third.status_code == 503


def test_nth_and_times(simulator: SimulatorThread, caller: Caller) -> None:
    """A fault can begin with the n-th matching call and last for some of them."""
    simulator.admin.plan_fault("list_records", "status", status=500, nth=2, times=2)
    seen = [caller.get(BASE, TABLE).status_code for _ in range(5)]
    (rule,) = simulator.admin.faults()

    assert seen == [200, 500, 500, 200, 200]
    assert (rule["matched"], rule["applied"]) == (5, 2)


def test_random_faults_are_repeatable(simulator: SimulatorThread, caller: Caller) -> None:
    """Faults by chance come about as often as asked, and equal seeds give equal faults."""
    runs = []
    for _ in range(2):
        simulator.admin.clear_faults()
        simulator.admin.plan_fault(
            "list_bases",
            "one_of",
            times=None,
            probability=0.3,
            seed=7,
            actions=[{"kind": "status", "status": 503}, {"kind": "html"}],
        )
        runs.append([caller.get("meta", "bases").status_code for _ in range(100)])

    assert runs[0] == runs[1]
    assert 15 < runs[0].count(503) + runs[0].count(502) < 45
    assert set(runs[0]) == {200, 502, 503}


def test_first_rule_wins_until_it_is_used_up(simulator: SimulatorThread, caller: Caller) -> None:
    """Rules are tried in the order of planning."""
    simulator.admin.plan_fault("list_bases", "status", status=500)
    simulator.admin.plan_fault("list_bases", "status", status=502)
    seen = [caller.get("meta", "bases").status_code for _ in range(3)]

    assert seen == [500, 502, 200]
    assert simulator.admin.stats()["faults"] == {"status": 2}


@pytest.mark.parametrize(
    "fault",
    [
        {"action": {"kind": "explode"}},
        {"action": {"kind": "one_of", "actions": [{"kind": "explode"}]}},
        {"action": {"kind": "reset"}, "match": {"tabel": TABLE}},
        {"action": {"kind": "reset"}, "often": True},
        {},
    ],
)
def test_fault_that_does_not_exist(simulator: SimulatorThread, fault: dict[str, Any]) -> None:
    """A misspelt fault is refused instead of never happening."""
    with pytest.raises(CommandRefusedError):
        simulator.admin.call("plan_faults", faults=[fault])

    assert simulator.admin.faults() == []


def test_every_action_is_tested() -> None:
    """Each action's name stands in this file."""
    text = Path(__file__).read_text(encoding="utf-8")

    assert {action for action in ACTIONS if f'"{action}"' not in text} == set()
