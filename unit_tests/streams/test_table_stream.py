"""One table as a stream: every record once, whatever happens to the scan."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    BaseNotFoundError,
    MissingScopeError,
    OffsetExpiredError,
    SchemaChangedError,
    TableNotFoundError,
)
from source_airtable.streams.read_queue import LastRecordOfPage, ReadQueue, SyncAbandonedError
from source_airtable.streams.table_stream import (
    TableScan,
    build_streams,
    to_utc_text,
)
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_page,
    a_record,
    a_table,
    a_table_stream,
)
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.wire_types import RecordPage, TableDict

SCHEMA_CHANGED = SchemaChangedError(base=BASE, table=TABLE)
TEN_OCLOCK = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)


class CountingQueue(ReadQueue):
    """A queue that waits for nothing, and counts."""

    def __init__(self) -> None:
        super().__init__(pages_in_flight=1)
        self.in_flight = 0
        self.acquired = 0
        self.sleeps: list[float] = []

    def acquire_page(self) -> None:
        """Count a permit out."""
        self.acquired += 1
        self.in_flight += 1

    def release_page(self) -> None:
        """Count a permit in."""
        self.in_flight -= 1

    def sleep(self, seconds: float) -> None:
        """Note a sleep."""
        self.sleeps.append(seconds)


@pytest.fixture
def queue() -> CountingQueue:
    """The queue that the scan takes its permits from."""
    return CountingQueue()


def a_client(*scans: Sequence[RecordPage | AirtableError]) -> FakeClient:
    """A client that gives these scans one after the other, and a base with the one table."""
    client = FakeClient(schemas={BASE: [a_table()]})
    client.scans = list(scans)
    return client


def a_scan(client: FakeClient, queue: ReadQueue) -> TableScan:
    """A scan of the one table."""
    return TableScan(a_table_stream(), client.as_client(), queue)


def consume(records: Iterator[Record], queue: CountingQueue) -> list[dict[str, Any]]:
    """Take records as the writer does, which gives the permits of their pages back."""
    taken = []
    for record in records:
        taken.append(dict(record.data))
        if isinstance(record, LastRecordOfPage):
            queue.release_page()
    return taken


def read(client: FakeClient, queue: CountingQueue) -> list[dict[str, Any]]:
    """All records of the one table."""
    return consume(a_scan(client, queue).iter_records(), queue)


def ids_of(records: list[dict[str, Any]]) -> list[str]:
    """The ids of records."""
    return [record["_airtable_id"] for record in records]


def failure_of(client: FakeClient, queue: CountingQueue) -> AirtableError:
    """What a scan ends with."""
    with pytest.raises(AirtableError) as caught:
        read(client, queue)
    return caught.value


def test_every_record_in_order(queue: CountingQueue) -> None:
    """All records of all pages are emitted in Airtable's order, blank ones included."""
    client = a_client([a_page("recA", "recB"), a_page("recC")])

    assert ids_of(read(client, queue)) == ["recA", "recB", "recC"]


def test_record_on_two_pages(queue: CountingQueue) -> None:
    """A record that comes again on a later page is left out."""
    client = a_client([a_page("recA", "recB"), a_page("recB", "recC", "recA")])

    assert ids_of(read(client, queue)) == ["recA", "recB", "recC"]


def test_empty_page_in_the_middle(queue: CountingQueue) -> None:
    """An empty page does not end a scan."""
    client = a_client([a_page("recA"), a_page(), a_page("recB")])

    assert ids_of(read(client, queue)) == ["recA", "recB"]


def test_empty_table(queue: CountingQueue) -> None:
    """A table without records has none."""
    assert read(a_client([a_page()]), queue) == []


def test_expired_offset(queue: CountingQueue) -> None:
    """A list that Airtable forgot is read from its start, without emitting a record twice."""
    client = a_client(
        [a_page("recA", "recB"), OffsetExpiredError()], [a_page("recB", "recA"), a_page("recC")]
    )

    assert ids_of(read(client, queue)) == ["recA", "recB", "recC"]


def test_pauses_between_restarts(queue: CountingQueue) -> None:
    """The pauses before restarts double, from a second on."""
    client = a_client(*[[OffsetExpiredError()]] * 5, [a_page("recA")])

    read(client, queue)

    assert queue.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_too_many_restarts(queue: CountingQueue) -> None:
    """After five restarts the stream fails, and says so."""
    client = a_client(*[[OffsetExpiredError()]] * 7)

    failure = failure_of(client, queue)

    assert isinstance(failure, OffsetExpiredError)
    assert failure.facts == {
        "base_name": "Sales CRM",
        "table_name": "Contacts",
        "restarts": 5,
    }
    assert len(client.calls) == 6


def test_restart_is_told(queue: CountingQueue, caplog: pytest.LogCaptureFixture) -> None:
    """A restart is a warning that says how far the scan had come."""
    read(a_client([a_page("recA"), OffsetExpiredError()], [a_page("recA")]), queue)

    assert "after 1 of them; reading the table again" in caplog.text
    assert "restart 1 of 5" in caplog.text


