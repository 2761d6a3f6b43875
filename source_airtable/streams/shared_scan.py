"""One scan of a table for all the streams that take from it.

The engine of the CDK knows partitions of single streams. Here each stream that takes from a table
has a partition for it, and the worker that comes to the first of them makes the scan, for all. A
worker that comes to another one meanwhile does not wait: it leaves, and the partition stays open
(`ReadQueue` holds its end back) until the scan closes it. So no worker and no generator is ever
held by somebody else's scan, however few there are.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.streams.concurrent.partitions.types import PartitionCompleteSentinel

from source_airtable.errors import ContractError, MissingScopeError
from source_airtable.streams.read_queue import HeldPartition, SyncAbandonedError, pack
from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.table_scan import TableScan
from source_airtable.streams.window import Window, with_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.cursor import StreamCursor
    from source_airtable.streams.failures import StreamFailures
    from source_airtable.streams.read_queue import ReadQueue
    from source_airtable.streams.table_share import TableShare

LOGGER = logging.getLogger("airbyte.source_airtable")

RECORD_IDS_PER_CALL = 100
_UNPROCESSABLE = 422


class SharePartition(HeldPartition):
    """One stream's part in the scan of one table, as the engine sees it."""

    def __init__(
        self,
        stream_name: str,
        build_share: Callable[[], TableShare],
        cursor: StreamCursor,
        scan: SharedScan,
    ) -> None:
        super().__init__()
        self._stream_name = stream_name
        self.build_share = build_share
        self.cursor = cursor
        self._scan = scan

    def read(self) -> Iterator[QueueItem]:  # type: ignore[override]  # the engine only puts it on its queue
        """Make the scan, where no other worker does; else give nothing."""
        yield from self._scan.attend(self)

    def to_slice(self) -> Mapping[str, Any] | None:
        """Give nothing: a table is not sliced."""
        return None

    def stream_name(self) -> str:
        """Give the name of the stream."""
        return self._stream_name

    def __hash__(self) -> int:
        """Hash by stream and table, of which there is no other partition."""
        return hash((self._stream_name, self._scan.table.key))


