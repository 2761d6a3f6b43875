"""What can be set about the simulator: at its start, and by ``/_simulator/configure``."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

AIRTABLE_MAX_PAGE_SIZE: Final = 100
"""Records; https://airtable.com/developers/web/api/list-records"""
AIRTABLE_MAX_URL_LENGTH: Final = 16_000
"""Characters; https://airtable.com/developers/web/api/url-length-limit"""
WORDS: Final = {
    "blank_comparison": ("false", "error"),
    "blank_modified_time": ("blank", "error"),
    "last_comments_offset": ("null", "absent"),
}
"""What settings of two readings may be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One state of all settings. Airtable's own figures are the defaults."""

    base_requests_per_second: int | None = 5
    token_requests_per_second: int | None = 50
    """https://airtable.com/developers/web/api/rate-limits; None: unlimited."""
    window_seconds: float = 1.0
    penalty_seconds: float = 30.0
    penalty_is_prolonged: bool = False
    """Whether a request during the penalty starts it anew; unknown of Airtable."""
    monthly_calls: int | None = None
    """Calls to records a month before the quota is used up; None: no quota."""
    rate_limit_body: str = "errors"
    """``errors`` (observed) or ``error`` (documented)."""
    retry_after: tuple[str, ...] = ()
    """``Retry-After`` of successive 429s, the last one repeated; Airtable promises none."""
    bases_page_size: int = 1000
    iterator_idle_seconds: float = 300.0
    """Seconds without a request after which an offset is stale; Airtable publishes no figure."""
    date_header: str = "present"
    """``present`` or ``absent``."""
    date_skew_seconds: float = 0.0
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    """Added to the latency, evenly spread from 0 to this."""
    gzip: bool = False
    long_url_status: int = 413
    """Airtable rejects URLs of 16,000 characters; with which status is not known."""
    blank_modified_time: str = "blank"
    """``blank`` or ``error``: LAST_MODIFIED_TIME() of a record whose modified time is blank."""
    blank_comparison: str = "false"
    """``false`` or ``error``: IS_AFTER and the like where one side is a blank moment."""
    linked_record_is_modified: bool = True
    """Whether a link moves the modified time of the record at its other end; not known."""
    times_keep_milliseconds: bool = False
    """Whether formulas and dumps know created and modified times to the millisecond."""
    last_comments_offset: str = "null"
    """``null`` or ``absent``: the offset on the last page of comments."""
    serves_attachments: bool = False
    """Whether attachments are files of the simulator, at addresses made anew by every answer."""
    expired_file_status: int = 410
    """What an address answers when its time is over; 403 was seen too."""
    webhooks_are_private: bool = False
    """Whether a token is shown only the webhooks that it made; not known of personal ones."""
    filter_is_honoured: bool = True
    """False: a filter is parsed, then ignored, and all records come."""
    filter_is_rejected: bool = False
    """True: any filter is answered with 422."""
    oauth_expires_in_seconds: float = 3600
    """How long access tokens live that are given from now on."""
    oauth_calls_of_access_token: int | None = None
    """Calls after which they end before that, so that tests know when; None, as Airtable: never."""

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some replaced; an unknown name is refused."""
        unknown = changes.keys() - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown settings: {sorted(unknown)}")
        for name, words in WORDS.items():
            if changes.get(name, words[0]) not in words:
                raise ValueError(f"{name} is one of {list(words)}")
        if "retry_after" in changes:
            given = changes["retry_after"]
            values = [] if given is None else given if isinstance(given, list) else [given]
            changes = {**changes, "retry_after": tuple(str(value) for value in values)}
        return replace(self, **changes)


UNLIMITED: Final[dict[str, Any]] = {
    "base_requests_per_second": None,
    "token_requests_per_second": None,
}
