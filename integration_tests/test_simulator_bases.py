"""The bases the simulator can be filled with: sample, generated, and real ones where at hand."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_tests.airtable_simulator import (
    SimulatorThread,
    fill_empty_tables,
    sample_account,
)
from integration_tests.airtable_simulator.account import Account
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.cell_generators import (
    GENERATORS,
    ODD_CELLS,
    Surroundings,
    generate_filled_cell,
)
from integration_tests.airtable_simulator.generated_cells import generate_cell
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.airtable_simulator.sample_base import SIZES
from integration_tests.airtable_simulator.wire import is_empty

if TYPE_CHECKING:
    from collections.abc import Callable

REAL_BASES = Path(__file__).parents[2] / "shared" / "real_bases"
LINKED = "tblLinked000000001"
AROUND = Surroundings(number=3, record_ids={LINKED: ["recA", "recB", "recC"]})
FIELD_TYPES = {
    *("singleLineText", "email", "url", "phoneNumber", "multilineText", "richText", "number"),
    *("percent", "currency", "duration", "rating", "checkbox", "date", "dateTime", "createdTime"),
    *("lastModifiedTime", "createdBy", "lastModifiedBy", "singleCollaborator"),
    *("multipleCollaborators", "singleSelect", "multipleSelects", "multipleRecordLinks"),
    *("multipleAttachments", "barcode", "button", "autoNumber", "count", "formula", "rollup"),
    *("multipleLookupValues", "externalSyncSource", "aiText", "manualSort"),
}
"""https://airtable.com/developers/web/api/field-model"""


def a_field(field_type: str, **options: object) -> dict[str, Any]:
    """A field of a type."""
    return {"id": "fldAny00000000001", "name": "Any", "type": field_type, "options": options}


def cells_of(field: dict[str, Any], how_many: int = 300) -> list[Any]:
    """Many cells of a field, absent ones included."""
    luck = random.Random(1)  # noqa: S311 - repeatable, not secret
    return [generate_cell(field, luck, AROUND) for _ in range(how_many)]


def is_text(cell: object) -> bool:
    """Whether a cell is text."""
    return isinstance(cell, str)


def is_number(cell: object) -> bool:
    """Whether a cell is a number."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def is_texts(cell: object) -> bool:
    """Whether a cell is a list of texts."""
    return isinstance(cell, list) and bool(cell) and all(map(is_text, cell))


def is_object_with(*keys: str) -> Callable[[Any], bool]:
    """Whether a cell is an object that has these keys."""
    return lambda cell: isinstance(cell, dict) and set(keys) <= cell.keys()


def is_objects_with(*keys: str) -> Callable[[Any], bool]:
    """Whether a cell is a list of objects that have these keys."""
    return lambda cell: isinstance(cell, list) and all(map(is_object_with(*keys), cell))


SHAPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("singleLineText", "email", "url", "phoneNumber", "multilineText", "richText"), is_text
    ),
    **dict.fromkeys(("singleSelect", "externalSyncSource", "manualSort", "formula"), is_text),
    **dict.fromkeys(("number", "percent", "currency", "duration", "rating"), is_number),
    **dict.fromkeys(("autoNumber", "count", "rollup"), is_number),
    "checkbox": lambda cell: cell is True,
    "date": lambda cell: re.fullmatch(r"\d{4}-\d\d-\d\d", cell) is not None,
    **dict.fromkeys(
        ("dateTime", "createdTime", "lastModifiedTime"),
        lambda cell: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", cell) is not None,
    ),
    **dict.fromkeys(("createdBy", "lastModifiedBy", "singleCollaborator"), is_object_with("id")),
    "multipleCollaborators": is_objects_with("id"),
    "multipleSelects": is_texts,
    "multipleRecordLinks": is_texts,
    "multipleAttachments": is_objects_with("id", "url", "filename"),
    "barcode": is_object_with("text"),
    "button": is_object_with("label", "url"),
    "multipleLookupValues": lambda cell: isinstance(cell, list) and bool(cell),
    "aiText": is_object_with("state", "isStale", "value"),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "multipleRecordLinks": {"linkedTableId": LINKED},
    "singleSelect": {"choices": [{"name": "One"}, {"name": "Two"}]},
    "multipleSelects": {"choices": [{"name": "One"}, {"name": "Two"}]},
    "formula": {"result": {"type": "singleLineText"}},
    "rollup": {"result": {"type": "number", "options": {"precision": 1}}},
    "multipleLookupValues": {"result": {"type": "number"}},
}


def test_every_field_type_has_a_generator() -> None:
    """Airtable's field model and the generators name the same types."""
    assert GENERATORS.keys() - {"lookup"} == FIELD_TYPES == SHAPES.keys()


