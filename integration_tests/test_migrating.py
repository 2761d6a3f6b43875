"""A connection of Airbyte's own Airtable connector goes on here; ``docs/migrating.md`` says how."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import sample_account
from integration_tests.airtable_simulator.wire import is_empty
from integration_tests.bases import CELL_MARK, a_base, a_field, a_record, a_table
from integration_tests.connector import Connector, a_catalog, a_tenant, clean
from integration_tests.upstream_catalog import upstream_catalog, upstream_schema, upstream_state
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from unit_tests.conforming import nonconformities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

UPSTREAM_SYSTEM_COLUMNS: Final = {
    "_airtable_id",
    "_airtable_created_time",
    "_airtable_table_name",
}
OUR_SYSTEM_COLUMNS: Final = {
    *UPSTREAM_SYSTEM_COLUMNS,
    "_airtable_base_id",
    "_airtable_table_id",
    "_airtable_as_of",
    "_airtable_errors",
}

(BAKERY,) = sample_account()["bases"]
NOT_A_NUMBER: Final = {"specialValue": "NaN"}
UNKNOWN_TYPE: Final = "hologram"
TABBED: Final = a_base(
    "Tabs",
    a_table(
        "Tabbed",
        a_field("\tNotes\n"),
        records=[a_record(**{"\tNotes\n": f"{CELL_MARK} tab"})],
    ),
)
CORNERS: Final = a_base(
    "Corner Cases",
    a_table(
        "What Differs",
        a_field("Margin", "formula", options={"isValid": True, "result": {"type": "number"}}),
        a_field("Sum", "rollup", options={"isValid": True, "result": {"type": "number"}}),
        a_field("Tags", "multipleLookupValues", options={"result": {"type": "multipleSelects"}}),
        a_field("Is Late", "formula", options={"isValid": True, "result": {"type": "checkbox"}}),
        a_field("fields"),
        a_field("Due Date"),
        a_field("due date"),
        a_field("Prices", "lookup", options={"result": {"type": "number"}}),
        a_field("Source", "externalSyncSource", options={"choices": [{"name": "Sales"}]}),
        a_field("Scene", UNKNOWN_TYPE),
        records=[
            a_record(
                **{
                    "Name": f"{CELL_MARK} full",
                    "Margin": 0.25,
                    "Sum": 3,
                    "Tags": ["a", "b"],
                    "Is Late": True,
                    "fields": f"{CELL_MARK} fields",
                    "Due Date": f"{CELL_MARK} first",
                    "due date": f"{CELL_MARK} second",
                    "Prices": [1, 2.5],
                    "Source": "Sales",
                    "Scene": {"depth": 3},
                }
            ),
            a_record(Name=f"{CELL_MARK} broken", Margin=NOT_A_NUMBER, Sum=NOT_A_NUMBER),
            a_record(),
        ],
    ),
)
BASES: Final = (BAKERY, CORNERS)
(CORNER_TABLE,) = CORNERS["tables"]
CORNER_STREAM: Final = f"corner_cases/what_differs/{CORNER_TABLE['id']}"
PRODUCTS: Final = BAKERY["tables"][0]["id"]
COLLIDING: Final = {"due_date", "unit_price", "unit_price_(€)"}
"""Columns that two fields share, at the latest in a destination."""


@pytest.fixture(scope="module")
def tenant(airtable: SimulatorProcess) -> Tenant:
    """The account of a connection that moves."""
    return a_tenant(airtable, *BASES)


@pytest.fixture(scope="module")
def catalog() -> Message:
    """The configured catalog that comes along."""
    return upstream_catalog(*BASES)


@pytest.fixture(scope="module")
def legacy(tenant: Tenant) -> Connector:
    """The connector with the settings of the oldest form, which it says in full to be saved."""
    return Connector(tenant.simulator.url, {"api_key": tenant.token}, is_watched=False)


@pytest.fixture(scope="module")
def moved(legacy: Connector, catalog: Message) -> Run:
    """The first sync after the move, with everything as it was: settings, catalog and state."""
    return legacy.read(catalog, state=upstream_state(catalog))


@pytest.fixture(scope="module")
def discovered(tenant: Tenant) -> dict[str, Message]:
    """What a refresh of the schema brings, by stream."""
    config = {
        **tenant.connector.config,
        "num_workers": 5,
        "add_base_id_to_stream_name": False,
        "something_of_theirs": 1,
    }
    (discovered,) = Connector(tenant.simulator.url, config).run("discover").of_type("CATALOG")
    return {stream["name"]: stream for stream in discovered["streams"]}


@pytest.fixture(scope="module")
def refreshed(tenant: Tenant, discovered: dict[str, Message], catalog: Message) -> Run:
    """An incremental sync after the refresh, with the state that came along."""
    chosen = a_catalog([discovered[CORNER_STREAM]], sync_mode="incremental")
    return tenant.connector.read(chosen, state=upstream_state(catalog))


@dataclass(frozen=True)
class Cell:
    """One cell as Airtable has it, and what arrived in the column that the catalog has for it."""

    column: str
    field: Message
    sent: Any
    arrived: Any

    @property
    def is_lost(self) -> bool:
        """Whether what arrived holds less than what was sent."""
        if is_empty(self.sent):
            return self.arrived is not (False if self.field["type"] == "checkbox" else None)
        return not holds(self.arrived, self.sent)

    @property
    def misfits(self) -> bool:
        """Whether Airtable itself says that there is no value, in all of the cell or a part."""
        parts = flat(self.sent)
        return any(isinstance(part, dict) and is_error(part) for part in parts)


def is_error(cell: Message) -> bool:
    """Whether a cell is an error of Airtable's."""
    return len(cell) == 1 and not cell.keys().isdisjoint({"error", "specialValue"})


