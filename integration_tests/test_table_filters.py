"""The setting ``table_filters``: what is read, what leaves, and what a bad filter says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_catalog import Discovered
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.errors import view_not_found
from integration_tests.bases import CELL_MARK, a_base, a_comment, a_field, a_record, a_table
from integration_tests.bases import an_attachment as an_attachment_of
from integration_tests.connector import a_catalog, a_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from integration_tests.connector import Message, Run, Tenant

STARTED_AT: Final = "2026-11-18T10:00:00.000Z"
LONG_AGO: Final = "2026-11-01T08:30:00.000Z"
HOUR: Final = 3_600
NOT_ARCHIVED: Final = {"table": "Orders", "formula": "NOT({Archived})"}
OPEN_VIEW: Final = {"table": "Orders", "view": "Open orders"}
SWEEPS: Final = {"detect_deletions": True, "deletion_sweep_hours": 0}
DELETED_AT: Final = "_ab_cdc_deleted_at"
OPEN, DONE = ({"id": f"sel{name}00000000000", "name": name} for name in ("Open", "Done"))


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of its own, whose clock the tests move."""
    with SimulatorProcess("--no-limits") as running:
        yield running


def an_orders_base(**more: Any) -> Message:  # noqa: ANN401 - JSON
    """Six orders 0 to 5: every third is archived, every second is done; and two customers."""
    customers = a_table("Customers", records=2)
    status = a_field("Status", "singleSelect", options={"choices": [OPEN, DONE]})
    link = a_field("Customer", "multipleRecordLinks", options={"linkedTableId": customers["id"]})
    orders = a_table(
        "Orders",
        *(a_field("Archived", "checkbox"), a_field("Count", "number"), status, link),
        a_field("Photos", "multipleAttachments"),
        records=[
            {
                **a_record(
                    Name=f"{CELL_MARK} {number}",
                    Archived=not number % 3,
                    Count=number,
                    Status=(DONE if number % 2 else OPEN)["name"],
                    Customer=[customers["records"][number % 2]["id"]],
                    Photos=[an_attachment_of("a.pdf", 3)],
                ),
                "comments": [a_comment(f"{CELL_MARK} {number}")],
            }
            for number in range(6)
        ],
        views=[
            {"id": "viwGrid0000000001", "name": "Grid view", "type": "grid"},
            {
                "id": "viwOpen0000000001",
                "name": "Open orders",
                "type": "grid",
                "visibleFieldIds": [],
                "filter": "{Status}='Open'",
            },
        ],
    )
    return a_base("Shop", orders, customers, **more)


@dataclass
class Shop:
    """The base, and the connector that reads it."""

    tenant: Tenant
    base: Message
    found: Discovered

    @property
    def orders(self) -> Message:
        """The stream of the filtered table."""
        return self.found.by_place[self.place]

    @property
    def customers(self) -> Message:
        """The stream of the other table."""
        return self.found.by_place[self.base["id"], self.base["tables"][1]["id"]]

    @property
    def place(self) -> tuple[str, str]:
        """The ids of the base and the filtered table."""
        return self.base["id"], self.base["tables"][0]["id"]

    def id_of(self, number: int) -> str:
        """The id of an order."""
        record_id: str = self.base["tables"][0]["records"][number]["id"]
        return record_id

    def edit(self, number: int, **cells: Any) -> None:  # noqa: ANN401 - cells
        """Edit an order a minute after whatever was before."""
        self.tenant.admin.advance_clock(60)
        self.tenant.admin.edit_record(*self.place, self.id_of(number), cells)
        self.tenant.admin.advance_clock(60)

    def read(self, *streams: Message, exit_code: int = 0, sync_mode: str = "full_refresh") -> Run:
        """Read streams; without any, the filtered table's."""
        catalog = a_catalog(streams or [self.orders], sync_mode=sync_mode)
        run = self.tenant.connector.read(catalog, on_fast_clock=True)
        assert run.exit_code == exit_code, run.failures
        return run

    def sync(self, state: Sequence[Message] | None = None, *, exit_code: int = 0) -> Run:
        """Sync the filtered table incrementally."""
        catalog = a_catalog([self.orders], sync_mode="incremental")
        run = self.tenant.connector.read(catalog, state=state, on_fast_clock=True)
        assert run.exit_code == exit_code, run.failures
        return run

    def with_filters(self, *filters: Message) -> Shop:
        """The same base, read with other filters."""
        settings = {**self.tenant.settings, "table_filters": list(filters)}
        return replace(self, tenant=replace(self.tenant, settings=settings))

    def numbers(self, run: Run) -> list[int]:
        """The orders that a run emits, without tombstones."""
        ids = [self.id_of(number) for number in range(6)]
        rows = run.records.get(self.orders["name"], [])
        return sorted(ids.index(row["_airtable_id"]) for row in rows if row.get(DELETED_AT) is None)

    def gone(self, run: Run) -> list[int]:
        """The orders that a run emits a tombstone of."""
        ids = [self.id_of(number) for number in range(6)]
        rows = run.records.get(self.orders["name"], [])
        return sorted(ids.index(row["_airtable_id"]) for row in rows if row.get(DELETED_AT))


