"""What ``read`` promises, shown on bases made for it: nothing lost, whatever changes meanwhile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator.ids import make_id
from integration_tests.bases import CELL_MARK, a_base, a_field, a_record, a_table, record_ids
from integration_tests.connector import (
    a_catalog,
    a_tenant,
    an_upstream_stream,
    clean,
    without_columns,
)

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

SYSTEM_COLUMNS: Final = (
    "_airtable_id",
    "_airtable_created_time",
    "_airtable_table_name",
    "_airtable_base_id",
    "_airtable_table_id",
    "_airtable_as_of",
    "_airtable_errors",
)
LONG_NAME: Final = "Long Name " * 25 + "12345"
"""255 characters, the longest name that Airtable takes."""
EMOJI: Final = "\U0001f950"
CHANGED: Final = "changed meanwhile"


@dataclass(frozen=True)
class Account:
    """A tenant, its tables by name, and the streams that discover found at first."""

    tenant: Tenant
    streams: dict[str, Message]
    """By table id, the base's id before it: ``app…/tbl…``."""

    def stream(self, base: Message, table: Message | None = None) -> Message:
        """The stream of a base's table, its first one if none is named."""
        table = table or base["tables"][0]
        return self.streams[f"{base['id']}/{table['id']}"]

    def name(self, base: Message, table: Message | None = None) -> str:
        """The name of the stream of a base's table, its first one if none is named."""
        name: str = self.stream(base, table)["name"]
        return name

    def read(self, *streams: Message, **more: Any) -> Run:  # noqa: ANN401 - as of Connector.read
        """Read streams in full, all if none is named."""
        wanted = list(streams) or list(self.streams.values())
        return self.tenant.connector.read(a_catalog(wanted), **more)


def an_account(simulator: SimulatorProcess, *bases: Message) -> Account:
    """A tenant of these bases, discovered once."""
    tenant = a_tenant(simulator, *bases)
    streams = {}
    for stream in tenant.connector.discover():
        ids = stream["json_schema"]["x-airtable"]
        streams[f"{ids['base_id']}/{ids['table_id']}"] = stream
    return Account(tenant, streams)


# Bases that are read as they are.

PLAIN: Final = a_base(
    "Sales CRM",
    a_table("Contacts", a_field("Due Date", "date"), a_field("Done", "checkbox"), records=250),
)
BLANK: Final = a_base("Blanks", a_table("Nothing", records=[a_record() for _ in range(5)]))
SHORT_PAGES: Final = a_base("Short pages", a_table("Many", records=120))
EMPTY_PAGE: Final = a_base("Empty page", a_table("Many", records=120))
NO_TABLES: Final = a_base("Nothing inside")
SLASHES: Final = a_base("///", a_table("/ /", records=2))
WITH_EMOJI: Final = a_base(
    f"{EMOJI} Bäckerei", a_table(f"{EMOJI} Brote", a_field(EMOJI), records=[a_record()])
)
LONG_NAMES: Final = a_base(LONG_NAME, a_table(LONG_NAME, a_field(LONG_NAME, "number"), records=2))
WIDE: Final = a_base(
    "Wide",
    a_table(
        "Five hundred fields",
        *[a_field(f"Field {number}") for number in range(1, 500)],
        records=[
            a_record(**{f"Field {number}": f"{CELL_MARK} {number}" for number in range(1, 500)})
        ],
    ),
)
CUT_EMOJI: Final = a_base("Cut emoji", a_table("Halves", records=[a_record(Name=CELL_MARK)]))
HEALTHY: Final = (
    *(PLAIN, BLANK, SHORT_PAGES, EMPTY_PAGE, NO_TABLES, SLASHES, WITH_EMOJI, LONG_NAMES, WIDE),
    CUT_EMOJI,
)


def a_twin(name: str, cell: str, like: Message) -> Message:
    """A duplicated base: another id and other cells, but equal table, field and record ids."""
    (table,) = like["tables"]
    records = [{**record, "fields": {"Name": f"{CELL_MARK} {cell}"}} for record in table["records"]]
    return a_base(name, {**table, "records": records})


