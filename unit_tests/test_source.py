"""The source as a whole, on an account without HTTP."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, ConfiguredAirbyteCatalog, SyncMode, Type
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
)
from source_airtable.records import RecordConverter
from source_airtable.source import SourceAirtable
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.sync.page_queue import PageQueue
from unit_tests.builders import a_configured_stream, a_record, an_account_stream
from unit_tests.fake_account import FakeAccount, a_source, raw_config, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_mock import MockerFixture

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableSchema

STARTED, RUNNING, COMPLETE, INCOMPLETE = (
    AirbyteStreamStatus.STARTED,
    AirbyteStreamStatus.RUNNING,
    AirbyteStreamStatus.COMPLETE,
    AirbyteStreamStatus.INCOMPLETE,
)
NINE, TEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10))
PLACEHOLDER = {"__ab_no_cursor_state_message": True}
ALL = [an_account_stream(name).as_airbyte_stream() for name in ACCOUNT_STREAMS]
RECORDS, COMMENTS = (
    an_account_stream(name).as_airbyte_stream() for name in ("records", "comments")
)


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What puts the fake account in the client's place."""
    return monkeypatch


# Abandoning


@pytest.fixture
def abandoned(mocker: MockerFixture) -> list[PageQueue]:
    """The queues that are abandoned, in that order."""
    queues: list[PageQueue] = []
    mocker.patch.object(PageQueue, "abandon", autospec=True, side_effect=queues.append)
    return queues


def test_abandoned_outside_of_read(abandoned: list[PageQueue]) -> None:
    """A read that was broken off between two messages has its workers ended."""
    source = SourceAirtable()
    list(source.read(logging.getLogger(), raw_config(), ConfiguredAirbyteCatalog(streams=[])))
    ended_by_read = len(abandoned)

    source.abandon()

    assert len(abandoned) == ended_by_read + 1


def test_abandoned_without_a_read(abandoned: list[PageQueue]) -> None:
    """A command that reads nothing has nothing to end."""
    SourceAirtable().abandon()

    assert abandoned == []


def test_read_that_is_broken_off(patch: pytest.MonkeyPatch, abandoned: list[PageQueue]) -> None:
    """A reader that goes away ends the workers."""
    client = FakeAccount(3)
    catalog = ConfiguredAirbyteCatalog(streams=[a_configured_stream(client.streams[0])])
    messages = a_source(client, patch).read(logging.getLogger(), raw_config(), catalog)
    next(messages)

    messages.close()  # type: ignore[attr-defined]  # it is a generator

    assert len(abandoned) == 1


# Discovery


@pytest.mark.parametrize("transfers", [True, False])
def test_streams_are_those_of_the_catalog(patch: pytest.MonkeyPatch, *, transfers: bool) -> None:
    """The source's streams are CDK streams, and `discover` prints what they declare."""
    source = a_source(FakeAccount(2), patch)
    config = raw_config(transfer_attachment_files=transfers)

    streams = source.streams(config)
    catalog = source.discover(logging.getLogger(), config)

    assert all(isinstance(stream, Stream) for stream in streams)
    assert [stream.as_airbyte_stream() for stream in streams] == catalog.streams
    assert {one.is_resumable for one in catalog.streams} == {False}
    assert [one.name for one in catalog.streams if one.is_file_based] == (
        ["attachment_files"] if transfers else []
    )


def test_each_stream_by_itself(patch: pytest.MonkeyPatch) -> None:
    """Each stream that the source gives reads its records by itself."""
    streams = a_source(FakeAccount(2), patch).streams(raw_config(transfer_attachment_files=True))

    counts = {
        stream.name: len(list(stream.read_records(SyncMode.full_refresh))) for stream in streams
    }

    assert counts == {
        "base_0/table_0/tbl0": 2,
        "base_1/table_1/tbl1": 2,
        "bases": 2,
        "tables": 2,
        "fields": 4,
        "views": 2,
        "records": 4,
        "links": 0,
        "attachments": 0,
        "comments": 0,
        "attachment_files": 0,
    }


def test_records_of_a_stream_by_itself(patch: pytest.MonkeyPatch) -> None:
    """A stream by itself gives the records that `read` emits, though that writes lines."""
    client = FakeAccount(1)
    source = a_source(client, patch)
    lines: list[str] = []
    writing = SourceAirtable(lines.append)
    stream, *_ = source.streams(raw_config())
    from_lines, *_ = writing.streams(raw_config())

    rows: list[Any] = list(stream.read_records(SyncMode.full_refresh))

    assert [row["_airtable_id"] for row in rows] == ["rectbl0A", "rectbl0B"]
    assert list(from_lines.read_records(SyncMode.full_refresh)) == rows
    assert lines == []
    assert run(source, [stream.as_airbyte_stream()]).records == {stream.name: rows}


