"""What a full refresh leaves as state."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from airbyte_cdk.models import AirbyteStateBlob
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.streams.cursor import FullRefreshCursor

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

PARTITION = cast("Partition", None)


@pytest.fixture
def repository() -> InMemoryMessageRepository:
    """Where messages go."""
    return InMemoryMessageRepository()


def test_complete_scan(repository: InMemoryMessageRepository) -> None:
    """A complete scan leaves the state that makes the next full refresh a full one."""
    cursor = FullRefreshCursor("contacts", repository)
    cursor.close_partition(PARTITION)

    cursor.ensure_at_least_one_state_emitted()

    states = [message.state for message in repository.consume_queue()]
    assert [state.stream.stream_state for state in states if state and state.stream] == [
        AirbyteStateBlob(__ab_no_cursor_state_message=True)
    ]


def test_incomplete_scan(repository: InMemoryMessageRepository) -> None:
    """A scan that failed leaves no state."""
    FullRefreshCursor("contacts", repository).ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []
