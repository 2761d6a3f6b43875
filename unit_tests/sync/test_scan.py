"""A scan of one table: every record once for each reader, whatever happens to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.changes.need import RECORD_IDS_PER_CALL, ChangedSince
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    MissingScopeError,
    OffsetExpiredError,
    SchemaChangedError,
)
from source_airtable.streams.stream import ReadRequest
from source_airtable.sync.page_queue import (
    BYTES_OF_ONE_PLACE,
    PageQueue,
    PageRows,
    SyncAbandonedError,
)
from source_airtable.sync.scan import (
    FIRST_PAGE_PLACES,
    ROWS_OF_ONE_ITEM,
    TableScan,
)
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_field,
    a_page,
    a_page_of,
    a_record,
    a_table,
    a_table_schema,
    a_table_stream,
    a_text_table,
    an_account_stream,
)
from unit_tests.scans import RecordingQueue, Scanned, a_client
from unit_tests.toy_reader import ToyReader

if TYPE_CHECKING:
    from source_airtable.api.wire_types import FieldId
    from source_airtable.errors import AirtableError
    from source_airtable.records import Page, Row

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
CHANGED = ChangedSince("last_modified", TEN)
SCHEMA_CHANGED = SchemaChangedError(base=BASE, table=TABLE)
REFUSED = ContractError(status=422, base=BASE, table=TABLE)
DENIED = AccessDeniedError(status=403, base=BASE, table=TABLE)
ODD = ContractError(answer="a record without id or fields")


def scan(*scans: Any) -> Scanned:  # noqa: ANN401 - pages and failures
    """A scan for one reader."""
    return Scanned(a_client(*scans), ToyReader("a"))


def failure_of(scanned: Scanned, stream_name: str = "a") -> AirtableError:
    """The failure that a reader ended with."""
    error = scanned.ends[stream_name].error
    assert isinstance(error, (AccessDeniedError, ContractError)) or error is not None
    return error  # type: ignore[return-value]  # every failure here is Airtable's


# What is emitted


def test_every_record_in_order() -> None:
    """All records of all pages come in Airtable's order, blank ones included."""
    scanned = scan([a_page("recA", "recB"), a_page("recC")])

    assert scanned.ids("a") == ["recA", "recB", "recC", "last"]
    assert scanned.state("a") == {"of": "a"}


def test_record_on_two_pages() -> None:
    """A record that comes again on a later page is left out."""
    scanned = scan([a_page("recA", "recB"), a_page("recB", "recC", "recA")])

    assert scanned.ids("a") == ["recA", "recB", "recC", "last"]


@pytest.mark.parametrize(
    "pages", [[a_page("recA"), a_page(), a_page("recB")], [a_page(), a_page("recA", "recB")]]
)
def test_empty_page(pages: list[Any]) -> None:
    """An empty page does not end a scan."""
    assert scan(pages).ids("a") == ["recA", "recB", "last"]


@pytest.mark.parametrize("pages", [[a_page()], []])
def test_empty_table(pages: list[Any]) -> None:
    """A table without records has none, and its reader ends complete."""
    assert scan(pages).words == ["a:last", "a."]


def test_one_scan_for_all() -> None:
    """Readers with the same need share the pages, and end one after the other."""
    scanned = Scanned(a_client([a_page("recA", "recB")]), ToyReader("a"), ToyReader("b"))

    assert scanned.words == [
        *("a:recA", "a:recB", "b:recA", "b:recB"),
        *("a:last", "a."),
        *("b:last", "b."),
    ]
    assert len(scanned.client.queries) == 1
    assert (scanned.state("a"), scanned.state("b")) == ({"of": "a"}, {"of": "b"})


def test_key_of_ends() -> None:
    """The end of a reader says which table it was of."""
    assert scan([a_page()]).ends["a"].key == (BASE, TABLE)


# Passes that start over


def test_expired_offset() -> None:
    """A list that Airtable forgot is read from its start, and no record is emitted twice."""
    scanned = scan(
        [a_page("recA", "recB"), OffsetExpiredError()], [a_page("recB", "recA"), a_page("recC")]
    )

    assert scanned.ids("a") == ["recA", "recB", "recC", "last"]


