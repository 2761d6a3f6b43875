"""Which columns can change while their record's last modified time stays the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.schema.field_types import FIELD_TYPES
from source_airtable.schema.table_filter import TableFilter
from source_airtable.schema.volatility import (
    PLAIN_TYPES,
    SELF_CHANGING_TYPES,
    why_clock_driven,
    why_filter_volatile,
    why_volatile,
)
from unit_tests.builders import a_field, a_table
from unit_tests.generated import fields

NAME = a_field()
LINK = a_field("multipleRecordLinks", field_id="fldLink0000000001", name="Orders")
GONE = "fldGone0000000001"


def a_formula(*referenced: str, number: int = 1, text: str = "1", **options: object) -> Any:  # noqa: ANN401 - hostile fields, too
    """A formula over fields, its own id made from a number."""
    return a_field(
        "formula",
        field_id=f"fldFormula{number:07d}",
        name=f"Formula {number}",
        options={"formula": text, "referencedFieldIds": list(referenced), **options},
    )


def reason_for(field: dict[str, Any], *others: dict[str, Any]) -> str | None:
    """Why a field is volatile in a table with some others."""
    return why_volatile(a_table(field, *others), [field["id"]])


@pytest.mark.parametrize("field_type", FIELD_TYPES)
def test_every_type_is_in_one_list(field_type: str) -> None:
    """Each type that the connector knows is plain, or changes by itself, or is a formula."""
    lists = [field_type in PLAIN_TYPES, field_type in SELF_CHANGING_TYPES, field_type == "formula"]

    assert lists.count(True) == 1


def test_no_type_is_made_up() -> None:
    """The lists hold only types that the connector knows."""
    assert {*PLAIN_TYPES, *SELF_CHANGING_TYPES} <= set(FIELD_TYPES)


@pytest.mark.parametrize("field_type", sorted(PLAIN_TYPES))
def test_plain_type(field_type: str) -> None:
    """A cell that changes only when its record is edited is not volatile."""
    assert reason_for(a_field(field_type)) is None


@pytest.mark.parametrize("field_type", SELF_CHANGING_TYPES)
def test_type_that_changes_by_itself(field_type: str) -> None:
    """A cell that changes by itself is volatile, and the reason names field and type."""
    reason = SELF_CHANGING_TYPES[field_type]

    assert reason_for(a_field(field_type)) == f"Company Name ({field_type}: {reason})"


def test_unknown_type() -> None:
    """A type that the connector does not know is volatile."""
    assert reason_for(a_field("signature")) == (
        "Company Name (signature: the connector does not know its type)"
    )


def test_only_columns_count() -> None:
    """A volatile field that is no column of the stream does not count."""
    assert why_volatile(a_table(NAME, LINK), [NAME["id"]]) is None


def test_column_without_field() -> None:
    """A column whose field the table does not have does not count."""
    assert why_volatile(a_table(NAME), [GONE]) is None


def test_first_volatile_column() -> None:
    """The first volatile column is named, in the order of the columns."""
    count = a_field("count", field_id="fldCount000000001", name="Count")
    table = a_table(count, NAME, LINK)
    named = why_volatile(table, [NAME["id"], LINK["id"], count["id"]])

    assert named == "Orders (multipleRecordLinks: a linked record may be deleted)"


def test_formula_over_plain_fields() -> None:
    """A formula over the record's own plain fields changes only with the record."""
    email = a_field("email", field_id="fldEmail000000001", name="E-mail")

    assert reason_for(a_formula(NAME["id"], email["id"]), NAME, email) is None


def test_formula_over_nothing() -> None:
    """A formula without fields and without the time is constant."""
    assert reason_for(a_formula(text="LAST_MODIFIED_TIME()")) is None


@pytest.mark.parametrize(
    "text",
    [
        "NOW()",
        "TODAY()",
        "now()",
        "Today ()",
        "NOW\n(\t)",
        "IF(1,NOW(),2)",
        "1+TODAY()",
        "DATETIME_DIFF({fldDue},nOw( ),'days')",
        "-NOW()",
    ],
)
def test_formula_of_the_time(text: str) -> None:
    """A formula that uses the time is volatile, in any spelling."""
    assert reason_for(a_formula(text=text)) == "Formula 1 (formula: it depends on the time)"


