"""The simulator's settings. Set them at its start or with ``/_simulator/configure``."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

AIRTABLE_MAX_PAGE_SIZE: Final = 100
"""Records; https://airtable.com/developers/web/api/list-records"""
AIRTABLE_MAX_URL_LENGTH: Final = 16_000
"""Characters; https://airtable.com/developers/web/api/url-length-limit"""
WORDS: Final = {
    "aged_webhook_cursor": ("go_on", "refuse"),
    "blank_comparison": ("false", "error"),
    "blank_modified_time": ("blank", "error"),
    "last_comments_offset": ("null", "absent"),
    "webhook_error_answer": ("payload", "refusal"),
}
"""The values of settings for what is not known of Airtable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. The defaults are Airtable's own figures."""

    base_requests_per_second: int | None = 5
    token_requests_per_second: int | None = 50
    """https://airtable.com/developers/web/api/rate-limits; None: unlimited."""
    window_seconds: float = 1.0
    penalty_seconds: float = 30.0
    penalty_is_prolonged: bool = False
    """Whether a request during the penalty restarts it. Not known of Airtable."""
    monthly_calls: int | None = None
    """The quota of calls to records. None: no quota."""
    rate_limit_body: str = "errors"
    """``errors`` (observed) or ``error`` (documented)."""
    retry_after: tuple[str, ...] = ()
    """``Retry-After`` of successive 429s; the last one repeats. Airtable documents none."""
    bases_page_size: int = 1000
    iterator_idle_seconds: float = 300.0
    """Seconds without a request until an offset is stale. Airtable documents no figure."""
    date_header: str = "present"
    """``present`` or ``absent``."""
    date_skew_seconds: float = 0.0
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    """Up to this many milliseconds are added to the latency."""
    gzip: bool = False
    long_url_status: int = 413
    """Airtable refuses URLs of 16,000 characters. The status is not known."""
    blank_modified_time: str = "blank"
    """``blank`` or ``error``: LAST_MODIFIED_TIME() of a record whose modified time is blank."""
    blank_comparison: str = "false"
    """``false`` or ``error``: IS_AFTER and similar functions with a blank moment."""
    linked_record_is_modified: bool = True
    """Whether a link changes the modified time of the linked record. Not known of Airtable."""
    times_keep_milliseconds: bool = False
    """Whether created and modified times keep milliseconds in formulas and dumps."""
    last_comments_offset: str = "null"
    """``null`` or ``absent``: the offset on the last page of comments."""
    serves_attachments: bool = False
    """Whether loaded attachments have URLs of the simulator, new in every answer.

    Written ones always have.
    """
    expired_file_status: int = 410
    """The status of an expired URL. Airtable answers 403 too."""
    webhooks_are_private: bool = False
    """Whether a token sees only the webhooks it created. Not known for personal access tokens.

    OAuth integrations always see only their own.
    """
    webhook_lists_prolong: bool = True
    """Whether a list of payloads extends a webhook's life, as Airtable documents."""
    webhook_records_per_payload: int | None = None
    """Airtable may split one action into several payloads. None: it does not."""
    webhooks_report_computed: bool = True
    """Whether recomputed cells are reported. Not known of Airtable."""
    webhooks_report_link_renames: bool = False
    """Whether a record's new name is reported for the records that link to it. Not known.

    It is reported as a recomputation, so only together with `webhooks_report_computed`.
    """
    webhook_tables_need_metadata: bool = False
    """Whether created and deleted tables need the data type ``tableMetadata``. Not known."""
    webhook_error_answer: str = "payload"
    """``payload`` or ``refusal``: how a webhook in error answers the listing of payloads."""
    aged_webhook_cursor: str = "go_on"
    """``go_on`` or ``refuse``: a cursor that is older than the retention. Not known of Airtable.

    ``go_on`` continues with the oldest payload that is kept.
    """
    gone_webhook_status: int = 404
    """The status for a webhook that is gone. 403 is plausible too."""
    expired_webhooks_count: bool = True
    """Whether disabled and expired webhooks take one of a base's ten places. Not known."""
    find_ignores_case: bool = False
    """Whether FIND takes a letter's two cases for the same. Not known of Airtable."""
    filter_latency_ms: float = 0.0
    """More latency of a listing with a filter. Not known of Airtable."""
    filter_is_honoured: bool = True
    """False: a filter is parsed and then ignored."""
    filter_is_rejected: bool = False
    """True: every filter is refused with 422."""
    refused_function: str = ""
    """A filter that calls this function is refused with 422."""
    oauth_expires_in_seconds: float = 3600
    """How long new access tokens are valid."""
    oauth_calls_of_access_token: int | None = None
    """Calls after which new access tokens end early. None, as in Airtable: no limit."""

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some replaced.

        Raises: ``ValueError`` for an unknown name or value.
        """
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
