"""Tables are read as far as Airtable describes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from source_airtable.schema.field_types import json_schema_of
from source_airtable.schema.table_schema import parse_table
from unit_tests.builders import BASE, TABLE, a_field, a_table, a_table_answer, ids
from unit_tests.field_type_samples import VARIANTS
from unit_tests.generated import JSON_VALUES

NAME = a_field()
EMAIL = a_field("email", field_id="fldE7HaB2vir3yxCY", name="E-mail")


def test_table_is_known_by_both_ids() -> None:
    """A table is identified by its base's id and its own, since copies of bases keep the latter."""
    assert a_table(NAME).key == (BASE, TABLE)


def test_names_are_airtables() -> None:
    """Base and table have the names that Airtable gives."""
    table = a_table(NAME)

    assert (table.base_name, table.table_name) == ("Sales CRM", "Contacts")


def test_fields_keep_their_order() -> None:
    """Fields come in Airtable's order."""
    assert ids(a_table(EMAIL, NAME).fields) == [EMAIL["id"], NAME["id"]]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_field_keeps_what_decides_its_column(variant: dict[str, Any]) -> None:
    """Of a field's options at least those are kept that decide its column."""
    (field,) = a_table(variant["field"]).fields

    assert variant["json_schema"] == json_schema_of(field)


def options_of(**options: object) -> Any:  # noqa: ANN401 - JSON
    """What is kept of a field's options."""
    (field,) = a_table({**NAME, "type": "formula", "options": options}).fields
    return field.get("options")


@pytest.mark.parametrize(
    "option",
    [
        "isValid",
        "formula",
        "linkedTableId",
        "recordLinkFieldId",
        "fieldIdInLinkedTable",
    ],
)
def test_field_keeps_what_its_cells_are_computed_from(option: str) -> None:
    """Options that decide the cells are kept as they are."""
    assert options_of(**{option: "as it is"}) == {option: "as it is"}


def test_field_keeps_no_appearance() -> None:
    """Options that decide nothing are left out; a field without others has none."""
    assert options_of(precision=2, icon="star", color="red", timeZone="client") is None


def test_field_keeps_its_choices() -> None:
    """Of choices, id and name are kept, in Airtable's order; what is no choice is left out."""
    choices = [{"id": "selB", "name": "b", "color": "red"}, "odd", {"name": "a"}, None]

    assert options_of(choices=choices) == {"choices": [["selB", "b"], [None, "a"]]}


@pytest.mark.parametrize("choices", [None, {}, "a", 7])
def test_choices_that_are_no_list(choices: object) -> None:
    """Choices that are no list are none."""
    assert options_of(choices=choices) is None


def test_field_keeps_its_result() -> None:
    """Of a result, type and deciding options are kept, however deep results lie in results."""
    select = {"type": "singleSelect", "options": {"choices": [{"id": "selA", "name": "a"}]}}
    lookup = {"type": "multipleLookupValues", "options": {"precision": 2, "result": select}}

    assert options_of(result=lookup) == {
        "result": {
            "type": "multipleLookupValues",
            "options": {
                "result": {"type": "singleSelect", "options": {"choices": [["selA", "a"]]}}
            },
        }
    }


@pytest.mark.parametrize("result", [None, [], "number"])
def test_result_that_is_no_object(result: object) -> None:
    """A result that is no object is none."""
    assert options_of(result=result) is None


def test_references_are_in_one_order() -> None:
    """What a field is computed from is a set, which Airtable lists in any order."""
    assert options_of(referencedFieldIds=["fldB", "fldA"]) == {
        "referencedFieldIds": ["fldA", "fldB"]
    }


@pytest.mark.parametrize("referenced", [None, [], "fldA"])
def test_references_of_another_form(referenced: object) -> None:
    """References that are null, or none, or no list, are told apart."""
    assert options_of(referencedFieldIds=referenced) == {"referencedFieldIds": referenced}


@pytest.mark.parametrize("options", [[], "number", 7])
def test_options_of_another_form(options: object) -> None:
    """Options that are no object are none."""
    (field,) = a_table({**NAME, "options": options}).fields

    assert field.get("options") is None


