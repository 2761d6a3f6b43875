"""The state of a simulator: its account, clock, settings, limits, planned faults and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .account import Account
from .clock import Clock
from .faults import Faults
from .files import FileHost
from .iterators import Iterators, Place
from .limits import Limits
from .settings import Settings
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class Simulator:
    """What endpoints and commands read and change."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Begin with an empty account."""
        self.settings = settings or Settings()
        self.account = Account()
        self.clock = Clock()
        self.limits = Limits()
        self.iterators = Iterators()
        self.faults = Faults()
        self.files = FileHost()
        self.stats = Stats()

    def find_place(
        self,
        offset: str | None,
        bound_to: Hashable,
        ids: Sequence[str],
        fault: dict[str, Any],
    ) -> Place:
        """Find where a listing continues, or start one over these ids when there is no offset.

        Raises: ``Refusal`` 422 for an offset that is stale or belongs to another listing.
        """
        now = self.clock.now()
        if offset is None:
            return Place(self.iterators.begin(bound_to, ids, now), 0, 1, None)
        if fault.get("kind") == "expire_iterator":
            self.iterators.expire(offset.partition("/")[0])
        idle_seconds = self.settings.iterator_idle_seconds
        iterator, position, page = self.iterators.go_on(offset, bound_to, now, idle_seconds)
        return Place(iterator, position, page, offset)
