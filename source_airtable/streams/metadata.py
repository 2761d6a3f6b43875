"""The streams `bases`, `tables`, `fields` and `views`: what discovery learnt anyhow.

With them a rename can be followed: the ids stay, while the names of streams and columns move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

from source_airtable.schema.json_schema import name_columns
from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.catalog import name_streams, names_of
from source_airtable.streams.read_queue import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.wire_types import BaseDict
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.cursor import StreamCursor
    from source_airtable.streams.table_stream import Account, AccountStream

METADATA_STREAMS = frozenset({"bases", "tables", "fields", "views"})
DECLARED_STREAMS = METADATA_STREAMS - {"bases"}
"""The streams that want more of a table than what its columns are made of, which may be much."""

Row = dict[str, Any]
NamedTable = tuple["TableSchema", str]
"""A table and the name of its stream."""


class MetadataPartition(Partition):
    """The one partition of a stream that needs no calls of its own."""

    def __init__(
        self, stream: AccountStream, account: Account, config: Config, cursor: StreamCursor
    ) -> None:
        self._stream = stream
        self._account = account
        self._config = config
        self._cursor = cursor

    def read(self) -> Iterator[Record]:
        """Emit the stream's rows."""
        writer = RowWriter(self._stream.name, self._stream.json_schema)
        yield from pack(writer.to_record(row) for row in self._iter_rows())
        self._cursor.leave(None)

    def to_slice(self) -> Mapping[str, Any] | None:
        """Give nothing: there is one partition."""
        return None

    def stream_name(self) -> str:
        """Give the name of the stream."""
        return self._stream.name

    def __hash__(self) -> int:
        """Hash by stream, which has no other partition."""
        return hash(self._stream.name)

    def _iter_rows(self) -> Iterator[Row]:
        if self._stream.name == "bases":
            return rows_of_bases(self._account.bases)
        tables = self._account.tables
        stream_names = name_streams([names_of(table) for table in tables], self._config)
        named = list(zip(tables, stream_names, strict=True))
        if self._stream.name == "tables":
            return rows_of_tables(named)
        if self._stream.name == "fields":
            return rows_of_fields(named, by_field_id=self._config.column_names == "ids")
        return rows_of_views(named)


def rows_of_bases(bases: Sequence[BaseDict]) -> Iterator[Row]:
    """Emit a row for each base.

    See https://airtable.com/developers/web/api/list-bases
    """
    for base in bases:
        yield {**base, "permission_level": base.get("permissionLevel")}


def rows_of_tables(tables: Sequence[NamedTable]) -> Iterator[Row]:
    """Emit a row for each table.

    See https://airtable.com/developers/web/api/get-base-schema
    """
    for table, stream_name in tables:
        yield {
            "base_id": table.base_id,
            "id": table.table_id,
            "name": table.table_name,
            "description": (table.declared or {}).get("description"),
            "primary_field_id": table.primary_field_id,
            "stream_name": stream_name,
        }


def rows_of_fields(tables: Sequence[NamedTable], *, by_field_id: bool) -> Iterator[Row]:
    """Emit a row for each field that has a column, as Airtable describes it.

    See https://airtable.com/developers/web/api/field-model
    """
    for table, stream_name in tables:
        columns = name_columns(table, by_field_id=by_field_id)
        declared = _by_id(table, "fields")
        for field in table.fields:
            yield {
                **_place(table),
                "id": field["id"],
                "name": field["name"],
                "description": field.get("description"),
                "type": field["type"],
                "options": declared[field["id"]].get("options"),
                "is_primary": field["id"] == table.primary_field_id,
                "stream_name": stream_name,
                "column_name": columns[field["id"]],
            }


def rows_of_views(tables: Sequence[NamedTable]) -> Iterator[Row]:
    """Emit a row for each view.

    See https://airtable.com/developers/web/api/get-base-schema
    """
    for table, _ in tables:
        for view in _by_id(table, "views").values():
            owner = view.get("personalForUserId")
            yield {**_place(table), **view, "personal_for_user_id": owner}


def _place(table: TableSchema) -> Row:
    return {"base_id": table.base_id, "table_id": table.table_id}


def _by_id(table: TableSchema, key: str) -> dict[str, Row]:
    """Index what Airtable declares of a table, the first of each id."""
    declared = (table.declared or {}).get(key)
    index: dict[str, Row] = {}
    for item in declared if isinstance(declared, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            index.setdefault(item["id"], item)
    return index
