"""The table of failures: the error, the tries and the waits for each answer."""

from __future__ import annotations

import inspect
import json
from http.client import IncompleteRead
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airbyte_cdk.models import AirbyteMessageSerializer
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction

from source_airtable import errors
from source_airtable.api import error_handler
from source_airtable.api.auth import build_authenticator
from source_airtable.api.client import AirtableClient, RecordQuery
from source_airtable.api.error_handler import (
    ERROR_ROWS,
    OTHERWISE,
    UNREADABLE_BODY,
    AirtableBackoffStrategy,
    AirtableErrorHandler,
    ErrorRow,
)
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.errors import (
    AirtableError,
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
    RateLimitedError,
)
from unit_tests.builders import API, BASE, TABLE, TOKEN
from unit_tests.error_samples import answer_with, load_samples

if TYPE_CHECKING:
    import requests_mock

    from source_airtable.config import Config
    from unit_tests.error_samples import ErrorSample
    from unit_tests.fake_clock import FakeClock

SAMPLES = load_samples()
EACH_SAMPLE = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
RETRIED = [sample for sample in SAMPLES if sample.tries > 1]

RAISED_ELSEWHERE = {
    "AirtableError": "the root",
    "ConfigError": "a consequence",
    "TransientError": "a consequence",
    "MissingScopeError": "discovery, check and scan know which scope a refusal means",
    "InvalidFileError": "inputs.py reads the files, see test_inputs.py",
    "DiskFullError": "the download of a file, see test_files.py",
    "GrantLostError": "the authenticator and its renewals know, see test_oauth.py",
    "NoBaseError": "discovery and check count what is left",
    "BaseNotFoundError": "discovery, check and scan know which base was meant",
    "TableFilterError": "check and scan know whose filter is refused",
    "TableNotFoundError": "matching, check and scan know which table was meant",
}


def failure_of(client: AirtableClient, sample: ErrorSample) -> AirtableError:
    """The error of a call that a sample answers."""
    with pytest.raises(AirtableError) as caught:
        sample.ask(client)
    return caught.value