def test_abandoned_pause(queue: CountingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that is abandoned during a pause ends there."""

    def abandon(seconds: float) -> None:
        raise SyncAbandonedError

    monkeypatch.setattr(queue, "sleep", abandon)

    with pytest.raises(SyncAbandonedError):
        read(a_client([OffsetExpiredError()]), queue)


def test_deleted_field(queue: CountingQueue) -> None:
    """A field that goes away during a scan is null from there on, and nothing else is lost."""
    client = a_client(
        [
            {"records": [a_record("recA", **{NAME_FIELD: "Ann", NOTES_FIELD: "tall"})]},
            SCHEMA_CHANGED,
        ],
        [
            {
                "records": [
                    a_record("recA", **{NAME_FIELD: "Ann"}),
                    a_record("recB", **{NAME_FIELD: "Bob"}),
                ]
            }
        ],
    )
    client.schemas[BASE] = [a_table(fields={NAME_FIELD: "Name"})]

    records = read(client, queue)

    assert [(record["name"], record["notes"]) for record in records] == [
        ("Ann", "tall"),
        ("Bob", None),
    ]


def test_deleted_field_is_told(queue: CountingQueue, caplog: pytest.LogCaptureFixture) -> None:
    """It is a warning."""
    client = a_client([SCHEMA_CHANGED], [a_page("recA")])
    client.schemas[BASE] = [a_table(fields={NAME_FIELD: "Name"})]

    read(client, queue)

    assert "fields were deleted while the sync was running" in caplog.text


def test_schema_that_did_not_change(queue: CountingQueue) -> None:
    """A field that is unknown although the schema has it cannot be helped."""
    client = a_client([SchemaChangedError(base=BASE)])

    assert isinstance(failure_of(client, queue), SchemaChangedError)
    assert client.calls == [f"page {TABLE}", f"schema {BASE}"]


def test_schema_that_changes_again_in_vain(queue: CountingQueue) -> None:
    """The schema is followed once; the same refusal with the same schema ends the stream."""
    client = a_client([SCHEMA_CHANGED], [SCHEMA_CHANGED])
    client.schemas[BASE] = [a_table(fields={NAME_FIELD: "Name"})]

    assert isinstance(failure_of(client, queue), SchemaChangedError)


def test_table_that_vanishes_with_its_field(queue: CountingQueue) -> None:
    """Where the table is gone from the schema there is nothing to follow."""
    client = a_client([SchemaChangedError(base=BASE)])
    client.schemas[BASE] = []

    assert isinstance(failure_of(client, queue), SchemaChangedError)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (AccessDeniedError(status=403), BaseNotFoundError),
        ([], TableNotFoundError),
        ([a_table("tblOther")], TableNotFoundError),
        ([a_table()], MissingScopeError),
        (AirtableUnavailableError(status=503), AccessDeniedError),
    ],
    ids=["base gone", "no table", "table gone", "scope missing", "cannot be told"],
)
def test_refused_scan(
    queue: CountingQueue,
    schema: list[TableDict] | AirtableError,
    expected: type[AirtableError],
) -> None:
    """A refused scan is explained by what the schema shows at that moment."""
    client = a_client([a_page("recA"), AccessDeniedError(status=403, base=BASE, table=TABLE)])
    client.schemas[BASE] = schema

    failure = failure_of(client, queue)

    assert type(failure) is expected
    assert (failure.facts["base"], failure.facts["table"]) == (BASE, TABLE)


def test_missing_scope_is_named(queue: CountingQueue) -> None:
    """The scope that a refused scan needs is named, beside table and base by name."""
    failure = failure_of(a_client([AccessDeniedError(status=403)]), queue)

    assert failure.facts == {
        "scope": "data.records:read",
        "status": 403,
        "base_name": "Sales CRM",
        "table_name": "Contacts",
    }


def test_other_failure(queue: CountingQueue) -> None:
    """Any other failure of Airtable's gets the names of base and table."""
    failure = failure_of(a_client([AirtableUnavailableError(status=503)]), queue)

    assert failure.facts == {"status": 503, "base_name": "Sales CRM", "table_name": "Contacts"}


def test_as_of(queue: CountingQueue) -> None:
    """All records carry Airtable's clock before the scan, however long the scan takes."""
    client = a_client([a_page("recA"), OffsetExpiredError()], [a_page("recA", "recB")])
    client.latest_date = TEN_OCLOCK
    records = []
    for record in a_scan(client, queue).iter_records():
        client.latest_date = datetime(2026, 11, 18, 11, tzinfo=timezone.utc)
        records.append(record.data["_airtable_as_of"])

    assert records == ["2026-11-18T10:00:00.000Z"] * 2


def test_as_of_without_date(queue: CountingQueue) -> None:
    """Without Airtable's clock the moment is not known."""
    assert read(a_client([a_page("recA")]), queue)[0]["_airtable_as_of"] is None


def test_utc_text() -> None:
    """A moment is written as Airtable writes it."""
    assert to_utc_text(TEN_OCLOCK) == "2026-11-18T10:00:00.000Z"


def test_no_page_is_fetched_without_a_permit() -> None:
    """Of a table no more pages are fetched than the queue has permits, until one is written."""
    queue = ReadQueue(pages_in_flight=2)
    client = a_client([a_page("recA"), a_page("recB"), a_page("recC")])
    records = a_scan(client, queue).iter_records()
    queue.put(next(records))
    queue.put(next(records))
    queue.get()
    queue.put(next(records))

    assert len(client.calls) == 3
    assert queue._permits._value == 0  # noqa: SLF001 - a waiting test would have to sleep


@pytest.mark.parametrize(
    "scans",
    [
        [[a_page("recA", "recB"), a_page("recC")]],
        [[a_page(), a_page(), a_page("recA"), a_page()]],
        [[a_page("recA"), a_page("recA")]],
        [[a_page("recA"), OffsetExpiredError()], [a_page("recA"), a_page("recB")]],
        [[]],
    ],
    ids=["pages", "empty pages", "known records", "restart", "nothing"],
)
def test_permits_return(queue: CountingQueue, scans: list[list[Any]]) -> None:
    """When all records are written, all permits are back, empty pages' and failed pages' too."""
    read(a_client(*scans), queue)

    assert queue.acquired > 0
    assert queue.in_flight == 0


@pytest.mark.parametrize("error", [AirtableUnavailableError(), AccessDeniedError()])
def test_permits_return_after_a_failure(queue: CountingQueue, error: AirtableError) -> None:
    """A scan that fails keeps no permit."""
    failure_of(a_client([a_page("recA"), error]), queue)

    assert queue.in_flight == 0


def test_columns_without_field(queue: CountingQueue, caplog: pytest.LogCaptureFixture) -> None:
    """A configured column whose field is gone is null, with a warning that names it."""
    stream = a_table_stream()
    present = FakeClient(schemas={})
    present.scans = [[a_page("recA")]]
    table = a_table_stream().table
    without_notes = type(table)(
        table.base_id, table.base_name, table.table_id, table.table_name, None, table.fields[:1]
    )
    scan = TableScan(
        type(stream)(stream.name, without_notes, stream.json_schema), present.as_client(), queue
    )

    records = consume(scan.iter_records(), queue)

    assert records[0]["notes"] is None
    assert "these columns have no field in Airtable any more and are null: notes" in caplog.text


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("_airtable_errors", "kept in the column _airtable_errors"),
        ("name", "select the column _airtable_errors to keep them"),
    ],
)
def test_misfits_are_counted(
    queue: CountingQueue, caplog: pytest.LogCaptureFixture, column: str, expected: str
) -> None:
    """Cells that did not fit are counted in one line, without their contents."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    cell = {"error": "#ERROR! Zebra"}
    client = a_client([{"records": [a_record("recA", **{NAME_FIELD: cell})]}])
    stream = a_table_stream()
    properties = {
        name: json_schema
        for name, json_schema in stream.json_schema["properties"].items()
        if name in {"_airtable_id", "name", column}
    }
    scan = TableScan(
        type(stream)(stream.name, stream.table, {**stream.json_schema, "properties": properties}),
        client.as_client(),
        queue,
    )

    consume(scan.iter_records(), queue)

    assert "1 cells did not fit their column (formula errors, NaN and the like)" in caplog.text
    assert expected in caplog.text
    assert "Zebra" not in caplog.text


def test_partition(queue: CountingQueue) -> None:
    """A table's stream has one partition, which is not sliced and known by the stream's name."""
    (stream,) = build_streams(
        [a_table_stream()],
        a_client([a_page("recA")]).as_client(),
        queue,
        InMemoryMessageRepository(),
    )

    partition, *more = stream.generate_partitions()

    assert (more, partition.to_slice(), partition.stream_name()) == ([], None, "contacts")
    assert hash(partition) == hash("contacts")
    assert ids_of([dict(record.data) for record in partition.read()]) == ["recA"]


def test_stream_of_the_cdk(queue: CountingQueue) -> None:
    """To Airbyte a table is a full refresh stream without namespace, its key the record's id."""
    repository = InMemoryMessageRepository()
    (stream,) = build_streams([a_table_stream()], a_client().as_client(), queue, repository)

    declared = stream.as_airbyte_stream()

    assert (declared.name, declared.namespace, declared.is_resumable) == ("contacts", None, False)
    assert declared.source_defined_primary_key == [["_airtable_id"]]
    assert declared.supported_sync_modes == [SyncMode.full_refresh]


def test_failures_of_streams_of_the_cdk(queue: CountingQueue) -> None:
    """The streams of one sync note their failures in one place."""
    failures: dict[str, Exception] = {}
    client = a_client([AirtableUnavailableError()])
    (stream,) = build_streams(
        [a_table_stream()], client.as_client(), queue, InMemoryMessageRepository(), failures
    )

    (partition,) = stream.generate_partitions()
    with pytest.raises(AirtableUnavailableError):
        list(partition.read())

    assert list(failures) == ["contacts"]
