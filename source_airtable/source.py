"""SourceAirtable: Airbyte's four commands, wired from the parts of this package.

spec       the file spec.json
check      check.py
discover   schema/discovery.py finds tables, and streams/catalog.py makes each of them a stream
read       sync/plan.py finds the tables of the configured streams, sync/workers.py reads them, and
           sync/progress.py tells Airbyte
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airbyte_cdk.config_observation import create_connector_config_control_message
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.api.auth import build_authenticator
from source_airtable.api.client import AirtableClient
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.check import ConnectionCheck
from source_airtable.config import migrate_config, name_missing_token, parse_config, without_nulls
from source_airtable.errors import InvalidConfigError
from source_airtable.inputs import read_catalog, read_state
from source_airtable.schema.catalog_size import warning_of_size
from source_airtable.schema.discovery import Discovery
from source_airtable.streams.catalog import build_streams
from source_airtable.streams.stream import Account
from source_airtable.sync.link_names import LinkedNames
from source_airtable.sync.page_queue import PageQueue
from source_airtable.sync.plan import plan_sync
from source_airtable.sync.progress import Progress
from source_airtable.sync.record_lines import RecordLines
from source_airtable.sync.summary import log_summary
from source_airtable.sync.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

    from airbyte_cdk.models import (
        AirbyteCatalog,
        AirbyteMessage,
        AirbyteStateMessage,
        ConfiguredAirbyteCatalog,
    )
    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams import Stream

    from source_airtable.config import Config

LOGGER = logging.getLogger("airbyte.source_airtable")


class SourceAirtable(AbstractSource):
    """Reads Airtable bases: one stream per table, and some of the whole account.

    `write_lines` takes the lines of whole pages of records, which `read` then does not emit as
    messages; without it, every record is a message.
    """

    def __init__(self, write_lines: Callable[[str], object] | None = None) -> None:
        super().__init__()
        self._message_repository = InMemoryMessageRepository()
        self._record_lines = RecordLines(write_lines) if write_lines else None
        self._queue: PageQueue | None = None

    @property
    def message_repository(self) -> MessageRepository:
        """What holds messages until the running command has a place for them."""
        return self._message_repository

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        """Read the settings' file; raises InvalidConfigError where it holds no JSON object."""
        try:
            return AbstractSource.read_config(config_path)
        except ValueError:
            raise InvalidConfigError(
                setting="--config", reason="the file does not hold a JSON object"
            ) from None

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """Read the configured catalog; raises InvalidConfigError where it cannot be used."""
        return read_catalog(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """Read the saved states; raises InvalidConfigError where they cannot be used."""
        return read_state(state_path)

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:  # noqa: ARG002 - the CDK's signature
        """Bring settings of older versions to today's form, and have Airbyte save them."""
        config = without_nulls(config)
        migrated = migrate_config(config)
        if migrated is None:
            return name_missing_token(config)
        self._message_repository.emit_message(create_connector_config_control_message(migrated))
        return migrated

    def check_connection(
        self,
        logger: logging.Logger,  # noqa: ARG002 - the CDK's signature
        config: Mapping[str, Any],
    ) -> tuple[bool, Any]:
        """Tell whether a sync could read; raises what stands in the way, with its remedy."""
        parsed = parse_config(config)
        ConnectionCheck(_build_client(parsed, config), parsed).run()
        return True, None

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """Describe all streams; warns of a catalog that comes close to the platform's limits."""
        catalog = super().discover(logger, config)
        warning = warning_of_size(stream.json_schema for stream in catalog.streams)
        if warning:
            LOGGER.warning(warning)
        return catalog

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Discover all streams; each of them can be read by itself."""
        parsed = parse_config(config)
        client = _build_client(parsed, config)
        discovery = Discovery(client, parsed)
        tables = list(discovery.discover())
        account = Account(discovery.list_selected_bases(), tables)
        return [*build_streams(account, parsed, client, partial(self._read, config))]

    def abandon(self) -> None:
        """End the workers of a read that was broken off; does nothing after one that ended.

        An interrupt, or a reader of stdout that has gone, may strike outside of `read`, which then
        learns of it only when the process has ended; and the process ends only after its workers.
        """
        if self._queue is not None:
            self._queue.abandon()

    def read(
        self,
        logger: logging.Logger,  # noqa: ARG002 - the CDK's signature
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Read the configured streams, many tables at a time; raises at the end if one failed."""
        yield from self._read(config, catalog, state, self._record_lines)

    def _read(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
        record_lines: RecordLines | None = None,
    ) -> Iterator[AirbyteMessage]:
        started = time.monotonic()
        parsed = parse_config(config)
        queue = self._queue = PageQueue(parsed.pages_in_flight)
        client = _build_client(parsed, config, sleep=queue.sleep)
        states = ConnectorStateManager(state)
        names = LinkedNames(client, queue)
        plan = plan_sync(catalog.streams, states, client, parsed, names)
        may_miss_tables = parsed.on_missing_table == "skip"
        progress = Progress(
            plan, states, may_miss_tables=may_miss_tables, record_lines=record_lines
        )
        workers = Workers(
            client,
            queue,
            parsed.num_workers,
            reads_parts=parsed.read_large_tables_in_parts == "auto",
        )
        try:
            workers.start(plan.table_reads())
            yield from progress.messages(workers.iter_items())
        finally:
            workers.stop()
        log_summary(client, progress.records, time.monotonic() - started)
        progress.raise_if_failed()


def _build_client(
    config: Config, raw_config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep
) -> AirtableClient:
    budget = AirtableBudget(config.requests_per_second_per_base, sleep=sleep)
    return AirtableClient(build_authenticator(config, raw_config, sleep=sleep), budget)
