"""An account of 1,000 bases with 10 tables each: how many calls it takes, and how fast they come.

On the real clock, because a faster one leaves too few milliseconds between the connector's window
and Airtable's second: discovering everything takes 22 s, nearly all of them idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.connector import Connector, a_catalog, a_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run

BASES: Final = 1000
TABLES: Final = 10
AIRTABLE_REQUESTS_PER_SECOND: Final = 50
SOME_BASES: Final = tuple(make_id("app", "synthetic", number) for number in (3, 500, 998))


def a_table_id(base: int, table: int) -> str:
    """The id of a table, by its position."""
    return make_id("tbl", "synthetic", base, table)


@dataclass(frozen=True)
class Large:
    """The account, and its connector."""

    simulator: SimulatorProcess

    def run(self, command: str, catalog: Message | None = None, **settings: Any) -> Run:  # noqa: ANN401 - JSON
        """Run a command to its good end, and count its calls from zero."""
        self.simulator.admin.forget_limits()
        self.simulator.admin.reset_stats()
        config = {**a_config(self.simulator.token), **settings}
        run = Connector(self.simulator.url, config).run(command, catalog=catalog)
        assert (run.exit_code, run.failures) == (0, [])
        return run

    @property
    def calls(self) -> dict[str, int]:
        """The calls of the last run, by kind."""
        by_kind: dict[str, int] = self.simulator.admin.stats(last=0)["by_kind"]
        return by_kind


@pytest.fixture(scope="module")
def large() -> Iterator[Large]:
    """The account, in a simulator that keeps Airtable's limits."""
    figures = f"bases={BASES},tables={TABLES},records=1,fields=3"
    with SimulatorProcess("--synthetic", figures) as simulator:
        yield Large(simulator)


@dataclass(frozen=True)
class Discovered:
    """What discover found, and what the simulator counted."""

    streams: list[Message]
    calls: dict[str, int]
    stats: Message


@pytest.fixture(scope="module")
def discovered(large: Large) -> Discovered:
    """One discover of everything."""
    streams = large.run("discover").streams
    return Discovered(streams, large.calls, large.simulator.admin.stats(last=0))


def test_discover_finds_all(discovered: Discovered) -> None:
    """Discover finds 10,000 tables, each as a stream of its own name."""
    assert len({stream["name"] for stream in discovered.streams}) == BASES * TABLES


def test_calls_of_discover(discovered: Discovered) -> None:
    """Discover makes one call for the list of 1,000 bases, and one for each base."""
    assert discovered.calls == {"list_bases": 1, "base_schema": BASES}


def test_discover_keeps_the_limit_of_the_token(discovered: Discovered) -> None:
    """Discover asks at most 50 times in any second, and is never refused."""
    (most,) = discovered.stats["most_per_second_by_user"].values()

    assert discovered.stats["served_429"] == 0
    assert most <= AIRTABLE_REQUESTS_PER_SECOND


def test_calls_of_check(large: Large) -> None:
    """Check looks at ten bases at most: 21 calls, however large the account is."""
    large.run("check")

    assert large.calls == {"list_bases": 1, "base_schema": 10, "list_records": 10}


@pytest.mark.parametrize(
    "base_ids", [SOME_BASES, ("Synthetic 4", "Synthetic 501", "Synthetic 999")]
)
def test_calls_with_base_ids(large: Large, base_ids: tuple[str, ...]) -> None:
    """With ``base_ids``, by id or by name, discover asks for the named bases alone."""
    streams = large.run("discover", base_ids=list(base_ids)).streams

    assert len(streams) == len(SOME_BASES) * TABLES
    assert large.calls == {"list_bases": 1, "base_schema": len(SOME_BASES)}


def test_calls_of_check_with_base_ids(large: Large) -> None:
    """With ``base_ids``, check asks for the named bases alone."""
    large.run("check", base_ids=list(SOME_BASES))

    assert large.calls == {"list_bases": 1, "base_schema": 3, "list_records": 3}


def test_calls_of_check_with_table_ids(large: Large) -> None:
    """With ``table_ids``, check reads a record of the bases of these tables alone."""
    large.run("check", table_ids=[a_table_id(4, 1), a_table_id(4, 2), a_table_id(7, 0)])

    assert large.calls == {"list_bases": 1, "base_schema": 10, "list_records": 2}


def test_calls_of_check_with_a_table_far_behind(large: Large) -> None:
    """Check goes on looking, ten bases at a time, until it has found the named tables."""
    large.run("check", table_ids=[a_table_id(25, 0)])

    assert large.calls == {"list_bases": 1, "base_schema": 30, "list_records": 1}


def test_calls_with_base_ids_and_table_ids(large: Large) -> None:
    """With both, discover asks for the bases, and shows the tables."""
    run = large.run("discover", base_ids=list(SOME_BASES), table_ids=[a_table_id(500, 2)])
    streams = run.streams
    ids = [stream["json_schema"]["x-airtable"]["table_id"] for stream in streams]

    assert ids == [a_table_id(500, 2)]
    assert large.calls == {"list_bases": 1, "base_schema": 3}


def test_calls_of_read(large: Large, discovered: Discovered) -> None:
    """Read asks for the bases of its catalog's streams alone, and lists no bases."""
    wanted = [discovered.streams[position] for position in (0, 1, 5003, 9999)]
    run = large.run("read", a_catalog(wanted))

    assert {name: len(records) for name, records in run.records.items()} == {
        stream["name"]: 1 for stream in wanted
    }
    assert large.calls == {"base_schema": 3, "list_records": 4}
