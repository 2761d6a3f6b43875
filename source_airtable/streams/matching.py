"""Which table does a configured stream mean?

A stream is identified by the ids that discovery wrote into its JSON schema. A catalog that lacks
them (one of Airbyte's own connector, or written by hand) is matched by the base id in the stream's
name, else by the exact name, else by the table id if exactly one visible base has it. Where none of
that finds one table, the stream is not read: a wrong table is worse than a missing one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from source_airtable.api.wire_types import BaseId, TableId
from source_airtable.errors import (
    AirtableError,
    BaseNotFoundError,
    TableFilterError,
    TableNotFoundError,
    TransientError,
)
from source_airtable.schema.discovery import base_id_and_name
from source_airtable.schema.json_schema import ANNOTATION
from source_airtable.schema.names import clean_name, stream_name_prefix
from source_airtable.streams.stream import Account
from source_airtable.streams.stream_names import possible_stream_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airbyte_cdk.models import AirbyteStream

    from source_airtable.api.wire_types import BaseDict
    from source_airtable.schema.discovery import Discovery
    from source_airtable.schema.table_schema import TableKey, TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")

_BASE_ID_PART = re.compile(r"(?:^|/)(app[A-Za-z0-9]{14})/")
_TABLE_ID_PART = re.compile(r"/(tbl[A-Za-z0-9]+)$")
_TABLE_ID = re.compile(r"tbl[A-Za-z0-9]{14}")
_MOST_CANDIDATES = 5
_NO_TABLE_OF_THIS_NAME = (
    "no selected base that can be read has a table of this name; perhaps it was renamed"
)


@dataclass
class Matches:
    """The tables of configured streams, and the errors of those without one, by stream name."""

    tables: dict[str, TableSchema] = field(default_factory=dict)
    errors: dict[str, AirtableError] = field(default_factory=dict)
    filter_error: AirtableError | None = None
    """Why no table can be read: a filter may be meant for any of them."""


class StreamMatcher:
    """Finds the tables of configured streams with as few calls as their catalog allows.

    Bases named by ids are read without listing bases; then those whose name begins a stream's name;
    the rest only while a stream or a filter is without a table.
    """

    def __init__(self, discovery: Discovery, *, filters_bases: bool) -> None:
        self._discovery = discovery
        self._filters_bases = filters_bases
        self._tables: dict[TableKey, TableSchema] = {}
        self._base_errors: dict[BaseId, AirtableError] = {}
        self._base_names: dict[BaseId, str] = {}
        """The bases whose schema was asked for."""

    @property
    def tables(self) -> Mapping[TableKey, TableSchema]:
        """All tables of the bases whose schema was asked for, selected or not."""
        return self._tables

    def read_account(self, *, may_miss_bases: bool) -> Account:
        """Read the schemas of all selected bases, which `match` then does not ask for again.

        A base that is listed and cannot be read is an error of the account, or, where bases may be
        missing, a warning.
        """
        bases = self._discovery.select_bases()
        self._read_bases(bases)
        base_ids = {base["id"] for base in bases}
        tables = [table for table in self._tables.values() if table.base_id in base_ids]
        selected, _ = self._discovery.select_tables(tables)
        error: AirtableError | None = None
        for one in self._base_errors.values():
            if may_miss_bases and isinstance(one, BaseNotFoundError):
                LOGGER.warning("Skipping a base: %s", one.message)
            elif error is None or isinstance(one, TransientError):
                error = one
        return Account(self._discovery.list_selected_bases(), selected, error)

    def match(self, streams: Sequence[AirbyteStream]) -> Matches:
        """Match all streams of a configured catalog."""
        matches = Matches()
        open_streams = {stream.name: stream for stream in streams}
        self._match_by_ids(open_streams, matches)
        if open_streams:
            bases = self._discovery.select_bases()
            self._match_by_names(open_streams, bases, matches)
        for name in open_streams:
            matches.errors[name] = self._error_of_base_in(name) or TableNotFoundError(
                stream=name, candidates=", ".join(self._candidates(name)) or "none"
            )
        self._drop_unselected(matches)
        matches.filter_error = self._find_filter_error()
        return matches

    def _match_by_ids(self, open_streams: dict[str, AirbyteStream], matches: Matches) -> None:
        keys = {
            name: key for name, stream in open_streams.items() if (key := annotated_key(stream))
        }
        self._read_bases(self._bases_of_ids(base_id for base_id, _ in keys.values()))
        for name, key in keys.items():
            del open_streams[name]
            if key in self._tables:
                matches.tables[name] = self._tables[key]
            else:
                matches.errors[name] = self._base_errors.get(key[0]) or TableNotFoundError(
                    stream=name, base=key[0], table=key[1], reason=self._why_unread(key[0])
                )

    def _bases_of_ids(self, base_ids: Iterable[BaseId]) -> list[BaseDict]:
        wanted = list(dict.fromkeys(base_ids))
        if wanted and self._filters_bases:
            # Entries of base_ids may be names, which only the list of bases knows.
            return [base for base in self._discovery.select_bases() if base["id"] in set(wanted)]
        return [{"id": base_id} for base_id in wanted]

    def _why_unread(self, base_id: BaseId) -> str | None:
        is_left_out = self._filters_bases and base_id not in self._base_names
        return "the setting base_ids leaves its base out" if is_left_out else None

    def _match_by_names(
        self, open_streams: dict[str, AirbyteStream], bases: list[BaseDict], matches: Matches
    ) -> None:
        with_id = [base for base in bases if any(f"{base['id']}/" in name for name in open_streams)]
        self._read_bases(with_id)
        self._settle(open_streams, matches, self._tables_by_base_id_in_name)
        prefixes = tuple(open_streams)
        self._read_bases(
            base
            for base in bases
            if any(
                name.startswith(stream_name_prefix(base_id_and_name(base)[1])) for name in prefixes
            )
        )
        self._settle(open_streams, matches, self._tables_by_exact_name)
        if open_streams:
            self._read_bases(bases)
            self._settle(open_streams, matches, self._tables_by_exact_name)
            self._settle(open_streams, matches, self._only_table_of_id)

    def _settle(
        self,
        open_streams: dict[str, AirbyteStream],
        matches: Matches,
        find: Callable[[str], list[TableSchema]],
    ) -> None:
        for name in list(open_streams):
            found = find(name)
            if len(found) == 1:
                matches.tables[name] = found[0]
                del open_streams[name]

    def _tables_by_base_id_in_name(self, name: str) -> list[TableSchema]:
        base_ids = set(_BASE_ID_PART.findall(name))
        return [table for table in self._tables_by_table_id(name) if table.base_id in base_ids]

    def _tables_by_exact_name(self, name: str) -> list[TableSchema]:
        return [table for table in self._tables.values() if name in possible_stream_names(table)]

    def _tables_by_table_id(self, name: str) -> list[TableSchema]:
        table_id = _TABLE_ID_PART.search(name)
        if not table_id:
            return []
        return [table for table in self._tables.values() if table.table_id == table_id.group(1)]

    def _error_of_base_in(self, name: str) -> AirtableError | None:
        """Give the error of the base that a stream's name speaks of, if it could not be read."""
        for base_id, error in self._base_errors.items():
            named = stream_name_prefix(self._base_names.get(base_id, base_id))
            if base_id in _BASE_ID_PART.findall(name) or name.startswith(named):
                return error
        return self._transient_error_of_a_base()

    def _transient_error_of_a_base(self) -> AirtableError | None:
        """Give the error of a base that can be read tomorrow, and may hold the table meant."""
        errors = self._base_errors.values()
        return next((one for one in errors if isinstance(one, TransientError)), None)

    def _only_table_of_id(self, name: str) -> list[TableSchema]:
        """Find a table by its id alone, where no other base can be meant.

        A duplicated base has tables of equal ids: with a base id in the name, or with a base that
        could not be read, the one that is found may be the copy.
        """
        if self._base_errors or _BASE_ID_PART.search(name):
            return []
        return self._tables_by_table_id(name)

    def _candidates(self, name: str) -> list[str]:
        """Name tables that may have been meant: those of the same id, else of the same name."""
        named = [
            table
            for table in self._tables.values()
            if f"/{clean_name(table.table_name)}/" in f"/{name}/"
        ]
        found = self._tables_by_table_id(name) or named
        return [
            f"{table.base_name}/{table.table_name} ({'/'.join(table.key)})"
            for table in found[:_MOST_CANDIDATES]
        ]

    def _read_bases(self, bases: Iterable[BaseDict]) -> None:
        unread = [base for base in bases if base["id"] not in self._base_names]
        self._base_names.update({base["id"]: base_id_and_name(base)[1] for base in unread})
        contents = self._discovery.read_schemas(unread)
        self._tables.update({table.key: table for table in contents.tables})
        self._base_errors.update(contents.errors)

    def _drop_unselected(self, matches: Matches) -> None:
        """Take away what the setting table_ids leaves out, also from an older catalog."""
        selected, unknown = self._discovery.select_tables(list(self._tables.values()))
        for entry in unknown:
            LOGGER.warning(
                "Setting table_ids: no base of this sync has a table with the id or name %s.", entry
            )
        kept = {table.key for table in selected}
        for name, table in list(matches.tables.items()):
            if table.key not in kept:
                del matches.tables[name]
                matches.errors[name] = TableNotFoundError(
                    stream=name, reason="the setting table_ids leaves it out"
                )

    def _find_filter_error(self) -> AirtableError | None:
        """Find out whether a filter is left without a table that it may be meant for.

        A table whose name a filter gives may have been renamed: then nobody knows which one it is.
        A table whose id a filter gives was deleted, so no stream reads it.
        """
        if not self._tables or not self._unknown_filters():
            return None
        failure: AirtableError | None
        try:
            self._read_bases(self._discovery.select_bases())
            failure = self._transient_error_of_a_base()
        except AirtableError as unlisted:
            failure = unlisted
        unknown = self._unknown_filters()
        ids = [entry for entry in unknown if _TABLE_ID.fullmatch(entry)]
        names = [entry for entry in unknown if entry not in ids]
        for entry in ids if failure is None else ():
            LOGGER.warning(
                "Setting table_filters: no selected base has a table with the id %s.", entry
            )
        if not names:
            return None
        return failure or TableFilterError(
            setting="table_filters", table=", ".join(names), reason=_NO_TABLE_OF_THIS_NAME
        )

    def _unknown_filters(self) -> list[str]:
        return self._discovery.find_unknown_filters(list(self._tables.values()))


def annotated_key(stream: AirbyteStream) -> TableKey | None:
    """Give the base and table id that discovery wrote into a stream's JSON schema, if any."""
    annotation = (
        stream.json_schema.get(ANNOTATION) if isinstance(stream.json_schema, Mapping) else None
    )
    if not isinstance(annotation, Mapping):
        return None
    base_id, table_id = annotation.get("base_id"), annotation.get("table_id")
    if not isinstance(base_id, str) or not isinstance(table_id, str):
        return None
    return BaseId(base_id), TableId(table_id)