def a_shop(
    simulator: SimulatorProcess,
    *filters: Message,
    base: Message | None = None,
    incremental: Message | None = None,
    **settings: Any,  # noqa: ANN401 - JSON
) -> Shop:
    """A shop that nobody has synced yet, and a clock that stands still."""
    base = base or an_orders_base()
    simulator.admin.clear_faults()
    simulator.admin.configure(refused_function="")
    simulator.admin.set_clock(STARTED_AT)
    tenant = a_tenant(
        simulator,
        base,
        table_filters=list(filters),
        incremental=incremental or {},
        **settings,
    )
    return Shop(tenant, base, Discovered(tenant.connector))


def reasons(run: Run) -> list[str]:
    """Why tables were read in full."""
    return [line for line in run.logs if "read in full" in line]


# Which records are read.


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NOT_ARCHIVED, [1, 2, 4, 5]),
        ({"table": "  orders ", "formula": "NOT({Archived})"}, [1, 2, 4, 5]),
        (OPEN_VIEW, [0, 2, 4]),
        ({"table": "Orders", "view": "viwOpen0000000001"}, [0, 2, 4]),
        ({**NOT_ARCHIVED, "view": "Open orders"}, [2, 4]),
        ({"table": "Orders", "view": "", "formula": "{Count}\n- 2"}, [0, 1, 3, 4, 5]),
        ({"table": "Orders", "formula": "IF({Count} = 2, ERROR(), {Name})"}, [0, 1, 3, 4, 5]),
        ({"table": "Customers", "formula": "FALSE()"}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_records_that_are_read(
    simulator: SimulatorProcess, given: Message, expected: list[int]
) -> None:
    """A table's records are those of its view, of its formula, or of both."""
    shop = a_shop(simulator, given)

    assert shop.numbers(shop.read()) == expected


def test_hidden_fields_of_a_view(simulator: SimulatorProcess) -> None:
    """The fields that a view hides have their columns and cells."""
    shop = a_shop(simulator, OPEN_VIEW)

    row = shop.read().records[shop.orders["name"]][1]

    assert (row["name"], row["count"], row["status"]) == (f"{CELL_MARK} 2", 2, "Open")


def test_table_of_a_name_in_two_bases(simulator: SimulatorProcess) -> None:
    """A table's name filters the tables of this name in every base, and an id only its own."""
    shop, other = an_orders_base(), an_orders_base()
    tenant = a_tenant(simulator, shop, other, table_filters=[NOT_ARCHIVED])
    by_id = {**NOT_ARCHIVED, "table": other["tables"][0]["id"]}
    catalog = a_catalog(Discovered(tenant.connector).tables)
    counts = [
        sorted(map(len, tenant.connector_with(table_filters=[one]).read(catalog).records.values()))
        for one in (NOT_ARCHIVED, by_id)
    ]

    assert counts == [[2, 2, 4, 4], [2, 2, 4, 6]]


def test_streams_of_the_account(simulator: SimulatorProcess) -> None:
    """Records, comments, links and attachments have only rows of the filter's records."""
    shop = a_shop(simulator, NOT_ARCHIVED)
    names = ("records", "comments", "links", "attachments")
    shop.tenant.admin.reset_stats()
    run = shop.read(*shop.found.of(*names))
    wanted = {shop.id_of(number) for number in (1, 2, 4, 5)}
    calls = shop.tenant.admin.stats()["by_kind"]

    for name in names:
        rows = [row for row in run.records[name] if shop.place[1] in row.values()]
        assert {row.get("record_id") or row["id"] for row in rows} == wanted, name
    assert (calls["list_records"], calls["list_comments"]) == (2, 4)


def test_files_of_attachments(simulator: SimulatorProcess) -> None:
    """Only files of the filter's records are asked for."""
    shop = a_shop(simulator, NOT_ARCHIVED, transfer_attachment_files=True, max_file_megabytes=1)
    for number in range(6):
        shop.base["tables"][0]["records"][number]["fields"]["Photos"][0]["size"] = 2_000_000
    simulator.admin.load({"bases": [shop.base]})
    rows = shop.read(*shop.found.of("attachment_files")).records["attachment_files"]

    assert {row["record_id"] for row in rows} == {shop.id_of(number) for number in (1, 2, 4, 5)}


def test_metadata_streams(simulator: SimulatorProcess) -> None:
    """Bases, tables, fields and views are described whole."""
    shop = a_shop(simulator, NOT_ARCHIVED, {**OPEN_VIEW, "table": "Customers", "view": "none"})
    streams = shop.found.of("bases", "tables", "fields", "views")

    assert shop.read(*streams).records == shop.with_filters().read(*streams).records


# What enters and leaves.


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_archived_record(simulator: SimulatorProcess, method: str) -> None:
    """A record that is ticked as archived is deleted, and comes back when the tick is gone."""
    shop = a_shop(simulator, NOT_ARCHIVED, incremental={**SWEEPS, "method": method})
    first = shop.sync()
    shop.edit(1, Archived=True)
    second = shop.sync(first.states)
    shop.edit(1, Archived=False)
    shop.tenant.admin.reset_stats()
    third = shop.sync(second.states)

    assert shop.numbers(first) == [1, 2, 4, 5]
    assert (shop.numbers(second), shop.gone(second)) == ([], [1])
    assert (shop.numbers(third), shop.gone(third)) == ([1], [])
    assert reasons(second) == reasons(third) == []


def test_record_that_leaves_undetected(simulator: SimulatorProcess) -> None:
    """Without `detect_deletions`, a record that leaves is not told; one that enters is read."""
    shop = a_shop(simulator, NOT_ARCHIVED)
    first = shop.sync()
    shop.edit(1, Archived=True)
    shop.edit(0, Archived=False)
    shop.tenant.admin.reset_stats()
    second = shop.sync(first.states)

    assert shop.numbers(second) == [0]
    assert shop.tenant.admin.stats()["by_kind"]["list_records"] == 1


def test_restored_record_outside_the_filter(simulator: SimulatorProcess) -> None:
    """A sweep reads a restored record only if it passes the filter."""
    shop = a_shop(simulator, NOT_ARCHIVED, incremental=SWEEPS)
    first = shop.sync()
    shop.tenant.admin.advance_clock(2 * HOUR)
    times = {"createdTime": LONG_AGO, "lastModifiedTime": LONG_AGO}
    _, unarchived = (
        shop.tenant.admin.create_record(*shop.place, {"Archived": is_archived}, **times)["id"]
        for is_archived in (True, False)
    )
    second = shop.sync(first.states)

    assert second.record_ids(shop.orders["name"]) == [unarchived]


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ([], [NOT_ARCHIVED], ([1, 2, 4, 5], [0, 3])),
        ([NOT_ARCHIVED], [], ([0, 1, 2, 3, 4, 5], [])),
        ([NOT_ARCHIVED], [OPEN_VIEW], ([0, 2, 4], [1, 5])),
        ([OPEN_VIEW], [{**OPEN_VIEW, **NOT_ARCHIVED}], ([2, 4], [0])),
    ],
    ids=["added", "removed", "replaced", "narrowed"],
)
@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_changed_filter(
    simulator: SimulatorProcess,
    method: str,
    before: list[Message],
    after: list[Message],
    moved: tuple[list[int], list[int]],
) -> None:
    """A changed filter is a full read, whose log says so, with tombstones for what left."""
    settings = {"detect_deletions": True, "method": method}
    shop = a_shop(simulator, *before, incremental=settings)
    first = shop.sync()
    shop.tenant.admin.advance_clock(60)
    second = shop.with_filters(*after).sync(first.states)
    shop.tenant.admin.advance_clock(2 * HOUR)
    third = shop.with_filters(*after).sync(second.states)

    assert (shop.numbers(second), shop.gone(second)) == moved
    assert "another filter than in the last sync" in reasons(second)[0]
    assert (shop.numbers(third), shop.gone(third), reasons(third)) == ([], [], [])


