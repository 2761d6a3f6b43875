"""The stream ``records`` holds every record of the bases' own JSON, with all of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.account_catalog import (
    Discovered,
    assert_sound,
    assert_statuses,
    fields_asked,
    keys_of,
    places_of,
)
from integration_tests.airtable_simulator import sample_account
from integration_tests.bases import a_base, a_field, a_record, a_table
from integration_tests.connector import a_catalog, a_tenant, without_columns
from integration_tests.hostile_bases import HOSTILE_BASES
from integration_tests.real_bases import (
    ARE_ABSENT,
    REASON,
    is_error_value,
    is_same,
    real_bases,
    sent_cells,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

BASES: Final = {
    "sample": lambda: sample_account()["bases"],
    "hostile": lambda: list(HOSTILE_BASES),
    "real": real_bases,
}
PLAIN_TYPES: Final = frozenset(
    {
        *("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"),
        *("number", "percent", "currency", "rating", "duration", "checkbox", "date", "dateTime"),
        *("singleSelect", "multipleSelects", "multipleRecordLinks", "autoNumber", "count"),
        *("createdTime", "lastModifiedTime", "multipleAttachments", "barcode"),
    }
)
"""Fields whose cells arrive as Airtable sends them, where they fit."""

Key = tuple[str, str, str]


class Read:
    """Some bases, and a read of ``records`` alone."""

    def __init__(self, tenant: Tenant) -> None:
        self.tables = places_of(tenant.bases)
        self.stream = Discovered(tenant.connector).account["records"]
        self.run: Run = tenant.connector.read(a_catalog([self.stream]), on_fast_clock=True)
        self.rows = dict(
            zip(
                keys_of(self.run.records["records"], "records"),
                self.run.records["records"],
                strict=True,
            )
        )

    def iter_cells(self) -> Iterator[tuple[Message, Message, Any]]:
        """Each cell that Airtable sends: the row of its record, its field, and the cell."""
        for place, table in self.tables.items():
            fields = {field["id"]: field for field in table["fields"]}
            for record in table["records"]:
                key = (*place, record["id"])
                for field_id, cell in sent_cells(table, record).items():
                    yield self.rows[key], fields[field_id], cell


@pytest.fixture(scope="module", params=BASES)
def read(airtable: SimulatorProcess, request: pytest.FixtureRequest) -> Read:
    """The sample base, hostile ones, or the real ones."""
    if request.param == "real" and ARE_ABSENT:
        pytest.skip(REASON)
    return Read(a_tenant(airtable, *BASES[request.param]()))


def test_every_record_comes_once(read: Read) -> None:
    """The rows are the records of all tables, each once, with the times of their creation."""
    times = {
        (*place, record["id"]): record.get("createdTime")
        for place, table in read.tables.items()
        for record in table["records"]
    }

    assert read.run.exit_code == 0, read.run.failures
    assert_statuses(read.run, [read.stream])
    assert len(read.run.records["records"]) == len(times)
    assert read.rows.keys() == times.keys()
    for key, time in times.items():
        assert time in (None, read.rows[key]["created_time"])


def test_rows_are_sound(read: Read) -> None:
    """Rows fit the JSON schema, and keys are unique."""
    assert_sound(read.run, [read.stream])


def test_cells_are_those_of_the_json(read: Read) -> None:
    """A cell of a plain type stands in the row as it was sent, or among the errors."""
    compared = 0
    for row, field, cell in read.iter_cells():
        errors = row.get("_errors") or {}
        if field["type"] in PLAIN_TYPES:
            told = errors.get(field["id"], row["fields_by_id"].get(field["id"]))
            assert is_same(told, cell), (field, row["id"])
            compared += 1
    assert compared


def test_no_cell_is_lost(read: Read) -> None:
    """A cell of any type has a value or stands among the errors, and none is made up."""
    sent: dict[Key, set[str]] = {key: set() for key in read.rows}
    for row, field, cell in read.iter_cells():
        sent[row["_base_id"], row["_table_id"], row["id"]].add(field["id"])
        if is_error_value(cell):
            assert is_same((row["_errors"] or {})[field["id"]], cell)
    for key, row in read.rows.items():
        told = row["fields_by_id"].keys() | (row.get("_errors") or {}).keys()
        # An empty checkbox is not sent, and yet says no.
        unsent = {name for name in told - sent[key] if row["fields_by_id"][name] is not False}

        assert sent[key] - told == set()
        assert unsent == set()


def test_both_objects_hold_the_same(read: Read) -> None:
    """What stands by field name stands by field id, too."""
    for place, table in read.tables.items():
        names = {field["id"]: field["name"] for field in table["fields"]}
        for record in table["records"]:
            key = (*place, record["id"])
            row = read.rows[key]
            by_name = {names[key]: value for key, value in row["fields_by_id"].items()}
            assert row["fields"] == by_name


def test_twin_bases_are_told_apart(airtable: SimulatorProcess) -> None:
    """Records of a duplicated base have the other base's id, and the cells that they have there."""
    table = a_table("Shared", records=[a_record(Name="first")])
    record_id = table["records"][0]["id"]
    other = {**table, "records": [{**table["records"][0], "fields": {"Name": "other"}}]}
    bases = a_base("Twin", table), a_base("Twin", other)
    read = Read(a_tenant(airtable, *bases))

    names = {key: row["fields"]["Name"] for key, row in read.rows.items()}
    assert names == {
        (bases[0]["id"], table["id"], record_id): "first",
        (bases[1]["id"], table["id"], record_id): "other",
    }


def test_fields_of_the_same_name(airtable: SimulatorProcess) -> None:
    """Where two fields share a name, neither cell is lost."""
    fields = [a_field("Amount", "number", options={"precision": 0}) for _ in range(2)]
    cells = {field["id"]: number for number, field in enumerate(fields, 1)}
    record = {**a_record(), "fields": cells}
    base = a_base("Same names", a_table("Sums", *fields, records=[record]))
    (row,) = Read(a_tenant(airtable, base)).rows.values()

    assert row["fields_by_id"] == cells
    assert row["fields"] == {"Amount": 1, f"Amount ({fields[1]['id']})": 2}


def test_deselected_columns(airtable: SimulatorProcess) -> None:
    """Columns that are not selected are not emitted, and without cells one field is asked for."""
    base = a_base("Deselecting", a_table("Notes", a_field("Colour"), a_field("Size")))
    tenant = a_tenant(airtable, base)
    stream = without_columns(
        Discovered(tenant.connector).account["records"], "fields", "fields_by_id", "_errors"
    )
    tenant.admin.reset_stats()
    run = tenant.connector.read(a_catalog([stream]), on_fast_clock=True)
    calls = tenant.admin.stats()["last_calls"]

    assert len(run.records["records"]) == 3
    for row in run.records["records"]:
        assert row.keys() == {"_base_id", "_table_id", "id", "created_time", "_as_of"}
    (table,) = base["tables"]
    assert fields_asked(calls) == {table["id"]: {table["primaryFieldId"]}}
