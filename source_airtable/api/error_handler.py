"""The table of failures: what each answer means, and how many tries it gets.

The CDK's `HttpClient` calls the handler after every try, and the strategy before every wait. Both
use `ERROR_ROWS`. After the last try they raise the row's error themselves. The client's own FAIL
action would log the URL with its query and both bodies. Its own error after the last try hides the
reason in a chain of exceptions.
"""

from __future__ import annotations

import logging
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    ResponseAction,
)

from source_airtable.api.error_body import (
    MONTHLY_QUOTA,
    parse_error_type,
    parse_filter_reason,
    retry_after_seconds,
)
from source_airtable.api.json_body import parse_body
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    GrantLostError,
    InvalidConfigError,
    InvalidTokenError,
    OffsetExpiredError,
    QuotaExceededError,
    RateLimitedError,
    SchemaChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_airtable.errors import (
        AirtableError,
    )

LOGGER = logging.getLogger("airbyte.source_airtable")

Outcome = requests.Response | Exception | None


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One kind of failure: how to recognise it, how many tries it gets, and its error."""

    happened: str
    """What the log says before another try."""
    error: type[AirtableError]
    statuses: frozenset[int] = frozenset()
    error_types: frozenset[str] = frozenset()
    """The row applies only to these error types of Airtable's. Empty means any."""
    exceptions: tuple[type[Exception], ...] = ()
    tries: int = 1
    """The most requests, the first one included."""
    first_wait_seconds: float = 1.0
    """The wait before the second try. It doubles before each further try, up to a minute."""


LONGEST_WAIT_SECONDS = 60.0
SHORTEST_WAIT_SECONDS = 0.001

UNREADABLE_BODY = ErrorRow("an answer that is not JSON", AirtableUnavailableError, tries=5)

TOKEN_REFUSED = ErrorRow("the token is refused", InvalidTokenError, statuses=frozenset({401}))

# The first row that fits applies, so the row of an error type stands before the row of its status.
# After a 429 the budget waits: it pauses the base for 30 s, or for as long as Retry-After asks. So
# six tries take at least two and a half minutes.
ERROR_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(
        "the month's calls are used up",
        QuotaExceededError,
        statuses=frozenset({429}),
        error_types=frozenset({MONTHLY_QUOTA}),
    ),
    ErrorRow(
        "too many requests",
        RateLimitedError,
        statuses=frozenset({429}),
        tries=6,
        first_wait_seconds=0,
    ),
    TOKEN_REFUSED,
    ErrorRow("payment is required", QuotaExceededError, statuses=frozenset({402})),
    ErrorRow("access is refused", AccessDeniedError, statuses=frozenset({403, 404, 410})),
    ErrorRow(
        "the offset has expired",
        OffsetExpiredError,
        statuses=frozenset({422}),
        error_types=frozenset({"LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "INVALID_OFFSET_VALUE"}),
    ),
    ErrorRow(
        "a field is unknown",
        SchemaChangedError,
        statuses=frozenset({422}),
        error_types=frozenset({"UNKNOWN_FIELD_NAME"}),
    ),
    ErrorRow("an internal error", AirtableUnavailableError, statuses=frozenset({500}), tries=5),
    ErrorRow(
        "no answer in time",
        AirtableUnavailableError,
        statuses=frozenset({408, 425}),
        exceptions=(requests.Timeout,),
        tries=5,
    ),
    ErrorRow(
        "a failing server or proxy",
        AirtableUnavailableError,
        statuses=frozenset(range(501, 600)),
        tries=6,
    ),
    ErrorRow(
        "an address that cannot be used",
        InvalidConfigError,
        exceptions=(
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidHeader,
        ),
    ),
    ErrorRow(
        "a failing connection",
        AirtableUnavailableError,
        exceptions=(requests.RequestException,),
        tries=6,
    ),
)
OTHERWISE = ErrorRow("an unknown answer", ContractError)

_IDS_IN_PATH = re.compile(r"/(app[A-Za-z0-9]{14})(?:/(tbl[A-Za-z0-9]{14}))?")


@runtime_checkable
class TokenRenewal(Protocol):
    """An authenticator that can replace a refused token, such as that of OAuth."""

    def replace_token(self, refused: requests.PreparedRequest, *, may_renew: bool) -> bool:
        """Return whether another try of the request would use another token."""
        ...


class AirtableErrorHandler(ErrorHandler):
    """Decides after every try: success, another try, or an error.

    If the authenticator can renew its token, a 401 gets another try. The CDK's own action for this,
    REFRESH_TOKEN_THEN_RETRY, does not fit. It compares tokens before it takes the lock. So two
    workers that are refused at the same time can both renew, and the second renewal ends the first
    one's token. It also logs the URL and ends with a message of its own.
    """

    # The strategy below limits the tries of each row. These two limits of the CDK must be higher,
    # and the second one must allow six waits of the longest Retry-After.
    max_retries = 10
    max_time = 3 * 3600

    def __init__(self, authenticator: object = None) -> None:
        self._renewal = authenticator if isinstance(authenticator, TokenRenewal) else None
        self._refused: WeakSet[requests.PreparedRequest] = WeakSet()

    def interpret_response(self, response_or_exception: Outcome) -> ErrorResolution:
        """Resolve one try. Raises the row's error if the row allows only one."""
        row = _row_of(response_or_exception)
        if row is None:
            return ErrorResolution(ResponseAction.SUCCESS)
        if row is TOKEN_REFUSED and isinstance(response_or_exception, requests.Response):
            self._raise_for_token(response_or_exception)
        elif row.tries == 1 or _may_have_made_a_webhook(row, response_or_exception):
            raise _build_error(row, response_or_exception)
        # The action RATE_LIMITED would emit the status of a stream that does not exist.
        return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, row.happened)

    def _raise_for_token(self, response: requests.Response) -> None:
        """Return if the next try gets another token. Each try is signed again."""
        if self._renewal is None:
            raise _build_error(TOKEN_REFUSED, response)
        # After a redirect, the request of the answer is another one and may not be signed.
        request = (*response.history, response)[0].request
        is_first = request not in self._refused
        self._refused.add(request)
        if not self._renewal.replace_token(request, may_renew=is_first):
            raise GrantLostError(**_facts_of(response))


