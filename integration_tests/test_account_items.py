"""The streams ``links`` and ``attachments``: one row for each item of the bases' own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests import photo_studio
from integration_tests.account_catalog import (
    ALL_KEYS,
    FROM_SCANS,
    Discovered,
    assert_sound,
    assert_statuses,
    fields_asked,
    keys_of,
    places_of,
)
from integration_tests.airtable_simulator import sample_account
from integration_tests.bases import a_base, a_field, a_record, a_table, an_attachment
from integration_tests.connector import a_catalog, a_tenant, without_columns
from integration_tests.photo_studio import a_photo_studio
from integration_tests.real_bases import ARE_ABSENT, REASON, real_bases, sent_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

BASES: Final = {
    "studios": lambda: [a_photo_studio(), a_photo_studio("Second studio")],
    "sample": lambda: sample_account()["bases"],
    "real": real_bases,
}
ITEMS: Final = ("links", "attachments")
FIELD_TYPES: Final = {"links": "multipleRecordLinks", "attachments": "multipleAttachments"}


class Account:
    """Some bases, and reads of them of which the calls are counted."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.tables = places_of(tenant.bases)
        self.found = Discovered(tenant.connector)
        self.items = self.read(*self.found.of(*ITEMS))

    def read(self, *streams: Message) -> tuple[Run, Message]:
        """A read, and what was asked for it."""
        self.tenant.admin.reset_stats()
        run = self.tenant.connector.read(a_catalog(streams), on_fast_clock=True)
        assert run.exit_code == 0, run.failures
        return run, self.tenant.admin.stats(last=1000)

    def fields_of(self, stream: str) -> dict[str, set[str]]:
        """The fields of a stream's type, by the id of the table; only of tables that have some."""
        fields: dict[str, set[str]] = {}
        for (_, table_id), table in self.tables.items():
            for field in table["fields"]:
                if field["type"] == FIELD_TYPES[stream]:
                    fields.setdefault(table_id, set()).add(field["id"])
        return fields

    def iter_items(self, stream: str) -> Iterator[tuple[Message, Message, int, Any]]:
        """The items of the JSON: the place of each, its field, position, and itself."""
        for (base_id, table_id), table in self.tables.items():
            fields = [one for one in table["fields"] if one["type"] == FIELD_TYPES[stream]]
            for record in table["records"]:
                cells = sent_cells(table, record)
                for field in fields:
                    place = {"base_id": base_id, "table_id": table_id, "record_id": record["id"]}
                    for position, item in enumerate(cells.get(field["id"]) or ()):
                        yield {**place, "field_id": field["id"]}, field, position, item


@pytest.fixture(scope="module", params=BASES)
def account(airtable: SimulatorProcess, request: pytest.FixtureRequest) -> Account:
    """Photo studios, the sample base, or the real ones."""
    if request.param == "real" and ARE_ABSENT:
        pytest.skip(REASON)
    return Account(a_tenant(airtable, *BASES[request.param]()))


def test_every_link(account: Account) -> None:
    """The rows are the linked records of all cells, each in its position, and no others."""
    expected = [
        {
            **place,
            "position": position,
            **linked_table(field),
            "linked_record_id": item["id"] if isinstance(item, dict) else item,
        }
        for place, field, position, item in account.iter_items("links")
    ]
    run, _ = account.items

    assert expected
    assert in_order(run.records["links"], "links") == in_order(expected, "links")


def test_every_attachment(account: Account) -> None:
    """The rows are the attachments of all cells, as the JSON has them, and no others."""
    columns = ("id", "filename", "size", "type", "width", "height", "url")
    expected = [
        {**place, **{name: item[name] for name in columns if item.get(name) is not None}}
        for place, _, _, item in account.iter_items("attachments")
    ]
    run, _ = account.items
    rows = [
        {name: value for name, value in row.items() if name != "url_valid_until"}
        for row in run.records.get("attachments", ())
    ]

    assert in_order(rows, "attachments") == in_order(expected, "attachments")
    assert all("url_valid_until" in row for row in run.records.get("attachments", ()))


def linked_table(field: Message) -> Message:
    """What a link's row says of the other table; some real fields tell nothing of theirs."""
    options = field.get("options") or {}
    return {"linked_table_id": options["linkedTableId"]} if options else {}


