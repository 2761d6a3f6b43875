"""The simulator takes writes, and refuses them, as Airtable's Web API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WORKSPACE_ID, WRITE_SCOPES
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.bases import a_base, a_field, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

Json = dict[str, Any]

RECORDED_ERRORS: Final = (
    Path(__file__).parents[2] / "shared" / "real_bases" / "recorded_errors.json"
)
START: Final = "2026-11-01T12:00:00.000Z"
LATER: Final = "2026-11-01T12:01:00.000Z"
MANY: Final = "Prices, and more"


class Writer:
    """Calls one base of the simulator, whatever the method."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.simulator = simulator
        self.caller = Caller(simulator)
        self.base = base
        self.people, self.pets = base["tables"]

    def call(self, method: str, *path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - as of requests
        """One request."""
        return self.caller.session.request(method, self.caller.path(*path), timeout=10, **more)

    def people_call(self, method: str, *path: str, **body: Any) -> requests.Response:  # noqa: ANN401 - JSON
        """One request to the table of people."""
        return self.call(method, self.base["id"], self.people["id"], *path, json=body)

    def schema(self) -> dict[str, Json]:
        """The base's tables by name."""
        tables = self.call("GET", "meta", "bases", self.base["id"], "tables").json()["tables"]
        return {table["name"]: table for table in tables}

    def rows(self, table: Json | None = None) -> dict[str, Json]:
        """The records by id, with their modified time."""
        known = self.simulator.admin.dump(self.base["id"], (table or self.people)["id"])
        names = {one["id"]: one["name"] for one in (table or self.people)["fields"]}
        return {
            one["id"]: {
                "at": one["lastModifiedTime"],
                **{names.get(key, key): cell for key, cell in one["fields"].items()},
            }
            for one in known
        }

    def id_of(self, name: str, table: Json | None = None) -> str:
        """The id of the record with a name."""
        rows = self.rows(table)
        return next(key for key, row in rows.items() if row.get("Name") == name)


def an_account_base() -> Json:
    """People with a cell of many kinds, and their pets, linked both ways."""
    owner = a_field("Owner", "multipleRecordLinks")
    pet = a_field("Pets", "multipleRecordLinks")
    people = a_table(
        "People",
        a_field("Age", "number", options={"precision": 0}),
        a_field("Born", "date"),
        a_field("Seen", "dateTime"),
        a_field("Kind", "singleSelect", options={"choices": [{"id": "selA", "name": "Guest"}]}),
        a_field("Tags", "multipleSelects", options={"choices": [{"id": "selB", "name": "New"}]}),
        a_field("Paid", "checkbox"),
        a_field("Stars", "rating", options={"max": 5, "icon": "star", "color": "yellowBright"}),
        a_field("Agent", "singleCollaborator"),
        a_field("Code", "barcode"),
        a_field("Files", "multipleAttachments"),
        a_field("Total", "formula", options={"isValid": True}),
        a_field("No.", "autoNumber"),
        pet,
        records=[a_record(Name="Ada", Age=36), a_record(Name="Bob")],
    )
    pets = a_table("Pets", owner, records=[a_record(Name="Rex"), a_record(Name="Tom")])
    owner["options"] = {"linkedTableId": people["id"], "inverseLinkFieldId": pet["id"]}
    pet["options"] = {"linkedTableId": pets["id"], "inverseLinkFieldId": owner["id"]}
    return a_base("Writable", people, pets, permissionLevel="create")


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A caller that may write, at a moment that the test moves."""
    base = an_account_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(START)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        writing = Writer(simulator, base)
        yield writing
        writing.caller.close()


def refusal(answer: requests.Response) -> tuple[int, str]:
    """The status and the type of a refusal."""
    return answer.status_code, answer.json()["error"]["type"]


def test_create_batch(writer: Writer) -> None:
    """Records are made in order, with the cells given and a modified time of now."""
    answer = writer.people_call("POST", records=[{"fields": {"Name": "Cy", "Age": 0}}, {}])
    made = answer.json()["records"]

    assert [one["fields"] for one in made] == [{"Name": "Cy", "Age": 0, "No.": 1}, {"No.": 2}]
    assert {writer.rows()[one["id"]]["at"] for one in made} == {START}


def test_create_single(writer: Writer) -> None:
    """Without ``records`` one record is made, and is the answer, keyed by field id if wished."""
    answer = writer.people_call("POST", fields={"Name": "Cy"}, returnFieldsByFieldId=True).json()

    assert answer["fields"][writer.people["primaryFieldId"]] == "Cy"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("count", [0, 11])
def test_size_of_a_batch(writer: Writer, method: str, count: int) -> None:
    """A batch has one to ten records."""
    answer = writer.people_call(
        method, records=[{"id": str(i), "fields": {}} for i in range(count)]
    )

    assert refusal(answer) == (422, "INVALID_REQUEST_UNKNOWN")


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        ({"Age": 1.0}, {"Age": 1}),
        ({"Born": "2020-02-03"}, {"Born": "2020-02-03"}),
        ({"Seen": "2020-02-03T04:05:06.789+01:00"}, {"Seen": "2020-02-03T03:05:06.789Z"}),
        ({"Kind": "Guest", "Tags": ["New"]}, {"Kind": "Guest", "Tags": ["New"]}),
        ({"Paid": True, "Stars": 5}, {"Paid": True, "Stars": 5}),
        ({"Code": {"text": "12"}}, {"Code": {"text": "12"}}),
        ({"Paid": False, "Name": "", "Tags": [], "Age": None}, {}),
    ],
)
def test_cells_that_are_taken(writer: Writer, cells: Json, kept: Json) -> None:
    """A cell is kept in the form it is read in; an empty one is not there."""
    made = writer.people_call("POST", fields=cells).json()["fields"]

    assert made == {**kept, "No.": 1}


def test_collaborator_and_file(writer: Writer) -> None:
    """A user is told by id and comes back whole; a file is told by its URL and gets an id."""
    cells = {"Agent": {"id": "usrSimulatedUser1"}, "Files": [{"url": "https://example.com/a.pdf"}]}
    made = writer.people_call("POST", fields=cells).json()["fields"]

    assert made["Agent"]["email"] == "user1@example.com"
    assert (made["Files"][0]["id"][:3], made["Files"][0]["filename"]) == ("att", "a.pdf")


@pytest.mark.parametrize(
    ("cells", "error_type"),
    [
        ({"Age": "7"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Age": True}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Name": 7}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Born": "soon"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Stars": 6}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Paid": "yes"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Tags": "New"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Agent": {"id": "usrNobody00000000"}}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Total": 7}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Kind": "Other"}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ({"Pets": ["recNobody00000000"]}, "ROW_DOES_NOT_EXIST"),
        ({"Nothing": 1}, "UNKNOWN_FIELD_NAME"),
    ],
)
def test_one_refused_cell_refuses_the_batch(writer: Writer, cells: Json, error_type: str) -> None:
    """A cell that is not taken leaves every record of its batch as it was."""
    before = writer.rows()
    answer = writer.people_call("POST", records=[{"fields": {"Name": "Cy"}}, {"fields": cells}])

    assert refusal(answer) == (422, error_type)
    assert writer.rows() == before


def test_typecast(writer: Writer) -> None:
    """With typecast, text becomes what the field holds, and a missing choice is added."""
    cells = {"Name": 7, "Age": "36", "Kind": "Other", "Tags": "New, Old", "Paid": "true"}
    made = writer.people_call("POST", fields=cells, typecast=True).json()["fields"]
    kind = next(one for one in writer.schema()["People"]["fields"] if one["name"] == "Kind")

    assert made["Age"] == 36
    assert (made["Name"], made["Tags"], made["Paid"]) == ("7", ["New", "Old"], True)
    assert [choice["name"] for choice in kind["options"]["choices"]] == ["Guest", "Other"]


def test_merge_and_replace(writer: Writer) -> None:
    """PATCH keeps the cells that it does not name, PUT clears them; both move the modified time."""
    ada = writer.id_of("Ada")
    writer.simulator.admin.advance_clock(60)
    merged = writer.people_call("PATCH", ada, fields={"Born": "2020-02-03"}).json()["fields"]
    replaced = writer.people_call("PUT", records=[{"id": ada, "fields": {"Stars": 2}}]).json()

    assert merged == {"Name": "Ada", "Age": 36, "Born": "2020-02-03"}
    assert replaced["records"][0]["fields"] == {"Stars": 2}
    assert writer.rows()[ada]["at"] == LATER


def test_update_of_an_unknown_record(writer: Writer) -> None:
    """A batch that names a record that is not there changes none."""
    before = writer.rows()
    records = [{"id": key, "fields": {"Age": 1}} for key in (*before, "recNobody00000000")]

    assert refusal(writer.people_call("PATCH", records=records)) == (422, "ROW_DOES_NOT_EXIST")
    assert writer.people_call("PATCH", "recNobody00000000", fields={}).status_code == 403
    assert writer.rows() == before


def test_upsert(writer: Writer) -> None:
    """A record equal in the key fields is changed, another is made."""
    ada = writer.id_of("Ada")
    answer = writer.people_call(
        "PATCH",
        records=[{"fields": {"Name": "Ada", "Stars": 1}}, {"fields": {"Name": "Eve"}}],
        performUpsert={"fieldsToMergeOn": ["Name"]},
    ).json()

    assert (answer["updatedRecords"], answer["createdRecords"]) == ([ada], [writer.id_of("Eve")])
    assert [one["fields"].get("Age") for one in answer["records"]] == [36, None]


def test_upsert_with_two_matches(writer: Writer) -> None:
    """Two records equal in the key fields make the whole request fail."""
    writer.people_call("POST", fields={"Name": "Ada"})
    before = writer.rows()
    answer = writer.people_call(
        "PUT",
        records=[{"fields": {"Name": "Eve"}}, {"fields": {"Name": "Ada"}}],
        performUpsert={"fieldsToMergeOn": ["Name"]},
    )

    assert (answer.status_code, writer.rows()) == (422, before)


def test_delete(writer: Writer) -> None:
    """Records are deleted one by one or in a batch, which is done as a whole or not at all."""
    ada, bob = writer.rows()
    url = (writer.base["id"], writer.people["id"])
    missing = writer.call("DELETE", *url, params={"records[]": [ada, "recNobody00000000"]})
    one = writer.call("DELETE", *url, ada).json()
    batch = writer.call("DELETE", *url, params={"records[]": [bob]}).json()

    assert refusal(missing) == (422, "ROW_DOES_NOT_EXIST")
    assert (one, batch) == (
        {"id": ada, "deleted": True},
        {"records": [{"id": bob, "deleted": True}]},
    )
    assert writer.rows() == {}


def test_links_are_seen_at_both_ends(writer: Writer) -> None:
    """A link written at one end is there at the other, until it or the record is taken away."""
    ada, rex = writer.id_of("Ada"), writer.id_of("Rex", writer.pets)
    writer.simulator.admin.advance_clock(60)
    seen = []
    for links in ([rex], []):
        writer.people_call("PATCH", ada, fields={"Pets": links})
        seen.append(writer.rows(writer.pets)[rex].get("Owner"))
    writer.people_call("PATCH", ada, fields={"Pets": [rex]})
    writer.call("DELETE", writer.base["id"], writer.people["id"], ada)

    assert (*seen, writer.rows(writer.pets)[rex].get("Owner")) == ([ada], None, None)
    assert writer.rows(writer.pets)[rex]["at"] == LATER


def test_link_need_not_move_the_other_end(writer: Writer) -> None:
    """As a setting, the record at a link's other end keeps its modified time."""
    writer.simulator.admin.configure(linked_record_is_modified=False)
    before = writer.rows(writer.pets)[writer.id_of("Rex", writer.pets)]["at"]
    writer.simulator.admin.advance_clock(60)
    rex = writer.id_of("Rex", writer.pets)
    writer.people_call("PATCH", writer.id_of("Ada"), fields={"Pets": [rex]})

    assert writer.rows(writer.pets)[rex]["at"] == before


def test_comment(writer: Writer) -> None:
    """A comment is counted, and leaves the modified time alone."""
    ada = writer.id_of("Ada")
    before = writer.rows()
    writer.simulator.admin.advance_clock(60)
    answer = writer.people_call("POST", ada, "comments", text="Hello").json()
    (listed, _) = writer.caller.get(
        writer.base["id"], writer.people["id"], recordMetadata="commentCount"
    ).json()["records"]

    assert (answer["text"], listed["commentCount"]) == ("Hello", 1)
    assert writer.rows() == before


@pytest.mark.parametrize("missing", ["data.records:write", "schema.bases:write"])
def test_scopes(writer: Writer, missing: str) -> None:
    """Records and schema each need a scope of their own; a CSV needs both."""
    writer.simulator.admin.set_token_scopes(*(one for one in WRITE_SCOPES if one != missing))
    url = ("meta", "bases", writer.base["id"], "tables", writer.people["id"])
    seen = {
        "data.records:write": writer.people_call("POST", fields={}).status_code,
        "schema.bases:write": writer.call("PATCH", *url, json={"name": "Folk"}).status_code,
    }

    assert seen == {scope: 403 if scope == missing else 200 for scope in seen}


@pytest.mark.parametrize(
    ("level", "statuses"), [("read", [403, 403]), ("edit", [200, 403]), ("create", [200, 200])]
)
def test_roles(writer: Writer, level: str, statuses: list[int]) -> None:
    """An editor writes records; only a creator changes tables."""
    writer.simulator.admin.set_permission_level(writer.base["id"], level)
    url = ("meta", "bases", writer.base["id"], "tables", writer.people["id"])
    seen = [writer.people_call("POST", fields={}), writer.call("PATCH", *url, json={"name": "F"})]

    assert [answer.status_code for answer in seen] == statuses


def test_writes_share_the_limit_of_reads(writer: Writer) -> None:
    """The sixth request in a second is refused, be it to read or to write; it has no effect."""
    writer.simulator.admin.configure(base_requests_per_second=5)
    url = (writer.base["id"], writer.people["id"])
    seen = [writer.call("GET", *url).status_code for _ in range(3)]
    seen += [writer.people_call("POST", fields={}).status_code for _ in range(3)]

    assert seen == [200] * 5 + [429]
    assert len(writer.rows()) == 4


def test_recorded_errors(writer: Writer) -> None:
    """A write to a computed field is refused with the body that was recorded."""
    if not RECORDED_ERRORS.is_file():
        pytest.skip("the recorded exchanges are not beside this repository")
    exchanges = [one for one in json.loads(RECORDED_ERRORS.read_text()) if one["method"] != "GET"]
    number = a_field("f_autoNumber", "autoNumber")
    record = a_record()
    tables = [
        a_table("Empty", number, id=one["path"].split("/")[3], records=[record])
        for one in exchanges
    ]
    bases = [
        a_base("Recorded", table, id=one["path"].split("/")[2], permissionLevel="create")
        for one, table in zip(exchanges, tables, strict=True)
    ]
    told = []
    for one, base in zip(exchanges, bases, strict=True):
        writer.simulator.admin.load({"bases": [base]})
        body = {"records": [{"id": record["id"], "fields": {"f_autoNumber": 1}}]}
        url = writer.simulator.url + one["path"]
        answer = writer.caller.session.request(one["method"], url, json=body, timeout=10)
        told.append((answer.status_code, answer.json()))

    assert told == [(one["status"], one["response"]) for one in exchanges]


# Bases, tables and fields.

TEXT: Final = {"name": "Name", "type": "singleLineText"}


def test_create_base(writer: Writer) -> None:
    """A base is made in the workspace, with ids, a view, and choices that have ids; then listed."""
    select = {"name": "Kind", "type": "singleSelect", "options": {"choices": [{"name": "A"}]}}
    tables = [{"name": "One", "description": "First", "fields": [TEXT, select]}]
    body = {"workspaceId": WORKSPACE_ID, "name": "Made", "tables": tables}
    made = writer.call("POST", "meta", "bases", json=body).json()
    shown = writer.call("GET", "meta", "bases", made["id"], "tables").json()
    listed = writer.call("GET", "meta", "bases").json()["bases"]

    assert shown["tables"] == made["tables"]
    assert made["tables"][0]["fields"][1]["options"]["choices"][0]["id"].startswith("sel")
    assert {"id": made["id"], "name": "Made", "permissionLevel": "create"} in listed


def test_base_in_another_workspace(writer: Writer) -> None:
    """A workspace that is not the user's is refused."""
    body = {"workspaceId": "wspNobody00000000", "name": "Made", "tables": [{"name": "A"}]}

    assert writer.call("POST", "meta", "bases", json=body).status_code == 403


@pytest.mark.parametrize(
    ("fields", "error_type"),
    [
        ([TEXT, {"name": "Sum", "type": "formula"}], "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        ([TEXT, {"name": "No.", "type": "autoNumber"}], "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        ([TEXT, {**TEXT, "name": "NAME"}], "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ([{**TEXT, "name": ""}], "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ([TEXT, {"name": "N", "type": "number"}], "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ([TEXT, {"name": "N", "type": "nothing"}], "INVALID_REQUEST_UNKNOWN"),
        (
            [{"name": "L", "type": "checkbox", "options": {"icon": "check", "color": "a"}}],
            "INVALID_PRIMARY_FIELD_TYPE",
        ),
        ([], "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_tables_that_cannot_be_made(writer: Writer, fields: list[Json], error_type: str) -> None:
    """A table with a field that Airtable does not make is not made at all."""
    before = writer.schema()
    body = {"name": "New", "fields": fields}
    answer = writer.call("POST", "meta", "bases", writer.base["id"], "tables", json=body)

    assert refusal(answer) == (422, error_type)
    assert writer.schema() == before


def test_create_link(writer: Writer) -> None:
    """A new link makes its other end, named after the table that it leads to."""
    options = {"linkedTableId": writer.people["id"]}
    fields = [TEXT, {"name": "For", "type": "multipleRecordLinks", "options": options}]
    url = ("meta", "bases", writer.base["id"], "tables")
    made = writer.call("POST", *url, json={"name": "Gifts", "fields": fields}).json()
    back = writer.schema()["People"]["fields"][-1]

    assert (back["name"], back["options"]["linkedTableId"]) == ("Gifts", made["id"])
    assert back["options"]["inverseLinkFieldId"] == made["fields"][1]["id"]
    assert writer.schema()["Gifts"]["fields"][1]["options"]["inverseLinkFieldId"] == back["id"]


def test_change_table_and_field(writer: Writer) -> None:
    """Tables and fields can be renamed and described; a field's options cannot be changed."""
    url = ("meta", "bases", writer.base["id"], "tables", writer.people["id"])
    field = (*url, "fields", writer.people["fields"][1]["id"])
    table = writer.call("PATCH", *url, json={"name": "Folk", "description": "All"}).json()
    renamed = writer.call("PATCH", *field, json={"name": "Years"}).json()
    taken = writer.call("PATCH", *field, json={"name": "name"})
    options = writer.call("PATCH", *field, json={"options": {"precision": 2}})

    assert (table["name"], table["description"], renamed["name"]) == ("Folk", "All", "Years")
    assert refusal(taken) == (422, "DUPLICATE_OR_EMPTY_FIELD_NAME")
    assert options.status_code == 422


def test_create_field(writer: Writer) -> None:
    """A field is added at the end and can be written to."""
    url = ("meta", "bases", writer.base["id"], "tables", writer.people["id"], "fields")
    made = writer.call("POST", *url, json={"name": "Mail", "type": "email"}).json()
    cells = writer.people_call("POST", fields={"Mail": "a@example.com"}).json()["fields"]

    assert writer.schema()["People"]["fields"][-1] == made
    assert cells["Mail"] == "a@example.com"


# The Sync API.


@pytest.fixture
def sync_path(writer: Writer) -> tuple[str, ...]:
    """The path of a CSV sync into the table of pets."""
    table_id = writer.pets["id"]
    sync_id = writer.simulator.admin.add_sync(writer.base["id"], table_id)
    return (writer.base["id"], table_id, "sync", sync_id)


def push(writer: Writer, path: tuple[str, ...], text: str) -> requests.Response:
    """Send a CSV."""
    headers = {"Content-Type": "text/csv"}
    return writer.call("POST", *path, data=text.encode(), headers=headers)


def test_csv_replaces_the_table(writer: Writer, sync_path: tuple[str, ...]) -> None:
    """Rows known by their first column keep their record, others come and go; columns are added."""
    rex = writer.id_of("Rex", writer.pets)
    before = writer.rows(writer.pets)[rex]["at"]
    writer.simulator.admin.advance_clock(60)
    answer = push(writer, sync_path, f'Name,Food\nRex,\n"Kit, the 2nd","{MANY}"\n')
    food = writer.schema()["Pets"]["fields"][-1]
    rows = writer.rows(writer.pets)

    assert answer.json() == {"success": True}
    assert (food["name"], [row["Name"] for row in rows.values()]) == (
        "Food",
        ["Rex", "Kit, the 2nd"],
    )
    assert [row["at"] for row in rows.values()] == [before, LATER]
    assert list(rows.values())[1][food["id"]] == MANY


def test_csv_limits(writer: Writer, sync_path: tuple[str, ...]) -> None:
    """Too many rows, too many bytes, and a sync that is not the table's are refused."""
    rows = push(writer, sync_path, "Name\n" + "x\n" * 10_001)
    size = push(writer, sync_path, "Name\n" + "x" * (2 << 20))
    other = push(writer, (*sync_path[:3], "synOther000000000"), "Name\n")

    assert [answer.status_code for answer in (rows, size, other)] == [422, 413, 403]


def test_csv_twenty_in_five_minutes(writer: Writer, sync_path: tuple[str, ...]) -> None:
    """The twenty-first push to a base within five minutes is refused."""
    seen = [push(writer, sync_path, f"Name\n{i}\n").status_code for i in range(21)]
    writer.simulator.admin.advance_clock(300)

    assert seen == [200] * 20 + [429]
    assert push(writer, sync_path, "Name\n").status_code == 200
