"""SourceAirtable: Airbyte's four commands, wired from the parts of this package.

spec       the file spec.json
check      check.py
discover   schema/discovery.py finds tables, streams/catalog.py makes each one a stream
read       streams/matching.py finds the tables of the configured streams, sync.py has them
           read on the CDK's engine
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

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
from source_airtable.schema.discovery import Discovery
from source_airtable.streams.catalog import (
    all_account_streams,
    all_table_streams,
    build_catalog,
)
from source_airtable.streams.engine_streams import EngineStreams
from source_airtable.streams.failures import StreamFailures
from source_airtable.streams.read_queue import ReadQueue
from source_airtable.streams.table_stream import Account
from source_airtable.sync import Sync

if TYPE_CHECKING:
    import logging
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


class SourceAirtable(AbstractSource):
    """Reads Airtable bases: one stream per table, and some of the whole account."""

    def __init__(self) -> None:
        super().__init__()
        self._message_repository = InMemoryMessageRepository()
        self._queue: ReadQueue | None = None

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

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:  # noqa: ARG002 - the CDK's signature
        """Bring settings of older versions to today's form, and have Airbyte save them."""
        migrated = migrate_config(config)
        if migrated is None:
            return name_missing_token(without_nulls(config))
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

    def discover(
        self,
        logger: logging.Logger,  # noqa: ARG002 - the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteCatalog:
        """Describe one stream per selected table, and those of the whole account."""
        parsed = parse_config(config)
        return build_catalog(Discovery(_build_client(parsed, config), parsed), parsed)

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Discover all streams, ready to be read one by one in full.

        Airbyte's commands do not come here: `discover` and `read` above and below need less memory
        and fewer calls.
        """
        parsed = parse_config(config)
        client = _build_client(parsed, config)
        discovery = Discovery(client, parsed, keep_declared=True)
        tables = list(discovery.discover())
        account = Account(discovery.list_selected_bases(), tables)
        queue = ReadQueue(parsed.pages_in_flight)
        failures = StreamFailures(may_miss_tables=False)
        streams = EngineStreams(client, parsed, queue, self._message_repository, failures).build(
            all_table_streams(tables, parsed), all_account_streams(parsed), account
        )
        # The CDK's own concurrent sources give their streams here, too.
        return cast("list[Stream]", streams)

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
        """Read the configured streams, many at a time."""
        parsed = parse_config(config)
        queue = self._queue = ReadQueue(parsed.pages_in_flight)
        client = _build_client(parsed, config, sleep=queue.sleep)
        sync = Sync(client, parsed, queue, self._message_repository)
        yield from sync.run(catalog.streams, ConnectorStateManager(state))


def _build_client(
    config: Config, raw_config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep
) -> AirtableClient:
    budget = AirtableBudget(config.requests_per_second_per_base, sleep=sleep)
    return AirtableClient(build_authenticator(config, raw_config, sleep=sleep), budget)
