"""The last line of a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.sync.summary import log_summary
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    import pytest


def test_summary(caplog: pytest.LogCaptureFixture) -> None:
    """One line has the calls, the records, the waits, and the calls of a month."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    client = FakeClient()
    client.budget.calls, client.budget.refusals, client.backoff_strategy.retries = 7, 2, 3
    client.budget.waited_seconds = 1.26

    log_summary(client.as_client(), 4, 2.04)

    (message,) = caplog.messages
    assert message == (
        "Airtable: 7 calls for 4 records in 2.0 s. Workers waited 1.3 s for the rate limits; "
        "Airtable refused 2 requests (429); other failures led to 3 more tries. "
        "At this rate, a sync every hour makes 5,040 calls a month, a daily one 210."
    )
