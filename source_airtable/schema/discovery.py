"""Find the bases that a token can read, and the tables in those that the settings select.

This costs one call for each 1,000 bases in the list, and one call for each base whose tables are
read.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from source_airtable.api.connection import API_URL_VARIABLE
from source_airtable.api.scopes import SCHEMA_SCOPE
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    BaseNotFoundError,
    ContractError,
    GrantLostError,
    InvalidConfigError,
    InvalidTokenError,
    MissingScopeError,
    NoBaseError,
)
from source_airtable.schema.table_schema import parse_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict, BaseId
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")

# The permission level of a base that is shared only through an interface. Airtable lists the base,
# but does not give its tables.
NO_PERMISSION = "none"

_Selected = TypeVar("_Selected")


@dataclass
class BaseContents:
    """The tables of the bases that could be read, and the errors of the others."""

    tables: list[TableSchema] = field(default_factory=list)
    errors: dict[BaseId, AirtableError] = field(default_factory=dict)


class Discovery:
    """Finds the bases and tables that the settings select."""

    def __init__(
        self, client: AirtableClient, config: Config, *, keep_declared: bool = False
    ) -> None:
        self._client = client
        self._config = config
        self._keep_declared = keep_declared
        self._listed: list[BaseDict] | None = None
        self._selected: list[BaseDict] | None = None

    def list_bases(self) -> list[BaseDict]:
        """List the bases that the token can see. Only the first use costs a call.

        Raises MissingScopeError if the token may not list bases, and NoBaseError if it sees none.
        """
        if self._listed is None:
            try:
                bases = self._client.list_bases()
            except AccessDeniedError as denied:
                if denied.facts.get("status") == HTTPStatus.FORBIDDEN:
                    raise MissingScopeError(scope=SCHEMA_SCOPE, **denied.facts) from None
                raise InvalidConfigError(
                    setting=API_URL_VARIABLE, reason=_NOT_AIRTABLE, **denied.facts
                ) from None
            with_id = [base for base in bases if isinstance(base.get("id"), str)]
            # The same base may stand on two pages of the list.
            self._listed = list({base["id"]: base for base in with_id}.values())
        if not self._listed:
            raise NoBaseError(reason="the token is valid, but no base is shared with it")
        return self._listed

    def list_selected_bases(self) -> list[BaseDict]:
        """List the bases that the settings select, readable or not. Warns once about the others."""
        if self._selected is None:
            self._selected, unknown = select(
                self.list_bases(), self._config.base_ids, base_id_and_name
            )
            for entry in unknown:
                LOGGER.warning(
                    "Setting base_ids: the token sees no base with the id or name %s.", entry
                )
            for base in self._selected:
                if base.get("permissionLevel") == NO_PERMISSION:
                    LOGGER.warning(
                        "Skipping base %s: %s", describe_base(base), _NO_PERMISSION_REASON
                    )
        return self._selected

    def select_bases(self) -> list[BaseDict]:
        """List the readable bases that the settings select."""
        selected = self.list_selected_bases()
        return [base for base in selected if base.get("permissionLevel") != NO_PERMISSION]

    def select_tables(self, tables: Sequence[TableSchema]) -> tuple[list[TableSchema], list[str]]:
        """Return the tables that the settings select, and the entries that match no table."""
        return select(tables, self._config.table_ids, table_id_and_name)

    def find_unknown_filters(self, tables: Sequence[TableSchema]) -> list[str]:
        """Return the entries of table_filters that match no table."""
        wanted = [entry.table for entry in self._config.table_filters]
        return select(tables, wanted, table_id_and_name)[1]

    def read_schemas(self, bases: Iterable[BaseDict]) -> BaseContents:
        """Get the tables of these bases, in their order, or the error of each base.

        Raises InvalidTokenError and GrantLostError at once because they affect every base.
        """
        contents = BaseContents()
        for base, outcome in self._iter_schemas(list(bases)):
            if isinstance(outcome, AirtableError):
                contents.errors[base["id"]] = outcome
            else:
                contents.tables += outcome
        return contents

    def discover(self) -> Iterator[TableSchema]:
        """Yield all selected tables. Bases that cannot be read are skipped with a warning.

        Tables are yielded base by base, so the caller need not keep them all in memory.
        Raises NoBaseError if there is no table. Also raises every error that a later try may solve:
        a catalog without a base that is down today would look as if the base had been deleted.
        """
        unknown = set(self._config.table_ids)
        unknown_filters = {entry.table for entry in self._config.table_filters}
        readable = emitted = 0
        odd: ContractError | None = None
        for _, outcome in self._iter_schemas(self.select_bases()):
            if isinstance(outcome, AirtableError):
                if not isinstance(outcome, (BaseNotFoundError, ContractError)):
                    raise outcome
                if isinstance(outcome, ContractError):
                    odd = outcome
                LOGGER.warning("Skipping a base: %s", outcome.message)
                continue
            tables, unknown_here = self.select_tables(outcome)
            unknown &= set(unknown_here)
            unknown_filters &= set(self.find_unknown_filters(outcome))
            readable += len(outcome)
            emitted += len(tables)
            yield from tables
        for entry in sorted(unknown):
            LOGGER.warning(
                "Setting table_ids: no selected base has a table with the id or name %s.", entry
            )
        for entry in sorted(unknown_filters):
            LOGGER.warning(
                "Setting table_filters: no selected base has a table with the id or name %s.", entry
            )
        if not emitted and odd is not None:
            raise odd
        if not emitted:
            raise NoBaseError(reason=_WHY_NO_TABLE if readable else _WHY_NO_BASE)

    def _iter_schemas(
        self, bases: list[BaseDict]
    ) -> Iterator[tuple[BaseDict, list[TableSchema] | AirtableError]]:
        """Read bases in parallel. Yield the tables or the error of each base, in their order."""
        if not bases:
            return
        with ThreadPoolExecutor(min(self._config.num_workers, len(bases)), "schema") as workers:
            try:
                for base, outcome in zip(bases, workers.map(self._read_schema, bases), strict=True):
                    if isinstance(outcome, (InvalidTokenError, GrantLostError)):
                        raise outcome
                    if isinstance(outcome, AccessDeniedError):
                        yield base, self._explain_denial(base, outcome)
                    else:
                        yield base, outcome
            finally:
                workers.shutdown(cancel_futures=True)

    def _read_schema(self, base: BaseDict) -> list[TableSchema] | AirtableError:
        try:
            tables = self._client.get_base_schema(base["id"])
        except AccessDeniedError as denied:
            return denied
        except AirtableError as error:
            error.add_facts(base_name=base.get("name"))
            return error
        filters = self._config.table_filters
        parsed = (
            parse_table(base, table, filters, keep_declared=self._keep_declared) for table in tables
        )
        return [table for table in parsed if table is not None]

    def _explain_denial(self, base: BaseDict, denied: AccessDeniedError) -> AirtableError:
        """Find out whether only this base is not shared, or the token may read no schema at all."""
        try:
            self.list_bases()
        except MissingScopeError as error:
            return error
        except AirtableError:
            pass  # this error does not concern the base
        return BaseNotFoundError(**{**denied.facts, "base": describe_base(base)})


_NOT_AIRTABLE = "the server at this address knows no bases, so it is not Airtable"
_WHY_NO_TABLE = "the setting table_ids matches no table of the selected bases"
_WHY_NO_BASE = "none of the selected bases has a table that can be read; see the warnings above"
_NO_PERMISSION_REASON = (
    "the token's owner sees it only through an interface and has no role on it. To sync the base, "
    "ask for the read role."
)


def select(
    items: Sequence[_Selected],
    entries: Sequence[str],
    id_and_name_of: Callable[[_Selected], tuple[str, str]],
) -> tuple[list[_Selected], list[str]]:
    """Return the items that match an entry by id or name, and the entries that match no item.

    The case of names does not matter. No entries select all items.
    """
    if not entries:
        return list(items), []
    pairs = [(item_id, name.strip().casefold()) for item_id, name in map(id_and_name_of, items)]
    known = {id_or_name for pair in pairs for id_or_name in pair}
    wanted_ids, wanted_names = set(entries), {entry.casefold() for entry in entries}
    selected = [
        item
        for item, (item_id, name) in zip(items, pairs, strict=True)
        if item_id in wanted_ids or name in wanted_names
    ]
    return selected, [
        entry for entry in entries if entry not in known and entry.casefold() not in known
    ]


def base_id_and_name(base: BaseDict) -> tuple[str, str]:
    """Return a base's id, and its name or else its id."""
    return base["id"], str(base.get("name") or base["id"])


def table_id_and_name(table: TableSchema) -> tuple[str, str]:
    """Return a table's id and name."""
    return table.table_id, table.table_name


def describe_base(base: BaseDict) -> str:
    """Name a base for a message: `Sales CRM (appLkNDICXNqxSDhG)`."""
    base_id, name = base_id_and_name(base)
    return base_id if name == base_id else f"{name} ({base_id})"
