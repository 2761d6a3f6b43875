"""The commands that add and restore whole tables, and that change many records at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .clock import to_wire_time
from .ids import make_id
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from .simulator import Simulator

Arguments = dict[str, Any]


def _find_table(simulator: Simulator, given: Arguments) -> Table:
    return simulator.account.base(given["base"]).table(given["table"])


def _add_table(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base, document = simulator.account.base(given["base"]), given["document"]
    if document["id"] in base.tables:
        raise ValueError(f"base {base.id} has a table {document['id']} already")
    base.add_table(Table(document, simulator.clock.now()))
    return {"id": document["id"]}


def _duplicate_table(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table, account = _find_table(simulator, given), simulator.account
    now = simulator.clock.now()
    made = account.make_id("tbl")
    # Options name fields by id, so all ids are replaced in the text.
    text = json.dumps({"fields": table.fields, "primaryFieldId": table.primary_field_id})
    new_ids = {field["id"]: make_id("fld", made, field["id"]) for field in table.fields}
    for old, new in new_ids.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    records = [
        {
            "id": make_id("rec", made, record.id),
            "createdTime": to_wire_time(now, keeps_milliseconds=True),
            "fields": {new_ids[key]: cell for key, cell in record.cells.items()},
        }
        for record in table.records.values()
    ]
    name = given.get("name") or f"{table.name} copy"
    copy = {"id": made, "name": name, "description": table.description, "records": records}
    account.base(given["base"]).add_table(Table({**copy, **json.loads(text)}, now))
    return {"id": made}


def _restore_table(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"id": simulator.account.base(given["base"]).restore_table(given["table"]).id}


def _restore_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"id": _find_table(simulator, given).restore_record(given["record"]).id}


def _create_records(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table, now = _find_table(simulator, given), simulator.clock.now()
    documents = [
        {"id": simulator.account.make_id("rec"), **document} for document in given["records"]
    ]
    return {"ids": [table.create_record(document, now).id for document in documents]}


def _edit_records(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table, now = _find_table(simulator, given), simulator.clock.now()
    is_user_edit = given.get("is_user_edit", True)
    for record_id, cells in given["records"].items():
        table.edit_record(record_id, cells, now, is_user_edit=is_user_edit)
    return {"edited": len(given["records"])}


def _delete_records(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table = _find_table(simulator, given)
    for record_id in given["records"]:
        table.delete_record(record_id)
    return {"deleted": len(given["records"])}


TABLE_COMMANDS: Final[dict[str, Callable[[Simulator, Arguments], Any]]] = {
    "add_table": _add_table,
    "create_records": _create_records,
    "delete_records": _delete_records,
    "duplicate_table": _duplicate_table,
    "edit_records": _edit_records,
    "restore_record": _restore_record,
    "restore_table": _restore_table,
}
