"""The stream `comments`: which records are asked, what is made of the answers, and the state."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes.need import WholeTable
from source_airtable.changes.record_ids import pack_ids
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    MissingScopeError,
    OffsetExpiredError,
)
from source_airtable.records import Page
from source_airtable.streams.comments import TRIES, CommentReader, parse_counts
from source_airtable.streams.stream import Fields, ReadRequest
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    TABLE,
    a_config,
    a_record,
    a_table_schema,
    an_account_stream,
)
from unit_tests.fake_client import FakeClient
from unit_tests.generated import airtable_ids
from unit_tests.scans import FinishedScan
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
AS_OF = "2026-11-18T10:00:00.000Z"
ADA, BO, CY = (f"rec{name:0<14}" for name in ("Ada", "Bo", "Cy"))
COMMENT: Any = {
    "id": "comB5zxxf2Hiyvlx8",
    "author": {"id": "usrL2PNC5o3H4lBEi", "email": "ada@example.com", "name": "Ada"},
    "text": "Ask @[usrL2PNC5o3H4lBEi]",
    "mentioned": {"usrL2PNC5o3H4lBEi": {"type": "user", "id": "usrL2PNC5o3H4lBEi"}},
    "reactions": [{"emoji": {"unicodeCharacter": "1f44d"}}],
    "parentCommentId": "comA5zxxf2Hiyvlx8",
    "createdTime": "2026-11-17T08:00:00.000Z",
    "lastUpdatedTime": "2026-11-17T09:00:00.000Z",
}


def a_reader(client: FakeClient, saved: Mapping[str, Any] | None = None) -> CommentReader:
    """What reads the comments of the one table, from its part of a state."""
    stream = an_account_stream("comments", client=client.as_client())
    request = ReadRequest()
    if saved is not None:
        tables = {f"{BASE}/{TABLE}": dict(saved)}
        request = ReadRequest(a_config().incremental, {"version": 2, "tables": tables})
    reader = stream.reader(a_table_schema(), request)
    assert isinstance(reader, CommentReader)
    return reader


def a_counted_record(record_id: str, count: object) -> Any:  # noqa: ANN401 - of the wire
    """A record with the number of its comments."""
    return {**a_record(record_id=record_id), "commentCount": count}


def read(
    reader: CommentReader, counts: Mapping[str, object], now: datetime | None = TEN
) -> list[dict[str, Any]]:
    """What the stream emits if the scan shows these numbers of comments."""
    reader.start(now)
    assert reader.rows(Page([a_counted_record(*pair) for pair in counts.items()])) == []
    return [row for rows in reader.finish(FinishedScan()) for row in rows]


def a_client(*record_ids: str) -> FakeClient:
    """A client that knows one comment of each of these records."""
    client = FakeClient()
    client.comments = {record_id: [COMMENT] for record_id in record_ids}
    return client


def test_comment() -> None:
    """A comment has its record's place, and everything that Airtable says of it."""
    told = {name: COMMENT[name] for name in ("id", "author", "text", "mentioned", "reactions")}

    assert read(a_reader(a_client(ADA)), {ADA: 1}) == [
        {
            **told,
            "base_id": BASE,
            "table_id": TABLE,
            "record_id": ADA,
            "parent_comment_id": "comA5zxxf2Hiyvlx8",
            "created_time": "2026-11-17T08:00:00.000Z",
            "last_updated_time": "2026-11-17T09:00:00.000Z",
            "_as_of": AS_OF,
        }
    ]


def test_comment_without_date() -> None:
    """Without Airtable's clock a comment's cursor is null."""
    (row,) = read(a_reader(a_client(ADA)), {ADA: 1}, now=None)

    assert (row["id"], row["_as_of"]) == (COMMENT["id"], None)


def test_what_is_asked_for() -> None:
    """Every sync reads the whole table with the numbers of comments, and one field."""
    reader = a_reader(FakeClient(), {"version": 2, "commented": {}})

    assert reader.start(TEN) == WholeTable()
    assert reader.fields == Fields((NAME_FIELD,), comment_count=True)


def test_table_without_primary_field() -> None:
    """If no field is the primary one, all of them have to come."""
    reader = a_reader(FakeClient())
    table: Any = {"id": TABLE, "name": "Contacts", "fields": []}
    reader.follow(a_table_schema(table=table))

    assert reader.fields == Fields((), comment_count=True)