def test_waits_between_restarts() -> None:
    """The waits before restarts double, from a second on."""
    scanned = scan(*[[OffsetExpiredError()]] * 5, [a_page("recA")])

    assert scanned.ids("a") == ["recA", "last"]
    assert scanned.queue.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_too_many_restarts() -> None:
    """After five restarts the reader fails, and the error says so."""
    scanned = scan(*[[OffsetExpiredError()] for _ in range(7)])

    assert scanned.errors == {"a": "OffsetExpiredError"}
    assert failure_of(scanned).facts == {
        "base_name": "Sales CRM",
        "table_name": "Contacts",
        "restarts": 5,
    }
    assert len(scanned.client.calls) == 6


def test_restart_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A warning says how far the scan was."""
    scan([a_page("recA"), OffsetExpiredError()], [a_page("recA")])

    assert "Stream a (table Contacts): Airtable forgot the list of records after 1 of them" in (
        caplog.text
    )
    assert "(restart 1 of 5)" in caplog.text


@pytest.mark.parametrize(
    ("scans", "listed"),
    [
        ([[a_page("recA"), a_page("recB")]], {"recA", "recB"}),
        ([[a_page()]], set()),
        ([[a_page("recA"), OffsetExpiredError()], [a_page("recA")]], None),
        ([[SCHEMA_CHANGED], [a_page("recA")]], None),
    ],
    ids=["whole", "empty", "expired", "changed schema"],
)
def test_whole_listing(scans: list[Any], listed: set[str] | None) -> None:
    """Only an uninterrupted pass says which records there are."""
    client, reader = a_client(*scans), ToyReader("a")
    client.schemas[BASE] = [a_text_table(fields={NAME_FIELD: "Name"})]

    Scanned(client, reader)

    assert (None if reader.whole_listing is None else set(reader.whole_listing)) == listed


def test_changes_are_no_whole_listing() -> None:
    """A scan of what changed does not say which records there are."""
    reader = ToyReader("a", CHANGED)
    Scanned(a_client([a_page("recA")]), reader)

    assert reader.whole_listing is None


class AbandonedQueue(RecordingQueue):
    """A queue on which nobody waits any more."""

    def sleep(self, seconds: float) -> None:
        """End."""
        raise SyncAbandonedError


@pytest.mark.parametrize(
    "scans", [[[OffsetExpiredError()]], [[a_page("recA")], [a_page("recA")]]], ids=["wait", "list"]
)
def test_abandoned_scan(scans: list[Any]) -> None:
    """A scan of an abandoned sync ends where it stands, and puts no end on the queue."""
    client = a_client(*scans)
    queue = AbandonedQueue()
    stream = a_table_stream(incremental={"detect_deletions": True})
    settings = stream._config.incremental  # noqa: SLF001 - as the plan of a sync does
    client.latest_date = TEN
    reader = stream.reader(stream.table, ReadRequest(settings, {"version": 2, "known_ids": "odd"}))
    table_scan = TableScan(stream.table, CHANGED, [reader], client.as_client(), queue)
    reader.start(TEN)

    with pytest.raises(SyncAbandonedError):
        table_scan.run()

    assert all(isinstance(item, PageRows) for item in queue.items)


def test_abandoned_end() -> None:
    """The same goes for the end of a reader."""
    queue = RecordingQueue()
    reader = ToyReader("a", finish_failure=SyncAbandonedError())

    with pytest.raises(SyncAbandonedError):
        Scanned(a_client([a_page("recA")]), reader, queue=queue)

    assert all(isinstance(item, PageRows) for item in queue.items)


# A schema that changes


def test_deleted_field() -> None:
    """A field that is deleted during a scan is null from there on, and nothing else is lost."""
    client = a_client(
        [a_page_of(a_record({NAME_FIELD: "Ann", NOTES_FIELD: "tall"}, "recA")), SCHEMA_CHANGED],
        [a_page_of(a_record({NAME_FIELD: "Ann"}, "recA"), a_record({NAME_FIELD: "Bob"}, "recB"))],
    )
    client.schemas[BASE] = [a_text_table(fields={NAME_FIELD: "Name"})]
    stream = a_table_stream()

    rows = Scanned(client, stream.reader(stream.table, ReadRequest())).rows()

    assert [(row["name"], row["notes"]) for row in rows] == [("Ann", "tall"), ("Bob", None)]


def test_readers_follow_the_schema(caplog: pytest.LogCaptureFixture) -> None:
    """Every reader goes on with the present fields, and a warning says why."""
    client = a_client([SCHEMA_CHANGED], [a_page("recA")])
    client.schemas[BASE] = [a_text_table(fields={NAME_FIELD: "Name"})]
    readers = [ToyReader("a"), ToyReader("b")]

    Scanned(client, *readers)

    assert [[one.fields[0]["id"] for one in reader.followed] for reader in readers] == [
        [NAME_FIELD]
    ] * 2
    assert "fields were deleted while the sync was running" in caplog.text


@pytest.mark.parametrize(
    ("scans", "present"),
    [
        ([[SCHEMA_CHANGED]], a_text_table()),
        ([[SCHEMA_CHANGED], [SCHEMA_CHANGED]], a_text_table(fields={NAME_FIELD: "Name"})),
        ([[SCHEMA_CHANGED]], a_text_table("tblOther")),
    ],
    ids=["unchanged", "changed in vain", "table gone"],
)
def test_schema_that_cannot_be_followed(scans: list[Any], present: Any) -> None:  # noqa: ANN401 - a table
    """If the schema gives no way out, the scan fails."""
    client = a_client(*scans)
    client.schemas[BASE] = [present]

    assert Scanned(client, ToyReader("a")).errors == {"a": "SchemaChangedError"}
    assert len(client.queries) == len(scans)


# Failures


@pytest.mark.parametrize(
    "failure", [AirtableUnavailableError(status=503), ODD, ValueError("of ours")]
)
def test_failure_of_the_scan(failure: Exception) -> None:
    """A scan that fails ends every reader, behind the rows that came, without a state."""
    scanned = Scanned(a_client([a_page("recA"), failure]), ToyReader("a"), ToyReader("b"))
    name = type(failure).__name__

    assert scanned.words == ["a:recA", "b:recA", f"a!{name}", f"b!{name}"]
    assert (scanned.state("a"), scanned.state("b")) == (None, None)
    assert scanned.queue.in_flight == 0


def test_facts_of_a_failure() -> None:
    """A failure of Airtable's names the base and the table."""
    scanned = scan([AirtableUnavailableError(status=503)])

    assert failure_of(scanned).facts == {
        "status": 503,
        "base_name": "Sales CRM",
        "table_name": "Contacts",
    }


