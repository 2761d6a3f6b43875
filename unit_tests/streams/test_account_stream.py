"""What every stream of the whole account promises Airbyte, and how it keeps its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode
from jsonschema import Draft7Validator

from source_airtable.changes.state import parse_state
from source_airtable.config import IncrementalSettings
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.account_stream import AS_OF_COLUMN, AccountTablesStream
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.comments import parse_counts
from source_airtable.streams.stream import Account, ReadRequest
from unit_tests.builders import a_base, a_field, a_table_answer, an_account_stream
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.account_stream import AccountStream

STREAMS = pytest.mark.parametrize(
    "stream", [an_account_stream(name) for name in ACCOUNT_STREAMS], ids=list(ACCOUNT_STREAMS)
)
NAME = a_field(field_id="fldName0000000000")
LINKS = a_field("multipleRecordLinks", field_id="fldLinks000000000", name="Links")
FILES = a_field("multipleAttachments", field_id="fldFiles000000000", name="Files")


def a_table_of(base_id: str, table_id: str, *more: Any) -> TableSchema:  # noqa: ANN401 - of the wire
    """A table of a base, with fields beside its first one."""
    answer: Any = a_table_answer(NAME, *more, id=table_id)
    table = parse_table(a_base(base_id), answer)
    assert table is not None
    return table


A1, A2 = a_table_of("appA", "tbl1", LINKS), a_table_of("appA", "tbl2", FILES)
B1 = a_table_of("appB", "tbl1", LINKS, FILES)
ACCOUNT = Account([a_base("appA"), a_base("appB")], [A1, A2, B1])


def properties_of(stream: AccountStream) -> dict[str, Any]:
    """The columns of a stream."""
    properties: dict[str, Any] = stream.get_json_schema()["properties"]
    return properties


def test_names() -> None:
    """There are nine streams. None has a slash in its name, as the streams of tables do."""
    assert list(ACCOUNT_STREAMS) == [
        *("bases", "tables", "fields", "views"),
        *("records", "links", "attachments", "comments", "attachment_files"),
    ]


@STREAMS
def test_key(stream: AccountStream) -> None:
    """A stream's key is made of columns that are never null."""
    assert stream.primary_key
    for column in stream.primary_key:
        assert properties_of(stream)[column]["type"] in ("string", "integer")


@STREAMS
def test_other_columns(stream: AccountStream) -> None:
    """A column outside the key may be null, as Airtable may leave everything else out."""
    for name, declared in properties_of(stream).items():
        is_place = name.endswith("_id") and declared["type"] == "string"
        assert name in stream.primary_key or is_place or "null" in declared["type"], name


@pytest.mark.parametrize("name", ACCOUNT_STREAMS)
@pytest.mark.parametrize("detects", [False, True])
def test_json_schema(name: str, *, detects: bool) -> None:
    """Every JSON schema is a valid one, of an object."""
    stream = an_account_stream(name, incremental={"detect_deletions": detects})
    json_schema = stream.get_json_schema()

    Draft7Validator.check_schema(json_schema)
    assert json_schema["type"] == "object"


@pytest.mark.parametrize("name", ACCOUNT_STREAMS)
def test_column_of_deleted_records(name: str) -> None:
    """Only the stream of records marks deleted ones, and only if they are to be detected."""
    detecting = an_account_stream(name, incremental={"detect_deletions": True})
    more = set(properties_of(detecting)) - set(properties_of(an_account_stream(name)))

    assert more == ({"_ab_cdc_deleted_at"} if name == "records" else set())


@STREAMS
def test_schemas_are_of_their_own(stream: AccountStream) -> None:
    """A change to a stream's JSON schema changes that of no other stream."""
    key = stream.primary_key[0]
    before = an_account_stream(stream.name).get_json_schema()["properties"][key]["type"]
    properties_of(an_account_stream(stream.name))[key]["type"] = "boolean"

    assert properties_of(an_account_stream(stream.name))[key]["type"] == before


@STREAMS
def test_declaration(stream: AccountStream) -> None:
    """The catalog has the stream's key and schema. A full refresh is never resumable."""
    declared = stream.as_airbyte_stream()

    assert (declared.name, declared.namespace, declared.is_resumable) == (stream.name, None, False)
    assert declared.source_defined_primary_key == [[column] for column in stream.primary_key]
    assert declared.json_schema == stream.get_json_schema()


@STREAMS
def test_declared_modes(stream: AccountStream) -> None:
    """A stream with a cursor has a column for it; the others are always read in full."""
    declared = stream.as_airbyte_stream()

    is_incremental = stream.name in ("records", "comments")
    modes = [SyncMode.full_refresh, SyncMode.incremental][: 1 + is_incremental]
    assert declared.supported_sync_modes == modes
    assert declared.source_defined_cursor is (True if is_incremental else None)
    assert declared.default_cursor_field == ([AS_OF_COLUMN] if is_incremental else None)
    assert (AS_OF_COLUMN in properties_of(stream)) is is_incremental


@STREAMS
def test_declared_files(stream: AccountStream) -> None:
    """Only the stream attachment_files has files."""
    has_files = stream.as_airbyte_stream().is_file_based

    assert has_files is (True if stream.name == "attachment_files" else None)