ORIGINAL: Final = a_base("Twin", a_table("Shared", records=3))
DUPLICATE: Final = a_twin("Twin", "of the duplicate", ORIGINAL)


@pytest.fixture(scope="module")
def account(airtable: SimulatorProcess) -> Account:
    """An account of hostile but healthy bases."""
    account = an_account(airtable, *HEALTHY, ORIGINAL, DUPLICATE)
    plan = account.tenant.admin.plan_fault
    for page in (1, 2):
        plan("list_records", "short_page", base=SHORT_PAGES["id"], page=page, times=None, count=7)
    plan("list_records", "empty_page", base=EMPTY_PAGE["id"], page=1, times=None)
    plan("list_records", "empty_page", base=EMPTY_PAGE["id"], page=3, times=None)
    plan("list_records", "lone_surrogate", base=CUT_EMOJI["id"], times=None)
    account.tenant.admin.reset_stats()
    return account


@pytest.fixture(scope="module")
def first_and_calls(account: Account) -> tuple[Run, int]:
    """A full refresh of every stream, and how many calls the simulator had from it."""
    run = account.read()
    return run, account.tenant.admin.stats()["calls"]


@pytest.fixture(scope="module")
def first(first_and_calls: tuple[Run, int]) -> Run:
    """A full refresh of every stream."""
    return first_and_calls[0]


@pytest.fixture(scope="module")
def calls_of_first(first_and_calls: tuple[Run, int]) -> int:
    """How many calls the simulator had from it."""
    return first_and_calls[1]


def test_every_stream_is_complete(account: Account, first: Run) -> None:
    """A sync of hostile names and pages ends well, with every stream complete and a state each."""
    names = sorted(stream["name"] for stream in account.streams.values())

    assert (first.exit_code, first.failures) == (0, [])
    assert first.last_statuses == dict.fromkeys(names, "COMPLETE")
    assert sorted(first.state_streams) == names


@pytest.mark.parametrize(
    "base",
    [base for base in HEALTHY if base["tables"]],
    ids=lambda base: re.sub(r"\W+", "-", base["name"])[:20] or "slashes",
)
def test_every_record_once_in_order(account: Account, first: Run, base: Message) -> None:
    """Each record is emitted once, in Airtable's order, whatever the pages are like."""
    (table,) = base["tables"]

    assert first.record_ids(account.name(base)) == record_ids(table)


def test_blank_records(account: Account, first: Run) -> None:
    """A record without any cell is emitted with its system columns."""
    (table,) = BLANK["tables"]
    emitted = first.records[account.name(BLANK)]

    assert [record["_airtable_id"] for record in emitted] == record_ids(table)
    assert all("name" not in record for record in emitted)


def test_rows_without_columns(airtable: SimulatorProcess) -> None:
    """Blank records whose columns cannot be null are empty rows, which do not end the sync."""
    base = a_base(
        "Not nullable",
        *(a_table(name, records=[a_record() for _ in range(5)]) for name in ("One", "Two")),
    )
    account = an_account(airtable, base)
    for stream in account.streams.values():
        stream["json_schema"]["properties"] = {"name": {"type": "string"}}

    run = account.read()

    names = {stream["name"] for stream in account.streams.values()}
    assert (run.exit_code, run.failures) == (0, [])
    assert run.records == dict.fromkeys(names, [{}] * 5)
    assert run.last_statuses == dict.fromkeys(names, "COMPLETE")
    assert set(run.state_streams) == names


def test_empty_base_among_others(account: Account, first: Run) -> None:
    """A base without tables has no stream and disturbs no other."""
    of_base = [key for key in account.streams if key.startswith(NO_TABLES["id"])]

    assert (of_base, first.exit_code) == ([], 0)


