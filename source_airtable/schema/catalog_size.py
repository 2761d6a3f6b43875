"""The size of the catalog, measured against the limits of the Airbyte platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MEBIBYTE = 1024 * 1024
WARNING_BYTES = 8 * _MEBIBYTE
"""The platform refuses a catalog of more than 10 MiB."""
WARNING_COLUMNS = 15_000
"""The platform refuses a connection with more than 20,000 selected columns."""


def warning_of_size(json_schemas: Iterable[Mapping[str, Any]]) -> str | None:
    """Return a warning if these streams come close to a limit of the platform, else None."""
    columns = size_bytes = 0
    for json_schema in json_schemas:
        columns += len(json_schema["properties"])
        size_bytes += len(orjson.dumps(json_schema))
    if size_bytes < WARNING_BYTES and columns < WARNING_COLUMNS:
        return None
    return (
        f"The catalog has {columns:,} columns and {size_bytes / _MEBIBYTE:.1f} MiB. Airbyte "
        "refuses a catalog of more than 10 MiB and a connection with more than 20,000 selected "
        "columns. "
        "Set base_ids or table_ids to offer fewer bases or tables."
    )