def test_denied_scan() -> None:
    """A scan that is denied is explained by what the schema shows now."""
    scanned = scan([a_page("recA"), DENIED])

    assert scanned.errors == {"a": "MissingScopeError"}
    assert failure_of(scanned).facts["scope"] == "data.records:read"


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ({"failing_page": 0}, ["a!OSError", "b:recA", "b:recB", "b:last", "b."]),
        ({"failing_page": 1}, ["a:recA", "b:recA", "a!OSError", "b:recB", "b:last", "b."]),
        (
            {"finish_failure": ValueError()},
            ["a:recA", "b:recA", "a:recB", "b:recB", "a:last", "a!ValueError", "b:last", "b."],
        ),
        (
            {"state_failure": ValueError()},
            ["a:recA", "b:recA", "a:recB", "b:recB", "a:last", "a!ValueError", "b:last", "b."],
        ),
    ],
    ids=["first page", "second page", "end", "state"],
)
def test_failure_of_one_reader(failing: dict[str, Any], words: list[str]) -> None:
    """A reader that fails fails alone, and takes no record from the others."""
    client = a_client([a_page("recA"), a_page("recB")])

    scanned = Scanned(client, ToyReader("a", **failing), ToyReader("b"))

    assert scanned.words == words
    assert (scanned.state("a"), scanned.state("b")) == (None, {"of": "b"})
    assert scanned.queue.in_flight == 0


