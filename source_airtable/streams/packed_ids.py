"""Record ids in as few characters as a state can hold: about eleven for each.

A record id is `rec` and 14 letters or digits, which is a number of 84 bits. Sorted numbers lie
close together, the closer the more there are, so that only the gaps are written, each as its high
part in unary and its low part in binary (Rice's code), and the bits as base 85.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_ID_DIGITS = 14
_RECORD_ID = re.compile(r"rec[0-9A-Za-z]{14}")
# A low part of this many bits holds any gap whole.
_MOST_LOW_BITS = 84


def pack_ids(record_ids: Collection[str]) -> str:
    """Write record ids as text; those of an unusual form stand as they are, behind a blank.

    Shape: `1a2b3c4d:2:71:…` for two ids with gaps of 71 low bits, behind a checksum of the rest.
    """
    usual = sorted(_to_number(one) for one in record_ids if _RECORD_ID.fullmatch(one))
    unusual = sorted(one for one in record_ids if not _RECORD_ID.fullmatch(one))
    low_bits = _low_bits(usual)
    packed = " ".join([f"{len(usual)}:{low_bits}:{_write_gaps(usual, low_bits)}", *unusual])
    # A damaged text would give the ids of records that never were, and tombstones for them.
    return f"{_checksum(packed)}:{packed}"


def unpack_ids(packed: str) -> set[str]:
    """Read what `pack_ids` wrote; an empty text holds none. Raises ValueError for anything else."""
    if not packed:
        return set()
    checksum, _, packed = packed.partition(":")
    if checksum != _checksum(packed):
        raise ValueError("the ids are damaged")
    head, *unusual = packed.split(" ")
    count, low_bits, gaps = head.split(":", 2)
    numbers = _read_gaps(gaps, int(count), int(low_bits))
    return {_to_record_id(number) for number in numbers} | set(unusual)


def _checksum(packed: str) -> str:
    return f"{zlib.crc32(packed.encode(errors='surrogatepass')):08x}"


def _low_bits(numbers: list[int]) -> int:
    """Give the bits of the average gap, at which the code is shortest."""
    if not numbers:
        return 0
    return min((numbers[-1] // len(numbers)).bit_length(), _MOST_LOW_BITS)


def _write_gaps(numbers: list[int], low_bits: int) -> str:
    pieces = []
    previous = -1
    for number in numbers:
        high, low = divmod(number - previous - 1, 1 << low_bits)
        pieces.append("1" * high + "0" + (format(low, f"0{low_bits}b") if low_bits else ""))
        previous = number
    bits = "".join(pieces)
    if not bits:
        return ""
    bits += "0" * (-len(bits) % 8)
    return base64.b85encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode()


def _read_gaps(text: str, count: int, low_bits: int) -> list[int]:
    if not 0 <= low_bits <= _MOST_LOW_BITS:
        raise ValueError("no gap has so many bits")
    content = base64.b85decode(text)
    bits = format(int.from_bytes(content, "big"), f"0{len(content) * 8}b") if content else ""
    numbers: list[int] = []
    place, previous = 0, -1
    for _ in range(count):
        end_of_high = bits.index("0", place)
        high = end_of_high - place
        place = end_of_high + 1 + low_bits
        low = int(bits[end_of_high + 1 : place], 2) if low_bits else 0
        previous += 1 + (high << low_bits) + low
        numbers.append(previous)
    return numbers


def _to_number(record_id: str) -> int:
    number = 0
    for digit in record_id[-_ID_DIGITS:]:
        number = number * len(_DIGITS) + _DIGIT_VALUES[digit]
    return number


def _to_record_id(number: int) -> str:
    digits = []
    for _ in range(_ID_DIGITS):
        number, value = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[value])
    if number:
        raise ValueError("no record id has so many digits")
    return "rec" + "".join(reversed(digits))
