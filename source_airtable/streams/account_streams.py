"""The streams of the whole account, beside one for each table: what they are called and hold.

THE table of these streams: the catalog, the rows' types, README's table and the tests derive from
it. They read the bases and tables that the settings select, and the scans of tables that one of
them needs are shared with the tables' own streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteStream, SyncMode

from source_airtable.schema.field_types import BOOLEAN, DATE_TIME, INTEGER, TEXT
from source_airtable.schema.json_schema import DELETED_AT
from source_airtable.schema.names import DELETED_AT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping

JsonSchema = dict[str, Any]

AS_OF_COLUMN = "_as_of"
"""The cursor of the streams that can be read incrementally."""

_KEY: JsonSchema = {"type": "string"}
_OBJECT: JsonSchema = {"type": ["null", "object"], "additionalProperties": True}
_ARRAY_OF_OBJECTS: JsonSchema = {"type": ["null", "array"], "items": _OBJECT}


@dataclass(frozen=True, slots=True)
class AccountStreamType:
    """One row: a stream of the whole account."""

    name: str
    holds: str
    """What README's table says of a row of the stream."""
    primary_key: tuple[str, ...]
    properties: Mapping[str, JsonSchema]
    scopes: tuple[str, ...]
    extra_calls: str
    """What README's table says of the calls beyond those for schemas and tables' records."""
    is_incremental: bool = False
    has_files: bool = False

    def json_schema(self, *, with_tombstones: bool = False) -> JsonSchema:
        """Give the JSON schema, with the column for deleted records where they are detected."""
        properties = {name: dict(declared) for name, declared in self.properties.items()}
        if with_tombstones and self.name == "records":
            properties[DELETED_AT_COLUMN] = dict(DELETED_AT)
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": True,
            "properties": properties,
        }

    def as_airbyte_stream(self, *, with_tombstones: bool = False) -> AirbyteStream:
        """Describe the stream to Airbyte."""
        modes = [SyncMode.full_refresh]
        if self.is_incremental:
            modes.append(SyncMode.incremental)
        return AirbyteStream(
            name=self.name,
            json_schema=self.json_schema(with_tombstones=with_tombstones),
            supported_sync_modes=modes,
            source_defined_cursor=True if self.is_incremental else None,
            default_cursor_field=[AS_OF_COLUMN] if self.is_incremental else None,
            source_defined_primary_key=[[column] for column in self.primary_key],
            # The platform clears and writes again only full refreshes that are not resumable.
            is_resumable=False,
            is_file_based=True if self.has_files else None,
        )


def _told(json_schema: JsonSchema, description: str) -> JsonSchema:
    return {**json_schema, "description": description}


_BASE_ID = {"base_id": _told(_KEY, "The base's id.")}
_TABLE_ID = {**_BASE_ID, "table_id": _told(_KEY, "The table's id.")}
_CELL_ID = {
    **_TABLE_ID,
    "record_id": _told(_KEY, "The record's id."),
    "field_id": _told(_KEY, "The field's id."),
}
_AS_OF = {
    AS_OF_COLUMN: _told(
        DATE_TIME, "The row is at least as new as this moment, by Airtable's clock, in UTC."
    )
}
_SCHEMA_SCOPE = "schema.bases:read"
_RECORDS_SCOPE = "data.records:read"
_WITH_SCHEMAS = "none: the schemas are read anyhow"
_WITH_TABLES = "none: from the scans of the tables"

