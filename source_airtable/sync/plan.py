"""The plan of a sync: which streams take part, and which tables they read.

A table is read by all streams that take from it. Those that need the same of it share a scan.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeVar

from airbyte_cdk.models import SyncMode

from source_airtable.changes.shared_webhook import SharedWebhook
from source_airtable.changes.webhook_position import find_position
from source_airtable.errors import AirtableError
from source_airtable.schema.discovery import Discovery
from source_airtable.streams.account_stream import AccountTablesStream
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.matching import StreamMatcher
from source_airtable.streams.stream import Account, ReadRequest
from source_airtable.streams.table import TableStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airbyte_cdk.models import ConfiguredAirbyteStream
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseId
    from source_airtable.config import Config
    from source_airtable.schema.field_types import JsonSchema
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.stream import AirtableStream
    from source_airtable.sync.link_names import LinkedNames

LOGGER = logging.getLogger("airbyte.source_airtable")

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class PlannedStream:
    """One stream, and how Airbyte asks for it."""

    stream: AirtableStream
    request: ReadRequest
    tables: Sequence[TableSchema]


@dataclass(slots=True)
class TableRead:
    """One table, and the streams that take from it."""

    table: TableSchema
    streams: list[PlannedStream] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a sync reads."""

    streams: list[PlannedStream] = field(default_factory=list)
    errors: dict[str, AirtableError] = field(default_factory=dict)
    """Why a stream is not read, by its name."""

    @property
    def stream_count(self) -> int:
        """How many streams are configured."""
        return len(self.streams) + len(self.errors)

    def table_reads(self) -> list[TableRead]:
        """Group the streams by table; neighbours are of different bases.

        A table's streams come in the order of the catalog, those of the whole account last.
        """
        reads: dict[TableKey, TableRead] = {}
        order = list(ACCOUNT_STREAMS)
        for planned in sorted(
            self.streams,
            key=lambda one: order.index(one.stream.name) if one.stream.name in order else -1,
        ):
            for table in planned.tables:
                reads.setdefault(table.key, TableRead(table)).streams.append(planned)
        return interleave_bases(reads.values(), lambda read: read.table.base_id)


def plan_sync(
    configured: Sequence[ConfiguredAirbyteStream],
    states: ConnectorStateManager,
    client: AirtableClient,
    config: Config,
    names: LinkedNames,
) -> SyncPlan:
    """Find the tables of the configured streams, and build the streams."""
    configured = once_each(configured)
    declared = [one.stream for one in configured]
    of_account = [stream.name for stream in declared if stream.name in ACCOUNT_STREAMS]
    discovery = Discovery(
        client,
        config,
        keep_declared=any(ACCOUNT_STREAMS[name].needs_whole_schema for name in of_account),
    )
    matcher = StreamMatcher(discovery, filters_bases=bool(config.base_ids))
    account = _read_account(matcher, config) if of_account else Account()
    matches = matcher.match([one for one in declared if one.name not in ACCOUNT_STREAMS])
    names.tables = matcher.tables
    plan = SyncPlan(errors=dict(matches.errors))
    webhooks: dict[BaseId, SharedWebhook] = {}
    if matches.filter_error is not None:
        of_tables = [
            one for one in of_account if issubclass(ACCOUNT_STREAMS[one], AccountTablesStream)
        ]
        plan.errors.update(dict.fromkeys([*matches.tables, *of_tables], matches.filter_error))
    if account.error is not None:
        plan.errors.update(dict.fromkeys(of_account, account.error))
    for one in configured:
        name = one.stream.name
        if name in plan.errors:
            continue
        json_schema = _configured_schema(one)
        stream: AirtableStream
        if name in ACCOUNT_STREAMS:
            stream = ACCOUNT_STREAMS[name](account, config, client, json_schema)
        else:
            table = matches.tables[name]
            stream = TableStream(name, table, config, json_schema, find_names=names.find)
        request = ReadRequest()
        if one.sync_mode is SyncMode.incremental:
            saved = states.get_stream_state(name, None)
            request = ReadRequest(config.incremental, saved, webhooks)
        plan.streams.append(PlannedStream(stream, request, stream.tables()))
    if config.incremental.method == "webhooks":
        _find_webhooks(plan.streams, webhooks, client)
    return plan


def once_each(configured: Sequence[ConfiguredAirbyteStream]) -> list[ConfiguredAirbyteStream]:
    """Keep the first of streams of the same name, or each record would come twice."""
    by_name: dict[str, ConfiguredAirbyteStream] = {}
    for one in configured:
        if by_name.setdefault(one.stream.name, one) is not one:
            LOGGER.warning(
                "Stream %s stands twice in the configured catalog; the first one counts.",
                one.stream.name,
            )
    return list(by_name.values())


def interleave_bases(items: Iterable[_Item], base_id_of: Callable[[_Item], str]) -> list[_Item]:
    """Order items so that neighbours are of different bases, which do not share a rate limit.

    Shape: tables a1, a2, a3, b1 of bases a and b become a1, b1, a2, a3.
    """
    by_base: dict[str, list[_Item]] = {}
    for item in items:
        by_base.setdefault(base_id_of(item), []).append(item)
    rounds = zip_longest(*by_base.values())
    return [item for item in chain.from_iterable(rounds) if item is not None]


def _read_account(matcher: StreamMatcher, config: Config) -> Account:
    try:
        return matcher.read_account(may_miss_bases=config.on_missing_table == "skip")
    except AirtableError as error:
        return Account(error=error)


def _find_webhooks(
    streams: Iterable[PlannedStream], webhooks: dict[BaseId, SharedWebhook], client: AirtableClient
) -> None:
    """Note where each stream goes on, since the webhook of a base is read once for all of them."""
    for planned in streams:
        for table in planned.tables if planned.request.incremental else ():
            webhook = webhooks.setdefault(table.base_id, SharedWebhook(client, table))
            saved = planned.stream.state_of(table, planned.request.saved_state)
            position = find_position(saved)
            if position is not None:
                webhook.note(position)


def _configured_schema(configured: ConfiguredAirbyteStream) -> JsonSchema | None:
    """Give the configured JSON schema; None, for all columns, where a catalog leaves it open."""
    json_schema = configured.stream.json_schema
    return json_schema if json_schema.get("properties") else None