def in_order(rows: list[Message], stream: str) -> list[Message]:
    """Rows in the order of their keys."""
    return sorted(rows, key=lambda row: [row[column] for column in ALL_KEYS[stream]])


def test_rows_are_sound(account: Account) -> None:
    """Rows fit their JSON schemas, keys are unique, statuses come once each and in order."""
    run, _ = account.items
    streams = account.found.of(*ITEMS)
    assert_sound(run, streams)
    assert_statuses(run, streams)


@pytest.mark.parametrize("stream", ITEMS)
def test_calls_alone(account: Account, stream: str) -> None:
    """Alone, the stream scans only the tables with such fields, and asks for these fields only."""
    run, stats = account.read(account.found.account[stream])
    wanted = account.fields_of(stream)
    scanned = [table for table in account.tables.values() if table["id"] in wanted]

    assert fields_asked(stats["last_calls"]) == wanted
    assert stats["by_kind"]["list_records"] == sum(map(pages, scanned))
    rows, same = (one.records.get(stream, []) for one in (run, account.items[0]))
    assert keys_of(in_order(rows, stream), stream) == keys_of(in_order(same, stream), stream)


def pages(table: Message) -> int:
    """The pages of a table."""
    return max(1, -(-len(table["records"]) // 100))


def test_calls_beside_the_tables(account: Account) -> None:
    """Beside the tables' streams, the three cost no call but the one that lists the bases."""
    alone, tables_alone = account.read(*account.found.tables)
    beside, all_together = account.read(*account.found.tables, *account.found.of(*FROM_SCANS))

    # A table's own stream is found by the ids in its JSON schema.
    assert all_together["by_kind"] == {"list_bases": 1, **tables_alone["by_kind"]}
    assert all_together["by_table"] == tables_alone["by_table"]
    assert sum(map(len, beside.records.values())) > sum(map(len, alone.records.values()))
    for stream in ITEMS:
        rows, same = (run.records.get(stream, []) for run in (beside, account.items[0]))
        assert keys_of(in_order(rows, stream), stream) == keys_of(in_order(same, stream), stream)


def test_counts_of_the_studio(airtable: SimulatorProcess) -> None:
    """The studio has 100 attachments and 178 links, in 2 pages."""
    account = Account(a_tenant(airtable, a_photo_studio()))
    run, stats = account.items

    assert len(run.records["attachments"]) == photo_studio.ATTACHMENTS
    assert len(run.records["links"]) == photo_studio.LINKS
    assert stats["by_kind"] == {"list_bases": 1, "base_schema": 1, "list_records": 2}


def test_no_such_field(airtable: SimulatorProcess) -> None:
    """Where no table has links or attachments, the streams end empty, without a scan."""
    account = Account(a_tenant(airtable, a_base("Plain", a_table("Notes"))))
    run, stats = account.items

    assert stats["by_kind"] == {"list_bases": 1, "base_schema": 1}
    assert_statuses(run, account.found.of(*ITEMS), empty=ITEMS)


def test_same_attachment_twice_in_a_cell(airtable: SimulatorProcess) -> None:
    """An attachment that stands twice in a cell is one row, and one for each cell that has it."""
    file = an_attachment("twice.pdf", 100)
    fields = [a_field(name, "multipleAttachments") for name in ("Files", "Copies")]
    record = a_record(Files=[file, file], Copies=[file])
    account = Account(a_tenant(airtable, a_base("Twice", a_table("X", *fields, records=[record]))))
    run, _ = account.items

    assert [row["field_id"] for row in run.records["attachments"]] == [one["id"] for one in fields]
    assert_sound(run, account.found.of("attachments"))


def test_deselected_columns(airtable: SimulatorProcess) -> None:
    """Columns that are not selected are not emitted."""
    account = Account(a_tenant(airtable, a_photo_studio()))
    run, _ = account.read(
        without_columns(account.found.account["links"], "linked_table_id"),
        without_columns(account.found.account["attachments"], "url", "url_valid_until", "width"),
    )

    keys = {name: set(ALL_KEYS[name]) for name in ITEMS}
    for row in run.records["links"]:
        assert row.keys() == keys["links"] | {"linked_record_id"}
    for row in run.records["attachments"]:
        assert row.keys() - keys["attachments"] <= {"filename", "size", "type", "height"}
    assert len(run.records["attachments"]) == photo_studio.ATTACHMENTS
