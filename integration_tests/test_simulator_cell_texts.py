"""The simulator shows cells as text, as ``cellFormat=string`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.bases import a_base, a_field, a_record, a_table, an_attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

TEXT: Final = {"cellFormat": "string", "timeZone": "Europe/Paris", "userLocale": "en-gb"}
MOMENT: Final = "2026-11-30T23:05:00.000Z"
ADA: Final = {"id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada"}
GROUP: Final = {"id": "ugpBakers00000001", "name": "Bakers, all"}
ISO: Final = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
US: Final = {"dateFormat": {"name": "us", "format": "M/D/YYYY"}}
FRIENDLY: Final = {"dateFormat": {"name": "friendly", "format": "LL"}}
EUROPEAN: Final = {"dateFormat": {"name": "european", "format": "D/M/YYYY"}}
LOCAL: Final = {"dateFormat": {"name": "local", "format": "l"}}
CLOCK_12: Final = {"timeFormat": {"name": "12hour", "format": "h:mma"}, "timeZone": "utc"}
CLOCK_24: Final = {"timeFormat": {"name": "24hour", "format": "HH:mm"}, "timeZone": "client"}
PERCENT: Final = {"type": "percent", "options": {"precision": 0}}
CASES: Final[dict[str, tuple[str, Json, Any, str]]] = {
    "text": ("singleLineText", {}, "Rye", "Rye"),
    "long text": ("richText", {}, "**Rye**\n", "**Rye**\n"),
    "number": ("number", {"precision": 2}, 1234.5, "1234.50"),
    "whole number": ("number", {"precision": 0}, 0, "0"),
    "percent": ("percent", {"precision": 1}, 0.055, "5.5%"),
    "currency": ("currency", {"precision": 2, "symbol": "€"}, 1234.5, "€1,234.50"),
    "debt": ("currency", {"precision": 0, "symbol": "$"}, -3, "-$3"),
    "minutes": ("duration", {"durationFormat": "h:mm"}, 4980, "1:23"),
    "seconds": ("duration", {"durationFormat": "h:mm:ss"}, -3605, "-1:00:05"),
    "fractions": ("duration", {"durationFormat": "h:mm:ss.SS"}, 61.239, "0:01:01.24"),
    "nearly a minute": ("duration", {"durationFormat": "h:mm:ss.S"}, 59.99, "0:01:00.0"),
    "rating": ("rating", {"max": 5}, 4, "4"),
    "checkbox": ("checkbox", {}, True, "checked"),
    "ISO date": ("date", ISO, "2026-11-03", "2026-11-03"),
    "American date": ("date", US, "2026-11-03", "11/3/2026"),
    "European date": ("date", EUROPEAN, "2026-11-03", "3/11/2026"),
    "friendly date": ("date", FRIENDLY, "2026-11-03", "November 3, 2026"),
    "local date": ("date", LOCAL, "2026-11-03", "3/11/2026"),
    "moment by 24 hours": ("dateTime", {**ISO, **CLOCK_24}, MOMENT, "2026-12-01 00:05"),
    "moment by 12 hours": ("dateTime", {**US, **CLOCK_12}, MOMENT, "12/1/2026 12:05am"),
    "noon": ("dateTime", {**US, **CLOCK_12}, "2026-11-30T11:00:00.000Z", "11/30/2026 12:00pm"),
    "creation": (
        "createdTime",
        {"result": {"type": "date", "options": ISO}},
        "2026-11-03",
        "2026-11-03",
    ),
    "select": ("singleSelect", {}, "Big, or so", "Big, or so"),
    "selects": ("multipleSelects", {}, ["Big, or so", "Red"], '"Big, or so", Red'),
    "collaborator": ("singleCollaborator", {}, ADA, "Ada"),
    "collaborators": ("multipleCollaborators", {}, [ADA, GROUP], "Ada, Bakers, all"),
    "collaborator without a name": ("createdBy", {}, {"id": ADA["id"]}, ADA["id"]),
    "barcode": ("barcode", {}, {"text": "123", "type": "ean13"}, "123"),
    "button": ("button", {}, {"label": "Open", "url": None}, "Open"),
    "AI": ("aiText", {}, {"state": "generated", "isStale": False, "value": "Nice"}, "Nice"),
    "count": ("count", {}, 0, "0"),
    "formula": ("formula", {"result": PERCENT}, 0.5, "50%"),
    "error": ("formula", {"result": PERCENT}, {"error": "#ERROR!"}, "#ERROR!"),
    "not a number": ("rollup", {"result": PERCENT}, {"specialValue": "NaN"}, "NaN"),
    "lookup": ("multipleLookupValues", {"result": PERCENT}, [0.5, None, 1], "50%, , 100%"),
    "unknown result": ("multipleLookupValues", {"result": None}, [1.0, "b"], "1, b"),
}
"""By case: type, options, cell and text."""


class Screen:
    """A table with a field for each case, and what it shows."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.caller = Caller(simulator)
        self.place = (base["id"], base["tables"][0]["id"])
        (record,) = base["tables"][0]["records"]
        self.record_id: str = record["id"]
        self.file: Json = record["fields"]["Files"][0]

    def cells(self, **query: Any) -> Json:  # noqa: ANN401 - a query
        """The record's cells in a listing."""
        page = self.caller.get(*self.place, **{**TEXT, **query}).json()
        cells: Json = page["records"][0]["fields"]
        return cells