def test_record_data_order(account: Account, first: Run) -> None:
    """The columns of a record stand in the order of its stream's schema, system columns first."""
    properties = account.stream(PLAIN)["json_schema"]["properties"]
    record = first.records[account.name(PLAIN)][0]

    assert list(properties)[:7] == list(SYSTEM_COLUMNS)
    assert list(record) == [column for column in properties if column in record]


def test_long_names(account: Account, first: Run) -> None:
    """Names of 255 characters give a stream name of at most 200 bytes that keeps the table's id."""
    name = account.name(LONG_NAMES)

    assert len(name.encode()) <= 200
    assert name.endswith(f"/{LONG_NAMES['tables'][0]['id']}")
    assert clean(LONG_NAME) in account.stream(LONG_NAMES)["json_schema"]["properties"]


def test_emoji_in_names(account: Account, first: Run) -> None:
    """Emoji stay in stream names, as with Airbyte's own connector, and come out unharmed."""
    name = account.name(WITH_EMOJI)

    assert name.startswith(f"{EMOJI}_bäckerei/{EMOJI}_brote/tbl")
    assert first.records[name][0]["_airtable_table_name"] == f"{EMOJI} Brote"


def test_five_hundred_fields(account: Account, first: Run) -> None:
    """All cells of a table with Airtable's largest number of fields arrive."""
    (record,) = first.records[account.name(WIDE)]
    cells = {column: value for column, value in record.items() if column.startswith("field_")}

    assert cells == {f"field_{number}": f"{CELL_MARK} {number}" for number in range(1, 500)}


def test_lone_surrogate(account: Account, first: Run) -> None:
    """Half an emoji in a cell becomes the replacement character, and nothing else is changed."""
    (record,) = first.records[account.name(CUT_EMOJI)]

    assert record["name"] == f"{CELL_MARK}\ufffd"


@pytest.mark.parametrize("base", [ORIGINAL, DUPLICATE], ids=["original", "duplicate"])
def test_duplicated_base(account: Account, first: Run, base: Message) -> None:
    """Tables of equal ids in two bases are two streams, each with the records of its own base."""
    (table,) = base["tables"]
    emitted = first.records[account.name(base)]

    assert account.name(ORIGINAL) != account.name(DUPLICATE)
    assert [(record["_airtable_id"], record["name"]) for record in emitted] == [
        (record["id"], record["fields"]["Name"]) for record in table["records"]
    ]
    assert {record["_airtable_base_id"] for record in emitted} == {base["id"]}


def test_end_line(first: Run, calls_of_first: int) -> None:
    """The last line says how many calls, records, seconds and waits the sync took."""
    emitted = sum(map(len, first.records.values()))
    told = re.search(
        r"Airtable: (\d+) calls for (\d+) records in ([\d.]+) s. Workers waited ([\d.]+) s .*"
        r"refused 0 requests \(429\); other failures led to 0 more tries",
        first.logs[-1],
    )

    assert told is not None, first.logs[-1]
    assert (int(told[1]), int(told[2])) == (calls_of_first, emitted)


def without_moment(run: Run) -> dict[str, list[Message]]:
    """The records of a run by stream, without the moment at which they were read."""
    return {
        name: [
            {key: value for key, value in data.items() if key != "_airtable_as_of"} for data in all_
        ]
        for name, all_ in run.records.items()
    }


def test_second_full_refresh(account: Account, first: Run) -> None:
    """A second full refresh that is given the first one's states emits the same records again."""
    second = account.read(state=first.states)

    assert without_moment(second) == without_moment(first)


def test_second_sync_of_pyairbyte(account: Account, first: Run) -> None:
    """PyAirbyte asks for incremental and gives the states back: it gets every record again."""
    states = [{"type": "STREAM", "stream": state["stream"]} for state in first.states]
    catalog = a_catalog(list(account.streams.values()), sync_mode="incremental")
    second = account.tenant.connector.read(catalog, state=states)

    assert second.exit_code == 0
    assert without_moment(second) == without_moment(first)


# Bases that change between discover and read, and catalogs of other shapes.

