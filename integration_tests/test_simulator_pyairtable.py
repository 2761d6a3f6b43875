"""pyairtable reads and writes the simulator's records as it does Airtable's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from pyairtable import formulas

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.bases import a_base, a_field, a_record, a_table
from integration_tests.pyairtable_client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyairtable import Table

Json = dict[str, Any]

NOW: Final = "2026-11-20T12:00:00.000Z"
KINDS: Final = {"choices": [{"id": f"sel{name}", "name": name} for name in ("Bread", "Cake")]}
EURO: Final = {"precision": 2, "symbol": "€"}
DATE_TIME: Final = {
    "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
    "timeFormat": {"name": "24hour", "format": "HH:mm"},
    "timeZone": "utc",
}
RYE: Final = {"Name": "Rye", "Price": 4.5, "Kind": "Bread", "Sold out": True}
BUN: Final = {"Name": "Bun", "Price": 1, "Kind": "Bread", "Baked at": "2026-11-20T04:30:00.000Z"}
NOT_SOLD_OUT: Final = formulas.NOT(formulas.Field("Sold out"))
TART: Final = {"Name": "Tart", "Price": 12, "Kind": "Cake"}


def a_bakery() -> Json:
    """Three products and their view."""
    price = a_field("Price", "currency", options=EURO)
    double = a_field("Twice", "formula", options={"formula": f"{{{price['id']}}} * 2"})
    records = [a_record(**RYE), a_record(**BUN), {**a_record(**TART), "commentCount": 2}]
    products = a_table(
        "Products",
        price,
        a_field("Kind", "singleSelect", options=KINDS),
        a_field("Baked at", "dateTime", options=DATE_TIME),
        a_field("Sold out", "checkbox"),
        double,
        records=records,
    )
    view = {"id": "viwCakesFirst00001", "name": "Cakes first", "type": "grid"}
    products["views"] = [{**view, "recordIds": [records[2]["id"], records[0]["id"]]}]
    return a_base("Bakery", products, permissionLevel="create")


@pytest.fixture
def products() -> Iterator[Table]:
    """The table of products."""
    base = a_bakery()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(NOW)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        api = connect(simulator)
        yield api.table(base["id"], "Products")
        api.session.close()


def names(records: list[Any]) -> list[str]:
    """The names of records, in their order."""
    return [record["fields"]["Name"] for record in records]


def cells(record: Any) -> Json:  # noqa: ANN401 - a record
    """A record's cells, but for the formula."""
    return {key: cell for key, cell in record["fields"].items() if key != "Twice"}


def test_all(products: Table) -> None:
    """Every record comes, with its id, its time and its cells."""
    records = products.all()

    assert [cells(record) for record in records] == [RYE, BUN, TART]
    assert {tuple(record) for record in records} == {("id", "createdTime", "fields")}


