"""What the log says at the end of a sync."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from source_airtable.api.client import AirtableClient

LOGGER = logging.getLogger("airbyte.source_airtable")

_DAYS_OF_A_MONTH = 30


def log_summary(client: AirtableClient, records: int, seconds: float) -> None:
    """Log what the sync took, and what that makes of a plan with a monthly number of calls."""
    budget = client.budget
    LOGGER.info(
        "Airtable: %d calls for %d records in %.1f s. Workers waited %.1f s for the rate limits; "
        "Airtable refused %d requests (429); other failures led to %d more tries. "
        "At this rate, a sync every hour makes %s calls a month, a daily one %s.",
        budget.calls,
        records,
        seconds,
        budget.waited_seconds,
        budget.refusals,
        client.backoff_strategy.retries,
        f"{budget.calls * 24 * _DAYS_OF_A_MONTH:,}",
        f"{budget.calls * _DAYS_OF_A_MONTH:,}",
    )
