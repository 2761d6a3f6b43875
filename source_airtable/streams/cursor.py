"""What a stream remembers between syncs: nothing yet but that it was read to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor

if TYPE_CHECKING:
    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition


class FullRefreshCursor(FinalStateCursor):
    """Emits a full refresh's state, `__ab_no_cursor_state_message`, when the scan is complete.

    The CDK's own cursor emits it for failed streams as well. The incoming state is not looked at:
    it would make the second of two full refreshes an empty one.
    """

    def __init__(self, stream_name: str, message_repository: MessageRepository) -> None:
        super().__init__(stream_name, None, message_repository)
        self._is_complete = False

    def close_partition(self, partition: Partition) -> None:  # noqa: ARG002 - the engine's signature
        """Note that the table, which is one partition, was read to its end."""
        self._is_complete = True

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emit the state, behind all records of the stream."""
        if self._is_complete:
            super().ensure_at_least_one_state_emitted()
