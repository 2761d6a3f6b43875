"""Functions and operators that only look at their arguments' values; errors never reach them."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from .formula_dates import date_add, datetime_diff, datetime_parse, find_unit, start_of
from .formula_values import (
    ERROR,
    ErrorValue,
    Moment,
    is_true,
    parse_moment,
    to_moment,
    to_number,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .formula_values import Value

    Comparison = Callable[[float, float], bool]

ANY_NUMBER: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Function:
    """A function and how many arguments it takes."""

    compute: Callable[..., Value]
    least: int = 0
    most: int = ANY_NUMBER

    def takes(self, count: int) -> bool:
        """Whether that many arguments are right."""
        return self.least <= count <= self.most


def _arithmetic(compute: Callable[[float, float], float], left: Value, right: Value) -> Value:
    first, second = to_number(left), to_number(right)
    if isinstance(first, ErrorValue) or isinstance(second, ErrorValue):
        return ERROR
    return compute(first, second)


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


def concatenate(*values: Value) -> Value:
    """CONCATENATE and ``&``."""
    return to_text(list(values)) if len(values) == 1 else _joined([to_text(v) for v in values])


def _joined(texts: list[str | ErrorValue]) -> Value:
    known = [text for text in texts if isinstance(text, str)]
    return "".join(known) if len(known) == len(texts) else ERROR


def _with_text(compute: Callable[[str], Value], value: Value) -> Value:
    text = to_text(value)
    return text if isinstance(text, ErrorValue) else compute(text)


def _find(absent: Value, needle: Value, place: Value, start: Value = None) -> Value:
    wanted, text, first = to_text(needle), to_text(place), to_number(start)
    if not isinstance(wanted, str) or not isinstance(text, str) or not isinstance(first, float):
        return ERROR
    if not math.isfinite(first):
        return ERROR
    position = text.find(wanted, max(int(first) - 1, 0))
    return absent if position < 0 else float(position + 1)


def _right(value: Value, count: Value) -> Value:
    text, number = to_text(value), to_number(count)
    if not isinstance(text, str) or not isinstance(number, float) or not math.isfinite(number):
        return ERROR
    return text[max(len(text) - max(int(number), 0), 0) :]


def _find_in_any_case(needle: Value, place: Value, start: Value = None) -> Value:
    wanted, text = to_text(needle), to_text(place)
    if not isinstance(wanted, str) or not isinstance(text, str):
        return ERROR
    return _find(0.0, wanted.lower(), text.lower(), start)


def equals(left: Value, right: Value) -> Value:
    """``=``: blank equals "", 0 and false; a moment equals its ISO 8601 text."""
    first = to_text(left) if isinstance(left, list) else left
    second = to_text(right) if isinstance(right, list) else right
    if first is ERROR or second is ERROR:
        return ERROR
    if isinstance(first, str) and isinstance(second, Moment):
        first = parse_moment(first)
    elif isinstance(second, str) and isinstance(first, Moment):
        second = parse_moment(second)
    if isinstance(first, Moment) or isinstance(second, Moment):
        return first == second
    if first is None or second is None:
        return first in (None, "", 0) and second in (None, "", 0)
    if isinstance(first, str) or isinstance(second, str):
        return to_text(first) == to_text(second)
    return first == second


def _differs(left: Value, right: Value) -> Value:
    same = equals(left, right)
    return same if isinstance(same, ErrorValue) else not same


def _order(blank: Value, is_right: Comparison, left: Value, right: Value) -> Value:
    if isinstance(left, Moment) or isinstance(right, Moment):
        return _compare_moments(blank, is_right, left, right)
    first = to_text(left) if isinstance(left, list) else left
    second = to_text(right) if isinstance(right, list) else right
    if isinstance(first, str) and isinstance(second, str):
        return is_right((first > second) - (first < second), 0)
    return _arithmetic(is_right, first, second)


def _compare_moments(blank: Value, is_right: Comparison, left: Value, right: Value) -> Value:
    if type(left) is Moment and type(right) is Moment:
        return is_right(left.milliseconds, right.milliseconds)
    first, second = to_moment(left), to_moment(right)
    if isinstance(first, ErrorValue) or isinstance(second, ErrorValue):
        return ERROR
    if first is None or second is None:
        return blank
    return is_right(first.milliseconds, second.milliseconds)


def _is_same(blank: Value, left: Value, right: Value, unit: Value = "milliseconds") -> Value:
    name = find_unit(unit)
    if name is None:
        return ERROR
    return _compare_moments(
        blank,
        lambda one, other: start_of(int(one), name) == start_of(int(other), name),
        left,
        right,
    )


PLAIN: Final[Mapping[str, Function]] = {
    "+": Function(partial(_arithmetic, operator.add), 2, 2),
    "-": Function(partial(_arithmetic, operator.sub), 2, 2),
    "*": Function(partial(_arithmetic, operator.mul), 2, 2),
    "/": Function(partial(_arithmetic, _divide), 2, 2),
    "&": Function(concatenate, 2, 2),
    "=": Function(equals, 2, 2),
    "!=": Function(_differs, 2, 2),
    "TRUE": Function(lambda: True, 0, 0),
    "FALSE": Function(lambda: False, 0, 0),
    "BLANK": Function(lambda: None, 0, 0),
    "ERROR": Function(lambda *_: ERROR, 0, 1),
    "NOT": Function(lambda value: not is_true(value), 1, 1),
    "XOR": Function(lambda *values: sum(map(is_true, values)) % 2 == 1, 1),
    "LEN": Function(partial(_with_text, lambda text: float(len(text))), 1, 1),
    "LOWER": Function(partial(_with_text, str.lower), 1, 1),
    "UPPER": Function(partial(_with_text, str.upper), 1, 1),
    "TRIM": Function(partial(_with_text, str.strip), 1, 1),
    "CONCATENATE": Function(concatenate, 1),
    "RIGHT": Function(_right, 2, 2),
    "FIND": Function(partial(_find, 0.0), 2, 3),
    "SEARCH": Function(partial(_find, None), 2, 3),
    "DATETIME_PARSE": Function(datetime_parse, 1, 3),
    "DATETIME_DIFF": Function(datetime_diff, 2, 3),
    "DATEADD": Function(date_add, 3, 3),
}
"""Those that mean the same whatever the settings are."""


FIND_IN_ANY_CASE: Final = {"FIND": Function(_find_in_any_case, 2, 3)}
"""FIND, if it takes a letter's two cases for the same."""


def comparisons(blank: Value) -> dict[str, Function]:
    """Those that give ``blank`` where a moment is compared with a blank one."""
    found = {
        "IS_AFTER": Function(partial(_compare_moments, blank, operator.gt), 2, 2),
        "IS_BEFORE": Function(partial(_compare_moments, blank, operator.lt), 2, 2),
        "IS_SAME": Function(partial(_is_same, blank), 2, 3),
    }
    orders = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
    for symbol, is_right in orders.items():
        found[symbol] = Function(partial(_order, blank, is_right), 2, 2)
    return found
