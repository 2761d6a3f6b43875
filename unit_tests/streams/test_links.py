"""The stream `links`: a row for each linked record of a cell. With it, the items of cells."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from source_airtable.changes.need import WholeTable
from source_airtable.records import Page
from source_airtable.streams.cell_items import fields_of_type, iter_cells
from source_airtable.streams.stream import Fields, ReadRequest
from unit_tests.builders import RECORD_ID, a_field, a_record, a_table, an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from source_airtable.streams.stream import Reader

NAME = a_field(field_id="fldName0000000000")
LINKS = a_field(
    "multipleRecordLinks", field_id="fldLinks000000000", options={"linkedTableId": "tblOrders"}
)
MORE_LINKS = a_field("multipleRecordLinks", field_id="fldMoreLinks00000", name="More", options=None)
FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")
TABLE = a_table(NAME, LINKS, FILES, MORE_LINKS)
TEN = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
PLACE = {"base_id": TABLE.base_id, "table_id": TABLE.table_id, "record_id": RECORD_ID}


def a_reader() -> Reader:
    """What reads the links of the table."""
    return an_account_stream("links").reader(TABLE, ReadRequest())


def rows_of(cells: dict[str, Any], reader: Reader | None = None) -> list[dict[str, Any]]:
    """The rows of one record."""
    return (reader or a_reader()).rows(Page([a_record(cells)]))


def test_fields_of_a_type() -> None:
    """Fields are found by their type, in the table's order."""
    assert list(fields_of_type(TABLE, "multipleRecordLinks")) == [LINKS["id"], MORE_LINKS["id"]]


def test_cells_in_order() -> None:
    """Cells come in the order of records, then of fields, each with its place."""
    records = [
        a_record({LINKS["id"]: ["a"], MORE_LINKS["id"]: ["b"]}, "rec1"),
        a_record({LINKS["id"]: "no list", MORE_LINKS["id"]: ["c"]}, "rec2"),
    ]

    cells = list(iter_cells(TABLE, [MORE_LINKS["id"], LINKS["id"]], records))

    assert [(place["record_id"], field_id, cell) for place, field_id, cell in cells] == [
        ("rec1", MORE_LINKS["id"], ["b"]),
        ("rec1", LINKS["id"], ["a"]),
        ("rec2", MORE_LINKS["id"], ["c"]),
    ]
    assert all(place["field_id"] == field_id for place, field_id, _ in cells)


def test_what_is_asked_for() -> None:
    """The reader asks for the fields of links, of the whole table, without numbers of comments."""
    reader = a_reader()

    assert reader.fields == Fields((LINKS["id"], MORE_LINKS["id"]), comment_count=False)
    assert reader.start(TEN) == WholeTable()


def test_links() -> None:
    """Each link is a row, with its place in the cell and the table that it leads to."""
    rows = rows_of({LINKS["id"]: ["recB", "recA"], MORE_LINKS["id"]: ["recB"]})

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
    rows = rows_of({LINKS["id"]: ["recA", "recA"]})

    assert [row["position"] for row in rows] == [0, 1]


def test_links_with_names() -> None:
    """A link that comes with the record's name counts by its id; anything else is no link."""
    rows = rows_of({LINKS["id"]: [{"id": "recA", "name": "Ada"}, {"name": "Bo"}, 7, None]})

    assert [row["linked_record_id"] for row in rows] == ["recA"]


@pytest.mark.parametrize("cell", [None, "recA", {"id": "recA"}, 7, []])
def test_cell_that_is_no_list(cell: object) -> None:
    """A cell of another form has no links."""
    assert rows_of({LINKS["id"]: cell}) == []


def test_deleted_field() -> None:
    """After a field was deleted during the scan, the reader goes on with those that are left."""
    reader = a_reader()
    reader.follow(a_table(NAME, MORE_LINKS))

    assert reader.fields == Fields((MORE_LINKS["id"],))
    assert rows_of({LINKS["id"]: ["recA"]}, reader) == []


def test_no_state() -> None:
    """The stream is always read in full, so it saves nothing."""
    assert a_reader().state() is None


@given(cell=JSON_VALUES, more=JSON_VALUES)
def test_any_cell(cell: object, more: object) -> None:
    """Whatever a cell holds, each row fits its stream, and no two have the same key."""
    json_schema = an_account_stream("links").get_json_schema()

    rows = rows_of({LINKS["id"]: cell, FILES["id"]: cell, MORE_LINKS["id"]: [more]})

    keys = [(row["field_id"], row["position"]) for row in rows]
    assert [nonconformities(row, json_schema) for row in rows] == [[]] * len(rows)
    assert len(set(keys)) == len(keys)