@pytest.mark.parametrize("text", ["KNOW(1)", "TODAYS()", "{now}", "'now' & 1", "NOWHERE()"])
def test_formula_that_only_looks_like_the_time(text: str) -> None:
    """A word that contains the function's name does not use the time."""
    assert reason_for(a_formula(text=text)) is None


@pytest.mark.parametrize("field_type", SELF_CHANGING_TYPES)
def test_formula_over_a_self_changing_field(field_type: str) -> None:
    """A formula over a volatile field is volatile, and the reason names that field."""
    other = a_field(field_type, field_id="fldOther000000001", name="Other")

    assert reason_for(a_formula(other["id"]), other) == "Formula 1 (formula: it depends on Other)"


def test_formula_over_a_plain_and_a_volatile_field() -> None:
    """One volatile field among those of a formula is enough."""
    assert reason_for(a_formula(NAME["id"], LINK["id"]), NAME, LINK) is not None


def test_formula_over_a_field_that_is_gone() -> None:
    """A formula over an unknown field is volatile."""
    assert reason_for(a_formula(GONE)) == (
        "Formula 1 (formula: it depends on a field that no longer exists)"
    )


@pytest.mark.parametrize("referenced", [None, "fldLink0000000001", {}, 7])
def test_formula_without_references(referenced: object) -> None:
    """A formula without a list of its fields is volatile."""
    assert reason_for(a_formula(referencedFieldIds=referenced)) == (
        "Formula 1 (formula: Airtable does not say which fields it depends on)"
    )


@pytest.mark.parametrize("options", [{}, {"options": None}, {"options": []}, {"options": {}}])
def test_formula_without_options(options: dict[str, object]) -> None:
    """A formula without options is volatile."""
    formula = {"id": "fldFormula0000001", "name": "Formula", "type": "formula", **options}

    assert reason_for(formula) is not None


def test_formula_without_text() -> None:
    """A formula whose text is null is judged by its fields."""
    assert reason_for(a_formula(NAME["id"], formula=None), NAME) is None


def a_chain(length: int, end: dict[str, Any]) -> list[dict[str, Any]]:
    """Formulas each computed from the next one, the last one from another field."""
    ids = [f"fldFormula{number:07d}" for number in range(1, length)]
    return [a_formula(after, number=number) for number, after in enumerate([*ids, end["id"]])]


def test_chain_with_a_volatile_end() -> None:
    """A formula over formulas over a volatile field is volatile."""
    chain = a_chain(6, LINK)

    assert why_volatile(a_table(*chain, LINK), [chain[0]["id"]]) == (
        "Formula 0 (formula: it depends on Formula 1)"
    )


def test_chain_with_a_plain_end() -> None:
    """A formula over formulas over a plain field is not."""
    chain = a_chain(6, NAME)

    assert why_volatile(a_table(*chain, NAME), [chain[0]["id"]]) is None


def test_chain_of_the_time() -> None:
    """A formula over a formula of the time is volatile."""
    clock = a_formula(number=2, text="NOW()")

    assert reason_for(a_formula(clock["id"]), clock) is not None


def test_circle() -> None:
    """Formulas that depend only on each other are not volatile, and the search ends."""
    first, second = "fldFormula0000001", "fldFormula0000002"

    assert reason_for(a_formula(second), a_formula(first, number=2)) is None


def test_formula_over_itself() -> None:
    """A formula that Airtable says depends on itself is judged by the rest."""
    itself = "fldFormula0000001"

    assert reason_for(a_formula(itself)) is None
    assert reason_for(a_formula(itself, LINK["id"]), LINK) is not None


def test_circle_beside_a_volatile_field() -> None:
    """A volatile field behind a circle of formulas is found."""
    first = a_formula("fldFormula0000002")
    second = a_formula("fldFormula0000001", LINK["id"], number=2)

    assert reason_for(first, second, LINK) is not None


