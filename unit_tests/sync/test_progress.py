"""What Airbyte hears of a sync, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteRecordMessageFileReference,
    FailureType,
    TraceType,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.config import IncrementalSettings
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    TableNotFoundError,
)
from source_airtable.streams.stream import Account, FileRow, ReadRequest
from source_airtable.sync.page_queue import (
    PageQueue,
    PageRows,
    ReaderCheckpoint,
    ReaderFinished,
)
from source_airtable.sync.plan import PlannedStream, SyncPlan
from source_airtable.sync.progress import Progress
from source_airtable.sync.record_lines import RecordLines
from unit_tests.builders import (
    a_base,
    a_table_schema,
    a_table_stream,
    a_text_table,
    an_account_stream,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.errors import AirtableError
    from source_airtable.sync.page_queue import Item

A, B = (a_table_schema(table=a_text_table(f"tbl{name}", name)) for name in "AB")
PLACEHOLDER = {"__ab_no_cursor_state_message": True}
INCREMENTAL = ReadRequest(IncrementalSettings())


def of_table(name: str = "contacts", request: ReadRequest = INCREMENTAL) -> PlannedStream:
    """The stream of the table A."""
    stream = a_table_stream(A, name)
    return PlannedStream(stream, request, stream.tables())


def of_account(
    name: str = "records",
    account: Account | None = None,
    request: ReadRequest = INCREMENTAL,
    **settings: Any,  # noqa: ANN401 - as of the builder
) -> PlannedStream:
    """A stream of the account, which has the tables A and B."""
    stream = an_account_stream(name, account=account or Account([a_base()], [A, B]), **settings)
    return PlannedStream(stream, request, stream.tables())


def rows(stream_name: str, *ids: str) -> PageRows:
    """The rows of a page."""
    return PageRows([(stream_name, [{"id": one} for one in ids])])


def end(
    stream_name: str,
    table: Any = A,  # noqa: ANN401 - a table
    error: Exception | None = None,
    state: dict[str, Any] | None = None,
) -> ReaderFinished:
    """The end of a reader."""
    return ReaderFinished(stream_name, table.key, state, error)


class Told:
    """What Airbyte hears."""

    def __init__(
        self,
        streams: Sequence[PlannedStream],
        items: Sequence[Item] = (),
        *,
        errors: dict[str, AirtableError] | None = None,
        may_miss_tables: bool = False,
        record_lines: RecordLines | None = None,
    ) -> None:
        self.progress = Progress(
            SyncPlan(list(streams), errors or {}),
            ConnectorStateManager([]),
            may_miss_tables=may_miss_tables,
            record_lines=record_lines,
        )
        self.messages = list(self.progress.messages(items))

    @property
    def words(self) -> list[str]:
        """The messages in order: `a STARTED`, `a:recA`, `a state`, `a!KeyError's text`."""
        return [_word_of(message) for message in self.messages]

    def state_of(self, stream_name: str) -> Any:  # noqa: ANN401 - JSON
        """The state of a stream, and how many records it says there were before it."""
        for message in self.messages:
            state = message.state
            if state is not None and state.stream is not None:
                descriptor = state.stream.stream_descriptor
                if descriptor.name == stream_name:
                    assert state.sourceStats is not None
                    return vars(state.stream.stream_state), state.sourceStats.recordCount
        raise AssertionError(f"no state of {stream_name}")

    def raise_if_failed(self) -> None:
        """End the sync."""
        self.progress.raise_if_failed()

    @property
    def failure(self) -> AirbyteTracedException | None:
        """The error of the sync."""
        try:
            self.raise_if_failed()
        except AirbyteTracedException as failure:
            return failure
        return None


def _word_of(message: AirbyteMessage) -> str:
    if message.type is Type.RECORD and message.record is not None:
        return f"{message.record.stream}:{message.record.data['id']}"
    if message.state is not None and message.state.stream is not None:
        return f"{message.state.stream.stream_descriptor.name} state"
    trace = message.trace
    assert trace is not None
    if trace.type is TraceType.STREAM_STATUS and trace.stream_status is not None:
        status = trace.stream_status
        return f"{status.stream_descriptor.name} {status.status.value}"
    assert trace.error is not None
    assert trace.error.stream_descriptor is not None
    assert trace.error.failure_type is not None
    return f"{trace.error.stream_descriptor.name}!{trace.error.failure_type.value}"


def test_complete_stream() -> None:
    """A stream starts, runs with its first rows, leaves its state, and is complete."""
    told = Told(
        [of_table()],
        [
            rows("contacts", "rec1", "rec2"),
            rows("contacts", "rec3"),
            end("contacts", state={"n": 1}),
        ],
    )

    assert told.words == [
        "contacts STARTED",
        "contacts RUNNING",
        *("contacts:rec1", "contacts:rec2", "contacts:rec3"),
        "contacts state",
        "contacts COMPLETE",
    ]
    assert told.state_of("contacts") == ({"n": 1}, 3.0)
    assert (told.failure, told.progress.records) == (None, 3)


@pytest.mark.parametrize(
    "items", [[end("contacts")], [rows("contacts"), rows("contacts"), end("contacts")]]
)
def test_stream_without_rows(items: list[Item]) -> None:
    """A stream without rows starts once, and is complete without having run."""
    told = Told([of_table()], items)

    assert told.words == ["contacts STARTED", "contacts state", "contacts COMPLETE"]
    assert told.state_of("contacts") == (PLACEHOLDER, 0.0)
    assert told.failure is None


def test_empty_row() -> None:
    """A row without columns is a record, and does not end the sync."""
    told = Told([of_table()], [PageRows([("contacts", [{}, {}])])])

    records = [message.record for message in told.messages if message.record is not None]
    assert [record.data for record in records] == [{}, {}]
    assert told.progress.records == 2


def test_page_of_two_streams() -> None:
    """The rows of a page come stream by stream, and its permit is released behind them."""
    queue = PageQueue(pages_in_flight=1)
    permit = queue.acquire()
    page = PageRows([("contacts", [{"id": "rec1"}]), ("records", [{"id": "rec1"}])], permit)
    progress = Progress(
        SyncPlan([of_table(), of_account()]), ConnectorStateManager([]), may_miss_tables=False
    )

    free = [queue._free_places for _ in progress.messages([page])]  # noqa: SLF001 - without waiting

    assert free == [0] * 6
    assert queue._free_places == 1  # noqa: SLF001 - without waiting


def test_stream_over_two_tables() -> None:
    """A stream over two tables is complete when both are read, with the states of both."""
    told = Told(
        [of_account()],
        [
            rows("records", "rec1"),
            end("records", B, state={"of": "B"}),
            rows("records", "rec2"),
            end("records", A, state={"of": "A"}),
        ],
    )

    assert told.words[-4:] == ["records:rec1", "records:rec2", "records state", "records COMPLETE"]
    state, count = told.state_of("records")
    assert state == {
        "version": 2,
        "tables": {"/".join(A.key): {"of": "A"}, "/".join(B.key): {"of": "B"}},
    }
    assert count == 2.0


def test_full_refresh() -> None:
    """A complete full refresh leaves the placeholder."""
    told = Told(
        [of_account(request=ReadRequest())],
        [rows("records", "rec1"), end("records", A), end("records", B)],
    )

    assert told.words[-2:] == ["records state", "records COMPLETE"]
    assert told.state_of("records") == (PLACEHOLDER, 1.0)


@pytest.mark.parametrize("name", ["records", "links", "attachments", "comments"])
def test_stream_of_no_table(name: str) -> None:
    """A stream that has no table to read is complete at once."""
    told = Told([of_account(name, Account())])

    assert told.words == [f"{name} STARTED", f"{name} state", f"{name} COMPLETE"]
    assert (told.state_of(name), told.failure) == ((PLACEHOLDER, 0.0), None)


def test_stream_of_the_schemas() -> None:
    """A stream of the schemas is written before any table is read."""
    told = Told([of_table(), of_account("bases")], [end("contacts")])

    assert told.words[:5] == [
        "bases STARTED",
        "bases RUNNING",
        f"bases:{a_base()['id']}",
        "bases state",
        "bases COMPLETE",
    ]
    assert told.state_of("bases") == (PLACEHOLDER, 1.0)


def test_row_with_a_file() -> None:
    """A row's file goes along with its record."""
    file = AirbyteRecordMessageFileReference(
        staging_file_url="/staging/photo.png",
        source_file_relative_path="photo.png",
        file_size_bytes=7,
    )
    out: list[str] = []
    page = PageRows([("contacts", [FileRow({"id": "attA"}, file), {"id": "attB"}])])

    told = Told([of_table()], [page], record_lines=RecordLines(out.append))

    records = [message.record for message in told.messages if message.record is not None]
    assert [record.file_reference for record in records] == [file, None]
    assert out == []


