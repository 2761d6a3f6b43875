"""What many tests stand on: settings, a clock, an Airtable that answers, and no network."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock
from hypothesis import settings

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
    from collections.abc import Callable, Iterator

    from source_airtable.config import Config

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

# The same examples in every run, and no opinion on how fast this machine is.
settings.register_profile("unit", deadline=None, derandomize=True)
settings.load_profile("unit")


@pytest.fixture(scope="session", autouse=True)
def socket_guard() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""

    def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[..., Any]:
        def connect_to(this: socket.socket, address: Any) -> Any:  # noqa: ANN401 - one per family
            if isinstance(address, tuple) and address[0] not in _LOOPBACK:
                pytest.fail(f"a test would connect to {address[0]}")
            return connect(this, address)

        return connect_to

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield


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