def test_readers_that_all_fail() -> None:
    """If every reader has failed, no further page is fetched."""
    client = a_client([a_page("recA"), a_page("recB"), a_page("recC")])

    scanned = Scanned(client, ToyReader("a", failing_page=1), ToyReader("b", failing_page=0))

    assert scanned.errors == {"a": "OSError", "b": "OSError"}
    assert len(client.calls) == 2


def test_failing_sweep_of_one_reader() -> None:
    """A sweep that fails for one stream fails that stream alone."""
    stream = a_table_stream(None, "contacts", incremental={"detect_deletions": True})
    settings = stream._config.incremental  # noqa: SLF001 - as the plan of a sync does
    client = a_client(
        [a_page("recA", "recB"), OffsetExpiredError()],
        [a_page("recB")],
        [AirtableUnavailableError()],
    )
    client.latest_date = TEN
    reader = stream.reader(stream.table, ReadRequest(settings))

    scanned = Scanned(client, reader, ToyReader("b"))

    assert scanned.errors == {"contacts": "AirtableUnavailableError"}
    assert scanned.ids("b") == ["recA", "recB", "last"]


# Filters


@pytest.mark.parametrize("need", [CHANGED, None])
def test_filter(need: ChangedSince | None) -> None:
    """Every pass over the table asks for what the readers need."""
    scanned = Scanned(a_client([OffsetExpiredError()], [a_page("recA")]), ToyReader("a", need))

    assert scanned.formulas == [need.formulas[0] if need else None] * 2


def test_filter_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """If Airtable refuses the filter, the table is read in full, with a warning."""
    reader = ToyReader("a", CHANGED)

    scanned = Scanned(a_client([REFUSED], [a_page("recA")]), reader)

    assert scanned.words == ["a:recA", "a:last", "a."]
    assert scanned.formulas == [CHANGED.formula, None]
    assert reader.whole_listing is None
    assert "read in full: Airtable refuses the filter" in caplog.text


def test_filter_that_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """If Airtable sends what the filter leaves out, the table is read in full, each row once."""
    old: Any = {**a_record(record_id="recA"), "createdTime": "2026-01-01T00:00:00.000Z"}
    client = a_client([a_page_of(old)], [a_page("recA", "recB")])

    scanned = Scanned(client, ToyReader("a", ChangedSince("created_time", TEN)))

    assert scanned.words == ["a:recA", "a:recB", "a:last", "a."]
    assert scanned.formulas[1:] == [None]
    assert "read in full: Airtable does not honour the filter" in caplog.text


@pytest.mark.parametrize("failure", [ODD, ContractError(status=400)])
def test_failure_that_is_not_of_the_filter(failure: ContractError) -> None:
    """Another failure of a filtered scan ends it."""
    scanned = Scanned(a_client([failure]), ToyReader("a", CHANGED))

    assert scanned.words == ["a!ContractError"]
    assert len(scanned.client.queries) == 1


def test_refused_scan_of_a_whole_table() -> None:
    """A refused scan without a filter is not made again."""
    scanned = scan([REFUSED])

    assert scanned.words == ["a!ContractError"]
    assert len(scanned.client.queries) == 1


# Fields and numbers of comments


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (((NAME_FIELD,), (NAME_FIELD,)), (NAME_FIELD,)),
        (((NAME_FIELD,), (NOTES_FIELD,)), ()),
        (((NAME_FIELD,), ()), ()),
    ],
)
def test_fields_of_all_readers(
    fields: tuple[tuple[FieldId, ...], ...], asked: tuple[FieldId, ...]
) -> None:
    """The scan asks for the fields that its readers need together; no name means all."""
    readers = [ToyReader(name, None, ids) for name, ids in zip("ab", fields, strict=True)]

    scanned = Scanned(a_client([a_page()]), *readers)

    assert scanned.client.queries[0].field_ids == asked


@pytest.mark.parametrize("counting", ["a", "b"])
def test_numbers_of_comments(counting: str) -> None:
    """If one reader wants the numbers of comments, the scan asks for them."""
    readers = [ToyReader(name, comment_count=name == counting) for name in "ab"]

    assert Scanned(a_client([a_page()]), *readers).client.queries[0].with_comment_counts


