"""Single records and comments: requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.api.client import AIRTABLE_MAX_URL_LENGTH, RecordQuery
from source_airtable.api.wire_types import FieldId
from source_airtable.errors import AccessDeniedError, ContractError
from unit_tests.builders import API, BASE, TABLE, a_page, a_record

if TYPE_CHECKING:
    import requests_mock

    from source_airtable.api.client import AirtableClient

RECORD = "recAdw9EjV90xbZ00"
RECORDS = f"{API}/{BASE}/{TABLE}"
RECORD_URL = f"{RECORDS}/{RECORD}"
COMMENTS = f"{RECORD_URL}/comments"


def test_record(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A record is asked for with its cells by field id."""
    airtable.get(RECORD_URL, json=a_record({"fld1": "Ada"}, RECORD))

    record = client.get_record(BASE, TABLE, RECORD)

    assert (record["id"], record["fields"]) == (RECORD, {"fld1": "Ada"})
    assert airtable.request_history[0].qs == {"returnFieldsByFieldId": ["true"]}


def test_records_of_a_view(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A view is asked for by its id."""
    airtable.get(RECORDS, json=a_page())

    client.get_record_page(RecordQuery(BASE, TABLE, view="viwQpsuEDqHFqegkp"))
    client.get_record_page(RecordQuery(BASE, TABLE))

    asked = [request.qs.get("view") for request in airtable.request_history]
    assert asked == [["viwQpsuEDqHFqegkp"], None]


@pytest.mark.parametrize("answer", [{}, {"id": RECORD}, {"id": RECORD, "fields": None}])
def test_record_without_fields(
    client: AirtableClient, airtable: requests_mock.Mocker, answer: object
) -> None:
    """A record without cells is an error."""
    airtable.get(RECORD_URL, json=answer)

    with pytest.raises(ContractError, match="a record without fields"):
        client.get_record(BASE, TABLE, RECORD)


def test_record_that_is_gone(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A record that is not there is refused like one that may not be read."""
    airtable.get(RECORD_URL, status_code=404, json={"error": "NOT_FOUND"})

    with pytest.raises(AccessDeniedError) as raised:
        client.get_record(BASE, TABLE, RECORD)

    assert (raised.value.facts["base"], raised.value.facts["table"]) == (BASE, TABLE)


def test_comments(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """All pages of a record's comments are listed, each by the offset of the one before."""
    airtable.get(
        COMMENTS,
        [
            {"json": {"comments": [{"id": "comB"}], "offset": "comB"}},
            {"json": {"comments": [{"id": "comA"}], "offset": None}},
        ],
    )

    comments = client.list_comments(BASE, TABLE, RECORD)

    assert [comment["id"] for comment in comments] == ["comB", "comA"]
    assert [request.qs for request in airtable.request_history] == [{}, {"offset": ["comB"]}]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, "no list of comments"),
        ({"comments": ["comA"]}, "no list of comments"),
        ({"comments": [{"text": "secret"}]}, "a comment without id"),
        ({"comments": [], "offset": 7}, "an offset that is not text"),
        ({"comments": [], "offset": "comA"}, "the list of pages repeats itself"),
    ],
)
def test_odd_comments(
    client: AirtableClient, airtable: requests_mock.Mocker, answer: object, told: str
) -> None:
    """An answer without a list of comments is an error that quotes nothing."""
    airtable.get(COMMENTS, json=answer)

    with pytest.raises(ContractError, match=told) as raised:
        client.list_comments(BASE, TABLE, RECORD)

    assert (raised.value.facts["base"], raised.value.facts["table"]) == (BASE, TABLE)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("asked", [True, False])
def test_numbers_of_comments(
    client: AirtableClient, airtable: requests_mock.Mocker, *, asked: bool
) -> None:
    """The numbers of comments come only where they are asked for."""
    airtable.get(RECORDS, json=a_page(RECORD))

    client.get_record_page(RecordQuery(BASE, TABLE, with_comment_counts=asked))

    expected = ["commentCount"] if asked else None
    assert airtable.request_history[0].qs.get("recordMetadata[]") == expected


def test_numbers_of_comments_by_post(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A query too long for an URL asks for the numbers in its body."""
    airtable.post(f"{RECORDS}/listRecords", json=a_page(RECORD))
    long = FieldId("f" * AIRTABLE_MAX_URL_LENGTH)

    client.get_record_page(RecordQuery(BASE, TABLE, [long], with_comment_counts=True))

    body: Any = airtable.request_history[0].json()
    assert body["recordMetadata"] == ["commentCount"]
