"""One sync: the configured streams on the CDK's concurrent engine, and what is said about them.

The engine is the CDK's `ConcurrentSource`. Its messages pass through here, because the platform
takes the first failure that it sees for the sync's: what a later sync may cure goes out at once,
what a person must mend waits for the end, and tables that are missing come last.
"""

from __future__ import annotations

import logging
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from airbyte_cdk.models import (
    AirbyteStreamStatus,
    FailureType,
    StreamDescriptor,
    SyncMode,
    TraceType,
    Type,
)
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.message.concurrent_repository import ConcurrentMessageRepository
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as to_status_message

from source_airtable.errors import BaseNotFoundError, TableNotFoundError
from source_airtable.schema.discovery import Discovery
from source_airtable.streams.catalog import json_schema_to_read
from source_airtable.streams.matching import StreamMatcher
from source_airtable.streams.table_stream import TableStream, build_streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airbyte_cdk.models import AirbyteMessage, AirbyteStream, ConfiguredAirbyteStream
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream

    from source_airtable.api.client import AirtableClient
    from source_airtable.config import Config
    from source_airtable.streams.matching import Matches
    from source_airtable.streams.read_queue import ReadQueue

LOGGER = logging.getLogger("airbyte.source_airtable")

_DAYS_OF_A_MONTH = 30
_HOPEFUL_FIRST = (
    FailureType.transient_error,
    FailureType.system_error,
    FailureType.config_error,
)


