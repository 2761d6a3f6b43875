"""Both ends of a link: what is written at one is seen at the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Base
    from .record import Cells
    from .server import Simulator
    from .table import Table


def mirror_links(
    simulator: Simulator, base: Base, table: Table, record_id: str, before: Cells
) -> None:
    """Bring the linked records' cells in line with a record's, which were others before."""
    now, is_user_edit = simulator.clock.now(), simulator.settings.linked_record_is_modified
    record = table.records.get(record_id)
    for field in table.fields:
        if field["type"] != "multipleRecordLinks":
            continue
        options = field.get("options") or {}
        linked = base.tables.get(options.get("linkedTableId", ""))
        inverse = options.get("inverseLinkFieldId", "")
        if linked is None or linked.field_id(inverse) is None:
            continue
        old = before.get(field["id"]) or []
        new = (record.cells.get(field["id"]) or []) if record else []
        for target in old:
            if target not in new and target in linked.records:
                kept = linked.record(target).cells.get(inverse) or []
                cell = [one for one in kept if one != record_id]
                linked.edit_record(target, {inverse: cell}, now, is_user_edit=is_user_edit)
        for target in new:
            known = linked.record(target).cells.get(inverse) or []
            if record_id not in known:
                cell = [*known, record_id]
                linked.edit_record(target, {inverse: cell}, now, is_user_edit=is_user_edit)
