"""What is noted of failures, when each is told, and what they make of the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteStream,
    AirbyteStreamStatus,
    FailureType,
    Level,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from source_airtable.streams.failures import StreamFailures

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    MissingScopeError,
    TableNotFoundError,
)

if TYPE_CHECKING:
    from source_airtable.errors import AirtableError

ENGINE = AirbyteTracedException(message="Concurrent read failure")


@pytest.fixture
def failures() -> StreamFailures:
    """Failures of a sync that may miss no table."""
    return StreamFailures(may_miss_tables=False)


@pytest.fixture
def lenient() -> StreamFailures:
    """Failures of a sync that may go on without tables."""
    return StreamFailures(may_miss_tables=True)


def told(failure: AirbyteTracedException, stream_name: str = "records") -> AirbyteMessage:
    """The message by which the engine tells a stream's failure."""
    return failure.as_sanitized_airbyte_message(StreamDescriptor(name=stream_name))


def keep_back(
    failures: StreamFailures, failure: AirtableError, stream_name: str = "records"
) -> bool:
    """Note a failure, and tell whether its message is kept back."""
    failures.note(stream_name, failure)
    return failures.keep_back(told(failure, stream_name))


def late(failures: StreamFailures) -> list[list[str | None]]:
    """What is told at the end: first all else, then the tables that are missing."""
    return [
        [
            message.trace.error.message
            for message in failures.late_messages(are_missing=are_missing)
            if message.trace and message.trace.error
        ]
        for are_missing in (False, True)
    ]


@pytest.mark.parametrize(
    "message",
    [
        AirbyteMessage(
            type=Type.LOG, log=AirbyteLogMessage(level=Level.ERROR, message="of no trace")
        ),
        as_airbyte_message(
            AirbyteStream(
                name="records", json_schema={}, supported_sync_modes=[SyncMode.full_refresh]
            ),
            AirbyteStreamStatus.INCOMPLETE,
        ),
    ],
    ids=["log", "status"],
)
def test_message_that_is_no_failure(failures: StreamFailures, message: AirbyteMessage) -> None:
    """What is no failure goes out at once."""
    assert not failures.keep_back(message)


@pytest.mark.parametrize("failure", [AirtableUnavailableError(status=503), ContractError()])
def test_failure_that_may_pass(failures: StreamFailures, failure: AirtableError) -> None:
    """What no person has to mend goes out at once."""
    assert not keep_back(failures, failure)
    assert late(failures) == [[], []]


def test_failures_for_a_person(failures: StreamFailures) -> None:
    """What a person must mend is kept, and the tables that are missing behind all else."""
    gone = TableNotFoundError(table="tblltp8DGLhqbUmjK")
    others = [AccessDeniedError(status=403), BaseNotFoundError(base="appLkNDICXNqxSDhG")]

    assert [keep_back(failures, one) for one in (gone, *others)] == [True, True, True]

    assert late(failures) == [[one.message for one in others], [gone.message]]


def test_failure_that_nobody_noted(failures: StreamFailures) -> None:
    """A failure for a person is kept although nothing was noted, of a stream or of none."""
    denied = AccessDeniedError(status=403)

    assert failures.keep_back(told(denied))
    assert failures.keep_back(denied.as_airbyte_message())
    assert len(late(failures)[0]) == 2
    assert failures.by_stream == {}


def test_repeated_kind(failures: StreamFailures) -> None:
    """Of one stream a kind of failure is told once, however many tables have it."""
    scopes = [MissingScopeError(scope="data.recordComments:read", table=one) for one in "abc"]
    outages = [AirtableUnavailableError(status=503, table=one) for one in "abc"]

    kept = [keep_back(failures, one) for one in (*scopes, *outages)]

    assert kept == [True, True, True, False, True, True]
    assert late(failures) == [[scopes[0].message], []]
    assert failures.by_stream == {"records": [*scopes, *outages]}


def test_kind_of_two_streams(failures: StreamFailures) -> None:
    """Another stream's failure of the same kind is told for itself."""
    outage = AirtableUnavailableError(status=503)

    assert not keep_back(failures, outage)
    assert not keep_back(failures, outage, "links")


