"""The stream `comments`: which records are asked, what is made of the answers, and the state."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    MissingScopeError,
)
from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.comments import CommentAccess, CommentShare, parse_counts
from source_airtable.streams.packed_ids import pack_ids
from source_airtable.streams.table_scan import TableScan
from unit_tests.builders import BASE, NAME_FIELD, TABLE, a_record, a_table_schema, an_account_stream
from unit_tests.fake_client import FakeClient
from unit_tests.generated import airtable_ids
from unit_tests.scans import CountingQueue

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


def a_share(
    client: FakeClient, saved: Mapping[str, Any] | None = None, access: CommentAccess | None = None
) -> CommentShare:
    """The share of the stream in the scan of the one table."""
    writer = RowWriter("comments", an_account_stream("comments").json_schema)
    access = access or CommentAccess(client.as_client())
    return CommentShare("comments", a_table_schema(), writer, access, saved)


def a_counted_record(record_id: str, count: object) -> Any:  # noqa: ANN401 - of the wire
    """A record with the number of its comments."""
    return {**a_record(record_id), "commentCount": count}


def read(share: CommentShare, counts: Mapping[str, object]) -> list[dict[str, Any]]:
    """What the stream emits where the scan told these numbers of comments."""
    share.begin(TEN)
    emitted = share.rows_of([a_counted_record(*pair) for pair in counts.items()])
    assert emitted == []
    scan = TableScan(a_table_schema(), [share], FakeClient().as_client(), CountingQueue())
    return [dict(record.data) for record in share.finish(scan)]


def a_client(*record_ids: str) -> FakeClient:
    """A client that knows one comment of each of these records."""
    client = FakeClient()
    client.comments = {record_id: [COMMENT] for record_id in record_ids}
    return client


def test_comment() -> None:
    """A comment has its record's place, and everything that Airtable says of it."""
    told = {name: COMMENT[name] for name in ("id", "author", "text", "mentioned", "reactions")}

    assert read(a_share(a_client(ADA)), {ADA: 1}) == [
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
    """Without Airtable's clock a comment says nothing of its moment, and the rest."""
    share = a_share(a_client(ADA))
    share.begin(None)
    share.rows_of([a_counted_record(ADA, 1)])
    scan = TableScan(a_table_schema(), [share], FakeClient().as_client(), CountingQueue())

    (record,) = share.finish(scan)

    assert (record.data["id"], record.data["_as_of"]) == (COMMENT["id"], None)


def test_whole_table_is_needed() -> None:
    """The whole table is read in each sync, with the numbers of comments, and one field."""
    share = a_share(FakeClient(), {"version": 1, "commented": {}})

    assert share.begin(TEN) is None
    assert share.wants_comment_counts
    assert share.field_ids == (NAME_FIELD,)


def test_table_without_primary_field() -> None:
    """Where no field is the first one, all of them have to come, as the table has now."""
    share = a_share(FakeClient())
    table: Any = {"id": TABLE, "name": "Contacts", "fields": []}
    share.follow(a_table_schema(table=table))

    assert share.field_ids == ()


@pytest.mark.parametrize("count", [0, -1, None, "2", 1.5])
def test_records_without_comments(count: object) -> None:
    """A record that has no comments, or no number of them, is not asked for."""
    client = a_client()

    assert read(a_share(client), {ADA: count}) == []
    assert client.calls == []


def test_records_whose_number_changed() -> None:
    """An incremental sync asks for the comments of records that have others than before."""
    first = a_share(a_client(ADA, BO))
    read(first, {ADA: 1, BO: 2})
    client = a_client(ADA, BO, CY)

    read(a_share(client, first.new_state()), {ADA: 1, BO: 3, CY: 1})

    assert client.calls == [f"comments {BO}", f"comments {CY}"]


def test_record_that_lost_its_comments() -> None:
    """A record without comments is in no state, so that its next one is asked for."""
    first = a_share(a_client(ADA))
    read(first, {ADA: 1})
    second = a_share(a_client(), first.new_state())
    read(second, {})

    assert second.new_state() == {"version": 1, "commented": {}}


@given(st.dictionaries(airtable_ids("rec"), st.integers(1, 1000), max_size=20))
def test_state_round_trip(counts: dict[str, int]) -> None:
    """A state, by way of JSON, tells all numbers of comments."""
    client = a_client(*counts)
    share = a_share(client)
    read(share, counts)

    state = json.loads(json.dumps(share.new_state()))

    assert parse_counts(state) == counts


def test_state_goes_on() -> None:
    """Where nothing changed nothing is asked for, and the state stays."""
    first = a_share(a_client(ADA))
    read(first, {ADA: 1})
    second = a_share(client := a_client(), first.new_state())

    assert read(second, {ADA: 1}) == []
    assert client.calls == []
    assert second.new_state() == first.new_state()


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"__ab_no_cursor_state_message": True},
        {"version": 2, "commented": {"1": ""}},
        {"version": 1},
        {"version": 1, "commented": ["1"]},
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

    read(a_share(client, {"version": 1, "commented": commented}), {ADA: 1})

    assert "damaged" in caplog.text
    assert client.calls == [f"comments {ADA}"]


