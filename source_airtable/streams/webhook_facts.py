"""What the webhook of a base says of one table, for a stream with these columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_airtable.changes.payloads import TableChanges
from source_airtable.changes.plan import WebhookFacts
from source_airtable.schema.fingerprint import find_sources
from source_airtable.schema.formula_fields import find_fields

if TYPE_CHECKING:
    from datetime import datetime

    from source_airtable.changes.shared_webhook import SharedWebhook
    from source_airtable.changes.state import SyncState
    from source_airtable.records import RecordConverter


def ask_webhook(
    shared_webhook: SharedWebhook | None,
    saved: SyncState | None,
    converter: RecordConverter,
    now: datetime | None,
) -> WebhookFacts | None:
    """Ask what happened to a table since the saved state; None where no webhook is read."""
    webhook = shared_webhook.read(now) if shared_webhook else None
    if webhook is None:
        return None
    place = saved.webhook if saved else None
    why_unknown = webhook.why_unknown(place)
    if place is None or why_unknown:
        return WebhookFacts(webhook.position, TableChanges(), why_unknown)
    changes = webhook.changes_of(converter.table.table_id, place)
    return WebhookFacts(
        webhook.position, changes, has_changed_columns=_has_changed_columns(changes, converter)
    )


def deletions_unknown_since(saved: SyncState, webhook: WebhookFacts) -> datetime | None:
    """Give since when nobody has told deletions; None where all are known."""
    place = saved.webhook
    if webhook.why_unknown:
        return place.read_at if place else saved.read_to
    # While nobody asked for deletions, syncs read the webhook and dropped them.
    if place and saved.last_sweep and saved.last_sweep < place.read_at:
        return saved.last_sweep
    return None


def _has_changed_columns(changes: TableChanges, converter: RecordConverter) -> bool:
    """Tell whether a column has lost its field, or is made of one that was changed.

    A change that leaves a field's type as it is, such as of its name or formula, counts where it
    changes the fingerprint.
    """
    table = converter.table
    fields = {str(field["id"]): field for field in table.fields}
    types = {(field_id, field["type"]) for field_id, field in fields.items()}
    changed = changes.fields | {field_id for field_id, _ in changes.field_types - types}
    has_lost_one = bool(converter.columns_without_field) and not changed <= set(fields)
    columns = [column.field["id"] for column in converter.all_columns]
    columns += find_fields(table.filter.formula or "", table).field_ids
    sources = {str(source["id"]) for source in find_sources(columns, fields)}
    return has_lost_one or not changed.isdisjoint(sources)
