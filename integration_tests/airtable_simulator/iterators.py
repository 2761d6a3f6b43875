"""Iterators and the pages that are cut from them.

An iterator fixes the members and their order at the first request. Values are read page by page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .errors import iterator_not_available
from .ids import make_id
from .wire import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

KEPT_ITERATORS: Final = 10_000


@dataclass(slots=True)
class Iterator:
    """One scan: its ids from the first request, and the positions of its offsets."""

    id: str
    bound_to: Hashable
    """Base, table and every parameter except the offset."""
    member_ids: Sequence[str]
    used_at: float
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By offset: the position of the next member, and the 1-based number of its page."""

    def offset_at(self, position: int, page: int) -> str:
        """The offset that continues from a position.

        Shape: ``itrAbCdEfGhIjKlMn/recAdw9EjV90xbZ``.
        """
        tail = self.member_ids[min(position, len(self.member_ids) - 1)] if self.member_ids else ""
        offset = f"{self.id}/{tail}"
        known = self.positions.get(offset)
        if known is not None and known != (position, page):
            # An empty page ends at the same member and needs an offset of its own.
            offset = f"{self.id}/{make_id('rec', tail, position, page)}"
        self.positions[offset] = (position, page)
        return offset


class Iterators:
    """All scans that can continue."""

    def __init__(self) -> None:
        """Start with no scan."""
        self._iterators: dict[str, Iterator] = {}
        self._made = 0

    def begin(self, bound_to: Hashable, member_ids: Sequence[str], now: float) -> Iterator:
        """Start a scan: fix its members and their order."""
        self._made += 1
        made = Iterator(make_id("itr", self._made), bound_to, member_ids, now)
        self._iterators[made.id] = made
        if len(self._iterators) > KEPT_ITERATORS:
            del self._iterators[next(iter(self._iterators))]
        return made

    def go_on(
        self, offset: str, bound_to: Hashable, now: float, idle_seconds: float
    ) -> tuple[Iterator, int, int]:
        """The scan, the position and the page number of an offset.

        Raises: ``Refusal`` 422 when the iterator expired, is unknown, or has other parameters.
        """
        found = self._iterators.get(offset.partition("/")[0])
        if found is None or offset not in found.positions or found.bound_to != bound_to:
            raise iterator_not_available()
        if now - found.used_at > idle_seconds:
            self.expire(found.id)
            raise iterator_not_available()
        found.used_at = now
        return (found, *found.positions[offset])

    def page_number(self, offset: str | None) -> int:
        """The 1-based page of an offset. It is 1 for none or an unknown one."""
        if offset is None:
            return 1
        found = self._iterators.get(offset.partition("/")[0])
        return found.positions.get(offset, (0, 1))[1] if found else 1

    def expire(self, iterator_id: str | None = None) -> int:
        """Expire one iterator or all. Return how many there were."""
        if iterator_id is None:
            alive = len(self._iterators)
            self._iterators.clear()
            return alive
        return 0 if self._iterators.pop(iterator_id, None) is None else 1


@dataclass(slots=True)
class Place:
    """The position of a request in a scan."""

    iterator: Iterator
    position: int
    page: int
    asked_offset: str | None


def build_page(  # noqa: PLR0913 - what a page is made of
    key: str,
    place: Place,
    page_size: int,
    show: Callable[[str], bytes | None],
    fault: Mapping[str, Any],
    *,
    ends_with_null: bool = False,
) -> bytes:
    """The JSON of a page. A deleted member is left out and makes the page shorter.

    Shape: ``{"records":[…],"offset":"itr…/rec…"}``, where ``records`` is the ``key``. The last page
    has no offset, or null with ``ends_with_null``.
    """
    kind = fault.get("kind")
    iterator = place.iterator
    if kind == "empty_page":
        page_size = 0
    elif kind == "short_page":
        page_size = int(fault.get("count", 1))
    end = min(place.position + page_size, len(iterator.member_ids))
    members = [
        shown
        for member in iterator.member_ids[place.position : end]
        if (shown := show(member)) is not None
    ]
    if kind == "duplicate_record" and iterator.member_ids:
        first = show(iterator.member_ids[0])
        members[:0] = [] if first is None else [first]
    offset = None
    if end < len(iterator.member_ids) or kind == "empty_page":
        offset = iterator.offset_at(end, place.page + 1)
    if kind == "repeat_offset":
        offset = place.asked_offset or offset
    has_offset = offset is not None or ends_with_null
    tail = b',"offset":' + to_json(offset) if has_offset else b""
    return b'{"%s":[%s]%s}' % (key.encode(), b",".join(members), tail)