class SharedScan:
    """The scan of one table, made once, with a partition for each stream that takes from it."""

    def __init__(
        self,
        table: TableSchema,
        client: AirtableClient,
        queue: ReadQueue,
        failures: StreamFailures,
    ) -> None:
        self.table = table
        self.partitions: list[SharePartition] = []
        self._client = client
        self._queue = queue
        self._failures = failures
        self._lock = threading.Lock()
        self._is_begun = False

    def add(
        self, stream_name: str, build_share: Callable[[], TableShare], cursor: StreamCursor
    ) -> SharePartition:
        """Let one more stream take part; not after the first partition was read.

        Its share is built when the scan begins and forgotten when it ends: in an account of
        thousands of tables, few are being read at a time.
        """
        partition = SharePartition(stream_name, build_share, cursor, self)
        self.partitions.append(partition)
        return partition

    def attend(self, partition: SharePartition) -> Iterator[QueueItem]:
        """Make the scan, if it is not begun; else leave the partition to it."""
        with self._lock:
            is_first, self._is_begun = not self._is_begun, True
            # An end that was given before must not be held back.
            partition.is_held = not is_first and not partition.is_closed
        if is_first:
            yield from self._iter_items()

    def _iter_items(self) -> Iterator[QueueItem]:
        """Emit the records of all shares, and close each share when it has all of its own."""
        shares: dict[SharePartition, TableShare] = {}
        for partition in self.partitions:
            try:
                shares[partition] = partition.build_share()
            except Exception as failure:  # noqa: BLE001, PERF203 - the other streams go on
                yield from self._close(partition, failure)
        try:
            yield from self._serve(shares)
        finally:
            for share in shares.values():
                share.close()

    def _serve(self, shares: Mapping[SharePartition, TableShare]) -> Iterator[QueueItem]:
        scan = TableScan(self.table, list(shares.values()), self._client, self._queue)
        try:
            yield from pack(self._iter_records(scan))
        except SyncAbandonedError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it is, each stream must learn of it
            for partition in shares:
                yield from self._close(partition, failure)
        else:
            for partition, share in sorted(shares.items(), key=lambda pair: pair[1].is_slow):
                yield from self._finish(partition, share, scan)

    def _finish(
        self, partition: SharePartition, share: TableShare, scan: TableScan
    ) -> Iterator[QueueItem]:
        failure = scan.failures.get(share)
        try:
            if failure is None:
                yield from pack(share.finish(scan))
                partition.cursor.leave(self.table.key, share.new_state())
        except SyncAbandonedError:
            raise
        except Exception as error:  # noqa: BLE001 - the other shares go on
            failure = error
        yield from self._close(partition, failure)

    def _close(
        self, partition: SharePartition, failure: Exception | None = None
    ) -> Iterator[QueueItem]:
        """End a share: behind its last record come its failure, if it has one, and its end."""
        if failure is not None and partition.cursor.goes_on_without(failure):
            LOGGER.warning(
                "Stream %s goes on without a table: %s", partition.stream_name(), failure
            )
            partition.cursor.leave()
        elif failure is not None:
            self._failures.note(partition.stream_name(), failure)
            yield StreamThreadException(failure, partition.stream_name())
        with self._lock:
            partition.is_closed = True
            partition.is_held = False
        yield PartitionCompleteSentinel(partition, failure is None)

    def _iter_records(self, scan: TableScan) -> Iterator[Record]:
        # The clock before the scan's first request: what is edited from now on is read next time.
        now = self._client.latest_date
        edges: dict[TableShare, datetime | None] = {}
        for share in scan.shares:
            with scan.failing_alone(share):
                edges[share] = share.begin(now)
        if not edges:
            return
        since = min((edge for edge in edges.values() if edge is not None), default=None)
        widest = next((share for share, edge in edges.items() if edge is None), None)
        if widest is not None:
            since = None
        self._widen(edges, since, widest)
        if since is None:
            yield from self._iter_whole_table(scan)
        else:
            method = next(share.method for share, edge in edges.items() if edge == since)
            yield from self._iter_window(scan, Window(method, since, scan.table))
        yield from self._iter_unknown(scan)

    def _widen(
        self,
        edges: Mapping[TableShare, datetime | None],
        since: datetime | None,
        widest: TableShare | None,
    ) -> None:
        """Tell the shares that get more than they need, and the log which stream it is for."""
        for share, edge in edges.items():
            if edge == since:
                continue
            share.widen()
            if widest is not None:
                LOGGER.info(
                    "Stream %s is read in full: stream %s, which shares the scan, needs it.",
                    share.told_name,
                    widest.told_name,
                )
            elif since is not None:
                LOGGER.info(
                    "Stream %s: reading what changed after %s, for a stream that shares the scan.",
                    share.told_name,
                    to_utc_text(since),
                )

    def _iter_whole_table(self, scan: TableScan) -> Iterator[Record]:
        scan.was_full = True
        keep_ids = any(share.tracks_ids for share in scan.shares)
        try:
            yield from scan.iter_records(keep_ids=keep_ids)
        except (ContractError, MissingScopeError) as refused:
            # What it takes to be told the number of comments is not documented.
            if not scan.drop_comment_counts(refused):
                raise
            yield from scan.iter_records(keep_ids=keep_ids)

    def _iter_window(self, scan: TableScan, window: Window) -> Iterator[Record]:
        """Emit what the filter picks, or everything where Airtable does not honour it."""
        try:
            yield from scan.iter_records(window.formula, look_at=window.look_at)
        except ContractError as refused:
            if refused.facts.get("status") != _UNPROCESSABLE:
                raise
            self._warn_of_filter(scan, "Airtable refuses the filter")
            yield from self._iter_whole_table(scan)
        else:
            if window.is_ignored:
                self._warn_of_filter(scan, "Airtable does not honour the filter")
                yield from self._iter_whole_table(scan)

    def _warn_of_filter(self, scan: TableScan, reason: str) -> None:
        LOGGER.warning(
            "Stream %s is read in full: %s for the table %s of base %s.",
            scan.name,
            reason,
            scan.table.table_name,
            scan.table.base_name,
        )

    def _iter_unknown(self, scan: TableScan) -> Iterator[Record]:
        """Emit records that came without being created or edited: restored, imported, synced."""
        unknown: set[str] = set()
        for share in scan.shares:
            if share not in scan.failures:
                unknown |= share.find_unknown(scan)
        if unknown:
            LOGGER.info(
                "Stream %s: %d records are there that no sync has seen; reading them.",
                scan.name,
                len(unknown),
            )
        record_ids = sorted(unknown)
        for start in range(0, len(record_ids), RECORD_IDS_PER_CALL):
            yield from scan.iter_records(with_ids(record_ids[start : start + RECORD_IDS_PER_CALL]))
