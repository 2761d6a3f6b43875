"""The simulator sorts a listing by several fields, in either direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.bases import a_base, a_field, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

SIZES: Final = {"choices": [{"id": f"sel{name}", "name": name} for name in ("S", "M", "L")]}
ASCENDING: Final = {
    "Name": ["", "apple", "Banana", "banana", "cherry"],
    "Price": ["cherry", "apple", "Banana", "banana", ""],
    "Size": ["", "cherry", "apple", "banana", "Banana"],
    "Sizes": ["", "banana", "apple", "cherry", "Banana"],
    "Due": ["cherry", "", "banana", "apple", "Banana"],
    "Stock": ["apple", "Banana", "banana", "cherry", ""],
    "Shop": ["apple", "", "Banana", "cherry", "banana"],
    "Ratio": ["", "apple", "Banana", "banana", "cherry"],
}
"""By field: the names in its order. Equal and empty cells keep the order of the table."""


class Shelf:
    """A table of fruit, and its listings."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        self.base_id: str = base["id"]
        self.fruit: Json = base["tables"][0]

    def names(self, *order: str, **more: Any) -> list[str]:  # noqa: ANN401 - a query
        """The names of a listing; ``-Price`` descends."""
        query = {}
        for place, name in enumerate(order):
            query[f"sort[{place}][field]"] = name.removeprefix("-")
            query[f"sort[{place}][direction]"] = "desc" if name.startswith("-") else "asc"
        pages = self.caller.pages(self.base_id, self.fruit["id"], **query, **more)
        return [one["fields"].get("Name", "") for page in pages for one in page["records"]]


