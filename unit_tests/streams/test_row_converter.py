"""Whatever a row holds, what is emitted fits the stream's JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.row_converter import RowConverter
from unit_tests.builders import an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from source_airtable.streams.account_stream import AccountStream

STREAMS = [an_account_stream(name) for name in ACCOUNT_STREAMS]


def convert(name: str, row: dict[str, Any], *columns: str) -> dict[str, Any]:
    """The data of a row's record."""
    return an_account_stream(name, *columns).row_converter.convert(row)


def test_row() -> None:
    """A row has all columns; a missing value is null, and what has no column is left out."""
    row = {"id": "appLkNDICXNqxSDhG", "name": "Sales CRM", "permissionLevel": "create"}

    assert convert("bases", row) == {
        "id": "appLkNDICXNqxSDhG",
        "name": "Sales CRM",
        "permission_level": None,
    }


def test_selected_columns() -> None:
    """A row has the configured columns only."""
    assert convert("bases", {"id": "appX", "name": "Sales CRM"}, "name") == {"name": "Sales CRM"}


@pytest.mark.parametrize("json_schema", [{}, {"properties": None}, {"properties": {"id": True}}])
def test_schema_without_columns(json_schema: dict[str, Any]) -> None:
    """A configured JSON schema of no use has no columns."""
    assert RowConverter(json_schema).convert({"id": "appX"}) == {}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("size", 7.0, 7),
        ("size", 7.5, None),
        ("size", "7", None),
        ("filename", {"a": 1}, '{"a":1}'),
        ("url_valid_until", "2026-11-18T10:00:00.000Z", "2026-11-18T10:00:00.000Z"),
        ("url_valid_until", "tomorrow", None),
    ],
)
def test_values_of_another_form(column: str, value: object, expected: object) -> None:
    """A value is made to fit without loss, or is null."""
    assert convert("attachments", {column: value})[column] == expected


@given(st.sampled_from(STREAMS), st.data())
def test_every_value_fits(stream: AccountStream, data: st.DataObject) -> None:
    """Whatever Airtable sends beside the key, the row fits the stream's JSON schema."""
    properties = stream.get_json_schema()["properties"]
    keys = {
        name: st.integers(0, 9) if declared["type"] == "integer" else st.text(max_size=5)
        for name, declared in properties.items()
        if "null" not in declared["type"]
    }
    others = {name: JSON_VALUES for name in properties if name not in keys}
    row = data.draw(st.fixed_dictionaries(keys, optional={**others, "more": JSON_VALUES}))

    converted = stream.row_converter.convert(row)

    assert nonconformities(converted, stream.get_json_schema()) == []
    assert set(converted) == set(properties)
    assert {name: converted[name] for name in keys} == {name: row[name] for name in keys}