def test_changed_filter_in_a_broken_scan(simulator: SimulatorProcess) -> None:
    """A changed filter has tombstones for what left, though the scan had to start again."""
    shop = a_shop(simulator, incremental={"detect_deletions": True})
    first = shop.sync()
    shop.tenant.admin.advance_clock(60)
    shop.tenant.admin.plan_fault("list_records", "expire_iterator", page=2)
    shop.tenant.admin.plan_fault("list_records", "short_page", count=2, times=None)
    second = shop.with_filters(NOT_ARCHIVED).sync(first.states)
    shop.tenant.admin.clear_faults()

    assert (shop.numbers(second), shop.gone(second)) == ([1, 2, 4, 5], [0, 3])
    assert [line for line in second.warnings if "starts again" in line]


def test_changed_filter_in_a_failed_sync(simulator: SimulatorProcess) -> None:
    """After a sync with another filter that failed, the next one has the tombstones."""
    shop = a_shop(simulator, incremental={"detect_deletions": True})
    first = shop.sync()
    shop.tenant.admin.advance_clock(60)
    filtered = shop.with_filters(NOT_ARCHIVED)
    shop.tenant.admin.plan_fault("list_records", "status", status=500, page=2, times=None)
    shop.tenant.admin.plan_fault("list_records", "short_page", count=2, times=None)
    failed = filtered.sync(first.states, exit_code=1)
    shop.tenant.admin.clear_faults()
    second = filtered.sync(failed.states)

    assert (shop.numbers(failed), shop.gone(failed)) == ([1, 2], [])
    assert (shop.numbers(second), shop.gone(second)) == ([1, 2, 4, 5], [0, 3])


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (OPEN_VIEW, "Airtable does not say what its view depends on"),
        (
            {"table": "Orders", "formula": "IS_BEFORE(CREATED_TIME(), TODAY())"},
            "its formula depends on the time (TODAY)",
        ),
        (
            {"table": "Orders", "formula": "{Customer} != ''"},
            "its formula reads Customer (multipleRecordLinks: a linked record may be deleted)",
        ),
    ],
)
def test_filter_that_changes_by_itself(
    simulator: SimulatorProcess, wanted: Message, reason: str
) -> None:
    """Where records can enter without an edit, the table is read in full after the set hours."""
    shop = a_shop(simulator, wanted, incremental={"full_rescan_hours": 5})
    plain = {"_airtable_id", "_airtable_as_of", "name", "count"}
    properties = shop.orders["json_schema"]["properties"]
    for column in properties.keys() - plain:
        del properties[column]
    first = shop.sync()
    cells = {"Status": "Open"}
    shop.tenant.admin.edit_record(*shop.place, shop.id_of(1), cells, is_user_edit=False)
    shop.tenant.admin.advance_clock(4 * HOUR)
    second = shop.sync(first.states)
    shop.tenant.admin.advance_clock(2 * HOUR)
    third = shop.sync(second.states)

    assert reasons(second) == []
    assert 1 not in shop.numbers(second)
    assert 1 in shop.numbers(third)
    assert reason in reasons(third)[0]


