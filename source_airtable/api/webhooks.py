"""The webhooks of one base. Each of them keeps what changes until somebody lists it.

The connector asks for no notifications: it lists the payloads, which any number of programs can do,
because a list takes nothing away. A webhook that nobody reads for seven days ends by itself.
See https://airtable.com/developers/web/api/webhooks-overview
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from source_airtable.errors import AirtableError, ContractError, is_unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import BaseId, PayloadDict, WebhookDict

MOST_WEBHOOKS_OF_A_BASE = 10
MOST_PAYLOADS_OF_A_PAGE = 50
DATA_TYPES = ("tableData", "tableFields")
"""What the connector wants to learn of: records and fields. A list of fields would end the webhook
with the first of them that is deleted."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook, as Airtable lists it."""

    webhook_id: str
    next_cursor: int
    """The number of the payload that comes next."""
    expires_at: datetime | None
    """In UTC; None where it does not expire."""
    fits: bool
    """Whether it is enabled, notifies nobody, and reports all records and fields of the base."""


@dataclass(frozen=True, slots=True)
class PayloadPage:
    """Payloads, and where the next ones start."""

    payloads: list[PayloadDict]
    cursor: int
    more_follow: bool


class WebhookEndpoints:
    """Calls the endpoints of the webhooks of one base; raises the client's errors."""

    def __init__(self, client: AirtableClient, base_id: BaseId) -> None:
        self._client = client
        self._base_id = base_id
        self._path = f"/bases/{base_id}/webhooks"

    def list_webhooks(self) -> list[Webhook]:
        """List the webhooks that the token may see.

        See https://airtable.com/developers/web/api/list-webhooks
        """
        body = self._client.get(self._path, {})
        listed = body.get("webhooks")
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise ContractError(answer="no list of webhooks", base=self._base_id)
        return [self._parse(cast("WebhookDict", one)) for one in listed]

    def create_webhook(self) -> Webhook:
        """Create a webhook that notifies nobody. This takes one of the ten places of the base.

        The request is sent once: a second one may make a second webhook.
        See https://airtable.com/developers/web/api/create-a-webhook
        """
        specification = {"options": {"filters": {"dataTypes": list(DATA_TYPES)}}}
        body = self._client.post(self._path, {"specification": specification})
        if not isinstance(body.get("id"), str):
            raise ContractError(answer="a webhook without id", base=self._base_id)
        return Webhook(body["id"], 1, parse_moment(body.get("expirationTime")), fits=True)

    def list_payloads(self, webhook_id: str, cursor: int) -> PayloadPage:
        """List the payloads from a number on, 50 at most. This keeps the webhook alive.

        See https://airtable.com/developers/web/api/list-webhook-payloads
        """
        parameters = {"cursor": cursor, "limit": MOST_PAYLOADS_OF_A_PAGE}
        body = self._client.get(f"{self._path}/{webhook_id}/payloads", parameters)
        payloads, following = body.get("payloads"), body.get("cursor")
        if not isinstance(payloads, list) or not all(isinstance(one, dict) for one in payloads):
            raise ContractError(answer="no list of payloads", base=self._base_id)
        if not _is_number(following) or following < cursor:
            raise ContractError(answer="payloads without the next cursor", base=self._base_id)
        return PayloadPage(payloads, following, more_follow=body.get("mightHaveMore") is True)

    def refresh_webhook(self, webhook_id: str) -> None:
        """Extend a webhook's life to seven days from now.

        See https://airtable.com/developers/web/api/refresh-a-webhook
        """
        self._client.post(f"{self._path}/{webhook_id}/refresh", {})

    def _parse(self, listed: WebhookDict) -> Webhook:
        webhook_id, following = listed.get("id"), listed.get("cursorForNextPayload")
        if not isinstance(webhook_id, str) or not _is_number(following):
            raise ContractError(answer="a webhook without id or cursor", base=self._base_id)
        is_open = listed.get("isHookEnabled") is True and listed.get("notificationUrl") is None
        return Webhook(
            webhook_id,
            following,
            parse_moment(listed.get("expirationTime")),
            fits=is_open and _reports_everything(listed.get("specification")),
        )


def has_no_place(refused: AirtableError) -> bool:
    """Tell whether a base, or an OAuth integration in it, has as many webhooks as it may have."""
    return is_unprocessable(refused) and "TOO_MANY_WEBHOOKS" in str(refused.facts.get("error_type"))


def parse_moment(text: object) -> datetime | None:
    """Read a moment of Airtable's as UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _reports_everything(specification: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether a webhook has our data types and no other filter, whoever made it."""
    options = _as_dict(_as_dict(specification).get("options"))
    filters = _as_dict(options.get("filters"))
    data_types = filters.get("dataTypes")
    if not isinstance(data_types, list) or sorted(map(str, data_types)) != sorted(DATA_TYPES):
        return False
    return not any(setting for name, setting in filters.items() if name != "dataTypes")


def _as_dict(node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    return node if isinstance(node, dict) else {}


def _is_number(node: object) -> TypeGuard[int]:
    return isinstance(node, int) and not isinstance(node, bool) and node >= 1
