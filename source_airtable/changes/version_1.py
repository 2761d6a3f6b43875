"""States of version 1, which syncs up to version 0.1 saved: read once, then replaced.

Version 1 had one moment, `as_of`, for the window and for the cursor. It wrote sorted ids as numbers
and kept the gaps between them: each gap's high part in unary, its low part in binary (Rice's code),
and the bits in base 85.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from source_airtable.changes.record_ids import RecordIdSet, checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS = 14
# A low part of this many bits holds any gap whole.
_MOST_LOW_BITS = 84


def upgrade(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parts of a table's state under the names of version 2; ids stay packed."""
    upgraded = dict(saved)
    upgraded["read_to"] = upgraded["cursor_floor"] = saved.get("as_of")
    upgraded["fingerprint"] = saved.get("schema_digest")
    return upgraded


def unpack_ids(packed: str) -> RecordIdSet:
    """Read the ids of a state of version 1; raises ValueError where they are damaged.

    Shape: `1a2b3c4d:2:71:…` for two ids with gaps of 71 low bits, behind a checksum of the rest.
    """
    if not packed:
        return RecordIdSet()
    found, _, packed = packed.partition(":")
    if found != checksum(packed):
        raise ValueError("the ids are damaged")
    head, *unusual = packed.split(" ")
    count, low_bits, gaps = head.split(":", 2)
    record_ids = RecordIdSet(_read_gaps(gaps, int(count), int(low_bits)))
    for record_id in unusual:
        record_ids.add(record_id)
    return record_ids


def _read_gaps(text: str, count: int, low_bits: int) -> list[str]:
    if not 0 <= low_bits <= _MOST_LOW_BITS:
        raise ValueError("no gap has so many bits")
    content = base64.b85decode(text)
    bits = format(int.from_bytes(content, "big"), f"0{len(content) * 8}b") if content else ""
    record_ids: list[str] = []
    place, previous = 0, -1
    for _ in range(count):
        end_of_high = bits.index("0", place)
        high = end_of_high - place
        place = end_of_high + 1 + low_bits
        low = int(bits[end_of_high + 1 : place], 2) if low_bits else 0
        previous += 1 + (high << low_bits) + low
        record_ids.append(_to_record_id(previous))
    return record_ids


def _to_record_id(number: int) -> str:
    digits = []
    for _ in range(_ID_DIGITS):
        number, value = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[value])
    if number:
        raise ValueError("no record id has so many digits")
    return "rec" + "".join(reversed(digits))
