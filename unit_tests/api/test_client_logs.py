"""Calls log no secrets and no data."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from source_airtable.api.client import RecordQuery
from source_airtable.errors import AirtableError
from unit_tests.builders import API, BASE, NAME_FIELD, TABLE, TOKEN, a_record
from unit_tests.error_samples import answer_with, load_samples

if TYPE_CHECKING:
    import requests_mock

    from source_airtable.api.client import AirtableClient
    from unit_tests.error_samples import ErrorSample

CELL = "Jane Doe earns 1,000,000"
LOGGERS = ("", "airbyte", "airbyte.source_airtable", "backoff", "requests", "urllib3")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every line of every logger, down to the last detail."""
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    return caplog


def private_texts(log: pytest.LogCaptureFixture, *more: str) -> list[str]:
    """The forbidden texts in the log, including attributes of its records."""
    told = "\n".join(
        f"{record.getMessage()} {record.__dict__}"
        for record in log.records
        if not record.name.startswith("requests_mock")  # Airtable's side of these tests
    )
    return [text for text in (TOKEN, "Bearer", "pageSize", "?", CELL, *more) if text in told]


@pytest.mark.parametrize("sample", load_samples(), ids=lambda sample: sample.name)
def test_failing_call(
    sample: ErrorSample,
    client: AirtableClient,
    airtable: requests_mock.Mocker,
    log: pytest.LogCaptureFixture,
) -> None:
    """A failing call logs no token, no query and nothing of any body."""
    answer_with(airtable, sample)

    with suppress(AirtableError):
        sample.ask(client)

    assert private_texts(log, *sample.private_texts) == []


def test_succeeding_call(
    client: AirtableClient, airtable: requests_mock.Mocker, log: pytest.LogCaptureFixture
) -> None:
    """A succeeding call logs no token, no query and no cell."""
    airtable.get(
        f"{API}/{BASE}/{TABLE}",
        [
            {"json": {"records": [a_record({NAME_FIELD: CELL})], "offset": "itrA/recA"}},
            {"status_code": 500, "text": CELL},
            {"json": {"records": []}},
        ],
    )

    list(client.iter_record_pages(RecordQuery(BASE, TABLE, (NAME_FIELD,))))

    assert private_texts(log, "itrA") == []


def test_retry_is_told_once(
    client: AirtableClient, airtable: requests_mock.Mocker, log: pytest.LogCaptureFixture
) -> None:
    """A retry logs one line of the connector's, and none of the CDK's."""
    airtable.get(f"{API}/{BASE}/{TABLE}", [{"status_code": 503}, {"json": {"records": []}}])

    list(client.iter_record_pages(RecordQuery(BASE, TABLE)))

    (line,) = [record.getMessage() for record in log.records if record.levelno > logging.DEBUG]
    place = f"base {BASE}, table {TABLE}"
    assert line == f"Airtable: a failing server or proxy, {place}. Starting try 2 of 6 in 1 s."
