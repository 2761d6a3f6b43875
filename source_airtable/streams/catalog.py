"""The catalog: what discovery tells Airbyte of the tables that it found, and of the account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteCatalog, AirbyteStream, SyncMode

from source_airtable.schema.json_schema import (
    CURSOR_COLUMN,
    PRIMARY_KEY,
    build_json_schema,
    name_columns,
)
from source_airtable.schema.names import TableNames, stream_name_of_ids, stream_names
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from source_airtable.streams.table_stream import AccountStream, TableStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_airtable.config import Config
    from source_airtable.schema.discovery import Discovery
    from source_airtable.schema.table_schema import TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")


def build_catalog(discovery: Discovery, config: Config) -> AirbyteCatalog:
    """Describe one stream per table, in the order of bases and tables, and those of the account.

    Of a table only its names and its JSON schema are kept, which is what lets an account of tens of
    thousands of fields be discovered in little memory.
    """
    names: list[TableNames] = []
    json_schemas = []
    for table in discovery.discover():
        names.append(names_of(table))
        json_schemas.append(json_schema_of(table, config))
        if config.column_names == "names":
            _warn_of_suffixed_columns(table)
    of_tables = [
        AirbyteStream(
            name=name,
            json_schema=json_schema,
            supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
            source_defined_cursor=True,
            default_cursor_field=[CURSOR_COLUMN],
            source_defined_primary_key=[[PRIMARY_KEY]],
            # The platform clears and writes again only full refreshes that are not resumable.
            is_resumable=False,
        )
        for name, json_schema in zip(name_streams(names, config), json_schemas, strict=True)
    ]
    of_account = [
        row.as_airbyte_stream(with_tombstones=config.incremental.detect_deletions)
        for row in ACCOUNT_STREAMS.values()
    ]
    return AirbyteCatalog(streams=of_tables + of_account)


def all_table_streams(tables: Sequence[TableSchema], config: Config) -> list[TableStream]:
    """Give the streams of tables, to be read in full."""
    names = name_streams([names_of(table) for table in tables], config)
    return [
        TableStream(name, table, json_schema_of(table, config))
        for name, table in zip(names, tables, strict=True)
    ]


def all_account_streams(config: Config) -> list[AccountStream]:
    """Give the streams of the whole account, to be read in full."""
    with_tombstones = config.incremental.detect_deletions
    return [
        AccountStream(row.name, row.json_schema(with_tombstones=with_tombstones))
        for row in ACCOUNT_STREAMS.values()
    ]


def name_streams(tables: Sequence[TableNames], config: Config) -> list[str]:
    """Name the streams of all tables as the settings say; warns of names that had to be changed."""
    if config.stream_names == "ids":
        return [stream_name_of_ids(table.base_id, table.table_id) for table in tables]
    names = stream_names(tables, add_base_id=config.add_base_id_to_stream_name)
    changed = [
        name
        for name, table in zip(names, tables, strict=True)
        if not config.add_base_id_to_stream_name and f"/{table.base_id}/" in name
    ]
    if changed:
        LOGGER.warning(
            "These streams got their base's id into their name, because tables of several bases "
            "would have the same one: %s.",
            ", ".join(changed),
        )
    return names


def _warn_of_suffixed_columns(table: TableSchema) -> None:
    columns = name_columns(table)
    suffixed = [
        field["name"] for field in table.fields if columns[field["id"]].endswith(f"_{field['id']}")
    ]
    if suffixed:
        LOGGER.warning(
            "Table %s of base %s: the columns of these fields got their field id as suffix, "
            "because destinations would mix them up with another column, or leave nothing of "
            "their name: %s.",
            table.table_name,
            table.base_name,
            ", ".join(suffixed),
        )


def json_schema_to_read(
    stream: AirbyteStream, table: TableSchema | None, config: Config
) -> Mapping[str, Any]:
    """Give the configured JSON schema, or all columns where a catalog by hand leaves it open.

    A stream without a table is one of the account's.
    """
    declared: Mapping[str, Any] = stream.json_schema
    if declared.get("properties"):
        return declared
    if table is not None:
        return json_schema_of(table, config)
    with_tombstones = config.incremental.detect_deletions
    return ACCOUNT_STREAMS[stream.name].json_schema(with_tombstones=with_tombstones)


def json_schema_of(table: TableSchema, config: Config) -> dict[str, Any]:
    """Build the JSON schema of a table's stream as the settings say."""
    return build_json_schema(
        table,
        by_field_id=config.column_names == "ids",
        with_tombstones=config.incremental.detect_deletions,
    )


def names_of(table: TableSchema) -> TableNames:
    """Give what a table's stream is named after."""
    return TableNames(table.base_id, table.base_name, table.table_id, table.table_name)
