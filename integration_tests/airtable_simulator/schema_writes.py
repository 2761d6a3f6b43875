"""The endpoints that create and change bases, tables and fields.

See: https://airtable.com/developers/web/api/create-base
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .access import CREATORS, check_scopes, open_base
from .account import WORKSPACE_ID
from .endpoints import Endpoint
from .table import Table
from .wire import to_json
from .written_cells import READ_ONLY_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .account import Base
    from .endpoints import Request
    from .simulator import Simulator

Json = Any
LONGEST_NAME: Final = 255
LONGEST_DESCRIPTION: Final = 20_000
MOST_FIELDS: Final = 500
BAD_OPTIONS: Final = "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"
DATE_OPTIONS: Final = ("dateFormat",)
OPTIONS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    **dict.fromkeys(TEXT_TYPES, ((), ())),
    "barcode": ((), ()),
    "checkbox": (("color", "icon"), ()),
    "currency": (("precision", "symbol"), ()),
    "date": (DATE_OPTIONS, ()),
    "dateTime": ((*DATE_OPTIONS, "timeFormat", "timeZone"), ()),
    "duration": (("durationFormat",), ()),
    "multipleAttachments": ((), ()),
    "multipleCollaborators": ((), ()),
    "multipleRecordLinks": (("linkedTableId",), ("viewIdForRecordSelection",)),
    "multipleSelects": (("choices",), ()),
    "number": (("precision",), ()),
    "percent": (("precision",), ()),
    "rating": (("color", "icon", "max"), ()),
    "singleCollaborator": ((), ()),
    "singleSelect": (("choices",), ()),
}
"""By type that can be created: the options it needs, and the optional ones."""
NEVER_PRIMARY: Final = frozenset(
    {"checkbox", "multipleAttachments", "multipleCollaborators", "multipleRecordLinks"}
    | {"multipleSelects", "rating", "singleCollaborator"}
)


def create_base(simulator: Simulator, request: Request) -> bytes:
    """Create a base with its tables. A token that is bound to bases may use it too."""
    check_scopes(request)
    account, token, body = simulator.account, request.token, request.body
    if not isinstance(body, dict) or not isinstance(body.get("tables"), list):
        raise errors.invalid_request()
    if body.get("workspaceId") != WORKSPACE_ID:
        raise errors.permission_or_model()
    name, tables = _name(body, "base"), body["tables"]
    if not tables:
        raise errors.invalid_request("a base has at least one table")
    maker = _Maker(simulator)
    made = [maker.table(given, None) for given in tables]
    _refuse_equal_names((table["name"] for table in made), "DUPLICATE_TABLE_NAME")
    base_id = account.make_id("app")
    account.load({"bases": [{"id": base_id, "name": name, "tables": made}]}, maker.now)
    if token.base_ids is not None:
        token.base_ids |= {base_id}
    return b'{"id":"%s","tables":[%s]}' % (base_id.encode(), _shown(account.base(base_id)))


def create_table(simulator: Simulator, request: Request) -> bytes:
    """Create a table with its fields."""
    base, body = open_base(simulator, request), _object(request)
    maker = _Maker(simulator)
    made = maker.table(body, base)
    names = [*(table.name for table in base.tables.values()), made["name"]]
    _refuse_equal_names(names, "DUPLICATE_TABLE_NAME")
    table = Table(made, maker.now)
    base.add_table(table)
    for field in table.fields:
        maker.link_back(base, table, field)
    return table.schema_json(has_visible_field_ids=False)


def update_table(simulator: Simulator, request: Request) -> bytes:
    """Rename a table or change its description."""
    base, body = open_base(simulator, request), _object(request)
    table = _find_table(base, request)
    _check_changes(body, ("name", "description"))
    others = [one.name for one in base.tables.values() if one is not table]
    name = _name(body, "table") if "name" in body else table.name
    _refuse_equal_names([*others, name], "DUPLICATE_TABLE_NAME")
    table.change_metadata(name, body.get("description", table.description))
    return table.schema_json(has_visible_field_ids=False)


def create_field(simulator: Simulator, request: Request) -> bytes:
    """Add a field to a table; a link gets its other end."""
    base, body = open_base(simulator, request), _object(request)
    table = _find_table(base, request)
    maker = _Maker(simulator)
    made = maker.field(body, table.name, base)
    names = [*(one["name"] for one in table.fields), made["name"]]
    _refuse_equal_names(names, "DUPLICATE_OR_EMPTY_FIELD_NAME")
    if len(names) > MOST_FIELDS:
        raise errors.invalid_request("a table has at most 500 fields")
    field = table.add_field(made)
    maker.link_back(base, table, field)
    return to_json(field)


def update_field(simulator: Simulator, request: Request) -> bytes:
    """Rename a field or change its description."""
    base, body = open_base(simulator, request), _object(request)
    table = _find_table(base, request)
    key = table.field_id(request.names["field"])
    if key is None:
        raise errors.permission_or_model()
    # Options, a select's choices among them, cannot be changed through the API.
    _check_changes(body, ("name", "description"))
    if "name" in body:
        others = [one["name"] for one in table.fields if one["id"] != key]
        name = _name(body, "field")
        _refuse_equal_names([*others, name], "DUPLICATE_OR_EMPTY_FIELD_NAME")
    return to_json(table.change_field(key, body))


def _object(request: Request) -> dict[str, Json]:
    if not isinstance(request.body, dict):
        raise errors.invalid_request()
    return request.body


def _find_table(base: Base, request: Request) -> Table:
    table = base.find_table(request.names["table"])
    if table is None:
        raise errors.permission_or_model()
    return table


class _Maker:
    """Turns what a request describes into tables and fields with new ids."""

    def __init__(self, simulator: Simulator) -> None:
        self._account = simulator.account
        self.now = simulator.clock.now()

    def table(self, given: Json, base: Base | None) -> dict[str, Json]:
        """A table in the shape in which bases are loaded. Links need a base."""
        is_table = isinstance(given, dict) and isinstance(given.get("fields"), list)
        if not is_table or not 1 <= len(given["fields"]) <= MOST_FIELDS:
            raise errors.invalid_request("a table has a name and fields")
        name = _name(given, "table")
        fields = [self.field(one, name, base) for one in given["fields"]]
        _refuse_equal_names((one["name"] for one in fields), "DUPLICATE_OR_EMPTY_FIELD_NAME")
        if fields[0]["type"] in NEVER_PRIMARY:
            reason = f"{fields[0]['type']} cannot be the type of a primary field"
            raise errors.invalid_schema("INVALID_PRIMARY_FIELD_TYPE", reason)
        view = {"id": self._account.make_id("viw"), "name": "Grid view", "type": "grid"}
        table = {"id": self._account.make_id("tbl"), "name": name, "views": [view]}
        described = {key: given[key] for key in ("description",) if given.get(key)}
        return {**table, **described, "primaryFieldId": fields[0]["id"], "fields": fields}

    def field(self, given: Json, table_name: str, base: Base | None) -> dict[str, Json]:
        """A field in the shape of the base schema."""
        if not isinstance(given, dict) or given.keys() - {"name", "type", "description", "options"}:
            raise errors.invalid_request()
        field_type, name = given.get("type"), _name(given, "field")
        if field_type in READ_ONLY_TYPES:
            what = f"Invalid options for {table_name}.{name}: Creating {field_type} fields"
            reason = f"{what} is not supported at this time"
            raise errors.invalid_schema("UNSUPPORTED_FIELD_TYPE_FOR_CREATE", reason)
        if field_type not in OPTIONS:
            raise errors.invalid_request(f"{field_type} is not a type of field")
        options = self._options(given.get("options") or {}, field_type, f"{table_name}.{name}")
        if field_type == "multipleRecordLinks" and (
            base is None or options["linkedTableId"] not in base.tables
        ):
            raise errors.invalid_schema(BAD_OPTIONS, f"{name}: no such table to link to")
        made = {"id": self._account.make_id("fld"), "name": name, "type": field_type}
        described = {key: given[key] for key in ("description",) if given.get(key)}
        return {**made, **described, **({"options": options} if options else {})}

    def _options(self, given: Json, field_type: str, place: str) -> dict[str, Json]:
        needed, taken = OPTIONS[field_type]
        is_right = isinstance(given, dict) and set(needed) <= given.keys() <= {*needed, *taken}
        if not is_right:
            raise errors.invalid_schema(BAD_OPTIONS, f"Invalid options for {place}")
        if field_type not in ("singleSelect", "multipleSelects"):
            return dict(given)
        choices = given["choices"]
        _refuse_equal_names((one["name"] for one in choices), BAD_OPTIONS)
        return {"choices": [{**one, "id": self._account.make_id("sel")} for one in choices]}

    def link_back(self, base: Base, table: Table, field: dict[str, Json]) -> None:
        """Add the field at the other end of a link, named after the table that it links to."""
        if field["type"] != "multipleRecordLinks":
            return
        linked = base.tables[field["options"]["linkedTableId"]]
        taken = {one["name"].lower() for one in linked.fields}
        numbers = range(2, MOST_FIELDS)
        names = [table.name, *(f"{table.name} {number}" for number in numbers)]
        back_id = self._account.make_id("fld")
        single = {"isReversed": False, "prefersSingleRecordLink": False}
        linked.add_field(
            {
                "id": back_id,
                "name": next(name for name in names if name.lower() not in taken),
                "type": "multipleRecordLinks",
                "options": {
                    "linkedTableId": table.id,
                    **single,
                    "inverseLinkFieldId": field["id"],
                },
            }
        )
        options = {**field["options"], **single, "inverseLinkFieldId": back_id}
        table.change_field(field["id"], {"options": options})


def _shown(base: Base) -> bytes:
    return b",".join(one.schema_json(has_visible_field_ids=False) for one in base.tables.values())


def _name(given: Json, what: str) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        error_type = "DUPLICATE_OR_EMPTY_FIELD_NAME" if what == "field" else "INVALID_NAME"
        raise errors.invalid_schema(error_type, f"The name of a {what} is empty or too long")
    return name


def _refuse_equal_names(names: Iterable[str], error_type: str) -> None:
    lowered = [name.lower() for name in names]
    if len(set(lowered)) != len(lowered):
        raise errors.invalid_schema(error_type, "Two names are equal but for their case")


def _check_changes(body: dict[str, Json], allowed: tuple[str, ...]) -> None:
    description = body.get("description") or ""
    if not body or body.keys() - set(allowed) or len(description) > LONGEST_DESCRIPTION:
        raise errors.invalid_request()


BASES_PATH: Final = "/v0/meta/bases"
TABLES_PATH: Final = f"{BASES_PATH}/{{base}}/tables"
FIELDS_PATH: Final = f"{TABLES_PATH}/{{table}}/fields"
SCOPES: Final = ("schema.bases:write",)
SchemaWrite = partial(Endpoint, scopes=SCOPES, levels=CREATORS)
ENDPOINTS: Final = (
    Endpoint("create_base", "POST", BASES_PATH, create_base, scopes=SCOPES),
    SchemaWrite("create_table", "POST", TABLES_PATH, create_table),
    SchemaWrite("update_table", "PATCH", f"{TABLES_PATH}/{{table}}", update_table),
    SchemaWrite("create_field", "POST", FIELDS_PATH, create_field),
    SchemaWrite("update_field", "PATCH", f"{FIELDS_PATH}/{{field}}", update_field),
)
