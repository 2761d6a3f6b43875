"""Access tokens and their scopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

READ_SCOPES: Final = ("data.records:read", "data.recordComments:read", "schema.bases:read")


@dataclass(slots=True)
class PersonalAccessToken:
    """A personal access token or an OAuth access token. ``base_ids`` None: every shared base."""

    token: str
    scopes: frozenset[str] = frozenset(READ_SCOPES)
    base_ids: frozenset[str] | None = None
    user_id: str = "usrSimulatedUser1"
    email: str = "user1@example.com"
    is_oauth: bool = False
    client_id: str | None = None
    """The OAuth integration."""
    expires_at: float | None = None
    """Seconds since 1970. None: never."""
    uses_left: int | None = None
    """Calls until the token ends. None: no limit."""

    @property
    def user(self) -> dict[str, str]:
        """The token's user as cells and comments show it."""
        return {"id": self.user_id, "email": self.email, "name": "User 1"}

    def takes_call(self, now: float) -> bool:
        """Whether the token is valid. Counts the call."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        if self.uses_left is None:
            return True
        self.uses_left -= 1
        return self.uses_left >= 0

    @property
    def owner(self) -> str:
        """Who owns the webhooks that it creates: the OAuth integration, or the token itself."""
        return self.client_id or self.token
