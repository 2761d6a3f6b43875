"""The payloads of webhooks: what each one is shown of an action.

See: https://airtable.com/developers/web/api/model/webhooks-payload
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .clock import to_wire_time
from .specifications import RECORD_KEYS, SpecifiedFilter
from .webhook_cells import CellView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .account import Base, FieldDict, PersonalAccessToken, Record, Table
    from .changes import Changes, TableChanges
    from .settings import Settings
    from .simulator import Simulator
    from .specifications import TableChange
    from .webhook_log import Payload, Webhook

FORMAT: Final = "v0"
INVALID_HOOK: Final = "INVALID_HOOK"
INVALID_FILTERS: Final = "INVALID_FILTERS"
ERROR_CODES: Final = (INVALID_FILTERS, INVALID_HOOK, "INTERNAL_ERROR")


def report_changes(
    simulator: Simulator, base_id: str | None, source: str, token: PersonalAccessToken | None = None
) -> None:
    """Show what the action that ends here changed to the webhooks of a base."""
    base = simulator.account.bases.get(base_id or "")
    changes = base.changes.take() if base else None
    if base is not None and changes is not None:
        _Report(simulator, base, changes).send(source, token)


def fail_webhook(base: Base, webhook: Webhook, code: str, now: float) -> None:
    """Put a webhook in error. It has an error payload now, and one for each later action."""
    webhook.error_code = code
    webhook.append(now, {**_header(base, now), "error": True, "code": code})


def empty_payload(base: Base, now: float) -> Payload:
    """The payload of an action whose changes nobody needs to know."""
    base.transactions += 1
    return {**_header(base, now), "actionMetadata": {"source": "client"}}


def _header(base: Base, now: float) -> Payload:
    return {
        "timestamp": to_wire_time(now, keeps_milliseconds=True),
        "baseTransactionNumber": base.transactions,
        "payloadFormat": FORMAT,
    }


class _Report:
    """One action in a base."""

    def __init__(self, simulator: Simulator, base: Base, changes: Changes) -> None:
        self._settings: Settings = simulator.settings
        self._base = base
        self._changes = changes
        self._now = simulator.clock.now()
        self._views: dict[str, CellView] = {}

    def send(self, source: str, token: PersonalAccessToken | None) -> None:
        """Append the action's payloads to each webhook: the actor's, then those of Airtable."""
        if self._settings.webhooks_report_link_renames:
            self._note_linking_records()
        by_actor: dict[str, TableChange] = {}
        recomputed: dict[str, TableChange] = {}
        for table_id, noted in self._changes.tables.items():
            table = self._base.tables.get(table_id)
            if table is not None and table_id not in self._changes.created_tables:
                by_actor[table_id] = self._by_actor(table, noted)
                recomputed[table_id] = {"changedRecordsById": self._recomputed(table, noted)}
        if not self._settings.webhooks_report_computed:
            recomputed = {}
        created = {one: self._new_table(self._base.tables[one]) for one in self._created_table_ids}
        self._base.transactions += 1
        self._base.drop_gone_webhooks(self._now)
        actor = _actor(source, token, self._base.permission_level)
        for webhook in self._base.webhooks.values():
            webhook.forget_aged(self._now)
            if not webhook.is_enabled(self._now):
                continue
            watch = SpecifiedFilter(webhook.specification, self._base)
            code = webhook.error_code or self._error_of(watch)
            if code is not None:
                fail_webhook(self._base, webhook, code, self._now)
                continue
            if watch.takes_source(source):
                self._append(webhook, watch, actor, by_actor, self._tables(watch, created))
            if watch.takes_source("system"):
                self._append(webhook, watch, {"source": "system"}, recomputed, {})

    @property
    def _created_table_ids(self) -> list[str]:
        return [one for one in self._changes.created_tables if one in self._base.tables]

    def _note_linking_records(self) -> None:
        """Note the links to records that have a new name."""
        for table_id, noted in list(self._changes.tables.items()):
            table = self._base.tables.get(table_id)
            if table is None:
                continue
            renamed = [
                key for key, ids in noted.changed_records.items() if table.primary_field_id in ids
            ]
            for field in table.fields:
                options = field.get("options") or {}
                linked = self._base.tables.get(options.get("linkedTableId", ""))
                inverse = options.get("inverseLinkFieldId")
                if linked is None or inverse is None:
                    continue
                for key in renamed:
                    for other in table.records[key].cells.get(field["id"]) or ():
                        noted_there = self._changes.table(linked.id)
                        noted_there.change_record(other, [inverse], is_recomputed=True)

    def _view(self, table: Table) -> CellView:
        known = self._views.get(table.id)
        if known is None:
            known = self._views[table.id] = CellView(self._base, table)
        return known

    def _by_actor(self, table: Table, noted: TableChanges) -> TableChange:
        fields = {given["id"]: given for given in table.fields}
        records = table.records
        change: TableChange = {
            "createdRecordsById": {
                key: self._new_record(table, records[key])
                for key in noted.created_records
                if key in records
            },
            "changedRecordsById": self._changed(table, noted.changed_records),
            "destroyedRecordIds": noted.destroyed_records,
            "createdFieldsById": {
                key: _definition(fields[key]) for key in noted.created_fields if key in fields
            },
            "changedFieldsById": {
                key: {"current": _definition(fields[key]), "previous": _definition(before)}
                for key, before in noted.changed_fields.items()
                if key in fields
            },
            "destroyedFieldIds": noted.destroyed_fields,
        }
        if noted.previous_metadata is not None:
            before = noted.previous_metadata
            change["changedMetadata"] = {"current": table.metadata(), "previous": before}
        return change

    def _recomputed(self, table: Table, noted: TableChanges) -> dict[str, Any]:
        return self._changed(table, noted.recomputed_records)

    def _changed(self, table: Table, changed: Mapping[str, set[str]]) -> dict[str, Any]:
        view, records = self._view(table), table.records
        return {
            key: {"current": {"cellValuesByFieldId": view.some_cells(records[key], field_ids)}}
            for key, field_ids in changed.items()
            if key in records
        }

    def _new_record(self, table: Table, record: Record) -> dict[str, Any]:
        return {
            "createdTime": to_wire_time(record.created_at),
            "cellValuesByFieldId": self._view(table).every_cell(record),
        }

    def _new_table(self, table: Table) -> dict[str, Any]:
        return {
            "metadata": table.metadata(),
            "fieldsById": {given["id"]: _definition(given) for given in table.fields},
            "recordsById": {
                key: self._new_record(table, record) for key, record in table.records.items()
            },
        }

    def _error_of(self, watch: SpecifiedFilter) -> str | None:
        """The error that the action puts a webhook in: it deletes a watched field or the scope."""
        if watch.scope is not None and watch.table is None:
            return INVALID_FILTERS
        if not watch.field_ids:
            return None
        known = {one["id"] for table in self._base.tables.values() for one in table.fields}
        return INVALID_HOOK if watch.field_ids - known else None

    def _tables(self, watch: SpecifiedFilter, created: dict[str, Any]) -> Payload:
        """The parts of a payload that show created and deleted tables."""
        need_metadata = self._settings.webhook_tables_need_metadata
        shown: Payload = {}
        if created and watch.takes_tables("add", need_metadata=need_metadata):
            shown["createdTablesById"] = created
        destroyed = self._changes.destroyed_tables
        if destroyed and watch.takes_tables("remove", need_metadata=need_metadata):
            shown["destroyedTableIds"] = destroyed
        return shown

    def _append(
        self,
        webhook: Webhook,
        watch: SpecifiedFilter,
        actor: dict[str, Any],
        changes: dict[str, TableChange],
        tables: Payload,
    ) -> None:
        shown = {key: watch.filtered(key, change) for key, change in changes.items()}
        parts = [
            {"changedTablesById": part}
            for part in _split(
                {key: change for key, change in shown.items() if change},
                self._settings.webhook_records_per_payload,
            )
        ]
        if tables:
            parts[:1] = [{**tables, **(parts[0] if parts else {})}]
        for part in parts:
            header = {**_header(self._base, self._now), "actionMetadata": actor}
            webhook.append(self._now, {**header, **part})


def _split(
    changes: dict[str, TableChange], most_records: int | None
) -> Iterator[dict[str, TableChange]]:
    """Split changes into parts of so many records."""
    if most_records is None:
        if changes:
            yield changes
        return
    part: dict[str, TableChange] = {
        table_id: others
        for table_id, change in changes.items()
        if (others := {key: value for key, value in change.items() if key not in RECORD_KEYS})
    }
    count = 0
    for table_id, change in changes.items():
        for key in RECORD_KEYS:
            for record_id in change.get(key, ()):
                if count == most_records:
                    yield part
                    part, count = {}, 0
                count += 1
                there = part.setdefault(table_id, {})
                if isinstance(change[key], list):
                    there.setdefault(key, []).append(record_id)
                else:
                    there.setdefault(key, {})[record_id] = change[key][record_id]
    if part:
        yield part


def _definition(field: FieldDict) -> dict[str, str]:
    return {"name": field["name"], "type": field["type"]}


def _actor(source: str, token: PersonalAccessToken | None, level: str) -> dict[str, Any]:
    """Who acts, in Airtable's words."""
    if token is None:
        return {"source": source}
    user = {"id": token.user_id, "email": token.email, "permissionLevel": level}
    return {"source": source, "sourceMetadata": {"user": user}}
