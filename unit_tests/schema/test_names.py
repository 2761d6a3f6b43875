"""Names of streams and columns, in the connector and in destinations."""

from __future__ import annotations

import re
from operator import itemgetter
from random import Random  # noqa: TC003 - hypothesis reads annotations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_tests.hostile_bases import MANY_NAMES
from integration_tests.real_bases import ARE_ABSENT, real_bases
from source_airtable.schema.names import (
    TableNames,
    clean_name,
    column_names,
    names_column_names,
    reduce_name,
    stream_name_of_ids,
    stream_name_prefix,
    stream_names,
)
from source_airtable.schema.system_columns import SYSTEM_COLUMNS
from unit_tests.generated import FIELD_NAMES, airtable_ids, names_by_field_id

COLUMNS_OF_OTHERS = (
    "_ab_cdc_deleted_at",
    "_airbyte_raw_id",
    "_airbyte_extracted_at",
    "_airbyte_loaded_at",
    "_airbyte_generation_id",
    "_airbyte_meta",
)
REAL_BASES = [] if ARE_ABSENT else real_bases()
CONTACTS = TableNames("appLkNDICXNqxSDhG", "Sales CRM", "tblltp8DGLhqbUmjK", "Contacts")
FIRST_ID, SECOND_ID, THIRD_ID = "fldAAAAAAAAAAAAAA", "fldBBBBBBBBBBBBBB", "fldCCCCCCCCCCCCCC"
ID_PAIRS = st.lists(
    st.tuples(airtable_ids("app"), airtable_ids("tbl")),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: "/".join(pair).lower(),
)


def as_in_a_destination(name: str) -> str:
    """Change a name as PyAirbyte's normaliser does."""
    normal = re.sub(r"[^a-z0-9]", "_", name.lower())
    return f"_{normal}" if normal[:1].isdigit() else normal


def as_the_platform_passes(record: dict[str, Any], properties: list[str]) -> dict[str, Any]:
    """Cut a record to the columns of its schema, some renamed, as Airbyte's FieldSelector does."""
    renamed = {"$id": "id", "$schema": "schema", "$comment": "comment"}
    passed = {renamed.get(name, name) for name in properties}
    return {name: value for name, value in record.items() if name in passed}


def spell(name: str) -> str:
    """Reduce a name to the letters and digits that a destination keeps."""
    return as_in_a_destination(name).replace("_", "")


@st.composite
def tables(draw: st.DrawFn) -> list[TableNames]:
    """Draw the tables of an account whose duplicated bases keep the ids of their tables."""
    names = st.sampled_from(["a", "b"]) | FIELD_NAMES
    table_ids = draw(st.lists(airtable_ids("tbl"), min_size=1, max_size=3, unique_by=str.lower))
    base_ids = draw(st.lists(airtable_ids("app"), min_size=1, max_size=3, unique_by=str.lower))
    base_names = {base_id: draw(names) for base_id in base_ids}
    return [
        TableNames(base_id, base_names[base_id], table_id, draw(names))
        for base_id in base_ids
        for table_id in table_ids
    ]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Due Date", "due_date"),
        ("Order Lines 📦", "order_lines_📦"),
        ("a/b", "a/b"),
        ("\tTabs\t", "tabs"),
        (" Spaces ", "_spaces_"),
        ("due\u00a0date", "due\u00a0date"),
        ("İd", "i̇d"),
        ("", ""),
    ],
)
def test_cleaned_name(name: str, cleaned: str) -> None:
    """A name is cleaned as Airbyte's own connector does it: spaces, then case, then the ends."""
    assert cleaned == clean_name(name)


@pytest.mark.parametrize(
    ("name", "reduced"),
    [("Due Date", "due_date"), ("due-date", "due_date"), ("_a_", "a"), ("名前", ""), ("", "")],
)
def test_reduced_name(name: str, reduced: str) -> None:
    """A reduced name holds what destinations keep."""
    assert reduced == reduce_name(name)


def test_plain_names_stay() -> None:
    """Fields with unique names keep them as columns."""
    names = column_names({FIRST_ID: "Due Date", SECOND_ID: "7 days", THIRD_ID: "Straße 1"})

    assert names == {FIRST_ID: "due_date", SECOND_ID: "7_days", THIRD_ID: "straße_1"}