def test_choice_of_the_filter_renamed(simulator: SimulatorProcess) -> None:
    """A renamed choice, which brings records in unedited, is a full read though not a column."""
    wanted = {"table": "Orders", "formula": "{Status} = 'Shipped'"}
    shop = a_shop(simulator, wanted, incremental=SWEEPS)
    del shop.orders["json_schema"]["properties"]["status"]
    first = shop.sync()
    choices = [{**OPEN, "name": "Shipped"}, DONE]
    shop.tenant.admin.change_field(*shop.place, "Status", options={"choices": choices})
    for number in (0, 2, 4):
        cells = {"Status": "Shipped"}
        shop.tenant.admin.edit_record(*shop.place, shop.id_of(number), cells, is_user_edit=False)
    shop.tenant.admin.advance_clock(2 * HOUR)
    second = shop.sync(first.states)

    assert shop.numbers(first) == []
    assert shop.numbers(second) == [0, 2, 4]


def test_comments_of_a_record_that_comes_back(simulator: SimulatorProcess) -> None:
    """The comments of a record that enters the filter are listed, also if they were before."""
    shop = a_shop(simulator, NOT_ARCHIVED)
    catalog = a_catalog(shop.found.of("comments"), sync_mode="incremental")

    def sync(state: Sequence[Message] | None) -> tuple[list[str], list[Message]]:
        run = shop.tenant.connector.read(catalog, state=state, on_fast_clock=True)
        assert run.exit_code == 0
        return [row["record_id"] for row in run.records.get("comments", [])], run.states

    first, states = sync(None)
    shop.edit(1, Archived=True)
    second, states = sync(states)
    shop.edit(1, Archived=False)
    third, _ = sync(states)

    assert (len(first), second, third) == (4, [], [shop.id_of(1)])


