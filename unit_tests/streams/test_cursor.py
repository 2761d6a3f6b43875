"""What a stream leaves as state."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from airbyte_cdk.models import AirbyteStateBlob
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.streams.cursor import TableCursor

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

PARTITION = cast("Partition", None)


@pytest.fixture
def repository() -> InMemoryMessageRepository:
    """Where messages go."""
    return InMemoryMessageRepository()


def states_in(repository: InMemoryMessageRepository) -> list[AirbyteStateBlob | None]:
    """The states that were emitted."""
    states = [message.state for message in repository.consume_queue()]
    return [state.stream.stream_state for state in states if state and state.stream]


def test_complete_full_refresh(repository: InMemoryMessageRepository) -> None:
    """A complete full refresh leaves the state that makes the next full refresh a full one."""
    cursor = TableCursor("contacts", repository)
    cursor.close_partition(PARTITION)

    cursor.ensure_at_least_one_state_emitted()

    assert states_in(repository) == [AirbyteStateBlob(__ab_no_cursor_state_message=True)]


def test_complete_incremental_scan(repository: InMemoryMessageRepository) -> None:
    """A complete incremental scan leaves the state that was put in place, once."""
    cursor = TableCursor("contacts", repository)
    cursor.leave({"as_of": "2026-11-18T10:00:00.000Z"})
    cursor.close_partition(PARTITION)

    cursor.ensure_at_least_one_state_emitted()

    assert states_in(repository) == [AirbyteStateBlob(as_of="2026-11-18T10:00:00.000Z")]


def test_incomplete_scan(repository: InMemoryMessageRepository) -> None:
    """A scan that failed leaves no state."""
    TableCursor("contacts", repository).ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []


def test_state_before_the_end(repository: InMemoryMessageRepository) -> None:
    """A state in place is not emitted as long as the scan is not complete."""
    cursor = TableCursor("contacts", repository)
    cursor.leave({"as_of": "2026-11-18T10:00:00.000Z"})

    cursor.ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []
