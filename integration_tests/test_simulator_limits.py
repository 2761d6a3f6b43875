"""The simulator keeps Airtable's limits, by a clock that the tests move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.airtable_simulator import SimulatorThread, synthetic_account
from integration_tests.airtable_simulator.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITED = {
    "errors": [
        {
            "error": "RATE_LIMIT_REACHED",
            "message": "Rate limit exceeded. Please try again later",
        }
    ]
}
ACCOUNT = synthetic_account(bases=12, tables=2, records=3, fields=3)
BASES = [base["id"] for base in ACCOUNT["bases"]]
TABLES = [[table["id"] for table in base["tables"]] for base in ACCOUNT["bases"]]


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator with Airtable's limits whose clock stands still."""
    with SimulatorThread(ACCOUNT) as running:
        running.admin.set_clock("2026-01-31T12:00:00Z")
        yield running


@pytest.fixture
def caller(simulator: SimulatorThread) -> Iterator[Caller]:
    """A caller with the simulator's token."""
    calling = Caller(simulator)
    yield calling
    calling.close()


def statuses(caller: Caller, calls: int, base: int = 0) -> list[int]:
    """The statuses of calls to one base's first table."""
    return [caller.get(BASES[base], TABLES[base][0]).status_code for _ in range(calls)]


def test_sixth_request_in_a_second(caller: Caller) -> None:
    """Five requests a second pass, the sixth is refused in the observed shape."""
    passed = statuses(caller, 5)
    refused = caller.get(BASES[0], TABLES[0][0])

    assert passed == [200] * 5
    assert (refused.status_code, refused.json()) == (429, LIMITED)
    assert "Retry-After" not in refused.headers


def test_limit_is_of_the_base(caller: Caller) -> None:
    """All tables and the schema of a base share its limit; another base has its own."""
    for _ in range(2):
        caller.get(BASES[0], TABLES[0][0])
        caller.get(BASES[0], TABLES[0][1])
    caller.get("meta", "bases", BASES[0], "tables")

    assert caller.post(BASES[0], TABLES[0][1]).status_code == 429
    assert statuses(caller, 5, base=1) == [200] * 5


def test_window_slides(simulator: SimulatorThread, caller: Caller) -> None:
    """A request counts until exactly one second after its arrival."""
    seen = statuses(caller, 3)
    simulator.admin.advance_clock(0.75)
    seen += statuses(caller, 2)
    simulator.admin.advance_clock(0.25)
    seen += statuses(caller, 3)
    simulator.admin.advance_clock(0.5)
    seen += statuses(caller, 1)

    assert seen == [200] * 8 + [429]


def test_penalty_lasts_30_seconds(simulator: SimulatorThread, caller: Caller) -> None:
    """After a refusal every request on the base is refused for thirty seconds."""
    statuses(caller, 6)
    seen = []
    for seconds in (10, 19.5, 0.5):
        simulator.admin.advance_clock(seconds)
        seen += statuses(caller, 1)

    assert seen == [429, 429, 200]


def test_penalty_can_be_prolonged(simulator: SimulatorThread, caller: Caller) -> None:
    """As a setting, a request during the penalty begins it anew."""
    simulator.admin.configure(penalty_is_prolonged=True)
    statuses(caller, 6)
    seen = []
    for seconds in (29, 29, 30):
        simulator.admin.advance_clock(seconds)
        seen += statuses(caller, 1)

    assert seen == [429, 429, 200]


def test_fifty_requests_a_second_for_the_user(simulator: SimulatorThread, caller: Caller) -> None:
    """The fifty-first request in a second is refused whatever its base and token."""
    other = Caller(simulator, simulator.admin.add_token())
    seen = [code for base in range(10) for code in statuses(caller, 5, base)]
    refused = other.get("meta", "bases").status_code
    other.close()

    assert (seen, refused) == ([200] * 50, 429)
    assert simulator.admin.stats()["refused"] == {"token_limit": 1}


def test_tokens_of_another_user(simulator: SimulatorThread, caller: Caller) -> None:
    """Another user's tokens have a limit of their own."""
    token = simulator.admin.add_token(user_id="usrAnother0000000")
    simulator.admin.configure(token_requests_per_second=1)
    other = Caller(simulator, token)
    seen = [caller.get("meta", "bases").status_code, other.get("meta", "bases").status_code]
    other.close()

    assert seen == [200, 200]


def test_documented_shape(simulator: SimulatorThread, caller: Caller) -> None:
    """As a setting, 429 has the documented shape instead of the observed one."""
    simulator.admin.configure(rate_limit_body="error", base_requests_per_second=0)
    (error,) = LIMITED["errors"]

    assert caller.get(BASES[0], TABLES[0][0]).json() == {
        "error": {"type": error["error"], "message": error["message"]}
    }


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (7, ["7", "7"]),
        (["30", "1"], ["30", "1"]),
        ("Sat, 31 Jan 2026 12:00:30 GMT", ["Sat, 31 Jan 2026 12:00:30 GMT"] * 2),
        (None, [None, None]),
    ],
)
def test_retry_after(
    simulator: SimulatorThread, caller: Caller, setting: object, expected: list[str | None]
) -> None:
    """Retry-After is sent only when set, in seconds or as a date, the last value repeated."""
    simulator.admin.configure(retry_after=setting, base_requests_per_second=0)
    told = [caller.get(BASES[0], TABLES[0][0]).headers.get("Retry-After") for _ in range(2)]

    assert told == expected


def test_monthly_quota(simulator: SimulatorThread, caller: Caller) -> None:
    """Beyond the month's calls records are refused, metadata is not, until the next month."""
    simulator.admin.configure(monthly_calls=2)
    seen = statuses(caller, 2)
    refused = caller.get(BASES[0], TABLES[0][0])
    schema = caller.get("meta", "bases", BASES[0], "tables").status_code
    simulator.admin.advance_clock(31)
    seen += statuses(caller, 1)
    simulator.admin.advance_clock(24 * 3600)
    seen += statuses(caller, 1)

    assert (refused.status_code, schema, seen) == (429, 200, [200, 200, 429, 200])
    assert refused.json()["errors"][0]["error"] == "PUBLIC_API_BILLING_LIMIT_EXCEEDED"


def test_limits_can_be_forgotten(simulator: SimulatorThread, caller: Caller) -> None:
    """A command lifts all penalties."""
    statuses(caller, 6)
    simulator.admin.forget_limits()

    assert statuses(caller, 1) == [200]


def test_stats_of_limits(simulator: SimulatorThread, caller: Caller) -> None:
    """The stats tell how close the caller came, and what was refused for which reason."""
    statuses(caller, 7)
    stats = simulator.admin.stats()

    assert stats["most_per_second_by_base"] == {BASES[0]: 5}
    assert stats["most_per_second_by_user"] == {"usrSimulatedUser1": 7}
    assert (stats["served_429"], stats["refused"]) == (2, {"base_limit": 2})


def test_commands_are_not_limited(simulator: SimulatorThread, caller: Caller) -> None:
    """Commands use up nothing of a base's limit."""
    for _ in range(10):
        simulator.admin.dump(BASES[0], TABLES[0][0])

    assert statuses(caller, 5) == [200] * 5