def test_failure_of_a_stream_by_itself(patch: pytest.MonkeyPatch) -> None:
    """A stream by itself raises its failure."""
    client = FakeAccount(1)
    client.record_errors["tbl0"] = AirtableUnavailableError(status=503)
    stream, *_ = a_source(client, patch).streams(raw_config())

    with pytest.raises(AirbyteTracedException, match="1 of 1 streams failed"):
        list(stream.read_records(SyncMode.full_refresh))


# Full refreshes


def test_whole_sync(patch: pytest.MonkeyPatch) -> None:
    """Every stream gives its records and one state, and ends complete."""
    client = FakeAccount(3)

    ran = run(a_source(client, patch), client.streams)

    assert ran.failure is None
    assert {name: len(rows) for name, rows in ran.records.items()} == dict.fromkeys(
        ("stream0", "stream1", "stream2"), 2
    )
    assert ran.states == dict.fromkeys(("stream0", "stream1", "stream2"), PLACEHOLDER)
    assert set(map(tuple, ran.statuses.values())) == {(STARTED, RUNNING, COMPLETE)}


def test_lines(patch: pytest.MonkeyPatch) -> None:
    """With somewhere to write them, records are lines between the messages."""
    client = FakeAccount(1)
    a_source(client, patch)
    lines: list[str] = []

    ran = run(SourceAirtable(lines.append), client.streams)

    assert (ran.records, [text.count("\n") for text in lines]) == ({}, [2])
    assert ran.statuses == {"stream0": [STARTED, RUNNING, COMPLETE]}


def test_no_streams(patch: pytest.MonkeyPatch) -> None:
    """A sync of nothing ends, and emits nothing."""
    ran = run(a_source(FakeAccount(1), patch), [])

    assert (ran.messages, ran.failure) == ([], None)


def test_all_streams(patch: pytest.MonkeyPatch) -> None:
    """All streams of the account and of tables are read, with one scan of each table."""
    client = FakeAccount(3)

    ran = run(a_source(client, patch), [*client.streams, *ALL])

    assert ran.failure is None
    counts = {name: len(rows) for name, rows in ran.records.items()}
    assert (counts["records"], counts["bases"], counts["tables"], counts["fields"]) == (6, 3, 3, 6)
    assert set(ran.states) == {*ACCOUNT_STREAMS, "stream0", "stream1", "stream2"}
    assert {statuses[-1] for statuses in ran.statuses.values()} == {COMPLETE}
    assert sorted(query.table_id for query in client.queries) == ["tbl0", "tbl1", "tbl2"]


def test_start_comes_first_and_once(patch: pytest.MonkeyPatch) -> None:
    """Every stream starts once, before its first record."""
    client = FakeAccount(5)

    ran = run(a_source(client, patch), [*client.streams, *ALL])

    started: set[str] = set()
    for message in ran.messages:
        if message.trace and message.trace.stream_status:
            status = message.trace.stream_status
            if status.status is STARTED:
                assert status.stream_descriptor.name not in started
                started.add(status.stream_descriptor.name)
        if message.record is not None:
            assert message.record.stream in started


def test_schemas_are_read_once(patch: pytest.MonkeyPatch) -> None:
    """The schema of a base is asked for once, whichever streams need it."""
    client = FakeAccount(2)

    run(a_source(client, patch), [*client.streams, *ALL])

    assert sorted(client.calls) == ["bases", "schema app0", "schema app1"]