@pytest.mark.parametrize("field_type", sorted(FIELD_TYPES))
def test_cells_have_the_shape_of_their_type(field_type: str) -> None:
    """Every generated cell is absent, has its type's shape, or is one of the known oddities."""
    cells = cells_of(a_field(field_type, **OPTIONS.get(field_type, {})))
    filled = [cell for cell in cells if cell is not None and cell not in ODD_CELLS]
    misshapen = [cell for cell in filled if not SHAPES[field_type](cell)]

    assert len(filled) > 150
    assert misshapen == []
    assert not any(is_empty(cell) for cell in filled)


@pytest.mark.parametrize("field_type", sorted(FIELD_TYPES))
def test_cells_without_options(field_type: str) -> None:
    """Fields without options, as recorded in 2022, get cells too; links have nowhere to point."""
    luck = random.Random(2)  # noqa: S311 - repeatable, not secret
    field = {"id": "fldAny00000000001", "name": "Any", "type": field_type}
    cell = generate_filled_cell(field, luck, AROUND)

    assert (cell is None) == (field_type == "multipleRecordLinks")


def test_oddities_are_among_the_cells() -> None:
    """Absent cells, errors, special values, null elements and bare collaborators all occur."""
    formulas = cells_of(a_field("formula", result={"type": "number"}))
    lookups = cells_of(a_field("multipleLookupValues", result={"type": "number"}), 1000)
    people = [cell for cell in cells_of(a_field("singleCollaborator")) if cell]
    states = {cell["state"] for cell in cells_of(a_field("aiText")) if cell}
    attachments = [file for cell in cells_of(a_field("multipleAttachments")) for file in cell or ()]

    assert all(odd in formulas for odd in (None, *ODD_CELLS))
    assert any(cell is not None and None in cell for cell in lookups)
    assert any(cell is not None and ODD_CELLS[0] in cell for cell in lookups)
    assert {"email" in person for person in people} == {True, False}
    assert states == {"empty", "loading", "generated", "error"}
    assert {"thumbnails" in file for file in attachments} == {True, False}
    assert {"type": None} in [{"type": cell.get("type", "")} for cell in filled("barcode")]
    assert None in [cell["url"] for cell in filled("button")]
    assert 0 in cells_of(a_field("number", precision=2))
    assert 12.345 in cells_of(a_field("duration", durationFormat="h:mm:ss.SSS"))


def filled(field_type: str) -> list[dict[str, Any]]:
    """The cells of a field that are there."""
    return [cell for cell in cells_of(a_field(field_type)) if cell is not None]


def test_broken_formula_gives_errors() -> None:
    """A formula whose result is null shows an error in every cell."""
    cells = [cell for cell in cells_of(a_field("formula", result=None)) if cell is not None]

    assert all(cell == {"error": "#ERROR!"} for cell in cells)


@given(st.text(max_size=30))
def test_unknown_type_gets_cells(field_type: str) -> None:
    """A type Airtable may invent tomorrow gets cells as well."""
    luck = random.Random(3)  # noqa: S311 - repeatable, not secret
    cell = generate_filled_cell(a_field(field_type, result={"type": "number"}), luck, AROUND)

    assert field_type in FIELD_TYPES or cell is not None


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_ids_look_like_airtable_s(parts: list[str]) -> None:
    """A made id has a prefix and fourteen letters or digits, and is always the same."""
    made = make_id("rec", *parts)

    assert re.fullmatch(r"rec[A-Za-z0-9]{14}", made)
    assert made == make_id("rec", *parts)


def a_two_table_base() -> dict[str, Any]:
    """A base whose first table has a record, and whose empty second one links to it."""
    link = {"id": "fldLink0000000001", "name": "Link", "type": "multipleRecordLinks"}
    options = {"linkedTableId": LINKED}
    name = {"id": "fldName0000000001", "name": "Name", "type": "singleLineText"}
    full = {"id": LINKED, "name": "Full", "fields": [name], "records": [{"id": "recOnly"}]}
    bare = {"id": "tblEmpty000000001", "name": "Empty", "records": []}
    tables = [full, {**bare, "fields": [name, {**link, "options": options}]}]
    return {"bases": [{"id": "appAbCdEfGhIjKlMn", "name": "Two", "tables": tables}]}


def test_filling_empty_tables() -> None:
    """Only tables without records are filled; their links point to records that exist."""
    full, made = fill_empty_tables(a_two_table_base(), 40)["bases"][0]["tables"]
    links = [record["fields"].get("fldLink0000000001") for record in made["records"]]

    assert full["records"] == [{"id": "recOnly"}]
    assert len({record["id"] for record in made["records"]}) == 40
    assert {tuple(link) for link in links if link} == {("recOnly",)}


def test_filling_is_repeatable() -> None:
    """Equal seeds give equal records, other seeds others."""
    once = fill_empty_tables(a_two_table_base(), 40, seed=1)

    assert once == fill_empty_tables(a_two_table_base(), 40, seed=1)
    assert once != fill_empty_tables(a_two_table_base(), 40, seed=2)


