"""The stream `attachments`: a row for each attachment of a cell."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from source_airtable.changes.need import WholeTable
from source_airtable.records import Page
from source_airtable.streams.attachments import valid_until_text
from source_airtable.streams.stream import Fields, ReadRequest
from unit_tests.builders import RECORD_ID, a_field, a_page_of, a_record, a_table, an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.generated import JSON_VALUES
from unit_tests.scans import Scanned, a_client

if TYPE_CHECKING:
    from source_airtable.streams.stream import Reader

NAME = a_field(field_id="fldName0000000000")
FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")
TABLE = a_table(NAME, FILES)
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
PLACE = {"base_id": TABLE.base_id, "table_id": TABLE.table_id, "record_id": RECORD_ID}


def a_reader() -> Reader:
    """What reads the attachments of the table."""
    return an_account_stream("attachments").reader(TABLE, ReadRequest())


def rows_of(*attachments: object) -> list[dict[str, Any]]:
    """The rows of one record with these attachments."""
    return a_reader().rows(Page([a_record({FILES["id"]: list(attachments)})], TEN))


def test_what_is_asked_for() -> None:
    """The reader asks for the fields of attachments, of the whole table, and saves nothing."""
    reader = a_reader()

    assert (reader.fields, reader.start(TEN)) == (Fields((FILES["id"],)), WholeTable())
    assert reader.state() is None


def test_attachment() -> None:
    """An attachment is a row. Its url is good for two hours from the answer that it came with."""
    photo = {
        "id": "attA",
        "url": "https://x/a",
        "filename": "a.png",
        "size": 7,
        "type": "image/png",
    }

    assert rows_of(photo) == [
        {
            **PLACE,
            "field_id": FILES["id"],
            **photo,
            "width": None,
            "height": None,
            "url_valid_until": "2026-11-18T12:00:00.000Z",
        }
    ]


def test_urls_of_two_pages() -> None:
    """Urls are good from the Date of their own page, whatever the latest answer's is."""
    client = a_client(
        [
            a_page_of(
                a_record({FILES["id"]: [{"id": f"att{number}"}]}, f"rec{number}"),
                answered_at=moment,
            )
            for number, moment in enumerate((TEN, None, TEN + timedelta(minutes=5)))
        ]
    )
    client.latest_date = TEN + timedelta(hours=1)

    rows = Scanned(client, a_reader(), table=TABLE).rows("attachments")

    assert [row["url_valid_until"] for row in rows] == [
        "2026-11-18T12:00:00.000Z",
        None,
        "2026-11-18T12:05:00.000Z",
    ]


def test_attachment_that_stands_twice_in_a_cell() -> None:
    """An attachment is one row of its cell, so that the key is unique."""
    assert [row["id"] for row in rows_of({"id": "attA"}, {"id": "attA"})] == ["attA"]


@pytest.mark.parametrize("odd", [None, 7, "attA", {}, {"id": None}, {"url": "https://x/a"}])
def test_attachment_without_an_id(odd: object) -> None:
    """An attachment without an id has no key, so it is left out."""
    assert [row["id"] for row in rows_of(odd, {"id": "attB"})] == ["attB"]


@pytest.mark.parametrize("cell", [None, "attA", {"id": "attA"}, 7, []])
def test_cell_that_is_no_list(cell: object) -> None:
    """A cell of another form has no attachments."""
    assert a_reader().rows(Page([a_record({FILES["id"]: cell})])) == []


def test_unknown_moment() -> None:
    """Without Airtable's clock it is unknown how long a url is good."""
    assert valid_until_text(None) is None


def test_deleted_field() -> None:
    """After the field was deleted during the scan, one field is asked for, and no row is made."""
    reader = a_reader()
    reader.follow(a_table(NAME))

    assert reader.fields == Fields((NAME["id"],))
    assert reader.rows(Page([a_record({FILES["id"]: [{"id": "attA"}]})])) == []


@given(cell=JSON_VALUES)
def test_any_cell(cell: object) -> None:
    """Whatever a cell holds, each row fits its stream, and no two have the same key."""
    json_schema = an_account_stream("attachments").get_json_schema()

    rows = a_reader().rows(Page([a_record({FILES["id"]: cell})], TEN))

    assert [nonconformities(row, json_schema) for row in rows] == [[]] * len(rows)
    assert len({row["id"] for row in rows}) == len(rows)