def test_rows_as_lines() -> None:
    """Whole pages are written as lines, behind the statuses in front of them, and are counted."""
    written: list[str] = []
    progress = Progress(
        SyncPlan([of_table()]),
        ConnectorStateManager([]),
        may_miss_tables=False,
        record_lines=RecordLines(lambda _: written.append("records")),
    )

    items: list[Item] = [rows("contacts", "rec1", "rec2"), end("contacts", state={"n": 1})]
    written.extend(map(_word_of, progress.messages(items)))

    assert written == [
        "contacts STARTED",
        "contacts RUNNING",
        "records",
        "contacts state",
        "contacts COMPLETE",
    ]
    assert progress.records == 2


@pytest.mark.parametrize(
    "error", [AirtableUnavailableError(), AccessDeniedError(), ContractError(), KeyError("ours")]
)
def test_failed_stream(error: Exception) -> None:
    """A stream that fails is incomplete and leaves no state; the others are complete."""
    told = Told(
        [of_table("a"), of_table("b")],
        [rows("a", "rec1"), end("a", error=error), rows("b", "rec1"), end("b", state={"n": 1})],
    )

    assert "a INCOMPLETE" in told.words
    assert "a state" not in told.words
    assert told.words.count("b COMPLETE") == told.words.count("b state") == 1
    assert told.failure is not None
    assert str(told.failure.message).startswith("1 of 2 streams failed: a. ")


