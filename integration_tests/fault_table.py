"""The fault matrix as a table: what breaks, where, how often, and what is to come of it.

A cell is a fault, a place and a number of times. Its outcome is the class of the error that ends
the stream or the command, or ``RECOVERS``: all is read, each record once, as if nothing had been.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.errors import (
    monthly_quota_exceeded,
    rate_limit_reached,
    to_error,
)
from integration_tests.bases import CELL_MARK
from source_airtable.errors import (
    AirtableError,
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    InvalidConfigError,
    InvalidTokenError,
    MissingScopeError,
    NoBaseError,
    OffsetExpiredError,
    QuotaExceededError,
    RateLimitedError,
    SchemaChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome = type[AirtableError] | None
RECOVERS: Final = None

SIMULATED_NOW: Final = "2026-11-18T10:00:00Z"
"""The moment from which the simulators' clocks go on."""
SOON: Final = "Wed, 18 Nov 2026 10:03:00 GMT"
FAR: Final = "Fri, 18 Nov 2126 10:00:00 GMT"
PAST: Final = "Tue, 18 Nov 2025 10:00:00 GMT"
READ_CLOCK_FACTOR: Final = 500.0
READ_TIMEOUT_SECONDS: Final = 1.0
"""Real seconds, in place of the connector's own read timeout."""
TOO_LONG_SECONDS: Final = 3.0


class Place(Enum):
    """Where a fault strikes: a page of a table that is read, or a call of a command."""

    FIRST_PAGE = "first page"
    MIDDLE_PAGE = "middle page"
    LAST_PAGE = "last page"
    READ_SCHEMA = "schema in read"
    BASE_LIST = "base list in discover"
    SCHEMA = "schema in discover"
    RECORD = "record in check"

    @property
    def page(self) -> int | None:
        """The 1-based page of records that breaks, None where no page does."""
        return PAGES.index(self) + 1 if self in PAGES else None

    @property
    def is_in_read(self) -> bool:
        """Whether many such cells share one run of ``read``."""
        return self in (*PAGES, Place.READ_SCHEMA)


PAGES: Final = (Place.FIRST_PAGE, Place.MIDDLE_PAGE, Place.LAST_PAGE)
LATER_PAGES: Final = PAGES[1:]
LISTS: Final = (*PAGES, Place.BASE_LIST, Place.RECORD)


class Times(Enum):
    """How often a fault strikes."""

    ONCE = "once"
    ALL_BUT_ONE = "in all tries but the last"
    FOR_EVER = "for ever"


Outcomes = dict[Place, Outcome]


def everywhere(outcome: Outcome) -> Outcomes:
    """One outcome at every place."""
    return dict.fromkeys(Place, outcome)


def at(outcome: Outcome, *places: Place) -> Outcomes:
    """One outcome at some places."""
    return dict.fromkeys(places, outcome)


@dataclass(frozen=True)
class Fault:
    """A fault of the simulator; a place without an outcome is one where it cannot strike."""

    action: str
    details: Mapping[str, Any]
    once: Outcomes
    for_ever: Outcomes
    tries: int = 1
    """Requests, or scans of a table, that are made in all where the first one may be mended."""


def fatal(action: str, outcomes: Outcomes, **details: Any) -> Fault:  # noqa: ANN401 - JSON
    """A fault that no further try mends."""
    return Fault(action, details, outcomes, outcomes)


def asked_again(action: str, outcomes: Outcomes, **details: Any) -> Fault:  # noqa: ANN401 - JSON
    """A fault that one more request mends for a page of records, and nothing elsewhere."""
    return Fault(action, details, outcomes | at(RECOVERS, *PAGES), outcomes, tries=2)


def harmless(action: str, *places: Place, **details: Any) -> Fault:  # noqa: ANN401 - JSON
    """A fault that needs no further try."""
    return Fault(action, details, at(RECOVERS, *places), at(RECOVERS, *places))


def retried(error: type[AirtableError], tries: int, action: str, **details: Any) -> Fault:  # noqa: ANN401 - JSON
    """A fault that is tried again wherever it strikes."""
    return Fault(action, details, everywhere(RECOVERS), everywhere(error), tries)


