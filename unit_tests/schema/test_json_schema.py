"""The JSON schema of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from source_airtable.schema.json_schema import (
    ANNOTATION,
    build_json_schema,
    name_columns,
)
from source_airtable.schema.system_columns import DELETED_AT_COLUMN, PRIMARY_KEY
from source_airtable.schema.system_columns import SYSTEM_COLUMNS as ALL_SYSTEM_COLUMNS
from unit_tests.builders import BASE, TABLE, a_field, a_table
from unit_tests.field_type_samples import VARIANTS
from unit_tests.generated import FIELD_NAMES, JSON_VALUES, airtable_ids, fields

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema

SETTLED_OPTIONS = frozenset({"result", "isValid"})
"""The options that decide a column's type."""
NAME = a_field(description="As it is registered.")
SYSTEM_COLUMNS = [name for name in ALL_SYSTEM_COLUMNS if name != DELETED_AT_COLUMN]
DUE = a_field("count", field_id="fldgrx5mWw7ytnoll", name="Due Items")


@st.composite
def sampled_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Give a field like one of the samples, with an id of its own."""
    sample = draw(st.sampled_from(list(VARIANTS.values())))["field"]
    return {**sample, "id": draw(airtable_ids("fld"))}


def edits() -> st.SearchStrategy[dict[str, Any]]:
    """Give what people can edit of a field without changing its type."""
    choices = st.fixed_dictionaries({"id": st.text(), "name": st.text(), "color": st.text()})
    options = st.fixed_dictionaries(
        {},
        optional={
            "choices": st.lists(choices, max_size=3),
            "precision": st.integers(0, 8),
            "symbol": st.text(max_size=3),
            "formula": st.text(max_size=20),
            "referencedFieldIds": st.lists(airtable_ids("fld"), max_size=3),
            "dateFormat": st.fixed_dictionaries({"name": st.sampled_from(["iso", "us"])}),
            "timeZone": st.sampled_from(["utc", "client"]),
            "icon": st.sampled_from(["star", "heart"]),
            "max": st.integers(1, 10),
            "linkedTableId": airtable_ids("tbl"),
            "prefersSingleRecordLink": st.booleans(),
            "fieldIdInLinkedTable": airtable_ids("fld"),
        },
    ) | st.dictionaries(
        st.text(max_size=8).filter(lambda name: name not in SETTLED_OPTIONS), JSON_VALUES
    )
    return st.fixed_dictionaries(
        {"options": options}, optional={"name": FIELD_NAMES, "description": st.text() | st.none()}
    )


def edited(field: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    """Edit a field, and the options of its result where it is computed."""
    options = {**(field.get("options") or {}), **edit["options"]}
    if isinstance(options.get("result"), dict):
        options["result"] = edited(options["result"], {"options": edit["options"]})
    return {**field, **edit, "options": options}


def nodes_by_field_id(table: TableSchema) -> dict[str, Any]:
    """The nodes of a table's columns by field id, whatever the columns are called."""
    properties = build_json_schema(table)["properties"].values()
    return {node[ANNOTATION]["field_id"]: node for node in properties if ANNOTATION in node}


def test_stream_carries_its_ids() -> None:
    """The stream's schema says which table it is of, for the day on which it is renamed."""
    json_schema = build_json_schema(a_table(NAME))

    assert json_schema[ANNOTATION] == {"base_id": BASE, "table_id": TABLE}


def test_columns_are_system_columns_and_fields() -> None:
    """System columns come first, then fields in Airtable's order."""
    json_schema = build_json_schema(a_table(DUE, NAME))

    assert list(json_schema["properties"]) == [*SYSTEM_COLUMNS, "due_items", "company_name"]


def test_column_of_deletions() -> None:
    """If asked for, there is a column that says when a record was found to be deleted."""
    json_schema = build_json_schema(a_table(NAME), with_tombstones=True)

    assert list(json_schema["properties"]) == [*ALL_SYSTEM_COLUMNS, "company_name"]
    assert json_schema["properties"][DELETED_AT_COLUMN]["type"] == ["null", "string"]
    assert json_schema["properties"][DELETED_AT_COLUMN]["format"] == "date-time"


def test_column_of_a_field() -> None:
    """A column has its field's type and id, and no text that people edit."""
    json_schema = build_json_schema(a_table(NAME))

    assert json_schema["properties"]["company_name"] == {
        "type": ["null", "string"],
        "x-airtable": {"field_id": "fld1VnoyuotSTyxW1"},
    }


def test_column_of_names() -> None:
    """If asked for, a field of links has a second column behind the first, marked as such."""
    orders = a_field("multipleRecordLinks", field_id="fldLz7K2GWznfGAxw", name="Orders")
    plain = build_json_schema(a_table(orders, NAME))["properties"]
    properties = build_json_schema(a_table(orders, NAME), with_link_names=True)["properties"]

    assert list(properties) == [*SYSTEM_COLUMNS, "orders", "orders_names", "company_name"]
    assert properties.pop("orders_names") == {
        "type": ["null", "array"],
        "items": {"type": ["null", "string"]},
        "x-airtable": {"names_of": "fldLz7K2GWznfGAxw"},
    }
    assert properties == plain


