"""Passes over one table: every record once, whatever happens to them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.account_streams import ACCOUNT_STREAMS
from source_airtable.streams.read_queue import ReadQueue, SyncAbandonedError
from source_airtable.streams.table_items import LinkShare
from source_airtable.streams.table_scan import RECORDS_OF_ONE_ROOM, TableScan

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
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_page,
    a_record,
    a_table,
    a_table_schema,
    a_table_stream,
    an_account_stream,
)
from unit_tests.scans import CountingQueue, a_client, a_scan, consume, ids_of
from unit_tests.tables import a_field
from unit_tests.tables import a_table as a_table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.wire_types import TableDict
    from unit_tests.fake_client import FakeClient

SCHEMA_CHANGED = SchemaChangedError(base=BASE, table=TABLE)
AS_OF = "2026-11-18T10:00:00.000Z"


@pytest.fixture
def queue() -> CountingQueue:
    """The queue that the scan takes its permits from."""
    return CountingQueue()


def read(client: FakeClient, queue: CountingQueue) -> list[dict[str, Any]]:
    """All records of the one table."""
    return consume(a_scan(client, queue).iter_records(), queue)


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
    assert queue._free_room == 0  # noqa: SLF001 - a waiting test would have to sleep


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
    without_notes = replace(stream.table, primary_field_id=None, fields=stream.table.fields[:1])
    scan = a_scan(a_client([a_page("recA")]), queue, replace(stream, table=without_notes))

    scan.shares[0].begin(None)
    records = consume(scan.iter_records(), queue)

    assert records[0]["notes"] is None
    assert "these columns have no field in Airtable any more and are null: notes" in caplog.text


def test_columns_with_fields(queue: CountingQueue, caplog: pytest.LogCaptureFixture) -> None:
    """Where every column has its field, nothing is said."""
    a_scan(a_client(), queue).shares[0].begin(None)

    assert caplog.text == ""


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
    json_schema = {**stream.json_schema, "properties": properties}
    scan = a_scan(client, queue, replace(stream, json_schema=json_schema))

    consume(scan.iter_records(), queue)
    list(scan.shares[0].finish(scan))

    assert "1 cells did not fit their column (formula errors, NaN and the like)" in caplog.text
    assert expected in caplog.text
    assert "Zebra" not in caplog.text


def test_misfits_before_a_deleted_field(
    queue: CountingQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """Cells that did not fit before the schema changed are counted as well."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    record = a_record("recA", **{NAME_FIELD: {"error": "#ERROR!"}})
    client = a_client([{"records": [record]}, SCHEMA_CHANGED], [a_page("recA")])
    client.schemas[BASE] = [a_table(fields={NAME_FIELD: "Name"})]
    scan = a_scan(client, queue)

    consume(scan.iter_records(), queue)
    list(scan.shares[0].finish(scan))

    assert "1 cells did not fit their column" in caplog.text


def test_filter_is_asked_for(queue: CountingQueue) -> None:
    """A formula goes with every pass over the table."""
    client = a_client([OffsetExpiredError()], [a_page("recA")])

    consume(a_scan(client, queue).iter_records("TRUE()"), queue)

    assert [query.formula for query in client.queries] == ["TRUE()"] * 2


def test_records_that_are_looked_at(queue: CountingQueue) -> None:
    """Every record of every page is shown, those that are not emitted again included."""
    seen: list[str] = []
    client = a_client([a_page("recA"), OffsetExpiredError()], [a_page("recA", "recB")])

    consume(
        a_scan(client, queue).iter_records(look_at=lambda record: seen.append(record["id"])),
        queue,
    )

    assert seen == ["recA", "recA", "recB"]


def test_ids_of_the_last_pass(queue: CountingQueue) -> None:
    """Where asked for, the ids of the last pass are known, without those of a broken one."""
    client = a_client([a_page("recA", "recB"), OffsetExpiredError()], [a_page("recB", "recC")])
    scan = a_scan(client, queue)

    consume(scan.iter_records(keep_ids=True), queue)

    assert scan.last_pass is not None
    assert (set(scan.last_pass), set(scan.emitted)) == (
        {"recB", "recC"},
        {"recA", "recB", "recC"},
    )


def test_ids_that_nobody_asks_for(queue: CountingQueue) -> None:
    """Where not asked for, no ids of a pass are kept, those of an earlier scan neither."""
    scan = a_scan(a_client([a_page("recA")], [a_page("recB")]), queue)

    consume(scan.iter_records(keep_ids=True), queue)
    consume(scan.iter_records(), queue)

    assert scan.last_pass is None


def test_second_scan(queue: CountingQueue) -> None:
    """A second scan of the table leaves out what the first one emitted."""
    scan = a_scan(a_client([a_page("recA")], [a_page("recA", "recB")]), queue)
    consume(scan.iter_records(), queue)

    assert ids_of(consume(scan.iter_records(), queue)) == ["recB"]


