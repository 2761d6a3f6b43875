"""The digest of columns shows edits that can change cells, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.records import RecordConverter
from source_airtable.schema.fingerprint import (
    find_sources,
    fingerprint_columns,
    has_changed,
    has_filter_changed,
)
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.table_filter import TableFilter
from unit_tests.builders import a_field, a_table
from unit_tests.generated import JSON_VALUES, airtable_ids, fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.schema.table_schema import TableSchema

OPEN = {"id": "selOpen0000000001", "name": "Open", "color": "blueLight2"}
DONE = {"id": "selDone0000000001", "name": "Done", "color": "greenLight2"}
LATE = {"id": "selLate0000000001", "name": "Late", "color": "redLight2"}
SELECT = {"type": "singleSelect", "options": {"choices": [OPEN, DONE]}}
NAME = a_field()
PRICE = a_field("number", field_id="fldPrice000000001", name="Price", options={"precision": 2})
STATUS = a_field(
    "singleSelect", field_id="fldStatus00000001", name="Status", options=SELECT["options"]
)
TOTAL = a_field(
    "formula",
    field_id="fldTotal000000001",
    name="Total",
    options={
        "isValid": True,
        "formula": "{fldPrice000000001}*2",
        "referencedFieldIds": ["fldPrice000000001", "fldStatus00000001"],
        "result": {"type": "number", "options": {"precision": 2}},
    },
)
LOOKUP = a_field(
    "multipleLookupValues",
    field_id="fldLookup00000001",
    name="Statuses",
    options={
        "isValid": True,
        "recordLinkFieldId": "fldLink0000000001",
        "fieldIdInLinkedTable": "fldStatus00000001",
        "result": SELECT,
    },
)
WHOLE = (NAME, PRICE, STATUS, TOTAL, LOOKUP)


def with_options(field: Mapping[str, Any], **options: object) -> dict[str, Any]:
    """A field with some of its options replaced."""
    return {**field, "options": {**field["options"], **options}}


def with_choices(field: Mapping[str, Any], *choices: object) -> dict[str, Any]:
    """A field with other choices, its own or those of its result."""
    if "result" in field["options"]:
        return with_options(
            field, result={"type": "singleSelect", "options": {"choices": list(choices)}}
        )
    return with_options(field, choices=list(choices))


def digest_of(
    *given_fields: Mapping[str, Any],
    without: tuple[str, ...] = (),
    changed: Mapping[str, Any] | None = None,
) -> str:
    """The digest of a table's columns, some not selected or configured otherwise."""
    table = a_table(*given_fields)
    json_schema = build_json_schema(table)
    properties = {n: part for n, part in json_schema["properties"].items() if n not in without}
    properties |= changed or {}
    return digest_of_columns(table, {**json_schema, "properties": properties})


def columns_of(table: TableSchema, json_schema: Mapping[str, Any]) -> list[Any]:
    """Name, field id and schema of the columns that a catalog has of a table."""
    columns = RecordConverter.for_table(table, json_schema).columns
    return [(column.name, column.field["id"], column.json_schema) for column in columns]


def digest_of_columns(table: TableSchema, json_schema: Mapping[str, Any]) -> str:
    """The digest of what a catalog has of a table."""
    return fingerprint_columns(table, columns_of(table, json_schema))


BEFORE = digest_of(*WHOLE)


