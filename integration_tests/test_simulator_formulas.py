"""The simulator filters by formula as Airtable does, in both readings of what is uncertain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integration_tests.airtable_simulator import CommandRefusedError, SimulatorThread
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.clock import parse_time, to_wire_time
from integration_tests.airtable_simulator.errors import Refusal
from integration_tests.airtable_simulator.formula_functions import PLAIN, comparisons
from integration_tests.airtable_simulator.formula_values import ERROR, Moment, to_text
from integration_tests.airtable_simulator.formulas import (
    ARGUMENT_COUNTS,
    compile_filter,
    compile_formula,
)
from integration_tests.airtable_simulator.settings import Settings
from integration_tests.airtable_simulator.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator.formula_values import Value

BASE: Final = "appAbCdEfGhIjKlMn"
TABLE: Final = "tblAbCdEfGhIjKlMn"
EMPTY_TABLE: Final = "tblEmpty000000001"
NOW: Final = "2026-01-02T03:04:05.678Z"
BOUND: Final = "2026-01-02T03:04:05.000Z"
BEFORE: Final = "2026-01-02T03:04:04.000Z"
AFTER: Final = "2026-01-02T03:04:06.000Z"
BOUND_SECONDS: Final = int(parse_time(BOUND))
FIELDS: Final = [
    {"id": "fldName0000000001", "name": "Name", "type": "singleLineText"},
    {"id": "fldCount000000001", "name": "How many?", "type": "number"},
    {"id": "fldTags0000000001", "name": "Tags", "type": "multipleSelects"},
    {"id": "fldMoment00000001", "name": "Moment", "type": "dateTime"},
    {"id": "fldDay00000000001", "name": "Day", "type": "date"},
    {"id": "fldDone0000000001", "name": "Done", "type": "checkbox"},
    {"id": "fldOdd00000000001", "name": "Odd", "type": "formula"},
    {"id": "fldBrace000000001", "name": "Brace } here", "type": "singleLineText"},
    {"id": "fldNothing0000001", "name": "Nothing", "type": "dateTime"},
]
CELLS: Final = {
    "Name": "Rye bread",
    "How many?": 12,
    "Tags": ["dark", "fresh"],
    "Moment": "2026-01-02T03:04:05.678Z",
    "Day": "2026-01-02",
    "Done": True,
    "Brace } here": "closed",
}


def a_record_id(number: int) -> str:
    """The id of the n-th record."""
    return f"rec{number:014d}"


def a_record(number: int = 0, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A record that was created, and last modified, just before the bound."""
    return {"id": a_record_id(number), "createdTime": BEFORE, "fields": CELLS, **more}


def a_table(*records: dict[str, Any], table_id: str = TABLE) -> dict[str, Any]:
    """A table of these records."""
    return {"id": table_id, "name": table_id, "fields": FIELDS, "records": list(records)}


def a_filter(bound: str = BOUND) -> str:
    """The filter that the connector sends."""
    moment = f"DATETIME_PARSE('{bound}')"
    modified = f"IF(LAST_MODIFIED_TIME(),IS_AFTER(LAST_MODIFIED_TIME(),{moment}),FALSE())"
    either = f"OR({modified},IS_AFTER(CREATED_TIME(),{moment}))"
    return f"IF(ISERROR({either}),TRUE(),{either})"


def value_of(formula: str, record: dict[str, Any] | None = None, **settings: object) -> Value:
    """What a formula gives for a record."""
    table = Table(a_table(record or a_record()), 0)
    evaluate = compile_formula(formula, table, Settings().changed(settings), parse_time(NOW))
    (only,) = table.records.values()
    return evaluate(only)


