"""A part of a table: the records whose id ends in one of some characters.

Record ids are spread evenly over their last characters, never change, and are known to formulas. No
field is named, and no part needs a sort order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Each holds two of the 62 characters of ids, so that all are of one size. A letter's two cases stay
# together: Airtable's documents do not say whether FIND tells them apart.
UNITS = (
    *("01", "23", "45", "67", "89"),
    *(f"{letter}{letter.upper()}" for letter in "abcdefghijklmnopqrstuvwxyz"),
)
"""The smallest parts, by their characters."""


@dataclass(frozen=True, slots=True)
class TablePart:
    """The records whose id ends in one of these characters, or those whose id ends in none."""

    characters: str
    is_rest: bool = False
    """Whether it is the complement: what the parts of these characters leave of the table."""

    @property
    def formulas(self) -> tuple[str]:
        """One list with a filter."""
        return (self.formula,)

    @property
    def formula(self) -> str:
        """Pick the part; a record for which this is an error belongs to every part.

        The rest is what the other parts do not pick. So no record is lost, whatever Airtable's
        functions make of an id.
        """
        picked = f"FIND(RIGHT(RECORD_ID(),1),'{self.characters}')>0"
        if self.is_rest:
            picked = f"NOT({picked})"
        return f"IF(ISERROR({picked}),TRUE(),{picked})"

    def holds(self, record_id: str) -> bool:
        """Tell whether a record belongs to the part."""
        return (record_id[-1:] in self.characters) is not self.is_rest


def join_units(units: Iterable[str]) -> str:
    """Write units as a state holds them: `01aAzZ`."""
    return "".join(units)


def split_units(characters: object) -> tuple[str, ...]:
    """Read what `join_units` wrote; raises ValueError for anything else."""
    if not isinstance(characters, str):
        raise ValueError("the characters of parts are text")  # noqa: TRY004 - damaged either way
    units = tuple(characters[start : start + 2] for start in range(0, len(characters), 2))
    if len(set(units) & set(UNITS)) != len(units):
        raise ValueError("these are not the characters of parts")
    return units