def a_shelf_base() -> Json:
    """Fruit with cells of every kind that has an order of its own."""
    shops = a_table("Shops", records=[a_record(Name="zoo"), a_record(Name="Abbey")])
    zoo, abbey = (record["id"] for record in shops["records"])
    nan, error = {"specialValue": "NaN"}, {"error": "#ERROR!"}
    fruit = a_table(
        "Fruit",
        a_field("Price", "number"),
        a_field("Size", "singleSelect", options=SIZES),
        a_field("Sizes", "multipleSelects", options=SIZES),
        a_field("Due", "dateTime"),
        a_field("Stock", "checkbox"),
        a_field("Shop", "multipleRecordLinks", options={"linkedTableId": shops["id"]}),
        a_field("Ratio", "formula"),
        records=[
            a_record(Name="apple", Price=-2, Size="M", Sizes=["M", "S"], Ratio=nan),
            a_record(Price=100, Due="2026-01-01T00:00:00.000Z", Stock=True),
            a_record(Name="Banana", Price=9.5, Size="L", Sizes=["L"], Shop=[abbey], Ratio=1),
            a_record(Name="banana", Price=10, Size="M", Sizes=["S", "L"], Shop=[zoo], Ratio=2),
            a_record(Name="cherry", Size="S", Sizes=["M"], Shop=[abbey, zoo], Ratio=error),
        ],
    )
    apple, _, big, small, _ = (record["fields"] for record in fruit["records"])
    apple["Due"], big["Due"] = "2026-02-02T00:00:00.000Z", "2026-11-01T00:00:00.000Z"
    small["Due"] = "2026-02-01T23:59:59.000Z"
    return a_base("Shelf", fruit, shops)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A simulator without limits that holds the fruit."""
    base = a_shelf_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        shelving = Shelf(simulator, base)
        yield shelving
        shelving.caller.close()


@pytest.mark.parametrize("field", ASCENDING)
def test_order_of_a_field(shelf: Shelf, field: str) -> None:
    """Empty cells come first; texts go by their letters, choices by their place in the field."""
    assert shelf.names(field) == ASCENDING[field]


def test_descending_order(shelf: Shelf) -> None:
    """Descending turns the order around, but not that of equal cells."""
    assert shelf.names("-Price") == ["", "banana", "Banana", "apple", "cherry"]
    assert shelf.names("-Size") == ["Banana", "apple", "banana", "cherry", ""]


def test_several_fields(shelf: Shelf) -> None:
    """The second field decides where the first is equal."""
    assert shelf.names("Size", "-Price") == ["", "cherry", "banana", "apple", "Banana"]
    assert shelf.names("-Name", "Price") == ["cherry", "Banana", "banana", "apple", ""]


def test_sort_by_field_id(shelf: Shelf) -> None:
    """A field may be named by its id."""
    price = next(one["id"] for one in shelf.fruit["fields"] if one["name"] == "Price")

    assert shelf.names(price) == ASCENDING["Price"]


def test_ascending_is_the_default(shelf: Shelf) -> None:
    """A sort without a direction ascends, by GET and by POST."""
    place = (shelf.base_id, shelf.fruit["id"])
    got = shelf.caller.get(*place, **{"sort[0][field]": "Price"}).json()
    posted = shelf.caller.post(*place, sort=[{"field": "Price"}]).json()

    assert got == posted
    assert [one["fields"].get("Name", "") for one in got["records"]] == ASCENDING["Price"]


def test_sort_by_post(shelf: Shelf) -> None:
    """A POST has the sort in its body."""
    order = [{"field": "Size", "direction": "asc"}, {"field": "Price", "direction": "desc"}]
    page = shelf.caller.post(shelf.base_id, shelf.fruit["id"], sort=order).json()
    names = [one["fields"].get("Name", "") for one in page["records"]]

    assert names == ["", "cherry", "banana", "apple", "Banana"]


@pytest.mark.parametrize(
    ("sort", "error_type"),
    [
        ("Price", "INVALID_REQUEST_UNKNOWN"),
        (["Price"], "INVALID_REQUEST_UNKNOWN"),
        ([{"field": "Price", "way": "asc"}], "INVALID_REQUEST_UNKNOWN"),
        ([{"field": "Price", "direction": "up"}], "INVALID_REQUEST_UNKNOWN"),
        ([{"field": "Prize"}], "UNKNOWN_FIELD_NAME"),
    ],
)
def test_refused_sort(shelf: Shelf, sort: Any, error_type: str) -> None:  # noqa: ANN401 - any JSON
    """A sort that is none is refused with 422, as is an unknown field."""
    answer = shelf.caller.post(shelf.base_id, shelf.fruit["id"], sort=sort)

    assert (answer.status_code, answer.json()["error"]["type"]) == (422, error_type)


def test_order_is_fixed_at_the_first_page(shelf: Shelf) -> None:
    """An edit amid a scan shows its new value at the old place."""
    place = (shelf.base_id, shelf.fruit["id"])
    query = {"sort[0][field]": "Price", "pageSize": 3}
    first = shelf.caller.get(*place, **query).json()
    last_id = shelf.fruit["records"][1]["id"]
    shelf.admin.edit_record(*place, last_id, {"Price": -100})
    second = shelf.caller.get(*place, **query, offset=first["offset"]).json()

    assert second["records"][-1]["id"] == last_id
    assert second["records"][-1]["fields"]["Price"] == -100


def test_offset_belongs_to_its_sort(shelf: Shelf) -> None:
    """Another order makes an offset stale."""
    place = (shelf.base_id, shelf.fruit["id"])
    offset = shelf.caller.get(*place, pageSize=2, **{"sort[0][field]": "Price"}).json()["offset"]
    answer = shelf.caller.get(*place, pageSize=2, offset=offset, **{"sort[0][field]": "Name"})

    assert answer.json()["error"]["type"] == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"


def test_sort_comes_before_the_most_records(shelf: Shelf) -> None:
    """``maxRecords`` takes the first of the order."""
    assert shelf.names("-Price", maxRecords=2) == ["", "banana"]


def test_filter_takes_links_by_name(shelf: Shelf) -> None:
    """In a formula a link's value is the names of the linked records."""
    assert shelf.names(filterByFormula="{Shop} = 'Abbey, zoo'") == ["cherry"]
