"""What the schema shows after a scan was refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    BaseNotFoundError,
    MissingScopeError,
    TableNotFoundError,
)
from source_airtable.schema.table_filter import TableFilter
from source_airtable.sync.table_access import explain_denial, present_table
from unit_tests.builders import BASE, NAME_FIELD, TABLE, a_table_schema, a_text_table
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from source_airtable.api.wire_types import TableDict

DENIED = AccessDeniedError(status=403, base=BASE, table=TABLE)


def test_present_table() -> None:
    """A table is found by its id, with the fields that it has now."""
    client = FakeClient(
        schemas={BASE: [a_text_table("tblOther"), a_text_table(fields={NAME_FIELD: "Full name"})]}
    )

    table = present_table(client.as_client(), a_table_schema())

    assert table is not None
    assert [field["name"] for field in table.fields] == ["Full name"]
    assert table.base_name == "Sales CRM"


def test_filter_of_a_present_table() -> None:
    """A table that is looked up again keeps its filter."""
    client = FakeClient(schemas={BASE: [a_text_table()]})
    filtered = replace(a_table_schema(), filter=TableFilter("viwA", "TRUE()"))

    table = present_table(client.as_client(), filtered)

    assert table is not None
    assert table.filter == filtered.filter


@pytest.mark.parametrize("tables", [[], [a_text_table("tblOther")]])
def test_table_that_is_gone(tables: list[TableDict]) -> None:
    """A table that its base does not have any more is none."""
    client = FakeClient(schemas={BASE: tables})

    assert present_table(client.as_client(), a_table_schema()) is None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (AccessDeniedError(status=403), BaseNotFoundError),
        ([], TableNotFoundError),
        ([a_text_table("tblOther")], TableNotFoundError),
        ([a_text_table()], MissingScopeError),
        (AirtableUnavailableError(status=503), AccessDeniedError),
    ],
    ids=["base gone", "no table", "table gone", "scope missing", "unknown"],
)
def test_denial(schema: list[TableDict] | AirtableError, expected: type[AirtableError]) -> None:
    """A denial is explained by what the schema shows at that moment."""
    client = FakeClient(schemas={BASE: schema})

    explained = explain_denial(client.as_client(), a_table_schema(), DENIED)

    assert type(explained) is expected
    assert (explained.facts["base"], explained.facts["table"]) == (BASE, TABLE)


def test_missing_scope() -> None:
    """The error names the scope, the base and the table."""
    client = FakeClient(schemas={BASE: [a_text_table()]})

    explained = explain_denial(client.as_client(), a_table_schema(), DENIED)

    assert explained.facts == {
        "scope": "data.records:read",
        "status": 403,
        "base": BASE,
        "table": TABLE,
        "base_name": "Sales CRM",
        "table_name": "Contacts",
    }
