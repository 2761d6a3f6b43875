"""What the streams of tables are called, as the settings say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_airtable.schema.names import TableNames, stream_name_of_ids, stream_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.config import Config
    from source_airtable.schema.table_schema import TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")


def name_streams(tables: Sequence[TableSchema], config: Config) -> list[str]:
    """Name the streams of all tables, in their order; warns of names that had to be changed."""
    if config.stream_names == "ids":
        return [stream_name_of_ids(table.base_id, table.table_id) for table in tables]
    names = stream_names(
        [names_of(table) for table in tables], add_base_id=config.add_base_id_to_stream_name
    )
    changed = [
        name
        for name, table in zip(names, tables, strict=True)
        if not config.add_base_id_to_stream_name and f"/{table.base_id}/" in name
    ]
    if changed:
        LOGGER.warning(
            "The names of these streams contain their base's id, because tables of several bases "
            "would have the same name: %s.",
            ", ".join(changed),
        )
    return names


def possible_stream_names(table: TableSchema) -> set[str]:
    """Give every name that a table's stream may have, under any setting."""
    names = [names_of(table)]
    return {
        *stream_names(names),
        *stream_names(names, add_base_id=True),
        stream_name_of_ids(table.base_id, table.table_id),
    }


def names_of(table: TableSchema) -> TableNames:
    """Give what a table's stream is named after."""
    return TableNames(table.base_id, table.base_name, table.table_id, table.table_name)
