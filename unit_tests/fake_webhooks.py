"""The webhooks of one base without HTTP: they answer as Airtable documents it, or as told."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from source_airtable.api.webhooks import MOST_PAYLOADS_OF_A_PAGE
from source_airtable.errors import AccessDeniedError
from unit_tests.builders import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
WEEK = timedelta(days=7)
OURS = {"options": {"filters": {"dataTypes": ["tableData", "tableFields"]}}}
MADE = "achMade0000000001"


def a_listed_webhook(webhook_id: str = "achA", **others: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A webhook that fits, as `GET /v0/bases/{baseId}/webhooks` lists it."""
    return {
        "id": webhook_id,
        "specification": OURS,
        "notificationUrl": None,
        "cursorForNextPayload": 1,
        "isHookEnabled": True,
        "expirationTime": (NOW + WEEK).isoformat(),
        **others,
    }


def a_payload(
    *changed: str,
    created: Sequence[str] = (),
    destroyed: Sequence[str] = (),
    table_id: str = TABLE,
    **others: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """A payload that names records of one table."""
    changes: dict[str, Any] = dict(others)
    if changed:
        changes["changedRecordsById"] = {one: {"current": {}} for one in changed}
    if created:
        changes["createdRecordsById"] = {one: {} for one in created}
    if destroyed:
        changes["destroyedRecordIds"] = list(destroyed)
    return {"payloadFormat": "v0", "changedTablesById": {table_id: changes}}


class FakeWebhooks:
    """Webhooks and their payloads, by id. Calls are `list` or `payloads achA 1`."""

    def __init__(self, *listed: dict[str, Any]) -> None:
        self.listed = list(listed)
        self.payloads: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The payloads of each webhook; the first one has the number 1."""
        self.kept_from: dict[str, int] = {}
        """The number of the first payload that is kept, where Airtable has dropped some."""
        self.answers: dict[str, list[Any]] = defaultdict(list)
        """What each call of a kind, such as `payloads`, gives or raises in turn instead."""
        self.loses_answers = False
        """Whether a webhook is made although the answer does not come."""
        self.calls: list[str] = []

    def add(self, webhook_id: str, *payloads: dict[str, Any]) -> None:
        """Add payloads to a webhook, and count its cursor on."""
        (listed,) = [one for one in self.listed if one["id"] == webhook_id]
        self.payloads[webhook_id] += payloads
        listed["cursorForNextPayload"] = len(self.payloads[webhook_id]) + 1

    def get(self, path: Sequence[str], parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Answer a GET of a path below the webhooks of the base."""
        if not path:
            return self._answer("list") or {"webhooks": [dict(one) for one in self.listed]}
        return self._answer("payloads", path[0], parameters["cursor"]) or self._page(
            path[0], parameters["cursor"]
        )

    def post(self, path: Sequence[str], content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Answer a POST to a path below the webhooks of the base."""
        if path:
            return self._answer("refresh", path[0]) or {"expirationTime": None}
        if not self.answers["create"] or self.loses_answers:
            self.listed.append(a_listed_webhook(MADE, specification=content["specification"]))
        return self._answer("create") or {"id": MADE, "expirationTime": None}

    def _page(self, webhook_id: str, cursor: int) -> dict[str, Any]:
        if webhook_id not in {one["id"] for one in self.listed}:
            raise AccessDeniedError(status=404)
        first = max(cursor, self.kept_from.get(webhook_id, 1))
        kept = self.payloads[webhook_id][first - 1 :]
        page = kept[:MOST_PAYLOADS_OF_A_PAGE]
        return {
            "payloads": page,
            "cursor": first + len(page),
            "mightHaveMore": len(kept) > len(page),
        }

    def _answer(self, kind: str, *facts: object) -> Any:  # noqa: ANN401 - JSON
        self.calls.append(" ".join(map(str, (kind, *facts))))
        answer = self.answers[kind].pop(0) if self.answers[kind] else None
        if isinstance(answer, Exception):
            raise answer
        return answer
