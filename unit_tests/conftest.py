"""What many unit tests stand on: settings, a clock, and an Airtable that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests_mock

from source_airtable.api import client as client_module
from source_airtable.api.auth import build_authenticator
from source_airtable.api.client import AirtableClient
from source_airtable.api.connection import API_URL_VARIABLE
from source_airtable.api.error_handler import AirtableBackoffStrategy
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.api.slots import hold_in_this_thread
from unit_tests.builders import a_config
from unit_tests.fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from source_airtable.config import Config


@pytest.fixture(autouse=True)
def no_slot_of_another_test() -> None:
    """Let no test send a request with a slot that an earlier one took."""
    hold_in_this_thread(None)


@pytest.fixture
def config() -> Config:
    """The fewest settings that can be used: a token."""
    return a_config()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time by which the connector and the CDK sleep."""
    clock = FakeClock()
    monkeypatch.setattr("time.sleep", clock.sleep)
    return clock


@pytest.fixture
def airtable() -> Iterator[requests_mock.Mocker]:
    """Airtable as the HTTP client meets it; a request that no test expects is refused."""
    with requests_mock.Mocker(case_sensitive=True) as airtable:
        yield airtable


@pytest.fixture
def client(config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AirtableClient:
    """The client under test, on the fake clock and without jitter."""
    monkeypatch.delenv(API_URL_VARIABLE, raising=False)
    monkeypatch.setattr(
        client_module, "AirtableBackoffStrategy", lambda: AirtableBackoffStrategy(lambda: 0.0)
    )
    budget = AirtableBudget(clock=clock, sleep=clock.sleep)
    return AirtableClient(build_authenticator(config, {}), budget)
