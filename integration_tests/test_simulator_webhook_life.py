"""The simulator's webhooks are read, expire, fail and are limited as Airtable's are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests.airtable_simulator import CommandRefusedError, SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.bases import a_base, a_field, a_table, record_ids
from integration_tests.webhook_caller import WebhookCaller, a_specification

if TYPE_CHECKING:
    from collections.abc import Iterator

AGE: Final = a_field("Age", "number", options={"precision": 0})
TABLE: Final = a_table("Shoots", AGE)
BASE: Final = a_base("Studio", TABLE, permissionLevel="create")
DAY_SECONDS: Final = 86_400.0
CALLS: Final = {
    "list_webhooks": ("GET",),
    "create_webhook": ("POST",),
    "list_webhook_payloads": ("GET", "{}", "payloads"),
    "refresh_webhook": ("POST", "{}", "refresh"),
    "enable_webhook_notifications": ("POST", "{}", "enableNotifications"),
    "delete_webhook": ("DELETE", "{}"),
}
"""By kind, in an order in which all of them succeed: the method and the path."""
WITHOUT_BODY: Final = ("enable_webhook_notifications", "delete_webhook")
"""Calls whose answers have no body, so that some faults do not show."""
BODIES: Final[dict[str, Any]] = {
    "create_webhook": {"specification": a_specification()},
    "enable_webhook_notifications": {"enable": False},
}


ANSWER_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "status": {"status": 503},
    "empty_body": {},
    "html": {},
    "malformed": {},
    "truncated_json": {},
    "invalid_utf8": {},
    "lone_surrogate": {},
}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A base of one table, a token that may do everything, and a clock that stands."""
    with SimulatorThread({"bases": [BASE]}, has_limits=False) as running:
        running.admin.set_clock("2026-11-20T12:00:00.000Z")
        running.admin.set_token_scopes(*WRITE_SCOPES)
        yield running


@pytest.fixture
def hooks(simulator: SimulatorThread) -> Iterator[WebhookCaller]:
    """A caller of the base's webhooks."""
    calling = WebhookCaller(simulator, BASE["id"])
    yield calling
    calling.close()


def edit(simulator: SimulatorThread, value: int) -> None:
    """One action that changes one record."""
    record = record_ids(TABLE)[0]
    simulator.admin.edit_record(BASE["id"], TABLE["id"], record, {AGE["id"]: value})


def values(payloads: list[dict[str, Any]]) -> list[int]:
    """The values that the payloads of some edits show."""
    records = [
        one["changedTablesById"][TABLE["id"]]["changedRecordsById"].values() for one in payloads
    ]
    return [
        one["current"]["cellValuesByFieldId"][AGE["id"]] for several in records for one in several
    ]


def call_of(hooks: WebhookCaller, kind: str, hook: str) -> tuple[int, Any]:
    """The status and the body of a call of a kind to a webhook."""
    method, *path = CALLS[kind]
    return hooks.call(method, *(part.format(hook) for part in path), json=BODIES.get(kind))


def error_of(answer: tuple[int, Any]) -> tuple[int, str]:
    """The status and the type of a refusal."""
    status, body = answer
    return status, body["error"]["type"]