@pytest.mark.parametrize("name", ["all_field_types", "cmip_data_request", "crm_template", "shop"])
def test_real_base_is_served_as_it_is(name: str) -> None:
    """A real base's records come back as they were loaded, but for cells that are empty."""
    path = REAL_BASES / f"{name}.json"
    if not path.is_file():
        pytest.skip("the real bases are not beside this repository")
    document = fill_empty_tables(json.loads(path.read_text()), 3)
    (base,) = document["bases"]
    with SimulatorThread(document, has_limits=False) as simulator:
        caller = Caller(simulator)
        served = {
            table["id"]: [
                r for page in caller.pages(base["id"], table["id"]) for r in page["records"]
            ]
            for table in base["tables"]
        }
        caller.close()

    for table in base["tables"]:
        names = {field["id"]: field["name"] for field in table["fields"]}
        expected = [
            {
                names.get(key, key): cell
                for key, cell in record["fields"].items()
                if not is_empty(cell)
            }
            for record in table["records"]
        ]
        assert [record["fields"] for record in served[table["id"]]] == expected


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, Any]]:
    """The sample base's tables by name."""
    return {table["name"]: table for table in sample_account()["bases"][0]["tables"]}


def test_sample_base_is_always_the_same() -> None:
    """Two makings of the sample base are equal, and the simulator loads it."""
    account = Account()
    account.load(sample_account(), now=0)

    assert sample_account() == sample_account()
    assert len(account.bases) == 1


def test_sample_base_has_its_sizes(tables: dict[str, dict[str, Any]]) -> None:
    """The sample base has the tables and the numbers of records it states."""
    assert [len(table["records"]) for table in tables.values()] == list(SIZES.values())
    assert sum(SIZES.values()) == 1502


def test_sample_base_shows_every_field_type(tables: dict[str, dict[str, Any]]) -> None:
    """Every type of Airtable's field model is somewhere in the sample base."""
    types = {field["type"] for table in tables.values() for field in table["fields"]}

    assert types == FIELD_TYPES


def test_sample_base_references_resolve(tables: dict[str, dict[str, Any]]) -> None:
    """Every table and field that an option names is there."""
    known = {table["id"] for table in tables.values()}
    known |= {field["id"] for table in tables.values() for field in table["fields"]}
    fields = [field for table in tables.values() for field in table["fields"]]
    named = set(re.findall(r"(?:tbl|fld)[A-Za-z0-9]{14}", json.dumps(fields)))

    assert named <= known


def test_sample_base_links_both_ways(tables: dict[str, dict[str, Any]]) -> None:
    """A link's other end links back."""
    by_id = {r["id"]: r["fields"] for table in tables.values() for r in table["records"]}
    names = {f["id"]: f["name"] for table in tables.values() for f in table["fields"]}
    checked = 0
    for table in tables.values():
        for field in table["fields"]:
            if field["type"] != "multipleRecordLinks":
                continue
            back = names[field["options"]["inverseLinkFieldId"]]
            for record in table["records"]:
                for target in record["fields"].get(field["name"]) or ():
                    assert record["id"] in by_id[target][back]
                    checked += 1

    assert checked > 2000


def test_sample_base_adds_up(tables: dict[str, dict[str, Any]]) -> None:
    """Order totals are the sums of their lines; what cannot be computed is an error."""
    lines = {record["id"]: record["fields"] for record in tables["Order lines"]["records"]}
    errors = 0
    for record in tables["🧾 Orders"]["records"]:
        order = record["fields"]
        totals = [lines[key]["Line total"] for key in order.get("Lines", ())]
        if any(isinstance(total, dict) for total in totals):
            assert order["Total"] == {"error": "#ERROR!"}
            errors += 1
        else:
            assert order["Total"] == pytest.approx(sum(totals))

    assert errors == 1


def test_sample_base_oddities(tables: dict[str, dict[str, Any]]) -> None:
    """There are divisions by zero, a blank record and two names that clean to the same."""
    margins = [record["fields"]["Margin"] for record in tables["🥖 Products"]["records"]]
    averages = [record["fields"]["Average order"] for record in tables["Customers"]["records"]]
    blank = [r for table in tables.values() for r in table["records"] if r["fields"] == {}]
    names = [field["name"] for field in tables["🥖 Products"]["fields"]]
    cleaned = [re.sub(r"[^a-z0-9_]", "_", name.lower()).strip("_") for name in names]

    assert {"specialValue": "NaN"} in margins
    assert {"specialValue": "-Infinity"} in margins
    assert averages.count({"specialValue": "NaN"}) >= 30
    assert {"error": "#ERROR!"} in averages
    assert len(blank) == 1
    assert cleaned.count("unit_price") == 2
