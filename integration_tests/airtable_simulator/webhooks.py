"""Webhooks of a base: made, listed and deleted; nothing is ever notified.

See: https://airtable.com/developers/web/api/list-webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .clock import to_wire_time
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base, PersonalAccessToken
    from .routes import Route
    from .server import Simulator

MOST_WEBHOOKS: Final = 10
LIFE_SECONDS: Final = 7 * 86_400.0


def answer_webhooks(
    simulator: Simulator, base: Base, route: Route, token: PersonalAccessToken
) -> bytes:
    """The body of the answer to one request; what a webhook watches is not kept.

    Raises: ``Refusal`` 403 for one that is not there, 422 when there are ten.
    """
    is_private = simulator.settings.webhooks_are_private
    shown = [key for key, maker in base.webhooks.items() if not is_private or maker == token.token]
    expires = to_wire_time(simulator.clock.now() + LIFE_SECONDS)
    if route.kind == "list_webhooks":
        hooks = [
            {"id": key, "isHookEnabled": True, "cursorForNextPayload": 1, "expirationTime": expires}
            for key in shown
        ]
        return to_json({"webhooks": hooks})
    if route.kind == "delete_webhook":
        if route.record not in shown:
            raise errors.permission_or_model()
        del base.webhooks[route.record]
        return to_json({})
    if len(base.webhooks) >= MOST_WEBHOOKS:
        raise errors.Refusal(422, errors.to_error("TOO_MANY_WEBHOOKS_BY_BASE"))
    made = simulator.account.make_id("ach")
    base.webhooks[made] = token.token
    return to_json({"id": made, "macSecretBase64": "c2VjcmV0", "expirationTime": expires})
