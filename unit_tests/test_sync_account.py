"""One sync with streams of the whole account: what is read, said and skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, Type

from source_airtable.errors import AccessDeniedError, AirtableUnavailableError
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from unit_tests.builders import a_record, an_airbyte_account_stream
from unit_tests.test_sync import FakeAccount, counts_of, failures_in, run, statuses_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.models import AirbyteMessage

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage

ALL = [an_airbyte_account_stream(name) for name in ACCOUNT_STREAMS]
RECORDS, COMMENTS = (an_airbyte_account_stream(name) for name in ("records", "comments"))


def beginnings_of(messages: list[AirbyteMessage]) -> dict[str, list[str]]:
    """What each stream emits, in order: its statuses, and one word for records."""
    words: dict[str, list[str]] = {}
    for message in messages:
        if message.record:
            words.setdefault(message.record.stream, []).append("record")
        elif message.trace and message.trace.stream_status:
            status = message.trace.stream_status
            name = status.stream_descriptor.name
            words.setdefault(name, []).append(str(status.status.value))
    return words


def test_all_streams() -> None:
    """All streams of the account and of tables are read, with one scan of each table."""
    client = FakeAccount(3)

    messages, failure = run(client, [*client.streams, *ALL])

    assert failure is None
    counts = counts_of(messages)
    assert counts["records records"] == 6
    assert {counts[f"records {name}"] for name in ("bases", "tables")} == {3}
    assert counts["records fields"] == 6
    assert all(counts[f"state {name}"] == 1 for name in ACCOUNT_STREAMS)
    assert set(statuses_in(messages).values()) == {AirbyteStreamStatus.COMPLETE}
    assert sorted(query.table_id for query in client.queries) == ["tbl0", "tbl1", "tbl2"]


def test_start_comes_first_and_once() -> None:
    """Every stream starts once, before its first record, whoever's scan that comes from."""
    client = FakeAccount(5)

    messages, _ = run(client, [*client.streams, *ALL])

    for name, words in beginnings_of(messages).items():
        assert words[0] == "STARTED", name
        assert words.count("STARTED") == 1, name


def test_schemas_are_read_once() -> None:
    """The schema of a base is asked for once, for whichever streams."""
    client = FakeAccount(2)

    run(client, [*client.streams, *ALL])

    assert sorted(call for call in client.calls if call != "bases") == [
        "schema app0",
        "schema app1",
    ]
    assert client.calls.count("bases") == 1


def test_streams_of_tables_alone() -> None:
    """Without a stream of the account only the bases of the configured streams are asked for."""
    client = FakeAccount(3)

    run(client, client.streams[:1])

    assert client.calls == ["schema app0"]


def test_base_that_cannot_be_read() -> None:
    """A base that is listed and cannot be read fails the account's streams, and no other base's."""
    client = FakeAccount(2)
    client.schemas["app1"] = AccessDeniedError(status=404)

    messages, failure = run(client, [client.streams[0], RECORDS])

    assert failure is not None
    assert statuses_in(messages) == {
        "stream0": AirbyteStreamStatus.COMPLETE,
        "records": AirbyteStreamStatus.INCOMPLETE,
    }


def test_base_that_may_be_missing(caplog: pytest.LogCaptureFixture) -> None:
    """Where bases may be missing, the account is read without it, with a warning."""
    client = FakeAccount(2)
    client.schemas["app1"] = AccessDeniedError(status=404)

    messages, failure = run(client, [RECORDS], on_missing_table="skip")

    assert failure is None
    assert counts_of(messages)["records records"] == 2
    assert "A base is skipped" in caplog.text


def test_base_that_is_slow_today() -> None:
    """A base that may be read later is never taken for missing."""
    client = FakeAccount(2)
    client.schemas["app1"] = AirtableUnavailableError(status=503)

    _, failure = run(client, [RECORDS], on_missing_table="skip")

    assert failure is not None


class Commented(FakeAccount):
    """An account in which every record has a comment that the token may not read."""

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give two records with a comment each."""
        for page in super().iter_record_pages(query):
            for record in page["records"]:
                record["commentCount"] = 1
                self.comments[record["id"]] = AccessDeniedError(status=403)
                self.records[record["id"]] = a_record(record["id"])
            yield page


def test_missing_scope_of_many_tables() -> None:
    """A scope that every table lacks is told once, and fails the comments alone."""
    client = Commented(4)

    messages, failure = run(client, [COMMENTS, RECORDS])

    assert failure is not None
    assert [name for name, _ in failures_in(messages)] == ["comments"]
    assert statuses_in(messages)["records"] is AirbyteStreamStatus.COMPLETE
    assert statuses_in(messages)["comments"] is AirbyteStreamStatus.INCOMPLETE


@pytest.mark.parametrize("gone", ["tbl0", "tbl1"])
def test_table_that_is_gone_beside_one_that_fails(gone: str) -> None:
    """A failure of one table stays one where another table of the stream may be skipped."""
    failing = {"tbl0": "tbl1", "tbl1": "tbl0"}[gone]
    for _ in range(5):  # the workers come to the tables in any order
        client = FakeAccount(2)
        client.vanishing = {f"app{gone[-1]}"}
        client.record_errors[gone] = AccessDeniedError(status=404)
        client.record_errors[failing] = AirtableUnavailableError(status=503)

        messages, failure = run(client, [RECORDS], on_missing_table="skip")

        assert failure is not None
        assert statuses_in(messages)["records"] is AirbyteStreamStatus.INCOMPLETE
        assert [message for message in messages if message.type is Type.STATE] == []


def test_table_that_fails() -> None:
    """A table that fails leaves the stream without a state, and the others' records."""
    client = FakeAccount(3)
    client.record_errors["tbl1"] = AirtableUnavailableError(status=503)

    messages, failure = run(client, [RECORDS, client.streams[0]])

    assert failure is not None
    counts = counts_of(messages)
    assert (counts["records records"], counts["state records"], counts["state stream0"]) == (
        4,
        0,
        1,
    )
