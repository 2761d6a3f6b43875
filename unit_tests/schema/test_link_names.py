"""Columns of names: the text of primary cells, and their place in rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings

from source_airtable.records import Page, RecordConverter
from source_airtable.schema.field_types import FIELD_TYPES
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.link_names import linked_record_id, linked_table_id, to_name
from source_airtable.schema.volatility import why_volatile
from unit_tests.builders import AS_OF, NAME_FIELD, a_field, a_record, a_table
from unit_tests.conforming import nonconformities
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.link_names import NameOf
    from source_airtable.schema.table_schema import TableSchema

LINKED_TABLE = "tblCustomers00000"
CUSTOMERS = a_field(
    "multipleRecordLinks",
    field_id="fldLz7K2GWznfGAxw",
    name="Customers",
    options={"linkedTableId": LINKED_TABLE},
)
TABLE = a_table(a_field(), CUSTOMERS)
SCHEMA = build_json_schema(TABLE, with_link_names=True)
ADA = {"id": "usrL2PNC5o3H4lBE1", "email": "ada@example.com", "name": "Ada"}

NAMES: dict[str, tuple[Any, str]] = {
    "singleLineText": ("Ada", "Ada"),
    "email": ("ada@example.com", "ada@example.com"),
    "url": ("https://example.com", "https://example.com"),
    "phoneNumber": ("+44 20", "+44 20"),
    "multilineText": ("Ada\nLovelace", "Ada\nLovelace"),
    "richText": ("**Ada**\n", "**Ada**\n"),
    "number": (12.5, "12.5"),
    "percent": (0.123, "0.123"),
    "currency": (7.0, "7"),
    "duration": (90, "90"),
    "rating": (4, "4"),
    "autoNumber": (17, "17"),
    "count": (0, "0"),
    "checkbox": (True, "true"),
    "date": ("2026-11-18", "2026-11-18"),
    "dateTime": ("2026-11-18T10:00:00.000Z", "2026-11-18T10:00:00.000Z"),
    "createdTime": ("2026-11-18T10:00:00.000Z", "2026-11-18T10:00:00.000Z"),
    "lastModifiedTime": ("2026-11-18", "2026-11-18"),
    "singleSelect": ("Open", "Open"),
    "multipleSelects": (["Open", "Paid"], "Open, Paid"),
    "externalSyncSource": ("Sales", "Sales"),
    "multipleRecordLinks": (["recA", "recB"], "recA, recB"),
    "singleCollaborator": (ADA, "Ada"),
    "createdBy": ({"id": ADA["id"], "email": ADA["email"]}, "ada@example.com"),
    "lastModifiedBy": ({"id": ADA["id"]}, ADA["id"]),
    "multipleCollaborators": ([ADA, {**ADA, "name": "Grace"}], "Ada, Grace"),
    "multipleAttachments": ([{"id": "attA", "filename": "a.pdf", "url": "u"}], "a.pdf"),
    "barcode": ({"text": "4006381333931", "type": "ean13"}, "4006381333931"),
    "button": ({"label": "Open", "url": None}, "Open"),
    "aiText": ({"state": "generated", "isStale": False, "value": "A summary."}, "A summary."),
    "formula": (-3.25, "-3.25"),
    "rollup": ("2 open", "2 open"),
    "multipleLookupValues": (["a", 7, {"error": "#ERROR!"}, None], "a, 7"),
    "lookup": ([["a"], ["b"]], "a, b"),
    "manualSort": ("a0", "a0"),
}


class Names:
    """Names that a test gives, and how often they were found."""

    def __init__(self, **names: str) -> None:
        self.found: list[str | None] = []
        self._names = names

    def find(self, table: TableSchema, field: FieldDict) -> NameOf:
        """Find the names, of whatever table."""
        assert table.table_id == TABLE.table_id
        self.found.append(linked_table_id(field))
        return self._names.get


def rows_of(
    *cells: Any,  # noqa: ANN401 - a cell is anything
    names: Names | None = None,
    properties: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of records with these links."""
    json_schema = {"properties": properties or SCHEMA["properties"]}
    found = names or Names(recA="Ada", recG="Grace")
    converter = RecordConverter.for_table(TABLE, json_schema, found.find)
    return converter.rows(Page([a_record({CUSTOMERS["id"]: cell}) for cell in cells]), AS_OF)