@EACH_SAMPLE
def test_class_and_consequence(
    sample: ErrorSample, client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """Each answer ends in the error of its row."""
    answer_with(airtable, sample)

    failure = failure_of(client, sample)

    assert (type(failure).__name__, failure.failure_type and failure.failure_type.value) == (
        sample.error,
        sample.failure_type,
    )


@EACH_SAMPLE
def test_tries(sample: ErrorSample, client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Each answer gets exactly the requests that its row allows."""
    answer_with(airtable, sample)

    failure_of(client, sample)

    assert airtable.call_count == sample.tries


@EACH_SAMPLE
def test_wait(
    sample: ErrorSample,
    client: AirtableClient,
    airtable: requests_mock.Mocker,
    clock: FakeClock,
) -> None:
    """The waits start at one second and double. After a 429 they are 30 s."""
    answer_with(airtable, sample)

    failure_of(client, sample)

    assert clock.slept_seconds == pytest.approx(sample.waited_seconds, abs=0.1)


@EACH_SAMPLE
def test_message_says_cause_remedy_and_place(
    sample: ErrorSample, client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A message says what happened, what to do about it, and in which base and table."""
    answer_with(airtable, sample)

    failure = failure_of(client, sample)

    told = str(failure)
    assert told.startswith(f"{failure.cause} {failure.remedy}")
    assert [place for place in sample.ids if place not in told] == []


@EACH_SAMPLE
def test_trace_is_private(
    sample: ErrorSample, client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """The error trace contains no token, no query and nothing of the body."""
    answer_with(airtable, sample)

    failure = failure_of(client, sample)

    trace = json.dumps(AirbyteMessageSerializer.dump(failure.as_airbyte_message()))
    private = [TOKEN, "pageSize=", "?page", "fields%5B", *sample.private_texts]
    assert [text for text in private if text in trace] == []


@pytest.mark.parametrize("sample", RETRIED, ids=lambda sample: sample.name)
def test_last_try_succeeds(
    sample: ErrorSample, client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A call that succeeds in its last try is a success."""
    answer_with(airtable, sample, times=sample.tries - 1)

    sample.ask(client)

    assert airtable.call_count == sample.tries


@pytest.mark.parametrize("sample", RETRIED, ids=lambda sample: sample.name)
def test_retries_are_told(
    sample: ErrorSample,
    client: AirtableClient,
    airtable: requests_mock.Mocker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each further try is announced with its reason and its number."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    answer_with(airtable, sample)

    failure_of(client, sample)

    lines = [record.getMessage() for record in caplog.records if sample.row in record.getMessage()]
    assert [f"try {number} of {sample.tries}" in line for number, line in enumerate(lines, 2)] == [
        True
    ] * (sample.tries - 1)


def test_each_error_class_has_a_sample() -> None:
    """An error class without a sample is one that the client cannot raise, for a stated reason."""
    classes = {
        name
        for name, member in vars(errors).items()
        if inspect.isclass(member) and issubclass(member, AirtableError)
    }

    assert {sample.error for sample in SAMPLES} | set(RAISED_ELSEWHERE) == classes


def test_each_row_has_a_sample() -> None:
    """A row of the table of failures without a sample would be a row that nothing shows to work."""
    rows = {
        (row.happened, row.error.__name__, row.tries)
        for row in (*ERROR_ROWS, UNREADABLE_BODY, OTHERWISE)
    }

    assert {(sample.row, sample.error, sample.tries) for sample in SAMPLES} == rows


def test_each_shape_has_a_sample() -> None:
    """Each shape of body that Airtable and proxies are known to send is among the samples."""
    assert {sample.content["shape"] for sample in SAMPLES} == {
        "JSON that is no object",
        "OAuth",
        "empty",
        "exception",
        "list of errors",
        "not JSON",
        "object with message",
        "object with type only",
        "string",
        "truncated JSON",
    }


def test_each_status_of_a_row_is_an_error() -> None:
    """Rows apply only to answers that are not a success."""
    assert [row for row in ERROR_ROWS if any(status < 400 for status in row.statuses)] == []


def test_422_on_an_offset(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """An unknown 422 on a later page means that the offset has expired."""
    body = {"error": {"type": "INVALID_REQUEST_UNKNOWN"}}
    airtable.get(
        f"{API}/{BASE}/{TABLE}",
        [{"json": {"records": [], "offset": "itrA/recA"}}, {"status_code": 422, "json": body}],
    )

    with pytest.raises(OffsetExpiredError) as caught:
        list(client.iter_record_pages(RecordQuery(BASE, TABLE)))

    assert caught.value.facts["error_type"] == "INVALID_REQUEST_UNKNOWN"


def test_another_status_on_an_offset(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """Only a 422 means that the offset has expired."""
    airtable.get(
        f"{API}/{BASE}/{TABLE}",
        [{"json": {"records": [], "offset": "itrA/recA"}}, {"status_code": 418, "json": {}}],
    )

    with pytest.raises(ContractError):
        list(client.iter_record_pages(RecordQuery(BASE, TABLE)))


def test_connection_cut_within_a_body(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """The error of a connection that breaks within a page names base and table."""

    class CutBody(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise IncompleteRead(b"", 1_000)

    airtable.get(f"{API}/{BASE}/{TABLE}", [{"body": CutBody()} for _ in range(6)])

    with pytest.raises(AirtableUnavailableError) as caught:
        client.get_record_page(RecordQuery(BASE, TABLE))

    assert (caught.value.facts.get("base"), caught.value.facts.get("table")) == (BASE, TABLE)


def test_error_type_that_is_a_sentence(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A sentence in place of an error type is not quoted, because it may contain a name."""
    body = {"error": "Could not find the table Salaries of Jane Doe"}
    airtable.get(f"{API}/{BASE}/{TABLE}", status_code=404, json=body)

    with pytest.raises(AirtableError) as caught:
        client.get_record_page(RecordQuery(BASE, TABLE))

    assert "Jane Doe" not in str(caught.value)


def test_address_that_requests_refuses(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AIRTABLE_API_URL without a usable host is a config error."""
    monkeypatch.setenv("AIRTABLE_API_URL", "https://.example.com")

    with pytest.raises(errors.InvalidConfigError):
        AirtableClient(build_authenticator(config, {}), AirtableBudget()).list_bases()


def test_unusable_address_names_its_setting(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """An error that says "the setting named here" names one."""
    airtable.get(f"{API}/meta/bases", exc=requests.exceptions.InvalidURL)

    with pytest.raises(errors.InvalidConfigError) as caught:
        client.list_bases()

    assert caught.value.facts.get("setting")


WEBHOOKS = f"{API}/bases/{BASE}/webhooks"
LOST = [
    pytest.param({"status_code": 500}, id="internal error"),
    pytest.param({"status_code": 503}, id="failing server"),
    pytest.param({"status_code": 408}, id="timeout"),
    pytest.param({"text": "<html>"}, id="no JSON"),
    pytest.param({"exc": requests.ReadTimeout}, id="no answer"),
    pytest.param({"exc": requests.ConnectionError}, id="lost connection"),
]


@pytest.mark.parametrize("answer", LOST)
def test_webhook_is_asked_for_once(
    client: AirtableClient, airtable: requests_mock.Mocker, answer: dict[str, Any]
) -> None:
    """Where nobody knows whether a webhook was made, no second one is asked for."""
    airtable.post(WEBHOOKS, **answer)

    with pytest.raises(AirtableUnavailableError):
        client.post("/bases/" + BASE + "/webhooks", {"specification": {}})

    assert airtable.call_count == 1


def test_cut_answer_of_a_new_webhook(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A connection that breaks within the answer leaves it open whether a webhook was made."""

    class CutBody(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise IncompleteRead(b"", 1_000)

    airtable.post(WEBHOOKS, body=CutBody())

    with pytest.raises(AirtableUnavailableError):
        client.post("/bases/" + BASE + "/webhooks", {"specification": {}})

    assert airtable.call_count == 1


def test_refused_rate_of_a_new_webhook(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A 429 has made no webhook, so the request is sent again."""
    airtable.post(WEBHOOKS, [{"status_code": 429}, {"json": {"id": "achA"}}])

    made = client.post("/bases/" + BASE + "/webhooks", {"specification": {}})

    assert (made["id"], airtable.call_count) == ("achA", 2)


@pytest.mark.parametrize("answer", LOST)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/bases/{BASE}/webhooks"),
        ("POST", f"/bases/{BASE}/webhooks/achA/refresh"),
        ("POST", f"/{BASE}/{TABLE}/listRecords"),
    ],
)
def test_other_calls_are_sent_again(
    client: AirtableClient,
    airtable: requests_mock.Mocker,
    method: str,
    path: str,
    answer: dict[str, Any],
) -> None:
    """Calls that change nothing, or change it once, are sent again."""
    airtable.request(method, API + path, [answer, {"json": {"given": 1}}])

    send = client.get if method == "GET" else client.post

    assert (send(path, {})["given"], airtable.call_count) == (1, 2)


def test_no_outcome_at_all() -> None:
    """A try without answer and exception ends as an undocumented answer."""
    with pytest.raises(ContractError) as caught:
        AirtableErrorHandler().interpret_response(None)

    assert caught.value.facts == {}


def test_strategy_asked_about_a_success() -> None:
    """The strategy allows no further try without a row."""
    response = requests.Response()
    response.status_code = 200
    response._content = b"{}"  # noqa: SLF001 - requests has no other way in

    with pytest.raises(ContractError):
        AirtableBackoffStrategy().backoff_time(response, 1)


def test_429_is_retried_without_a_status_message() -> None:
    """A 429 is a plain retry. The CDK's own action would emit the status of an unknown stream."""
    response = requests.Response()
    response.status_code = 429
    response._content = b""  # noqa: SLF001 - requests has no other way in

    resolution = AirtableErrorHandler().interpret_response(response)

    assert resolution.response_action is ResponseAction.RETRY


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 3.0), (1.0, 5.0)])
def test_jitter(jitter: float, expected: float) -> None:
    """A wait is lengthened by up to a half, so that many workers do not come back at once."""
    strategy = AirtableBackoffStrategy(lambda: jitter)

    wait = strategy.backoff_time(requests.ReadTimeout(), attempt_count=3)

    # The CDK adds the second that is taken off here.
    assert wait == expected


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("45", 45.0),
        ("0", 1.0),
        ("Wed, 18 Nov 2026 10:00:50 GMT", 50.0),
        ("Wed, 18 Nov 2026 09:00:00 GMT", 1.0),
        ("-60", 1.0),
        ("NaN", 1.0),
        ("soon", 1.0),
        ("1000000000", 600.0),
    ],
)
def test_retry_after_of_a_503(
    client: AirtableClient,
    airtable: requests_mock.Mocker,
    clock: FakeClock,
    retry_after: str,
    expected: float,
) -> None:
    """A 503 is waited for as long as Retry-After asks, if that is longer than our own wait."""
    headers = {"Date": "Wed, 18 Nov 2026 10:00:00 GMT", "Retry-After": retry_after}
    airtable.get(
        f"{API}/meta/bases", [{"status_code": 503, "headers": headers}, {"json": {"bases": []}}]
    )

    client.list_bases()

    assert clock.slept_seconds == pytest.approx(expected, abs=0.01)


def test_longest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doubling ends at a minute."""
    row = ErrorRow("a slow server", AirtableUnavailableError, frozenset({503}), tries=20)
    monkeypatch.setattr(error_handler, "ERROR_ROWS", (row,))

    wait = AirtableBackoffStrategy(lambda: 0.0).backoff_time(_an_answer(503), attempt_count=12)

    # The CDK adds the second that is taken off here.
    assert wait == 59.0


def test_retries_are_counted(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The strategy counts every further try, for the summary at the end of a sync."""
    airtable.get(f"{API}/meta/bases", [{"status_code": 503}, {"json": {"bases": []}}])

    client.list_bases()

    assert client.backoff_strategy.retries == 1


def test_rate_limited_error_is_not_waited_for_twice() -> None:
    """After a 429 the strategy does not wait, because the budget does."""
    wait = AirtableBackoffStrategy().backoff_time(_an_answer(429), 1)

    assert wait == pytest.approx(0.0, abs=0.01)
    assert next(row for row in ERROR_ROWS if row.error is RateLimitedError).tries == 6


def _an_answer(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = b""  # noqa: SLF001 - requests has no other way in
    return response
