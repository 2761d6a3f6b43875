"""A filter of the user that cannot be used is told from one of the connector's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    ContractError,
    OffsetExpiredError,
    SchemaChangedError,
    TableFilterError,
)
from source_airtable.schema.filter_refusal import (
    raise_for_problem,
    raise_for_refusal,
    try_filter,
)
from source_airtable.schema.table_filter import NO_FILTER, TableFilter
from unit_tests.builders import BASE, TABLE, a_table_schema
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema

WANTED = TableFilter("viwQpsuEDqHFqegkp", "NOT({Archived})")


def a_filtered_table(wanted: TableFilter = WANTED) -> TableSchema:
    """The table Contacts of the base Sales CRM, with a filter."""
    return replace(a_table_schema(), filter=wanted)


def a_client(error: AirtableError | None = None) -> FakeClient:
    """A client that gives the table, or refuses it."""
    client = FakeClient()
    if error is not None:
        client.record_errors[TABLE] = error
    return client


def a_refusal(error_type: str = "", reason: str = "") -> ContractError:
    """A refusal of a query."""
    refused = ContractError(status=422, error_type=error_type)
    refused.filter_reason = reason
    return refused


def test_no_problem() -> None:
    """A filter that can be used is no problem."""
    raise_for_problem(a_filtered_table())
    raise_for_problem(a_filtered_table(NO_FILTER))


def test_problem() -> None:
    """A filter that the settings do not make clear is an error, before any call."""
    client = a_client()
    with pytest.raises(TableFilterError) as raised:
        try_filter(client.as_client(), a_filtered_table(TableFilter(problem="no view All")))

    assert client.calls == []
    assert raised.value.facts == {
        "setting": "table_filters",
        "base_name": "Sales CRM",
        "table_name": "Contacts",
        "view": None,
        "reason": "no view All",
        "base": BASE,
        "table": TABLE,
    }


def test_one_record_with_the_filter() -> None:
    """A filter is tried with one call for one record."""
    client = a_client()
    try_filter(client.as_client(), a_filtered_table())

    (query,) = client.page_queries
    assert (query.view, query.formula) == (WANTED.view_id, WANTED.formula)
    assert (query.page_size_records, query.field_ids) == (1, ())


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (
            a_refusal("INVALID_FILTER_BY_FORMULA", "Unknown field names: archived"),
            "Airtable refuses it: Unknown field names: archived",
        ),
        (a_refusal("INVALID_FILTER_BY_FORMULA"), "Airtable refuses it: INVALID_FILTER_BY_FORMULA"),
        (a_refusal(), "Airtable refuses it: status 422"),
        (a_refusal("VIEW_ID_NOT_FOUND"), "the view does not exist any more"),
        (a_refusal("VIEW_NAME_NOT_FOUND"), "the view does not exist any more"),
        (
            SchemaChangedError(status=422, error_type="UNKNOWN_FIELD_NAME"),
            "Airtable refuses it: UNKNOWN_FIELD_NAME",
        ),
    ],
)
def test_refused_filter(refused: AirtableError, reason: str) -> None:
    """A refused filter is an error of the settings, with Airtable's reason."""
    with pytest.raises(TableFilterError) as raised:
        try_filter(a_client(refused).as_client(), a_filtered_table())

    assert raised.value.facts["reason"] == reason
    assert raised.value.facts["view"] == WANTED.view_id
    assert "NOT({Archived})" not in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        (a_refusal(), NO_FILTER),
        (ContractError(answer="a record without id"), WANTED),
        (AccessDeniedError(status=403), WANTED),
    ],
    ids=["no filter", "odd answer", "denied"],
)
def test_failure_that_is_not_of_the_filter(failure: AirtableError, wanted: TableFilter) -> None:
    """Any other failure is raised as it is."""
    with pytest.raises(type(failure)) as raised:
        try_filter(a_client(failure).as_client(), a_filtered_table(wanted))

    assert raised.value is failure


def test_query_refused_for_its_filter() -> None:
    """A refused query is an error of the settings, if the filter alone is refused as well."""
    with pytest.raises(TableFilterError):
        raise_for_refusal(a_client(a_refusal()).as_client(), a_filtered_table(), a_refusal())


def test_query_refused_for_something_else() -> None:
    """A refused query is none, if Airtable takes the filter alone."""
    client = a_client()
    raise_for_refusal(client.as_client(), a_filtered_table(), a_refusal())

    assert client.calls == [f"records {TABLE} 1"]


@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        (a_refusal(), NO_FILTER),
        (OffsetExpiredError(status=422), WANTED),
        (ContractError(answer="a record without id"), WANTED),
        (AccessDeniedError(status=403), WANTED),
    ],
    ids=["no filter", "offset", "odd answer", "denied"],
)
def test_failure_that_is_no_refusal(failure: AirtableError, wanted: TableFilter) -> None:
    """Where the filter cannot be the reason, no call is made."""
    client = a_client()
    raise_for_refusal(client.as_client(), a_filtered_table(wanted), failure)

    assert client.calls == []