class AirtableBackoffStrategy(BackoffStrategy):
    """Decides how long to wait before the next try, and when there is none. Obeys `Retry-After`."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.retries = 0
        """Tries after other failures than a 429, which the budget counts."""

    def backoff_time(
        self,
        response_or_exception: Any,  # noqa: ANN401 - a response or an exception
        attempt_count: int,
    ) -> float:
        """Return the seconds before the next try. Raises the row's error if no try is left."""
        row = _row_of(response_or_exception) or OTHERWISE
        if row is TOKEN_REFUSED:
            # The handler allows another try only if there is another token. No wait is needed.
            if attempt_count >= AirtableErrorHandler.max_retries:
                raise GrantLostError(**_facts_of(response_or_exception))
            self.retries += 1
            return SHORTEST_WAIT_SECONDS
        if attempt_count >= row.tries:
            raise _build_error(row, response_or_exception, tries=attempt_count)
        wait = self._wait_seconds(row, response_or_exception, attempt_count)
        self.retries += row.error is not RateLimitedError
        LOGGER.info(
            "Airtable: %s%s. Starting try %d of %d%s.",
            row.happened,
            _describe_place(response_or_exception),
            attempt_count + 1,
            row.tries,
            f" in {wait:.0f} s" if wait else " after the pause for this base",
        )
        # The CDK adds one second to this number, and zero would mean that it has to choose.
        return max(wait - 1.0, SHORTEST_WAIT_SECONDS)

    def _wait_seconds(self, row: ErrorRow, outcome: Outcome, attempt_count: int) -> float:
        if row.error is RateLimitedError:
            return 0.0  # after a 429, only the budget waits
        growing = min(row.first_wait_seconds * 2.0 ** (attempt_count - 1), LONGEST_WAIT_SECONDS)
        asked = retry_after_seconds(outcome) if isinstance(outcome, requests.Response) else None
        # Many workers may fail at the same moment. Jitter keeps them from trying again at the same
        # moment.
        return max(growing * (1 + self._jitter() / 2), asked or 0.0)


def _row_of(outcome: Outcome) -> ErrorRow | None:
    """Find the row of an outcome. None means that the answer can be used."""
    if isinstance(outcome, requests.Response):
        if outcome.ok:
            return None if parse_body(outcome) is not None else UNREADABLE_BODY
        error_type = parse_error_type(outcome.content)
        for row in ERROR_ROWS:
            if outcome.status_code in row.statuses and (
                not row.error_types or error_type in row.error_types
            ):
                return row
        return OTHERWISE
    for row in ERROR_ROWS:
        if isinstance(outcome, row.exceptions):
            return row
    return OTHERWISE


def _build_error(row: ErrorRow, outcome: Outcome, **facts: object) -> AirtableError:
    if isinstance(outcome, requests.Response):
        facts.update(_facts_of(outcome))
    elif outcome is not None:
        # The text of the exception contains the URL with its query.
        facts["failure"] = type(outcome).__name__
    if row is UNREADABLE_BODY:
        facts["answer"] = row.happened
    error = row.error(**facts)
    if isinstance(outcome, requests.Response):
        error.filter_reason = parse_filter_reason(outcome.content)
    return error


def _facts_of(response: requests.Response) -> dict[str, object]:
    return {
        "status": response.status_code,
        "error_type": parse_error_type(response.content),
    }


def place_of(path: str) -> dict[str, object]:
    """Return the ids of base and table in a request's path, such as `/v0/app…/tbl…`."""
    in_path = _IDS_IN_PATH.search(path)
    if not in_path:
        return {}
    base_id, table_id = in_path.groups()
    return {"base": base_id, "table": table_id} if table_id else {"base": base_id}


def _may_have_made_a_webhook(row: ErrorRow, outcome: Outcome) -> bool:
    """Tell whether another try may make a second webhook; a base has places for ten."""
    request = getattr(outcome, "request", None)
    if request is None or request.method != "POST" or row.error is RateLimitedError:
        return False
    return urlsplit(str(request.url)).path.endswith("/webhooks")


def _describe_place(outcome: Outcome) -> str:
    request = getattr(outcome, "request", None)
    place = place_of(getattr(request, "path_url", None) or "")
    return "".join(f", {name} {fact}" for name, fact in place.items())
