"""Which fields a formula of the user reads, and whether it depends on the time.

The formula is not parsed: its words are enough. What is not understood is in doubt.
See https://support.airtable.com/docs/formula-field-reference
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from source_airtable.api.wire_types import FieldId
    from source_airtable.schema.table_schema import TableSchema

CLOCK_FUNCTIONS = ("NOW", "TODAY", "FROMNOW", "TONOW")
"""Functions whose value changes with the time."""

_WORDS = re.compile(
    r"""
    (?P<skipped> \s+ | //[^\n]* | /\*.*?\*/ | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"
               | [0-9.]+ | [-+*/&=<>!(),] )
  | \{ (?P<field> (?:[^}\\]|\\.)+ ) \}
  | (?P<function> [^\W\d]\w* ) (?= \s*\( )
  | (?P<word> [^\W\d]\w* )
  | (?P<unknown> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FormulaFields:
    """What a formula depends on."""

    field_ids: tuple[FieldId, ...]
    """The table's fields that it names, in their order."""
    clock_function: str | None
    """The first function whose value changes with the time."""
    doubt: str | None
    """The first word that is not understood."""


def find_fields(formula: str, table: TableSchema) -> FormulaFields:
    """Find what a formula depends on; it names fields by id or name, in any case."""
    ids: dict[str, FieldId] = {field["name"].casefold(): field["id"] for field in table.fields}
    ids |= {field["id"].casefold(): field["id"] for field in table.fields}
    found: dict[FieldId, None] = {}
    clock_function = doubt = None
    for word in _WORDS.finditer(formula):
        if word["function"]:
            if word["function"].upper() in CLOCK_FUNCTIONS:
                clock_function = clock_function or word["function"].upper()
            continue
        if word["skipped"]:
            continue
        name = word["word"] or _ESCAPED.sub(r"\1", word["field"] or word["unknown"])
        field_id = ids.get(name.casefold())
        if field_id is None:
            doubt = doubt or name
        else:
            found[field_id] = None
    return FormulaFields(tuple(found), clock_function, doubt)