def replaced(field: Mapping[str, Any], **others: object) -> tuple[Mapping[str, Any], ...]:
    """The whole table with one field changed."""
    field = {**field, **others}
    return tuple(field if one["id"] == field["id"] else one for one in WHOLE)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param((*WHOLE, {**TOTAL, "id": "fldNew00000000001", "name": "New"}), id="computed"),
        pytest.param((*WHOLE, a_field(field_id="fldNew00000000001", name="New")), id="plain"),
        pytest.param(replaced(with_options(TOTAL, formula="{fldPrice000000001}*3")), id="formula"),
        pytest.param(replaced(with_options(TOTAL, isValid=False)), id="formula that broke"),
        pytest.param(replaced(with_options(TOTAL, result={"type": "percent"})), id="result"),
        pytest.param(
            replaced(with_options(TOTAL, referencedFieldIds=["fldPrice000000001"])), id="references"
        ),
        pytest.param(replaced(PRICE, type="currency"), id="retyped, column alike"),
        pytest.param(replaced(PRICE, type="singleLineText"), id="retyped, column another"),
        pytest.param(
            replaced(with_options(LOOKUP, fieldIdInLinkedTable="fldName0000000001")),
            id="looked up field",
        ),
        pytest.param(
            replaced(with_options(LOOKUP, recordLinkFieldId="fldLink0000000002")), id="link"
        ),
        pytest.param(
            replaced(with_choices(STATUS, {**OPEN, "name": "To do"}, DONE)), id="renamed choice"
        ),
        pytest.param(replaced(with_choices(STATUS, OPEN)), id="deleted choice"),
        pytest.param(replaced(PRICE, name="Cost"), id="field whose column got another name"),
        pytest.param(replaced(with_choices(STATUS, OPEN, LATE)), id="replaced choice"),
        pytest.param(
            replaced(with_choices(STATUS, {**OPEN, "name": "Done"}, {**DONE, "name": "Open"})),
            id="choices that swapped names",
        ),
        pytest.param(
            replaced(with_choices(LOOKUP, {**OPEN, "name": "To do"}, DONE)),
            id="renamed choice of a lookup",
        ),
        pytest.param(replaced(with_choices(LOOKUP, DONE)), id="deleted choice of a lookup"),
    ],
)
def test_change(after: tuple[Mapping[str, Any], ...]) -> None:
    """A new column, or a new definition of one, is a change."""
    assert has_changed(BEFORE, digest_of(*after))


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(WHOLE[::-1], id="reordered fields"),
        pytest.param(replaced(PRICE, description="Net."), id="description"),
        pytest.param(replaced(with_choices(STATUS, OPEN, DONE, LATE)), id="added choice"),
        pytest.param(replaced(with_choices(LOOKUP, OPEN, DONE, LATE)), id="added to a lookup"),
        pytest.param(replaced(with_choices(STATUS, DONE, OPEN)), id="reordered choices"),
        pytest.param(
            replaced(with_choices(STATUS, {**OPEN, "color": "redLight2"}, DONE)), id="colour"
        ),
        pytest.param(replaced(with_options(PRICE, precision=0)), id="format"),
        pytest.param(
            replaced(with_options(TOTAL, result={"type": "number", "options": {"precision": 0}})),
            id="format of a result",
        ),
        pytest.param(
            replaced(
                with_options(TOTAL, referencedFieldIds=["fldStatus00000001", "fldPrice000000001"])
            ),
            id="references in another order",
        ),
        pytest.param(WHOLE[1:], id="deleted field"),
        pytest.param(WHOLE, id="nothing"),
    ],
)
def test_no_change(after: tuple[Mapping[str, Any], ...]) -> None:
    """An edit that cannot change a cell is no change."""
    assert not has_changed(BEFORE, digest_of(*after))


def test_choice_of_a_formula() -> None:
    """A formula may result in choices. A renamed choice is a change, an added one is not."""
    formula = with_options(TOTAL, result=SELECT)
    before = digest_of(formula)

    assert not has_changed(before, digest_of(with_choices(formula, OPEN, DONE, LATE)))
    assert has_changed(before, digest_of(with_choices(formula, {**OPEN, "name": "To do"}, DONE)))


def test_choice_added_and_renamed_later() -> None:
    """The digest includes an added choice, so renaming it later is a change."""
    before = digest_of(with_choices(STATUS, OPEN, LATE))

    assert has_changed(before, digest_of(with_choices(STATUS, OPEN, {**LATE, "name": "Overdue"})))


def test_deselected_column() -> None:
    """A column that is deselected is no change."""
    assert not has_changed(BEFORE, digest_of(*WHOLE, without=("price",)))


def test_newly_selected_column() -> None:
    """A column that is selected again is a change, because earlier records lack it."""
    assert has_changed(digest_of(*WHOLE, without=("price",)), BEFORE)


def test_renamed_field() -> None:
    """A renamed field is no change as long as its column keeps its name."""
    table = a_table(*replaced(PRICE, name="Cost"))

    assert not has_changed(BEFORE, digest_of_columns(table, build_json_schema(a_table(*WHOLE))))


@pytest.mark.parametrize(
    "changed",
    [
        with_options(TOTAL, formula="{fldPrice000000001}*3"),
        {**PRICE, "type": "percent"},
    ],
    ids=["formula", "type"],
)
def test_change_behind_a_formula(changed: Mapping[str, Any]) -> None:
    """An edit of a field that a formula uses is a change, even if that field is not selected."""
    double = a_field(
        "formula",
        field_id="fldDouble00000001",
        name="Double",
        options={**TOTAL["options"], "referencedFieldIds": [TOTAL["id"]]},
    )
    hidden = ("name", "price", "status", "total", "statuses")
    before = digest_of(*WHOLE, double, without=hidden)
    after = digest_of(*replaced(changed), double, without=hidden)

    assert has_changed(before, after)


def test_configured_type() -> None:
    """A column with another type in the catalog is a change, because its values differ."""
    assert has_changed(
        BEFORE,
        digest_of(*WHOLE, changed={"price": {"type": ["null", "string"]}}),
    )


def test_words_of_a_configured_column() -> None:
    """Description and annotation of a configured column are no change."""
    bare = {"type": ["null", "number"]}
    told = {**bare, "description": "Net.", "x-airtable": {"field_id": PRICE["id"], "type": "n"}}

    table = a_table(PRICE)

    assert fingerprint_columns(table, [("price", PRICE["id"], bare)]) == fingerprint_columns(
        table, [("price", PRICE["id"], told)]
    )


def test_shape() -> None:
    """The digest has eight digits for each column and six for each choice."""
    assert len(digest_of(NAME, STATUS)) == 8 + 1 + 8 + 1 + 2 * 6


