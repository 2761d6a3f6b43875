"""Every cell of the real bases in ``../shared/real_bases`` arrives, as their own JSON has it."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft7Validator, FormatChecker, validators

from integration_tests.connector import a_catalog, a_tenant
from integration_tests.real_bases import (
    ARE_ABSENT,
    REASON,
    is_error_value,
    is_same,
    real_bases,
    sent_cells,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run

pytestmark = pytest.mark.skipif(ARE_ABSENT, reason=REASON)

Key = tuple[str, str]
"""A base's and a table's id."""

FORMATS: Final = FormatChecker(formats=())


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value).isoformat() == value


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Draft 7 takes 1.0 for an integer; a database does not.
StrictValidator: Final = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema's own
    Draft7Validator, type_checker=Draft7Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


@pytest.fixture(scope="module")
def tables() -> dict[Key, Message]:
    """All tables with their records, by base and table id."""
    return {
        (base["id"], table["id"]): {"base": base, **table}
        for base in real_bases()
        for table in base["tables"]
    }


@pytest.fixture(scope="module")
def runs(airtable: SimulatorProcess, tables: dict[Key, Message]) -> tuple[Run, Run]:
    """A ``discover`` of all four bases, and a ``read`` of all that it found."""
    bases = {table["base"]["id"]: table["base"] for table in tables.values()}
    connector = a_tenant(airtable, *bases.values()).connector
    discovered = connector.run("discover")
    return discovered, connector.read(a_catalog(discovered.streams))


@pytest.fixture(scope="module")
def streams(runs: tuple[Run, Run]) -> dict[Key, Message]:
    """The streams that were discovered, by base and table id."""
    discovered, _ = runs
    by_key = {}
    for stream in discovered.streams:
        ids = stream["json_schema"]["x-airtable"]
        by_key[ids["base_id"], ids["table_id"]] = stream
    return by_key


@pytest.fixture(scope="module")
def read(runs: tuple[Run, Run]) -> Run:
    """The ``read`` of all streams."""
    return runs[1]


def columns_by_field_id(stream: Message) -> dict[str, str]:
    """The column of each field, by what discovery wrote into the stream's JSON schema."""
    return {
        given["x-airtable"]["field_id"]: name
        for name, given in stream["json_schema"]["properties"].items()
        if "x-airtable" in given
    }


