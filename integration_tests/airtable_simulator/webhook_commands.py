"""The commands that change webhooks as time, other clients and Airtable's failures do.

A command without a webhook's id takes all webhooks of the base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .payloads import ERROR_CODES, INVALID_HOOK, empty_payload, fail_webhook
from .table import UnknownModelError
from .webhook_log import LIFE_SECONDS, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Base
    from .simulator import Simulator

Arguments = dict[str, Any]

MOST_WEBHOOKS: Final = 10
ANOTHER_CLIENT: Final = "another client"
"""The owner of webhooks that commands add."""
SPECIFICATION: Final = {"options": {"filters": {"dataTypes": ["tableData"]}}}


def _chosen(simulator: Simulator, given: Arguments) -> tuple[Base, list[Webhook]]:
    base, key = simulator.account.base(given["base"]), given.get("webhook")
    if key is None:
        return base, list(base.webhooks.values())
    if key not in base.webhooks:
        raise UnknownModelError(f"base {base.id} has no webhook {key}")
    return base, [base.webhooks[key]]


def _names(webhooks: list[Webhook]) -> dict[str, list[str]]:
    return {"webhooks": [one.id for one in webhooks]}


def _add_webhook(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base = simulator.account.base(given["base"])
    token = given.get("token")
    owner = ANOTHER_CLIENT if token is None else simulator.account.token(token).owner
    key = simulator.account.make_id("ach")
    base.webhooks[key] = Webhook(
        id=key,
        owner=owner,
        specification=given.get("specification", SPECIFICATION),
        expires_at=simulator.clock.now() + LIFE_SECONDS,
        notification_url=given.get("notification_url"),
    )
    return {"id": key}


def _fill_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base = simulator.account.base(given["base"])
    wanted = {"base": base.id, "notification_url": "https://example.com/another-client"}
    missing = MOST_WEBHOOKS - len(base.webhooks)
    added = [_add_webhook(simulator, wanted)["id"] for _ in range(missing)]
    return {"webhooks": added}


def _drop_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base, webhooks = _chosen(simulator, given)
    for webhook in webhooks:
        del base.webhooks[webhook.id]
    return _names(webhooks)


def _disable_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    _, webhooks = _chosen(simulator, given)
    for webhook in webhooks:
        webhook.disabled_at = simulator.clock.now()
    return _names(webhooks)


def _expire_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    _, webhooks = _chosen(simulator, given)
    for webhook in webhooks:
        webhook.expires_at = simulator.clock.now()
    return _names(webhooks)


def _fail_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base, webhooks = _chosen(simulator, given)
    code = given.get("code", INVALID_HOOK)
    if code not in ERROR_CODES:
        raise ValueError(f"code is one of {list(ERROR_CODES)}")
    base.transactions += 1
    for webhook in webhooks:
        fail_webhook(base, webhook, code, simulator.clock.now())
    return _names(webhooks)


def _add_payloads(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base, webhooks = _chosen(simulator, given)
    now = simulator.clock.now()
    for _ in range(given["count"]):
        payload = empty_payload(base, now)
        for webhook in webhooks:
            webhook.append(now, payload)
    return _names(webhooks)


def _show_webhooks(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base, now = simulator.account.base(given["base"]), simulator.clock.now()
    base.drop_gone_webhooks(now)
    shown = [
        {
            "id": one.id,
            "specification": one.specification,
            "notification_url": one.notification_url,
            "is_enabled": one.is_enabled(now),
            "error_code": one.error_code,
            "expires_at": one.expires_at,
            "first_number": one.first_number,
            "next_number": one.next_number,
        }
        for one in base.webhooks.values()
    ]
    return {"webhooks": shown}


WEBHOOK_COMMANDS: Final[dict[str, Callable[[Simulator, Arguments], Any]]] = {
    "add_payloads": _add_payloads,
    "add_webhook": _add_webhook,
    "disable_webhooks": _disable_webhooks,
    "drop_webhooks": _drop_webhooks,
    "expire_webhooks": _expire_webhooks,
    "fail_webhooks": _fail_webhooks,
    "fill_webhooks": _fill_webhooks,
    "show_webhooks": _show_webhooks,
}
