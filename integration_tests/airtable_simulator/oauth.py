"""OAuth's clients and grants. A refresh token is good for one use.

Each renewal gives new tokens and ends both old ones at once. A refresh token that is used twice
ends the grant.

See: https://airtable.com/developers/web/api/oauth-reference
"""

from __future__ import annotations

import binascii
import secrets
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .errors import Refusal
from .table import UnknownModelError
from .tokens import READ_SCOPES, PersonalAccessToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings

REFRESH_EXPIRES_IN_SECONDS: Final = 60 * 24 * 3600


@dataclass(slots=True)
class Grant:
    """What a user allows a client, and the client's tokens."""

    id: str
    client_id: str
    scopes: frozenset[str]
    base_ids: frozenset[str] | None
    user_id: str
    access_token: str = ""
    refresh_token: str = ""
    spent: set[str] = field(default_factory=set)
    """Refresh tokens that are used up."""
    is_revoked: bool = False


class OauthServer:
    """All clients and grants. Access tokens are among the account's tokens."""

    def __init__(self, tokens: dict[str, PersonalAccessToken]) -> None:
        """Start with no client."""
        self._tokens = tokens
        self._clients: dict[str, str | None] = {}
        self._grants: dict[str, Grant] = {}

    def add_client(self, client_id: str, client_secret: str | None = None) -> None:
        """Add a client. Without a secret it is public."""
        self._clients[client_id] = client_secret

    def add_grant(  # noqa: PLR0913 - each is a fact of the grant
        self,
        client_id: str,
        settings: Settings,
        now: float,
        *,
        scopes: tuple[str, ...] = READ_SCOPES,
        base_ids: tuple[str, ...] | None = None,
        user_id: str = "usrSimulatedUser1",
    ) -> Grant:
        """Add a grant with its first tokens, as if a code had been exchanged."""
        if client_id not in self._clients:
            raise UnknownModelError("there is no such client")
        grant = Grant(
            id=f"grant{len(self._grants)}",
            client_id=client_id,
            scopes=frozenset(scopes),
            base_ids=None if base_ids is None else frozenset(base_ids),
            user_id=user_id,
        )
        self._grants[grant.id] = grant
        self._renew(grant, settings, now)
        return grant

    def grant(self, grant_id: str) -> Grant:
        """The grant that a command names."""
        try:
            return self._grants[grant_id]
        except KeyError:
            raise UnknownModelError("there is no such grant") from None

    def expire_access_token(self, grant: Grant, now: float) -> None:
        """End the access token only."""
        if grant.access_token in self._tokens:
            self._tokens[grant.access_token].expires_at = now

    def revoke(self, grant: Grant) -> None:
        """End the grant and all its tokens."""
        grant.is_revoked = True
        self._tokens.pop(grant.access_token, None)

    def answer(
        self, form: Mapping[str, str], authorization: str, settings: Settings, now: float
    ) -> dict[str, Any]:
        """Renew the tokens of a grant.

        Shape: ``{"grant_type": "refresh_token", "refresh_token": "oar…"}``, with ``client_id``
        in it for a public client, and ``Basic …`` as authorization for others.

        Raises: ``Refusal`` in OAuth's own shape.
        """
        client_id = self._client_of(form, authorization)
        if form.get("grant_type") != "refresh_token":
            raise _refusal("unsupported_grant_type")
        token = form.get("refresh_token", "")
        for grant in self._grants.values():
            if token in grant.spent:
                self.revoke(grant)
            if grant.refresh_token == token and not grant.is_revoked:
                if grant.client_id != client_id:
                    break
                self._renew(grant, settings, now)
                return self._shown(grant, settings)
        raise _refusal("invalid_grant")

    def _client_of(self, form: Mapping[str, str], authorization: str) -> str:
        scheme, _, pair = authorization.partition(" ")
        if not authorization:
            client_id = form.get("client_id", "")
            if self._clients.get(client_id, "") is not None or "client_secret" in form:
                raise _refusal("invalid_client", 401)
            return client_id
        try:
            client_id, _, secret = b64decode(pair, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _refusal("invalid_client", 401) from None
        if scheme != "Basic" or not secret or self._clients.get(client_id) != secret:
            raise _refusal("invalid_client", 401)
        return client_id

    def _renew(self, grant: Grant, settings: Settings, now: float) -> None:
        self._tokens.pop(grant.access_token, None)
        if grant.refresh_token:
            grant.spent.add(grant.refresh_token)
        grant.access_token = f"oaa{secrets.token_hex(24)}"
        grant.refresh_token = f"oar{secrets.token_hex(24)}"
        self._tokens[grant.access_token] = PersonalAccessToken(
            token=grant.access_token,
            scopes=grant.scopes,
            base_ids=grant.base_ids,
            user_id=grant.user_id,
            is_oauth=True,
            client_id=grant.client_id,
            expires_at=now + settings.oauth_expires_in_seconds,
            uses_left=settings.oauth_calls_of_access_token,
        )

    def _shown(self, grant: Grant, settings: Settings) -> dict[str, Any]:
        return {
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
            "expires_in": settings.oauth_expires_in_seconds,
            "refresh_expires_in": REFRESH_EXPIRES_IN_SECONDS,
        }


def _refusal(error: str, status: int = 400) -> Refusal:
    """A refusal in OAuth's own shape, which is not that of the Web API."""
    return Refusal(status, {"error": error, "error_description": f"refused as {error}"})
