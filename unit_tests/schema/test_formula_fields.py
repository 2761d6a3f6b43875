"""Which fields a formula reads, and what is in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.schema.formula_fields import CLOCK_FUNCTIONS, FormulaFields, find_fields
from unit_tests.builders import a_field, a_table

NAMES = ("Archived", "Total {net}", "Due Date", "名前", "Und", "AND")
IDS = tuple(f"fldNamed{number:09d}" for number in range(len(NAMES)))
TABLE = a_table(*(a_field(field_id=one, name=name) for one, name in zip(IDS, NAMES, strict=True)))


def parts_of(formula: str) -> tuple[list[str], str | None, str | None]:
    """The names of the fields of a formula, its clock function and its doubt."""
    found = find_fields(formula, TABLE)
    names = [NAMES[IDS.index(one)] for one in found.field_ids]
    return names, found.clock_function, found.doubt


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("NOT({Archived})", ["Archived"]),
        ("NOT(Archived)", ["Archived"]),
        ("not( {ARCHIVED} )", ["Archived"]),
        (f"{{{IDS[2]}}} = 'x'", ["Due Date"]),
        ("AND({Due Date}, {Archived}, {Due Date})", ["Due Date", "Archived"]),
        (r"{Total {net\}} > 1.5", ["Total {net}"]),
        ("名前 & Und", ["名前", "Und"]),
        ("AND (TRUE(), {AND})", ["AND"]),
        ("IF('{Archived} \\' NOW()', \"Due 'Date'\", 1)", []),
        ("{Archived} // {Due Date} NOW()\n= 1", ["Archived"]),
        ("/* {Due Date}\nNOW() */ {Archived}", ["Archived"]),
        ("RECORD_ID() = 'rec' & -1 + 2 * 3 / 4 >= 5", []),
        ("", []),
    ],
)
def test_fields(formula: str, expected: list[str]) -> None:
    """Fields are named by name or id, in braces or without; texts and comments name none."""
    assert parts_of(formula) == (expected, None, None)


@pytest.mark.parametrize("function", CLOCK_FUNCTIONS)
def test_clock_functions(function: str) -> None:
    """The first function that depends on the time is named, in any case and with a space."""
    assert parts_of(f"IF({function.lower()} (), TODAY(), NOW())") == ([], function, None)


@pytest.mark.parametrize(
    ("formula", "doubt"),
    [
        ("{Archive}", "Archive"),
        ("Due Date", "Due"),
        ("{Archived} [1]", "["),
        ("{Archived", "{"),
        ("'Archived", "'"),
        ("NOW", "NOW"),
        ("“Archived”", "“"),
    ],
)
def test_doubt(formula: str, doubt: str) -> None:
    """The first word that is not understood is named."""
    assert parts_of(formula)[2] == doubt


@given(st.text(alphabet="{}\\'\"/* aZ1(),.&名\n", max_size=40))
def test_any_text(formula: str) -> None:
    """No text fails, and nothing in it gets lost: what names no field is in doubt."""
    found = find_fields(formula, a_table())

    assert isinstance(found, FormulaFields)
    assert found.field_ids == ()
