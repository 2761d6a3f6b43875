"""A client that others wrote, pyairtable, takes the simulator's webhooks for Airtable's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from pyairtable import Api

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.bases import a_base, a_field, a_table, record_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyairtable import Base

AGE: Final = a_field("Age", "number", options={"precision": 0})
TABLE: Final = a_table("People", AGE)
BASE: Final = a_base("Studio", TABLE, permissionLevel="create")
URL: Final = "https://example.com/hook"
SPECIFICATION: Final[dict[str, Any]] = {
    "options": {
        "filters": {"dataTypes": ["tableData", "tableFields", "tableMetadata"]},
        "includes": {"includePreviousFieldDefinitions": True},
    }
}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A base of one table, a token that may do everything, and a clock that stands."""
    with SimulatorThread({"bases": [BASE]}, has_limits=False) as running:
        running.admin.set_clock("2026-11-20T12:00:00.000Z")
        running.admin.set_token_scopes(*WRITE_SCOPES)
        yield running


@pytest.fixture
def base(simulator: SimulatorThread) -> Base:
    """The base for pyairtable."""
    api = Api(simulator.token, endpoint_url=simulator.url)
    # The environment's proxies are not for a simulator on this machine.
    api.session.trust_env = False
    return api.base(BASE["id"])


def test_created_webhook(base: Base) -> None:
    """A created webhook has a secret and an end, and is listed with its specification."""
    made = base.add_webhook(URL, SPECIFICATION)
    (listed,) = base.webhooks()

    assert listed.id == made.id
    assert (made.expiration_time, bool(made.mac_secret_base64)) == (listed.expiration_time, True)
    assert (listed.notification_url, listed.is_hook_enabled) == (URL, True)
    data_types = SPECIFICATION["options"]["filters"]["dataTypes"]
    assert listed.specification.options.filters.data_types == data_types


def test_payloads(simulator: SimulatorThread, base: Base) -> None:
    """Every kind of change is parsed, over several pages, each with its cursor."""
    made = base.add_webhook(URL, SPECIFICATION)
    admin, place, table = simulator.admin, (BASE["id"], TABLE["id"]), base.table(TABLE["id"])
    first, second, _ = record_ids(TABLE)
    created = table.create({"Name": "New", "Age": 1})["id"]
    table.update(first, {"Age": 2})
    table.delete(second)
    admin.add_field(*place, {"name": "More", "type": "checkbox"})
    admin.rename_field(*place, AGE["id"], "Years")
    admin.delete_field(*place, AGE["id"])
    admin.rename_table(*place, "Humans")
    copy = admin.duplicate_table(*place)
    admin.delete_table(BASE["id"], copy)
    admin.add_payloads(BASE["id"], 60)
    payloads = list(base.webhook(made.id).payloads())
    changes = [one.changed_tables_by_id[TABLE["id"]] for one in payloads[:7]]
    new_table, old_table = payloads[7:9]

    assert [one.cursor for one in payloads] == list(range(1, 70))
    assert {one.payload_format for one in payloads} == {"v0"}
    assert payloads[0].action_metadata is not None
    assert payloads[0].action_metadata.source == "publicApi"
    assert list(changes[0].created_records_by_id) == [created]
    cells = changes[1].changed_records_by_id[first].current.cell_values_by_field_id
    assert cells == {AGE["id"]: 2}
    assert changes[2].destroyed_record_ids == [second]
    assert [one.name for one in changes[3].created_fields_by_id.values()] == ["More"]
    renamed = changes[4].changed_fields_by_id[AGE["id"]]
    assert (renamed.current.name, renamed.previous and renamed.previous.name) == ("Years", "Age")
    assert changes[5].destroyed_field_ids == [AGE["id"]]
    assert changes[6].changed_metadata is not None
    assert changes[6].changed_metadata.current.name == "Humans"
    assert changes[6].changed_metadata.previous.name == "People"
    assert len(new_table.created_tables_by_id[copy].records_by_id) == 3
    assert old_table.destroyed_table_ids == [copy]


def test_payloads_from_a_cursor(simulator: SimulatorThread, base: Base) -> None:
    """Payloads can be read from a cursor on, up to a limit."""
    made = base.add_webhook(URL, SPECIFICATION)
    simulator.admin.add_payloads(BASE["id"], 5)
    payloads = base.webhook(made.id).payloads(cursor=3, limit=2)

    assert [one.cursor for one in payloads] == [3, 4]


def test_error_payload(simulator: SimulatorThread, base: Base) -> None:
    """An error payload has its code."""
    made = base.add_webhook(URL, SPECIFICATION)
    simulator.admin.fail_webhooks(BASE["id"], code="INVALID_FILTERS")
    (payload,) = base.webhook(made.id).payloads()

    assert (payload.error, payload.error_code) == (True, "INVALID_FILTERS")


def test_life(simulator: SimulatorThread, base: Base) -> None:
    """A webhook is extended, its notifications are switched, and it is deleted."""
    hook = base.webhook(base.add_webhook(URL, SPECIFICATION).id)
    simulator.admin.advance_clock(86_400)
    hook.extend_expiration()
    hook.disable_notifications()
    changed = base.webhook(hook.id)
    hook.enable_notifications()
    enabled = base.webhook(hook.id)
    hook.delete()

    assert changed.expiration_time is not None
    assert f"{changed.expiration_time:%F}" == "2026-11-28"
    assert (changed.are_notifications_enabled, enabled.are_notifications_enabled) == (False, True)
    assert base.webhooks() == []