def test_restarts_of_each_scan(queue: CountingQueue) -> None:
    """Each scan of a table may restart as often as the first one."""
    scans: list[list[Any]] = [*[[OffsetExpiredError()]] * 5, [a_page("recA")]]
    client = a_client(*scans, *scans)
    scan = a_scan(client, queue)
    consume(scan.iter_records(), queue)

    assert consume(scan.iter_records(), queue) == []


def test_listed_ids(queue: CountingQueue) -> None:
    """Ids are listed over all pages, and nothing is emitted or remembered as emitted."""
    scan = a_scan(a_client([a_page("recA", "recB"), a_page("recC")]), queue)

    assert set(scan.list_ids()) == {"recA", "recB", "recC"}
    assert (len(scan.emitted), queue.in_flight) == (0, 0)


def test_listing_asks_for_one_field(queue: CountingQueue) -> None:
    """A list of ids asks for the primary field alone, of all records."""
    client = a_client([a_page("recA")])

    a_scan(client, queue).list_ids()

    assert [(query.field_ids, query.formula) for query in client.queries] == [((NAME_FIELD,), None)]


def test_listing_without_primary_field(queue: CountingQueue) -> None:
    """A table whose primary field is not known is listed with all fields."""
    client = a_client([a_page("recA")])
    stream = a_table_stream()
    table = replace(stream.table, primary_field_id=None)

    a_scan(client, queue, replace(stream, table=table)).list_ids()

    assert [query.field_ids for query in client.queries] == [()]


def test_listing_that_restarts(queue: CountingQueue) -> None:
    """A list of ids is of one uninterrupted pass; an interrupted one leaves nothing in it."""
    client = a_client([a_page("recA", "recB"), OffsetExpiredError()], [a_page("recB")])

    assert set(a_scan(client, queue).list_ids()) == {"recB"}


def test_listing_that_fails(queue: CountingQueue) -> None:
    """A list of ids that cannot be completed is none."""
    client = a_client([a_page("recA"), AirtableUnavailableError(status=503)])

    with pytest.raises(AirtableUnavailableError):
        a_scan(client, queue).list_ids()


def test_room_of_large_pages(queue: CountingQueue) -> None:
    """A page of more than a megabyte takes more room than one, from the next page on."""
    large = {**a_page("recA"), "size_bytes": 2_500_000}
    client = a_client([large, a_page("recB")])  # type: ignore[list-item]  # a page with a size
    rooms = []
    for record in a_scan(client, queue).iter_records():
        rooms.append(queue.in_flight)
        consume([record], queue)

    assert (rooms, queue.in_flight) == ([1, 3], 0)


class CountingWriter(RowWriter):
    """Counts the rows that it makes records of."""

    made = 0

    def to_record(self, row: Mapping[str, Any]) -> Record:
        """Count one more."""
        self.made += 1
        return super().to_record(row)


def test_rows_of_a_page_are_made_when_asked_for(queue: CountingQueue) -> None:
    """A page of many links is not made into rows at once; its room returns with the last one."""
    declared = a_table()
    declared["fields"][1]["type"] = "multipleRecordLinks"
    linked = [f"recLinked{number:08d}" for number in range(1_000)]
    page = a_page("recA")
    page["records"][0]["fields"][declared["fields"][1]["id"]] = linked
    writer = CountingWriter("links", ACCOUNT_STREAMS["links"].json_schema())
    share = LinkShare("links", a_table_schema(table=declared), writer)
    scan = TableScan(a_table_schema(), [share], a_client([page]).as_client(), queue)
    records = scan.iter_records()
    next(records)

    assert (writer.made, queue.in_flight) == (2, 1)
    assert len(consume(records, queue)) == 999
    assert queue.in_flight == 0


def test_room_of_a_page_that_nobody_takes(queue: CountingQueue) -> None:
    """A pass that is broken off in a page gives the room of that page back."""
    records = a_scan(a_client([a_page("recA", "recB", "recC")]), queue).iter_records()
    next(records)
    assert isinstance(records, Generator)
    records.close()

    assert queue.in_flight == 0


def test_room_of_pages_that_give_many_records(queue: CountingQueue) -> None:
    """A page of many links takes more room than one, however few bytes it has."""
    links = a_field("multipleRecordLinks")
    linked = [f"rec{number:014}" for number in range(2 * RECORDS_OF_ONE_ROOM + 1)]
    pages: list[Any] = [{"records": [a_record(one, **{links["id"]: linked})]} for one in "AB"]
    share = LinkShare("links", table := a_table_of(links), a_link_writer())
    scan = TableScan(table, [share], a_client(pages).as_client(), queue)
    rooms = []
    for record in scan.iter_records():
        rooms.append(queue.in_flight)
        consume([record], queue)

    assert rooms == [1] * len(linked) + [3] * len(linked)
    assert queue.in_flight == 0


def a_link_writer() -> RowWriter:
    """What makes the records of the stream `links`."""
    return RowWriter("links", an_account_stream("links").json_schema)