def test_colliding_names_are_suffixed() -> None:
    """Fields whose columns a destination would merge both get their ids. Other fields do not."""
    names = column_names({FIRST_ID: "Due Date", SECOND_ID: "Notes", THIRD_ID: "notes!"})

    assert names == {
        FIRST_ID: "due_date",
        SECOND_ID: f"notes_{SECOND_ID}",
        THIRD_ID: f"notes!_{THIRD_ID}",
    }


@pytest.mark.parametrize("name", ["", " ", "///", "📦", "名前", "\t", "\u00a0", "___"])
def test_name_of_which_nothing_is_left(name: str) -> None:
    """A name without a letter or digit gets the field's id."""
    names = column_names({FIRST_ID: name})

    assert names == {FIRST_ID: f"{clean_name(name)}_{FIRST_ID}"}


@pytest.mark.parametrize("name", ["Airtable ID", *SYSTEM_COLUMNS, *COLUMNS_OF_OTHERS])
def test_name_of_a_column_that_is_there_already(name: str) -> None:
    """A field with the name of a system column, ours or Airbyte's, gets its id."""
    names = column_names({FIRST_ID: name})

    assert names == {FIRST_ID: f"{clean_name(name)}_{FIRST_ID}"}


@pytest.mark.parametrize("name", ["$id", "$ID", "$schema", "$Schema", "$comment", "$Comment\t"])
def test_name_that_the_platform_rewrites(name: str) -> None:
    """A name that Airbyte's platform rewrites gets the field's id."""
    names = column_names({FIRST_ID: name})

    assert names == {FIRST_ID: f"{clean_name(name)}_{FIRST_ID}"}


@pytest.mark.parametrize("name", ["$ids", "id", "$ref", "schema", "a$id"])
def test_name_that_the_platform_keeps(name: str) -> None:
    """A name that only resembles one that the platform rewrites stays as it is."""
    assert column_names({FIRST_ID: name}) == {FIRST_ID: name}


def test_name_that_imitates_a_suffixed_one() -> None:
    """A field whose name equals another field's suffixed name gets a suffix too."""
    names = column_names({FIRST_ID: "a", SECOND_ID: "A", THIRD_ID: f"A {FIRST_ID}"})

    assert names == {
        FIRST_ID: f"a_{FIRST_ID}",
        SECOND_ID: f"a_{SECOND_ID}",
        THIRD_ID: f"a_{FIRST_ID.lower()}_{THIRD_ID}",
    }


def test_long_names_keep_their_ids_when_they_collide() -> None:
    """If a suffix does not fit, the name is cut, and the id is kept."""
    names = column_names({FIRST_ID: "x" * 255, SECOND_ID: "x" * 255 + "y"})

    assert names == {
        FIRST_ID: "x" * 237 + f"_{FIRST_ID}",
        SECOND_ID: "x" * 237 + f"_{SECOND_ID}",
    }


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id())
def test_columns_stay_apart_in_a_destination(names: dict[str, str]) -> None:
    """No two fields of a table share a column, for any names."""
    arrived = [as_in_a_destination(column) for column in column_names(names).values()]

    assert len(names) == len(set(arrived))


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id())
def test_columns_pass_the_platform(names: dict[str, str]) -> None:
    """Airbyte's platform passes every column on, and does not rename it."""
    columns = list(column_names(names).values())

    assert as_the_platform_passes(dict.fromkeys(columns), columns) == dict.fromkeys(columns)


@pytest.mark.parametrize("base", [MANY_NAMES, *REAL_BASES], ids=itemgetter("name"))
def test_columns_of_a_base_pass_the_platform(base: dict[str, Any]) -> None:
    """Airbyte's platform passes every column of hostile and real bases on."""
    for table in base["tables"]:
        names = {field["id"]: field["name"] for field in table["fields"]}
        columns = list(column_names(names).values())

        assert as_the_platform_passes(dict.fromkeys(columns), columns) == dict.fromkeys(columns)


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id())
def test_columns_never_lose_their_whole_name(names: dict[str, str]) -> None:
    """Every column's name contains a letter or digit that destinations keep."""
    assert all(spell(column) for column in column_names(names).values())


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id())
def test_columns_shadow_no_system_column(names: dict[str, str]) -> None:
    """No field takes the place of a system column, ours or Airbyte's."""
    taken = {as_in_a_destination(name) for name in (*SYSTEM_COLUMNS, *COLUMNS_OF_OTHERS)}
    arrived = {as_in_a_destination(column) for column in column_names(names).values()}

    assert taken.isdisjoint(arrived)


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id())
def test_columns_fit_airtables_own_limit(names: dict[str, str]) -> None:
    """No column has a name of more than 255 characters."""
    assert max(len(column) for column in column_names(names).values()) <= 255


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id(), randomness=st.randoms(use_true_random=False))
def test_columns_do_not_depend_on_order(names: dict[str, str], randomness: Random) -> None:
    """Fields that are moved keep their columns."""
    moved = list(names)
    randomness.shuffle(moved)

    assert column_names(names) == column_names({field_id: names[field_id] for field_id in moved})