RENAMED_TABLE: Final = a_base("Renames a table", a_table("Before"))
RENAMED_BASE: Final = a_base("Renames itself", a_table("Constant"))
RENAMED_FIELD: Final = a_base("Renames a field", a_table("Constant"))
PRIVATE: Final = a_base(
    "Private",
    a_table(
        "People",
        a_field("Diary"),
        a_field("Age", "number"),
        a_field("Broken", "number"),
        records=[
            a_record(
                Name=f"{CELL_MARK} name",
                Diary=f"{CELL_MARK} {'very long ' * 100_000}",
                Age=7,
                Broken={"error": "#ERROR!"},
            )
        ],
    ),
)
ONLY_SYSTEM: Final = a_base("Only system", a_table("People", a_field("Diary")))
LONG_QUERY: Final = a_base(
    "Long query",
    a_table(
        "Wide",
        *[a_field(f"Field {number}") for number in range(1, 500)],
        records=[a_record(**{"Name": CELL_MARK, "Field 499": f"{CELL_MARK} last"})],
    ),
)
ATTACHMENT: Final = {
    "id": make_id("att", 1),
    "url": "https://dl.airtable.com/a.png",
    "filename": "a.png",
    "size": 12,
    "type": "image/png",
}
UPSTREAM: Final = a_base(
    "Up Stream",
    a_table(
        "Old Table",
        a_field("Papers", "multipleAttachments"),
        a_field("Score", "number", options={"precision": 0}),
        a_field("Tags", "multipleSelects"),
        a_field("Ticked", "checkbox"),
        a_field("Not Configured"),
        records=[
            a_record(
                **{
                    "Name": f"{CELL_MARK} name",
                    "Papers": [ATTACHMENT],
                    "Score": 3,
                    "Tags": ["a", "b"],
                    "Ticked": True,
                    "Not Configured": f"{CELL_MARK} private",
                }
            ),
            a_record(),
        ],
    ),
)
SHIFTING: Final = (
    *(RENAMED_TABLE, RENAMED_BASE, RENAMED_FIELD, PRIVATE, ONLY_SYSTEM, LONG_QUERY, UPSTREAM),
)


@dataclass(frozen=True)
class Reshaped:
    """A read of the old catalog after its bases changed."""

    account: Account
    run: Run
    stats: Message
    """What the simulator counted meanwhile."""

    def records(self, base: Message) -> list[Message]:
        """The records of a base's table, under the name that its stream has in the catalog."""
        return self.run.records[self.account.name(base)]

    def calls(self, base: Message) -> list[Message]:
        """The listings of records of a base's tables."""
        return [
            call
            for call in self.stats["last_calls"]
            if call["kind"] == "list_records" and call["base"] == base["id"]
        ]


@pytest.fixture(scope="module")
def reshaped(airtable: SimulatorProcess) -> Reshaped:
    """One read of a catalog in which each stream has been changed in a way of its own."""
    account = an_account(airtable, *SHIFTING)
    admin = account.tenant.admin
    admin.rename_table(RENAMED_TABLE["id"], "Before", "After")
    admin.call("change_base", base=RENAMED_BASE["id"], name="Named otherwise")
    admin.rename_field(RENAMED_FIELD["id"], "Constant", "Name", "Title")
    upstream = an_upstream_stream(
        UPSTREAM,
        UPSTREAM["tables"][0],
        {"score": {"type": ["null", "number"]}, "ticked": {"type": ["null", "boolean"]}},
    )
    only_system = account.stream(ONLY_SYSTEM)
    field_columns = only_system["json_schema"]["properties"].keys() - set(SYSTEM_COLUMNS)
    admin.reset_stats()
    run = account.read(
        account.stream(RENAMED_TABLE),
        account.stream(RENAMED_BASE),
        account.stream(RENAMED_FIELD),
        without_columns(account.stream(PRIVATE), "diary", "broken"),
        without_columns(only_system, *field_columns),
        without_columns(account.stream(LONG_QUERY), "field_1"),
        without_columns(upstream, "not_configured"),
    )
    return Reshaped(account, run, admin.stats(last=1000))