def flat(cell: Any) -> list[Any]:  # noqa: ANN401 - a cell is anything
    """The values of a cell, however deep in arrays; one value alone is one of them."""
    if not isinstance(cell, list):
        return [cell]
    return [part for element in cell for part in flat(element)]


def holds(arrived: Any, sent: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether a value says what was sent: itself, as JSON text, or wrapped in arrays."""
    if isinstance(arrived, str) and not isinstance(sent, str):
        return bool(json.loads(arrived) == sent)
    if isinstance(arrived, list):
        values, cells = flat(arrived), flat(sent)
        return len(values) == len(cells) and all(map(holds, values, cells))
    return bool(arrived == sent and isinstance(arrived, bool) == isinstance(sent, bool))


def cells_of(run: Run) -> Iterator[Cell]:
    """Every cell of both bases, but those of a field whose name another one took."""
    for base in BASES:
        for table in base["tables"]:
            name = "/".join((clean(base["name"]), clean(table["name"]), table["id"]))
            by_id = {data["_airtable_id"]: data for data in run.records[name]}
            columns: dict[str, Message] = {}
            for field in table["fields"]:
                columns.setdefault(clean(field["name"]), field)
            for record in table["records"]:
                for column, field in columns.items():
                    sent = record["fields"].get(field["name"])
                    yield Cell(column, field, sent, by_id[record["id"]].get(column))


@pytest.mark.parametrize("command", ["check", "discover"])
def test_legacy_settings(legacy: Connector, command: str) -> None:
    """The oldest form of settings works, and Airbyte is told to save today's."""
    run = legacy.run(command)
    (control,) = run.of_type("CONTROL")

    assert run.exit_code == 0
    assert control["connectorConfig"]["config"] == {
        "credentials": {"auth_method": "api_key", "api_key": legacy.config["api_key"]}
    }


def test_streams_keep_their_names(discovered: dict[str, Message], catalog: Message) -> None:
    """A refresh finds every table's stream under the name that it has, and eight more beside."""
    kept = {one["stream"]["name"] for one in catalog["streams"]}

    assert discovered.keys() - ACCOUNT_STREAMS.keys() == kept
    assert len(discovered.keys() - kept) == 8
    assert not any("/" in name for name in ACCOUNT_STREAMS)


def test_streams_keep_their_names_with_base_ids(tenant: Tenant) -> None:
    """The setting that puts base ids into names does so in the same place."""
    streams = tenant.connector_with(add_base_id_to_stream_name=True).discover()
    names = [stream["name"] for stream in streams]

    assert f"corner_cases/{CORNERS['id']}/what_differs/{CORNER_TABLE['id']}" in names


def test_columns_keep_their_names(discovered: dict[str, Message], catalog: Message) -> None:
    """A refresh keeps every column but those that would collide, and adds system columns."""
    gone, new = set(), set()
    for one in catalog["streams"]:
        columns = one["stream"]["json_schema"]["properties"].keys()
        ours = discovered[one["stream"]["name"]]["json_schema"]["properties"].keys()
        gone |= columns - ours
        new |= ours - columns

    assert gone == COLLIDING
    assert new == {
        *(OUR_SYSTEM_COLUMNS - UPSTREAM_SYSTEM_COLUMNS),
        *(
            f"{clean(field['name'])}_{field['id']}"
            for base in BASES
            for table in base["tables"]
            for field in table["fields"]
            if clean(field["name"]) in COLLIDING and table["id"] in {CORNER_TABLE["id"], PRODUCTS}
        ),
    }


def test_first_sync_is_complete(moved: Run, catalog: Message) -> None:
    """With everything as it was, each stream is read to its end, each record once."""
    expected = {
        "/".join((clean(base["name"]), clean(table["name"]), table["id"])): Counter(
            record["id"] for record in table["records"]
        )
        for base in BASES
        for table in base["tables"]
    }

    assert (moved.exit_code, moved.failures) == (0, [])
    assert {name: Counter(moved.record_ids(name)) for name in expected} == expected
    assert moved.state_streams == [name for name in moved.state_streams if name in expected]
    assert len(moved.state_streams) == len(catalog["streams"])


def test_state_is_the_same_placeholder(moved: Run, catalog: Message) -> None:
    """The state that a stream leaves is the one that it came with, so that there is a way back."""
    left = {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]
        for state in moved.states
    }

    assert left == {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]
        for state in upstream_state(catalog)
    }


