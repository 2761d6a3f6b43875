"""The streams ``bases``, ``tables``, ``fields`` and ``views`` say what the bases' own JSON says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_catalog import (
    METADATA,
    Discovered,
    assert_sound,
    assert_statuses,
    keys_of,
    places_of,
)
from integration_tests.airtable_simulator import sample_account
from integration_tests.bases import a_base, a_field, a_table
from integration_tests.connector import Tenant, a_catalog, a_tenant, without_columns
from integration_tests.hostile_bases import HOSTILE_BASES
from integration_tests.photo_studio import a_photo_studio
from integration_tests.real_bases import ARE_ABSENT, REASON, real_bases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run

BASES: Final = {
    "sample": lambda: sample_account()["bases"],
    "hostile": lambda: list(HOSTILE_BASES),
    "real": real_bases,
}


class Account:
    """Some bases, the streams that were discovered, and a read of the four metadata streams."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.bases = tenant.bases
        self.tables = places_of(tenant.bases)
        self.found = Discovered(tenant.connector)
        tenant.admin.reset_stats()
        self.read: Run = tenant.connector.read(
            a_catalog(self.found.of(*METADATA)), on_fast_clock=True
        )
        self.calls = tenant.admin.stats()["by_kind"]

    def rows(self, stream: str) -> dict[Any, Message]:
        """The rows of a stream, by primary key."""
        rows = self.read.records[stream]
        return dict(zip(keys_of(rows, stream), rows, strict=True))

    def iter_fields(self) -> Iterator[tuple[tuple[str, str], Message]]:
        """The fields of the JSON, each with its base's and table's id."""
        for place, table in self.tables.items():
            for field in table["fields"]:
                yield place, field


@pytest.fixture(scope="module", params=BASES)
def account(airtable: SimulatorProcess, request: pytest.FixtureRequest) -> Account:
    """The sample base, hostile ones, or the real ones."""
    if request.param == "real" and ARE_ABSENT:
        pytest.skip(REASON)
    return Account(a_tenant(airtable, *BASES[request.param]()))


def test_calls(account: Account) -> None:
    """The four streams cost what discovery costs: the list of bases, and one call for each base."""
    assert account.read.exit_code == 0, account.read.failures
    assert account.calls == {"list_bases": 1, "base_schema": len(account.bases)}


def test_rows_are_sound(account: Account) -> None:
    """Rows fit their JSON schemas, keys are unique, statuses come once each and in order."""
    streams = account.found.of(*METADATA)
    assert_sound(account.read, streams)
    assert_statuses(account.read, streams)


def test_bases(account: Account) -> None:
    """Each base comes once, with its name and permission level."""
    assert account.rows("bases") == {
        (base["id"],): {
            "id": base["id"],
            "name": base["name"],
            "permission_level": base.get("permissionLevel", "create"),
        }
        for base in account.bases
    }


def test_tables(account: Account) -> None:
    """Each table comes once, with the name of the stream that was discovered for it."""
    expected = {}
    for place, table in account.tables.items():
        row = {
            "base_id": place[0],
            "id": table["id"],
            "name": table["name"],
            "description": table.get("description"),
            "primary_field_id": table["primaryFieldId"],
            "stream_name": account.found.by_place[place]["name"],
        }
        expected[place] = {name: value for name, value in row.items() if value is not None}

    assert account.rows("tables") == expected


def test_fields(account: Account) -> None:
    """Each field comes once, with its type, options and description as the JSON has them."""
    rows = account.rows("fields")
    expected = dict.fromkeys((*place, field["id"]) for place, field in account.iter_fields())

    assert rows.keys() == expected.keys()
    for place, field in account.iter_fields():
        key = (*place, field["id"])
        row = rows[key]
        assert row["name"] == field["name"]
        assert row["type"] == field["type"]
        assert row.get("description") == field.get("description")
        assert row.get("options") == field.get("options")
        assert row["is_primary"] == (field["id"] == account.tables[place]["primaryFieldId"])


def test_columns_of_fields(account: Account) -> None:
    """A field's column is the one of its table's stream that discovery says is fed by it."""
    for (base_id, table_id, field_id), row in account.rows("fields").items():
        stream = account.found.by_place[base_id, table_id]
        column = stream["json_schema"]["properties"][row["column_name"]]

        assert row["stream_name"] == stream["name"]
        assert column["x-airtable"]["field_id"] == field_id


