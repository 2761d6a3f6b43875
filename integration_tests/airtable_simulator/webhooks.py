"""The endpoints of a base's webhooks and of their payloads. Nobody is ever notified.

See: https://airtable.com/developers/web/api/webhooks-overview
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .access import CREATORS, open_base
from .answers import Answer
from .clock import to_wire_time
from .endpoints import Endpoint
from .payloads import FORMAT
from .specifications import check_specification
from .webhook_log import LIFE_SECONDS, Webhook
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base
    from .endpoints import Request
    from .simulator import Simulator

MOST_WEBHOOKS: Final = 10
MOST_WEBHOOKS_OF_INTEGRATION: Final = 2
MOST_PAYLOADS: Final = 50
PATH: Final = "/v0/bases/{base}/webhooks"
POSITIVE: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)


def list_webhooks(simulator: Simulator, request: Request) -> bytes:
    """List the webhooks that the token sees."""
    base, now = _open(simulator, request), simulator.clock.now()
    return to_json({"webhooks": [_shown(one, now) for one in _visible(simulator, base, request)]})


def create_webhook(simulator: Simulator, request: Request) -> bytes:
    """Create a webhook.

    Raises: ``Refusal`` 422 for a specification that Airtable does not take, for the eleventh
    webhook of a base, and for the third one of an OAuth integration.
    """
    base, body = _open(simulator, request), request.body
    url = body.get("notificationUrl") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not (url is None or isinstance(url, str)):
        raise errors.invalid_request()
    check_specification(body.get("specification"), base)
    now, token = simulator.clock.now(), request.token
    counted = [
        one
        for one in base.webhooks.values()
        if simulator.settings.expired_webhooks_count or one.is_enabled(now)
    ]
    if len(counted) >= MOST_WEBHOOKS:
        raise errors.too_many_webhooks("TOO_MANY_WEBHOOKS_IN_BASE")
    own = [one for one in counted if one.owner == token.owner]
    if token.is_oauth and len(own) >= MOST_WEBHOOKS_OF_INTEGRATION:
        raise errors.too_many_webhooks("TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE")
    key = simulator.account.make_id("ach")
    base.webhooks[key] = made = Webhook(
        id=key,
        owner=token.owner,
        specification=body["specification"],
        expires_at=now + LIFE_SECONDS,
        notification_url=url,
    )
    return to_json({"id": key, "macSecretBase64": "c2VjcmV0", **_expiration(made)})


def delete_webhook(simulator: Simulator, request: Request) -> Answer:
    """Delete a webhook. The answer has no body."""
    base = _open(simulator, request)
    del base.webhooks[_find(simulator, base, request).id]
    return Answer()


def list_payloads(simulator: Simulator, request: Request) -> bytes:
    """List payloads from a cursor on, and extend the life of an enabled webhook.

    A cursor beyond the end gets no payload and itself as the next cursor.

    Raises: ``Refusal`` 422 for a cursor or limit that is not a positive number, and as settings say
    for a webhook in error and for a cursor that is older than the retention.
    """
    base, settings = _open(simulator, request), simulator.settings
    webhook, now = _find(simulator, base, request), simulator.clock.now()
    given = _number(request.body, "cursor")
    limit = _number(request.body, "limit") or MOST_PAYLOADS
    if limit > MOST_PAYLOADS:
        raise errors.invalid_request(f"limit is at most {MOST_PAYLOADS}")
    if webhook.error_code is not None and settings.webhook_error_answer == "refusal":
        raise errors.webhook_in_error(webhook.error_code)
    webhook.forget_aged(now)
    cursor = given or 1
    if cursor < webhook.first_number:
        if given is not None and settings.aged_webhook_cursor == "refuse":
            raise errors.invalid_request("the cursor is older than the retention")
        cursor = webhook.first_number
    if webhook.is_enabled(now) and simulator.settings.webhook_lists_prolong:
        webhook.extend(now)
    payloads = webhook.page(cursor, limit)
    following = cursor + len(payloads)
    return to_json(
        {
            "payloads": payloads,
            "cursor": following,
            "mightHaveMore": following < webhook.next_number,
            "payloadFormat": FORMAT,
        }
    )


def refresh_webhook(simulator: Simulator, request: Request) -> bytes:
    """Extend the life of a webhook.

    Raises: ``Refusal`` 422 for a webhook that is disabled or expired.
    """
    base, now = _open(simulator, request), simulator.clock.now()
    webhook = _find(simulator, base, request)
    if not webhook.is_enabled(now):
        raise errors.invalid_request("the webhook is disabled")
    webhook.extend(now)
    return to_json(_expiration(webhook))


def enable_notifications(simulator: Simulator, request: Request) -> Answer:
    """Switch the notifications of a webhook on or off. The answer has no body."""
    base, body = _open(simulator, request), request.body
    webhook = _find(simulator, base, request)
    if not isinstance(body, dict) or not isinstance(body.get("enable"), bool):
        raise errors.invalid_request()
    webhook.are_notifications_enabled = body["enable"]
    return Answer()


def _open(simulator: Simulator, request: Request) -> Base:
    base = open_base(simulator, request)
    base.drop_gone_webhooks(simulator.clock.now())
    return base


def _visible(simulator: Simulator, base: Base, request: Request) -> list[Webhook]:
    is_private = simulator.settings.webhooks_are_private or request.token.is_oauth
    owner = request.token.owner
    return [one for one in base.webhooks.values() if not is_private or one.owner == owner]


def _find(simulator: Simulator, base: Base, request: Request) -> Webhook:
    key = request.names["webhook"]
    for webhook in _visible(simulator, base, request):
        if webhook.id == key:
            return webhook
    is_404 = simulator.settings.gone_webhook_status == errors.not_found().status
    raise errors.not_found() if is_404 else errors.permission_or_model()


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not POSITIVE.fullmatch(text):
        raise errors.invalid_request(f"{name} is a positive number")
    return int(text)


def _expiration(webhook: Webhook) -> dict[str, str]:
    return {"expirationTime": to_wire_time(webhook.expires_at, keeps_milliseconds=True)}


def _shown(webhook: Webhook, now: float) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "specification": webhook.specification,
        "notificationUrl": webhook.notification_url,
        "cursorForNextPayload": webhook.next_number,
        "areNotificationsEnabled": webhook.are_notifications_enabled,
        "lastNotificationResult": None,
        "lastSuccessfulNotificationTime": None,
        "isHookEnabled": webhook.is_enabled(now),
        **_expiration(webhook),
    }


WebhookEndpoint = partial(Endpoint, scopes=("webhook:manage",))
WebhookWrite = partial(WebhookEndpoint, levels=CREATORS)
ONE: Final = f"{PATH}/{{webhook}}"
ENDPOINTS: Final = (
    WebhookEndpoint("list_webhooks", "GET", PATH, list_webhooks),
    WebhookWrite("create_webhook", "POST", PATH, create_webhook),
    WebhookWrite("delete_webhook", "DELETE", ONE, delete_webhook),
    WebhookEndpoint("list_webhook_payloads", "GET", f"{ONE}/payloads", list_payloads),
    WebhookWrite("refresh_webhook", "POST", f"{ONE}/refresh", refresh_webhook),
    WebhookWrite(
        "enable_webhook_notifications", "POST", f"{ONE}/enableNotifications", enable_notifications
    ),
)
