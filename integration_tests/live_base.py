"""Builds, edits and empties the sample base in a real account, or in the simulator.

    export AIRTABLE_TOKEN=pat… AIRTABLE_WORKSPACE_ID=wsp…
    python -m integration_tests.live_base build
    python -m integration_tests.live_base edit app…
    python -m integration_tests.live_base push app… tbl… SYNC_ID
    python -m integration_tests.live_base remove app…

The token needs the scopes data.records:read, data.records:write, schema.bases:read and
schema.bases:write. A build makes some 170 requests in about a minute; an edit makes ten.
"""

from __future__ import annotations

import argparse
import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pyairtable.models.schema import MultipleRecordLinksFieldSchema

from integration_tests.live_api import WORKSPACE_VARIABLE, connect
from integration_tests.live_plan import (
    LIVE_BASE_NAME,
    TABLE_ORDER,
    plan_tables,
    to_written_cells,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyairtable import Base, Table

    from integration_tests.live_api import Account
    from integration_tests.live_plan import (
        Link,
        TablePlan,
    )

Json = dict[str, Any]

REVISED: Final = "revised@example.net"
RETIRED: Final = 5
"""Records that an edit deletes."""
PUSHED_ROWS: Final = 250
BY_HAND: Final = """\
The API cannot delete a base, a table or a field. To finish, open https://airtable.com/{base_id},
open the menu beside the base's name, and choose Delete base."""


@dataclass
class BuiltBase:
    """A base as it was built."""

    base_id: str
    table_ids: dict[str, str] = field(default_factory=dict)
    """By the sample's short name, such as ``orders``."""
    record_ids: dict[str, str] = field(default_factory=dict)
    """By the sample's record id."""
    left_out: list[str] = field(default_factory=list)


@dataclass
class Edits:
    """The ids of the records that an edit touched, by what became of them."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def build(account: Account, plans: Sequence[TablePlan] | None = None) -> BuiltBase:
    """Make the base with its tables and fields, then its records in batches of ten."""
    plans = plans or plan_tables()
    if not account.workspace_id:
        raise SystemExit(f"{WORKSPACE_VARIABLE} is not set: a base needs a workspace to be in.")
    # The first by itself, so that both ways to make a table are used.
    first, *others = plans
    base = account.api.create_base(account.workspace_id, LIVE_BASE_NAME, [_to_table(first)])
    tables = {first.key: base.table(first.name)}
    for plan in others:
        tables[plan.key] = base.create_table(plan.name, plan.fields, plan.description)
    ids = {table.name: table.id for table in base.schema(force=True).tables}
    built = BuiltBase(base.id, {plan.key: ids[plan.name] for plan in plans})
    for link in (link for plan in plans for link in plan.links):
        _make_link(base, built, link)
    user = account.api.whoami()["id"]
    for plan in plans:
        table = base.table(built.table_ids[plan.key])
        cells = [to_written_cells(plan, one, built.record_ids, user) for one in plan.records]
        made = table.batch_create(cells)
        pairs = zip(plan.records, made, strict=True)
        built.record_ids |= {given["id"]: created["id"] for given, created in pairs}
        built.left_out += [f"{plan.name}: {name}" for name in plan.left_out]
    return built


def _to_table(plan: TablePlan) -> Json:
    return {"name": plan.name, "description": plan.description, "fields": plan.fields}


def _make_link(base: Base, built: BuiltBase, link: Link) -> None:
    linked_id = built.table_ids[link.linked]
    table = base.table(built.table_ids[link.table])
    made = table.create_field(
        link.name, "multipleRecordLinks", options={"linkedTableId": linked_id}
    )
    linked = base.schema(force=True).table(linked_id)
    # The new field at the other end bears the name of the table that it leads to.
    (back,) = (
        one
        for one in linked.fields
        if isinstance(one, MultipleRecordLinksFieldSchema)
        and one.options.inverse_link_field_id == made.id
    )
    back.name = link.name_back
    back.save()


def edit(account: Account, base_id: str) -> Edits:
    """Change a built base in every way there is: merge, replace, merge by a key, create, delete."""
    base = _open_live_base(account, base_id)
    names = {plan.key: plan.name for plan in plan_tables() if plan.key in TABLE_ORDER}
    edits = Edits()

    customers = base.table(names["customers"])
    revised = customers.all(fields=["E-mail"], max_records=12)
    customers.batch_update([{"id": one["id"], "fields": {"E-mail": REVISED}} for one in revised])
    edits.changed += [one["id"] for one in revised]

    orders = base.table(names["orders"])
    (emptied,) = orders.all(fields=["Order", "Customer"], max_records=1)
    # Replaced by these two cells, it loses the others.
    orders.update(emptied["id"], emptied["fields"], replace=True)
    edits.changed.append(emptied["id"])

    suppliers = base.table(names["suppliers"])
    known = suppliers.all(fields=["Name"], max_records=1)
    contacts = [known[0]["fields"]["Name"], "New Mill"]
    done = suppliers.batch_upsert(
        [{"fields": {"Name": name, "Contact": REVISED}} for name in contacts], key_fields=["Name"]
    )
    edits.changed += done["updatedRecords"]
    edits.created += done["createdRecords"]

    ideas = base.table(names["ideas"])
    retired = [one["id"] for one in ideas.all(max_records=RETIRED)]
    ideas.batch_delete(retired)
    edits.deleted += retired
    made = ideas.batch_create([{"Idea": "Stollen 🎄", "Votes": 3}, {}])
    edits.created += [one["id"] for one in made]
    return edits


def push(account: Account, base_id: str, table_id: str, sync_id: str) -> int:
    """Replace a synced table's rows through the Sync API, which pyairtable does not have.

    The table and its sync are set up by hand: Add a table, Sync API.
    """
    _open_live_base(account, base_id)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["SKU", "Name", "Stock"])
    writer.writerows((number, f"Flour, type {number}", number * 3) for number in range(PUSHED_ROWS))
    answer = account.call(
        "POST",
        *(base_id, table_id, "sync", sync_id),
        data=text.getvalue().encode(),
        headers={"Content-Type": "text/csv"},
    )
    answer.raise_for_status()
    return PUSHED_ROWS


def remove(account: Account, base_id: str) -> int:
    """Delete all records of a built base, the most that the API can; gives how many."""
    base = _open_live_base(account, base_id)
    deleted = 0
    for table in base.tables(force=True):
        deleted += len(table.batch_delete([one["id"] for one in table.all(fields=[])]))
    return deleted


def _open_live_base(account: Account, base_id: str) -> Base:
    named = {base.id: base.name for base in account.api.bases(force=True)}
    if named.get(base_id) != LIVE_BASE_NAME:
        raise SystemExit(f"{base_id} is not a base named {LIVE_BASE_NAME!r}; it is left alone.")
    return account.base(base_id)


def open_table(account: Account, base_id: str, key: str) -> Table:
    """A table of a built base by the sample's short name; no other base is opened."""
    names = {plan.key: plan.name for plan in plan_tables()}
    return _open_live_base(account, base_id).table(names[key])


def main(arguments: list[str] | None = None, account: Account | None = None) -> None:
    """Run one command, and say what was done."""
    parser = argparse.ArgumentParser(
        prog="python -m integration_tests.live_base",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="make the base in AIRTABLE_WORKSPACE_ID")
    for name, wanted in (("edit", ()), ("remove", ()), ("push", ("table", "sync_id"))):
        command = commands.add_parser(name)
        for argument in ("base", *wanted):
            command.add_argument(argument)
    given = parser.parse_args(arguments)
    account = account or connect()
    match given.command:
        case "build":
            built = build(account)
            print(f"{built.base_id}: {LIVE_BASE_NAME}, {len(built.record_ids)} records")
            print("Computed fields cannot be made by the API. To have them, add by hand:")
            print("\n".join(f"  {name}" for name in built.left_out))
        case "edit":
            done = edit(account, given.base)
            counts = {name: len(ids) for name, ids in vars(done).items()}
            print(", ".join(f"{count} records {name}" for name, count in counts.items()))
        case "push":
            print(f"{push(account, given.base, given.table, given.sync_id)} rows pushed")
        case _:
            print(f"{remove(account, given.base)} records deleted")
            print(BY_HAND.format(base_id=given.base))


if __name__ == "__main__":
    main()