def is_kept(formula: str, record: dict[str, Any] | None = None, **settings: object) -> bool:
    """Whether a filter keeps a record."""
    table = Table(a_table(record or a_record()), 0)
    keeps = compile_filter(formula, table, Settings().changed(settings), parse_time(NOW))
    (only,) = table.records.values()
    return keeps is None or keeps(only)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator without limits per second: 250 records, every other modified after the bound."""
    moments = (BEFORE, AFTER)
    records = [a_record(i, lastModifiedTime=moments[i % 2]) for i in range(250)]
    tables = [a_table(*records), a_table(table_id=EMPTY_TABLE)]
    document = {"bases": [{"id": BASE, "name": "Bakery", "tables": tables}]}
    with SimulatorThread(document, has_limits=False) as running:
        yield running


@pytest.fixture
def caller(simulator: SimulatorThread) -> Iterator[Caller]:
    """A caller with the simulator's token."""
    calling = Caller(simulator)
    yield calling
    calling.close()


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 - 2 - 1", 5.0),
        ("-2 * -.5", 1.0),
        ("1 & 2 + 3", "15"),
        ("1 + 1 = 2", True),
        ("1 / 0", math.inf),
        ("BLANK() + 1", 1.0),
        ("'3' + 1", 4.0),
        ("2 > 1", True),
        ("2 >= 2", True),
        ("2 < 2", False),
        ("2 <= 1", False),
        ("1 != 2", True),
        ("'a' < 'b'", True),
        ("'a' = 'A'", False),
        (r"'it\'s'", "it's"),
        (r'"a \"b\" \\ c\n"', 'a "b" \\ c\n'),
        ("BLANK() = ''", True),
        ("BLANK() = 0", True),
        ("'1' = 1", True),
        ("and(TRUE(), 1, 'x')", True),
        ("AND(TRUE(), 0)", False),
        ("Or(FALSE(), BLANK())", False),
        ("OR(FALSE(), 'x')", True),
        ("NOT('')", True),
        ("XOR(1, 1, 1)", True),
        ("XOR(1, 1)", False),
        ("IF('', 1, 2)", 2.0),
        ("IF(0, 1)", None),
        ("IF(1, 'yes', ERROR())", "yes"),
        ("ISERROR(ERROR())", True),
        ("ISERROR('x' * 1)", True),
        ("ISERROR(1)", False),
        ("LEN('abc')", 3.0),
        ("LOWER('ABC') & UPPER('def')", "abcDEF"),
        ("TRIM('  a b ')", "a b"),
        ("CONCATENATE('a', 1, BLANK(), 2.5)", "a12.5"),
        ("FIND('b', 'abcb')", 2.0),
        ("FIND('b', 'abcb', 3)", 4.0),
        ("FIND('x', 'abc')", 0.0),
        ("FIND('B', 'abc')", 0.0),
        ("RIGHT('abc', 1)", "c"),
        ("RIGHT('abc', 5)", "abc"),
        ("RIGHT('abc', 0)", ""),
        ("RIGHT(12, 1)", "2"),
        ("RIGHT(RECORD_ID(), 1)", "0"),
        ("SEARCH('c', 'abc')", 3.0),
        ("SEARCH('x', 'abc')", None),
        ("RECORD_ID()", a_record_id(0)),
        ("CREATED_TIME() = '2026-01-02T03:04:04Z'", True),
    ],
)
def test_value(formula: str, expected: Value) -> None:
    """Operators and functions give what Airtable's formula reference says."""
    assert value_of(formula) == expected


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Name", "Rye bread"),
        ("{Name}", "Rye bread"),
        ("{fldName0000000001}", "Rye bread"),
        (r"{Brace \} here}", "closed"),
        ("{How many?} / 4", 3.0),
        ("{Tags} = 'dark, fresh'", True),
        ("FIND('fresh', {Tags})", 7.0),
        ("Done = TRUE()", True),
        ("Nothing = BLANK()", True),
        ("Moment = '2026-01-02T03:04:05.678Z'", True),
        ("Moment = '2026-01-02T03:04:05Z'", False),
        ("Moment >= '2026-01-02T04:04:05.678+01:00'", True),
        ("IS_SAME(Moment, Day, 'day')", True),
        ("Day & ''", "2026-01-02T00:00:00.000Z"),
    ],
)
def test_field(formula: str, expected: Value) -> None:
    """A field goes by name or id and has the value of its cell; arrays compare as joined text."""
    assert value_of(formula) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"error": "#ERROR!"}, ERROR),
        ({"specialValue": "Infinity"}, math.inf),
        ({"id": "usrAbCdEfGhIjKlMn", "name": "Ada"}, "Ada"),
        ([{"error": "#ERROR!"}], [ERROR]),
        (10**400, math.inf),
    ],
)
def test_odd_cell(cell: object, expected: Value) -> None:
    """Error and special cells are the errors and numbers they show; objects are their text."""
    assert value_of("Odd", a_record(fields={"Odd": cell})) == expected


