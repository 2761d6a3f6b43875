"""The simulator computes cells when records are written through the API."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread, sample_account
from integration_tests.airtable_simulator.account import WRITE_SCOPES, Base
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.computed_cells import Recomputation
from integration_tests.airtable_simulator.settings import Settings
from integration_tests.bases import a_base, a_field, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

START: Final = "2026-11-01T12:00:00.000Z"
USER: Final = {"id": "usrSimulatedUser1", "email": "user1@example.com", "name": "User 1"}
OTHER_USER: Final = {**USER, "id": "usrSimulatedUser9"}
NUMBER: Final = {"type": "number", "options": {"precision": 2}}
DAY: Final = {"type": "date"}
COMPUTED: Final = frozenset({"count", "formula", "multipleLookupValues", "rollup"})
AGGREGATIONS: Final[dict[str, tuple[str, str, Any, Any]]] = {
    "Sum": ("SUM(values)", "Price", 12.5, 0),
    "Average": ("AVERAGE(values)", "Price", 6.25, {"specialValue": "NaN"}),
    "Most": ("MAX(values)", "Price", 10, None),
    "Least": ("MIN(values)", "Price", 2.5, None),
    "Latest": ("MAX(values)", "Due", "2026-11-05T00:00:00.000Z", None),
    "Numbers": ("COUNT(values)", "Price", 2, 0),
    "Filled": ("COUNTA(values)", "Price", 2, 0),
    "All": ("COUNTALL(values)", "Price", 3, 0),
    "Joined": ("ARRAYJOIN(values, '; ')", "Tags", "New; Old; New", None),
    "Unique": ("ARRAYUNIQUE(values)", "Tags", ["New", "Old"], None),
    "Compact": ("ARRAYCOMPACT(values)", "Due", ["2026-11-05T00:00:00.000Z"], None),
    "Flat": ("ARRAYFLATTEN(values)", "Name", ["Rye", "Oat", "Bun"], None),
    "Together": ("CONCATENATE(values)", "Name", "RyeOatBun", None),
    "Every": ("AND(values)", "Price", 0, 1),
    "Any": ("OR(values)", "Price", 1, 0),
    "Unknown": ("SUM(values) * 2", "Price", None, None),
}
"""By rollup: its formula, the field it looks at, and its cells with links and without."""


class Shop:
    """Orders of items, and the calls that write them."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        self.base_id: str = base["id"]
        self.orders, self.items, self.notes = (table["id"] for table in base["tables"])

    def write(self, method: str, table: str, *record: str, **fields: Any) -> Json:  # noqa: ANN401 - cells
        """One write of one record. The answer is the record."""
        url = self.caller.path(self.base_id, table, *record)
        body = {"fields": fields}
        answer = self.caller.session.request(method, url, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        written: Json = answer.json()
        return written

    def item(self, name: str, price: float | None = None, **more: Any) -> str:  # noqa: ANN401 - cells
        """Create an item. Return its id."""
        key: str = self.write("POST", self.items, Name=name, Price=price, **more)["id"]
        return key

    def order(self, *items: str) -> str:
        """Create an order of items. Return its id."""
        key: str = self.write("POST", self.orders, Name="Order", Items=list(items))["id"]
        return key

    def cells(self, table: str, key: str) -> Json:
        """A record's cells."""
        cells: Json = self.caller.get(self.base_id, table, key).json()["fields"]
        return cells

    def modified_at(self, table: str, key: str) -> str:
        """A record's modified time."""
        known = {one["id"]: one for one in self.admin.dump(self.base_id, table)}
        at: str = known[key]["lastModifiedTime"]
        return at


def a_shop_base() -> Json:
    """Orders that look at their items in every way, and notes on orders, linked one way."""
    order_link = a_field("Orders", "multipleRecordLinks")
    item_link = a_field("Items", "multipleRecordLinks")
    items = a_table(
        "Items",
        a_field("Price", "number"),
        a_field("Tags", "multipleSelects", options={"choices": [{"name": "New"}, {"name": "Old"}]}),
        a_field("Due", "dateTime"),
        order_link,
        records=0,
    )
    ids = {one["name"]: one["id"] for one in items["fields"]}

    def through(name: str, result: Json) -> Json:
        link = {"recordLinkFieldId": item_link["id"], "fieldIdInLinkedTable": ids[name]}
        return {"isValid": True, **link, "result": result}

    rollups = {
        name: a_field(name, "rollup", options=through(seen, NUMBER))
        for name, (_, seen, _, _) in AGGREGATIONS.items()
    }
    total = rollups["Sum"]["id"]
    tax = a_field("Tax", "formula", options={"formula": f"{{{total}}} / 10", "result": NUMBER})
    orders = a_table(
        "Orders",
        # Before the formula that it names.
        a_field("Gross", "formula", options={"formula": f"{{{total}}} + {{{tax['id']}}}"}),
        tax,
        item_link,
        a_field("Count", "count", options={"recordLinkFieldId": item_link["id"]}),
        a_field("Prices", "multipleLookupValues", options=through("Price", NUMBER)),
        a_field("Tags", "multipleLookupValues", options=through("Tags", {"type": "singleSelect"})),
        a_field("Title", "formula", options={"formula": f"'To: ' & {{{item_link['id']}}}"}),
        a_field("Odd", "formula", options={"formula": "NO_SUCH_FUNCTION(1)"}),
        a_field("Broken", "formula", options={"formula": "ERROR()"}),
        a_field("Big", "formula", options={"formula": f"{{{total}}} > 10", "result": NUMBER}),
        a_field("Day", "formula", options={"formula": "TODAY()", "result": DAY}),
        a_field("Lost", "multipleLookupValues", options={"recordLinkFieldId": None}),
        a_field("Press", "button"),
        a_field("Made by", "createdBy"),
        a_field("Changed by", "lastModifiedBy"),
        a_field("Summary", "aiText"),
        *rollups.values(),
        records=0,
        aggregations={one["id"]: AGGREGATIONS[name][0] for name, one in rollups.items()},
    )
    item_link["options"] = {
        "linkedTableId": items["id"],
        "inverseLinkFieldId": order_link["id"],
    }
    order_link["options"] = {
        "linkedTableId": orders["id"],
        "inverseLinkFieldId": item_link["id"],
    }
    note_link = a_field("Order", "multipleRecordLinks", options={"linkedTableId": orders["id"]})
    seen = {"recordLinkFieldId": note_link["id"], "fieldIdInLinkedTable": total}
    notes = a_table(
        "Notes",
        note_link,
        a_field("Worth", "multipleLookupValues", options={**seen, "result": NUMBER}),
        records=0,
    )
    return a_base("Shop", orders, items, notes, permissionLevel="create")


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A simulator whose clock stands still, and a token that may write."""
    base = a_shop_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(START)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        selling = Shop(simulator, base)
        yield selling
        selling.caller.close()


def test_cells_of_a_new_record(shop: Shop) -> None:
    """The answer to a creation has what users, buttons, AI, counts and formulas have at first."""
    made = shop.write("POST", shop.orders, Name="Order")["fields"]

    assert {key: cell for key, cell in made.items() if key not in AGGREGATIONS} == {
        "Name": "Order",
        "Gross": 0,
        "Tax": 0,
        "Count": 0,
        "Title": "To: ",
        "Broken": {"error": "#ERROR!"},
        "Big": 0,
        "Day": "2026-11-01",
        "Press": {"label": "Open URL", "url": None},
        "Made by": USER,
        "Changed by": USER,
        "Summary": {"state": "empty", "isStale": True, "value": None},
    }


def test_cells_that_look_at_links(shop: Shop) -> None:
    """Count, lookup and formula see the linked records, in their order."""
    key = shop.order(shop.item("Rye", 10, Tags=["New"]), shop.item("Oat", 2.5, Tags=["Old", "New"]))
    cells = shop.cells(shop.orders, key)

    assert (cells["Count"], cells["Prices"]) == (2, [10, 2.5])
    assert cells["Tags"] == ["New", "Old", "New"]
    assert cells["Title"] == "To: Rye, Oat"
    assert (cells["Tax"], cells["Gross"], cells["Big"]) == (1.25, 13.75, 1)
    assert "Lost" not in cells
    assert "Odd" not in cells


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_rollup(shop: Shop, name: str) -> None:
    """A rollup aggregates the cells of the linked records; one that is not known stays empty."""
    _, _, linked, alone = AGGREGATIONS[name]
    key = shop.order(
        shop.item("Rye", 10, Tags=["New"], Due="2026-11-05T00:00:00.000Z"),
        shop.item("Oat", 2.5, Tags=["Old", "New"]),
        shop.item("Bun"),
    )

    assert shop.cells(shop.orders, key).get(name) == linked
    assert shop.cells(shop.orders, shop.order()).get(name) == alone


def test_linked_record_changes(shop: Shop) -> None:
    """An edit of an item reaches its orders, and their notes, without a modified time."""
    rye = shop.item("Rye", 10)
    order = shop.order(rye)
    note = shop.write("POST", shop.notes, Name="Note", Order=[order])["id"]
    shop.admin.advance_clock(60)
    shop.write("PATCH", shop.items, rye, Price=20)

    assert shop.cells(shop.orders, order)["Gross"] == 22
    assert shop.cells(shop.notes, note)["Worth"] == [20]
    assert shop.modified_at(shop.items, rye) != START
    assert shop.modified_at(shop.orders, order) == START
    assert shop.modified_at(shop.notes, note) == START


def test_link_from_the_other_end(shop: Shop) -> None:
    """An item that is linked to an order, or taken from it, changes the order's cells."""
    order, rye = shop.order(), shop.item("Rye", 10)
    shop.write("PATCH", shop.items, rye, Orders=[order])
    linked = shop.cells(shop.orders, order)["Sum"]
    shop.write("PATCH", shop.items, rye, Orders=[])

    assert (linked, shop.cells(shop.orders, order)["Sum"]) == (10, 0)


def test_linked_record_is_deleted(shop: Shop) -> None:
    """The cells of an order forget a deleted item."""
    rye = shop.item("Rye", 10)
    order = shop.order(rye, shop.item("Oat", 2.5))
    shop.caller.session.delete(shop.caller.path(shop.base_id, shop.items, rye), timeout=10)
    cells = shop.cells(shop.orders, order)

    assert (cells["Sum"], cells["Count"], cells["Title"]) == (2.5, 1, "To: Oat")


def test_editor(shop: Shop) -> None:
    """An edit changes who modified the record last, and not who created it."""
    key = shop.order()
    token = shop.admin.add_token(scopes=list(WRITE_SCOPES), user_id=OTHER_USER["id"])
    shop.caller.session.headers["Authorization"] = f"Bearer {token}"
    edited = shop.write("PATCH", shop.orders, key, Name="Mine")["fields"]

    assert (edited["Made by"], edited["Changed by"]) == (USER, OTHER_USER)


def test_aggregations_are_not_in_the_schema(shop: Shop) -> None:
    """Airtable does not say how a rollup aggregates, and the simulator neither."""
    schema = shop.caller.get("meta", "bases", shop.base_id, "tables")

    assert schema.json()["tables"][0]["name"] == "Orders"
    assert "SUM(values)" not in schema.text


def test_sample_base_adds_up() -> None:
    """Every computed cell of the sample base is what the simulator computes itself."""
    base = Base(sample_account()["bases"][0], 0.0)
    computed = [
        (table, given["id"])
        for table in base.tables.values()
        for given in table.fields
        if given["type"] in COMPUTED
    ]
    cells = [(one, key) for table, key in computed for one in table.records.values()]
    before = [record.cells.pop(key, None) for record, key in cells]
    work = Recomputation(base, Settings(), 0.0)
    work.run((table, key) for table in base.tables.values() for key in table.records)
    after = [record.cells.get(key) for record, key in cells]
    pairs = zip(before, after, strict=True)

    assert len(computed) == 24
    assert [(one, other) for one, other in pairs if not _is_same(one, other)] == []


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether two cells are equal but for the noise of a number's digits."""
    if not isinstance(one, float) or not isinstance(other, (int, float)):
        return bool(one == other)
    return math.isclose(one, other, abs_tol=1e-9)