def test_no_numbers_of_comments() -> None:
    """If no reader wants the numbers of comments, the scan does not ask for them."""
    assert not scan([a_page()]).client.queries[0].with_comment_counts


@pytest.mark.parametrize(
    ("refused", "error"), [(REFUSED, "ContractError"), (DENIED, "MissingScopeError")]
)
def test_numbers_that_are_refused(refused: AirtableError, error: str) -> None:
    """If the first page refuses the numbers, only the table's reader of comments ends."""
    client = a_client([refused], [a_page("recA"), a_page("recB")])

    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    assert [query.with_comment_counts for query in client.queries] == [True, False]
    assert scanned.words == [f"comments!{error}", "b:recA", "b:recB", "b:last", "b."]
    facts = failure_of(scanned, "comments").facts
    assert facts.get("scope") == (
        "data.recordComments:read" if error == "MissingScopeError" else None
    )
    assert (facts["base_name"], facts["table_name"]) == ("Sales CRM", "Contacts")


def test_restart_after_refused_numbers() -> None:
    """A pass that starts over does not ask for the refused numbers again."""
    client = a_client([REFUSED], [a_page("recA"), OffsetExpiredError()], [a_page("recB")])

    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    assert [query.with_comment_counts for query in client.queries] == [True, False, False]
    assert scanned.ids("b") == ["recA", "recB", "last"]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (REFUSED, "ContractError"),
        (DENIED, "MissingScopeError"),
        (ODD, "ContractError"),
    ],
)
def test_later_page_that_fails(later: AirtableError, expected: str) -> None:
    """A failure of a later page is not taken for a refusal of the numbers of comments."""
    client = a_client([a_page("recA"), later])

    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    assert len(client.queries) == 1
    assert scanned.errors == {"comments": expected, "b": expected}
    for name in ("comments", "b"):
        assert failure_of(scanned, name).facts.get("scope") != "data.recordComments:read"


@pytest.mark.parametrize("odd", [ODD, ContractError(status=400), AccessDeniedError(status=404)])
def test_odd_first_page(odd: AirtableError) -> None:
    """A first page that fails in another way is not taken for a refusal of the numbers."""
    client = a_client([odd])

    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    assert len(client.queries) == 1
    assert set(scanned.errors) == {"comments", "b"}
    assert failure_of(scanned, "comments").facts.get("scope") != "data.recordComments:read"


@pytest.mark.parametrize("refused", [REFUSED, DENIED])
def test_scan_that_is_refused_without_numbers_too(refused: AirtableError) -> None:
    """If the records are refused without the numbers too, every reader fails, for that reason."""
    client = a_client([refused], [AirtableUnavailableError()])

    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    expected = "ContractError" if refused is REFUSED else "MissingScopeError"
    assert scanned.errors == {"comments": expected, "b": expected}
    assert len(client.queries) == 2


def test_comments_alone_whose_numbers_are_refused() -> None:
    """If the reader of comments is the only one, the scan ends with it."""
    client = a_client([DENIED], [a_page("recA"), a_page("recB")])

    scanned = Scanned(client, ToyReader("comments", comment_count=True))

    assert scanned.errors == {"comments": "MissingScopeError"}
    assert client.calls == [f"page {TABLE}"] * 2
    assert scanned.queue.in_flight == 0


def test_reader_of_comments() -> None:
    """The scan of the stream `comments` asks for its numbers and for one field."""
    client = a_client([a_page("recA")])
    reader = an_account_stream("comments", client=client.as_client()).reader(
        a_table_schema(), ReadRequest()
    )

    Scanned(client, reader)

    (query,) = client.queries
    assert (query.with_comment_counts, query.field_ids) == (True, (NAME_FIELD,))


# Lists of ids, and records by id


def test_listed_ids() -> None:
    """Ids are listed over all pages, and nothing is emitted."""
    scanned = scan([], [a_page("recA", "recB"), a_page("recC")])
    before = len(scanned.queue.items)

    assert set(scanned.scan.list_ids()) == {"recA", "recB", "recC"}
    assert len(scanned.queue.items) == before


