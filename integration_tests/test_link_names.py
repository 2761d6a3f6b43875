"""``link_names``: the primary values of linked records beside their ids, and what they cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_catalog import assert_sound, assert_statuses
from integration_tests.account_syncs import HOUR, STARTED_AT
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.bases import CELL_MARK, a_base, a_field, a_record, a_table
from integration_tests.connector import a_catalog, a_tenant, without_columns
from integration_tests.photo_studio import SHOOTS, a_photo_studio
from integration_tests.real_bases import ARE_ABSENT, REASON, is_error_value, real_bases

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from integration_tests.airtable_simulator import AdminClient
    from integration_tests.connector import Message, Run, Tenant

LINK: Final = "multipleRecordLinks"
NAMES: Final = "_names"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock and faults the tests set."""
    with SimulatorProcess("--no-limits") as running:
        yield running


class Shop:
    """Orders that link to customers, and what is read of them."""

    def __init__(
        self,
        simulator: SimulatorProcess,
        *more_tables: Message,
        customers: Sequence[Message] | None = None,
        orders: Sequence[Message] | None = None,
        more_fields: Sequence[Message] = (),
        **settings: Any,  # noqa: ANN401 - settings are JSON
    ) -> None:
        names = ("Ada", "Grace", "Barbara")
        self.customers = customers or [a_record(Name=f"{CELL_MARK} {name}") for name in names]
        ids = [one["id"] for one in self.customers]
        self.orders = list(orders or ()) or [
            a_record(Customers=ids[::-1]),
            a_record(Customers=ids[:1]),
        ]
        self.orders.append(a_record(Name=f"{CELL_MARK} without"))
        linked = a_table("Customers", records=list(self.customers))
        links = a_field("Customers", LINK, options={"linkedTableId": linked["id"]})
        linking = a_table("Orders", links, *more_fields, records=list(self.orders))
        self.base = a_base("Shop", linked, linking, *more_tables)
        simulator.admin.clear_faults()
        simulator.admin.set_clock(STARTED_AT)
        self.admin: AdminClient = simulator.admin
        self.tenant: Tenant = a_tenant(simulator, self.base, **{"link_names": True, **settings})
        self.streams = {one["name"].split("/")[1]: one for one in self.tenant.connector.discover()}

    def read(self, *tables: str, exit_code: int = 0, **more: Any) -> tuple[Run, Counter[str]]:  # noqa: ANN401 - of the connector
        """A read of some tables in full, and the lists of records that it asked for, by table."""
        streams = [self.streams[table] for table in tables or self.streams]
        return self.read_catalog(a_catalog(streams), exit_code=exit_code, **more)

    def read_catalog(
        self,
        catalog: Message,
        *,
        exit_code: int = 0,
        connector: Any = None,  # noqa: ANN401 - another one of the tenant's
        **more: Any,  # noqa: ANN401 - of the connector
    ) -> tuple[Run, Counter[str]]:
        """A read, and the lists of records that it asked for, by table."""
        self.admin.reset_stats()
        run = (connector or self.tenant.connector).read(catalog, on_fast_clock=True, **more)
        assert run.exit_code == exit_code, run.failures
        return run, lists_of(self.admin, self.base)

    def names(self, run: Run, column: str = "customers_names") -> list[list[str | None] | None]:
        """The names of the orders' customers, without the mark of cells."""
        rows = run.records.get(self.streams["orders"]["name"], ())
        return [without_mark(row.get(column)) for row in rows]


def lists_of(admin: AdminClient, *bases: Message) -> Counter[str]:
    """How many pages of records were asked for, by the table's name."""
    names = {table["id"]: table["name"] for base in bases for table in base["tables"]}
    asked = admin.stats()["by_table"]
    return Counter({names[key.split("/")[1]]: count for key, count in asked.items()})


def without_mark(names: list[str | None] | None) -> list[str | None] | None:
    """Names as the tests write them."""
    return names and [name and name.removeprefix(f"{CELL_MARK} ") for name in names]


