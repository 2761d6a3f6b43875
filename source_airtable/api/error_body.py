"""Read the error type and the time to wait from an answer without data.

Airtable sends errors in five shapes, and proxies send HTML. Their messages may quote names and
values, so the connector uses only those about a filter that the user wrote.
See https://airtable.com/developers/web/api/errors
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import requests

_ERROR_TYPE = re.compile(r"[A-Za-z_]{1,60}")

LONGEST_REASON = 300
"""Characters of a message that are quoted."""
_ABOUT_FILTERS = frozenset({"INVALID_FILTER_BY_FORMULA", "UNKNOWN_FIELD_NAME"})

MONTHLY_QUOTA = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"

# Airtable asks for 30 s at most, so a larger number comes from a proxy. Beyond this limit, it is
# better to fail and let the schedule start another sync than to keep waiting.
LONGEST_RETRY_AFTER_SECONDS = 600.0


def parse_error_type(content: bytes) -> str:
    """Return the error type of an answer in any of Airtable's shapes, or an empty string.

    Shapes: `{"error":"NOT_FOUND"}`, `{"error":{"type":"NOT_FOUND"}}`, the same with a `message`,
    `{"errors":[{"error":"RATE_LIMIT_REACHED","message":"…"}]}` and OAuth's
    `{"error":"invalid_grant","error_description":"…"}`.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    if error is None and isinstance(body.get("errors"), list) and body["errors"]:
        error = body["errors"][0]
    if isinstance(error, dict):
        error = error.get("type") or error.get("error")
    # A sentence in place of a type could quote names and values.
    return error if isinstance(error, str) and _ERROR_TYPE.fullmatch(error) else ""


def parse_filter_reason(content: bytes) -> str:
    """Return why Airtable refuses a filter, in one bounded line, or an empty string.

    Shape: `{"error":{"type":"INVALID_FILTER_BY_FORMULA","message":"The formula for filtering
    records is invalid: Unknown field names: archived"}}`.
    """
    if parse_error_type(content) not in _ABOUT_FILTERS:
        return ""
    error = orjson.loads(content).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    line = " ".join(message.split()) if isinstance(message, str) else ""
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"


def is_monthly_quota(response: requests.Response) -> bool:
    """Return whether a 429 means that the workspace has no calls left this month."""
    return parse_error_type(response.content) == MONTHLY_QUOTA


def retry_after_seconds(response: requests.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most ten minutes, or None.

    RFC 9110 allows two forms: `30` and `Wed, 18 Nov 2026 10:00:30 GMT`. A date is compared with the
    answer's own `Date` because this machine's clock may be wrong.
    """
    asked = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(asked)
    except ValueError:
        until, now = parse_http_date(asked), parse_http_date(response.headers.get("Date", ""))
        if until is None:
            return None
        seconds = (until - (now or datetime.now(timezone.utc))).total_seconds()
    # The comparison is also false for NaN, which float() accepts.
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS) if seconds >= 0 else None


def parse_http_date(text: str) -> datetime | None:
    """Parse the date of an HTTP header as UTC, or return None if it is not a date."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