def names_of(*cells: Any, **more: Any) -> list[Any]:  # noqa: ANN401 - a cell is anything
    """The names in the rows of records with these links."""
    return [row["customers_names"] for row in rows_of(*cells, **more)]


def test_every_type_of_primary_field() -> None:
    """The types whose names are tested are all types that there are."""
    assert NAMES.keys() == FIELD_TYPES.keys()


@pytest.mark.parametrize("field_type", NAMES)
def test_name_of_a_primary_cell(field_type: str) -> None:
    """A primary cell of each type is a text that people can read."""
    cell, name = NAMES[field_type]

    assert to_name(cell) == name


@pytest.mark.parametrize(
    "cell",
    [
        *(None, "", [], [None], [""], {"error": "#ERROR!"}, {"specialValue": "NaN"}),
        {"state": "empty", "isStale": False, "value": None},
        {"text": ""},
    ],
)
def test_nothing_to_show(cell: Any) -> None:  # noqa: ANN401 - a cell is anything
    """An empty cell, or an error of Airtable's, has no name."""
    assert to_name(cell) is None


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ({"a": 1}, '{"a":1}'),
        ({}, "{}"),
        (2.0**70, str(orjson.dumps(2.0**70), "ascii")),
        (-0.0, "0"),
        (2.0**62, str(2**62)),
    ],
)
def test_odd_primary_cells(cell: Any, name: str) -> None:  # noqa: ANN401 - a cell is anything
    """Other objects are JSON text, and numbers never get long."""
    assert to_name(cell) == name


@settings(deadline=None, max_examples=200)
@given(cell=JSON_VALUES)
def test_any_primary_cell(cell: Any) -> None:  # noqa: ANN401 - a cell is anything
    """Whatever a primary cell holds, its name is a text with content, or there is none."""
    name = to_name(cell)

    assert name is None or len(name) > 0


@pytest.mark.parametrize("options", [None, {}, {"linkedTableId": None}, {"linkedTableId": ["tbl"]}])
def test_linked_table_that_is_not_told(options: Any) -> None:  # noqa: ANN401 - JSON
    """A field may not say which table it links to."""
    field: Any = {**CUSTOMERS, "options": options}

    assert linked_table_id(field) is None


@pytest.mark.parametrize(
    ("item", "record_id"),
    [
        ("recA", "recA"),
        ({"id": "recA", "name": "Ada"}, "recA"),
        ({}, None),
        (7, None),
        (None, None),
    ],
)
def test_linked_record(item: Any, record_id: str | None) -> None:  # noqa: ANN401 - JSON
    """An item of a link's cell is a record id, or an object with one."""
    assert linked_record_id(item) == record_id


def test_names_in_the_order_of_the_cell() -> None:
    """A row has a name for each link, in the same place, and null for an unknown one."""
    cell = ["recG", "recX", {"id": "recA"}, None, "recG"]

    assert names_of(cell) == [["Grace", None, "Ada", None, "Grace"]]


@pytest.mark.parametrize("cell", [None, [], "recA", {"error": "#ERROR!"}])
def test_cell_without_links(cell: Any) -> None:  # noqa: ANN401 - a cell is anything
    """Without links, the names are null, and nothing is found."""
    names = Names()

    assert names_of(cell, names=names) == [None]
    assert names.found == []


def test_names_are_found_once() -> None:
    """The first record with links has the names found, for all records."""
    names = Names(recA="Ada")

    assert names_of([], ["recA"], ["recA"], names=names) == [None, ["Ada"], ["Ada"]]
    assert names.found == [LINKED_TABLE]


def test_converter_without_names() -> None:
    """A converter that is given no names has nulls."""
    converter = RecordConverter.for_table(TABLE, SCHEMA)
    (row,) = converter.rows(Page([a_record({CUSTOMERS["id"]: ["recA"]})]), AS_OF)

    assert (row["customers"], row["customers_names"]) == (["recA"], [None])