def expected_names(
    table: Message, field: Message, record: Message, tables: dict[str, Message]
) -> list[str | None] | None:
    """The primary cells of a record's links, looked up in the bases' own JSON."""
    cell = record["fields"].get(field["name"], record["fields"].get(field["id"]))
    if not cell:
        return None
    linked = tables.get((field.get("options") or {}).get("linkedTableId", ""))
    shown: dict[str, str | None] = {}
    if linked is not None:
        primary = next(one for one in linked["fields"] if one["id"] == linked["primaryFieldId"])
        for one in linked["records"]:
            value = one["fields"].get(primary["name"], one["fields"].get(primary["id"]))
            shown[one["id"]] = as_shown(value)
    return [shown.get(item["id"] if isinstance(item, dict) else item) for item in cell]


def as_shown(cell: Any) -> str | None:  # noqa: ANN401 - a cell is anything
    """A primary cell of the real bases as text: they have text, numbers and arrays of text."""
    if cell in (None, "", []) or is_error_value(cell):
        return None
    if isinstance(cell, list):
        return ", ".join(filter(None, map(as_shown, cell)))
    return cell if isinstance(cell, str) else f"{cell:.15g}"


def test_names_of_both_ends(simulator: SimulatorProcess) -> None:
    """Each link has its record's name, in the cell's order; a table may link to itself."""
    base = a_photo_studio()
    tables = {table["id"]: table for table in base["tables"]}
    tenant = a_tenant(simulator, base, link_names=True)
    streams = tenant.connector.discover()

    run = tenant.connector.read(a_catalog(streams))

    assert_sound(run, streams)
    assert_statuses(run, streams)
    names = 0
    for table, stream in zip(base["tables"], streams, strict=True):
        rows = {row["_airtable_id"]: row for row in run.records[stream["name"]]}
        for field in (one for one in table["fields"] if one["type"] == LINK):
            column = field["name"].lower().replace(" ", "_") + NAMES
            for record in table["records"]:
                expected = expected_names(table, field, record, tables)
                assert rows[record["id"]].get(column) == expected
                names += len(expected or ())
    assert names == 2 * 2 * SHOOTS + 2 * (SHOOTS - 1)


def test_one_scan_of_a_linked_table(simulator: SimulatorProcess) -> None:
    """A linked table is scanned once more, for its primary field, however many links lead to it."""
    base = a_photo_studio()
    tenant = a_tenant(simulator, base, link_names=True)
    streams = tenant.connector.discover()
    primary = {table["id"]: table["primaryFieldId"] for table in base["tables"]}
    tenant.admin.reset_stats()

    tenant.connector.read(a_catalog(streams))

    calls = [one for one in tenant.admin.stats()["last_calls"] if one["kind"] == "list_records"]
    of_names = [one["table"] for one in calls if one["fields"] == [primary[one["table"]]]]
    assert len(calls) == 2 + 2
    assert sorted(of_names) == sorted(primary)


