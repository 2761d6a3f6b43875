"""Asks again for a table's schema when its scan is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from source_airtable.api.scopes import RECORDS_SCOPE
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    BaseNotFoundError,
    MissingScopeError,
    TableNotFoundError,
)
from source_airtable.schema.table_schema import parse_table

if TYPE_CHECKING:
    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict
    from source_airtable.schema.table_schema import TableSchema


def present_table(client: AirtableClient, table: TableSchema) -> TableSchema | None:
    """Give the table with its present fields; None where it is gone."""
    base: BaseDict = {"id": table.base_id, "name": table.base_name}
    for declared in client.get_base_schema(table.base_id):
        parsed = parse_table(base, declared)
        if parsed is not None and parsed.table_id == table.table_id:
            return replace(parsed, filter=table.filter)
    return None


def explain_denial(
    client: AirtableClient, table: TableSchema, denied: AccessDeniedError
) -> AirtableError:
    """Find out what a refused scan lacks: the base, the table, or the scope."""
    facts = {**denied.facts, "base_name": table.base_name, "table_name": table.table_name}
    try:
        present = present_table(client, table)
    except AccessDeniedError:
        return BaseNotFoundError(**facts)
    except AirtableError:
        return denied
    if present is None:
        return TableNotFoundError(**facts)
    return MissingScopeError(scope=RECORDS_SCOPE, **facts)
