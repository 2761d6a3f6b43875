"""Dates in formulas: parsing by a format, adding, differences, units; all in GMT."""

from __future__ import annotations

import calendar
import math
import re
from datetime import MAXYEAR, MINYEAR, datetime, timezone
from typing import TYPE_CHECKING, Final

from .formula_values import (
    EPOCH,
    ERROR,
    Moment,
    build_moment,
    parse_moment,
    to_datetime,
    to_moment,
    to_number,
    to_text,
)

if TYPE_CHECKING:
    from .formula_values import ErrorValue, Value

MILLISECONDS_PER_UNIT: Final = {
    "milliseconds": 1,
    "seconds": 1000,
    "minutes": 60_000,
    "hours": 3_600_000,
    "days": 86_400_000,
    "weeks": 604_800_000,
}
MONTHS_PER_UNIT: Final = {"months": 1, "quarters": 3, "years": 12}
SHORT_UNITS: Final = {
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
    "M": "months",
    "Q": "quarters",
    "y": "years",
}
FORMAT_TOKEN: Final = re.compile(r"YYYY|MM?|DD?|HH?|mm?|ss?|SSS|ZZ?|X|x")
TOKEN_TEXT: Final = {
    "YYYY": r"[0-9]{4}",
    "SSS": r"[0-9]{3}",
    "Z": r"Z|[+-][0-9]{2}:?[0-9]{2}",
    "X": r"-?[0-9]+(?:\.[0-9]+)?",
    "x": r"-?[0-9]+",
}
EARLIEST: Final = (datetime.min.replace(tzinfo=timezone.utc) - EPOCH).days * 86_400_000
LATEST: Final = ((datetime.max.replace(tzinfo=timezone.utc) - EPOCH).days + 1) * 86_400_000 - 1


def find_unit(unit: Value) -> str | None:
    """The unit that a formula names.

    Shape: ``"M"`` -> ``"months"``, ``"m"`` -> ``"minutes"``, ``"Day"`` -> ``"days"``.
    """
    if not isinstance(unit, str):
        return None
    name = SHORT_UNITS.get(unit) or unit.lower().rstrip("s") + "s"
    return name if name in MILLISECONDS_PER_UNIT or name in MONTHS_PER_UNIT else None


def datetime_parse(given: Value, mask: Value = None, _locale: Value = None) -> Value:
    """DATETIME_PARSE: ISO 8601, or by a format whose tokens are looked for one after another.

    What a format does not mention is dropped, an offset for example, as Airtable does.
    """
    if isinstance(given, Moment):
        return given
    text, wanted = to_text(given), to_text(mask)
    if not isinstance(text, str) or not isinstance(wanted, str):
        return ERROR
    return _parse_by_format(text, wanted) if wanted else parse_moment(text)


def _parse_by_format(text: str, mask: str) -> Moment | ErrorValue:
    found: dict[str, str] = {}
    for word in FORMAT_TOKEN.findall(mask):
        kind = word if word in TOKEN_TEXT else word[:1]
        part = re.search(TOKEN_TEXT.get(kind, "[0-9]{1,2}"), text)
        if part is None:
            return ERROR
        found[kind] = part[0]
        text = text[part.end() :]
    for kind, factor in (("X", 1000), ("x", 1)):
        if kind in found:
            return _in_range(float(found[kind]) * factor)
    if "YYYY" not in found:
        return ERROR  # Airtable would take the present year
    day = [found["YYYY"], found.get("M", "1"), found.get("D", "1")]
    parts = [int(part) for part in (*day, *(found.get(kind, "0") for kind in ("H", "m", "s")))]
    return build_moment(parts, int(found.get("SSS", "0")), found.get("Z", "Z"))


def _in_range(milliseconds: float) -> Moment | ErrorValue:
    # Compared before it is made whole: NaN and infinities have no int.
    return Moment(round(milliseconds)) if EARLIEST <= milliseconds <= LATEST else ERROR


def datetime_diff(left: Value, right: Value, unit: Value = "days") -> Value:
    """DATETIME_DIFF: left - right in whole units, cut towards zero."""
    first, second, name = to_moment(left), to_moment(right), find_unit(unit)
    if not isinstance(first, Moment) or not isinstance(second, Moment) or name is None:
        return ERROR
    later = max(first.milliseconds, second.milliseconds)
    earlier = min(first.milliseconds, second.milliseconds)
    if name in MILLISECONDS_PER_UNIT:
        count = (later - earlier) // MILLISECONDS_PER_UNIT[name]
    else:
        count = _whole_months(earlier, later) // MONTHS_PER_UNIT[name]
    return float(count if first.milliseconds == later else -count)


def _whole_months(earlier: int, later: int) -> int:
    start, end = to_datetime(earlier), to_datetime(later)
    months = (end.year - start.year) * 12 + end.month - start.month
    reached = _add_months(earlier, months)
    return months if isinstance(reached, Moment) and reached.milliseconds <= later else months - 1


def date_add(given: Value, count: Value, unit: Value) -> Value:
    """DATEADD: months keep the day where the month has it, else they end on its last day."""
    moment, number, name = to_moment(given), to_number(count), find_unit(unit)
    if not isinstance(moment, Moment) or not isinstance(number, float) or name is None:
        return ERROR
    if not math.isfinite(number):
        return ERROR
    whole = math.trunc(number)
    if name in MILLISECONDS_PER_UNIT:
        return _in_range(moment.milliseconds + whole * MILLISECONDS_PER_UNIT[name])
    return _add_months(moment.milliseconds, whole * MONTHS_PER_UNIT[name])


def _add_months(milliseconds: int, months: int) -> Moment | ErrorValue:
    moment = to_datetime(milliseconds)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        return ERROR
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    moved = moment.replace(year=year, month=month + 1, day=day)
    return Moment(milliseconds + round((moved - moment).total_seconds() * 1000))


def start_of(milliseconds: int, unit: str) -> int:
    """A number that all moments in the same unit share; weeks begin on Sunday."""
    if unit == "weeks":
        days = milliseconds // MILLISECONDS_PER_UNIT["days"]
        return days - (days + 4) % 7  # 1970-01-01 was a Thursday
    if unit in MILLISECONDS_PER_UNIT:
        return milliseconds // MILLISECONDS_PER_UNIT[unit]
    moment = to_datetime(milliseconds)
    return (moment.year * 12 + moment.month - 1) // MONTHS_PER_UNIT[unit]


def start_of_day(milliseconds: int) -> Moment:
    """00:00 GMT of a moment's day."""
    day = MILLISECONDS_PER_UNIT["days"]
    return Moment(milliseconds // day * day)