def test_listing_asks_for_one_field() -> None:
    """A list of ids asks for the primary field alone, of all records."""
    scanned = Scanned(a_client([], [a_page("recA")]), ToyReader("a", CHANGED))

    scanned.scan.list_ids()

    query = scanned.client.queries[1]
    assert (query.field_ids, query.formula) == ((NAME_FIELD,), None)
    assert not query.with_comment_counts


def test_listing_without_primary_field() -> None:
    """A table whose primary field is unknown is listed with all fields."""
    table = replace(a_table_schema(), primary_field_id=None)
    scanned = Scanned(a_client([], [a_page("recA")]), ToyReader("a"), table=table)

    scanned.scan.list_ids()

    assert scanned.client.queries[1].field_ids == ()


def test_list_that_is_shared() -> None:
    """A second question gets the same list, unless it asks for a new one."""
    scanned = scan([], [a_page("recA")], [a_page("recB")])

    first, same = scanned.scan.list_ids(), scanned.scan.list_ids()
    again = scanned.scan.list_ids(again=True)

    assert first is same
    assert set(again) == {"recB"}
    assert len(scanned.client.queries) == 3


def test_listing_that_restarts() -> None:
    """A list of ids is of one uninterrupted pass."""
    scanned = scan([], [a_page("recA", "recB"), OffsetExpiredError()], [a_page("recB")])

    assert set(scanned.scan.list_ids()) == {"recB"}


def test_listing_that_fails() -> None:
    """A list of ids that cannot be completed is none, and no part of it is kept."""
    scanned = scan([], [a_page("recA"), AirtableUnavailableError()], [a_page("recB")])

    with pytest.raises(AirtableUnavailableError):
        scanned.scan.list_ids()
    assert set(scanned.scan.list_ids()) == {"recB"}


def test_records_by_id() -> None:
    """Records are fetched by id a hundred at a time, each page with its own moment."""
    ids = [f"rec{number:014}" for number in range(RECORD_IDS_PER_CALL + 1)]
    scanned = scan([], [a_page(*ids[:-1], answered_at=TEN)], [a_page(ids[-1])])

    pages = list(scanned.scan.fetch(ids))

    assert [len(page.records) for page in pages] == [RECORD_IDS_PER_CALL, 1]
    assert [page.answered_at for page in pages] == [TEN, None]
    asked = "".join(str(formula) for formula in scanned.formulas[1:])
    assert [asked.count(record_id) for record_id in ids] == [1] * len(ids)


def test_records_by_id_that_restart() -> None:
    """A fetch that starts over gives each record once."""
    client = a_client(
        [], [a_page("recA"), OffsetExpiredError()], [a_page("recA"), a_page("recB", "recA")]
    )

    scanned = Scanned(client, ToyReader("a", unseen=["recA", "recB"]))

    assert scanned.ids("a") == ["recA", "recB", "last"]


def test_no_records_by_id() -> None:
    """Without ids nothing is fetched."""
    assert list(scan([]).scan.fetch([])) == []


# Permits and items


@pytest.mark.parametrize(
    "scans",
    [
        [[a_page("recA", "recB"), a_page("recC")]],
        [[a_page(), a_page(), a_page("recA"), a_page()]],
        [[a_page("recA"), a_page("recA")]],
        [[a_page("recA"), OffsetExpiredError()], [a_page("recA"), a_page("recB")]],
        [[]],
        [[a_page("recA"), AirtableUnavailableError()]],
        [[a_page("recA"), AccessDeniedError()]],
    ],
    ids=["pages", "empty pages", "known records", "restart", "nothing", "failure", "denial"],
)
def test_permits_return(scans: list[list[Any]]) -> None:
    """When all rows are written, all permits are back, those of failed pages too."""
    scanned = scan(*scans)

    assert scanned.queue.places
    assert scanned.queue.in_flight == 0


class WaitingQueue(PageQueue):
    """A queue that says at which page a worker would wait."""

    def acquire(self, places: int = 1) -> Any:  # noqa: ANN401 - a permit
        """Give a permit that is free, or end."""
        if self._free_places < places:
            self.abandon()
        return super().acquire(places)