@pytest.mark.parametrize(
    "formula",
    [
        "ERROR() + 1",
        "1 = ERROR()",
        "ERROR() != 1",
        "ERROR() & 'x'",
        "NOT(ERROR())",
        "IF(ERROR(), 1, 2)",
        "AND(FALSE(), ERROR())",
        "OR(TRUE(), ERROR())",
        "XOR(1, ERROR())",
        "IS_AFTER(DATETIME_PARSE('tomorrow'), NOW())",
        "IS_SAME(NOW(), NOW(), 'fortnight')",
        "DATEADD(TODAY(), 1000000000, 'years')",
        "'x' * 1",
        "LEN({Odd})",
        "CONCATENATE({Odd})",
    ],
)
def test_error_propagates(formula: str) -> None:
    """What is computed from an error is an error, and the record is left out without a word."""
    record = a_record(fields={"Odd": [{"error": "#ERROR!"}]})

    assert value_of(formula, record) is ERROR
    assert not is_kept(formula, record)


@pytest.mark.parametrize("formula", ["0", "FALSE()", "''", "0/0", "Tags", "ERROR()", "BLANK()"])
def test_result_that_leaves_out(formula: str) -> None:
    """A record is left out for 0, false, "", NaN, [], #ERROR and blank."""
    assert not is_kept(formula, a_record(fields={}))


@pytest.mark.parametrize("formula", ["1", "-1", "TRUE()", "'0'", "1/0", "Tags", "Day", "", " \n"])
def test_result_that_keeps(formula: str) -> None:
    """A record is kept for any other result, and without a formula."""
    assert is_kept(formula)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("DATETIME_PARSE('2026-01-02T03:04:05.678Z')", "2026-01-02T03:04:05.678Z"),
        ("DATETIME_PARSE('2026-01-02T03:04:05+02:00')", "2026-01-02T01:04:05.000Z"),
        ("DATETIME_PARSE('2026-01-02T03:04')", "2026-01-02T03:04:00.000Z"),
        ("DATETIME_PARSE('2026-01-02')", "2026-01-02T00:00:00.000Z"),
        ("DATETIME_PARSE('1767323045678', 'x')", "2026-01-02T03:04:05.678Z"),
        ("DATETIME_PARSE('1767323045', 'X')", "2026-01-02T03:04:05.000Z"),
        ("DATETIME_PARSE('02/01/2026', 'DD/MM/YYYY')", "2026-01-02T00:00:00.000Z"),
        (
            "DATETIME_PARSE('2026-01-02T03:04:05+02:00', 'YYYY-MM-DD HH:mm:ss')",
            "2026-01-02T03:04:05.000Z",
        ),
        ("DATEADD('2026-01-31', 1, 'month')", "2026-02-28T00:00:00.000Z"),
        ("DATEADD('2026-01-02', -90, 'minutes')", "2026-01-01T22:30:00.000Z"),
        ("NOW()", NOW),
        ("TODAY()", "2026-01-02T00:00:00.000Z"),
    ],
)
def test_moment(formula: str, expected: str) -> None:
    """Moments are GMT to the millisecond; a format drops what it does not mention."""
    assert to_text(value_of(formula)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "2026-13-01", "2026-02-30", "2026-01-02T24:00:00Z", "0000-01-01"),
        *("2026-01-02T03:04:05 00:00", "2026-01-02T03:04:05+99:00", "02/01/2026"),
    ],
)
def test_unparsable_moment(text: str) -> None:
    """What is no ISO 8601 moment is an error, the one whose plus sign became a space included."""
    assert value_of(f"DATETIME_PARSE('{text}')") is ERROR


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("DATETIME_DIFF('2026-01-03', '2026-01-02', 'seconds')", 86_400.0),
        ("DATETIME_DIFF('2026-01-02', '2026-01-03', 'hours')", -24.0),
        ("DATETIME_DIFF('2026-03-30', '2026-01-31', 'months')", 1.0),
        ("DATETIME_DIFF('2025-01-03', '2026-01-02', 'years')", 0.0),
        ("DATETIME_DIFF('2026-01-03T23:00', '2026-01-02')", 1.0),
        ("IS_SAME('2026-01-02T23:59', '2026-01-02', 'day')", True),
        ("IS_SAME('2026-01-03', '2026-01-04', 'week')", False),
        ("IS_SAME('2026-01-04', '2026-01-10', 'week')", True),
        ("IS_SAME('2026-01-02', '2026-01-31', 'month')", True),
        ("IS_SAME('2026-01-02T23:59', '2026-01-02')", False),
        ("IS_BEFORE('2026-01-01', '2026-01-02')", True),
    ],
)
def test_moments_compared(formula: str, expected: Value) -> None:
    """Differences are cut to whole units; a unit of IS_SAME is one of the calendar in GMT."""
    assert value_of(formula) == expected