_ROWS = (
    AccountStreamType(
        "bases",
        "a base",
        ("id",),
        {
            "id": _told(_KEY, "The base's id."),
            "name": _told(TEXT, "The base's name; several bases may have the same one."),
            "permission_level": _told(
                TEXT, "What the token's owner may do: none, read, comment, edit or create."
            ),
        },
        (_SCHEMA_SCOPE,),
        _WITH_SCHEMAS,
    ),
    AccountStreamType(
        "tables",
        "a table, with the stream that it is read as",
        ("base_id", "id"),
        {
            **_BASE_ID,
            "id": _told(_KEY, "The table's id."),
            "name": TEXT,
            "description": TEXT,
            "primary_field_id": _told(TEXT, "The field that names each record."),
            "stream_name": _told(TEXT, "What the table's stream is called at present."),
        },
        (_SCHEMA_SCOPE,),
        _WITH_SCHEMAS,
    ),
    AccountStreamType(
        "fields",
        "a field, with its column",
        ("base_id", "table_id", "id"),
        {
            **_TABLE_ID,
            "id": _told(_KEY, "The field's id."),
            "name": TEXT,
            "description": TEXT,
            "type": _told(TEXT, "Airtable's name of the field's type."),
            "options": _told(_OBJECT, "What the type adds to the field, as Airtable sends it."),
            "is_primary": BOOLEAN,
            "stream_name": _told(TEXT, "What the table's stream is called at present."),
            "column_name": _told(TEXT, "What the field's column is called at present."),
        },
        (_SCHEMA_SCOPE,),
        _WITH_SCHEMAS,
    ),
    AccountStreamType(
        "views",
        "a view of a table",
        ("base_id", "table_id", "id"),
        {
            **_TABLE_ID,
            "id": _told(_KEY, "The view's id."),
            "name": TEXT,
            "type": _told(TEXT, "Airtable's name of the view's type: grid, form, kanban, ..."),
            "personal_for_user_id": _told(TEXT, "Whose the view is, where it is personal."),
        },
        (_SCHEMA_SCOPE,),
        _WITH_SCHEMAS,
    ),
    AccountStreamType(
        "records",
        "a record of any table, its cells in objects",
        ("_base_id", "_table_id", "id"),
        {
            "_base_id": _told(_KEY, "The id of the base that the record is in."),
            "_table_id": _told(_KEY, "The id of the table that the record is in."),
            "id": _told(_KEY, "The record's id."),
            "created_time": _told(DATE_TIME, "When the record was created, in UTC."),
            "fields": _told(_OBJECT, "The cells that are not empty, by field name."),
            "fields_by_id": _told(_OBJECT, "The cells that are not empty, by field id."),
            "_errors": _told(
                _OBJECT,
                "Cells that do not fit their field's type (formula errors, NaN, ...), by field id, "
                "as Airtable sent them.",
            ),
            **_AS_OF,
        },
        (_SCHEMA_SCOPE, _RECORDS_SCOPE),
        _WITH_TABLES,
        is_incremental=True,
    ),
    AccountStreamType(
        "comments",
        "a comment on a record",
        ("base_id", "table_id", "record_id", "id"),
        {
            **_TABLE_ID,
            "record_id": _told(_KEY, "The record's id."),
            "id": _told(_KEY, "The comment's id."),
            "author": _told(_OBJECT, "Who wrote it: id, email, name."),
            "text": _told(TEXT, "The text; a mention stands in it as @[its id]."),
            "mentioned": _told(_OBJECT, "Who is mentioned, by id."),
            "reactions": _told(_ARRAY_OF_OBJECTS, "The reactions, as Airtable sends them."),
            "parent_comment_id": _told(TEXT, "The comment that this one answers."),
            "created_time": _told(DATE_TIME, "When it was written, in UTC."),
            "last_updated_time": _told(DATE_TIME, "When it was edited last, in UTC."),
            **_AS_OF,
        },
        (_SCHEMA_SCOPE, _RECORDS_SCOPE, "data.recordComments:read"),
        "one for each commented record, and one for each further 100 comments of it",
        is_incremental=True,
    ),
    AccountStreamType(
        "attachments",
        "an attachment of a cell; its file too, where files are asked for",
        ("base_id", "table_id", "record_id", "field_id", "id"),
        {
            **_CELL_ID,
            "id": _told(_KEY, "The attachment's id."),
            "filename": TEXT,
            "size": _told(INTEGER, "In bytes."),
            "type": _told(TEXT, "The media type, such as image/png."),
            "width": _told(INTEGER, "In pixels, for images."),
            "height": _told(INTEGER, "In pixels, for images."),
            "url": _told(TEXT, "Where the file can be had until `url_valid_until`."),
            "url_valid_until": _told(DATE_TIME, "Two hours after Airtable gave the url, in UTC."),
            "file_error": _told(TEXT, "Why the file was asked for and is not there."),
        },
        (_SCHEMA_SCOPE, _RECORDS_SCOPE),
        f"{_WITH_TABLES}; with files one download each, and one call for each url that expired",
        has_files=True,
    ),
    AccountStreamType(
        "links",
        "a linked record of a cell",
        ("base_id", "table_id", "record_id", "field_id", "position"),
        {
            **_CELL_ID,
            "position": _told({"type": "integer"}, "Where the link stands in its cell, from 0 on."),
            "linked_table_id": _told(TEXT, "The table of the linked record."),
            "linked_record_id": _told(TEXT, "The linked record's id."),
        },
        (_SCHEMA_SCOPE, _RECORDS_SCOPE),
        _WITH_TABLES,
    ),
)

ACCOUNT_STREAMS: Mapping[str, AccountStreamType] = {row.name: row for row in _ROWS}