# Filters that cannot be used.

REFUSED: Final = "reason: Airtable refuses it: The formula for filtering records is invalid:"
BAD: Final[dict[str, tuple[list[Message], str]]] = {
    "no view": (
        [{"table": "Orders", "view": "Opened orders"}],
        "reason: the table has no view with the id or name Opened orders;",
    ),
    "no view of this id": (
        [{"table": "Orders", "view": "viwGone0000000001", "formula": "TRUE()"}],
        "reason: the table has no view with the id or name viwGone0000000001;",
    ),
    "two entries": (
        [NOT_ARCHIVED, {**OPEN_VIEW, "table": " ORDERS"}],
        "reason: several entries mean this table: Orders, ORDERS;",
    ),
    "no formula": (
        [{"table": "Orders", "formula": "NOT({Archived}"}],
        f"{REFUSED} Invalid formula. Please check your formula text.;",
    ),
    "formula of another table": (
        [{"table": "Orders", "formula": "{Discontinued} = 1"}],
        f"{REFUSED} Unknown field names: discontinued;",
    ),
    "formula that only brackets make valid": (
        [{"table": "Orders", "formula": "TRUE()), OR(FALSE()"}],
        f"{REFUSED} Invalid formula. Please check your formula text.;",
    ),
}


@pytest.mark.parametrize(("filters", "expected"), BAD.values(), ids=BAD)
def test_bad_filter_in_check(
    simulator: SimulatorProcess, filters: list[Message], expected: str
) -> None:
    """The connection check names the setting, the table and what is wrong with its filter."""
    shop = a_shop(simulator, *filters)
    run = shop.tenant.connector.run("check", on_fast_clock=True)
    (status,) = run.of_type("CONNECTION_STATUS")

    assert run.connection_status == "FAILED"
    assert "The filter of a table cannot be used." in status["message"]
    assert "setting: table_filters; base name: Shop; table name: Orders;" in status["message"]
    assert expected in status["message"]


@pytest.mark.parametrize(("filters", "expected"), BAD.values(), ids=BAD)
def test_bad_filter_in_read(
    simulator: SimulatorProcess, filters: list[Message], expected: str
) -> None:
    """A bad filter fails its table alone, with the same message and for each method."""
    shop = a_shop(simulator)
    states = shop.sync().states
    shop.tenant.admin.advance_clock(60)
    bad = shop.with_filters(*filters)
    full = bad.read(shop.orders, shop.customers, *shop.found.of("records"), exit_code=1)
    incremental = bad.sync(states, exit_code=1)

    assert full.last_statuses == {
        shop.orders["name"]: "INCOMPLETE",
        shop.customers["name"]: "COMPLETE",
        "records": "INCOMPLETE",
    }
    assert len(full.records[shop.customers["name"]]) == len(full.records["records"]) == 2
    assert shop.orders["name"] not in full.records
    for run, stream in ((full, shop.orders["name"]), (full, "records")):
        failure = run.failure_of(stream)
        assert failure["failure_type"] == "config_error"
        assert expected in failure["message"]
    assert expected in incremental.failure_of(shop.orders["name"])["message"]
    assert not [line for line in reasons(incremental) if "Airtable" in line]


def test_good_filters_in_check(simulator: SimulatorProcess) -> None:
    """The check tries each filter with one call for one record."""
    shop = a_shop(simulator, NOT_ARCHIVED, {"table": "Customers", "formula": "{Name}"})
    shop.tenant.admin.reset_stats()
    run = shop.tenant.connector.run("check", on_fast_clock=True)

    assert run.connection_status == "SUCCEEDED"
    assert shop.tenant.admin.stats()["by_kind"]["list_records"] == 2