@given(
    created=st.integers(-2000, 2000),
    bound=st.integers(-2000, 2000),
    keeps_milliseconds=st.booleans(),
)
@example(created=0, bound=0, keeps_milliseconds=False)
@example(created=999, bound=0, keeps_milliseconds=False)
@example(created=999, bound=0, keeps_milliseconds=True)
def test_boundary(*, created: int, bound: int, keeps_milliseconds: bool) -> None:
    """IS_AFTER and IS_BEFORE are strict; record times are whole seconds, unless set otherwise."""
    record = a_record(createdTime=to_text(Moment(BOUND_SECONDS * 1000 + created)))
    literal = to_text(Moment(BOUND_SECONDS * 1000 + bound))
    seen = created if keeps_milliseconds else created // 1000 * 1000
    results = [
        value_of(formula, record, times_keep_milliseconds=keeps_milliseconds)
        for time in ("CREATED_TIME()", "LAST_MODIFIED_TIME()")
        for formula in (
            f"IS_AFTER({time}, DATETIME_PARSE('{literal}'))",
            f"IS_BEFORE({time}, '{literal}')",
            f"{time} >= '{literal}'",
        )
    ]

    assert results == [seen > bound, seen < bound, seen >= bound] * 2


def test_date_alone_is_midnight() -> None:
    """What happened on a day is after that day's literal, but for its first second."""
    midnight = a_record(createdTime="2026-01-02T00:00:00.000Z")

    assert value_of("IS_AFTER(CREATED_TIME(), '2026-01-02')") is True
    assert value_of("IS_AFTER(CREATED_TIME(), '2026-01-02')", midnight) is False


@pytest.mark.parametrize(("reading", "expected"), [("blank", None), ("error", ERROR)])
def test_blank_modified_time(reading: str, expected: Value) -> None:
    """LAST_MODIFIED_TIME() of a record never modified is blank or an error, as set."""
    record = a_record(lastModifiedTime=None)

    assert value_of("LAST_MODIFIED_TIME()", record, blank_modified_time=reading) is expected


@pytest.mark.parametrize(("reading", "expected"), [("false", False), ("error", ERROR)])
@pytest.mark.parametrize(
    "formula",
    [
        "IS_AFTER(Nothing, NOW())",
        "IS_BEFORE(NOW(), Nothing)",
        "IS_SAME(Nothing, NOW(), 'day')",
        "Nothing < NOW()",
        "NOW() >= Nothing",
    ],
)
def test_comparison_with_blank(formula: str, reading: str, expected: Value) -> None:
    """A moment compared with a blank one gives false or an error, as set."""
    assert value_of(formula, blank_comparison=reading) is expected


@pytest.mark.parametrize("blank_comparison", ["false", "error"])
@pytest.mark.parametrize("blank_modified_time", ["blank", "error"])
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"createdTime": BEFORE, "lastModifiedTime": BEFORE}, False),
        ({"createdTime": BOUND, "lastModifiedTime": BOUND}, False),
        ({"createdTime": BEFORE, "lastModifiedTime": AFTER}, True),
        ({"createdTime": AFTER, "lastModifiedTime": AFTER}, True),
        ({"createdTime": AFTER, "lastModifiedTime": None}, True),
    ],
)
def test_filter_of_the_connector(
    times: dict[str, Any], *, expected: bool, blank_modified_time: str, blank_comparison: str
) -> None:
    """The connector's filter keeps what is new or modified, whichever way blank times are read."""
    readings = {"blank_modified_time": blank_modified_time, "blank_comparison": blank_comparison}

    assert is_kept(a_filter(), a_record(**times), **readings) is expected


