"""Accounts for tests of shared scans: synced again and again, on a clock that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from integration_tests.account_catalog import Discovered
from integration_tests.bases import a_base, a_field, a_table
from integration_tests.connector import a_catalog, a_tenant
from integration_tests.photo_studio import a_photo_studio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

STARTED_AT: Final = "2026-11-18T10:00:00.000Z"
HOUR: Final = 3_600


class Account:
    """Some bases, before anybody has synced them, and a clock that stands still."""

    def __init__(
        self,
        simulator: SimulatorProcess,
        *bases: Message,
        workers: int = 25,
        **incremental: Any,  # noqa: ANN401 - settings are JSON
    ) -> None:
        simulator.admin.clear_faults()
        simulator.admin.set_clock(STARTED_AT)
        self.admin = simulator.admin
        self.tenant: Tenant = a_tenant(
            simulator, *bases, num_workers=workers, incremental=incremental
        )
        self.found = Discovered(self.tenant.connector)

    def sync(
        self, catalog: Message, state: Sequence[Message] | None = None, *, exit_code: int = 0
    ) -> Run:
        """One sync, which ends as expected."""
        run = self.tenant.connector.read(catalog, state=state, on_fast_clock=True)
        assert run.exit_code == exit_code, run.failures
        return run

    def incremental(self, *streams: Message) -> Message:
        """A catalog of streams to be read incrementally."""
        return a_catalog(streams, sync_mode="incremental")

    def rows_of_tables(self, run: Run) -> dict[tuple[str, str, str], Message]:
        """What a run says in the tables' own streams, in the form of ``records``."""
        rows = {}
        for (base_id, table_id), stream in self.found.by_place.items():
            for data in run.records.get(stream["name"], ()):
                key = base_id, table_id, data["_airtable_id"]
                assert key not in rows
                rows[key] = _as_row(stream, data)
        return rows


def _as_row(stream: Message, data: Message) -> Message:
    field_ids = {
        name: declared["x-airtable"]["field_id"]
        for name, declared in stream["json_schema"]["properties"].items()
        if "field_id" in declared.get("x-airtable", {})
    }
    cells = {field_ids[name]: value for name, value in data.items() if name in field_ids}
    return {
        "created_time": data.get("_airtable_created_time"),
        "as_of": data["_airtable_as_of"],
        "deleted_at": data.get("_ab_cdc_deleted_at"),
        "cells": cells,
    }


def rows_of_records(run: Run) -> dict[tuple[str, str, str], Message]:
    """What a run says in the stream ``records``, by primary key."""
    rows = {}
    for data in run.records.get("records", ()):
        key = data["_base_id"], data["_table_id"], data["id"]
        assert key not in rows
        rows[key] = {
            "created_time": data.get("created_time"),
            "as_of": data["_as_of"],
            "deleted_at": data.get("_ab_cdc_deleted_at"),
            "cells": data.get("fields_by_id") or {},
        }
    return rows


def states_of(run: Run) -> dict[str, Message]:
    """The state that each stream leaves, by its name."""
    return {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]
        for state in run.states
    }


def mixed_bases() -> tuple[Message, Message]:
    """A studio, and a base of plain tables; one of its tables has a field that moves by itself."""
    formula = {"isValid": True, "formula": "TODAY()", "referencedFieldIds": []}
    today = a_field("Today", "formula", options={**formula, "result": {"type": "date"}})
    tables = (a_table("Notes", records=5), a_table("Days", today, records=4), a_table("Empty"))
    return a_photo_studio(), a_base("Plain", *tables)


def change(account: Account, step: int) -> None:
    """Edit, create and delete records, an hour and a half after the last sync."""
    account.admin.advance_clock(1.5 * HOUR)
    studio, plain = account.tenant.bases
    for base, table in ((studio, studio["tables"][0]), (plain, plain["tables"][0])):
        place = base["id"], table["id"]
        records = [record["id"] for record in table["records"]]
        account.admin.edit_record(*place, records[step], {"Name": f"edited in step {step}"})
        account.admin.create_record(*place, {"Name": f"created in step {step}"})
        account.admin.delete_record(*place, records[-1 - step])
    account.admin.edit_record(
        plain["id"], "Days", plain["tables"][1]["records"][0]["id"], {"Name": f"day {step}"}
    )


def tables_of(account: Account) -> list[Message]:
    """The tables of the bases' JSON, in their order."""
    return [table for base in account.tenant.bases for table in base["tables"]]
