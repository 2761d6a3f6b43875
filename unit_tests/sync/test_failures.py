"""When Airbyte is told of each failure, and what failures make of the sync."""

from __future__ import annotations

import pytest
from airbyte_cdk.models import AirbyteMessage, FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    MissingScopeError,
    TableNotFoundError,
)
from source_airtable.sync.failures import Failures, is_gone


@pytest.fixture
def failures() -> Failures:
    """Failures of a sync that may miss no table."""
    return Failures(may_miss_tables=False)


@pytest.fixture
def lenient() -> Failures:
    """Failures of a sync that may go on without tables."""
    return Failures(may_miss_tables=True)


def texts(messages: list[AirbyteMessage]) -> list[str]:
    """The texts of traces."""
    return [str(one.trace.error.message) for one in messages if one.trace and one.trace.error]


def note(failures: Failures, failure: Exception, stream_name: str = "records") -> list[str]:
    """Note a failure, and give the texts of what goes out at once."""
    return texts(list(failures.note(stream_name, failure)))


def late(failures: Failures) -> list[str]:
    """The texts of what goes out at the end."""
    return texts(list(failures.late_messages()))


def raised(failures: Failures, stream_count: int = 5) -> AirbyteTracedException:
    """The error of the sync."""
    with pytest.raises(AirbyteTracedException) as caught:
        failures.raise_if_any(stream_count)
    return caught.value


@pytest.mark.parametrize(
    "failure", [AirtableUnavailableError(status=503), ContractError(), KeyError("ours")]
)
def test_failure_that_may_pass(failures: Failures, failure: Exception) -> None:
    """A failure that nobody has to mend goes out at once."""
    assert len(note(failures, failure)) == 1
    assert late(failures) == []


def test_failures_for_a_person(failures: Failures) -> None:
    """A failure that a person must mend waits for the end; missing tables come last."""
    gone = TableNotFoundError(table="tblltp8DGLhqbUmjK")
    others = [AccessDeniedError(status=403), BaseNotFoundError(base="appLkNDICXNqxSDhG")]

    assert [note(failures, one) for one in (gone, *others)] == [[], [], []]

    assert late(failures) == [*(str(one.message) for one in others), str(gone.message)]


def test_trace(failures: Failures) -> None:
    """A trace names its stream and its type."""
    (message,) = failures.note("records", AirtableUnavailableError(status=503))

    assert message.trace is not None
    error = message.trace.error
    assert error is not None
    assert error.stream_descriptor is not None
    assert error.stream_descriptor.name == "records"
    assert error.failure_type is FailureType.transient_error


def test_unexpected_failure(failures: Failures) -> None:
    """The text of an unexpected error may hold a cell, so only its class and place are told."""
    cell = "secret cell"
    try:
        raise KeyError(cell)  # noqa: TRY301 - it needs a traceback
    except KeyError as failure:
        (message,) = failures.note("records", failure)

    assert message.trace is not None
    error = message.trace.error
    assert error is not None
    assert "An unexpected error ended the stream (KeyError)" in str(error.message)
    assert "test_failures.py" in str(error.internal_message)
    assert error.failure_type is FailureType.system_error
    assert cell not in str(message)


def test_repeated_kind(failures: Failures) -> None:
    """A stream's failures of one kind are told once, however many tables have them."""
    scopes = [MissingScopeError(scope="data.recordComments:read", table=one) for one in "abc"]
    outages = [AirtableUnavailableError(status=503, table=one) for one in "abc"]

    told = [note(failures, one) for one in (*scopes, *outages)]

    assert [len(one) for one in told] == [0, 0, 0, 1, 0, 0]
    assert late(failures) == [str(scopes[0].message)]


def test_kind_of_two_streams(failures: Failures) -> None:
    """Another stream's failure of the same kind is told for itself."""
    outage = AirtableUnavailableError(status=503)

    assert note(failures, outage)
    assert note(failures, outage, "links")


@pytest.mark.parametrize("kind", [TableNotFoundError, BaseNotFoundError])
def test_several_things_that_are_gone(failures: Failures, kind: type[AirtableError]) -> None:
    """Tables and bases that are gone are told one by one."""
    gone = [kind(name=one) for one in "abc"]

    for one in gone:
        note(failures, one)

    assert late(failures) == [str(one.message) for one in gone]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (TableNotFoundError(), True),
        (BaseNotFoundError(), True),
        (AccessDeniedError(), False),
        (AirtableUnavailableError(), False),
        (KeyError("ours"), False),
    ],
)
def test_what_may_be_skipped(
    failures: Failures, lenient: Failures, failure: Exception, *, expected: bool
) -> None:
    """Only a missing table or base can be skipped, and only if the settings allow it."""
    assert is_gone(failure) is expected
    assert lenient.skips(failure) is expected
    assert not failures.skips(failure)


def test_sync_without_failures(failures: Failures) -> None:
    """A sync in which nothing failed raises nothing, and says nothing at its end."""
    failures.raise_if_any(3)

    assert late(failures) == []


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ([AccessDeniedError(), ContractError(), AirtableUnavailableError()], "transient_error"),
        ([AccessDeniedError(), ContractError()], "system_error"),
        ([AccessDeniedError(), TableNotFoundError()], "config_error"),
        ([AccessDeniedError(), KeyError("ours")], "system_error"),
        ([KeyError("ours")], "system_error"),
    ],
)
def test_failure_of_the_sync(failures: Failures, noted: list[Exception], expected: str) -> None:
    """The sync fails in the way that gives most hope, and names the streams that failed."""
    for number, failure in enumerate(noted):
        note(failures, failure, f"stream{number % 2}")

    error = raised(failures)

    names = ["stream0", "stream1"][: len(noted)]
    assert error.failure_type is FailureType[expected]
    assert str(error.message).startswith(f"{len(names)} of 5 streams failed: {', '.join(names)}. ")


def test_repeated_failure_counts(failures: Failures) -> None:
    """A stream whose failure is not told again still counts as one failed stream."""
    for table in "ab":
        note(failures, AirtableUnavailableError(status=503, table=table))

    assert str(raised(failures, 1).message).startswith("1 of 1 streams failed: records. ")