@pytest.mark.parametrize(("reading", "expected"), [("blank", False), ("error", True)])
def test_filter_of_the_connector_never_loses(reading: str, *, expected: bool) -> None:
    """An old record whose modified time is an error is read once more instead of being lost."""
    record = a_record(lastModifiedTime=None)

    assert is_kept(a_filter(), record, blank_modified_time=reading) is expected


def test_filter_with_unparsable_literal() -> None:
    """The connector's filter keeps everything when its literal cannot be parsed."""
    assert is_kept(a_filter("2026-01-02T03:04:05 00:00"))


def test_plain_filter_loses_on_error() -> None:
    """Without ISERROR a record whose modified time is an error is lost, even a new one."""
    formula = f"OR(IS_AFTER(LAST_MODIFIED_TIME(),'{BOUND}'),IS_AFTER(CREATED_TIME(),'{BOUND}'))"
    record = a_record(createdTime=AFTER, lastModifiedTime=None)

    assert not is_kept(formula, record, blank_modified_time="error")


REFUSED: Final = [
    *("(", ")", "1 +", "= 1", "1 2", "'open", "{Name", "OR(1,)", "OR(,1)", "IS_AFTER(", "1 == 1"),
    *("NOPE()", "NOW(1)", "IS_AFTER(NOW())", "AND()", "IF(1)", "ISERROR()", "RECORD_ID(1)"),
    *("{No such field} = 1", "TRUE", "{fldNone0000000001}", "1; 2", "😀"),
    *("LAST_MODIFIED_TIME('Name')", "(" * 500 + "1" + ")" * 500, "-" * 500 + "1", "1" + "+1" * 500),
]


@pytest.mark.parametrize("table", [TABLE, EMPTY_TABLE])
@pytest.mark.parametrize("formula", REFUSED)
def test_refused_formula(caller: Caller, formula: str, table: str) -> None:
    """What is no formula is answered with 422 and its type, also where there is no record."""
    answer = caller.get(BASE, table, filterByFormula=formula)

    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "INVALID_FILTER_BY_FORMULA"


def test_unknown_fields_are_named(caller: Caller) -> None:
    """The message lists unknown field names once each, in small letters."""
    answer = caller.get(BASE, TABLE, filterByFormula="AND({Nome}, {How many?}, Prezzo, {Nome})")

    assert answer.json()["error"]["message"] == (
        "The formula for filtering records is invalid: Unknown field names: nome, prezzo"
    )


WORDS: Final = [
    *(f"{name}(" for name in [*PLAIN, *comparisons(None), *ARGUMENT_COUNTS] if name.isupper()),
    *("(", ")", ")", ")", ",", ",", "+", "-", "*", "/", "&", "=", "!=", "<", ">=", "'", '"', "\\"),
    *("1", ".5", "'x'", "'days'", "'2026-01-02'", "'YYYY'", "{Name}", "{Tags}", "Day", "{", "}"),
    *(" ", "\n", "9" * 400, "\ud800", "fldName0000000001"),
]
ARGUMENTS: Final = st.recursive(
    st.sampled_from(["1", "-1", "9" * 400, "''", "'x'", "'days'", "'year'", "'9999-12-31'", "Day"])
    | st.sampled_from(["Moment", "Nothing", "Tags", "Odd", "{How many?}", "BLANK()", "ERROR()"]),
    lambda inner: st.one_of(
        st.builds("{}({})".format, st.sampled_from(sorted(PLAIN)[7:]), inner),
        st.builds(
            "{}({},{})".format,
            st.sampled_from(["IS_AFTER", "IS_SAME", "FIND", "DATETIME_PARSE", "DATETIME_DIFF"]),
            inner,
            inner,
        ),
        st.builds("DATEADD({},{},{})".format, inner, inner, inner),
        st.builds("({}{}{})".format, inner, st.sampled_from(["+", "*", "/", "&", "=", "<"]), inner),
    ),
    max_leaves=12,
)


@given(st.text() | st.lists(st.sampled_from(WORDS)).map("".join) | ARGUMENTS)
def test_any_text(formula: str) -> None:
    """Any text is either a filter that decides or is refused with 422."""
    status = 200
    try:
        is_kept(formula)
    except Refusal as refusal:
        status = refusal.status

    assert status in (200, 422)


