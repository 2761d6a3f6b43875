"""The JSON schema of a stream."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from source_airtable.schema.json_schema import (
    ANNOTATION,
    PRIMARY_KEY,
    build_json_schema,
    name_columns,
)
from source_airtable.schema.names import DELETED_AT_COLUMN
from source_airtable.schema.names import SYSTEM_COLUMNS as SYSTEM_COLUMNS_AND_TOMBSTONES
from unit_tests.builders import BASE, TABLE, a_field, a_table
from unit_tests.generated import fields

NAME = a_field(description="As it is registered.")
SYSTEM_COLUMNS = [name for name in SYSTEM_COLUMNS_AND_TOMBSTONES if name != DELETED_AT_COLUMN]
DUE = a_field("count", field_id="fldgrx5mWw7ytnoll", name="Due Items")


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

    assert list(json_schema["properties"]) == [*SYSTEM_COLUMNS_AND_TOMBSTONES, "company_name"]
    assert json_schema["properties"][DELETED_AT_COLUMN]["type"] == ["null", "string"]
    assert json_schema["properties"][DELETED_AT_COLUMN]["format"] == "date-time"


def test_column_of_a_field() -> None:
    """A column has its field's type, id and words."""
    json_schema = build_json_schema(a_table(NAME))

    assert json_schema["properties"]["company_name"] == {
        "type": ["null", "string"],
        "description": "Company Name (singleLineText, fld1VnoyuotSTyxW1). As it is registered.",
        "x-airtable": {"field_id": "fld1VnoyuotSTyxW1", "type": "singleLineText"},
    }


@pytest.mark.parametrize("description", [None, "", 7, ["As it is registered."]])
def test_field_without_a_description(description: object) -> None:
    """Without words of its own, a column's description tells where it comes from."""
    json_schema = build_json_schema(a_table({**NAME, "description": description}))

    told = json_schema["properties"]["company_name"]["description"]

    assert told == "Company Name (singleLineText, fld1VnoyuotSTyxW1)"


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
