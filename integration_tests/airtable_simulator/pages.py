"""A page of a listing: a slice of an iterator's members, and the offset that goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wire import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .iterators import Iterator


@dataclass(slots=True)
class Place:
    """Where in a scan a request stands."""

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
    """The JSON of a page; members that are gone are left out, which makes the page shorter.

    Shape: ``{"records":[…],"offset":"itr…/rec…"}``, with ``key`` for ``records``; on the last page
    the offset is absent, or null.
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