def test_filtered_pages(caller: Caller) -> None:
    """A filtered scan has full pages of what is kept, in the table's order."""
    pages = caller.pages(BASE, TABLE, filterByFormula=a_filter())
    ids = [record["id"] for page in pages for record in page["records"]]

    assert [len(page["records"]) for page in pages] == [100, 25]
    assert ids == [a_record_id(number) for number in range(1, 250, 2)]


def test_filter_with_max_records(caller: Caller) -> None:
    """The most records asked for are counted after the filter."""
    ids = caller.record_ids(BASE, TABLE, filterByFormula=a_filter(), maxRecords=2)

    assert ids == [a_record_id(1), a_record_id(3)]


def test_filtered_membership_is_fixed(simulator: SimulatorThread, caller: Caller) -> None:
    """What begins or ceases to match during a scan neither joins nor leaves it."""
    formula = "{How many?} = 12"
    first = caller.get(BASE, TABLE, filterByFormula=formula).json()
    simulator.admin.edit_record(BASE, TABLE, a_record_id(120), {"How many?": 13})
    created = simulator.admin.create_record(BASE, TABLE, {"How many?": 12})
    pages = [first]
    while "offset" in pages[-1]:
        offset = pages[-1]["offset"]
        pages.append(caller.get(BASE, TABLE, filterByFormula=formula, offset=offset).json())
    seen = {record["id"]: record["fields"] for page in pages for record in page["records"]}

    assert seen[a_record_id(120)]["How many?"] == 13
    assert created["id"] not in seen
    assert len(seen) == 250


def test_offset_with_another_filter(caller: Caller) -> None:
    """An offset belongs to the filter it was given for."""
    offset = caller.get(BASE, TABLE, filterByFormula="1").json()["offset"]

    assert caller.get(BASE, TABLE, filterByFormula="2", offset=offset).status_code == 422


def test_records_by_id(caller: Caller) -> None:
    """A hundred records are read by their ids in one call; ids that are gone are left out."""
    wanted = [a_record_id(number) for number in (*range(99), 999)]
    tests = ",".join(f"RECORD_ID()='{one}'" for one in wanted)
    answer = caller.post(BASE, TABLE, filterByFormula=f"OR({tests})").json()

    assert [record["id"] for record in answer["records"]] == wanted[:99]
    assert "offset" not in answer


def test_filter_not_honoured(simulator: SimulatorThread, caller: Caller) -> None:
    """A filter that is not honoured is parsed all the same, and every record comes."""
    simulator.admin.configure(filter_is_honoured=False)

    assert len(caller.record_ids(BASE, TABLE, filterByFormula="FALSE()")) == 250
    assert caller.get(BASE, TABLE, filterByFormula="FALSE(").status_code == 422


def test_filter_rejected(simulator: SimulatorThread, caller: Caller) -> None:
    """Any filter can be rejected with 422; a listing without one is not."""
    simulator.admin.configure(filter_is_rejected=True)
    answer = caller.get(BASE, TABLE, filterByFormula="TRUE()")

    assert answer.json()["error"]["type"] == "INVALID_FILTER_BY_FORMULA"
    assert caller.get(BASE, TABLE).status_code == 200


def test_refused_function(simulator: SimulatorThread, caller: Caller) -> None:
    """A filter that calls a refused function is rejected with 422; another one is not."""
    simulator.admin.configure(refused_function="RECORD_ID")

    assert caller.get(BASE, TABLE, filterByFormula="RECORD_ID()='x'").status_code == 422
    assert caller.get(BASE, TABLE, filterByFormula="TRUE()").status_code == 200


def test_view_with_a_filter(simulator: SimulatorThread, caller: Caller) -> None:
    """A view's records follow its filter, which the schema hides and no setting refuses."""
    view = {"id": "viwFew00000000001", "name": "Few", "type": "grid", "filter": "Name='moved'"}
    simulator.simulator.account.base(BASE).table(TABLE).views.append(view)
    simulator.admin.configure(filter_is_rejected=True)
    before = caller.record_ids(BASE, TABLE, view="Few")
    simulator.admin.edit_record(BASE, TABLE, a_record_id(7), {"Name": "moved"})
    after = caller.record_ids(BASE, TABLE, view="Few")
    schema = caller.get("meta", "bases", BASE, "tables").json()
    shown = [one for table in schema["tables"] for one in table["views"] if one["name"] == "Few"]

    assert (before, after) == ([], [a_record_id(7)])
    assert shown == [{"id": "viwFew00000000001", "name": "Few", "type": "grid"}]