def too_many(retry_after: str | None = None, *, shape: str = "errors", **more: Any) -> Fault:  # noqa: ANN401 - JSON
    """A 429 of the limits per second."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = rate_limit_reached(shape).body
    given = {"status": 429, "body": body, "headers": headers, **more}
    return retried(RateLimitedError, 6, "status", **given)


def unavailable(tries: int, action: str, **details: Any) -> Fault:  # noqa: ANN401 - JSON
    """A failure of Airtable, or of the way to it."""
    return retried(AirtableUnavailableError, tries, action, **details)


DENIED: Final = everywhere(MissingScopeError) | {
    Place.READ_SCHEMA: BaseNotFoundError,
    Place.SCHEMA: NoBaseError,
}
NOT_IN_SCHEMA_OF_READ: Final = [place for place in Place if place is not Place.READ_SCHEMA]

FAULTS: Final[dict[str, Fault]] = {
    # Refusals. A 401 of a schema ends the whole of a read, so that it has a test of its own.
    "401": fatal("status", at(InvalidTokenError, *NOT_IN_SCHEMA_OF_READ), status=401),
    "403": asked_again("status", DENIED, status=403),
    "404": asked_again("status", DENIED | at(InvalidConfigError, Place.BASE_LIST), status=404),
    "413": asked_again("status", everywhere(ContractError), status=413),
    "422 of an unknown type": Fault(
        "status",
        {"status": 422, "body": to_error("NEW_TYPE", CELL_MARK)},
        # Where the first page of the same query was answered, it is the offset that is refused.
        once=everywhere(ContractError) | at(RECOVERS, *LATER_PAGES),
        for_ever=everywhere(ContractError) | at(OffsetExpiredError, *LATER_PAGES),
        tries=6,
    ),
    "422 of the iterator": Fault(
        "status",
        {"status": 422, "body": to_error("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")},
        once=everywhere(OffsetExpiredError) | at(RECOVERS, *PAGES),
        for_ever=everywhere(OffsetExpiredError),
        tries=6,
    ),
    "422 of a field that is there": fatal(
        "status",
        everywhere(SchemaChangedError),
        status=422,
        body=to_error("UNKNOWN_FIELD_NAME", CELL_MARK),
    ),
    "iterator expires": Fault(
        "expire_iterator",
        {},
        once=at(RECOVERS, *LATER_PAGES) | at(OffsetExpiredError, Place.BASE_LIST),
        for_ever=at(OffsetExpiredError, *LATER_PAGES, Place.BASE_LIST),
        tries=6,
    ),
    # Limits. A base that is asked again before its penalty is over answers with one more 429.
    "429": too_many(penalty_seconds=29 / READ_CLOCK_FACTOR),
    "429 in the documented shape": too_many(shape="error"),
    "429, Retry-After in seconds": too_many("45", penalty_seconds=44 / READ_CLOCK_FACTOR),
    "429, Retry-After as a date": too_many(SOON),
    "429, Retry-After of a thousand days": too_many("86400000"),
    "429, Retry-After in a hundred years": too_many(FAR),
    "429, Retry-After in the past": too_many(PAST),
    "429, Retry-After below zero": too_many("-5"),
    "429, Retry-After that is no time": too_many("soon"),
    "month used up": fatal(
        "status",
        everywhere(QuotaExceededError),
        status=429,
        body=monthly_quota_exceeded("errors").body,
    ),
    "month used up, in the documented shape": fatal(
        "status",
        everywhere(QuotaExceededError),
        status=429,
        body=monthly_quota_exceeded("error").body,
    ),
    # Airtable, or something on the way to it, is down.
    "500": unavailable(5, "status", status=500),
    "502": unavailable(6, "status", status=502),
    "503": unavailable(6, "status", status=503),
    "503, Retry-After in seconds": unavailable(
        6, "status", status=503, headers={"Retry-After": "20"}
    ),
    "503, Retry-After of a thousand days": unavailable(
        6, "status", status=503, headers={"Retry-After": "86400000"}
    ),
    "504": unavailable(6, "status", status=504),
    "HTML with 502": unavailable(6, "html", status=502),
    "HTML with 200": unavailable(5, "html", status=200),
    "empty body": unavailable(5, "empty_body"),
    "reset": unavailable(6, "reset"),
    "cut in mid-body": unavailable(6, "cut_body"),
    "truncated JSON": unavailable(5, "truncated_json"),
    "slow to answer": unavailable(5, "delay", seconds=TOO_LONG_SECONDS),
    "slow in mid-body": unavailable(6, "stall", seconds=TOO_LONG_SECONDS),
    "invalid UTF-8": unavailable(5, "invalid_utf8"),
    "list in place of an object": unavailable(5, "malformed", body=[]),
    # Answers that are not as documented.
    "page without its list": asked_again(
        "malformed", everywhere(ContractError), body={"offset": "itr1/rec1"}
    ),
    "record without fields": asked_again(
        "malformed",
        at(ContractError, *PAGES, Place.RECORD),
        body={"records": [{"id": "recWithoutFields0", "createdTime": CELL_MARK}]},
    ),
    "offset repeated": fatal("repeat_offset", at(ContractError, *LATER_PAGES, Place.BASE_LIST)),
    # Odd, but as documented.
    "empty page with an offset": harmless("empty_page", *LISTS),
    "short page": harmless("short_page", *LISTS, count=1),
    "record of the first page again": harmless("duplicate_record", *LISTS),
    "lone surrogate": harmless("lone_surrogate", *Place),
}


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    fault_name: str
    place: Place
    times: Times
    fault: Fault = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Name the cell, for a test's id."""
        return f"{self.fault_name} - {self.place.value} - {self.times.value}"

    @property
    def outcome(self) -> Outcome:
        """What is to come of it."""
        for_ever = self.times is Times.FOR_EVER
        return (self.fault.for_ever if for_ever else self.fault.once)[self.place]

    @property
    def planned_times(self) -> int | None:
        """How often the simulator breaks the call; None: for ever."""
        planned = {Times.ONCE: 1, Times.ALL_BUT_ONE: self.fault.tries - 1, Times.FOR_EVER: None}
        return planned[self.times]

    @property
    def most_strikes(self) -> int | None:
        """How often it can have struck when all is over; None where that does not matter."""
        if self.planned_times is not None:
            return self.planned_times
        if self.outcome is RECOVERS:
            return None
        return self.fault.tries if self.fault.once[self.place] is RECOVERS else 1


def all_cells() -> list[Cell]:
    """Every cell, in the table's order."""
    return [
        Cell(name, place, times, fault)
        for name, fault in FAULTS.items()
        for place in Place
        if place in fault.once
        for times in Times
        if times is not Times.ALL_BUT_ONE or _is_mended_in_the_end(fault, place)
    ]


def _is_mended_in_the_end(fault: Fault, place: Place) -> bool:
    return fault.once[place] is RECOVERS and fault.for_ever[place] is not RECOVERS
