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
from source_airtable.streams.stream import Account
from source_airtable.streams.table import TableStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseDict, RecordDict, RecordPage, TableDict
    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.account_stream import AccountStream

TOKEN = "patAbCdEfGhIjKlMn.0123456789abcdef0123456789abcdef"  # noqa: S105 - of no account
API = "https://api.airtable.com/v0"
BASE = BaseId("appLkNDICXNqxSDhG")
TABLE = TableId("tblltp8DGLhqbUmjK")
RECORD_ID = "recAdw9EjV90xbZ00"
NAME_FIELD = FieldId("fld1VnoyuotSTyxW1")
NOTES_FIELD = FieldId("fldoi0c3GaRQJ3xnI")
CREATED_TIME = "2026-11-17T08:00:00.000Z"
AS_OF = "2026-11-18T10:00:00.000Z"


def a_config(**settings: object) -> Config:
    """Settings with a token, and the given ones."""
    return parse_config({"credentials": {"auth_method": "api_key", "api_key": TOKEN}, **settings})


def a_base(base_id: str = BASE, name: str = "Sales CRM", level: str = "create") -> BaseDict:
    """A base as `GET /v0/meta/bases` lists it."""
    return {"id": BaseId(base_id), "name": name, "permissionLevel": level}


def a_field(
    field_type: str = "singleLineText",
    *,
    field_id: str = NAME_FIELD,
    name: str = "Company Name",
    **others: object,
) -> dict[str, Any]:
    """A field as `GET /v0/meta/bases/{baseId}/tables` describes it."""
    return {"id": field_id, "name": name, "type": field_type, **others}


def a_table_answer(*fields: Mapping[str, Any], **others: object) -> dict[str, Any]:
    """A table as `GET /v0/meta/bases/{baseId}/tables` describes it; its first field is primary."""
    return {
        "id": TABLE,
        "name": "Contacts",
        "primaryFieldId": fields[0]["id"] if fields else None,
        "fields": list(fields),
        "views": [{"id": "viwQpsuEDqHFqegkp", "name": "Grid view", "type": "grid"}],
        **others,
    }


def a_text_table(
    table_id: str = TABLE,
    name: str = "Contacts",
    fields: Mapping[str, str] | None = None,
) -> TableDict:
    """A table of text fields, by id and name; without them, of Name and Notes."""
    names = {NAME_FIELD: "Name", NOTES_FIELD: "Notes"} if fields is None else fields
    declared = [a_field(field_id=one, name=name) for one, name in names.items()]
    answer = a_table_answer(*declared, id=table_id, name=name, primaryFieldId=NAME_FIELD)
    return cast("TableDict", answer)


def a_table(*fields: Mapping[str, Any], **others: object) -> TableSchema:
    """A table of these fields, as the connector sees it."""
    return a_table_schema(table=cast("TableDict", a_table_answer(*fields, **others)))


def a_table_schema(base: BaseDict | None = None, table: TableDict | None = None) -> TableSchema:
    """A declared table of a base, as the connector sees it."""
    schema = parse_table(base or a_base(), table or a_text_table())
    assert schema is not None
    return schema


def a_record(cells: Mapping[str, Any] | None = None, record_id: str = RECORD_ID) -> RecordDict:
    """A record as Airtable lists it, with cells by field id."""
    record: Any = {"id": record_id, "createdTime": CREATED_TIME, "fields": dict(cells or {})}
    return record  # type: ignore[no-any-return]  # ids are plain text here


def a_page(*record_ids: str, **others: object) -> RecordPage:
    """A page of records without cells; the last page of a list has no offset."""
    return a_page_of(*(a_record(record_id=record_id) for record_id in record_ids), **others)


def a_page_of(*records: RecordDict, **others: object) -> RecordPage:
    """A page of records, with what the client notes of it."""
    return cast("RecordPage", {"records": list(records), **others})


def ids(things: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give the ids of things that have one, in their order."""
    return [thing["id"] for thing in things]


def a_table_stream(
    table: TableSchema | None = None, name: str = "contacts", *columns: str, **settings: object
) -> TableStream:
    """A table's stream with the columns that discovery gives it, or some of them."""
    table = table or a_table_schema()
    config = a_config(**settings)
    declared = TableStream(name, table, config).get_json_schema()
    return TableStream(name, table, config, _selected(declared, columns))


def an_account_stream(
    name: str,
    *columns: str,
    account: Account | None = None,
    client: AirtableClient | None = None,
    **settings: object,
) -> AccountStream:
    """A stream of the account with the columns that discovery gives it, or some of them."""
    kind, account, config = ACCOUNT_STREAMS[name], account or Account(), a_config(**settings)
    asked = client or cast("AirtableClient", None)  # the declaration asks nothing
    declared = kind(account, config, asked).get_json_schema()
    return kind(account, config, asked, _selected(declared, columns))


def _selected(json_schema: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    properties = json_schema["properties"]
    return {**json_schema, "properties": {one: properties[one] for one in columns or properties}}


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