def test_views(account: Account) -> None:
    """Each view comes once; a table that tells none has the grid that Airtable gives it."""
    rows = account.rows("views")
    given = {
        (*place, view["id"]): view
        for place, table in account.tables.items()
        for view in table.get("views") or ()
    }
    silent = {place for place, table in account.tables.items() if not table.get("views")}

    assert len(rows) == len(given) + len(silent)
    assert {key[:2] for key in rows if key not in given} == silent
    for key, view in given.items():
        assert (rows[key]["name"], rows[key]["type"]) == (view["name"], view["type"])
        assert rows[key].get("personal_for_user_id") == view.get("personalForUserId")


def test_personal_view(airtable: SimulatorProcess) -> None:
    """A personal view tells whose it is."""
    view = {"id": "viwQpsuEDqHFqegkp", "name": "Mine", "type": "kanban"}
    owned = {**view, "personalForUserId": "usrL2PNC5o3H4lBE1"}
    base = a_base("Personal", a_table("Notes", views=[owned]))
    account = Account(a_tenant(airtable, base))

    assert account.read.records["views"] == [
        {
            "base_id": base["id"],
            "table_id": base["tables"][0]["id"],
            **view,
            "personal_for_user_id": "usrL2PNC5o3H4lBE1",
        }
    ]


def test_names_by_ids(airtable: SimulatorProcess) -> None:
    """With streams and columns named by ids, the two streams tell these names."""
    tenant = a_tenant(airtable, a_photo_studio(), stream_names="ids", column_names="ids")
    account = Account(tenant)

    assert account.rows("tables").keys() == account.tables.keys()
    for row in account.read.records["fields"]:
        assert row["column_name"] == row["id"]
        stream = account.found.by_place[row["base_id"], row["table_id"]]
        assert row["stream_name"] == stream["name"]
        assert row["column_name"] in stream["json_schema"]["properties"]


def test_selected_bases_and_tables(airtable: SimulatorProcess) -> None:
    """The settings' bases and tables are what the streams hold; others cost no call."""
    wanted = a_base("Wanted", a_table("One"), a_table("Other"))
    tenant = a_tenant(airtable, wanted, a_base("Unwanted", a_table("One")))
    tables = [wanted["tables"][0]["id"]]
    settings = {"base_ids": [wanted["id"]], "table_ids": tables}
    account = Account(Tenant(airtable, tenant.bases, tenant.token, settings))

    assert account.calls == {"list_bases": 1, "base_schema": 1}
    assert [row["id"] for row in account.read.records["bases"]] == [wanted["id"]]
    assert [row["id"] for row in account.read.records["tables"]] == tables
    assert {row["table_id"] for row in account.read.records["fields"]} == set(tables)
    assert {row["table_id"] for row in account.read.records["views"]} == set(tables)


def test_renames_are_followed_by_id(airtable: SimulatorProcess) -> None:
    """After renames, table and field have other stream and column names, and the ids they had."""
    notes = a_table("Notes", a_field("Colour"))
    tenant = a_tenant(airtable, a_base("Renaming", notes))
    before = Account(tenant)
    base_id, field_id = tenant.bases[0]["id"], notes["fields"][1]["id"]
    tenant.admin.rename_table(base_id, notes["id"], "Remarks")
    tenant.admin.rename_field(base_id, notes["id"], field_id, "Shade")
    after = Account(tenant)

    names = {
        account: (
            account.rows("tables")[base_id, notes["id"]]["stream_name"],
            account.rows("fields")[base_id, notes["id"], field_id]["column_name"],
        )
        for account in (before, after)
    }
    assert names[before] == (f"renaming/notes/{notes['id']}", "colour")
    assert names[after] == (f"renaming/remarks/{notes['id']}", "shade")
    assert before.rows("fields").keys() == after.rows("fields").keys()


def test_deselected_columns(airtable: SimulatorProcess) -> None:
    """Columns that are not selected are not emitted, and no other ones are lost."""
    tenant = a_tenant(airtable, a_base("Deselecting", a_table("Notes", a_field("Colour"))))
    found = Discovered(tenant.connector)
    fields = without_columns(found.account["fields"], "options", "description", "name", "type")
    read = tenant.connector.read(a_catalog([fields]), on_fast_clock=True)

    assert len(read.records["fields"]) == 2
    for row in read.records["fields"]:
        expected = {"base_id", "table_id", "id", "is_primary", "stream_name", "column_name"}
        assert row.keys() == expected


def test_account_without_tables(airtable: SimulatorProcess) -> None:
    """When the only table is gone, there is the base, and the other streams end empty."""
    tenant = a_tenant(airtable, a_base("Emptied", a_table("Notes")))
    streams = Discovered(tenant.connector).of(*METADATA)
    tenant.admin.delete_table(tenant.bases[0]["id"], "Notes")
    read = tenant.connector.read(a_catalog(streams), on_fast_clock=True)

    assert read.exit_code == 0, read.failures
    assert_statuses(read, streams, empty=("tables", "fields", "views"))
