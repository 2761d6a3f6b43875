"""What the streams of the whole account share: they read the bases that the settings select."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from source_airtable.api.scopes import RECORDS_SCOPE, SCHEMA_SCOPE
from source_airtable.changes import version_1
from source_airtable.changes.state import VERSION
from source_airtable.schema.field_types import DATE_TIME, OBJECT
from source_airtable.streams.row_converter import RowConverter
from source_airtable.streams.stream import AirtableStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.client import AirtableClient
    from source_airtable.config import Config
    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.stream import Account, ReadCatalog, ReadRequest

AS_OF_COLUMN = "_as_of"
"""The cursor of the streams that can be read incrementally."""

KEY: JsonSchema = {"type": "string"}
ARRAY_OF_OBJECTS: JsonSchema = {"type": ["null", "array"], "items": OBJECT}


def described(json_schema: JsonSchema, description: str) -> JsonSchema:
    """Give a column of a stream of the whole account; nobody can edit its description."""
    return {**json_schema, "description": description}


BASE_ID = {"base_id": described(KEY, "The base's id.")}
TABLE_ID = {**BASE_ID, "table_id": described(KEY, "The table's id.")}
CELL_ID = {
    **TABLE_ID,
    "record_id": described(KEY, "The record's id."),
    "field_id": described(KEY, "The field's id."),
}
AS_OF = {
    AS_OF_COLUMN: described(
        DATE_TIME, "The row is at least as new as this moment, by Airtable's clock, in UTC."
    )
}


class AccountStream(AirtableStream):
    """A stream of the whole account; each of them declares itself in these attributes."""

    stream_name: ClassVar[str]
    holds: ClassVar[str]
    """What a row is; the documents' table says so."""
    key: ClassVar[tuple[str, ...]]
    properties: ClassVar[Mapping[str, JsonSchema]]
    scopes: ClassVar[tuple[str, ...]] = (SCHEMA_SCOPE, RECORDS_SCOPE)
    extra_calls: ClassVar[str] = "none: from the scans of the tables"
    """The calls beyond those for schemas and records; the documents' table says so."""
    needs_whole_schema = False
    """Whether it shows more of a table than its columns are made of, which may be much."""

    def __init__(
        self,
        account: Account,
        config: Config,
        client: AirtableClient,
        json_schema: JsonSchema | None = None,
        read_catalog: ReadCatalog | None = None,
    ) -> None:
        super().__init__(self.stream_name, json_schema, read_catalog)
        self.account = account
        self.config = config
        self.client = client

    @property
    def primary_key(self) -> list[str]:
        """The columns that identify a row."""
        return list(self.key)

    def build_json_schema(self) -> JsonSchema:
        """Declare the stream's columns."""
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": True,
            "properties": {name: dict(declared) for name, declared in self.properties.items()},
        }

    @property
    def row_converter(self) -> RowConverter:
        """What makes a row fit the configured columns."""
        return RowConverter(self.get_json_schema())


class AccountTablesStream(AccountStream):
    """A stream of the whole account that reads tables.

    Its state holds that of each table. Shape: `{"version": 2, "tables":
    {"appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK": {…}}}`.
    """

    def tables(self) -> Sequence[TableSchema]:
        """Give the tables that the settings select."""
        return self.account.tables

    def state_of(self, table: TableSchema, saved_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give what the saved state holds of one table.

        A state of another form is given as it is, so that the plan says why it is of no use.
        """
        tables = saved_state.get("tables")
        is_known = saved_state.get("version") in (VERSION, version_1.VERSION)
        if not isinstance(tables, Mapping) or not is_known:
            return saved_state
        state = tables.get("/".join(table.key))
        return state if isinstance(state, Mapping) else {}

    def combine(
        self, states: Mapping[TableKey, dict[str, Any]], request: ReadRequest
    ) -> dict[str, Any] | None:
        """Put the states of the tables into one, beside the saved ones of tables not read today.

        A table or base that is missing in one sync may be back in the next one, and its deletions
        are found only if its known ids are still there.
        """
        if request.incremental is None:
            return None
        saved = request.saved_state.get("tables")
        tables: dict[str, Any] = dict(saved) if isinstance(saved, Mapping) else {}
        tables |= {"/".join(key): states[key] for key in sorted(states)}
        return {"version": VERSION, "tables": tables} if tables else None