def test_column_of_names_by_field_ids() -> None:
    """With columns named by ids, the column of names has the id of the field and the ending."""
    orders = a_field("multipleRecordLinks", field_id="fldLz7K2GWznfGAxw", name="Orders")
    json_schema = build_json_schema(a_table(orders), by_field_id=True, with_link_names=True)

    assert list(json_schema["properties"])[-2:] == [orders["id"], f"{orders['id']}_names"]


def test_lookup_of_links_has_no_names() -> None:
    """Only fields of links have a column of names; a lookup of links has ids alone."""
    options = {"isValid": True, "result": {"type": "multipleRecordLinks"}}
    lookup = a_field("multipleLookupValues", options=options)

    assert build_json_schema(a_table(lookup), with_link_names=True) == build_json_schema(
        a_table(lookup)
    )


def test_description_of_a_stream() -> None:
    """The top of the schema names table and base, and where the columns are described."""
    assert build_json_schema(a_table(NAME))["description"] == (
        "The table Contacts of the base Sales CRM. The stream fields describes its columns."
    )


@settings(deadline=None, max_examples=150)
@given(before=sampled_fields(), edit=edits())
def test_edits_leave_a_column_as_it_is(before: dict[str, Any], edit: dict[str, Any]) -> None:
    """A column's node stays equal through every edit of its field that does not change the type."""
    after = edited(before, edit)

    assert nodes_by_field_id(a_table(after)) == nodes_by_field_id(a_table(before))


@settings(deadline=None, max_examples=50)
@given(before=st.lists(sampled_fields(), max_size=4), edit=edits())
def test_edits_leave_columns_named_by_ids_as_they_are(
    before: list[dict[str, Any]], edit: dict[str, Any]
) -> None:
    """With columns named by field ids, no edit of fields, table or base changes any column."""
    after = [edited(field, edit) for field in before]
    old = build_json_schema(a_table(*before), by_field_id=True)
    new = build_json_schema(a_table(*after, name="Renamed", description="New"), by_field_id=True)

    assert new["properties"] == old["properties"]


@pytest.mark.parametrize("field_type", ["email", "multilineText", "singleSelect"])
def test_same_type_of_column_leaves_it_as_it_is(field_type: str) -> None:
    """A field that changes to another type with the same type of column keeps its node."""
    before = nodes_by_field_id(a_table(NAME))

    assert nodes_by_field_id(a_table({**NAME, "type": field_type})) == before


@pytest.mark.parametrize("field_type", ["number", "checkbox", "multipleSelects", "date"])
def test_new_type_changes_a_column(field_type: str) -> None:
    """A field of another type has another node."""
    before = nodes_by_field_id(a_table(NAME))

    assert nodes_by_field_id(a_table({**NAME, "type": field_type})) != before


def test_columns_named_by_field_ids() -> None:
    """If asked for, columns are called by field ids, which no rename changes."""
    json_schema = build_json_schema(a_table(NAME, DUE), by_field_id=True)

    assert list(json_schema["properties"]) == [*SYSTEM_COLUMNS, NAME["id"], DUE["id"]]


def test_names_by_field_id() -> None:
    """Columns are named by field id, whichever way they are called."""
    table = a_table(NAME, DUE)

    assert (name_columns(table), name_columns(table, by_field_id=True)) == (
        {NAME["id"]: "company_name", DUE["id"]: "due_items"},
        {NAME["id"]: NAME["id"], DUE["id"]: DUE["id"]},
    )


def test_primary_key_is_never_null() -> None:
    """The primary key is the record's id, which each record has."""
    json_schema = build_json_schema(a_table(NAME))

    assert json_schema["properties"][PRIMARY_KEY]["type"] == "string"


def test_table_without_fields() -> None:
    """A table without fields is a stream of the system columns."""
    assert list(build_json_schema(a_table())["properties"]) == SYSTEM_COLUMNS


def test_schemas_share_nothing_that_may_be_changed() -> None:
    """Adding a column to one stream's schema leaves the other streams' alone."""
    build_json_schema(a_table(NAME))["properties"]["added"] = {}

    assert "added" not in build_json_schema(a_table(NAME))["properties"]


def test_unselected_field_names_do_not_take_system_columns() -> None:
    """A field called like a system column has one of its own beside it."""
    json_schema = build_json_schema(a_table(a_field(name="_airtable_id")))

    assert {"_airtable_id", "_airtable_id_fld1VnoyuotSTyxW1"} <= set(json_schema["properties"])


@settings(deadline=None, max_examples=60)
@given(generated=st.lists(fields(), max_size=6), by_field_id=st.booleans())
def test_any_table_has_a_valid_schema(
    generated: list[dict[str, Any]], *, by_field_id: bool
) -> None:
    """Whatever Airtable says of fields, the stream has a valid schema with a column for each."""
    table = a_table(*generated)
    json_schema = build_json_schema(table, by_field_id=by_field_id)
    Draft7Validator.check_schema(json_schema)

    assert len(json_schema["properties"]) == len(SYSTEM_COLUMNS) + len(table.fields)