def test_iterate(products: Table) -> None:
    """Pages come one after another."""
    pages = list(products.iterate(page_size=2))

    assert [names(page) for page in pages] == [["Rye", "Bun"], ["Tart"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sort": ["Price"]}, ["Bun", "Rye", "Tart"]),
        ({"sort": ["Kind", "-Price"]}, ["Rye", "Bun", "Tart"]),
        ({"sort": ["-Name"], "page_size": 1}, ["Tart", "Rye", "Bun"]),
        ({"view": "Cakes first"}, ["Tart", "Rye"]),
        ({"view": "Cakes first", "sort": ["Name"]}, ["Rye", "Tart"]),
        ({"formula": formulas.match({"Kind": "Bread"})}, ["Rye", "Bun"]),
        (
            {"formula": formulas.AND(formulas.GT(formulas.Field("Price"), 2), NOT_SOLD_OUT)},
            ["Tart"],
        ),
        ({"max_records": 2}, ["Rye", "Bun"]),
        ({"max_records": 2, "page_size": 1, "sort": ["-Price"]}, ["Tart", "Rye"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_posted", [False, True])
def test_options(
    products: Table,
    options: Json,
    expected: list[str],
    is_posted: bool,  # noqa: FBT001 - a case
) -> None:
    """Order, view, filter and limits select the same records by GET and by POST."""
    if is_posted:
        # pyairtable sends by POST what is too long for a URL.
        options = {**options, "fields": ["Name"] * 1_500}

    assert names(products.all(**options)) == expected


def test_fields(products: Table) -> None:
    """Only the wanted cells come."""
    assert products.first(fields=["Price"], sort=["Price"])["fields"] == {"Price": 1}  # type: ignore[index] # there is one


def test_text_cells(products: Table) -> None:
    """Cells come as text, by the zone and the locale, in listings and for one record."""
    text = {"cell_format": "string", "time_zone": "Asia/Tokyo", "user_locale": "en-us"}
    _, bun, _ = products.all(**text)
    posted = products.all(**text, fields=["Baked at"] * 1_500)

    assert bun["fields"]["Price"] == "€1.00"
    assert bun["fields"]["Baked at"] == "2026-11-20 13:30"
    assert products.get(bun["id"], **text) == bun
    assert posted[1]["fields"] == {"Baked at": "2026-11-20 13:30"}


def test_field_ids(products: Table) -> None:
    """Cells are keyed by field id on request, in answers to reads and writes."""
    schema = products.schema()
    name, price = schema.field("Name").id, schema.field("Price").id
    made = products.create({"Name": "Pie", "Price": 3}, use_field_ids=True)
    read = products.get(made["id"], use_field_ids=True)

    assert (made["fields"][name], made["fields"][price]) == ("Pie", 3)
    assert read == made


def test_comment_counts(products: Table) -> None:
    """The number of comments comes on request."""
    counts = [record.get("commentCount") for record in products.all(count_comments=True)]

    assert counts == [None, None, 2]


def test_first(products: Table) -> None:
    """The first record, or none."""
    first = products.first(sort=["-Price"])

    assert first is not None
    assert first["fields"]["Name"] == "Tart"
    assert products.first(formula="FALSE()") is None


def test_create_and_get(products: Table) -> None:
    """A created record is read as it was answered, computed cells too."""
    made = products.create({"Name": "Pie", "Price": 3.25})

    assert made["fields"] == {"Name": "Pie", "Price": 3.25, "Twice": 6.5}
    assert made["createdTime"] == NOW
    assert products.get(made["id"]) == made


def test_batch_create(products: Table) -> None:
    """More records than one request takes are created, in their order."""
    made = products.batch_create([{"Name": f"Pie {number}"} for number in range(23)])

    assert names(made) == [f"Pie {number}" for number in range(23)]
    assert [one["id"] for one in products.all()[3:]] == [one["id"] for one in made]


def test_typecast(products: Table) -> None:
    """A new choice is made when the write allows it, and refused otherwise."""
    with pytest.raises(requests.HTTPError, match="INVALID_MULTIPLE_CHOICE_OPTIONS"):
        products.create({"Kind": "Pie"})
    made = products.create({"Kind": "Pie", "Price": "2.50"}, typecast=True)

    assert (made["fields"]["Kind"], made["fields"]["Price"]) == ("Pie", 2.5)


def test_update(products: Table) -> None:
    """An update keeps the other cells, a replacement clears them."""
    rye = products.all()[0]["id"]
    updated = products.update(rye, {"Price": 5})
    replaced = products.update(rye, {"Name": "Oat"}, replace=True)

    assert updated["fields"] == {**RYE, "Price": 5, "Twice": 10}
    assert replaced["fields"] == {"Name": "Oat", "Twice": 0}
    assert products.get(rye) == replaced


def test_batch_update(products: Table) -> None:
    """Several records are updated or replaced at once."""
    rye, bun, _ = (record["id"] for record in products.all())
    wanted: Any = [{"id": rye, "fields": {"Price": 5}}, {"id": bun, "fields": {"Price": 2}}]
    updated = products.batch_update(wanted)
    replaced = products.batch_update(wanted, replace=True)

    assert [cells(one) for one in updated] == [{**RYE, "Price": 5}, {**BUN, "Price": 2}]
    assert [cells(one) for one in replaced] == [{"Price": 5}, {"Price": 2}]


def test_batch_upsert(products: Table) -> None:
    """Records that match are updated, and the others created; the answer tells which."""
    rye = products.all()[0]["id"]
    wanted: Any = [{"fields": {"Name": "Rye", "Price": 5}}, {"fields": {"Name": "Pie", "Price": 3}}]
    result = products.batch_upsert(wanted, key_fields=["Name"])
    (created,) = result["createdRecords"]

    assert result["updatedRecords"] == [rye]
    assert [one["id"] for one in result["records"]] == [rye, created]
    assert names(products.all()) == ["Rye", "Bun", "Tart", "Pie"]
    assert products.get(rye)["fields"]["Price"] == 5


def test_delete(products: Table) -> None:
    """Deleted records are gone, one or several at once."""
    rye, bun, tart = (record["id"] for record in products.all())

    assert products.delete(rye) == {"id": rye, "deleted": True}
    assert products.batch_delete([bun, tart]) == [
        {"id": bun, "deleted": True},
        {"id": tart, "deleted": True},
    ]
    assert products.all() == []


def test_unknown_field(products: Table) -> None:
    """An unknown field is refused as pyairtable's users know it."""
    with pytest.raises(requests.HTTPError, match=r'UNKNOWN_FIELD_NAME.*"Prize"'):
        products.all(sort=["Prize"])
