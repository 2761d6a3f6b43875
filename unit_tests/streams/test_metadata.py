"""The streams of what discovery learnt: bases, tables, fields and views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.schema.json_schema import name_columns
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.catalog import ACCOUNT_STREAMS, build_streams
from source_airtable.streams.metadata import ROWS_PER_PAGE, MetadataStream
from source_airtable.streams.stream import Account, ReadRequest
from unit_tests.builders import a_base, a_config, a_field, a_table_answer, an_account_stream
from unit_tests.conforming import nonconformities
from unit_tests.fake_client import FakeClient
from unit_tests.generated import JSON_VALUES, fields

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema

METADATA_STREAMS = [n for n, kind in ACCOUNT_STREAMS.items() if issubclass(kind, MetadataStream)]
NAME = a_field(field_id="fldName0000000000", name="Name", description="Who it is.")
STATUS = a_field(
    "singleSelect",
    field_id="fldStatus00000000",
    name="Status",
    options={"choices": [{"id": "selA", "name": "Open", "color": "blueLight2"}]},
)
BASE = a_base("appLkNDICXNqxSDhG", "Sales CRM")
PLACE = {"base_id": "appLkNDICXNqxSDhG", "table_id": "tblltp8DGLhqbUmjK"}
STREAM_NAME = "sales_crm/contacts/tblltp8DGLhqbUmjK"


def a_declared_table(*declared: Any, **others: object) -> TableSchema:  # noqa: ANN401 - of the wire
    """A table with everything that Airtable says of it."""
    answer: Any = a_table_answer(*declared, **others)
    table = parse_table(BASE, answer, keep_declared=True)
    assert table is not None
    return table


TABLE = a_declared_table(NAME, STATUS, description="People we know.")
ACCOUNT = Account([BASE], [TABLE])


def rows_of(
    name: str,
    account: Account = ACCOUNT,
    **settings: Any,  # noqa: ANN401 - as of the builder
) -> list[dict[str, Any]]:
    """What a stream emits."""
    stream = an_account_stream(name, account=account, **settings)
    return [row for rows in stream.rows() for row in rows]


def test_names() -> None:
    """Four streams come from the schemas alone."""
    assert METADATA_STREAMS == ["bases", "tables", "fields", "views"]


def test_bases() -> None:
    """A base has its id, its name and what the token's owner may do, readable or not."""
    hidden = a_base("appHidden00000000", "Wiki", "none")

    assert rows_of("bases", Account([BASE, hidden])) == [
        {"id": "appLkNDICXNqxSDhG", "name": "Sales CRM", "permission_level": "create"},
        {"id": "appHidden00000000", "name": "Wiki", "permission_level": "none"},
    ]


def test_tables() -> None:
    """A table has what Airtable says of it, and the name of its stream."""
    assert rows_of("tables") == [
        {
            "base_id": "appLkNDICXNqxSDhG",
            "id": "tblltp8DGLhqbUmjK",
            "name": "Contacts",
            "description": "People we know.",
            "primary_field_id": NAME["id"],
            "stream_name": STREAM_NAME,
        }
    ]


def test_fields() -> None:
    """A field has what Airtable says of it, whole, and the name of its column."""
    assert rows_of("fields") == [
        {
            **PLACE,
            "id": field["id"],
            "name": field["name"],
            "description": field.get("description"),
            "type": field["type"],
            "options": field.get("options"),
            "is_primary": field is NAME,
            "stream_name": STREAM_NAME,
            "column_name": field["name"].lower(),
        }
        for field in (NAME, STATUS)
    ]


def test_views() -> None:
    """A view has what Airtable says of it, whose it is included."""
    grid = {"id": "viwGrid0000000000", "name": "Grid", "type": "grid"}
    mine = {**grid, "id": "viwMine0000000000", "personalForUserId": "usrA"}
    table = a_declared_table(NAME, views=[grid, mine])

    assert rows_of("views", Account([BASE], [table])) == [
        {**PLACE, **grid, "personal_for_user_id": None},
        {**PLACE, **grid, "id": "viwMine0000000000", "personal_for_user_id": "usrA"},
    ]


@pytest.mark.parametrize("views", [None, "grid", [None, 7, {}, {"id": 7}, {"name": "Grid"}]])
def test_views_of_another_form(views: object) -> None:
    """What is no view with an id is left out."""
    assert rows_of("views", Account([BASE], [a_declared_table(NAME, views=views)])) == []


def test_view_that_is_declared_twice() -> None:
    """A second view of the same id is the same view."""
    view = {"id": "viwGrid0000000000", "name": "Grid", "type": "grid"}
    table = a_declared_table(NAME, views=[view, {**view, "name": "Other"}])

    assert [row["name"] for row in rows_of("views", Account([BASE], [table]))] == ["Grid"]


@pytest.mark.parametrize("name", sorted(METADATA_STREAMS))
def test_empty_account(name: str) -> None:
    """An account of which nothing is selected has no rows."""
    assert rows_of(name, Account()) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stream_names": "ids"},
        {"column_names": "ids"},
        {"add_base_id_to_stream_name": True},
    ],
)
def test_names_of_streams_and_columns(settings: dict[str, Any]) -> None:
    """Streams and columns are called what the catalog calls them, whatever the settings."""
    config = a_config(**settings)
    stream = build_streams(ACCOUNT, config, FakeClient().as_client(), lambda _: iter(()))[0]
    columns = name_columns(TABLE, by_field_id=config.column_names == "ids")

    tables, told = rows_of("tables", **settings), rows_of("fields", **settings)

    assert {row["stream_name"] for row in (*tables, *told)} == {stream.name}
    assert {row["id"]: row["column_name"] for row in told} == columns
    assert set(columns.values()) < set(stream.get_json_schema()["properties"])


@pytest.mark.parametrize("name", METADATA_STREAMS)
def test_no_state(name: str) -> None:
    """A stream of the schemas reads no table, so it saves nothing."""
    stream = an_account_stream(name, account=ACCOUNT)

    assert (list(stream.tables()), stream.combine({}, ReadRequest())) == ([], None)


def test_pages_of_rows() -> None:
    """Rows come a hundred at a time."""
    bases = [a_base(f"app{number}") for number in range(2 * ROWS_PER_PAGE + 1)]

    pages = list(an_account_stream("bases", account=Account(bases)).rows())

    assert [len(page) for page in pages] == [ROWS_PER_PAGE, ROWS_PER_PAGE, 1]
    assert [row["id"] for page in pages for row in page] == [base["id"] for base in bases]


def test_selected_columns() -> None:
    """Only the configured columns are emitted."""
    stream = an_account_stream("tables", "id", account=ACCOUNT)

    assert list(stream.rows()) == [[{"id": "tblltp8DGLhqbUmjK"}]]


@given(
    st.lists(fields(), max_size=3),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "description"), JSON_VALUES)),
    st.lists(st.fixed_dictionaries({}, optional={"id": st.text(), "name": JSON_VALUES}))
    | JSON_VALUES,
)
def test_any_answer(declared: list[Any], others: dict[str, Any], views: object) -> None:
    """Whatever Airtable says of a table, each row fits its stream, and no two have the same key."""
    account = Account([BASE], [a_declared_table(*declared, **others, views=views)])
    for name in METADATA_STREAMS:
        stream, rows = an_account_stream(name), rows_of(name, account)

        assert [nonconformities(row, stream.get_json_schema()) for row in rows] == [[]] * len(rows)
        assert len({row["id"] for row in rows}) == len(rows)