def test_reshaped_catalog_is_complete(reshaped: Reshaped) -> None:
    """Every stream of an old catalog is read to its end after renames."""
    assert reshaped.run.exit_code == 0
    assert set(reshaped.run.last_statuses.values()) == {"COMPLETE"}
    assert len(reshaped.run.last_statuses) == len(SHIFTING)


@pytest.mark.parametrize("base", [RENAMED_TABLE, RENAMED_BASE], ids=["table", "base"])
def test_renamed_after_discover(reshaped: Reshaped, base: Message) -> None:
    """A renamed table or base goes on syncing under the name that the catalog has for it."""
    ids = [record["_airtable_id"] for record in reshaped.records(base)]

    assert ids == record_ids(base["tables"][0])


def test_renamed_field(reshaped: Reshaped) -> None:
    """A renamed field goes on filling the column that the catalog has for it."""
    cells = [record["name"] for record in reshaped.records(RENAMED_FIELD)]

    assert cells == [record["fields"]["Name"] for record in RENAMED_FIELD["tables"][0]["records"]]


def test_deselected_column_is_not_asked_for(reshaped: Reshaped) -> None:
    """Airtable is asked for the selected fields by ``fields[]``, and sends no cell of others."""
    parameters = [call["parameters"] for call in reshaped.calls(PRIVATE)]
    diary = PRIVATE["tables"][0]["records"][0]["fields"]["Diary"]

    assert all("fields[]" in names for names in parameters)
    assert len(parameters) == 1
    assert reshaped.stats["bytes_sent"] < len(diary)


def test_deselected_column_is_not_emitted(reshaped: Reshaped) -> None:
    """Nothing of a deselected column is in the output, in ``_airtable_errors`` either."""
    (record,) = reshaped.records(PRIVATE)

    assert (record["name"], record["age"]) == (f"{CELL_MARK} name", 7)
    assert record.keys() <= {*SYSTEM_COLUMNS, "name", "age"}
    assert "_airtable_errors" not in record
    assert "diary" not in json.dumps(record)


def test_only_system_columns(reshaped: Reshaped) -> None:
    """A stream without any field's column is read all the same, without asking for every field."""
    emitted = reshaped.records(ONLY_SYSTEM)

    assert [record["_airtable_id"] for record in emitted] == record_ids(ONLY_SYSTEM["tables"][0])
    assert all(record.keys() <= set(SYSTEM_COLUMNS) for record in emitted)
    assert ["fields[]" in call["parameters"] for call in reshaped.calls(ONLY_SYSTEM)] == [True]


def test_query_too_long_for_a_url(reshaped: Reshaped) -> None:
    """A selection that no URL can hold is sent by POST."""
    (record,) = reshaped.records(LONG_QUERY)
    methods = [call["method"] for call in reshaped.calls(LONG_QUERY)]

    assert methods == ["POST"]
    assert record["field_499"] == f"{CELL_MARK} last"


def test_upstream_catalog(reshaped: Reshaped) -> None:
    """A catalog of Airbyte's own connector is filled as its own types say, arrays as JSON text."""
    full, blank = reshaped.records(UPSTREAM)

    assert json.loads(full["papers"]) == [ATTACHMENT]
    assert json.loads(full["tags"]) == ["a", "b"]
    assert (full["name"], full["score"], full["ticked"]) == (f"{CELL_MARK} name", 3, True)
    assert full["_airtable_table_name"] == "Old Table"
    assert blank["ticked"] is False
    assert "not_configured" not in full


def test_upstream_catalog_names(reshaped: Reshaped) -> None:
    """The names of streams and columns are those of Airbyte's own connector."""
    ours = reshaped.account.stream(UPSTREAM)
    upstream = an_upstream_stream(UPSTREAM, UPSTREAM["tables"][0])
    columns = upstream["json_schema"]["properties"].keys()

    assert ours["name"] == upstream["name"]
    assert columns <= ours["json_schema"]["properties"].keys()


# Tables that cannot be read.

