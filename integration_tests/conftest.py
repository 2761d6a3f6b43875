"""What the end-to-end tests share: one simulator for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.airtable_simulator import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def airtable() -> Iterator[SimulatorProcess]:
    """The simulator, empty and without limits per second; each test adds bases of its own."""
    with SimulatorProcess("--no-limits") as simulator:
        yield simulator
