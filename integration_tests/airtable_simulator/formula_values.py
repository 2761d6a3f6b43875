"""What a formula computes with, and how one kind of value is taken for another."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final, TypeAlias

from .clock import to_wire_date, to_wire_time


class ErrorValue(Enum):
    """The one error; it is a value and makes what is computed from it an error too."""

    ERROR = "#ERROR!"


ERROR: Final = ErrorValue.ERROR


@dataclass(slots=True)
class Moment:
    """A date with its time; a frozen class would take twice as long to make."""

    milliseconds: int
    """Since 1970, UTC."""


Value: TypeAlias = bool | float | str | Moment | ErrorValue | list[Any] | None
"""None is the blank; numbers are always floats; members of lists are values."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
NUMBER: Final = re.compile(r"\s*[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*")
ISO_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
SPECIAL_VALUES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
TEXT_KEYS: Final = ("name", "text", "label", "value", "filename", "email", "url", "id")
"""Where the text of an object is, the first that is there: collaborators, barcodes and so on."""
LARGEST_PLAIN_NUMBER: Final = 1e21
MOST_OFFSET_HOURS: Final = 23
MINUTES_PER_HOUR: Final = 60


def from_cell(cell: Any) -> Value:  # noqa: ANN401, PLR0911 - a cell is anything; one return for each kind
    """The value of a cell; odd results of computed fields are what they were when computed."""
    match cell:
        case None | bool() | str():
            return cell
        case int() | float():
            try:
                return float(cell)
            except OverflowError:
                return math.inf if cell > 0 else -math.inf
        case list():
            return [from_cell(member) for member in cell]
        case {"error": _}:
            return ERROR
        case {"specialValue": name}:
            return SPECIAL_VALUES.get(name, math.nan)
        case dict():
            found = (cell[key] for key in TEXT_KEYS if isinstance(cell.get(key), str))
            return next(found, "")
        case _:
            return ERROR


def to_cell(value: Value, result_type: str = "") -> Any:  # noqa: ANN401, PLR0911 - a cell is anything; one return for each kind
    """The cell of a computed field with this value and type of result."""
    match value:
        case ErrorValue():
            return {"error": value.value}
        case Moment():
            seconds = value.milliseconds / 1000
            if result_type == "date":
                return to_wire_date(seconds)
            return to_wire_time(seconds, keeps_milliseconds=True)
        case bool():
            return value if result_type == "checkbox" else int(value)
        case float() if not math.isfinite(value):
            return {"specialValue": _number_text(value)}
        case float():
            return int(value) if value.is_integer() else value
        case list():
            return [to_cell(member, result_type) for member in value]
        case _:
            return value


def is_true(value: Value) -> bool:
    """Whether a filter keeps a record with this result: not 0, false, "", NaN, [], blank, error."""
    match value:
        case None | ErrorValue():
            return False
        case Moment():
            return True
        case float():
            return value == value and value != 0  # noqa: PLR0124 - NaN is not equal to itself
        case _:
            return bool(value)


def to_number(value: Value) -> float | ErrorValue:
    """The number a value is taken for in arithmetic; blank counts as 0."""
    match value:
        case None:
            return 0.0
        case bool() | float():
            return float(value)
        case str():
            return float(value) if NUMBER.fullmatch(value) else ERROR
        case [member]:
            return to_number(member)
        case _:
            return ERROR


def to_text(value: Value) -> str | ErrorValue:
    """The text of a value; lists are joined by a comma and a space."""
    match value:
        case None:
            return ""
        case str() | ErrorValue():
            return value
        case bool():
            return "1" if value else "0"
        case float():
            return _number_text(value)
        case Moment():
            moment = to_datetime(value.milliseconds)
            # isoformat fills the year up to four digits, which strftime does not everywhere.
            return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        case list():
            texts = [to_text(member) for member in value]
            known = [text for text in texts if isinstance(text, str)]
            return ", ".join(known) if len(known) == len(texts) else ERROR


def _number_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    is_plain = number.is_integer() and abs(number) < LARGEST_PLAIN_NUMBER
    return str(int(number)) if is_plain else repr(number)


def to_moment(value: Value) -> Moment | ErrorValue | None:
    """The moment a value is taken for: ISO 8601 text is parsed, blank stays blank."""
    match value:
        case None | Moment():
            return value
        case str():
            return parse_moment(value) if value.strip() else None
        case [member]:
            return to_moment(member)
        case _:
            return ERROR


def parse_moment(text: str) -> Moment | ErrorValue:
    """The moment of ISO 8601 text; a date alone is its 00:00 GMT, a time without a zone is GMT."""
    found = ISO_TIME.fullmatch(text.strip())
    if found is None:
        return ERROR
    *parts, fraction, zone = found.groups()
    milliseconds = int((fraction or "0").ljust(3, "0")[:3])
    return build_moment([int(part or 0) for part in parts], milliseconds, zone or "Z")


def build_moment(parts: list[int], milliseconds: int, zone: str) -> Moment | ErrorValue:
    """The moment of its parts; an error where a calendar or a clock has no such.

    Shape: ``[2026, 1, 2, 3, 4, 5], 678, "+02:00"``.
    """
    year, month, day, hour, minute, second = parts
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        offset = timedelta()
        if zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            if hours > MOST_OFFSET_HOURS or minutes >= MINUTES_PER_HOUR:
                return ERROR
            offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
        return Moment((moment - offset - EPOCH) // timedelta(milliseconds=1) + milliseconds)
    except (ValueError, OverflowError):
        return ERROR


def to_datetime(milliseconds: int) -> datetime:
    """The moment in Python's own form."""
    return EPOCH + timedelta(milliseconds=milliseconds)
