"""One sync: the configured streams on the CDK's concurrent engine, and what is said about them.

The engine is the CDK's `ConcurrentSource`. Its messages pass through here, because of the order in
which failures and statuses are to be told.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from airbyte_cdk.models import (
    AirbyteStreamStatus,
    FailureType,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.message.concurrent_repository import ConcurrentMessageRepository
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as to_status_message

from source_airtable.errors import (
    AirtableError,
    TableNotFoundError,
)
from source_airtable.schema.discovery import Discovery
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from source_airtable.streams.catalog import json_schema_to_read
from source_airtable.streams.engine_streams import EngineStreams
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.matching import StreamMatcher
from source_airtable.streams.metadata import DECLARED_STREAMS
from source_airtable.streams.table_stream import Account, AccountStream, TableStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_STARTED = AirbyteStreamStatus.STARTED


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
        self._failures = StreamFailures(may_miss_tables=config.on_missing_table == "skip")
        self._started: set[str] = set()
        self._incomplete: set[str] = set()
        self._records = 0

    def run(
        self, configured: Sequence[ConfiguredAirbyteStream], states: ConnectorStateManager
    ) -> Iterator[AirbyteMessage]:
        """Emit records, states and statuses of all streams; raises at the end if one failed."""
        started = time.monotonic()
        configured = once_each(configured)
        streams = [one.stream for one in configured]
        of_account = [stream for stream in streams if stream.name in ACCOUNT_STREAMS]
        discovery = Discovery(
            self._client,
            self._config,
            keep_declared=any(stream.name in DECLARED_STREAMS for stream in of_account),
        )
        matcher = StreamMatcher(discovery, filters_bases=bool(self._config.base_ids))
        account = self._read_account(matcher) if of_account else None
        matches = matcher.match(
            [stream for stream in streams if stream.name not in ACCOUNT_STREAMS]
        )
        if account is not None and account.error is not None:
            matches.errors |= {stream.name: account.error for stream in of_account}
        unmatched = {stream.name: stream for stream in streams if stream.name in matches.errors}
        for consequence in (FailureType.transient_error, FailureType.system_error):
            yield from self._report_unmatched(unmatched, matches, consequence)
        try:
            yield from self._run_engine(self._build_streams(configured, matches, account, states))
        finally:
            self._queue.abandon()
        for is_missing in (False, True):
            yield from self._failures.late_messages(are_missing=is_missing)
            yield from self._report_unmatched(
                unmatched, matches, FailureType.config_error, is_missing=is_missing
            )
        self._tell_end(time.monotonic() - started)
        self._failures.raise_for_all(len(streams))

    def _read_account(self, matcher: StreamMatcher) -> Account:
        try:
            return matcher.read_account(may_miss_bases=self._config.on_missing_table == "skip")
        except AirtableError as error:
            return Account(error=error)

    def _build_streams(
        self,
        configured: Sequence[ConfiguredAirbyteStream],
        matches: Matches,
        account: Account | None,
        states: ConnectorStateManager,
    ) -> list[AbstractStream]:
        of_tables: list[TableStream] = []
        of_account: list[AccountStream] = []
        for one in configured:
            name = one.stream.name
            if name in matches.errors:
                continue
            table = matches.tables.get(name)
            json_schema = json_schema_to_read(one.stream, table, self._config)
            is_incremental = one.sync_mode is SyncMode.incremental
            settings = self._config.incremental if is_incremental else None
            state = states.get_stream_state(name, None)
            if table is not None:
                of_tables.append(TableStream(name, table, json_schema, settings, state))
            else:
                with_files = bool(one.include_files)
                of_account.append(AccountStream(name, json_schema, settings, state, with_files))
        streams = EngineStreams(
            self._client, self._config, self._queue, self._message_repository, self._failures
        )
        return streams.build(of_tables, of_account, account)

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
                elif not self._failures.keep_back(message):
                    yield from self._with_its_start(message)
        except AirbyteTracedException as failed:
            # The engine's sum of failures; ours follows when the missing tables are reported too.
            self._failures.explain(self._incomplete, failed)

    def _with_its_start(self, message: AirbyteMessage) -> Iterator[AirbyteMessage]:
        """Put a stream's start before its first record, and have no start come twice.

        A scan may have records for a stream that the engine has not come to yet.
        """
        trace = message.trace
        if trace is None or trace.stream_status is None:
            yield message
            return
        status = trace.stream_status
        name, has_started = status.stream_descriptor.name, status.status is _STARTED
        if status.status is AirbyteStreamStatus.INCOMPLETE:
            self._incomplete.add(name)
        if name not in self._started and not has_started:
            yield to_status_message(status.stream_descriptor, _STARTED)
        if name not in self._started or not has_started:
            yield message
        self._started.add(name)

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
            if not self._failures.skips(name, error):
                self._failures.note(name, error)
                yield error.as_sanitized_airbyte_message(StreamDescriptor(name=name))
            yield to_status_message(stream, AirbyteStreamStatus.INCOMPLETE)

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
