"""Writes a sync's messages: for each stream its start, records, state, failures and end.

Only the main thread comes here. It writes the rows of a table before it takes the end of the
table's reader from the queue, so a state can only come after its records.
"""

from __future__ import annotations

import logging
import time
from math import inf
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteStateStats,
    AirbyteStreamStatus,
    FailureType,
    StreamDescriptor,
)
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as to_status_message

from source_airtable.streams.stream import FileRow
from source_airtable.sync.failures import Failures
from source_airtable.sync.page_queue import PageRows, ReaderCheckpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airbyte_cdk.models import AirbyteMessage
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager

    from source_airtable.records import Row
    from source_airtable.schema.table_schema import TableKey
    from source_airtable.sync.page_queue import Item, ReaderFinished
    from source_airtable.sync.plan import PlannedStream, SyncPlan
    from source_airtable.sync.record_lines import RecordLines

LOGGER = logging.getLogger("airbyte.source_airtable")

MOST_STATES_EVERY_SECONDS = 10.0
"""How often a stream over many tables may have a state before its end."""


class StreamProgress:
    """How far one stream is."""

    def __init__(self, planned: PlannedStream) -> None:
        self.planned = planned
        self.descriptor = StreamDescriptor(name=planned.stream.name)
        self.open_tables = len(planned.tables)
        self.states: dict[TableKey, dict[str, Any]] = {}
        self.records = 0
        self.records_before_state = 0
        """How many records came before the last state."""
        self.last_state_at = -inf
        self.status: AirbyteStreamStatus | None = None
        self.failures: list[Exception] = []
        self.is_skipped = False
        """Whether its only table is gone, and the settings allow that."""

    @property
    def is_over(self) -> bool:
        """Whether COMPLETE or INCOMPLETE went out."""
        return self.status in (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE)