@settings(deadline=None, max_examples=70)
@given(names=names_by_field_id(), added_name=FIELD_NAMES, added_id=airtable_ids("fld"))
def test_columns_stay_when_a_field_is_added(
    names: dict[str, str], added_name: str, added_id: str
) -> None:
    """A new field that collides with no other leaves the other columns as they are."""
    before = column_names(names)
    plain = clean_name(added_name)[:255]
    new = {spell(plain), spell(f"{plain[:237]}_{added_id}")}
    old = {spell(name) for name in before.values()}
    old |= {spell(clean_name(name)[:255]) for name in names.values()}
    if added_id.lower() in {field_id.lower() for field_id in names} or new & old:
        return
    after = column_names({**names, added_id: added_name})

    assert before == {field_id: after[field_id] for field_id in names}


def test_columns_of_names() -> None:
    """A column of names has the column of its field and an ending."""
    columns = {FIRST_ID: "orders", SECOND_ID: "due_date", THIRD_ID: "sold_by_fldX"}

    assert names_column_names(columns, [THIRD_ID, FIRST_ID]) == {
        FIRST_ID: "orders_names",
        THIRD_ID: "sold_by_fldX_names",
    }


def test_column_of_names_beside_a_field_of_this_name() -> None:
    """A field that is called like a column of names keeps its column; the other has an id."""
    columns = column_names({FIRST_ID: "Orders", SECOND_ID: "orders-names"})

    assert columns[SECOND_ID] == "orders-names"
    assert names_column_names(columns, [FIRST_ID]) == {FIRST_ID: f"orders_names_{FIRST_ID}"}


def test_columns_of_names_that_are_cut() -> None:
    """Two long names that are equal once they are cut get ids."""
    columns = column_names({FIRST_ID: "x" * 254 + "a", SECOND_ID: "x" * 254 + "b"})

    assert names_column_names(columns, [FIRST_ID, SECOND_ID]) == {
        field_id: "x" * 231 + f"_names_{field_id}" for field_id in (FIRST_ID, SECOND_ID)
    }


@settings(deadline=None, max_examples=150)
@given(names=names_by_field_id(), data=st.data())
def test_columns_of_names_stay_apart(names: dict[str, str], data: st.DataObject) -> None:
    """No column of names shares a column with a field, a system column or another one."""
    links = data.draw(st.lists(st.sampled_from(sorted(names)), min_size=1, unique=True))
    for field_id in data.draw(st.lists(st.sampled_from(sorted(names)), max_size=3)):
        # Fields that imitate columns of names, with and without an id.
        link = links[0]
        endings = ["_names", f" names {link}", f" names {link} {link}"]
        if field_id != link:
            names[field_id] = f"{names[link]}{data.draw(st.sampled_from(endings))}"
    columns = column_names(names)

    of_names = names_column_names(columns, links)

    taken = {as_in_a_destination(name) for name in (*SYSTEM_COLUMNS, *COLUMNS_OF_OTHERS)}
    arrived = [as_in_a_destination(name) for name in (*columns.values(), *of_names.values())]
    assert of_names.keys() == set(links)
    assert len(arrived) == len(taken.union(arrived) - taken)
    assert max(map(len, of_names.values())) <= 255
    assert of_names == names_column_names(columns, reversed(links))


def test_stream_name() -> None:
    """A stream's name consists of base, table and the table's id."""
    assert stream_names([CONTACTS]) == ["sales_crm/contacts/tblltp8DGLhqbUmjK"]


def test_stream_name_with_base_id() -> None:
    """With the setting, the base's id is the second part of the name."""
    names = stream_names([CONTACTS], add_base_id=True)

    assert names == ["sales_crm/appLkNDICXNqxSDhG/contacts/tblltp8DGLhqbUmjK"]


