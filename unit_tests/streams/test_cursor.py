"""What a stream leaves as state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from airbyte_cdk.models import AirbyteStateBlob
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.api.wire_types import TableId
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    TableNotFoundError,
)
from source_airtable.streams.cursor import AccountCursor, StreamCursor, state_of_table
from unit_tests.builders import BASE, TABLE

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

PARTITION = cast("Partition", None)
KEY = (BASE, TABLE)
OTHER_KEY = (BASE, TableId("tblZtp8DGLhqbUmjK"))


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
    cursor = StreamCursor("contacts", repository)
    cursor.leave(KEY, None)

    cursor.ensure_at_least_one_state_emitted()

    assert states_in(repository) == [AirbyteStateBlob(__ab_no_cursor_state_message=True)]


def test_complete_incremental_scan(repository: InMemoryMessageRepository) -> None:
    """A complete incremental scan leaves the state that was put in place, once."""
    cursor = StreamCursor("contacts", repository)
    cursor.leave(KEY, {"as_of": "2026-11-18T10:00:00.000Z"})

    cursor.ensure_at_least_one_state_emitted()

    assert states_in(repository) == [AirbyteStateBlob(as_of="2026-11-18T10:00:00.000Z")]


def test_incomplete_scan(repository: InMemoryMessageRepository) -> None:
    """A scan that failed leaves no state."""
    StreamCursor("contacts", repository).ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []


def test_worker_that_leaves(repository: InMemoryMessageRepository) -> None:
    """A worker that leaves a partition to another one's scan does not complete the stream."""
    cursor = StreamCursor("contacts", repository)
    cursor.close_partition(PARTITION)

    cursor.ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []


def test_one_table_of_two(repository: InMemoryMessageRepository) -> None:
    """A stream over two tables leaves no state before both are complete."""
    cursor = AccountCursor("records", repository, tables=2)
    cursor.leave(KEY, {"as_of": "2026-11-18T10:00:00.000Z"})

    cursor.ensure_at_least_one_state_emitted()

    assert list(repository.consume_queue()) == []


def test_states_of_two_tables(repository: InMemoryMessageRepository) -> None:
    """A stream over two tables leaves the states of both, by base and table id."""
    cursor = AccountCursor("records", repository, tables=2)
    cursor.leave(OTHER_KEY, {"as_of": "b"})
    cursor.leave(KEY, {"as_of": "a"})

    cursor.ensure_at_least_one_state_emitted()

    (state,) = states_in(repository)
    assert vars(state) == {
        "version": 1,
        "tables": {"/".join(KEY): {"as_of": "a"}, "/".join(OTHER_KEY): {"as_of": "b"}},
    }


@pytest.mark.parametrize("tables", [0, 1])
def test_account_without_states(repository: InMemoryMessageRepository, tables: int) -> None:
    """A full refresh of an account, and one without tables, leave the placeholder."""
    cursor = AccountCursor("links", repository, tables=tables)
    for _ in range(tables):
        cursor.leave(KEY, None)

    cursor.ensure_at_least_one_state_emitted()

    assert states_in(repository) == [AirbyteStateBlob(__ab_no_cursor_state_message=True)]


SAVED = {
    "version": 1,
    "tables": {"/".join(KEY): {"as_of": "a"}, "/".join(OTHER_KEY): {"as_of": "b"}},
}


@pytest.mark.parametrize("skips_missing", [True, False])
def test_state_of_a_table_that_is_not_read(
    repository: InMemoryMessageRepository, *, skips_missing: bool
) -> None:
    """Where tables may be missing, what is known of them stays for when they come back."""
    cursor = AccountCursor(
        "records", repository, tables=2, skips_missing=skips_missing, saved_state=SAVED
    )
    cursor.leave()
    cursor.leave(KEY, {"as_of": "c"})

    cursor.ensure_at_least_one_state_emitted()

    (state,) = states_in(repository)
    kept = {"/".join(OTHER_KEY): {"as_of": "b"}} if skips_missing else {}
    assert vars(state) == {"version": 1, "tables": {"/".join(KEY): {"as_of": "c"}, **kept}}


@pytest.mark.parametrize("saved", [{"tables": "odd"}, {"__ab_no_cursor_state_message": True}, {}])
def test_saved_state_of_no_tables(
    repository: InMemoryMessageRepository, saved: dict[str, Any]
) -> None:
    """Of a saved state that holds no tables nothing is kept."""
    cursor = AccountCursor("records", repository, tables=1, skips_missing=True, saved_state=saved)
    cursor.leave(KEY, {"as_of": "c"})

    assert cursor.state == {"version": 1, "tables": {"/".join(KEY): {"as_of": "c"}}}


@pytest.mark.parametrize(
    ("failure", "is_gone"),
    [
        (TableNotFoundError(), True),
        (BaseNotFoundError(), True),
        (AccessDeniedError(), False),
        (AirtableUnavailableError(), False),
        (KeyError("ours"), False),
    ],
)
def test_failure_without_which_a_stream_goes_on(
    repository: InMemoryMessageRepository, failure: Exception, *, is_gone: bool
) -> None:
    """Only a table or base that is gone can be done without, where the settings allow it."""
    lenient = AccountCursor("records", repository, tables=2, skips_missing=True)
    strict = AccountCursor("records", repository, tables=2)

    assert lenient.goes_on_without(failure) is is_gone
    assert not strict.goes_on_without(failure)
    assert not StreamCursor("contacts", repository).goes_on_without(failure)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"version": 1, "tables": {"/".join(KEY): {"as_of": "a"}}}, {"as_of": "a"}),
        ({"version": 1, "tables": {}}, {}),
        ({"version": 1, "tables": {"/".join(KEY): "odd"}}, {}),
        ({"__ab_no_cursor_state_message": True}, {"__ab_no_cursor_state_message": True}),
        ({}, {}),
    ],
)
def test_state_of_one_table(saved: dict[str, Any], expected: dict[str, Any]) -> None:
    """A table's part of a saved state is found by its ids; what is no such state stays as it is."""
    assert state_of_table(saved, KEY) == expected
