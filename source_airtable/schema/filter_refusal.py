"""Tells a filter of the user that cannot be used from one of the connector's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.api.client import RecordQuery
from source_airtable.errors import (
    ContractError,
    SchemaChangedError,
    TableFilterError,
    is_unprocessable,
)
from source_airtable.schema.table_filter import NO_FILTER

if TYPE_CHECKING:
    from source_airtable.api.client import AirtableClient
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableSchema

_NO_VIEW = frozenset({"VIEW_ID_NOT_FOUND", "VIEW_NAME_NOT_FOUND"})


def raise_for_problem(table: TableSchema) -> None:
    """Raise TableFilterError if the setting cannot be used for the table."""
    if table.filter.problem is not None:
        raise _build_error(table, table.filter.problem)


def try_filter(client: AirtableClient, table: TableSchema) -> None:
    """Ask for one record with the filter alone; raises TableFilterError if Airtable refuses it."""
    raise_for_problem(table)
    query = RecordQuery(*table.key, page_size_records=1)
    try:
        client.get_record_page(table.filter.apply(query))
    except (ContractError, SchemaChangedError) as refused:
        if table.filter == NO_FILTER or not is_unprocessable(refused):
            raise
        raise _build_error(table, _why_refused(refused)) from None


def raise_for_refusal(client: AirtableClient, table: TableSchema, failure: AirtableError) -> None:
    """Raise TableFilterError if a query failed because Airtable refuses the table's filter.

    The query may have held another filter, or fields that are gone. This costs one call.
    """
    is_of_query = isinstance(failure, (ContractError, SchemaChangedError))
    if is_of_query and is_unprocessable(failure) and table.filter != NO_FILTER:
        try_filter(client, table)


def _why_refused(refused: AirtableError) -> str:
    if refused.facts.get("error_type") in _NO_VIEW:
        return "the view does not exist any more"
    said = refused.filter_reason or refused.facts.get("error_type") or "status 422"
    return f"Airtable refuses it: {said}"


def _build_error(table: TableSchema, reason: str) -> TableFilterError:
    return TableFilterError(
        setting="table_filters",
        base_name=table.base_name,
        table_name=table.table_name,
        view=table.filter.view_id,
        reason=reason,
        base=table.base_id,
        table=table.table_id,
    )