@STREAMS
def test_scopes(stream: AccountStream) -> None:
    """Every stream needs the schemas, and comments need a scope of their own."""
    assert stream.scopes[0] == "schema.bases:read"
    assert ("data.recordComments:read" in stream.scopes) is (stream.name == "comments")


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("records", [A1, A2, B1]),
        ("comments", [A1, A2, B1]),
        ("links", [A1, B1]),
        ("attachments", [A2, B1]),
        ("attachment_files", [A2, B1]),
        ("bases", []),
        ("tables", []),
        ("fields", []),
        ("views", []),
    ],
)
def test_tables_of_a_stream(name: str, tables: list[TableSchema]) -> None:
    """A stream reads the tables that may hold its rows; those of the schemas read none."""
    assert list(an_account_stream(name, account=ACCOUNT).tables()) == tables


@pytest.mark.parametrize("name", ["records", "links", "attachments", "comments"])
def test_label(name: str) -> None:
    """The log names the stream and the table."""
    reader = an_account_stream(name, account=ACCOUNT).reader(B1, ReadRequest())

    assert (reader.label, reader.stream_name) == (f"{name} (table Contacts)", name)


SETTINGS = IncrementalSettings()
SAVED = {"version": 2, "tables": {"appA/tbl1": {"of": "a1"}, "appB/tbl1": {"of": "b1"}}}


def combined(
    states: dict[Any, dict[str, Any]],
    saved: dict[str, Any] | None = None,
    settings: IncrementalSettings | None = SETTINGS,
    on_missing_table: str = "fail",
) -> Any:  # noqa: ANN401 - JSON
    """The state of the stream `records`, made of these of its tables."""
    stream = an_account_stream("records", account=ACCOUNT, on_missing_table=on_missing_table)
    return stream.combine(states, ReadRequest(settings, saved or {}))


def test_states_of_two_tables() -> None:
    """The state has that of each table, by base and table id, in order."""
    state = combined({B1.key: {"of": "b"}, A1.key: {"of": "a"}})

    assert state == {"version": 2, "tables": {"appA/tbl1": {"of": "a"}, "appB/tbl1": {"of": "b"}}}
    assert list(state["tables"]) == ["appA/tbl1", "appB/tbl1"]


@pytest.mark.parametrize("states", [{}, {A1.key: {"of": "a"}}])
def test_no_state_of_a_full_refresh(states: dict[Any, Any]) -> None:
    """A full refresh has nothing to save."""
    assert combined(states, SAVED, None) is None


def test_no_table_was_ever_read() -> None:
    """Without a table, now or before, there is nothing to save."""
    assert combined({}, {}) is None


def test_no_table_was_read_today() -> None:
    """A sync that reads no table keeps what is saved: its known ids must outlive a missing base."""
    assert combined({}, SAVED) == SAVED


@pytest.mark.parametrize("on_missing_table", ["skip", "fail"])
def test_state_of_a_table_that_is_not_read(on_missing_table: str) -> None:
    """The state of a table that is missing today stays, whether tables may be missing or not."""
    state = combined({A1.key: {"of": "new"}}, SAVED, on_missing_table=on_missing_table)

    kept = {"appB/tbl1": {"of": "b1"}}
    assert state == {"version": 2, "tables": {"appA/tbl1": {"of": "new"}, **kept}}


@pytest.mark.parametrize("saved", [{"tables": "odd"}, {"__ab_no_cursor_state_message": True}, {}])
def test_saved_state_of_no_tables(saved: dict[str, Any]) -> None:
    """A saved state without tables leaves nothing to keep."""
    state = combined({A1.key: {"of": "a"}}, saved, on_missing_table="skip")

    assert state == {"version": 2, "tables": {"appA/tbl1": {"of": "a"}}}


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (SAVED, {"of": "a1"}),
        ({**SAVED, "version": 1}, {"of": "a1"}),
        ({**SAVED, "version": 3}, {**SAVED, "version": 3}),
        ({**SAVED, "version": [2]}, {**SAVED, "version": [2]}),
        ({"version": 2, "tables": {}}, {}),
        ({"version": 2, "tables": {"appA/tbl1": "odd"}}, {}),
        ({"__ab_no_cursor_state_message": True}, {"__ab_no_cursor_state_message": True}),
        ({}, {}),
    ],
)
def test_state_of_one_table(saved: dict[str, Any], expected: dict[str, Any]) -> None:
    """A table's part of a saved state is found by its ids; any other state stays as it is."""
    assert an_account_stream("records").state_of(A1, saved) == expected


def test_records_of_version_1() -> None:
    """The records stream goes on from what version 1 saved of a table."""
    sample = a_state_sample("version_1_records")
    stream = an_account_stream("records")
    state = parse_state(stream.state_of(sample.table, sample.state)).state

    assert state is not None
    assert state.known_ids is not None
    assert set(state.known_ids) == set(sample.holds["known_ids"])


def test_comments_of_version_1() -> None:
    """The comments stream goes on from what version 1 saved of a table."""
    sample = a_state_sample("version_1_comments")

    assert parse_counts(sample.state_of_table) == sample.holds["comment_counts"]


def test_tables_streams_are_those_with_readers() -> None:
    """The streams that read tables combine states; those of the schemas have none."""
    reading = {n for n, kind in ACCOUNT_STREAMS.items() if issubclass(kind, AccountTablesStream)}

    assert set(ACCOUNT_STREAMS) - reading == {"bases", "tables", "fields", "views"}