@pytest.mark.skipif(ARE_ABSENT, reason=REASON)
def test_names_of_the_real_bases(simulator: SimulatorProcess) -> None:
    """Each name of the real bases is the primary cell of its record, and null where none is."""
    bases = real_bases()
    for base in bases:
        tell_linked_tables(base)
    tables = {table["id"]: table for base in bases for table in base["tables"]}
    tenant = a_tenant(simulator, *bases, link_names=True)
    streams = tenant.connector.run("discover", on_fast_clock=True).streams
    tenant.admin.reset_stats()

    run = tenant.connector.read(a_catalog(streams), on_fast_clock=True)

    with_names = lists_of(tenant.admin, *bases).total()
    assert run.exit_code == 0, run.failures
    assert_sound(run, streams)
    wrong, names, linked = [], Counter[bool](), set()
    for stream in streams:
        table = tables[stream["json_schema"]["x-airtable"]["table_id"]]
        rows = {row["_airtable_id"]: row for row in run.records.get(stream["name"], ())}
        fields = {one["id"]: one for one in table["fields"]}
        for column, declared in stream["json_schema"]["properties"].items():
            if "names_of" not in declared.get("x-airtable", {}):
                continue
            field = fields[declared["x-airtable"]["names_of"]]
            for record in table["records"]:
                expected = expected_names(table, field, record, tables)
                found = rows[record["id"]].get(column)
                wrong += [] if found == expected else [(column, expected, found)]
                names.update(name is not None for name in expected or ())
                if expected:
                    linked.add((field.get("options") or {}).get("linkedTableId"))
    assert not wrong, f"{len(wrong)} cells, such as {wrong[:3]}"
    assert names[True] > 39_000
    pages = {key: max(1, -(-len(table["records"]) // 100)) for key, table in tables.items()}
    assert with_names - sum(pages.values()) == sum(pages[key] for key in linked if key in pages)


def tell_linked_tables(base: Message) -> None:
    """Say of each field of links which table has its records, where a recorded base does not."""
    table_of = {one["id"]: table["id"] for table in base["tables"] for one in table["records"]}
    for table in base["tables"]:
        for field in (one for one in table["fields"] if one["type"] == LINK):
            cells = (
                one["fields"].get(field["name"], one["fields"].get(field["id"]))
                for one in table["records"]
            )
            found = {table_of.get(item) for cell in cells for item in cell or () if item}
            found.discard(None)
            if not field.get("options") and len(found) == 1:
                field["options"] = {"linkedTableId": found.pop()}


def test_columns_are_offered_by_the_setting(simulator: SimulatorProcess) -> None:
    """Discovery has the columns with the setting only; they are marked as names of the field."""
    shop = Shop(simulator)
    properties = shop.streams["orders"]["json_schema"]["properties"]
    plain = {one["name"]: one for one in shop.tenant.connector_with(link_names=False).discover()}
    name = shop.streams["orders"]["name"]
    without = plain[name]["json_schema"]["properties"]

    marked = properties["customers_names"]["x-airtable"]
    assert marked == {"names_of": properties["customers"]["x-airtable"]["field_id"]}
    assert {name: one for name, one in properties.items() if name != "customers_names"} == without
    assert list(properties).index("customers_names") == list(properties).index("customers") + 1


@pytest.mark.parametrize("is_set", [True, False])
def test_catalog_decides(simulator: SimulatorProcess, *, is_set: bool) -> None:
    """Names come if the catalog has their column, whatever the setting says on read."""
    shop = Shop(simulator)
    connector = shop.tenant.connector_with(link_names=is_set)
    without = without_columns(shop.streams["orders"], "customers_names")

    run, calls = shop.read_catalog(a_catalog([shop.streams["orders"]]), connector=connector)
    plain, plain_calls = shop.read_catalog(a_catalog([without]), connector=connector)

    assert shop.names(run) == [["Barbara", "Grace", "Ada"], ["Ada"], None]
    assert calls == {"Orders": 1, "Customers": 1}
    assert not any("customers_names" in row for row in plain.records[without["name"]])
    assert plain_calls == {"Orders": 1}


def test_ids_deselected(simulator: SimulatorProcess) -> None:
    """The column of names can be selected without that of ids."""
    shop = Shop(simulator)
    names_alone = without_columns(shop.streams["orders"], "customers")

    run, _ = shop.read_catalog(a_catalog([names_alone]))

    assert shop.names(run) == [["Barbara", "Grace", "Ada"], ["Ada"], None]
    assert not any("customers" in row for row in run.records[names_alone["name"]])


def test_columns_named_by_ids(simulator: SimulatorProcess) -> None:
    """With column names by id, the column of names has the field's id and the ending."""
    shop = Shop(simulator, column_names="ids")
    field = shop.base["tables"][1]["fields"][1]

    run, _ = shop.read("orders")

    assert shop.names(run, f"{field['id']}_names")[1] == ["Ada"]


def test_field_of_the_same_name(simulator: SimulatorProcess) -> None:
    """A field that is called like the column of names keeps its column and its cells."""
    shop = Shop(simulator, more_fields=[a_field("Customers names")])
    field = shop.base["tables"][1]["fields"][1]
    properties = shop.streams["orders"]["json_schema"]["properties"]

    run, _ = shop.read("orders")

    assert properties["customers_names"]["type"] == ["null", "string"]
    assert shop.names(run, f"customers_names_{field['id']}")[1] == ["Ada"]


def test_nulls(simulator: SimulatorProcess) -> None:
    """A name is null where the record is gone, its primary cell is empty, or holds an error."""
    gone = make_id("rec", "gone", 1)
    empty, failing, known = a_record(), a_record(), a_record(Name=f"{CELL_MARK} Ada")
    failing["fields"]["Name"] = {"error": "#ERROR!"}
    customers = [empty, failing, known]
    order = a_record(Customers=[gone, *(one["id"] for one in customers)])
    shop = Shop(simulator, customers=customers, orders=[order])

    run, _ = shop.read("orders")

    assert shop.names(run) == [[None, None, None, "Ada"], None]
    assert (
        run.records[shop.streams["orders"]["name"]][0]["customers"] == order["fields"]["Customers"]
    )


@pytest.mark.parametrize("options", [None, {"linkedTableId": make_id("tbl", "hidden", 1)}])
def test_unknown_table(simulator: SimulatorProcess, options: Message | None) -> None:
    """Links to a table that the schema does not show have null names, and one warning."""
    customers = a_field("Vendors", LINK, options=options)
    vendors = [make_id("rec", "hidden", number) for number in range(2)]
    orders = [a_record(Vendors=vendors), a_record(Vendors=vendors[:1])]
    shop = Shop(simulator, orders=orders, more_fields=[customers])

    run, calls = shop.read("orders")

    assert shop.names(run, "vendors_names") == [[None, None], [None], None]
    assert calls == {"Orders": 1}
    assert len([line for line in run.warnings if "names of linked records are null" in line]) == 1


def test_filter_that_cannot_be_used(simulator: SimulatorProcess) -> None:
    """If the linked table's filter cannot be used, its names are not read, and the stream fails."""
    entry = {"table": "Customers", "view": "Public"}
    shop = Shop(simulator, table_filters=[entry])

    run, calls = shop.read("orders", exit_code=1)

    failure = run.failure_of(shop.streams["orders"]["name"])
    assert failure["failure_type"] == "config_error"
    assert "the table has no view with the id or name Public" in failure["message"]
    assert "read for: the names of linked records" in failure["message"]
    assert calls == {"Orders": 1}


def test_refused_table(simulator: SimulatorProcess) -> None:
    """If Airtable refuses the linked table, its names are null, and the log warns once."""
    invoices = a_table("Invoices", records=[])
    shop = Shop(simulator, invoices)
    field = a_field("Customers", LINK, options={"linkedTableId": shop.base["tables"][0]["id"]})
    shop.admin.add_field(shop.base["id"], "Invoices", field)
    bill = {"Customers": [shop.customers[0]["id"]]}
    shop.admin.create_record(shop.base["id"], "Invoices", bill)
    shop.streams = {one["name"].split("/")[1]: one for one in shop.tenant.connector.discover()}
    refuse_customers(shop, status=403)

    run, calls = shop.read("orders", "invoices")

    assert shop.names(run) == [[None, None, None], [None], None]
    assert run.records[shop.streams["invoices"]["name"]][0]["customers_names"] == [None]
    assert set(run.last_statuses.values()) == {"COMPLETE"}
    # One stray refusal decides nothing.
    assert calls == {"Orders": 1, "Invoices": 1, "Customers": 2}
    assert len([line for line in run.warnings if "names of linked records are null" in line]) == 1


def refuse_customers(shop: Shop, **answer: Any) -> None:  # noqa: ANN401 - JSON
    """Let each list of customers fail."""
    table = shop.base["tables"][0]["id"]
    shop.admin.plan_fault("list_records", "status", table=table, times=None, **answer)


def test_failing_scan_of_names(simulator: SimulatorProcess) -> None:
    """If the names cannot be read today, the linking stream fails as if its own scan had."""
    shop = Shop(simulator)
    refuse_customers(shop, status=503)

    run, _ = shop.read("orders", exit_code=1)

    stream = shop.streams["orders"]["name"]
    assert run.last_statuses == {stream: "INCOMPLETE"}
    assert run.failure_of(stream)["failure_type"] == "transient_error"
    assert "Customers" in run.failure_of(stream)["message"]
    assert shop.names(run) == []


def test_failing_scan_of_names_spares_others(simulator: SimulatorProcess) -> None:
    """A table without links, and one whose names are not selected, are read to their end."""
    shop = Shop(simulator, a_table("Notes"))
    refuse_customers(shop, status=503)
    catalog = [without_columns(shop.streams["orders"], "customers_names"), shop.streams["notes"]]

    run, _ = shop.read_catalog(a_catalog(catalog))

    assert set(run.last_statuses.values()) == {"COMPLETE"}


def test_forgotten_list(simulator: SimulatorProcess) -> None:
    """If Airtable forgets the list of names, it is read again from its start."""
    customers = [a_record(Name=f"{CELL_MARK} {number}") for number in range(150)]
    order = a_record(Customers=[customers[140]["id"], customers[0]["id"]])
    shop = Shop(simulator, customers=customers, orders=[order])
    forgotten = {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}
    table = shop.base["tables"][0]["id"]
    shop.admin.plan_fault("list_records", "status", table=table, page=2, status=422, body=forgotten)

    run, calls = shop.read("orders")

    assert shop.names(run) == [["140", "0"], None]
    assert calls == {"Orders": 1, "Customers": 4}


def test_table_that_is_not_selected(simulator: SimulatorProcess) -> None:
    """Names come from tables that ``table_ids`` leaves out."""
    shop = Shop(simulator, table_ids=["Orders"])

    run, _ = shop.read()

    assert shop.streams.keys() == {"orders"}
    assert shop.names(run)[1] == ["Ada"]


def test_no_links_no_calls(simulator: SimulatorProcess) -> None:
    """While no record that is read has links, no names are read."""
    shop = Shop(simulator, orders=[a_record(Name=f"{CELL_MARK} 1")])

    _, calls = shop.read("orders")

    assert calls == {"Orders": 1}


def test_account_streams(simulator: SimulatorProcess) -> None:
    """The streams ``records`` and ``links`` are the same with the setting and without."""
    shop = Shop(simulator)
    connectors = [shop.tenant.connector_with(link_names=is_set) for is_set in (True, False)]
    rows = []
    for connector in connectors:
        offered = {one["name"]: one for one in connector.discover_all()}
        streams = [offered["records"], offered["links"]]
        run, calls = shop.read_catalog(a_catalog(streams), connector=connector)
        # Tables are read side by side, so their rows come in any order.
        in_order = {name: sorted(found, key=str) for name, found in run.records.items()}
        rows.append((streams, in_order, calls))

    assert rows[0] == rows[1]


def test_tables_that_link_to_each_other(simulator: SimulatorProcess) -> None:
    """With two workers, twelve tables that all link to all others are read, each name list once."""
    count = 12
    ids = [make_id("tbl", "ring", number) for number in range(count)]
    records = [a_record(Name=f"{CELL_MARK} {number}") for number in range(count)]
    names = [f"T{number}" for number in range(count)]
    tables = []
    for number in range(count):
        links = [a_field(f"L {n}", LINK, options={"linkedTableId": ids[n]}) for n in range(count)]
        # Each begins with another table, so that they wait for each other.
        order = links[number:] + links[:number]
        cells = {f"L {n}": [records[n]["id"]] for n in range(count)}
        rows = [{**records[number], "fields": {**records[number]["fields"], **cells}}]
        tables.append(a_table(names[number], *order, records=rows, id=ids[number]))
    base = a_base("Ring", *tables)
    tenant = a_tenant(simulator, base, link_names=True, num_workers=2)
    streams = tenant.connector.discover()
    tenant.admin.reset_stats()

    run = tenant.connector.read(a_catalog(streams), on_fast_clock=True)

    assert run.exit_code == 0
    assert lists_of(tenant.admin, base) == dict.fromkeys(names, 2)
    for stream in streams:
        (row,) = run.records[stream["name"]]
        assert [row[f"l_{n}_names"] for n in range(count)] == [
            [f"{CELL_MARK} {n}"] for n in range(count)
        ]


def test_incremental(simulator: SimulatorProcess) -> None:
    """A sync without changes reads no names; one changed row brings its names of today."""
    shop = Shop(simulator, incremental={"full_rescan_hours": 0})
    catalog = a_catalog([shop.streams["orders"]], sync_mode="incremental")
    first, _ = shop.read_catalog(catalog)
    shop.admin.advance_clock(2 * HOUR)
    idle, idle_calls = shop.read_catalog(catalog, state=first.states)
    place = shop.base["id"], "Customers"
    shop.admin.edit_record(*place, shop.customers[0]["id"], {"Name": f"{CELL_MARK} Lovelace"})
    renamed, renamed_calls = shop.read_catalog(catalog, state=idle.states)
    shop.admin.edit_record(shop.base["id"], "Orders", shop.orders[1]["id"], {"Name": CELL_MARK})

    changed, changed_calls = shop.read_catalog(catalog, state=renamed.states)

    assert (shop.names(idle), idle_calls) == ([], {"Orders": 1})
    assert (shop.names(renamed), renamed_calls) == ([], {"Orders": 1})
    assert shop.names(changed) == [["Lovelace"]]
    assert changed_calls == {"Orders": 1, "Customers": 1}


@pytest.mark.parametrize("deselected", ["customers", "name"])
def test_rescan(simulator: SimulatorProcess, deselected: str) -> None:
    """A renamed linked record shows with the next full rescan, also without the ids' column."""
    shop = Shop(simulator, incremental={"full_rescan_hours": 24})
    stream = without_columns(shop.streams["orders"], deselected)
    catalog = a_catalog([stream], sync_mode="incremental")
    first, _ = shop.read_catalog(catalog)
    place = shop.base["id"], "Customers"
    shop.admin.edit_record(*place, shop.customers[0]["id"], {"Name": f"{CELL_MARK} Lovelace"})
    shop.admin.advance_clock(25 * HOUR)

    second, _ = shop.read_catalog(catalog, state=first.states)

    assert shop.names(second) == [["Barbara", "Grace", "Lovelace"], ["Lovelace"], None]


def test_column_that_is_added(simulator: SimulatorProcess) -> None:
    """With a new column of names, an incremental table is read in full once."""
    shop = Shop(simulator)
    without = without_columns(shop.streams["orders"], "customers_names")
    first, _ = shop.read_catalog(a_catalog([without], sync_mode="incremental"))
    shop.admin.advance_clock(2 * HOUR)
    catalog = a_catalog([shop.streams["orders"]], sync_mode="incremental")

    second, _ = shop.read_catalog(catalog, state=first.states)
    shop.admin.advance_clock(2 * HOUR)
    third, _ = shop.read_catalog(catalog, state=second.states)

    assert shop.names(second) == [["Barbara", "Grace", "Ada"], ["Ada"], None]
    assert shop.names(third) == []


def test_link_field_that_became_text(simulator: SimulatorProcess) -> None:
    """If a field holds no links any more, its names are null, and the log says so."""
    shop = Shop(simulator)
    shop.admin.retype_field(shop.base["id"], "Orders", "Customers", "singleLineText")

    run, calls = shop.read("orders")

    assert shop.names(run) == [None, None, None]
    assert calls == {"Orders": 1}
    assert any("customers_names" in line for line in run.warnings)
