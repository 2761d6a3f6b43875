"""The filter of ``filterByFormula``. Only the empty formula is evaluated so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import invalid_formula

if TYPE_CHECKING:
    from .account import Record, Table


def matches(formula: str, record: Record, table: Table, now: float) -> bool:
    """Whether the record is kept.

    Units: ``now`` is the simulator's time in seconds since 1970.
    Raises: ``Refusal`` 422 INVALID_FILTER_BY_FORMULA when the formula cannot be parsed.
    """
    if not formula.strip():
        return True
    raise invalid_formula("Failed to parse the formula")


def check_formula(formula: str, table: Table) -> None:
    """Refuse a formula that cannot be parsed, also where the table has no record to try it on."""
    if formula.strip():
        raise invalid_formula("Failed to parse the formula")