def test_field_keeps_its_description() -> None:
    """A field has the words that Airtable gives it."""
    (field,) = a_table({**NAME, "description": "As it is registered."}).fields

    assert field["description"] == "As it is registered."


@pytest.mark.parametrize("options", [{}, {"options": None}], ids=["missing", "null"])
def test_field_without_options(options: dict[str, object]) -> None:
    """A field whose options are missing or null has none."""
    (field,) = a_table({**NAME, **options}).fields

    assert field.get("options") is None


def test_primary_field() -> None:
    """The primary field is known by its id."""
    assert a_table(EMAIL, NAME, primaryFieldId=NAME["id"]).primary_field_id == NAME["id"]


@pytest.mark.parametrize("primary", ["fldGone0000000000", None])
def test_primary_field_that_is_not_among_the_fields(primary: object) -> None:
    """A primary field that the table does not list is none."""
    assert a_table(NAME, primaryFieldId=primary).primary_field_id is None


@pytest.mark.parametrize("table_id", [None, 7, ["tblltp8DGLhqbUmjK"]])
def test_table_without_an_id(table_id: object) -> None:
    """A table without an id is none, since nothing could ask for its records."""
    answer: Any = a_table_answer(NAME, id=table_id)

    assert parse_table({"id": BASE}, answer) is None


@pytest.mark.parametrize("name", [None, ""])
def test_base_and_table_without_a_name(name: Any) -> None:  # noqa: ANN401 - malformed
    """Without names, base and table are called by their ids."""
    answer: Any = a_table_answer(NAME, name=name)
    table = parse_table({"id": BASE, "name": name}, answer)

    assert table is not None
    assert (table.base_name, table.table_name) == (BASE, TABLE)


@pytest.mark.parametrize("fields", [None, {}, "fields", 7])
def test_fields_that_are_no_list(fields: object) -> None:
    """A table without a list of fields has none."""
    assert a_table(fields=fields).fields == ()


@pytest.mark.parametrize("field", [None, [], "fldE7HaB2vir3yxCY", {}, {"id": None}, {"id": 7}])
def test_malformed_field_is_left_out(field: object) -> None:
    """A field that cannot be asked for is left out, the others stay."""
    table = a_table(fields=[field, NAME])

    assert ids(table.fields) == [NAME["id"]]


@pytest.mark.parametrize("name", [None, ""])
def test_field_without_a_name(name: object) -> None:
    """A field without a name is called by its id."""
    (field,) = a_table({**NAME, "name": name}).fields

    assert field["name"] == NAME["id"]


@pytest.mark.parametrize("field_type", [None, ""])
def test_field_without_a_type(field_type: object) -> None:
    """A field without a type is of an unknown one."""
    (field,) = a_table({**NAME, "type": field_type}).fields

    assert field["type"] == "unknown"


def test_second_field_of_the_same_id() -> None:
    """A field that is listed twice is one field."""
    table = a_table(NAME, {**NAME, "name": "Again"})

    assert [field["name"] for field in table.fields] == ["Company Name"]


@settings(deadline=None, max_examples=60)
@given(name=JSON_VALUES, fields=JSON_VALUES, primary=JSON_VALUES)
def test_any_answer_is_read(name: object, fields: object, primary: object) -> None:
    """Whatever JSON Airtable sends for a table with an id, it is a table."""
    table = a_table(name=name, fields=fields, primaryFieldId=primary)

    assert (table.table_id, type(table.table_name)) == (TABLE, str)


@pytest.mark.parametrize("keep", [True, False])
def test_table_as_declared(*, keep: bool) -> None:
    """The table as Airtable describes it is kept whole, where somebody asks for it."""
    answer: Any = a_table_answer(a_field(options={"color": "blue"}), description="People")

    table = parse_table({"id": BASE, "name": "Sales CRM"}, answer, keep_declared=keep)

    assert table is not None
    assert table.declared == (answer if keep else None)