def test_failed_table_of_two() -> None:
    """If one of a stream's tables fails, the state of the others comes before the failure."""
    told = Told(
        [of_account()],
        [
            end("records", A, error=AirtableUnavailableError()),
            rows("records", "rec1"),
            end("records", B, state={"of": "B"}),
        ],
    )

    assert told.words == [
        "records STARTED",
        "records RUNNING",
        "records:rec1",
        "records state",
        "records!transient_error",
        "records INCOMPLETE",
    ]


def test_failure_behind_the_rows() -> None:
    """What a person must mend is told behind all rows, what may pass at once."""
    told = Told(
        [of_table("a"), of_table("b"), of_table("c")],
        [
            end("a", error=AccessDeniedError()),
            end("b", error=AirtableUnavailableError()),
            rows("c", "rec1"),
            end("c"),
        ],
    )

    assert told.words.index("b!transient_error") < told.words.index("c:rec1")
    assert told.words[-1] == "a!config_error"


def test_order_of_failures() -> None:
    """What a later sync may cure is told first, missing tables last."""
    told = Told(
        [of_table("denied"), of_table("odd")],
        [end("denied", error=AccessDeniedError()), end("odd", error=ContractError())],
        errors={"gone": TableNotFoundError(), "down": AirtableUnavailableError()},
    )

    assert [word for word in told.words if "!" in word] == [
        "down!transient_error",
        "odd!system_error",
        "denied!config_error",
        "gone!config_error",
    ]
    assert told.failure is not None
    assert told.failure.failure_type is FailureType.transient_error
    assert str(told.failure.message).startswith("4 of 4 streams failed: ")


def test_stream_that_is_not_planned() -> None:
    """A stream that cannot be read is incomplete, and never starts."""
    told = Told([], errors={"gone": TableNotFoundError()})

    assert told.words == ["gone INCOMPLETE", "gone!config_error"]
    assert told.failure is not None


@pytest.mark.parametrize("error", [TableNotFoundError(), BaseNotFoundError()])
@pytest.mark.parametrize("when", ["before", "during"])
def test_skipped_table(caplog: pytest.LogCaptureFixture, error: AirtableError, when: str) -> None:
    """A table that may be missing is a warning, its stream incomplete, and the sync passes."""
    errors = {"contacts": error} if when == "before" else {}
    streams = [] if errors else [of_table()]
    items: list[Item] = [] if errors else [rows("contacts", "rec1"), end("contacts", error=error)]

    told = Told(streams, items, errors=errors, may_miss_tables=True)

    assert told.words[-1] == "contacts INCOMPLETE"
    assert told.failure is None
    assert caplog.messages == [
        f"Stream contacts is skipped, as on_missing_table says: {error.message}"
    ]


@pytest.mark.parametrize("skipped_first", [True, False])
def test_skipped_table_of_two(caplog: pytest.LogCaptureFixture, *, skipped_first: bool) -> None:
    """A stream over tables goes on without one that may be missing, and is complete."""
    ends = [
        end("records", A, error=TableNotFoundError()),
        end("records", B, state={"of": "B"}),
    ]

    told = Told([of_account()], ends if skipped_first else ends[::-1], may_miss_tables=True)

    assert told.words[-1] == "records COMPLETE"
    assert told.state_of("records")[0]["tables"] == {"/".join(B.key): {"of": "B"}}
    assert "Stream records goes on without a table" in caplog.text
    assert told.failure is None