def test_filter_of_no_table(simulator: SimulatorProcess) -> None:
    """An entry that names no table fails the check, and warns in `discover`."""
    shop = a_shop(simulator, {**NOT_ARCHIVED, "table": "Ordres"})
    (status,) = shop.tenant.connector.run("check", on_fast_clock=True).of_type("CONNECTION_STATUS")
    discovered = shop.tenant.connector.run("discover", on_fast_clock=True)
    (warning,) = discovered.warnings

    assert status["status"] == "FAILED"
    assert "(setting: table_filters; table: Ordres)" in status["message"]
    assert "Setting table_filters: no selected base has a table with the id or name Ordres" in (
        warning
    )


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
def test_renamed_table(simulator: SimulatorProcess, sync_mode: str) -> None:
    """A table whose filter gives its old name is not read, nor is any other; metadata is."""
    shop = a_shop(simulator, NOT_ARCHIVED)
    of_tables = [shop.orders, shop.customers]
    of_tables += shop.found.of("records", "links", "attachments", "comments")
    metadata = shop.found.of("bases", "tables", "fields", "views")
    shop.tenant.admin.rename_table(*shop.place, "Purchases")
    run = shop.read(*of_tables, exit_code=1, sync_mode=sync_mode)
    both = shop.read(*of_tables, *metadata, exit_code=1)

    assert run.records == {}
    assert set(both.records) == {stream["name"] for stream in metadata}
    for stream in of_tables:
        failure = run.failure_of(stream["name"])
        assert failure["failure_type"] == "config_error"
        assert failure["message"].startswith("The filter of a table cannot be used.")
        assert (
            "(setting: table_filters; table: Orders; reason: no selected base "
            in (failure["message"])
        )


def test_renamed_table_with_a_filter_by_id(simulator: SimulatorProcess) -> None:
    """A filter by the table's id holds after a rename."""
    base = an_orders_base()
    shop = a_shop(simulator, {**NOT_ARCHIVED, "table": base["tables"][0]["id"]}, base=base)
    shop.tenant.admin.rename_table(*shop.place, "Purchases")
    run = shop.read()

    assert (shop.numbers(run), run.warnings) == ([1, 2, 4, 5], [])


def test_filter_of_another_base(simulator: SimulatorProcess) -> None:
    """An entry for a table of a base that no stream reads costs its schema, and no warning."""
    base = an_orders_base()
    other = a_base("Other", a_table("Elsewhere", records=1))
    filters = [NOT_ARCHIVED, {"table": "Elsewhere", "formula": "FALSE()"}]
    tenant = a_tenant(simulator, base, other, table_filters=filters)
    shop = Shop(tenant, base, Discovered(tenant.connector))
    tenant.admin.reset_stats()
    run = shop.read()
    calls = tenant.admin.stats()["by_kind"]

    assert (shop.numbers(run), run.warnings) == ([1, 2, 4, 5], [])
    assert (calls["list_bases"], calls["base_schema"]) == (1, 2)


def test_filter_of_a_deleted_table(simulator: SimulatorProcess) -> None:
    """An entry with the id of a table that is gone only warns."""
    shop = a_shop(simulator, {**NOT_ARCHIVED, "table": "tblDeleted0000001"})
    run = shop.read()
    (warning,) = run.warnings

    assert "no selected base has a table with the id tblDeleted0000001" in warning
    assert shop.numbers(run) == [0, 1, 2, 3, 4, 5]


def test_view_deleted_during_the_sync(simulator: SimulatorProcess) -> None:
    """A view that goes away between schema and scan is an error of the setting."""
    shop = a_shop(simulator, OPEN_VIEW)
    body = view_not_found("viwOpen0000000001", is_id=True).body
    shop.tenant.admin.plan_fault("list_records", "status", status=422, body=body, times=None)
    failure = shop.read(exit_code=1).failure_of(shop.orders["name"])
    shop.tenant.admin.clear_faults()

    assert failure["failure_type"] == "config_error"
    assert "view: viwOpen0000000001; reason: the view does not exist any more" in failure["message"]


@pytest.mark.parametrize("function", ["DATETIME_PARSE", "RECORD_ID"])
def test_own_filter_refused(simulator: SimulatorProcess, function: str) -> None:
    """Where Airtable refuses the connector's filter, the table is read with the user's alone."""
    shop = a_shop(simulator, NOT_ARCHIVED, incremental=SWEEPS)
    first = shop.sync()
    shop.tenant.admin.advance_clock(2 * HOUR)
    times = {"createdTime": LONG_AGO, "lastModifiedTime": LONG_AGO}
    restored = shop.tenant.admin.create_record(
        *shop.place, {"Name": f"{CELL_MARK} restored"}, **times
    )["id"]
    shop.tenant.admin.configure(refused_function=function)
    second = shop.sync(first.states)
    shop.tenant.admin.configure(refused_function="")
    emitted = second.record_ids(shop.orders["name"])
    unedited = [shop.id_of(number) for number in (1, 2, 4, 5)]

    assert emitted == ([*unedited, restored] if function == "DATETIME_PARSE" else [restored])