def test_no_page_is_fetched_without_a_permit() -> None:
    """No more pages are fetched than the queue has permits, until one is written."""
    client = a_client([a_page(f"rec{number}") for number in range(FIRST_PAGE_PLACES + 1)])
    table_scan = TableScan(
        a_table_schema(),
        ToyReader("a").start(None),
        [ToyReader("a")],
        client.as_client(),
        WaitingQueue(pages_in_flight=FIRST_PAGE_PLACES),
    )

    with pytest.raises(SyncAbandonedError):
        table_scan.run()

    assert len(client.calls) == FIRST_PAGE_PLACES


def test_permit_goes_with_the_last_piece() -> None:
    """A page that goes in several items gives its permit back with the last of them."""
    scanned = Scanned(a_client([a_page(*(f"rec{n}" for n in range(25)))]), ToyReader("a"))

    items = [item for item in scanned.queue.items if isinstance(item, PageRows)]
    of_page = items[:-1]
    assert [len(item.rows[0][1]) for item in of_page] == [10, 15]
    assert [item.permit is not None for item in of_page] == [False, True]


def test_large_pages() -> None:
    """A page of more than a megabyte takes more than one place, and so does the next one.

    So does a table's first page, until it is there: nobody knows its size before.
    """
    large = a_page("recA", size_bytes=2 * BYTES_OF_ONE_PLACE + 1)

    scanned = scan([large, a_page("recB"), a_page("recC")])

    assert scanned.queue.places == [FIRST_PAGE_PLACES, 3, 1, 1, 1]
    assert scanned.queue.in_flight == 0


LINKS = a_field("multipleRecordLinks")


def test_pages_that_give_many_rows() -> None:
    """A page of many links takes more than one place, and goes in items of a bounded size."""
    linked = [f"rec{number:014}" for number in range(ROWS_OF_ONE_ITEM)]
    pages = [
        a_page_of(*(a_record({LINKS["id"]: linked}, f"rec{page}{one}") for one in range(3)))
        for page in range(2)
    ]
    table = a_table(LINKS)
    reader = an_account_stream("links").reader(table, ReadRequest())

    scanned = Scanned(a_client(pages), reader, table=table)

    items = [item for item in scanned.queue.items if isinstance(item, PageRows)]
    assert [len(item.rows[0][1]) for item in items] == [
        *(3 * ROWS_OF_ONE_ITEM,),  # the first item tells how many rows a record gives
        *(ROWS_OF_ONE_ITEM,) * 3,
    ]
    assert scanned.queue.places == [FIRST_PAGE_PLACES, 4, 4]


def test_rows_behind_the_last_page() -> None:
    """Rows of a reader's end go in items of a bounded size, each with a permit."""

    class Verbose(ToyReader):
        def finish(self, scan: Any) -> Any:  # noqa: ANN401 - as the base class
            yield [{"id": str(number)} for number in range(2 * ROWS_OF_ONE_ITEM + 1)]
            yield []

    scanned = Scanned(a_client([]), Verbose("a"))

    items = [item for item in scanned.queue.items if isinstance(item, PageRows)]
    assert [len(item.rows[0][1]) for item in items] == [ROWS_OF_ONE_ITEM, ROWS_OF_ONE_ITEM, 1]
    assert all(item.permit is not None for item in items)
    assert scanned.queue.in_flight == 0


def test_page_of_readers_with_moments() -> None:
    """Readers see the moment of each page."""
    seen: list[datetime | None] = []

    class Looking(ToyReader):
        def rows(self, page: Page) -> list[Row]:
            seen.append(page.answered_at)
            return super().rows(page)

    client = a_client([a_page("recA", answered_at=TEN), a_page("recB")])

    Scanned(client, Looking("a"))

    assert seen == [TEN, None]


def test_missing_scope_is_of_the_comments() -> None:
    """A denial of the numbers is told as the scope that comments need."""
    client = a_client([DENIED], [a_page("recA")])
    scanned = Scanned(client, ToyReader("comments", comment_count=True), ToyReader("b"))

    assert isinstance(scanned.ends["comments"].error, MissingScopeError)