@pytest.mark.parametrize("skipped_first", [True, False])
def test_skipped_table_beside_one_that_fails(*, skipped_first: bool) -> None:
    """A table that may be missing does not hide that another one failed."""
    ends = [
        end("records", A, error=TableNotFoundError()),
        end("records", B, error=AirtableUnavailableError()),
    ]

    told = Told([of_account()], ends if skipped_first else ends[::-1], may_miss_tables=True)

    assert told.words[-1] == "records INCOMPLETE"
    assert told.failure is not None


def test_missing_table_that_is_wanted() -> None:
    """If the settings want every table, a missing one fails the stream."""
    told = Told([of_table()], [end("contacts", error=TableNotFoundError())])

    assert told.words == ["contacts STARTED", "contacts INCOMPLETE", "contacts!config_error"]
    assert told.failure is not None


@pytest.mark.parametrize("items", [[], [rows("contacts", "rec1")]])
def test_stream_without_an_end(items: list[Item]) -> None:
    """A sync that ends before one of its streams fails, and names the stream."""
    told = Told([of_table(), of_table("other")], [*items, end("other")])

    assert told.failure is not None
    assert told.failure.failure_type is FailureType.system_error
    assert str(told.failure.message).startswith(
        "The sync ended before these streams did: contacts."
    )


def test_lost_end_beside_a_failure() -> None:
    """A stream that failed is the reason that counts."""
    told = Told([of_table(), of_table("b")], [end("b", error=AccessDeniedError())])

    assert told.failure is not None
    assert str(told.failure.message).startswith("1 of 2 streams failed: b. ")


def test_no_streams() -> None:
    """A sync of nothing says nothing."""
    told = Told([])

    assert (told.words, told.failure) == ([], None)


def checkpoint(stream_name: str, table: Any = A, **state: Any) -> ReaderCheckpoint:  # noqa: ANN401 - a table, JSON
    """A state in the middle of a table."""
    return ReaderCheckpoint(stream_name, table.key, state)


def states_of(told: Told) -> list[tuple[Any, float]]:
    """All states in order, and the records that each says came before it."""
    found = []
    for message in told.messages:
        if message.state is not None and message.state.stream is not None:
            assert message.state.sourceStats is not None
            count = message.state.sourceStats.recordCount
            assert count is not None
            found.append((vars(message.state.stream.stream_state), count))
    return found


def test_state_in_the_middle() -> None:
    """A state in the middle comes behind its rows, and counts the records since the one before."""
    told = Told(
        [of_table()],
        [
            rows("contacts", "rec1", "rec2"),
            checkpoint("contacts", n=1),
            rows("contacts", "rec3"),
            checkpoint("contacts", n=2),
            end("contacts", state={"n": 3}),
        ],
    )

    assert told.words == [
        *("contacts STARTED", "contacts RUNNING", "contacts:rec1", "contacts:rec2"),
        *("contacts state", "contacts:rec3", "contacts state"),
        *("contacts state", "contacts COMPLETE"),
    ]
    assert states_of(told) == [({"n": 1}, 2.0), ({"n": 2}, 1.0), ({"n": 3}, 0.0)]


def test_state_in_the_middle_of_one_of_many_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream over many tables has a state every ten seconds, with those of all its tables."""
    moments = iter([0.0, 0.0, 9.0, 10.0, 10.0, 11.0])
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("source_airtable.sync.progress.time", clock)
    told = Told(
        [of_account()],
        [
            rows("records", "rec1"),
            checkpoint("records", A, n=1),
            checkpoint("records", A, n=2),
            end("records", B, state={"n": 7}),
            checkpoint("records", A, n=3),
            end("records", A, state={"n": 4}),
        ],
    )

    a, b = ("/".join(table.key) for table in (A, B))
    assert [state["tables"] for state, _ in states_of(told)] == [
        {a: {"n": 1}},
        {a: {"n": 3}, b: {"n": 7}},
        {a: {"n": 4}, b: {"n": 7}},
    ]


def test_failure_behind_a_state_in_the_middle() -> None:
    """A stream that fails later keeps what its last state knows."""
    told = Told(
        [of_table()],
        [
            rows("contacts", "rec1"),
            checkpoint("contacts", n=1),
            end("contacts", error=AirtableUnavailableError()),
        ],
    )

    assert states_of(told)[-1][0] == {"n": 1}
    assert told.words[-1] == "contacts INCOMPLETE"
