"""The webhook of a base: how it is found, made and read.

All streams of a base share one webhook, and so do other connections: a list of payloads takes
nothing away, and each stream saves its own position. The connector uses a webhook that is there,
makes one only where none fits, and never deletes one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from source_airtable.api.client import ask_again
from source_airtable.api.scopes import WEBHOOKS_SCOPE
from source_airtable.api.webhooks import (
    MOST_PAYLOADS_OF_A_PAGE,
    MOST_WEBHOOKS_OF_A_BASE,
    WebhookEndpoints,
    has_no_place,
    parse_moment,
)
from source_airtable.changes.moments import is_over, to_utc_text
from source_airtable.changes.payloads import PayloadLog
from source_airtable.changes.webhook_position import WebhookPosition
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
    SchemaChangedError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.webhooks import Webhook
    from source_airtable.api.wire_types import PayloadDict, TableId
    from source_airtable.changes.payloads import TableChanges
    from source_airtable.schema.table_schema import TableSchema

LOGGER = logging.getLogger("airbyte.source_airtable")

RETENTION = timedelta(days=6.5)
"""Airtable keeps payloads for seven days; half a day is left for a sync that takes its time."""
REFRESH_BEFORE_END = timedelta(days=3)
LOOK_BACK = timedelta(minutes=1)
"""How long before a read payloads are read once more: Airtable may show edits late."""
MOST_UNREAD_PAYLOADS = 5_000
"""From here on, reading the tables takes less time than listing the payloads."""
_MOST_PAGES = 2 * MOST_UNREAD_PAYLOADS // MOST_PAYLOADS_OF_A_PAGE

_PASSING_ERROR = "INTERNAL_ERROR"
"""The code of an error after which a webhook may go on; after any other one it does not."""

_ODD_ANSWERS = (ContractError, OffsetExpiredError, SchemaChangedError)
"""Refusals that mean something of a list of records mean nothing of a webhook."""


CREATOR = "create"
"""The permission level of those who may make webhooks."""
NO_ROLE = (
    "no webhook of the base can be shared, and only somebody with the creator role on the base can "
    "make one"
)
NO_PLACE = "no webhook of the base can be shared, and the base has as many as Airtable allows"


class WebhookFailedError(Exception):
    """A webhook reports an error in place of what changed."""


class NoWebhookError(Exception):
    """The base has no webhook that the sync can read; the text says why."""


@dataclass(slots=True)
class WebhookReports:
    """A webhook, as far as this sync has read it."""

    position: WebhookPosition
    """Where the next sync goes on; a little before the last payload, see LOOK_BACK."""
    last_number: int
    """The number of the last payload."""
    complete_from: int
    """The number of a payload from which on none is missing."""
    why_incomplete: str
    _log: PayloadLog

    def why_unknown(self, saved: WebhookPosition | None) -> str | None:
        """Say why the changes since a saved position are not known; None where they are."""
        now = self.position
        if saved is None:
            return "no webhook was read for this stream before"
        if saved.webhook_id != now.webhook_id:
            return "the webhook of its last sync is gone, or reports nothing more"
        if is_over(RETENTION, saved.read_at, now.read_at):
            return "its webhook was last read more than six days ago"
        if saved.cursor < self.complete_from:
            return self.why_incomplete
        if saved.cursor > self.last_number + 1:
            return "its webhook counts payloads anew"
        return None

    def changes_of(self, table_id: TableId, saved: WebhookPosition) -> TableChanges:
        """Give what happened to a table since a position."""
        return self._log.changes_of(table_id, saved.cursor)


class SharedWebhook:
    """Reads the webhook of a base once in a sync, for all its streams. Threads may share it."""

    def __init__(self, client: AirtableClient, table: TableSchema) -> None:
        self._base_id, self._base_name = table.base_id, table.base_name
        self._webhooks = WebhookEndpoints(client, table.base_id)
        self._saved: list[WebhookPosition] = []
        self._lock = threading.Lock()
        self._is_read = False
        self._outcome: WebhookReports | Exception | None = None

    def note(self, position: WebhookPosition) -> None:
        """Note a saved position; all of them are noted before the webhook is read."""
        self._saved.append(position)

    def read(self, now: datetime | None) -> WebhookReports | None:
        """Read what changed; None, with a warning, where the base has no webhook to read.

        `now` is Airtable's clock (UTC). Raises the client's error where Airtable does not answer.
        """
        with self._lock:
            if not self._is_read:
                try:
                    self._outcome = self._read(now)
                except NoWebhookError as missing:
                    self._warn(str(missing))
                except Exception as failure:  # noqa: BLE001 - each stream of the base must learn of it
                    self._outcome = failure
                self._is_read = True
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def why_none(self, permission_level: str | None) -> str | None:
        """Say why a sync would have no webhook, without making one; None where it would have one.

        `permission_level` is the token's owner's on the base, as in the list of bases.
        """
        try:
            listed = self._list()
        except NoWebhookError as missing:
            return str(missing)
        if any(one.fits for one in listed):
            return None
        if permission_level not in (None, CREATOR):
            return NO_ROLE
        return NO_PLACE if len(listed) >= MOST_WEBHOOKS_OF_A_BASE else None

    def _read(self, now: datetime | None) -> WebhookReports:
        if now is None:
            raise NoWebhookError("Airtable's answers have no date")
        listed = self._list()
        return self._read_first(listed, now) or self._make(listed, now)

    def _list(self) -> list[Webhook]:
        try:
            return ask_again(self._webhooks.list_webhooks)
        except AccessDeniedError:
            raise NoWebhookError(
                f"Airtable refuses the list of webhooks, for which the token needs the scope "
                f"{WEBHOOKS_SCOPE}"
            ) from None
        except _ODD_ANSWERS as odd:
            raise NoWebhookError(repr(odd)) from None

    def _read_first(self, listed: list[Webhook], now: datetime) -> WebhookReports | None:
        """Read the first webhook that works; those come first that most streams have read."""
        used = Counter(position.webhook_id for position in self._saved)
        fitting = [one for one in listed if one.fits and not _has_expired(one, now)]
        for webhook in sorted(fitting, key=lambda one: -used[one.webhook_id]):
            try:
                read = self._read_from_positions(webhook, now)
            except AccessDeniedError as denied:  # noqa: PERF203 - few turns, each with calls
                self._raise_if_listed(webhook, denied)
                self._log_failure(webhook, denied)
            except (*_ODD_ANSWERS, WebhookFailedError) as failure:
                self._log_failure(webhook, failure)
            else:
                self._refresh(webhook, now)
                return read
        return None

    def _raise_if_listed(self, webhook: Webhook, denied: AccessDeniedError) -> None:
        """Tell a webhook that is gone from one that the token may not read.

        Where the token may not read it, another webhook would not help.
        """
        if any(one.webhook_id == webhook.webhook_id for one in self._list()):
            status = denied.facts.get("status")
            raise NoWebhookError(f"Airtable does not give its payloads (status {status})")

    def _log_failure(self, webhook: Webhook, failure: Exception) -> None:
        LOGGER.warning(
            "Base %s: the webhook %s cannot be read any more (%r). The sync uses another one, and "
            "reads the tables in full that this one was read for.",
            self._base_name,
            webhook.webhook_id,
            failure,
        )

    def _read_from_positions(self, webhook: Webhook, now: datetime) -> WebhookReports:
        """Read a webhook from the oldest position that it still knows."""
        following = webhook.next_cursor
        known = [
            one.cursor
            for one in self._saved
            if one.webhook_id == webhook.webhook_id
            and not is_over(RETENTION, one.read_at, now)
            and following - one.cursor <= MOST_UNREAD_PAYLOADS
        ]
        # A webhook that nobody has read may have failed; its last payload says so.
        start = min([*known, following]) if known else max(1, following - 1)
        try:
            read = self._read_payloads(webhook.webhook_id, start, now)
        except _ODD_ANSWERS as odd:
            LOGGER.warning(
                "Base %s: Airtable does not give the payloads of the webhook %s (%r).",
                self._base_name,
                webhook.webhook_id,
                odd,
            )
            read = self._read_payloads(webhook.webhook_id, following, now)
            read.why_incomplete = "Airtable does not give the payloads since the last sync"
        if known:
            LOGGER.info(
                "Base %s: read %d reports of the webhook %s.",
                self._base_name,
                read.last_number - read.complete_from + 1,
                webhook.webhook_id,
            )
        return read

    def _read_payloads(self, webhook_id: str, start: int, now: datetime) -> WebhookReports:
        """Read payloads until none follows; raises WebhookFailedError where one is an error."""
        log, cursor, complete_from, again_from = PayloadLog(), start, start, None
        why = f"more than {MOST_UNREAD_PAYLOADS:,} payloads are unread"
        has_failed = False
        for _ in range(_MOST_PAGES):
            page = ask_again(partial(self._webhooks.list_payloads, webhook_id, cursor))
            first = page.cursor - len(page.payloads)
            if first > cursor:
                complete_from, why = first, "Airtable does not have all payloads any more"
            for number, payload in enumerate(page.payloads, max(first, cursor)):
                has_failed = payload.get("error") is True
                if has_failed and payload.get("code") != _PASSING_ERROR:
                    raise WebhookFailedError(payload.get("code"))
                if has_failed:
                    complete_from, why = number + 1, "the webhook has reported an error"
                else:
                    log.note(number, payload)
                if again_from is None and _is_recent(payload, now):
                    again_from = number
            cursor = page.cursor
            if not page.more_follow and has_failed:
                raise WebhookFailedError(_PASSING_ERROR)
            if not page.more_follow:
                following = max(again_from or cursor, complete_from)
                position = WebhookPosition(webhook_id, following, now)
                return WebhookReports(position, cursor - 1, complete_from, why, log)
        raise ContractError(answer="payloads without end")

    def _make(self, listed: list[Webhook], now: datetime) -> WebhookReports:
        """Make a webhook, which knows of nothing yet."""
        try:
            webhook = self._webhooks.create_webhook()
        except AccessDeniedError:
            raise NoWebhookError(NO_ROLE) from None
        except AirtableUnavailableError:
            return self._find_made(listed, now)
        except _ODD_ANSWERS as refused:
            if has_no_place(refused):
                raise NoWebhookError(NO_PLACE) from None
            raise NoWebhookError(repr(refused)) from None
        LOGGER.info(
            "Base %s: made the webhook %s. It notifies nobody, and ends when nobody reads it for "
            "seven days.",
            self._base_name,
            webhook.webhook_id,
        )
        return WebhookReports(WebhookPosition(webhook.webhook_id, 1, now), 0, 1, "", PayloadLog())

    def _find_made(self, before: list[Webhook], now: datetime) -> WebhookReports:
        """Find the webhook that a request made whose answer was lost; raises where there is none.

        Another request might make a second one.
        """
        known = {one.webhook_id for one in before}
        made = [one for one in self._list() if one.webhook_id not in known]
        read = self._read_first(made, now)
        if read is None:
            raise AirtableUnavailableError(answer="no webhook could be made", base=self._base_id)
        return read

    def _refresh(self, webhook: Webhook, now: datetime) -> None:
        """Prolong a webhook's life where the list of its payloads has not done so."""
        if not _ends_soon(webhook, now):
            return
        try:
            listed = [one for one in self._list() if one.webhook_id == webhook.webhook_id]
            if listed and _ends_soon(listed[0], now):
                self._webhooks.refresh_webhook(webhook.webhook_id)
        except (AirtableError, NoWebhookError) as refused:
            LOGGER.warning(
                "Base %s: the webhook %s ends at %s, and this sync could not prolong it (%r). "
                "Somebody with the creator role on the base can.",
                self._base_name,
                webhook.webhook_id,
                webhook.expires_at and to_utc_text(webhook.expires_at),
                refused,
            )

    def _warn(self, reason: str) -> None:
        LOGGER.warning(
            "Base %s has no webhook that the sync can read: %s. Its tables are read by the method "
            "last_modified.",
            self._base_name,
            reason,
        )


def _has_expired(webhook: Webhook, now: datetime) -> bool:
    return webhook.expires_at is not None and webhook.expires_at <= now


def _ends_soon(webhook: Webhook, now: datetime) -> bool:
    return webhook.expires_at is not None and webhook.expires_at - now <= REFRESH_BEFORE_END


def _is_recent(payload: PayloadDict, now: datetime) -> bool:
    moment = parse_moment(payload.get("timestamp"))
    return moment is not None and moment > now - LOOK_BACK