@settings(deadline=None, max_examples=100)
@given(cell=JSON_VALUES)
def test_rows_fit_their_schema(cell: Any) -> None:  # noqa: ANN401 - a cell is anything
    """Whatever the link's cell holds, the row fits the stream's JSON schema."""
    (row,) = rows_of(cell)

    assert nonconformities(row, SCHEMA) == []


@pytest.mark.parametrize(
    ("json_type", "names"),
    [
        ({"type": ["null", "string"]}, '["Ada",null]'),
        ({"type": ["null", "array"], "items": {"type": "string"}}, ["Ada"]),
        ({"type": ["null", "integer"]}, None),
    ],
)
def test_other_type_of_column(json_type: dict[str, Any], names: object) -> None:
    """Names fit the type that the configured catalog gives their column."""
    marked = {**json_type, "x-airtable": {"names_of": CUSTOMERS["id"]}}

    assert names_of(["recA", "recX"], properties={"customers_names": marked}) == [names]


def test_column_that_cannot_be_null() -> None:
    """A record without links has no key for a column that cannot be null."""
    marked = {**SCHEMA["properties"]["customers_names"], "type": "array"}

    rows = rows_of(None, ["recA"], properties={"customers_names": marked})

    assert rows == [{}, {"customers_names": ["Ada"]}]


@pytest.mark.parametrize(
    "annotation",
    [None, "names_of", {"field_id": CUSTOMERS["id"]}, {}],
)
def test_property_that_is_not_marked(annotation: Any) -> None:  # noqa: ANN401 - of any catalog
    """Without the mark, a column is not one of names, whatever it is called."""
    plain = {"type": ["null", "array"], "x-airtable": annotation}

    (row,) = rows_of(["recA"], properties={"customers_names": plain})

    assert row["customers_names"] in (None, ["recA"])


@pytest.mark.parametrize("field_id", [NAME_FIELD, "fldGone0000000000", ["fld"], None])
def test_names_of_no_links(field_id: Any) -> None:  # noqa: ANN401 - of any catalog
    """If the field is gone or holds no links now, its names are null."""
    marked = {"type": ["null", "array"], "x-airtable": {"names_of": field_id}}
    converter = RecordConverter.for_table(TABLE, {"properties": {"names": marked}})
    hard = RecordConverter.for_table(TABLE, {"properties": {"names": {**marked, "type": "array"}}})

    (row,) = converter.rows(Page([a_record()]), AS_OF)

    assert row == {"names": None}
    assert (converter.columns_without_field, hard.columns_without_field) == (["names"], [])


def test_field_is_asked_for_once() -> None:
    """The links are asked for if ids or names are selected, and once if both are."""
    properties = SCHEMA["properties"]
    both = {name: properties[name] for name in ("customers", "customers_names")}
    alone = {"customers_names": properties["customers_names"]}

    asked = [
        RecordConverter.for_table(TABLE, {"properties": one}).field_ids for one in (both, alone)
    ]

    assert asked == [(CUSTOMERS["id"],), (CUSTOMERS["id"],)]


def test_fingerprint() -> None:
    """A new column of names changes the fingerprint, and so does another linked table."""
    plain = RecordConverter.for_table(TABLE, build_json_schema(TABLE)).fingerprint()
    with_names = RecordConverter.for_table(TABLE, SCHEMA).fingerprint()
    other = a_table(a_field(), {**CUSTOMERS, "options": {"linkedTableId": "tblOther"}})

    assert set(plain.split()) < set(with_names.split())
    assert RecordConverter.for_table(other, SCHEMA).fingerprint() != with_names


def test_names_change_by_themselves() -> None:
    """A column of names makes its table volatile, also without the column of ids."""
    properties = {"customers_names": SCHEMA["properties"]["customers_names"]}
    columns = RecordConverter.for_table(TABLE, {"properties": properties}).all_columns

    reason = why_volatile(TABLE, (one.field["id"] for one in columns))

    assert reason is not None
    assert reason.startswith("Customers (multipleRecordLinks: a linked record may be ")


def test_tombstone() -> None:
    """The row of a deleted record has no names."""
    converter = RecordConverter.for_table(TABLE, SCHEMA)

    assert converter.layout.tombstone("recA", AS_OF).get("customers_names") is None
