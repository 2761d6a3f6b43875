"""What a stream leaves behind: a state, behind its records, when it was read to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition


class TableCursor(FinalStateCursor):
    """Emits the state of a table's stream once, and only when its scan is complete.

    The CDK's own cursor emits it for failed streams as well. The state of a full refresh is
    `{"__ab_no_cursor_state_message": true}`; an incremental scan puts its own in that place.
    """

    def __init__(self, stream_name: str, message_repository: MessageRepository) -> None:
        super().__init__(stream_name, None, message_repository)
        self._is_complete = False
        self._state: dict[str, Any] = {NO_CURSOR_STATE_KEY: True}

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The state that the stream leaves behind."""
        return self._state

    def leave(self, state: dict[str, Any]) -> None:
        """Put the state of an incremental scan in place, to be emitted when it is complete."""
        self._state = state

    def close_partition(self, partition: Partition) -> None:  # noqa: ARG002 - the engine's signature
        """Note that the table, which is one partition, was read to its end."""
        self._is_complete = True

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emit the state, behind all records of the stream."""
        if self._is_complete:
            super().ensure_at_least_one_state_emitted()
