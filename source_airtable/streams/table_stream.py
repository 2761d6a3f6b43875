"""What makes a stream: of one table, or of the whole account; and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.api.wire_types import BaseDict
    from source_airtable.config import IncrementalSettings
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableSchema


@dataclass(frozen=True, slots=True)
class TableStream:
    """The stream of one table, as Airbyte knows it."""

    name: str
    table: TableSchema
    json_schema: Mapping[str, Any]
    incremental: IncrementalSettings | None = None
    """How to read incrementally; None for a full refresh."""
    saved_state: Mapping[str, Any] | None = None
    """The state of the last incremental sync; a full refresh does not look at it."""


@dataclass(frozen=True, slots=True)
class AccountStream:
    """A stream of the whole account, one of `ACCOUNT_STREAMS`."""

    name: str
    json_schema: Mapping[str, Any]
    incremental: IncrementalSettings | None = None
    """How to read incrementally; None for a full refresh."""
    saved_state: Mapping[str, Any] | None = None
    """The state of the last incremental sync; a full refresh does not look at it."""
    include_files: bool = False
    """Whether files are wanted beside the rows, where the stream has files."""


@dataclass(slots=True)
class Account:
    """What the settings select of all that the token may see."""

    bases: list[BaseDict] = field(default_factory=list)
    tables: list[TableSchema] = field(default_factory=list)
    error: AirtableError | None = None
    """Why it is not known whole."""
