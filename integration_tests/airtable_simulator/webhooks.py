"""The endpoints of a base's webhooks: create, list and delete. Nobody is ever notified.

See: https://airtable.com/developers/web/api/list-webhooks
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .access import CREATORS, open_base
from .account import Webhook
from .clock import to_wire_time
from .endpoints import Endpoint
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base
    from .endpoints import Request
    from .simulator import Simulator

MOST_WEBHOOKS: Final = 10
LIFE_SECONDS: Final = 7 * 86_400.0
PATH: Final = "/v0/bases/{base}/webhooks"


def list_webhooks(simulator: Simulator, request: Request) -> bytes:
    """List the webhooks that the token sees."""
    base = open_base(simulator, request)
    return to_json({"webhooks": [_shown(*one) for one in _visible(simulator, base, request)]})


def create_webhook(simulator: Simulator, request: Request) -> bytes:
    """Create a webhook.

    Raises: ``Refusal`` 422 without a specification, and when the base has ten webhooks.
    """
    base, body = open_base(simulator, request), request.body
    if not isinstance(body, dict) or not isinstance(body.get("specification"), dict):
        raise errors.invalid_request()
    if len(base.webhooks) >= MOST_WEBHOOKS:
        raise errors.Refusal(422, errors.to_error("TOO_MANY_WEBHOOKS_BY_BASE"))
    key = simulator.account.make_id("ach")
    base.webhooks[key] = made = Webhook(
        token=request.token.token,
        specification=body["specification"],
        notification_url=body.get("notificationUrl"),
        expires_at=simulator.clock.now() + LIFE_SECONDS,
    )
    expires = to_wire_time(made.expires_at)
    return to_json({"id": key, "macSecretBase64": "c2VjcmV0", "expirationTime": expires})


def delete_webhook(simulator: Simulator, request: Request) -> bytes:
    """Delete a webhook.

    Raises: ``Refusal`` 403 for a webhook that the token does not see.
    """
    base = open_base(simulator, request)
    key = request.names["webhook"]
    if key not in dict(_visible(simulator, base, request)):
        raise errors.permission_or_model()
    del base.webhooks[key]
    return to_json({})


def _visible(simulator: Simulator, base: Base, request: Request) -> list[tuple[str, Webhook]]:
    is_private = simulator.settings.webhooks_are_private
    token = request.token.token
    return [one for one in base.webhooks.items() if not is_private or one[1].token == token]


def _shown(key: str, webhook: Webhook) -> dict[str, Any]:
    return {
        "id": key,
        "specification": webhook.specification,
        "notificationUrl": webhook.notification_url,
        "cursorForNextPayload": 1,
        "areNotificationsEnabled": True,
        "lastNotificationResult": None,
        "lastSuccessfulNotificationTime": None,
        "isHookEnabled": True,
        "expirationTime": to_wire_time(webhook.expires_at),
    }


WebhookEndpoint = partial(Endpoint, scopes=("webhook:manage",))
ENDPOINTS: Final = (
    WebhookEndpoint("list_webhooks", "GET", PATH, list_webhooks),
    WebhookEndpoint("create_webhook", "POST", PATH, create_webhook, levels=CREATORS),
    WebhookEndpoint(
        "delete_webhook", "DELETE", f"{PATH}/{{webhook}}", delete_webhook, levels=CREATORS
    ),
)
