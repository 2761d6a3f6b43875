"""The connection check: can this token read what the settings select?

The check costs few calls: one for each 1,000 bases in the list, then two for each base, for its
schema and one record, and one for each filter of a table. The method `webhooks` costs one more for
each base, for its list of webhooks. The check stops after ten bases, unless the settings name more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_airtable.api.scopes import RECORDS_SCOPE
from source_airtable.changes.shared_webhook import SharedWebhook
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    MissingScopeError,
    NoBaseError,
    TableNotFoundError,
)
from source_airtable.schema.discovery import (
    NO_PERMISSION,
    BaseContents,
    Discovery,
    base_id_and_name,
    describe_base,
    select,
    table_id_and_name,
)
from source_airtable.schema.filter_refusal import try_filter
from source_airtable.schema.table_filter import NO_FILTER

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
    """Tries what a sync does, with few calls."""

    def __init__(self, client: AirtableClient, config: Config) -> None:
        self._client = client
        self._config = config
        self._discovery = Discovery(client, config)

    def run(self) -> None:
        """Return if a sync can read. Raises the error that would stop it."""
        self._raise_for_unknown_bases()
        contents = self._read_schemas()
        self._raise_for_unreadable_bases(contents)
        self._raise_for_unknown_tables(contents.tables)
        tables, _ = self._discovery.select_tables(contents.tables)
        # Scopes and roles apply to a whole base, so one table of it is enough.
        of_bases = {table.base_id: table for table in reversed(tables)}.values()
        filtered = [table for table in tables if table.filter != NO_FILTER]
        for table in {table.key: table for table in (*of_bases, *filtered)}.values():
            self._read_one_record(table)
        if self._config.incremental.method == "webhooks":
            for table in of_bases:
                self._warn_without_webhook(table)

    def _raise_for_unknown_bases(self) -> None:
        bases = self._discovery.list_bases()
        selected, unknown = select(bases, self._config.base_ids, base_id_and_name)
        if unknown:
            raise BaseNotFoundError(setting="base_ids", base=", ".join(unknown))
        if not self._config.base_ids:
            return
        for base in selected:
            if base.get("permissionLevel") == NO_PERMISSION:
                raise BaseNotFoundError(
                    setting="base_ids",
                    base=describe_base(base),
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
        # A table that the settings name may be in any base, so the check goes on until it finds it.
        while rest and (
            self._unknown_tables(contents.tables)
            or self._discovery.find_unknown_filters(contents.tables)
        ):
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
            LOGGER.warning("A sync will skip a base that cannot be read: %s", error.message)
        if not contents.tables:
            first: AirtableError = next(iter(contents.errors.values()), NoBaseError())
            raise NoBaseError(
                reason="none of the checked bases has a table that can be read",
                **first.facts,
            )

    def _unknown_tables(self, tables: list[TableSchema]) -> list[str]:
        return select(tables, self._config.table_ids, table_id_and_name)[1]

    def _raise_for_unknown_tables(self, tables: list[TableSchema]) -> None:
        unknown = self._unknown_tables(tables)
        if unknown:
            raise TableNotFoundError(setting="table_ids", table=", ".join(unknown))
        unknown = self._discovery.find_unknown_filters(tables)
        if unknown:
            raise TableNotFoundError(setting="table_filters", table=", ".join(unknown))

    def _warn_without_webhook(self, table: TableSchema) -> None:
        """Warn where a sync has to do without a webhook; the check makes none."""
        levels = {base["id"]: base.get("permissionLevel") for base in self._discovery.list_bases()}
        try:
            reason = SharedWebhook(self._client, table).why_none(levels.get(table.base_id))
        except AirtableUnavailableError as down:
            LOGGER.warning(
                "The webhooks of base %s cannot be listed now: %s", table.base_name, down.message
            )
            return
        if reason:
            LOGGER.warning(
                "Base %s has no webhook that a sync can read: %s. Its tables will be read by the "
                "method last_modified.",
                table.base_name,
                reason,
            )

    def _read_one_record(self, table: TableSchema) -> None:
        try:
            try_filter(self._client, table)
        except AccessDeniedError as denied:
            raise MissingScopeError(
                scope=RECORDS_SCOPE,
                base_name=table.base_name,
                table_name=table.table_name,
                **denied.facts,
            ) from None