def test_no_columns() -> None:
    """A stream with only system columns has an empty digest, which never changes."""
    assert (digest_of(), has_changed(BEFORE, "")) == ("", False)


@given(st.lists(fields(), max_size=5, unique_by=lambda field: field["id"]), st.randoms())
def test_order_says_nothing(generated: list[dict[str, Any]], randomness: Any) -> None:  # noqa: ANN401 - of hypothesis
    """The digest is the same in any order of the columns."""
    table = a_table(*generated)
    columns = columns_of(table, build_json_schema(table))
    shuffled = randomness.sample(columns, len(columns))

    assert fingerprint_columns(table, shuffled) == fingerprint_columns(table, columns)


@given(st.lists(fields(), max_size=5, unique_by=lambda field: field["id"]))
def test_same_table(generated: list[dict[str, Any]]) -> None:
    """No table differs from itself."""
    digest = digest_of(*generated)

    assert not has_changed(digest, digest_of(*generated))


@given(airtable_ids("fld"), st.text(max_size=9), JSON_VALUES, JSON_VALUES)
def test_any_options(
    field_id: str,
    field_type: str,
    options: Any,  # noqa: ANN401 - JSON
    choices: Any,  # noqa: ANN401 - JSON
) -> None:
    """Any description of a field has a digest."""
    field: Any = {"id": field_id, "type": field_type, "options": options}
    select: Any = {"id": field_id, "type": field_type, "options": {"choices": choices}}

    assert fingerprint_columns(a_table(field), [("column", field_id, {})])
    assert fingerprint_columns(a_table(select), [("column", field_id, {})])


@given(st.text(), st.text())
def test_any_saved_digest(old: str, new: str) -> None:
    """Any text in a state can be compared, and no text differs from itself."""
    assert has_changed(old, new) in (True, False)
    assert not has_changed(old, old)


def digest_with(view: str | None = None, formula: str | None = None, *fields: Any) -> str:  # noqa: ANN401 - fields of the wire
    """The digest of a filtered table without columns."""
    table = replace(a_table(*(fields or WHOLE)), filter=TableFilter(view, formula))
    return fingerprint_columns(table, [], {})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (BEFORE, digest_with(), False),
        ("", digest_with(), False),
        (BEFORE, digest_with("viwA"), True),
        (digest_with("viwA"), BEFORE, True),
        (digest_with("viwA"), digest_with("viwA"), False),
        (digest_with("viwA"), digest_with("viwB"), True),
        (digest_with("viwA"), digest_with("viwA", "TRUE()"), True),
        (digest_with(None, "TRUE()"), digest_with(None, "TRUE( )"), True),
    ],
)
def test_changed_filter(old: str, new: str, expected: bool) -> None:  # noqa: FBT001 - a case
    """A filter that came, went or changed is noticed; a fingerprint without one has none."""
    assert has_filter_changed(old, new) is expected


def test_change_of_a_field_that_a_filter_reads() -> None:
    """A filter's field counts like a column: other definitions and choices are a change."""
    formula = "{Status} = 'Open'"
    before = digest_with(None, formula, STATUS)
    added = digest_with(None, formula, with_choices(STATUS, OPEN, DONE, LATE))
    renamed = digest_with(None, formula, with_choices(STATUS, {**OPEN, "name": "To do"}, DONE))

    assert not has_changed(before, digest_with(None, formula, STATUS, PRICE))
    assert not has_changed(before, added)
    assert has_changed(before, renamed)
    assert not has_filter_changed(before, renamed)


def test_fingerprint_that_was_dropped() -> None:
    """After a failed sync, which drops the fingerprint, even a stream without columns is read."""
    assert has_changed("", digest_with())
    assert not has_changed("", "")


def sources_of(*field_ids: str, table: tuple[Mapping[str, Any], ...] = WHOLE) -> list[str]:
    """The ids of the fields that some are made of."""
    fields_by_id: Any = {field["id"]: field for field in table}
    return [str(field["id"]) for field in find_sources(field_ids, fields_by_id)]


def test_sources() -> None:
    """A field is its own source; a formula has those that it uses, too, each once."""
    assert sources_of(PRICE["id"]) == [PRICE["id"]]
    assert sources_of(TOTAL["id"], PRICE["id"]) == sorted([TOTAL["id"], PRICE["id"], STATUS["id"]])
    assert sources_of(LOOKUP["id"]) == [LOOKUP["id"]]
    assert sources_of() == sources_of("fldGone0000000001") == []


def test_sources_in_a_circle() -> None:
    """Formulas that use each other have the same sources."""
    first, second = (
        a_field("formula", field_id=one, name=one, options={"referencedFieldIds": [other]})
        for one, other in (("fldA", "fldB"), ("fldB", "fldA"))
    )

    assert sources_of("fldA", table=(first, second)) == ["fldA", "fldB"]
    assert sources_of("fldB", table=(first, second)) == ["fldA", "fldB"]