def test_records_fit_the_catalog(moved: Run, catalog: Message) -> None:
    """Every record is true to the types that the connection was made with, and adds no column."""
    wrong = []
    for one in catalog["streams"]:
        json_schema = one["stream"]["json_schema"]
        for data in moved.records[one["stream"]["name"]]:
            wrong += nonconformities(data, {**json_schema, "additionalProperties": False})

    assert wrong == []


def test_nothing_is_lost(moved: Run) -> None:
    """Every cell is in its column, but those of which Airtable says that there is no value."""
    lost = [cell for cell in cells_of(moved) if cell.is_lost and not cell.misfits]

    assert lost == []


def test_what_does_not_fit_is_counted(moved: Run) -> None:
    """Errors among the cells are null, and the log says how many and how to keep them."""
    misfits = Counter(cell.misfits for cell in cells_of(moved))
    told = [line for line in moved.logs if "did not fit their column" in line]

    assert misfits[True] == sum(int(line.split(": ")[2].split()[0]) for line in told)
    assert all("Select the column _airtable_errors" in line for line in told)


def test_corner_cases(moved: Run) -> None:
    """One value is wrapped for an array, a boolean is JSON text, and of twins the first wins."""
    full, broken, blank = moved.records[CORNER_STREAM]

    assert (full["margin"], full["sum"], full["tags"]) == (0.25, [3], [["a"], ["b"]])
    assert (full["is_late"], full["fields"]) == ("true", f"{CELL_MARK} fields")
    assert full["due_date"] == f"{CELL_MARK} first"
    assert {"margin", "sum"}.isdisjoint(broken)
    assert blank.keys() == UPSTREAM_SYSTEM_COLUMNS
    assert (full["prices"], full["source"], full["scene"]) == ([1, 2.5], "Sales", '{"depth":3}')


def test_after_the_refresh(refreshed: Run) -> None:
    """A refreshed stream can be read incrementally: the placeholder means a full first scan."""
    full, broken, blank = refreshed.records[CORNER_STREAM]

    assert refreshed.exit_code == 0
    assert [line for line in refreshed.warnings if "leaves no cursor" in line]
    assert (full["sum"], full["tags"], full["is_late"]) == (3, ["a", "b"], True)
    assert broken["_airtable_errors"] == {"margin": NOT_A_NUMBER, "sum": NOT_A_NUMBER}
    assert blank["_airtable_base_id"] == CORNERS["id"]
    assert [state["stream"]["stream_state"]["version"] for state in refreshed.states] == [2]


def test_catalog_covers_the_types_that_differ() -> None:
    """The bases hold a field of each type that the page about moving speaks of."""
    fields = [field for base in BASES for table in base["tables"] for field in table["fields"]]
    seen = {field["type"] for field in fields}

    assert seen >= {
        *("aiText", "autoNumber", "barcode", "button", "checkbox", "count", "createdBy"),
        *("createdTime", "date", "dateTime", "formula", "lastModifiedBy", "lastModifiedTime"),
        *("manualSort", "multipleAttachments", "multipleCollaborators", "multipleLookupValues"),
        *("multipleRecordLinks", "multipleSelects", "rating", "rollup", "singleCollaborator"),
        *("externalSyncSource", "lookup", UNKNOWN_TYPE),
    }
    assert all(upstream_schema(field)["type"] for field in fields)