WHOLE: Final = a_base("Whole", a_table("Kept"), a_table("Kept too"))
LOSES_TABLE: Final = a_base("Loses a table", a_table("Doomed"), a_table("Neighbour"))
UNSHARED: Final = a_base("Unshared", a_table("Gone"))
CIRCLE: Final = a_base("Circle", a_table("Endless", records=250))


@pytest.fixture(scope="module")
def shaken(airtable: SimulatorProcess) -> Account:
    """An account of which one table was deleted and one base unshared after discover."""
    account = an_account(airtable, WHOLE, LOSES_TABLE, UNSHARED, CIRCLE)
    admin = account.tenant.admin
    admin.delete_table(LOSES_TABLE["id"], "Doomed")
    admin.call("change_base", base=UNSHARED["id"], is_shared=False)
    admin.plan_fault("list_records", "repeat_offset", base=CIRCLE["id"], page=2, times=None)
    return account


@pytest.fixture(scope="module")
def partial(shaken: Account) -> Run:
    """A read of everything that was there at discover."""
    return shaken.read()


def test_others_are_complete(shaken: Account, partial: Run) -> None:
    """Streams that can be read are complete with all their records when others fail."""
    kept = [(WHOLE, table) for table in WHOLE["tables"]]
    kept.append((LOSES_TABLE, LOSES_TABLE["tables"][1]))

    assert {shaken.name(*one): partial.record_ids(shaken.name(*one)) for one in kept} == {
        shaken.name(base, table): record_ids(table) for base, table in kept
    }
    assert {partial.last_statuses[shaken.name(*one)] for one in kept} == {"COMPLETE"}


def test_failed_streams_are_incomplete(shaken: Account, partial: Run) -> None:
    """Streams that failed end INCOMPLETE without a state, and the exit code tells of it."""
    failed = {shaken.name(base) for base in (LOSES_TABLE, UNSHARED, CIRCLE)}

    assert {partial.last_statuses[name] for name in failed} == {"INCOMPLETE"}
    assert failed.isdisjoint(partial.state_streams)
    assert partial.exit_code == 1


def test_deleted_table(shaken: Account, partial: Run) -> None:
    """A deleted table is reported as the user's to mend, by the name of its stream and its id."""
    failure = partial.failure_of(shaken.name(LOSES_TABLE))

    assert failure["failure_type"] == "config_error"
    assert shaken.name(LOSES_TABLE) in failure["message"]
    assert LOSES_TABLE["tables"][0]["id"] in failure["message"]
    assert "deleted" in failure["message"]
    assert "on_missing_table" in failure["message"]


def test_unshared_base(shaken: Account, partial: Run) -> None:
    """A base that is no longer shared is reported as such, with what to do."""
    failure = partial.failure_of(shaken.name(UNSHARED))

    assert failure["failure_type"] == "config_error"
    assert UNSHARED["id"] in failure["message"]
    assert "Share the base" in failure["message"]


def test_repeated_offset(shaken: Account, partial: Run) -> None:
    """A list of pages that walks in a circle is left, and its table named."""
    failure = partial.failure_of(shaken.name(CIRCLE))

    assert failure["failure_type"] == "system_error"
    assert "repeats itself" in failure["message"]
    assert CIRCLE["tables"][0]["id"] in failure["message"]


def test_missing_tables_are_reported_last(shaken: Account, partial: Run) -> None:
    """The platform takes the first failure: what the user must mend comes after the rest."""
    by_type = [failure["failure_type"] for failure in partial.failures if failure["stream"]]

    assert by_type == ["system_error", "config_error", "config_error"]


@pytest.fixture(scope="module")
def skipping(shaken: Account) -> Run:
    """A read that may do without missing tables, of a deleted and an unshared one among others."""
    connector = shaken.tenant.connector_with(on_missing_table="skip")
    wanted = [
        *(shaken.stream(WHOLE, table) for table in WHOLE["tables"]),
        *(shaken.stream(LOSES_TABLE, table) for table in LOSES_TABLE["tables"]),
    ]
    return connector.read(a_catalog(wanted))