@pytest.mark.parametrize(("kind", "place"), [(TableNotFoundError, 1), (BaseNotFoundError, 0)])
def test_several_things_that_are_gone(
    failures: StreamFailures, kind: type[AirtableError], place: int
) -> None:
    """Tables and bases that are gone are told of one by one."""
    gone = [kind(name=one) for one in "abc"]

    assert all(keep_back(failures, one) for one in gone)

    assert late(failures)[place] == [one.message for one in gone]


@pytest.mark.parametrize("failure", [TableNotFoundError(), BaseNotFoundError()])
def test_skipped_table(
    lenient: StreamFailures, failure: AirtableError, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that may be missing is warned of, and is no failure any more."""
    assert keep_back(lenient, failure)

    assert late(lenient) == [[], []]
    assert lenient.by_stream == {}
    assert caplog.messages == [
        f"Stream records is skipped, as on_missing_table says: {failure.message}"
    ]


def test_table_that_may_not_be_missing(
    failures: StreamFailures, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the settings want every table, none is skipped."""
    assert not failures.skips("records", TableNotFoundError())
    assert caplog.messages == []


@pytest.mark.parametrize("failure", [AccessDeniedError(), AirtableUnavailableError(), KeyError()])
def test_failure_that_is_no_missing_table(lenient: StreamFailures, failure: Exception) -> None:
    """Nothing else than a missing table is skipped."""
    assert not lenient.skips("records", failure)


def test_skipped_table_beside_one_that_fails(lenient: StreamFailures) -> None:
    """A stream that is skipped for one table fails for another one."""
    outage = AirtableUnavailableError(status=503)

    assert keep_back(lenient, TableNotFoundError())
    assert not keep_back(lenient, outage)

    assert lenient.by_stream == {"records": [outage]}


def test_incomplete_stream_of_unknown_failure(failures: StreamFailures) -> None:
    """A stream that ended incomplete, nobody knows why, fails the sync; known reasons stay."""
    outage = AirtableUnavailableError(status=503)
    failures.note("links", outage)

    failures.explain(["records", "links"], ENGINE)

    assert failures.by_stream == {"links": [outage], "records": [ENGINE]}


def test_incomplete_stream_beside_a_skipped_one(lenient: StreamFailures) -> None:
    """A stream that is skipped hides no other that ended incomplete, and is none itself."""
    keep_back(lenient, TableNotFoundError(), "contacts")

    lenient.explain(["contacts", "records"], ENGINE)

    assert lenient.by_stream == {"records": [ENGINE]}
    with pytest.raises(AirbyteTracedException, match="1 of 2 streams failed: records"):
        lenient.raise_for_all(2)


def test_skipped_streams_alone(lenient: StreamFailures) -> None:
    """A sync in which streams are skipped and none fails does not fail."""
    keep_back(lenient, TableNotFoundError(), "contacts")

    lenient.explain(["contacts"], ENGINE)

    lenient.raise_for_all(1)
    assert lenient.by_stream == {}


def test_failure_of_the_engine_alone(failures: StreamFailures) -> None:
    """A failure of no stream is the sync's."""
    with pytest.raises(AirbyteTracedException) as raised:
        failures.explain([], ENGINE)

    assert raised.value is ENGINE


def test_sync_without_failures(failures: StreamFailures) -> None:
    """A sync in which nothing failed raises nothing."""
    failures.raise_for_all(3)

    assert failures.by_stream == {}


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ([AccessDeniedError(), ContractError(), AirtableUnavailableError()], "transient_error"),
        ([AccessDeniedError(), ContractError()], "system_error"),
        ([AccessDeniedError(), TableNotFoundError()], "config_error"),
        ([AccessDeniedError(), KeyError("ours")], "config_error"),
        ([KeyError("ours")], "system_error"),
    ],
)
def test_failure_of_the_sync(
    failures: StreamFailures, noted: list[Exception], expected: str
) -> None:
    """The sync fails in the way that gives most hope, and names the streams that failed."""
    for number, failure in enumerate(noted):
        failures.note(f"stream{number % 2}", failure)

    with pytest.raises(AirbyteTracedException) as raised:
        failures.raise_for_all(5)

    names = ", ".join(failures.by_stream)
    assert raised.value.failure_type is FailureType[expected]
    assert str(raised.value.message).startswith(
        f"{len(failures.by_stream)} of 5 streams failed: {names}. "
    )
