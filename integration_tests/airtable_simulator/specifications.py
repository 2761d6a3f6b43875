"""Specifications of webhooks: which are taken, and what a webhook shows of a change.

See: https://airtable.com/developers/web/api/model/webhooks-specification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import errors

if TYPE_CHECKING:
    from .account import Base, Table

Json = Any
TableChange = dict[str, Json]
"""A table's part of a payload, by Airtable's keys, such as ``createdRecordsById``."""

DATA_TYPES: Final = ("tableData", "tableFields", "tableMetadata")
CHANGE_TYPES: Final = ("add", "remove", "update")
SOURCES: Final = (
    *("anonymousUser", "automation", "client", "formPageSubmission", "formSubmission"),
    *("publicApi", "sync", "system", "unknown"),
)
LISTS: Final[dict[str, tuple[str, ...] | None]] = {
    "dataTypes": DATA_TYPES,
    "changeTypes": CHANGE_TYPES,
    "fromSources": SOURCES,
    "watchDataInFieldIds": None,
    "watchSchemasOfFieldIds": None,
}
"""The filters that are lists, with their words. None: field ids."""
OTHER_FILTERS: Final = ("recordChangeScope", "sourceOptions")
KEYS: Final = {
    "createdRecordsById": ("tableData", "add"),
    "changedRecordsById": ("tableData", "update"),
    "destroyedRecordIds": ("tableData", "remove"),
    "createdFieldsById": ("tableFields", "add"),
    "changedFieldsById": ("tableFields", "update"),
    "destroyedFieldIds": ("tableFields", "remove"),
    "changedMetadata": ("tableMetadata", "update"),
}
"""By key of a table's change: its data type and its change type."""
RECORD_KEYS: Final = tuple(key for key, (data, _) in KEYS.items() if data == "tableData")


def check_specification(given: Json, base: Base) -> None:
    """Refuse a specification with 422 that Airtable does not take."""
    options = given.get("options") if isinstance(given, dict) else None
    filters = options.get("filters") if isinstance(options, dict) else None
    if not isinstance(filters, dict) or filters.keys() - {*LISTS, *OTHER_FILTERS}:
        raise errors.invalid_request("a specification has options with filters")
    for name, words in LISTS.items():
        value = filters.get(name, [])
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not is_list or (words is not None and set(value) - set(words)):
            raise errors.invalid_request(f"{name} has an unknown value")
    if not filters.get("dataTypes"):
        raise errors.invalid_request("dataTypes is missing")
    watch = SpecifiedFilter(given, base)
    if watch.scope is not None and watch.table is None:
        raise errors.invalid_request("recordChangeScope names no table or view")
    known = {field["id"] for table in base.tables.values() for field in table.fields}
    if watch.field_ids - known:
        raise errors.invalid_request("a watched field does not exist")


class SpecifiedFilter:
    """The filter of one specification, for the base as it is now."""

    def __init__(self, specification: Json, base: Base) -> None:
        """Read a specification."""
        options = specification["options"]
        filters = options["filters"]
        self._data_types = set(filters["dataTypes"])
        self._change_types = set(filters.get("changeTypes") or CHANGE_TYPES)
        self._sources = set(filters.get("fromSources") or SOURCES)
        self._data_field_ids = set(filters.get("watchDataInFieldIds") or ())
        self._schema_field_ids = set(filters.get("watchSchemasOfFieldIds") or ())
        includes = options.get("includes") or {}
        self._shows_previous_fields = bool(includes.get("includePreviousFieldDefinitions"))
        self.scope: str | None = filters.get("recordChangeScope")
        """The id of a table or view."""
        self.table = _table_of(self.scope, base)
        """The table of the scope."""

    @property
    def field_ids(self) -> set[str]:
        """The watched fields. Without one of them the webhook is in error."""
        return self._data_field_ids | self._schema_field_ids

    def takes_source(self, source: str) -> bool:
        """Whether changes of a source are shown."""
        return source in self._sources

    def takes_tables(self, change_type: str, *, need_metadata: bool) -> bool:
        """Whether created or deleted tables are shown."""
        is_watched = not need_metadata or "tableMetadata" in self._data_types
        return is_watched and self.scope is None and change_type in self._change_types

    def filtered(self, table_id: str, change: TableChange) -> TableChange:
        """What is shown of a table's change."""
        if self.scope is not None and (self.table is None or self.table.id != table_id):
            return {}
        shown = {key: change[key] for key in change if self._takes(key)}
        self._keep_watched_fields(shown)
        if self.scope is not None and self.scope.startswith("viw") and self.table is not None:
            shown = self._view_change(shown, self.scope, self.table)
        return {key: value for key, value in shown.items() if value}

    def _takes(self, key: str) -> bool:
        data_type, change_type = KEYS[key]
        return data_type in self._data_types and change_type in self._change_types

    def _keep_watched_fields(self, shown: TableChange) -> None:
        watched = self._data_field_ids
        if watched and "changedRecordsById" in shown:
            shown["changedRecordsById"] = {
                key: one
                for key, one in shown["changedRecordsById"].items()
                if not watched.isdisjoint(one["current"]["cellValuesByFieldId"])
            }
        for key in ("createdFieldsById", "changedFieldsById"):
            if self._schema_field_ids and key in shown:
                shown[key] = {i: v for i, v in shown[key].items() if i in self._schema_field_ids}
        if self._schema_field_ids and "destroyedFieldIds" in shown:
            gone = shown["destroyedFieldIds"]
            shown["destroyedFieldIds"] = [one for one in gone if one in self._schema_field_ids]
        if not self._shows_previous_fields and "changedFieldsById" in shown:
            shown["changedFieldsById"] = {
                key: {"current": one["current"]} for key, one in shown["changedFieldsById"].items()
            }

    @staticmethod
    def _view_change(shown: TableChange, view_id: str, table: Table) -> TableChange:
        view = table.view(view_id) or {}
        members = view.get("recordIds")
        records: TableChange = {}
        for key in RECORD_KEYS:
            found = shown.pop(key, None)
            if found and members is not None and key != "destroyedRecordIds":
                found = {one: found[one] for one in found if one in members}
            if found:
                records[key] = found
        return {**shown, **({"changedViewsById": {view_id: records}} if records else {})}


def _table_of(scope: str | None, base: Base) -> Table | None:
    for table in base.tables.values():
        if scope == table.id or (scope is not None and scope in {one["id"] for one in table.views}):
            return table
    return None
