"""The filter of a table: which entry is meant, which view, and what a query becomes."""

from __future__ import annotations

from typing import Any

import pytest

from source_airtable.api.client import RecordQuery
from source_airtable.schema.table_filter import NO_FILTER, TableFilter, find_filter
from source_airtable.schema.table_schema import parse_table
from unit_tests.builders import BASE, TABLE, a_base, a_config, a_text_table

VIEWS = [
    {"id": "viwAll00000000001", "name": "All", "type": "grid"},
    {"id": "viwOpen0000000001", "name": " Open ", "type": "kanban"},
    {"id": "viwBoth0000000001", "name": "viwAll00000000001"},
]
QUERY = RecordQuery(BASE, TABLE)


def found(*entries: dict[str, str], views: Any = VIEWS, name: str = "Contacts") -> TableFilter:  # noqa: ANN401 - views of the wire
    """The filter of the table Contacts."""
    return find_filter(a_config(table_filters=entries).table_filters, TABLE, name, views)


@pytest.mark.parametrize("table", ["Contacts", " contacts", "CONTACTS", TABLE])
def test_table_that_is_meant(table: str) -> None:
    """An entry means a table by its id, or by its name in any case."""
    assert found({"table": table, "formula": "TRUE()"}) == TableFilter(formula="TRUE()")


@pytest.mark.parametrize("table", ["Contact", TABLE.upper(), "tblOther000000001"])
def test_table_that_is_not_meant(table: str) -> None:
    """A table that no entry means is read as a whole."""
    assert found({"table": table, "formula": "TRUE()"}) is NO_FILTER


@pytest.mark.parametrize(
    ("view", "view_id"),
    [
        ("viwOpen0000000001", "viwOpen0000000001"),
        ("All", "viwAll00000000001"),
        ("Open", "viwOpen0000000001"),
        ("viwAll00000000001", "viwAll00000000001"),
    ],
)
def test_view_that_is_meant(view: str, view_id: str) -> None:
    """A view is meant by its id, else by its exact name."""
    assert found({"table": "Contacts", "view": view, "formula": "1"}) == TableFilter(view_id, "1")


@pytest.mark.parametrize("view", ["all", "viwGone0000000001"])
@pytest.mark.parametrize("views", [VIEWS, [], None, "views", ["All", {"name": "all"}, {"id": 7}]])
def test_view_that_is_not_there(view: str, views: Any) -> None:  # noqa: ANN401 - views of the wire
    """A view that the table does not have is a problem that names it."""
    problem = f"the table has no view with the id or name {view}"

    assert found({"table": "Contacts", "view": view}, views=views).problem == problem


def test_two_entries() -> None:
    """Two entries for one table are a problem that names both."""
    entries = [{"table": entry, "formula": "1"} for entry in ("contacts", TABLE, "Orders")]

    assert found(*entries).problem == f"several entries mean this table: contacts, {TABLE}"


@pytest.mark.parametrize(
    ("formula", "own", "expected"),
    [
        (None, None, None),
        (None, "OWN()", "OWN()"),
        ("{A}", None, "{A}"),
        ("{A} // all", "OWN()", "AND(OWN(),(\n{A} // all\n))"),
    ],
)
def test_query(formula: str | None, own: str | None, expected: str | None) -> None:
    """The user's formula stands outside the connector's, and a comment in it ends."""
    query = RecordQuery(BASE, TABLE, formula=own, page_size_records=1)
    wanted = RecordQuery(BASE, TABLE, formula=expected, page_size_records=1, view="viwA")

    assert TableFilter("viwA", formula).apply(query) == wanted


def test_query_without_a_filter() -> None:
    """Without a filter, a query stays as it is."""
    assert NO_FILTER.apply(QUERY) == QUERY


def test_filter_of_a_parsed_table() -> None:
    """A table of a base's schema has its filter, and keeps nothing else of its views."""
    filters = a_config(table_filters=[{"table": TABLE, "view": "Grid view"}]).table_filters
    table = parse_table(a_base(), a_text_table(), filters)

    assert table is not None
    assert table.filter == TableFilter("viwQpsuEDqHFqegkp")
    assert table.declared is None