def test_full_refresh_ignores_the_state() -> None:
    """A full refresh lists the comments of every record that has some."""
    first = a_reader(a_client(ADA))
    read(first, {ADA: 1})
    saved = {"version": 2, "tables": {f"{BASE}/{TABLE}": first.state()}}
    client = a_client(ADA)
    stream = an_account_stream("comments", client=client.as_client())
    reader = stream.reader(a_table_schema(), ReadRequest(None, saved))
    assert isinstance(reader, CommentReader)

    assert len(read(reader, {ADA: 1})) == 1


def test_state_of_version_1() -> None:
    """With a state of version 1 that had a full list, only what changed is listed."""
    sample = a_state_sample("version_1_comments")
    counts = sample.holds["comment_counts"]
    changed = min(counts)
    client = a_client(changed)
    stream = an_account_stream("comments", client=client.as_client())
    (table_state,) = sample.state["tables"].values()
    table_state["last_full_list"] = "2026-11-18T09:00:00.000Z"
    request = ReadRequest(a_config().incremental, sample.state)
    reader = stream.reader(sample.table, request)
    assert isinstance(reader, CommentReader)

    read(reader, {**counts, changed: 99})

    assert client.calls == [f"comments {changed}"]
    assert parse_counts(reader.state()) == {**counts, changed: 1}


def test_number_that_was_listed() -> None:
    """The state holds how many comments were listed, not how many the scan counted."""
    reader = a_reader(a_client(ADA))
    read(reader, {ADA: 5})

    assert parse_counts(reader.state()) == {ADA: 1}


def test_list_that_expires() -> None:
    """A list that Airtable forgets half way is begun anew."""
    client = a_client(ADA)
    client.comment_failures[ADA] = [OffsetExpiredError()] * (TRIES - 1)

    assert len(read(a_reader(client), {ADA: 1})) == 1
    assert client.calls == [f"comments {ADA}"] * TRIES


def test_list_that_expires_again_and_again() -> None:
    """A list that Airtable forgets every time ends the reader."""
    client = a_client(ADA)
    client.comment_failures[ADA] = [OffsetExpiredError()] * TRIES

    with pytest.raises(OffsetExpiredError):
        read(a_reader(client), {ADA: 1})


def test_rows_of_each_record() -> None:
    """The comments of a record come together, before the next record's are listed."""
    client = a_client(ADA, BO)
    reader = a_reader(client)
    reader.start(TEN)
    reader.rows(Page([a_counted_record(ADA, 1), a_counted_record(BO, 1)]))
    scan = FinishedScan()
    pages = reader.finish(scan)

    assert [row["record_id"] for row in next(pages)] == [ADA]
    assert (client.calls, scan.pauses) == ([f"comments {ADA}"], 1)


@pytest.mark.parametrize("count", [0, -1, None, "2", 1.5])
def test_records_without_comments(count: object) -> None:
    """A record that has no comments, or no number of them, is not asked for."""
    client = a_client()

    assert read(a_reader(client), {ADA: count}) == []
    assert client.calls == []


def test_records_whose_number_changed() -> None:
    """An incremental sync asks for the comments of records that have others than before."""
    first = a_reader(a_client(ADA, BO))
    read(first, {ADA: 1, BO: 2})
    client = a_client(ADA, BO, CY)

    read(a_reader(client, first.state()), {ADA: 1, BO: 3, CY: 1})

    assert client.calls == [f"comments {BO}", f"comments {CY}"]


def test_record_that_lost_its_comments() -> None:
    """A record without comments is in no state, so that its next one is asked for."""
    first = a_reader(a_client(ADA))
    read(first, {ADA: 1})
    second = a_reader(a_client(), first.state())
    read(second, {})

    assert second.state()["commented"] == {}


@given(st.dictionaries(airtable_ids("rec"), st.integers(1, 30), max_size=20))
def test_state_round_trip(counts: dict[str, int]) -> None:
    """A state that went through JSON holds all numbers of comments."""
    client = FakeClient()
    client.comments = {record_id: [COMMENT] * count for record_id, count in counts.items()}
    reader = a_reader(client)
    read(reader, counts)

    state = json.loads(json.dumps(reader.state()))

    assert parse_counts(state) == counts


