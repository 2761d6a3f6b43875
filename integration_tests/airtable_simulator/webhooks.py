"""The endpoints of a base's webhooks: create, list and delete. Nobody is ever notified.

See: https://airtable.com/developers/web/api/list-webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .access import CREATORS, open_base
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
SCOPES: Final = ("webhook:manage",)


def list_webhooks(simulator: Simulator, request: Request) -> bytes:
    """List the webhooks that the token sees."""
    base = open_base(simulator, request)
    expires = _expiration_time(simulator)
    hooks = [
        {"id": key, "isHookEnabled": True, "cursorForNextPayload": 1, "expirationTime": expires}
        for key in _visible_ids(simulator, base, request)
    ]
    return to_json({"webhooks": hooks})


def create_webhook(simulator: Simulator, request: Request) -> bytes:
    """Create a webhook; what it watches is not kept.

    Raises: ``Refusal`` 422 when the base has ten.
    """
    base = open_base(simulator, request)
    if len(base.webhooks) >= MOST_WEBHOOKS:
        raise errors.Refusal(422, errors.to_error("TOO_MANY_WEBHOOKS_BY_BASE"))
    made = simulator.account.make_id("ach")
    base.webhooks[made] = request.token.token
    expires = _expiration_time(simulator)
    return to_json({"id": made, "macSecretBase64": "c2VjcmV0", "expirationTime": expires})


def delete_webhook(simulator: Simulator, request: Request) -> bytes:
    """Delete a webhook.

    Raises: ``Refusal`` 403 for a webhook that the token does not see.
    """
    base = open_base(simulator, request)
    key = request.names["webhook"]
    if key not in _visible_ids(simulator, base, request):
        raise errors.permission_or_model()
    del base.webhooks[key]
    return to_json({})


def _visible_ids(simulator: Simulator, base: Base, request: Request) -> list[str]:
    is_private = simulator.settings.webhooks_are_private
    token = request.token.token
    return [key for key, maker in base.webhooks.items() if not is_private or maker == token]


def _expiration_time(simulator: Simulator) -> str:
    return to_wire_time(simulator.clock.now() + LIFE_SECONDS)


ENDPOINTS: Final = (
    Endpoint("list_webhooks", "GET", PATH, list_webhooks, scopes=SCOPES),
    Endpoint("create_webhook", "POST", PATH, create_webhook, scopes=SCOPES, levels=CREATORS),
    Endpoint(
        "delete_webhook",
        "DELETE",
        f"{PATH}/{{webhook}}",
        delete_webhook,
        scopes=SCOPES,
        levels=CREATORS,
    ),
)
