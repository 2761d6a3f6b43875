"""Values in the shapes of Airtable and Airbyte, for tests to build upon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_airtable.api.wire_types import BaseId, FieldId, TableId
from source_airtable.config import parse_config
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.table_stream import AccountStream, TableStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.api.wire_types import BaseDict, RecordDict, RecordPage, TableDict
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema

TOKEN = "patAbCdEfGhIjKlMn.0123456789abcdef0123456789abcdef"  # noqa: S105 - of no account
API = "https://api.airtable.com/v0"
BASE = BaseId("appLkNDICXNqxSDhG")
TABLE = TableId("tblltp8DGLhqbUmjK")
NAME_FIELD = FieldId("fld1VnoyuotSTyxW1")
NOTES_FIELD = FieldId("fldoi0c3GaRQJ3xnI")


def a_config(**settings: object) -> Config:
    """Settings with a token, and the given ones."""
    return parse_config({"credentials": {"auth_method": "api_key", "api_key": TOKEN}, **settings})


def a_base(base_id: str = BASE, name: str = "Sales CRM", level: str = "create") -> BaseDict:
    """A base as `GET /v0/meta/bases` lists it."""
    return {"id": BaseId(base_id), "name": name, "permissionLevel": level}


def a_table(
    table_id: str = TABLE,
    name: str = "Contacts",
    fields: Mapping[str, str] | None = None,
) -> TableDict:
    """A table as `GET /v0/meta/bases/{baseId}/tables` lists it; text fields by id and name."""
    names = {NAME_FIELD: "Name", NOTES_FIELD: "Notes"} if fields is None else fields
    return {
        "id": TableId(table_id),
        "name": name,
        "primaryFieldId": NAME_FIELD,
        "fields": [
            {"id": FieldId(field_id), "name": name, "type": "singleLineText"}
            for field_id, name in names.items()
        ],
    }


def a_record(record_id: str = "recAdw9EjV90xbZ00", **fields: object) -> RecordDict:
    """A record as Airtable lists it, with cells by field id."""
    return cast(
        "RecordDict",
        {"id": record_id, "createdTime": "2026-11-18T09:00:00.000Z", "fields": fields},
    )


def a_page(*record_ids: str, offset: str | None = None) -> RecordPage:
    """A page of records without cells; the last page of a list has no offset."""
    page: dict[str, Any] = {"records": [a_record(record_id) for record_id in record_ids]}
    if offset is not None:
        page["offset"] = offset
    return cast("RecordPage", page)


def a_table_schema(base: BaseDict | None = None, table: TableDict | None = None) -> TableSchema:
    """A table as the connector sees it."""
    schema = parse_table(base or a_base(), table or a_table())
    assert schema is not None
    return schema


def a_table_stream(table: TableSchema | None = None, name: str = "contacts") -> TableStream:
    """A table's stream with the schema that discovery gives it."""
    table = table or a_table_schema()
    return TableStream(name, table, build_json_schema(table))


def an_account_stream(name: str, *columns: str, **how: Any) -> AccountStream:  # noqa: ANN401
    """A stream of the account with the schema that discovery gives it, or some columns of it."""
    json_schema = ACCOUNT_STREAMS[name].json_schema(with_tombstones=True)
    if columns:
        json_schema["properties"] = {one: json_schema["properties"][one] for one in columns}
    return AccountStream(name, json_schema, **how)


def an_airbyte_account_stream(name: str) -> AirbyteStream:
    """A stream of the account as the catalog offers it."""
    return ACCOUNT_STREAMS[name].as_airbyte_stream(with_tombstones=True)


def an_airbyte_stream(name: str, table: TableSchema | None = None) -> AirbyteStream:
    """A configured stream, with the ids of a table in its schema or, without one, with none."""
    return AirbyteStream(
        name=name,
        json_schema=build_json_schema(table) if table else {"type": "object", "properties": {}},
        supported_sync_modes=[SyncMode.full_refresh],
    )


def a_configured_stream(
    stream: AirbyteStream, mode: SyncMode = SyncMode.full_refresh
) -> ConfiguredAirbyteStream:
    """A stream in the mode that somebody chose for it."""
    is_full = mode is SyncMode.full_refresh
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=mode,
        destination_sync_mode=DestinationSyncMode.overwrite
        if is_full
        else DestinationSyncMode.append_dedup,
        cursor_field=None if is_full else ["_airtable_as_of"],
        primary_key=[["_airtable_id"]],
    )