def test_reading_that_is_none(simulator: SimulatorThread) -> None:
    """A setting of two readings takes no third."""
    with pytest.raises(CommandRefusedError, match="blank_comparison is one of"):
        simulator.admin.configure(blank_comparison="true")


def test_now_is_the_simulators(simulator: SimulatorThread, caller: Caller) -> None:
    """NOW() is the simulator's clock at a scan's first request."""
    simulator.admin.set_clock(BEFORE)
    early = caller.record_ids(BASE, TABLE, filterByFormula="IS_AFTER(NOW(), CREATED_TIME())")
    simulator.admin.advance_clock(1)
    late = caller.record_ids(BASE, TABLE, filterByFormula="IS_AFTER(NOW(), CREATED_TIME())")

    assert (len(early), len(late)) == (0, 250)


@pytest.mark.parametrize(
    ("cells", "is_user_edit", "expected"),
    [
        ({"Name": "Rusk"}, True, [a_record_id(0)]),
        ({"Name": "Rusk"}, False, []),
        ({"Odd": 1}, True, []),
        ({"Odd": 1, "Name": "Rusk"}, True, [a_record_id(0)]),
    ],
)
def test_only_user_edits_are_found(
    simulator: SimulatorThread,
    caller: Caller,
    cells: dict[str, Any],
    *,
    is_user_edit: bool,
    expected: list[str],
) -> None:
    """A user's edit moves the modified time, in the dump too; a recomputation does not."""
    simulator.admin.set_clock(parse_time(AFTER) + 10.5)
    simulator.admin.edit_record(BASE, TABLE, a_record_id(0), cells, is_user_edit=is_user_edit)
    ids = caller.record_ids(BASE, TABLE, filterByFormula=a_filter(AFTER))
    dumped = simulator.admin.dump(BASE, TABLE)[0]["lastModifiedTime"]

    assert ids == expected
    assert dumped == (to_wire_time(parse_time(AFTER) + 10) if expected else BEFORE)


def test_explicit_times(simulator: SimulatorThread, caller: Caller) -> None:
    """Created and modified times can be set, when a record is created and when it is edited."""
    times: dict[str, Any] = {"createdTime": "2026-05-06T07:08:09.000Z", "lastModifiedTime": None}
    admin = simulator.admin
    created = admin.create_record(BASE, TABLE, {"Name": "Rusk"}, **times)
    edited = admin.edit_record(BASE, TABLE, a_record_id(0), {}, **times)
    formula = "AND(CREATED_TIME()='2026-05-06T07:08:09Z', NOT(LAST_MODIFIED_TIME()))"

    assert [{name: one[name] for name in times} for one in (created, edited)] == [times, times]
    found = caller.record_ids(BASE, TABLE, filterByFormula=formula)
    assert found == [a_record_id(0), created["id"]]


def test_dump_with_milliseconds(simulator: SimulatorThread, caller: Caller) -> None:
    """Milliseconds that are kept show in dumps but never in answers."""
    simulator.admin.configure(times_keep_milliseconds=True)
    made = simulator.admin.create_record(BASE, EMPTY_TABLE, {}, createdTime=NOW)
    (listed,) = caller.get(BASE, EMPTY_TABLE).json()["records"]

    assert (made["createdTime"], made["lastModifiedTime"]) == (NOW, NOW)
    assert listed["createdTime"] == BOUND


def test_modified_time_of_fields(simulator: SimulatorThread, caller: Caller) -> None:
    """LAST_MODIFIED_TIME of fields moves with their cells only, and is blank for none."""
    simulator.admin.edit_record(
        BASE, TABLE, a_record_id(0), {"Name": "Rusk"}, lastModifiedTime="2026-05-06T07:08:09.000Z"
    )
    formula = (
        "AND(LAST_MODIFIED_TIME({Name},Day)='2026-05-06T07:08:09Z',"
        f"LAST_MODIFIED_TIME(Day)='{BEFORE}',NOT(LAST_MODIFIED_TIME(Nothing)))"
    )

    assert caller.record_ids(BASE, TABLE, filterByFormula=formula) == [a_record_id(0)]
