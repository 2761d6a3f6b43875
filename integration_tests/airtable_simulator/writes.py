"""The endpoints that write records; a batch is written as a whole or not at all.

See: https://airtable.com/developers/web/api/create-records
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import errors
from .access import EDITORS, open_record, open_table
from .computed_cells import Recomputation, editor_cells, first_cells
from .endpoints import Endpoint, read_body
from .rendering import begin_reading, renderer
from .wire import is_empty, to_json
from .written_attachments import fetch_sources
from .written_cells import READ_ONLY_TYPES, CellWriter

if TYPE_CHECKING:
    from aiohttp import web

    from .account import Base
    from .endpoints import Request
    from .record import Cells, Record
    from .simulator import Simulator
    from .table import Table

Json = Any
MOST_RECORDS: Final = 10
MOST_MERGE_FIELDS: Final = 3
MERGE_TYPES: Final = frozenset(
    {"date", "email", "multilineText", "multipleSelects", "number", "singleLineText"}
    | {"phoneNumber", "singleSelect", "url"}
)


def write_records(simulator: Simulator, request: Request) -> bytes:
    """Create, change, replace or delete one record or a batch.

    Raises: ``Refusal`` for what Airtable refuses. Nothing changes then.
    """
    base, table = open_table(simulator, request)
    if not isinstance(request.body, dict):
        raise errors.invalid_request()
    if "record" in request.names:
        open_record(table, request.names["record"])
    return _RecordWrite(simulator, base, table, request).perform()


async def read_deletion(request: web.Request) -> dict[str, list[str]]:
    """Read the ids of the records to delete from the query."""
    query = request.rel_url.query
    return {"records": [*query.getall("records[]", []), *query.getall("records", [])]}


class _RecordWrite:
    """One request that creates, changes or deletes records."""

    def __init__(self, simulator: Simulator, base: Base, table: Table, request: Request) -> None:
        self._simulator = simulator
        self._base = base
        self._table = table
        self._kind = request.endpoint.kind
        self._record_id = request.names.get("record")
        self._body: dict[str, Json] = request.body
        self._now = simulator.clock.now()
        typecast = self._body.get("typecast") is True
        self._writer = CellWriter(simulator, base, table, request, typecast=typecast)
        self._request = request
        self._written: list[tuple[Table, str]] = []

    def perform(self) -> bytes:
        """Perform the write. The answer to a single record is the record itself."""
        if self._kind == "delete_records":
            return self._delete(self._record_id)
        replaces = self._kind == "replace_records"
        is_single = self._record_id is not None or "records" not in self._body
        if is_single:
            given = [{"id": self._record_id, "fields": self._body.get("fields")}]
        else:
            given = _batch(self._body["records"])
        upsert = self._body.get("performUpsert")
        if upsert is not None and self._kind != "create_records":
            return self._upsert(given, upsert, replaces=replaces)
        cells = [self._writer.to_cells(one.get("fields", {})) for one in given]
        if self._kind == "create_records":
            self._writer.commit()
            records = [self._create(one) for one in cells]
        else:
            ids = self._known_ids(given)
            self._writer.commit()
            pairs = zip(ids, cells, strict=True)
            records = [self._edit(key, one, replaces=replaces) for key, one in pairs]
        shown = self._show(records)
        return shown[0] if is_single else b'{"records":[%s]}' % b",".join(shown)

    def _delete(self, record_id: str | None) -> bytes:
        ids = _batch(self._body["records"] if record_id is None else [record_id], of=str)
        for one in ids:
            if one not in self._table.records:
                raise errors.no_such_row(one)
        for one in ids:
            cells = dict(self._table.record(one).cells)
            self._table.delete_record(one)
            self._mirror(one, cells)
        self._recompute()
        shown = [{"id": one, "deleted": True} for one in ids]
        return to_json(shown[0] if record_id is not None else {"records": shown})

    def _upsert(self, given: list[Json], upsert: Json, *, replaces: bool) -> bytes:
        keys = self._merge_keys(upsert)
        created, updated, records = [], [], []
        plan: list[tuple[str | None, Cells]] = []
        for one in given:
            cells = self._writer.to_cells(one.get("fields", {}))
            plan.append((one.get("id") or self._match(keys, cells), cells))
        known = [key for key, _ in plan if key is not None]
        self._known_ids([{"id": key} for key in known])
        self._writer.commit()
        for key, cells in plan:
            if key is None:
                record = self._create(cells)
                created.append(record.id)
            else:
                record = self._edit(key, cells, replaces=replaces)
                updated.append(key)
            records.append(record)
        lists = to_json({"createdRecords": created, "updatedRecords": updated})
        return b'%s,"records":[%s]}' % (lists[:-1], b",".join(self._show(records)))

    def _merge_keys(self, upsert: Json) -> list[str]:
        names = upsert.get("fieldsToMergeOn") if isinstance(upsert, dict) else None
        if not isinstance(names, list) or not 1 <= len(names) <= MOST_MERGE_FIELDS:
            raise errors.invalid_request()
        keys = []
        for name in names:
            key = self._table.field_id(name)
            if key is None:
                raise errors.unknown_field_name(str(name))
            if self._table.field(key)["type"] not in MERGE_TYPES:
                raise errors.invalid_request("a field to merge on has an unsupported type")
            keys.append(key)
        return keys

    def _match(self, keys: list[str], cells: Cells) -> str | None:
        if not all(key in cells for key in keys):
            raise errors.invalid_request("a record lacks a field to merge on")
        found = [
            record.id
            for record in self._table.records.values()
            if all(record.cells.get(key) == cells[key] for key in keys)
        ]
        if len(found) > 1:
            raise errors.invalid_request("several records match the fields to merge on")
        return found[0] if found else None

    def _known_ids(self, given: list[Json]) -> list[str]:
        ids = [one.get("id") for one in given]
        if len(set(ids)) != len(ids):
            raise errors.invalid_request("a record is named twice")
        for key in ids:
            if key not in self._table.records:
                raise errors.no_such_row(str(key))
        return ids

    def _create(self, cells: Cells) -> Record:
        kept = {key: cell for key, cell in cells.items() if not is_empty(cell)}
        first = first_cells(self._table, self._request.token.user)
        document = {"id": self._simulator.account.make_id("rec"), "fields": {**kept, **first}}
        record = self._table.create_record(document, self._now)
        self._mirror(record.id, {})
        return record

    def _edit(self, record_id: str, cells: Cells, *, replaces: bool) -> Record:
        before = dict(self._table.record(record_id).cells)
        if replaces:
            editable = (f["id"] for f in self._table.fields if f["type"] not in READ_ONLY_TYPES)
            cells = {**dict.fromkeys(key for key in editable if key in before), **cells}
        record = self._table.edit_record(record_id, cells, self._now)
        edited = editor_cells(self._table, self._request.token.user)
        self._table.edit_record(record_id, edited, self._now, is_user_edit=False)
        self._mirror(record_id, before)
        return record

    def _mirror(self, record_id: str, before: Cells) -> None:
        mirrored = _mirror_links(self._simulator, self._base, self._table, record_id, before)
        self._written += [(self._table, record_id), *mirrored]

    def _recompute(self) -> None:
        Recomputation(self._base, self._simulator.settings, self._now).run(self._written)

    def _show(self, records: list[Record]) -> list[bytes]:
        self._recompute()
        by_field_id = bool(self._body.get("returnFieldsByFieldId"))
        projection = self._table.projection(None, by_field_id=by_field_id, has_comment_count=False)
        reading = begin_reading(self._simulator, self._request)
        render = renderer(self._simulator.files, reading, self._table, projection)
        return [render(record) for record in records]


def _batch(given: Json, of: type = dict) -> list[Json]:
    is_batch = isinstance(given, list) and 1 <= len(given) <= MOST_RECORDS
    if not is_batch or not all(isinstance(one, of) for one in given):
        raise errors.invalid_request(f"between 1 and {MOST_RECORDS} records are expected")
    return list(given)


def _mirror_links(
    simulator: Simulator, base: Base, table: Table, record_id: str, before: Cells
) -> list[tuple[Table, str]]:
    """Write a record's changed links into the records at their other ends. Return these."""
    mirrored = []
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
                mirrored.append((linked, target))
        for target in new:
            known = linked.record(target).cells.get(inverse) or []
            if record_id not in known:
                cell = [*known, record_id]
                linked.edit_record(target, {inverse: cell}, now, is_user_edit=is_user_edit)
                mirrored.append((linked, target))
    return mirrored


SCOPES: Final = ("data.records:write",)
TABLE_PATH: Final = "/v0/{base}/{table}"
KINDS: Final = {
    "POST": "create_records",
    "PATCH": "update_records",
    "PUT": "replace_records",
    "DELETE": "delete_records",
}


def _writing(method: str, path: str) -> Endpoint:
    return Endpoint(
        KINDS[method],
        method,
        path,
        write_records,
        scopes=SCOPES,
        levels=EDITORS,
        is_counted=True,
        read=read_deletion if method == "DELETE" else read_body,
        prepare=None if method == "DELETE" else fetch_sources,
    )


ENDPOINTS: Final = (
    *(_writing(method, TABLE_PATH) for method in KINDS),
    *(_writing(method, f"{TABLE_PATH}/{{record}}") for method in ("PATCH", "PUT", "DELETE")),
)