def with_column(catalog: Message, column: str) -> Message:
    """A catalog of one stream with a text column more."""
    (configured,) = catalog["streams"]
    json_schema = configured["stream"]["json_schema"]
    properties = {**json_schema["properties"], column: {"type": ["null", "string"]}}
    stream = {**configured["stream"], "json_schema": {**json_schema, "properties": properties}}
    return {"streams": [{**configured, "stream": stream}]}


def test_oauth_settings(airtable: SimulatorProcess) -> None:
    """Settings that the other connector saved of an OAuth sign-in are gone on with, and saved."""
    base_ids = airtable.admin.load({"bases": [TABBED]})
    airtable.admin.add_oauth_client("client-id-moved", "client-secret-moved")
    grant = airtable.admin.add_oauth_grant(
        "client-id-moved", base_ids=base_ids, user_id="usrMoved000000001"
    )
    credentials = {
        "auth_method": "oauth2.0",
        "client_id": "client-id-moved",
        "client_secret": "client-secret-moved",
        "access_token": grant["access_token"],
        "token_expiry_date": "2024-03-01T10:00:00.000000+00:00",
        "refresh_token": grant["refresh_token"],
    }
    settings = {"credentials": credentials, "num_workers": 5, "add_base_id_to_stream_name": False}
    catalog = upstream_catalog(TABBED)
    run = Connector(airtable.url, settings).read(catalog, state=upstream_state(catalog))
    (saved,) = run.of_type("CONTROL")
    config = saved["connectorConfig"]["config"]
    today = airtable.admin.show_oauth_grant(grant["grant"])

    assert (run.exit_code, len(run.of_type("RECORD"))) == (0, 1)
    assert config["credentials"].keys() == credentials.keys()
    assert config["credentials"]["refresh_token"] == today["refresh_token"]
    assert {**config, "credentials": None} == {**settings, "credentials": None}


def test_ambiguous_stream(airtable: SimulatorProcess) -> None:
    """A stream whose table may be one of two fails with both, and the others are read."""
    before = a_base("Shop", a_table("Orders"))
    others = [a_base(name, *before["tables"]) for name in ("Shop of today", "Shop of 2025")]
    catalog = upstream_catalog(before, CORNERS)
    tenant = a_tenant(airtable, CORNERS, *others)
    run = tenant.connector.read(catalog, state=upstream_state(catalog))
    lost = catalog["streams"][0]["stream"]["name"]
    failure = run.failure_of(lost)

    assert run.exit_code == 1
    assert failure["failure_type"] == "config_error"
    for base in others:
        assert f"{base['name']}/Orders ({base['id']}/" in failure["message"]
    assert run.last_statuses == {lost: "INCOMPLETE", CORNER_STREAM: "COMPLETE"}
    assert len(run.records[CORNER_STREAM]) == 3


def test_deleted_field(tenant: Tenant) -> None:
    """The column of a field that was deleted is null, and the log says so."""
    catalog = with_column(upstream_catalog(CORNERS), "old_notes")
    run = tenant.connector.read(catalog, state=upstream_state(catalog))

    assert run.exit_code == 0
    assert [data.get("old_notes") for data in run.records[CORNER_STREAM]] == [None] * 3
    assert [line for line in run.warnings if "are null: old_notes." in line]


def test_name_that_begins_with_a_tab(airtable: SimulatorProcess) -> None:
    """A tab or line break around a name is stripped by a refresh; until then its column is null."""
    tenant = a_tenant(airtable, TABBED)
    (table,) = TABBED["tables"]
    name = tenant.stream_name(TABBED, table)
    (discovered,) = tenant.connector.run("discover").of_type("CATALOG")
    streams = {stream["name"]: stream for stream in discovered["streams"]}
    catalog = with_column(upstream_catalog(TABBED), "\tnotes\n")
    run = tenant.connector.read(catalog, state=upstream_state(catalog))

    assert "notes" in streams[name]["json_schema"]["properties"]
    assert "\tnotes\n" not in streams[name]["json_schema"]["properties"]
    assert run.exit_code == 0
    assert run.records[name][0].get("\tnotes\n") is None
    assert [line for line in run.warnings if "are null: \tnotes\n." in line]
