"""The simulator's webhooks show every change of a base, as Airtable's payloads do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.airtable_simulator.caller import CALL_SECONDS, Caller
from integration_tests.airtable_simulator.changes import TableChanges
from integration_tests.bases import a_base, a_field, a_record, a_table
from integration_tests.webhook_caller import WebhookCaller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from integration_tests.airtable_simulator import AdminClient

Json = dict[str, Any]

NOW: Final = "2026-11-20T12:00:00.250Z"
USER: Final = {
    "id": "usrSimulatedUser1",
    "email": "user1@example.com",
    "permissionLevel": "create",
}
CHOICE: Final = {"id": "selGuest", "name": "Guest", "color": "redBright"}


class Studio:
    """A base of people and pets with one webhook."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.simulator = simulator
        self.admin = simulator.admin
        self.base: str = base["id"]
        people, pets = base["tables"]
        self.people: str = people["id"]
        self.pets: str = pets["id"]
        self.fields: dict[str, str] = {one["name"]: one["id"] for one in people["fields"]}
        self.owner: str = pets["fields"][1]["id"]
        self.ada, self.bob = (one["id"] for one in people["records"])
        (self.rex,) = (one["id"] for one in pets["records"])
        self.hooks = WebhookCaller(simulator, self.base)
        self.caller = Caller(simulator)
        self.hook = self.hooks.create("tableData", "tableFields", "tableMetadata")

    def write(self, method: str, *path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - as of requests
        """A write to the table of people."""
        url = self.caller.path(self.base, self.people, *path)
        answer = self.caller.session.request(method, url, timeout=CALL_SECONDS, **more)
        assert answer.status_code == 200, answer.text
        return answer

    def changes(self, table: str | None = None) -> list[Json]:
        """What the payloads show of a table."""
        shown = [one.get("changedTablesById", {}) for one in self.hooks.payloads(self.hook)]
        return [one[table or self.people] for one in shown if (table or self.people) in one]

    def close(self) -> None:
        """Close the connections."""
        self.hooks.close()
        self.caller.close()


def a_studio_base() -> Json:
    """People and pets, linked both ways, with a lookup."""
    owner = a_field("Owner", "multipleRecordLinks")
    pet = a_field("Pets", "multipleRecordLinks")
    people = a_table(
        "People",
        a_field("Age", "number", options={"precision": 0}),
        a_field("Kind", "singleSelect", options={"choices": [CHOICE]}),
        pet,
        a_field("Changed", "lastModifiedTime", options={"result": {"type": "dateTime"}}),
        records=[a_record(Name="Ada", Age=36), a_record(Name="Bob")],
    )
    pets = a_table("Pets", owner, records=[a_record(Name="Rex")])
    owner["options"] = {"linkedTableId": people["id"], "inverseLinkFieldId": pet["id"]}
    pet["options"] = {"linkedTableId": pets["id"], "inverseLinkFieldId": owner["id"]}
    lookup = {"recordLinkFieldId": pet["id"], "fieldIdInLinkedTable": pets["fields"][0]["id"]}
    people["fields"].append(a_field("Names", "multipleLookupValues", options=lookup))
    return a_base("Studio", people, pets, permissionLevel="create")


@pytest.fixture
def studio() -> Iterator[Studio]:
    """A base with a webhook for everything, and a clock that stands."""
    base = a_studio_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(NOW)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        made = Studio(simulator, base)
        yield made
        made.close()


def test_payload(studio: Studio) -> None:
    """A payload has the moment, the transaction, who acted, and the changed cells."""
    studio.write("PATCH", studio.ada, json={"fields": {"Age": 37}})
    status, body = studio.hooks.page(studio.hook)
    (payload,) = body.pop("payloads")
    number = payload.pop("baseTransactionNumber")
    cells = {studio.fields["Age"]: 37, studio.fields["Changed"]: "2026-11-20T12:00:00.000Z"}

    assert (status, body) == (200, {"cursor": 2, "mightHaveMore": False, "payloadFormat": "v0"})
    assert number > 2
    assert payload == {
        "timestamp": NOW,
        "payloadFormat": "v0",
        "actionMetadata": {"source": "publicApi", "sourceMetadata": {"user": USER}},
        "changedTablesById": {
            studio.people: {
                "changedRecordsById": {studio.ada: {"current": {"cellValuesByFieldId": cells}}}
            }
        },
    }


def test_created_and_deleted_records(studio: Studio) -> None:
    """A created record is shown with its time and cells, a deleted one by its id."""
    cells = {"Name": "Cy", "Kind": "Guest"}
    (made,) = studio.write("POST", json={"records": [{"fields": cells}]}).json()["records"]
    studio.write("DELETE", made["id"])
    created, deleted = studio.changes()
    shown = created["createdRecordsById"][made["id"]]

    assert shown["createdTime"] == made["createdTime"]
    assert shown["cellValuesByFieldId"][studio.fields["Kind"]] == CHOICE
    assert deleted == {"destroyedRecordIds": [made["id"]]}


def test_linked_records(studio: Studio) -> None:
    """Both ends of a link are in one payload, with the names of the records."""
    studio.admin.configure(webhooks_report_computed=False)
    studio.write("PATCH", studio.ada, json={"fields": {"Pets": [studio.rex]}})
    (payload,) = studio.hooks.payloads(studio.hook)
    shown = payload["changedTablesById"]
    there = shown[studio.pets]["changedRecordsById"][studio.rex]["current"]["cellValuesByFieldId"]
    here = shown[studio.people]["changedRecordsById"][studio.ada]["current"]["cellValuesByFieldId"]

    assert there == {studio.owner: [{"id": studio.ada, "name": "Ada"}]}
    assert here[studio.fields["Pets"]] == [{"id": studio.rex, "name": "Rex"}]


def test_linked_record_with_its_time(studio: Studio) -> None:
    """The other end of a link is in the payload even where its modified time stays."""
    studio.admin.configure(linked_record_is_modified=False, webhooks_report_computed=False)
    studio.write("PATCH", studio.ada, json={"fields": {"Pets": [studio.rex]}})

    assert list(studio.changes(studio.pets)[0]["changedRecordsById"]) == [studio.rex]
    assert len(studio.hooks.payloads(studio.hook)) == 1


def _edit(admin: AdminClient, studio: Studio) -> None:
    admin.edit_record(studio.base, studio.people, studio.bob, {"Age": 5})


def _delete(admin: AdminClient, studio: Studio) -> None:
    admin.delete_record(studio.base, studio.people, studio.bob)


def _restore(admin: AdminClient, studio: Studio) -> None:
    admin.delete_record(studio.base, studio.people, studio.bob)
    admin.restore_record(studio.base, studio.people, studio.bob)


def _create(admin: AdminClient, studio: Studio) -> None:
    admin.create_record(studio.base, studio.people, {"Name": "Cy"})


def _rename_table(admin: AdminClient, studio: Studio) -> None:
    admin.rename_table(studio.base, studio.people, "Humans")


def _add_field(admin: AdminClient, studio: Studio) -> None:
    admin.add_field(studio.base, studio.people, {"name": "New", "type": "checkbox"})


def _rename_field(admin: AdminClient, studio: Studio) -> None:
    admin.rename_field(studio.base, studio.people, studio.fields["Age"], "Years")


def _delete_field(admin: AdminClient, studio: Studio) -> None:
    admin.delete_field(studio.base, studio.people, studio.fields["Age"])


@pytest.mark.parametrize(
    ("act", "key"),
    [
        (_create, "createdRecordsById"),
        (_edit, "changedRecordsById"),
        (_delete, "destroyedRecordIds"),
        (_restore, "createdRecordsById"),
        (_rename_table, "changedMetadata"),
        (_add_field, "createdFieldsById"),
        (_rename_field, "changedFieldsById"),
        (_delete_field, "destroyedFieldIds"),
    ],
)
def test_command(studio: Studio, act: Callable[[AdminClient, Studio], None], key: str) -> None:
    """What a test changes by a command is shown as done by a person in Airtable."""
    act(studio.admin, studio)
    payload = studio.hooks.payloads(studio.hook)[-1]

    assert payload["actionMetadata"]["source"] == "client"
    assert list(payload["changedTablesById"][studio.people]) == [key]


def test_source_of_a_command(studio: Studio) -> None:
    """A command can act as an automation or as any other source."""
    studio.admin.edit_record(
        studio.base, studio.people, studio.ada, {"Age": 1}, source="automation"
    )
    (payload,) = studio.hooks.payloads(studio.hook)

    assert payload["actionMetadata"]["source"] == "automation"


def test_changed_field(studio: Studio) -> None:
    """A changed field is shown with its new name and type; the old ones only when wished."""
    includes = {"includePreviousFieldDefinitions": True}
    specification = {"options": {"filters": {"dataTypes": ["tableFields"]}, "includes": includes}}
    _, made = studio.hooks.call("POST", json={"specification": specification})
    _rename_field(studio.admin, studio)
    (payload,) = studio.hooks.payloads(made["id"])
    both = payload["changedTablesById"][studio.people]["changedFieldsById"]
    (current,) = (one["changedFieldsById"] for one in studio.changes())

    new, old = {"name": "Years", "type": "number"}, {"name": "Age", "type": "number"}
    assert current == {studio.fields["Age"]: {"current": new}}
    assert both == {studio.fields["Age"]: {"current": new, "previous": old}}


def test_tables(studio: Studio) -> None:
    """An added, copied or restored table is shown with its records, a deleted one by its id."""
    admin, base = studio.admin, studio.base
    added = admin.add_table(base, a_table("Added", records=2))
    copy = admin.duplicate_table(base, studio.people)
    admin.delete_table(base, added)
    admin.restore_table(base, added)
    first, second, third, fourth = studio.hooks.payloads(studio.hook)

    assert len(first["createdTablesById"][added]["recordsById"]) == 2
    assert first["createdTablesById"][added]["metadata"]["name"] == "Added"
    assert len(second["createdTablesById"][copy]["fieldsById"]) == len(studio.fields)
    assert not second["createdTablesById"][copy]["recordsById"].keys() & {studio.ada, studio.bob}
    assert third["destroyedTableIds"] == [added]
    assert fourth["createdTablesById"][added] == first["createdTablesById"][added]


def test_table_made_by_api(studio: Studio) -> None:
    """A table with a link is one payload: the new table, and the field at the link's other end."""
    link = {"linkedTableId": studio.people}
    fields = [
        {"name": "Name", "type": "singleLineText"},
        {"name": "Who", "type": "multipleRecordLinks", "options": link},
    ]
    url = studio.caller.path("meta", "bases", studio.base, "tables")
    body = {"name": "Visits", "fields": fields}
    made = studio.caller.session.post(url, json=body, timeout=CALL_SECONDS).json()
    (payload,) = studio.hooks.payloads(studio.hook)
    (change,) = studio.changes()

    assert list(payload["createdTablesById"]) == [made["id"]]
    assert len(payload["createdTablesById"][made["id"]]["fieldsById"]) == 2
    assert list(payload["changedTablesById"]) == [studio.people]
    assert list(change) == ["createdFieldsById"]


@pytest.mark.parametrize("need_metadata", [False, True])
def test_tables_and_data_types(studio: Studio, *, need_metadata: bool) -> None:
    """Whether created and deleted tables need the data type for metadata is a setting."""
    studio.admin.configure(webhook_tables_need_metadata=need_metadata)
    hook = studio.hooks.create("tableData")
    studio.admin.delete_table(studio.base, studio.pets)

    assert len(studio.hooks.payloads(hook)) == (0 if need_metadata else 1)
    assert len(studio.hooks.payloads(studio.hook)) == 1


def test_csv_sync(studio: Studio) -> None:
    """One request to the Sync API is one action of the source sync."""
    sync = studio.admin.add_sync(studio.base, studio.people)
    body = "Name,Note\nAda,x\nCy,\n"
    studio.write("POST", "sync", sync, data=body, headers={"Content-Type": "text/csv"})
    (payload,) = studio.hooks.payloads(studio.hook)
    (change,) = studio.changes()

    assert payload["actionMetadata"]["source"] == "sync"
    assert list(change["changedRecordsById"]) == [studio.ada]
    assert len(change["createdRecordsById"]) == 1
    assert change["destroyedRecordIds"] == [studio.bob]
    assert [one["name"] for one in change["createdFieldsById"].values()] == ["Note"]


@pytest.mark.parametrize("is_reported", [True, False])
def test_recomputed_cells(studio: Studio, *, is_reported: bool) -> None:
    """Whether a recomputation is reported, by the source system, is a setting."""
    studio.admin.configure(webhooks_report_computed=is_reported)
    cells = {"Names": ["Rex"], "Age": 50}
    studio.admin.edit_record(studio.base, studio.people, studio.ada, cells, is_user_edit=False)
    payloads = studio.hooks.payloads(studio.hook)

    assert [one["actionMetadata"] for one in payloads] == [{"source": "system"}] * is_reported
    assert [list(one["changedRecordsById"]) for one in studio.changes()] == (
        [[studio.ada]] * is_reported
    )


@pytest.mark.parametrize("is_reported", [True, False])
def test_edit_with_recomputed_cell(studio: Studio, *, is_reported: bool) -> None:
    """An edit and what it recomputes are two payloads of one moment and transaction."""
    studio.admin.configure(webhooks_report_computed=is_reported)
    cells = {"Names": ["Rex"], "Age": 50}
    studio.admin.edit_record(studio.base, studio.people, studio.ada, cells)
    payloads = studio.hooks.payloads(studio.hook)
    sources = [one["actionMetadata"]["source"] for one in payloads]

    assert sources == ["client", "system"][: 1 + is_reported]
    assert len({(one["timestamp"], one["baseTransactionNumber"]) for one in payloads}) == 1


@pytest.mark.parametrize("is_reported", [True, False])
def test_renamed_linked_record(studio: Studio, *, is_reported: bool) -> None:
    """Whether a record's new name is reported for those that link to it is a setting."""
    studio.write("PATCH", studio.ada, json={"fields": {"Pets": [studio.rex]}})
    studio.admin.configure(webhooks_report_link_renames=is_reported)
    cursor = studio.hooks.listed()[0]["cursorForNextPayload"]
    studio.admin.edit_record(studio.base, studio.pets, studio.rex, {"Name": "Max"})
    payloads = studio.hooks.payloads(studio.hook, cursor)
    shown = [list(one["changedTablesById"]) for one in payloads]

    assert shown == [[studio.pets], [studio.people]][: 1 + is_reported]


def test_net_changes(studio: Studio) -> None:
    """A new record with a link is created there, not changed as well."""
    studio.admin.configure(webhooks_report_computed=False)
    studio.write("POST", json={"fields": {"Name": "Cy", "Pets": [studio.rex]}})
    (change,) = studio.changes()

    assert list(change) == ["createdRecordsById"]


def test_net_changes_of_records() -> None:
    """Within one action a new record is not changed, and what comes and goes leaves no trace."""
    noted = TableChanges()
    noted.create_record("recKept")
    noted.change_record("recKept", ["fldAge"])
    noted.create_record("recGone")
    noted.destroy_record("recGone")
    noted.change_record("recOld", ["fldAge"])
    noted.destroy_record("recOld")

    assert noted == TableChanges(created_records={"recKept": None}, destroyed_records=["recOld"])


def test_split_action(studio: Studio) -> None:
    """One action can be split into payloads of so many records, of one moment and transaction."""
    studio.admin.configure(webhook_records_per_payload=2)
    made = studio.admin.create_records(
        studio.base, studio.people, [{"fields": {"Name": str(number)}} for number in range(5)]
    )
    studio.admin.delete_records(studio.base, studio.people, made[:3])
    payloads = studio.hooks.payloads(studio.hook)
    created = [list(one["createdRecordsById"]) for one in studio.changes()[:3]]
    destroyed = [one["destroyedRecordIds"] for one in studio.changes()[3:]]

    assert created == [made[:2], made[2:4], made[4:]]
    assert destroyed == [made[:2], made[2:3]]
    assert len({one["baseTransactionNumber"] for one in payloads[:3]}) == 1
    assert len({one["baseTransactionNumber"] for one in payloads}) == 2


def test_many_records(studio: Studio) -> None:
    """Records that are changed by one command are one action."""
    made = studio.admin.create_records(studio.base, studio.people, [{"fields": {}}] * 20_000)
    studio.admin.edit_records(studio.base, studio.people, {key: {"Age": 1} for key in made})
    created, changed = studio.changes()

    assert list(created["createdRecordsById"]) == made
    assert list(changed["changedRecordsById"]) == made


def test_refused_write(studio: Studio) -> None:
    """A refused write has no payload."""
    url = studio.caller.path(studio.base, studio.people, studio.ada)
    answer = studio.caller.session.patch(url, json={"fields": {"Age": "x"}}, timeout=CALL_SECONDS)

    assert answer.status_code == 422
    assert studio.hooks.payloads(studio.hook) == []
