"""OAuth's token endpoint. It is not part of the Web API: it takes no access token, has no limits.

See: https://airtable.com/developers/web/api/oauth-reference
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .access import NOBODY
from .endpoints import Endpoint
from .errors import Refusal
from .wire import to_json

if TYPE_CHECKING:
    from aiohttp import web

    from .endpoints import Arrival, Request
    from .simulator import Simulator
    from .tokens import PersonalAccessToken


def admit_anyone(_: Simulator, __: Arrival) -> PersonalAccessToken:
    """Admit every request; the endpoint itself checks the client."""
    return NOBODY


async def read_form(request: web.Request) -> dict[str, str]:
    """Read the form; a body of another type has no fields, as for Airtable."""
    return {name: str(given) for name, given in (await request.post()).items()}


def give_tokens(simulator: Simulator, request: Request) -> bytes:
    """Exchange a refresh token for new tokens."""
    stats, now = simulator.stats, simulator.clock.now()
    try:
        given = simulator.account.oauth.answer(
            request.body, request.authorization, simulator.settings, now
        )
    except Refusal as refusal:
        stats.renewals[refusal.body["error"]] += 1
        raise
    stats.renewals["granted"] += 1
    return to_json(given)


ENDPOINTS: Final = (
    Endpoint(
        "oauth_token", "POST", "/oauth2/v1/token", give_tokens, read=read_form, admit=admit_anyone
    ),
)
