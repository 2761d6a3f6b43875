"""A webhook: its payloads, which it numbers from 1, and how long it lives.

See: https://airtable.com/developers/web/api/webhooks-overview
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

Payload = dict[str, Any]

LIFE_SECONDS: Final = 7 * 86_400.0
"""From its creation, its last refresh or the last listing of its payloads."""
RETENTION_SECONDS: Final = 7 * 86_400.0
"""How long payloads are kept, and a disabled webhook."""


@dataclass(slots=True)
class Webhook:
    """A webhook of a base."""

    id: str
    owner: str
    """The token that created it, or the OAuth integration."""
    specification: dict[str, Any]
    expires_at: float
    notification_url: str | None = None
    are_notifications_enabled: bool = True
    disabled_at: float | None = None
    error_code: str | None = None
    """Why it has error payloads instead of changes: ``INVALID_HOOK`` or another code."""
    first_number: int = 1
    """The number of the oldest kept payload."""
    payloads: list[tuple[float, Payload]] = field(default_factory=list)
    """With the moment of each, oldest first."""

    @property
    def next_number(self) -> int:
        """The number of the next payload. Numbers never start again."""
        return self.first_number + len(self.payloads)

    def is_enabled(self, now: float) -> bool:
        """Whether it is neither disabled nor expired."""
        return self.disabled_at is None and now < self.expires_at

    def is_gone(self, now: float) -> bool:
        """Whether it is disabled for so long that it is no longer there."""
        ended_at = self.expires_at
        if self.disabled_at is not None:
            ended_at = min(ended_at, self.disabled_at)
        return now >= ended_at + RETENTION_SECONDS

    def extend(self, now: float) -> None:
        """Let it live for seven days from now."""
        self.expires_at = now + LIFE_SECONDS

    def append(self, now: float, payload: Payload) -> None:
        """Add a payload."""
        self.payloads.append((now, payload))

    def forget_aged(self, now: float) -> None:
        """Delete the payloads that are older than the retention, read or not."""
        aged = bisect_right(self.payloads, now - RETENTION_SECONDS, key=itemgetter(0))
        del self.payloads[:aged]
        self.first_number += aged

    def page(self, cursor: int, limit: int) -> list[Payload]:
        """Kept payloads from a number on."""
        start = cursor - self.first_number
        return [payload for _, payload in self.payloads[start : start + limit]]