def test_missing_table_is_skipped(shaken: Account, skipping: Run) -> None:
    """With on_missing_table skip, the sync succeeds and warns of the missing table by name."""
    name = shaken.name(LOSES_TABLE)

    assert (skipping.exit_code, skipping.failures) == (0, [])
    assert skipping.last_statuses[name] == "INCOMPLETE"
    assert any(name in warning for warning in skipping.warnings)


def test_unshared_base_is_skipped(shaken: Account) -> None:
    """With on_missing_table skip, a table that is no longer shared is skipped as well."""
    connector = shaken.tenant.connector_with(on_missing_table="skip")
    wanted = [shaken.stream(WHOLE), shaken.stream(UNSHARED)]
    run = connector.read(a_catalog(wanted))

    assert (run.exit_code, run.failures) == (0, [])
    assert any(shaken.name(UNSHARED) in warning for warning in run.warnings)


def test_table_deleted_in_mid_read(airtable: SimulatorProcess) -> None:
    """A table that is deleted between its pages ends INCOMPLETE, named, after what was read."""
    base = a_base("Deleting", a_table("Going", records=350), a_table("Staying"))
    account = an_account(airtable, base)
    going, staying = base["tables"]
    # The second page is held, so that the table is gone before the third one is asked for.
    airtable.admin.plan_fault("list_records", "hold", base=base["id"], table=going["id"], page=2)
    airtable.admin.reset_stats()
    catalog = a_catalog([account.stream(base, going), account.stream(base, staying)])
    with account.tenant.connector.started("read", catalog=catalog) as live:
        # By what Airtable is asked: the first page's records come out when they may.
        live.go_on_until(lambda: airtable.admin.stats()["faults"])
        airtable.admin.delete_table(base["id"], going["id"])
        airtable.admin.release_answers()
        run = live.whole()

    failure = run.failure_of(account.name(base, going))
    read = run.record_ids(account.name(base, going))

    assert read
    assert read == record_ids(going)[: len(read)]
    assert failure["failure_type"] == "config_error"
    assert "Going" in failure["message"]
    assert "deleted" in failure["message"]
    assert run.last_statuses[account.name(base, going)] == "INCOMPLETE"
    assert run.last_statuses[account.name(base, staying)] == "COMPLETE"
    assert run.exit_code == 1


def test_iterator_expires(airtable: SimulatorProcess) -> None:
    """When Airtable forgets the list on page two, the scan restarts and emits each record once."""
    base = a_base("Forgetful", a_table("List", records=250))
    account = an_account(airtable, base)
    account.tenant.admin.plan_fault("list_records", "expire_iterator", base=base["id"], page=2)
    run = account.read(on_fast_clock=True)

    name = account.name(base)
    moments = {record["_airtable_as_of"] for record in run.records[name]}

    assert run.record_ids(name) == record_ids(base["tables"][0])
    assert run.last_statuses == {name: "COMPLETE"}
    assert len(moments) == 1


def test_iterator_expires_for_ever(airtable: SimulatorProcess) -> None:
    """When Airtable forgets the list each time, the stream fails as something that may pass."""
    base = a_base("Demented", a_table("List", records=250))
    account = an_account(airtable, base)
    account.tenant.admin.plan_fault(
        "list_records", "expire_iterator", base=base["id"], page=2, times=None
    )
    run = account.read(on_fast_clock=True)

    failure = run.failure_of(account.name(base))

    assert failure["failure_type"] == "transient_error"
    assert "forgot" in failure["message"]
    assert run.exit_code == 1


def test_records_of_a_duplicate_page(airtable: SimulatorProcess) -> None:
    """A record that Airtable sends on two pages is emitted once."""
    base = a_base("Repeating", a_table("List", records=150))
    account = an_account(airtable, base)
    account.tenant.admin.plan_fault("list_records", "duplicate_record", base=base["id"], page=2)
    run = account.read()

    assert run.record_ids(account.name(base)) == record_ids(base["tables"][0])