def test_stream_name_of_ids() -> None:
    """A stream's name may consist of ids alone, so that renames do not change it."""
    name = stream_name_of_ids(CONTACTS.base_id, CONTACTS.table_id)

    assert name == "appLkNDICXNqxSDhG/tblltp8DGLhqbUmjK"


def test_stream_name_prefix() -> None:
    """The streams of a base begin with its cleaned name."""
    assert stream_name_prefix("Sales CRM") == "sales_crm/"


def test_streams_of_a_duplicated_base() -> None:
    """Tables that share names and id with those of a duplicated base get the base's id."""
    copy = TableNames("appCopyCopyCopy01", "sales crm", CONTACTS.table_id, "Contacts")
    other = TableNames("appCopyCopyCopy01", "sales crm", "tblOrders0rders00", "Orders")

    assert stream_names([CONTACTS, copy, other]) == [
        "sales_crm/appLkNDICXNqxSDhG/contacts/tblltp8DGLhqbUmjK",
        "sales_crm/appCopyCopyCopy01/contacts/tblltp8DGLhqbUmjK",
        "sales_crm/orders/tblOrders0rders00",
    ]


def test_long_stream_name_is_shared_out() -> None:
    """If the names of base and table are too long together, both are cut, and the id is kept."""
    long = TableNames("appLkNDICXNqxSDhG", "b" * 255, "tblltp8DGLhqbUmjK", "t" * 255)

    assert stream_names([long]) == ["b" * 90 + "/" + "t" * 91 + "/tblltp8DGLhqbUmjK"]


def test_short_table_name_leaves_its_room_to_the_base() -> None:
    """Only the name that is too long is cut."""
    long = TableNames("appLkNDICXNqxSDhG", "b" * 255, "tblltp8DGLhqbUmjK", "Orders")

    assert stream_names([long]) == ["b" * 175 + "/orders/tblltp8DGLhqbUmjK"]


def test_stream_name_is_cut_between_characters() -> None:
    """A character of several bytes is kept whole or left out."""
    long = TableNames("appLkNDICXNqxSDhG", "é" * 255, "tblltp8DGLhqbUmjK", "Orders")

    assert stream_names([long]) == ["é" * 87 + "/orders/tblltp8DGLhqbUmjK"]


@settings(deadline=None, max_examples=60)
@given(account=tables(), add_base_id=st.booleans())
def test_streams_stay_apart_in_a_destination(
    account: list[TableNames], *, add_base_id: bool
) -> None:
    """No two tables share a stream, not even those of duplicated bases with equal ids."""
    names = stream_names(account, add_base_id=add_base_id)

    assert len(account) == len({as_in_a_destination(name) for name in names})


@settings(deadline=None, max_examples=60)
@given(account=tables(), add_base_id=st.booleans())
def test_stream_names_are_bounded(account: list[TableNames], *, add_base_id: bool) -> None:
    """No stream has a name of more than 200 bytes."""
    names = stream_names(account, add_base_id=add_base_id)

    assert max(len(name.encode()) for name in names) <= 200


@settings(deadline=None, max_examples=60)
@given(account=tables(), add_base_id=st.booleans())
def test_stream_names_keep_their_ids(account: list[TableNames], *, add_base_id: bool) -> None:
    """Every stream's name ends with the table's whole id, and holds the base's if asked to."""
    names = stream_names(account, add_base_id=add_base_id)

    assert all(
        name.endswith(f"/{table.table_id}") and (not add_base_id or f"/{table.base_id}/" in name)
        for name, table in zip(names, account, strict=True)
    )


@settings(deadline=None, max_examples=60)
@given(account=tables(), randomness=st.randoms(use_true_random=False))
def test_stream_names_do_not_depend_on_order(account: list[TableNames], randomness: Random) -> None:
    """Tables and bases that are moved keep their streams."""
    moved = list(account)
    randomness.shuffle(moved)
    named = dict(zip(moved, stream_names(moved), strict=True))

    assert stream_names(account) == [named[table] for table in account]


@settings(deadline=None, max_examples=50)
@given(pairs=ID_PAIRS)
def test_streams_called_by_ids_stay_apart(pairs: list[tuple[str, str]]) -> None:
    """No two tables share a stream that is named by ids."""
    called = {as_in_a_destination(stream_name_of_ids(*pair)) for pair in pairs}

    assert len(pairs) == len(called)
