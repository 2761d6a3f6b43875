"""What Airtable's API can make of the sample base: the fields it takes, and the cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from integration_tests.airtable_simulator.sample_base import sample_account
from integration_tests.airtable_simulator.sample_computed import LINKS_BACK
from integration_tests.airtable_simulator.sample_schema import BASE_NAME, TABLES, field_id, table_id
from integration_tests.airtable_simulator.written_cells import READ_ONLY_TYPES

Json = dict[str, Any]

LIVE_BASE_NAME: Final = f"{BASE_NAME} (test base)"
"""Only a base of this name is ever changed."""
TABLE_ORDER: Final = ("suppliers", "people", "customers", "ideas", "products", "orders", "lines")
"""Each table after those that it links to."""
LINK_ENDS: Final = {
    field_id(table, link): (linked, back) for table, link, linked, back in LINKS_BACK
}
BACK_ENDS: Final = {field_id(linked, back) for _, _, linked, back in LINKS_BACK}
WITHOUT_OPTIONS: Final = frozenset({"multipleAttachments"})
"""Types whose options are only read."""
NOT_WRITTEN: Final = frozenset({"multipleAttachments"})
"""The sample's files are made up, and Airtable would try to fetch them."""


@dataclass(frozen=True)
class Link:
    """A link between two tables, made once; its other end comes with it and is then renamed."""

    table: str
    name: str
    linked: str
    name_back: str


@dataclass(frozen=True)
class TablePlan:
    """One table as the API makes it, and its records in the sample's order."""

    key: str
    """The sample's short name, such as ``orders``."""
    name: str
    description: str
    fields: list[Json]
    links: list[Link]
    left_out: list[str]
    """Fields that only a person can add, as ``Name (type)``."""
    records: list[Json]


def plan_tables() -> list[TablePlan]:
    """All tables in the order in which their records can be made."""
    (base,) = sample_account()["bases"]
    by_id = {table["id"]: table for table in base["tables"]}
    return [_plan(key, by_id[table_id(key)]) for key in TABLE_ORDER]


def _plan(key: str, table: Json) -> TablePlan:
    fields, links, left_out = [], [], []
    for field in table["fields"]:
        name, kind = field["name"], field["type"]
        if field["id"] in LINK_ENDS:
            linked, back = LINK_ENDS[field["id"]]
            links.append(Link(key, name, linked, back))
        elif field["id"] == table["primaryFieldId"]:
            # A primary field that is a formula there is the formula's text here.
            fields.append(
                {"name": name, "type": "singleLineText"}
                if kind in READ_ONLY_TYPES
                else _creatable(field)
            )
        elif kind in READ_ONLY_TYPES:
            left_out.append(f"{name} ({kind})")
        elif field["id"] not in BACK_ENDS:
            fields.append(_creatable(field))
    name, description, _ = TABLES[key]
    return TablePlan(key, name, description, fields, links, left_out, table["records"])


def _creatable(field: Json) -> Json:
    made: Json = {key: field[key] for key in ("name", "type", "description") if key in field}
    options = field.get("options")
    if options and field["type"] not in WITHOUT_OPTIONS:
        if "choices" in options:
            keys = ("name", "color")
            options = {"choices": [{k: one[k] for k in keys} for one in options["choices"]]}
        made["options"] = options
    return made


def shorten(plans: list[TablePlan], most: int) -> list[TablePlan]:
    """The plans with the first records of each table, and of their links those that remain."""
    kept = {record["id"] for plan in plans for record in plan.records[:most]}
    return [
        replace(plan, records=[_without_links(plan, one, kept) for one in plan.records[:most]])
        for plan in plans
    ]


def _without_links(plan: TablePlan, record: Json, kept: set[str]) -> Json:
    links = {link.name for link in plan.links}
    cells = {
        name: [one for one in cell or () if one in kept] if name in links else cell
        for name, cell in record["fields"].items()
    }
    return {**record, "fields": cells}


def to_written_cells(plan: TablePlan, record: Json, new_ids: dict[str, str], user: str) -> Json:
    """A sample record's cells as the API takes them: links to new ids, people to the one there is.

    Shape: ``{"Name": "Rye loaf", "Supplier": ["recAdw9EjV90xbZ4q"]}``; empty cells are left out.
    """
    cells: Json = {}
    types = {field["name"]: field["type"] for field in plan.fields}
    links = {link.name for link in plan.links}
    for name, cell in record["fields"].items():
        kind = types.get(name)
        if cell in (None, "", [], False) or kind in NOT_WRITTEN:
            continue
        if name in links:
            cells[name] = [new_ids[one] for one in cell]
        elif kind == "singleCollaborator":
            cells[name] = {"id": user}
        elif kind == "multipleCollaborators":
            cells[name] = [{"id": user}]
        elif kind == "barcode":
            cells[name] = {key: text for key, text in cell.items() if text is not None}
        elif kind is not None:
            cells[name] = cell
    return cells