def test_record_that_is_deleted_meanwhile() -> None:
    """A record that was deleted since the scan has no comments any more; the others have."""
    client = a_client(ADA, BO)
    client.comments[ADA] = AccessDeniedError(status=404)
    client.records[ADA] = AccessDeniedError(status=404)

    assert [row["record_id"] for row in read(a_share(client), {ADA: 1, BO: 1})] == [BO]


def test_missing_scope() -> None:
    """Where the record can be read and its comments cannot, it is the scope that is missing."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403, base=BASE, table=TABLE)
    client.records[ADA] = a_record(ADA)

    with pytest.raises(MissingScopeError) as raised:
        read(a_share(client), {ADA: 1})

    assert raised.value.facts["scope"] == "data.recordComments:read"
    assert (raised.value.facts["base"], raised.value.facts["table"]) == (BASE, TABLE)


def test_missing_scope_of_the_next_table() -> None:
    """What one table found out is not asked for again by the next one."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = a_record(ADA)
    access = CommentAccess(client.as_client())
    with pytest.raises(MissingScopeError):
        read(a_share(client, access=access), {ADA: 1})
    calls = list(client.calls)

    with pytest.raises(MissingScopeError):
        read(a_share(client, access=access), {ADA: 1})

    assert client.calls == calls


def test_other_failure() -> None:
    """A failure that may pass is no missing scope, and the next table is asked for its comments."""
    client = a_client(ADA)
    client.comments[ADA] = AirtableUnavailableError(status=503)
    access = CommentAccess(client.as_client())

    with pytest.raises(AirtableUnavailableError):
        read(a_share(client, access=access), {ADA: 1})

    access.require()


def test_failure_while_a_denial_is_explained() -> None:
    """Where it cannot be found out why comments are denied, nothing is said of a scope."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AirtableUnavailableError(status=503)

    with pytest.raises(AirtableUnavailableError):
        read(a_share(client), {ADA: 1})


@pytest.mark.parametrize(
    ("refused", "meant"),
    [
        (MissingScopeError(scope="data.records:read"), "data.recordComments:read"),
        (ContractError(status=422), None),
    ],
)
def test_numbers_that_are_refused(
    refused: MissingScopeError | ContractError, meant: str | None
) -> None:
    """Where Airtable tells no numbers, the stream fails when the scan is over, and says why."""
    share = a_share(client := a_client(ADA))
    share.refuse(refused)

    with pytest.raises(type(refused)) as raised:
        read(share, {ADA: 1})

    assert raised.value.facts.get("scope") == meant
    assert client.calls == []


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells how many records have comments, and how many were asked for."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    first = a_share(a_client(ADA))
    read(first, {ADA: 1})
    read(a_share(a_client(BO), first.new_state()), {ADA: 1, BO: 1})

    assert caplog.messages[-1] == (
        "Stream comments: table Contacts has 2 records with comments, of which 1 were asked for."
    )


def test_record_that_cannot_be_seen_today() -> None:
    """A record that is refused with its comments, in a table that is not, is asked again."""
    client = a_client(ADA, BO)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AccessDeniedError(status=403)
    first = a_share(client)

    assert [row["record_id"] for row in read(first, {ADA: 1, BO: 1})] == [BO]
    assert parse_counts(first.new_state()) == {BO: 1}

    second = a_share(later := a_client(ADA, BO), first.new_state())
    assert [row["record_id"] for row in read(second, {ADA: 1, BO: 1})] == [ADA]
    assert later.calls == [f"comments {ADA}"]


def test_table_that_cannot_be_read_any_more() -> None:
    """Where the table is refused as well, the stream fails: nothing is known of its comments."""
    client = a_client(ADA)
    client.comments[ADA] = AccessDeniedError(status=403)
    client.records[ADA] = AccessDeniedError(status=403)
    client.record_errors[TABLE] = AccessDeniedError(status=403, table=TABLE)

    with pytest.raises(AccessDeniedError) as raised:
        read(a_share(client), {ADA: 1})

    assert raised.value.facts["table"] == TABLE
    assert client.calls[-1] == f"records {TABLE} 1"
