"""Error types, and the time to wait, in answers without data."""

from __future__ import annotations

from datetime import datetime, timezone

import orjson
import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from source_airtable.api.error_body import (
    LONGEST_REASON,
    LONGEST_RETRY_AFTER_SECONDS,
    is_monthly_quota,
    parse_error_type,
    parse_filter_reason,
    parse_http_date,
    retry_after_seconds,
)

TEN_OCLOCK = "Wed, 18 Nov 2026 10:00:00 GMT"


def an_answer(content: bytes = b"", **headers: str) -> requests.Response:
    """A refusal; underscores in the names of headers stand for hyphens."""
    response = requests.Response()
    response.status_code = 429
    response._content = content  # noqa: SLF001 - requests has no other way in
    response.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
    return response


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"error":"NOT_FOUND"}', "NOT_FOUND"),
        (b'{"error":{"type":"NOT_FOUND"}}', "NOT_FOUND"),
        (
            b'{"error":{"type":"INVALID_PERMISSIONS","message":"You may not"}}',
            "INVALID_PERMISSIONS",
        ),
        (b'{"errors":[{"error":"RATE_LIMIT_REACHED","message":"Later"}]}', "RATE_LIMIT_REACHED"),
        (b'{"errors":[{"type":"RATE_LIMIT_REACHED"}]}', "RATE_LIMIT_REACHED"),
        (b'{"errors":["RATE_LIMIT_REACHED"]}', "RATE_LIMIT_REACHED"),
        (b'{"error":"invalid_grant","error_description":"The grant has ended"}', "invalid_grant"),
        (b'{"error":null,"errors":[{"error":"A"},{"error":"B"}]}', "A"),
    ],
)
def test_error_type(content: bytes, expected: str) -> None:
    """The error type is read from every shape that Airtable sends."""
    assert parse_error_type(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"errors":[]}',
        b'{"errors":{}}',
        b'{"errors":[[]]}',
        b'{"error":{}}',
        b'{"error":{"type":404}}',
        b'{"error":404}',
        b"\xff\xfe",
    ],
)
def test_no_error_type(content: bytes) -> None:
    """A body without an error type has none."""
    assert parse_error_type(content) == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["error", "errors", "type", "message"]), x)
        ),
    )
)
def test_error_type_of_any_json(body: object) -> None:
    """The error type of any JSON body is a text."""
    assert isinstance(parse_error_type(orjson.dumps(body)), str)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}', True),
        (b'{"error":{"type":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}}', True),
        (b'{"errors":[{"error":"RATE_LIMIT_REACHED"}]}', False),
    ],
)
def test_monthly_quota(content: bytes, expected: bool) -> None:  # noqa: FBT001 - the expectation
    """A 429 for the monthly quota differs from too many requests, in both shapes."""
    assert is_monthly_quota(an_answer(content)) is expected


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("30", 30.0),
        (" 45 ", 45.0),
        ("0", 0.0),
        ("2.5", 2.5),
        ("Wed, 18 Nov 2026 10:00:50 GMT", 50.0),
        ("Wed, 18 Nov 2026 11:00:40 +0100", 40.0),
        ("1000000000", LONGEST_RETRY_AFTER_SECONDS),
        ("inf", LONGEST_RETRY_AFTER_SECONDS),
        ("Wed, 18 Nov 2099 10:00:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after(retry_after: str, expected: float) -> None:
    """Retry-After is read in both forms, a date by the answer's own Date, ten minutes at most."""
    assert retry_after_seconds(an_answer(Date=TEN_OCLOCK, Retry_After=retry_after)) == expected


@pytest.mark.parametrize(
    "retry_after", ["", "soon", "-1", "-inf", "NaN", "Wed, 18 Nov 2026 09:59:59 GMT", "1 minute"]
)
def test_unusable_retry_after(retry_after: str) -> None:
    """A Retry-After that is not in the future counts as none."""
    assert retry_after_seconds(an_answer(Date=TEN_OCLOCK, Retry_After=retry_after)) is None


def test_no_retry_after() -> None:
    """An answer without the header asks for no wait of its own."""
    assert retry_after_seconds(an_answer()) is None


def test_retry_after_date_without_date() -> None:
    """Without a Date, a date of Retry-After is compared with this machine's clock."""
    assert retry_after_seconds(an_answer(Retry_After="Fri, 31 Dec 9999 10:00:00 GMT")) == (
        LONGEST_RETRY_AFTER_SECONDS
    )


@pytest.mark.parametrize(
    "text",
    [
        TEN_OCLOCK,
        "Wed, 18 Nov 2026 11:00:00 +0100",
        "Wednesday, 18-Nov-26 10:00:00 GMT",
        "Wed Nov 18 10:00:00 2026",
        "Wed, 18 Nov 2026 10:00:00 -0000",
    ],
)
def test_http_date(text: str) -> None:
    """Every form of an HTTP date gives the moment in UTC."""
    moment = parse_http_date(text)

    assert moment == datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
    assert moment.tzinfo is timezone.utc


@pytest.mark.parametrize("text", ["", "soon", "Wed, 99 Nov 2026 10:00:00 GMT", "Wed, 18", "0"])
def test_no_http_date(text: str) -> None:
    """A text that is not a date gives None."""
    assert parse_http_date(text) is None


@given(st.text())
@example("Fri, 31 Dec 9999 23:59:59 -2300")
@example("Wed, 18 Nov 2026 10:00:00 +9999999999")
def test_any_http_date(text: str) -> None:
    """Any header gives a date in UTC or None, and never an error."""
    moment = parse_http_date(text)

    assert moment is None or moment.tzinfo is timezone.utc


def a_refusal(error_type: str, message: object) -> bytes:
    """A refusal with a message."""
    return orjson.dumps({"error": {"type": error_type, "message": message}})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            a_refusal("INVALID_FILTER_BY_FORMULA", "Unknown field names:\n x "),
            "Unknown field names: x",
        ),
        (a_refusal("UNKNOWN_FIELD_NAME", 'Unknown field name: "x"'), 'Unknown field name: "x"'),
        (a_refusal("INVALID_VALUE_FOR_COLUMN", "Field cannot accept 7"), ""),
        (a_refusal("UNKNOWN_FIELD_NAME", {"text": "x"}), ""),
        (b'{"error":{"type":"UNKNOWN_FIELD_NAME"}}', ""),
        (b'{"error":"INVALID_FILTER_BY_FORMULA"}', ""),
        (b'{"errors":[{"error":"UNKNOWN_FIELD_NAME","message":"x"}]}', ""),
        (b"<html>", ""),
    ],
)
def test_reason_of_a_filter(content: bytes, expected: str) -> None:
    """Only a message about a filter is read, in one line."""
    assert parse_filter_reason(content) == expected


def test_long_reason_of_a_filter() -> None:
    """A message that quotes a long formula is cut."""
    reason = parse_filter_reason(a_refusal("INVALID_FILTER_BY_FORMULA", "x" * 5_000))

    assert reason == "x" * LONGEST_REASON + "…"
