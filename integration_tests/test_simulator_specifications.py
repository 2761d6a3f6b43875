"""The simulator's webhooks show what their specification asks for, and no other change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.bases import a_base, a_field, a_table, record_ids
from integration_tests.webhook_caller import WebhookCaller, a_specification

if TYPE_CHECKING:
    from collections.abc import Iterator

AGE: Final = a_field("Age", "number", options={"precision": 0})
KIND: Final = a_field("Kind")
TABLE: Final = a_table("People", AGE, KIND, records=4)
FIRST, SECOND, THIRD, _ = record_ids(TABLE)
VIEW: Final = {
    "id": "viwSome0000000000",
    "name": "Some",
    "type": "grid",
    "recordIds": [FIRST, THIRD],
}
TABLE["views"].append(VIEW)
OTHER: Final = a_table("Pets")
BASE: Final = a_base("Studio", TABLE, OTHER, permissionLevel="create")
EVERYTHING: Final = ("tableData", "tableFields", "tableMetadata")


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A base of two tables, and a token that may do everything."""
    with SimulatorThread({"bases": [BASE]}, has_limits=False) as running:
        running.admin.set_token_scopes(*WRITE_SCOPES)
        yield running


@pytest.fixture
def hooks(simulator: SimulatorThread) -> Iterator[WebhookCaller]:
    """A caller of the base's webhooks."""
    calling = WebhookCaller(simulator, BASE["id"])
    yield calling
    calling.close()


def change_everything(simulator: SimulatorThread) -> None:
    """One action of each kind in the first table, and one in the other."""
    admin, place = simulator.admin, (BASE["id"], TABLE["id"])
    admin.create_record(*place, {"Name": "New"})
    admin.edit_record(*place, FIRST, {AGE["id"]: 1})
    admin.edit_record(*place, SECOND, {KIND["id"]: "x"})
    admin.edit_record(*place, THIRD, {KIND["id"]: "y"}, is_user_edit=False)
    admin.delete_record(*place, FIRST)
    admin.add_field(*place, {"name": "More", "type": "checkbox"})
    admin.rename_field(*place, AGE["id"], "Years")
    admin.rename_field(*place, KIND["id"], "Sort")
    admin.rename_table(*place, "Humans")
    admin.delete_record(BASE["id"], OTHER["id"], record_ids(OTHER)[0])


RECORDS: Final = ("created", "changed", "changed", "changed", "destroyed")


@pytest.mark.parametrize(
    ("data_types", "filters", "expected"),
    [
        (EVERYTHING, {}, [*RECORDS, "field+", "field", "field", "table", "destroyed"]),
        (("tableData",), {}, [*RECORDS, "destroyed"]),
        (("tableFields",), {}, ["field+", "field", "field"]),
        (("tableMetadata",), {}, ["table"]),
        (EVERYTHING, {"changeTypes": ["add"]}, ["created", "field+"]),
        (EVERYTHING, {"changeTypes": ["remove"]}, ["destroyed", "destroyed"]),
        (("tableData",), {"changeTypes": ["update"]}, ["changed"] * 3),
        (EVERYTHING, {"fromSources": ["system"]}, ["changed"]),
        (EVERYTHING, {"fromSources": ["publicApi"]}, []),
        (EVERYTHING, {"recordChangeScope": OTHER["id"]}, ["destroyed"]),
        (("tableData",), {"recordChangeScope": TABLE["id"]}, [*RECORDS]),
        (
            ("tableData",),
            {"watchDataInFieldIds": [AGE["id"]]},
            ["created", "changed", "destroyed", "destroyed"],
        ),
        (("tableFields",), {"watchSchemasOfFieldIds": [AGE["id"]]}, ["field"]),
    ],
)
def test_filters(
    simulator: SimulatorThread,
    hooks: WebhookCaller,
    data_types: tuple[str, ...],
    filters: dict[str, Any],
    expected: list[str],
) -> None:
    """Each filter of a specification leaves out what it does not name."""
    names = {
        "createdRecordsById": "created",
        "changedRecordsById": "changed",
        "destroyedRecordIds": "destroyed",
        "createdFieldsById": "field+",
        "changedFieldsById": "field",
        "changedMetadata": "table",
    }
    hook = hooks.create(*data_types, **filters)
    change_everything(simulator)
    shown = [one["changedTablesById"].values() for one in hooks.payloads(hook)]

    assert [names[key] for tables in shown for change in tables for key in change] == expected


def test_view(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A webhook for a view shows its records under the view."""
    hook = hooks.create("tableData", recordChangeScope=VIEW["id"])
    simulator.admin.edit_records(
        BASE["id"], TABLE["id"], {key: {AGE["id"]: 1} for key in (FIRST, SECOND, THIRD)}
    )
    simulator.admin.edit_record(BASE["id"], TABLE["id"], SECOND, {AGE["id"]: 2})
    (payload,) = hooks.payloads(hook)
    change = payload["changedTablesById"][TABLE["id"]]

    assert list(change) == ["changedViewsById"]
    assert list(change["changedViewsById"][VIEW["id"]]["changedRecordsById"]) == [FIRST, THIRD]


@pytest.mark.parametrize(
    "specification",
    [
        None,
        {},
        {"options": {}},
        {"options": {"filters": {}}},
        {"options": {"filters": {"dataTypes": []}}},
        {"options": {"filters": {"dataTypes": "tableData"}}},
        a_specification("tableRecords"),
        a_specification(changeTypes=["edit"]),
        a_specification(fromSources=["me"]),
        a_specification(recordChangeScope="tblUnknown0000000"),
        a_specification(watchDataInFieldIds=["fldUnknown0000000"]),
        a_specification(watchDataInFieldIds=[AGE["name"]]),
        a_specification(unknown=[]),
    ],
)
def test_refused_specifications(hooks: WebhookCaller, specification: Any) -> None:  # noqa: ANN401 - any JSON
    """A specification that Airtable does not take makes no webhook."""
    status, body = hooks.call("POST", json={"specification": specification})

    assert (status, body["error"]["type"]) == (422, "INVALID_REQUEST_UNKNOWN")
    assert hooks.listed() == []
