"""What an answer that is not a page of data says: its error type, and how long to wait.

Airtable writes errors in five shapes, and proxies on the way add HTML; a message is never taken
from them, for it may quote names and values.
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

MONTHLY_QUOTA = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"

# No rule of Airtable's asks for more than its 30 s, so a larger number is some proxy's; past this a
# sync that fails and is tried again by its schedule is worth more than one that holds its place.
LONGEST_RETRY_AFTER_SECONDS = 600.0


def parse_error_type(content: bytes) -> str:
    """Give the error type of an answer in any of Airtable's shapes, or an empty string.

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
    # Only what looks like a type: a sentence in its place could quote names and values.
    return error if isinstance(error, str) and _ERROR_TYPE.fullmatch(error) else ""


def is_monthly_quota(response: requests.Response) -> bool:
    """Tell whether a 429 means that the month's calls are used up, which no waiting cures."""
    return parse_error_type(response.content) == MONTHLY_QUOTA


def retry_after_seconds(response: requests.Response) -> float | None:
    """Give the seconds that `Retry-After` asks for, at most ten minutes, or None.

    Both forms of RFC 9110 are read: `30`, and `Wed, 18 Nov 2026 10:00:30 GMT`, which is compared
    with the answer's own `Date`, because this machine's clock may be wrong.
    """
    asked = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(asked)
    except ValueError:
        until, now = parse_http_date(asked), parse_http_date(response.headers.get("Date", ""))
        if until is None:
            return None
        seconds = (until - (now or datetime.now(timezone.utc))).total_seconds()
    # The comparison is false for NaN too, which float() reads gladly.
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS) if seconds >= 0 else None


def parse_http_date(text: str) -> datetime | None:
    """Read the date of an HTTP header as UTC, or give None where it is not one."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