def test_state_goes_on() -> None:
    """Where nothing changed nothing is asked for, and the state stays."""
    first = a_reader(a_client(ADA))
    read(first, {ADA: 1})
    second = a_reader(client := a_client(), first.state())

    assert read(second, {ADA: 1}) == []
    assert client.calls == []
    assert second.state() == first.state()


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"__ab_no_cursor_state_message": True},
        {"version": 3, "commented": {"1": pack_ids([ADA])}},
        {"version": [2], "commented": {"1": pack_ids([ADA])}},
        {"commented": {"1": pack_ids([ADA])}},
        {"version": 2},
        {"version": 2, "commented": ["1"]},
    ],
)
def test_state_of_another_kind(saved: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """What is no state of the comments counts as none, and nobody is warned."""
    assert parse_counts(saved) == {}
    assert caplog.messages == []


@pytest.mark.parametrize(
    "commented",
    [{"many": pack_ids([ADA])}, {"1": "~~~~"}, {"1": ["recA"]}, {"1": 7}, {"1": "\x00"}],
)
def test_damaged_state(commented: object, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged state is warned of, and all comments are asked for."""
    client = a_client(ADA)

    read(a_reader(client, {"version": 2, "commented": commented}), {ADA: 1})

    assert "damaged" in caplog.text
    assert client.calls == [f"comments {ADA}"]


def test_record_that_is_deleted_meanwhile() -> None:
    """A record that was deleted since the scan has no comments any more; the others have."""
    client = a_client(ADA, BO)
    client.comments[ADA] = AccessDeniedError(status=404)
    client.records[ADA] = AccessDeniedError(status=404)

    assert [row["record_id"] for row in read(a_reader(client), {ADA: 1, BO: 1})] == [BO]


def test_missing_scope() -> None:
    """Where the record can be read and its comments cannot, it is the scope that is missing."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403, base=BASE, table=TABLE)
    client.records[ADA] = a_record(record_id=ADA)

    with pytest.raises(MissingScopeError) as raised:
        read(a_reader(client), {ADA: 1})

    assert raised.value.facts["scope"] == "data.recordComments:read"
    assert (raised.value.facts["base"], raised.value.facts["table"]) == (BASE, TABLE)


def test_other_failure() -> None:
    """A failure that may pass is no missing scope."""
    client = a_client(ADA)
    client.comments[ADA] = AirtableUnavailableError(status=503)

    with pytest.raises(AirtableUnavailableError):
        read(a_reader(client), {ADA: 1})


def test_failure_while_a_denial_is_explained() -> None:
    """Where it cannot be found out why comments are denied, nothing is said of a scope."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AirtableUnavailableError(status=503)

    with pytest.raises(AirtableUnavailableError):
        read(a_reader(client), {ADA: 1})


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells how many records have comments, and how many were asked for."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    first = a_reader(a_client(ADA))
    read(first, {ADA: 1})
    read(a_reader(a_client(BO), first.state()), {ADA: 1, BO: 1})

    assert caplog.messages[-1] == (
        "Stream comments: table Contacts has 2 records with comments; listed the comments of 1."
    )


def test_record_that_cannot_be_seen_today() -> None:
    """A record that is refused with its comments, in a table that is not, is asked again."""
    client = a_client(ADA, BO)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AccessDeniedError(status=403)
    first = a_reader(client)

    assert [row["record_id"] for row in read(first, {ADA: 1, BO: 1})] == [BO]
    assert parse_counts(first.state()) == {BO: 1}

    second = a_reader(later := a_client(ADA, BO), first.state())
    assert [row["record_id"] for row in read(second, {ADA: 1, BO: 1})] == [ADA]
    assert later.calls == [f"comments {ADA}"]


def test_table_that_cannot_be_read_any_more() -> None:
    """Where the table is refused as well, the stream fails: nothing is known of its comments."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AccessDeniedError(status=403)
    client.record_errors[TABLE] = AccessDeniedError(status=403, table=TABLE)

    with pytest.raises(AccessDeniedError) as raised:
        read(a_reader(client), {ADA: 1})

    assert raised.value.facts["table"] == TABLE
    assert client.calls[-1] == f"records {TABLE} 1"
