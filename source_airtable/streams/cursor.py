"""What a stream leaves behind: a state, behind its records, when all its tables were read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor

from source_airtable.streams.failures import is_gone
from source_airtable.streams.sync_state import VERSION

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

    from source_airtable.schema.table_schema import TableKey


class StreamCursor(FinalStateCursor):
    """Emits the state of a stream once, and only when the scans of all its tables are complete.

    The CDK's own cursor emits it for failed streams as well. The state of a full refresh is
    `{"__ab_no_cursor_state_message": true}`; incremental scans put theirs in that place.
    """

    def __init__(
        self, stream_name: str, message_repository: MessageRepository, tables: int = 1
    ) -> None:
        super().__init__(stream_name, None, message_repository)
        self._open_tables = tables
        self._lock = threading.Lock()
        self._states: dict[TableKey, dict[str, Any]] = {}

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The state that the stream leaves behind."""
        return self._combine(self._states) or {NO_CURSOR_STATE_KEY: True}

    def leave(self, key: TableKey | None = None, state: dict[str, Any] | None = None) -> None:
        """Note that one table is read to its end, with the state that it leaves, if it has one."""
        with self._lock:
            self._open_tables -= 1
            if key is not None and state is not None:
                self._states[key] = state

    def goes_on_without(self, failure: Exception) -> bool:  # noqa: ARG002 - for streams of more tables
        """Tell whether the stream may be complete without the table that fails so."""
        return False

    def close_partition(self, partition: Partition) -> None:
        """Do nothing: a scan says itself when it is complete, which may be later."""

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emit the state, behind all records of the stream."""
        if self._open_tables == 0:
            super().ensure_at_least_one_state_emitted()

    def _combine(self, states: dict[TableKey, dict[str, Any]]) -> dict[str, Any] | None:
        """Make one state of those of all tables: that of the only one, for a table's own stream."""
        return next(iter(states.values()), None)


class AccountCursor(StreamCursor):
    """The cursor of a stream over many tables.

    Shape: `{"version": 1, "tables": {"appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK": {…}}}`, with for each
    table the state that its own stream would have.
    """

    def __init__(
        self,
        stream_name: str,
        message_repository: MessageRepository,
        tables: int,
        *,
        skips_missing: bool = False,
        saved_state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(stream_name, message_repository, tables)
        self._skips_missing = skips_missing
        self._saved = saved_state or {}

    def goes_on_without(self, failure: Exception) -> bool:
        """Tell whether a table, or its base, is gone, and the settings allow to go on."""
        return self._skips_missing and is_gone(failure)

    def _combine(self, states: dict[TableKey, dict[str, Any]]) -> dict[str, Any] | None:
        if not states:
            return None
        tables: dict[str, Any] = {}
        if self._skips_missing and isinstance(self._saved.get("tables"), Mapping):
            # What is known of a table that is missing today must not be forgotten.
            tables |= self._saved["tables"]
        tables |= {"/".join(key): states[key] for key in sorted(states)}
        return {"version": VERSION, "tables": tables}


def state_of_table(saved: Mapping[str, Any], key: TableKey) -> Mapping[str, Any]:
    """Give what the saved state of a stream over many tables holds of one of them.

    A state that is not one of these is given as it is, so that the scan says why it is of no use.
    """
    tables = saved.get("tables")
    if not isinstance(tables, Mapping):
        return saved
    state = tables.get("/".join(key))
    return state if isinstance(state, Mapping) else {}
