"""The simulator takes webhooks and files, and refuses them, as Airtable's Web API does."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import READ_SCOPES, WRITE_SCOPES
from integration_tests.airtable_simulator.caller import CALL_SECONDS, Caller
from integration_tests.bases import a_base, a_field, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE: Final = a_table("Shoots", a_field("Photos", "multipleAttachments"), records=1)
BASE: Final = a_base("Studio", TABLE, permissionLevel="create")
HOOKS: Final = ("bases", BASE["id"], "webhooks")
(RECORD,) = TABLE["records"]
NAME, PHOTOS = TABLE["fields"]
SPECIFICATION: Final = {"options": {"filters": {"dataTypes": ["tableData", "tableFields"]}}}
HOOK: Final = {"specification": SPECIFICATION}
FILE: Final = {
    "contentType": "text/plain",
    "filename": "a.txt",
    "file": b64encode(b"four").decode(),
}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A base of one record, and a token that may do everything."""
    with SimulatorThread({"bases": [BASE]}, has_limits=False) as simulator:
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        yield simulator


def call(simulator: SimulatorThread, method: str, *path: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - JSON
    """The status and the body of an answer; more: token, json."""
    caller = Caller(simulator, more.get("token"))
    url = caller.path(*path)
    answer = caller.session.request(method, url, json=more.get("json"), timeout=CALL_SECONDS)
    caller.close()
    return answer.status_code, answer.json() if answer.content else None


def hooks_of(simulator: SimulatorThread, token: str | None = None) -> list[str]:
    """The ids of the webhooks that a token is shown."""
    _, body = call(simulator, "GET", *HOOKS, token=token)
    return [one["id"] for one in body["webhooks"]]


def test_webhooks(simulator: SimulatorThread) -> None:
    """A webhook is listed from its making to its deletion."""
    status, made = call(simulator, "POST", *HOOKS, json=HOOK)
    listed = hooks_of(simulator)
    deleted = call(simulator, "DELETE", *HOOKS, made["id"])

    assert (status, listed, deleted) == (200, [made["id"]], (200, None))
    assert hooks_of(simulator) == []
    assert call(simulator, "DELETE", *HOOKS, made["id"])[0] == 404
    assert call(simulator, "PATCH", *HOOKS)[0] == 404


def test_listed_webhook(simulator: SimulatorThread) -> None:
    """A listed webhook has all of Airtable's keys, with its specification and URL."""
    simulator.admin.set_clock("2026-11-20T12:00:00.000Z")
    url = "https://example.com/hook"
    _, made = call(simulator, "POST", *HOOKS, json={**HOOK, "notificationUrl": url})
    call(simulator, "POST", *HOOKS, json=HOOK)
    simulator.admin.advance_clock(60)
    _, body = call(simulator, "GET", *HOOKS)
    first, second = body["webhooks"]

    assert first == {
        "id": made["id"],
        "specification": SPECIFICATION,
        "notificationUrl": url,
        "cursorForNextPayload": 1,
        "areNotificationsEnabled": True,
        "lastNotificationResult": None,
        "lastSuccessfulNotificationTime": None,
        "isHookEnabled": True,
        "expirationTime": "2026-11-27T12:00:00.000Z",
    }
    assert second["notificationUrl"] is None


def test_webhook_without_specification(simulator: SimulatorThread) -> None:
    """A webhook needs a specification."""
    assert call(simulator, "POST", *HOOKS, json={})[0] == 422
    assert hooks_of(simulator) == []


@pytest.mark.parametrize("is_private", [False, True])
def test_webhooks_of_another_token(simulator: SimulatorThread, *, is_private: bool) -> None:
    """Whether another token is shown a webhook is a setting, as Airtable does not say it."""
    simulator.admin.configure(webhooks_are_private=is_private)
    other = simulator.admin.add_token(scopes=["webhook:manage"])
    call(simulator, "POST", *HOOKS, json=HOOK)

    assert len(hooks_of(simulator)) == 1
    assert len(hooks_of(simulator, other)) == (0 if is_private else 1)


def test_refused_webhooks(simulator: SimulatorThread) -> None:
    """Ten webhooks are the most of a base, and they take a scope and the creator's role."""
    statuses = [call(simulator, "POST", *HOOKS, json=HOOK)[0] for _ in range(11)]
    reader = simulator.admin.add_token(scopes=list(READ_SCOPES))
    simulator.admin.set_permission_level(BASE["id"], "edit")

    assert statuses == [200] * 10 + [422]
    assert call(simulator, "GET", *HOOKS, token=reader)[0] == 403
    assert call(simulator, "POST", *HOOKS, json=HOOK)[0] == 403


@pytest.mark.parametrize("field", [PHOTOS["id"], PHOTOS["name"]], ids=["by id", "by name"])
def test_upload(simulator: SimulatorThread, field: str) -> None:
    """A file becomes one more attachment of the cell, with its name, size and type."""
    path = (BASE["id"], RECORD["id"], field, "uploadAttachment")
    statuses = [call(simulator, "POST", *path, json=FILE)[0] for _ in range(2)]
    (row,) = simulator.admin.dump(BASE["id"], TABLE["id"])
    shown = [(one["filename"], one["size"], one["type"]) for one in row["fields"][PHOTOS["id"]]]

    assert statuses == [200, 200]
    assert shown == [("a.txt", 4, "text/plain")] * 2


@pytest.mark.parametrize(
    ("record", "field", "body", "status"),
    [
        (RECORD["id"], NAME["id"], FILE, 422),
        (RECORD["id"], "fldUnknown0000000", FILE, 403),
        ("recUnknown0000000", PHOTOS["id"], FILE, 403),
        (RECORD["id"], PHOTOS["id"], {**FILE, "file": "!"}, 422),
        (RECORD["id"], PHOTOS["id"], {"filename": "a.txt"}, 422),
        (RECORD["id"], PHOTOS["id"], {**FILE, "file": "AAAA" * 1_800_000}, 413),
    ],
    ids=["text field", "no field", "no record", "no base64", "no file", "too large"],
)
def test_refused_uploads(
    simulator: SimulatorThread, record: str, field: str, body: dict[str, str], status: int
) -> None:
    """What is no file, or has no cell to go to, changes nothing."""
    path = (BASE["id"], record, field, "uploadAttachment")
    answered, _ = call(simulator, "POST", *path, json=body)
    (row,) = simulator.admin.dump(BASE["id"], TABLE["id"])

    assert answered == status
    assert PHOTOS["id"] not in row["fields"]
