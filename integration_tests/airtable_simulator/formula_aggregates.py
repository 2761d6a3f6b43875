"""Functions over many values: those of rollups, which formulas have too.

See: https://support.airtable.com/docs/rollup-field-overview
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from .formula_functions import Function
from .formula_parser import Call, FieldReference, Literal, parse_formula
from .formula_values import ERROR, Moment, is_true, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .formula_values import Value


def _flatten(values: tuple[Value, ...] | list[Value]) -> list[Value]:
    flat: list[Value] = []
    for value in values:
        flat += _flatten(value) if isinstance(value, list) else [value]
    return flat


def _over_numbers(compute: Callable[[list[float]], Value]) -> Callable[..., Value]:
    """A function of the numbers among its arguments. An error makes it an error."""

    def aggregate(*values: Value) -> Value:
        flat = _flatten(values)
        if ERROR in flat:
            return ERROR
        return compute([float(one) for one in flat if isinstance(one, (bool, float))])

    return aggregate


def _extreme(choose: Callable[[list[float]], float]) -> Callable[..., Value]:
    """MAX or MIN, of moments where there are any. It is blank without values."""
    of_numbers = _over_numbers(lambda numbers: choose(numbers) if numbers else None)

    def aggregate(*values: Value) -> Value:
        moments = [one.milliseconds for one in _flatten(values) if isinstance(one, Moment)]
        return (
            Moment(int(choose([float(one) for one in moments]))) if moments else of_numbers(*values)
        )

    return aggregate


def _counting(counts: Callable[[Value], bool]) -> Callable[..., Value]:
    return lambda *values: float(sum(map(counts, _flatten(values))))


def _join(values: Value, separator: Value = ", ") -> Value:
    texts = [to_text(one) for one in _flatten([values]) if one not in (None, "")]
    known = [text for text in (*texts, to_text(separator)) if isinstance(text, str)]
    if len(known) <= len(texts):
        return ERROR
    return known[-1].join(known[:-1])


def _unique(*values: Value) -> Value:
    found: list[Value] = []
    for one in _flatten(values):
        if one not in (None, "", *found):
            found.append(one)
    return found


AGGREGATES: Final[Mapping[str, Function]] = {
    "SUM": Function(_over_numbers(math.fsum), 1),
    "AVERAGE": Function(
        _over_numbers(lambda some: math.fsum(some) / len(some) if some else math.nan), 1
    ),
    "MAX": Function(_extreme(max), 1),
    "MIN": Function(_extreme(min), 1),
    "COUNT": Function(_counting(lambda one: isinstance(one, float)), 1),
    "COUNTA": Function(_counting(lambda one: one not in (None, "")), 1),
    "COUNTALL": Function(_counting(lambda _: True), 1),
    "ARRAYJOIN": Function(_join, 1, 2),
    "ARRAYUNIQUE": Function(_unique, 1),
    "ARRAYFLATTEN": Function(lambda *values: _flatten(values), 1),
    "ARRAYCOMPACT": Function(
        lambda *values: [one for one in _flatten(values) if one not in (None, "")], 1
    ),
}
ROLLUPS: Final[Mapping[str, Function]] = {
    **AGGREGATES,
    "AND": Function(lambda *values: all(map(is_true, _flatten(values))), 1),
    "OR": Function(lambda *values: any(map(is_true, _flatten(values))), 1),
    "CONCATENATE": Function(lambda *values: _join(list(values), ""), 1),
}
"""What a rollup's formula may be."""


def compile_rollup(formula: str) -> Callable[[list[Value]], Value] | None:
    """The aggregation of a rollup. None: it is not one that the simulator knows.

    Shape: ``SUM(values)``, ``ARRAYJOIN(values, "; ")``.
    """
    match parse_formula(formula):
        case Call(name, (FieldReference("values"), *more)) if name in ROLLUPS:
            texts = [one.value for one in more if isinstance(one, Literal)]
            if len(texts) < len(more) or not ROLLUPS[name].takes(1 + len(more)):
                return None
            compute = ROLLUPS[name].compute
            return lambda values: compute(values, *texts)
        case _:
            return None
