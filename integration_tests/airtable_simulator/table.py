"""A table: its fields, views and records, and its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .changes import Changes
from .clock import parse_time, to_wire_date, to_wire_time
from .comments import generate_comments, load_comments
from .ids import make_id
from .record import Projection, Record
from .wire import is_empty, to_json

if TYPE_CHECKING:
    from .record import Cells

FieldDict = dict[str, Any]
ViewDict = dict[str, Any]

NOT_IN_SCHEMA: Final = ("visibleFieldIds", "recordIds", "filter")
"""Of a view. ``recordIds`` are its records; ``filter`` is a formula that picks them."""
KEPT_PROJECTIONS: Final = 16
COMPUTED_TYPES: Final = frozenset(
    {"autoNumber", "button", "count", "createdBy", "createdTime", "formula", "lastModifiedBy"}
    | {"lastModifiedTime", "multipleLookupValues", "rollup"}
)
"""Types of fields that no user can edit; https://airtable.com/developers/web/api/field-model"""
ATTACHMENTS: Final = "multipleAttachments"
LINKS: Final = "multipleRecordLinks"


class UnknownModelError(LookupError):
    """A command names a base, table, field, record or token that does not exist."""


class Table:
    """A table of one base. Another base may have a table with the same ids."""

    def __init__(self, document: dict[str, Any], now: float) -> None:
        """Load a table from the bases' JSON. Cells are keyed by field name or id."""
        self.id: str = document["id"]
        self.name: str = document["name"]
        self.description: str | None = document.get("description")
        self.fields: list[FieldDict] = [dict(given) for given in document["fields"]]
        self.primary_field_id: str = document.get("primaryFieldId") or self.fields[0]["id"]
        # Every table in Airtable has a view.
        only_view = {"id": make_id("viw", self.id), "name": "Grid view", "type": "grid"}
        self.views: list[ViewDict] = [dict(one) for one in document.get("views") or [only_view]]
        self.aggregations: dict[str, str] = document.get("aggregations") or {}
        """By id of rollup fields: the formula, such as ``SUM(values)``, which no schema shows."""
        self.records: dict[str, Record] = {}
        self.trash: dict[str, Record] = {}
        """Deleted records, which can be restored."""
        self.changes = Changes()
        """Where the table notes changes; its base has one for all of its tables."""
        self.attachment_field_ids: tuple[str, ...] = ()
        """Fields whose cells are attachments, including lookups of attachments."""
        self._projections: dict[tuple[Any, ...], Projection] = {}
        self._schema_json: dict[bool, bytes] = {}
        self._field_ids: dict[str, str] = {}
        self._index_fields()
        for given in document.get("records") or ():
            self._load(given, now)

    def _index_fields(self) -> None:
        self._projections.clear()
        self._schema_json.clear()
        self._field_ids = {given["name"]: given["id"] for given in self.fields}
        self._field_ids |= {given["id"]: given["id"] for given in self.fields}
        self.attachment_field_ids = tuple(
            given["id"] for given in self.fields if _has_attachments(given)
        )

    def _load(self, given: dict[str, Any], now: float) -> None:
        created_at = parse_time(given["createdTime"]) if "createdTime" in given else now
        modified_at: float | None = created_at
        if "lastModifiedTime" in given:
            moment = given["lastModifiedTime"]
            modified_at = None if moment is None else parse_time(moment)
        self.records[given["id"]] = record = Record(
            id=given["id"],
            created_at=created_at,
            modified_at=modified_at,
            cells=self._to_cells(given.get("fields") or {}),
        )
        if "comments" in given:
            record.comments = load_comments(given["comments"], record.id, created_at)
        else:
            count = given.get("commentCount", 0)
            record.comments = generate_comments((), count, record.id, created_at)

    def _to_cells(self, given: dict[str, Any]) -> Cells:
        ids = self._field_ids
        try:
            return {ids[key]: cell for key, cell in given.items() if not is_empty(cell)}
        except KeyError as error:
            raise UnknownModelError(f"table {self.name} has no field {error}") from None

    def field_id(self, name_or_id: str) -> str | None:
        """The id of the field with this id or exact name."""
        return self._field_ids.get(name_or_id)

    def field(self, name_or_id: str) -> FieldDict:
        """The field as the base schema shows it."""
        field_id = self._field_ids.get(name_or_id)
        for given in self.fields:
            if given["id"] == field_id:
                return given
        raise UnknownModelError(f"table {self.name} has no field {name_or_id}")

    def record(self, record_id: str) -> Record:
        """The record with this id."""
        try:
            return self.records[record_id]
        except KeyError:
            raise UnknownModelError(f"table {self.name} has no record {record_id}") from None

    def view(self, name_or_id: str) -> ViewDict | None:
        """The view with this id or exact name."""
        wanted = (view for view in self.views if name_or_id in (view["id"], view["name"]))
        return next(wanted, None)

    def projection(
        self, field_ids: tuple[str, ...] | None, *, by_field_id: bool, has_comment_count: bool
    ) -> Projection:
        """The projection for these parameters. It is kept until a field changes."""
        wish = (field_ids, by_field_id, has_comment_count)
        known = self._projections.get(wish)
        if known is not None:
            return known
        if len(self._projections) >= KEPT_PROJECTIONS:
            self._forget_json()
        names = {given["id"]: given["id" if by_field_id else "name"] for given in self.fields}
        if field_ids is not None:
            names = {field_id: names[field_id] for field_id in field_ids}
        made = self._projections[wish] = Projection(names, has_comment_count)
        return made

    def _forget_json(self) -> None:
        self._projections.clear()
        for record in self.records.values():
            record.json.clear()

    def schema_json(self, *, has_visible_field_ids: bool) -> bytes:
        """The table as the base schema shows it."""
        known = self._schema_json.get(has_visible_field_ids)
        if known is not None:
            return known
        views = []
        for view in self.views:
            shown = {k: v for k, v in view.items() if k not in NOT_IN_SCHEMA}
            if has_visible_field_ids and view.get("type") == "grid":
                every_field = [given["id"] for given in self.fields]
                shown["visibleFieldIds"] = view.get("visibleFieldIds", every_field)
            views.append(shown)
        description = {} if self.description is None else {"description": self.description}
        schema = {"id": self.id, "name": self.name, "primaryFieldId": self.primary_field_id}
        made = to_json({**schema, **description, "fields": self.fields, "views": views})
        self._schema_json[has_visible_field_ids] = made
        return made

    def metadata(self) -> dict[str, str | None]:
        """The table's name and description."""
        return {"name": self.name, "description": self.description}

    def rename(self, name: str) -> None:
        """Rename the table."""
        self.change_metadata(name, self.description)

    def change_metadata(self, name: str, description: str | None) -> None:
        """Change the table's name and description."""
        if self.changes.is_watched:
            self.changes.table(self.id).change_metadata(self.metadata())
        self.name, self.description = name, description
        self._schema_json.clear()

    def change_field(self, name_or_id: str, changes: dict[str, Any]) -> FieldDict:
        """Change a field's name, type or options. None removes a key."""
        changed = self.field(name_or_id)
        if self.changes.is_watched:
            self.changes.table(self.id).change_field(changed["id"], dict(changed))
        for key, value in changes.items():
            if value is None and key != "options":
                changed.pop(key, None)
            else:
                changed[key] = value
        self._fields_changed()
        return changed

    def add_field(self, given: FieldDict) -> FieldDict:
        """Add a field at the end, with a new id if it has none."""
        added = {"id": make_id("fld", self.id, given["name"], len(self.fields)), **given}
        self.fields.append(added)
        if self.changes.is_watched:
            self.changes.table(self.id).create_field(added["id"])
        self._fields_changed()
        return added

    def delete_field(self, name_or_id: str) -> None:
        """Delete a field and its cells."""
        field_id = self.field(name_or_id)["id"]
        self.fields = [given for given in self.fields if given["id"] != field_id]
        for record in self.records.values():
            record.cells.pop(field_id, None)
        if self.changes.is_watched:
            self.changes.table(self.id).destroy_field(field_id)
        self._fields_changed()

    def _fields_changed(self) -> None:
        self._forget_json()
        self._index_fields()

    def create_record(self, given: dict[str, Any], now: float) -> Record:
        """Add a record at the end, as a write through the API does."""
        made = {"id": make_id("rec", self.id, len(self.records), now, given), **given}
        if made["id"] in self.records:
            raise ValueError(f"table {self.name} has a record {made['id']} already")
        self._load(made, now)
        record = self.records[made["id"]]
        self._stamp(record, "createdTime", record.created_at, changed=None)
        if record.modified_at is not None:
            self._stamp(record, "lastModifiedTime", record.modified_at, changed=None)
        self._number(record)
        if self.changes.is_watched:
            self.changes.table(self.id).create_record(record.id)
        return record

    def edit_record(
        self, record_id: str, cells: dict[str, Any], now: float, *, is_user_edit: bool = True
    ) -> Record:
        """Change cells; an empty value clears one. Only a user's edit changes the modified time.

        A change of computed cells only is a recomputation, not a user's edit.
        """
        record = self.record(record_id)
        fields = [self.field(key) for key in cells]
        wanted = {one["id"]: cell for one, cell in zip(fields, cells.values(), strict=True)}
        editable = {one["id"] for one in fields if one["type"] not in COMPUTED_TYPES}
        stamped: list[str] = []
        if is_user_edit and (editable or not wanted):
            record.note_edit(editable, now)
            stamped = self._stamp(record, "lastModifiedTime", now, changed=set(wanted))
        if self.changes.is_watched:
            # The other end of a link belongs to the action, even where its modified time stays.
            links = {one["id"] for one in fields if one["type"] == LINKS}
            by_actor = {*(editable if is_user_edit else links), *stamped}
            noted = self.changes.table(self.id)
            noted.change_record(record.id, by_actor)
            noted.change_record(record.id, wanted.keys() - by_actor, is_recomputed=True)
        for field_id, cell in wanted.items():
            if is_empty(cell):
                record.cells.pop(field_id, None)
            else:
                record.cells[field_id] = cell
        record.json.clear()
        return record

    def set_created_time(self, record: Record, at: float) -> None:
        """Change a record's created time."""
        record.created_at = at
        self._stamp(record, "createdTime", at, changed=None)
        record.json.clear()

    def delete_record(self, record_id: str) -> None:
        """Delete a record. Only `restore_record` can bring it back."""
        self.trash[record_id] = self.record(record_id)
        del self.records[record_id]
        if self.changes.is_watched:
            self.changes.table(self.id).destroy_record(record_id)

    def restore_record(self, record_id: str) -> Record:
        """Bring a deleted record back, at the end, with the cells and times that it had."""
        if record_id not in self.trash:
            raise UnknownModelError(f"table {self.name} has no deleted record {record_id}")
        if record_id in self.records:
            raise ValueError(f"table {self.name} has a record {record_id} already")
        restored = self.records[record_id] = self.trash.pop(record_id)
        known = self._field_ids
        restored.cells = {key: cell for key, cell in restored.cells.items() if key in known}
        restored.json.clear()
        if self.changes.is_watched:
            self.changes.table(self.id).create_record(record_id)
        return restored

    def _stamp(
        self, record: Record, field_type: str, at: float, changed: set[str] | None
    ) -> list[str]:
        """Set the cells that show a moment. Return the ids of their fields."""
        stamped = []
        for given in self.fields:
            if given["type"] != field_type or given["id"] in (changed or ()):
                continue
            options = given.get("options") or {}
            watched = set(options.get("referencedFieldIds") or ())
            if changed is not None and watched and not watched & changed:
                continue
            is_date = (options.get("result") or {}).get("type") == "date"
            record.cells[given["id"]] = to_wire_date(at) if is_date else to_wire_time(at)
            stamped.append(given["id"])
        return stamped

    def _number(self, record: Record) -> None:
        for given in self.fields:
            if given["type"] == "autoNumber" and given["id"] not in record.cells:
                key = given["id"]
                taken = (other.cells.get(key, 0) for other in self.records.values())
                record.cells[key] = max(taken, default=0) + 1


def _has_attachments(given: FieldDict) -> bool:
    result = (given.get("options") or {}).get("result") or {}
    return ATTACHMENTS in (given.get("type"), result.get("type"))
