"""The fault matrix at calls to webhooks: which faults strike there, and what is to come of them.

The faults are those of ``fault_table.py``. What comes of one follows from its kind: whether a later
try mends it, whether Airtable refuses the call, or gives an odd answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from integration_tests.fault_table import FAULTS, RECOVERS, Place, Times
from source_airtable.errors import (
    AirtableError,
    AirtableUnavailableError,
    InvalidTokenError,
    QuotaExceededError,
    RateLimitedError,
)

if TYPE_CHECKING:
    from integration_tests.fault_table import Fault


class Call(Enum):
    """A call to a webhook, by the simulator's name."""

    LIST = "list_webhooks"
    CREATE = "create_webhook"
    PAYLOADS = "list_webhook_payloads"
    REFRESH = "refresh_webhook"


class Sync(Enum):
    """What a sync becomes that ends well."""

    NORMAL = "it reads what the webhook names, or all where the webhook is new"
    FALLS_BACK = "it warns, reads by last_modified, and keeps its position"
    FULL = "it reads all, and says why"
    WARNS = "it reads what the webhook names, and warns that the webhook ends"


Outcome = Sync | type[AirtableError]

OF_RECORDS: Final = frozenset(
    {"duplicate_record", "empty_page", "expire_iterator", "repeat_offset", "short_page"}
)
"""Actions that need a list of pages."""
INSTEAD: Final = frozenset({"empty_body", "html", "reset", "status"})
"""Actions that answer before Airtable has done anything."""
LASTING: Final = (AirtableUnavailableError, RateLimitedError)
FATAL: Final = (InvalidTokenError, QuotaExceededError)


@dataclass(frozen=True)
class WebhookCell:
    """One cell of the matrix."""

    fault_name: str
    call: Call
    times: Times

    def __str__(self) -> str:
        """Name the cell, for a test's id."""
        return f"{self.fault_name} - {self.call.value} - {self.times.value}"

    @property
    def fault(self) -> Fault:
        """What breaks."""
        return FAULTS[self.fault_name]

    @property
    def error(self) -> type[AirtableError] | None:
        """What a page of records comes to if it breaks for ever; None where it does not matter."""
        return self.fault.for_ever[Place.FIRST_PAGE]

    @property
    def is_of_query(self) -> bool:
        """Whether Airtable refuses what it was asked for, so that nobody asks again."""
        return self.fault.details.get("status") == 422

    @property
    def outcome(self) -> Outcome:
        """What is to come of it."""
        error = self.error
        if error is RECOVERS:
            return Sync.NORMAL
        if self.call is Call.REFRESH:
            return self._of_refresh(error)
        if error in FATAL:
            return error
        return self._of_creation(error) if self.call is Call.CREATE else self._of_list(error)

    def _of_list(self, error: type[AirtableError]) -> Outcome:
        if self.times is not Times.FOR_EVER and not self.is_of_query:
            return Sync.NORMAL
        if error in LASTING:
            return error
        is_denied = self.fault.details.get("status") in {403, 404, 410}
        return Sync.FALLS_BACK if self.call is Call.LIST or is_denied else Sync.FULL

    def _of_refresh(self, error: type[AirtableError]) -> Sync:
        if self.fault.action == "malformed" and error not in LASTING:
            return Sync.NORMAL  # nobody looks at the answer
        is_mended = error in LASTING and self.times is not Times.FOR_EVER
        return Sync.NORMAL if is_mended else Sync.WARNS

    def _of_creation(self, error: type[AirtableError]) -> Outcome:
        if error is RateLimitedError:
            return error if self.times is Times.FOR_EVER else Sync.NORMAL
        if error is AirtableUnavailableError:
            # A second list finds a webhook whose answer was lost.
            return error if self.fault.action in INSTEAD else Sync.NORMAL
        return Sync.FALLS_BACK

    @property
    def strikes(self) -> int | None:
        """How often the fault strikes; None where that does not matter."""
        if self.call is Call.CREATE and self.error is not RateLimitedError:
            return 1  # a second request may make a second webhook
        return self.planned_times

    @property
    def planned_times(self) -> int | None:
        """How often the simulator breaks the call; None: for ever."""
        planned = {Times.ONCE: 1, Times.ALL_BUT_ONE: self.fault.tries - 1, Times.FOR_EVER: None}
        return planned[self.times]


def all_webhook_cells() -> list[WebhookCell]:
    """Every cell, in the table's order."""
    cells = [
        WebhookCell(name, call, times)
        for name, fault in FAULTS.items()
        if fault.action not in OF_RECORDS
        for call in Call
        for times in Times
    ]
    return [one for one in cells if one.times is not Times.ALL_BUT_ONE or _needs_many(one)]


def _needs_many(cell: WebhookCell) -> bool:
    """Whether the client tries the call more than twice."""
    is_sent_once = cell.call is Call.CREATE and cell.error is not RateLimitedError
    return cell.error in LASTING and not is_sent_once