def test_payloads_in_pages(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A page has at most fifty payloads, and reading consumes none."""
    hook = hooks.create()
    simulator.admin.add_payloads(BASE["id"], 51, hook)
    _, first = hooks.page(hook)
    _, last = hooks.page(hook, cursor=first["cursor"])

    assert (len(first["payloads"]), first["cursor"], first["mightHaveMore"]) == (50, 51, True)
    assert (len(last["payloads"]), last["cursor"], last["mightHaveMore"]) == (1, 52, False)
    assert hooks.page(hook, cursor=1) == (200, first)


def test_limit_of_a_page(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A page can have fewer payloads, and goes on exactly where it ended."""
    hook = hooks.create()
    for value in range(3):
        edit(simulator, value)
    _, first = hooks.page(hook, limit=2)
    _, last = hooks.page(hook, limit=2, cursor=first["cursor"])

    assert (values(first["payloads"]), first["mightHaveMore"]) == ([0, 1], True)
    assert (values(last["payloads"]), last["mightHaveMore"]) == ([2], False)


@pytest.mark.parametrize("cursor", [4, 99])
def test_nothing_new(simulator: SimulatorThread, hooks: WebhookCaller, cursor: int) -> None:
    """A cursor at the end or beyond it gets itself back."""
    hook = hooks.create()
    simulator.admin.add_payloads(BASE["id"], 3)
    answer = {"payloads": [], "cursor": cursor, "mightHaveMore": False, "payloadFormat": "v0"}

    assert hooks.page(hook, cursor=cursor) == (200, answer)


@pytest.mark.parametrize(
    "query",
    [{"cursor": 0}, {"cursor": -1}, {"cursor": "x"}, {"cursor": ""}, {"limit": 0}, {"limit": 51}],
)
def test_refused_page(hooks: WebhookCaller, query: dict[str, Any]) -> None:
    """A cursor and a limit are positive numbers, and fifty payloads are the most."""
    hook = hooks.create()

    assert error_of(hooks.page(hook, **query)) == (422, "INVALID_REQUEST_UNKNOWN")


def test_own_numbers(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A webhook numbers from 1 what happens after its creation."""
    older = hooks.create()
    edit(simulator, 1)
    newer = hooks.create()
    edit(simulator, 2)

    assert [one["cursorForNextPayload"] for one in hooks.listed()] == [3, 2]
    assert values(hooks.payloads(older)) == [1, 2]
    assert values(hooks.payloads(newer)) == [2]


def test_many_payloads(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """Any number of payloads can be added at once."""
    hook = hooks.create()
    simulator.admin.add_payloads(BASE["id"], 5_001, hook)

    assert hooks.listed()[0]["cursorForNextPayload"] == 5_002


@pytest.mark.parametrize("reading", ["go_on", "refuse"])
def test_retention(simulator: SimulatorThread, hooks: WebhookCaller, reading: str) -> None:
    """Payloads are deleted after seven days, their numbers stay, and old cursors are a setting."""
    simulator.admin.configure(aged_webhook_cursor=reading)
    hook = hooks.create()
    edit(simulator, 1)
    edit(simulator, 2)
    simulator.admin.advance_clock(4 * DAY_SECONDS)
    hooks.call("POST", hook, "refresh")
    edit(simulator, 3)
    simulator.admin.advance_clock(3 * DAY_SECONDS)
    status, body = hooks.page(hook, cursor=2, limit=1)
    _, without_cursor = hooks.page(hook)
    _, kept = hooks.page(hook, cursor=3)

    assert status == {"go_on": 200, "refuse": 422}[reading]
    if reading == "go_on":
        assert (values(body["payloads"]), body["cursor"]) == ([3], 4)
    assert values(without_cursor["payloads"]) == values(kept["payloads"]) == [3]
    assert hooks.listed()[0]["cursorForNextPayload"] == 4


def test_aged_cursor_has_more(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """An old cursor goes on with the oldest kept payload, and tells that there are more."""
    hook = hooks.create()
    simulator.admin.add_payloads(BASE["id"], 10, hook)
    simulator.admin.advance_clock(6 * DAY_SECONDS)
    hooks.page(hook)
    simulator.admin.add_payloads(BASE["id"], 60, hook)
    simulator.admin.advance_clock(DAY_SECONDS)
    _, body = hooks.page(hook, cursor=2)

    assert (len(body["payloads"]), body["cursor"], body["mightHaveMore"]) == (50, 61, True)


@pytest.mark.parametrize("kind", ["list_webhook_payloads", "refresh_webhook"])
def test_longer_life(simulator: SimulatorThread, hooks: WebhookCaller, kind: str) -> None:
    """Listing payloads and refreshing let a webhook live for seven more days."""
    hook = hooks.create()
    simulator.admin.advance_clock(6 * DAY_SECONDS)
    call_of(hooks, kind, hook)
    (shown,) = hooks.listed()

    assert shown["expirationTime"] == "2026-12-03T12:00:00.000Z"


def test_listing_webhooks_extends_nothing(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """The list of webhooks does not keep them alive."""
    hooks.create()
    simulator.admin.advance_clock(6 * DAY_SECONDS)

    assert hooks.listed()[0]["expirationTime"] == "2026-11-27T12:00:00.000Z"


def test_answer_to_refresh(hooks: WebhookCaller) -> None:
    """A refresh answers with the new end."""
    hook = hooks.create()
    answer = {"expirationTime": "2026-11-27T12:00:00.000Z"}

    assert hooks.call("POST", hook, "refresh") == (200, answer)


@pytest.mark.parametrize("way", ["time", "expire", "disable"])
def test_end_of_a_webhook(simulator: SimulatorThread, hooks: WebhookCaller, way: str) -> None:
    """A webhook that has ended gets nothing new, can be read for seven days, and is gone then."""
    hook = hooks.create()
    edit(simulator, 1)
    if way == "time":
        simulator.admin.advance_clock(7 * DAY_SECONDS - 60)
        edit(simulator, 2)
        simulator.admin.advance_clock(60)
    else:
        edit(simulator, 2)
        admin = simulator.admin
        end = admin.expire_webhooks if way == "expire" else admin.disable_webhooks
        assert end(BASE["id"]) == [hook]
    edit(simulator, 3)
    read, (shown,) = hooks.payloads(hook), hooks.listed()
    refresh = error_of(hooks.call("POST", hook, "refresh"))
    simulator.admin.advance_clock(7 * DAY_SECONDS)

    assert values(read) == ([2] if way == "time" else [1, 2])
    assert not shown["isHookEnabled"]
    assert refresh == (422, "INVALID_REQUEST_UNKNOWN")
    assert hooks.listed() == []
    assert hooks.page(hook)[0] == 404


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    "kind", [kind for kind in CALLS if kind not in ("list_webhooks", "create_webhook")]
)
def test_webhook_that_is_gone(
    simulator: SimulatorThread, hooks: WebhookCaller, kind: str, status: int
) -> None:
    """Each call to a webhook that is gone has the status of a setting."""
    simulator.admin.configure(gone_webhook_status=status)
    hook = hooks.create()
    simulator.admin.drop_webhooks(BASE["id"], hook)

    assert call_of(hooks, kind, hook)[0] == status


def test_notifications(hooks: WebhookCaller) -> None:
    """Notifications are switched off and on; the answer has no body."""
    hook = hooks.create()
    states = []
    for is_on in (False, True):
        answer = hooks.call("POST", hook, "enableNotifications", json={"enable": is_on})
        states.append((answer, hooks.listed()[0]["areNotificationsEnabled"]))

    assert states == [((200, None), False), ((200, None), True)]
    assert hooks.call("POST", hook, "enableNotifications", json={})[0] == 422


@pytest.mark.parametrize("code", ["INVALID_FILTERS", "INVALID_HOOK", "INTERNAL_ERROR"])
def test_webhook_in_error(simulator: SimulatorThread, hooks: WebhookCaller, code: str) -> None:
    """A webhook in error has error payloads instead of changes, and looks enabled."""
    hook = hooks.create()
    edit(simulator, 1)
    simulator.admin.fail_webhooks(BASE["id"], hook, code=code)
    edit(simulator, 2)
    first, *others = hooks.payloads(hook)

    assert values([first]) == [1]
    assert [(one["error"], one["code"]) for one in others] == [(True, code)] * 2
    assert all("changedTablesById" not in one for one in others)
    assert hooks.listed()[0]["isHookEnabled"]


def test_refusal_of_a_webhook_in_error(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A setting lets the listing of payloads be refused instead."""
    simulator.admin.configure(webhook_error_answer="refusal")
    hook = hooks.create()
    simulator.admin.fail_webhooks(BASE["id"])

    assert error_of(hooks.page(hook)) == (422, "INVALID_HOOK")


def test_unknown_error_code(simulator: SimulatorThread) -> None:
    """A webhook fails with Airtable's codes only."""
    with pytest.raises(CommandRefusedError, match="INVALID_FILTERS"):
        simulator.admin.fail_webhooks(BASE["id"], code="TYPO")


@pytest.mark.parametrize("filters", ["watchDataInFieldIds", "watchSchemasOfFieldIds"])
def test_lost_watched_field(simulator: SimulatorThread, hooks: WebhookCaller, filters: str) -> None:
    """A webhook that watches a field is in error when the field is deleted."""
    watching = hooks.create(**{filters: [AGE["id"]]})
    other = hooks.create()
    simulator.admin.delete_field(BASE["id"], TABLE["id"], AGE["id"])
    (payload,) = hooks.payloads(watching)

    assert payload["code"] == "INVALID_HOOK"
    assert "error" not in hooks.payloads(other)[0]


def test_lost_scope(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A webhook for one table is in error when the table is deleted."""
    hook = hooks.create(recordChangeScope=TABLE["id"])
    simulator.admin.delete_table(BASE["id"], TABLE["id"])

    assert [one["code"] for one in hooks.payloads(hook)] == ["INVALID_FILTERS"]


def test_most_webhooks_of_a_base(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A base has ten webhooks at most, whoever made them."""
    own = hooks.create()
    others = simulator.admin.fill_webhooks(BASE["id"])
    answer = hooks.call("POST", json={"specification": a_specification()})

    assert len(others) == 9
    assert error_of(answer) == (422, "TOO_MANY_WEBHOOKS_IN_BASE")
    assert [one["id"] for one in hooks.listed()] == [own, *others]


def test_most_webhooks_of_an_integration(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """An OAuth integration has two webhooks in a base at most, by whichever token."""
    simulator.admin.add_oauth_client("client")
    scopes = ["webhook:manage"]
    tokens = [
        simulator.admin.add_oauth_grant("client", scopes=scopes)["access_token"] for _ in range(2)
    ]
    callers = [WebhookCaller(simulator, BASE["id"], token) for token in tokens]
    others = hooks.create()
    own = [calling.create() for calling in callers]
    answer = callers[0].call("POST", json={"specification": a_specification()})

    assert error_of(answer) == (422, "TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE")
    assert [[one["id"] for one in calling.listed()] for calling in callers] == [own, own]
    assert callers[0].page(others)[0] == 404
    assert len(hooks.listed()) == 3
    for calling in callers:
        calling.close()


@pytest.mark.parametrize("are_counted", [True, False])
def test_place_of_an_expired_webhook(
    simulator: SimulatorThread, hooks: WebhookCaller, *, are_counted: bool
) -> None:
    """Whether an expired webhook takes a place is a setting."""
    simulator.admin.configure(expired_webhooks_count=are_counted)
    others = simulator.admin.fill_webhooks(BASE["id"])
    simulator.admin.expire_webhooks(BASE["id"], others[0])
    status, _ = hooks.call("POST", json={"specification": a_specification()})

    assert status == (422 if are_counted else 200)


def test_private_webhook(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A webhook that a token is not shown is not there for its other calls."""
    simulator.admin.configure(webhooks_are_private=True)
    hook = simulator.admin.add_webhook(BASE["id"])
    own = simulator.admin.add_webhook(BASE["id"], token=simulator.token)

    assert [one["id"] for one in hooks.listed()] == [own]
    assert hooks.page(hook)[0] == 404


def test_added_webhook(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A webhook of another client has the given specification and URL."""
    url = "https://example.com/"
    hook = simulator.admin.add_webhook(
        BASE["id"], specification=a_specification("tableFields"), notification_url=url
    )
    (shown,), (known,) = hooks.listed(), simulator.admin.webhooks(BASE["id"])

    assert (shown["id"], shown["notificationUrl"]) == (hook, url)
    assert shown["specification"] == a_specification("tableFields")
    assert (known["id"], known["next_number"], known["is_enabled"]) == (hook, 1, True)


@pytest.mark.parametrize("kind", CALLS)
def test_role(simulator: SimulatorThread, hooks: WebhookCaller, kind: str) -> None:
    """Who only reads a base lists webhooks and payloads; the rest takes a creator."""
    hook = hooks.create()
    simulator.admin.set_permission_level(BASE["id"], "read")
    is_reading = kind in ("list_webhooks", "list_webhook_payloads")

    assert call_of(hooks, kind, hook)[0] == (200 if is_reading else 403)


@pytest.mark.parametrize("kind", CALLS)
def test_scope(simulator: SimulatorThread, hooks: WebhookCaller, kind: str) -> None:
    """Every call takes the scope webhook:manage."""
    hook = hooks.create()
    simulator.admin.set_token_scopes(*set(WRITE_SCOPES) - {"webhook:manage"})

    assert call_of(hooks, kind, hook)[0] == 403


def test_kinds(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """Every call has a kind of its own in the statistics, and known parameters."""
    hook = simulator.admin.add_webhook(BASE["id"])
    statuses = [call_of(hooks, kind, hook)[0] for kind in CALLS]
    hooks.page(hook, cursor=1, limit=1)
    stats = simulator.admin.stats()

    assert statuses == [200] * len(CALLS)
    assert stats["by_kind"] == {**dict.fromkeys(CALLS, 1), "list_webhook_payloads": 2}
    assert stats["ignored_parameters"] == {}


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (kind, action)
        for kind in CALLS
        for action in ANSWER_FAULTS
        if kind not in WITHOUT_BODY or action not in ("empty_body", "truncated_json")
    ],
)
def test_faults_in_an_answer(
    simulator: SimulatorThread, hooks: WebhookCaller, kind: str, action: str
) -> None:
    """Every fault of an answer applies to every call, once."""
    hook = hooks.create()
    simulator.admin.plan_fault(kind, action, base=BASE["id"], **ANSWER_FAULTS[action])
    try:
        broken: Any = call_of(hooks, kind, hook)
    except ValueError:
        broken = "not JSON"
    (rule,) = simulator.admin.faults()

    assert rule["applied"] == 1
    assert broken != call_of(hooks, kind, hook)


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("action", ["reset", "cut_body"])
def test_lost_answers(
    simulator: SimulatorThread, hooks: WebhookCaller, kind: str, action: str
) -> None:
    """The connection can end before an answer, or within it."""
    hook = hooks.create()
    simulator.admin.plan_fault(kind, action)
    if action == "cut_body" and kind in WITHOUT_BODY:
        assert call_of(hooks, kind, hook) == (200, None)
        return

    with pytest.raises(requests.RequestException):
        call_of(hooks, kind, hook)


def test_fault_of_one_webhook(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """A fault can be planned for one webhook."""
    first, second = hooks.create(), hooks.create()
    simulator.admin.plan_fault("list_webhook_payloads", "status", record=second, status=500)

    assert [hooks.page(one)[0] for one in (first, second)] == [200, 500]


def test_rate_limit(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """The limit of the base counts the calls to its webhooks."""
    hook = hooks.create()
    simulator.admin.forget_limits()
    simulator.admin.configure(base_requests_per_second=5)
    statuses = [hooks.page(hook)[0] for _ in range(6)]

    assert statuses == [200] * 5 + [429]


def test_moments(simulator: SimulatorThread, hooks: WebhookCaller) -> None:
    """The end of a webhook keeps milliseconds."""
    simulator.admin.advance_clock(0.25)
    _, made = hooks.call("POST", json={"specification": a_specification()})
    moment = datetime.fromisoformat("2026-11-20T12:00:00.250") + timedelta(days=7)

    assert made["expirationTime"] == f"{moment.isoformat(timespec='milliseconds')}Z"
