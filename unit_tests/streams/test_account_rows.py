"""From rows to records: whatever a row holds, what is emitted fits the stream's JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from unit_tests.builders import an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from source_airtable.streams.account_streams import AccountStreamType

ROW_TYPES = st.sampled_from([*ACCOUNT_STREAMS.values()])


def write(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The data of a row's record, all columns selected."""
    stream = an_account_stream(name)
    return dict(RowWriter(name, stream.json_schema).to_record(row).data)


def test_record_of_a_row() -> None:
    """A record has all columns, what the row lacks is null, and what is no column is left out."""
    row = {"id": "appLkNDICXNqxSDhG", "name": "Sales CRM", "permissionLevel": "create"}

    assert write("bases", row) == {
        "id": "appLkNDICXNqxSDhG",
        "name": "Sales CRM",
        "permission_level": None,
    }


def test_stream_of_a_row() -> None:
    """A record is of the writer's stream."""
    writer = RowWriter("bases", an_account_stream("bases").json_schema)

    assert writer.to_record({}).stream_name == "bases"


def test_selected_columns() -> None:
    """Only the configured columns are emitted."""
    writer = RowWriter("bases", an_account_stream("bases", "name").json_schema)

    assert writer.to_record({"id": "appX", "name": "Sales CRM"}).data == {"name": "Sales CRM"}


@pytest.mark.parametrize("json_schema", [{}, {"properties": None}, {"properties": {"id": True}}])
def test_schema_without_columns(json_schema: dict[str, Any]) -> None:
    """A configured JSON schema of no use has no columns."""
    assert RowWriter("bases", json_schema).to_record({"id": "appX"}).data == {}


@pytest.mark.parametrize(
    ("column", "given_value", "expected"),
    [
        ("size", 7.0, 7),
        ("size", 7.5, None),
        ("size", "7", None),
        ("filename", {"a": 1}, '{"a":1}'),
        ("url_valid_until", "2026-11-18T10:00:00.000Z", "2026-11-18T10:00:00.000Z"),
        ("url_valid_until", "tomorrow", None),
    ],
)
def test_values_of_another_form(column: str, given_value: object, expected: object) -> None:
    """A value is made to fit without loss, or is null."""
    assert write("attachments", {column: given_value})[column] == expected


@given(ROW_TYPES, st.data())
def test_every_value_fits(row_type: AccountStreamType, data: st.DataObject) -> None:
    """Whatever Airtable sends beside the key, the record fits the stream's JSON schema."""
    keys = {
        name: st.integers(0, 9) if declared["type"] == "integer" else st.text(max_size=5)
        for name, declared in row_type.properties.items()
        if "null" not in declared["type"]
    }
    others = {name: JSON_VALUES for name in row_type.properties if name not in keys}
    row = data.draw(st.fixed_dictionaries(keys, optional={**others, "more": JSON_VALUES}))

    written = RowWriter(row_type.name, row_type.json_schema()).to_record(row).data

    assert nonconformities(written, row_type.json_schema()) == []
    assert set(written) == set(row_type.properties)
    assert {name: written[name] for name in keys} == {name: row[name] for name in keys}
