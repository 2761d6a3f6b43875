"""The streams `links` and `attachments`: a row for each item of a cell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from source_airtable.streams.account_rows import RowWriter
from source_airtable.streams.table_items import (
    AttachmentShare,
    LinkShare,
    fields_of_type,
    valid_until_text,
)
from unit_tests.builders import an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.fake_client import FakeClient
from unit_tests.generated import JSON_VALUES
from unit_tests.tables import RECORD_ID, a_field, a_record, a_table

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table_items import (
        ItemShare,
    )

NAME = a_field(field_id="fldName0000000000")
LINKS = a_field(
    "multipleRecordLinks", field_id="fldLinks000000000", options={"linkedTableId": "tblOrders"}
)
MORE_LINKS = a_field("multipleRecordLinks", field_id="fldMoreLinks00000", name="More", options=None)
FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")
TABLE = a_table(NAME, LINKS, FILES, MORE_LINKS)
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
PLACE = {"base_id": TABLE.base_id, "table_id": TABLE.table_id, "record_id": RECORD_ID}


def a_share(name: str, table: TableSchema = TABLE, client: FakeClient | None = None) -> ItemShare:
    """The share of one of the streams in a table."""
    writer = RowWriter(name, an_account_stream(name).json_schema)
    if name == "links":
        return LinkShare(name, table, writer)
    return AttachmentShare(name, table, writer, (client or FakeClient()).as_client())


def rows_of(share: ItemShare, cells: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of the rows of one record."""
    return [dict(record.data) for record in share.rows_of([a_record(cells)])]


def test_fields_of_a_type() -> None:
    """Fields are found by their type, in the table's order."""
    assert list(fields_of_type(TABLE, "multipleRecordLinks")) == [LINKS["id"], MORE_LINKS["id"]]


@pytest.mark.parametrize(
    ("name", "field_ids"),
    [("links", (LINKS["id"], MORE_LINKS["id"])), ("attachments", (FILES["id"],))],
)
def test_fields_to_ask_for(name: str, field_ids: tuple[str, ...]) -> None:
    """A stream of items asks for the fields that hold them, and no other."""
    assert a_share(name).field_ids == field_ids


def test_links() -> None:
    """Each link is a row, with its place in the cell and the table that it leads to."""
    rows = rows_of(a_share("links"), {LINKS["id"]: ["recB", "recA"], MORE_LINKS["id"]: ["recB"]})

    assert rows == [
        {
            **PLACE,
            "field_id": field["id"],
            "position": position,
            "linked_table_id": table_id,
            "linked_record_id": record_id,
        }
        for field, position, table_id, record_id in (
            (LINKS, 0, "tblOrders", "recB"),
            (LINKS, 1, "tblOrders", "recA"),
            (MORE_LINKS, 0, None, "recB"),
        )
    ]


def test_record_that_is_linked_twice() -> None:
    """A record that stands twice in a cell is two links."""
    rows = rows_of(a_share("links"), {LINKS["id"]: ["recA", "recA"]})

    assert [row["position"] for row in rows] == [0, 1]


def test_links_with_names() -> None:
    """A link that comes with the record's name is told by its id; what is none has no row."""
    rows = rows_of(
        a_share("links"), {LINKS["id"]: [{"id": "recA", "name": "Ada"}, {"name": "Bo"}, 7, None]}
    )

    assert [row["linked_record_id"] for row in rows] == ["recA"]


def test_attachments() -> None:
    """Each attachment is a row; its url is good for two hours from the answer that it came with."""
    client = FakeClient()
    client.latest_date = TEN
    photo = {
        "id": "attA",
        "url": "https://x/a",
        "filename": "a.png",
        "size": 7,
        "type": "image/png",
    }

    rows = rows_of(a_share("attachments", client=client), {FILES["id"]: [photo]})

    assert rows == [
        {
            **PLACE,
            "field_id": FILES["id"],
            **photo,
            "width": None,
            "height": None,
            "url_valid_until": "2026-11-18T12:00:00.000Z",
            "file_error": None,
        }
    ]


def test_attachment_that_stands_twice_in_a_cell() -> None:
    """An attachment is one row of its cell, so that the key is unique."""
    rows = rows_of(a_share("attachments"), {FILES["id"]: [{"id": "attA"}, {"id": "attA"}]})

    assert [row["id"] for row in rows] == ["attA"]


@pytest.mark.parametrize("odd", [None, 7, "attA", {}, {"id": None}, {"url": "https://x/a"}])
def test_attachment_without_an_id(odd: object) -> None:
    """What has no id is left out: it could not be told from another one."""
    rows = rows_of(a_share("attachments"), {FILES["id"]: [odd, {"id": "attB"}]})

    assert [row["id"] for row in rows] == ["attB"]


@pytest.mark.parametrize("name", ["links", "attachments"])
@pytest.mark.parametrize("cell", [None, "recA", {"id": "recA"}, 7, []])
def test_cell_that_is_no_list(name: str, cell: object) -> None:
    """A cell of another form has no items."""
    assert rows_of(a_share(name), {LINKS["id"]: cell, FILES["id"]: cell}) == []


def test_unknown_moment() -> None:
    """Without Airtable's clock nothing is said of how long an url is good."""
    assert valid_until_text(None) is None


@pytest.mark.parametrize("name", ["links", "attachments"])
def test_deleted_field(name: str) -> None:
    """After a field was deleted during the scan, the stream goes on with those that are left."""
    share = a_share(name)
    share.follow(a_table(NAME, MORE_LINKS))

    assert share.field_ids == ((MORE_LINKS["id"],) if name == "links" else ())


@pytest.mark.parametrize("name", ["links", "attachments"])
def test_items_leave_no_state(name: str) -> None:
    """Streams of items are read in full, from tables read in full."""
    share = a_share(name)

    assert (share.begin(TEN), share.new_state()) == (None, None)


@given(cell=JSON_VALUES, more=JSON_VALUES)
def test_any_cell(cell: object, more: object) -> None:
    """Whatever a cell holds, each row fits its stream, and no two have the same key."""
    for name in ("links", "attachments"):
        stream = an_account_stream(name)
        rows = rows_of(
            a_share(name), {LINKS["id"]: cell, FILES["id"]: cell, MORE_LINKS["id"]: [more]}
        )
        keys = [(row["field_id"], row.get("position", row.get("id"))) for row in rows]

        assert [nonconformities(row, stream.json_schema) for row in rows] == [[]] * len(rows)
        assert len(set(keys)) == len(keys)