class Progress:
    """Turns what workers put on the queue into Airbyte's messages."""

    def __init__(
        self,
        plan: SyncPlan,
        states: ConnectorStateManager,
        *,
        may_miss_tables: bool,
        record_lines: RecordLines | None = None,
    ) -> None:
        self._plan = plan
        self._states = states
        self._failures = Failures(may_miss_tables=may_miss_tables)
        self._record_lines = record_lines
        self._streams = {one.stream.name: StreamProgress(one) for one in plan.streams}

    @property
    def records(self) -> int:
        """How many records were written."""
        return sum(progress.records for progress in self._streams.values())

    def messages(self, items: Iterable[Item]) -> Iterator[AirbyteMessage]:
        """Emit the messages of a sync."""
        yield from self._report_unplanned()
        yield from self._write_rows_without_table()
        for item in items:
            if isinstance(item, PageRows):
                for stream_name, rows in item.rows:
                    yield from self._write(self._streams[stream_name], rows)
                if item.permit is not None:
                    item.permit.release()
            elif isinstance(item, ReaderCheckpoint):
                yield from self._checkpoint(self._streams[item.stream_name], item)
            else:
                yield from self._end_table(self._streams[item.stream_name], item)
        yield from self._failures.late_messages()

    def raise_if_failed(self) -> None:
        """Raise one error that names the streams that failed, or that did not end."""
        self._failures.raise_if_any(self._plan.stream_count)
        lost = [name for name, progress in self._streams.items() if not progress.is_over]
        if lost:
            raise AirbyteTracedException(
                message=f"The sync ended before these streams did: {', '.join(lost)}. Report this "
                "to the connector's authors.",
                internal_message="streams without an end",
                failure_type=FailureType.system_error,
            )

    def _report_unplanned(self) -> Iterator[AirbyteMessage]:
        """Say of each stream that cannot be read why."""
        for name, error in self._plan.errors.items():
            descriptor = StreamDescriptor(name=name)
            if self._failures.skips(error):
                _warn_of_skipped(name, error)
            else:
                yield from self._failures.note(name, error)
            yield to_status_message(descriptor, AirbyteStreamStatus.INCOMPLETE)

    def _write_rows_without_table(self) -> Iterator[AirbyteMessage]:
        """Write the streams that read no table, and end those without a table."""
        for progress in self._streams.values():
            if progress.open_tables:
                continue
            for rows in _rows_or_failure(progress):
                yield from self._write(progress, rows)
            yield from self._end_stream(progress)

    def _write(self, progress: StreamProgress, rows: list[Row]) -> Iterator[AirbyteMessage]:
        if progress.status is None:
            yield self._set_status(progress, AirbyteStreamStatus.STARTED)
        if not rows:
            return
        if progress.status is AirbyteStreamStatus.STARTED:
            yield self._set_status(progress, AirbyteStreamStatus.RUNNING)
        name = progress.descriptor.name
        progress.records += len(rows)
        if self._record_lines is not None and not any(type(row) is FileRow for row in rows):
            self._record_lines.write(name, rows)
            return
        for row in rows:
            file = row.file if isinstance(row, FileRow) else None
            yield stream_data_to_airbyte_message(name, row, file_reference=file)

    def _end_table(self, progress: StreamProgress, end: ReaderFinished) -> Iterator[AirbyteMessage]:
        progress.open_tables -= 1
        if end.state is not None:
            progress.states[end.key] = end.state
        if end.error is not None:
            self._note_failure(progress, end.error)
        if not progress.open_tables:
            yield from self._end_stream(progress)

    def _checkpoint(
        self, progress: StreamProgress, checkpoint: ReaderCheckpoint
    ) -> Iterator[AirbyteMessage]:
        """Emit a state in the middle of a table.

        That of a stream over many tables may be large, and is emitted less often.
        """
        progress.states[checkpoint.key] = checkpoint.state
        is_due = time.monotonic() >= progress.last_state_at + MOST_STATES_EVERY_SECONDS
        if is_due or progress.planned.stream.reads_one_table:
            yield self._state_message(progress)

    def _note_failure(self, progress: StreamProgress, error: Exception) -> None:
        name = progress.descriptor.name
        if not self._failures.skips(error):
            progress.failures.append(error)
        elif progress.planned.stream.reads_one_table:
            progress.is_skipped = True
            _warn_of_skipped(name, error)
        else:
            LOGGER.warning("Stream %s goes on without a table: %s", name, error)

    def _end_stream(self, progress: StreamProgress) -> Iterator[AirbyteMessage]:
        """Emit the stream's state, its failures and its last status.

        A stream that fails has a state too where rows of an incremental read went out: the next
        sync must know of them. None of these states says that a table was read to its end.
        """
        planned = progress.planned
        if progress.status is None:
            yield self._set_status(progress, AirbyteStreamStatus.STARTED)
        is_complete = not progress.failures and not progress.is_skipped
        if is_complete or (progress.states and planned.request.incremental is not None):
            yield self._state_message(progress)
        for failure in progress.failures:
            yield from self._failures.note(progress.descriptor.name, failure)
        status = AirbyteStreamStatus.COMPLETE if is_complete else AirbyteStreamStatus.INCOMPLETE
        yield self._set_status(progress, status)

    def _state_message(self, progress: StreamProgress) -> AirbyteMessage:
        planned, name = progress.planned, progress.descriptor.name
        state = planned.stream.combine(progress.states, planned.request)
        self._states.update_state_for_stream(name, None, state or {NO_CURSOR_STATE_KEY: True})
        message = self._states.create_state_message(name, None)
        if message.state is not None:
            count = progress.records - progress.records_before_state
            message.state.sourceStats = AirbyteStateStats(recordCount=float(count))
        progress.records_before_state = progress.records
        progress.last_state_at = time.monotonic()
        return message

    def _set_status(self, progress: StreamProgress, status: AirbyteStreamStatus) -> AirbyteMessage:
        progress.status = status
        return to_status_message(progress.descriptor, status)


def _rows_or_failure(progress: StreamProgress) -> Iterator[list[Row]]:
    try:
        yield from progress.planned.stream.rows()
    except Exception as failure:  # noqa: BLE001 - the other streams go on
        progress.failures.append(failure)


def _warn_of_skipped(stream_name: str, error: Exception) -> None:
    LOGGER.warning("Stream %s is skipped, as on_missing_table says: %s", stream_name, error)
