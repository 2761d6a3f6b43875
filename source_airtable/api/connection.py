"""Where Airtable is, and the CDK's HTTP client as every call to it is made: bounded and silent."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from airbyte_cdk.sources.streams.http.http_client import HttpClient

from source_airtable.api.paced_connection import PacedSession
from source_airtable.errors import InvalidConfigError
from source_airtable.version import __version__

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler
    from requests.auth import AuthBase

    from source_airtable.api.rate_limit import AirtableBudget

DEFAULT_API_URL = "https://api.airtable.com"
DEFAULT_SITE_URL = "https://airtable.com"
API_URL_VARIABLE = "AIRTABLE_API_URL"

CONNECT_TIMEOUT_SECONDS = 15.0
# The longest silence between two bytes. Airtable gives up on a request of its own after less than a
# minute.
READ_TIMEOUT_SECONDS = 90.0

HEADERS = {"User-Agent": f"source-airtable/{__version__}"}


def api_url() -> str:
    """Give the API's address, which only the environment may move.

    A setting could be used to send the token elsewhere.
    """
    return _moved_url(DEFAULT_API_URL)


def token_url() -> str:
    """Give the address of OAuth's token endpoint, which moves with the API's.

    See https://airtable.com/developers/web/api/oauth-reference
    """
    return f"{_moved_url(DEFAULT_SITE_URL)}/oauth2/v1/token"


def build_http_client(
    error_handler: ErrorHandler,
    backoff_strategy: BackoffStrategy,
    budget: AirtableBudget,
    authenticator: AuthBase | None = None,
) -> HttpClient:
    """Build an HTTP client of the CDK that leaves nothing in the log and waits for nothing long."""
    return HttpClient(
        name="airtable",
        logger=_silent_logger(),
        error_handler=error_handler,
        backoff_strategy=backoff_strategy,
        session=PacedSession(budget),
        authenticator=authenticator,
        request_timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
    )


def _moved_url(default: str) -> str:
    url = (os.environ.get(API_URL_VARIABLE) or default).rstrip("/")
    if not url.startswith(("https://", "http://")):  # ignore-https-check
        raise InvalidConfigError(
            setting=API_URL_VARIABLE,
            reason="it must begin with https:// or http://",  # ignore-https-check
        )
    return url


def _silent_logger() -> logging.Logger:
    """Give the CDK's HTTP client a logger that says nothing, and hush the CDK's line on retries.

    Both write whole URLs, bodies or cells, and the latter calls every failure a rate limit. What a
    user needs to know of a retry, `error_handler.py` tells.
    """
    logging.getLogger("airbyte").addFilter(_is_not_of_cdk_retries)
    logger = logging.getLogger("airbyte.source_airtable.http")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def _is_not_of_cdk_retries(record: logging.LogRecord) -> bool:
    return record.module != "rate_limiting"