class Sync:
    """Reads streams once, and tells how it went."""

    def __init__(
        self,
        client: AirtableClient,
        config: Config,
        queue: ReadQueue,
        message_repository: MessageRepository,
    ) -> None:
        self._client = client
        self._config = config
        self._queue = queue
        # On the engine's own queue, or states would overtake the records they stand for.
        self._message_repository = ConcurrentMessageRepository(queue, message_repository)
        self._failures: dict[str, Exception] = {}
        self._late_messages: dict[bool, list[AirbyteMessage]] = {False: [], True: []}
        """What waits for the end, by whether it is about a table that is missing."""
        self._skipped: set[str] = set()
        self._records = 0

    def run(
        self, configured: Sequence[ConfiguredAirbyteStream], states: ConnectorStateManager
    ) -> Iterator[AirbyteMessage]:
        """Emit records, states and statuses of all streams; raises at the end if one failed."""
        started = time.monotonic()
        configured = once_each(configured)
        streams = [one.stream for one in configured]
        discovery = Discovery(self._client, self._config)
        matcher = StreamMatcher(discovery, filters_bases=bool(self._config.base_ids))
        matches = matcher.match(streams)
        unmatched = {stream.name: stream for stream in streams if stream.name in matches.errors}
        for consequence in (FailureType.transient_error, FailureType.system_error):
            yield from self._report_unmatched(unmatched, matches, consequence)
        try:
            yield from self._run_engine(self._build_streams(configured, matches, states))
        finally:
            self._queue.abandon()
        for is_missing in (False, True):
            yield from self._late_messages[is_missing]
            yield from self._report_unmatched(
                unmatched, matches, FailureType.config_error, is_missing=is_missing
            )
        self._tell_end(time.monotonic() - started)
        self._raise_for_failures(len(streams))

    def _build_streams(
        self,
        configured: Sequence[ConfiguredAirbyteStream],
        matches: Matches,
        states: ConnectorStateManager,
    ) -> list[AbstractStream]:
        matched = [
            TableStream(
                one.stream.name,
                matches.tables[one.stream.name],
                json_schema_to_read(one.stream, matches.tables[one.stream.name], self._config),
                self._config.incremental if one.sync_mode is SyncMode.incremental else None,
                states.get_stream_state(one.stream.name, None),
            )
            for one in configured
            if one.stream.name in matches.tables
        ]
        return build_streams(
            interleave_bases(matched),
            self._client,
            self._queue,
            self._message_repository,
            self._failures,
        )

    def _run_engine(self, streams: list[AbstractStream]) -> Iterator[AirbyteMessage]:
        if not streams:
            return  # the engine would wait for ever
        workers = self._config.num_workers
        engine = ConcurrentSource.create(
            num_workers=workers,
            initial_number_of_partitions_to_generate=max(1, workers // 2),
            logger=LOGGER,
            slice_logger=DebugSliceLogger(),
            message_repository=self._message_repository,
            queue=self._queue,
        )
        try:
            for message in engine.read(streams):
                if message.type is Type.RECORD:
                    self._records += 1
                    yield message
                elif not self._is_for_later(message):
                    yield message
        except AirbyteTracedException:
            # The engine's sum of failures; ours follows when the missing tables are reported too.
            if not self._failures and not self._skipped:
                raise

    def _is_for_later(self, message: AirbyteMessage) -> bool:
        """Keep a failure that a person must mend until the end, and drop one to be skipped."""
        trace = message.trace
        if trace is None or trace.type is not TraceType.ERROR or trace.error is None:
            return False
        if trace.error.failure_type is not FailureType.config_error:
            return False
        descriptor = trace.error.stream_descriptor
        failure = self._failures.get(descriptor.name) if descriptor else None
        if descriptor and failure is not None and self._may_be_skipped(failure):
            self._skip(descriptor.name, failure)
            del self._failures[descriptor.name]
        else:
            self._late_messages[isinstance(failure, TableNotFoundError)].append(message)
        return True

    def _may_be_skipped(self, failure: Exception) -> bool:
        """Tell whether a table or base is gone, and the settings allow to go on without it."""
        is_gone = isinstance(failure, (TableNotFoundError, BaseNotFoundError))
        return is_gone and self._config.on_missing_table == "skip"

    def _report_unmatched(
        self,
        unmatched: dict[str, AirbyteStream],
        matches: Matches,
        consequence: FailureType,
        *,
        is_missing: bool = False,
    ) -> Iterator[AirbyteMessage]:
        """Say of each stream without a table, or with an unreadable base, why it is not read."""
        for name, stream in unmatched.items():
            error = matches.errors[name]
            if error.failure_type is not consequence:
                continue
            if isinstance(error, TableNotFoundError) is not is_missing:
                continue
            if self._may_be_skipped(error):
                self._skip(name, error)
            else:
                self._failures[name] = error
                yield error.as_sanitized_airbyte_message(StreamDescriptor(name=name))
            yield to_status_message(stream, AirbyteStreamStatus.INCOMPLETE)

    def _skip(self, stream_name: str, error: Exception) -> None:
        self._skipped.add(stream_name)
        LOGGER.warning("Stream %s is skipped, as on_missing_table says: %s", stream_name, error)

    def _tell_end(self, seconds: float) -> None:
        """Tell what the sync took, and what that makes of a plan with a monthly number of calls."""
        budget = self._client.budget
        LOGGER.info(
            "Airtable: %d calls for %d records in %.1f s; workers waited %.1f s in all for the "
            "rate limits; refused by them (429): %d; tried again after other failures: %d. "
            "At this rate, a sync every hour makes %s calls a month, a daily one %s.",
            budget.calls,
            self._records,
            seconds,
            budget.waited_seconds,
            budget.refusals,
            max(0, self._client.backoff_strategy.retries - budget.refusals),
            f"{budget.calls * 24 * _DAYS_OF_A_MONTH:,}",
            f"{budget.calls * _DAYS_OF_A_MONTH:,}",
        )

    def _raise_for_failures(self, stream_count: int) -> None:
        if not self._failures:
            return
        kinds = {getattr(failure, "failure_type", None) for failure in self._failures.values()}
        names = ", ".join(self._failures)
        raise AirbyteTracedException(
            message=f"{len(self._failures)} of {stream_count} streams failed: {names}. The reason "
            "for each one is in its own message above.",
            internal_message="streams failed",
            failure_type=next((kind for kind in _HOPEFUL_FIRST if kind in kinds), None)
            or FailureType.system_error,
        )


def once_each(configured: Sequence[ConfiguredAirbyteStream]) -> list[ConfiguredAirbyteStream]:
    """Keep the first of streams of the same name: the engine would emit each record twice."""
    by_name: dict[str, ConfiguredAirbyteStream] = {}
    for one in configured:
        if by_name.setdefault(one.stream.name, one) is not one:
            LOGGER.warning(
                "Stream %s stands twice in the configured catalog; the first one counts.",
                one.stream.name,
            )
    return list(by_name.values())


def interleave_bases(streams: Iterable[TableStream]) -> list[TableStream]:
    """Order streams so that neighbours are of different bases, which do not share a rate limit.

    Shape: tables a1, a2, a3, b1 of bases a and b become a1, b1, a2, a3.
    """
    by_base: dict[str, list[TableStream]] = {}
    for stream in streams:
        by_base.setdefault(stream.table.base_id, []).append(stream)
    rounds = zip_longest(*by_base.values())
    return [stream for stream in chain.from_iterable(rounds) if stream is not None]