def test_summary(patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The last line of the log counts the records of all streams."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    client = FakeAccount(2)

    run(a_source(client, patch), client.streams)

    assert " calls for 4 records in " in caplog.messages[-1]


# Failures


@pytest.mark.parametrize(
    "error", [AirtableUnavailableError(), AccessDeniedError(), ContractError()]
)
def test_failed_stream(patch: pytest.MonkeyPatch, error: AirtableError) -> None:
    """A stream that fails is incomplete and leaves no state; the others are complete."""
    client = FakeAccount(2)
    client.record_errors["tbl0"] = error

    ran = run(a_source(client, patch), client.streams)

    assert ran.failure is not None
    assert (list(ran.records), list(ran.states)) == (["stream1"], ["stream1"])
    assert {name: statuses[-1] for name, statuses in ran.statuses.items()} == {
        "stream0": INCOMPLETE,
        "stream1": COMPLETE,
    }


def test_order_of_failures(patch: pytest.MonkeyPatch) -> None:
    """What a later sync may cure is told first, missing tables last."""
    client = FakeAccount(5)
    client.schemas["app1"] = []
    client.schemas["app2"] = AccessDeniedError(status=403)
    client.schemas["app3"] = AirtableUnavailableError(status=503)
    client.record_errors["tbl4"] = ContractError(answer="no list of records")

    ran = run(a_source(client, patch), client.streams)

    assert ran.failed_streams == ["stream3", "stream4", "stream2", "stream1"]
    assert str(ran.failure).startswith("4 of 5 streams failed: ")


def test_failure_for_a_person_waits(patch: pytest.MonkeyPatch) -> None:
    """A failure that a person must mend is told behind all records."""
    client = FakeAccount(3)
    client.record_errors["tbl0"] = AccessDeniedError(status=403)

    ran = run(a_source(client, patch), client.streams)

    kinds = [message.type for message in ran.messages]
    last_record = max(n for n, kind in enumerate(kinds) if kind is Type.RECORD)
    assert all(not (m.trace and m.trace.error) for m in ran.messages[:last_record])
    assert ran.failed_streams == ["stream0"]


@pytest.mark.parametrize("vanishes", ["before the scan", "during the scan"])
def test_skipped_table(
    patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, vanishes: str
) -> None:
    """With on_missing_table = skip, a missing table is only a warning, its stream incomplete."""
    client = FakeAccount(2)
    if vanishes == "before the scan":
        client.schemas["app0"] = []
    else:
        client.vanishing = {"app0"}
        client.record_errors["tbl0"] = AccessDeniedError(status=404)

    ran = run(a_source(client, patch), client.streams, on_missing_table="skip")

    assert (ran.failure, ran.failed_streams) == (None, [])
    assert ran.statuses["stream0"][-1] is INCOMPLETE
    assert "Stream stream0 is skipped, as on_missing_table says" in caplog.text


def test_only_skipped_tables(patch: pytest.MonkeyPatch) -> None:
    """A sync in which only skipped tables are left ends without waiting for anything."""
    client = FakeAccount(1)
    client.schemas["app0"] = []

    assert run(a_source(client, patch), client.streams, on_missing_table="skip").failure is None


@pytest.mark.parametrize("beside_skipped", [True, False])
def test_failure_before_a_scan(patch: pytest.MonkeyPatch, *, beside_skipped: bool) -> None:
    """A reader that cannot be built fails its stream, also beside a table that is skipped."""
    compile_table = RecordConverter.for_table

    def broken(table: TableSchema, *others: Any) -> RecordConverter:  # noqa: ANN401 - passed on
        if table.table_id == "tbl1":
            raise KeyError(table.table_id)
        return compile_table(table, *others)

    patch.setattr(RecordConverter, "for_table", broken)
    client = FakeAccount(2)
    settings: Any = {}
    if beside_skipped:
        client.vanishing = {"app0"}
        client.record_errors["tbl0"] = AccessDeniedError(status=404)
        settings["on_missing_table"] = "skip"

    ran = run(a_source(client, patch), client.streams, **settings)

    assert str(ran.failure).startswith("1 of 2 streams failed: stream1. ")
    assert ran.statuses["stream1"][-1] is INCOMPLETE


def test_failure_that_no_worker_handles(patch: pytest.MonkeyPatch) -> None:
    """A mistake of ours outside of a scan ends the sync with it, rather than to wait for ever."""

    def no_scan(*_: object, **__: object) -> None:
        raise KeyError("ours")

    patch.setattr("source_airtable.sync.workers.TableScan", no_scan)
    client = FakeAccount(2)

    with pytest.raises(KeyError, match="ours"):
        run(a_source(client, patch), client.streams)


class Commented(FakeAccount):
    """An account in which every record has a comment that the token may not read."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give two records with a comment each."""
        for page in super().iter_record_pages(query):
            for record in page["records"]:
                record["commentCount"] = 1
                self.comments[record["id"]] = AccessDeniedError(status=403)
                self.records[record["id"]] = a_record(record_id=record["id"])
            yield page


def test_missing_scope_of_many_tables(patch: pytest.MonkeyPatch) -> None:
    """A scope that every table lacks is told once, and fails the comments alone."""
    ran = run(a_source(Commented(4), patch), [COMMENTS, RECORDS])

    assert ran.failed_streams == ["comments"]
    assert ran.statuses["records"][-1] is COMPLETE
    assert ran.statuses["comments"][-1] is INCOMPLETE


class Uncounted(FakeAccount):
    """An account in which one table refuses the numbers of comments."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Refuse the numbers of the first table."""
        if query.table_id == "tbl0" and query.with_comment_counts:
            raise ContractError(status=422)
        yield from super().iter_record_pages(query)


def test_numbers_that_one_table_refuses(patch: pytest.MonkeyPatch) -> None:
    """A table that refuses the numbers of comments fails the comments, and no other stream."""
    client = Uncounted(3)

    ran = run(a_source(client, patch), [COMMENTS, RECORDS, *client.streams])

    assert ran.failed_streams == ["comments"]
    assert {n: s[-1] for n, s in ran.statuses.items() if n != "comments"} == dict.fromkeys(
        ["records", "stream0", "stream1", "stream2"], COMPLETE
    )
    assert len(ran.records["records"]) == 6


@pytest.mark.parametrize("gone", ["tbl0", "tbl1"])
def test_table_that_is_gone_beside_one_that_fails(patch: pytest.MonkeyPatch, gone: str) -> None:
    """A table that fails still fails the stream where another table may be skipped."""
    failing = {"tbl0": "tbl1", "tbl1": "tbl0"}[gone]
    client = FakeAccount(2)
    client.vanishing = {f"app{gone[-1]}"}
    client.record_errors[gone] = AccessDeniedError(status=404)
    client.record_errors[failing] = AirtableUnavailableError(status=503)

    ran = run(a_source(client, patch), [RECORDS], on_missing_table="skip")

    assert ran.failure is not None
    assert (ran.statuses["records"][-1], ran.states) == (INCOMPLETE, {})


def test_table_that_fails(patch: pytest.MonkeyPatch) -> None:
    """A table that fails leaves a stream over tables without a state, and the others' records."""
    client = FakeAccount(3)
    client.record_errors["tbl1"] = AirtableUnavailableError(status=503)

    ran = run(a_source(client, patch), [RECORDS, client.streams[0]])

    assert ran.failure is not None
    assert len(ran.records["records"]) == 4
    assert list(ran.states) == ["stream0"]


def test_base_that_is_slow_today(patch: pytest.MonkeyPatch) -> None:
    """A base that may be read later is never taken for missing."""
    client = FakeAccount(2)
    client.schemas["app1"] = AirtableUnavailableError(status=503)

    assert run(a_source(client, patch), [RECORDS], on_missing_table="skip").failure is not None


# Incremental syncs


def sync(
    client: FakeAccount,
    patch: pytest.MonkeyPatch,
    now: datetime,
    states: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:  # noqa: ANN401 - what ran
    """An incremental sync of all streams of tables."""
    client.latest_date = now
    return run(a_source(client, patch), client.streams, states, SyncMode.incremental)


def test_first_incremental_sync(patch: pytest.MonkeyPatch) -> None:
    """The first incremental sync reads everything, and leaves a state of its own."""
    client = FakeAccount(2)

    ran = sync(client, patch, NINE)

    assert [query.formula for query in client.queries] == [None, None]
    assert {state["read_to"] for state in ran.states.values()} == {"2026-11-18T09:00:00.000Z"}


def test_second_incremental_sync(patch: pytest.MonkeyPatch) -> None:
    """The second incremental sync asks for what changed since the first one's state."""
    client = FakeAccount(1)
    states = sync(client, patch, NINE).states

    ran = sync(client, patch, TEN, states)

    assert "DATETIME_PARSE('2026-11-18T08:00:00.000Z')" in str(client.queries[-1].formula)
    assert ran.states["stream0"]["read_to"] == "2026-11-18T10:00:00.000Z"


def test_state_behind_records(patch: pytest.MonkeyPatch) -> None:
    """The state comes behind all records of its stream."""
    ran = sync(FakeAccount(1), patch, NINE)

    kinds = [m.type for m in ran.messages if m.type in (Type.RECORD, Type.STATE)]
    assert kinds == [Type.RECORD, Type.RECORD, Type.STATE]


def test_full_refresh_with_a_state(patch: pytest.MonkeyPatch) -> None:
    """A full refresh reads everything whatever the state, and leaves the placeholder."""
    client = FakeAccount(1)
    states = sync(client, patch, NINE).states

    ran = run(a_source(client, patch), client.streams, states)

    assert client.queries[-1].formula is None
    assert ran.states == {"stream0": PLACEHOLDER}


def test_incremental_sync_behind_a_full_refresh(patch: pytest.MonkeyPatch) -> None:
    """After a full refresh an incremental sync reads everything, and goes on from there."""
    client = FakeAccount(1)

    ran = sync(client, patch, NINE, {"stream0": PLACEHOLDER})

    assert client.queries[-1].formula is None
    assert ran.states["stream0"]["read_to"] == "2026-11-18T09:00:00.000Z"


def test_mixed_modes(patch: pytest.MonkeyPatch) -> None:
    """Streams of different modes over one table do not widen each other's scans."""
    client = FakeAccount(1)
    states = sync(client, patch, NINE).states
    client.latest_date = TEN
    client.queries.clear()

    ran = run(
        a_source(client, patch),
        [a_configured_stream(client.streams[0], SyncMode.incremental), RECORDS],
        states,
    )

    assert sorted(query.formula is None for query in client.queries) == [False, True]
    assert ran.states["records"] == PLACEHOLDER
    assert ran.states["stream0"]["last_full_scan"] == "2026-11-18T09:00:00.000Z"


def test_stream_that_failed_once(patch: pytest.MonkeyPatch) -> None:
    """A stream that failed once shares its scan with the others again after the next sync."""
    client = FakeAccount(1)
    streams = [a_configured_stream(one, SyncMode.incremental) for one in (*client.streams, RECORDS)]
    client.latest_date = NINE
    first = run(a_source(client, patch), streams).states
    client.latest_date = TEN

    # The state of `records` stays at nine, as after a sync in which it failed.
    second = run(
        a_source(client, patch), streams, {**first, **sync(client, patch, TEN, first).states}
    )
    client.queries.clear()
    client.latest_date = datetime(2026, 11, 18, 11, tzinfo=timezone.utc)
    run(a_source(client, patch), streams, second.states)

    assert len(client.queries) == 1


def test_catalog_of_pyairbyte(patch: pytest.MonkeyPatch) -> None:
    """PyAirbyte configures every stream as incremental, without a cursor: that is enough."""
    client = FakeAccount(1)
    client.latest_date = NINE
    configured = a_configured_stream(client.streams[0], SyncMode.incremental)
    configured.cursor_field, configured.primary_key = None, None

    ran = run(a_source(client, patch), [configured])

    assert ran.failure is None
    assert ran.states["stream0"]["read_to"] == "2026-11-18T09:00:00.000Z"


def test_failed_incremental_stream(patch: pytest.MonkeyPatch) -> None:
    """An incremental stream that fails before any row leaves no state, so the saved one stays."""
    client = FakeAccount(2)
    states = sync(client, patch, NINE).states
    client.record_errors["tbl0"] = AirtableUnavailableError(status=503)

    ran = sync(client, patch, TEN, states)

    assert ran.failure is not None
    assert list(ran.states) == ["stream1"]


class Unlistable(FakeAccount):
    """An account whose first table gives changes, but no list of ids."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Forget each list of ids of the first table."""
        if query.table_id == "tbl0" and query.formula is None and len(query.field_ids) == 1:
            raise OffsetExpiredError
        yield from super().iter_record_pages(query)


def test_failing_sweep(patch: pytest.MonkeyPatch) -> None:
    """A sweep that fails fails its stream alone; the streams beside it in the scan are complete."""
    patch.setattr("source_airtable.sync.scan.FIRST_RESTART_WAIT_SECONDS", 0.0)
    client = Unlistable(2)
    streams = [
        a_configured_stream(
            an_account_stream(
                "records", incremental={"detect_deletions": True}
            ).as_airbyte_stream(),
            SyncMode.incremental,
        ),
        *(a_configured_stream(one, SyncMode.incremental) for one in client.streams),
    ]
    settings: Any = {"incremental": {"detect_deletions": True, "deletion_sweep_hours": 0}}
    client.latest_date = NINE
    first = run(a_source(client, patch), streams, **settings)
    assert first.failure is None
    client.latest_date = TEN

    second = run(a_source(client, patch), streams, first.states, **settings)

    assert second.failed_streams == ["records"]
    # The state of `records` says what it has of each table, and that this one was not finished.
    assert sorted(second.states) == ["records", "stream0", "stream1"]