def a_screen_base() -> Json:
    """A record with every kind of cell, linked to two others."""
    people = a_table("People", records=[a_record(Name="Almond, Ada"), a_record(Name="Bo")])
    linked = {"linkedTableId": people["id"]}
    keys = [record["id"] for record in people["records"]]
    result = {"type": "multipleRecordLinks", "options": linked}
    cells = {name: cell for name, (_, _, cell, _) in CASES.items()}
    fields = [a_field(name, kind, options=more) for name, (kind, more, _, _) in CASES.items()]
    table = a_table(
        "Everything",
        *fields,
        a_field("Empty", "number"),
        a_field("People", "multipleRecordLinks", options=linked),
        a_field("Their people", "multipleLookupValues", options={"result": result}),
        a_field("Files", "multipleAttachments"),
        records=[
            a_record(
                **cells,
                **{"People": keys, "Their people": keys, "Files": [an_attachment("a.pdf", 9)]},
            )
        ],
    )
    return a_base("Screen", table, people)


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    """A simulator without limits that holds the record."""
    base = a_screen_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        showing = Screen(simulator, base)
        yield showing
        showing.caller.close()


@pytest.mark.parametrize("case", CASES)
def test_text_of_a_cell(screen: Screen, case: str) -> None:
    """A cell is shown as its field's type and options say."""
    assert screen.cells()[case] == CASES[case][3]


def test_links_by_name(screen: Screen) -> None:
    """A link shows the linked records' primary fields, a lookup of links too."""
    cells = screen.cells()

    assert cells["People"] == '"Almond, Ada", Bo'
    assert cells["Their people"] == '"Almond, Ada", Bo'


def test_attachments_by_name_and_address(screen: Screen) -> None:
    """An attachment shows its name and its address."""
    assert screen.cells()["Files"] == f"a.pdf ({screen.file['url']})"


def test_empty_cells_stay_absent(screen: Screen) -> None:
    """Text has the same cells as JSON, and all of them are text."""
    cells = screen.cells()

    assert cells.keys() == screen.cells(cellFormat="json").keys()
    assert {type(cell) for cell in cells.values()} == {str}


def test_zone_and_locale_matter(screen: Screen) -> None:
    """The request's zone and locale decide on moments and local dates, whatever the field's own."""
    cells = screen.cells(timeZone="America/New_York", userLocale="en-us")

    assert cells["moment by 12 hours"] == "11/30/2026 6:05pm"
    assert cells["local date"] == "11/3/2026"
    assert cells["ISO date"] == "2026-11-03"


def test_single_record(screen: Screen) -> None:
    """A record by itself is shown as in a listing."""
    record = screen.caller.get(*screen.place, screen.record_id, **TEXT).json()

    assert record["fields"] == screen.cells()


def test_posted_listing(screen: Screen) -> None:
    """A POST has the format in its body, and zone and locale in its query."""
    url = screen.caller.path(*screen.place, "listRecords")
    query = {name: TEXT[name] for name in ("timeZone", "userLocale")}
    body = {"cellFormat": "string"}
    page = screen.caller.session.post(url, params=query, json=body, timeout=10).json()
    refused = screen.caller.session.post(url, json=TEXT, timeout=10)

    assert page["records"][0]["fields"] == screen.cells()
    assert (refused.status_code, refused.json()["error"]["type"]) == (
        422,
        "INVALID_REQUEST_UNKNOWN",
    )


@pytest.mark.parametrize(
    "query",
    [
        {"timeZone": None},
        {"userLocale": None},
        {"timeZone": "Europe/Nowhere"},
        {"userLocale": "??"},
        {"cellFormat": "text"},
    ],
)
@pytest.mark.parametrize("is_listing", [True, False])
def test_refused_format(screen: Screen, query: Json, is_listing: bool) -> None:  # noqa: FBT001 - a case
    """Text needs a known zone and a locale, in a listing and for a record."""
    path = screen.place if is_listing else (*screen.place, screen.record_id)
    answer = screen.caller.get(*path, **{**TEXT, **query})

    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "INVALID_REQUEST_UNKNOWN")