def is_fitting_part(value: Any, cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether a value is null, or an array of what was sent with nulls for what does not fit."""
    if value is None:
        return True
    if isinstance(value, list) and isinstance(cell, list):
        flat = [
            part
            for element in cell
            for part in (element if isinstance(element, list) else [element])
        ]
        return len(value) == len(flat) and all(
            one is None or is_same(one, other) for one, other in zip(value, flat, strict=True)
        )
    if isinstance(value, dict) and isinstance(cell, dict):
        return all(one is None or is_same(one, cell[key]) for key, one in value.items())
    return False


def lost_cells(
    table: Message, stream: Message, record: Message, data: Message
) -> Iterator[tuple[str, Any, Any]]:
    """The columns of a record that hold neither what was sent, nor null with it in the errors."""
    properties = stream["json_schema"]["properties"]
    columns = columns_by_field_id(stream)
    cells = sent_cells(table, record)
    errors = data.get("_airtable_errors") or {}
    for given in table["fields"]:
        column = columns[given["id"]]
        # On the wire, the CDK leaves out the columns of a record that are null.
        cell, value = cells.get(given["id"]), data.get(column)
        if cell is None:
            is_right = value is (False if given["type"] == "checkbox" else None)
        elif column in errors:
            is_right = is_same(errors[column], cell) and is_fitting_part(value, cell)
        elif "string" in properties[column]["type"] and not isinstance(cell, str):
            is_right = isinstance(value, str) and is_same(json.loads(value), cell)
        else:
            is_right = is_same(value, cell)
        if not is_right:
            yield column, cell, value
    for column in errors.keys() - {columns[field_id] for field_id in cells}:
        yield column, None, errors[column]


def every_record(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> Iterator[tuple[Message, Message, Message, Message]]:
    """Table, stream, record and record data of every record in the bases' JSON."""
    for key, table in tables.items():
        by_id = {data["_airtable_id"]: data for data in read.records.get(streams[key]["name"], ())}
        for record in table["records"]:
            yield table, streams[key], record, by_id[record["id"]]


def test_both_commands_succeed(runs: tuple[Run, Run]) -> None:
    """Discover and read of the four bases end well and report no failure."""
    ends = [(run.exit_code, run.failures) for run in runs]

    assert ends == [(0, []), (0, [])]


def test_every_table_is_a_stream(tables: dict[Key, Message], streams: dict[Key, Message]) -> None:
    """Each of the 45 tables is a stream, identified by its base's and its own id."""
    assert len(tables) == 45
    assert streams.keys() == tables.keys()


def test_stream_names_are_unique(runs: tuple[Run, Run]) -> None:
    """No two tables share a stream's name."""
    names = [stream["name"] for stream in runs[0].streams]

    assert len(set(names)) == len(names)


def test_every_field_has_a_column(tables: dict[Key, Message], streams: dict[Key, Message]) -> None:
    """Each field has one column of its own, beside the seven system columns."""
    missing = {
        streams[key]["name"]: given["name"]
        for key, table in tables.items()
        for given in table["fields"]
        if given["id"] not in columns_by_field_id(streams[key])
    }
    counts = {key: len(stream["json_schema"]["properties"]) for key, stream in streams.items()}

    assert not missing
    assert counts == {key: len(table["fields"]) + 7 for key, table in tables.items()}


def test_every_record_is_read_once(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> None:
    """The 1,078 real records and the generated ones are emitted, each once, in Airtable's order."""
    real = sum(
        len(table["records"])
        for table in tables.values()
        if table["base"]["name"] in ("All field types", "CMIP data request")
    )
    wanted = {key: [record["id"] for record in table["records"]] for key, table in tables.items()}
    emitted = {key: read.record_ids(streams[key]["name"]) for key in tables}

    assert real == 1_078
    assert emitted == wanted


def test_every_cell_arrives(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> None:
    """A cell is in its column as it was sent, or in ``_airtable_errors`` as it was sent."""
    lost = [
        (stream["name"], record["id"], *cell)
        for table, stream, record, data in every_record(tables, streams, read)
        for cell in lost_cells(table, stream, record, data)
    ]

    assert not lost, f"{len(lost)} cells, such as {lost[:3]}"


def test_only_misfits_are_errors(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> None:
    """No cell that its column could have held is in ``_airtable_errors``."""
    fitting = []
    for _, stream, record, data in every_record(tables, streams, read):
        for column, cell in data.get("_airtable_errors", {}).items():
            checker = StrictValidator(
                stream["json_schema"]["properties"][column], format_checker=FORMATS
            )
            holds_errors = any(
                map(is_error_value, cell if isinstance(cell, list) else [cell])
            ) or any(map(is_error_value, cell.values() if isinstance(cell, dict) else []))
            if not holds_errors and checker.is_valid(cell):
                fitting.append((stream["name"], record["id"], column, cell))

    assert not fitting


def test_every_record_is_valid(streams: dict[Key, Message], read: Run) -> None:
    """Each record is valid against its stream's JSON schema (Draft 7, formats, strict integers)."""
    invalid = []
    for stream in streams.values():
        checker = StrictValidator(stream["json_schema"], format_checker=FORMATS)
        for data in read.records.get(stream["name"], ()):
            invalid += [(stream["name"], error.message) for error in checker.iter_errors(data)]

    assert not invalid


def test_no_column_beyond_the_schema(streams: dict[Key, Message], read: Run) -> None:
    """No record has a column that its stream's schema does not know."""
    unknown = [
        (stream["name"], data.keys() - stream["json_schema"]["properties"].keys())
        for stream in streams.values()
        for data in read.records.get(stream["name"], ())
        if data.keys() - stream["json_schema"]["properties"].keys()
    ]

    assert not unknown


def test_system_columns_of_every_record(streams: dict[Key, Message], read: Run) -> None:
    """Each record names its base and table by the ids of its stream, and the moment it is of."""
    odd = [
        (stream["name"], data["_airtable_id"])
        for (base_id, table_id), stream in streams.items()
        for data in read.records.get(stream["name"], ())
        if (data["_airtable_base_id"], data["_airtable_table_id"]) != (base_id, table_id)
        or not data["_airtable_as_of"].endswith("Z")
    ]

    assert not odd


def test_generated_cells_are_of_every_declared_type(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> None:
    """Each field of the bases without records of their own got cells, so that it was tried."""
    never_filled = [
        (stream["name"], column)
        for key, stream in streams.items()
        if tables[key]["base"]["name"] in ("CRM template", "Shop")
        for column in columns_by_field_id(stream).values()
        if all(
            column not in data and column not in data.get("_airtable_errors", {})
            for data in read.records[stream["name"]]
        )
    ]

    assert not never_filled


def test_state_follows_its_records(streams: dict[Key, Message], read: Run) -> None:
    """Each stream's one STATE stands behind its last record and counts its records."""
    last_record: dict[str, int] = {}
    states: dict[str, list[tuple[int, float]]] = {}
    for position, said in enumerate(read.messages):
        if said["type"] == "RECORD":
            last_record[said["record"]["stream"]] = position
        elif said["type"] == "STATE":
            name = said["state"]["stream"]["stream_descriptor"]["name"]
            count = said["state"]["sourceStats"]["recordCount"]
            states.setdefault(name, []).append((position, count))

    names = {stream["name"] for stream in streams.values()}
    counts = {name: [count for _, count in states[name]] for name in names}

    assert counts == {name: [len(read.records.get(name, ()))] for name in names}
    assert all(states[name][0][0] > last_record.get(name, -1) for name in names)


def test_every_stream_completes(
    tables: dict[Key, Message], streams: dict[Key, Message], read: Run
) -> None:
    """Each stream is STARTED, RUNNING where it has records, and COMPLETE, in this order."""
    wanted = {
        streams[key]["name"]: ["STARTED", *(["RUNNING"] if table["records"] else []), "COMPLETE"]
        for key, table in tables.items()
    }

    assert read.statuses == wanted
