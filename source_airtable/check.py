"""The connection check: can this token read what the settings select?

Bounded: one call for the list of bases, then the schema and one record of at most ten bases, or of
as many as the settings name.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_airtable.api.client import RecordQuery
from source_airtable.api.scopes import RECORDS_SCOPE
from source_airtable.errors import (
    AccessDeniedError,
    BaseNotFoundError,
    MissingScopeError,
    NoBaseError,
    TableNotFoundError,
)
from source_airtable.schema.discovery import (
    NO_PERMISSION,
    BaseContents,
    Discovery,
    base_marks,
    select,
    table_marks,
    told_base,
)

if TYPE_CHECKING:
    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict
    from source_airtable.config import Config
    from source_airtable.errors import (
        AirtableError,
    )
    from source_airtable.schema.table_schema import TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_BASES_CHECKED = 10


class ConnectionCheck:
    """Tries what a sync does, on as little as tells."""

    def __init__(self, client: AirtableClient, config: Config) -> None:
        self._client = client
        self._config = config
        self._discovery = Discovery(client, config)

    def run(self) -> None:
        """Return when a sync can read; raises what stands in the way, naming it."""
        self._raise_for_unknown_bases()
        contents = self._read_schemas()
        self._raise_for_unreadable_bases(contents)
        self._raise_for_unknown_tables(contents.tables)
        tables, _ = self._discovery.select_tables(contents.tables)
        # One table tells for its base: scopes and roles are given by base.
        for table in {table.base_id: table for table in reversed(tables)}.values():
            self._read_one_record(table)

    def _raise_for_unknown_bases(self) -> None:
        bases = self._discovery.list_bases()
        selected, unknown = select(bases, self._config.base_ids, base_marks)
        if unknown:
            raise BaseNotFoundError(setting="base_ids", base=", ".join(unknown))
        if not self._config.base_ids:
            return
        for base in selected:
            if base.get("permissionLevel") == NO_PERMISSION:
                raise BaseNotFoundError(
                    setting="base_ids",
                    base=told_base(base),
                    reason="the token's owner has no role on it",
                )

    def _read_schemas(self) -> BaseContents:
        bases = self._discovery.select_bases()
        if not bases:
            raise NoBaseError(
                reason="the token's owner has no role on any of the bases that the token sees"
            )
        first = bases if self._config.base_ids else bases[:MOST_BASES_CHECKED]
        contents = self._discovery.read_schemas(first)
        rest = bases[len(first) :]
        # A table that is named must be found, wherever it is; then the bound does not hold.
        while rest and self._unknown_tables(contents.tables):
            contents = self._read_more(contents, rest[:MOST_BASES_CHECKED])
            rest = rest[MOST_BASES_CHECKED:]
        return contents

    def _read_more(self, contents: BaseContents, bases: list[BaseDict]) -> BaseContents:
        more = self._discovery.read_schemas(bases)
        return BaseContents(contents.tables + more.tables, {**contents.errors, **more.errors})

    def _raise_for_unreadable_bases(self, contents: BaseContents) -> None:
        for error in contents.errors.values():
            if self._config.base_ids or not isinstance(error, BaseNotFoundError):
                raise error
            LOGGER.warning("A base cannot be read and will be skipped: %s", error.message)
        if not contents.tables:
            first: AirtableError = next(iter(contents.errors.values()), NoBaseError())
            raise NoBaseError(
                reason="none of the bases that were checked has a table that can be read",
                **first.facts,
            )

    def _unknown_tables(self, tables: list[TableSchema]) -> list[str]:
        return select(tables, self._config.table_ids, table_marks)[1]

    def _raise_for_unknown_tables(self, tables: list[TableSchema]) -> None:
        unknown = self._unknown_tables(tables)
        if unknown:
            raise TableNotFoundError(setting="table_ids", table=", ".join(unknown))

    def _read_one_record(self, table: TableSchema) -> None:
        query = RecordQuery(table.base_id, table.table_id, page_size_records=1)
        try:
            self._client.get_record_page(query)
        except AccessDeniedError as denied:
            raise MissingScopeError(
                scope=RECORDS_SCOPE,
                base_name=table.base_name,
                table_name=table.table_name,
                **denied.facts,
            ) from None