class CountedField(dict[str, Any]):
    """A field that counts how often it is read, and fails if that is too often."""

    looks = 0

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """Count a read."""
        type(self).looks += 1
        assert self.looks < 20_000, "the fields are walked over and over"
        return super().__getitem__(key)


def test_formulas_over_many_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long chain of formulas that each use the two before takes few reads."""
    ladder = [a_formula(NAME["id"], number=number) for number in range(2)]
    for number in range(2, 60):
        ladder.append(a_formula(ladder[-1]["id"], ladder[-2]["id"], number=number))
    table = a_table(NAME, *ladder)
    counted: Any = tuple(CountedField(field) for field in table.fields)
    monkeypatch.setattr(CountedField, "looks", 0)
    object.__setattr__(table, "fields", counted)

    assert why_volatile(table, [ladder[-1]["id"]]) is None


@given(st.lists(fields(), max_size=6))
def test_any_table(generated: list[dict[str, Any]]) -> None:
    """Any description of fields gives a reason or None."""
    table = a_table(*generated)
    reason = why_volatile(table, [field["id"] for field in table.fields])

    assert reason is None or reason.endswith(")")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TableFilter(), None),
        (TableFilter(formula="{Company Name} = 'NOW()'"), None),
        (TableFilter(formula="LAST_MODIFIED_TIME() > '2026-01-01'"), None),
        (TableFilter("viwA"), "Airtable does not say what its view depends on"),
        (TableFilter("viwA", "TRUE()"), "Airtable does not say what its view depends on"),
        (
            TableFilter(formula="IS_BEFORE({Company Name}, today())"),
            "its formula depends on the time (TODAY)",
        ),
        (
            TableFilter(formula="{Company} = 1"),
            "the table has no field Company, which its formula names",
        ),
        (
            TableFilter(formula="{Orders} & {Company Name}"),
            "its formula reads Orders (multipleRecordLinks: a linked record may be deleted)",
        ),
    ],
)
def test_filter(wanted: TableFilter, expected: str | None) -> None:
    """A filter is volatile if a record can enter it without an edit, or if that is in doubt."""
    assert why_filter_volatile(replace(a_table(NAME, LINK), filter=wanted)) == expected


@pytest.mark.parametrize("function", ["NOW", "today", "FromNow ", "TONOW"])
def test_every_clock(function: str) -> None:
    """A formula with a function that depends on the time is volatile."""
    assert reason_for(a_formula(text=f"LEN({function}())")) is not None


@pytest.mark.parametrize("text", ["NOW()", "DATETIME_DIFF(TODAY (), {fldA}, 'days')", "now()"])
def test_clock(text: str) -> None:
    """A formula that asks for the time is driven by it, and so is one that uses the formula."""
    clock = a_formula(text=text, number=2)
    over = a_formula(clock["id"])

    table = a_table(NAME, over, clock)
    assert why_clock_driven(table, [NAME["id"], over["id"]]) == "Formula 1 (it depends on the time)"
    assert why_clock_driven(table, [clock["id"]]) == "Formula 2 (it depends on the time)"
    assert why_clock_driven(table, [NAME["id"]]) is None


@pytest.mark.parametrize(
    "field",
    [LINK, a_formula(LINK["id"]), a_formula(text="SNOWY(1)"), a_formula(GONE), a_field("rollup")],
    ids=["link", "formula over a link", "other name", "field that is gone", "rollup"],
)
def test_no_clock(field: dict[str, Any]) -> None:
    """What other records change, and what refers to nothing, is not driven by the time."""
    assert why_clock_driven(a_table(field, LINK), [field["id"], GONE]) is None


@given(st.lists(fields(), max_size=6))
def test_clock_in_any_table(generated: list[dict[str, Any]]) -> None:
    """Any description of fields gives a reason or None, and what the clock drives is volatile."""
    table = a_table(*generated)
    field_ids = [field["id"] for field in table.fields]

    reason = why_clock_driven(table, field_ids)

    assert reason is None or reason.endswith("(it depends on the time)")
    assert reason is None or why_volatile(table, field_ids) is not None
